"""make bench: what an appliance reaches on this machine, as a table, printed and written to build/bench.md.

    python -m tests.bench [instructions]        instructions: only those per operation

Every figure is the median of three runs, with the least and the greatest, unless its line says otherwise. The host, the
load and the appliance share the machine's processors, so a busy machine shows in all of them.
"""
import contextlib
import random
import statistics
import sys
from functools import partial
from pathlib import Path

from image import build, settings
from image.qemu import Qemu
from image.settings import ROOT, Refused
from tests.bench import instructions, linux_guest, measure, native
from tests.real import network

RUNS, SECONDS = 3, 2
FOLDER = ROOT / "build" / "bench"
HEAD = "| what | with | median | min..max | goal |\n|---|---|--:|--:|--:|"


class Table:
    """Rows of Markdown, printed as they come."""

    def __init__(self, path: Path, head: str):
        self.path, self.lines = path, []
        self.say(head)

    def say(self, line: str) -> None:
        print(line, flush=True)
        self.lines += line.split("\n")
        self.path.write_text("\n".join(self.lines) + "\n")

    def row(self, what: str, using: str, values: list[float], unit: str, goal: str = "", digits: int = 0) -> None:
        middle, least, most = (f"{f(values):,.{digits}f}" for f in (statistics.median, min, max))
        self.say(f"| {what} | {using} | {middle} {unit} | {least}..{most} | {goal} |")


def times(count: int, run, *arguments) -> list[float]:
    return [run(*arguments) for _ in range(count)]


def pages() -> dict[str, bytes]:
    """A page of 1 KiB, and one of 1 MB that no compression makes smaller."""
    page = b"<!doctype html><title>1 KiB</title><p>" + b"barewire " * 120
    return {"index.html": page[:1024], measure.BIG[1:]: random.Random(1).randbytes(1_000_000)}


def size_and_start(table: Table) -> None:
    with contextlib.redirect_stdout(None):
        image = build.build_image("microvm", ROOT / "appliance.toml", ROOT / "build")
    line = (image.parent / "made-from").read_text().splitlines()[1]
    size = int(line.partition("; ")[2].split()[0])
    limit = settings.board("microvm")["build"]["size_limit"]
    table.row("image, stripped, without assets", "appliance.toml", [size], "bytes", f"at most {limit:,}")
    version, frame = zip(*((measure.version_ms(), measure.first_frame_ms(image)) for _ in range(15)))
    table.row("qemu-system-x86_64 --version", "15 runs", list(version), "ms", digits=1)
    table.row("exec to first frame", "15 runs, dgram link", list(frame), "ms", f"at most {3 * statistics.median(version):.1f}", 1)


def echo_rows(table: Table, who: str, goals: dict[int, str]) -> None:
    for window, goal in goals.items():
        table.row(f"{who}: UDP echoes", f"load.c, 64 B payload, window {window}",
                  times(RUNS, measure.echoes, window, SECONDS), "/s", goal)


def http_rows(table: Table, who: str, requests: str, connections: str) -> None:
    if lacking := measure.missing("wrk"):
        table.say(f"| {who}: HTTP | skipped: {lacking} | | | |")
        return
    table.row(f"{who}: HTTP requests, kept alive", "wrk -t1 -c8, 1 KiB page",
              times(RUNS, measure.requests, SECONDS), "/s", requests)
    table.row(f"{who}: HTTP connections", "wrk -t1 -c8, Connection: close, 1 KiB page",
              times(RUNS, measure.connections, SECONDS), "/s", connections)


def latency_rows(table: Table, who: str) -> None:
    if lacking := measure.missing("ping"):
        table.say(f"| {who}: ping | skipped: {lacking.replace('install ping', 'install iputils-ping')} | | | |")
    else:
        table.row(f"{who}: ping", "56 B, one every 10 ms, medians of 150", times(RUNS, measure.ping_ms), "ms", digits=3)
    table.row(f"{who}: GET, kept alive", "http.client, 1 KiB page, one every 10 ms, medians of 150",
              times(RUNS, measure.get_ms), "ms", digits=3)


def image_rows(table: Table, quiet: Path, sensor: Path) -> None:
    """The image in QEMU, on TAP."""
    with network.network(), network.qemu(quiet) as process:
        network.settle(1)
        table.row("image: processor when idle", "QEMU's process over 3 s", times(RUNS, measure.idle_percent, process), "%", digits=1)
        latency_rows(table, "image")
        echo_rows(table, "image", {1: "", 8: "", 32: "142,000", 128: ""})
        http_rows(table, "image", "20,000", "")
        if not measure.missing("wrk"):
            table.row("image: goodput", "wrk -t1 -c1, 1 MB page", times(RUNS, measure.goodput, SECONDS), "MB/s", digits=1)
    with network.network():
        start = Qemu(image=network.image_of(quiet), netdev=network.NETDEV).arguments
        table.row("image: exec to first HTTP byte", "15 runs, TAP", times(15, measure.first_byte_ms, start), "ms", digits=1)
    with network.network(), network.qemu(sensor):
        network.settle()
        table.row("image: sensor datagrams", "load.c, 28 B payload, period_ms = 0",
                  times(RUNS, measure.sensor_datagrams, SECONDS), "/s", "270,000")


def linux_rows(table: Table) -> None:
    """The Linux guest on the same machine type and card, doing the same."""
    try:
        disk = linux_guest.prepare(pages())
    except Refused as reason:
        table.say(f"| Linux guest | skipped: {reason} | | | |")
        return
    who = "Linux guest"
    with network.network(), linux_guest.running(disk, "nginx") as process:
        network.settle(1)
        table.row(f"{who}: processor when idle", "QEMU's process over 3 s", times(RUNS, measure.idle_percent, process), "%", digits=1)
        latency_rows(table, f"{who}, nginx")
        echo_rows(table, f"{who}, recvfrom and sendto", {1: "", 8: "", 32: "", 128: ""})
        table.row(f"{who}, recvmmsg and sendmmsg: UDP echoes", "load.c, 64 B payload, window 32",
                  times(RUNS, measure.echoes, 32, SECONDS, 8), "/s")
        http_rows(table, f"{who}, nginx", "", "")
        if not measure.missing("wrk"):
            table.row(f"{who}, epoll server in C: HTTP requests, kept alive", "wrk -t1 -c8, 1 KiB page",
                      times(RUNS, measure.requests_at, 8080, SECONDS), "/s")
            table.row(f"{who}, nginx: goodput", "wrk -t1 -c1, 1 MB page", times(RUNS, measure.goodput, SECONDS), "MB/s", digits=1)
    with network.network(), linux_guest.running(disk, "sensor"):
        network.settle()
        table.row(f"{who}: sensor datagrams", "load.c, 28 B payload, sendmmsg", times(RUNS, measure.sensor_datagrams, SECONDS), "/s")
    frame = partial(linux_guest.command, disk, "sensor")
    table.row(f"{who}: exec to first frame", "3 runs, dgram link", times(3, measure.first_frame_of, frame), "ms", digits=1)
    with network.network():
        table.row(f"{who}, nginx: exec to first HTTP byte", "3 runs, TAP",
                  times(3, measure.first_byte_ms, linux_guest.command(disk, "nginx")), "ms", digits=1)


def simulator_rows(table: Table, quiet: Path) -> None:
    """The simulator in CPython, on TAP."""
    with network.network(), network.simulator(quiet):
        network.settle()
        echo_rows(table, "simulator", {1: "", 32: "8,000"})
        http_rows(table, "simulator", "", "500")


def instruction_tables(path: Path) -> None:
    """What an operation costs, the same figures each time: x86-64 without a driver, a Cortex-M3 with it."""
    table = Table(path, "Instructions per operation on x86-64, frames in memory, counted one by one; beside them what peers were once "
                        "measured to take\n(callgrind, gcc 12.2): those columns are constants of tests/bench/native.py, "
                        "which no command measures again.\n\n"
                  f"| what | barewire | goal | {' | '.join(native.PEERS)} |\n|---|--:|--:|{'--:|' * len(native.PEERS)}")
    for what, count in native.counted().items():
        table.say(f"| {what} | {count:,} | " + " | ".join(f"{n:,}" if n else "-" for n in native.WHAT[what]) + " |")
    table.say("\nInstructions from one look into the receive FIFO to the next, counted in QEMU.\n\n"
                  "| board | what | instructions | goal |\n|---|---|--:|--:|")
    for board in instructions.CARDS:
        with contextlib.redirect_stdout(None):
            found = instructions.counted(board)
        for what, count in found.items():
            table.say(f"| {board} | {what} | {count:,} | {instructions.GOALS[what]:,} |")


def run() -> int:
    if sys.argv[1:] == ["instructions"]:
        instruction_tables(ROOT / "build" / "bench-instructions.md")
        return 0
    measure.compile_load()
    quiet = network.configuration(FOLDER / "quiet", files=pages())
    sensor = network.configuration(FOLDER / "sensor", period_ms=0)
    for config in quiet, sensor:
        network.image_of(config)
    table = Table(ROOT / "build" / "bench.md", f"{measure.machine()}; medians of {RUNS} runs of {SECONDS} s over TAP.\n\n{HEAD}")
    size_and_start(table)
    if reason := network.missing():
        table.say(f"| over TAP | skipped: {reason} | | | |")
    else:
        image_rows(table, quiet, sensor)
        linux_rows(table)
        simulator_rows(table, quiet)
    print()
    instruction_tables(ROOT / "build" / "bench-instructions.md")
    print(f"\nwritten to {table.path.relative_to(ROOT)} and bench-instructions.md beside it")
    return 0


if __name__ == "__main__":
    settings.main(run)
