"""The shapes of test_floods.py against the simulator, slowly: the same firmware under CPython answers or is silent, and serves."""
import pytest

from tests.attack.field import Client, Table, flood, metrics, still_serves
from tests.attack.holders import Holders
from tests.attack.test_floods import FLOODS
from tests.real import network

RATE = 1_000


@pytest.fixture(scope="module")
def simulator(config):
    with network.network(), network.simulator(config) as process:
        network.settle()
        yield process
        assert process.poll() is None, "the simulator did not survive its tests"


@pytest.mark.soak
def test_all_floods_together(simulator):
    table = Table("floods-simulator")
    table.row("none", "simulator", Client(0.5).seen())
    for number, (name, (shape, _, counters)) in enumerate(FLOODS.items()):
        before = metrics()
        client = Client(0.4)
        words, _ = flood(shape, RATE, 0.2, number, 200)
        seen = client.seen()
        table.row(name, words, seen)
        after = metrics()
        assert not seen["failed"] and (seen["reopened"], seen["reset"]) == (0, 0)
        assert any(after[counter] > before[counter] for counter in counters), (name, counters)


def test_silent_connections_on_all_slots(simulator):
    with Holders("silent connections", 100, network.HOST):
        seen = Client(1).seen()
    assert not seen["failed"]
    still_serves()
