"""Instructions per operation of lwIP, counted as ours are: on x86-64 with frames in memory (step.c).

lwIP comes from the distribution's source package. Three are counted: lwip/app.c on lwIP's raw API with all that gcc can do,
the same in a usual build, and lwip/sockets.py on MicroPython's unix port with lwIP in it. On the LM3S6965EVB app.c is
counted with a driver, as instructions.py does it.
The peer at its other end is that of tests/agree, so the same frames come in. A frame's instructions are those from lwIP's
input function to its return; the least of some rounds is taken, and what an empty span costs is taken off.
"""
import shutil
import struct
import subprocess
import tarfile
from functools import cache
from pathlib import Path

from image import archive, micropython, settings
from image.settings import CACHE, Refused, locked
from tests.agree import frames
from tests.agree.frames import Connection, Peer, icmp, udp
from tests.bench import instructions, native

SOURCE = archive.Source("lwIP", "lwip", "trixie", "lwip_2.2.1+dfsg1.orig.tar.xz",
                        "83729c274c499d3348e9fbbe043a3113f3fa8953e7efddc7c21c7fcbb1f2b7b1", "or leave lwIP out")
FOLDER = CACHE / "bench" / "lwip"
HERE = Path(__file__).with_name("lwip")
CORE = ("def", "inet_chksum", "init", "ip", "mem", "memp", "netif", "pbuf", "stats", "tcp", "tcp_in", "tcp_out", "timeouts", "udp",
        "ipv4/etharp", "ipv4/icmp", "ipv4/ip4", "ipv4/ip4_addr", "ipv4/ip4_frag")
BUILDS = {"lwIP -O3 -flto": ["-O3", "-flto"], "lwIP -O2": ["-O2"]}
SOCKETS, CORTEX_M = "MicroPython + lwIP", "lm3s6965evb"
SENSOR, NOTHING, ROUNDS = b"\0\0", b"\xff\xff", 9


def source() -> Path:
    """lwIP's source tree. Raises Refused where no archive has it."""
    tree = CACHE / "lwip"
    with locked(tree):
        if not tree.is_dir():
            tarball = archive.fetched(SOURCE)
            archive.check(SOURCE, tarball)
            scratch = tree.with_name("unpacking-lwip")
            shutil.rmtree(scratch, ignore_errors=True)
            with tarfile.open(tarball) as packed:
                packed.extractall(scratch)
            next(scratch.iterdir()).rename(tree)
            shutil.rmtree(scratch)
    return tree


def files(tree: Path) -> list[Path]:
    """What of lwIP an appliance takes, and app.c."""
    return [HERE / "app.c", *(tree / "src" / "core" / f"{name}.c" for name in CORE), tree / "src" / "netif" / "ethernet.c"]


def stale(path: Path) -> bool:
    """Whether it is to be made, anew where one of our sources changed."""
    return not path.is_file() or path.stat().st_mtime < max(ours.stat().st_mtime for ours in HERE.rglob("*.[ch]"))


def compiled(gcc: str, *arguments) -> None:
    done = subprocess.run([gcc, "-w", f"-I{source() / 'src' / 'include'}", f"-I{HERE}", *arguments], capture_output=True, text=True)
    if done.returncode:
        raise Refused(f"lwIP does not compile: {(done.stderr.strip().splitlines() or [f'{gcc} says nothing'])[-1]}")


def program(build: str) -> Path:
    tree, path = source(), FOLDER / build.replace(" ", "")
    with locked(path):
        if stale(path):
            compiled("gcc", *BUILDS[build], "-static", "-fno-pie", "-no-pie", "-o", path, HERE / "frames.c", *files(tree))
    return path


def micropython_tree() -> Path:
    """MicroPython's own source with lwIP in it, where the distribution leaves a gap."""
    mp, lwip, tree = micropython.source(), source(), CACHE / "micropython-lwip"
    with locked(tree):
        if not (tree / "ports").is_dir():
            shutil.rmtree(tree, ignore_errors=True)
            (tree / "lib").mkdir(parents=True)
            for part in (*(mp / name for name in ("py", "extmod", "shared", "tools", "mpy-cross")), *(mp / "lib").iterdir()):
                (tree / part.relative_to(mp)).symlink_to(part)
            (tree / "lib" / "lwip").unlink(missing_ok=True)
            (tree / "lib" / "lwip").symlink_to(lwip)
            shutil.copytree(mp / "ports" / "unix", tree / "ports" / "unix")
    return tree


def micropython_with_lwip() -> Path:
    """The unix port, with lwIP in the place of the system's sockets; made for speed, not for size."""
    tree, card = micropython_tree(), HERE / "card"
    path = tree / "out" / "micropython"
    with locked(path):
        if not path.is_file() or path.stat().st_mtime < max(ours.stat().st_mtime for ours in card.iterdir()):
            shutil.rmtree(path.parent)      # MicroPython's rules keep names of modules that are gone
            micropython.make(tree / "ports" / "unix", path.parent, f"MICROPY_MPYCROSS={micropython.mpy_cross()}", *micropython.UNIX[:-2],
                             "MICROPY_PY_LWIP=1", "MICROPY_PY_SOCKET=0", f"USER_C_MODULES={HERE}", "COPT=-O2 -DNDEBUG", "CWARN=-w",
                             f"CFLAGS_EXTRA=-fno-pie -DSOMAXCONN=128 -I{card} -I{HERE}", "LDFLAGS_EXTRA=-no-pie")
    return path


class Device:
    """A program under step.c that gets frames as frames.c says, for Peer of tests/agree. A context manager."""

    def __init__(self, counts: Path, *command):
        self.counts, self.spans = counts, 0
        self.process = subprocess.Popen([native.stepper(), counts, *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL)

    def __enter__(self) -> "Device":
        return self

    def __exit__(self, *_) -> None:
        self.process.stdin.close()
        self.process.wait(60)
        self.process.stdout.close()

    def say(self, command: bytes) -> list[bytes]:
        """The frames that are sent for a command."""
        self.spans += 1
        self.process.stdin.write(command)
        self.process.stdin.flush()
        return [self._read(*struct.unpack("<H", self._read(2))) for _ in range(*struct.unpack("<H", self._read(2)))]

    def _read(self, size: int) -> bytes:
        data = self.process.stdout.read(size)
        if len(data) < size:
            raise Refused(f"{self.process.args[2]} ended with {self.process.wait(60)} while its instructions were counted")
        return data

    def feed(self, now: int, given: tuple[bytes, ...]) -> tuple[int, list[bytes]]:
        return 1000, [out for frame in given for out in self.say(struct.pack("<H", len(frame)) + frame)]


def answers(peer: Peer, frame: bytes, data: bytes) -> None:
    """The frame is answered by one that ends with the same data."""
    out, = peer.send(frame)
    assert out[0:6] == frames.HOST_MAC and out.endswith(data)


def sensor(device: Device) -> None:
    out, = device.say(SENSOR)
    assert out[42:46] == b"BWS1" and len(out) == 70


def rounds(device: Device, peer: Peer) -> dict[str, list[range]]:
    """Does each operation some times: the spans that it took each time. Also the name of nothing."""
    found = {}

    def some(what, once) -> None:
        for k in range(ROUNDS):
            before = device.spans
            once(k)
            found.setdefault(what, []).append(range(before, device.spans))

    some("", lambda k: device.say(NOTHING))
    some("UDP echo 32 B", lambda k: answers(peer, udp(7, bytes(range(32))), bytes(range(32))))
    some("sensor datagram", lambda k: sensor(device))
    some("ICMP echo 64 B", lambda k: answers(peer, icmp(data=bytes(range(64))), bytes(range(64))))
    connection = Connection(peer, 39000)
    some("GET 1 KiB and its ACK", lambda k: native.get(connection))
    some(instructions.NEW, lambda k: native.get(connection, instructions.request(k)))
    some("whole connection", lambda k: native.whole(peer, 40000 + k))
    return found


def least(path: Path, found: dict[str, list[range]]) -> dict[str, int]:
    spans = [sum(span.values()) for span in native.read_spans(path)]
    nothing = min(spans[span] for group in found.pop("") for span in group)
    return {what: min(sum(spans[k] - nothing for k in group) for group in groups) for what, groups in found.items()}


def count(*command) -> dict[str, int]:
    """Instructions per operation of a program that takes frames as frames.c does."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    counts = FOLDER / "counts"
    with Device(counts, *command) as device:
        peer = Peer(device)
        peer.send(frames.arp(operation=2, tha=frames.MAC, to=frames.MAC), frames.arp())     # so that it knows our address
        found = rounds(device, peer)
    return least(counts, found)


@cache
def counted(who: str) -> dict[str, int]:
    """Of one of BUILDS, or of SOCKETS."""
    if who == SOCKETS:
        return count(micropython_with_lwip(), "-X", "heapsize=64m", HERE / "sockets.py")
    return count(program(who))


@cache
def image(sensor: bool) -> Path:
    """app.c for the LM3S6965EVB, with all that gcc can do; `sensor`: it sends readings back to back."""
    path, tree = FOLDER / f"lm3s6965evb{'-sensor' * sensor}.elf", source()
    with locked(path):
        if stale(path):
            compiled(settings.board(CORTEX_M)["build"]["cross"] + "gcc", "-mcpu=cortex-m3", "-mthumb", "-O3", "-flto", "-ffunction-sections",
                     "-DETH_PAD_SIZE=2", *["-DSENSOR"] * sensor, "-nostartfiles", "-Wl,--gc-sections", "-L", settings.BOARDS,
                     f"-Wl,-T,{settings.BOARDS / 'lm3s6965evb.ld'}", "-o", path, HERE / "stellaris.c", *files(tree))
    return path


@cache
def counted_on_cortex_m() -> dict[str, int]:
    """As instructions.counted(); lwIP first learns the addresses of those who talk to it."""
    greetings = frames.arp(spa=instructions.BARRIER), frames.arp()
    found = {**instructions.packets(CORTEX_M, image(False), greetings),
             "sensor datagram alone": instructions.sensor_datagram(CORTEX_M, image(True))}
    return {what: found[what] for what in instructions.WHAT}
