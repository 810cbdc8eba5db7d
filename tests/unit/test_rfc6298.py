"""RFC 6298: the retransmission timer, from measured round trips; Karn's rule."""
import pytest
from big import GET, site
from device import Client, Device


NOPE = b"GET /nope HTTP/1.1\r\nHost: x\r\n\r\n"


def connect(device, **fields):
    client = Client(device, **fields)
    client.open()
    return client, device.slot(client.port)


def round_trip(device, client, ms):
    """One request whose answer is acknowledged after ms."""
    client.send(NOPE)
    device.now += ms
    client.segment("A")


def test_the_first_timer_is_a_second(device):
    client, slot = connect(device)
    assert slot("RTO") == 1000
    client.sends("PA", NOPE)
    client.expects(seq=0, lost=True)
    client.waits(999)
    client.expects_nothing()
    client.waits(1)
    client.expects(seq=0)


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
    client.segment("PA", NOPE)
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


# ---- section 4: which segments are timed -------------------------------------------------------------------------------

def test_4_one_round_trip_of_a_flight_counts(peer):
    """Ten ACKs that come later and later: the RTO follows the first."""
    peer.sends("PA", GET)
    for k in range(10):
        peer.device.now += 20
        peer.waiting.clear()
        peer.sends(ack=(k + 1) * 1460)
    assert (peer.slot("SRTT"), peer.slot("RTTVAR")) == (21 << 3, 21 << 1)


def test_4_each_round_gives_one(peer):
    """The first ACK of each: 1 ms is what the clock's step adds."""
    peer.sends("PA", GET)
    ack = 0
    for trip in (40, 40, 80):
        flight = peer.slot("SND_MAX") - peer.slot("SND_UNA") & 0xFFFFFFFF
        for k in range(flight // 1460):
            peer.device.now += trip if k == 0 else 3
            ack += 1460
            peer.waiting.clear()
            peer.sends(ack=ack)
            if k == 0:
                expected = peer.slot("SRTT")
            if ack == flight:
                break
        peer.waiting.clear()
        assert peer.slot("SRTT") == expected


def test_3_a_hole_filled_in_recovery_is_not_measured(peer):
    """Karn: the segment that the partial ACK sent again had been timed."""
    peer.sends("PA", GET)
    peer.waiting.clear()
    for _ in range(3):
        peer.sends(ack=0)
        peer.waiting.clear()
    for hole in (1, 2, 3):
        peer.device.now += 150
        peer.sends(ack=hole * 1460)
        peer.expects(seq=hole * 1460)
    peer.device.now += 150
    peer.sends(ack=12 * 1460)
    assert peer.slot("SRTT") == 0 and peer.slot("RTO") == 1000


# ---- section 5: the timer ----------------------------------------------------------------------------------------------

def test_5_2_when_all_is_acknowledged_it_stops(peer):
    peer.request("/nope")
    peer.waits(50_000)
    peer.expects_nothing()
    assert peer.device.count("tcp_rto") == 0


def test_5_3_an_ack_of_new_data_restarts_it(peer):
    peer.sends("PA", GET)
    peer.waiting.clear()
    peer.device.now += 700
    peer.sends(ack=1460)
    peer.waiting.clear()
    rto = peer.slot("RTO")
    peer.waits(rto - 1)
    peer.expects_nothing()
    peer.waits(1)
    peer.expects(seq=1460)
    peer.expects_nothing()


def test_5_3_a_duplicate_does_not(peer):
    peer.sends("PA", GET)
    peer.waiting.clear()
    peer.waits(700)
    peer.sends(ack=0)
    peer.waiting.clear()
    peer.waits(299)
    peer.expects_nothing()
    peer.waits(1)
    peer.expects(seq=0)


def times_of(peer, ms):
    """When segments came, ms after now."""
    start, times = peer.device.now, []
    while peer.device.now < start + ms:
        peer.device.now += max(1, min(peer.device.wait, start + ms - peer.device.now))
        peer.device.out = []
        times += [peer.device.now - start for _ in peer.mine(peer.device.poll())]
    return times


def test_5_4_to_5_6_the_earliest_is_sent_again_and_the_timer_doubles(word):
    """Up to a minute; bounded: after R2 (RFC 9293 section 3.8.3: at least 100 s) the peer is given up."""
    client, slot = connect(Device(word=word))
    client.sends("PA", NOPE)
    client.waiting.clear()
    times = times_of(client, 1_000_000)
    assert times == [1000, 3000, 7000, 15000, 31000, 63000, 123000, 183000, 243000]
    assert client.device.count("tcp_timeout") == 1 and client.device.count("tcp_rto") == 9
    assert client.device.state("OPEN") == 0


def test_5_5_a_short_timer_lasts_long_enough_too(word):
    client, slot = connect(Device(word=word))
    for _ in range(12):
        round_trip(client.device, client, 0)
    client.ack = slot("SND_MAX")
    client.segment("PA", NOPE)
    times = times_of(client, 1_000_000)
    assert times[:5] == [200, 600, 1400, 3000, 6200] and len(times) == 9
    assert client.device.count("tcp_timeout") == 1


def test_5_5_back_off_lasts_until_a_round_trip_is_measured(peer):
    peer.sends("PA", NOPE)
    peer.expects(seq=0)
    peer.waits(3000)
    peer.waiting.clear()
    peer.sends()
    assert peer.slot("RTO") == 4000
    peer.sends("PA", NOPE)
    peer.expects("PA")
    peer.device.now += 99
    peer.sends()
    assert peer.slot("RTO") == 100 + 4 * 50
