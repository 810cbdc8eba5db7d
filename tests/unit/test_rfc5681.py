"""RFC 5681: slow start, congestion avoidance, fast retransmit, restart after idle; RFC 3042: limited transmit."""
import pytest
from big import GET, recovering, site
from device import Client, Device

M = 1460


@pytest.fixture
def flow(peer):
    """A big page was asked for; the initial window of ten segments arrived."""
    peer.sends("PA", GET)
    peer.expects_run(0, [M] * 10)
    return peer


def duplicates(peer, count, ack, **fields):
    """So many equal ACKs; what the last of them let out waits."""
    for _ in range(count):
        peer.waiting.clear()
        peer.sends(ack=ack, **fields)


# ---- section 3.1: slow start and congestion avoidance ------------------------------------------------------------------

def test_3_1_slow_start_adds_a_segment_for_each_ack(flow):
    for k in range(1, 6):
        flow.sends(ack=k * M)
        flow.expects_run((8 + 2 * k) * M, [M, M])
        assert flow.slot("CWND") == (10 + k) * M


def test_3_1_an_ack_of_many_segments_adds_one(flow):
    """Equation 2: min(N, SMSS)."""
    flow.sends(ack=7 * M)
    flow.expects_run(10 * M, [M] * 8)
    assert flow.slot("CWND") == 11 * M


def test_3_1_divided_acks_add_what_they_acknowledge(flow):
    """Ten ACKs for a tenth of a segment each are worth one (ACK division)."""
    for k in range(1, 11):
        flow.waiting.clear()
        flow.sends(ack=k * M // 10)
    assert flow.slot("CWND") == 11 * M


def to_avoidance(peer):
    """A time-out, then slow start up to SSTHRESH; everything is acknowledged up to the returned number."""
    peer.waits(1000)
    peer.waiting.clear()
    ack = 0
    while peer.slot("CWND") < peer.slot("SSTHRESH"):
        ack += M
        peer.waiting.clear()
        peer.sends(ack=ack)
    return ack


def test_3_1_congestion_avoidance_adds_a_segment_for_each_window(flow):
    ack = to_avoidance(flow)
    windows = []
    for _ in range(12):
        ack += M
        flow.waiting.clear()
        flow.sends(ack=ack)
        windows.append(flow.slot("CWND") // M)
    assert windows == [5, 5, 5, 5, 6, 6, 6, 6, 6, 6, 7, 7]


def test_3_1_divided_acks_do_not_hasten_congestion_avoidance(flow):
    """Bytes are counted, not ACKs."""
    ack = to_avoidance(flow)
    for k in range(1, 50):
        flow.waiting.clear()
        flow.sends(ack=ack + k * M // 10)
    assert flow.slot("CWND") == 5 * M


def test_3_1_bytes_of_the_old_window_do_not_count_in_the_new_one(flow):
    """What was counted in congestion avoidance before a loss is not credited after it."""
    ack = to_avoidance(flow) + 4 * M
    flow.waiting.clear()
    flow.sends(ack=ack)
    assert flow.slot("CWND_ACKED") == 4 * M
    flow.waiting.clear()
    flow.waits(3000)
    flow.waiting.clear()
    while flow.slot("CWND") < flow.slot("SSTHRESH"):
        ack += M
        flow.waiting.clear()
        flow.sends(ack=ack)
    flow.waiting.clear()
    flow.sends(ack=ack + M)
    assert flow.slot("CWND_ACKED") == M


def test_3_1_the_window_stays_below_64_kib(flow):
    flow.waiting.clear()
    for k in range(1, 60):
        flow.waiting.clear()
        flow.sends(ack=k * M)
    assert flow.slot("CWND") == 0xFFFF


def test_3_1_time_out_leaves_one_segment(flow):
    """Equation 4 and the loss window."""
    flow.waits(1000)
    flow.expects(seq=0, size=M)
    flow.expects_nothing()
    assert (flow.slot("CWND"), flow.slot("SSTHRESH")) == (M, 5 * M)


def test_3_1_a_second_time_out_keeps_ssthresh(flow):
    flow.waits(1000)
    flow.expects(seq=0, size=M)
    flow.waits(2000)
    flow.expects(seq=0)
    assert flow.slot("SSTHRESH") == 5 * M


def test_3_1_ssthresh_is_two_segments_at_least(word):
    peer = Client(Device(word=word, assets=site()))
    peer.open()
    peer.sends("PA", b"GET /nope HTTP/1.1\r\nHost: x\r\n\r\n")
    peer.expects("PA", seq=0)
    peer.waits(1000)
    peer.expects("PA", seq=0)
    assert peer.slot("SSTHRESH") == 2 * M


# ---- section 3.2: fast retransmit --------------------------------------------------------------------------------------

def test_3_2_the_third_duplicate_sends_again(flow):
    duplicates(flow, 2, ack=0)
    assert not recovering(flow)
    duplicates(flow, 1, ack=0)
    flow.expects(seq=0, size=M)
    assert recovering(flow) and flow.slot("SSTHRESH") == 5 * M
    assert flow.slot("CWND") == (5 + 3) * M
    assert flow.device.count("tcp_fast_retransmit") == 1


def test_3_2_each_further_duplicate_inflates_the_window(flow):
    duplicates(flow, 3, ack=0)
    for k in range(4):          # 12 are in flight: from the 13th on a new one fits
        duplicates(flow, 1, ack=0)
        flow.expects_nothing()
    assert flow.slot("CWND") == 12 * M
    duplicates(flow, 1, ack=0)
    flow.expects(seq=12 * M, size=M)


def test_2_data_makes_no_duplicate(flow):
    for _ in range(4):
        flow.waiting.clear()
        flow.sends("PA", b"x", ack=0)
    assert flow.slot("DUP_ACKS") == 0


def test_2_a_changed_window_makes_no_duplicate(flow):
    for window in (60000, 59000, 58000, 57000, 56000):
        duplicates(flow, 1, ack=0, window=window)
    assert flow.slot("DUP_ACKS") == 0


def test_2_nothing_in_flight_makes_no_duplicate(peer):
    for _ in range(5):
        peer.sends(ack=0)
        peer.expects_nothing()
    assert peer.slot("DUP_ACKS") == 0 and peer.device.count("tcp_fast_retransmit") == 0


def test_2_an_older_ack_makes_no_duplicate(flow):
    flow.sends(ack=2 * M)
    duplicates(flow, 5, ack=M)
    assert flow.slot("DUP_ACKS") == 0


def test_old_segments_do_not_change_the_window(flow):
    """RFC 9293 section 3.10.7.4: SND.WL1 and SND.WL2."""
    duplicates(flow, 1, ack=2 * M, window=50000)
    duplicates(flow, 1, ack=M, window=10)
    assert flow.slot("SND_WND") == 50000


# ---- RFC 3042: limited transmit ----------------------------------------------------------------------------------------

def test_3042_the_first_two_duplicates_let_a_new_segment_out_each(flow):
    flow.sends(ack=0)
    flow.expects_run(10 * M, [M])
    flow.sends(ack=0)
    flow.expects_run(11 * M, [M])
    flow.expects_nothing()
    assert flow.slot("CWND") == 10 * M


def test_3042_what_it_sent_does_not_raise_ssthresh(flow):
    """RFC 5681 section 3.2, step 2: twelve are in flight, ten count."""
    duplicates(flow, 3, ack=0)
    assert flow.slot("SND_MAX") - flow.slot("SND_UNA") & 0xFFFFFFFF == 12 * M
    assert flow.slot("SSTHRESH") == 5 * M


def test_3042_an_ack_of_new_data_ends_it(flow):
    flow.sends(ack=0)
    flow.expects(seq=10 * M)
    flow.sends(ack=M)
    flow.expects_run(11 * M, [M])       # CWND is 11, from 1 on
    flow.expects_nothing()


def test_3042_the_peers_window_limits_it(word):
    peer = Client(Device(word=word, assets=site()), window=10 * M)
    peer.open()
    peer.sends("PA", GET)
    peer.expects_run(0, [M] * 10)
    for _ in range(2):
        peer.sends(ack=0)
        peer.expects_nothing()


def test_3042_not_after_a_time_out(flow):
    flow.waits(1000)
    flow.expects(seq=0)
    for _ in range(2):
        flow.sends(ack=0)
        flow.expects_nothing()


def test_3042_a_time_out_forgets_the_duplicates(flow):
    flow.sends(ack=0)
    flow.expects(seq=10 * M)
    flow.waits(1000)
    flow.expects(seq=0)
    flow.expects_nothing()


# ---- section 4.1: idle connections -------------------------------------------------------------------------------------

def test_4_1_an_idle_connection_starts_again(flow):
    flow.pump()
    assert flow.slot("CWND") > 10 * M
    flow.device.pass_ms(5000)
    burst = flow.send(GET)
    assert sum(flow.length(t) for t in burst) == 10 * M


def test_4_1_a_short_pause_changes_nothing(flow):
    flow.pump()
    wide = flow.slot("CWND")
    flow.device.pass_ms(flow.slot("RTO") - 1)
    flow.send(GET)
    assert flow.slot("CWND") == wide


def test_4_1_a_small_window_stays_small(peer):
    """RW = min(IW, cwnd)."""
    peer.sends("PA", b"GET /nope HTTP/1.1\r\nHost: x\r\n\r\n")
    peer.expects(seq=0, lost=True)
    peer.waits(1000)
    peer.expects(seq=0)
    peer.sends()
    small = peer.slot("CWND")
    assert small < 3 * M
    peer.waits(20000)
    peer.sends("PA", GET)
    assert sum(peer.length(t) for t in peer.waiting) <= small


def test_silly_windows_are_not_filled(flow):
    """RFC 1122 section 4.2.3.4: a window that opens by a few bytes is left alone while data is in flight."""
    flow.sends(ack=5 * M, window=5 * M + 200)
    flow.expects_nothing()
