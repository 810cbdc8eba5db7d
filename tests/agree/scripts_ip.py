"""What takes no time: Ethernet, ARP (RFC 826, RFC 5227), IPv4 (RFC 791), ICMP (RFC 792), UDP (RFC 768)."""
from tests.agree.frames import ACK, BROADCAST, HOST, ICMP, MAC, OURS, SYN, TCP, UDP, arp, ethernet, icmp, ip, mss, tcp, udp
from tests.agree.registry import script, text


# ---- Ethernet, ARP -------------------------------------------------------------------------------------------------

@script
def other_ethertypes(peer):
    for kind in (0, 0x05DC, 0x0801, 0x0807, 0x86DD, 0x8100, 0x88CC, 0xFFFF, 0x0008, 0x0608):
        for to in (MAC, BROADCAST, b"\x01\x00\x5e\x00\x00\x01", b"\x52\x54\x00\x12\x34\x57"):
            peer.send(ethernet(kind, text(50), to))


@script
def runts_of_every_length(peer):
    for whole in (arp(), icmp(data=text(20)), udp(7, text(9)), tcp(SYN, 1, options=mss(1460))):
        peer.send(*(whole[:size] for size in range(14, len(whole))))


@script
def not_for_our_address(peer):
    for to in (BROADCAST, b"\x01\x00\x5e\x00\x00\x01", b"\x52\x54\x00\x12\x34\x57", bytes(6)):
        peer.send(icmp(to=to), udp(7, b"x", to=to), arp(to=to))


@script
def sources_that_are_no_station(peer):
    for source in (BROADCAST, b"\x01\x00\x5e\x00\x00\x01", bytes(6)):
        for frame in (icmp(), udp(7, b"x"), arp(), tcp(SYN, 1)):
            peer.send(frame[:6] + source + frame[12:])
        peer.send(arp(sha=source)[:6] + frame[6:12] + arp(sha=source)[12:])


@script
def arp_requests(peer):
    peer.send(arp(), arp(to=MAC), arp(tail=b""), arp(tail=text(300)), arp(tha=MAC, to=MAC))
    for target in (OURS ^ 1, HOST, OURS + 256, 0, 0xFFFFFFFF):
        peer.send(arp(tpa=target), arp(2, tpa=target, to=MAC))
    for sender in (0, 0x0A0000FF, 0xE0000001, OURS ^ 2):
        peer.send(arp(spa=sender, sha=b"\x02\1\2\3\4\5"))


@script
def arp_malformed(peer):
    for kinds in ((2, 0x800, 6, 4), (1, 0x801, 6, 4), (1, 0x86DD, 6, 16), (1, 0x800, 5, 4), (1, 0x800, 6, 3), (0, 0, 0, 0)):
        peer.send(arp(kinds=kinds))
    peer.send(*(arp(operation) for operation in (0, 3, 4, 8, 9, 0x100, 0x200, 0xFFFF)))


@script
def arp_conflict(peer):
    peer.send(arp(spa=OURS, sha=MAC), arp(2, spa=OURS, sha=MAC, to=MAC))
    for operation in (1, 2, 3):
        peer.send(arp(operation, spa=OURS, tpa=OURS, sha=b"\x02\xaa\xbb\xcc\xdd\xee"))


# ---- IPv4 ----------------------------------------------------------------------------------------------------------

@script
def ip_headers(peer):
    for first in (0, 0x35, 0x40, 0x44, 0x46, 0x4F, 0x55, 0x60, 0x65, 0xF5):
        peer.send(icmp(first=first, data=text(30)))
    for words in range(1, 11):
        peer.send(icmp(first=0x45 + words, options=b"\1" * (4 * words), data=text(8)))
    for wrong in (1, 0xFF, 0x100, 0x8000, 0xFFFF):
        peer.send(ip(ICMP, b"\x08\0\xf7\xff" + bytes(4), wrong=wrong))


@script
def ip_lengths(peer):
    for length in (0, 1, 19, 20, 21, 27, 28, 29, 47, 48, 49, 1500, 0xFFFF):
        for protocol in (ICMP, UDP, TCP, 89):
            peer.send(ip(protocol, bytes(28), length=length))
    for tail in (1, 2, 18, 100):
        peer.send(icmp(data=text(11), tail=b"\xff" * tail), udp(7, text(11), tail=b"\xff" * tail))


@script
def ip_ttl_and_fragments(peer):
    peer.send(*(icmp(ttl=ttl) for ttl in (0, 1, 2, 255)))
    peer.send(*(icmp(fragment=f, data=text(24))
                for f in (0, 0x2000, 0x4000, 0x6000, 0x8000, 0xA000, 1, 0x1FFF, 0x2001, 0x4001, 0x8001)))


@script
def ip_addresses(peer):
    for source in (0, 1, 0x7F000001, 0x7FFFFFFF, 0x80000000, 0xDFFFFFFF, 0xE0000001, 0xF0000000, 0xFFFFFFFF,
                   0x0A0000FF, OURS, 0x0A000200, 0x0A0002FF, 0x08080808):
        peer.send(icmp(source=source), udp(7, b"echo", source=source), tcp(ACK, 1, 2, port=1234, source=source))
    for target in (OURS ^ 1, OURS ^ 0x100, 0x0A0002FF, 0xFFFFFFFF, 0xE0000001, 0):
        peer.send(icmp(target=target), udp(7, b"echo", target=target))


@script
def ip_protocols(peer):
    peer.send(*(ip(protocol, text(40)) for protocol in range(256) if protocol != UDP))


# ---- ICMP, UDP -----------------------------------------------------------------------------------------------------

@script
def icmp_echo_of_all_sizes(peer):
    for size in (*range(0, 72), *range(72, 1400, 61), *range(1456, 1473)):
        peer.send(icmp(data=text(size)))
    peer.send(icmp(data=b"\xff" * 1472), icmp(data=bytes(1472)), icmp(code=3, data=b"\xff\xff"),
              icmp(data=b"\xff\xef"))      # its reply's sum is the zero that RFC 1624 section 3 is about


@script
def icmp_others(peer):
    for kind in (*range(0, 19), 255):
        peer.send(icmp(kind, data=text(20)))
    peer.send(*(icmp(wrong=wrong, data=text(5)) for wrong in (1, 0x100, 0xFFFF, 0x0800)), ip(ICMP, b"\x08\0\0"))


@script
def udp_echo_of_all_sizes(peer):
    for size in (*range(0, 72), *range(72, 1400, 61), *range(1456, 1473)):
        peer.send(udp(7, text(size)))
    for data in (bytes(8), b"\xff" * 8, text(9)):
        peer.send(udp(7, data, bare=True), udp(7, data, wrong=1), udp(7, data, source_port=0), udp(7, data, source_port=7))


@script
def udp_query(peer):
    for size in (0, 1, 2, 27, 28, 29, 100, 1472):
        peer.send(udp(5005, text(size)), udp(5005, text(size), bare=True), udp(5005, text(size), wrong=1))
    peer.send(udp(5005, b"?", source_port=0), udp(5005, b"?", source_port=5005), udp(5005, b"?", source=0xC0A80001))


@script
def udp_lengths(peer):
    for port in (7, 5005):
        for length in (0, 7, 8, 9, 27, 28, 29, 0xFFFF):
            peer.send(udp(port, text(20), length=length), udp(port, text(20), length=length, tail=bytes(40), bare=True))


@script
def udp_closed_ports(peer):
    for port, size in ((0, 0), (1, 1), (9, 30), (80, 1472), (5004, 28), (0x0700, 2), (0xFFFF, 20)):
        peer.send(udp(port, text(size), ident=port, ttl=3))
    peer.send(udp(9, b"", wrong=5))
