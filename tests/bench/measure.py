"""One function per figure: measure it once, or as often as its statistics need. The load generators are named in the table."""
import contextlib
import http.client
import os
import re
import shutil
import socket
import statistics
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from image import settings
from image.qemu import Qemu
from image.settings import ROOT, Refused
from tests.real.network import DEVICE, processor_seconds

PAGE, BIG = "/", "/1000000.bin"
LOAD = ROOT / "build" / "bench" / "load"


def compile_load() -> None:
    LOAD.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["gcc", "-O2", "-Wall", "-o", LOAD, Path(__file__).with_name("load.c")], check=True)


def said(*command: str) -> str:
    """What a program prints that is expected to succeed within seconds."""
    try:
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=60)
    except subprocess.TimeoutExpired:
        raise Refused(f"{command[0]} does not end")
    if done.returncode:
        raise Refused(f"{command[0]}: {(done.stderr or done.stdout).strip().splitlines()[-1]}")
    return done.stdout


def _load(*words) -> float:
    rate, _, bad = said(LOAD, *words).split()
    if int(bad):
        raise Refused(f"{bad} datagrams came with wrong bytes")
    return float(rate)


def echoes(window: int, seconds: float, port: int = 7) -> float:
    """UDP echoes of 64 bytes a second."""
    return _load("echo", DEVICE, port, 64, window, seconds)


def sensor_datagrams(seconds: float) -> float:
    return _load("sink", 9000, seconds)


def wrk(seconds: int, connections: int = 8, path: str = PAGE, port: int = 80, *words: str) -> list[str]:
    """wrk's command line: one thread that keeps this many connections busy."""
    return ["wrk", "-t1", f"-c{connections}", f"-d{seconds}", *words, f"http://{DEVICE}:{port}{path}"]


def rate(said: str) -> float:
    """Whole answers a second, from what wrk said. Refuses what had errors."""
    if failed := re.search(r"(Socket errors|Non-2xx).*", said):
        raise Refused(f"wrk: {failed[0]}")
    return float(re.search(r"Requests/sec: +([\d.]+)", said)[1])


def requests(*arguments) -> float:
    """HTTP requests a second; the arguments are wrk()'s."""
    return rate(said(*wrk(*arguments)))


def connections(seconds: int) -> float:
    """HTTP connections a second, one request in each."""
    return requests(seconds, 8, PAGE, 80, "-H", "Connection: close")


def goodput(seconds: int, connections: int = 1, path: str = BIG, size: int = 1_000_000) -> float:
    """MB of page a second, whole pages counted."""
    return requests(seconds, connections, path) * size / 1e6


def ping_ms() -> float:
    """Median round trip of 150 pings, one every 10 ms."""
    times = re.findall(r"time=([\d.]+) ms", said("ping", "-c150", "-i0.01", DEVICE))
    return statistics.median(map(float, times))


def get_ms() -> float:
    """Median time of 150 GETs of the 1 KiB page on one connection, one every 10 ms."""
    connection = http.client.HTTPConnection(DEVICE, timeout=5)
    times = []
    for _ in range(150):
        start = time.perf_counter()
        connection.request("GET", PAGE)
        length = len(connection.getresponse().read())
        times.append(time.perf_counter() - start)
        if length != 1024:
            raise Refused(f"the page of 1024 bytes came with {length}")
        time.sleep(0.01)
    connection.close()
    return statistics.median(times) * 1e3


def idle_percent(process: subprocess.Popen, seconds: float = 3) -> float:
    """Processor time that an appliance takes which nobody asks anything, in percent of one processor."""
    before = processor_seconds(process.pid)
    time.sleep(seconds)
    return 100 * (processor_seconds(process.pid) - before) / seconds


def memory_mib(pid: int) -> tuple[float, float]:
    """What a process holds of the host's memory, in MiB: RSS, and PSS, which counts shared pages by parts (proc(5))."""
    said = Path(f"/proc/{pid}/smaps_rollup").read_text()
    rss, pss = (int(re.search(rf"^{name}: +(\d+) kB", said, re.M)[1]) / 1024 for name in ("Rss", "Pss"))
    return rss, pss


def comes(what: Callable[[], bool], process: subprocess.Popen, seconds: float) -> bool:
    """Whether it becomes true in time, while the process lives."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        if what():
            return True
    return False


def version_ms() -> float:
    """How long QEMU takes to do nothing."""
    start = time.perf_counter()
    subprocess.run([settings.board("microvm")["qemu"]["binary"], "--version"], stdout=subprocess.DEVNULL, check=True)
    return (time.perf_counter() - start) * 1e3


@contextlib.contextmanager
def wire():
    """A socket that gets a machine's frames as UDP datagrams, and the -netdev that sends them there."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
        end.bind(("127.0.0.1", 0))
        end.settimeout(60)
        yield end, (f"dgram,local.type=inet,local.host=127.0.0.1,local.port=0,"
                    f"remote.type=inet,remote.host=127.0.0.1,remote.port={end.getsockname()[1]}")


def first_frame_ms(image: Path) -> float:
    """From exec to the appliance's first frame."""
    with wire() as (end, netdev):
        start = time.perf_counter()
        with Qemu(image=image, netdev=netdev):
            end.recv(2048)
            return (time.perf_counter() - start) * 1e3


def first_frame_of(command) -> float:
    """From exec to the first frame of the machine whose command line is command(netdev)."""
    with wire() as (end, netdev):
        words = command(netdev)
        start = time.perf_counter()
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            end.recv(2048)
            return (time.perf_counter() - start) * 1e3
        finally:
            process.kill()
            process.wait()


def first_byte_ms(command, port: int = 80) -> float:
    """From exec to the first byte of a page, asked for over TAP again and again until it comes."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while time.perf_counter() - start < 30:
            with contextlib.suppress(OSError), socket.socket() as connection:
                connection.settimeout(0.02 if time.perf_counter() - start < 0.3 else 0.5)
                connection.connect((DEVICE, port))
                connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                connection.settimeout(1)
                if connection.recv(1):
                    return (time.perf_counter() - start) * 1e3
        raise Refused("no page within 30 s")
    finally:
        process.kill()
        process.wait()


def missing(*tools: str) -> str:
    """Names the tools that are not there."""
    lacking = [tool for tool in tools if not shutil.which(tool)]
    return f"no {', '.join(lacking)}: apt-get install {' '.join(lacking)}" if lacking else ""


def machine() -> str:
    """One line: what this was measured on."""
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    version = said(settings.board("microvm")["qemu"]["binary"], "--version").split()[3]
    return f"{os.cpu_count()} x {model[1] if model else 'processor'}, QEMU {version}, load {os.getloadavg()[0]:.1f} at the start"
