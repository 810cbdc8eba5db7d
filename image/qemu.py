"""QEMU around an appliance: builds the command line for a board, starts it, waits for its console, always ends it.

    with Qemu(build="build", netdev="user,hostfwd=tcp:127.0.0.1:8080-:80") as machine:
        machine.wait_ready()

    python image/qemu.py [--board microvm] [--build build] [--netdev ARGS] [--sensor SOURCE] [--dev] [--prompt PORT]
                         [--memory MIB] [--append WORDS] [--pcap FILE]

ARGS is QEMU's -netdev without an id; without --netdev the machine has no network card. The accelerator is TCG unless
ACCEL=kvm (or --accel kvm). The command ends with the machine: 0 after an orderly stop, 2 where it never got ready.
"""
import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from image import settings  # noqa: E402
from image.settings import Refused  # noqa: E402

READY = r"^barewire: .*\bready\b"       # the line that main.py prints when the appliance serves
SAID = "barewire: "                     # begins the line that says why it does not
STEP = 0.5                              # seconds: so late at most does a signal reach us
GUARD = ["setpriv", "--pdeathsig", "KILL"]  # the kernel ends QEMU when the thread that started it goes, however it goes


class QemuError(Refused):
    """The machine did not do what was waited for; the text is one line, the console's last one included."""


class Qemu:
    """One machine. A context manager: leaving it ends QEMU, whatever happened. Start it from a thread that stays."""

    def __init__(self, build="build", board="microvm", netdev="", *, image=None, memory=None, accel=None, append="",
                 pcap=None, extra=(), echo=None, sensor="", dev=False, prompt=0):
        """`image` instead of build/<board>/appliance.elf; `memory` in MiB; `echo(line)` is called for each console line;
        `sensor` is [sensor] source: what it reads is attached where that is no part of the board; `dev` takes the development
        image; `prompt`: a TCP port of 127.0.0.1 where the console can be spoken to."""
        self.board, self.settings, self.echo = board, settings.board(board)["qemu"], echo
        self.image = Path(image or Path(build) / settings.folder(board, dev) / "appliance.elf")
        self.prompt = prompt
        self.arguments = self._arguments(netdev, memory, accel or os.environ.get("ACCEL") or "tcg", append, pcap,
                                         [*self.settings.get("sensor", {}).get(sensor, ()), *extra])
        self.lines: list[str] = []
        self._partial = ""
        self._changed = threading.Condition()
        self._closed = False
        self.process = None

    def _arguments(self, netdev, memory, accel, append, pcap, extra) -> list[str]:
        qemu = self.settings
        if accel not in ("tcg", "kvm"):
            raise Refused(f"ACCEL={accel}: there are tcg and kvm")
        line = [qemu["binary"], "-M", qemu["machine"], "-accel", accel, "-nodefaults", "-no-user-config", "-display", "none",
                "-no-reboot", *self._console(), *self._processor(accel), *self._memory(memory), *qemu["arguments"],
                "-kernel", str(self.image)]
        if append:
            line += ["-append", append]
        if netdev:
            kind, _, rest = netdev.partition(",")
            if pcap and kind == "tap":
                rest += ",vnet_hdr=off"     # else QEMU 7.2 writes a virtio header in front of each frame into the file
            line += ["-netdev", f"{kind},id=n0" + (rest and f",{rest}"), *qemu["nic"]]
        if netdev and pcap:
            line += ["-object", f"filter-dump,id=f0,netdev=n0,file={pcap}"]
        return [*line, *extra]

    def _console(self) -> list[str]:
        """Ours to read; with a prompt we get a copy of what it says."""
        if not self.prompt:
            return ["-serial", "stdio"]
        return ["-chardev", f"socket,id=console,host=127.0.0.1,port={self.prompt},server=on,wait=off,logfile=/dev/stdout,logappend=on",
                "-serial", "chardev:console"]

    def _processor(self, accel) -> list[str]:
        """A board has the processor that it has; an x86-64 machine has one to choose."""
        if "cpu" in self.settings:
            return ["-cpu", "host" if accel == "kvm" else self.settings["cpu"]]
        if accel == "kvm":
            raise Refused(f"ACCEL=kvm: {self.board} is emulated, leave it out")
        return []

    def _memory(self, memory) -> list[str]:
        if "memory" not in self.settings:
            if memory:
                raise Refused(f"{memory} MiB of memory: {self.board} has the memory that is on the board")
            return []
        memory, least = memory or self.settings["memory"], self.settings["memory_least"]
        if memory < least:
            raise Refused(f"{memory} MiB of memory: {self.board} cannot even be loaded into less than {least}")
        return ["-m", str(memory)]

    def __enter__(self) -> "Qemu":
        self.start()
        return self

    def __exit__(self, *_) -> None:
        self.stop()

    def start(self) -> None:
        if not self.image.is_file():
            raise Refused(f"{self.image}: no such image: make image BOARD={self.board}")
        if not shutil.which(self.settings["binary"]):
            raise Refused(f"{self.settings['binary']} is not installed: apt-get install {self.settings['package']}")
        self._errors = tempfile.TemporaryFile()
        self.process = subprocess.Popen([*GUARD, *self.arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self._errors,
                                        process_group=0)     # Ctrl-C is for us; we end QEMU
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        """Collects the console until QEMU closes it."""
        while data := os.read(self.process.stdout.fileno(), 65536):
            *whole, partial = (self._partial + data.decode(errors="replace")).replace("\r", "").split("\n")
            for line in whole if self.echo else ():
                self.echo(line)
            with self._changed:
                self._partial = partial
                self.lines += whole
                self._changed.notify_all()
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    @property
    def console(self) -> str:
        """All that the appliance has printed so far."""
        with self._changed:
            return "".join(f"{line}\n" for line in self.lines) + self._partial

    def wait_for(self, pattern: str, seconds: float = 10) -> str:
        """The first console line in which `pattern` is found. QemuError when the machine ends or time runs out."""
        deadline = time.monotonic() + seconds
        seen = 0
        with self._changed:
            while True:
                for line in self.lines[seen:]:
                    if re.search(pattern, line):
                        return line
                seen = len(self.lines)
                if self._closed:
                    break
                if not self._changed.wait(max(0, deadline - time.monotonic())) and time.monotonic() >= deadline:
                    break
        raise QemuError(self._explain(pattern, seconds))

    def wait_ready(self, seconds: float = 10) -> str:
        return self.wait_for(READY, seconds)

    def wait(self, seconds: float | None = None) -> int:
        """QEMU's exit code once it ends by itself; subprocess.TimeoutExpired if it does not.

        In steps: Python runs a signal's handler between two of its own calls. A signal that comes just before a wait without
        an end, or to another thread, interrupts nothing, and SIGTERM would be acted on only when QEMU has ended."""
        deadline = None if seconds is None else time.monotonic() + seconds
        while self._reader.is_alive():
            left = STEP if deadline is None else min(STEP, deadline - time.monotonic())
            if left <= 0:
                raise subprocess.TimeoutExpired(self.arguments, seconds)
            self._reader.join(left)
        return self.process.wait()

    def stop(self) -> None:
        """Ends QEMU if it still runs."""
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(2)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.wait()
        self._reader.join()
        self.process.stdout.close()

    def _explain(self, pattern: str, seconds: float) -> str:
        """One line: why the console will not show what was waited for."""
        last = self.lines[-1] if self.lines else "nothing"
        if not self._closed:
            return f"the console showed no {pattern!r} within {seconds:g} s; its last line: {last}"
        self.process.wait()
        self._errors.seek(0)
        said = [line for line in self._errors.read().decode(errors="replace").splitlines() if "warning:" not in line]
        if self.process.returncode == 0 or not said:
            return f"the appliance stopped; its last line: {last}"
        return translated(said[-1])


def translated(said: str) -> str:
    """QEMU's last word, in words that tell the user what to do."""
    if rule := re.search(r"host forwarding rule '(tcp|udp):([\d.]*):(\d+)", said):
        kind, address, port = rule.groups()
        return f"{kind} port {port} of {address} is taken: end the program that holds it, or choose another port"
    if "Address already in use" in said:
        return f"a UDP port is taken: end the program that holds it, or choose another port ({said})"
    if "KVM" in said:
        return f"no KVM on this host: leave ACCEL=kvm out ({said})"
    return said


def run() -> int:
    parser = argparse.ArgumentParser(description="Start an appliance in QEMU; its console is printed. Ctrl-C ends it.")
    parser.add_argument("--board", default="microvm")
    parser.add_argument("--build", default="build")
    parser.add_argument("--image", help="an ELF file instead of BUILD/BOARD/appliance.elf")
    parser.add_argument("--netdev", default="", help="QEMU's -netdev without id=, for instance user,hostfwd=tcp:127.0.0.1:8080-:80")
    parser.add_argument("--sensor", default="", help="[sensor] source: attach what it reads, for instance tmp105")
    parser.add_argument("--dev", action="store_true", help="the development image")
    parser.add_argument("--prompt", type=int, default=0, help="TCP port of 127.0.0.1 for the console's prompt")
    parser.add_argument("--memory", type=int, help="MiB")
    parser.add_argument("--accel", choices=("tcg", "kvm"))
    parser.add_argument("--append", default="", help="words for the appliance's command line")
    parser.add_argument("--pcap", help="write what passes the card to this file")
    parser.add_argument("extra", nargs="*", help="more arguments for QEMU, after --")
    given = vars(parser.parse_args())
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with Qemu(echo=lambda line: print(line, flush=True), **given) as machine:
        try:
            code = machine.wait()
        except KeyboardInterrupt:
            return 0
        if not any(re.search(READY, line) for line in machine.lines):
            if machine.lines and machine.lines[-1].startswith(SAID):
                return 2        # the appliance has said why
            machine.wait_ready(0)
        return code


if __name__ == "__main__":
    settings.main(run)
