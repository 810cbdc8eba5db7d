"""Instructions per operation on x86-64: the specialised firmware as native code on MicroPython's unix port, frames in memory.

    python -m tests.bench instructions

The frames of an exchange are recorded against the firmware under CPython (tests/agree), then all of them wait in the card
when poll() is called: with those of TIMES operations, and with twice as many. The difference is what the operations cost,
from RX to TX: what reads the records, puts frames into the card and takes them off it is in neither. step.c counts, one
instruction at a time, whatever is executed: native code, and the C and the everyday Python that an event calls.
"""
import os
import struct
import subprocess
from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from image import build, config, micropython, specialize
from image.settings import ROOT, Refused, locked
from tests.agree import frames, targets
from tests.agree.frames import ACK, FIN, PSH, Connection, Peer, icmp, udp
from tests.bench import instructions

FOLDER = ROOT / "build" / "bench" / "native"
TIMES = 5                       # twice as many connections fit into one turn of the stack (FRAMES)
NOW, ALL = 10000, 65535         # ms: announced, and no sensor reading is due

# Operation: the goal, if any, and what peers were once measured to take for it (callgrind on gcc 12.2 builds, frames in memory), in
# the order of PEERS. lwIP is measured: lwip_peer.py.
PEERS = "smoltcp 0.13", "Mongoose 7.22"
WHAT = {
    "UDP echo 32 B": (400, 1791, 2279),
    "sensor datagram": (240, 800, 990),
    "ICMP echo 64 B": (420, 1159, 2247),
    "GET 1 KiB and its ACK": (2000, 5007, 34943),
    instructions.NEW: (None, 5007, 34943),
    "whole connection": (5500, 12655, 47033),
}


@cache
def stepper() -> Path:
    """The compiled step.c."""
    program, source = FOLDER / "step", Path(__file__).with_name("step.c")
    with locked(program):
        if not program.is_file() or program.stat().st_mtime < source.stat().st_mtime:
            subprocess.run(["gcc", "-O2", "-Wall", "-o", program, source], check=True)
    return program


@dataclass(frozen=True)
class Firmware:
    """The firmware for the unix port: generated modules in `folder`/gen, native ones in `folder`/mpy."""
    folder: Path
    appliance: targets.Appliance


@cache
def firmware(period_ms: int) -> Firmware:
    folder = FOLDER / f"period-{period_ms}"
    appliance = targets.Appliance(config.load(instructions.configuration(folder, period_ms)))
    root = folder / "source"
    root.mkdir(exist_ok=True)
    for name in "app", "barewire":
        if not (root / name).is_symlink():
            (root / name).symlink_to(ROOT / "firmware" / name)
    (root / "main.py").write_text(Path(__file__).with_name("polled.py").read_text())
    specialize.specialize(appliance.config, "unix", folder / "gen", root=root)
    build.cross_compile(folder / "gen", folder / "mpy", {"march": "x64", "small_int_bits": 63})
    return Firmware(folder, appliance)


class Recorder(Peer):
    """A peer at one moment: the frames that it sent, for the native firmware to get later, and what was answered."""

    def __init__(self, appliance: targets.Appliance):
        super().__init__(targets.Simulated(appliance=appliance), NOW)
        self.pass_ms(5000)          # announced
        self.records, self.answers = [], []

    def cut(self) -> list[bytes]:
        """The frames that came since the last cut."""
        found = [frame for _, given in self.records for frame in given]
        self.records = []
        return found

    def said(self) -> list[bytes]:
        return [frame for _, sent in self.answers for frame in sent]


def get(connection: Connection, asked: bytes = instructions.request()) -> None:
    before = len(connection.got)
    connection.give(asked)
    assert connection.got.startswith(b"HTTP/1.1 200", before) and len(connection.got) - before > 1024
    connection.say(ACK)


def whole(peer: Peer, port: int) -> None:
    """SYN, ACK, request, ACK, FIN, ACK."""
    connection = Connection(peer, port)
    get(connection)
    assert connection.give(b"", FIN | ACK)[-1].flags & FIN
    connection.say(ACK)


def operations(what: str, peer: Recorder, times: int) -> None:
    """Let the peer do it `times` times."""
    if what == "UDP echo 32 B":
        peer.send(*[udp(7, bytes(range(32)))] * times)
    elif what == "ICMP echo 64 B":
        peer.send(*[icmp(data=bytes(range(64)))] * times)
    elif what == "whole connection":
        for _ in range(times):
            peer.port = getattr(peer, "port", 40000) + 1
            whole(peer, peer.port)
    else:
        if not hasattr(peer, "connection"):
            peer.connection = Connection(peer)
        for _ in range(times):
            peer.gets = getattr(peer, "gets", 0) + 1
            get(peer.connection, *[instructions.request(peer.gets)] * (what == instructions.NEW))


def recorded(what: str, appliance: targets.Appliance) -> tuple[list, list]:
    """The records for polled.py, the last two to be counted, and all answers."""
    if what == "sensor datagram":
        known = frames.arp(operation=2, tha=frames.MAC, to=frames.MAC)
        full = [(NOW, 0, [known])] + [(NOW, 0, [])] * 4                     # transmit buffers
        return [*full, (NOW, TIMES, []), (NOW, 2 * TIMES, [])], []
    peer = Recorder(appliance)
    batches = []
    for times in 1, TIMES, 2 * TIMES:
        operations(what, peer, times)
        batches.append(peer.cut())
    return [(NOW, ALL, []), (peer.now, ALL, []), *((peer.now, ALL, batch) for batch in batches)], peer.said()


@dataclass(frozen=True)
class Counted:
    """Executed instructions by address, for each record; where functions lie; how many operations the last has more."""
    spans: list[Counter]
    places: list[tuple[str, str, int]]
    times: int

    def executed(self) -> Counter:
        few, many = self.spans[-2:]
        return Counter({at: many[at] - few[at] for at in many | few})

    def each(self) -> int:
        """Instructions per operation."""
        return -(-sum(self.executed().values()) // self.times)


def read_spans(path: Path) -> list[Counter]:
    spans = []
    for line in path.read_text().splitlines():
        if line == "span":
            spans.append(Counter())
        else:
            at, count = line.split()
            spans[-1][int(at, 16)] = int(count)
    return spans


def played(made: Firmware, records: list) -> tuple[list[Counter], list, list[bytes]]:
    """Feeds the records: the instructions of each, where functions lie, what was answered."""
    given = b"".join(struct.pack("<IHH", now, most, len(sent)) + b"".join(struct.pack("<H", len(f)) + f for f in sent)
                     for now, most, sent in records)
    counts = made.folder / "counts"
    done = subprocess.run([stepper(), counts, micropython.unix(), "-X", "heapsize=" + targets.HEAP, "-c", "import main"],
                          cwd=made.folder / "mpy", input=given, capture_output=True, timeout=120,
                          env={**os.environ, "MALLOC_MMAP_THRESHOLD_": "33554432"})
    if done.returncode:
        raise Refused(f"step.c: {done.stderr.decode().strip('+-')} {done.stdout[-300:].decode('latin-1')}")
    text, _, said = done.stdout.partition(b"\n\n")
    places = [(module, name, int(at, 16)) for module, name, at in map(str.split, text.decode().splitlines())]
    answers, at = [], 0
    while at < len(said):
        number, = struct.unpack_from("<H", said, at)
        at += 2
        for _ in range(number):
            size, = struct.unpack_from("<H", said, at)
            answers.append(said[at + 2:at + 2 + size])
            at += 2 + size
    return read_spans(counts), places, answers


def period(what: str) -> int:
    """[sensor] period_ms of the appliance that is counted."""
    return 0 if what == "sensor datagram" else 60000


def count(what: str) -> Counted:
    made = firmware(period(what))
    records, answers = recorded(what, made.appliance)
    spans, places, said = played(made, records)
    assert len(spans) == len(records)
    if answers:     # the native firmware said what CPython said: it did the same work
        assert [frame for frame in said if frame[30:34] == frames.HOST.to_bytes(4, "big")] == answers
    else:           # all transmit buffers (TX_HEADERS), one of them with an announcement, and what was counted
        assert [frame[42:46] for frame in said].count(b"BWS1") == 63 + 3 * TIMES
    return Counted(spans, places, TIMES)


def counted() -> dict[str, int]:
    """Instructions per operation, in the order of WHAT."""
    return {what: count(what).each() for what in WHAT}
