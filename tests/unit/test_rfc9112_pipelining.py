"""RFC 9112 section 9.3.2, pipelining: whatever TCP does to requests for parts of files on their way, each gets its answer.

The peer cuts its requests anywhere, sends pieces late, twice, overlapping or not at all, takes its time to acknowledge,
and has windows that the answers do not fit into; the appliance has those of one board after the other.
"""
import random
import re
from dataclasses import dataclass

import pytest

from hostsim import packets
from hostsim.packets import ACK, PSH, RST, SYN, TCP
from image.settings import ROOT
from tests.agree.frames import HOST, HOST_MAC, MAC, OURS
from tests.agree.targets import Simulated

WWW = ROOT / "firmware/app/www"
FILES = {"/" + path.name: path.read_bytes() for path in sorted(WWW.iterdir())}
BOARDS = "microvm", "mps2_an385", "lm3s6965evb"
TURNS = 4000            # until the answers have to be there


@dataclass(frozen=True)
class Request:
    """`text`, the status of its answer, and the body of that. Where no page is free a part comes as the `whole` file, with 200,
    and what needs a page for its body, which is None here, as 503.
    """
    text: bytes
    status: int
    body: bytes | None = None
    whole: bytes | None = None

    def has(self, status, body):
        if status != self.status:
            return body == self.whole if status == 200 else (status, self.body) == (503, None)
        return self.body in (None, body)


def get(path, *fields):
    return b"".join((b"GET %s HTTP/1.1\r\nHost: x\r\n" % path.encode(), *(field.encode() + b"\r\n" for field in fields), b"\r\n"))


def part(path, first, last, *fields):
    data = FILES[path]
    return Request(get(path, *fields, f"Range: bytes={first}-{last}"), 206, data[first:last + 1], data)


def drawn(choice):
    """Any request: mostly for a part, given in one of the ways there are."""
    path = choice.choice(list(FILES))
    data, kind = FILES[path], choice.random()
    fields = choice.choice(((), ("Accept: */*",), ("X: " + "y" * choice.randrange(60),)))
    if kind < 0.6:
        first = choice.randrange(len(data))
        last = choice.randrange(first, len(data))
        value = choice.choice((f"{first}-{last}", f"{first}-", f"-{len(data) - first}", f"{first}-{9 ** choice.randrange(5, 25)}"))
        end = last + 1 if value == f"{first}-{last}" else len(data)
        return Request(get(path, *fields, f"Range: bytes={value}"), 206, data[first:end], data)
    if kind < 0.7:
        return Request(get(path, *fields, f"Range: bytes={len(data)}-"), 416, b"", data)
    if kind < 0.8:
        return Request(get(path, *fields), 200, data)
    if kind < 0.9:
        return Request(get("/api/reading", *fields), 200)
    return Request(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", 405,
                   b"405 Method Not Allowed: pages are read with GET and HEAD\n")


class Asker:
    """A connection on which `requests` are made. What is sent is the caller's: feed(), piece(), acknowledgement()."""

    def __init__(self, device, requests, port, window=64000, mss=1460, iss=1000):
        self.device, self.requests, self.port, self.window = device, requests, port, window
        self.stream = b"".join(request.text for request in requests)
        self.first = iss + 1 & 0xFFFFFFFF
        self.taken, self.rcv_nxt, self.room = 0, 0, 0
        self.beyond, self.got = {}, bytearray()
        device.askers[port] = self
        self.feed([self.frame(SYN, self.first - 1, mss=mss)])
        self.feed([self.acknowledgement()])

    def frame(self, flags, seq, data=b"", mss=0):
        segment = packets.tcp(HOST, self.port, OURS, 80, seq, self.rcv_nxt, flags, self.window, data, mss)
        return packets.ipv4(MAC, HOST_MAC, HOST, OURS, TCP, segment)

    def piece(self, start, end, push=True):
        """Bytes of the requests, a segment at the most."""
        return self.frame(ACK | (PSH if push else 0), self.first + start, self.stream[start:min(end, start + 1460)])

    def acknowledgement(self):
        return self.frame(ACK, self.first + self.taken)

    def feed(self, frames, ms=0, deaf=lambda: False):
        """The frames arrive, `ms` later. Who is meant by what comes back takes it, where `deaf` does not say that it gets lost."""
        self.device.now += ms
        _, sent = self.device.feed(self.device.now & 0x3FFFFFFF, frames)
        for frame in sent:
            if frame[12:14] == b"\x08\0" and frame[23] == TCP:
                packet = packets.Packet(frame)
                asker = self.device.askers.get(packet.target_port)
                if asker and not deaf():
                    asker._take(packet)

    def _take(self, packet):
        assert not packet.flags & RST, "it was reset"
        if packet.flags & SYN:
            self.rcv_nxt = packet.seq + 1 & 0xFFFFFFFF
        acked = packet.ack - self.first & 0xFFFFFFFF
        assert acked <= len(self.stream)
        if acked >= self.taken:
            self.taken, self.room = acked, packet.window
        if packet.data:
            self.beyond[packet.seq] = max(packet.data, self.beyond.get(packet.seq, b""), key=len)
        for seq in sorted(self.beyond, key=lambda seq: seq - self.rcv_nxt + (1 << 31) & 0xFFFFFFFF):
            old = self.rcv_nxt - seq + (1 << 31) & 0xFFFFFFFF
            old -= 1 << 31
            if old >= 0:
                data = self.beyond.pop(seq)[old:]
                self.got += data
                self.rcv_nxt = self.rcv_nxt + len(data) & 0xFFFFFFFF

    def answered(self):
        """Whether all answers are there; each is compared."""
        at, data = 0, bytes(self.got)
        for request in self.requests:
            head, mark, rest = data[at:].partition(b"\r\n\r\n")
            size = mark and int(re.search(rb"Content-Length: *(\d+)", head)[1])
            if not mark or len(rest) < size:
                return False
            assert request.has(int(head[9:12]), rest[:size]), (request.text, head)
            at += len(head) + 4 + size
        assert at == len(data)
        return True

    def finish(self):
        """Send again what is not acknowledged, until all answers are there; then be gone. Yields at any time, for others."""
        for turn in range(TURNS):
            if self.answered():
                del self.device.askers[self.port]
                self.feed([self.frame(RST, self.first + self.taken)])
                return
            end = min(len(self.stream), self.taken + self.room)
            again = [self.piece(self.taken, end)] if self.taken < end and turn % 3 == 2 else []
            self.feed([*again, self.acknowledgement()], ms=50 if turn % 3 == 2 else 0)
            yield
        raise AssertionError(f"{self.taken} of {len(self.stream)} bytes taken, {len(self.got)} answered")


def booted(board, word=None):
    device = Simulated(word, like=board)
    device.now, device.askers = 1000, {}
    return device


def everything_is_free(device):
    state, s = device.fw.state, device.stack.s
    return s[state.OPEN] == 0 and s[state.PAGES_FREE] == device.fw.board.PAGES and device.count("http_400") == 0


REQUESTS = (part("/dashboard.js", 7, 9), part("/index.html", 0, 0, "Accept: */*"), part("/dashboard.js", 11000, 11190),
            Request(get("/favicon.svg"), 200, FILES["/favicon.svg"]))


@pytest.mark.parametrize("board", BOARDS)
@pytest.mark.parametrize("late", [False, True], ids=["in order", "reordered"])
def test_cut_anywhere(board, late):
    """In two pieces; or the second comes first, is kept beyond the gap, and the first comes in two pieces, one of them twice."""
    device = booted(board)
    size = sum(len(request.text) for request in REQUESTS)
    for cut in range(1, size):
        asker = Asker(device, REQUESTS, 20000 + cut)
        if late:
            half = cut // 2
            asker.feed([asker.piece(cut, size), asker.piece(0, half), asker.piece(0, half), asker.piece(half, cut)])
        else:
            asker.feed([asker.piece(0, cut, push=cut & 1), asker.piece(cut, size)])
        assert asker.taken == size
        for _ in asker.finish():
            pass
    assert everything_is_free(device) and device.count("http_206") == 3 * (size - 1)
    assert (device.count("tcp_out_of_order") == size - 1) == late


def mishaps(device, seed):
    """A conversation as bad as the seed makes it; yields at any time, for others."""
    choice = random.Random(seed)
    asker = Asker(device, [drawn(choice) for _ in range(choice.randrange(2, 14))], 20000 + seed % 40000,
                  choice.choice((64000, 4000, 1500, 600)), choice.choice((1460, 1460, 1000, 536)), choice.getrandbits(32))
    longest = choice.choice((20, 60, 300, 1460))
    loss, late, twice, deaf = (choice.choice((0, 0.1, 0.4)) for _ in range(4))
    held = []
    for _ in range(choice.randrange(5, 60)):
        at, pieces = asker.taken, held
        held = []
        edge = min(len(asker.stream), at + asker.room)
        while at < edge and len(pieces) < 6:
            end = min(edge, at + choice.randrange(1, longest + 1))
            start = max(0, at - choice.randrange(200)) if choice.random() < 0.15 else at
            pieces.append((start, end))
            at = end if choice.random() < 0.9 else min(edge, end + choice.randrange(300))       # beyond a gap
        pieces = [piece for piece in pieces if choice.random() >= loss for _ in range(2 if choice.random() < twice else 1)]
        if choice.random() < late:
            choice.shuffle(pieces)
            held = pieces[4:]
        frames = [asker.piece(*piece, push=choice.random() < 0.7) for piece in pieces[:4]]
        if not frames or choice.random() < 0.3:
            frames.append(asker.acknowledgement())
        for burst in ([frames] if choice.random() < 0.5 else [[frame] for frame in frames]):
            asker.feed(burst, choice.choice((0, 0, 1, 40)), lambda: choice.random() < deaf)
            yield
    yield from asker.finish()


def talk(device, seeds, at_once):
    """All these conversations, so many of them at the same time."""
    choice, waiting, running = random.Random(seeds[0]), [mishaps(device, seed) for seed in seeds], []
    while waiting or running:
        while waiting and len(running) < at_once:
            running.append(waiting.pop())
        one = choice.choice(running)
        if next(one, "done") == "done":
            running.remove(one)


@pytest.mark.parametrize("board", BOARDS)
@pytest.mark.parametrize("at_once", [1, 5])
def test_any_mishap(board, at_once):
    """With five at once the smallest board's one page is mostly in use."""
    device = booted(board)
    talk(device, range(30), at_once)
    assert everything_is_free(device) and device.count("http_206") > 30
    for name in "tcp_out_of_order", "tcp_not_kept", "tcp_duplicate", "tcp_retransmit":
        assert device.count(name), name
    assert (device.count("http_503") > 0) == (board == "lm3s6965evb" and at_once > 1)


@pytest.mark.soak
@pytest.mark.parametrize("word", [None, 64, 32])
@pytest.mark.parametrize("board", BOARDS)
def test_many_mishaps(board, word):
    device = booted(board, word)
    for at_once in 1, 2, 5:
        talk(device, range(1000 * at_once, 1000 * at_once + (500 if word is None else 60)), at_once)
    assert everything_is_free(device)
