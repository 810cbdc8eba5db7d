"""Guest instructions per packet on the Cortex-M boards, counted in QEMU: from one look into the receive FIFO to the next.

    python -m tests.bench instructions

The look is a read of the card's register that says how many frames wait, so the copies out of the FIFO and into it count.
The plugin count.c writes down each access; QEMU's plugin header comes from the distribution's source package. Each
exchange is done nine times; the least is given: now and then the clock's interrupt falls into one, and a sum has one carry more.
"""
import socket
import statistics
import subprocess
import tarfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from image import archive, build
from image.qemu import Qemu
from image.settings import CACHE, ROOT, locked
from tests.agree import frames
from tests.agree.frames import ACK, FIN, HOST_MAC, PSH, SYN, Segment, icmp, mss, tcp, udp

HEADER = archive.Source("QEMU", "qemu", "bookworm", "qemu_7.2+dfsg.orig.tar.xz",
                        "91aca71520040edc40b8d437aa3004dae614f58e286cf653ee8996c07af2962f", "or leave the counts out")
PLACE = "qemu-7.2.0/include/qemu/qemu-plugin.h"
FOLDER = ROOT / "build" / "bench"
TIMES = 9
BARRIER = 0x0A000263            # 10.0.2.99 asks behind each frame: the answer to it ends the frame's answers

# The registers whose accesses are written down: frames waiting; one that is read for each frame; data to send
CARDS = {"lm3s6965evb": (0x40048034, 0x40048010, 0x40048010), "mps2_an385": (0x4020007C, 0x40200040, 0x40200020)}
NEW = "GET, its request new"     # "GET 1 KiB and its ACK" is one whose bytes came before (http_known.py)
WHAT = ("UDP echo 22 B", "UDP echo 256 B", "UDP echo 1472 B", "ICMP echo 56 B", "ARP reply", "sensor datagram alone",
        "GET 1 KiB and its ACK", NEW, "whole connection", "idle turn")
GOALS = dict(zip(WHAT, (450, 800, 2600, 450, 250, 180, 3300, 3300, 5600, 20)))      # of the LM3S6965EVB


def plugin() -> Path:
    """The compiled plugin."""
    header, library, source = CACHE / "qemu" / "qemu-plugin.h", CACHE / "qemu" / "libcount.so", Path(__file__).with_name("count.c")
    with locked(header.parent):
        header.parent.mkdir(exist_ok=True)
        if not header.is_file():
            tarball = archive.fetched(HEADER)
            archive.check(HEADER, tarball)
            with tarfile.open(tarball) as packed:
                header.write_bytes(packed.extractfile(PLACE).read())
        if not library.is_file() or library.stat().st_mtime < source.stat().st_mtime:
            subprocess.run(["gcc", "-O2", "-Wall", "-shared", "-fPIC", f"-I{header.parent}", "-o", library, source], check=True)
    return library


def configuration(folder: Path, period_ms: int) -> Path:
    """An appliance.toml for this module's network, with one page of 1 KiB."""
    (folder / "www").mkdir(parents=True, exist_ok=True)
    page = b"<!doctype html><title>1 KiB</title><p>" + b"barewire " * 120
    (folder / "www" / "index.html").write_bytes(page[:1024])
    path = folder / "appliance.toml"
    path.write_text(f"""
[appliance]
name = "counted"
[net]
address = "10.0.2.15/24"
gateway = "10.0.2.2"
mac = "{frames.MAC.hex(":")}"
[sensor]
source = "counter"
period_ms = {period_ms}
collector = "10.0.2.2:9000"
query_port = 5005
[http]
port = 80
root = "www"
[udp]
echo_port = 7
""")
    return path


def built(board: str, folder: str, period_ms: int) -> Path:
    """The image that is counted."""
    config = configuration(FOLDER / folder, period_ms)
    return build.build_image(board, config, config.parent / "build")


class Counted:
    """A board's appliance under the plugin, and the wire to it (QEMU, "-netdev dgram"). A context manager."""

    def __init__(self, board: str, image: Path, code: tuple[int, int] | None = None):
        """`code`: addresses whose instructions are counted one by one."""
        self.registers = CARDS[board]
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(20)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
            free.bind(("127.0.0.1", 0))
            self.there = free.getsockname()
        self.log = image.with_name("accesses")
        netdev = (f"dgram,local.type=inet,local.host=127.0.0.1,local.port={self.there[1]},"
                  f"remote.type=inet,remote.host=127.0.0.1,remote.port={self.socket.getsockname()[1]}")
        places = ",".join(f"at={address:#x}" for address in dict.fromkeys(self.registers))
        if code:
            places += f",code={code[0]:#x},end={code[1]:#x}"
        self.machine = Qemu(board=board, image=image, netdev=netdev, extra=["-plugin", f"{plugin()},out={self.log},{places}"])

    def __enter__(self) -> "Counted":
        self.machine.start()
        self.machine.wait_for(r"\bready\b", 60)
        return self

    def __exit__(self, *_) -> None:
        self.machine.stop()
        self.socket.close()

    def send(self, frame: bytes) -> list[bytes]:
        """What the appliance answers to a frame."""
        barrier = icmp(data=b"barrier", source=BARRIER)
        self.socket.sendto(frame, self.there)
        self.socket.sendto(barrier, self.there)
        said = []
        while (out := self.socket.recv(2048))[30:34] != BARRIER.to_bytes(4, "big"):
            said.append(out)
        return [out for out in said if out[0:6] == HOST_MAC and out[42:46] != b"BWS1"]

    def accesses(self) -> Iterator[tuple[str, int]]:
        """All accesses: which (look, take, give), and the instructions up to then."""
        order = list(dict.fromkeys(self.registers))
        kinds = {f"{order.index(self.registers[0])}r": "look", f"{order.index(self.registers[1])}r": "take",
                 f"{order.index(self.registers[2])}w": "give"}
        for line in self.log.read_text().splitlines():
            kind, _, count = line.partition(" ")
            if kind in kinds and count:
                yield kinds[kind], int(count)

    def looks(self) -> list[tuple[bool, int]]:
        """From each look to the next: whether a frame was taken, and the instructions."""
        found, start, took = [], None, False
        for kind, count in self.accesses():
            if kind == "look":
                if start is not None:
                    found.append((took, count - start))
                start, took = count, False
            took = took or kind == "take"
        return found

    def executed(self) -> list[tuple[int, Counter]]:
        """The instructions of looks() in which a frame was taken, barriers left out: how many in all, and by address."""
        found, counts = [], Counter()
        look = f"{list(dict.fromkeys(self.registers)).index(self.registers[0])}r"
        for line in self.log.read_text().splitlines():
            words = line.split()
            if words[0] == "c" and len(words) == 3:
                counts[int(words[1], 16)] = int(words[2])
            elif words[0] == look:
                found.append(counts)
                counts = Counter()
        spans = [(count, one) for (took, count), one in zip(self.looks(), found[1:]) if took]
        return spans[::2]

    def taken(self) -> list[int]:
        """The instructions that each frame took, barriers left out, in the order of their arrival."""
        return [count for took, count in self.looks() if took][::2]


def request(k: int = 23) -> bytes:
    """A request of the same length for each k, and with other bytes than the one before."""
    return b"GET / HTTP/1.1\r\nHost: %c\r\n\r\n" % (ord("a") + k % 26)


def connection(wire: Counted, port: int) -> None:
    """SYN, ACK, three requests with their ACKs, of which the first is new and the last is not, FIN, ACK: STEPS frames."""
    seq = 5000
    ack = Segment(wire.send(tcp(SYN, seq, port=port, options=mss(1460)))[0]).seq + 1
    seq += 1
    wire.send(tcp(ACK, seq, ack, port=port))
    for asked in request(port % 20), request(), request():
        answers = [Segment(frame) for frame in wire.send(tcp(PSH | ACK, seq, ack, asked, port=port))]
        assert b"".join(s.data for s in answers).startswith(b"HTTP/1.1 200") and sum(len(s.data) for s in answers) > 1024
        seq += len(asked)
        ack += sum(len(s.data) for s in answers)
        wire.send(tcp(ACK, seq, ack, port=port))
    answers = [Segment(frame) for frame in wire.send(tcp(FIN | ACK, seq, ack, port=port))]
    assert answers[-1].flags & FIN
    wire.send(tcp(ACK, seq + 1, ack + 1, port=port))


# Of connection()'s frames, those of each operation; a whole connection has one request
STEPS = 10
PARTS = {"GET 1 KiB and its ACK": (6, 7), NEW: (2, 3), "whole connection": (0, 1, 6, 7, 8, 9)}


def packets(board: str, image: Path, greetings: tuple[bytes, ...] = ()) -> dict[str, int]:
    """Instructions for everything that begins with a frame, and for a turn without one. `greetings` go first, not counted."""
    kinds = [("UDP echo 22 B", udp(7, bytes(range(22)))), ("UDP echo 256 B", udp(7, bytes(256))), ("UDP echo 1472 B", udp(7, bytes(1472))),
             ("ICMP echo 56 B", icmp(data=bytes(range(56)))), ("ARP reply", frames.arp(tail=b""))]
    with Counted(board, image) as wire:
        for frame in greetings:
            wire.send(frame)
        for _, frame in kinds:
            for _ in range(TIMES):
                answers = wire.send(frame)
                assert len(answers) == 1
        for k in range(TIMES):
            connection(wire, 40000 + k)
        counts, looks = wire.taken()[len(greetings):], wire.looks()
    least = {name: min(counts[k * TIMES:(k + 1) * TIMES]) for k, (name, _) in enumerate(kinds)}
    rest = counts[len(kinds) * TIMES:]
    one = [min(rest[k::STEPS]) for k in range(STEPS)]
    for what, steps in PARTS.items():
        least[what] = sum(one[k] for k in steps)
    # from a look in vain to the next. After some of them (board.SPIN) everyday Python goes to sleep, once for any number of
    # empty turns; what that takes depends on the time of day, as it sets the clock's alarm.
    least["idle turn"] = statistics.mode(min(a, b) for (took, a), (took_too, b) in zip(looks, looks[1:]) if not took and not took_too)
    return least


def executed(board: str, what: str, code: tuple[int, int]) -> tuple[int, Counter]:
    """Instructions of one operation of WHAT, of its cheapest frames: how many, and those of `code` by address."""
    single = {"UDP echo 22 B": udp(7, bytes(range(22))), "ICMP echo 56 B": icmp(data=bytes(range(56)))}
    with Counted(board, built(board, "counted", 60000), code) as wire:
        for k in range(TIMES):
            if what in single:
                wire.send(single[what])
            else:
                connection(wire, 40000 + k)
        spans = wire.executed()
    frames_each = 1 if what in single else STEPS
    least = [min(spans[k::frames_each], key=lambda span: span[0]) for k in range(frames_each)]
    wanted = [least[k] for k in PARTS.get(what, (0,))]
    return sum(count for count, _ in wanted), sum((one for _, one in wanted), Counter())


def sensor_datagram(board: str, image: Path) -> int:
    """Instructions from one datagram to the next where they go out one behind the other (period_ms = 0)."""
    with Counted(board, image) as wire:
        wire.socket.sendto(frames.arp(operation=2, tha=frames.MAC, to=frames.MAC), wire.there)
        sent = 0
        while sent < 200:
            sent += wire.socket.recv(2048)[42:46] == b"BWS1"
    gives = [count for kind, count in wire.accesses() if kind == "give"][-4000:-200]
    steps = [b - a for a, b in zip(gives, gives[1:])]
    most = max(statistics.quantiles(steps, n=50)) // 2      # within a frame the writes follow one another closely
    starts = [b for a, b in zip(gives, gives[1:]) if b - a > most]
    return statistics.median_low([b - a for a, b in zip(starts, starts[1:])])


def counted(board: str) -> dict[str, int]:
    """All counts of a board, in the order of WHAT."""
    found = {**packets(board, built(board, "counted", 60000)),
             "sensor datagram alone": sensor_datagram(board, built(board, "counted-sensor", 0))}
    return {name: found[name] for name in WHAT}
