"""The Linux guest that an appliance is measured against: Debian's cloud kernel, nginx, and peers.c, on the same machine type.

It boots an initial RAM disk without a distribution around it, so what it costs is the kernel and the program. Everything
comes from Debian's packages, downloaded into build/peers/ and not installed; `make bench` without network access says so
in the table and goes on.
"""
import contextlib
import re
import shutil
import subprocess
import threading
from pathlib import Path

from image.qemu import GUARD
from image.settings import ROOT, Refused
from tests.real.network import DEVICE, HOST, NETDEV

FOLDER = ROOT / "build" / "peers"
PACKAGES = ("busybox-static", "nginx", "libc6", "libcrypt1", "libpcre2-8-0", "libssl3", "zlib1g")
MODULES = ("net/core/failover", "drivers/net/net_failover", "drivers/virtio/virtio_ring", "drivers/virtio/virtio",
           "drivers/virtio/virtio_mmio", "drivers/net/virtio_net")
MEMORY = 256        # MiB
INIT = f"""#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t devtmpfs dev /dev
for module in /modules/*; do insmod $module; done
ifconfig lo 127.0.0.1
ifconfig eth0 {DEVICE} netmask 255.255.255.0
/peers echo &
/peers batch &
/peers http /www/index.html &
if grep -q with=nginx /proc/cmdline; then nginx & fi
if grep -q with=sensor /proc/cmdline; then /peers sensor {HOST} & fi
echo guest is ready
while :; do sleep 1000; done
"""
NGINX = """
user root;
daemon off;
worker_processes 1;
error_log /dev/null crit;
events { worker_connections 512; }
http {
    access_log off;
    keepalive_requests 1000000000;
    sendfile on;
    tcp_nopush on;
    open_file_cache max=16;
    server { listen 80 backlog=512; root /www; }
}
"""


def _run(*command, **options) -> str:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=300, **options)
    if done.returncode:
        raise Refused(f"{command[0]} {command[1]}: {(done.stderr or done.stdout).strip().splitlines()[-1]}")
    return done.stdout


def _packages() -> list[Path]:
    """The packages, downloaded; the kernel is the one that Debian's newest cloud image names."""
    folder = FOLDER / "packages"
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "all").is_file():
        depends = _run("apt-cache", "depends", "linux-image-cloud-amd64")
        kernel = next(line.split()[-1] for line in depends.splitlines() if "linux-image-" in line and "Depends" in line)
        for package in (kernel, *PACKAGES):     # one by one: a name that is not there is told
            _run("apt-get", "-q", "download", package, cwd=folder)
        (folder / "all").write_text(kernel + "\n")
    return sorted(folder.glob("*.deb"))


def prepare(pages: dict[str, bytes]) -> tuple[Path, Path]:
    """(kernel, initial RAM disk) with these pages. Raises Refused with the reason where it cannot be made."""
    for tool in ("apt-get", "dpkg-deb", "gcc"):
        if not shutil.which(tool):
            raise Refused(f"no {tool}: the Linux guest is made from Debian's packages")
    files, disk = FOLDER / "files", FOLDER / "disk"
    if not files.is_dir():
        packages = _packages()
        for package in packages:
            _run("dpkg-deb", "-x", package, files)
    shutil.rmtree(disk, ignore_errors=True)
    for name in ("bin", "modules", "www", "proc", "dev", "tmp", "lib64", "var/log/nginx", "var/lib/nginx", "etc/nginx", "run"):
        (disk / name).mkdir(parents=True)
    (disk / "lib").mkdir()
    kernel = next((files / "boot").glob("vmlinuz-*"))
    modules = next((files / "lib" / "modules").iterdir()) / "kernel"
    for number, module in enumerate(MODULES):
        shutil.copy(modules / f"{module}.ko", disk / "modules" / f"{number}-{Path(module).name}.ko")
    shutil.copy(next(files.glob("*bin/busybox")), disk / "bin" / "busybox")
    shutil.copy(files / "usr" / "sbin" / "nginx", disk / "bin" / "nginx")
    for library in (*files.glob("lib/x86_64-linux-gnu/*.so*"), *files.glob("usr/lib/x86_64-linux-gnu/lib*.so*")):
        if library.name.split(".so")[0] in ("libc", "libcrypt", "libpcre2-8", "libssl", "libcrypto", "libz"):
            shutil.copy(library, disk / "lib" / library.name)
    shutil.copy(files / "lib64" / "ld-linux-x86-64.so.2", disk / "lib64")
    (disk / "etc" / "nginx" / "nginx.conf").write_text(NGINX)
    (disk / "etc" / "passwd").write_text("root:x:0:0::/:/bin/sh\nwww-data:x:33:33::/:/bin/sh\n")
    (disk / "etc" / "group").write_text("root:x:0:\nwww-data:x:33:\n")
    (disk / "init").write_text(INIT)
    (disk / "init").chmod(0o755)
    for name, data in pages.items():
        (disk / "www" / name).write_bytes(data)
    _run("gcc", "-O2", "-static", "-o", disk / "peers", Path(__file__).with_name("peers.c"))
    image = FOLDER / "disk.cpio"
    names = "\n".join(str(path.relative_to(disk)) for path in sorted(disk.rglob("*")))
    with image.open("wb") as out:
        subprocess.run([disk / "bin" / "busybox", "cpio", "-o", "-H", "newc"], input=names.encode(), stdout=out,
                       stderr=subprocess.DEVNULL, cwd=disk, check=True)
    return kernel, image


def command(disk: tuple[Path, Path], role: str, netdev: str = NETDEV, memory: int = MEMORY, idle: str = "hlt") -> list[str]:
    """QEMU's command line: the same machine type and card as an appliance's. role: nginx, sensor; idle: hlt, poll.

    The guest sees the host's time-stamp counter. On a busy host its own attempt to time it against the PIT fails, and then
    it hangs for want of a clock, so it is told the frequency.
    """
    clock = re.search(r"cpu MHz\s*: ([\d.]+)", Path("/proc/cpuinfo").read_text())
    words = f"console=ttyS0 quiet panic=-1 reboot=t ipv6.disable=1 with={role}" + " idle=poll" * (idle == "poll")
    if clock:
        words += f" tsc_early_khz={1000 * float(clock[1]):.0f}"
    return [*GUARD, "qemu-system-x86_64", "-M", "microvm,acpi=on", "-accel", "tcg", "-m", str(memory),
            "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-serial", "stdio", "-kernel", str(disk[0]),
            "-initrd", str(disk[1]), "-append", words, "-global", "virtio-mmio.force-legacy=false",
            "-netdev", netdev + ",id=n0", "-device", "virtio-net-device,netdev=n0,mac=52:54:00:12:34:57"]


@contextlib.contextmanager
def running(disk: tuple[Path, Path], role: str, seconds: float = 60, idle: str = "hlt"):
    """The guest on TAP, ready. Gives the process."""
    process = subprocess.Popen(command(disk, role, idle=idle), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    timer = threading.Timer(seconds, process.kill)
    timer.start()
    try:
        said = b""
        for line in process.stdout:
            said = line
            if b"guest is ready" in line:
                break
        else:
            raise Refused(f"the Linux guest did not start: {said.decode(errors='replace').strip()}")
        timer.cancel()
        yield process
    finally:
        timer.cancel()
        process.kill()
        process.wait()
        process.stdout.close()
