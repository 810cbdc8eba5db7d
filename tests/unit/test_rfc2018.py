"""RFC 2018: the SACK-permitted option, what blocks are believed, and a peer that takes back what it told (section 8)."""
import random
import struct

import pytest
from big import GET, site
from device import ADDRESS, IP, MAC, PEER, PEER_MAC, TCP, Client, Device, Ether
from scapy.all import raw
from test_rfc6691 import with_sum

M = 1460
BAD = "tcp_sack_bad"


def connect(word=None, port=40000, seq=1000, **overrides):
    client = Client(Device(word=word, assets=site(), overrides=overrides), port=port, seq=seq, window=65535, permits=True)
    client.open()
    return client


@pytest.fixture
def flow(word):
    """A big page was asked for; the initial window of ten segments is on its way."""
    client = connect(word)
    client.sends("PA", GET)
    client.expects_run(0, [M] * 10)
    return client


def holes(peer):
    """The slot's holes, as pairs that count from the first byte; [] without. What was sent again in pieces is one."""
    slot = peer.device.fw.slot
    if not peer.slot("FLAGS") & slot.HOLED:
        return []
    device, found = peer.device, []
    words = struct.unpack("<%dI" % (slot.SLOT_WORDS * device.fw.board.TCP_SLOTS), bytes(device.stack._slots))
    start = next(at for at in range(0, len(words), slot.SLOT_WORDS) if words[at + slot.PEER_PORT] == device.fw.wire.le16(peer.port))
    for k in range(peer.slot("HOLES")):
        at = start + slot.HOLE + 3 * k
        left, right = ((word - peer.first_ack) & 0xFFFFFFFF for word in words[at:at + 2])
        assert left < right and (not found or found[-1][1] <= left)
        if found and found[-1][1] == left:
            left = found.pop()[0]
        found.append((left, right))
    return found


def high(peer):
    return (peer.slot("HIGH_SACK") - peer.first_ack) & 0xFFFFFFFF


# ---- section 2: SACK-permitted -----------------------------------------------------------------------------------------

PERMITTED, MSS = ("SAckOK", b""), ("MSS", M)
OURS = [MSS, PERMITTED, ("NOP", None), ("NOP", None)]


@pytest.mark.parametrize("options, answer", (
    ([MSS, PERMITTED], OURS), ([PERMITTED], OURS), ([PERMITTED, PERMITTED], OURS),
    ([MSS, PERMITTED, ("Timestamp", (5, 0)), ("NOP", None), ("WScale", 7)], OURS),
    ([MSS], [MSS]), ([], [MSS]), ([MSS, ("NOP", None), ("NOP", None)], [MSS]), ([MSS, ("EOL", None), PERMITTED], [MSS])))
def test_2_permitted_where_the_syn_permits(word, options, answer):
    device = Device(word=word)
    reply, = Client(device).segment("S", ack=0, options=options)
    assert reply.flags == "SA" and reply.options == answer and reply.dataofs == 5 + len(answer) // 2 + len(answer) % 2


@pytest.mark.parametrize("options", (b"\4\3\1\1", b"\4\1\1\1", b"\4\0\1\1", b"\1\1\1\4", b"\0\0\4\2", b"\4\4\0\0"))
def test_2_a_malformed_one_permits_nothing(word, options):
    tcp = raw(TCP(sport=40000, dport=80, flags="S", seq=1000))
    tcp = tcp[:12] + b"\x60" + tcp[13:16] + b"\0\0" + tcp[18:] + options
    frames = Device(word=word).send(Ether(src=PEER_MAC, dst=MAC) / IP(src=PEER, dst=ADDRESS, proto=6) / with_sum(tcp))
    assert frames[0][TCP].flags == "SA" and frames[0][TCP].options == [MSS]


def test_2_a_syn_costs_no_memory_and_the_permission_none(word):
    """Nothing is remembered: who gives blocks is believed."""
    device = Device(word=word, assets=site())
    Client(device).segment("S", ack=0, options=[MSS, PERMITTED])
    assert device.state("OPEN") == 0


# ---- section 3: blocks -------------------------------------------------------------------------------------------------

def test_3_a_block_leaves_a_hole(flow):
    flow.sack(0, (M, 3 * M))
    assert holes(flow) == [(0, M)] and high(flow) == 3 * M and flow.device.count(BAD) == 0


def test_3_four_blocks(flow):
    flow.sack(0, (8 * M, 9 * M), (6 * M, 7 * M), (4 * M, 5 * M), (2 * M, 3 * M))
    assert high(flow) == 9 * M
    assert holes(flow) == [(0, 2 * M), (3 * M, 4 * M), (5 * M, 6 * M), (7 * M, 8 * M)]


def test_3_blocks_grow_together(flow):
    flow.sack(0, (2 * M, 3 * M))
    flow.waiting.clear()
    flow.sack(0, (4 * M, 5 * M), (2 * M, 3 * M))
    assert holes(flow) == [(0, 2 * M), (3 * M, 4 * M)]
    flow.waiting.clear()
    flow.sack(0, (2 * M, 5 * M))
    assert holes(flow) == [(0, 2 * M)] and high(flow) == 5 * M
    flow.waiting.clear()
    flow.sack(0, (M + 100, M + 200), (2 * M, 5 * M))
    assert holes(flow) == [(0, M + 100), (M + 200, 2 * M)] and high(flow) == 5 * M


def test_3_acknowledgements_shorten_holes(flow):
    flow.sack(0, (3 * M, 4 * M), (6 * M, 7 * M))
    flow.waiting.clear()
    flow.sack(M, (3 * M, 4 * M), (6 * M, 7 * M))
    assert holes(flow) == [(M, 3 * M), (4 * M, 6 * M)]
    flow.waiting.clear()
    flow.sends(ack=4 * M)
    assert holes(flow) == [(4 * M, 6 * M)]
    flow.waiting.clear()
    flow.sends(ack=8 * M)
    assert holes(flow) == [] and flow.device.count("tcp_sack_reneged") == 0


@pytest.mark.parametrize("left, right", (
    (M, 10 * M + 1), (10 * M, 11 * M), (3 * M, 3 * M), (3 * M, 2 * M), (0, M), (-1, M), (-M, M), (M - (1 << 31), M),
    (M, 1 << 30), (M + 1, M)))
def test_3_what_cannot_be_is_refused(flow, left, right):
    flow.sack(0, (left, right))
    assert holes(flow) == [] and flow.device.count(BAD) == 1
    assert not flow.slot("FLAGS") & flow.device.fw.slot.SELECTIVE


@pytest.mark.parametrize("left, right", ((-M, 0), (-2 * M, -M), (-1, 0), (M, M + (1 << 31)), (1 << 31, M + (1 << 31))))
def test_3_what_was_acknowledged_before_says_nothing(flow, left, right):
    """RFC 2883's duplicate SACK is of no use here, and no mistake."""
    flow.sack(0, (left, right))
    assert holes(flow) == [] and flow.device.count(BAD) == 0


def test_3_one_bad_block_does_not_spoil_the_others(flow):
    flow.sack(0, (50 * M, 51 * M), (2 * M, 3 * M))
    assert holes(flow) == [(0, 2 * M)] and flow.device.count(BAD) == 1


def with_options(flow, options):
    """A duplicate ACK with these bytes of options."""
    tcp = raw(TCP(sport=flow.port, dport=80, flags="A", seq=flow.seq, ack=flow.first_ack, window=65535))
    tcp = tcp[:12] + bytes([5 + len(options) // 4 << 4]) + tcp[13:16] + b"\0\0" + tcp[18:] + options
    flow.device.send(Ether(src=PEER_MAC, dst=MAC) / IP(src=PEER, dst=ADDRESS, proto=6) / with_sum(tcp))


def bytes_of(flow, *edges):
    return b"".join(((flow.first_ack + edge) & 0xFFFFFFFF).to_bytes(4, "big") for edge in edges)


@pytest.mark.parametrize("pad", (b"", b"\1", b"\1\1", b"\1\1\1", b"\x08\x0a" + bytes(8)))
def test_3_a_block_may_lie_anywhere(flow, pad):
    options = pad + b"\5\x0a" + bytes_of(flow, 2 * M, 3 * M)
    with_options(flow, options + b"\1" * (-len(options) % 4))
    assert holes(flow) == [(0, 2 * M)]


@pytest.mark.parametrize("head, size", ((b"\5\x09", 10), (b"\5\x0b", 10), (b"\5\x12", 10), (b"\5\x0e", 14), (b"\5\x22", 30), (b"\5\xfa", 10)))
def test_3_options_of_a_wrong_length_are_refused(flow, head, size):
    options = (head + bytes_of(flow, 2 * M, 3 * M) * 4)[:size]
    with_options(flow, options + b"\0" * (-len(options) % 4))
    assert holes(flow) == [] and flow.device.count(BAD) == 1


@pytest.mark.parametrize("options", (b"\5\2\1\1", b"\5\0\0\0", b"\5\1\1\1", b"\1\1\1\5", b"\0\5\x0a\0" + bytes(8)))
def test_3_options_without_blocks(flow, options):
    with_options(flow, options)
    assert holes(flow) == [] and flow.device.count(BAD) == 0


def test_3_options_of_any_bytes(word):
    """Nothing is read beyond them, and no list is longer than the room for it; the simulator sees every access."""
    client = connect(word, SACK_HOLES=3)
    client.sends("PA", GET)
    client.waiting.clear()
    rng = random.Random(7)
    for _ in range(300):
        options = bytearray(rng.randbytes(4 * rng.randrange(1, 11)))
        for at in range(0, len(options) - 10, 10):
            if rng.random() < 0.6:
                edges = sorted(rng.randrange(0, 11 * M) for _ in range(2))
                options[at:at + 10] = b"\5\x0a" + bytes_of(client, *edges)
        with_options(client, bytes(options))
        assert_right(client)


# ---- what is kept ------------------------------------------------------------------------------------------------------

def assert_right(peer):
    """Holes are in order, apart, not empty; the first starts at SND.UNA, all end below what arrived last."""
    found, una = holes(peer), (peer.slot("SND_UNA") - peer.first_ack) & 0xFFFFFFFF
    if peer.slot("FLAGS") & peer.device.fw.slot.HOLED:
        assert 1 <= len(found) <= peer.device.fw.slot.HOLES_MAX and found[0][0] == una
        edges = [edge for hole in found for edge in hole] + [high(peer)]
        assert all(a <= b for a, b in zip(edges, edges[1:])) and all(a < b for a, b in found)
        assert high(peer) <= (peer.slot("SND_MAX") - peer.first_ack) & 0xFFFFFFFF
    return found


@pytest.mark.parametrize("room, seed", ((1, 1), (3, 2), (16, 3)))
def test_nothing_counts_as_arrived_that_was_not_told(word, room, seed):
    """Random receivers; `room` for few holes or for many: what does not fit is forgotten, never invented."""
    rng = random.Random(seed)
    client = connect(word, SACK_HOLES=room)
    client.sends("PA", GET)
    has, una, told = set(), 0, set()            # in tens of bytes: a segment is 146 of them
    for _ in range(40):
        for tcp in client.waiting:
            at = (tcp.seq - client.first_ack) & 0xFFFFFFFF
            if rng.random() < 0.7:
                has.update(range(at // 10, (at + client.length(tcp)) // 10))
        client.waiting.clear()
        while una in has:
            una += 1
        edges = [k for k in range(una, max(has, default=0) + 2) if (k in has) != (k > una and k - 1 in has)]
        ranges = list(zip(edges[::2], edges[1::2]))
        rng.shuffle(ranges)
        for left, right in ranges[:4]:
            told.update(range(left, right))
        client.sack(10 * una, *((10 * left, 10 * right) for left, right in ranges[:4]))
        if assert_right(client):
            missing = {k for a, b in holes(client) for k in range(a // 10, b // 10)}
            assert set(range(una, high(client) // 10)) <= told | missing
        if rng.random() < 0.2:
            client.waiting += client.mine(client.device.pass_ms(rng.choice((1, 7, 300))))
    assert una > 100 and client.device.count(BAD) == client.device.count("tcp_sack_reneged") == 0


def test_sequence_numbers_that_wrap(word):
    """Our numbers pass 2^32 in the middle of the first hole, of a block, between them; the cookie lets the peer choose."""
    for port, before in enumerate((M // 2, M, 2 * M, 2 * M + 700, 3 * M, 4 * M), 40000):
        device = Device(word=word, assets=site())
        seen, = Client(device, port=port, seq=0).segment("S", ack=0, options=[MSS])
        client = Client(device, port=port, seq=-seen.seq - 1 - before & 0xFFFFFFFF, window=65535, permits=True)
        client.open()
        assert client.first_ack == -before & 0xFFFFFFFF
        client.sends("PA", GET)
        client.expects_run(0, [M] * 10)
        client.sack(0, (2 * M, 3 * M))
        assert holes(client) == [(0, 2 * M)]
        client.waiting.clear()
        client.sack(M, (4 * M, 5 * M), (2 * M, 3 * M))
        assert holes(client) == [(M, 2 * M), (3 * M, 4 * M)] and device.count(BAD) == 0
        client.waiting.clear()
        client.sends(ack=10 * M)
        assert holes(client) == []


# ---- section 8: reneging -----------------------------------------------------------------------------------------------

def test_8_a_time_out_forgets_all(flow):
    """What was told before counts no more: everything is sent again, but what the peer tells anew."""
    flow.sack(0, (M, 7 * M))
    sent = set()
    while not flow.device.count("tcp_rto"):
        flow.waiting.clear()
        flow.waits(1)
    assert holes(flow) == [] and not flow.slot("FLAGS") & flow.device.fw.slot.RECOVERING
    for k in range(1, 10):
        sent |= {(tcp.seq - flow.first_ack) // M for tcp in flow.waiting}
        flow.waiting.clear()
        flow.sack(k * M, *[(8 * M, 9 * M)] * (k < 8))
    assert sent >= set(range(8)) and 8 not in sent


def test_8_an_ack_that_stops_at_what_was_told_is_seen(flow):
    flow.sack(0, (M, 3 * M), (5 * M, 6 * M))
    flow.waiting.clear()
    flow.sends(ack=M)               # it has not what it told: the ACK would be 3 * M
    assert holes(flow) == [] and flow.device.count("tcp_sack_reneged") == 1
    flow.waiting.clear()
    flow.waits(3000)
    assert [t for t in flow.waiting if (t.seq - flow.first_ack) & 0xFFFFFFFF == M]


def test_8_whatever_the_peer_forgets_the_page_arrives(word):
    """A receiver that throws away what lies beyond a gap, each time after it told so."""
    client = connect(word)
    client.sends("PA", GET)
    size = len(site().data)
    rng = random.Random(5)
    for _ in range(1500):
        segments, client.waiting, told = client.waiting, [], []
        for tcp in segments:
            if rng.random() < 0.2:
                continue
            if tcp.seq == client.ack:
                client.take([tcp])
            else:
                left = (tcp.seq - client.first_ack) & 0xFFFFFFFF
                if left > (client.ack - client.first_ack) & 0xFFFFFFFF:
                    told = [(left, left + client.length(tcp))]
        if client.got.endswith(site().data):
            break
        client.sack((client.ack - client.first_ack) & 0xFFFFFFFF, *told)
        if not client.waiting:
            client.waits(max(1, min(client.device.wait, 300)))
    assert client.got.endswith(site().data) and size == len(site().data)
    assert client.device.count("tcp_sack_reneged")


def test_blocks_of_a_refused_acknowledgement_are_refused_too(word):
    """RFC 5961 section 5: what is too old is not looked at further. The timer runs on, so the connection ends in its time."""
    flow = connect(word)
    flow.sends("PA", b"GET /big.bin HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    flow.waiting.clear()
    flow.waits(19)
    flow.sack(-70000, (M, 2 * M))
    flow.waiting.clear()
    assert flow.device.count("tcp_bad_ack") == 1 and holes(flow) == [] and flow.slot("RTO") >= 200
    flow.device.pass_ms(20 * 60 * 1000)
    assert flow.device.slot(flow.port) is None


def test_a_segment_that_came_twice_is_told_and_no_offence(flow):
    """RFC 2883: what the first block tells may lie below SEG.ACK, also where that is news."""
    flow.sack(2 * M, (0, M))
    flow.waiting.clear()
    flow.sack(3 * M, (0, M))
    flow.waiting.clear()
    assert flow.device.count(BAD) == 0 and holes(flow) == []
