"""The loss matrix: which wires, what is fetched over them, and how well that went.

A wire is hostsim.impair's keywords. Everything is drawn from the seed, so a cell of the matrix repeats exactly.
"""
import hashlib
import random
import tempfile
from functools import cache
from pathlib import Path

from hostsim import links
from hostsim.appliance import Appliance, run_until
from hostsim.clock import VirtualClock
from hostsim.impair import Impaired
from image import assets
from tests.loss.station import Station

LOSSES = (0, 0.01, 0.05, 0.10, 0.20, 0.30)
FAULTS = {"": {}, "reordered": {"reorder": 0.1, "hold": 15}, "duplicated": {"duplicate": 0.1}, "corrupted": {"corrupt": 0.05},
          "all three": {"reorder": 0.1, "hold": 15, "duplicate": 0.1, "corrupt": 0.05}}
PATIENCE = 300_000              # milliseconds without a byte of the answer: longer than the appliance tries (RFC 1122: R2)
DELAY = 10                      # milliseconds, one way
BIG = random.Random(2).randbytes(200_000)
SMALL = random.Random(3).randbytes(700)
OURS, MAC = 0x0A00020F, b"\x52\x54\x00\x12\x34\x56"
CONSTANTS = {"NAME": "loss", "DEVICE_ID": 1, "ADDRESS": OURS, "PREFIX": 24, "GATEWAY": 0, "MAC": b"", "SENSOR": False,
             "SENSOR_SOURCE": "", "SENSOR_PERIOD_MS": 0, "COLLECTOR": 0, "COLLECTOR_PORT": 0, "QUERY_PORT": 0,
             "READING_INLINE": False, "HTTP": True, "HTTP_PORT": 80, "UDP_ECHO_PORT": 0}


@cache
def site():
    with tempfile.TemporaryDirectory() as root:
        (Path(root) / "big.bin").write_bytes(BIG)
        (Path(root) / "small.bin").write_bytes(SMALL)
        return assets.compile_assets(Path(root), ())


class Fetch:
    """A user who asks for `count` times `path` over `station`, one after the other; `keep`: on one connection.

    A connection that was broken off before an answer, or silent for PATIENCE, is left, and the request is made anew: RFC
    9112 section 9.3.1 and every browser do that. `again` counts it; on a wire that one would call usable it must not happen.
    """

    def __init__(self, station, path, body, count, keep, seed):
        self.station, self.path, self.body, self.count, self.keep = station, path, body, count, keep
        self.random = random.Random(seed)
        self.port, self.one, self.asked, self.done, self.again = 40000, None, False, 0, 0
        self.heard, self.length = 0, 0
        station.user = self.turn

    def turn(self):
        while self.done < self.count and self._progress():
            pass

    def _progress(self):
        if self.one is None:
            self.port += 1
            self.one, self.asked = self.station.connect(self.port, self.random.getrandbits(32)), False
            self.heard = self.one.now
        if not self.asked:
            close = b"" if self.keep and self.done + 1 < self.count else b"Connection: close\r\n"
            self.one.write(b"GET %s HTTP/1.1\r\nHost: x\r\n%s\r\n" % (self.path, close))
            self.asked, self.heard, self.length = True, self.one.now, 0
        return self._answered()

    def _answered(self):
        head, mark, body = bytes(self.one.received).partition(b"\r\n\r\n")
        if not mark or len(body) < len(self.body):
            if len(self.one.received) > self.length:
                self.heard, self.length = self.one.now, len(self.one.received)
            return self._left()
        assert head.startswith(b"HTTP/1.1 200 ") and hashlib.sha256(body).digest() == hashlib.sha256(self.body).digest()
        self.done += 1
        self.asked = False
        self.one.received.clear()
        if not self.keep or self.done == self.count:
            self.one.close()
            self.one = None
        return True

    def _left(self):
        """Whether this connection is of no more use."""
        if not (self.one.error or self.one.fin_received or self.one.now - self.heard > PATIENCE):
            return False
        assert self.one.error or not self.one.fin_received or not self.one.received, "FIN in the middle of an answer"
        self.again += 1
        self.one.abort()
        self.one = None
        return True


LOADS = {"200 kB page": (b"/big.bin", BIG, 1, True), "100 requests": (b"/small.bin", SMALL, 100, True),
         "100 connections": (b"/small.bin", SMALL, 100, False)}


class Result:
    """milliseconds it took, how often a request had to be made again, and the appliance's counters and slots then."""

    def __init__(self, ms, appliance, load, again):
        _, body, count, _ = LOADS[load]
        self.ms, self.appliance, self.again = ms, appliance, again
        self.kilobytes = len(body) * count / ms         # per second

    def count(self, name):
        return self.appliance.stack.s[self.appliance.fw.counters.NAMES.index(name)]

    def state(self, name):
        return self.appliance.stack.s[getattr(self.appliance.fw.state, name)]


def run(load, loss, faults, seed, limit=7200_000, watch=None, sack=True, **firmware):
    """Fetch `load` over a wire; AssertionError when a byte is wrong or it takes longer than `limit` ms."""
    clock = VirtualClock()
    one, two = links.pair()
    wire = Impaired(one, clock, loss=loss, delay=DELAY, seed=seed, **FAULTS[faults])
    if watch:
        wire = watch(wire, clock)
    appliance = Appliance(CONSTANTS, wire, clock=clock, assets=site(), **firmware).boot()
    station = Station(two, clock, OURS, MAC, sack=sack)
    fetch = Fetch(station, *LOADS[load], seed)
    run_until(clock, limit, appliance, station, idle=lambda: fetch.done == fetch.count)
    ms = clock.us() / 1000
    assert fetch.done == fetch.count, "%d of %d answers within %d ms" % (fetch.done, fetch.count, limit)
    left = ms + 400_000             # nobody is there any more that answers after his FIN: all ends within R2
    run_until(clock, left, appliance, station, idle=lambda: not appliance.stack.s[appliance.fw.state.OPEN])
    result = Result(ms, appliance, load, fetch.again)
    assert result.state("OPEN") == 0 and result.state("PAGES_FREE") == appliance.fw.board.PAGES
    return result
