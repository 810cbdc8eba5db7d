"""HTTP (RFC 9110, RFC 9112): parts of files, OPTIONS, expectations, requests that do not end in time."""
from tests.agree.frames import ACK, FIN, PSH, RST, Connection, mss
from tests.agree.registry import FILES, script, second, timed


@script
def parts_of_files(peer):
    """At addresses of all four kinds, in segments of all lengths, and what is no part."""
    for k, size in enumerate((216, 535, 536, 1001, 1219, 1459, 1460)):
        one = Connection(peer, 52000 + k, options=mss(size))
        for at in range(k, k + 5):
            for part in ("%d-" % (700 * at + at), "%d-%d" % (at, at), "%d-%d" % (at, 1459 + at), "%d-%d" % (at, 4 * size + 3)):
                one.get("/dashboard.js", headers="Range: bytes=%s\r\n" % part)
        one.close()
    one = Connection(peer, 52020)
    for target in FILES:
        for value in ("-1", "-7", "3-2", "0-0", "x", "0-0,2-3", "99999999-", "4294967296-4294967297", "-99999999999", "-0", ""):
            one.get(target, headers="Range: bytes=%s\r\n" % value)
            one.get(target, headers="Range: bytes=%s\r\nAccept-Encoding: gzip\r\n" % value)
    for value in ("lines=1-2", "bytes", "bytes=0-5\r\nRange: bytes=0-5", "bytes=" + "1" * 400, "bytes=0-\t\t "):
        one.get("/style.css", headers="Range: %s\r\n" % value)
    for target in ("/api/reading", "/nothing", "/docs"):
        one.get(target, headers="Range: bytes=0-3\r\n")
    one.get("/style.css", "HEAD", headers="Range: bytes=0-3\r\n")
    one.close()


@script
def parts_under_conditions(peer):
    one = Connection(peer, 52030)
    tags = []
    for coding in ("identity", "gzip"):
        head = one.get("/style.css", "HEAD", headers="Accept-Encoding: %s\r\n" % coding)
        tags.append(head.partition(b"ETag: ")[2].partition(b"\r\n")[0].decode())
    for value in (*tags, "W/" + tags[0], "*", tags[0][1:], '"x", ' + tags[0], "Sat, 29 Oct 1994 19:43:31 GMT", ""):
        for field in ("If-Range", "If-None-Match"):
            for coding in ("identity", "gzip"):
                one.get("/style.css", headers="%s: %s\r\nRange: bytes=77-99\r\nAccept-Encoding: %s\r\n" % (field, value, coding))
    one.close()


@script
def parts_that_end_the_connection(peer):
    for k, fields in enumerate(("Range: bytes=3-5\r\n", "Range: bytes=9999999-\r\n", "Range: x\r\n", "Range: bytes=1-\r\n")):
        one = Connection(peer, 52040 + k)
        one.get("/style.css", headers=fields + "Connection: close\r\n")
        one.give(b"", FIN | ACK)
        one = Connection(peer, 52050 + k)       # FIN with the request
        one.give(("GET /style.css HTTP/1.1\r\nHost: x\r\n%s\r\n" % fields).encode(), FIN | PSH | ACK)
        one.pump()


@script
def requests_that_came_before(peer):
    """The same again and again; the same but for one byte; of one length in turns; behind an empty line; two at once."""
    one = Connection(peer, 52080)
    for k in range(3):
        for target in ("/style.css", "/style.csx", "/stylf.css", "/"):
            for method in ("GET", "HEAD", "PUT"):
                for field in ("", "X: %d\r\n" % (k & 1), "Accept-Encoding: gzip\r\n", "Accept-Encoding: gziq\r\n"):
                    one.get(target, method, headers=field)
    for shift in range(5):
        for _ in range(2):
            one.give(b"\r\n" + b"GET / HTTP/1.1\r\nHost: " + b"x" * shift + b"\r\n\r\n")
            one.pump()
            one.give(b"GET /style.css HTTP/1.1\r\nHost: " + b"x" * shift + b"\r\n\r\n" * 2)
            one.pump()
    one.close()


@script
def many_parts_at_once(peer):
    """More than the queue has room for; each takes two places in it, and a page until its head is acknowledged."""
    wanted = b"".join(b"GET /style.css HTTP/1.1\r\nHost: x\r\nRange: bytes=%d-%d\r\n\r\n" % (k, 99 + 3 * k) for k in range(12))
    for k, window in enumerate((64000, 1000, 300, 0)):
        one = Connection(peer, 52060 + k, window=window)
        one.give(wanted)
        for window in (500, 64000):
            one.window = window
            one.pump()
        one.close()


@script
def options(peer):
    one = Connection(peer, 52070)
    for target in ("*", "/", "/api/reading", "/nothing", "http://x/style.css", "**", "/*"):
        one.get(target, "OPTIONS")
    for method, target in (("GET", "*"), ("CONNECT", "x:80"), ("TRACE", "/")):
        one.get(target, method)
    one.give(b"", FIN | ACK)


@script
def expectations(peer):
    for k, (method, target, more) in enumerate((
            ("GET", "/style.css", ""), ("GET", "/api/reading", ""), ("HEAD", "/style.css", ""), ("POST", "/style.css", ""),
            ("GET", "/nothing", ""), ("GET", "/style.css", "Connection: close\r\n"), ("GET", "/style.css", "Expect: more\r\n"),
            ("GET", "/style.css", "Range: bytes=5-9\r\n"))):
        for chunked in (False, True):
            one = Connection(peer, 52080 + 2 * k + chunked)
            framing = "Transfer-Encoding: chunked\r\n" if chunked else "Content-Length: 5\r\n"
            one.get(target, method, "Expect: 100-continue\r\n" + framing + more)
            for byte in b"5\r\nhello\r\n0\r\n\r\n" if chunked else b"hello":
                one.give(bytes([byte]))
            one.pump()
            one.get("/nothing")
            one.give(b"", FIN | ACK)
    one = Connection(peer, 52110)
    one.get("/", version="HTTP/1.0", headers="Expect: 100-continue\r\nContent-Length: 1\r\nConnection: keep-alive\r\n")
    one.give(b"x")
    one.give(b"GET / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nabGET /nothing HTTP/1.1\r\nHost: x\r\n\r\n" * 5)
    one.pump()
    one.close()


@timed
def parts_that_are_lost(peer):
    one = Connection(peer, 52120, options=mss(1001))
    request = b"GET /dashboard.js HTTP/1.1\r\nHost: x\r\nRange: bytes=%d-\r\n\r\n"
    for at in (1, 2, 3, 1460):
        one.say(PSH | ACK, request % at)
        one.seq += len(request % at)
        for _ in range(4):
            one.take(one.mine(peer.pass_ms(2500))[:2])
        one.pump()
    one.close()


@timed
def pages_given_back_before_the_card_has_read_them(peer):
    """Request and RST come in one burst, from more connections than there are pages."""
    for fields in b"", b"Range: bytes=3-70\r\n":
        many = [Connection(peer, 52160 + k) for k in range(40)]
        burst = []
        for k, one in enumerate(many):
            request = b"GET /%s HTTP/1.1\r\nHost: x\r\n%s\r\n" % (b"style.css" if fields and k & 1 else b"api/reading", fields)
            burst += one.frame(PSH | ACK, request), one.frame(RST, seq=one.seq + len(request))
        peer.turn(*burst)
        peer.pass_ms(7)


@timed
def requests_that_do_not_end(peer):
    parts = (b"G", b"\r\n", b"GET / HTTP/1.1\r\nHost: x\r\n", b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n1234",
             b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n1",
             b"GET / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n",
             b"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"")
    many = [Connection(peer, 52130 + k) for k in range(len(parts))]
    for one, part in zip(many, parts):
        one.give(part)
        one.pump()
    for _ in range(70):
        peer.pass_ms(997)
        for one in many[:4]:
            one.give(b"X")                  # bytes that trickle in do not help
        for one in many:
            one.take(one.say(ACK))
    for one in many:
        one.give(b"", FIN | ACK)


@timed
def requests_that_end_just_in_time(peer):
    request = b"GET /style.css HTTP/1.1\r\nHost: x\r\n\r\n"
    for k, (wait, more) in enumerate(((9900, b""), (9990, request[:9]), (10100, b""))):
        one = Connection(peer, 52150 + k)
        one.give(request[:7])
        one.take(one.mine(peer.pass_ms(wait)))
        one.give(request[7:] + more)
        one.pump()
        one.take(one.mine(peer.pass_ms(10100)))
        one.pump()
        one.give(b"", FIN | ACK)


@second
def parts_when_pages_are_taken(peer):
    many = [Connection(peer, 40000 + k, window=0) for k in range(34)]
    for one in many:
        one.give(b"GET /style.css HTTP/1.1\r\nHost: x\r\nRange: bytes=7-3333\r\n\r\n")
    peer.pass_ms(700)
    for one in many:
        one.window = 64000
        one.pump()
        one.close()
