"""Where things lie, what a board's settings file says, and how a user's mistake ends: one line, exit code 2."""
import argparse
import contextlib
import fcntl
import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BOARDS = ROOT / "image" / "boards"
CACHE = ROOT / "build"          # what does not depend on an appliance: MicroPython, its tools, the ports' libraries


class Refused(Exception):
    """Something is wrong that the user can mend; the text is one line: what, where, what to do."""


class Arguments(argparse.ArgumentParser):
    """Refuses what is wrong under the name that the Makefile has for it."""

    def error(self, message: str):
        raise Refused(re.sub(r"^argument --(\w+)", lambda found: found[1].upper(), message))


def number(text: str) -> int:
    """The type of an argument that is a port; whether there is such a port is to be seen when it is used."""
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no number: name a port from 1 to 65535")


def board(name: str) -> dict:
    """The tables of image/boards/<name>.toml."""
    path = BOARDS / f"{name}.toml"
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in BOARDS.glob("*.toml")))
        raise Refused(f"no board {name}: known are {known}")
    return tomllib.loads(path.read_text())


def folder(board: str, dev: bool = False) -> str:
    """The name of the folder of a board's image below BUILD."""
    return f"{board}-dev" if dev else board


@contextlib.contextmanager
def locked(name: Path):
    """Two commands that make the same things wait for each other."""
    try:
        name.parent.mkdir(parents=True, exist_ok=True)
        lock = name.with_name(f".{name.name}.lock").open("w")
    except OSError as error:
        raise Refused(f"{name.parent}: nothing can be written there ({error.strerror}): name another folder with BUILD=")
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def main(run) -> None:
    """Calls run(); says what was refused and ends with its exit code."""
    try:
        sys.exit(run())
    except Refused as error:
        print(f"barewire: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
