"""The same frames, the same answers: CPython with words of 32 and 64 bits, checked and fast, and native code under MicroPython."""
import pytest

from tests.agree import scripts, targets
from tests.agree.frames import Peer
from tests.agree.random_talk import talk

SEEDS = 6


@pytest.fixture(scope="module")
def unix(tmp_path_factory):
    """The appliance of the repository on MicroPython's unix port."""
    return targets.unix_port(tmp_path_factory.mktemp("unix"))


def recorded(script):
    """What `script` said to the fast simulator, and what that answered."""
    peer = Peer(targets.Simulated())
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


def agree(peer, unix):
    expected = peer.device.state()
    for name, target in (("unix port", unix.agreeing), ("checked64", lambda r: targets.under_cpython(r, 64)),
                         ("checked32", lambda r: targets.under_cpython(r, 32))):
        answers, state = target(peer.records)
        assert not (difference := differ(peer, answers, name)), difference
        for ours, theirs in zip(expected, state):
            assert ours == theirs, name


@pytest.mark.parametrize("script", [*scripts.SCRIPTS, *scripts.TIMED])
def test_script(script, unix):
    agree(recorded({**scripts.SCRIPTS, **scripts.TIMED}[script]), unix)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_random_talk(seed, unix):
    agree(recorded(lambda peer: talk(peer, seed)), unix)
