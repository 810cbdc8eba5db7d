"""RFC 8985: what time tells about losses. Retransmissions that are lost (section 6), the tail of a flight (section 7).

Of peers that give selective acknowledgements. The round trip is 20 ms in all of them, so what has no answer after 20 + 5 + 2 ms
is lost, or after 20 + 20 + 2 ms where nothing was lost before; a tail is probed after 42 ms.
"""
import pytest
from big import GET, M, recovering, selective_flow, site
from device import Client, Device

LATE, PROBE = 27, 42
LOW = (3 * M, 4 * M), (M, 2 * M)


@pytest.fixture
def flow(word):
    client = selective_flow(word)
    client.waits(19)
    return client


def rto(peer):
    return peer.device.count("tcp_rto")


# ---- section 6.2: loss detection ---------------------------------------------------------------------------------------

def test_a_hole_with_little_beyond_it_is_lost_after_a_round_trip(flow):
    """Step 5: there are not enough segments for three duplicates, but for a while of reordering."""
    flow.sack(0, (M, 2 * M), window=10 * M)
    flow.expects_nothing()
    flow.waits(21)
    flow.expects_nothing()
    flow.waits(1)
    flow.expects(seq=0, size=M)
    assert recovering(flow) and flow.slot("CWND") == 5 * M and not rto(flow)


def test_reordering_within_that_time_is_none(flow):
    flow.sack(0, (M, 2 * M))
    flow.waiting.clear()
    flow.waits(21)
    flow.sends(ack=2 * M)
    assert flow.slot("CWND") > 10 * M and flow.device.count("tcp_retransmit") == 0


def test_a_lost_retransmission_costs_a_round_trip(flow):
    flow.sack(0, (M, 10 * M))
    flow.expects(seq=0)
    flow.waiting.clear()
    flow.waits(LATE - 1)
    assert flow.device.count("tcp_retransmit") == 1
    flow.waits(1)
    flow.expects(seq=0, size=M)
    assert not rto(flow) and flow.slot("CWND") == 5 * M


def test_it_is_tried_at_doubled_times_until_the_time_out(flow):
    flow.sack(0, (M, 10 * M))
    flow.waiting.clear()
    times = []
    for ms in range(1, 400):
        flow.waits(1)
        times += [ms for tcp in flow.waiting if tcp.seq == flow.first_ack]
        flow.waiting.clear()
        if rto(flow):
            break
    assert times == [LATE, 3 * LATE, 7 * LATE, 7 * LATE + flow.slot("RTO") // 2]


def test_what_was_sent_before_what_arrived_is_lost(flow):
    """RACK: the second hole's retransmission, 5 ms later, arrives; the first one's did not."""
    flow.sack(0, (5 * M, 6 * M), *LOW)
    flow.expects(seq=0)
    flow.waits(5)
    flow.sack(0, (5 * M, 7 * M), *LOW)
    flow.expects(seq=2 * M)
    flow.waits(20)                      # the first one is 25 ms old, not LATE yet
    flow.sack(0, (M, 4 * M), (5 * M, 10 * M))
    flow.expects(seq=0, size=M)
    assert flow.device.count("tcp_retransmit") >= 3 and not rto(flow)


def test_an_answer_within_half_a_round_trip_is_the_firsts(flow):
    """Section 6.2, step 2: what was sent again arrives, but so early that it was only late."""
    flow.sack(0, (5 * M, 6 * M), *LOW)
    flow.expects(seq=0)
    flow.waits(2)
    flow.sack(0, (5 * M, 7 * M), *LOW)
    flow.expects(seq=2 * M)
    flow.waits(5)
    flow.sack(0, (M, 4 * M), (5 * M, 7 * M))
    assert 0 not in [(tcp.seq - flow.first_ack) & 0xFFFFFFFF for tcp in flow.waiting]


def test_the_tail_of_the_window_is_lost_with_it(flow):
    """What was in flight when recovery began, and has not arrived before what was sent after it. One round trip for all."""
    flow.sack(0, (M, 7 * M), window=10 * M)
    flow.expects(seq=0)
    flow.expects_nothing()
    flow.waits(20)
    flow.sends(ack=7 * M, window=3 * M)
    flow.expects_run(7 * M, [M] * 3)
    assert recovering(flow) and not rto(flow)


# ---- section 7: tail loss probe ----------------------------------------------------------------------------------------

def selective(flow, left):
    """The peer gave a block once; then all but so many segments are acknowledged, and its window allows no more."""
    flow.sack(0, (M, 2 * M), window=10 * M)
    flow.sends(ack=(10 - left) * M, window=left * M)
    flow.expects_nothing()


def test_7_the_last_segment_is_sent_again(flow):
    selective(flow, 3)
    flow.waits(PROBE - 1)
    flow.expects_nothing()
    flow.waits(1)
    flow.expects(seq=9 * M, size=M)
    assert flow.device.count("tcp_tail_probe") == 1 and not rto(flow) and flow.slot("CWND") >= 10 * M


def test_7_its_answer_tells_the_holes(flow):
    selective(flow, 3)
    flow.waits(PROBE)
    flow.expects(seq=9 * M)
    flow.waits(20)
    flow.sack(7 * M, (9 * M, 10 * M), window=3 * M)
    flow.waits(23)
    flow.expects(seq=7 * M)
    flow.expects(seq=8 * M)
    assert recovering(flow) and not rto(flow)


def test_7_at_doubled_times_until_the_time_out(flow):
    selective(flow, 3)
    times = []
    for ms in range(1, 700):
        flow.waits(1)
        times += [(ms, (tcp.seq - flow.first_ack) // M) for tcp in flow.waiting]
        flow.waiting.clear()
        if rto(flow):
            break
    assert times[:2] == [(PROBE, 9), (3 * PROBE, 9)] and times[-1] == (3 * PROBE + 4 * PROBE, 9) or times[-1][1] == 7


def test_7_a_single_segment_waits_for_its_delayed_ack(flow):
    selective(flow, 1)
    flow.waits(199)
    flow.expects_nothing()
    flow.waits(1)
    flow.expects(seq=9 * M)
    assert rto(flow) == 1


def test_7_a_peer_without_blocks_is_not_probed(flow):
    flow.sends(ack=7 * M, window=3 * M)
    flow.waits(199)
    flow.expects_nothing()
    flow.waits(1)
    flow.expects(seq=7 * M)
    assert rto(flow) == 1


def test_7_a_probe_spoils_no_measurement_of_what_is_in_front_of_it(flow):
    """Karn's rule is about what was sent twice: a path that has become slower is noticed in spite of probes."""
    flow.sack(0, (M, 2 * M))
    flow.waiting.clear()
    flow.sends(ack=10 * M, window=5 * M)
    flow.waiting.clear()
    before = flow.slot("SRTT")
    flow.waits(PROBE + 40)
    assert flow.device.count("tcp_tail_probe") == 1
    flow.waiting.clear()
    flow.sends(ack=13 * M)
    assert flow.slot("SRTT") > before + 40


# ---- time-outs ---------------------------------------------------------------------------------------------------------

def backed_off(flow):
    """Two time-outs in a row."""
    selective(flow, 3)
    while rto(flow) < 2:
        flow.waiting.clear()
        flow.waits(1)
    flow.waiting.clear()
    return flow.slot("RTO")


def test_the_back_off_ends_with_an_answer_in_time(flow):
    """RFC 8961 section 4: else it would last for as long as everything has to be sent twice."""
    assert backed_off(flow) == 800
    flow.waits(20)
    flow.sends(ack=8 * M)
    assert flow.slot("RTO") == 200


@pytest.mark.parametrize("ms", (5, 400))
def test_the_back_off_stays_with_one_that_is_early_or_late(flow, ms):
    """Karn: that may be an answer to what was sent before, on a path that is slower than we think."""
    assert backed_off(flow) == 800
    flow.waits(ms)
    flow.sends(ack=8 * M)
    assert flow.slot("RTO") == 800


# ---- whole answers: their last segment is short, or has FIN --------------------------------------------------------------

CLOSE = b"GET /big.bin HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


def asked(word, size, request):
    """(peer, what was sent: (first byte, bytes)); an answer of `size` bytes and its header, all of it in flight."""
    flow = Client(Device(word=word, assets=site(size)), window=65535, permits=True)
    flow.open()
    flow.sends("PA", request)
    sent = told(flow)
    flow.waits(19)
    return flow, sent


def told(flow):
    found = [((tcp.seq - flow.first_ack) & 0xFFFFFFFF, flow.length(tcp)) for tcp in flow.waiting]
    flow.waiting.clear()
    return found


@pytest.mark.parametrize("size", (6000, 7000))
@pytest.mark.parametrize("request_", (GET, CLOSE))
def test_7_the_probe_is_the_last_segment_also_where_that_is_short(word, size, request_):
    flow, sent = asked(word, size, request_)
    flow.sack(0, (M, 2 * M))
    told(flow)
    flow.sends(ack=sent[-2][0])             # the last two are not acknowledged
    told(flow)
    flow.waits(60)
    assert told(flow)[0] == sent[-1]


def test_7_a_full_segment_with_fin_is_probed_whole(word):
    _, sent = asked(word, 3 * M, CLOSE)
    flow, sent = asked(word, 4 * M - sent[-1][1], CLOSE)
    assert sent[-1][1] == M
    flow.sack(0, (M, 2 * M))
    told(flow)
    flow.sends(ack=sent[-1][0])
    told(flow)
    flow.waits(60)
    assert told(flow)[0] == sent[-1]


def test_7_a_short_tail_that_was_lost_costs_no_time_out(word):
    """All but the last segment arrived, and the ACK of the last but one was lost."""
    flow, sent = asked(word, 6000, GET)
    flow.sack(0, (M, 2 * M))
    told(flow)
    flow.sends(ack=sent[-2][0])
    told(flow)
    flow.waits(100)
    assert sent[-1] in told(flow) and not rto(flow)
