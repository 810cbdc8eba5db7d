"""One connection's HTTP without TCP below it: bytes in, in pieces of any size; the answers that were queued, out."""
import random
from array import array
from dataclasses import dataclass

import pytest

from hostsim import loader
from image import assets as compiler

CONFIG = {"NAME": 'green "house" <1>', "ADDRESS": 0x0A00020F, "PREFIX": 24, "GATEWAY": 0x0A000202, "MAC": b"",
          "SENSOR": True, "SENSOR_SOURCE": "counter", "SENSOR_PERIOD_MS": 1000, "COLLECTOR": 0x0A000202,
          "COLLECTOR_PORT": 9000, "QUERY_PORT": 5005, "HTTP": True, "HTTP_PORT": 80, "UDP_ECHO_PORT": 7,
          "READING_INLINE": True, "DEVICE_ID": 0x9E3779B9}
SEGMENT = 1460


@dataclass(frozen=True)
class Response:
    status: int
    headers: dict
    body: bytes
    raw: bytes

    @property
    def closes(self):
        return self.headers.get("connection") == "close"


def response(raw):
    """Read an answer strictly: CR LF line ends, no blank before a colon."""
    head, mark, body = raw.partition(b"\r\n\r\n")
    assert mark and b"\n" not in head.replace(b"\r\n", b"") and b"\r" not in head.replace(b"\r\n", b"")
    first, *lines = head.decode("ascii").split("\r\n")
    version, status, reason = first.split(" ", 2)
    assert version == "HTTP/1.1" and reason
    headers = {}
    for line in lines:
        name, value = line.split(":", 1)
        assert name == name.strip() and name.lower() not in headers
        headers[name.lower()] = value.strip()
    return Response(int(status), headers, body, raw)


class Server:
    """The firmware's HTTP with a given site; `connect` begins a connection."""

    def __init__(self, root, routes=None, word=64, checked=True):
        self.assets = compiler.compile_assets(root, compiler.routes_of() if routes is None else routes)
        self.fw = loader.load(CONFIG, board="unix", word=word if checked else None, assets=self.assets, checked=checked)
        fw = self.fw
        fw.load("app.routes")
        self.t = fw.http.tables(self.assets)
        self.s = array("I", bytes(4 * fw.state.WORDS))
        self.n = fw.driver.open(fw.board.nic_where())
        fw.status.attach(self.s, self.n)
        self.pool = bytearray(fw.board.PAGES * fw.board.PAGE_BYTES)
        self.s[fw.state.PAGE_AT] = fw.memory.addressof(self.pool)
        self.frame = bytearray(1 << 18)             # what arrives lies 2 behind its start, as in a frame
        self.pointer = fw.builtins["ptr32"]

    def counter(self, name):
        return self.s[getattr(self.fw.counters, name.upper())]

    def connect(self):
        return Connection(self)

    def talk(self, data, cuts=()):
        """The answers to `data`, received in pieces that end at `cuts`."""
        connection = self.connect()
        ends = [*cuts, len(data)]
        for start, end in zip([0, *ends], ends):
            connection.receive(data[start:end])
        return connection.answers


class Connection:
    """A slot, driven as the stack does: feed while bytes are there, answer what is ready."""

    def __init__(self, server):
        self.server = server
        self.slot = array("I", bytes(4 * server.fw.slot.SLOT_WORDS))
        self.answers = []
        self.shut = False
        server.fw.http.open(server.pointer(self.slot))

    def receive(self, data):
        fw, pointer = self.server.fw, self.server.pointer
        s, c, t = pointer(self.server.s), pointer(self.slot), pointer(self.server.t)
        at = 0
        while at < len(data) or self.slot[fw.slot.FLAGS] & fw.slot.ASK:
            if at == len(data):
                self.slot[fw.slot.FLAGS] ^= fw.slot.ASK
            self.server.frame[2:2 + len(data) - at] = data[at:]
            taken = fw.http.feed(s, c, t, fw.memory.addressof(self.server.frame) + 2, len(data) - at)
            assert 0 <= taken <= len(data) - at
            ready = self.slot[fw.http.READY]
            assert taken == len(data) - at or ready
            rest = data[at + taken:]
            assert self.server.frame[2 + taken:2 + taken + len(rest)] == rest
            at += taken
            if ready:
                if fw.http.answer(s, c, t):
                    args = self.server.n, self.server.s, fw.memory.addressof(self.slot), self.server.t
                    if not fw.page.respond(*args):
                        fw.http_range.respond(*args)
                if self.slot[fw.slot.QUEUED]:
                    self.collect()
                else:
                    assert self.slot[fw.slot.FLAGS] & fw.slot.ASK

    def collect(self):
        """Take the answer that must have been queued, in one piece, or in two if it is a part of a file."""
        fw, slot = self.server.fw, self.server.fw.slot
        assert not self.shut
        pieces = []
        while self.slot[slot.QUEUED]:
            pieces.append(self.piece(*self.slot[slot.QUEUE:slot.QUEUE + 4]))
            fw.slot.unqueue(self.server.pointer(self.server.s), self.server.pointer(self.slot))
        self.slot[slot.SND_END] = self.slot[slot.QUEUE_SEQ] = 0
        answer = response(b"".join(pieces))
        assert len(pieces) == 1 + (answer.status == 206) and self.slot[slot.PAGES_HELD] == 0
        if answer.body:
            assert answer.headers["content-length"] == str(len(answer.body))
        self.answers.append(answer)
        self.shut = bool(self.slot[slot.FLAGS] & slot.SHUT)
        assert self.shut == answer.closes

    def piece(self, first, main, sums, end):
        """The bytes of the oldest response in the queue, whose sums are checked."""
        memory, length = self.server.fw.memory, end - self.slot[self.server.fw.slot.QUEUE_SEQ]
        parts = [memory.read(first, min(length, SEGMENT))]
        parts += [memory.read(main + at, min(length - at, SEGMENT)) for at in range(SEGMENT, length, SEGMENT)]
        if sums:
            told = list(memory.view(sums, 2 * (len(parts) + 1)).cast("H"))
            wanted = [compiler.partial_sum(part) for part in parts]
            assert (told[0] if first != main else told[1]) == wanted[0] and told[2:] == wanted[1:]
        return b"".join(parts)


# ---- a site and requests for it ------------------------------------------------------------------------------------------
STYLE = b"body { color: #123; }\n" * 400
HOST = b"Host: a\r\n"


def root_with(folder, files):
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return root_with(tmp_path_factory.mktemp("www"), {
        "index.html": b"<h1>home</h1>\n", "style.css": STYLE, "style": b"no suffix", "stylish.css": b"s",
        "big.bin": random.Random(1).randbytes(100_001), "docs/index.html": b"docs", "docs/a b.txt": b"blank",
        "docs/\u00e9.txt": b"accent", "empty.txt": b"", ".secret": b"x", ".well-known/x": b"known"})


@pytest.fixture(scope="module", params=[64, 32])
def server(root, request):
    return Server(root, word=request.param)


def get(path=b"/", *fields, method=b"GET", version=b"HTTP/1.1", host=HOST):
    return method + b" " + path + b" " + version + b"\r\n" + host + b"".join(f + b"\r\n" for f in fields) + b"\r\n"


def everyway(server, data):
    """The answers, which must not depend on how the bytes come."""
    answers = server.talk(data)
    assert server.talk(data, range(1, len(data))) == answers
    for seed in range(4):
        draw = random.Random(seed)
        assert server.talk(data, sorted(draw.sample(range(len(data) + 1), min(5, len(data))))) == answers
    return answers


def one(server, data):
    answer, = server.talk(data)
    return answer


def kinds(answers):
    """(status, whether it ends the connection) of each."""
    return [(answer.status, answer.closes) for answer in answers]
