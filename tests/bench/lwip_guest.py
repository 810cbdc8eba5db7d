"""MicroPython with lwIP as an image for QEMU's microvm, on the same machine and card as an appliance: lwip/guest/.

Our x86-64 port carries it, so start and size compare as well; lwIP, its glue (extmod/modlwip.c) and the sockets' program in
bytecode are what MicroPython's users have, with a driver in C.
"""
import contextlib
import shutil
from functools import cache
from pathlib import Path

from image import build, micropython, settings
from image.qemu import GUARD, Qemu
from image.settings import CACHE, ROOT, locked
from tests.bench import lwip_peer
from tests.real.network import NETDEV

HERE = Path(__file__).parent / "lwip" / "guest"
FOLDER = CACHE / "bench" / "lwip-guest"


@cache
def image(sensor: bool) -> Path:
    """Raises Refused where lwIP's source cannot be had."""
    settled, tree, port = settings.board("microvm")["build"], lwip_peer.micropython_tree(), FOLDER / "port"
    out, beside = FOLDER / f"sensor-{sensor:d}", HERE.parent
    made = build.fingerprint(HERE, beside / "interface.h", beside / "arch", ROOT / "image" / "port")
    with locked(FOLDER):
        if not (port / "made-from").is_file() or (port / "made-from").read_text() != made:
            shutil.rmtree(FOLDER, ignore_errors=True)
            micropython.make(HERE, port, f"TOP={tree}", "CROSS_COMPILE=", "BOARD=microvm", "DEV=0")
            (port / "made-from").write_text(made)
        if not (out / "appliance.stripped.elf").is_file():
            gen = out / "gen"
            gen.mkdir(parents=True, exist_ok=True)
            shutil.copy(HERE / "main.py", gen)
            (gen / "role.py").write_text(f"SENSOR = {sensor}\n")
            build.freeze(build.cross_compile(gen, out / "mpy", settled), out / "frozen", settled, tree, port)
            build.link(out, settled, port)
    return out / "appliance.stripped.elf"


def command(sensor: bool = False, netdev: str = NETDEV, memory: int | None = None) -> list[str]:
    """QEMU's command line, an appliance's own."""
    return [*GUARD, *Qemu(image=image(sensor), netdev=netdev, memory=memory).arguments]


@contextlib.contextmanager
def running(sensor: bool = False):
    """It on TAP, ready. Gives the process."""
    with Qemu(image=image(sensor), netdev=NETDEV) as machine:
        machine.wait_for("lwIP is ready")
        yield machine.process
