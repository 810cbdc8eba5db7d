"""Where things lie, what a board's settings file says, and how a user's mistake ends: one line, exit code 2."""
import contextlib
import fcntl
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BOARDS = ROOT / "image" / "boards"
CACHE = ROOT / "build"          # what does not depend on an appliance: MicroPython, its tools, the ports' libraries


class Refused(Exception):
    """Something is wrong that the user can mend; the text is one line: what, where, what to do."""


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
    name.parent.mkdir(parents=True, exist_ok=True)
    with name.with_name(f".{name.name}.lock").open("w") as lock:
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
