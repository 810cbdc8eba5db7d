"""HTTP/1.1 as the appliance offers it: RFC 9112 (messages), RFC 9110 (methods, conditions, negotiation).

Every request of the tables is read in one piece, byte by byte and cut at random; the answers are the same each time. Both
word sizes run with arithmetic that wraps as the machine's does.
"""
import gzip
import random

import pytest
from hypothesis import given, settings, strategies as st

from http_harness import Server

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


OPEN, CLOSED = False, True

CASES = [
    # request line (RFC 9112 3)
    ("plain", get(), [(200, OPEN)]),
    ("empty line before it", b"\r\n\r\n" + get(), [(200, OPEN)]),
    ("half an empty line", b"\r" + get(), [(400, CLOSED)]),
    ("bare LF before it", b"\n" + get(), [(400, CLOSED)]),
    ("bare LF ends the line", b"GET / HTTP/1.1\nHost: a\r\n\r\n", [(400, CLOSED)]),
    ("bare CR ends the line", b"GET / HTTP/1.1\rHost: a\r\n\r\n", [(400, CLOSED)]),
    ("blank first", b" GET / HTTP/1.1\r\nHost: a\r\n\r\n", [(400, CLOSED)]),
    ("two blanks before the target", b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", [(400, CLOSED)]),
    ("two blanks behind the target", b"GET /  HTTP/1.1\r\nHost: a\r\n\r\n", [(400, CLOSED)]),
    ("blank behind the version", b"GET / HTTP/1.1 \r\nHost: a\r\n\r\n", [(400, CLOSED)]),
    ("tab for a blank", b"GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", [(400, CLOSED)]),
    ("no target", b"GET HTTP/1.1\r\nHost: a\r\n\r\n", [(400, CLOSED)]),
    ("HTTP/0.9", b"GET /\r\n", [(400, CLOSED)]),
    ("TLS hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", [(400, CLOSED)]),
    ("NUL in the target", b"GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n", [(400, CLOSED)]),
    ("byte above ASCII in the target", b"GET /\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n", [(400, CLOSED)]),
    ("fragment", get(b"/#top"), [(400, CLOSED)]),
    # methods
    ("POST", get(method=b"POST"), [(405, OPEN)]),
    ("PUT, DELETE, PATCH, TRACE", b"".join(get(method=m) for m in (b"PUT", b"DELETE", b"PATCH", b"TRACE")), [(405, OPEN)] * 4),
    ("POST where nothing is", get(b"/no", method=b"POST"), [(404, OPEN)]),
    ("OPTIONS", get(method=b"OPTIONS"), [(405, OPEN)]),
    ("OPTIONS *", get(b"*", method=b"OPTIONS"), [(405, OPEN)]),
    ("CONNECT", get(b"a:80", method=b"CONNECT"), [(405, OPEN)]),
    ("* for GET", get(b"*"), [(400, CLOSED)]),
    ("unknown method", get(method=b"BREW"), [(501, OPEN)]),
    ("unknown method, odd target", get(b"a:b", method=b"BREW"), [(501, OPEN)]),
    ("method in lower case", get(method=b"get"), [(501, OPEN)]),
    ("longer than a known method", get(method=b"GETS"), [(501, OPEN)]),
    ("part of a known method", get(method=b"GE"), [(501, OPEN)]),
    ("odd token", get(method=b"^_`|~"), [(501, OPEN)]),
    ("separator in the method", get(method=b"GE(T"), [(400, CLOSED)]),
    ("endless method", b"A" * 9000, [(501, CLOSED)]),
    # targets (RFC 9112 3.2)
    ("query", get(b"/?a=1&b[]=%zz|?/"), [(200, OPEN)]),
    ("query of nothing", get(b"/no?x"), [(404, OPEN)]),
    ("file", get(b"/style.css"), [(200, OPEN)]),
    ("prefix of a file", get(b"/style.cs"), [(404, OPEN)]),
    ("file that is another's prefix", get(b"/style"), [(200, OPEN)]),
    ("longer than a file", get(b"/style.css/"), [(404, OPEN)]),
    ("case matters", get(b"/Style.css"), [(404, OPEN)]),
    ("folder", get(b"/docs/"), [(200, OPEN)]),
    ("folder without slash", get(b"/docs"), [(301, OPEN)]),
    ("hidden file", get(b"/.secret"), [(404, OPEN)]),
    ("well-known", get(b"/.well-known/x"), [(200, OPEN)]),
    ("dots", get(b"/docs/../index.html"), [(404, OPEN)]),
    ("percent codes", get(b"/docs/a%20b.txt") + get(b"/docs/%C3%a9.txt") + get(b"/%73tyle.css"), [(200, OPEN)] * 3),
    ("percent code of a slash", get(b"/docs%2Fa%20b.txt"), [(404, OPEN)]),
    ("percent code of NUL", get(b"/%00"), [(400, CLOSED)]),
    ("percent code of 255", get(b"/%ff%FF"), [(404, OPEN)]),
    ("bad percent code", get(b"/%4g"), [(400, CLOSED)]),
    ("cut percent code", get(b"/%4"), [(400, CLOSED)]),
    ("absolute", get(b"http://a/style.css"), [(200, OPEN)]),
    ("absolute, scheme in capitals", get(b"HTTP://a:80/style.css?x"), [(200, OPEN)]),
    ("absolute without a path", get(b"http://a"), [(200, OPEN)]),
    ("absolute, query without a path", get(b"http://a?x"), [(200, OPEN)]),
    ("absolute, IPv6", get(b"http://[::1]:8080/"), [(200, OPEN)]),
    ("absolute without Host", get(b"http://a/", host=b""), [(400, CLOSED)]),
    ("absolute, no authority", get(b"http:///"), [(400, CLOSED)]),
    ("absolute, only a port", get(b"http://:80/"), [(400, CLOSED)]),
    ("absolute, user", get(b"http://u@a/"), [(400, CLOSED)]),
    ("absolute, nonsense behind the port", get(b"http://a:80x/"), [(400, CLOSED)]),
    ("absolute, https", get(b"https://a/"), [(400, CLOSED)]),
    ("absolute, cut", get(b"http:/a"), [(400, CLOSED)]),
    ("relative", get(b"style.css"), [(400, CLOSED)]),
    ("long target", get(b"/" + b"a" * 8000), [(404, OPEN)]),
    ("too long a target", get(b"/" + b"a" * 8190), [(414, CLOSED)]),
    ("too long a query", get(b"/?" + b"a" * 9000), [(414, CLOSED)]),
    ("endless empty lines", b"\r\n" * 5000, [(400, CLOSED)]),
    # version (RFC 9110 2.5)
    ("HTTP/1.0 ends", get(version=b"HTTP/1.0"), [(200, CLOSED)]),
    ("HTTP/1.0 without Host", get(version=b"HTTP/1.0", host=b""), [(200, CLOSED)]),
    ("HTTP/1.0 keep-alive", get(b"/", b"Connection: Keep-Alive", version=b"HTTP/1.0") + get(), [(200, OPEN)] * 2),
    ("HTTP/1.2, HTTP/1.9", get(version=b"HTTP/1.2") + get(version=b"HTTP/1.9"), [(200, OPEN)] * 2),
    ("HTTP/2.0", get(version=b"HTTP/2.0"), [(505, CLOSED)]),
    ("HTTP/0.9 spelled out", get(version=b"HTTP/0.9"), [(505, CLOSED)]),
    ("HTTP/9.7", get(version=b"HTTP/9.7"), [(505, CLOSED)]),
    ("http/1.1", get(version=b"http/1.1"), [(400, CLOSED)]),
    ("HTTP/1.10", get(version=b"HTTP/1.10"), [(400, CLOSED)]),
    ("HTTP/1", get(version=b"HTTP/1"), [(400, CLOSED)]),
    ("HTTP/1.", get(version=b"HTTP/1."), [(400, CLOSED)]),
    ("HTTP/:.1", get(version=b"HTTP/:.1"), [(400, CLOSED)]),
    ("HTTP/2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", [(505, CLOSED)]),
    # header lines (RFC 9112 5)
    ("any field", get(b"/", b"X-a: b", b"x:", b"Y:\t \t", b"User-Agent: \xe4 \x7f\t!#$%"), [(200, OPEN)]),
    ("long field", get(b"/", b"Cookie: " + b"abc " * 2000), [(200, OPEN)]),
    ("blank before the colon", get(b"/", b"X : y"), [(400, CLOSED)]),
    ("no colon", get(b"/", b"X"), [(400, CLOSED)]),
    ("no name", get(b"/", b": y"), [(400, CLOSED)]),
    ("bad name", get(b"/", b"X(y): z"), [(400, CLOSED)]),
    ("folded line", get(b"/", b"X: y", b" z"), [(400, CLOSED)]),
    ("folded with a tab", get(b"/", b"X: y", b"\tz"), [(400, CLOSED)]),
    ("blank before the first field", b"GET / HTTP/1.1\r\n Host: a\r\n\r\n", [(400, CLOSED)]),
    ("NUL in a value", get(b"/", b"X: a\0b"), [(400, CLOSED)]),
    ("control in a value", get(b"/", b"X: a\x01b"), [(400, CLOSED)]),
    ("bare CR in a value", get(b"/", b"X: a\rb"), [(400, CLOSED)]),
    ("bare LF in a value", get(b"/", b"X: a\nb: c"), [(400, CLOSED)]),
    ("bare LF for the empty line", b"GET / HTTP/1.1\r\nHost: a\r\n\n", [(400, CLOSED)]),
    ("bare CR for the empty line", b"GET / HTTP/1.1\r\nHost: a\r\n\rx", [(400, CLOSED)]),
    ("nearly too much header", get(b"/", *[b"X-%d: %s" % (i, b"y" * 90) for i in range(160)]), [(200, OPEN)]),
    ("too much header", get(b"/", *[b"X-%d: %s" % (i, b"y" * 90) for i in range(170)]), [(431, CLOSED)]),
    ("too long a value", get(b"/", b"X: " + b"y" * 17000), [(431, CLOSED)]),
    ("too long a name", get(b"/", b"X" * 17000 + b": y"), [(431, CLOSED)]),
    ("too long a token list", get(b"/", b"Connection: " + b"y," * 9000), [(431, CLOSED)]),
    # Host (RFC 9112 3.2, RFC 9110 7.2)
    ("no Host", get(host=b""), [(400, CLOSED)]),
    ("two Hosts", get(b"/", b"Host: a"), [(400, CLOSED)]),
    ("two different Hosts, HTTP/1.0", get(b"/", b"host: b", version=b"HTTP/1.0"), [(400, CLOSED)]),
    ("empty Host", get(host=b"Host:\r\n"), [(200, OPEN)]),
    ("Host with port", get(host=b"hOST:\texample-1.org:8080 \t\r\n"), [(200, OPEN)]),
    ("Host, IPv6", get(host=b"Host: [fe80::1]:80\r\n"), [(200, OPEN)]),
    ("Host, IPv6 not closed", get(host=b"Host: [fe80::1\r\n"), [(400, CLOSED)]),
    ("Host, nonsense behind IPv6", get(host=b"Host: [::1]a\r\n"), [(400, CLOSED)]),
    ("Host, blank inside", get(host=b"Host: a b\r\n"), [(400, CLOSED)]),
    ("Host, path", get(host=b"Host: a/b\r\n"), [(400, CLOSED)]),
    ("Host, user", get(host=b"Host: u@a\r\n"), [(400, CLOSED)]),
    ("Host, two ports", get(host=b"Host: a:1:2\r\n"), [(400, CLOSED)]),
    ("Host, port is a word", get(host=b"Host: a:http\r\n"), [(400, CLOSED)]),
    ("Hosts is another field", get(b"/", b"Hosts: b c"), [(200, OPEN)]),
    # Content-Length (RFC 9112 6.3)
    ("body", get(b"/", b"Content-Length: 5") + b"hello" + get(b"/style"), [(200, OPEN)] * 2),
    ("no body", get(b"/", b"Content-Length: 0") + get(), [(200, OPEN)] * 2),
    ("leading zeros", get(b"/", b"Content-Length:  0003 ") + b"abc" + get(), [(200, OPEN)] * 2),
    ("body of POST", get(b"/", b"Content-Length: 5", method=b"POST") + b"hello" + get(), [(405, OPEN), (200, OPEN)]),
    ("body of an unknown method", get(b"/", b"Content-Length: 2", method=b"BREW") + b"GE" + get(), [(501, OPEN), (200, OPEN)]),
    ("body that looks like a request", get(b"/no", b"Content-Length: %d" % len(get())) + get() + get(), [(404, OPEN), (200, OPEN)]),
    ("largest body", get(b"/", b"Content-Length: 65536") + b"x" * 65536 + get(), [(200, OPEN)] * 2),
    ("too large a body", get(b"/", b"Content-Length: 65537"), [(413, CLOSED)]),
    ("absurd length", get(b"/", b"Content-Length: " + b"9" * 400), [(413, CLOSED)]),
    ("length that wraps at 32 bits", get(b"/", b"Content-Length: 4294967301") + b"hello", [(413, CLOSED)]),
    ("length that wraps at 64 bits", get(b"/", b"Content-Length: 18446744073709551621") + b"hello", [(413, CLOSED)]),
    ("equal lengths", get(b"/", b"Content-Length: 5", b"Content-Length: 5") + b"hello", [(400, CLOSED)]),
    ("conflicting lengths", get(b"/", b"Content-Length: 5", b"content-length: 6") + b"hello!", [(400, CLOSED)]),
    ("list of lengths", get(b"/", b"Content-Length: 5, 5") + b"hello", [(400, CLOSED)]),
    ("empty length", get(b"/", b"Content-Length:"), [(400, CLOSED)]),
    ("signed length", get(b"/", b"Content-Length: +5"), [(400, CLOSED)]),
    ("negative length", get(b"/", b"Content-Length: -1"), [(400, CLOSED)]),
    ("hexadecimal length", get(b"/", b"Content-Length: 0x5"), [(400, CLOSED)]),
    ("length with a blank inside", get(b"/", b"Content-Length: 1 2"), [(400, CLOSED)]),
    # Transfer-Encoding (RFC 9112 6.1, 7.1)
    ("chunks", get(b"/", b"Transfer-Encoding: chunked") + b"5\r\nhello\r\n0\r\n\r\n" + get(), [(200, OPEN)] * 2),
    ("chunks, extensions and trailer", get(b"/", b"transfer-ENCODING:\tChunked") +
        b"00a;x=\"y\"\r\n0123456789\r\nA ;z\r\n0123456789\r\n0000\r\nHost: b\r\nContent-Length: 7\r\nExpect: 100-continue\r\n\r\n" +
        get(), [(200, OPEN)] * 2),
    ("empty list members", get(b"/", b"Transfer-Encoding: , chunked ,") + b"0\r\n\r\n" + get(), [(200, OPEN)] * 2),
    ("CL and TE", get(b"/", b"Content-Length: 3", b"Transfer-Encoding: chunked") + b"0\r\n\r\n", [(400, CLOSED)]),
    ("TE and CL", get(b"/", b"Transfer-Encoding: chunked", b"Content-Length: 3") + b"0\r\n\r\n", [(400, CLOSED)]),
    ("TE in HTTP/1.0", get(b"/", b"Transfer-Encoding: chunked", version=b"HTTP/1.0") + b"0\r\n\r\n", [(400, CLOSED)]),
    ("unknown coding", get(b"/", b"Transfer-Encoding: gzip, chunked"), [(501, CLOSED)]),
    ("identity", get(b"/", b"Transfer-Encoding: identity"), [(501, CLOSED)]),
    ("coding like chunked", get(b"/", b"Transfer-Encoding: xchunked"), [(501, CLOSED)]),
    ("chunked with a parameter", get(b"/", b"Transfer-Encoding: chunked;q=0.5"), [(501, CLOSED)]),
    ("chunked twice", get(b"/", b"Transfer-Encoding: chunked, chunked"), [(400, CLOSED)]),
    ("chunked twice, two lines", get(b"/", b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"), [(400, CLOSED)]),
    ("empty TE", get(b"/", b"Transfer-Encoding:"), [(400, CLOSED)]),
    ("TE that is no token", get(b"/", b"Transfer-Encoding: \"chunked\""), [(400, CLOSED)]),
    ("vertical tab before chunked", get(b"/", b"Transfer-Encoding: \x0bchunked"), [(400, CLOSED)]),
    ("no chunk size", get(b"/", b"Transfer-Encoding: chunked") + b"\r\n", [(400, CLOSED)]),
    ("chunk size is a word", get(b"/", b"Transfer-Encoding: chunked") + b"xyz\r\n", [(400, CLOSED)]),
    ("signed chunk size", get(b"/", b"Transfer-Encoding: chunked") + b"-1\r\n", [(400, CLOSED)]),
    ("0x in a chunk size", get(b"/", b"Transfer-Encoding: chunked") + b"0x5\r\nhello\r\n", [(400, CLOSED)]),
    ("bare LF behind a chunk size", get(b"/", b"Transfer-Encoding: chunked") + b"5\nhello", [(400, CLOSED)]),
    ("bare LF in a chunk extension", get(b"/", b"Transfer-Encoding: chunked") + b"5;\nhello", [(400, CLOSED)]),
    ("chunk longer than said", get(b"/", b"Transfer-Encoding: chunked") + b"3\r\nhello\r\n", [(400, CLOSED)]),
    ("no CR behind a chunk", get(b"/", b"Transfer-Encoding: chunked") + b"5\r\nhello\n", [(400, CLOSED)]),
    ("too large a chunk", get(b"/", b"Transfer-Encoding: chunked") + b"10001\r\n", [(413, CLOSED)]),
    ("chunk size that wraps", get(b"/", b"Transfer-Encoding: chunked") + b"100000005\r\nhello", [(413, CLOSED)]),
    ("too large in sum", get(b"/", b"Transfer-Encoding: chunked") + b"".join(
        b"8000\r\n" + b"x" * 0x8000 + b"\r\n" for _ in range(3)), [(413, CLOSED)]),
    ("largest in sum", get(b"/", b"Transfer-Encoding: chunked") + b"".join(
        b"8000\r\n" + b"x" * 0x8000 + b"\r\n" for _ in range(2)) + b"0\r\n\r\n" + get(), [(200, OPEN)] * 2),
    ("endless chunk extension", get(b"/", b"Transfer-Encoding: chunked") + b"5;" + b"x" * 17000, [(413, CLOSED)]),
    ("folded trailer", get(b"/", b"Transfer-Encoding: chunked") + b"0\r\nX: y\r\n z\r\n\r\n", [(400, CLOSED)]),
    ("endless trailer", get(b"/", b"Transfer-Encoding: chunked") + b"0\r\n" + b"X: y\r\n" * 3000, [(431, CLOSED)]),
    # Connection (RFC 9110 7.6.1, RFC 9112 9.3)
    ("close", get(b"/", b"Connection: close") + get(), [(200, CLOSED)]),
    ("close in a list", get(b"/", b"Connection: te, CLOSE ,keep-alive"), [(200, CLOSED)]),
    ("close in a second line", get(b"/", b"Connection: te", b"Connection: close"), [(200, CLOSED)]),
    ("keep-alive", get(b"/", b"Connection: keep-alive"), [(200, OPEN)]),
    ("closed and closely are not close", get(b"/", b"Connection: closed, clos, closely"), [(200, OPEN)]),
    ("empty list", get(b"/", b"Connection: , ,,"), [(200, OPEN)]),
    ("empty value", get(b"/", b"Connection:"), [(200, OPEN)]),
    ("close of an error", get(b"/no", b"Connection: close") + get(), [(404, CLOSED)]),
    # Expect (RFC 9110 10.1.1)
    ("expects 100", get(b"/", b"Expect: 100-continue", b"Content-Length: 3") + b"abc" + get(), [(200, CLOSED)]),
    ("expects 100, chunks", get(b"/", b"Expect: 100-Continue", b"Transfer-Encoding: chunked"), [(200, CLOSED)]),
    ("expects 100 for POST", get(b"/", b"Expect: 100-continue", b"Content-Length: 3", method=b"POST"), [(405, CLOSED)]),
    ("expects 100 without a body", get(b"/", b"Expect: 100-continue") + get(), [(200, OPEN)] * 2),
    ("expects 100 in HTTP/1.0", get(b"/", b"Expect: 100-continue", b"Content-Length: 3", version=b"HTTP/1.0") + b"abc",
        [(200, CLOSED)]),
    ("expects more", get(b"/", b"Expect: x=\"y\";z", b"Content-Length: 3") + b"abc" + get(), [(200, OPEN)] * 2),
    # pipelining (RFC 9112 9.3.2)
    ("three at once", get() + get(b"/no") + get(b"/style"), [(200, OPEN), (404, OPEN), (200, OPEN)]),
    ("nothing is read behind an error", get() + b"x\r\n" + get(), [(200, OPEN), (400, CLOSED)]),
    ("half a request", get() + get()[:-2], [(200, OPEN)]),
]


@pytest.mark.parametrize("data, wanted", [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_answers(server, data, wanted):
    answers = everyway(server, data) if len(data) < 3000 else server.talk(data)
    assert [(answer.status, answer.closes) for answer in answers] == wanted


LONG = [case for case in CASES if len(case[1]) >= 3000]


@pytest.mark.parametrize("data, wanted", [case[1:] for case in LONG], ids=[case[0] for case in LONG])
def test_long_requests_in_pieces(root, data, wanted):
    server = Server(root)
    for cuts in (range(1, len(data)), range(7, len(data), 1460), range(1, len(data), 997)):
        assert [(answer.status, answer.closes) for answer in server.talk(data, cuts)] == wanted


def test_limits_are_exact(root):
    """The last byte that is allowed is, in whatever pieces; the next one is not."""
    server = Server(root)
    line = b"GET /?%s HTTP/1.1\r\n"
    fill = 8192 - len(line % b"")
    for extra, status in (0, 200), (1, 414):
        data = line % (b"a" * (fill + extra)) + HOST + b"\r\n"
        # the line may have 8192 bytes, its end included
        assert [a.status for a in server.talk(data)] == [status] == [a.status for a in server.talk(data, range(1, 9000, 11))]
    fill = 16384 - len(HOST + b"X: \r\n\r\n")
    for extra, status in (0, 200), (1, 431):
        data = b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"a" * (fill + extra) + b"\r\n\r\n"
        assert [a.status for a in server.talk(data)] == [status] == [a.status for a in server.talk(data, range(1, 16400, 11))]


# ---- what answers contain --------------------------------------------------------------------------------------------
def one(server, data):
    answer, = server.talk(data)
    return answer


def test_file(server):
    answer = one(server, get(b"/style.css"))
    assert answer.body == STYLE
    assert answer.headers["content-type"] == "text/css; charset=utf-8"
    assert answer.headers["content-length"] == str(len(STYLE))
    assert answer.headers["server"] == "barewire"
    assert answer.headers["vary"] == "Accept-Encoding"
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["etag"].startswith('"') and "content-encoding" not in answer.headers


@pytest.mark.parametrize("connection", [b"keep-alive", b"close"])
def test_file_of_many_segments(server, root, connection):
    answer = one(server, get(b"/big.bin", b"Connection: " + connection))
    assert answer.body == (root / "big.bin").read_bytes()
    assert answer.headers["content-type"] == "application/octet-stream" and "vary" not in answer.headers


def test_empty_file(server):
    answer = one(server, get(b"/empty.txt"))
    assert answer.body == b"" and answer.headers["content-length"] == "0"


@pytest.mark.parametrize("path", [b"/", b"/style.css", b"/big.bin", b"/no", b"/docs", b"/metrics", b"/api/reading"])
def test_head_is_get_without_the_body(server, path):
    plain = one(server, get(path, b"Accept-Encoding: gzip"))
    head = one(server, get(path, b"Accept-Encoding: gzip", method=b"HEAD"))
    assert head.body == b"" and (head.status, head.headers) == (plain.status, plain.headers)


def test_redirect_of_a_folder(server):
    assert one(server, get(b"/docs")).headers["location"] == "/docs/"


@pytest.mark.parametrize("path, method, status", [(b"/no", b"GET", 404), (b"/", b"PUT", 405), (b"/", b"BREW", 501)])
def test_errors_say_what(server, path, method, status):
    before = server.counter("http_%d" % status)
    answer = one(server, get(path, method=method))
    assert answer.status == status and answer.body.startswith(b"%d " % status)
    assert answer.headers["content-length"] == str(len(answer.body))
    assert answer.headers.get("allow") == ("GET, HEAD" if status == 405 else None)
    assert server.counter("http_%d" % status) == before + 1


def test_requests_are_counted(server):
    before = server.counter("http_requests")
    server.talk(get() + get(b"/metrics") + get(b"/no"))
    assert server.counter("http_requests") == before + 3


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
def test_content_coding(server, fields, zipped):
    answer, = everyway(server, get(b"/style.css", *fields))
    assert (answer.headers.get("content-encoding") == "gzip") == zipped
    assert (gzip.decompress(answer.body) if zipped else answer.body) == STYLE
    assert answer.headers["vary"] == "Accept-Encoding"


def test_no_coding_where_it_does_not_help(server):
    assert "content-encoding" not in one(server, get(b"/big.bin", b"Accept-Encoding: gzip")).headers


# ---- conditions (RFC 9110 13.1.2) --------------------------------------------------------------------------------------
def test_entity_tags_differ(server):
    plain, zipped = server.talk(get(b"/style.css") + get(b"/style.css", b"Accept-Encoding: gzip"))
    assert plain.headers["etag"] != zipped.headers["etag"]
    assert one(server, get(b"/style")).headers["etag"] != plain.headers["etag"]


@pytest.mark.parametrize("value, status", [
    ("{plain}", 304), ("W/{plain}", 304), ("*", 304), ('"x", {plain}', 304), (' , "a,b" ,W/"c",\t{plain}', 304),
    ("{zipped}", 200), ('"x"', 200), ('""', 200), ("{bare}", 200), ("{plain}x", 304), ('"{bare}', 200), ('"{bare}x"', 200),
    ("w/{plain}", 200), ("W{plain}", 200), ('"{bare} "', 200), ("", 200), ('"x" {plain}', 304),
])
def test_if_none_match(server, value, status):
    plain, zipped = (answer.headers["etag"] for answer in
                     server.talk(get(b"/style.css") + get(b"/style.css", b"Accept-Encoding: gzip")))
    value = value.format(plain=plain, zipped=zipped, bare=plain.strip('"')).encode()
    answer, = everyway(server, get(b"/style.css", b"If-None-Match: " + value))
    assert answer.status == status
    assert answer.headers["etag"] == plain and answer.headers["vary"] == "Accept-Encoding"
    assert bool(answer.body) == (status == 200)


def test_if_none_match_of_the_coded_variant(server):
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


def test_not_modified_is_counted(server):
    before = server.counter("http_304")
    assert one(server, get(b"/", b"If-None-Match: *")).status == 304
    assert server.counter("http_304") == before + 1


# ---- properties ----------------------------------------------------------------------------------------------------------
PARTS = st.sampled_from([
    b"GET", b"HEAD", b"POST", b" ", b"/", b"/style.css", b"?x", b"%2", b"http://", b" HTTP/1.1", b" HTTP/1.0", b"\r\n", b"\r",
    b"\n", b"Host: a", b"Host:", b"Content-Length: 3", b"Transfer-Encoding: chunked", b"Connection: close",
    b"Accept-Encoding: gzip;q=0", b"If-None-Match: W/\"x\"", b"Expect: 100-continue", b"abc", b"0", b"5", b":", b"\0", b"\xff",
    b",", b";", b"=", b"\"", get(), get(b"/metrics"), get(b"/", b"Transfer-Encoding: chunked"), b"3\r\nabc\r\n0\r\n\r\n"])
SHARED = {}


@settings(max_examples=300, deadline=None)
@given(st.lists(PARTS, max_size=30), st.lists(st.integers(0, 400), max_size=8))
def test_any_bytes_in_any_pieces(tmp_path_factory, parts, cuts):
    """Whatever comes, the pieces do not matter, each answer is well-formed, and an error is the last one."""
    if not SHARED:
        site = root_with(tmp_path_factory.mktemp("small"), {"index.html": b"home", "style.css": STYLE})
        SHARED.update({word: Server(site, word=word) for word in (32, 64)})
    data = b"".join(parts)
    cuts = sorted(cut for cut in cuts if cut <= len(data))
    kinds = [[(a.status, a.closes) for a in SHARED[word].talk(data, pieces)]
             for word, pieces in ((64, ()), (64, cuts), (32, range(1, len(data))))]
    assert kinds[0] == kinds[1] == kinds[2]
    assert not any(closes for _, closes in kinds[0][:-1])


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_random_bytes(tmp_path_factory, data):
    test_any_bytes_in_any_pieces.hypothesis.inner_test(tmp_path_factory, [data], [1, 2, 3, 5, 8, 13, 21, 34, 55, 89])
