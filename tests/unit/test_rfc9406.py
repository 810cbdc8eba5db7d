"""RFC 9406 (HyStart++): the first slow start slows down when the round trips grow, before the queue of the path overflows."""
import pytest
from big import GET, site
from device import Client, Device
from path import Path

M = 1460


class Rounds:
    """A peer that acknowledges each segment of a round by itself, all at one time."""

    def __init__(self, word, mss=M, **overrides):
        self.peer = Client(Device(word=word, assets=site(), overrides=overrides), window=65535, mss=mss)
        self.peer.open()
        self.ack, self.ends = 0, []
        self.peer.sends("PA", GET)
        self.came()
        self.slot = self.peer.slot

    def came(self):
        """Remember where the segments end that came."""
        self.ends += [tcp.seq - self.peer.first_ack + self.peer.length(tcp) & 0xFFFFFFFF for tcp in self.peer.waiting]
        self.peer.waiting.clear()

    def pass_by(self, *trips):
        """A round whose segments take so many ms each (in the order of their ACKs); returns what CWND grew by with each."""
        grown = []
        start = self.peer.device.now
        for ms in trips:
            self.peer.device.now = start + ms
            self.ack = self.ends.pop(0)
            before = self.slot("CWND")
            self.peer.sends(ack=self.ack)
            self.came()
            grown.append(self.slot("CWND") - before)
        return grown

    def round(self, ms):
        """All that was in flight when this round began; it takes ms."""
        end = self.slot("ROUND_END") - self.peer.first_ack & 0xFFFFFFFF
        return self.pass_by(*[ms] * sum(one <= end for one in self.ends))


@pytest.fixture
def rounds(word):
    return Rounds(word)


def to_css(rounds):
    rounds.round(50)
    rounds.round(80)
    assert rounds.slot("CSS") == 4          # what is left of the round in which it began counts (section 4.2)


def test_equal_round_trips_stay_in_slow_start(rounds):
    for segments in (10, 18, 34):
        assert rounds.round(50) == [M] * segments or rounds.slot("CWND") == 0xFFFF
    assert rounds.slot("CSS") == 0 and rounds.slot("SSTHRESH") > 0xFFFF


def test_4_2_growing_round_trips_lead_to_conservative_slow_start(rounds):
    """With the eighth sample of the round; from then on a quarter is added."""
    rounds.round(50)
    assert rounds.round(80) == [M] * 7 + [M // 4] * 11


def test_4_2_seven_samples_are_too_few(rounds):
    rounds.round(50)
    assert rounds.pass_by(*[80] * 7) == [M] * 7
    assert rounds.slot("CSS") == 0


def test_4_2_the_least_sample_counts(rounds):
    """Jitter, or an ACK that was delayed, is no queue."""
    rounds.round(50)
    assert rounds.pass_by(52, *[90] * 17) == [M] * 18


@pytest.mark.parametrize("trip, more, leads", (
    (10, 3, False), (10, 4, True),              # MIN_RTT_THRESH = 4 ms
    (100, 11, False), (100, 12, True),          # an eighth
    (180, 15, False), (180, 16, True)))         # MAX_RTT_THRESH = 16 ms
def test_4_2_the_threshold(rounds, trip, more, leads):
    rounds.round(trip)
    rounds.round(trip + more)
    assert bool(rounds.slot("CSS")) == leads


def test_4_2_a_burst_is_not_compared_with_itself(rounds):
    """The first flight stands in the queue one behind the other: its round trips grow, and there is no round before."""
    assert rounds.pass_by(*range(50, 150, 10)) == [M] * 10


def test_4_2_nor_is_the_next_answer(rounds):
    """After a pause a round begins with what is sent then."""
    while rounds.slot("SND_UNA") != rounds.slot("SND_END"):
        rounds.ack = rounds.ends[-1]
        rounds.ends.clear()
        rounds.peer.sends(ack=rounds.ack)
        rounds.came()
    rounds.peer.device.now += 3000
    rounds.peer.sends("PA", GET, ack=rounds.ack)
    rounds.came()
    rounds.pass_by(*range(1, 100, 10))
    assert rounds.slot("CSS") == 0


def test_4_2_a_round_trip_below_the_baseline_resumes_slow_start(rounds):
    to_css(rounds)
    assert rounds.pass_by(*[60] * 12) == [M // 4] * 7 + [M] * 5
    assert rounds.slot("CSS") == 0


def test_4_2_five_rounds_end_in_congestion_avoidance(word):
    rounds = Rounds(word, mss=536)              # so that the window has room for all of them
    rounds.round(50)
    for left in (4, 3, 2, 1):
        rounds.round(80)
        assert rounds.slot("CSS") == left and rounds.slot("SSTHRESH") > 0xFFFF
    rounds.round(80)
    assert rounds.slot("CSS") == 0 and rounds.slot("SSTHRESH") <= rounds.slot("CWND") < 0xFFFF


def test_4_2_a_loss_ends_it(rounds):
    to_css(rounds)
    for _ in range(3):
        rounds.peer.waiting.clear()
        rounds.peer.sends(ack=rounds.ack)
    rounds.peer.waiting.clear()
    rounds.ends.clear()
    rounds.peer.sends(ack=rounds.slot("RECOVER") - rounds.peer.first_ack & 0xFFFFFFFF)
    rounds.came()
    ssthresh = rounds.slot("SSTHRESH")
    assert ssthresh < 0xFFFF and rounds.slot("CWND") < ssthresh
    assert rounds.pass_by(80, 80) == [M, M]     # slow start in full steps, up to SSTHRESH


def test_4_3_only_the_first_slow_start(rounds):
    """After a time-out SSTHRESH is known: growing round trips lead nowhere."""
    rounds.round(20)
    rounds.peer.device.pass_ms(rounds.slot("RTO"))
    assert rounds.slot("SSTHRESH") == 10 * M and rounds.slot("CWND") == M
    for k in range(1, 4):
        rounds.pass_by(*[50 * k] * 8)
    assert rounds.slot("CSS") == 0


def test_karn(rounds):
    """What was sent again, and what was in flight with it, gives no sample (RFC 6298 section 3)."""
    rounds.pass_by(*[50] * 5)
    for _ in range(3):
        rounds.peer.waiting.clear()
        rounds.peer.sends(ack=rounds.ack)
    samples, srtt = rounds.slot("SAMPLES"), rounds.slot("SRTT")
    rounds.peer.waiting.clear()
    rounds.peer.device.now += 90
    rounds.peer.sends(ack=20 * M)
    assert (rounds.slot("SAMPLES"), rounds.slot("SRTT")) == (samples, srtt)


def test_it_can_be_compiled_out(word):
    rounds = Rounds(word, HYSTART=False)
    rounds.round(50)
    assert rounds.round(80) == [M] * 18
    assert rounds.slot("SRTT") > 51 << 3        # the round trips are measured all the same


# ---- a bottleneck with a queue: a page of 200,000 bytes -----------------------------------------------------------------

PATHS = {                       # kbit/s, frames of queue, ms one way, the receiver acknowledges every n-th segment
    "1 Mbit/s, ACK each": (1000, 20, 20, 1), "1 Mbit/s": (1000, 20, 20, 2), "2 Mbit/s, ACK each": (2000, 20, 20, 1),
    "2 Mbit/s": (2000, 20, 20, 2), "4 Mbit/s": (4000, 20, 20, 2)}


def fetch(hystart, rate, queue, delay, every):
    device = Device(assets=site(200_000), overrides={"HYSTART": hystart})
    path = Path(device, rate=rate, queue=queue, delay=delay, ack_every=every)
    got, ms = path.fetch("/big.bin")
    assert got.endswith(site(200_000).data)
    return path.lost, ms


@pytest.mark.parametrize("name", PATHS)
def test_fewer_segments_are_lost_at_a_bottleneck(name):
    lost, ms = fetch(False, *PATHS[name])
    lost_less, ms_with = fetch(True, *PATHS[name])
    print("\n%-20s %3d segments lost, %4d ms; with HyStart++ %3d, %4d ms" % (name, lost, ms, lost_less, ms_with))
    assert lost_less < lost and ms_with <= 1.05 * ms


@pytest.mark.parametrize("rate, queue, delay", ((0, 0, 20), (50000, 100, 5), (20000, 100, 50), (4000, 100, 50)))
def test_where_nothing_is_lost_nothing_is_slower(rate, queue, delay):
    lost, ms = fetch(False, rate, queue or 1000, delay, 2)
    lost_with, ms_with = fetch(True, rate, queue or 1000, delay, 2)
    assert lost == lost_with == 0 and ms_with <= 1.05 * ms
