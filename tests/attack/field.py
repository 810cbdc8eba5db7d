"""Where attacks take place: an appliance on TAP, the normal client beside the attack, and the table of what it saw."""
import contextlib
import json
import re
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path

from image.settings import ROOT
from tests.attack import shapes
from tests.attack.pages import BIG_BYTES
from tests.real import network
from tests.real.client import answer, connect, get, request
from tests.real.network import DEVICE, HOST, TAP, ip

FOLDER = ROOT / "build" / "attack"
FLOOD = FOLDER / "flood"
ATTACKER = "10.0.2.66"          # the host's second address: attackers that need connections have this one
CROWD = [f"10.0.2.{k}" for k in range(128, 144)]        # many clients have these
TROUBLE = ("nic_rx_bad_length", "nic_rx_bad_buffer", "nic_tx_bad_buffer", "http_500", "http_overflow", "sensor_error")
HEAD = ("| attack | on the wire | requests | answered | median ms | 95 % ms | longest ms |\n"
        "|---|---|--:|--:|--:|--:|--:|")


class Table:
    """Lines of Markdown, printed as they come and kept in build/attack/<name>.md."""

    def __init__(self, name: str, head: str = HEAD):
        FOLDER.mkdir(parents=True, exist_ok=True)
        self.path, self.lines, self.head = FOLDER / f"{name}.md", [], head

    def say(self, line: str) -> None:
        if not self.lines:
            self.lines = [self.head]
            print("\n" + self.head)
        print(line, flush=True)
        self.lines.append(line)
        self.path.write_text("\n".join(self.lines) + "\n")

    def row(self, attack: str, wire: str, seen: dict) -> None:
        times = sorted(seen["new"] + seen["kept"])
        asked = len(times) + len(seen["failed"])
        share = 100 * len(times) / asked if asked else 0
        middle = statistics.median(times) if times else float("nan")
        late = times[int(len(times) * 0.95)] if times else float("nan")
        self.say(f"| {attack} | {wire} | {asked} | {share:.4g} % | {middle:.2f} | {late:.2f} | {max(times, default=0):.0f} |")


def compile_flood() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    subprocess.run(["gcc", "-O2", "-Wall", "-Wextra", "-o", FLOOD, Path(__file__).with_name("flood.c")], check=True)


def host_mac() -> bytes:
    return bytes.fromhex(json.loads(ip(f"-j link show {TAP}"))[0]["address"].replace(":", ""))


def refused_by_tap() -> int:
    """Frames that the host's queue in front of QEMU had no room for, since the interface exists."""
    return json.loads(ip(f"-s -j link show {TAP}"))[0]["stats64"]["tx"]["dropped"]


class Client:
    """The normal client as a process for `seconds`; .port is its kept connection's, .seen() waits for its end."""

    def __init__(self, seconds: float):
        self.process = subprocess.Popen([sys.executable, "-m", "tests.attack.client", str(seconds)], cwd=ROOT,
                                        stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())

    def seen(self) -> dict:
        text, _ = self.process.communicate(timeout=120)
        return json.loads(text)


def flood(shape, rate: int, seconds: float, seed: int, count: int) -> tuple[str, int]:
    """Send `count` different frames of `shape` at `rate` for so long, over and over; 0 seconds: each once.

    Returns what was sent in words, and how much.
    """
    path = FOLDER / f"frames-{seed}.bin"
    shapes.write(path, shape, seed, count, host_mac())
    before = refused_by_tap()
    done = subprocess.run([FLOOD, TAP, path, str(rate), str(seconds)], check=True, capture_output=True, text=True, timeout=120)
    path.unlink()
    sent, _, passed = done.stdout.split()
    lost = refused_by_tap() - before
    words = f"{int(sent):,} frames, {int(sent) / float(passed) / 1000:,.0f} k/s"
    return words + (f", {lost:,} not taken by the TAP" if lost else ""), int(sent)


def metrics() -> dict[str, int]:
    """All counters, asked for on a connection that the client ends."""
    with contextlib.closing(connect()) as sock:
        sock.sendall(request("/metrics"))
        _, text, _ = answer(sock)
    return {name: int(value) for name, value in re.findall(r"^(\w+) (-?\d+)$", text.decode(), re.M)}


@contextlib.contextmanager
def sniffer():
    """What passes the TAP, both ways."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)) as sock:
        sock.bind((TAP, 0))
        yield sock


def heard(wire: socket.socket, seconds: float):
    """The frames that pass within so long."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        wire.settimeout(left)
        try:
            yield wire.recv(2048)
        except TimeoutError:
            return


def next_sequence(sock: socket.socket) -> int:
    """The sequence number that the appliance expects next on a connection that is silent: one request tells it."""
    port = sock.getsockname()[1]
    highest = 0
    with sniffer() as wire:
        sock.sendall(request("/"))
        answer(sock)
        for frame in heard(wire, 0.2):
            if frame[12:14] == b"\x08\0" and frame[23] == 6 and int.from_bytes(frame[34:36], "big") == port \
                    and frame[26:30] == socket.inet_aton(HOST):
                size = int.from_bytes(frame[16:18], "big") - 20 - (frame[46] >> 4 << 2)
                highest = int.from_bytes(frame[38:42], "big") + size
    assert highest, "the request was not seen on the wire"
    return highest & 0xFFFFFFFF


def still_serves() -> None:
    status, body = get("/big.bin")
    assert status == 200 and len(body) == BIG_BYTES


def wait_until(what, seconds: float = 10):
    """`what()` once it is true, within so long."""
    end = time.monotonic() + seconds
    while not (value := what()) and time.monotonic() < end:
        time.sleep(0.05)
    return value
