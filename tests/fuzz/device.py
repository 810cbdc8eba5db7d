"""An appliance that is watched: one frame or one span of time goes in, and afterwards every invariant must hold.

What is checked: the lists of slots (free, chained, waiting for room) are disjoint and complete; the sequence numbers of a
connection are in order; the queue of responses and the pages add up; whatever is in flight has a timer, whatever waits is
in the list of work, and poll() asks to be called in time; every frame that came has a counter or was accepted by a
connection; every frame that leaves has right sums and lengths, keeps within the window that was offered, and gives the
same bytes for the same sequence numbers whenever they are sent.
"""
import struct
from dataclasses import replace
from functools import cache

from hostsim import loader
from image import assets, config
from image.settings import ROOT
from tests.agree.frames import ENTROPY, MAC, OURS, TCP, arp, repaired

EXAMPLE = replace(config.load(ROOT / "appliance.toml"), period_ms=20000, collector_port=0)     # they are not the point
BOARD = {"TCP_SLOTS": 4, "PAGES": 3, "SLOT_RX": 1024, "TX_HEADERS": 4, "RX_BUFFERS": 16}     # little of everything
TIMER_MS = 60000
# Counters that tell of work or of answers: no frame's fate
NOT_FATES = ("rx_frames", "tx_", "sensor_", "arp_sent", "tcp_retransmit", "tcp_rto", "tcp_fast", "tcp_probe", "tcp_idle",
             "tcp_timeout", "http_", "tcp_evicted", "tcp_closed", "tcp_tail_probe", "tcp_sack")
# Of these, one frame moves one at the most: it comes to one end
ENDS = ("rx_runt", "eth_", "arp_m", "arp_r", "arp_i", "arp_c", "ip_", "icmp_echo", "icmp_ch", "icmp_ig", "udp_loop", "udp_ch",
        "udp_echo", "udp_q", "udp_cl", "tcp_malformed", "tcp_checksum", "tcp_closed_port", "tcp_syn",
        "tcp_bad_cookie", "tcp_opened", "tcp_full")


def signed(x):
    return (x + (1 << 31)) % (1 << 32) - (1 << 31)


@cache
def files():
    return assets.load(EXAMPLE)


class Watched:
    """`word` 32 or 64 for checked arithmetic, None for the fast mode."""

    def __init__(self, word=None, board=BOARD):
        self.fw = loader.load(EXAMPLE, board="unix", word=word, checked=word is not None, assets=files(),
                              overrides=board)
        self.fw.load("app.routes")
        self.n = self.fw.driver.open(None)
        self.stack = self.fw.stack.Stack(self.n, ENTROPY)
        self.s = self.stack.s
        self.now, self.wait, self.stalled = 1000, 0, False
        self.edges, self.streams = {}, {}       # of a peer: largest sequence number offered; bytes by sequence number
        self.names = self.fw.counters.NAMES
        self.fates = [k for k, name in enumerate(self.names) if not name.startswith(NOT_FATES) or name == "tcp_closed_port"]
        self.ends = [k for k, name in enumerate(self.names) if name.startswith(ENDS)]
        self.sent = []
        self.pass_ms(5000)
        self.frame(arp(2, to=MAC, tha=MAC))
        self.regions = len(self.fw.memory.regions)

    # ---- what happens --------------------------------------------------------------------------------------------
    def frame(self, data):
        """A frame arrives; returns what was sent."""
        data = bytes(data)
        if not 14 <= len(data) <= 1514:
            return []
        self._offered(data)
        if not self.fw.driver.put(self.n, data):
            assert self.stalled, "the card took no frame although nothing waits"
            return []
        before = list(self.s[:len(self.names)])
        sent = self.poll()
        self._counted(data, before)
        return sent

    def poll(self):
        self.wait = self.stack.poll(self.now & 0x3FFFFFFF)
        out = []
        while not self.stalled and (raw := self.fw.driver.take(self.n)) is not None:
            self._right(raw)
            out.append(raw)
        self.sent += out
        self.check()
        return out

    def pass_ms(self, ms):
        """Sleep as main.py does. Bounded: a deadline that does not move would never let this end."""
        out, end = [], self.now + ms
        turns = 0
        while self.now < end:
            turns += 1
            assert turns < 2000 + ms, "it never sleeps"
            self.now = min(end, self.now + max(1, self.wait))
            out += self.poll()
        return out

    def stall(self, yes):
        """Whether the card leaves what it has to send where it is."""
        if self.stalled and not yes:
            while (raw := self.fw.driver.take(self.n)) is not None:     # sent under windows that may be past
                self._right(raw, old=True)
        self.stalled = yes
        for _ in range(0 if yes else 20):
            self.poll()

    # ---- reading the state -----------------------------------------------------------------------------------------
    def state(self, name):
        return self.s[getattr(self.fw.state, name)]

    def slots(self):
        """[(address, words by name)] of all slots."""
        base, size = self.state("SLOTS"), self.fw.slot.SLOT_BYTES
        data = bytes(self.stack._slots)
        return {base + k: struct.unpack_from("<%dI" % (size // 4), data, k) for k in range(0, len(data), size)}

    def peers(self, slots=None):
        """Of each connection: address and port of the peer, as they stand in a frame, and SND.UNA."""
        slot = self.fw.slot
        return {struct.pack("<IH", c[slot.PEER], c[slot.PEER_PORT]): c[slot.SND_UNA] for c in (slots or self.slots()).values() if c[slot.STATE]}

    def _walk(self, at, link, slots):
        seen = []
        while at:
            assert at in slots and at not in seen, "a list of slots is broken"
            seen.append(at)
            at = slots[at][link]
        return seen

    # ---- invariants ------------------------------------------------------------------------------------------------
    def check(self):
        slot, state, slots = self.fw.slot, self.fw.state, self.slots()
        free = self._walk(self.state("FREE"), slot.LINK, slots)
        work = self._walk(self.state("WORK"), slot.WORK_LINK, slots)
        chained = []
        for k in range(state.CHAIN_COUNT):
            for at in self._walk(self.s[state.CHAINS + k], slot.LINK, slots):
                peer, port = slots[at][slot.PEER], slots[at][slot.PEER_PORT]
                assert slot.chain(peer & 0xFFFF, peer >> 16, port) == state.CHAINS + k
                chained.append(at)
        closed = [at for at in work if slots[at][slot.STATE] == slot.CLOSED]
        assert sorted(free + chained + closed) == sorted(slots), "a slot is lost or in two lists"
        assert {at for at in slots if slots[at][slot.STATE]} == set(chained) and self.state("OPEN") == len(chained)
        assert {at for at in slots if slots[at][slot.FLAGS] & slot.IN_WORK} == set(work)
        for at in chained:
            self._connection(at, slots[at])
        self._pages([slots[at] for at in chained])
        ends = {(c[slot.PEER], c[slot.PEER_PORT]) for c in (slots[at] for at in chained)}
        assert len(ends) == len(chained), "two slots for one connection"
        assert 0 <= self.wait <= TIMER_MS
        for peer in set(self.streams) - set(self.peers(slots)):
            del self.streams[peer]

    def _connection(self, at, c):
        slot = self.fw.slot
        una, nxt, most, end = (c[k] for k in (slot.SND_UNA, slot.SND_NXT, slot.SND_MAX, slot.SND_END))
        assert signed(nxt - una) >= 0 and signed(most - nxt) >= 0 and signed(end + 1 - most) >= 0
        assert c[slot.FLAGS] & slot.SHUT or signed(end - most) >= 0, "FIN was sent before the end"
        assert 0 <= c[slot.QUEUED] <= slot.QUEUE_SIZE and c[slot.STORED] <= self.fw.board.SLOT_RX
        marks = [c[slot.QUEUE_SEQ]] + [c[slot.QUEUE + 4 * k + 3] for k in range(c[slot.QUEUED])]
        assert all(signed(b - a) > 0 for a, b in zip(marks, marks[1:])) and marks[-1] == end
        assert signed(una - marks[0]) >= 0 and (len(marks) == 1 or signed(marks[1] - una) > 0)
        assert c[slot.MSS] <= slot.CHUNK_BYTES and c[slot.CWND] >= min(c[slot.MSS], 216)
        assert self.fw.tcp_ack.RTO_MIN <= c[slot.RTO] <= self.fw.tcp_ack.RTO_MAX
        if c[slot.FLAGS] & slot.HOLED:
            self._holes(c)
        running = c[slot.FLAGS] & slot.RTX_ON
        assert running or most == una, "in flight without a timer"
        if c[slot.QUEUED] and not running:
            assert c[slot.FLAGS] & slot.IN_WORK, "something waits and nothing will send it"
        if running and not self.state("WORK"):
            left = signed(c[slot.RTX_AT] - self.state("NOW"))
            assert self.wait <= max(left, 1), "it would oversleep a retransmission"

    def _holes(self, c):
        """tcp_sack.py's list: in order, apart, below what arrived last; it may lag behind SND.UNA until something is sent."""
        slot = self.fw.slot
        assert c[slot.FLAGS] & slot.SELECTIVE and c[slot.HOLES] <= slot.HOLES_MAX
        edges = [c[slot.HOLE + 3 * k + j] for k in range(c[slot.HOLES]) for j in (0, 1)] + [c[slot.HIGH_SACK]]
        assert all(signed(b - a) >= 1 - k % 2 for k, (a, b) in enumerate(zip(edges, edges[1:])))
        assert signed(c[slot.SND_MAX] - c[slot.HIGH_SACK]) >= 0

    def _pages(self, connections):
        slot, state, board = self.fw.slot, self.fw.state, self.fw.board
        at, size = self.state("PAGE_AT"), board.PAGE_BYTES
        used = []
        for c in connections:
            mine = [c[slot.QUEUE + 4 * k] - at for k in range(c[slot.QUEUED])]
            mine = [page for page in mine if 0 <= page < board.PAGES * size]
            assert len(mine) == c[slot.PAGES_HELD] and not any(page % size for page in mine)
            used += mine
        busy = [k * size for k in range(board.PAGES) if self.s[state.PAGE_BUSY + k]]
        assert sorted(used) == busy and self.state("PAGES_FREE") == board.PAGES - len(busy)

    # ---- frames ----------------------------------------------------------------------------------------------------
    def _counted(self, data, before):
        """The frame has one counter, or a connection took it."""
        assert self.s[self.names.index("rx_frames")] - before[self.names.index("rx_frames")] >= 1
        if self.stalled:
            return                      # earlier frames may have waited in the card
        after = self.s
        moved = [self.names[k] for k in self.fates if after[k] != before[k]]
        ends = [self.names[k] for k in self.ends if after[k] != before[k]]
        assert len(ends) <= 1 and sum(after[k] - before[k] for k in self.ends) <= 1, ends
        if not moved:
            assert data[12:14] == b"\x08\x00" and data[23] == TCP and data[36:38] == b"\0\x50", "no counter for " + data.hex()

    def _offered(self, data):
        """Remember the window that a segment gives, valid or not."""
        if len(data) >= 54 and data[12:14] == b"\x08\x00" and data[23] == TCP:
            peer, (ack, window) = data[26:30] + data[34:36], struct.unpack_from(">I2xH", data, 42)
            edge, una = ack + window & 0xFFFFFFFF, self.peers().get(peer, ack)
            if abs(signed(ack - una)) < 1 << 20:        # else it is no acknowledgement of this connection's
                if peer not in self.peers() or signed(edge - self.edges[peer]) > 0:
                    self.edges[peer] = edge

    def _right(self, raw, old=False):
        """A frame that leaves. `old`: its connection may have moved on, or ended."""
        assert 60 <= len(raw) <= 1514 and raw[6:12] == MAC and raw[:6] != bytes(6)
        if raw[12:14] == b"\x08\x06":
            assert raw[28:32] == struct.pack(">I", OURS) and raw[22:28] == MAC
            return
        length, = struct.unpack_from(">H", raw, 16)
        assert raw[12:14] == b"\x08\x00" and raw[14] == 0x45 and max(60, 14 + length) == len(raw)
        whole = raw[:14 + length]
        udp_echo = whole[23] == 17 and whole[34:36] == b"\0\7"      # it carries the sender's sum, right or wrong
        if udp_echo:
            assert repaired(whole)[:34] == whole[:34]
        else:
            assert repaired(whole) == whole or whole[40:42] == b"\0\0", "wrong sum in " + whole.hex()
        if whole[23] == TCP and not old:
            self._segment(whole)

    def _segment(self, raw):
        peer, (seq,) = raw[30:34] + raw[36:38], struct.unpack_from(">I", raw, 38)
        data = raw[34 + (raw[46] >> 4 << 2):]
        if not data:
            return
        assert signed(seq + len(data) - self.edges[peer]) <= 1, "sent beyond the window"
        stream = self.streams.setdefault(peer, {})
        for k, byte in enumerate(data):
            assert stream.setdefault(seq + k & 0xFFFFFFFF, byte) == byte, "another byte for a sequence number"

    # ---- the end ---------------------------------------------------------------------------------------------------
    def vanish(self):
        """All peers are gone: every slot and page comes back, nothing has grown."""
        self.stall(False)
        for _ in range(40):
            if not self.state("OPEN") and not self.state("WORK"):
                break
            self.pass_ms(20000)
        assert not self.state("OPEN") and not self.state("WORK"), "slots are still taken after 800 s"
        assert self.state("PAGES_FREE") == self.fw.board.PAGES
        assert len(self.fw.memory.regions) == self.regions
        said = self.fw.console.getvalue()
        assert all(line.startswith("arp: our address is also used by ") for line in said.splitlines()), said
