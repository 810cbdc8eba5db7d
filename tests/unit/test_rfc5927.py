"""RFC 5927: ICMP errors against TCP; RFC 1191: path MTU discovery. What is not about bytes in flight changes nothing."""
import pytest
from big import GET, site
from device import ADDRESS, MAC, PEER, PEER_MAC, Client, Device, ip
from path import Path
from scapy.all import ICMP, IP, TCP, UDP, Ether, Raw

M = 1460


@pytest.fixture
def flow(peer):
    """Ten segments are in flight; the router's message about one of them: flow.router(...)."""
    peer.sends("PA", GET)
    peer.expects_run(0, [M] * 10, lost=range(10))
    return peer


def quoted(flow, seq=0, length=1500, proto=6, options=(), **fields):
    """The IP header and 8 bytes of the segment with this sequence number, as its sender built them."""
    names = {"src": ADDRESS, "dst": PEER, "sport": 80, "dport": flow.port, **fields}
    layer = TCP(sport=names["sport"], dport=names["dport"], seq=flow.first_ack + seq & 0xFFFFFFFF, flags="A")
    if proto == 17:
        layer = UDP(sport=names["sport"], dport=names["dport"])
    head = IP(src=names["src"], dst=names["dst"], len=length, flags="DF", id=0, ttl=60, proto=proto, options=list(options))
    return bytes(head / layer)[:28 + 4 * len(options)]


def error(flow, quote, code=4, mtu=1280, kind=3, src="10.0.2.1", **fields):
    """The message arrives; what it causes waits to be expected."""
    message = ICMP(type=kind, code=code, **({"nexthopmtu": mtu} if kind == 3 else {}), **fields)
    frames = flow.device.send(Ether(src=PEER_MAC, dst=MAC) / IP(src=src, dst=ADDRESS) / message / Raw(quote))
    flow.waiting += flow.mine(frames)


def unmoved(flow, counter):
    flow.expects_nothing()
    assert flow.slot("MSS") == M and flow.device.count(counter) == 1 and flow.device.count("icmp_too_big") == 0
    assert flow.slot("CWND") == 10 * M


# ---- RFC 1191: a smaller MTU is taken ----------------------------------------------------------------------------------

def test_1191_6_4_the_lost_segment_is_sent_again_at_once(flow):
    error(flow, quoted(flow))
    flow.expects("A", seq=0, size=1240)
    flow.expects_nothing()              # slow start: one, then as ACKs come
    assert flow.device.count("icmp_too_big") == 1
    flow.sends()
    flow.expects_run(1240, [220, 1240])


def test_1191_6_4_it_is_no_congestion(flow):
    """No time-out, no back-off, SSTHRESH as it was."""
    before = flow.slot("SSTHRESH"), flow.slot("RTO")
    error(flow, quoted(flow))
    flow.expects(seq=0)
    assert (flow.slot("SSTHRESH"), flow.slot("RTO")) == before and flow.slot("RETRIES") == 0
    assert flow.slot("CWND") == 1240 and flow.device.count("tcp_rto") == 0


def test_the_timer_runs_on(flow):
    error(flow, quoted(flow))
    flow.expects(seq=0, size=1240, lost=True)
    flow.waits(999)
    flow.expects_nothing()
    flow.waits(1)
    flow.expects(seq=0, size=1240)


@pytest.mark.parametrize("mtu, size", (
    (1499, 1456), (1492, 1452), (1280, 1240), (1279, 1236), (576, 536), (296, 256), (256, 216), (255, 216), (68, 216)))
def test_1191_3_next_hop_mtu(flow, mtu, size):
    """Sizes are multiples of 4, and none is below 216 bytes."""
    error(flow, quoted(flow), mtu=mtu)
    flow.expects(seq=0, size=size)
    assert flow.slot("MSS") == size


def test_1191_5_an_old_router_names_no_mtu(flow):
    error(flow, quoted(flow), mtu=0)
    flow.expects(seq=0, size=1220)
    error(flow, quoted(flow, length=1500), mtu=0)       # about the other nine of the first flight
    flow.expects_nothing()
    error(flow, quoted(flow, length=1260), mtu=0)       # now about this one
    flow.expects(seq=0, size=536)


def test_one_answer_to_a_whole_flight(flow):
    """Each of ten segments causes a message: the first is taken, the others tell nothing new."""
    for k in range(10):
        error(flow, quoted(flow, seq=k * M))
    flow.expects(seq=0, size=1240)
    flow.expects_nothing()
    assert (flow.device.count("icmp_too_big"), flow.device.count("icmp_stray")) == (1, 9)


def test_1191_3_never_larger_again(flow):
    error(flow, quoted(flow), mtu=1000)
    flow.expects(seq=0, size=960)
    error(flow, quoted(flow), mtu=1400)
    flow.expects_nothing()
    assert flow.slot("MSS") == 960


def test_in_fast_recovery(flow):
    for _ in range(3):
        flow.waiting.clear()
        flow.sends(ack=0)
    flow.expects(seq=0, size=M)
    error(flow, quoted(flow))
    flow.expects(seq=0, size=1240)
    assert not flow.slot("FLAGS") & flow.device.fw.slot.RECOVERING


def test_other_connections_keep_their_size(flow):
    other = Client(flow.device, 50000, window=65535)
    other.open()
    error(flow, quoted(flow))
    other.sends("PA", GET)
    other.expects_run(0, [M] * 10)


# ---- RFC 5927 section 4.1 and 7.2: what it has to quote ----------------------------------------------------------------

def test_4_1_the_last_byte_in_flight(flow):
    error(flow, quoted(flow, seq=10 * M - 1))
    flow.expects(seq=0, size=1240)


@pytest.mark.parametrize("seq", (-1, -M, 10 * M, 10 * M + 1, 1 << 20, 1 << 31, -1 << 30))
def test_4_1_a_sequence_number_that_is_not_in_flight(flow, seq):
    error(flow, quoted(flow, seq=seq))
    unmoved(flow, "icmp_stray")


@pytest.mark.parametrize("fields", (
    {"dport": 40001}, {"sport": 81}, {"src": "10.0.2.16"}, {"dst": "10.0.2.3"}, {"proto": 17}, {"length": 1280}))
def test_4_1_another_datagram(flow, fields):
    """Another port or address of either side, another protocol, or one that would have fitted."""
    error(flow, quoted(flow, **fields))
    unmoved(flow, "icmp_stray")


def test_4_1_nothing_in_flight(peer):
    error(peer, quoted(peer))
    peer.expects_nothing()
    assert peer.slot("MSS") == M and peer.device.count("icmp_stray") == 1


@pytest.mark.parametrize("size", range(0, 28, 4))
def test_a_short_quote(flow, size):
    error(flow, quoted(flow)[:size])
    unmoved(flow, "icmp_stray")


def test_a_quote_behind_the_end_of_the_datagram(flow):
    """What the checksum does not cover is not believed: bytes behind the datagram, or left in the buffer."""
    message = bytes(IP(src="10.0.2.1", dst=ADDRESS) / ICMP(type=3, code=4, nexthopmtu=1280))
    flow.waiting = flow.mine(flow.device.raw(bytes(Ether(src=PEER_MAC, dst=MAC))[:12] + b"\x08\x00" + message + quoted(flow)))
    unmoved(flow, "icmp_stray")


def test_a_quote_with_ip_options(flow):
    """We send none."""
    error(flow, quoted(flow, options=[b"\1\1\1\1"[:1]] * 4))
    unmoved(flow, "icmp_stray")


@pytest.mark.parametrize("mtu", (1, 67, 1500, 1501, 65535))
def test_7_2_an_mtu_that_cannot_be(flow, mtu):
    error(flow, quoted(flow), mtu=mtu)
    unmoved(flow, "icmp_stray")


def test_a_wrong_checksum(flow):
    error(flow, quoted(flow), chksum=0x1234)
    unmoved(flow, "icmp_checksum")


def test_any_router_may_tell(flow):
    error(flow, quoted(flow), src="192.0.2.77")
    flow.expects(seq=0, size=1240)


# ---- sections 5 and 6: hard errors and source quench -------------------------------------------------------------------

@pytest.mark.parametrize("code", (0, 1, 2, 3, 5, 9, 10, 13))
def test_5_2_no_error_ends_a_connection(flow, code):
    """Protocol and port unreachable neither (RFC 1122 would have them hard): the connection goes on."""
    error(flow, quoted(flow), code=code)
    unmoved(flow, "icmp_soft")
    flow.sends(ack=M)
    flow.expects_run(10 * M, [M, M])


def test_6_2_source_quench_is_ignored(flow):
    error(flow, quoted(flow), kind=4, code=0)
    unmoved(flow, "icmp_ignored")


@pytest.mark.parametrize("kind", (5, 11, 12))
def test_other_errors_are_ignored(flow, kind):
    error(flow, quoted(flow), kind=kind, code=0)
    unmoved(flow, "icmp_ignored")


def test_without_http_there_is_nothing_to_tell(word):
    device = Device(word=word, HTTP=False)
    device.send(ip(1, bytes(ICMP(type=3, code=4, nexthopmtu=1280) / Raw(bytes(28)))))
    assert device.count("icmp_ignored") == 1 and device.out == []


# ---- a whole page through a narrow path --------------------------------------------------------------------------------

@pytest.mark.parametrize("mtu", (1400, 1280, 600, 300))
def test_the_page_arrives_through_a_narrow_path(word, mtu):
    device = Device(word=word, assets=site())
    path = Path(device, mtu=mtu, router=lambda: mtu)
    got, _ = path.fetch("/big.bin")
    assert got.endswith(site().data)
    assert path.lost <= 10                                  # the first flight: nobody can know
    assert device.count("tcp_rto") == device.count("tcp_black_hole") == 0
    assert max(size for size in path.sizes if size + 40 <= mtu) == mtu - 40 & -4


def test_the_page_arrives_through_an_old_router(word):
    device = Device(word=word, assets=site())
    path = Path(device, mtu=1006, router=lambda: 0)
    got, _ = path.fetch("/big.bin")
    assert got.endswith(site().data) and device.count("tcp_rto") == 0 and device.count("icmp_too_big") == 2


def test_a_smaller_size_is_forgotten_with_what_was_in_flight(flow):
    """The router's message and an ACK of all come in one turn: nothing is sent again, and the next time-out is one."""
    message = ICMP(type=3, code=4, nexthopmtu=1280)
    frame = Ether(src=PEER_MAC, dst=MAC) / IP(src="10.0.2.1", dst=ADDRESS) / message / Raw(quoted(flow))
    assert flow.device.fw.driver.put(flow.device.n, bytes(frame))
    flow.sends(ack=10 * M)
    assert flow.device.count("icmp_too_big") == 1 and flow.slot("MSS") == 1240
    first = flow.waiting[0].seq - flow.first_ack
    assert first == 10 * M and flow.slot("FLAGS") & flow.device.fw.slot.TOO_BIG == 0
    flow.waiting, before = [], flow.slot("RTO")
    flow.waits(before)
    flow.expects(seq=first, lost=True)
    assert flow.device.count("tcp_rto") == 1 and flow.slot("RETRIES") == 1 and flow.slot("RTO") == 2 * before


def test_a_smaller_size_is_used_at_once_although_an_ack_came_with_the_message(flow):
    """An ACK of a part leaves the timer as the message set it: now."""
    message = ICMP(type=3, code=4, nexthopmtu=1280)
    frame = Ether(src=PEER_MAC, dst=MAC) / IP(src="10.0.2.1", dst=ADDRESS) / message / Raw(quoted(flow, 2 * M))
    assert flow.device.fw.driver.put(flow.device.n, bytes(frame))
    flow.sends(ack=2 * M)
    assert any(one.seq - flow.first_ack == 2 * M and flow.length(one) == 1240 for one in flow.waiting)
    assert flow.device.count("tcp_rto") == 0 and flow.slot("RETRIES") == 0
