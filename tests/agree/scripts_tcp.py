"""What takes no time: TCP (RFC 9293) and HTTP (RFC 9110, RFC 9112)."""
from tests.agree.frames import ACK, FIN, PSH, RST, SYN, Connection, mss, probe, tcp
from tests.agree.registry import FILES, TARGETS, script


# ---- TCP: opening --------------------------------------------------------------------------------------------------

OPTIONS = [
    b"", mss(0), mss(1), mss(215), mss(216), mss(535), mss(536), mss(1023), mss(1024), mss(1220), mss(1360), mss(1400),
    mss(1439), mss(1440), mss(1459), mss(1460), mss(1461), mss(8960), mss(65535), b"\1\1\1\1" + mss(1000),
    b"\1" + mss(1300) + b"\0\0\0", b"\0\0\0\0" + mss(1460), mss(300) + mss(1460), b"\2\3\5\xb4", b"\2\6\5\xb4\0\0\0\0",
    b"\2\4\5\0"[:3] + b"\0", b"\1\1\1\2", b"\1\1\2\4", b"\1\2\4\5", b"\2\0\0\0" + mss(1460), b"\2\1\0\0" + mss(1460),
    b"\5\0\1\1" + mss(1460), b"\3\3\7\1" + mss(1200), b"\4\2\1\1" + mss(1460), b"\x08\x0a" + bytes(8) + b"\1\1" + mss(700),
    mss(1460) + b"\4\2\x08\x0a\0\1\2\3\0\0\0\0\1\3\3\7", b"\xfe\xff\0\0" + mss(1460), b"\1" * 40, b"\1" * 36 + mss(536)]


@script
def syn_with_all_kinds_of_options(peer):
    for k, options in enumerate(OPTIONS):
        one = Connection(peer, 41000 + k, 1000 * k, options)
        one.get("/favicon.svg", headers="Connection: close\r\n")
        one.give(b"", FIN | ACK)
        one.pump()


@script
def syn_of_all_kinds(peer):
    for flags in range(64):
        peer.send(tcp(flags, 77, 0 if flags & ACK else 5, port=42000 + flags))
    peer.send(tcp(SYN, 1, data=b"GET / HTTP/1.1\r\n\r\n", port=42100), tcp(SYN, 0xFFFFFFFF, port=42101), tcp(SYN, 1, port=0),
              tcp(SYN, 1, port=42102, window=0), tcp(SYN, 1, port=42103, source=0xC0A80001))
    peer.send(*(tcp(SYN, 1, port=42104, offset=offset) for offset in range(16)))
    peer.send(*(tcp(SYN, 1, port=42104, offset=offset, data=bytes(40)) for offset in range(16)))
    peer.send(*(tcp(SYN, 1, port=42105, wrong=wrong) for wrong in (1, 0x100, 0xFFFE)))


@script
def closed_tcp_ports(peer):
    for flags in (SYN, ACK, FIN | ACK, RST, RST | ACK, 0, FIN, PSH | ACK):
        peer.send(tcp(flags, 0xFFFFFFFE, 0x12345678, to_port=81, data=b"four"[:flags & 4]))
    peer.send(tcp(ACK, 5, 6), tcp(ACK, 5, 6, data=b"GET"), tcp(FIN | ACK, 5, 6))


@script
def the_opening_ack_must_be_exact(peer):
    for k, (seq, ack) in enumerate(((0, 1 << 3), (0, -1 << 3), (1 << 3, 0), (0, 0x2000), (-1, 1), (0, 1 << 13))):
        one = probe(peer, 43000 + k)
        syn_ack, = one.mine(peer.send(tcp(SYN, 5000, port=one.port, options=mss(1460))))
        one.seq, one.ack = 5001, syn_ack.seq + 1 & 0xFFFFFFFF
        one.say(ACK, seq=one.seq + seq, ack=one.ack + ack & 0xFFFFFFFF)
        one.say(SYN | ACK)
        one.say(ACK, b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n")     # the handshake's ACK was lost, its data comes


# ---- TCP and HTTP: what is served ----------------------------------------------------------------------------------

@script
def get_everything(peer):
    one = Connection(peer)
    for target in TARGETS:
        for headers in ("", "Accept-Encoding: gzip\r\n", "Accept-Encoding: gzip;q=0, *\r\n", "If-None-Match: \"x\", *\r\n"):
            one.get(target, headers=headers)
    one.close()


@script
def head_of_everything(peer):
    one = Connection(peer)
    for target in TARGETS:
        one.get(target, "HEAD")
        one.get(target, "HEAD", headers="Accept-Encoding: gzip\r\n")
    one.close()


@script
def not_modified(peer):
    one = Connection(peer)
    for target in ("/", *FILES):
        for coding in ("", "Accept-Encoding: gzip\r\n"):
            head = one.get(target, "HEAD", headers=coding)
            etag = head.partition(b"ETag: ")[2].partition(b"\r\n")[0].decode()
            one.get(target, headers=coding + "If-None-Match: %s\r\n" % etag)
            one.get(target, headers=coding + "If-None-Match: W/%s, \"other\"\r\n" % etag)
    one.close()


@script
def connections_that_end(peer):
    for k, target in enumerate(TARGETS):
        one = Connection(peer, 44000 + k)
        one.get(target, headers="Connection: close\r\n")
        one.give(b"", FIN | ACK)
        one.pump()
    one = Connection(peer, 44100)
    one.get("/", version="HTTP/1.0", host="")
    one.give(b"", FIN | ACK)
    one = Connection(peer, 44101)
    one.get("/api/reading", version="HTTP/1.0", headers="Connection: keep-alive\r\n")
    one.get("/nothing", version="HTTP/1.0")
    one.give(b"", FIN | ACK)


@script
def pipelined_requests(peer):
    one = Connection(peer)
    for count, target in ((2, "/favicon.svg"), (9, "/nothing"), (5, "/api/reading"), (3, "/style.css")):
        one.give(b"".join(b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % target.encode() for _ in range(count)))
        one.pump()
    one.give(b"GET / HTTP/1.1\r\nHost: x\r\n\r\nHEAD /api/reading HTTP/1.1\r\nHost: x\r\n\r\nPOST / HTTP/1.1\r\nHost: x\r\n"
             b"Content-Length: 4\r\n\r\nabcdGET /style.css HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\nGET / HTTP/1.1\r\n\r\n")
    one.pump()
    one.give(b"", FIN | ACK)


@script
def more_requests_than_the_window_holds(peer):
    one = Connection(peer, window=1000)
    for _ in range(8):
        one.give(b"".join(b"GET /style.css HTTP/1.1\r\nHost: x\r\nX: %s\r\n\r\n" % (b"y" * 300) for _ in range(4))[:1400])
    one.window = 64000
    one.pump()


@script
def one_byte_at_a_time(peer):
    one = Connection(peer)
    for byte in (b"\r\nGET /api/reading HTTP/1.1\r\nHost: x\r\nAccept-Encoding: br, gzip\r\nX-Y:  z \r\n\r\n"
                 b"HEAD /style.css HTTP/1.1\r\nhost:x\r\n\r\n"):
        one.give(bytes([byte]))
    one.pump()
    one.close()


BAD_REQUESTS = [
    b"\r\n\r\n\r\nrubbish\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
    b"GET  / HTTP/1.1\r\nHost: x\r\n\r\n", b"GET / HTTP/1.1\nHost: x\n\n", b"GET / HTTP/1.1\r\nHost : x\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n", b"GET / HTTP/1.1\r\nHost: x\r\nX: \0\r\n\r\n",
    b"GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /%73tyle.css HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET http://x/style.css?query HTTP/1.1\r\nHost: x\r\n\r\n", b"GET * HTTP/1.1\r\nHost: x\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", b"CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello", b"DELETE /api/reading HTTP/1.1\r\nHost: x\r\n\r\n",
    b"BREW / HTTP/1.1\r\nHost: x\r\n\r\n", b"GET / HTTP/1.2\r\nHost: x\r\n\r\n", b"GET / HTTP/2.0\r\nHost: x\r\n\r\n",
    b"GET / HTTP/0.9\r\nHost: x\r\n\r\n", b"GET / http/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 70000\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n0\r\nT: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nfffffffff\r\n",
    b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nab",
    b"GET / HTTP/1.1\r\nHost: x\r\nExpect: magic\r\n\r\n", b"GET /" + b"a" * 9000,
    b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 17000, b"\x16\x03\x01\x02\0\1\0\1\xfc\3\3" * 20,
    b"GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", b"GET / HTTP/1.1\r\nHost: x:99999999\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost:\r\n\r\n", bytes(range(256)), b"\xff" * 300]


@script
def bad_requests(peer):
    for k, request in enumerate(BAD_REQUESTS):
        one = Connection(peer, 45000 + k)
        for at in range(0, len(request), 1400):
            one.give(request[at:at + 1400])
        one.pump()
        one.give(b"", FIN | ACK)
        one.pump()


# ---- TCP: the way of segments ---------------------------------------------------------------------------------------

@script
def out_of_order_and_twice(peer):
    one = Connection(peer)
    request = b"GET /style.css HTTP/1.1\r\nHost: x\r\n\r\n"
    for at in (10, 20, 30):
        one.say(PSH | ACK, request[at:at + 10], seq=one.seq + at)
    whole = len(request)
    for at, size in ((0, 10), (0, 10), (0, 20), (5, 15), (15, 10), (25, 40), (0, whole), (-5, 3), (-5, 5), (-100, 50)):
        data = request[max(at, 0):max(at, 0) + size]
        one.take(one.say(PSH | ACK, data, seq=one.seq + at & 0xFFFFFFFF))
    one.seq += len(request)
    one.pump()
    one.say(ACK, b"x", seq=one.seq + 2048)
    one.say(ACK, b"x", seq=one.seq + 2047)
    one.say(ACK, b"", seq=one.seq + 2047)
    one.say(ACK, b"late", seq=one.seq - 70000 & 0xFFFFFFFF)
    one.close()


@script
def sequence_numbers_that_wrap(peer):
    for k, start in enumerate((0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFF0, 0x7FFFFFFF, 0x7FFFFFF0, 0x80000000, 0)):
        one = Connection(peer, 46000 + k, start)
        one.get("/style.css")
        one.say(PSH | ACK, b"GET", seq=one.seq + 5 & 0xFFFFFFFF)
        one.say(PSH | ACK, b"GET", seq=one.seq - 5 & 0xFFFFFFFF)
        one.get("/nothing")
        one.close()


@script
def acks_of_all_kinds(peer):
    one = Connection(peer)
    one.give(b"GET /dashboard.js HTTP/1.1\r\nHost: x\r\n\r\n")
    for ahead in (1, 1460, 14600, 60000, 1 << 20, 1 << 31, -1, -1460, -64000, -64001, -70000, -1 << 30):
        one.take(one.say(ACK, ack=one.ack + ahead & 0xFFFFFFFF))
    one.say(0)
    one.say(PSH, b"no ACK")
    one.say(ACK | 0x20, urgent=5)
    one.pump()
    one.close()


@script
def duplicate_acks_and_holes(peer):
    for k, lost in enumerate((0, 1, 3)):
        one = Connection(peer, 46100 + k)
        burst = one.say(PSH | ACK, b"GET /dashboard.js HTTP/1.1\r\nHost: x\r\n\r\n")
        one.seq += 41
        one.take(burst[:lost])
        for _ in range(6):
            again = one.say(ACK)
        one.take(again)
        one.pump()
        one.get("/")
        one.close()


@script
def resets(peer):
    kinds = (0, 0), (1, 0), (2047, 0), (2048, 0), (-1, 0), (70000, 0), (0, ACK), (5, ACK), (0, SYN), (0, FIN)
    for k, (ahead, more) in enumerate(kinds):
        one = Connection(peer, 46200 + k)
        one.give(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        one.say(RST | more, seq=one.seq + ahead & 0xFFFFFFFF, ack=one.ack if more & ACK else 0)
        one.say(ACK)
        one.say(RST)
        one.say(ACK)
        one.say(RST)


@script
def syn_on_a_connection(peer):
    one = Connection(peer)
    for seq in (one.seq, one.seq - 1, one.seq + 100, one.seq + 5000, 0):
        one.say(SYN, seq=seq, ack=0, options=mss(536))
        one.say(SYN | ACK, seq=seq)
    one.get("/favicon.svg")
    one.close()


@script
def ways_to_end(peer):
    request = b"GET /favicon.svg HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    one = Connection(peer, 46301)                   # FIN with the request
    one.give(request, FIN | PSH | ACK)
    one.pump()
    one = Connection(peer, 46302)                   # both at the same time: CLOSING
    burst = one.say(PSH | ACK, request)
    one.seq += len(request)
    one.say(FIN | ACK)
    one.take(burst)
    one.seq += 1
    one.say(ACK)
    one.say(ACK)
    one.say(FIN | ACK, seq=one.seq - 1)
    one.say(SYN, seq=one.seq + 5, ack=0)            # reuse from TIME-WAIT
    one.say(SYN, seq=one.seq - 500, ack=0)
    one = Connection(peer, 46303)                   # data behind our end, and behind theirs
    one.get("/", headers="Connection: close\r\n")
    one.give(b"more, unasked")
    one.give(b"", FIN | ACK)
    one.give(b"after FIN")
    one = Connection(peer, 46304)                   # half closed: FIN first, answers follow
    one.give(b"GET /style.css HTTP/1.1\r\nHost: x\r\n\r\nGET /nothing HTTP/1.1\r\nHost: x\r\n\r\n", FIN | ACK)
    one.pump()
    one = Connection(peer, 46305)                   # FIN at once, twice, ahead of a gap
    one.say(FIN | ACK, seq=one.seq + 3)
    one.say(FIN | ACK)
    one.say(FIN | ACK)
    one.seq += 1
    one.say(ACK, ack=one.ack + 1)
    one = Connection(peer, 46306)                   # in the middle of a request
    one.give(b"GET / HT", FIN | ACK)
    one.pump()


@script
def segment_sizes(peer):
    for k, size in enumerate((100, 216, 217, 536, 700, 1000, 1024, 1219, 1220, 1300, 1359, 1360, 1400, 1440, 1459, 1460)):
        one = Connection(peer, 47000 + k, options=mss(size))
        one.get("/dashboard.js", headers="Accept-Encoding: gzip\r\n" if k & 1 else "")
        one.close()


@script
def small_windows(peer):
    for k, window in enumerate((1, 2, 53, 100, 535, 536, 1459, 1460, 1461, 2919, 5000)):
        one = Connection(peer, 47100 + k, window=window)
        one.get("/favicon.svg" if window < 50 else "/style.css")
        one.close()


@script
def windows_that_change(peer):
    one = Connection(peer, window=0)
    one.give(b"GET /dashboard.js HTTP/1.1\r\nHost: x\r\n\r\n")
    for window in (0, 100, 0, 5000, 1, 60000, 0, 65535, 3000, 0, 2000):
        one.window = window
        one.take(one.say(ACK))
        one.take(one.say(ACK))
    one.window = 65535
    one.pump()
    one.close()


@script
def many_connections_at_once(peer):
    many = [Connection(peer, 48000 + 17 * k, 1000 * k, window=3000) for k in range(peer.device.slots)]
    peer.send(tcp(SYN, 1, port=50000), tcp(ACK, 5, 6, port=50001))      # none is old enough to give way
    for step in range(3):
        for one in many:
            one.give(b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % [b"/style.css", b"/api/reading", b"/"][step])
    for one in many[::2]:
        one.pump()
    for one in many[::3]:
        one.give(b"", FIN | ACK)


@script
def the_last_slot_is_taken_meanwhile(peer):
    late = probe(peer, 49999)
    syn_ack, = late.mine(peer.send(tcp(SYN, 9, port=49999)))
    for k in range(peer.device.slots):
        Connection(peer, 50000 + k)
    peer.send(tcp(ACK, 10, syn_ack.seq + 1, port=49999))
