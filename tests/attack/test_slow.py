"""Clients that take all connections and do nothing with them, and the normal client beside them: it is always served.

Every one that the appliance evicts comes back at once. slowhttptest does the same in its own ways.
"""
import re
import shutil
import subprocess
import time

import pytest

from tests.attack.field import DEVICE, TROUBLE, Client, Table, metrics, still_serves, wait_until
from tests.attack.holders import MANNERS, Holders
from tests.attack.test_floods import begun

SLOTS = 64          # of the board microvm
LONGEST_MS = 3000   # with all slots held: the request is repeated after 200, 600, 1400 ms
SLOWHTTPTEST = {    # what it does -> its words
    "slow headers": "-H -i 1",
    "slow body": "-B -i 1 -s 8192",
    "Range": "-R -a 10 -b 3000",
    "slow read": "-X -n 1 -w 10 -y 20 -z 5 -k 3",
}


@pytest.fixture(scope="module")
def table(target) -> Table:
    return begun("slow")


@pytest.fixture(scope="module")
def long_table(target) -> Table:
    return begun("slow-soak")


def judge(table, name, words, seen, before):
    table.row(name, words, seen)
    after = metrics()
    assert not seen["failed"]
    assert max(seen["new"] + seen["kept"]) < LONGEST_MS
    assert {key: after[key] - before[key] for key in TROUBLE if after[key] != before[key]} == {}
    assert after["heap_free_bytes"] == before["heap_free_bytes"]


def held(table, manner, count, seconds):
    before = metrics()
    with Holders(manner, count) as holders:
        assert wait_until(lambda: holders.open >= min(count, SLOTS), 5), f"{holders.open} of {count} got in"
        seen = Client(seconds).seen()
        words = f"{count} held, {holders.opened} opened, {holders.lost} lost"
    judge(table, manner, words, seen, before)
    assert metrics()["tcp_opened"] - before["tcp_opened"] >= SLOTS
    still_serves()


@pytest.mark.parametrize("manner, count", [("slow loris, headers", 64), ("slow loris, body", 200), ("slow read, window stays shut", 64)])
def test_slow(target, table, manner, count):
    held(table, manner, count, 1)


@pytest.mark.soak
@pytest.mark.parametrize("count", [64, 200, 500])
@pytest.mark.parametrize("manner", MANNERS)
def test_slow_for_long(target, long_table, manner, count):
    held(long_table, manner, count, 8)


@pytest.mark.soak
@pytest.mark.parametrize("what", SLOWHTTPTEST)
def test_slowhttptest(target, long_table, what):
    if not shutil.which("slowhttptest"):
        pytest.skip("no slowhttptest: apt-get install slowhttptest")
    before = metrics()
    page = "/big.bin" if what in ("slow read", "Range") else "/"
    command = ["slowhttptest", "-c", "200", "-r", "100", "-l", "10", "-u", f"http://{DEVICE}{page}", *SLOWHTTPTEST[what].split()]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as tool:
        time.sleep(1)
        seen = Client(8).seen()
        text = re.sub(r"\x1b\[[0-9;]*m", "", tool.communicate(timeout=60)[0])
    state = dict(re.findall(r"^(\w+): +(\d+)", text[text.rindex("slow HTTP test status"):], re.M))
    judge(long_table, f"slowhttptest, {what}", "200 at 100/s: " + ", ".join(f"{n} {k}" for k, n in state.items()), seen, before)
    still_serves()
