"""MicroPython's source, and the two programs made from it: mpy-cross and the unix port (for the tests).

    python image/micropython.py source | mpy-cross | unix        prints the path

The source is the distribution's source package (archive.py). The environment variable MICROPYTHON names a source tree
to use instead; it is only read.
"""
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from image import archive  # noqa: E402
from image.settings import CACHE, ROOT, Refused, locked, main  # noqa: E402

TREE = "micropython-1.25.0"
ARCHIVE = archive.Source("MicroPython", "micropython=1.25.0+ds-1", "trixie", "micropython_1.25.0+ds.orig.tar.xz",
                         "7b25be99a502f070b2de81dafc08da7051d992325d6e67daa9045a918fffdbea",
                         "or unpack micropython_1.25.0+ds.orig.tar.xz yourself and say MICROPYTHON=its folder")

# What mpy-cross and the unix port are made from
PARTS = ("extmod", "lib", "mpy-cross", "ports/unix", "py", "shared", "tools")

# Code at addresses that a 32-bit word can hold, so that firmware meets on the unix port what it meets on a device.
UNIX = ["VARIANT=standard", "MICROPY_PY_SSL=0", "MICROPY_PY_BTREE=0", "MICROPY_SSL_AXTLS=0", "MICROPY_SSL_MBEDTLS=0",
        "MICROPY_PY_FFI=0", "FROZEN_MANIFEST=", "CFLAGS_EXTRA=-fno-pie", "LDFLAGS_EXTRA=-no-pie"]


def source() -> Path:
    """The source tree, fetched where it is not there yet."""
    if named := os.environ.get("MICROPYTHON"):
        tree = Path(named).resolve()
        if not (tree / "py" / "mkrules.mk").is_file():
            raise Refused(f"MICROPYTHON={named}: no MicroPython source there (py/mkrules.mk is missing)")
        return tree
    tree = CACHE / TREE
    with locked(tree):
        if not tree.is_dir():
            _unpack(archive.fetched(ARCHIVE), tree)
    return tree


def cache(tree: Path, name: str) -> Path:
    """The folder below build/ for what is made from the source `tree`: another tree, another folder."""
    return CACHE / (name if tree == CACHE / TREE else f"{name}-{hashlib.sha256(str(tree).encode()).hexdigest()[:8]}")


def _unpack(tarball: Path, tree: Path) -> None:
    archive.check(ARCHIVE, tarball)
    scratch = CACHE / "unpacking"
    shutil.rmtree(scratch, ignore_errors=True)
    with tarfile.open(tarball) as packed:
        packed.extractall(scratch)
    (scratch / TREE).rename(tree)
    shutil.rmtree(scratch)


def make(folder: Path, build: Path, *arguments: str) -> None:
    """Runs make in `folder` with BUILD=build; its output goes to build/make.log and is shown where it fails."""
    build.mkdir(parents=True, exist_ok=True)
    log = build / "make.log"
    environment = {key: value for key, value in os.environ.items() if key not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "BUILD", "BOARD")}
    with log.open("w") as out:
        done = subprocess.run(["make", "-C", folder, f"-j{os.cpu_count()}", f"BUILD={build}", *arguments],
                              stdout=out, stderr=subprocess.STDOUT, env=environment)
    if done.returncode:
        sys.stderr.write("".join(log.read_text().splitlines(keepends=True)[-30:]))
        raise Refused(f"make in {folder} failed: its output is in {log}")


def emitter(tree: Path) -> Path:
    """A copy of what the programs are made from, with our native emitter for x86-64
    and ARMv7-M (image/emitter): `tree` itself is only read."""
    ours = ROOT / "image" / "emitter"
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(ours.iterdir()))).hexdigest()
    copy = cache(tree, "emitter")
    stamp = copy / "made-from"
    with locked(copy):
        if not stamp.is_file() or stamp.read_text() != digest:
            shutil.rmtree(copy, ignore_errors=True)
            for part in PARTS:
                shutil.copytree(tree / part, copy / part)
            for path in ours.glob("*.h"):
                shutil.copy(path, copy / "py")
            for change in sorted(ours.glob("*.patch")):
                done = subprocess.run(["patch", "-s", "-p1", "-d", copy, "-i", change], capture_output=True, text=True)
                if done.returncode:
                    sys.stderr.write(done.stdout + done.stderr)
                    raise Refused(f"{tree}: image/emitter/{change.name} does not fit there: it is made for MicroPython 1.25")
            stamp.write_text(digest)
    return copy


def _program(name: str, port: str, program: str, *arguments: str) -> Path:
    """The program of one of MicroPython's own ports, made in build/<name>."""
    tree = source()
    copy, build = emitter(tree), cache(tree, name)
    path, stamp = build / program, build / "made-with"
    made = " ".join([(copy / "made-from").read_text(), *arguments])
    with locked(build):
        if not stamp.is_file() or stamp.read_text() != made:
            print(f"barewire: building MicroPython's {name}", file=sys.stderr)
            shutil.rmtree(build, ignore_errors=True)
            make(copy / port, build, *arguments)
            stamp.write_text(made)
    return path


def mpy_cross() -> Path:
    return _program("mpy-cross", "mpy-cross", "mpy-cross")


def unix() -> Path:
    """The unix port: run it with GLIBC_TUNABLES=glibc.malloc.mmap_threshold=... so that its heap lies below 4 GiB."""
    return _program("unix", "ports/unix", "micropython", f"MICROPY_MPYCROSS={mpy_cross()}", *UNIX)


def run() -> None:
    made = {"source": source, "mpy-cross": mpy_cross, "unix": unix}
    if len(sys.argv) != 2 or sys.argv[1] not in made:
        raise Refused(f"usage: python image/micropython.py {' | '.join(made)}")
    print(made[sys.argv[1]]())


if __name__ == "__main__":
    main(run)
