"""TCP's receive side: data beyond gaps, delayed acknowledgements, TIME-WAIT, the change of the cookies' key."""
import random

from tests.agree.frames import ACK, FIN, PSH, RST, SYN, Connection, mss, probe, tcp
from tests.agree.registry import script, timed

REQUEST = b"GET /style.css HTTP/1.1\r\nHost: x\r\n\r\n"


def pieces(one, data, cuts, order, flags=PSH | ACK, fin=False):
    """Send data cut at `cuts`, the pieces in this order (a piece may come twice or never); FIN is on the last one."""
    edges = [0, *cuts, len(data)]
    for k in order:
        last = FIN if fin and edges[k + 1] == len(data) else 0
        one.take(one.say(flags | last, data[edges[k]:edges[k + 1]], seq=one.seq + edges[k] & 0xFFFFFFFF))
    one.seq = one.seq + len(data) + fin & 0xFFFFFFFF


@script
def gaps_that_fill(peer):
    for k, order in enumerate(((1, 0), (2, 1, 0), (1, 2, 0), (2, 0, 1), (3, 1, 0, 2, 3), (3, 2, 1, 0), (1, 3, 0, 2, 3), (1, 1, 0),
                               (3, 0, 1, 2))):
        one = Connection(peer, 49000 + k, 0xFFFFFFF0 + k)
        cuts = (5, 20, 30)[:max(order)]
        pieces(one, REQUEST, cuts, order)
        pieces(one, REQUEST * 3, (7, 36, 80)[:max(order)], order, fin=True)
        one.pump()


@script
def gaps_with_other_bytes(peer):
    """What came twice and differs, FIN in front of kept data, a FIN that lied."""
    one = Connection(peer, 49100)
    one.say(PSH | ACK, b"rubbish", seq=one.seq + 4)
    one.give(REQUEST)
    one.say(PSH | ACK, b"rubbish", seq=one.seq + 4)
    one.say(PSH | ACK, REQUEST[4:], seq=one.seq + 4)
    pieces(one, REQUEST, (4,), (0, 1))
    one.pump()
    one = Connection(peer, 49101)
    one.say(FIN | ACK, b"more", seq=one.seq + 50)
    one.say(FIN | ACK, b"still more", seq=one.seq + 52)
    one.give(b"", FIN | ACK)
    one.pump()
    one = Connection(peer, 49102)
    one.say(FIN | ACK, seq=one.seq + 10)
    one.say(ACK, REQUEST[8:], seq=one.seq + 8)
    one.give(REQUEST[:8])
    one.seq += len(REQUEST) - 8
    one.get("/nothing")
    one.close()


@script
def gaps_behind_requests_that_wait(peer):
    """The store holds requests whose answers wait for a window, and data beyond a gap."""
    one = Connection(peer, 49200, window=1)
    one.give(REQUEST * 5)
    pieces(one, REQUEST * 10, (36, 100, 200), (3, 2, 1, 1))
    one.seq -= 360
    one.say(ACK, bytes(1460), seq=one.seq + 1000)
    one.window = 64000
    one.take(one.say(ACK, seq=one.seq + 200))       # SND.WL1: what is older tells of no window
    one.pump()
    pieces(one, REQUEST * 10, (36, 100, 200), (2, 0, 3, 1))
    one.pump()
    one.close()


@script
def gaps_at_random(peer):
    choice = random.Random(11)
    for k in range(12):
        one = Connection(peer, 49300 + k, choice.getrandbits(32), window=choice.choice((200, 5000, 64000)))
        data = b"".join(choice.choice((REQUEST, b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n")) for _ in range(8))
        start, at = one.seq, 0
        while at < len(data):
            for _ in range(choice.randrange(4)):
                first = max(0, at + choice.randrange(-50, 400))
                one.take(one.say(choice.choice((ACK, PSH | ACK)), data[first:first + choice.randrange(1, 300)],
                                 seq=start + first & 0xFFFFFFFF))
            size = choice.randrange(1, 120)
            sent = one.take(one.say(choice.choice((ACK, PSH | ACK)), data[at:at + size], seq=start + at & 0xFFFFFFFF))
            one.seq = start + at + size & 0xFFFFFFFF
            at = max([at + size] + [segment.ack - start & 0xFFFFFFFF for segment in sent])
        one.seq = start + len(data) & 0xFFFFFFFF
        one.pump()
        one.close()


@script
def time_wait_is_left_by_no_reset(peer):
    for k, (flags, ahead) in enumerate(((RST, 0), (RST | ACK, 0), (RST, 5), (RST, 5000), (ACK, 0), (FIN | ACK, -1), (SYN, -7))):
        one = Connection(peer, 49400 + k)
        one.get("/nothing", headers="Connection: close\r\n")
        one.give(b"", FIN | ACK)
        one.say(flags, seq=one.seq + ahead)
        one.say(ACK)
        one.say(FIN | ACK, seq=one.seq - 1)
        one.say(SYN, seq=one.seq + 5, ack=0)            # its iss would not be beyond what was sent


@script
def urgent_data_and_odd_flags(peer):
    one = Connection(peer, 49500)
    for k, flags in enumerate((0x20, 0x40, 0x80, 0xC0, 0xE0)):
        one.take(one.say(PSH | ACK | flags, REQUEST, urgent=k))
        one.seq += len(REQUEST)
        one.pump()
    one.close()
    peer.send(tcp(SYN | 0xC0, 5, port=49501, options=mss(1460)))


@timed
def acks_that_wait(peer):
    one = Connection(peer)
    one.give(REQUEST[:10], ACK)
    one.give(REQUEST[10:])
    one.pump()
    one.give(REQUEST[:10], ACK)
    peer.pass_ms(100)
    one.give(REQUEST[10:12], ACK)
    one.give(REQUEST[12:15], ACK)
    one.give(REQUEST[15:20], ACK)
    peer.pass_ms(20)
    one.give(REQUEST[20:])
    peer.pass_ms(200)
    one.pump()
    one.give(REQUEST[:9], ACK)
    one.say(ACK, REQUEST[20:], seq=one.seq + 11)
    one.give(REQUEST[9:20], ACK)
    one.seq += len(REQUEST) - 20
    one.pump()
    one.give(REQUEST[:9], ACK)
    one.give(b"", FIN | ACK)
    peer.pass_ms(50)
    one.pump()


@timed
def time_wait_is_taken_over(peer):
    for k, (wait, ahead) in enumerate(((10, 100000), (0, 1), (3000, 1), (3000, 0), (3000, -1), (100, 1 << 31))):
        one = Connection(peer, 49600 + k)
        one.get("/nothing", headers="Connection: close\r\n")
        one.give(b"", FIN | ACK)
        peer.pass_ms(wait)
        one.say(SYN, seq=one.seq + ahead & 0xFFFFFFFF, ack=0)
    peer.pass_ms(40000)


@timed
def the_key_changes(peer):
    """Connections that are opened, or half open, while the key of the cookies is drawn anew: an hour after boot, and later."""
    before = [probe(peer, 49700 + k) for k in range(4)]
    for hour in range(2):
        peer.now += 3_600_000 - 17_000 if hour == 0 else 3_570_000
        for _ in range(40):
            peer.pass_ms(1000)
            one = Connection(peer, 20000 + (peer.now // 1000 & 0x3FFF), peer.now & 0xFFFFFFFF)
            one.get("/nothing")
            one.close()
            half = before.pop(0)
            before.append(probe(peer, half.port))
            if hasattr(half, "ack"):
                half.say(ACK)
                half.say(RST)
            half = before[0]
            for segment in half.mine(peer.send(tcp(SYN, peer.now & 0xFFFFFF, port=half.port, options=mss(1460)))):
                half.seq, half.ack = (peer.now & 0xFFFFFF) + 1, segment.seq + 1 & 0xFFFFFFFF
