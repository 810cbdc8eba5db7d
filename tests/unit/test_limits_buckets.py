"""Token buckets of sources (limits.py): exact ones, a table that forgets in favour of whom it forgets, floods."""
import random
from collections import Counter

import pytest
from device import PEER
from limits_bench import allow, answers, echo, echoes, limited, rate, small


class Reference:
    """What a bucket is: exact arithmetic, no table."""

    def __init__(self, per_s, burst):
        self.per_s, self.full = per_s, 1000 * burst
        self.sources = {}

    def allows(self, source, now):
        tokens, at = self.sources.get(source, (self.full, now))
        tokens = min(self.full, tokens + (now - at) * self.per_s)
        self.sources[source] = (tokens - 1000 if tokens >= 1000 else tokens, now)
        return tokens >= 1000


@pytest.mark.parametrize("burst", (1, 2, 7, 100))
def test_burst_then_rate(word, burst):
    device = limited(word, **rate(4, burst))
    assert echoes(device, burst + 5) == burst and device.count("udp_limited") == 5
    device.pass_ms(249)
    assert echoes(device, 1) == 0
    device.pass_ms(1)
    assert echoes(device, 3) == 1
    device.pass_ms(10 ** 6)
    assert echoes(device, burst + 3) == burst


@pytest.mark.parametrize("per_s, burst", ((1, 1), (3, 2), (7, 7), (333, 5), (999, 5), (1000, 1), (1001, 3), (250_000, 300),
                                          (1_000_000, 1_000_000), (1, 1_000_000)))
def test_refill_is_exact(word, per_s, burst):
    """Over thousands of ms, asked at random times, never one token more or less than exact arithmetic gives."""
    dice = random.Random(per_s)
    device, reference = limited(word, **rate(per_s, burst)), Reference(per_s, burst)
    frame = echo()
    told = Counter()
    assert answers(device, frame) and reference.allows(PEER, device.now)
    if burst > 10:                                      # all but spent, as it is after that many datagrams
        at = next(k for k in range(0, 3 * device.fw.state.SOURCES, 3) if device.stack.s[device.fw.state.DATAGRAM_BUCKETS + k])
        device.stack.s[device.fw.state.DATAGRAM_BUCKETS + at + 2] = 1000 * burst - 2500
        reference.sources[PEER] = 2500, device.now
    for _ in range(400 if word is None else 120):
        device.now += dice.choice((0, 0, 1, 1, 2, 3, 17, 999, 1000, 1001, 12345))
        for _ in range(dice.choice((1, 1, 4))):
            answered = answers(device, frame)
            assert answered == reference.allows(PEER, device.now)
            told[answered] += 1
    assert told[1] and (told[0] or per_s >= 250_000)


def test_many_sources_each_have_their_own(word):
    """As many sources as half of the table, in random turns: as if each had a bucket for ever."""
    dice = random.Random(4)
    device, reference = limited(word, **rate(2, 3)), Reference(2, 3)
    sources = dice.sample(range(0x0A010000, 0x0A0F0000), 40)
    for _ in range(3000 if word is None else 400):
        device.now += dice.randrange(20)
        source = dice.choice(sources)
        assert answers(device, echo(source)) == reference.allows(source, device.now)


def test_queries_and_echoes_share_a_bucket_and_closed_ports_do_not(word):
    device = limited(word, **rate(1, 3))
    assert [answers(device, echo(port=port)) for port in (7, 9, 5005, 9, 7, 5005, 9)] == [1, 1, 1, 1, 1, 0, 1]


def test_what_is_denied_spends_nothing(word):
    device = limited(word, **rate(1, 2), **allow(udp=["10.0.2.2/32"], sensor=["10.0.2.3/32"]))
    for _ in range(9):
        assert answers(device, echo("10.0.2.3")) == 0 and answers(device, echo("10.0.2.2", port=5005)) == 0
    assert echoes(device, 3) == 2 and answers(device, echo("10.0.2.3", port=5005)) == 1
    assert not any(device.stack.s[device.fw.state.DATAGRAM_BUCKETS + 3 * k] == int.from_bytes(bytes([11, 0, 0, 1]), "little")
                   for k in range(device.fw.state.SOURCES))


@pytest.mark.parametrize("wrap", (2 ** 31, 2 ** 32))
def test_the_clock_wraps(word, wrap):
    """A bucket that was emptied just before the clock reaches 2^31 or 2^32 ms refills across that as ever."""
    device = limited(word, **rate(2, 3))
    while device.now < wrap - 2 ** 29:
        device.now += 2 ** 29 - 1
        device.poll()
    device.now = wrap - 300
    assert echoes(device, 4) == 3
    device.pass_ms(299)
    assert echoes(device, 1) == 0
    device.pass_ms(201)
    assert echoes(device, 2) == 1
    device.pass_ms(5000)
    assert echoes(device, 4) == 3


def test_nothing_is_as_old_as_the_clocks_circle():
    """Who emptied a bucket is not met by it when the clock shows the same 2^32 ms later: the timer keeps all up to date."""
    device = small(**rate(1, 1000), SENSOR=False, QUERY_PORT=0, COLLECTOR_PORT=0)
    assert echoes(device, 1001) == 1000
    start = device.now
    timer = 60000
    for _ in range(8 * 3):                                  # every bucket of the table has its turn
        device.now += timer
        device.poll()
    while device.now + 2 ** 29 < start + 2 ** 32:
        device.now += 2 ** 29
        device.poll()
    device.now = start + 2 ** 32 + 7
    assert echoes(device, 1001) == 1000


def test_a_bucket_older_than_half_the_clocks_circle_is_full(word):
    device = limited(word, **rate(1, 3))
    assert echoes(device, 4) == 3
    at = next(k for k in range(device.fw.state.DATAGRAM_BUCKETS, device.fw.state.WORDS, 3) if device.stack.s[k])
    device.stack.s[at + 1] = device.state("NOW") - 2 ** 31 - 5 & 0xFFFFFFFF
    assert echoes(device, 4) == 3


def test_every_bucket_has_its_turn_with_the_timer(word):
    device = small(word, **rate(1, 1000))
    names = device.fw.state
    s = device.stack.s
    for k in range(names.SOURCES):
        s[names.DATAGRAM_BUCKETS + 3 * k + 2] = 1_000_000
    device.pass_ms(61000 * (names.SOURCES + 1))             # a timer at least each minute
    assert all(s[names.DATAGRAM_BUCKETS + 3 * k + 2] < 1_000_000 for k in range(names.SOURCES))


# ---- floods --------------------------------------------------------------------------------------------------------

def test_a_flood_from_one_source_takes_nothing_from_another(word):
    device = limited(word, **rate(10, 5))
    flood, good = echo("10.0.9.9"), echo("10.0.2.2")
    got = Counter()
    for _ in range(30):
        device.now += 100
        for _ in range(20):
            got["flood"] += answers(device, flood)
        got["good"] += answers(device, good)
    assert got == {"flood": 5 + 29, "good": 30}


def test_a_flood_of_random_sources_never_makes_a_good_client_wait(word):
    """The table is far too small: buckets are forgotten, which is in favour of whom they belong to."""
    dice = random.Random(11)
    device = small(word, **rate(10, 3))
    good = echo("10.0.2.2")
    for _ in range(200 if word is None else 40):
        device.now += 100
        for _ in range(30):
            answers(device, echo(dice.randrange(0x0B000000, 0x70000000)))
        assert answers(device, good) == 1


def test_who_has_spent_all_stays_limited_in_a_flood_of_random_sources(word):
    dice = random.Random(12)
    device = small(word, **rate(2, 8))
    greedy = echo("10.0.9.9")
    got = 0
    turns = 200 if word is None else 40
    for _ in range(turns):
        device.now += 100
        for _ in range(10):
            answers(device, echo(dice.randrange(0x0B000000, 0x70000000)))
            got += answers(device, greedy)
    assert got == 8 + 2 * (turns - 1) // 10


def test_an_emptied_set_still_gives_a_newcomer_all_tokens(word):
    """Every bucket of the table is emptied by forged sources: the next source finds a full one none the less."""
    dice = random.Random(13)
    device = small(word, **rate(1, 4))
    for _ in range(60):
        echoes(device, 5, dice.randrange(0x0B000000, 0x70000000))
    for k in range(20):
        assert echoes(device, 5, 0x0A000300 + k) == 4


def test_sets_are_chosen_by_the_key():
    """Sources that meet in one set under one key are spread under another; all sets are used alike."""
    def place(device, source):
        answers(device, echo(source))
        at, sources = device.fw.state.DATAGRAM_BUCKETS, device.fw.state.SOURCES
        word = int.from_bytes(source.to_bytes(4, "big"), "little")
        return next(k for k in range(sources) if device.stack.s[at + 3 * k] == word) // device.fw.limits.WAYS

    dice = random.Random(14)
    for pattern in (range(0x0A010100, 0x0A010100 + 512), range(0x0B000001, 0x0C000000, 1 << 15),
                    dice.sample(range(0x0B000000, 0x70000000), 512)):
        one, two = (limited(entropy=dice.randbytes(16), **rate(1, 5)) for _ in range(2))
        sets = one.fw.state.SOURCES // one.fw.limits.WAYS
        places = [place(one, source) for source in pattern]
        used = Counter(places)
        assert len(used) > 0.9 * sets and max(used.values()) < 24       # 512 in 128 sets, 4 each
        meeting = [source for source, at in zip(pattern, places) if at == used.most_common(1)[0][0]]
        assert len({place(two, source) for source in meeting}) > len(meeting) // 2
