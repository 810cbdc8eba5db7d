"""The example application: its readings, its routes, and what happens when a route misbehaves."""
import json
import re
from collections import defaultdict
from types import SimpleNamespace

import pytest

from http_harness import CONFIG, Server
from hostsim import loader
from image import assets as compiler

WWW = compiler.ROOT / "firmware" / "app" / "www"
GET = b"GET %s HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.fixture(scope="module", params=[64, 32])
def server(request):
    return Server(WWW, word=request.param)


def ask(server, path):
    answer, = server.talk(GET % path)
    return answer


def set_words(server, **words):
    for name, value in words.items():
        server.s[getattr(server.fw.state, name)] = value & 0xFFFFFFFF


# ---- readings --------------------------------------------------------------------------------------------------------
def test_readings():
    readings = loader.load(CONFIG).modules["app.readings"]
    assert readings.counter(5000, 7) == 7 and readings.uptime(5000, 7) == 5000


# ---- /api/reading ----------------------------------------------------------------------------------------------------
def test_reading(server):
    set_words(server, SENSOR_SEQ=42, SENSOR_VALUE=-17, NOW=123456, UPTIME_HIGH=0)
    answer = ask(server, b"/api/reading")
    assert answer.status == 200 and answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    data = json.loads(answer.body)
    assert data == {"name": CONFIG["NAME"], "id": CONFIG["DEVICE_ID"], "source": "counter", "sequence": 42,
                    "uptime_ms": 123456, "value": -17, "status": server.fw.status.reading_status()}
    assert b"<" not in answer.body


def test_reading_has_fixed_width(server):
    lengths = set()
    for value in 0, -1, -2**31, 2**31 - 1:
        set_words(server, SENSOR_SEQ=2**32 - 1, SENSOR_VALUE=value, NOW=2**32 - 1, UPTIME_HIGH=9999)
        answer = ask(server, b"/api/reading")
        data = json.loads(answer.body)
        assert (data["value"], data["sequence"], data["uptime_ms"]) == (value, 2**32 - 1, (9999 << 32) + 2**32 - 1)
        lengths.add(len(answer.body))
    assert len(lengths) == 1
    set_words(server, NOW=0, UPTIME_HIGH=0)


# ---- /metrics --------------------------------------------------------------------------------------------------------
def metrics(server):
    """Read as Prometheus does: TYPE before each sample, every name once."""
    answer = ask(server, b"/metrics")
    assert answer.status == 200 and answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    found = {}
    for block in re.findall(r"# TYPE (\w+) (counter|gauge)\n(\w+) (\d+)\n", answer.body.decode()):
        name, kind, again, number = block
        assert name == again and name not in found
        found[name] = int(number)
    assert answer.body.count(b"\n") == 2 * len(found)
    return answer, found


def test_metrics_has_every_counter(server):
    _, found = metrics(server)
    fw = server.fw
    names = [name for name, _ in fw.counters.COUNTERS] + [name for name, _, _ in fw.driver.NIC_COUNTERS]
    assert set(names) | {"uptime_seconds", "heap_free_bytes", "open_connections"} == set(found)
    for index in range(0, fw.counters.COUNT, 7):
        server.s[index] = 1000 + index
    set_words(server, NOW=77777, OPEN=3)
    _, found = metrics(server)
    for index in range(0, fw.counters.COUNT, 7):
        assert found[fw.counters.NAMES[index]] == 1000 + index
    assert found["uptime_seconds"] == 77 and found["open_connections"] == 3 and found["heap_free_bytes"] > 0


def test_counters_txt_says_what_each_counts(server):
    answer = ask(server, b"/counters.txt")
    meanings = dict(line.split(" ", 1) for line in answer.body.decode().splitlines())
    assert meanings["ip_checksum"] == dict(server.fw.counters.COUNTERS)["ip_checksum"]
    _, found = metrics(server)
    assert set(found) - {"uptime_seconds", "heap_free_bytes", "open_connections"} <= set(meanings)


def test_metrics_fits_a_page_whatever_it_counts(server):
    kept = bytes(server.s)
    for index in range(server.fw.counters.COUNT):
        server.s[index] = 2**32 - 1
    try:
        answer, found = metrics(server)
        assert len(answer.raw) <= server.fw.board.PAGE_BYTES
        assert found["rx_runt"] == 2**32 - 1
    finally:
        server.s[:] = type(server.s)("I", kept)


@pytest.mark.parametrize("board", [file.stem for file in (compiler.ROOT / "firmware/barewire/boards").glob("[!_]*.py")])
def test_metrics_fits_a_page_of_every_board(board):
    fw = loader.load(CONFIG, board=board)
    written = []
    page = SimpleNamespace(write=lambda data, skip=0, end=None: written.append(data[skip:end]),
                           number=lambda value: written.append(str(value)))
    fw.modules["barewire.status"].attach(*[defaultdict(lambda: 2**32 - 1)] * 2)
    fw.modules["app.routes"].metrics(page)
    head = len(next(route[2] for route in fw.page.ROUTES if route[0] == "/metrics"))
    assert head + sum(map(len, written)) <= fw.board.PAGE_BYTES


# ---- the page -----------------------------------------------------------------------------------------------------------
def test_dashboard_is_small_and_its_own():
    files = list(WWW.iterdir())
    assert sum(file.stat().st_size for file in files) < 20480
    for file in files:
        for address in re.findall(r"""(?:https?:)?//[\w.-]+\.[\w]+[^\s"')]*""", file.read_text()):
            assert address == "http://www.w3.org/2000/svg", f"{file.name} asks {address}"
    html = (WWW / "index.html").read_text()
    for name in re.findall(r'(?:src|href)="([^"]+)"', html):
        assert (WWW / name).is_file() or name in compiler.routes_of(), name


# ---- routes that misbehave ------------------------------------------------------------------------------------------------
@pytest.fixture
def own(tmp_path):
    """A server of its own with a function for /own, as an author would write it."""
    (tmp_path / "index.html").write_bytes(b"x")

    def make(function, word=64):
        server = Server(tmp_path, ["/api/reading", "/metrics", "/own"], word)
        server.fw.page.route("/own", "text/plain")(function)
        return server
    return make


def busy(server):
    return sum(server.s[server.fw.state.PAGE_BUSY + k] for k in range(server.fw.board.PAGES))


@pytest.mark.parametrize("value, width, wanted", [
    (0, 0, b"0"), (7, 3, b"  7"), (-7, 3, b" -7"), (1234, 3, b"1234"), (-2**31, 0, b"-2147483648"), (10**18, 0, b"1" + b"0" * 18),
    (5, 20, b" " * 19 + b"5")])
def test_number(own, value, width, wanted):
    assert ask(own(lambda page: page.number(value, width)), b"/own").body == wanted


def test_bytes_and_length(own):
    data = bytes(range(256)) * 20

    def all_bytes(page):
        for at in range(0, len(data), 100):
            page.write(data[at:at + 100])
    answer = ask(own(all_bytes, 32), b"/own")
    assert answer.body == data and answer.headers["content-length"] == str(len(data))


def test_an_exception_is_500(own):
    def broken(page):
        page.write(b"half")
        raise KeyError("door")
    server = own(broken)
    answer = ask(server, b"/own")
    assert answer.status == 500 and not answer.closes and b"half" not in answer.body
    assert server.counter("http_500") == 1 and server.counter("http_overflow") == 0 and busy(server) == 0
    assert server.fw.console.getvalue() == "http: the route /own failed: KeyError\n"


def test_too_long_an_answer_is_500(own):
    size = [0]
    server = own(lambda page: page.write(bytes(size[0])))
    room = server.fw.board.PAGE_BYTES - len(server.fw.page.ROUTES[2][2])
    size[0] = room
    assert len(ask(server, b"/own").body) == room
    size[0] = room + 1
    assert ask(server, b"/own").status == 500
    assert server.counter("http_500") == server.counter("http_overflow") == 1 and busy(server) == 0
    assert server.fw.console.getvalue() == "http: the answer of the route /own is longer than a page\n"


def test_no_free_page_is_503(own):
    server = own(lambda page: page.write(b"x"))
    for k in range(server.fw.board.PAGES):
        server.s[server.fw.state.PAGE_BUSY + k] = 1
    answer = ask(server, b"/own")
    assert answer.status == 503 and answer.headers["retry-after"] == "1" and server.counter("http_503") == 1
    server.s[server.fw.state.PAGE_BUSY + 5] = 0
    assert ask(server, b"/own").status == 200 and busy(server) == server.fw.board.PAGES - 1


def test_the_last_answer_says_so(own):
    answers = own(lambda page: page.write(b"x")).talk(GET % b"/own" + b"GET /own HTTP/1.0\r\n\r\n" + GET % b"/own")
    assert [(answer.status, answer.closes) for answer in answers] == [(200, False), (200, True)]
