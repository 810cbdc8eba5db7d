"""What the tests of the virtio card share: its driver on its model, and a wire."""
import pytest
from fifo_bench import Wire
from scapy.all import IP, TCP, Ether

from hostsim import loader
from hostsim.devices import offload
from hostsim.devices.virtio_mmio import VirtioNet

BASE = 0xFEB00E00


class Bench:
    """One appliance's driver, its card and its wire."""

    def __init__(self, version=2, word=64, sizes=None, **card):
        overrides = {"SPIN": 3, **(sizes or {})}
        self.fw = loader.load({"HTTP": False}, word=word, checked=True, overrides=overrides)
        self.wire = Wire()
        self.card = VirtioNet(self.fw.memory, BASE, self.wire, version=version, **card)
        self.d = self.fw.driver
        self.memory = self.fw.memory

    def open(self):
        self.n = self.d.open([(BASE, 12)])
        return self

    def counters(self):
        return {name: self.n[index] for name, _, index in self.d.NIC_COUNTERS if self.n[index]}

    def rx(self):
        """The frame in place as bytes, or None."""
        p = self.fw.builtins["ptr32"](self.n)
        length = self.d.rx(p)
        return self.memory.read(self.d.frame(p), length) if length else None

    def do(self, name, *args):
        return getattr(self.d, name)(self.fw.builtins["ptr32"](self.n), *args)

    def echo(self, most=1 << 30):
        """Reply to everything that is there."""
        count = 0
        while count < most:
            frame = self.rx()
            if frame is None:
                break
            self.do("reply", len(frame))
            count += 1
        self.do("flush")
        return count

    def push(self, head, payload=b""):
        """Send head and payload through room() and send(); False when there is no room."""
        address = self.do("room")
        if not address:
            return False
        assert address % 4 == 2
        self.memory.write(address, head)
        self.keep = getattr(self, "keep", [])
        self.keep.append(payload)
        self.do("send", len(head), self.memory.addressof(payload) if payload else 0, len(payload))
        return True


def numbered(i, size=60):
    return bytes([i & 0xFF, i >> 8 & 0xFF]) + bytes((i + k) & 0xFF for k in range(size - 2))


both = pytest.mark.parametrize("version, word", [(1, 64), (2, 64), (2, 32), (1, 32)])
SMALL = {"RX_BUFFERS": 8, "TX_HEADERS": 4}


def tcp_frame(payload, flags=0x18, **wrong):
    """Headers as a driver gives them to a card that cuts: the checksum field holds the pseudo header's sum; then all of it."""
    head = Ether(src="52:54:00:12:34:56", dst="02:00:00:00:00:02") / IP(src="10.0.2.15", dst="10.0.2.2", id=0, flags="DF")
    head = bytes(head / TCP(sport=80, dport=40000, seq=0xFFFFF000, ack=7, flags=flags, window=2048))
    ip = bytearray(head[14:34])
    ip[2:4] = (40 + len(payload)).to_bytes(2, "big")
    ip[10:12] = bytes(2)
    ip[10:12] = (offload.checksum(ip) ^ 0xFFFF).to_bytes(2, "big")
    pseudo = offload.checksum(ip[12:20], 6 + 20 + len(payload))
    return head[:14] + bytes(ip) + head[34:50] + pseudo.to_bytes(2, "big") + head[52:]


def cut(bench, head, payload, mss=1460, start=34, offset=16, length=54):
    """Send through room(), segment() and send()."""
    address = bench.do("room")
    bench.memory.write(address, head)
    bench.keep = [payload]
    bench.do("segment", address, start, offset, length, mss)
    bench.do("send", len(head), bench.memory.addressof(payload), len(payload))
    bench.do("flush")
