"""RFC 6675: loss recovery by selective acknowledgements. Sections and step numbers are its own."""
import pytest
from big import GET, M, recovering, selective_flow
from device import Client


@pytest.fixture
def flow(word):
    """The initial window is on its way for 19 ms."""
    client = selective_flow(word)
    client.waits(19)
    return client


def enter(flow):
    """Every second one of the first six is lost: recovery has begun, and the first hole is sent again."""
    flow.sack(0, (5 * M, 6 * M), (3 * M, 4 * M), (M, 2 * M))
    flow.expects(seq=0, size=M)
    flow.expects_nothing()


# ---- section 4: IsLost, pipe --------------------------------------------------------------------------------------------

def test_4_what_arrived_is_not_in_flight(flow):
    """SetPipe: so the first blocks let new segments out, as RFC 3042 does."""
    flow.sack(0, (M, 2 * M))
    flow.expects(seq=10 * M, size=M)
    flow.expects_nothing()
    flow.sack(0, (M, 3 * M))
    flow.expects(seq=11 * M, size=M)
    flow.expects_nothing()
    assert flow.slot("CWND") == 10 * M and not recovering(flow)


def test_4_islost_wants_more_than_two_segments(flow):
    for blocks in ([(M, 2 * M)], [(M, 3 * M)]):
        flow.sack(0, *blocks)
        flow.waiting.clear()
        assert not recovering(flow)
    flow.sack(0, (M, 3 * M + 1))
    flow.expects(seq=0, size=M)
    assert recovering(flow)


def test_4_bytes_count_and_not_acks(flow):
    """Many small blocks are little reason to think that something is lost."""
    for k in range(1, 9):
        flow.sack(0, (k * M, k * M + 10))
        flow.waiting.clear()
        assert not recovering(flow)


def test_4_one_ack_can_be_enough(flow):
    """The others were lost."""
    flow.sack(0, (M, 10 * M))
    flow.expects(seq=0, size=M)
    assert recovering(flow)


# ---- section 5: the algorithm ------------------------------------------------------------------------------------------

def test_5_entry(flow):
    """Step 4: RecoveryPoint, ssthresh, cwnd, the first segment."""
    enter(flow)
    assert flow.slot("SSTHRESH") == flow.slot("CWND") == 5 * M and recovering(flow)
    assert flow.slot("RECOVER") - flow.first_ack & 0xFFFFFFFF == 10 * M
    assert flow.device.count("tcp_fast_retransmit") == 1 and flow.device.count("tcp_retransmit") == 1


def test_5_nextseg_fills_holes_in_order_then_sends_new(flow):
    """Step C and NextSeg (1) and (2): as pipe falls, hole by hole, then what is new; never what arrived."""
    enter(flow)
    rest = (3 * M, 4 * M), (M, 2 * M)
    for high, seq in ((7, 2 * M), (8, 4 * M), (9, 10 * M), (10, 11 * M)):
        flow.sack(0, (5 * M, high * M), *rest)
        flow.expects(seq=seq, size=M)
        flow.expects_nothing()
    assert flow.device.count("tcp_retransmit") == 3


def test_5_each_hole_is_sent_once_in_a_round_trip(flow):
    enter(flow)
    for high in (7, 8, 9, 10):
        flow.sack(0, (5 * M, high * M), (3 * M, 4 * M), (M, 2 * M))
        flow.waiting.clear()
    for _ in range(5):
        flow.sack(0, (5 * M, 10 * M), (3 * M, 4 * M), (M, 2 * M))
        flow.expects_nothing()


def test_5_partial_acks_change_no_window(flow):
    enter(flow)
    flow.waits(10)
    flow.sack(2 * M, (3 * M, 4 * M), (5 * M, 6 * M))
    assert flow.slot("CWND") == 5 * M and recovering(flow) and not flow.slot("FLAGS") & flow.device.fw.slot.PARTIAL


def test_5_a_full_ack_ends_it(flow):
    """Step A. The window is what it was reduced to."""
    enter(flow)
    flow.sends(ack=10 * M)
    flow.expects_run(10 * M, [M] * 5)
    flow.expects_nothing()
    assert not recovering(flow) and flow.slot("CWND") == flow.slot("SSTHRESH") == 5 * M


def test_5_the_window_is_halved_once(flow):
    """New holes within one recovery are the same event; those beyond it are another."""
    enter(flow)
    flow.sack(0, (5 * M, 7 * M), (3 * M, 4 * M), (M, 2 * M))
    flow.waiting.clear()
    flow.sack(0, (8 * M, 10 * M), (5 * M, 7 * M), (3 * M, 4 * M), (M, 2 * M))
    flow.waiting.clear()
    assert flow.slot("CWND") == 5 * M and flow.device.count("tcp_fast_retransmit") == 1
    flow.sends(ack=10 * M)
    flow.waiting.clear()
    assert not recovering(flow)
    flow.sack(10 * M, (11 * M, flow.slot("SND_MAX") - flow.first_ack & 0xFFFFFFFF))
    flow.expects(seq=10 * M, size=M)
    assert flow.slot("CWND") == 5 * M // 2 and flow.device.count("tcp_fast_retransmit") == 2


def test_5_a_hole_ends_where_what_arrived_begins(flow):
    """A retransmission brings nothing that is there, whatever its size."""
    flow.sack(0, (700, 10 * M))
    flow.expects(seq=0, size=700)
    flow.expects_run(10 * M, [M] * 4)
    flow.sack(0, (700, 10 * M))
    assert all((tcp.seq - flow.first_ack) & 0xFFFFFFFF >= 10 * M for tcp in flow.waiting)


def test_5_the_peers_window_counts_from_its_ack(flow):
    """What is beyond a gap takes room in it, although it is not in flight."""
    flow.sack(0, (M, 3 * M), window=11 * M)
    flow.expects(seq=10 * M, size=M)
    flow.expects_nothing()


def test_2_duplicates_that_tell_nothing_new_start_nothing(flow):
    """The definition of a duplicate acknowledgement: it has news. Frames that a network doubles give plain ones."""
    flow.sack(0, (M, 2 * M))
    flow.waiting.clear()
    for _ in range(6):
        flow.sends(ack=0)
        flow.expects_nothing()
    assert not recovering(flow) and flow.slot("CWND") == 10 * M


def test_blocks_on_a_request_count(flow):
    """A peer that sends data carries them along."""
    flow.sack(0, (M, 10 * M), flags="A", seq=None)
    flow.waiting.clear()
    peer = Client(flow.device, port=41000, window=65535, permits=True)
    peer.open()
    peer.sends("PA", GET)
    peer.waiting.clear()
    edges = tuple((peer.first_ack + edge) & 0xFFFFFFFF for edge in (M, 10 * M))
    peer.sends("PA", GET, ack=0, options=[("NOP", None), ("NOP", None), ("SAck", edges)])
    peer.expects(seq=0, size=M)


# ---- section 5.1: time-outs --------------------------------------------------------------------------------------------

def time_out(flow):
    while not flow.device.count("tcp_rto"):
        flow.waiting.clear()
        flow.waits(1)
    flow.expects(seq=0, size=M)


def test_5_1_a_time_out_ends_recovery(flow):
    enter(flow)
    time_out(flow)
    flow.expects_nothing()
    assert not recovering(flow) and flow.slot("CWND") == M
    assert flow.slot("RECOVER") - flow.first_ack & 0xFFFFFFFF == 10 * M


def test_5_1_what_is_told_after_it_is_not_sent_again(flow):
    """The answer to the retransmission tells what is missing: that alone is sent, in slow start."""
    enter(flow)
    time_out(flow)
    flow.waits(19)
    flow.sack(2 * M, (3 * M, 4 * M), (5 * M, 9 * M))
    flow.expects(seq=2 * M, size=M)
    flow.expects(seq=4 * M, size=M)
    flow.expects_nothing()
    flow.waits(19)
    flow.sack(9 * M)
    flow.expects(seq=9 * M, size=M)
    assert flow.device.count("tcp_fast_retransmit") == 1


def test_5_1_no_new_recovery_before_the_recovery_point(flow):
    enter(flow)
    time_out(flow)
    half = flow.slot("SSTHRESH")
    flow.waits(19)
    flow.sack(2 * M, (3 * M, 9 * M))
    assert not recovering(flow) and flow.slot("SSTHRESH") == half and flow.device.count("tcp_fast_retransmit") == 1


# ---- beside the scoreboard ------------------------------------------------------------------------------------------------

def test_what_has_arrived_is_not_sent_again_when_the_window_opens(flow):
    """It shut while a hole was known; RFC 9293 section 3.8.6.1's probes found it shut, and then open."""
    flow.sack(0, (M, 10 * M), window=0)
    for _ in range(2000):
        flow.waiting.clear()
        if flow.slot("FLAGS") & flow.device.fw.slot.PROBING:
            break
        flow.waits(1)
    else:
        raise AssertionError("it does not probe")
    for window in 0, 65535:
        flow.sack(0, (M, 10 * M), window=window)
        came = [((tcp.seq - flow.first_ack) & 0xFFFFFFFF) for tcp in flow.waiting]
        flow.waiting.clear()
        if not window:
            flow.waits(20)
            flow.waiting.clear()
    assert came and not [seq for seq in came if M <= seq < 10 * M]


def test_old_news_does_not_restart_the_timer(flow):
    """RFC 6298 5.3 is of new data. The list is full, and a block that finds no room in it comes again and again."""
    blocks = [(k * M + 700, k * M + 701) for k in range(1, 10)]
    for at in range(0, 9, 3):
        flow.sack(0, *blocks[at:at + 3])
        flow.waiting.clear()
    flow.sack(0, (9 * M + 1000, 9 * M + 1001), (8 * M + 100, 8 * M + 101))
    for _ in range(100):
        flow.waiting.clear()
        flow.waits(10)
        flow.waiting.clear()
        flow.sack(0, (M + 100, M + 101))
    flow.waiting.clear()
    assert flow.device.count("tcp_rto")
