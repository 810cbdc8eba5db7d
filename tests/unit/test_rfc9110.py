"""RFC 9110, HTTP semantics: methods, expectations, what answers contain, content codings, conditions."""
import gzip

import pytest

from http_harness import STYLE, everyway, get, kinds, one, root, server     # noqa: F401  fixtures

OPEN, CLOSED = False, True

CASES = [
    # methods
    ("POST", get(method=b"POST"), [(405, OPEN)]),
    ("PUT, DELETE, PATCH, TRACE", b"".join(get(method=m) for m in (b"PUT", b"DELETE", b"PATCH", b"TRACE")), [(405, OPEN)] * 4),
    ("POST where nothing is", get(b"/no", method=b"POST"), [(404, OPEN)]),
    ("OPTIONS", get(method=b"OPTIONS") + get(), [(204, OPEN), (200, OPEN)]),
    ("OPTIONS of a route, of a folder", get(b"/metrics", method=b"OPTIONS") + get(b"/docs", method=b"OPTIONS"), [(204, OPEN)] * 2),
    ("OPTIONS of an absolute target", get(b"http://a/style?x", method=b"OPTIONS"), [(204, OPEN)]),
    ("OPTIONS where nothing is", get(b"/no", method=b"OPTIONS"), [(404, OPEN)]),
    ("OPTIONS with a body", get(b"/", b"Content-Length: 3", method=b"OPTIONS") + b"abc" + get(), [(204, OPEN), (200, OPEN)]),
    ("OPTIONS, close", get(b"/", b"Connection: close", method=b"OPTIONS"), [(204, CLOSED)]),
    ("OPTIONS *", get(b"*", method=b"OPTIONS") + get(), [(204, OPEN), (200, OPEN)]),
    ("OPTIONS * in HTTP/1.0", get(b"*", method=b"OPTIONS", version=b"HTTP/1.0"), [(204, CLOSED)]),
    ("OPTIONS **, *?x, */", b"".join(get(t, method=b"OPTIONS") for t in (b"**", b"*x", b"*/")), [(404, OPEN)] * 3),
    ("CONNECT", get(b"a:80", method=b"CONNECT") + get(), [(501, OPEN), (200, OPEN)]),
    ("CONNECT of a path", get(b"/", method=b"CONNECT"), [(501, OPEN)]),
    ("* for POST", get(b"*", method=b"POST"), [(400, CLOSED)]),
    ("* for GET", get(b"*"), [(400, CLOSED)]),
    ("unknown method", get(method=b"BREW"), [(501, OPEN)]),
    ("unknown method, odd target", get(b"a:b", method=b"BREW"), [(501, OPEN)]),
    ("method in lower case", get(method=b"get"), [(501, OPEN)]),
    ("longer than a known method", get(method=b"GETS"), [(501, OPEN)]),
    ("part of a known method", get(method=b"GE"), [(501, OPEN)]),
    ("odd token", get(method=b"^_`|~"), [(501, OPEN)]),
    ("separator in the method", get(method=b"GE(T"), [(400, CLOSED)]),
    ("endless method", b"A" * 9000, [(501, CLOSED)]),
    # Expect (RFC 9110 10.1.1)
    ("expects 100", get(b"/", b"Expect: 100-continue", b"Content-Length: 3") + b"abc" + get(), 
        [(100, OPEN), (200, OPEN), (200, OPEN)]),
    ("expects 100, chunks", get(b"/", b"Expect: 100-Continue", b"Transfer-Encoding: chunked") + b"3\r\nabc\r\n0\r\n\r\n" + get(),
        [(100, OPEN), (200, OPEN), (200, OPEN)]),
    ("expects 100, and no body comes", get(b"/", b"Expect: 100-continue", b"Content-Length: 3"), [(100, OPEN)]),
    ("expects 100 of a route", get(b"/api/reading", b"Content-Length: 1", b"Expect: 100-continue") + b"x", [(100, OPEN), (200, OPEN)]),
    ("expects 100 for HEAD", get(b"/style.css", b"Content-Length: 1", b"Expect: 100-continue", method=b"HEAD") + b"x" + get(),
        [(100, OPEN), (200, OPEN), (200, OPEN)]),
    ("expects 100, close", get(b"/", b"Connection: close", b"Expect: 100-continue", b"Content-Length: 1") + b"x",
        [(100, OPEN), (200, CLOSED)]),
    ("expects 100, and more is wrong with the body", get(b"/", b"Expect: 100-continue", b"Transfer-Encoding: chunked") + b"x",
        [(100, OPEN), (400, CLOSED)]),
    ("expects 100 for POST", get(b"/", b"Expect: 100-continue", b"Content-Length: 3", method=b"POST") + get(), [(405, CLOSED)]),
    ("expects 100 for nothing", get(b"/no", b"Expect: 100-continue", b"Content-Length: 3") + get(), [(404, CLOSED)]),
    ("expects 100 for too much", get(b"/", b"Expect: 100-continue", b"Content-Length: 65537"), [(413, CLOSED)]),
    ("expects 100 without a body", get(b"/", b"Expect: 100-continue") + get(), [(200, OPEN)] * 2),
    ("expects 100 in HTTP/1.0", get(b"/", b"Expect: 100-continue", b"Content-Length: 3", version=b"HTTP/1.0") + b"abc",
        [(200, CLOSED)]),
    ("expects 100 twice", get(b"/", b"Expect: 100-continue, 100-continue", b"Content-Length: 1") + b"x", [(100, OPEN), (200, OPEN)]),
    ("expects more", get(b"/", b"Expect: x=\"y\";z", b"Content-Length: 3") + b"abc" + get(), [(417, CLOSED)]),
    ("expects more beside 100", get(b"/", b"Expect: 100-continue, magic") + get(), [(417, CLOSED)]),
    ("expects 100 with a parameter", get(b"/", b"Expect: 100-continue;a=b") + get(), [(417, CLOSED)]),
    ("expects nothing", get(b"/", b"Expect:") + get(), [(200, OPEN)] * 2),
]


@pytest.mark.parametrize("data, wanted", [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_answers(server, data, wanted):     # noqa: F811
    answers = everyway(server, data) if len(data) < 3000 else server.talk(data)
    assert kinds(answers) == wanted


# ---- what answers contain ---------------------------------------------------------------------------------------------
def test_file(server):     # noqa: F811
    answer = one(server, get(b"/style.css"))
    assert answer.body == STYLE
    assert answer.headers["content-type"] == "text/css; charset=utf-8"
    assert answer.headers["content-length"] == str(len(STYLE))
    assert answer.headers["server"] == "barewire"
    assert answer.headers["vary"] == "Accept-Encoding"
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["etag"].startswith('"') and "content-encoding" not in answer.headers


@pytest.mark.parametrize("connection", [b"keep-alive", b"close"])
def test_file_of_many_segments(server, root, connection):     # noqa: F811
    answer = one(server, get(b"/big.bin", b"Connection: " + connection))
    assert answer.body == (root / "big.bin").read_bytes()
    assert answer.headers["content-type"] == "application/octet-stream" and "vary" not in answer.headers


def test_empty_file(server):     # noqa: F811
    answer = one(server, get(b"/empty.txt"))
    assert answer.body == b"" and answer.headers["content-length"] == "0"


@pytest.mark.parametrize("path", [b"/", b"/style.css", b"/big.bin", b"/no", b"/docs", b"/metrics", b"/api/reading"])
def test_head_is_get_without_the_body(server, path):     # noqa: F811
    plain = one(server, get(path, b"Accept-Encoding: gzip"))
    head = one(server, get(path, b"Accept-Encoding: gzip", method=b"HEAD"))
    assert head.body == b"" and (head.status, head.headers) == (plain.status, plain.headers)


def test_redirect_of_a_folder(server):     # noqa: F811
    assert one(server, get(b"/docs")).headers["location"] == "/docs/"


@pytest.mark.parametrize("path, method, status", [(b"/no", b"GET", 404), (b"/", b"PUT", 405), (b"/", b"BREW", 501)])
def test_errors_say_what(server, path, method, status):     # noqa: F811
    before = server.counter("http_%d" % status)
    answer = one(server, get(path, method=method))
    assert answer.status == status and answer.body.startswith(b"%d " % status)
    assert answer.headers["content-length"] == str(len(answer.body))
    assert answer.headers.get("allow") == ("GET, HEAD, OPTIONS" if status == 405 else None)
    assert server.counter("http_%d" % status) == before + 1


def test_requests_are_counted(server):     # noqa: F811
    before = server.counter("http_requests")
    server.talk(get() + get(b"/metrics") + get(b"/no"))
    assert server.counter("http_requests") == before + 3


@pytest.mark.parametrize("target", [b"/", b"*", b"/metrics"])
def test_options_says_what_is_allowed(server, target):      # noqa: F811
    before = server.counter("http_204")
    answer = one(server, get(target, method=b"OPTIONS"))
    assert answer.raw.endswith(b"\r\n\r\n") and answer.headers["allow"] == "GET, HEAD, OPTIONS"
    assert "content-length" not in answer.headers and server.counter("http_204") == before + 1


def test_interim_answer_is_bare(server):        # noqa: F811
    """RFC 9110 15.2: it ends with its header section; and it is not one more request."""
    before = server.counter("http_requests"), server.counter("http_100")
    interim, final = server.talk(get(b"/", b"Content-Length: 1", b"Expect: 100-continue") + b"x")
    assert interim.raw == b"HTTP/1.1 100 Continue\r\n\r\n" and final.status == 200
    assert (server.counter("http_requests"), server.counter("http_100")) == (before[0] + 1, before[1] + 1)


@pytest.mark.parametrize("target", [b"/", b"/no", b"/metrics", b"/docs"])
def test_who_has_no_clock_sends_no_date(server, target):        # noqa: F811
    """RFC 9110 6.6.1; and no Last-Modified, so that If-Modified-Since means nothing (13.1.3)."""
    answer = one(server, get(target, b"If-Modified-Since: Sat, 29 Oct 2044 19:43:31 GMT"))
    assert answer.status != 304 and not {"date", "last-modified"} & set(answer.headers)


# ---- content coding (RFC 9110 12.5.3) ----------------------------------------------------------------------------------
@pytest.mark.parametrize("fields, zipped", [
    ((), False),
    ((b"Accept-Encoding: gzip",), True),
    ((b"Accept-Encoding: GZip, deflate, br",), True),
    ((b"Accept-Encoding: br;q=1.0, x-gzip;q=0.5",), True),
    ((b"Accept-Encoding: gzip;q=0",), False),
    ((b"Accept-Encoding: gzip; q=0.000",), False),
    ((b"Accept-Encoding: gzip ; Q=0.001",), True),
    ((b"Accept-Encoding: *",), True),
    ((b"Accept-Encoding: *;q=0",), False),
    ((b"Accept-Encoding: gzip;q=0, *",), False),
    ((b"Accept-Encoding: *;q=0, gzip",), True),
    ((b"Accept-Encoding: br", b"Accept-Encoding: gzip"), True),
    ((b"Accept-Encoding: gzipped, agzip, gzi, gzip2",), False),
    ((b"Accept-Encoding:",), False),
    ((b"Accept-Encoding: identity",), False),
    ((b"Accept-Encoding: deflate;q=0.5,gzip;q=1",), True),
])
def test_content_coding(server, fields, zipped):     # noqa: F811
    answer, = everyway(server, get(b"/style.css", *fields))
    assert (answer.headers.get("content-encoding") == "gzip") == zipped
    assert (gzip.decompress(answer.body) if zipped else answer.body) == STYLE
    assert answer.headers["vary"] == "Accept-Encoding"


def test_no_coding_where_it_does_not_help(server):     # noqa: F811
    assert "content-encoding" not in one(server, get(b"/big.bin", b"Accept-Encoding: gzip")).headers


# ---- conditions (RFC 9110 13.1.2) --------------------------------------------------------------------------------------
def test_entity_tags_differ(server):     # noqa: F811
    plain, zipped = server.talk(get(b"/style.css") + get(b"/style.css", b"Accept-Encoding: gzip"))
    assert plain.headers["etag"] != zipped.headers["etag"]
    assert one(server, get(b"/style")).headers["etag"] != plain.headers["etag"]


@pytest.mark.parametrize("value, status", [
    ("{plain}", 304), ("W/{plain}", 304), ("*", 304), ('"x", {plain}', 304), (' , "a,b" ,W/"c",\t{plain}', 304),
    ("{zipped}", 200), ('"x"', 200), ('""', 200), ("{bare}", 200), ("{plain}x", 304), ('"{bare}', 200), ('"{bare}x"', 200),
    ("w/{plain}", 200), ("W{plain}", 200), ('"{bare} "', 200), ("", 200), ('"x" {plain}', 304),
])
def test_if_none_match(server, value, status):     # noqa: F811
    plain, zipped = (answer.headers["etag"] for answer in
                     server.talk(get(b"/style.css") + get(b"/style.css", b"Accept-Encoding: gzip")))
    value = value.format(plain=plain, zipped=zipped, bare=plain.strip('"')).encode()
    answer, = everyway(server, get(b"/style.css", b"If-None-Match: " + value))
    assert answer.status == status
    assert answer.headers["etag"] == plain and answer.headers["vary"] == "Accept-Encoding"
    assert bool(answer.body) == (status == 200)


def test_if_none_match_of_the_coded_variant(server):     # noqa: F811
    tag = one(server, get(b"/style.css", b"Accept-Encoding: gzip")).headers["etag"].encode()
    answer = one(server, get(b"/style.css", b"If-None-Match: " + tag, b"Accept-Encoding: gzip", b"Connection: close"))
    assert answer.status == 304 and answer.headers["etag"].encode() == tag and answer.closes
    # HEAD too, and a tag of one file means nothing for another, for a route or for nothing
    assert one(server, get(b"/style.css", b"If-None-Match: " + tag, b"Accept-Encoding: *", method=b"HEAD")).status == 304
    for path in b"/style", b"/metrics", b"/docs":
        assert one(server, get(path, b"If-None-Match: " + tag)).status in (200, 301)
    assert one(server, get(b"/no", b"If-None-Match: *")).status == 404
    assert one(server, get(b"/docs", b"If-None-Match: *")).status == 301
    assert one(server, get(b"/metrics", b"If-None-Match: *")).status == 200


def test_not_modified_is_counted(server):     # noqa: F811
    before = server.counter("http_304")
    assert one(server, get(b"/", b"If-None-Match: *")).status == 304
    assert server.counter("http_304") == before + 1
