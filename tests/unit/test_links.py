"""hostsim.links: cables, UDP frames as QEMU sends them, replay, TAP; hostsim.datagram and the command line's errors."""
import os
import select
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostsim import datagram, links
from hostsim.clock import VirtualClock
from hostsim.pcap import PcapWriter

ROOT = Path(__file__).resolve().parents[2]
FRAME = bytes(range(60))


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def test_a_pair_keeps_order_and_copies():
    one, two = links.pair()
    frame = bytearray(FRAME)
    one.send(frame)
    frame[0] = 99
    one.send(b"second")
    assert (two.recv(), two.recv(), two.recv(), one.recv()) == (FRAME, b"second", None, None)


def test_dgram_both_ways():
    a, b = free_port(), free_port()
    one, two = links.open_link("dgram:%d:%d" % (a, b)), links.open_link("dgram:%d:%d" % (b, a))
    assert one.recv() is None
    one.send(FRAME)
    two.wait(1000)
    assert two.recv() == FRAME and two.recv() is None
    for i in range(50):
        two.send(bytes([i]) * 1514)
    one.wait(1000)
    assert [one.recv() for _ in range(50)] == [bytes([i]) * 1514 for i in range(50)]
    one.close()
    two.send(FRAME)         # the other side is gone: the frame is lost, nothing else happens
    two.send(FRAME)
    assert two.recv() is None
    two.close()


def test_wait_ends_early_when_a_frame_comes_and_in_time_when_none_does():
    a, b = free_port(), free_port()
    one, two = links.Dgram(a, b), links.Dgram(b, a)
    start = time.monotonic()
    one.wait(50)
    assert 0.04 < time.monotonic() - start < 1
    two.send(FRAME)
    start = time.monotonic()
    one.wait(5000)
    assert time.monotonic() - start < 1


def test_a_port_in_use_is_one_line():
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    with pytest.raises(links.LinkError, match="UDP port %d on 127.0.0.1" % sock.getsockname()[1]):
        links.Dgram(sock.getsockname()[1], 9)


@pytest.mark.parametrize("text", ["", "tap:", "dgram:1", "dgram:1:2:3", "dgram:0:5", "dgram:x:5", "dgram:1:70000", "ethernet",
                                  "bridge:1:2:3", "bridge:x", "replay:", "replay:/nowhere/at/all", "tap:much-too-long-a-name"])
def test_a_wrong_link_is_one_line(text):
    with pytest.raises(links.LinkError) as error:
        links.open_link(text, {})
    assert "\n" not in str(error.value) and len(str(error.value)) < 200


def test_replay_at_the_recorded_pace(tmp_path):
    writer = PcapWriter(tmp_path / "in.pcap")
    for at, byte in ((1000000, 1), (1005000, 2), (1005000, 3)):
        writer.write(at, bytes([byte]) * 60)
    writer.close()
    clock = VirtualClock(777)
    link = links.Replay(tmp_path / "in.pcap", clock)
    assert link.recv() == b"\1" * 60 and link.recv() is None and link.due() == 777 + 5000
    clock.advance(5)
    assert link.recv() == b"\2" * 60 and not link.finished and link.recv() == b"\3" * 60 and link.finished
    link.send(FRAME)
    assert link.sent == [FRAME]
    fast = links.Replay(tmp_path / "in.pcap")
    assert [fast.recv()[0] for _ in range(3)] == [1, 2, 3] and fast.recv() is None and fast.due() is None


@pytest.mark.skipif(os.geteuid() != 0 or not os.access("/dev/net/tun", os.W_OK), reason="TAP wants root and /dev/net/tun")
def test_tap_carries_frames_of_the_kernel():
    """In a network namespace of its own: the kernel's ping is the peer."""
    program = """
import subprocess, sys
from hostsim.links import LinkError, Tap
tap = Tap("bwtest0")
subprocess.check_call("ip addr add 10.9.9.1/24 dev bwtest0 && ip link set bwtest0 up", shell=True)
subprocess.run("ping -c1 -W1 10.9.9.2", shell=True, stdout=subprocess.DEVNULL)
seen = []
frame = tap.recv()
while frame is not None:
    seen.append(frame)
    frame = tap.recv()
assert any(f[12:14] == b"\\x08\\x06" and f[38:42] == bytes([10, 9, 9, 2]) for f in seen), seen
ask = next(f for f in seen if f[12:14] == b"\\x08\\x06")
mac = b"\\x02\\0\\0\\0\\0\\x05"
tap.send(ask[6:12] + mac + ask[12:20] + b"\\0\\2" + mac + ask[38:42] + ask[22:32])
neighbours = subprocess.check_output("ip neigh show 10.9.9.2", shell=True)
assert b"02:00:00:00:00:05" in neighbours, neighbours
try:
    Tap("bwtest0")
except LinkError as error:
    print(error)
"""
    done = subprocess.run(["unshare", "-n", sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "another program has it open" in done.stdout


# ---- sensor datagrams --------------------------------------------------------------------------------------------
@given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1), st.integers(-2**31, 2**31 - 1),
       st.integers(0, 255))
def test_a_reading_survives_its_datagram(device, sequence, uptime, value, status):
    reading = datagram.Reading(device, sequence, uptime, value, status)
    assert datagram.decode(datagram.encode(reading)) == reading


def test_the_datagram_byte_by_byte():
    data = bytes.fromhex("42575331 01 07 001c 0badcafe 00000011 0000000100000002 fffffffe")
    reading = datagram.decode(data)
    assert reading == datagram.Reading(0x0BADCAFE, 17, (1 << 32) + 2, -2, 7)
    assert str(reading) == "device 0badcafe  seq 17  up 4294967.298 s  value -2  (answer, delayed)"
    for at, byte, message in ((0, 0, "begins with"), (4, 2, "version 2"), (7, 0, "0 bytes long")):
        with pytest.raises(datagram.DatagramError, match=message):
            datagram.decode(data[:at] + bytes([byte]) + data[at + 1:])
    with pytest.raises(datagram.DatagramError, match="27 bytes"):
        datagram.decode(data[:-1])


def hostsim(*arguments):
    return subprocess.Popen([sys.executable, "-m", "hostsim", *arguments], cwd=ROOT, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_collect_prints_what_comes():
    port = free_port()
    process = hostsim("collect", "--port", str(port), "--count", "2")
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    good = datagram.encode(datagram.Reading(1, 2, 3000, 4, 1))
    lines = []
    deadline = time.monotonic() + 10
    while len(lines) < 2 and time.monotonic() < deadline:       # until it has bound its port
        sock.sendto(good if not lines else b"what?", ("127.0.0.1", port))
        if select.select([process.stdout], [], [], 0.1)[0]:
            lines.append(process.stdout.readline())
    process.wait(5)
    assert lines[0] == "127.0.0.1  device 00000001  seq 2  up 3.000 s  value 4\n"
    assert len(lines) == 2 and ("not a sensor datagram: 5 bytes" in lines[1] or lines[1] == lines[0])


def test_errors_of_a_user_are_one_line_and_exit_2(tmp_path):
    config = tmp_path / "appliance.toml"
    config.write_text('[appliance]\nname = "t"\n[net]\naddress = "10.0.2.15/24"\n')
    pages = tmp_path / "pages.toml"
    pages.write_text(config.read_text() + '[http]\nroot = "www"\n')
    (tmp_path / "www").mkdir()
    (tmp_path / "www" / "link").symlink_to("nowhere")
    taken = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    taken.bind(("0.0.0.0", 0))
    for arguments in (["collect", "--port", str(taken.getsockname()[1])],
                      ["--config", str(tmp_path / "none.toml")],
                      ["--config", str(pages)],
                      ["--config", str(config), "--link", "carrier-pigeon"],
                      ["--config", str(config), "--link", "bridge", "--impair", "loss=2"],
                      ["--config", str(config), "--link", "bridge", "--board", "toaster"],
                      ["--config", str(config), "--link", "bridge", "--pcap", str(tmp_path / "no" / "x.pcap")]):
        process = hostsim(*arguments)
        out, err = process.communicate(timeout=20)
        assert process.returncode == 2, (arguments, err)
        assert err.count("\n") == 1 and "Traceback" not in err and out.count("\n") <= 1, (arguments, out, err)
