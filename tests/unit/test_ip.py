"""IPv4 (RFC 791, RFC 1122), ICMP (RFC 792) and UDP (RFC 768): what is answered, what is dropped under which name."""
import pytest
from device import ADDRESS, ICMP, IP, MAC, PEER, PEER_MAC, UDP, Device, Ether, Raw, ip
from hypothesis import given, settings
from hypothesis import strategies as st

PING = ICMP(id=7, seq=9) / Raw(b"0123456789")


def options(frame, **fields):
    return Ether(src=PEER_MAC, dst=MAC) / IP(src=PEER, dst=ADDRESS, **fields) / frame


@pytest.mark.parametrize("size", (0, 1, 2, 3, 17, 18, 56, 64, 512, 1471, 1472))
def test_echo_request_of_every_size(device, size):
    data = bytes(range(256)) * 6
    reply, = device.send(ip(1, ICMP(id=7, seq=size) / Raw(data[:size])))
    assert (reply[ICMP].type, reply[ICMP].id, reply[ICMP].seq) == (0, 7, size)
    assert bytes(reply[ICMP].payload)[:size] == data[:size]
    assert (reply[IP].src, reply[IP].dst, reply[IP].ttl, reply[IP].flags, reply[IP].id) == (ADDRESS, PEER, 64, "DF", 0)
    assert (reply.src, reply.dst) == (MAC, PEER_MAC)
    assert len(reply) == max(60, 42 + size)


def test_the_sum_of_a_reply_is_never_the_other_zero(device):
    """RFC 1624 section 3: what adds up to nothing gives 0x0000, where RFC 1141's formula would give 0xFFFF."""
    reply, = device.send(ip(1, ICMP(id=7, seq=9) / Raw(b"\xff\xef")))
    assert reply[ICMP].chksum == 0


@pytest.mark.parametrize("frame, counter", [
    (Ether(src=PEER_MAC, dst="ff:ff:ff:ff:ff:ff") / IP(src=PEER, dst=ADDRESS) / PING, "eth_not_ours"),
    (Ether(src=PEER_MAC, dst="02:00:00:00:00:55") / IP(src=PEER, dst=ADDRESS) / PING, "eth_not_ours"),
    (Ether(src=PEER_MAC, dst=MAC, type=0x86DD) / Raw(bytes(60)), "eth_type"),
    (Ether(src="ff:ff:ff:ff:ff:ff", dst=MAC) / IP(src=PEER, dst=ADDRESS) / PING, "eth_source"),
    (Ether(src="01:00:5e:00:00:01", dst=MAC) / IP(src=PEER, dst=ADDRESS) / PING, "eth_source"),
    (bytes(ip(1, PING))[:33], "rx_runt"),
    (options(PING, version=6), "ip_malformed"),
    (options(PING, ihl=4), "ip_malformed"),
    (options(PING, len=200), "ip_malformed"),
    (options(PING, len=19), "ip_malformed"),
    (options(PING, options=[b"\x01\x01\x01\x00"]), "ip_options"),
    (options(PING, chksum=0x1234), "ip_checksum"),
    (options(PING, ttl=0), "ip_ttl"),
    (options(PING, flags="MF"), "ip_fragment"),
    (options(PING, frag=3), "ip_fragment"),
    (ip(1, PING, dst="10.0.2.16"), "ip_not_ours"),
    (ip(1, PING, dst="10.0.2.255"), "ip_not_ours"),
    (ip(1, PING, src="0.0.0.0"), "ip_source"),
    (ip(1, PING, src="127.0.0.1"), "ip_source"),
    (ip(1, PING, src="224.0.0.5"), "ip_source"),
    (ip(1, PING, src="255.255.255.255"), "ip_source"),
    (ip(1, PING, src="10.0.2.255"), "ip_source"),
    (ip(1, PING, src=ADDRESS), "ip_source"),
    (ip(47, Raw(bytes(30))), "ip_protocol"),
    (ip(17, Raw(b"1234567")), "ip_short"),
    (ip(1, Raw(b"\x08\x00\xf7")), "ip_short"),
    (ip(1, ICMP(id=1, chksum=1)), "icmp_checksum"),
    (ip(1, ICMP(type=13)), "icmp_ignored"),
    (ip(1, ICMP(type=0)), "icmp_ignored"),
    (ip(17, UDP(sport=1, dport=7, len=7)), "ip_short"),
    (ip(17, UDP(sport=1, dport=7, len=99) / Raw(b"x")), "ip_short"),
    (ip(17, UDP(sport=7, dport=7) / Raw(b"x")), "udp_loop"),
    (ip(17, UDP(sport=5005, dport=5005) / Raw(b"x")), "udp_loop"),
    (ip(17, UDP(sport=7, dport=5005) / Raw(b"x")), "udp_loop"),
    (ip(17, UDP(sport=5005, dport=7) / Raw(b"x")), "udp_loop"),
    (ip(17, UDP(sport=7, dport=9) / Raw(b"x")), "udp_loop"),
    (ip(17, UDP(sport=0, dport=7) / Raw(b"x")), "udp_loop"),
    (ip(17, UDP(sport=1, dport=5005, chksum=0x4321) / Raw(b"x")), "udp_checksum"),
])
def test_dropped_and_counted(device, frame, counter):
    before = device.count(counter)
    assert device.raw(bytes(frame)) == []
    assert device.count(counter) == before + 1


@pytest.mark.parametrize("size", (0, 1, 2, 31, 32, 33, 64, 1471, 1472))
def test_udp_echo(device, size):
    """RFC 862; the answer carries the sender's checksum, whatever it was."""
    data = bytes(range(255, -1, -1)) * 6
    frame = Ether(bytes(ip(17, UDP(sport=4000, dport=7) / Raw(data[:size]))))
    reply, = device.send(frame)
    assert (reply[UDP].sport, reply[UDP].dport, reply[UDP].chksum) == (7, 4000, frame[UDP].chksum)
    assert bytes(reply[UDP].payload)[:size] == data[:size]


def test_udp_echo_without_checksum(device):
    """RFC 768: zero means that the sender computed none."""
    device.out = []
    assert device.fw.driver.put(device.n, bytes(ip(17, UDP(sport=1, dport=7, chksum=0) / Raw(b"abc"))))
    device.stack.poll(device.now)
    reply = Ether(device.fw.driver.take(device.n))
    assert reply[UDP].chksum == 0 and reply[Raw].load[:3] == b"abc"


def test_udp_length_shorter_than_the_datagram(device):
    """What lies behind the UDP datagram inside of the IP datagram is not echoed."""
    device.fw.driver.put(device.n, bytes(ip(17, UDP(sport=1, dport=7, len=11, chksum=0) / Raw(b"abcdef"))))
    device.stack.poll(device.now)
    reply = Ether(device.fw.driver.take(device.n))
    assert reply[IP].len == 31 and reply[UDP].len == 11


def test_closed_port_is_unreachable(device):
    frame = ip(17, UDP(sport=4000, dport=4001) / Raw(b"12345678901234567890"))
    reply, = device.send(frame)
    assert (reply[ICMP].type, reply[ICMP].code) == (3, 3)
    assert bytes(reply[ICMP].payload)[:28] == bytes(Ether(bytes(frame))[IP])[:28]      # RFC 792: header and 8 bytes
    assert device.count("icmp_unreachable") == 1


def test_unreachable_is_limited_by_the_second(device):
    frame = ip(17, UDP(sport=4000, dport=4001))
    assert sum(len(device.send(frame)) for _ in range(30)) == 10
    assert device.count("icmp_limited") == 20
    device.pass_ms(1000)
    assert len(device.send(frame)) == 1


def test_no_services_when_not_configured(word):
    device = Device(word=word, SENSOR=False, HTTP=False, UDP_ECHO_PORT=0, QUERY_PORT=0, COLLECTOR_PORT=0)
    for port in (7, 5005, 0):
        reply, = device.send(ip(17, UDP(sport=4000, dport=port)))
        assert reply[ICMP].code == 3


FRAMES = Device()


@settings(max_examples=300, deadline=None)
@given(st.binary(min_size=14, max_size=200), st.sampled_from((b"\x08\x00", b"\x08\x06", None)))
def test_any_bytes_are_survived(data, kind):
    """No frame stops the stack, and each is counted as received."""
    frame = bytes.fromhex(MAC.replace(":", "")) + data[6:12] + (kind or data[12:14]) + data[14:]
    before = FRAMES.count("rx_frames")
    FRAMES.raw(frame)
    assert FRAMES.count("rx_frames") == before + 1
