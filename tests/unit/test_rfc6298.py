"""RFC 6298: the retransmission timer, from measured round trips; Karn's rule."""
import pytest
from big import GET, site
from device import Client, Device


def connect(device, **fields):
    client = Client(device, **fields)
    client.open()
    return client, device.slot(client.port)


def round_trip(device, client, ms):
    """One request whose answer is acknowledged after ms."""
    client.send(b"GET /nope HTTP/1.1\r\nHost: x\r\n\r\n")
    device.now += ms
    client.segment("A")


def test_the_first_timer_is_a_second(device):
    client, slot = connect(device)
    assert slot("RTO") == 1000


def test_srtt_and_rttvar(device):
    """Section 2.2 and 2.3; our samples are rounded up by the millisecond of the clock."""
    client, slot = connect(device)
    round_trip(device, client, 99)
    srtt, rttvar = 100, 50
    assert (slot("SRTT") / 8, slot("RTTVAR") / 4, slot("RTO")) == (srtt, rttvar, srtt + 4 * rttvar)
    for sample in (300, 40, 100, 100, 500):
        round_trip(device, client, sample - 1)
        rttvar = 0.75 * rttvar + 0.25 * abs(srtt - sample)
        srtt = 0.875 * srtt + 0.125 * sample
        assert slot("SRTT") / 8 == pytest.approx(srtt, abs=2)
        assert slot("RTTVAR") / 4 == pytest.approx(rttvar, abs=3)
        assert slot("RTO") == pytest.approx(srtt + 4 * rttvar, abs=14)


def test_the_timer_has_bounds(device):
    client, slot = connect(device)
    for _ in range(20):
        round_trip(device, client, 0)
    assert slot("RTO") == 200


def test_a_retransmission_is_not_measured(device):
    """Section 3 (Karn): what was sent twice tells no round trip."""
    client, slot = connect(device)
    client.segment("PA", b"GET /nope HTTP/1.1\r\nHost: x\r\n\r\n")
    device.pass_ms(3500)
    assert slot("RTO") == 4000
    client.seq += 33
    client.take(client.segment("A"))
    client.ack = slot("SND_MAX")
    client.segment("A")
    assert slot("SRTT") == 0 and slot("RTO") == 4000


def test_a_retransmission_sends_nothing_new(word):
    """The peer's window closed in on what was sent: the timer repeats that much and no more."""
    device = Device(word=word, assets=site())
    client, slot = connect(device, window=100)
    first = client.segment("PA", GET)[-1]
    again, = client.mine(device.pass_ms(1000))
    assert (again.seq, client.length(again)) == (first.seq, 100)


def test_a_closed_window_is_not_a_round_trip(word):
    device = Device(word=word, assets=site())
    client, slot = connect(device, window=0)
    client.send(GET)
    device.pass_ms(40_000)
    client.window = 60_000
    client.take(client.segment("A"))
    assert slot("SRTT") == 0 and slot("RTO") == 1000
    device.now += 20
    client.pump()
    assert slot("SRTT") >> 3 < 40 and client.got.endswith(site().data)


def test_answered_probes_keep_the_connection(word):
    """RFC 9293 section 3.8.6.1: a window may stay closed as long as the peer answers."""
    device = Device(word=word, assets=site())
    client, slot = connect(device, window=0)
    client.send(GET)
    for _ in range(900_000 // 500):
        for _ in client.mine(device.pass_ms(500)):
            client.segment("A")
    assert slot("STATE") == device.fw.slot.ESTABLISHED and device.count("tcp_probe") > 12
    client.window = 60_000
    client.take(client.segment("A"))
    client.pump()
    assert client.got.endswith(site().data)
