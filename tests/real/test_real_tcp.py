"""TCP against the kernel: many connections, rude clients, slow ones, small segments, a bad wire."""
import contextlib
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.real import network
from tests.real.client import abort, answer, connect, everything, get, metric, request
from tests.real.conftest import BIG, FILES
from tests.real.network import DEVICE, TAP, ip

PAGE = FILES["index.html"]


def test_64_connections_at_once(appliance):
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(connect()) for _ in range(64)]
        for _ in range(2):
            for sock in socks:
                sock.sendall(request("/"))
            for sock in socks:
                assert answer(sock) == (200, PAGE, b"")
    assert metric("open_connections") <= 65


def test_more_clients_than_slots(appliance):
    """150 clients, each with a whole connection of its own, for 64 slots: all are served."""
    with ThreadPoolExecutor(100) as pool:
        assert set(pool.map(lambda _: get("/style.css"), range(150))) == {(200, FILES["style.css"])}


def test_idle_connections_do_not_lock_others_out(appliance):
    with contextlib.ExitStack() as stack:
        for _ in range(64):
            stack.enter_context(connect()).sendall(request("/small.txt"))
        time.sleep(0.2)
        for _ in range(10):
            assert get("/small.txt") == (200, FILES["small.txt"])


def test_aborts_leave_no_slot_behind(appliance):
    before = metric("open_connections")
    for k in range(80):
        sock = connect()
        sock.sendall(request("/big.bin"))
        if k % 2:
            sock.recv(1000)
        abort(sock)
    assert metric("open_connections") <= before
    assert get("/big.bin") == (200, BIG)


def test_half_close(appliance):
    """The client has said all it has to say: it still gets its answer, then the end."""
    with contextlib.closing(connect()) as sock:
        sock.sendall(request("/big.bin"))
        sock.shutdown(socket.SHUT_WR)
        assert everything(sock).endswith(BIG)


def test_request_byte_by_byte(appliance):
    with contextlib.closing(connect()) as sock:
        for byte in request("/small.txt", "Accept: */*"):
            sock.send(bytes([byte]))
            time.sleep(0.002)
        assert answer(sock) == (200, FILES["small.txt"], b"")


def test_pipelined_requests(appliance):
    paths = ["/small.txt", "/", "/api/reading", "/big.bin", "/nothing"] * 8
    with contextlib.closing(connect()) as sock:
        sock.sendall(b"".join(request(path) for path in paths))
        rest = b""
        for path in paths:
            status, body, rest = answer(sock, rest)
            assert status == (404 if path == "/nothing" else 200)
            if path[1:] in FILES:
                assert body == FILES[path[1:]]
    assert rest == b""


def test_slow_reader(appliance):
    """The window closes again and again."""
    with contextlib.closing(socket.socket()) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.settimeout(10)
        sock.connect((DEVICE, 80))
        sock.sendall(request("/big.bin", "Connection: close"))
        got = b""
        while part := sock.recv(3000):
            got += part
            if len(got) < 40000:
                time.sleep(0.01)
    assert got.endswith(BIG)


@pytest.mark.parametrize("mss", [88, 536, 1000])
def test_small_segments_by_socket_option(appliance, mss):
    assert get("/big.bin", mss=mss) == (200, BIG)


def test_route_with_small_segments(appliance):
    ip(f"route add {DEVICE} dev {TAP} advmss 536")
    try:
        assert get("/big.bin") == (200, BIG)
    finally:
        ip(f"route del {DEVICE}")


def test_small_mtu(appliance):
    ip(f"link set {TAP} mtu 600")
    try:
        assert get("/big.bin") == (200, BIG)
    finally:
        ip(f"link set {TAP} mtu 1500")


@pytest.mark.parametrize("faults", ["loss=0.03,seed=1", "loss=0.02,duplicate=0.02,reorder=0.05,corrupt=0.01,seed=2"])
def test_bad_wire(tap, config, faults):
    """The kernel has no netem here: the simulator brings the bad wire itself."""
    with network.network(), network.simulator(config, "--impair", faults):
        network.settle()
        for _ in range(3):
            assert get("/big.bin") == (200, BIG)
        assert metric("tcp_retransmit") > 0
