"""RFC 6691 and RFC 879 (now RFC 9293 section 3.7.1): the MSS option, and how large our segments are."""
import pytest
from big import GET, site
from device import TCP, Client, Device, Ether, IP, MAC, PEER, PEER_MAC, ADDRESS
from scapy.all import raw

MSS_1000 = b"\x02\x04\x03\xe8"


@pytest.mark.parametrize("offered, used", ((None, 536), (0, 216), (1, 216), (100, 216), (215, 216), (216, 216), (535, 216), (536, 536),
                                           (1000, 536), (1024, 1024), (1220, 1220), (1359, 1220), (1360, 1360), (1400, 1400),
                                           (1439, 1400), (1452, 1440), (1459, 1440), (1460, 1460), (9000, 1460), (65535, 1460)))
def test_mss_of_the_peer_is_respected(offered, used):
    """The largest of eight sizes (cookie.py) that is not above it; 536 without the option. Below 216 the option is not believed:
    every host takes datagrams of 576 bytes (RFC 1122 section 3.3.2), and segments of a few bytes are an attack."""
    page = site()
    device = Device(assets=page)
    client = Client(device, window=65535)
    options = [("NOP", None), ("SAckOK", b"")] + ([("MSS", offered)] if offered is not None else [])
    reply, = client.segment("S", ack=0, options=options)
    client.seq, client.ack = 1001, reply.seq + 1
    client.segment("A")
    got = client.send(GET)
    assert max(client.length(tcp) for tcp in got) == used
    client.pump()
    assert client.got.endswith(page.data)


@pytest.mark.parametrize("options, mss", (
    (b"", 536),
    (MSS_1000, 536), (b"\1\1\1\1" + MSS_1000, 536), (b"\1\1\1" + b"\x02\x04\x05\xb4" + b"\0", 1460),
    (b"\0\0\0\0\x02\x04\x05\xb4", 536),                   # behind the end of the list
    (b"\x02\x04\x02\x18\x02\x04\x05\xb4", 1460),           # twice: the last one
    (b"\x02\x03\x05\xb4", 536), (b"\x02\x06\x05\xb4\0\0\0\0", 536),        # of the wrong length
    (b"\1\x02\x04\x05", 536), (b"\1\1\x02\x04", 536), (b"\1\1\1\x02", 536),        # cut off
    (b"\x02\0\0\0\x02\x04\x05\xb4", 536), (b"\x02\1\0\0\x02\x04\x05\xb4", 536),   # lengths that would never end
    (b"\5\0\1\1\x02\x04\x05\xb4", 536), (b"\xfe\xff\0\0\x02\x04\x05\xb4", 536),
    (b"\x03\x03\x07\x01\x02\x04\x05\xb4", 1460), (b"\x04\x02\x01\x01\x02\x04\x05\x78", 1400),
    (b"\x08\x0a" + bytes(8) + b"\1\1\x02\x04\x05\x50", 1360), (b"\1" * 36 + b"\x02\x04\x05\xb4", 1460),
    (b"\1" * 40, 536), (b"\x02" * 40, 536), (b"\xff" * 40, 536)))
def test_options_of_all_shapes(word, options, mss):
    """RFC 9293 section 3.1: option kinds and lengths; what is malformed ends the list, and the SYN is answered all the same."""
    device = Device(word=word)
    tcp = raw(TCP(sport=40000, dport=80, flags="S", seq=1000))
    tcp = tcp[:12] + bytes([5 + len(options) // 4 << 4]) + tcp[13:16] + b"\0\0" + tcp[18:] + options
    frame = Ether(src=PEER_MAC, dst=MAC) / IP(src=PEER, dst=ADDRESS, proto=6) / with_sum(tcp)
    reply = device.send(frame)[0][TCP]
    assert reply.flags == "SA"
    client = Client(device, seq=1001, ack=reply.seq + 1)
    client.segment("A")
    assert device.slot(40000)("MSS") == mss


def with_sum(segment):
    """The segment with its checksum (RFC 1071), whatever its options say."""
    pseudo = bytes(map(int, (PEER + "." + ADDRESS).split("."))) + bytes([0, 6]) + len(segment).to_bytes(2, "big")
    total = sum(int.from_bytes((pseudo + segment)[k:k + 2], "big") for k in range(0, 12 + len(segment), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return segment[:16] + (total ^ 0xFFFF).to_bytes(2, "big") + segment[18:]


def test_ours_is_what_an_ethernet_frame_holds(device):
    """Section 3.7.1: MTU - 40, whatever the peer offers."""
    for k, offered in enumerate((None, 100, 9000)):
        reply, = Client(device, port=40000 + k).segment("S", ack=0, options=[("MSS", offered)] if offered else [])
        assert reply.options == [("MSS", 1460)] and reply.dataofs == 6
