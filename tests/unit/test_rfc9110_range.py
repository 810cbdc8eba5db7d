"""RFC 9110 section 14, parts of files: Range, If-Range, Accept-Ranges, Content-Range, 206, 416."""
import pytest

from http_harness import STYLE, everyway, get, kinds, one, root, server     # noqa: F401  fixtures

SIZE = len(STYLE)       # 8800


@pytest.mark.parametrize("value, first, last", [
    ("bytes=0-499", 0, 499), ("bytes=500-999", 500, 999), ("bytes=0-0", 0, 0), ("bytes=8799-8799", 8799, 8799),
    ("bytes=0-8799", 0, 8799), ("bytes=0-8800", 0, 8799), ("bytes=5-99999999999999999999", 5, 8799),
    ("bytes=0-", 0, 8799), ("bytes=1-", 1, 8799), ("bytes=8799-", 8799, 8799),
    ("bytes=-1", 8799, 8799), ("bytes=-500", 8300, 8799), ("bytes=-8800", 0, 8799), ("bytes=-8801", 0, 8799),
    ("bytes=-4294967297", 0, 8799), ("bytes=-18446744073709551617", 0, 8799),
    ("Bytes=0-1", 0, 1), ("BYTES=3-4", 3, 4), ("bytes=00007-000000009", 7, 9), ("\tbytes=0-499 \t ", 0, 499),
    ("bytes=00000000000000000000-000001", 0, 1),
])
def test_part(server, value, first, last):      # noqa: F811
    before = server.counter("http_206"), server.counter("http_requests")
    answer = one(server, get(b"/style.css", b"Range: " + value.encode()))
    assert answer.status == 206 and answer.body == STYLE[first:last + 1]
    assert answer.headers["content-range"] == "bytes %d-%d/%d" % (first, last, SIZE)
    assert answer.headers["content-length"] == str(last - first + 1)
    assert (server.counter("http_206"), server.counter("http_requests")) == (before[0] + 1, before[1] + 1)
    assert everyway(server, get(b"/style.css", b"Range: " + value.encode())) == [answer]


@pytest.mark.parametrize("value", ["bytes=8800-", "bytes=8800-8800", "bytes=9000-10000", "bytes=-0", "bytes=4294967296-",
                                   "bytes=18446744073709551616-", "bytes=1073741824-", "bytes=-000", "bytes=67108863-67108863",
                                   "bytes=67108863-4294967296", "bytes=8800-18446744073709551616"])
def test_nothing_to_send(server, value):        # noqa: F811
    """15.5.17: 416 tells how long the file is."""
    before = server.counter("http_416")
    answer, = everyway(server, get(b"/style.css", b"Range: " + value.encode()))
    assert answer.status == 416 and answer.body == b"" and answer.headers["content-length"] == "0"
    assert answer.headers["content-range"] == "bytes */%d" % SIZE
    assert server.counter("http_416") == before + 6


@pytest.mark.parametrize("value", [
    "bytes=0-1,5-6", "bytes=0-1, -1", "bytes=5-4", "bytes=-", "bytes=", "bytes", "bytes=a-b", "bytes=0", "bytes=0-1-2", "bytes=--1",
    "bytes=-1-", "bytes=+0-1", "bytes=0x0-0x1", "bytes= 0-1", "bytes =0-1", "bytes=0 -1", "bytes=0-1\tx", "byte=0-1", "bytess=0-1",
    "lines=0-1", "", "0-1", "bytes:0-1", "bytes=0-1;", "\xff", "bytes=0-1\xff", "bytes=,0-1",
    "bytes=0-" + "0" * 28, "bytes=0-" + "0" * 29, "bytes=0-" + "0" * 4000 + "1", "bytes=18446744073709551616-18446744073709551617",
    *("bytes=%d-%d" % (first, first - 1) for bits in (14, 15, 26, 29, 30, 31, 32, 40) for first in (1 << bits, (1 << bits) + 1)),
    "bytes=9223372036854-999999999", "bytes=9000000000-8999999999", "bytes=0100000000-99999999", "bytes=1000000000000-000999999999",
])
def test_any_other_range_is_ignored(server, value):     # noqa: F811
    """14.2: a server may ignore the field, and must where it does not know the unit."""
    answer = one(server, get(b"/style.css", b"Range: " + value.encode("latin-1"), b"Accept-Encoding: gzip"))
    assert answer.status == 200 and answer.headers["content-encoding"] == "gzip" and "content-range" not in answer.headers


def test_ignored_ranges_are_counted(server):        # noqa: F811
    before = server.counter("http_range_ignored"), server.counter("http_requests")
    assert kinds(server.talk(get(b"/", b"Range: lines=1-2") + get())) == [(200, False)] * 2
    assert (server.counter("http_range_ignored"), server.counter("http_requests")) == (before[0] + 1, before[1] + 2)


@pytest.mark.parametrize("first, second", [("bytes=0-1", "bytes=3-4"), ("bytes=0-", "1"), ("bytes=0-1", ""), ("", "bytes=0-1")])
def test_range_comes_once(server, first, second):       # noqa: F811
    """It is no list (RFC 9110 5.3): two lines say nothing that could be trusted."""
    answer, = everyway(server, get(b"/style", b"Range: " + first.encode(), b"Range: " + second.encode()))
    assert answer.status == (206 if (first and not second) else 200)


@pytest.mark.parametrize("method, path, status", [
    (b"HEAD", b"/style.css", 200), (b"POST", b"/style.css", 405), (b"OPTIONS", b"/style.css", 204), (b"GET", b"/docs", 301),
    (b"GET", b"/api/reading", 200), (b"HEAD", b"/metrics", 200), (b"GET", b"/no", 404), (b"BREW", b"/style.css", 501)])
def test_range_of_what_has_no_parts(server, method, path, status):      # noqa: F811
    answer, = everyway(server, get(path, b"Range: bytes=0-1", method=method))
    assert answer.status == status and "content-range" not in answer.headers


def test_every_position_of_a_small_file(server):        # noqa: F811
    for first in range(9):
        for last in range(first, 10):
            answer = one(server, get(b"/style", b"Range: bytes=%d-%d" % (first, last)))
            assert (answer.status, answer.body) == (206, b"no suffix"[first:last + 1])


@pytest.mark.parametrize("first, last", [(0, 1459), (1, 1460), (2, 100_000), (3, 99_999), (1459, 1460), (50_001, 70_003)])
@pytest.mark.parametrize("connection", [b"keep-alive", b"close"])
def test_part_of_many_segments(server, root, connection, first, last):      # noqa: F811
    answer = one(server, get(b"/big.bin", b"Connection: " + connection, b"Range: bytes=%d-%d" % (first, last)))
    assert answer.body == (root / "big.bin").read_bytes()[first:last + 1] and answer.closes == (connection == b"close")


def test_empty_file(server):        # noqa: F811
    for value, status in (b"0-", 416), (b"0-0", 416), (b"-0", 416), (b"-5", 200):
        answer = one(server, get(b"/empty.txt", b"Range: bytes=" + value))
        assert answer.status == status
        assert answer.headers.get("content-range") == ("bytes */0" if status == 416 else None)


def test_fields_of_a_part_are_those_of_the_file(server):        # noqa: F811
    """15.3.7: what 200 would have had, but for the length."""
    for connection in b"keep-alive", b"close":
        fields = get(b"/style.css", b"Connection: " + connection), get(b"/style.css", b"Range: bytes=7-9", b"Connection: " + connection)
        whole, part = (one(server, data) for data in fields)
        assert part.raw.startswith(b"HTTP/1.1 206 Partial Content\r\nServer: ") and whole.headers["accept-ranges"] == "bytes"
        assert {**whole.headers, "content-range": "bytes 7-9/8800", "content-length": "3"} == part.headers


def test_who_offers_parts(server):      # noqa: F811
    """14.3: files do; nothing else says so."""
    offers = {path: one(server, get(path)).headers.get("accept-ranges") for path in (b"/", b"/style", b"/docs", b"/no", b"/metrics")}
    assert offers == {b"/": "bytes", b"/style": "bytes", b"/docs": None, b"/no": None, b"/metrics": None}
    zipped = one(server, get(b"/style.css", b"Accept-Encoding: gzip"))
    assert zipped.headers["accept-ranges"] == "bytes" and zipped.headers["content-encoding"] == "gzip"


def test_a_part_is_of_the_file_as_it_is(server):        # noqa: F811
    """A client that takes gzip, too, gets a part of the plain form, under its own entity tag."""
    plain = one(server, get(b"/style.css"))
    part = one(server, get(b"/style.css", b"Accept-Encoding: gzip", b"Range: bytes=20-29"))
    assert part.status == 206 and part.body == STYLE[20:30] and "content-encoding" not in part.headers
    assert part.headers["etag"] == plain.headers["etag"] and part.headers["vary"] == "Accept-Encoding"


# ---- conditions (13.1.5, 13.2.2) ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("value, status", [
    ("{plain}", 206), (" {plain}\t", 206), ("W/{plain}", 200), ("{zipped}", 200), ('"x"', 200), ("*", 200), ("{bare}", 200), ("", 200),
    ('"{bare}', 200), ("Sat, 29 Oct 1994 19:43:31 GMT", 200), ('"x", {plain}', 200), (", {plain}", 200)])
def test_if_range(server, value, status):       # noqa: F811
    plain, zipped = (answer.headers["etag"] for answer in
                     server.talk(get(b"/style.css") + get(b"/style.css", b"Accept-Encoding: gzip")))
    value = value.format(plain=plain, zipped=zipped, bare=plain.strip('"')).encode()
    for fields in (b"If-Range: " + value, b"Range: bytes=1-5"), (b"Range: bytes=1-5", b"If-Range: " + value):
        answer, = everyway(server, get(b"/style.css", *fields))
        assert answer.status == status and answer.body == (STYLE[1:6] if status == 206 else STYLE)


def test_if_range_that_does_not_match_negotiates(server):       # noqa: F811
    """The whole file may then come as the client likes it best."""
    tag = one(server, get(b"/style.css", b"Accept-Encoding: gzip")).headers["etag"].encode()
    answer = one(server, get(b"/style.css", b"Accept-Encoding: gzip", b"Range: bytes=5-", b"If-Range: " + tag))
    assert answer.status == 200 and answer.headers["content-encoding"] == "gzip" and answer.headers["etag"].encode() == tag


def test_if_range_alone_means_nothing(server):      # noqa: F811
    tag = one(server, get(b"/style")).headers["etag"].encode()
    assert one(server, get(b"/style", b"If-Range: " + tag)).status == 200
    assert one(server, get(b"/style", b"If-Range: \"x\"")).status == 200


def test_if_range_twice_is_refused(server):     # noqa: F811
    assert one(server, get(b"/style", b"If-Range: \"x\"", b"If-Range: \"x\"")).status == 400


def test_if_none_match_comes_first(server):     # noqa: F811
    tag = one(server, get(b"/style.css")).headers["etag"]
    answer = one(server, get(b"/style.css", b"Range: bytes=1-5", b"If-None-Match: " + tag.encode()))
    assert answer.status == 304 and answer.headers["etag"] == tag
    assert one(server, get(b"/style.css", b"Range: bytes=1-5", b"If-None-Match: \"x\"")).status == 206
    assert one(server, get(b"/style.css", b"Range: bytes=1-5", b"If-None-Match: *")).status == 304


def test_range_in_a_trailer_means_nothing(server):      # noqa: F811
    data = get(b"/style", b"Transfer-Encoding: chunked") + b"0\r\nRange: bytes=0-0\r\n\r\n"
    assert kinds(server.talk(data)) == [(200, False)]


def test_parts_and_wholes_in_order(server):     # noqa: F811
    """What one request asked for says nothing to the next."""
    data = b"".join(get(b"/style", *fields) for fields in (
        (b"Range: bytes=0-1",), (), (b"Range: bytes=-2", b"If-Range: \"x\""), (b"Range: bytes=-2",), (b"If-Range: \"x\"",),
        (b"Range: x",), (b"Range: bytes=99-",), (b"Range: bytes=3-", b"Connection: close"), ()))
    assert [(a.status, a.body) for a in everyway(server, data)] == [
        (206, b"no"), (200, b"no suffix"), (200, b"no suffix"), (206, b"ix"), (200, b"no suffix"), (200, b"no suffix"),
        (416, b""), (206, b"suffix")]


def test_no_page_is_free(server):       # noqa: F811
    """The head of a part needs one; without it the file comes whole."""
    pages = server.fw.board.PAGES
    busy = [server.fw.page.take_page(server.n, server.s) for _ in range(pages)]
    assert all(busy)
    try:
        assert kinds(server.talk(get(b"/style", b"Range: bytes=0-1") + get(b"/style"))) == [(200, False)] * 2
    finally:
        for address in busy:
            server.fw.page.release(server.s, address)
    assert one(server, get(b"/style", b"Range: bytes=0-1")).status == 206
