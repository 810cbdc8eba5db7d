"""The places where the firmware runs in this process or as a program: fed with records, they give answers and their state.

A record is (time in ms, frames that arrive then); None instead of frames is a mark (replay.py). An answer is (what poll
returned, frames that were sent); for a mark (free heap, None).
"""
import atexit
import os
import shutil
import struct
import subprocess
import tempfile
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from hostsim import loader
from image import assets as compiler
from image import build, config, micropython, specialize
from image.settings import ROOT
from tests.agree.frames import ENTROPY, MAC

HEAP = "24M"
MOST_OUTPUT = 4 << 20       # replay.py's buffer
BROADCAST = b"\xFF" * 6


@dataclass(frozen=True)
class Appliance:
    """A configuration and the folder with the application's package `app`."""
    config: config.Config
    folder: Path = ROOT / "firmware"

    @cache
    def assets(self):
        return compiler.load(self.config, routes=self.folder / "app" / "routes.py")

    @cache
    def root(self):
        """A folder with the firmware, this application, and replay.py in the place of main.py."""
        root = Path(tempfile.mkdtemp(prefix="barewire-agree-"))
        atexit.register(shutil.rmtree, root)
        (root / "app").symlink_to(self.folder / "app")
        (root / "barewire").symlink_to(ROOT / "firmware" / "barewire")
        shutil.copy(Path(__file__).with_name("replay.py"), root / "main.py")
        return root


EXAMPLE = Appliance(config.load(ROOT / "appliance.toml"))
# A source in everyday Python, a collector behind the gateway; no echo, no query, another prefix
SECOND = Appliance(replace(EXAMPLE.config, name='the "second"', prefix=16, source="door", reading_inline=False, period_ms=70,
                           collector=0xC0000209, query_port=0, echo_port=0), Path(__file__).parent / "second")
# Lists of one and of many networks; buckets that empty within a script
LIMITED = Appliance(config.load(Path(__file__).parent / "limited.toml"))


SIZES = "TCP_SLOTS", "SLOT_RX", "PAGES", "PAGE_BYTES", "SACK_HOLES"      # what answers depend on of a board
# Boards whose card shows its stack no frame for another address: the LAN9118 in QEMU compares (virtio's card and the
# Stellaris controller there do not), so what the stack would count of such a frame is not counted
FILTERING = {"mps2_an385"}


class Simulated:
    """The firmware as it is, under CPython: `word` 32 or 64 for checked arithmetic, None for the fast mode.

    `like`: the board whose slots, pages, buffers and filter of addresses it has; `overrides`: other constants of the board.
    """

    def __init__(self, word=None, appliance=EXAMPLE, like="unix", **overrides):
        self.appliance, self.like = appliance, like
        board = loader.load(appliance.config, board=like).board
        self.fw = loader.load(appliance.config, board="unix", word=word, checked=word is not None, assets=appliance.assets(),
                              root=appliance.root(), overrides={**{name: getattr(board, name) for name in SIZES}, **overrides})
        self.slots = board.TCP_SLOTS
        self.fw.load("app.routes")
        self.n = self.open()
        source = None if appliance.config.reading_inline else self.fw.config.reading
        self.fw.board.fixed_entropy = ENTROPY
        self.stack = self.fw.stack.Stack(self.n, ENTROPY, source)

    def open(self):
        return self.fw.driver.open(None)

    def feed(self, now, frames):
        if frames is None:
            return 0, None
        for frame in frames:
            if self.like not in FILTERING or frame[:6] in (MAC, BROADCAST):
                assert self.fw.driver.put(self.n, frame)
        wait = self.stack.poll(now)
        sent = []
        while (out := self.fw.driver.take(self.n)) is not None:
            sent.append(out)
        return wait, sent

    def count(self, name):
        return self.stack.s[self.fw.counters.NAMES.index(name)]

    def state(self):
        return state(self.fw, list(self.stack.s), bytes(self.stack._slots), self.fw.console.getvalue())


def state(fw, s, slots, console):
    """Counters, state block, slots and console, with addresses taken out.

    Those of slots become offsets; those of frames, answers and tables go.
    """
    names, slot = fw.state, fw.slot
    base = s[names.SLOTS]
    counters = dict(zip(fw.counters.NAMES, s))
    for at in (names.FREE, names.WORK, names.CURRENT, names.ROUTE_SLOT, *range(names.CHAINS, names.CHAINS + 64)):
        s[at] = s[at] and s[at] - base + 1
    for at in (names.SLOTS, names.PAGE_AT, names.DATA):
        s[at] = 0
    words = list(struct.unpack("<%dI" % (len(slots) // 4), slots))
    for c in range(0, len(words), slot.SLOT_WORDS):
        for at in (c + slot.LINK, c + slot.WORK_LINK):
            words[at] = words[at] and words[at] - base + 1
        for at in (slot.STORE_AT, slot.HTTP_WORDS + fw.http_layout.NODE, *(slot.QUEUE + k for k in range(4 * slot.QUEUE_SIZE) if k % 4 != 3)):
            words[c + at] = 0
    return counters, s, words, console


def under_cpython(records, word, appliance=EXAMPLE, like="unix"):
    """(answers, state) of the simulator."""
    target = Simulated(word, appliance, like)
    return [target.feed(*record) for record in records], target.state()


@dataclass(frozen=True)
class UnixPort:
    """MicroPython's unix port with the specialised firmware as native code in .mpy files below `folder`."""
    program: Path
    folder: Path
    appliance: Appliance

    def run(self, records):
        """(answers, state words and slot bytes, console) as replay.py wrote them."""
        given = bytearray()
        for now, frames in records:
            given += struct.pack("<IH", now, 65535 if frames is None else len(frames))
            for frame in frames or ():
                given += struct.pack("<H", len(frame)) + frame
        done = subprocess.run([self.program, "-X", "heapsize=" + HEAP, "-c", "import main"], cwd=self.folder,
                              input=given, capture_output=True, timeout=60,
                              env={**os.environ, "MALLOC_MMAP_THRESHOLD_": "33554432"})
        assert done.returncode == 0 and not done.stderr, done.stderr.decode() + done.stdout[-500:].decode("latin-1")
        return self.read(done.stdout, len(records))

    @staticmethod
    def read(data, count):
        # what the firmware prints (a conflict of addresses) stands in front of the answers: it is written first
        start = 0
        while data.startswith((b"arp: ", b"sensor: ", b"http: "), start):
            start = data.index(b"\n", start) + 1
        said, at, answers = data[:start], start, []
        for _ in range(count):
            number, frames = struct.unpack_from("<IH", data, at)
            at += 6
            sent = []
            for _ in range(frames if frames != 65535 else 0):
                size, = struct.unpack_from("<H", data, at)
                sent.append(data[at + 2:at + 2 + size])
                at += 2 + size
            answers.append((number, sent if frames != 65535 else None))
        assert at - start <= MOST_OUTPUT
        return answers, data[at:], said.decode()

    def agreeing(self, records):
        """(answers, state), in the form of under_cpython()."""
        answers, rest, console = self.run(records)
        fw = Simulated(appliance=self.appliance).fw
        words = fw.state.WORDS
        assert len(rest) == 4 * words + fw.board.TCP_SLOTS * fw.slot.SLOT_BYTES
        return answers, state(fw, list(struct.unpack("<%dI" % words, rest[:4 * words])), rest[4 * words:],
                              console)


@cache
def unix_port(appliance=EXAMPLE) -> UnixPort:
    """Specialise an appliance for the unix port with replay.py as its main, and compile it with mpy-cross."""
    root = appliance.root()
    specialize.specialize(appliance.config, "unix", root / "gen", root=root)
    build.cross_compile(root / "gen", root / "mpy", {"march": "x64", "small_int_bits": 63})
    return UnixPort(micropython.unix(), root / "mpy", appliance)
