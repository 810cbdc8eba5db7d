"""RFC 6582: NewReno. The step numbers are those of section 3.2."""
import pytest
from big import GET, recovering

M = 1460


@pytest.fixture
def loss(peer):
    """Twenty segments are in flight; the first, fourth, fifth and sixth of them are lost, and three duplicates came."""
    peer.sends("PA", GET)
    peer.expects_run(0, [M] * 10)
    for k in range(1, 11):
        peer.sends(ack=k * M)
        peer.expects_run((8 + 2 * k) * M, [M, M])
    for k in range(2):
        peer.sends(ack=10 * M)
        peer.expects_run((30 + k) * M, [M])
    peer.sends(ack=10 * M)
    peer.expects(seq=10 * M, size=M)
    peer.expects_nothing()
    return peer


def test_step_2_entry(loss):
    assert recovering(loss) and loss.slot("SSTHRESH") == 10 * M and loss.slot("CWND") == 13 * M
    assert loss.slot("RECOVER") - loss.first_ack & 0xFFFFFFFF == 32 * M


def test_step_3_a_partial_ack_sends_the_next_hole(loss):
    loss.sends(ack=13 * M)
    loss.expects(seq=13 * M, size=M)
    assert recovering(loss) and loss.device.count("tcp_fast_retransmit") == 1


def test_step_3_a_partial_ack_deflates_the_window(loss):
    """By what it acknowledges, less one segment."""
    loss.sends(ack=13 * M)
    loss.expects(seq=13 * M)
    assert loss.slot("CWND") == (13 - 3 + 1) * M


def test_step_3_a_part_of_a_segment_gives_none_back(loss):
    loss.sends(ack=10 * M + 100)
    loss.expects(seq=10 * M + 100)
    assert loss.slot("CWND") == 13 * M - 100


def test_step_3_holes_are_filled_one_by_one(loss):
    for hole in (13, 14, 15):
        loss.sends(ack=hole * M)
        loss.expects(seq=hole * M, size=M)
        assert recovering(loss)
    loss.sends(ack=32 * M)
    assert not recovering(loss) and loss.device.count("tcp_retransmit") == 4
    assert loss.device.count("tcp_rto") == 0


def test_step_3_a_full_ack_deflates_to_what_is_in_flight(loss):
    """Option 1: min(ssthresh, max(FlightSize, SMSS) + SMSS); here nothing is left in flight."""
    loss.sends(ack=32 * M)
    loss.expects_run(32 * M, [M, M])
    loss.expects_nothing()
    assert not recovering(loss) and loss.slot("CWND") == 2 * M


def test_step_3_a_full_ack_never_exceeds_ssthresh(loss):
    for _ in range(30):         # duplicates of all that came meanwhile: new segments follow
        loss.waiting.clear()
        loss.sends(ack=10 * M)
    loss.waiting.clear()
    loss.sends(ack=32 * M)
    loss.waiting.clear()
    assert loss.slot("CWND") == loss.slot("SSTHRESH") == 10 * M


def test_after_recovery_the_count_of_bytes_starts_anew(loss):
    """RFC 5681 section 3.1: what was acknowledged of the old window is not credited to the new one."""
    loss.sends(ack=32 * M)
    loss.expects_run(32 * M, [M, M])
    for k in range(33, 50):                     # slow start up to SSTHRESH, congestion avoidance beyond it
        loss.sends(ack=k * M)
        loss.waiting.clear()
    assert loss.slot("CWND_ACKED") > 0
    for _ in range(3):
        loss.sends(ack=49 * M)
        loss.waiting.clear()
    loss.sends(ack=loss.slot("SND_MAX") - loss.first_ack & 0xFFFFFFFF)
    assert not recovering(loss) and loss.slot("CWND_ACKED") == 0
    loss.waiting.clear()


def test_step_3_the_first_partial_ack_restarts_the_timer(loss):
    rto = loss.slot("RTO")
    loss.waits(rto - 50)
    loss.sends(ack=13 * M)
    loss.expects(seq=13 * M)
    loss.waits(100)
    loss.expects_nothing()
    loss.waits(rto - 100)
    loss.expects(seq=13 * M)
    assert loss.device.count("tcp_rto") == 1


def test_section_4_the_second_partial_ack_does_not(loss):
    """The impatient variant."""
    rto = loss.slot("RTO")
    loss.sends(ack=13 * M)
    loss.expects(seq=13 * M)
    loss.waits(rto - 50)
    loss.sends(ack=14 * M)
    loss.expects(seq=14 * M)
    loss.waits(60)
    loss.expects(seq=14 * M)
    assert loss.device.count("tcp_rto") == 1 and not recovering(loss)


def test_after_recovery_every_ack_restarts_the_timer(loss):
    rto = loss.slot("RTO")
    loss.sends(ack=13 * M)
    loss.expects(seq=13 * M)
    loss.sends(ack=32 * M)
    loss.expects_run(32 * M, [M, M])
    loss.waits(rto - 50)
    loss.sends(ack=33 * M)
    loss.waiting.clear()
    loss.waits(100)
    loss.expects_nothing()


def test_step_4_a_time_out_ends_recovery(loss):
    loss.waits(loss.slot("RTO"))
    loss.expects(seq=10 * M, size=M)
    loss.expects_nothing()
    assert not recovering(loss) and loss.slot("CWND") == M
    assert loss.slot("RECOVER") - loss.first_ack & 0xFFFFFFFF == 32 * M


def test_step_4_after_a_time_out_all_is_sent_again_in_slow_start(loss):
    loss.waits(loss.slot("RTO"))
    loss.expects(seq=10 * M)
    loss.sends(ack=11 * M)
    loss.expects_run(11 * M, [M, M])
    loss.sends(ack=12 * M)
    loss.expects_run(13 * M, [M, M])


@pytest.mark.parametrize("ack", (10, 31, 32))
def test_step_1_duplicates_of_an_old_loss_start_nothing(loss, ack):
    """The ACK has to cover more than `recover`."""
    loss.waits(loss.slot("RTO"))
    loss.waiting.clear()
    for _ in range(6):
        loss.sends(ack=ack * M)
        loss.waiting.clear()
    assert loss.device.count("tcp_fast_retransmit") == 1 and not recovering(loss)


def test_step_1_beyond_recover_they_do(loss):
    loss.sends(ack=32 * M)
    loss.waiting.clear()
    for k in range(33, 40):
        loss.sends(ack=k * M)
        loss.waiting.clear()
    for _ in range(3):
        loss.sends(ack=39 * M)
        loss.waiting.clear()
    assert loss.device.count("tcp_fast_retransmit") == 2


def test_recover_follows_on_a_long_connection(peer):
    """After 2^31 bytes without a loss `recover` would seem to lie ahead."""
    device = peer.device
    c = device.fw.builtins["ptr32"](device.state("SLOTS") + (device.fw.board.TCP_SLOTS - 1) * device.fw.slot.SLOT_BYTES)
    c[device.fw.slot.RECOVER] = peer.first_ack - 1 - 0x7FFFB000 & 0xFFFFFFFF
    peer.sends("PA", GET)
    peer.expects_run(0, [M] * 10)
    for k in range(1, 17):
        peer.sends(ack=k * M)
        peer.waiting.clear()
    for _ in range(3):
        peer.sends(ack=16 * M)
        peer.waiting.clear()
    assert device.count("tcp_fast_retransmit") == 1
