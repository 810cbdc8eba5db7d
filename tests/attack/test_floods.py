"""Floods of frames, with the normal client beside them: it is served, its connections are nobody else's to end.

The short runs are part of make test; make soak runs the same shapes for longer, and faster than the appliance can.
"""
import contextlib

import pytest

from tests.attack import shapes
from tests.attack.field import TROUBLE, Client, Table, flood, metrics, next_sequence, still_serves
from tests.real.client import answer, connect, request

LEAD = 0.1      # the client runs alone for so long at both ends
GARBAGE = 1024  # heap that waits for the collector after the console's line about an address conflict
# name -> shape, frames a second, counters of which one must show that the frames came where they are meant
FLOODS = {
    "SYN, random sources": (shapes.syn, 20_000, ["tcp_syn"]),
    "ACK": (shapes.ack, 20_000, ["tcp_bad_cookie", "tcp_reset_limited"]),
    "RST": (shapes.rst, 20_000, ["tcp_stray_rst"]),
    "FIN, Xmas, null": (shapes.scan, 20_000, ["tcp_bad_cookie"]),
    "ping": (shapes.ping, 10_000, ["icmp_echo"]),
    "UDP, closed ports": (shapes.udp_closed, 20_000, ["udp_closed", "icmp_limited"]),
    "ARP, our address claimed": (shapes.arp_storm, 10_000, ["arp_conflict", "arp_requests", "arp_ignored"]),
    "teardrop, ping of death": (shapes.ping_of_death, 20_000, ["ip_fragment", "ip_malformed"]),
    "land, smurf": (shapes.land, 20_000, ["ip_source"]),
    "broken options": (shapes.options, 20_000, ["ip_options", "tcp_malformed", "tcp_checksum"]),
    "noise": (shapes.noise, 20_000, ["eth_type", "ip_protocol", "arp_malformed"]),
}


def begun(name: str) -> Table:
    """A table that begins with the client alone."""
    table = Table(name)
    seen = Client(0.8).seen()
    assert not seen["failed"]
    table.row("none", "", seen)
    return table


@pytest.fixture(scope="module")
def table(target):
    return begun("floods")


@pytest.fixture(scope="module")
def long_table(target):
    return begun("floods-soak")


def under(table, name, shape, rate, seconds, seed, count=20_000):
    """The flood with the client beside it; gives by how much each counter rose."""
    before = metrics()
    client = Client(2 * LEAD + max(seconds, 0.3))
    words, sent = flood(shape, rate, seconds, seed, count)
    seen = client.seen()
    table.row(name, words, seen)
    after = metrics()
    rose = {key: after[key] - before[key] for key in after}
    assert not seen["failed"]
    assert (seen["reopened"], seen["reset"]) == (0, 0), "a connection was ended that was not the attacker's"
    assert {key: rose[key] for key in TROUBLE if rose[key]} == {}
    assert 0 <= before["heap_free_bytes"] - after["heap_free_bytes"] <= (GARBAGE if rose["arp_conflict"] else 0)
    return rose, sent


@pytest.mark.parametrize("name", FLOODS)
def test_flood(target, table, name):
    shape, rate, counters = FLOODS[name]
    rose, sent = under(table, name, shape, rate, 0.4, 1, 2_000)
    for counter in counters:
        assert rose[counter] > sent / 100, (counter, rose)


def test_unpaced_burst_of_syn(target, table):
    """20,000 at once: they queue in the host's TAP, 10,000 deep, and so does the client's next frame. Then all is as before."""
    rose, _ = under(table, "SYN, unpaced burst", shapes.syn, 0, 0, 2)
    assert rose["tcp_syn"] > 8_000 and rose["nic_tx_full"] == rose["tx_no_room"] == 0


def held(shape, *arguments):
    """The flood meets a silent connection, which works afterwards. Gives the counters and what was sent."""
    with contextlib.closing(connect()) as sock:
        seq = next_sequence(sock)
        rose, sent = under(*arguments[:2], shape(seq, sock.getsockname()[1]), *arguments[2:])
        sock.sendall(request("/"))
        assert answer(sock)[0] == 200
    return rose, sent


def test_segments_around_the_window(target, table):
    """RFC 5961: whoever does not hit RCV.NXT itself ends nothing, and challenge ACKs are ten a second."""
    rose, sent = held(shapes.around, table, "RST, SYN, ACK near a window", 20_000, 0.4, 3, 2_000)
    assert rose["tcp_reset_in"] == 0 and rose["tcp_challenge"] > 0
    assert rose["tcp_challenge"] + rose["tcp_challenge_limited"] + rose["tcp_out_of_window"] + rose["tcp_duplicate"] > sent / 2
    assert rose["tcp_challenge"] <= 10 * 4


@pytest.mark.soak
@pytest.mark.parametrize("name", FLOODS)
@pytest.mark.parametrize("rate", [50_000, 0])
def test_long_flood(target, long_table, name, rate):
    shape, _, counters = FLOODS[name]
    rose, _ = under(long_table, name + (", unpaced" if not rate else ""), shape, rate, 5, 4)
    assert any(rose[counter] for counter in counters)


@pytest.mark.soak
def test_blind_reset_of_every_window(target, long_table):
    """2^21 RSTs, one in each window of 2048 bytes: the connection that they are for stays."""
    rose, _ = held(shapes.blind, long_table, "RST in every window", 100_000, 0, 5, 1 << 21)
    assert rose["tcp_reset_in"] == 0 and rose["tcp_challenge"] + rose["tcp_challenge_limited"] >= 1


def test_the_image_serves_after_all_that(target):
    still_serves()
