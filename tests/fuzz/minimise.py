"""Make tests/fuzz/corpus/TARGET small again: keep the shortest inputs that together take every way through the code.

    python -m tests.fuzz.minimise TARGET [FOLDER ...]       adds what FOLDERs (build/fuzz/TARGET) have beyond it

A way is a pair of lines of the parsers' files that were run one behind the other, and whether often. Inputs whose name
begins with "bug-" are kept whatever they do: each made something fail once.
"""
import hashlib
import sys
from collections import Counter
from pathlib import Path

from image.settings import ROOT
from tests.fuzz.targets import TARGETS

CORPUS = Path(__file__).parent / "corpus"
WATCHED = tuple(str(ROOT / part) for part in ("firmware/", "image/config.py", "image/assets.py", "hostsim/pcap.py"))


def ways(function, data):
    """The pairs of lines that `function` takes on `data`, with the power of two of how often."""
    taken = Counter()

    def enter(frame, event, _):
        if not frame.f_code.co_filename.startswith(WATCHED):
            return None
        last = [frame.f_lineno]

        def line(frame, event, _):
            taken[frame.f_code.co_filename, last[0], frame.f_lineno] += 1
            last[0] = frame.f_lineno
            return line
        return line
    sys.settrace(enter)
    try:
        function(data)
    finally:
        sys.settrace(None)
    return {(*way, count.bit_length() // 2) for way, count in taken.items()}


def main(name, *folders):
    own = CORPUS / name
    inputs = {path.read_bytes() for folder in (own, *map(Path, folders)) for path in folder.iterdir()}
    bugs = {path.read_bytes() for path in own.glob("bug-*")}
    TARGETS[name](b"")
    seen = set().union(*(ways(TARGETS[name], data) for data in bugs))
    kept = set()
    for data in sorted(inputs - bugs, key=lambda data: (len(data), data)):
        new = ways(TARGETS[name], data) - seen
        if new:
            seen |= new
            kept.add(data)
    for path in own.iterdir():
        if not path.name.startswith("bug-"):
            path.unlink()
    for data in kept:
        (own / hashlib.sha256(data).hexdigest()[:12]).write_bytes(data)
    print(f"{name}: {len(kept)} of {len(inputs)} inputs, {sum(map(len, kept)):,} bytes, {len(seen)} ways")


if __name__ == "__main__":
    main(*sys.argv[1:])
