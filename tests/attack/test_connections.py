"""Very many connections, a tenth of them ended badly: afterwards the appliance is as it was at its start.

The ends come at points that a seed chooses: RST behind the handshake, in the middle of the request or of the answer,
closed with bytes unread, left without a word (the host's kernel then answers with RST, as a peer does that was started
anew), and some peers that never say anything again: those hold their slots until others want them.
"""
import contextlib
import random
import subprocess
from pathlib import Path

import pytest

from tests.agree.frames import ACK, PSH, SYN, mss, tcp
from tests.attack import field, pages
from tests.attack.field import DEVICE, Table, metrics, still_serves, wait_until
from tests.real.client import connect, request

LOAD = field.FOLDER / "load"
GONE, GONE_MAC = 0x0A000258, bytes.fromhex("020000000058")     # a neighbour that the host's kernel does not answer for
TIME_WAIT_S = 30
HEAD = ("| connections | answered right | ended badly | failed | seconds | free heap before, after | slots used at the end |\n"
        "|--:|--:|--:|--:|--:|--:|--:|")
# What must not rise: none of these has a cause in what the peers do here
NEVER = (*field.TROUBLE, "rx_runt", "ip_malformed", "ip_checksum", "tcp_malformed", "tcp_checksum", "tcp_bad_ack", "tcp_timeout",
         "http_400", "http_404", "http_405", "http_413", "http_414", "http_431", "http_501", "http_503", "http_505")


@pytest.fixture(scope="module")
def load(target):
    subprocess.run(["gcc", "-O2", "-Wall", "-Wextra", "-o", LOAD, Path(__file__).with_name("load.c")], check=True)


def vanish(seed: int, count: int) -> None:
    """Peers that open a connection, ask for the long page or a part of it, acknowledge some, and are never heard of again."""
    rng = random.Random(seed)
    with field.sniffer() as wire:
        for port in range(30000, 30000 + count):
            def say(flags, data=b"", **options):
                frame = tcp(flags, seq, ack, data, port=port, source=GONE, **options)
                wire.send(frame[:6] + GONE_MAC + frame[12:])

            seq, ack = rng.getrandbits(32), 0
            say(SYN, options=mss(1460))
            frame = next(frame for frame in field.heard(wire, 5) if frame[:6] == GONE_MAC
                         and int.from_bytes(frame[36:38], "big") == port and frame[47] == SYN | ACK)
            seq, ack = seq + 1 & 0xFFFFFFFF, int.from_bytes(frame[38:42], "big") + 1 & 0xFFFFFFFF
            say(ACK)
            text = request("/big.bin")
            text = text[:rng.choice((0, rng.randrange(1, len(text)), len(text)))]
            if text:
                say(PSH | ACK, text)
                seq += len(text)
                ack += rng.randrange(0, 14600) if text.endswith(b"\r\n\r\n") else 0
                say(ACK)


def crowd(count: int) -> None:
    """So many connections at once that idle ones have to give way; all are closed in order."""
    with contextlib.ExitStack() as stack:
        for _ in range(count):
            stack.enter_context(contextlib.closing(connect())).sendall(request("/"))


def soak(name: str, connections: int, at_a_time: int, waits: bool, gone: int) -> None:
    table = Table(name, HEAD)
    before = metrics()
    vanish(7, gone)
    words = [DEVICE, 80, connections, at_a_time, 8, len(pages.INDEX), 10, int(waits), field.CROWD[0], len(field.CROWD)]
    done = subprocess.run([LOAD, *map(str, words)], check=True, capture_output=True, text=True, timeout=300)
    good, rough, failed, seconds = done.stdout.splitlines()[0].split()
    # all but those that were never heard of again are gone when TIME-WAIT is over; they give way to whoever comes
    patience = (TIME_WAIT_S if waits else 0) + 10
    assert wait_until(lambda: metrics()["open_connections"] <= gone + 1, patience), metrics()["open_connections"]
    if gone:
        wait_until(lambda: crowd(80) or metrics()["open_connections"] == 1, 30)
    after = metrics()
    rose = {key: after[key] - before[key] for key in after}
    table.say(f"| {connections:,} | {int(good):,} | {int(rough):,} | {failed} | {seconds} "
              f"| {before['heap_free_bytes']:,}, {after['heap_free_bytes']:,} | {after['open_connections'] - 1} |")
    assert (int(failed), int(good) + int(rough)) == (0, connections), done.stdout
    assert connections / 20 < int(rough) < connections / 5
    assert after["open_connections"] == 1       # the one that asks
    assert after["heap_free_bytes"] == before["heap_free_bytes"]
    assert {key: rose[key] for key in NEVER if rose[key]} == {}
    assert rose["tcp_opened"] >= connections * 0.95
    still_serves()


def test_2000_connections(target, load):
    soak("connections", 2_000, 32, False, 10)


@pytest.mark.soak
def test_100_000_connections(target, load):
    soak("connections-soak", 100_000, 48, True, 20)
