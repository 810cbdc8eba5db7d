"""RFC 5681 congestion control, RFC 6582 NewReno, RFC 6928 initial window: the windows' words after each event."""
import pytest
from big import GET, site
from device import Client, Device

MSS = 1460


@pytest.fixture
def flow(word):
    """A big page was asked for; the initial window is on its way. (device, client, slot, segments)"""
    device = Device(word=word, assets=site())
    client = Client(device, window=65535)
    client.open()
    segments = [t for t in client.segment("PA", GET) if client.length(t)]
    client.seq += len(GET)
    return device, client, device.slot(client.port), segments


def test_initial_window(flow):
    device, client, slot, segments = flow
    assert slot("CWND") == 10 * MSS == sum(client.length(t) for t in segments)


def test_slow_start_adds_a_segment_for_each_ack(flow):
    device, client, slot, segments = flow
    client.ack = segments[0].seq + MSS
    sent = client.segment("A")
    assert slot("CWND") == 11 * MSS and [client.length(t) for t in sent] == [MSS, MSS]


def test_time_out(flow):
    """Section 3.1: SSTHRESH is half of what was in flight, CWND one segment; then slow start up to it, and on linearly."""
    device, client, slot, segments = flow
    again = client.mine(device.pass_ms(1000))
    assert [t.seq for t in again] == [segments[0].seq]
    assert (slot("CWND"), slot("SSTHRESH")) == (MSS, 5 * MSS)
    client.take(again)
    windows = []
    for _ in range(12):
        client.ack += MSS
        client.segment("A", ack=client.ack)
        windows.append(slot("CWND") // MSS)
    assert windows[:4] == [2, 3, 4, 5]
    assert windows[4:9] == [5, 5, 5, 5, 6]      # five more for one


def test_fast_retransmit_and_full_recovery(flow):
    device, client, slot, segments = flow
    client.ack = segments[1].seq
    client.segment("A")
    flight = (slot("SND_MAX") - client.ack) & 0xFFFFFFFF
    client.segment("A")
    client.segment("A")
    assert not slot("FLAGS") & device.fw.slot.RECOVERING
    third = client.segment("A")
    assert third[0].seq == segments[1].seq and slot("SSTHRESH") == flight // 2
    assert slot("CWND") == flight // 2 + 3 * MSS
    client.segment("A")
    assert slot("CWND") == flight // 2 + 4 * MSS        # each further duplicate: one has left the network
    client.ack = slot("RECOVER")
    client.segment("A")
    assert not slot("FLAGS") & device.fw.slot.RECOVERING and slot("CWND") == slot("SSTHRESH")


def test_partial_ack_sends_the_next_hole(flow):
    """RFC 6582 section 3.2, step 3: without three more duplicates."""
    device, client, slot, segments = flow
    client.ack = segments[1].seq
    for _ in range(4):
        client.segment("A")
    client.ack = segments[4].seq
    sent = client.segment("A")
    assert sent[0].seq == segments[4].seq and slot("FLAGS") & device.fw.slot.RECOVERING
    assert device.count("tcp_fast_retransmit") == 1


def test_duplicates_of_an_old_loss_start_nothing(flow):
    """RFC 6582 section 3.2, step 1: after a time-out only an ACK beyond `recover` may start fast retransmit."""
    device, client, slot, segments = flow
    device.pass_ms(1000)
    for _ in range(5):
        client.segment("A", ack=segments[0].seq)
    assert device.count("tcp_fast_retransmit") == 0


def test_a_changed_window_is_no_duplicate(flow):
    device, client, slot, segments = flow
    client.ack = segments[1].seq
    for window in (60000, 59000, 58000, 57000, 56000):
        client.segment("A", window=window)
    assert slot("DUP_ACKS") == 0


def test_old_segments_do_not_change_the_window(flow):
    """RFC 9293 section 3.10.7.4: SND.WL1 and SND.WL2."""
    device, client, slot, segments = flow
    client.ack = segments[2].seq
    client.segment("A", window=50000)
    client.segment("A", ack=segments[1].seq, window=10)
    assert slot("SND_WND") == 50000


def test_idle_connection_starts_again(flow):
    """Section 4.1."""
    device, client, slot, segments = flow
    client.take(segments)
    client.pump()
    assert slot("CWND") > 10 * MSS
    device.pass_ms(5000)
    burst = client.send(GET)
    assert sum(client.length(t) for t in burst) == 10 * MSS


def test_silly_windows_are_not_filled(flow):
    """RFC 1122 section 4.2.3.4: a window that opens by a few bytes is left alone while data is in flight."""
    device, client, slot, segments = flow
    client.ack = segments[5].seq
    in_flight = slot("SND_NXT") - client.ack & 0xFFFFFFFF
    assert client.segment("A", window=in_flight + 200) == []
