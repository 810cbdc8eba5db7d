"""The whole appliance on the boards with FIFO cards, under CPython: pages, readings, echoes, and main.py itself."""
import hashlib
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import test_appliance
from test_bridge import BIG, Running

from hostsim import datagram, links
from hostsim.appliance import Appliance, run_until
from hostsim.clock import VirtualClock
from hostsim.impair import Impaired

ROOT = Path(__file__).parents[2]
BOARDS = ["lm3s6965evb", "mps2_an385"]
boards = pytest.mark.parametrize("board", BOARDS)


@pytest.fixture(scope="module", params=BOARDS)
def running(request, tmp_path_factory):
    made = Running(tmp_path_factory.mktemp("board"), request.param)
    yield made
    made.ended.set()
    made.thread.join(5)
    made.bridge.close()
    assert made.error is None


def test_pages(running):
    assert running.appliance.fw.word == 32
    assert running.get("/") == (200, b"<!doctype html><title>bridge</title>")
    assert running.get("/nowhere")[0] == 404
    status, body = running.get("/big.bin")
    assert status == 200 and hashlib.sha256(body).digest() == hashlib.sha256(BIG).digest()


def test_four_at_once(running):
    results = []
    threads = [threading.Thread(target=lambda: results.append(running.get("/big.bin"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert results == [(200, BIG)] * 4


def test_readings_come_and_can_be_asked_for(running):
    first = datagram.decode(running.collector.recv(2048))
    second = datagram.decode(running.collector.recv(2048))
    assert second.sequence == first.sequence + 1
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(5)
        sock.sendto(b"?" * 28, ("127.0.0.1", running.bridge.query))
        assert datagram.decode(sock.recv(2048)).sequence >= second.sequence


def test_metrics_tell_of_the_card(running):
    values = running.metrics()
    assert [values["nic_" + name] for name in ("rx_bad", "rx_lost", "tx_stuck", "link_lost")] == [0] * 4
    assert values["sensor_sent"] > 1 and values["http_requests"] > 3


@boards
def test_a_bad_wire_and_a_slow_transmitter(board):
    clock = VirtualClock()
    one, two = links.pair()
    link = Impaired(one, clock, loss=0.1, duplicate=0.1, reorder=0.1, corrupt=0.1, delay=2, jitter=5, seed=3)
    appliance = Appliance(test_appliance.CONFIG, link, board=board, clock=clock).boot()
    appliance.card.frame_turns = 3
    peer = test_appliance.Peer(two, echoes=300)
    run_until(clock, 40000, appliance, peer)
    assert 150 < len(peer.answers) < 290 and 20 < len({r.sequence for r in peer.readings}) <= 41
    assert not appliance.n[appliance.fw.driver.STUCK]


@boards
def test_main_itself_sleeps_and_answers(board, tmp_path):
    from hostsim.pcap import PcapWriter, read_pcap
    from hostsim.packets import BROADCAST, UDP, arp, ipv4, udp
    writer = PcapWriter(tmp_path / "in.pcap")
    mac, host, ours = test_appliance.HOST_MAC, test_appliance.HOST, test_appliance.OURS
    writer.write(0, arp(1, mac, host, bytes(6), ours, BROADCAST))
    for k in range(5):
        body = udp(host, 4000, ours, 7, bytes([k]) * (1 + 300 * k))
        writer.write(5000 * (k + 1), ipv4(test_appliance.MAC, mac, host, ours, UDP, body))
    writer.close()
    (tmp_path / "appliance.toml").write_text('[appliance]\nname = "t"\n[net]\naddress = "10.0.2.15/24"\n[udp]\necho_port = 7\n')
    done = subprocess.run(
        [sys.executable, "-m", "hostsim", "--config", tmp_path / "appliance.toml", "--board", board, "--link",
         f"replay:{tmp_path / 'in.pcap'}", "--pcap", tmp_path / "out.pcap"], cwd=ROOT, timeout=60, capture_output=True,
        text=True, env=os.environ)
    assert (done.returncode, done.stdout, done.stderr) == (0, "barewire: t ready at 10.0.2.15\n", "")
    echoed = [f for _, f in read_pcap(tmp_path / "out.pcap") if f[6:12] == test_appliance.MAC and f[23:24] == b"\x11"]
    assert [len(f) for f in echoed] == [60, 343, 643, 943, 1243]


def test_an_unknown_board_is_one_line(tmp_path):
    (tmp_path / "appliance.toml").write_text('[appliance]\nname = "t"\n[net]\naddress = "10.0.2.15/24"\n')
    done = subprocess.run([sys.executable, "-m", "hostsim", "--config", tmp_path / "appliance.toml", "--board", "unix"],
                          cwd=ROOT, timeout=60, capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr == (
        "hostsim: board unix: the simulator has models of lm3s6965evb, microvm, mps2_an385\n")
