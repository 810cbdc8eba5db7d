"""RFC 9112 with a second opinion: what the appliance takes for a request, h11 reads as the same one, and its end there, too.

h11 is the lenient of both (it takes bare LF and folded lines), so that a request it refuses, or sees elsewhere in the
stream, must not get an answer here but a refusal: that difference between two readers is how requests are smuggled.
"""
import h11
import pytest
from hypothesis import example, given, settings, strategies as st

from http_harness import Server, get, root_with

REFUSALS = {400, 408, 413, 414, 417, 431, 505}
METHODS = {b"GET", b"HEAD", b"OPTIONS", b"POST", b"PUT", b"DELETE", b"PATCH", b"TRACE"}
PATHS = {b"/": 200, b"/a": 200, b"/metrics": 200, b"/docs": 301}


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    root = root_with(tmp_path_factory.mktemp("www"), {"index.html": b"home", "a": b"A", "docs/index.html": b"docs"})
    return [Server(root, word=word) for word in (64, 32)]


def read_by_h11(data):
    """[(method, target, version)] of the whole requests, up to the first that h11 refuses or ends the connection with."""
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 17)
    connection.receive_data(data)
    found = []
    try:
        while True:
            event = connection.next_event()
            if isinstance(event, h11.Request):
                request = event
            elif isinstance(event, h11.EndOfMessage):
                connection.send(h11.Response(status_code=200, headers=[("Content-Length", "0")]))
                connection.send(h11.EndOfMessage())
                found.append((request.method, request.target, request.http_version))
                if connection.our_state is not h11.DONE:
                    return found
                connection.start_next_cycle()
            elif not isinstance(event, h11.Data):
                return found
    except h11.RemoteProtocolError:
        return found


def status_of(method, target):
    """What the appliance has to say to a request that is well-formed; None: to a target that h11 leaves alone."""
    path = target.partition(b"?")[0]
    if method not in METHODS:
        return 501
    if not path.startswith(b"/") or b"%" in path:
        return None
    status = PATHS.get(path, 404)
    if status != 404:
        status = {b"GET": status, b"HEAD": status, b"OPTIONS": 204}.get(method, 405)
    return status


def judge(data, answers):
    answers = [answer for answer in answers if answer.status != 100]
    found = read_by_h11(data)
    for k, answer in enumerate(answers):
        if answer.status in REFUSALS or answer.status == 501 and answer.closes:
            assert k == len(answers) - 1
            return
        if len(found) <= k:
            early = answer.status in (404, 405) and answer.closes       # 100 was asked for: the body is not waited for
            assert early or found and found[-1][2] == b"1.0", (found, answers)      # h11 keeps no such connection
            return
        method, target, _ = found[k]
        assert status_of(method, target) in (answer.status, None), (method, target)



LINE_END = st.sampled_from([b"\r\n"] * 40 + [b"\n", b"\r", b"\r\r\n", b"\n\r\n", b" \r\n", b"\0\r\n", b"\x0b\r\n"])
FIELDS = st.sampled_from([
    b"Host: a", b"Host: a", b"Host: a", b"Host:b", b"Host : a", b"host: [::1]", b"Content-Length: 3", b"Content-Length: 0",
    b"Content-Length: 03", b"Content-Length:+3", b"Content-Length: 3, 3", b"Content-Length: 3,4", b"Content-Length: 0x3",
    b"Content-Length: 3 3", b"Content-Length:\t3", b"Content-Length : 3", b"Content-Length: ", b"Content-length: 40",
    b"Transfer-Encoding: chunked", b"Transfer-Encoding:chunked", b"Transfer-Encoding: Chunked", b"Transfer-Encoding : chunked",
    b"Transfer-Encoding: chunked, chunked", b"Transfer-Encoding: gzip, chunked", b"Transfer-Encoding: identity",
    b"Transfer-Encoding: \x0bchunked", b"Transfer-Encoding: xchunked", b"Transfer-Encoding:\tchunked", b"Transfer_Encoding: chunked",
    b"Transfer-Encoding: chunked;x", b" folded", b"\tfolded: 1", b"X: y", b"X:", b"X", b": x", b"X: a\0", b"X: \xff", b"X: a\x7fb",
    b"Connection: close", b"Connection: keep-alive", b"Expect: 100-continue", b"Range: bytes=0-0", b"If-None-Match: *"])
BODIES = st.sampled_from([
    b"", b"", b"", b"abc", b"abcd", b"0\r\n\r\n", b"3\r\nabc\r\n0\r\n\r\n", b"3;x=y\r\nabc\r\n0\r\n\r\n", b"3 \r\nabc\r\n0\r\n\r\n",
    b"03\r\nabc\r\n00\r\nT: x\r\n\r\n", b"3\nabc\n0\n\n", b"3\r\nabcd\r\n0\r\n\r\n", b"0x3\r\nabc\r\n0\r\n\r\n", b"-1\r\n", b"3\r\nabc0\r\n\r\n",
    b"\r\n", b"0\r\n \r\n\r\n", b"3\r\nabc\r\n0\r\nContent-Length: 9\r\n\r\n", get(b"/a"), b"GET /docs HTTP/1.1\r\nHost: a\r\n\r\n"])
START = st.builds(lambda method, gap, target, version: method + gap + target + b" " + version,
                  st.sampled_from([b"GET"] * 8 + [b"HEAD", b"POST", b"OPTIONS", b"get", b"G\xc3T", b"CONNECT", b"BREW", b""]),
                  st.sampled_from([b" "] * 20 + [b"  ", b"\t", b""]),
                  st.sampled_from([b"/"] * 6 + [b"/a", b"/docs", b"/a?b=/", b"/no", b"/\0", b"/%61", b"a", b"*", b"http://a/a", b"/#", b"/\xff"]),
                  st.sampled_from([b"HTTP/1.1"] * 12 + [b"HTTP/1.0", b"HTTP/1.2", b"HTTP/2.0", b"HTTP/1.", b"http/1.1", b"HTTP/1.1 "]))
REQUEST = st.builds(lambda start, end, lines, last, body: start + end + b"".join(a + b for a, b in lines) + last + body,
                    START, LINE_END, st.lists(st.tuples(FIELDS, LINE_END), max_size=5), LINE_END, BODIES)


@settings(max_examples=1000, deadline=None, derandomize=True)
@given(st.lists(REQUEST, min_size=1, max_size=3))
@example([get(b"/", b"Content-Length: 3") + b"abc", get(b"/a")])
@example([get(b"/", b"Transfer-Encoding: chunked") + b"3;x\r\nabc\r\n0\r\nT: x\r\n\r\n", get(b"/no", method=b"HEAD")])
def test_h11_reads_the_same(servers, parts):
    data = b"".join(parts)
    for server in servers:
        judge(data, server.talk(data))


def test_the_judge_is_awake():
    """Control: an answer too many, or of another request, is found."""
    class Answer:
        def __init__(self, status, closes=False):
            self.status, self.closes = status, closes

    judge(get() + get(b"/no"), [Answer(200), Answer(404)])
    for answers in ([Answer(200), Answer(200)], [Answer(200)] * 3, [Answer(404)]):
        with pytest.raises(AssertionError):
            judge(get() + get(b"/no"), answers)
