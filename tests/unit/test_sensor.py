"""The sensor: readings on time, on query, and kept while the collector cannot be reached."""
import pytest
from device import ARP, IP, MAC, PEER, PEER_MAC, UDP, Device, Ether, Raw, ip

from hostsim import datagram


def readings(frames):
    return [datagram.decode(bytes(f[UDP].payload)[:28]) for f in frames if UDP in f and f[UDP].dport == 9000]


def answer(device):
    return device.send(Ether(src=PEER_MAC, dst=MAC)
                       / ARP(op=2, hwsrc=PEER_MAC, psrc=PEER, hwdst=MAC, pdst="10.0.2.15"))


def test_a_reading_each_period(device):
    got = readings(device.pass_ms(5000))
    assert [r.value for r in got] == [2, 3, 4, 5, 6]        # number 1 was taken at boot
    assert [r.sequence for r in got] == [r.value for r in got]
    assert [b.uptime - a.uptime for a, b in zip(got, got[1:])] == [1000] * 4
    assert {r.device for r in got} == {0x12345678} and {r.status for r in got} == {1}


def test_datagram_is_addressed_from_the_template(device):
    frame, = [f for f in device.pass_ms(1000) if UDP in f]
    assert (frame.src, frame.dst, frame[IP].src, frame[IP].dst) == (MAC, PEER_MAC, "10.0.2.15", PEER)
    assert (frame[UDP].sport, frame[UDP].dport, len(frame)) == (5005, 9000, 70)


def test_query_gets_the_latest_reading(device):
    device.pass_ms(2500)
    reply, = device.send(ip(17, UDP(sport=4444, dport=5005) / Raw(b"any")))
    reading = datagram.decode(bytes(reply[UDP].payload)[:28])
    assert (reading.value, reading.status) == (3, 3) and reply[UDP].dport == 4444


def test_readings_wait_for_the_collector_and_none_is_lost(word):
    device = Device(word=word, resolve=False)
    assert readings(device.pass_ms(10000)) == []
    waited = readings(answer(device))
    assert [r.sequence for r in waited] == list(range(1, 12))
    assert {r.status for r in waited} == {5}        # valid, waited
    assert [r.uptime for r in waited] == [1000 * k for k in range(11)]
    assert device.count("sensor_lost") == 0
    assert [r.status for r in readings(device.pass_ms(1000))] == [1]


def test_the_ring_keeps_the_last_64(word):
    device = Device(word=word, resolve=False)
    device.pass_ms(100000)
    waited = readings(answer(device)) + readings(device.pass_ms(500))
    assert [r.sequence for r in waited] == list(range(38, 102))
    assert device.count("sensor_lost") == 37 and device.count("sensor_waiting") == 101


def test_a_late_turn_sends_no_burst(device):
    device.now += 10500
    assert len(readings(device.raw(bytes(60)))) == 1
    assert len(readings(device.pass_ms(1000))) == 1


def test_back_to_back(word):
    """period_ms = 0 sends as fast as the card takes, in bursts, and still answers frames."""
    device = Device(word=word, SENSOR_PERIOD_MS=0)
    got = readings(device.send(ip(17, UDP(sport=1, dport=7) / Raw(b"x"))))
    assert len(got) == device.fw.sensor.BURST
    assert UDP in device.out[0] and device.out[0][UDP].sport == 7
    assert device.wait == 0


def test_clock_wraps(word):
    """The caller's tick wraps at 30 bits, our own time at 32; the uptime goes on."""
    device = Device(word=word)
    device.now = 0
    for _ in range(9):
        device.now += 1 << 29
        device.poll()
    reply, = [f for f in device.send(ip(17, UDP(sport=4444, dport=5005))) if UDP in f and f[UDP].dport == 4444]
    reading = datagram.decode(bytes(reply[UDP].payload)[:28])
    assert reading.uptime == device.fw.status.uptime_ms() > 1 << 32


class Broken(Exception):
    pass


def test_a_source_in_everyday_python(word):
    values = iter([-5, 7, Broken("no sensor"), 9])

    def source(now, sequence):
        value = next(values)
        if isinstance(value, Exception):
            raise value
        return value

    device = Device(word=word, READING_INLINE=False, SENSOR_SOURCE="door", source=source)
    got = readings(device.pass_ms(3000))
    assert device.fw.status.sequence() == 4
    assert [(r.value, r.status & 1) for r in got] == [(7, 1), (7, 0), (9, 1)]
    assert device.count("sensor_error") == 1
    assert "sensor: door failed: Broken no sensor" in device.fw.console.getvalue()


def test_negative_values_arrive(word):
    device = Device(word=word, READING_INLINE=False, SENSOR_SOURCE="door", source=lambda now, sequence: -40 - sequence)
    assert [r.value for r in readings(device.pass_ms(2000))] == [-42, -43]
    assert device.fw.status.reading() == -43


@pytest.mark.parametrize("changes", ({"COLLECTOR_PORT": 0}, {"COLLECTOR": 0x08080808, "GATEWAY": 0}))
def test_without_a_way_to_the_collector_queries_work(word, changes):
    device = Device(word=word, resolve=False, **changes)
    assert readings(device.pass_ms(3000)) == []
    reply, = device.send(ip(17, UDP(sport=4444, dport=5005)))
    assert datagram.decode(bytes(reply[UDP].payload)[:28]).value == 4
