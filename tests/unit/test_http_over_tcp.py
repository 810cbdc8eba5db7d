"""HTTP on its connection: time limits (RFC 9110 15.5.9), 100 before the body, parts of files in segments, room in the queue."""
import pytest
from big import site
from device import Client, Device, example_assets

from http_harness import response

FILE = "/dashboard.js"
REQUEST = "GET %s HTTP/1.1\r\nHost: x\r\n%s\r\n"


def file():
    """The body of FILE, taken out of what it is served from."""
    assets = example_assets()
    return response(assets.PIECES[2 * assets.LABELS.index(FILE)]).body


def connect(device, port=40000, **fields):
    client = Client(device, port=port, **fields)
    client.open()
    return client


def part(client, fields):
    """The answer to a request for FILE with these header lines."""
    return response(client.request(FILE, headers=fields))


# ---- time limits ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("begun, limit", [
    (b"G", 10000), (b"\r\n", 10000), (b"GET / HTTP/1.1\r\nHost: x\r\nX: y", 10000),
    (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n1234", 30000),
    (b"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n1234", 30000),
    (b"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nT: x\r\n", 10000)])      # a trailer is a header section
def test_part_of_a_request_waits_so_long(device, begun, limit):
    client = connect(device)
    client.send(begun)
    assert client.mine(device.pass_ms(limit - 5)) == []
    frames = client.take(client.mine(device.pass_ms(10)))
    assert response(bytes(client.got)).status == 408 and "F" in frames[-1].flags
    assert response(bytes(client.got)).closes and device.count("http_408") == 1
    client.send(b"", "FA")
    device.pass_ms(40000)
    assert device.state("OPEN") == 0 and device.count("tcp_closed") == 1


def test_bytes_that_trickle_in_win_no_time(device):
    client = connect(device)
    for k in range(10):
        client.send(b"GET / HTTP"[k:k + 1])
        device.pass_ms(990)
    assert client.got == b""
    client.take(client.mine(device.pass_ms(105)))
    assert response(bytes(client.got)).status == 408


def test_the_body_has_its_own_limit(device):
    """From the end of the header section on."""
    client = connect(device)
    client.send(b"GET / HTTP/1.1\r\nHost: x\r\n")
    device.pass_ms(9900)
    client.send(b"Content-Length: 2\r\n\r\n")
    device.pass_ms(29900)
    client.send(b"a")
    client.send(b"b")
    assert client.pump().startswith(b"HTTP/1.1 200 OK\r\n") and device.count("http_408") == 0


def test_each_request_has_its_own_limit(device):
    client = connect(device)
    for _ in range(4):
        client.got.clear()
        client.send(b"GET /favicon.svg HT")
        device.pass_ms(8000)
        client.send(b"TP/1.1\r\nHost: x\r\n\r\n")
        assert client.pump().startswith(b"HTTP/1.1 200 OK\r\n")
        device.pass_ms(8000)


def test_the_next_request_behind_a_whole_one(device):
    client = connect(device)
    client.send((REQUEST % ("/nothing", "")).encode() + b"GET")
    assert client.pump().startswith(b"HTTP/1.1 404")
    client.got.clear()
    client.take(client.mine(device.pass_ms(10005)))
    assert response(bytes(client.got)).status == 408


@pytest.mark.parametrize("begun", [b"", b"GET /favicon.svg HTTP/1.1\r\nHost: x\r\n\r\n"])
def test_no_request_no_answer(device, begun):
    """An idle connection is closed without a word: nobody asked."""
    client = connect(device)
    client.send(begun)
    client.pump()
    client.got.clear()
    device.pass_ms(59000)
    frames = client.take(client.mine(device.pass_ms(2000)))
    assert [str(frame.flags) for frame in frames] == ["FA"] * len(frames) and frames and client.got == b""
    assert device.count("http_408") == 0 and device.count("tcp_idle") == 1


def test_an_answer_under_way_is_not_cut(device):
    """The time-out waits until what was asked before is acknowledged."""
    client = connect(device, window=2000)
    client.take(client.segment("PA", (REQUEST % (FILE, "")).encode() + b"GET"))
    client.seq += len(REQUEST % (FILE, "")) + 3
    for _ in range(9):
        client.take(client.mine(device.pass_ms(1400)))
        client.take(client.segment("A"))
    client.window = 64000
    client.pump()
    client.take(client.mine(device.pass_ms(12000)))
    client.pump()
    assert client.got.count(b"HTTP/1.1 200 OK") == 1 and file() in client.got
    assert client.got.count(b"HTTP/1.1 408 ") == 1 and client.got.endswith(b"in time\n")


# ---- 100 (RFC 9110 10.1.1) --------------------------------------------------------------------------------------------
def test_interim_answer_comes_before_the_body(device):
    client = connect(device)
    client.send((REQUEST % ("/favicon.svg", "Expect: 100-continue\r\nContent-Length: 3\r\n")).encode())
    assert client.pump() == b"HTTP/1.1 100 Continue\r\n\r\n"
    client.got.clear()
    client.send(b"ab")
    assert client.pump() == b""
    client.send(b"c")
    assert client.pump().startswith(b"HTTP/1.1 200 OK\r\n")


def test_body_that_was_asked_for_and_never_comes(device):
    client = connect(device)
    client.send((REQUEST % ("/", "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n")).encode())
    assert client.pump() == b"HTTP/1.1 100 Continue\r\n\r\n"
    client.got.clear()
    client.take(client.mine(device.pass_ms(30010)))
    assert response(bytes(client.got)).status == 408


# ---- parts of files ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("mss", [216, 1000, 1001, 1459, 1460])
def test_parts_at_any_address(device, mss):
    """scapy checks the sum of every segment."""
    client = connect(device, mss=mss)
    for first in range(5):
        for size in (1, 2, 3, 1460, 1461, 3 * mss + first):
            got = part(client, "Range: bytes=%d-%d\r\n" % (first, first + size - 1))
            assert got.status == 206 and got.body == file()[first:first + size]


def test_part_with_the_end_of_the_connection(device):
    client = connect(device)
    got = part(client, "Range: bytes=-5\r\nConnection: close\r\n")
    assert got.status == 206 and got.closes and got.body == file()[-5:] and "F" in client.frames[-1].flags


def test_part_asked_for_with_fin(device):
    """Whether it is given or the field is ignored: the answer comes before our FIN."""
    for k, (value, status) in enumerate((("bytes=3-9", 206), ("lines=1", 200))):
        client = connect(device, port=41000 + k)
        client.send((REQUEST % (FILE, "Range: %s\r\n" % value)).encode(), "FPA")
        assert response(client.pump()).status == status


def test_more_parts_than_the_queue_holds(word):
    """Each takes two places of it; with one page for all, too."""
    for pages in 1, 8:
        device = Device(word=word, overrides={"PAGES": pages})
        client = connect(device, window=700)
        client.send(b"".join((REQUEST % (FILE, "Range: bytes=%d-%d\r\n" % (k, k + 40 * k))).encode() for k in range(12)))
        data, k = client.pump(), 0
        while data:
            head, _, rest = data.partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 206 ") and rest.startswith(file()[k:k + 40 * k + 1])
            data, k = rest[40 * k + 1:], k + 1
        assert k == 12 and device.state("PAGES_FREE") == pages


def test_page_comes_back_with_the_head(device):
    """A part's page is free as soon as its head is acknowledged, whatever else is on its way."""
    client = connect(device, window=1460)
    free = device.state("PAGES_FREE")
    client.take(client.segment("PA", (REQUEST % (FILE, "Range: bytes=1-\r\n")).encode()))
    client.seq += len(REQUEST % (FILE, "Range: bytes=1-\r\n"))
    assert device.state("PAGES_FREE") == free - 1
    client.take(client.segment("A"))
    assert device.state("PAGES_FREE") == free
    assert response(client.pump()).body == file()[1:]


def test_part_is_retransmitted(device):
    client = connect(device)
    client.segment("PA", (REQUEST % (FILE, "Range: bytes=1-\r\n")).encode())
    client.seq += len(REQUEST % (FILE, "Range: bytes=1-\r\n"))
    for _ in range(3):
        client.take(client.mine(device.pass_ms(5000)))
    client.pump()
    assert response(bytes(client.got)).body == file()[1:] and device.count("tcp_retransmit")


def test_part_of_a_big_page(word):
    device = Device(word=word, assets=site())
    client = connect(device)
    for first in (0, 1459, 1460, 70_001, 99_999):
        got = response(client.request("/big.bin", headers="Range: bytes=%d-\r\n" % first))
        assert got.body == site().data[first:] and got.headers["content-range"] == "bytes %d-99999/100000" % first
