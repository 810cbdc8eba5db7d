"""The wrapper around QEMU: it always ends its process, and says in one line what went wrong. See image/qemu.py."""
import os
import signal
import socket
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from image.qemu import Qemu, QemuError
from image.run import user_netdev
from image.settings import ROOT, Refused

READY = "import port\nprint('barewire: test ready')\nwhile True: port.idle(1000, 0, 0)\n"


@pytest.fixture
def ready(freeze):
    return freeze(READY)


def cli(image, *arguments, **options):
    return subprocess.Popen([sys.executable, "image/qemu.py", "--image", image, *arguments], cwd=ROOT, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)


def children(pid: int) -> list[int]:
    with open(f"/proc/{pid}/task/{pid}/children") as listed:
        return [int(word) for word in listed.read().split()]


def gone(pid: int, seconds: float = 3) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[0] == "Z":
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.02)
    return False


def test_process_ends_with_the_block_whatever_happens(ready):
    with pytest.raises(ZeroDivisionError):
        with Qemu(image=ready) as machine:
            assert machine.wait_ready() == "barewire: test ready"
            1 // 0
    assert machine.process.returncode is not None


@pytest.mark.parametrize("kill", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_process_ends_with_the_command(ready, kill):
    command = cli(ready)
    assert command.stdout.readline() == "barewire: test ready\n"
    (machine,) = children(command.pid)
    command.send_signal(kill)
    code = command.wait(5)
    assert gone(machine)
    assert code == {signal.SIGINT: 0, signal.SIGTERM: 143, signal.SIGKILL: -9}[kill]
    assert command.stderr.read() == ""


def test_waiting_for_what_never_comes(ready):
    with Qemu(image=ready) as machine:
        start = time.monotonic()
        with pytest.raises(QemuError, match="within 0.5 s; its last line: barewire: test ready"):
            machine.wait_for("never", 0.5)
        assert time.monotonic() - start < 5


def test_waiting_ends_when_the_machine_does(freeze):
    with Qemu(image=freeze("print('short')")) as machine:
        with pytest.raises(QemuError, match="the appliance stopped; its last line: short"):
            machine.wait_ready(60)


def test_lines_are_echoed_in_order(freeze):
    seen = []
    with Qemu(image=freeze("for i in range(300): print(i)"), echo=seen.append) as machine:
        machine.wait(10)
    assert seen == [str(i) for i in range(300)] == machine.console.split()


@pytest.mark.parametrize("kind, name", [(socket.SOCK_STREAM, "tcp"), (socket.SOCK_DGRAM, "udp")])
def test_port_taken_is_one_line_and_exit_2(ready, kind, name):
    with socket.socket(socket.AF_INET, kind) as holder:
        holder.bind(("127.0.0.1", 0))
        if kind == socket.SOCK_STREAM:
            holder.listen()
        port = holder.getsockname()[1]
        command = cli(ready, "--netdev", f"user,hostfwd={name}:127.0.0.1:{port}-:80")
        _, said = command.communicate(timeout=10)
    assert command.returncode == 2
    assert said == f"barewire: {name} port {port} of 127.0.0.1 is taken: end the program that holds it, or choose another port\n"


def test_dgram_port_taken(ready):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as holder:
        holder.bind(("127.0.0.1", 0))
        netdev = ("dgram,local.type=inet,local.host=127.0.0.1,local.port=%d,remote.type=inet,remote.host=127.0.0.1,"
                  "remote.port=9" % holder.getsockname()[1])
        with pytest.raises(QemuError, match="a UDP port is taken"), Qemu(image=ready, netdev=netdev) as machine:
            machine.wait_ready()


@pytest.mark.parametrize("arguments, said", [
    (["--board", "toaster"], "barewire: no board toaster: known are "),
    (["--memory", "1"], "barewire: 1 MiB of memory: microvm cannot even be loaded into less than 2\n"),
    (["--image", "none.elf"], "barewire: none.elf: no such image: make image BOARD=microvm\n"),
    (["--netdev", "nonsense"], "barewire: "),
])
def test_wrong_arguments_are_one_line(ready, arguments, said):
    command = cli(ready, *arguments)
    _, text = command.communicate(timeout=10)
    assert command.returncode == 2 and text.startswith(said) and text.count("\n") == 1


def test_accelerator_is_checked():
    with pytest.raises(Refused, match="ACCEL=warp: there are tcg and kvm"):
        Qemu(image="x", accel="warp")


def test_missing_qemu_names_its_package(ready, monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(Refused, match="apt-get install qemu-system-x86"), Qemu(image=ready):
        pass


def test_pcap_of_the_card(ready, tmp_path):
    with Qemu(image=ready, netdev="user", pcap=tmp_path / "card.pcap") as machine:
        machine.wait_ready()
    assert (tmp_path / "card.pcap").read_bytes()[:4] == bytes.fromhex("d4c3b2a1")


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(prefix=st.integers(8, 29), network=st.integers(1, 222), hosts=st.lists(st.integers(1, 6), min_size=2, max_size=2, unique=True))
def test_user_network_takes_any_configuration(ready, prefix, network, hosts):
    base = network << 24 | (1 << 23 if prefix > 8 else 0)
    config = SimpleNamespace(address=base + hosts[0], prefix=prefix, gateway=base + hosts[1], collector=0, query_port=0,
                             http=False)
    with Qemu(image=ready, netdev=user_netdev(config, 0, 0)) as machine:
        machine.wait_ready()


def test_no_machine_is_left_behind():
    mine = [pid for pid in children(os.getpid()) if "qemu" in open(f"/proc/{pid}/cmdline").read()]
    assert mine == []
