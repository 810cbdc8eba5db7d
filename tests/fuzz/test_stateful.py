"""Stateful fuzzing (hypothesis): peers that say anything in any order; device.py's invariants after each event."""
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from tests.agree.frames import (ACK, FIN, MAC, PSH, RST, SACK_PERMITTED, SYN, Segment, arp, icmp, mss, repaired, sack, tcp,
                                udp)
from tests.agree.registry import TARGETS
from tests.agree.scripts_tcp import BAD_REQUESTS
from tests.fuzz.device import Watched, signed

PORTS = st.integers(40001, 40007)           # more than there are slots
WHO = st.integers(0, 6)                     # one of the connections
WINDOWS = st.sampled_from((0, 1, 100, 1460, 3000, 20000, 65535))
MSS = st.sampled_from((b"", mss(1), mss(536), mss(1000), mss(1460), mss(65535), b"\1\1\1", b"\2\0",
                       mss(1460) + SACK_PERMITTED, mss(536) + SACK_PERMITTED))
NEAR = st.sampled_from((0, 1, -1, 2, -2, 100, -100, 1024, -1024, 1460, 65535, -65536, 1 << 30, -1 << 30, 1 << 31))
SPANS = st.sampled_from((1, 10, 64, 199, 200, 201, 999, 1000, 1001, 4999, 5001, 30000, 61000))
REQUESTS = [f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode() for target in (*TARGETS, "/metrics", "/api/reading")]
REQUESTS += [b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3000\r\n\r\n" + b"x" * 3000,
             b"GET / HTTP/1.0\r\n\r\n", b"GET /api/reading HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", b"".join(REQUESTS[:6])]
REQUESTS += [request[:3000] for request in BAD_REQUESTS]


class Peer:
    """What a client knows of its connection."""

    def __init__(self, port):
        self.port, self.seq, self.ack, self.window, self.pending, self.acks = port, 0, 0, 65535, b"", []
        self.connected = False


class Talk(RuleBasedStateMachine):
    """Events are rules. `word` is the mode of the firmware."""
    word = None

    @initialize()
    def begin(self):
        self.device = Watched(self.word)
        self.peers = {port: Peer(port) for port in range(40001, 40008)}
        self.history = [arp()]
        for port, peer in self.peers.items():
            if port & 1:
                self.connect(peer, mss(1460), 1 << port % 32)

    def give(self, frame):
        self.history.append(bytes(frame))
        self.heard(self.device.frame(frame))

    def heard(self, frames):
        for raw in frames:
            if raw[12:14] == b"\x08\x00" and raw[23] == 6:
                segment = Segment(raw)
                peer = self.peers.get(segment.port)
                if peer and segment.flags & SYN:
                    peer.ack, peer.acks = segment.seq + 1 & 0xFFFFFFFF, []
                elif peer and segment.flags & RST:
                    peer.connected = False
                elif peer:
                    peer.acks.append(segment.seq + len(segment.data) + (segment.flags & FIN) & 0xFFFFFFFF)

    def one(self, who):
        """A peer that believes that it is connected; it connects if there is none."""
        live = [peer for peer in self.peers.values() if peer.connected]
        if not live:
            live = [self.peers[40001 + who]]
            self.connect(live[0], mss(1460), 1000)
        return live[who % len(live)]

    def connect(self, peer, options, seq):
        peer.pending, peer.seq = b"", seq
        self.say(peer, SYN, ack=0, options=options)
        peer.seq, peer.connected = seq + 1, True
        self.say(peer, ACK)

    def say(self, peer, flags, data=b"", seq=None, ack=None, **fields):
        self.give(tcp(flags, peer.seq if seq is None else seq, peer.ack if ack is None else ack, data, port=peer.port,
                      window=peer.window, **fields))

    # ---- connections -----------------------------------------------------------------------------------------------
    @rule(port=PORTS, options=MSS, window=WINDOWS, seq=st.sampled_from((0, 1000, 0x7FFFFF00, 0xFFFFFF00)), finish=st.integers(0, 4))
    def opens(self, port, options, window, seq, finish):
        peer = self.peers[port]
        peer.window = window
        if finish:
            self.connect(peer, options, seq)
        else:
            self.say(peer, SYN, seq=seq, ack=0, options=options)

    @rule(who=WHO, which=st.sampled_from(REQUESTS), size=st.sampled_from((1460, 1460, 1000, 300, 7, 1)), late=st.integers(0, 5))
    def requests(self, who, which, size, late):
        """A piece of a request; `late` 0: the one behind it comes first."""
        peer = self.one(who)
        peer.pending = peer.pending or which
        piece, rest = peer.pending[:size], peer.pending[size:]
        if not late:
            self.say(peer, PSH | ACK, rest[:size], seq=peer.seq + len(piece))
        self.say(peer, PSH | ACK, piece)
        peer.seq, peer.pending = peer.seq + len(piece) & 0xFFFFFFFF, rest

    @rule(who=WHO, which=st.sampled_from(REQUESTS), lost=st.integers(0, 255), rounds=st.integers(0, 12), window=WINDOWS)
    def fetches(self, who, which, lost, rounds, window):
        """A whole request; then what comes is acknowledged, but for the segments that are lost as the bits say."""
        peer = self.one(who)
        data, peer.pending, peer.window = peer.pending + which, b"", max(window, 1)
        for at in range(0, len(data), 1000):
            self.say(peer, PSH | ACK, data[at:at + 1000])
            peer.seq = peer.seq + len(data[at:at + 1000]) & 0xFFFFFFFF
        for _ in range(rounds):
            lost = lost >> 1 | (lost & 1) << 7
            if lost & 1 and peer.acks:
                peer.acks.sort(key=lambda ack: signed(ack - peer.ack))
                peer.acks.pop(0)
            else:
                self.advance(peer)
            self.say(peer, ACK)

    @staticmethod
    def advance(peer):
        """Acknowledge all that is in sequence, as far as `acks` (the ends of segments) tell."""
        for ack in sorted(peer.acks, key=lambda ack: signed(ack - peer.ack)):
            if signed(ack - peer.ack) > 1460:
                break
            peer.ack = max(peer.ack, ack, key=lambda x: signed(x - peer.ack))
        peer.acks = [ack for ack in peer.acks if signed(ack - peer.ack) > 0]

    @rule(who=WHO, how=st.integers(0, 9), window=WINDOWS, off=NEAR)
    def acknowledges(self, who, how, window, off):
        """All, one segment, a part, nothing, four times the same, or the impossible."""
        peer = self.one(who)
        peer.window = window
        ahead = sorted((ack for ack in peer.acks if signed(ack - peer.ack) > 0), key=lambda ack: signed(ack - peer.ack))
        if how < 4 and ahead:
            peer.ack, peer.acks = ahead[-1], []
        elif how < 6 and ahead:
            peer.ack = ahead[0]
        elif how == 6 and ahead:
            peer.ack = peer.ack + signed(ahead[0] - peer.ack) // 2 & 0xFFFFFFFF
        for _ in range(4 if how == 8 else 1):
            self.say(peer, ACK, ack=peer.ack + off & 0xFFFFFFFF if how == 9 else None)

    @rule(who=WHO, lost=st.integers(0, 1023), times=st.integers(1, 3), off=NEAR, back=st.booleans(), data=st.sampled_from((b"", b"GET")))
    def selects(self, who, lost, times, off, back, data):
        """Blocks for what came beyond a gap, but for what the bits say; the last one off the mark. `back`: it has them no more."""
        peer = self.one(who)
        ahead = sorted({ack for ack in peer.acks if signed(ack - peer.ack) > 0}, key=lambda ack: signed(ack - peer.ack))
        blocks = [(left, right) for k, (left, right) in enumerate(zip(ahead, ahead[1:])) if not lost >> k % 10 & 1][-4:]
        if blocks and off in (1, -1, 100, -100):
            blocks[-1] = blocks[-1][0] + off, blocks[-1][1]
        blocks = blocks or [(peer.ack + off, peer.ack + off + 1460)]
        for _ in range(times):
            self.say(peer, ACK, data, options=sack(*blocks))
        if back:
            self.say(peer, ACK, ack=blocks[0][0])

    @rule(who=WHO, data=st.sampled_from((b"", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")))
    def ends(self, who, data):
        peer = self.one(who)
        self.say(peer, FIN | ACK, data)
        peer.seq = peer.seq + len(data) + 1 & 0xFFFFFFFF

    @rule(who=WHO, off=NEAR, flags=st.sampled_from((RST, RST | ACK)))
    def resets(self, who, off, flags):
        peer = self.one(who)
        self.say(peer, flags, seq=peer.seq + off)

    @rule(who=WHO, flags=st.integers(0, 255), off=NEAR, back=NEAR, size=st.sampled_from((0, 1, 30, 1200)), offset=st.integers(0, 15))
    def says_anything(self, who, flags, off, back, size, offset):
        peer = self.one(who)
        self.say(peer, flags, bytes(size), seq=peer.seq + off, ack=peer.ack + back, offset=max(offset, 5) if size else 5, urgent=off & 7)

    # ---- everything else -------------------------------------------------------------------------------------------
    @rule(span=SPANS)
    def time_passes(self, span):
        self.heard(self.device.pass_ms(min(span, 100) if self.device.stalled else span))     # it looks every ms then

    @rule(yes=st.booleans())
    def card_stalls(self, yes):
        self.device.stall(yes)

    @rule(back=st.integers(1, 30))
    def an_old_frame_comes_again(self, back):
        self.give(self.history[-min(back, len(self.history))])

    @rule(back=st.integers(1, 30), changes=st.lists(st.tuples(st.integers(0, 90), st.integers(0, 255)), min_size=1, max_size=4),
          cut=st.one_of(st.none(), st.integers(14, 120)), right=st.booleans())
    def a_changed_frame_comes(self, back, changes, cut, right):
        frame = bytearray(self.history[-min(back, len(self.history))])
        for at, value in changes:
            frame[at % len(frame)] = value
        frame = bytes(frame[:cut])
        self.give(repaired(frame) if right else frame)

    @rule(kind=st.integers(0, 5), size=st.integers(0, 200), port=st.sampled_from((7, 9, 80, 5005)), wrong=st.booleans())
    def neighbours_talk(self, kind, size, port, wrong):
        data = bytes(k & 255 for k in range(size))
        self.give((arp(), arp(2, to=MAC), icmp(data=data, wrong=wrong), icmp(3, data=data), udp(port, data, wrong=wrong),
                   arp(spa=0x0A00020F, sha=b"\x02\xaa\0\0\0\1"))[kind])

    @rule(data=st.binary(min_size=14, max_size=80), to_us=st.booleans())
    def garbage_comes(self, data, to_us):
        self.give(MAC + data[6:] if to_us else data)

    def teardown(self):
        if hasattr(self, "device"):
            self.device.vanish()


def converse(word, examples, steps):
    machine = type("Talk", (Talk,), {"word": word})
    run_state_machine_as_test(machine, settings=settings(
        max_examples=examples, stateful_step_count=steps, deadline=None, derandomize=True, database=None,
        phases=(Phase.generate, Phase.shrink), suppress_health_check=list(HealthCheck)))


@pytest.mark.parametrize("word, examples", [(None, 60), (64, 12), (32, 12)], ids=("fast", "checked64", "checked32"))
def test_conversations(word, examples):
    converse(word, examples, 50)


@pytest.mark.soak
@pytest.mark.parametrize("word", [None, 64, 32], ids=("fast", "checked64", "checked32"))
def test_long_conversations(word):
    converse(word, 1000 if word is None else 200, 150)


def broken(device, what):
    """One thing wrong in the state of a device with a connection."""
    slot, state, s = device.fw.slot, device.fw.state, device.s
    at = next(at for at, c in device.slots().items() if c[slot.STATE])
    c = device.fw.builtins["ptr32"](at)
    if what == "open":
        s[state.OPEN] += 1
    elif what == "free":
        s[state.FREE] = device.fw.builtins["ptr32"](s[state.FREE])[slot.LINK]
    elif what == "page":
        s[state.PAGE_BUSY] = 1
    elif what == "work":
        s[state.WORK] = at
    elif what == "timer":
        c[slot.SND_NXT] = c[slot.SND_MAX] = c[slot.SND_END] = c[slot.SND_END] + 5
    elif what == "state":
        c[slot.STATE] = 0
    elif what == "fin":
        c[slot.SND_MAX] = c[slot.SND_MAX] + 1


@pytest.mark.parametrize("what", ["open", "free", "page", "work", "timer", "state", "fin"])
def test_what_is_wrong_is_seen(what):
    """Control: the invariants are not vacuous."""
    device = Watched()
    peer = Peer(40001)
    syn_ack, = device.frame(tcp(SYN, 0, port=peer.port))
    device.frame(tcp(ACK, 1, Segment(syn_ack).seq + 1, port=peer.port))
    assert device.state("OPEN") == 1
    device.check()
    broken(device, what)
    with pytest.raises(AssertionError):
        device.check()


def test_a_frame_without_a_counter_is_seen():
    """Control."""
    device = Watched()
    device.fates = []
    with pytest.raises(AssertionError, match="no counter"):
        device.frame(icmp())
