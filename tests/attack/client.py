"""The normal client of an appliance under attack, a process of its own: python -m tests.attack.client SECONDS [ADDRESS]

It asks for the page in turn on a connection of its own and on one that it keeps, checks every byte, waits 5 ms, and
prints what it saw as JSON: milliseconds of the answers, what failed, and how often the kept connection had to be opened
again (a server may close one that is idle; `reset` says that one was reset).
"""
import contextlib
import json
import sys
import time

from tests.attack.pages import INDEX
from tests.real.client import answer, connect, everything, request

PAUSE = 0.005


def once() -> None:
    with contextlib.closing(connect()) as sock:
        sock.sendall(request("/", "Connection: close"))
        head, _, body = everything(sock).partition(b"\r\n\r\n")
    if head.split()[1] != b"200" or body != INDEX:
        raise ValueError(f"wrong answer: {head[:60]!r}, {len(body)} bytes")


class Kept:
    """A connection that stays; a request that finds it closed is sent again on a new one, as browsers do."""

    def __init__(self):
        self.sock, self.reopened, self.reset = connect(), 0, 0

    def ask(self) -> None:
        try:
            self._ask()
        except (ConnectionResetError, BrokenPipeError):
            self.reset += 1
            self._again()
        except ConnectionError:
            self._again()

    def _again(self) -> None:
        self.reopened += 1
        self.sock.close()
        self.sock = connect()
        self._ask()

    def _ask(self) -> None:
        self.sock.sendall(request("/"))
        if answer(self.sock) != (200, INDEX, b""):
            raise ValueError("wrong answer on the kept connection")


def run(seconds: float) -> dict:
    times, failed = {"new": [], "kept": []}, []
    end = time.monotonic() + seconds
    kept = Kept()
    print(kept.sock.getsockname()[1], flush=True)       # for those who attack it
    while time.monotonic() < end:
        for name, ask in ("new", once), ("kept", kept.ask):
            start = time.perf_counter()
            try:
                ask()
                times[name].append(round((time.perf_counter() - start) * 1e3, 3))
            except (OSError, ValueError) as error:
                failed.append(f"{name} after {time.perf_counter() - start:.1f} s: {type(error).__name__} {error}")
            time.sleep(PAUSE)
    return {**times, "failed": failed, "reopened": kept.reopened, "reset": kept.reset}


if __name__ == "__main__":
    print(json.dumps(run(float(sys.argv[1]))))
