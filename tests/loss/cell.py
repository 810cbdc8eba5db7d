"""One cell of the loss matrix in real time: the kernel's TCP fetches over a bad wire, from the image or from the kernel itself.

    python -m tests.loss.cell barewire|kernel LOAD LOSS FAULTS SEED [PCAP]       prints one line of JSON

Both servers stand behind the same wire (tests/loss/wire.py) and a TAP of a network namespace of their own.
"""
import contextlib
import hashlib
import json
import os
import socket
import subprocess
import sys
import time

from hostsim.clock import RealClock
from hostsim.links import Dgram, Tap
from hostsim.pcap import Captured
from image.qemu import Qemu
from image.settings import ROOT
from tests.loss.matrix import BIG, DELAY, FAULTS, LOADS, SMALL
from tests.loss.wire import Wire
from tests.real import network
from tests.real.network import DEVICE, HOST, TAP, ip

FOLDER = ROOT / "build" / "loss"
DEVICE_MAC, HOST_MAC = "52:54:00:12:34:56", "02:00:00:00:00:09"
PATIENCE = 300              # seconds of silence after which the user gives a connection up, and asks anew
SERVER = """
import http.server, socket
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version, wbufsize = "HTTP/1.1", -1
    def do_GET(self):
        body = open(self.path[1:], "rb").read()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): pass
class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128
    def get_request(self):
        sock, peer = super().get_request()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock, peer
server = Server(("", 80), Handler)
print("ready", flush=True)
server.serve_forever()
"""


def configuration():
    """appliance.toml and the pages, the same for all cells."""
    path = network.configuration(FOLDER, files={"big.bin": BIG, "small.bin": SMALL})
    text = path.read_text().partition("[sensor]")
    path.write_text(text[0] + "[http]\nroot = \"www\"\n")
    return path


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def barewire():
    """The image in QEMU; gives the link to it."""
    here, there = free_port(), free_port()
    link = Dgram(here, there)
    ends = "dgram,local.type=inet,local.host=127.0.0.1,local.port=%d,remote.type=inet,remote.host=127.0.0.1,remote.port=%d"
    with Qemu(image=FOLDER / "build" / "microvm" / "appliance.elf", netdev=ends % (there, here)) as machine:
        machine.wait_ready(60)
        yield link


@contextlib.contextmanager
def kernel():
    """A server of the kernel in a namespace of its own, as what starts inside of it; gives the link to it."""
    with network.namespace():
        link = Tap("tap1")
        ip("link set lo up")
        ip(f"link set tap1 address {DEVICE_MAC}")
        ip(f"address add {DEVICE}/24 dev tap1")
        ip("link set tap1 txqueuelen 10000 up")
        ip(f"neigh add {HOST} lladdr {HOST_MAC} dev tap1 nud permanent")
        server = subprocess.Popen([sys.executable, "-c", SERVER], cwd=FOLDER / "www", stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout.readline() == "ready\n"
        yield link
    finally:
        server.kill()
        server.wait()


def connect():
    sock = socket.socket()
    sock.settimeout(PATIENCE)
    sock.connect((DEVICE, 80))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def receive(sock, body):
    """One answer with this body. ConnectionError, TimeoutError where it breaks off."""
    got = b""
    while b"\r\n\r\n" not in got or len(got) - got.index(b"\r\n\r\n") - 4 < len(body):
        part = sock.recv(65536)
        if not part:
            assert not got, "FIN in the middle of an answer"
            raise ConnectionError
        got += part
    head, _, rest = got.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ") and hashlib.sha256(rest).digest() == hashlib.sha256(body).digest()


def fetch(load):
    """Seconds that it takes, and how often a request had to be made again because its connection broke."""
    path, body, count, keep = LOADS[load]
    start = time.monotonic()
    sock, done, again = None, 0, 0
    while done < count:
        close = b"" if keep and done + 1 < count else b"Connection: close\r\n"
        try:
            sock = sock or connect()
            sock.sendall(b"GET %s HTTP/1.1\r\nHost: x\r\n%s\r\n" % (path, close))
            receive(sock, body)
            done += 1
        except (ConnectionError, TimeoutError):
            again += 1
            close = b"close"
        if close and sock:
            sock.close()
            sock = None
    return time.monotonic() - start, again


def main(server, load, loss, faults, seed, pcap=None):
    with network.network(), {"barewire": barewire, "kernel": kernel}[server]() as right:
        ip(f"link set {TAP} address {HOST_MAC}")
        ip(f"neigh add {DEVICE} lladdr {DEVICE_MAC} dev {TAP} nud permanent")
        if pcap:
            right = Captured(right, pcap, RealClock())
        with Wire(Tap(TAP), right, loss=float(loss), delay=DELAY, seed=int(seed), **FAULTS[faults]) as wire:
            seconds, again = fetch(load)
    _, body, count, _ = LOADS[load]
    print(json.dumps({"server": server, "load": load, "loss": float(loss), "faults": faults, "seed": int(seed),
                      "seconds": round(seconds, 3), "kilobytes": round(len(body) * count / seconds / 1000, 3),
                      "again": again, "frames": wire.left.number}))
    sys.stdout.flush()
    os._exit(0)         # QEMU and the server are ended; a socket that lingers holds nobody up


if __name__ == "__main__":
    main(*sys.argv[1:])
