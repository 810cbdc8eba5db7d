"""How much memory a guest needs (QEMU's -m) to serve 64 connections at once, and what QEMU takes from the host for it."""
import contextlib
import socket
import subprocess
from collections.abc import Callable, Iterable

from image.settings import Refused
from tests.bench import measure, scaling
from tests.real import client, network

CONNECTIONS, REQUESTS = 64, 3


def served(length: int) -> int:
    """Connections, all open at once, on each of which each of several requests gets its page of this length."""
    with contextlib.ExitStack() as stack:
        opened = []
        with contextlib.suppress(OSError):
            for _ in range(CONNECTIONS):
                opened.append(stack.enter_context(client.connect()))
                opened[-1].settimeout(5)
        for _ in range(REQUESTS):
            for connection in opened:
                with contextlib.suppress(OSError):
                    connection.sendall(client.request(measure.PAGE))
            opened = [connection for connection in opened if answered(connection, length)]
        return len(opened)


def answered(connection: socket.socket, length: int) -> bool:
    with contextlib.suppress(OSError, ValueError):
        status, body, rest = client.answer(connection)
        return (status, len(body), rest) == (200, length, b"")
    return False


def enough(command: list[str], length: int, seconds: float) -> float:
    """QEMU's RSS in MiB once all connections have been served and are still open; 0 where they were not."""
    with network.network():
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            if not measure.comes(scaling.serves, process, seconds) or served(length) < CONNECTIONS:
                return 0
            return measure.memory_mib(process.pid)[0]
        finally:
            process.kill()
            process.wait()


def least(command: Callable[[int], list[str]], sizes: Iterable[int], length: int, seconds: float) -> tuple[int, float]:
    """The first of these -m (MiB) with which all connections are served, and QEMU's RSS then."""
    for mib in sizes:
        if rss := enough(command(mib), length, seconds):
            return mib, rss
    raise Refused(f"{CONNECTIONS} connections are not served with {mib} MiB")
