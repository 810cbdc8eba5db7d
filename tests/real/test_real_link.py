"""ARP, ICMP, UDP and the sensor against the kernel's own stack."""
import contextlib
import http.client
import re
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from hostsim.datagram import ANSWER, DELAYED, VALID, decode
from hostsim.pcap import read_pcap
from tests.real import network
from tests.real.conftest import PERIOD_MS
from tests.real.network import DEVICE, HOST, TAP, ip


def udp(port: int = 0) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.settimeout(3)
    sock.bind((HOST, port))
    return sock


def readings(sock: socket.socket, count: int) -> list:
    return [decode(sock.recv(2048)) for _ in range(count)]


@pytest.mark.parametrize("size", [0, 1, 55, 56, 1000, 1471, 1472])
def test_ping(appliance, size):
    done = subprocess.run(["ping", "-c5", "-i0.02", "-W2", "-M", "do", f"-s{size}", DEVICE], capture_output=True, text=True)
    assert "5 received, 0% packet loss" in done.stdout, done.stdout


def test_kernel_resolves_the_address(appliance):
    ip(f"neigh flush dev {TAP}")
    with contextlib.closing(udp()) as sock:
        sock.sendto(b"who has", (DEVICE, 7))
        assert sock.recv(100) == b"who has"
    assert re.search(r"52:54:00:12:34:56 (REACHABLE|DELAY|STALE)", ip(f"neigh show {DEVICE} dev {TAP}"))


def test_no_answer_for_another_address(appliance):
    with contextlib.closing(udp()) as sock:
        sock.sendto(b"who has", ("10.0.2.16", 7))
        time.sleep(0.3)
    assert "52:54:00" not in ip(f"neigh show 10.0.2.16 dev {TAP}")


def test_udp_echo_of_all_sizes(appliance):
    with contextlib.closing(udp()) as sock:
        sock.connect((DEVICE, 7))
        for size in [*range(0, 70), *range(70, 1473, 31), 1471, 1472]:
            data = bytes((size + k) & 255 for k in range(size))
            sock.send(data)
            assert sock.recv(2048) == data


def test_udp_query(appliance):
    with contextlib.closing(udp()) as sock:
        sock.connect((DEVICE, 5005))
        before = None
        for question in b"", b"?", b"x" * 100:
            sock.send(question)
            reading = decode(sock.recv(2048))
            assert reading.status & (VALID | ANSWER) == VALID | ANSWER
            assert before is None or (reading.sequence, reading.uptime) >= (before.sequence, before.uptime)
            before = reading


def test_sensor_sends_every_period(appliance):
    with contextlib.closing(udp(9000)) as sock:
        readings(sock, 1)
        start = time.monotonic()
        seen = readings(sock, 10)
        passed = time.monotonic() - start
    assert [reading.sequence - seen[0].sequence for reading in seen] == list(range(10))
    assert {reading.status for reading in seen} == {VALID}
    assert 0.5 < passed / (10 * PERIOD_MS / 1000) < 1.5
    assert 0.8 < (seen[-1].uptime - seen[0].uptime) / (9 * PERIOD_MS) < 1.2


def test_sensor_sends_while_clients_keep_everyday_python_busy(appliance):
    """There is always a request for a route: the readings' and the timers' turn comes all the same."""
    end = time.monotonic() + 2

    def ask():
        connection = http.client.HTTPConnection(DEVICE, timeout=5)
        while time.monotonic() < end:
            connection.request("GET", "/metrics")
            assert b"rx_frames" in connection.getresponse().read()
        connection.close()

    with contextlib.closing(udp(9000)) as sock, ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(ask) for _ in range(4)]
        readings(sock, 1)
        times = []
        while time.monotonic() < end:
            readings(sock, 1)
            times.append(time.monotonic())
        for one in asked:
            one.result()
    assert max(b - a for a, b in zip(times, times[1:])) < 0.7


def test_closed_udp_port_is_unreachable(appliance):
    with contextlib.closing(udp()) as sock:
        sock.connect((DEVICE, 4444))
        sock.send(b"anybody?")
        with pytest.raises(ConnectionRefusedError):
            sock.recv(100)


def test_closed_tcp_port_refuses(appliance):
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((DEVICE, 81), 3)


def test_readings_wait_for_a_collector_that_comes_late(kind, config):
    """The collector's address answers no ARP for a while: nothing is lost, and what waited says so."""
    with network.network():
        ip(f"link set {TAP} arp off")
        with kind(config), contextlib.closing(udp(9000)) as sock:
            time.sleep(1)
            ip(f"link set {TAP} arp on")
            seen = readings(sock, 20)
    assert [reading.sequence for reading in seen] == list(range(seen[0].sequence, seen[0].sequence + 20))
    assert seen[0].sequence == 1
    late = [bool(reading.status & DELAYED) for reading in seen]
    assert sum(late) >= 5 and late == sorted(late, reverse=True)


def test_pcap_holds_frames_and_nothing_in_front_of_them(tap, config, tmp_path):
    with network.network(), network.qemu(config, pcap=tmp_path / "card.pcap"), contextlib.closing(udp()) as sock:
        sock.sendto(b"on record", (DEVICE, 7))
        assert sock.recv(100) == b"on record"
    kinds = [frame[12:14] for _, frame in read_pcap(tmp_path / "card.pcap")]
    assert kinds.count(b"\x08\0") >= 2 and set(kinds) == {b"\x08\0", b"\x08\x06"}
