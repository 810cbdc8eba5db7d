"""A bad wire: wraps any link and loses, doubles, reorders, damages and delays its frames, the same way for a seed."""
import heapq
import random

from hostsim.links import LinkError

SAFE = 14       # bytes that are never damaged: an Ethernet header ends on this wire, where the FCS guards it; IP comes from afar
RATES = ("loss", "duplicate", "reorder", "corrupt")


class Impaired:
    """`link` with faults in both directions (or one: direction="in" or "out", as the appliance sees it).

    loss, duplicate, reorder, corrupt: probabilities per frame.  delay: milliseconds for each frame, jitter: up to so
    much more.  A reordered frame is held back for `hold` milliseconds beyond that.  Times are the clock's.
    """

    def __init__(self, link, clock, loss=0.0, duplicate=0.0, reorder=0.0, corrupt=0.0, delay=0.0, jitter=0.0,
                 hold=5.0, seed=0, direction="both"):
        self.link, self.clock = link, clock
        self.loss, self.duplicate, self.reorder, self.corrupt = loss, duplicate, reorder, corrupt
        self.delay, self.jitter, self.hold = delay, jitter, hold
        self.random = random.Random(seed)
        self.coming, self.going = [], []        # heaps of (due, number, frame)
        self.number = 0
        self.inward = direction in ("both", "in")
        self.outward = direction in ("both", "out")
        self.counts = dict.fromkeys(("lost", "duplicated", "reordered", "corrupted"), 0)

    def __getattr__(self, name):
        return getattr(self.link, name)

    def _fate(self, heap, frame):
        """Draw what happens to a frame; what survives goes on the heap."""
        draw = self.random.random
        copies = 1
        if draw() < self.loss:
            self.counts["lost"] += 1
            copies = 0
        if copies and draw() < self.duplicate:
            self.counts["duplicated"] += 1
            copies = 2
        for _ in range(copies):
            data = frame
            late = self.delay + self.jitter * draw()
            if draw() < self.reorder:
                self.counts["reordered"] += 1
                late += self.hold
            if draw() < self.corrupt and len(frame) > SAFE:
                self.counts["corrupted"] += 1
                data = bytearray(frame)
                data[self.random.randrange(SAFE, len(data))] ^= self.random.randrange(1, 256)
            self._later(heap, late, bytes(data))

    def _later(self, heap, ms, frame):
        self.number += 1
        heapq.heappush(heap, (self.clock.us() + int(ms * 1000), self.number, frame))

    def _deliver(self):
        now = self.clock.us()
        while self.going and self.going[0][0] <= now:
            self.link.send(heapq.heappop(self.going)[2])

    def send(self, frame):
        if self.outward:
            self._fate(self.going, bytes(frame))
        else:
            self._later(self.going, 0, bytes(frame))
        self._deliver()

    def recv(self):
        self._deliver()
        while True:
            frame = self.link.recv()
            if frame is None:
                break
            if self.inward:
                self._fate(self.coming, frame)
            else:
                self._later(self.coming, 0, frame)
        if self.coming and self.coming[0][0] <= self.clock.us():
            return heapq.heappop(self.coming)[2]
        return None

    def due(self):
        times = [heap[0][0] for heap in (self.coming, self.going) if heap]
        inner = self.link.due()
        return min(times + ([] if inner is None else [inner]), default=None)

    @property
    def finished(self):
        return self.link.finished and not self.coming and not self.going

    def wait(self, ms):
        due = self.due()
        if due is not None:
            ms = min(ms, max(0, (due - self.clock.us()) / 1000))
        self.link.wait(ms)
        self._deliver()


def parse(text):
    """"loss=0.01,delay=20,seed=3" -> keyword arguments of Impaired; LinkError with one line."""
    given = {}
    for part in text.split(","):
        name, _, value = part.partition("=")
        name = name.strip()
        try:
            if name == "direction" and value in ("in", "out", "both"):
                given[name] = value
            elif name == "seed":
                given[name] = int(value)
            elif name in RATES and 0 <= float(value) <= 1 or name in ("delay", "jitter", "hold") and float(value) >= 0:
                given[name] = float(value)
            else:
                raise ValueError
        except ValueError:
            raise LinkError("--impair %s: wanted %s=0..1, delay, jitter or hold=milliseconds, seed=number,"
                            " direction=in or out" % (part, "=, ".join(RATES))) from None
    return given
