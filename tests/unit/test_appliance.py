"""hostsim.appliance: the whole firmware on virtual time, with a peer on the other end of the cable; main.py itself."""
import struct

import pytest

from hostsim import datagram, links, packets
from hostsim.appliance import Appliance, run_until
from hostsim.clock import RealClock, VirtualClock
from hostsim.impair import Impaired
from hostsim.pcap import Captured, PcapWriter, read_pcap

OURS, HOST = 0x0A00020F, 0x0A000202
MAC, HOST_MAC = b"\x52\x54\x00\x12\x34\x56", b"\x02\0\0\0\0\x09"
CONFIG = {"NAME": "t", "DEVICE_ID": 0x1234, "ADDRESS": OURS, "PREFIX": 24, "GATEWAY": HOST, "MAC": b"", "SENSOR": True,
          "SENSOR_SOURCE": "counter", "SENSOR_PERIOD_MS": 1000, "COLLECTOR": HOST, "COLLECTOR_PORT": 9000,
          "QUERY_PORT": 5005, "READING_INLINE": True, "HTTP": False, "HTTP_PORT": 0, "UDP_ECHO_PORT": 7}


class Peer:
    """Answers ARP, collects readings, and sends an echo request each time it is stepped and `echoes` are left."""

    def __init__(self, link, echoes=0):
        self.link, self.echoes, self.readings, self.answers = link, echoes, [], set()

    def step(self):
        frame = self.link.recv()
        while frame is not None:
            self.take(frame)
            frame = self.link.recv()
        if self.echoes:
            self.echoes -= 1
            body = packets.udp(HOST, 4000, OURS, 7, b"%08d" % self.echoes)
            self.link.send(packets.ipv4(MAC, HOST_MAC, HOST, OURS, packets.UDP, body))
        return 10 if self.echoes else 1000

    def take(self, frame):
        if frame[12:14] == b"\x08\x06" and frame[21] == 1 and frame[38:42] == struct.pack(">I", HOST):
            self.link.send(packets.arp(2, HOST_MAC, HOST, frame[22:28], OURS, frame[6:12]))
        elif frame[12:14] == b"\x08\x00":
            try:
                packet = packets.Packet(frame)
            except (ValueError, struct.error):
                return
            if packet.target_port == 9000:
                self.readings.append(datagram.decode(packet.data))
            else:
                self.answers.add(packet.data)


def world(clock, echoes=0, more=None, faults=None, **options):
    one, two = links.pair()
    link = Impaired(one, clock, **faults) if faults else one
    appliance = Appliance({**CONFIG, **(more or {})}, link, clock=clock, **options).boot()
    return appliance, Peer(two, echoes)


@pytest.mark.parametrize("word, version", [(64, 2), (64, 1), (32, 2)])
def test_an_hour_of_readings_takes_seconds(word, version):
    clock = VirtualClock()
    appliance, peer = world(clock, word=word, version=version)
    run_until(clock, 3600000 if word == 64 and version == 2 else 100000, appliance, peer)
    expected = clock.us() // 1000000
    assert abs(len(peer.readings) - expected) <= 1
    assert [r.sequence for r in peer.readings] == list(range(1, len(peer.readings) + 1))
    for reading in peer.readings[1:]:
        assert abs(reading.uptime - 1000 * (reading.sequence - 1)) <= 10 and reading.device == 0x1234


@pytest.mark.parametrize("word", [64, 32])
def test_an_answer_keeps_it_awake_where_that_is_configured(word):
    """[net] busy_poll_ms: poll() asks for another look at once, so many milliseconds long; a frame for others changes nothing."""
    clock = VirtualClock()
    appliance, peer = world(clock, more={"BUSY_POLL_MS": 20}, word=word, overrides={"SPIN": 3})
    run_until(clock, 100, appliance, peer)

    def awake(milliseconds):
        """Whether it wants another look, each millisecond from now."""
        looks = []
        for _ in range(milliseconds):
            looks.append(appliance.step() == 0)
            clock.advance(1)
            peer.step()
        return looks

    assert awake(3) == [False] * 3
    body = packets.udp(HOST, 4000, OURS, 7, b"awake?")
    peer.link.send(packets.ipv4(MAC, HOST_MAC, HOST, OURS, packets.UDP, body))
    assert awake(40) == [True] * 20 + [False] * 20
    peer.link.send(packets.ipv4(MAC, HOST_MAC, HOST, OURS + 1, packets.UDP, body))
    assert awake(3) == [False] * 3 and peer.answers == {b"awake?"}


def test_a_bad_wire_loses_some_and_stops_nothing():
    clock = VirtualClock()
    faults = dict(loss=0.1, duplicate=0.1, reorder=0.1, corrupt=0.1, delay=2, jitter=5, seed=3)
    appliance, peer = world(clock, echoes=500, faults=faults)
    run_until(clock, 60000, appliance, peer)
    assert 250 < len(peer.answers) < 480 and 35 < len({r.sequence for r in peer.readings}) <= 61
    assert all(appliance.link.counts.values())
    errors = {name: appliance.n[k] for name, _, k in appliance.fw.driver.NIC_COUNTERS if appliance.n[k]}
    assert not errors


def test_two_appliances_on_one_clock_do_not_meet():
    clock = VirtualClock()
    one, first = world(clock)
    two, second = world(clock, more={"SENSOR_PERIOD_MS": 100, "DEVICE_ID": 2})
    run_until(clock, 20050, one, first, two, second)
    assert {r.device for r in first.readings} == {0x1234} and {r.device for r in second.readings} == {2}
    assert len(first.readings) == 21 and len(second.readings) == 201


def test_main_itself_answers_a_recorded_conversation(tmp_path):
    writer = PcapWriter(tmp_path / "in.pcap")
    writer.write(0, packets.arp(1, HOST_MAC, HOST, bytes(6), OURS, packets.BROADCAST))
    body = packets.udp(HOST, 4000, OURS, 7, b"recorded")
    writer.write(20000, packets.ipv4(MAC, HOST_MAC, HOST, OURS, packets.UDP, body))
    writer.close()
    clock = RealClock()
    link = Captured(links.Replay(tmp_path / "in.pcap", clock), tmp_path / "out.pcap", clock)
    appliance = Appliance(CONFIG, link, clock=clock, linger=50)
    appliance.run()
    assert appliance.fw.console.getvalue() == "barewire: t ready at 10.0.2.15\n"
    sent = appliance.link.sent
    assert any(f[:6] == HOST_MAC and f[12:14] == b"\x08\x06" and f[21] == 2 for f in sent)
    echoed = [packets.Packet(f) for f in sent if f[12:14] == b"\x08\x00"]
    assert [p.data for p in echoed if p.target_port == 4000] == [b"recorded"]
    assert len(read_pcap(tmp_path / "out.pcap")) == 2 + len(sent)
