"""hostsim.bridge: the host's own sockets talk to the firmware, without root."""
import hashlib
import http.client
import os
import socket
import subprocess
import threading
import time

import pytest

from hostsim import datagram
from hostsim.appliance import real
from hostsim.bridge import Bridge
from hostsim.links import LinkError
from hostsim.pcap import Captured, read_pcap
from image import config as configuration

CONFIG = """
[appliance]
name = "bridged"
[net]
address = "10.0.2.15/24"
gateway = "10.0.2.2"
[sensor]
source = "counter"
period_ms = 50
collector = "10.0.2.2:%d"
query_port = 5005
[http]
port = 80
root = "www"
"""
BIG = os.urandom(50000) * 3


class Running:
    """The appliance in a thread, its bridge on ports that the system chose."""

    def __init__(self, folder, board="microvm"):
        (folder / "www").mkdir()
        (folder / "www" / "index.html").write_text("<!doctype html><title>bridge</title>")
        (folder / "www" / "big.bin").write_bytes(BIG)
        self.collector = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.collector.bind(("127.0.0.1", 0))
        self.collector.settimeout(5)
        (folder / "appliance.toml").write_text(CONFIG % self.collector.getsockname()[1])
        config = configuration.load(folder / "appliance.toml")
        self.bridge = Bridge(config.constants(), 0, 0)
        self.pcap = folder / "all.pcap"
        self.appliance = real(config, self.bridge, board=board)
        link = Captured(self.bridge, self.pcap, self.appliance.clock)
        self.appliance.link = self.appliance.card.link = link
        self.appliance.boot()
        self.error = None
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.turn, daemon=True)
        self.thread.start()

    def turn(self):
        try:
            while not self.ended.is_set():
                self.appliance.link.wait(min(self.appliance.step(), 20))
        except BaseException as error:
            self.error = error

    def get(self, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.bridge.http, timeout=20)
        connection.request("GET", path)
        response = connection.getresponse()
        body = response.read()
        connection.close()
        return response.status, body

    def metrics(self):
        lines = self.get("/metrics")[1].decode().splitlines()
        return {line.split()[0]: int(line.split()[1]) for line in lines if line and line[0] != "#"}


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    made = Running(tmp_path_factory.mktemp("bridge"))
    yield made
    made.ended.set()
    made.thread.join(5)
    made.bridge.close()
    assert made.error is None


def test_a_page(running):
    assert running.get("/") == (200, b"<!doctype html><title>bridge</title>")
    assert running.get("/nowhere")[0] == 404


def test_a_page_of_many_segments(running):
    status, body = running.get("/big.bin")
    assert status == 200 and hashlib.sha256(body).digest() == hashlib.sha256(BIG).digest()


def test_many_at_once(running):
    results = []
    threads = [threading.Thread(target=lambda: results.append(running.get("/big.bin"))) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert results == [(200, BIG)] * 12


def test_a_slow_reader_loses_nothing(running):
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.connect(("127.0.0.1", running.bridge.http))
    sock.sendall(b"GET /big.bin HTTP/1.1\r\nHost: x\r\n\r\n")
    got = b""
    while len(got.partition(b"\r\n\r\n")[2]) < len(BIG):
        if len(got) < 60000:
            time.sleep(0.01)
        data = sock.recv(3000)
        assert data
        got += data
    sock.close()
    assert got.partition(b"\r\n\r\n")[2] == BIG


def test_one_connection_many_requests_and_half_close(running):
    sock = socket.create_connection(("127.0.0.1", running.bridge.http), 5)
    sock.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 20)
    sock.shutdown(socket.SHUT_WR)
    got = b""
    while True:
        data = sock.recv(65536)
        if not data:
            break
        got += data
    assert got.count(b"HTTP/1.1 200 OK") == 20 and got.count(b"<title>bridge</title>") == 20


def test_readings_reach_the_collector_and_queries_are_answered(running):
    numbers = [datagram.decode(running.collector.recv(100)).sequence for _ in range(5)]
    assert numbers == list(range(numbers[0], numbers[0] + 5))
    clients = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(3)]
    for client in clients:
        client.settimeout(5)
        client.sendto(b"?", ("127.0.0.1", running.bridge.query))
    for client in clients:
        assert datagram.decode(client.recv(100)).status & datagram.ANSWER


def test_every_connection_ends_in_order(running):
    for _ in range(5):
        running.get("/")
    time.sleep(0.3)
    before = running.metrics()
    assert running.bridge.damaged == 0
    assert before["open_connections"] == 1                  # the one that asks
    assert before["tcp_reset_in"] == before["tcp_reset_out"] == before["tcp_timeout"] == 0
    assert before["tcp_closed"] == before["tcp_opened"] - 1
    assert not [f for _, f in read_pcap(running.pcap) if f[23] == 6 and f[12:14] == b"\x08\0" and f[47] & 4]


def test_a_client_that_breaks_off_leaves_no_connection(running):
    for _ in range(4):
        sock = socket.create_connection(("127.0.0.1", running.bridge.http), 5)
        sock.sendall(b"GET /big.bin HTTP/1.1\r\nHost: x\r\n\r\n")
        sock.recv(1000)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        sock.close()
    time.sleep(0.5)
    assert running.metrics()["open_connections"] == 1 and len(running.bridge.connections) <= 1


def test_the_appliance_closes_first(running):
    """Last of those that count connections: this one stays in TIME-WAIT for a while."""
    sock = socket.create_connection(("127.0.0.1", running.bridge.http), 5)
    sock.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    got = b""
    while True:
        data = sock.recv(65536)
        if not data:
            break
        got += data
    sock.close()
    time.sleep(0.2)
    assert got.endswith(b"<title>bridge</title>") and not running.bridge.connections


def test_curl_agrees(running):
    done = subprocess.run(["curl", "-sS", "--max-time", "10", "--compressed", "-w", "%{http_code}",
                           "http://127.0.0.1:%d/" % running.bridge.http], capture_output=True, text=True)
    assert done.stdout == "<!doctype html><title>bridge</title>200"


def test_a_taken_port_is_one_line_with_the_way_out(running):
    with pytest.raises(LinkError, match="port %d on 127.0.0.1" % running.bridge.http) as error:
        Bridge(running.bridge.constants, running.bridge.http, 0)
    assert "\n" not in str(error.value) and "--link" in str(error.value)
