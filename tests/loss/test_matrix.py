"""The loss matrix in virtual time: the appliance and a second TCP implementation (station.py) on a bad wire."""
import pytest

from tests.loss.matrix import BIG, FAULTS, LOADS, LOSSES, SMALL, run

FAIR = 0.1              # up to this loss no connection may break; beyond, the peers may give up (RFC 1122 section 4.2.3.5)
WORDS = {"fast": {}, "checked64": {"word": 64, "checked": True}, "checked32": {"word": 32, "checked": True}}


def assert_well(result, loss):
    """All was fetched, and what arrived damaged was noticed; usable wires break no connection."""
    assert result.again == 0 or loss > FAIR
    assert result.count("http_requests") >= 1
    counts = result.appliance.link.counts
    if counts["corrupted"] > 100:
        assert result.count("ip_checksum") and result.count("tcp_checksum")


@pytest.mark.parametrize("faults", ["", "all three"])
@pytest.mark.parametrize("load", LOADS)
def test_every_byte_arrives(load, faults):
    for loss in LOSSES:
        assert_well(run(load, loss, faults, seed=1), loss)


@pytest.mark.parametrize("word", [64, 32])
def test_every_byte_arrives_at_both_word_sizes(word):
    for faults in FAULTS:
        assert_well(run("200 kB page", 0.05, faults, seed=2, word=word, checked=True), 0.05)
    assert_well(run("100 requests", 0.1, "all three", seed=3, word=word, checked=True), 0.1)


def test_without_loss_the_window_is_the_limit():
    """Control: nothing is sent twice, and slow start from ten segments takes five round trips of 20 ms."""
    result = run("200 kB page", 0, "", seed=1)
    assert result.count("tcp_retransmit") == 0 and result.ms <= 160
    assert len(BIG) / result.ms == result.kilobytes and result.count("http_requests") == 1


def test_a_wrong_byte_is_found(monkeypatch):
    """Control: the fetch compares what came."""
    monkeypatch.setitem(LOADS, "100 requests", (b"/small.bin", SMALL[:-1] + bytes([SMALL[-1] ^ 1]), 100, True))
    with pytest.raises(AssertionError):
        run("100 requests", 0, "", seed=1)


@pytest.mark.soak
@pytest.mark.parametrize("word", WORDS)
def test_whole_matrix(word, capsys):
    """Goodput in kB/s of virtual time, the median of the seeds."""
    seeds = range(10, 20) if word == "fast" else range(10, 12)
    lines = [f"{'kB/s, ' + word:16} {'loss':>5}" + "".join(f"{name or 'loss alone':>12}" for name in FAULTS)]
    for load in LOADS:
        for loss in LOSSES:
            line = f"{load:16} {loss:5.0%}"
            for faults in FAULTS:
                results = [run(load, loss, faults, seed, **WORDS[word]) for seed in seeds]
                for result in results:
                    assert_well(result, loss)
                speeds = sorted(result.kilobytes for result in results)
                line += f"{speeds[len(speeds) // 2]:12.1f}"
            lines.append(line)
    with capsys.disabled():
        print("", *lines, sep="\n")
