"""The image in QEMU, the Linux guest and the simulator under the same loads, over TAP."""
import contextlib
import random
import statistics
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from image import build, settings
from image.qemu import GUARD, Qemu
from image.settings import ROOT, Refused
from tests.bench import linux_guest, lwip_guest, measure, memory, scaling
from tests.bench.results import OURS, Table
from tests.real import network

RUNS, SECONDS = 3, 2
FOLDER = ROOT / "build" / "bench"
LINUX, BEST, LWIP, SIMULATOR = "Linux guest", "Linux guest, best C", "MicroPython + lwIP", "simulator"
WINDOWS = 1, 8, 32, 128
AWAKE = ", busy_poll_ms = 20"   # [net]: no sleep for so long after an answer
OUR_MIB = range(2, 64)          # where the least -m is looked for
LINUX_MIB = 48, 64, 80, 96, 112, 128, 160, 192, 256


def pages() -> dict[str, bytes]:
    """A page of 1 KiB, and one of each size that no compression makes smaller."""
    page = b"<!doctype html><title>1 KiB</title><p>" + b"barewire " * 120
    sized = {scaling.page(size)[1:]: random.Random(size).randbytes(size) for size in scaling.SIZES}
    return {"index.html": page[:1024], **sized}


def tables(machine: str) -> dict[str, Table]:
    """Empty ones."""
    shown = [OURS, LINUX, BEST, LWIP, SIMULATOR]
    wrk = f"wrk -t1, keep-alive, medians of {scaling.RUNS} runs of {scaling.SECONDS} s"
    return {
        "guests": Table(machine + f" {LINUX}: nginx; echoes by recvfrom and sendto. Best C: an epoll server;\n"
                        f"recvmmsg and sendmmsg. {LWIP}: bytecode and sockets in an image like ours, a driver in C. \"Better by\" is "
                        "against the Linux guest.\nSimulator: our firmware under CPython.", shown, LINUX),
        "connections": Table(f"HTTP requests against connections: 1 KiB page, {wrk}.", shown, LINUX),
        "sizes": Table(f"HTTP requests against the size of the page: {wrk}, 8 connections.", shown, LINUX),
        "goodput": Table("The same runs in MB of page a second.", shown, LINUX),
        "appliances": Table("Appliances on this machine, which share its processors with a wrk -t1 -c8 for each: the sum of their "
                            "requests stops growing when\nthe processors are full. RSS counts what they share (QEMU's program) in each, "
                            "PSS by parts.", shown, LINUX),
    }


def times(count: int, run, *arguments) -> list[float]:
    return [run(*arguments) for _ in range(count)]


def size_and_start(table: Table) -> None:
    with contextlib.redirect_stdout(None):
        image = build.build_image("microvm", ROOT / "appliance.toml", ROOT / "build")
    line = (image.parent / "made-from").read_text().splitlines()[1]
    size = int(line.partition("; ")[2].split()[0])
    table.add(OURS, "image, stripped, without assets", "appliance.toml", [size], "bytes",
              goal=f"at most {settings.board('microvm')['build']['size_limit']:,}", less=True)
    version, frame = zip(*((measure.version_ms(), measure.first_frame_ms(image)) for _ in range(15)))
    table.add(OURS, "exec to first frame", "15 runs (Linux: 3), dgram link", frame, "ms", digits=1, less=True,
              goal=f"40 x; {3 * statistics.median(version):.1f} ms, 3 x qemu --version")


def echoes(table: Table, who: str, windows: tuple[int, ...] = WINDOWS, best: str = "") -> None:
    for window in windows:
        what, using = f"UDP echoes, window {window}", "load.c, 64 B payload"
        table.add(who, what, using, times(RUNS, measure.echoes, window, SECONDS), "/s", goal="12 x" if window == 32 else "")
        if best:
            table.add(best, what, using, times(RUNS, measure.echoes, window, SECONDS, 8), "/s")


def http(table: Table, who: str) -> None:
    if lacking := measure.missing("wrk"):
        return table.skip(f"{who}: HTTP", lacking)
    table.add(who, "HTTP requests, kept alive", "wrk -t1 -c8, 1 KiB page", times(RUNS, measure.requests, SECONDS), "/s", goal="12 x")
    table.add(who, "HTTP connections", "wrk -t1 -c8, Connection: close", times(RUNS, measure.connections, SECONDS), "/s")


def idle(table: Table, who: str, process, awake: str = "") -> None:
    table.add(who, "processor when idle" + awake, "QEMU's process over 3 s, of one", times(RUNS, measure.idle_percent, process), "%",
              digits=1, less=True, goal="under 1 %")


def latency(table: Table, who: str, awake: str = "") -> None:
    """`awake`: the setting that keeps it from sleeping between the requests, if any."""
    using = "one every 10 ms, medians of 150"
    if lacking := measure.missing("ping"):
        table.skip(f"{who}: ping", lacking.replace("install ping", "install iputils-ping"))
    else:
        table.add(who, "ping" + awake, f"56 B, {using}", times(RUNS, measure.ping_ms), "ms", digits=3, less=True, goal="2 x")
    table.add(who, "GET, kept alive" + awake, f"http.client, {using}", times(RUNS, measure.get_ms), "ms", digits=3, less=True, goal="2 x")


def running(found: dict[str, Table], who: str, process, best: str = "", sizes: bool = True) -> None:
    """All that is measured of an appliance that stands on TAP and serves; `sizes`: pages of other sizes, too."""
    table = found["guests"]
    network.settle(1)
    idle(table, who, process)
    latency(table, who)
    echoes(table, who, best=best)
    http(table, who)
    if measure.missing("wrk"):
        return
    scaling.over_connections(found["connections"], who)
    if best:
        table.add(best, "HTTP requests, kept alive", "", times(RUNS, measure.requests, SECONDS, 8, measure.PAGE, 8080), "/s")
        scaling.over_connections(found["connections"], best, 8080)
    if sizes:
        table.add(who, "goodput", "wrk -t1 -c1, 1 MB page", times(RUNS, measure.goodput, SECONDS), "MB/s", digits=1, goal="2 x")
        scaling.over_sizes(found["sizes"], found["goodput"], who)


def least_memory(table: Table, who: str, using: str, command: Callable[[int], list[str]], sizes: Iterable[int], seconds: float) -> None:
    what = f"{memory.CONNECTIONS} connections at once, {memory.REQUESTS} requests each: "
    mib, rss = memory.least(command, sizes, len(pages()["index.html"]), seconds)
    table.add(who, what + "least -m", using, [mib], "MiB", less=True, goal="at most 4 MiB")
    table.add(who, what + "QEMU's RSS", using, [rss], "MiB", digits=1, less=True)


def first_byte(table: Table, who: str, command: list[str], starts: int) -> None:
    with network.network():
        table.add(who, "exec to first HTTP byte", "15 runs (Linux: 3), TAP", times(starts, measure.first_byte_ms, command), "ms",
                  digits=1, less=True, goal="40 x")


def apart(found: dict[str, Table], who: str, command: list[str], starts: int) -> None:
    """What an appliance is started for again and again."""
    first_byte(found["guests"], who, command, starts)
    if not measure.missing("wrk"):
        scaling.over_appliances(found["appliances"], who, command)


def image(found: dict[str, Table]) -> None:
    """The image in QEMU."""
    quiet, sensor = network.configuration(FOLDER / "quiet", files=pages()), network.configuration(FOLDER / "sensor", period_ms=0)
    small = network.configuration(FOLDER / "small", files={"index.html": pages()["index.html"]})

    def command(config: Path, mib: int | None = None) -> list[str]:
        return [*GUARD, *Qemu(image=network.image_of(config), netdev=network.NETDEV, memory=mib).arguments]

    with network.network(), network.qemu(quiet) as process:
        running(found, OURS, process)
    least_memory(found["guests"], OURS, "1 KiB page", partial(command, small), OUR_MIB, 3)
    apart(found, OURS, command(quiet), 15)
    awake = network.configuration(FOLDER / "awake", files=pages(), busy_poll_ms=20)
    with network.network(), network.qemu(awake) as process:
        network.settle(1)
        idle(found["guests"], OURS, process, AWAKE)
        latency(found["guests"], OURS, AWAKE)
    with network.network(), network.qemu(sensor):
        network.settle()
        found["guests"].add(OURS, "sensor datagrams", "load.c, 28 B payload, back to back", times(RUNS, measure.sensor_datagrams, SECONDS),
                            "/s", goal="6 x")


def linux(found: dict[str, Table]) -> None:
    """The Linux guest on the same machine type and card, doing the same."""
    table = found["guests"]
    disk = linux_guest.prepare(pages())
    with network.network(), linux_guest.running(disk, "nginx") as process:
        running(found, LINUX, process, BEST)
    table.add(LINUX, "exec to first frame", "", times(3, measure.first_frame_of, partial(linux_guest.command, disk, "sensor")), "ms")
    command = partial(linux_guest.command, disk, "nginx", network.NETDEV)
    least_memory(table, LINUX, "", command, LINUX_MIB, 20)
    apart(found, LINUX, command(), 3)
    polling = Table("", [])
    with network.network(), linux_guest.running(disk, "nginx", idle="poll"):
        network.settle()
        latency(polling, LINUX)
    for row in polling.rows:
        table.add(LINUX, row.what + AWAKE, "", table.row(row.what).values[LINUX])
    table.title += (f"\nThe {LINUX} as it comes is what [net]{AWAKE.lstrip(',')} is compared with. With idle=poll, which keeps a "
                    "processor busy for ever, it has " + ", ".join(f"{row.what} {row.cell(LINUX)}" for row in polling.rows) + ".")
    with network.network(), linux_guest.running(disk, "sensor"):
        network.settle()
        table.add(LINUX, "sensor datagrams", "", times(RUNS, measure.sensor_datagrams, SECONDS), "/s")


def lwip(found: dict[str, Table]) -> None:
    """MicroPython with lwIP on the same machine type and card; it has the page of 1 KiB only."""
    table = found["guests"]
    with network.network(), lwip_guest.running() as process:
        running(found, LWIP, process, sizes=False)
    table.add(LWIP, "exec to first frame", "", times(15, measure.first_frame_of, partial(lwip_guest.command, False)), "ms")
    least_memory(table, LWIP, "", partial(lwip_guest.command, False, network.NETDEV), OUR_MIB, 3)
    first_byte(table, LWIP, lwip_guest.command(), 15)
    with network.network(), lwip_guest.running(sensor=True):
        network.settle()
        table.add(LWIP, "sensor datagrams", "", times(RUNS, measure.sensor_datagrams, SECONDS), "/s")


def simulator(found: dict[str, Table]) -> None:
    """The simulator in CPython."""
    with network.network(), network.simulator(network.configuration(FOLDER / "quiet", files=pages())):
        network.settle()
        echoes(found["guests"], SIMULATOR, (1, 32))
        http(found["guests"], SIMULATOR)


def measure_all(found: dict[str, Table], over_tap: bool) -> None:
    measure.compile_load()
    size_and_start(found["guests"])
    if over_tap:
        image(found)
        for who, part in (LINUX, linux), (LWIP, lwip), (SIMULATOR, simulator):
            try:
                part(found)
            except Refused as reason:       # without its packages, or not able to go on: what there is of it counts
                found["guests"].skip(who, reason)
