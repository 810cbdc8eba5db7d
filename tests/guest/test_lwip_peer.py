"""The peer that `make bench` counts does what ours does, and its instructions repeat too (tests/bench/lwip_peer.py)."""
import pytest

from image.settings import CACHE
from tests.bench import lwip_peer, native

pytestmark = pytest.mark.skipif(not (CACHE / "lwip").is_dir(), reason="lwIP's source is not there: make bench fetches it")


def test_lwip_answers_and_its_instructions_repeat():
    program = lwip_peer.program("lwIP -O2")
    found = lwip_peer.count(program)
    assert found == lwip_peer.count(program)
    assert list(found) == list(native.WHAT) and all(300 < count < 30_000 for count in found.values())
