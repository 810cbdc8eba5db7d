"""RFC 6528: what 10,000 SYNs tell about the next initial sequence number: nothing, but that time goes on for one peer."""
import math
import random
import struct

import pytest

from tests.agree.frames import HOST, SYN, Segment, mss, tcp
from tests.agree.targets import Simulated

COUNT = 10_000
SIGMA = 5               # how far chance may go: once in a million
LAGS = (1, 2, 3, 4, 7, 8, 16, 32)
IRS = 0x1000


def numbers(device, peers, ms=0):
    """The iss for each (address, port), `ms` apart."""
    now, found = 1000, []
    for address, port in peers:
        now += ms
        _, sent = device.feed(now, [tcp(SYN, IRS, port=port, source=address, options=mss(1460))])
        found += [Segment(out).seq for out in sent if out[23] == 6 and out[12:14] == b"\x08\0"]
    assert len(found) == len(peers)
    return found


def ports(count=COUNT):
    return [(HOST, 1024 + k) for k in range(count)]


def sources(count=COUNT):
    return [(0xC0A80000 + k, 40000) for k in range(1, count + 1) if (k & 255) not in (0, 255)]


def differences(values):
    return [b - a & 0xFFFFFFFF for a, b in zip(values, values[1:])]


def chi_square(values, bins):
    expected = len(values) / bins
    seen = [0] * bins
    for value in values:
        seen[value] += 1
    return sum((count - expected) ** 2 / expected for count in seen)


def correlation(values, lag):
    middle = sum(values) / len(values)
    spread = sum((value - middle) ** 2 for value in values)
    return sum((a - middle) * (b - middle) for a, b in zip(values, values[lag:])) / spread if spread else 1


def faults(values):
    """What is not as with numbers drawn at random, as texts."""
    steps = differences(values)
    count = len(steps)
    for shift in (0, 8, 16, 24):
        byte = chi_square([step >> shift & 255 for step in steps], 256)
        if abs(byte - 255) > SIGMA * math.sqrt(2 * 255):
            yield f"bits {shift} to {shift + 7} of the differences: chi-square {byte:.0f} for 255 degrees of freedom"
    for bit in range(32):
        ones = sum(value >> bit & 1 for value in values)
        if abs(ones - len(values) / 2) > SIGMA * math.sqrt(len(values)) / 2:
            yield f"bit {bit} is set in {ones} of {len(values)}"
    for lag in LAGS:
        if abs(r := correlation(values, lag)) > SIGMA / math.sqrt(len(values)):
            yield f"numbers {lag} apart are correlated: {r:.3f}"
        if abs(r := correlation([value & 0xFF for value in values], lag)) > SIGMA / math.sqrt(len(values)):
            yield f"low bytes {lag} apart are correlated: {r:.3f}"
    if len(set(steps)) < count - 3:
        yield f"only {len(set(steps))} of {count} differences are different"
    if (common := math.gcd(*steps)) > 1:
        yield f"all differences are multiples of {common}"
    near = sum(min(step, -step & 0xFFFFFFFF) < 1 << 22 for step in steps)      # 2^-9 of all
    if near > count / 512 + SIGMA * math.sqrt(count / 512):
        yield f"{near} of {count} next numbers are within 4 MiB"


@pytest.mark.parametrize("peers, ms", [(ports(), 0), (ports(), 7), (sources(), 0), (sources(), 7)],
                         ids=("ports", "ports in time", "sources", "sources in time"))
def test_differences_tell_nothing(peers, ms):
    assert list(faults(numbers(Simulated(), peers, ms))) == []


@pytest.mark.parametrize("weak", [
    lambda k: k * 64000, lambda k: 6510 + k, lambda k: 1024 + k, lambda k: (k * 250 // 7) << 14,
    lambda k: k * 1103515245 + 12345, lambda k: random.Random(k).getrandbits(24) << 8,
    lambda k: k * 64000 + random.Random(k).getrandbits(16)], ids=["64000 each", "a count", "the port", "the clock", "LCG", "low byte zero", "64000 and some"])
def test_weak_numbers_are_found(weak):
    """Control: generators as they were in use, some of them to this day."""
    assert list(faults([weak(k) & 0xFFFFFFFF for k in range(COUNT)]))


def test_one_peer_sees_time_go_on():
    """Section 3: for one 4-tuple the numbers grow with time, 256 KiB/s, whatever others do meanwhile."""
    device = Simulated()
    dice = random.Random(7)
    now, before, start = 1000, None, None
    for _ in range(550):
        now += dice.choice((1, 63, 64, 65, 999, 30000))
        device.feed(now, [tcp(SYN, dice.getrandbits(32), port=dice.randrange(1, 65536), source=HOST + 3)])
        _, (sent, *_) = device.feed(now, [tcp(SYN, IRS, port=4242, options=mss(1460))])
        iss = Segment(sent).seq
        start = start or (now, iss)
        if before is not None:
            grown = iss - before[1] & 0xFFFFFFFF
            assert grown >> 14 in ((now - before[0]) // 64, (now - before[0]) // 64 + 1) and grown & 0x3FFF == 0
        before = now, iss
    assert now - start[0] > 2400_000      # an hour later there is another key


def test_another_key_gives_other_numbers(monkeypatch):
    """Section 3: the secret decides. What one appliance tells says nothing about another."""
    first = numbers(Simulated(), ports(2000))
    monkeypatch.setattr("tests.agree.targets.ENTROPY", bytes(range(1, 17)))
    second = numbers(Simulated(), ports(2000))
    assert list(faults([a - b & 0xFFFFFFFF for a, b in zip(first, second)])) == []
    assert struct.pack("<I", first[0]) != struct.pack("<I", second[0])
