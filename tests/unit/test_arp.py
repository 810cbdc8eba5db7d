"""ARP (RFC 826): who is answered, how the next hop is found and kept; conflicts (RFC 5227)."""
import pytest
from device import ADDRESS, ARP, MAC, PEER, PEER_MAC, Device, Ether

BROADCAST = "ff:ff:ff:ff:ff:ff"


def request(dst=BROADCAST, **fields):
    fields = {"op": 1, "hwsrc": PEER_MAC, "psrc": PEER, "pdst": ADDRESS, **fields}
    return Ether(src=PEER_MAC, dst=dst) / ARP(**fields)


def test_request_is_answered_to_the_asker(device):
    reply, = device.send(request())
    assert (reply.src, reply.dst) == (MAC, PEER_MAC)
    arp = reply[ARP]
    assert (arp.op, arp.hwsrc, arp.psrc, arp.hwdst, arp.pdst) == (2, MAC, ADDRESS, PEER_MAC, PEER)
    assert len(reply) == 60
    assert device.count("arp_requests") == 1


def test_probe_for_our_address_is_defended(device):
    """RFC 5227 section 2.1.1: a probe has sender 0.0.0.0; the answer tells that the address is in use."""
    reply, = device.send(request(psrc="0.0.0.0"))
    assert reply[ARP].op == 2 and reply[ARP].psrc == ADDRESS


@pytest.mark.parametrize("frame, counter", [
    (request(pdst="10.0.2.77"), "arp_ignored"),
    (request(hwtype=6), "arp_malformed"),
    (request(ptype=0x86DD), "arp_malformed"),
    (request(op=9), "arp_malformed"),
    (request(dst="02:00:00:00:00:99"), "eth_not_ours"),
    (request(hwsrc=BROADCAST), "arp_malformed"),
    (request(hwsrc="01:00:5e:00:00:01"), "arp_malformed"),
    (request(hwsrc="00:00:00:00:00:00"), "arp_malformed"),
    (bytes(request())[:41], "rx_runt"),
])
def test_dropped_and_counted(device, frame, counter):
    before = device.count(counter)
    assert device.raw(bytes(frame)) == []
    assert device.count(counter) == before + 1


def test_announces_itself_twice_at_boot():
    """RFC 5227 section 2.3: ANNOUNCE_NUM announcements, ANNOUNCE_INTERVAL apart."""
    device = Device(SENSOR=False)
    later = device.pass_ms(5000)
    announcements = [f for f in later if ARP in f and f[ARP].psrc == f[ARP].pdst == ADDRESS]
    assert len(announcements) == 1      # the first one left before the test could look
    assert device.count("arp_sent") == 2


def test_next_hop_is_asked_for_each_second_until_it_answers():
    device = Device(resolve=False)
    asked = [f for f in device.pass_ms(5000) if ARP in f and f[ARP].pdst == PEER]
    assert len(asked) == 5
    assert all(f.dst == BROADCAST for f in asked)
    device.send(request(op=2, dst=MAC, hwdst=MAC))
    assert not [f for f in device.pass_ms(20000) if ARP in f and f[ARP].pdst == PEER]


def test_next_hop_is_refreshed_by_unicast_and_forgotten_when_silent():
    device = Device()
    asked = [f for f in device.pass_ms(30500) if ARP in f and f[ARP].pdst == PEER]
    assert [f.dst for f in asked] == [PEER_MAC]
    device.pass_ms(5000)
    assert device.state("HOP_KNOWN") == 0
    waiting = device.count("sensor_waiting")
    device.pass_ms(3000)
    assert device.count("sensor_waiting") == waiting + 3


def test_gateway_is_the_next_hop_of_a_distant_collector():
    device = Device(COLLECTOR=0x08080808, resolve=False)
    asked = [f for f in device.pass_ms(1500) if ARP in f and f[ARP].psrc != f[ARP].pdst]
    assert asked and asked[0][ARP].pdst == PEER


def test_conflict_is_counted_said_and_defended_once():
    """RFC 5227 section 2.4 (b): one announcement in DEFEND_INTERVAL."""
    device = Device()
    device.pass_ms(3000)
    thief = request(hwsrc="02:00:00:00:00:66", psrc=ADDRESS, pdst="10.0.2.9")
    sent = device.send(thief) + device.send(thief)
    sent += device.pass_ms(500)
    assert [f[ARP].hwsrc for f in sent if ARP in f] == [MAC]
    assert device.count("arp_conflict") == 2
    said = device.fw.console.getvalue().splitlines()
    assert said[-1] == "arp: our address is also used by 02:00:00:00:00:66"
    assert len([line for line in said if line.startswith("arp:")]) == 1


def test_a_conflict_is_told_although_a_key_cannot_be_drawn(monkeypatch):
    """Both are left by one event of the timers; the key's MemoryError must not take the line with it."""
    device = Device()
    device.pass_ms(3000)

    def no_memory():
        raise MemoryError

    monkeypatch.setattr(device.fw.board, "entropy", no_memory)
    cookie = device.fw.cookie
    device.now = 1000 + cookie.REKEY_MS - cookie.LIFE_MS
    sent = device.send(request(hwsrc="02:00:00:00:00:66", psrc=ADDRESS, pdst="10.0.2.9"))
    assert device.count("no_memory") == 1 and device.count("arp_conflict") == 1
    sent = sent + device.pass_ms(9000)
    assert device.fw.console.getvalue().splitlines().count("arp: our address is also used by 02:00:00:00:00:66") == 1
    assert device.count("no_memory") == 1 and len([f for f in sent if ARP in f and f[ARP].pdst == ADDRESS]) == 1


def test_our_own_announcement_come_back_is_no_conflict(device):
    device.send(Ether(src=MAC, dst=BROADCAST) / ARP(op=1, hwsrc=MAC, psrc=ADDRESS, pdst=ADDRESS))
    assert device.count("arp_conflict") == 0
