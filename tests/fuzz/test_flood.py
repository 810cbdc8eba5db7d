"""A flood of damaged and random frames through the image in QEMU: it goes on serving, and every frame is accounted for.

Frames go over QEMU's dgram network in bursts that its receive ring holds; behind each burst an echo request whose reply
says that all of it was taken.
"""
import random
import re
import shutil
import socket
import struct
import time
from pathlib import Path

import pytest

from image import build
from image.settings import ROOT
from tests.agree.frames import ACK, FIN, HOST_MAC, MAC, OURS, PSH, RST, SYN, Segment, arp, icmp, ip, mss, tcp, udp
from tests.agree.image_target import BARRIER, Image
from tests.agree.random_talk import damaged
from tests.agree.registry import TARGETS
from tests.fuzz.device import ENDS

CORPUS = Path(__file__).parent / "corpus"
BURST = 48
STEP = 100_000      # frames between two lines of progress
SLOWEST = 1000      # frames per second: a flood that is slower does not come to its end, and fails
ASK_S = 30          # within this long /metrics is answered, whatever is on: silent peers' slots give way after 4 s (tcp.BUSY_MS)
LEAVE_S = 400       # and within this long all slots leave by themselves: 60 s of silence, FIN, and R2 (tcp_output.RETRIES_MAX)
LINE = 600          # bytes of heap that a line on the console leaves to be collected: it is everyday Python
FATES = tuple(name for name in ENDS if name != "tcp_opened")


class Flood:
    """An Image, and what was sent to it."""

    def __init__(self, image, seed):
        self.image, self.choice = image, random.Random(seed)
        image.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self.sent = self.tcp = 0
        self.port, self.live = 20000, []
        self.kinds = [*valid(), *kept()]

    def burst(self, frames):
        """Send frames and a barrier; returns what came back."""
        image = self.image
        image.barriers += 1
        barrier = icmp(data=struct.pack(">I", image.barriers), source=BARRIER)
        for frame in (*frames, barrier):
            self.sent += 1
            self.tcp += len(frame) > 37 and frame[12:14] == b"\x08\0" and frame[23] == 6 and frame[36:38] == b"\0\x50"
            image.socket.sendto(frame, image.there)
        back = []
        while True:
            out = image.socket.recv(2048)
            if out[12:14] == b"\x08\0" and out[30:34] == barrier[26:30]:
                if out[42:46] == barrier[42:46]:
                    return back
                continue
            back.append(out)

    def opened(self, port, seq):
        """Send a SYN; the number to acknowledge, None if it is not answered."""
        back = self.burst([tcp(SYN, seq, port=port, options=mss(1460))])
        segments = [Segment(out) for out in back if out[12:14] == b"\x08\0" and out[23] == 6]
        return next((one.seq + 1 for one in segments if one.port == port and one.flags & SYN), None)

    def connect(self):
        """A connection that asks for something; its later frames are among the kinds."""
        self.port = 20000 + (self.port + 1) % 40000
        seq = self.choice.getrandbits(32)
        ack = self.opened(self.port, seq)
        if ack is None:
            return                                      # all slots are taken
        data = b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % self.choice.choice(TARGETS).encode()
        self.live = self.live[-40:] + [
            tcp(ACK, seq + 1, ack, port=self.port), tcp(PSH | ACK, seq + 1, ack, data, port=self.port),
            tcp(ACK, seq + 1 + len(data), ack + self.choice.choice((0, 200, 1460)), port=self.port),
            tcp(self.choice.choice((RST, FIN | ACK, ACK)), seq + 1 + len(data), ack, port=self.port)]
        self.burst(self.live[-4:-1])

    def frames(self, count):
        choice = self.choice
        for _ in range(count):
            kind = choice.random()
            if kind < 0.1:
                yield (MAC if kind < 0.07 else b"") + choice.randbytes(choice.randrange(14, 200))
            else:
                frame = choice.choice(self.live if self.live and kind < 0.4 else self.kinds)
                frame = frame if choice.random() < 0.2 else damaged(choice, frame, False)
                if len(frame) >= 14:
                    yield frame[:1514] if frame[26:30] != struct.pack(">I", BARRIER) else b"\xff" * 14

    def run(self, count, say):
        """Send `count` frames. AssertionError when that takes too long."""
        start = last = time.monotonic()
        before, step = self.sent, self.sent
        while self.sent - before < count:
            self.connect()
            for _ in range(20):
                self.burst(list(self.frames(BURST)))
            now = time.monotonic()
            assert now - start < count / SLOWEST, f"{self.sent - before:,} frames of {count:,} in {now - start:.0f} s"
            if self.sent - step >= STEP:
                say(f"{self.sent:,} frames, {(self.sent - step) / (now - last):,.0f}/s")
                last, step = now, self.sent

    def vanish(self):
        """More peers than there are slots ask for something, and are not heard of again."""
        for _ in range(80):
            self.connect()


def valid():
    for data in (b"", b"x", bytes(600)):
        yield from (icmp(data=data), udp(7, data), udp(5005, data), udp(9, data), tcp(SYN, 5, options=mss(536)),
                    tcp(ACK, 7, 9, data, port=1), tcp(RST, 7, port=2), arp(), arp(2, to=MAC), tcp(SYN, 1, to_port=81),
                    icmp(3, 4, data=bytes(4) + data), icmp(data=data, fragment=0x2000), arp(spa=OURS, sha=b"\2\0\0\0\0\x0a"))


def kept():
    """The byte fuzzer's corpus, as frames."""
    for path in sorted((CORPUS / "ethernet").glob("*")):
        yield path.read_bytes()
    for name, head in {"arp": b"\x08\x06", "ipv4": b"\x08\0"}.items():
        for path in sorted((CORPUS / name).glob("*")):
            yield MAC + HOST_MAC + head + path.read_bytes()[name == "ipv4":]
    for name, protocol in {"icmp": 1, "udp": 17}.items():
        for path in sorted((CORPUS / name).glob("*")):
            yield ip(protocol, path.read_bytes()[:1460])


def metrics(flood, port):
    """/metrics as numbers, asked on a connection that is reset behind the answer; and how many frames it took.

    What is not answered is asked again, as any client would: the flood may have taken all slots.
    """
    start, seq, text, told, end = flood.sent, 5, b"", 0, time.monotonic() + ASK_S
    asked = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
    first = ack = flood.opened(port, seq)
    assert ack is not None, "SYN is not answered"       # it never needs a slot
    while True:
        head, mark, body = text.partition(b"\r\n\r\n")
        if mark and len(body) >= int(re.search(rb"Content-Length: *(\d+)", head)[1]):
            break
        assert time.monotonic() < end, f"/metrics is not answered within {ASK_S} s"
        if ack == first:
            time.sleep(0.1 if told else 0)
            back = flood.burst([tcp(PSH | ACK, seq + 1, ack, asked, port=port)])
            told = flood.sent
        else:
            back = flood.burst([tcp(ACK, seq + 1 + len(asked), ack, port=port)])
        parts = [Segment(out) for out in back if out[12:14] == b"\x08\0" and out[23] == 6]
        for part in parts:
            if part.port == port and part.seq == ack & 0xFFFFFFFF:
                text, ack = text + part.data, ack + len(part.data)
    flood.burst([tcp(RST, seq + 1 + len(asked), ack, port=port)])
    return {name: int(value) for name, value in re.findall(r"^(\w+) (\d+)$", body.decode(), re.M)}, told - start


def left_alone(flood, patience, say):
    """/metrics when all slots but the one that asks are free again, or after `patience` seconds."""
    start = time.monotonic()
    for port in range(50002, 55000):
        after, _ = metrics(flood, port)
        waited = time.monotonic() - start
        if after["open_connections"] == 1 or waited >= patience:
            return after
        say(f"{after['open_connections'] - 1} slots are taken {waited:.0f} s after the flood")
        time.sleep(min(10, patience - waited))


def flooded(appliance, count, seed, patience, say=lambda line: None):
    with Image(*appliance) as image:
        flood = Flood(image, seed)
        flood.burst([arp()])
        before, _ = metrics(flood, 50001)
        start = time.monotonic()
        flood.run(count, say)
        seconds = time.monotonic() - start
        flood.vanish()
        after = left_alone(flood, patience, say)
        assert flood.burst([icmp(data=b"still there?", source=OURS ^ 1)]), "no answer to a ping"
        assert image.machine.process.poll() is None
        said = image.machine.console.splitlines()[1:]
    assert all(line.startswith("arp: our address") for line in said), said
    assert_accounted(before, after, flood, len(said))
    return before, after, flood, seconds


def assert_accounted(before, after, flood, conflicts):
    """Each frame is counted, and has one end at the most; those without are segments that connections took."""
    rx = after["rx_frames"]
    assert flood.sent - 8 <= rx <= flood.sent, (rx, flood.sent)     # what came behind /metrics is not in it
    ends = sum(value for name, value in after.items() if name.startswith(FATES))
    assert 0 <= rx - ends <= flood.tcp, (rx, ends, flood.tcp)
    lost = before["heap_free_bytes"] - after["heap_free_bytes"]
    assert 0 <= lost <= LINE * conflicts, f"{lost} bytes of heap went, with {conflicts} lines on the console"


@pytest.fixture(scope="module")
def appliance():
    if not shutil.which("qemu-system-x86_64"):
        pytest.skip("qemu-system-x86_64 is not installed")
    return "microvm", build.build_image("microvm", ROOT / "appliance.toml", ROOT / "build")


def test_20000_frames(appliance):
    """Behind them all slots belong to peers that are gone, and the next one is served."""
    _, after, _, _ = flooded(appliance, 20_000, 1, 0)
    assert after["open_connections"] == 64
    reached = [name for name, value in after.items() if value]
    assert {"ip_checksum", "tcp_checksum", "tcp_opened", "tcp_bad_cookie", "eth_type", "icmp_checksum", "arp_malformed"} <= set(reached)


@pytest.mark.soak
def test_a_million_frames(appliance, capsys):
    """Behind them every slot leaves by itself: its peer is gone."""
    def say(line):
        with capsys.disabled():
            print("\n" + line, end="", flush=True)
    before, after, flood, seconds = flooded(appliance, 1_000_000, 2, LEAVE_S, say)
    say(f"{flood.sent:,} frames, the flood {seconds:.0f} s, {1_000_000 / seconds:,.0f}/s; heap free {before['heap_free_bytes']:,} ->"
        f" {after['heap_free_bytes']:,}; {after['tcp_opened']} connections, {after['http_requests']} requests\n")
    assert after["open_connections"] == 1, f"a slot is still taken, {LEAVE_S} s after the flood"
