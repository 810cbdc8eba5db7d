"""What the tests of the cards with FIFOs share: a driver on its model, and a wire."""
import random

from hostsim import loader
from hostsim.boards import BOARDS, MAC

PEER = b"\x02\0\0\0\0\x09"


class Wire:
    """A link: frames to receive, frames that were sent."""
    finished = False

    def __init__(self):
        self.coming, self.sent = [], []

    def send(self, frame):
        self.sent.append(bytes(frame))

    def recv(self):
        return self.coming.pop(0) if self.coming else None


class Bench:
    """One board's driver, its card and its wire."""

    def __init__(self, board, config=None, start=True, **model):
        config = {"HTTP": False, "MAC": b"", "DEVICE_ID": 0x12345678, **(config or {})}
        self.fw = loader.load(config, board=board)
        self.wire = Wire()
        self.board = BOARDS[board](self.fw, self.wire, **model)
        self.card, self.d, self.memory = self.board.card, self.fw.driver, self.fw.memory
        self.said = self.fw.console.getvalue
        self.p = self.n = None
        if start:
            self.open()

    def open(self):
        self.n = self.d.open(self.fw.board.nic_where())
        self.p = self.fw.builtins["ptr32"](self.n)
        return self

    def do(self, name, *args):
        return getattr(self.d, name)(self.p, *args)

    def counters(self):
        return {name: self.n[index] for name, _, index in self.d.NIC_COUNTERS if self.n[index]}

    def rx(self):
        """The frame in place as bytes, or None."""
        length = self.do("rx")
        return self.memory.read(self.do("frame"), length) if length else None

    def echo(self):
        """Reply to everything that is there; returns how many."""
        count = 0
        while (frame := self.rx()) is not None:
            self.do("reply", len(frame))
            count += 1
        self.do("flush")
        return count

    def push(self, head, payload=b"", odd=0):
        """Send head and payload, which lies `odd` bytes behind a word's start, through room() and send()."""
        address = self.do("room")
        if not address:
            return False
        assert address % 4 == 2
        self.memory.write(address, head)
        where = 0
        if payload:
            # the region ends where the payload does: reading a byte more is a fault
            self.store = bytearray(odd) + payload
            where = self.memory.addressof(self.store) + odd
        self.do("send", len(head), where, len(payload))
        self.do("flush")
        return True

    def sleep(self):
        """What the board's idle() does; returns the milliseconds that it slept."""
        slept = []
        self.fw.port.sleep = lambda ms, *_: slept.append(ms)
        self.fw.board.idle(self.n, 100)
        return sum(slept)


def frame_of(size, to=MAC, seed=0):
    """A frame of `size` bytes, addressed to the card."""
    return (to + PEER + random.Random(seed * 4096 + size).randbytes(max(0, size - 12)))[:size]


def padded(frame):
    return frame.ljust(60, b"\0")
