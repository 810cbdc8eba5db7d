"""hostsim.impair: each fault by itself, its rate, and that a seed repeats it."""
import pytest

from hostsim.clock import VirtualClock
from hostsim.impair import Impaired, parse
from hostsim.links import LinkError, pair

COUNT = 2000


def run(count=COUNT, wait=100, **faults):
    """`count` numbered frames through the faults, inward; a millisecond apart. Returns (frames, link)."""
    clock = VirtualClock()
    one, two = pair()
    link = Impaired(one, clock, **faults)
    got = []

    def drain():
        while True:
            frame = link.recv()
            if frame is None:
                return
            got.append((clock.us(), frame))

    for i in range(count):
        two.send(i.to_bytes(4, "big") * 15)
        drain()
        clock.advance(1)
    for _ in range(wait):
        drain()
        clock.advance(1)
    return got, link


def numbers(got):
    return [int.from_bytes(frame[:4], "big") for _, frame in got]


def test_an_ethernet_header_is_never_damaged():
    one, two = pair()
    link = Impaired(one, VirtualClock(), corrupt=1)
    for frame in bytes(14), bytes(15):
        two.send(frame)
    assert link.recv() == bytes(14) and link.recv()[:14] == bytes(14)
    assert link.counts["corrupted"] == 1


def test_without_faults_nothing_happens():
    got, link = run()
    assert numbers(got) == list(range(COUNT)) and not any(link.counts.values())


@pytest.mark.parametrize("rate", [0.05, 0.3])
def test_loss(rate):
    got, link = run(loss=rate)
    kept = numbers(got)
    assert kept == sorted(set(kept)) and link.counts["lost"] == COUNT - len(kept)
    assert 0.75 * rate < link.counts["lost"] / COUNT < 1.25 * rate
    assert run(loss=1.0)[0] == []


def test_duplication():
    got, link = run(duplicate=0.2)
    assert set(numbers(got)) == set(range(COUNT)) and len(got) == COUNT + link.counts["duplicated"]
    assert 0.15 < link.counts["duplicated"] / COUNT < 0.25


def test_reordering_loses_nothing():
    got, link = run(reorder=0.1, hold=3)
    order = numbers(got)
    assert sorted(order) == list(range(COUNT)) and order != sorted(order)
    assert 0.07 < link.counts["reordered"] / COUNT < 0.13
    assert max(abs(k - number) for k, number in enumerate(order)) <= 4


def test_corruption_changes_one_byte():
    got, link = run(corrupt=0.2)
    damaged = 0
    for i, (_, frame) in enumerate(got):
        different = sum(a != b for a, b in zip(frame, i.to_bytes(4, "big") * 15))
        assert different <= 1 and len(frame) == 60
        damaged += different
    assert damaged == link.counts["corrupted"] and 0.15 < damaged / COUNT < 0.25


def test_delay_and_jitter():
    got, _ = run(count=50, delay=20)
    assert [at for at, _ in got] == [1000 * i + 20000 for i in range(50)]
    got, _ = run(count=500, delay=5, jitter=10)
    late = [at - 1000 * number for (at, _), number in zip(got, numbers(got))]
    assert min(late) < 7000 and 5000 <= min(late) and 13000 < max(late) <= 16000


def test_a_seed_repeats_the_same_faults():
    faults = dict(loss=0.1, duplicate=0.1, reorder=0.1, corrupt=0.1, jitter=3)
    assert run(seed=5, **faults)[0] == run(seed=5, **faults)[0] != run(seed=6, **faults)[0]


def test_directions():
    clock = VirtualClock()
    one, two = pair()
    link = Impaired(one, clock, loss=1.0, direction="out")
    link.send(b"x" * 60)
    two.send(b"y" * 60)
    assert two.recv() is None and link.recv() == b"y" * 60
    link = Impaired(one, clock, loss=1.0, direction="in")
    link.send(b"x" * 60)
    two.send(b"y" * 60)
    assert two.recv() == b"x" * 60 and link.recv() is None


def test_due_tells_when_a_delayed_frame_comes():
    clock = VirtualClock()
    one, two = pair()
    link = Impaired(one, clock, delay=7)
    assert link.due() is None
    link.send(b"x" * 60)
    assert link.due() == 7000 and two.recv() is None
    clock.advance(7)
    assert link.recv() is None and two.recv() == b"x" * 60 and link.due() is None


@pytest.mark.parametrize("text", ["loss", "loss=x", "loss=1.1", "loss=-1", "rain=0.5", "delay=-1", "seed=x", "direction=up", ""])
def test_a_wrong_list_is_one_line(text):
    with pytest.raises(LinkError, match="--impair"):
        parse(text)


def test_a_list():
    assert parse("loss=0.01, delay=20,seed=3,direction=in") == {"loss": 0.01, "delay": 20.0, "seed": 3, "direction": "in"}
