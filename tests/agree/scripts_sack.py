"""Selective acknowledgements: what is permitted, told, sent again, and when (RFC 2018, RFC 6675, RFC 8985)."""
import random

from tests.agree.frames import ACK, FIN, PSH, SACK_PERMITTED, SYN, Connection, mss, sack, tcp
from tests.agree.registry import script, timed

REQUEST = b"GET /dashboard.js HTTP/1.1\r\nHost: x\r\n\r\n"
PERMITS = mss(1460) + SACK_PERMITTED


@script
def syn_that_permits_blocks(peer):
    for k, options in enumerate((SACK_PERMITTED, PERMITS, SACK_PERMITTED + mss(1000), b"\4\3\1\1", b"\1\1\4\2", b"\0\0\4\2", b"\1\1\1\4",
                                 mss(536) + b"\4\2\x08\x0a\0\1\2\3\0\0\0\0\1\3\3\7", SACK_PERMITTED * 10)):
        peer.send(tcp(SYN, 1000 * k, port=51000 + k, options=options))


class Selective:
    """A connection that asked for a page; `told` says what arrived of it, in bytes from its start, and what came after that."""

    def __init__(self, peer, port, seq=5000, size=536):
        self.one = one = Connection(peer, port, seq, mss(size) + SACK_PERMITTED)
        self.first, self.size = one.ack, size
        self.came = one.say(PSH | ACK, REQUEST)
        one.seq = one.seq + len(REQUEST) & 0xFFFFFFFF

    def told(self, upto, *blocks, flags=ACK, data=b"", options=None):
        blocks = [(self.first + left * self.size, self.first + right * self.size) for left, right in blocks]
        options = options or (sack(*blocks) if blocks else b"")
        return self.one.say(flags, data, ack=self.first + upto * self.size & 0xFFFFFFFF, options=options)

    def end(self):
        self.one.ack = self.first
        for segment in self.came:
            self.one.take([segment])
        self.one.pump()
        self.one.close()


@script
def blocks_that_are_refused(peer):
    """Bad ones, options of wrong lengths: nothing comes of them, at whatever time."""
    peer_of = Selective(peer, 51050)
    for block in ((0, 1), (-3, -1), (5, 4), (1, 1), (100, 101), (1, 400), (-1, 3)):
        peer_of.told(0, block)
    edges = sack((peer_of.first + 536, peer_of.first + 1072))[2:]
    for options in (b"\5\x09" + edges[2:] + b"\0\0", b"\5\2\1\1", b"\5\0\1\1", b"\1\1\1\5", b"\5\x22" + edges[2:] + b"\0\0"):
        peer_of.told(0, options=options)
    peer_of.end()


@timed
def blocks_of_all_kinds(peer):
    """Right ones, bad ones, options of wrong lengths; across the wrap of our numbers as far as the cookie lets choose."""
    for k, seq in enumerate((5000, 0x7FFFFFF0, 0xFFFFF000)):
        peer_of = Selective(peer, 51100 + k, seq)
        for blocks in (((2, 3),), ((2, 3), (4, 5)), ((4, 5), (2, 3), (6, 7)), ((2, 5),), ((0, 1),), ((-3, -1),), ((5, 4),), ((8, 400),),
                       ((1, 1),), ((2, 9), (100, 101))):
            peer_of.told(0, *blocks)
        edges = sack((peer_of.first + 536, peer_of.first + 1072))[2:]
        for options in (edges + b"\1\1", b"\1" + edges + b"\1", b"\5\x09" + edges[2:] + b"\0\0", b"\5\2\1\1", b"\5\0\1\1", b"\1\1\1\5",
                        b"\5\x22" + edges[2:] + b"\0\0", b"\xfe\2" + edges + b"\1\1" + b"\5\1\0\0"):
            peer_of.told(0, options=options)
        peer_of.told(1, (2, 9), data=REQUEST[:9], flags=PSH | ACK)
        peer_of.end()


@script
def recovery_begins(peer):
    """As far as no time takes part: what is lost afterwards depends on the round trip."""
    for k, blocks in enumerate((((5, 6), (3, 4), (1, 2)), ((1, 5),), ((2, 10),), ((4, 6), (8, 10), (1, 2)))):
        peer_of = Selective(peer, 51200 + k)
        peer_of.told(0, *blocks)
        peer_of.told(10)
        peer_of.end()


@timed
def recovery_by_blocks(peer):
    peer_of = Selective(peer, 51250)
    for upto, blocks in ((0, ((5, 6), (3, 4), (1, 2))), (0, ((5, 7), (3, 4), (1, 2))), (0, ((5, 9), (3, 4), (1, 2))), (2, ((3, 4), (5, 9))),
                         (4, ((5, 10),)), (10, ())):
        peer_of.told(upto, *blocks)
    peer_of.end()


@timed
def recovery_in_time(peer):
    """Lost retransmissions, probes of the tail, time-outs, what is taken back."""
    rng = random.Random(8)
    for k in range(8):
        peer_of = Selective(peer, 51300 + k, size=(536, 1460, 216, 1000)[k % 4])
        peer.pass_ms(20)
        upto, high = 0, 10
        for _ in range(25):
            edges = sorted({rng.randrange(upto + 1, high + 1) for _ in range(2 * rng.randrange(0, 5))})
            peer_of.told(upto, *list(zip(edges[::2], edges[1::2]))[:4])
            peer.pass_ms(rng.choice((1, 7, 20, 30, 45, 90, 250, 700 if k & 1 else 20)))
            if rng.random() < 0.5:
                upto, high = min(upto + rng.randrange(1, 4), 25), min(high + 3, 28)
        peer_of.end()
    peer_of = Selective(peer, 51400)
    peer.pass_ms(20)
    peer_of.told(0, (1, 3), (5, 6))
    peer_of.told(1)                             # it has thrown away what it told
    peer.pass_ms(1000)
    peer_of.told(6)
    peer_of.one.window = 2 * 536
    peer_of.told(8)
    peer.pass_ms(1000)
    peer_of.one.window = 64000
    peer_of.end()
    peer_of.one.say(FIN | ACK)
