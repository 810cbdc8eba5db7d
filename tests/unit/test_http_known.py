"""Requests that came before (http_known.py) are answered as if they were new."""
import random

from big import site
from device import Device, connect

LINE = b"GET /big.bin HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAccept: */*\r\n\r\n"
REQUESTS = [LINE, LINE.replace(b"GET", b"HEAD"), LINE.replace(b"close", b"Close"), LINE.replace(b"big", b"bag"),
            b"GET / HTTP/1.0\r\n\r\n", b"HEAD / HTTP/1.0\r\n\r\n", b"OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
            b"PUT / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc",
            b"GET / HTTP/1.0\r\nAccept-Encoding: gzip\r\n\r\n", b"GET / HTTP/1.0\r\nIf-None-Match: *\r\n\r\n",
            b"GET / HTTP/1.0\r\nRange: bytes=0-3\r\n\r\n", b"GET / HTTP/1.0\r\nRange: bytes=1-3\r\n\r\n",
            b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
            b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n", b"\r\nGET / HTTP/1.0\r\n\r\n",
            b"GET / HTTP/1.0\r\nX: " + b"y" * 600 + b"\r\n\r\n"]


def small(word):
    return Device(word=word, assets=site(2000))


def entries(device):
    state, known = device.fw.state, device.fw.http_known
    return [state.KNOWN + k * known.ENTRY_BYTES // 4 for k in range(state.KNOWN_COUNT)]


def forget(device):
    for at in entries(device):
        device.stack.s[at] = 0


def kept(device, request):
    """Whether the device knows this request."""
    s, known = device.stack.s, device.fw.http_known
    return any(s[at] == len(request) and s[at + known.TEXT:at + known.ENTRY_BYTES // 4].tobytes()[:len(request)] == request
               for at in entries(device))


PORTS = iter(range(20000, 65536))


def ask(device, *pieces):
    """The whole answer on a connection of its own."""
    client = connect(device, port=next(PORTS))
    for piece in pieces:
        client.send(piece)
    return client.pump()


def test_whatever_came_before_the_answer_is_the_same(word):
    device, dice = small(word), random.Random(11)
    new = {}
    for request in REQUESTS:
        forget(device)
        new[request] = ask(device, request)
    assert len(set(new.values())) > 9
    forget(device)
    known = 0
    for request in dice.choices(REQUESTS, k=150):
        known += kept(device, request)
        assert ask(device, request) == new[request]
        device.pass_ms(200)
    assert known > 20


def test_one_byte_more_than_known_is_another_request(word):
    """Each byte counts, in all places: what differs in one is read as if nothing had come before."""
    device = small(word)
    different = 0
    for k in range(len(LINE)):
        other = LINE[:k] + bytes([LINE[k] ^ 1]) + LINE[k + 1:]
        forget(device)
        new = ask(device, other)
        ask(device, LINE)
        assert kept(device, LINE)
        assert ask(device, other) == new
        different += new != ask(device, LINE)
        device.pass_ms(200)
    assert different > 20


def test_what_is_known_is_taken(word):
    """Control: with another method in the entry than in the bytes, the answer follows the entry."""
    device = small(word)
    assert ask(device, LINE).endswith(site(2000).data)
    at, = (at for at in entries(device) if device.stack.s[at] == len(LINE))
    device.stack.s[at + device.fw.http_known.METHOD] = device.fw.http_layout.HEAD
    assert ask(device, LINE).endswith(b"\r\n\r\n")


def test_what_is_not_kept(word):
    """Pieces, several at once, Range, what is too long, what is refused, what is not from the start."""
    device = small(word)
    ask(device, LINE[:20], LINE[20:])
    ask(device, REQUESTS[5] + REQUESTS[5])
    ask(device, b"\r\n", REQUESTS[4])
    for k in 10, 13, 15:
        assert ask(device, REQUESTS[k])
    assert all(device.stack.s[at] == 0 for at in entries(device))
    ask(device, LINE)
    assert kept(device, LINE)
