"""MicroPython's tools/mpy-tool.py, as it is but for one function.

    python image/freeze.py SOURCE-TREE [mpy-tool's arguments]

It hashes each constant with an integer that grows by five bits a byte, so a page of 1 MB takes a minute. Only the hash's
low 16 bits are kept, and they depend on nothing above them.
"""
import runpy
import sys
from pathlib import Path


def compute_hash(data: bytes, bytes_hash: int) -> int:
    """py/makeqstrdata.py's function of that name: the same values."""
    found = 5381
    for byte in data:
        found = (found * 33 ^ byte) & 0xFFFFFF
    return found & (1 << 8 * (bytes_hash or 2)) - 1 or 1


if __name__ == "__main__":
    tree = Path(sys.argv.pop(1))
    sys.path.insert(0, str(tree / "py"))
    import makeqstrdata

    makeqstrdata.compute_hash = compute_hash
    runpy.run_path(str(tree / "tools" / "mpy-tool.py"), run_name="__main__")
