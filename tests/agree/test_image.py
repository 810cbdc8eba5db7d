"""The images in QEMU, one per board, answer the scripts that take no time, and random talk, as the simulator does."""
import shutil

import pytest

from image import build, settings
from image.settings import ROOT
from tests.agree import image_target, scripts, targets
from tests.agree.random_talk import talk
from tests.agree.test_targets import recorded

BOARDS = "microvm", "lm3s6965evb", "mps2_an385"
SEEDS = range(100, 106)
TRIES = 60


@pytest.fixture(scope="module", params=BOARDS)
def appliance(request):
    """(board, the example appliance's image for it, built if it is not up to date)."""
    binary = settings.board(request.param)["qemu"]["binary"]
    if not shutil.which(binary):
        pytest.skip(binary + " is not installed")
    return request.param, build.build_image(request.param, ROOT / "appliance.toml", ROOT / "build")


def differences(appliance, peer):
    """What the image answers otherwise; tried again as long as it was only late."""
    for _ in range(TRIES):
        try:
            return image_target.differences(*appliance, peer)
        except image_target.Late as late:
            said = "too slow to compare, %d times\n%s" % (TRIES, late)
    return said


def agree(appliance, peer):
    limited = [name for name, count in peer.device.state()[0].items() if name.endswith("_limited") and count]
    assert not limited, "this exchange depends on the time it takes"
    said = differences(appliance, peer)
    assert not said, said


@pytest.mark.parametrize("script", scripts.SCRIPTS)
def test_script(script, appliance):
    agree(appliance, recorded(scripts.SCRIPTS[script], like=appliance[0]))


@pytest.fixture(scope="module")
def limited(appliance):
    """The same board with limits."""
    board, _ = appliance
    return board, build.build_image(board, ROOT / "tests/agree/limited.toml", ROOT / "build" / "limited")


@pytest.mark.parametrize("script", ["sources_in_and_outside_of_the_lists"])
def test_limited_appliance(script, limited):
    agree(limited, recorded(scripts.LIMITED[script], targets.LIMITED, like=limited[0]))


@pytest.mark.parametrize("seed", SEEDS)
def test_random_talk(seed, appliance):
    agree(appliance, recorded(lambda peer: talk(peer, seed, timeless=True), like=appliance[0]))


def test_a_difference_shows(appliance):
    """Control: a recording that was tampered with, in a byte of an answer and in a counter, is found out."""
    peer = recorded(scripts.SCRIPTS["get_everything"], like=appliance[0])
    k = next(k for k, (_, sent) in enumerate(peer.answers) if len(sent) > 3)
    genuine = peer.answers[k][1][2]
    peer.answers[k][1][2] = genuine[:200] + bytes([genuine[200] ^ 1]) + genuine[201:]
    assert differences(appliance, peer).startswith("frame ")
    peer.answers[k][1][2] = genuine
    assert differences(appliance, peer) == ""
    peer.device.stack.s[peer.device.fw.counters.IP_TTL] += 1
    assert differences(appliance, peer) == "counters: {'ip_ttl': (1, 0)}"
