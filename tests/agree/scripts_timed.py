"""Where time passes: timers, limits, readings; what a target alone knows; and the second appliance."""
from tests.agree.frames import ACK, FIN, HOST, MAC, OURS, PSH, RST, SYN, Connection, arp, icmp, mss, probe, tcp, udp
from tests.agree.registry import second, text, timed


@timed
def udp_closed_ports_at_the_limit(peer):
    for _ in range(3):
        for _ in range(14):
            peer.send(udp(9, b"x"))
            peer.pass_ms(30)
        peer.pass_ms(400)


@timed
def metrics(peer):
    for k, size in enumerate((216, 536, 1000, 1460)):
        one = Connection(peer, 47300 + k, options=mss(size))
        one.get("/metrics", "HEAD")
        one.get("/metrics")
        one.get("/style.css")
        one.give(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 5)
        one.pump()
        one.get("/metrics", headers="Connection: close\r\n")
        one.give(b"", FIN | ACK)


@timed
def retransmission_until_it_gives_up(peer):
    one = Connection(peer)
    one.say(PSH | ACK, b"GET /dashboard.js HTTP/1.1\r\nHost: x\r\n\r\n")
    peer.pass_ms(400000)


@timed
def retransmission_that_helps(peer):
    for k in range(5):
        one = Connection(peer, 40000 + k, options=mss((216, 536, 1024, 1360, 1460)[k]))
        one.say(PSH | ACK, b"GET /dashboard.js HTTP/1.1\r\nHost: x\r\n\r\n")
        one.seq += 41
        one.take(one.mine(peer.pass_ms(1500 + 700 * k)))
        one.pump()
        for delay in (3, 40, 250, 10):
            one.give(b"GET /style.css HTTP/1.1\r\nHost: x\r\n\r\n")
            peer.pass_ms(delay)
            one.take(one.say(ACK))
            one.pump()
        one.close()


def told(peer, one, seq, mtu, code=4, length=1500, **wrong):
    """A router's answer to the segment of connection `one` with this number; returns what the device sends then."""
    sent = tcp(ACK, seq, 0, bytes(20), port=80, to_port=one.port, source=OURS, target=HOST)[14:42]
    quote = bytearray(sent[:2] + length.to_bytes(2, "big") + sent[4:])
    for at, value in wrong.items():
        quote[int(at[2:])] ^= value
    return one.mine(peer.send(icmp(3, code, bytes(quote), last=mtu, source=0x0A000201)))


@timed
def next_hops_with_a_small_mtu(peer):
    for k, mtu in enumerate((0, 67, 68, 295, 296, 577, 1000, 1280, 1499, 1500, 65535)):
        one = Connection(peer, 40100 + k, 0xFFFFF000)
        burst = one.say(PSH | ACK, b"GET /dashboard.js HTTP/1.1\r\nHost: x\r\n\r\n")
        one.seq += 41
        for segment in burst[:3]:
            one.take(told(peer, one, segment.seq, mtu))
        one.take(told(peer, one, one.ack, 0, length=1260))
        one.take(one.mine(peer.pass_ms(1100)))
        one.pump()
        one.get("/style.css")
        one.close()


@timed
def errors_that_change_nothing(peer):
    one = Connection(peer)
    first = one.say(PSH | ACK, b"GET /dashboard.js HTTP/1.1\r\nHost: x\r\n\r\n")[0]
    for code in (0, 1, 2, 3, 5, 13, 255):
        told(peer, one, first.seq, 1280, code)
    for seq in (-1, 14600, 1 << 30, 1 << 31):
        told(peer, one, first.seq + seq, 1280)
    for at in ("at0", "at9", "at12", "at15", "at16", "at19", "at20", "at21", "at22", "at23"):
        told(peer, one, first.seq, 1280, **{at: 1})
    for size in range(28):
        peer.send(icmp(3, 4, tcp(ACK, first.seq, source=OURS, target=HOST)[14:14 + size], last=1280))
    for kind in (4, 5, 11, 12):
        peer.send(icmp(kind, 0, bytes(28)))
    one.take(one.mine(peer.pass_ms(1100)))
    one.seq += 41
    one.pump()
    one.close()


@timed
def round_trips_that_grow(peer):
    """Slow start, its conservative form, back, and a loss; each segment is acknowledged by itself."""
    for k, trips in enumerate(((50, 80, 85, 90, 95, 95), (50, 80, 60, 60), (20, 23, 30, 28), (100, 111, 130, 100), (5, 5, 50))):
        one = Connection(peer, 40200 + k, options=mss((1460, 536, 216, 1024, 1460)[k]))
        ends = [one.ack]
        coming = one.give(b"GET /dashboard.js HTTP/1.1\r\nHost: x\r\n\r\n" * 4)
        for trip in trips:
            peer.pass_ms(trip)
            acks, coming = [t.seq + len(t.data) & 0xFFFFFFFF for t in coming], []
            for ack in acks:
                coming += one.take(one.say(ACK, ack=ack))
            ends = ends[-1:] + acks
        for _ in range(5):
            one.say(ACK, ack=ends[0])
        one.pump()
        one.close()


@timed
def zero_window_probes(peer):
    one = Connection(peer, window=0)
    one.give(b"GET /style.css HTTP/1.1\r\nHost: x\r\n\r\n")
    for _ in range(3):
        one.take(one.mine(peer.pass_ms(9000)))
        one.say(ACK)
    one.window = 4000
    one.pump()
    one.window = 0
    one.give(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    peer.pass_ms(400000)


@timed
def idle_connections_end(peer):
    first, second = Connection(peer, 40001), Connection(peer, 40002)
    first.get("/")
    peer.pass_ms(30000)
    second.give(b"GET /")
    first.take(first.mine(peer.pass_ms(40000)))
    first.give(b"", FIN | ACK)
    peer.pass_ms(120000)


@timed
def time_wait_and_fin_wait_2(peer):
    for k in range(4):
        one = Connection(peer, 40001 + k)
        one.get("/", headers="Connection: close\r\n")
        if k & 1:
            one.give(b"", FIN | ACK)
    peer.pass_ms(5000)
    Connection(peer, 40002, 4000)
    Connection(peer, 40002, 1 << 30)
    peer.pass_ms(40000)


@timed
def old_connections_give_way(peer):
    many = [Connection(peer, 48000 + 3 * k, 1000 * k) for k in range(64)]
    peer.pass_ms(500)
    many[5].get("/")
    many[6].get("/", headers="Connection: close\r\n")
    Connection(peer, 50000).get("/")
    peer.pass_ms(700)
    for k in range(6):
        Connection(peer, 50001 + k).get("/favicon.svg")
    many[5].get("/favicon.svg")
    peer.pass_ms(2000)
    for k in range(70):
        Connection(peer, 51001 + k).get("/nothing")


@timed
def acks_of_acks_end(peer):
    """Segments without text outside of the window: the answers of one second are limited. Those with text are all answered."""
    one = Connection(peer, 40000)
    for _ in range(2):
        peer.turn(*(one.frame(ACK, seq=one.seq + 100_000) for _ in range(60)))
        one.say(PSH | ACK, b"x", seq=one.seq - 1)
        one.say(ACK, seq=one.seq - 1)
        peer.pass_ms(1100)
    one.close()


@timed
def a_window_shrinks_to_zero(peer):
    """With ten segments in flight; it is probed, and opens again."""
    one = Connection(peer, 40000)
    one.say(PSH | ACK, b"GET /dashboard.js HTTP/1.1\r\nHost: x\r\n\r\n")
    one.seq += 41
    one.window = 0
    for _ in range(12):
        one.say(ACK)
        peer.pass_ms(60000)
    one.window = 64000
    one.pump()
    one.close()


@timed
def cookies_grow_old(peer):
    for delay in (21000, 63000, 63990, 64010, 64100):
        port = 1000 + delay
        syn_ack, = probe(peer, port).mine(peer.send(tcp(SYN, 9, port=port, options=mss(1460))))
        peer.pass_ms(delay)
        peer.send(tcp(ACK, 10, syn_ack.seq + 1, port=port), tcp(ACK, 10, syn_ack.seq + 1 + 0x4000, port=port))
    peer.pass_ms(70000)


@timed
def limits_of_resets_and_challenges(peer):
    one = Connection(peer)
    for k in range(130):
        one.say(SYN, seq=7, ack=0)
        peer.send(tcp(ACK, 5, 6, port=3), udp(9, b""))
        if k % 40 == 39:
            peer.pass_ms(997)
    one.say(RST)


@timed
def readings_wait_and_go(peer):
    peer.pass_ms(75000)                     # the ring overflows: nobody answers ARP
    peer.send(udp(5005, b"?"))
    peer.send(arp(2, to=MAC, tha=MAC))
    peer.pass_ms(20000)
    peer.send(arp(1, sha=b"\x02\0\0\0\0\x77", tpa=HOST + 9))
    peer.pass_ms(200000)                    # refreshed in vain, forgotten
    peer.send(arp(2, to=MAC, tha=MAC))
    peer.pass_ms(2500)


@timed
def conflict_is_defended(peer):
    for wait in (100, 3000, 8000, 12000, 500):
        peer.send(arp(2, spa=OURS, sha=b"\x02\xaa\xbb\xcc\xdd\xee"))
        peer.pass_ms(wait)


@timed
def clock_that_wraps(peer):
    for jump in [0x1FFFFFFF] * 9:
        peer.now += jump
        peer.turn()
        one = Connection(peer, 40000 + (peer.now & 0xFFF), peer.now & 0xFFFFFFFF)
        one.get("/api/reading")
        peer.send(udp(5005, b"?"))
        peer.pass_ms(1200)
        one.close()
        peer.send(arp(2, to=MAC, tha=MAC))
        peer.pass_ms(3000)


@timed
def many_frames_in_one_turn(peer):
    """More than a turn's 64 frames, and more answers than the card has transmit buffers for."""
    peer.turn(*(udp(7, text(k)) for k in range(100)), *(arp() for _ in range(20)))
    many = [Connection(peer, 48000 + 7 * k, 1000 * k) for k in range(60)]
    for target in (b"/style.css", b"/api/reading", b"/dashboard.js"):
        request = b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % target
        sent = peer.turn(*(one.frame(PSH | ACK, request) for one in many))
        for one in many:
            one.seq += len(request)
        for _ in range(30):
            for one in many:
                one.take(one.mine(sent))
            sent = peer.turn(*(one.frame(ACK) for one in many))
        peer.pass_ms(50)
    peer.turn(*(one.frame(FIN | ACK) for one in many))


# ---- the second appliance ------------------------------------------------------------------------------------------

@second
def services_that_are_not_there(peer):
    for size in (0, 1, 30):
        peer.send(udp(7, text(size)), udp(5005, text(size)), arp(), icmp(data=text(size)))


@second
def readings_of_an_everyday_source(peer):
    peer.pass_ms(6000)
    peer.send(arp(2, to=MAC, tha=MAC), udp(9, b""))
    peer.pass_ms(2000)
    peer.send(arp(2, spa=HOST + 1, sha=b"\x02\7\7\7\7\7"), arp(1, tpa=HOST + 5))
    peer.pass_ms(1000)


@second
def routes_that_fail(peer):
    one = Connection(peer)
    for target in ("/numbers", "/fails", "/long", "/wasteful", "/metrics", "/"):
        for method in ("GET", "HEAD", "POST"):
            one.get(target, method)
    one.get("/fails", headers="Connection: close\r\n")
    one.give(b"", FIN | ACK)


@second
def more_answers_than_pages(peer):
    many = [Connection(peer, 40000 + k, window=0) for k in range(20)]
    for one in many:
        one.give(b"GET /numbers HTTP/1.1\r\nHost: x\r\n\r\n" * 5)
    peer.pass_ms(1200)
    for one in many:
        one.window = 64000
        one.pump()
        one.close()
