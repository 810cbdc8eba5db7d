"""RFC 9112, HTTP/1.1: how a request is framed, what is refused because it is not, how long a connection lasts.

Every request of the tables is read in one piece, byte by byte and cut at random; the answers are the same each time. Both
word sizes run with arithmetic that wraps as the machine's does.
"""
import pytest
from hypothesis import given, settings, strategies as st

from http_harness import HOST, STYLE, Server, everyway, get, kinds, root, root_with, server     # noqa: F401  fixtures

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
    # pipelining (RFC 9112 9.3.2)
    ("three at once", get() + get(b"/no") + get(b"/style"), [(200, OPEN), (404, OPEN), (200, OPEN)]),
    ("nothing is read behind an error", get() + b"x\r\n" + get(), [(200, OPEN), (400, CLOSED)]),
    ("half a request", get() + get()[:-2], [(200, OPEN)]),
]


@pytest.mark.parametrize("data, wanted", [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_answers(server, data, wanted):     # noqa: F811
    answers = everyway(server, data) if len(data) < 3000 else server.talk(data)
    assert kinds(answers) == wanted


LONG = [case for case in CASES if len(case[1]) >= 3000]


@pytest.mark.parametrize("data, wanted", [case[1:] for case in LONG], ids=[case[0] for case in LONG])
def test_long_requests_in_pieces(root, data, wanted):      # noqa: F811
    server = Server(root)
    for cuts in (range(1, len(data)), range(7, len(data), 1460), range(1, len(data), 997)):
        assert kinds(server.talk(data, cuts)) == wanted


def test_limits_are_exact(root):        # noqa: F811
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


# ---- segments of any size --------------------------------------------------------------------------------------------
TYPICAL = {
    "browser": get(b"/style.css?v=1", b"User-Agent: Mozilla/5.0 (X11)", b"Accept-Encoding: gzip, deflate;q=0.5",
                   b"If-None-Match: W/\"x\", \"y\"", b"Connection: keep-alive") + get(b"/no"),
    "range": get(b"/docs/a%20b.txt", b"Range: bytes=1-3", b"If-Range: \"x\"", b"Range2: a") + get(b"/style", b"Range: bytes=-2"),
    "chunks": get(b"http://a:80/", b"Expect: 100-continue", b"Transfer-Encoding: chunked") +
        b"3;a=b\r\nabc\r\n00A\r\n0123456789\r\n0\r\nX: y\r\n\r\n" + get(method=b"OPTIONS"),
    "body": b"\r\n" + get(b"/", b"Content-Length: 12", method=b"POST") + b"GET / HTTP/1" + get(version=b"HTTP/1.0"),
    "bad": get(b"/", b"X: y\r z"),
}


@pytest.mark.parametrize("name", TYPICAL)
def test_two_segments_cut_anywhere(server, name):       # noqa: F811
    data = TYPICAL[name]
    answers = everyway(server, data)
    for cut in range(1, len(data)):
        assert server.talk(data, [cut]) == answers, data[:cut]


def test_three_segments_cut_anywhere(root):     # noqa: F811
    server = Server(root, checked=False)
    data = b"GET /%73 HTTP/1.1\r\nHost:a\r\nRange:bytes=0-\r\n\r\n"
    answers = server.talk(data)
    for first in range(1, len(data)):
        for second in range(first + 1, len(data)):
            assert server.talk(data, [first, second]) == answers, (first, second)


# ---- properties ----------------------------------------------------------------------------------------------------------
PARTS = st.sampled_from([
    b"GET", b"HEAD", b"POST", b" ", b"/", b"/style.css", b"?x", b"%2", b"http://", b" HTTP/1.1", b" HTTP/1.0", b"\r\n", b"\r",
    b"\n", b"Host: a", b"Host:", b"Content-Length: 3", b"Transfer-Encoding: chunked", b"Connection: close",
    b"Accept-Encoding: gzip;q=0", b"If-None-Match: W/\"x\"", b"Expect: 100-continue", b"Range: bytes=0-5", b"If-Range: \"x\"", b"OPTIONS * ", b"abc", b"0", b"5", b":", b"\0", b"\xff",
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
    seen = [kinds(SHARED[word].talk(data, pieces))
            for word, pieces in ((64, ()), (64, cuts), (32, range(1, len(data))))]
    assert seen[0] == seen[1] == seen[2]
    assert not any(closes for _, closes in seen[0][:-1])


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_random_bytes(tmp_path_factory, data):
    test_any_bytes_in_any_pieces.hypothesis.inner_test(tmp_path_factory, [data], [1, 2, 3, 5, 8, 13, 21, 34, 55, 89])
