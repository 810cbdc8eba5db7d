"""The image in QEMU answers the scripts that take no time, and random talk, as the simulator does."""
import shutil

import pytest

from image import build, settings
from image.settings import ROOT
from tests.agree import microvm, scripts
from tests.agree.random_talk import talk
from tests.agree.test_targets import recorded

SEEDS = range(100, 106)
TRIES = 5


@pytest.fixture(scope="module")
def appliance():
    """The example appliance's image, built if it is not up to date."""
    binary = settings.board("microvm")["qemu"]["binary"]
    if not shutil.which(binary):
        pytest.skip(binary + " is not installed")
    return build.build_image("microvm", ROOT / "appliance.toml", ROOT / "build")


def differences(appliance, peer):
    """What the image answers otherwise; tried again as long as it was only late."""
    for _ in range(TRIES):
        try:
            return microvm.differences(appliance, peer)
        except microvm.Late as late:
            said = "too slow to compare, %d times\n%s" % (TRIES, late)
    return said


def agree(appliance, peer):
    limited = [name for name, count in peer.device.state()[0].items() if name.endswith("_limited") and count]
    assert not limited, "this exchange depends on the time it takes"
    said = differences(appliance, peer)
    assert not said, said


@pytest.mark.parametrize("script", scripts.SCRIPTS)
def test_script(script, appliance):
    agree(appliance, recorded(scripts.SCRIPTS[script]))


@pytest.mark.parametrize("seed", SEEDS)
def test_random_talk(seed, appliance):
    agree(appliance, recorded(lambda peer: talk(peer, seed, timeless=True)))


def test_a_difference_shows(appliance):
    """Control: a recording that was tampered with, in a byte of an answer and in a counter, is found out."""
    peer = recorded(scripts.SCRIPTS["get_everything"])
    k = next(k for k, (_, sent) in enumerate(peer.answers) if len(sent) > 3)
    genuine = peer.answers[k][1][2]
    peer.answers[k][1][2] = genuine[:200] + bytes([genuine[200] ^ 1]) + genuine[201:]
    assert differences(appliance, peer).startswith("frame ")
    peer.answers[k][1][2] = genuine
    assert differences(appliance, peer) == ""
    peer.device.stack.s[peer.device.fw.counters.IP_TTL] += 1
    assert differences(appliance, peer) == "counters: {'ip_ttl': (1, 0)}"
