"""The same frames, the same answers: CPython with words of 32 and 64 bits, checked and fast, and MicroPython's unix port."""
from collections import Counter

import pytest

from tests.agree import scripts, targets
from tests.agree.frames import Peer
from tests.agree.random_talk import talk

SEEDS = 6


def recorded(script, appliance=targets.EXAMPLE, like="unix"):
    """What `script` said to the fast simulator, and what that answered."""
    peer = Peer(targets.Simulated(appliance=appliance, like=like))
    script(peer)
    peer.hang_up()
    assert peer.device.stack.s[peer.device.fw.state.OPEN] == 0
    return peer


def differ(peer, answers, name):
    """A text that tells the first difference, "" if there is none."""
    for k, (record, ours, theirs) in enumerate(zip(peer.records, peer.answers, answers)):
        if ours != theirs:
            return "record %d at %d ms, frame %s\nreference: %s\n%s: %s" % (
                k, record[0], [frame.hex() for frame in record[1]], shown(ours), name, shown(theirs))
    return "" if len(answers) == len(peer.answers) else "%s gave %d answers" % (name, len(answers))


def shown(answer):
    return "%d %s" % (answer[0], [frame.hex() for frame in answer[1]])


def agree(peer):
    expected, appliance = peer.device.state(), peer.device.appliance
    for name, target in (("unix port", targets.unix_port(appliance).agreeing),
                         ("checked64", lambda records: targets.under_cpython(records, 64, appliance)),
                         ("checked32", lambda records: targets.under_cpython(records, 32, appliance))):
        answers, state = target(peer.records)
        assert not (difference := differ(peer, answers, name)), difference
        for ours, theirs in zip(expected, state):
            assert ours == theirs, name


@pytest.mark.parametrize("script", [*scripts.SCRIPTS, *scripts.TIMED])
def test_script(script):
    agree(recorded({**scripts.SCRIPTS, **scripts.TIMED}[script]))


@pytest.mark.parametrize("seed", range(SEEDS))
def test_random_talk(seed):
    agree(recorded(lambda peer: talk(peer, seed)))


@pytest.mark.parametrize("script", scripts.SECOND)
def test_second_appliance(script):
    agree(recorded(scripts.SECOND[script], targets.SECOND))


@pytest.mark.parametrize("script", scripts.LIMITED)
def test_limited_appliance(script):
    agree(recorded(scripts.LIMITED[script], targets.LIMITED))


@pytest.mark.parametrize("seed", range(60, 62))
def test_random_talk_with_the_limited(seed):
    agree(recorded(lambda peer: talk(peer, seed), targets.LIMITED))


@pytest.mark.parametrize("seed", range(50, 53))
def test_random_talk_with_the_second(seed):
    agree(recorded(lambda peer: talk(peer, seed), targets.SECOND))


@pytest.mark.parametrize("word", [32, 64])
@pytest.mark.parametrize("like", ["lm3s6965evb", "mps2_an385"])
def test_random_talk_with_the_memory_of_a_board(like, word):
    """The recordings that test_image.py compares the boards' images with do not depend on the word's size either."""
    peer = recorded(lambda peer: talk(peer, 100), like=like)
    answers, state = targets.under_cpython(peer.records, word, like=like)
    assert not (difference := differ(peer, answers, str(word))), difference
    assert state == peer.device.state()


def test_scripts_reach_every_counter():
    total = Counter()
    example, second = {**scripts.SCRIPTS, **scripts.TIMED}, scripts.SECOND
    for appliance, group in ((targets.EXAMPLE, example), (targets.SECOND, second), (targets.LIMITED, scripts.LIMITED)):
        for script in group.values():
            total.update(recorded(script, appliance).device.state()[0])
    assert [name for name, count in total.items() if not count] == ["no_memory"]        # test_heap.py: CPython always has some


def test_a_difference_shows():
    """Control: a recording that was tampered with, in a byte of an answer and in the state, is found out."""
    peer = recorded(scripts.SCRIPTS["get_everything"])
    k = next(k for k, (_, sent) in enumerate(peer.answers) if len(sent) > 3)
    genuine = peer.answers[k][1][2]
    peer.answers[k][1][2] = genuine[:200] + bytes([genuine[200] ^ 1]) + genuine[201:]
    with pytest.raises(AssertionError, match="record %d at" % k):
        agree(peer)
    peer.answers[k][1][2] = genuine
    agree(peer)
    peer.device.stack.s[peer.device.fw.counters.IP_TTL] += 1
    with pytest.raises(AssertionError, match="unix port"):
        agree(peer)
