"""How throughput changes: with connections, with the size of a page, with the number of appliances on this machine."""
import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Iterator

from image.settings import Refused
from tests.bench import measure
from tests.bench.results import Table
from tests.real import network

RUNS, SECONDS = 3, 1
CONNECTIONS = 1, 2, 4, 8, 16, 32, 64
SIZES = 64, 1024, 8192, 65536, 1_000_000
APPLIANCES = 1, 2, 4, 8
STARTING = 120          # s that all appliances together may take until they serve


def page(size: int) -> str:
    """The path of the page of this size."""
    return f"/{size}.bin"


def named(size: int) -> str:
    return f"{size} B" if size < 1024 else f"{size // 1024} KiB" if size < 1_000_000 else "1 MB"


def over_connections(table: Table, who: str, port: int = 80) -> None:
    for count in CONNECTIONS:
        table.add(who, f"{count}", "", [measure.requests(SECONDS, count, measure.PAGE, port) for _ in range(RUNS)], "/s")


def over_sizes(requests: Table, goodput: Table, who: str) -> None:
    """The same runs, as pages a second and as MB a second."""
    for size in SIZES:
        rates = [measure.requests(SECONDS, 8, page(size)) for _ in range(RUNS)]
        requests.add(who, named(size), "", rates, "/s")
        goodput.add(who, named(size), "", [rate * size / 1e6 for rate in rates], "MB/s", digits=1)


@contextlib.contextmanager
def networks(count: int) -> Iterator[list[int]]:
    """File descriptors of this many namespaces, each with a TAP interface of its own: the same image serves in each."""
    with contextlib.ExitStack() as open_ones:
        made = []
        for _ in range(count):
            with network.network():
                made.append(os.open("/proc/thread-self/ns/net", os.O_RDONLY))
                open_ones.callback(os.close, made[-1])
        yield made


def serves() -> bool:
    """Whether the appliance of this namespace answers a request."""
    with contextlib.suppress(OSError), socket.socket() as connection:
        connection.settimeout(0.1)
        connection.connect((network.DEVICE, 80))
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        connection.settimeout(1)
        return bool(connection.recv(1))
    return False


@contextlib.contextmanager
def fleet(command: list[str], namespaces: list[int]) -> Iterator[tuple[list[subprocess.Popen], float]]:
    """An appliance in each namespace: the processes, and the seconds from the first exec until all of them serve."""
    processes, start = [], time.perf_counter()
    try:
        for namespace in namespaces:
            with network.namespace(namespace):
                processes.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        for namespace in namespaces:
            with network.namespace(namespace):
                while not serves():
                    if time.perf_counter() - start > STARTING:
                        raise Refused(f"one of {len(namespaces)} appliances did not serve within {STARTING} s")
        yield processes, time.perf_counter() - start
    finally:
        for process in processes:
            process.kill()
            process.wait()


def asked_together(namespaces: list[int], seconds: int) -> float:
    """Requests a second of all appliances, a wrk for each."""
    loads = []
    for namespace in namespaces:
        with network.namespace(namespace):
            loads.append(subprocess.Popen(measure.wrk(seconds), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True))
    return sum(measure.rate(load.communicate(timeout=60)[0]) for load in loads)


def over_appliances(table: Table, who: str, command: list[str]) -> None:
    for count in APPLIANCES:
        with networks(count) as namespaces, fleet(command, namespaces) as (processes, seconds):
            name = f"{count} on this machine"
            asked_together(namespaces, 1)       # all that is going to be translated is
            table.add(who, f"{name}: requests", "", [asked_together(namespaces, SECONDS) for _ in range(RUNS)], "/s")
            sizes = [measure.memory_mib(process.pid) for process in processes]
        table.add(who, f"{name}: until all serve", "", [seconds], "s", digits=2, less=True)
        table.add(who, f"{name}: memory of each, RSS", "", [rss for rss, _ in sizes], "MiB", digits=1, less=True)
        table.add(who, f"{name}: memory of each, PSS", "", [pss for _, pss in sizes], "MiB", digits=1, less=True)
