"""Clients that take all connections and do nothing with them, and the normal client beside them."""
import time

import pytest

from tests.attack.field import Client, Table, metrics, still_serves, wait_until
from tests.attack.holders import MANNERS, Holders

SLOTS = 64      # of the board microvm


@pytest.fixture(scope="module")
def table(target):
    return Table("slow")


def under(table, manner, count, seconds):
    before = metrics()
    with Holders(manner, count) as holders:
        wait_until(lambda: holders.open >= min(count, SLOTS) - 2, 3)
        time.sleep(0.2)
        client = Client(seconds)
        seen = client.seen()
        held = holders.open
    table.row(manner, f"{count} held, {holders.opened} opened, {holders.lost} lost", seen)
    after = metrics()
    rose = {key: after[key] - before[key] for key in after}
    print({k: v for k, v in rose.items() if v}, seen["failed"], seen["reopened"], seen["reset"])
    assert not seen["failed"]
    assert held >= count // 2
    return rose


@pytest.mark.parametrize("count", [64, 200, 500])
@pytest.mark.parametrize("manner", MANNERS)
def test_slow(target, table, manner, count):
    under(table, manner, count, 6)
