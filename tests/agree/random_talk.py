"""Random conversations: valid frames of every kind, most of them damaged on the way; reproducible from a seed."""
import random

from tests.agree.frames import (ACK, FIN, MAC, PSH, RST, SYN, TCP, Connection, arp, icmp, mss, repaired, tcp, udp)
from tests.agree.registry import FILES, TARGETS
from tests.agree.scripts_tcp import BAD_REQUESTS

INTERESTING = (0, 1, 0x7F, 0x80, 0xFF, 0x100, 0x7FFF, 0x8000, 0xFFFE, 0xFFFF)
LEAST_SLOTS = 8         # of all boards


def damaged(choice, frame, timeless):
    """The frame after something happened to it: bits flipped, a field changed, cut or grown; checksums repaired or not."""
    new = bytearray(frame)
    what = choice.randrange(10)
    if what < 4:
        for _ in range(choice.choice((1, 1, 2, 5))):
            at = choice.randrange(min(len(new), choice.choice((60, 1514))))
            new[at] ^= 1 << choice.randrange(8)
    elif what < 7:
        at = 2 * choice.randrange(min(len(new), 60) // 2)
        new[at:at + 2] = (choice.choice(INTERESTING) if choice.random() < 0.7 else choice.randrange(65536)).to_bytes(2, "big")
    elif what == 7:
        del new[choice.randrange(14, len(new) + 1):]
    elif what == 8:
        new += bytes(choice.randrange(256) for _ in range(choice.randrange(1, 40)))
    else:
        at = choice.randrange(14, 54)
        new[at:at] = new[at:at + choice.choice((1, 2, 4))]
    new = bytes(new[:1514])
    if timeless and frame[12:14] == b"\x08\x00" and frame[23] == TCP:
        new = keep_timeless(frame, new)
    return repaired(new) if choice.random() < 0.6 else new


def keep_timeless(frame, new):
    """Undo damage that would make the answer depend on the clock.

    Sequence numbers: whether an ACK opens a connection (cookie.py). PSH: without it the ACK of data is delayed (tcp_text.py).
    """
    new = new[:38] + frame[38:46][:max(0, len(new) - 38)] + new[46:]
    return new[:47] + bytes([new[47] | frame[47] & PSH]) + new[48:] if len(new) > 47 else new


class Talk:
    def __init__(self, peer, seed, timeless):
        self.peer, self.choice, self.timeless = peer, random.Random(seed), timeless
        self.targets = FILES if timeless else [*TARGETS, "/metrics"]      # files look the same at any time
        self.port = 20000 + 100 * seed % 45000
        self.open = []
        self.most = LEAST_SLOTS if timeless else 1000       # with more it would be time that decides which one gives way

    def send(self, frame):
        """Mostly as it is; else damaged, sometimes both, sometimes twice."""
        fate = self.choice.random()
        frames = [frame] if fate < 0.35 else [damaged(self.choice, frame, self.timeless)]
        if fate > 0.8:
            frames.append(frame)
        if fate > 0.95:
            frames.append(frame)
        return self.peer.send(*frames)

    def step(self):
        choice = self.choice
        kind = choice.randrange(12)
        if kind == 0:
            self.send(arp(choice.choice((1, 1, 2)), to=MAC))
        elif kind == 1:
            self.send(icmp(data=choice.randbytes(choice.randrange(choice.choice((20, 1473))))))
        elif kind == 2:
            self.send(udp(choice.choice((7, 7, 5005, 9)), choice.randbytes(choice.randrange(choice.choice((20, 1473))))))
        elif kind == 3 and len(self.open) < self.most or not self.open:
            self.port += 1
            options = choice.choice((b"", mss(1460), mss(choice.randrange(1600)), b"\1\1" + mss(600) + b"\1\1"))
            if not self.timeless:
                self.send(tcp(SYN, choice.getrandbits(32), port=self.port, options=options))
            self.open.append(Connection(self.peer, self.port, choice.getrandbits(32), options,
                                        choice.choice((0, 1, 700, 5000, 64000, 65535))))
        else:
            self.segment(choice.choice(self.open))

    def segment(self, one):
        choice = self.choice
        data, flags, kind = b"", ACK, choice.randrange(10)
        if kind < 4:
            data, flags = b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % choice.choice(self.targets).encode(), PSH | ACK
            data = data[:choice.choice((7, 1460, 1460))]
        elif kind == 4:
            data, flags = choice.choice(BAD_REQUESTS)[:1400], PSH | ACK if self.timeless else ACK
        elif kind == 5:
            one.window = choice.choice((0, 1, 500, 3000, 64000, 65535))
        elif kind == 6 and choice.random() < 0.3:
            flags = choice.choice((FIN | ACK, RST, SYN, FIN | PSH | ACK, 0, 0x3F))
        sent = one.mine(self.send(one.frame(flags, data)))
        if sent and any(segment.ack == one.seq + len(data) + (flags & FIN) & 0xFFFFFFFF for segment in sent):
            one.seq = one.seq + len(data) + (flags & FIN) & 0xFFFFFFFF
        if choice.random() < 0.8:
            one.take(sent)


def talk(peer, seed, steps=120, timeless=False):
    """`timeless`: no time passes, and nothing is done whose answer depends on a clock."""
    it = Talk(peer, seed, timeless)
    for _ in range(steps):
        it.step()
        if not timeless and it.choice.random() < 0.4:
            peer.pass_ms(it.choice.choice((1, 20, 20, 300, 2500)))
    if not timeless:
        peer.pass_ms(100)
