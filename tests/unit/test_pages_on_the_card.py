"""A page of RAM that is given back before the card has read it: what another client is told must not go to the first.

The card looks at its queue when it likes (VIRTIO 1.2, sections 2.7.10 and 2.7.13): QEMU's does once its main loop gets to it,
or when the host's interface takes frames again. A peer gives a page back by a RST, or by an ACK of what it only guesses.
"""
import json

import pytest
from device import ADDRESS, CONSTANTS, MAC, PEER, PEER_MAC, TCP, Client, Device, Ether, Raw, checked, example_assets
from fifo_bench import Wire
from scapy.all import IP

from hostsim.appliance import Appliance
from hostsim.devices.virtio_mmio import TX

READING = b"GET /api/reading HTTP/1.1\r\nHost: x\r\n\r\n"
METRICS = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
cards = pytest.mark.parametrize("version, word", [(1, 64), (2, 64), (2, 32)])
ways = pytest.mark.parametrize("way", ["RST", "ACK"])


class OnVirtio:
    """An appliance on the model of a virtio card. `lazy`: it reads what is queued when it is told to, not before."""

    def __init__(self, version, word, pages):
        self.wire = Wire()
        config = {**CONSTANTS, "COLLECTOR_PORT": 0, "SENSOR_PERIOD_MS": 0x3FFFFFFF}
        self.appliance = Appliance(config, self.wire, version=version, word=word, checked=True, assets=example_assets(),
                                   overrides={"PAGES": pages, "TX_HEADERS": 8, "RX_BUFFERS": 16}).boot()
        self.card, self.fw = self.appliance.card, self.appliance.fw
        self.turn()

    def lazy(self, on):
        self.card.queues[TX].quiet(on)

    def turn(self, *frames):
        """Frames that come in one burst; the segments that are sent then."""
        self.wire.coming.extend(bytes(frame) for frame in frames)
        self.appliance.step()
        return self.sent()

    def send(self, frame):
        return self.turn(frame)

    def sent(self):
        frames, self.wire.sent = self.wire.sent, []
        return [frame for frame in map(checked, frames) if TCP in frame]

    def read_all(self):
        """The card does what it was too lazy for."""
        self.card.transmit()
        return self.sent()

    def count(self, name):
        return self.appliance.stack.s[self.fw.counters.NAMES.index(name)]


def opened(device, port):
    client = Client(device, port=port)
    client.open()
    return client


def segment(client, flags, data=b"", ahead=0, ack=0):
    return (Ether(src=PEER_MAC, dst=MAC) / IP(src=PEER, dst=ADDRESS)
            / TCP(sport=client.port, dport=80, flags=flags, seq=client.seq + ahead, ack=client.ack + ack, window=64000) / Raw(data))


def asks_and_gives_back(client, way, length):
    """A request, and what makes its page free before the answer can have been sent; it has `length` bytes."""
    back = segment(client, "R", ahead=len(READING)) if way == "RST" else segment(client, "A", ahead=len(READING), ack=length)
    return segment(client, "PA", READING), back


def answers(frames, port):
    return b"".join(bytes(frame[TCP].payload) for frame in frames if frame[TCP].dport == port)


def length_of_a_reading(device):
    """It is always the same, so that anybody can guess."""
    client = opened(device, 39999)
    answer = answers(client.device.turn(segment(client, "PA", READING)), 39999)
    device.turn(segment(client, "R", ahead=len(READING)))
    return len(answer)


@cards
@ways
def test_another_clients_answer_does_not_go_to_who_gave_the_page_back(version, word, way):
    device = OnVirtio(version, word, pages=2)
    length = length_of_a_reading(device)
    one, other = opened(device, 40000), opened(device, 40001)
    device.lazy(True)
    assert device.turn(*asks_and_gives_back(one, way, length)) == []
    assert device.turn(segment(other, "PA", METRICS)) == []
    frames = device.read_all()
    head, body = answers(frames, 40000).split(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200") and json.loads(body)["name"] == "greenhouse"
    assert b"rx_frames" in answers(frames, 40001)


@cards
@ways
def test_the_only_page_is_not_free_until_it_is_sent(version, word, way):
    device = OnVirtio(version, word, pages=1)
    length = length_of_a_reading(device)
    one, other = opened(device, 40000), opened(device, 40001)
    device.lazy(True)
    device.turn(*asks_and_gives_back(one, way, length), segment(other, "PA", METRICS))
    frames = device.read_all()
    assert json.loads(answers(frames, 40000).split(b"\r\n\r\n")[1])["name"] == "greenhouse"
    assert answers(frames, 40001).startswith(b"HTTP/1.1 503") and device.count("http_503") == 1
    device.lazy(False)
    device.turn()                                           # takes back what was sent
    other.take(frame[TCP] for frame in frames if frame[TCP].dport == 40001)
    other.seq += len(METRICS)
    assert other.request("/metrics").startswith(b"HTTP/1.1 200")


@cards
def test_a_page_is_free_when_its_own_buffer_came_back(version, word):
    """Others may still be out, in whatever order they come back (2.7.8), also those that carried it earlier."""
    device = OnVirtio(version, word, pages=1)
    one, other = opened(device, 40000), opened(device, 40001)
    device.card.hold = True
    frames = device.turn(segment(one, "PA", READING))
    assert json.loads(answers(frames, 40000).split(b"\r\n\r\n")[1])
    page, = device.card.held
    device.turn(segment(one, "R", ahead=len(READING)))
    frames = device.turn(segment(other, "PA", METRICS))
    assert answers(frames, 40001).startswith(b"HTTP/1.1 503") and len(device.card.held) == 2
    other.take([frames[0][TCP]])
    other.seq += len(METRICS)
    device.card.complete(page)
    device.turn()
    assert answers(device.turn(segment(other, "PA", METRICS)), 40001).startswith(b"HTTP/1.1 200") and len(device.card.held) > 1


@ways
@pytest.mark.parametrize("pages", [1, 2])
def test_the_same_on_the_card_made_of_memory(word, way, pages):
    """Its wire takes the frames after the turn: all of a burst are queued before."""
    device = Device(word=word, overrides={"PAGES": pages})
    first = Client(device, port=39999)
    first.open()
    length = len(first.request("/api/reading"))
    first.segment("R")
    one, other = opened(device, 40000), opened(device, 40001)
    for frame in (*asks_and_gives_back(one, way, length), segment(other, "PA", METRICS)):
        assert device.fw.driver.put(device.n, bytes(frame))
    device.out = []
    frames = [frame for frame in device.poll() if TCP in frame]
    assert json.loads(answers(frames, 40000).split(b"\r\n\r\n")[1])["name"] == "greenhouse"
    assert answers(frames, 40001).startswith(b"HTTP/1.1 200" if pages > 1 else b"HTTP/1.1 503")
