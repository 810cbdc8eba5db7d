"""The image with limits (tests/agree/limited.toml) under a flood: one source gets what its buckets give, another all it asks."""
import shutil
import time

import pytest

from image import build, settings
from image.settings import ROOT
from tests.agree.frames import ACK, FIN, HOST, SYN, TCP, UDP, Connection, Peer, Segment, mss, tcp, udp
from tests.agree.image_target import Image

FLOOD = 0x0A000232              # 10.0.2.50
BURST = 40                      # frames of the flood in front of each of the good client's
SECONDS = 5
# limited.toml: a second, at once
DATAGRAMS, CONNECTIONS = (7, 20), (3, 8)
FEW_SLOTS = {"lm3s6965evb": (1, 2)}     # of its 8 slots this leaves enough to others: an idle one gives way after a second


class Flooded:
    """A device of a Peer: in front of each frame the flood sends BURST datagrams and SYNs, and ACKs what answers those."""

    def __init__(self, image):
        self.image, self.sent, self.port = image, 0, 1024
        self.acks, self.echoes = [], 0

    def feed(self, now, frames):
        return 0, [out for frame in frames or (None,) for out in self.exchange(frame)]

    def exchange(self, frame):
        burst = self.acks[:BURST]
        self.acks = self.acks[BURST:]
        while len(burst) < BURST:
            self.port = self.port + 1 if self.port < 65535 else 1024
            burst.append(udp(7, b"flood", source=FLOOD) if self.port & 1 else
                         tcp(SYN, 7, port=self.port, source=FLOOD, options=mss(1460)))
        for one in burst:
            self.image.socket.sendto(one, self.image.there)
        self.sent += BURST
        others = []
        for out in self.image.exchange(frame):
            if out[30:34] != FLOOD.to_bytes(4, "big"):
                others.append(out)
            elif out[23] == UDP:
                self.echoes += 1
            elif out[23] == TCP and Segment(out).flags == SYN | ACK:
                answered = Segment(out)
                self.acks.append(tcp(ACK, 8, answered.seq + 1, port=answered.port, source=FLOOD))
        return others


@pytest.fixture(scope="module", params=("microvm", "lm3s6965evb"))
def board(request):
    binary = settings.board(request.param)["qemu"]["binary"]
    if not shutil.which(binary):
        pytest.skip(binary + " is not installed")
    return request.param


@pytest.fixture(scope="module")
def connections(board):
    return FEW_SLOTS.get(board, CONNECTIONS)


@pytest.fixture(scope="module")
def image(board, connections):
    config = ROOT / "tests/agree/limited.toml"
    if connections != CONNECTIONS:
        text = config.read_text().replace("connections_per_s = 3\nconnections_burst = 8",
                                          "connections_per_s = %d\nconnections_burst = %d" % connections)
        config = ROOT / "build" / "limited" / f"{board}.toml"
        config.parent.mkdir(exist_ok=True)
        config.write_text(text.replace("../../firmware", str(ROOT / "firmware")))
    return build.build_image(board, config, ROOT / "build" / "limited")


def test_a_flood_from_one_source_takes_nothing_from_another(image, board, connections):
    start = time.monotonic()
    with Image(board, image) as target:
        flood = Flooded(target)
        peer = Peer(flood)
        asked = served = pages = whole = 0
        next_echo = next_page = time.monotonic()
        end = next_echo + SECONDS
        while time.monotonic() < end:
            if time.monotonic() >= next_echo:
                next_echo = time.monotonic() + 1 / DATAGRAMS[0]
                asked += 1
                served += sum(out[23] == UDP and out[42:46] == b"good" for out in peer.send(udp(7, b"good")))
            if time.monotonic() >= next_page:
                next_page = time.monotonic() + 1 / connections[0]
                pages += 1
                one = Connection(peer, 20000 + pages, 99 * pages)
                page = one.get("/favicon.svg", headers="Connection: close\r\n")
                whole += page.startswith(b"HTTP/1.1 200") and one.closed
                one.give(b"", FIN | ACK)
            peer.turn()
        lasted = time.monotonic() - start
        time.sleep(1 / connections[0])
        told = target.counters()
    print(f"\n{flood.sent} frames in {lasted:.1f} s; echoes {served} of {asked}, pages {whole} of {pages}; "
          f"the flood: {flood.echoes} echoes, {told['tcp_opened'] - pages} connections")
    assert (served, whole) == (asked, pages) and asked > 3 * SECONDS and pages >= SECONDS
    for got, (per_s, burst) in ((flood.echoes, DATAGRAMS), (told["tcp_opened"] - pages, connections)):
        assert burst + per_s <= got <= burst + per_s * lasted + 1
    assert flood.sent > 1000 * SECONDS and told["udp_limited"] > flood.sent // 4 and told["tcp_limited"] > flood.sent // 20
    assert told["tcp_full"] == 0


def test_who_is_in_no_list_gets_nothing(image, board, connections):
    """Not even under the good client's Ethernet address."""
    stranger = 0x0B000001
    with Image(board, image) as target:
        before = Connection(Peer(target), 20000, HOST).get("/favicon.svg")
        for port in range(200):
            for frame in (udp(7, b"?", source=stranger), udp(5005, b"?", source=stranger), tcp(SYN, 1, port=port + 1, source=stranger),
                          tcp(ACK, 1, 2, port=port + 1, source=stranger), tcp(SYN, 1, to_port=port, source=stranger)):
                assert target.exchange(frame) == []
        assert Connection(Peer(target), 20001, HOST).get("/favicon.svg") == before
        time.sleep(1 / connections[0])
        assert target.counters()["ip_denied"] == 1000


@pytest.mark.soak
@pytest.mark.parametrize("board, seconds", [("lm3s6965evb", 60), ("mps2_an385", 60)])
def test_a_frame_may_come_at_any_moment_of_the_sleep(board, seconds):
    """Its interrupt is never taken: the table of vectors has no place for it."""
    image = build.build_image(board, ROOT / "tests/agree/limited.toml", ROOT / "build" / "limited")
    with Image(board, image) as target:
        peer = Peer(Flooded(target))
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            peer.send(udp(7, b"good"))
