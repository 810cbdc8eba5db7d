"""A network of its own for an appliance on a TAP interface, and the two appliances that can stand there.

The calling thread moves into a fresh network namespace (Linux, network_namespaces(7)): sockets and programs that it
starts from then on are the appliance's neighbours. Nothing has a name outside; the kernel removes all of it with the
last process inside, however that ends.
"""
import contextlib
import ctypes
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from image import build
from image.qemu import Qemu
from image.settings import ROOT

CLONE_NEWNET = 0x40000000       # linux/sched.h
TAP, HOST, DEVICE = "tap0", "10.0.2.2", "10.0.2.15"
NETDEV = f"tap,ifname={TAP},script=no,downscript=no"
libc = ctypes.CDLL(None, use_errno=True)


def missing() -> str:
    """Why there can be no TAP interface here; empty if there can."""
    if os.geteuid():
        return "not root: a TAP interface in a network namespace needs it"
    if not Path("/dev/net/tun").exists():
        return "no /dev/net/tun: the kernel has no TAP interfaces"
    if not shutil.which("ip"):
        return "no ip: apt-get install iproute2"
    return ""


def _check(result: int) -> None:
    if result:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def ip(words: str) -> str:
    """`ip <words>` in the namespace of the calling thread."""
    return subprocess.run(["ip", *words.split()], check=True, capture_output=True, text=True).stdout


@contextlib.contextmanager
def namespace(there: int | None = None):
    """The calling thread inside of a fresh network namespace, or that of a file descriptor; back where it was at the end."""
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        _check(libc.unshare(CLONE_NEWNET) if there is None else libc.setns(there, CLONE_NEWNET))
        try:
            yield
        finally:
            _check(libc.setns(before, CLONE_NEWNET))
    finally:
        os.close(before)


@contextlib.contextmanager
def network():
    """The calling thread inside of a namespace with TAP, address HOST."""
    with namespace():
        ip("link set lo up")
        ip(f"tuntap add dev {TAP} mode tap")
        Path(f"/proc/sys/net/ipv6/conf/{TAP}/disable_ipv6").write_text("1")    # its announcements are not ours
        ip(f"address add {HOST}/24 dev {TAP}")
        ip(f"link set {TAP} txqueuelen 10000 up")
        yield


def configuration(folder: Path, period_ms: int = 60000, files: dict | None = None, collector: bool = True,
                  busy_poll_ms: int = 0) -> Path:
    """An appliance.toml in `folder` for this network, its pages being `files` (name -> bytes)."""
    root = folder / "www"
    root.mkdir(parents=True, exist_ok=True)
    files = files or {"index.html": b"<!doctype html><title>t</title>\n"}
    for path in root.iterdir():
        if path.name not in files:
            path.unlink()
    for name, data in files.items():
        _write(root / name, data)
    path = folder / "appliance.toml"
    _write(path, f"""
[appliance]
name = "{folder.name}"
[net]
address = "{DEVICE}/24"
gateway = "{HOST}"
mac = "52:54:00:12:34:56"
busy_poll_ms = {busy_poll_ms}
[sensor]
source = "counter"
period_ms = {period_ms}
collector = "{HOST}:9000"
query_port = 5005
[http]
port = 80
root = "www"
[udp]
echo_port = 7
""".encode())
    return path


def _write(path: Path, data: bytes) -> None:
    """Leave a file alone that is there: its time of change stands for its content (image/build.py)."""
    if not path.is_file() or path.read_bytes() != data:
        path.write_bytes(data)


def image_of(config: Path) -> Path:
    """The image of `config`, built beside it; quietly."""
    with contextlib.redirect_stdout(None):
        return build.build_image("microvm", config, config.parent / "build")


@contextlib.contextmanager
def qemu(config: Path, **options):
    """The image of `config` in QEMU on TAP; built beside the configuration. Gives the process."""
    with Qemu(image=image_of(config), netdev=NETDEV, **options) as machine:
        machine.wait_ready()
        yield machine.process


@contextlib.contextmanager
def simulator(config: Path, *arguments: str):
    """The simulator on TAP. Gives the process."""
    command = [sys.executable, "-m", "hostsim", "--config", config, "--link", f"tap:{TAP}", *arguments]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        line = process.stdout.readline()
        if "ready" not in line:
            raise RuntimeError(f"the simulator said {line!r}")
        yield process
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


def processor_seconds(pid: int) -> float:
    """Time that the process has spent on processors."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def settle(seconds: float = 0.3) -> None:
    """Let announcements and ARP pass."""
    time.sleep(seconds)
