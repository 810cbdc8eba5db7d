"""One counter for every way a frame, a connection or a reading can go.

The counters are the first words of the state block ``s`` (32 bits each, they
wrap). A line of the table names a counter, its upper-case name is the index of
its word: ``count(s, IP_CHECKSUM)``. /metrics prints them all, /counters.txt (image/assets.py) what they mean.
"""

from .inline import inline

COUNTERS = (
    # Frames and Ethernet
    ("rx_frames", "frames taken from the card"),
    ("tx_frames", "frames given to the card"),
    ("tx_no_room", "frames not sent: transmit ring full"),
    ("rx_runt", "dropped: shorter than its headers"),
    ("eth_not_ours", "dropped: other destination address"),
    ("eth_source", "dropped: sent by a group address"),
    ("eth_type", "dropped: neither ARP nor IPv4"),
    # ARP (RFC 826, RFC 5227)
    ("arp_malformed", "dropped: not Ethernet/IPv4 ARP"),
    ("arp_requests", "requests for our address answered"),
    ("arp_replies", "replies for an address we asked for"),
    ("arp_ignored", "ARP for others"),
    ("arp_conflict", "our address claimed by another"),
    ("arp_sent", "requests and announcements sent"),
    # IPv4 (RFC 791, RFC 1122)
    ("ip_malformed", "dropped: version, IHL or length"),
    ("ip_options", "dropped: IP options"),
    ("ip_checksum", "dropped: header checksum"),
    ("ip_ttl", "dropped: TTL was zero"),
    ("ip_not_ours", "dropped: other destination"),
    ("ip_fragment", "dropped: fragments"),
    ("ip_source", "dropped: impossible source address"),
    ("ip_short", "dropped: shorter than the header inside"),
    ("ip_protocol", "dropped: not ICMP, UDP or TCP"),
    # ICMP (RFC 792)
    ("icmp_echo", "echo requests answered"),
    ("icmp_checksum", "dropped: checksum"),
    ("icmp_ignored", "messages that ask for nothing"),
    ("icmp_unreachable", "port unreachable sent"),
    ("icmp_limited", "port unreachable not sent: rate limit"),
    # UDP (RFC 768)
    ("udp_loop", "dropped: from port 0 or a service"),
    ("udp_checksum", "dropped: checksum"),
    ("udp_echo", "echo datagrams answered"),
    ("udp_query", "sensor queries answered"),
    ("udp_closed", "datagrams for closed ports"),
    # Sensor
    ("sensor_readings", "readings taken"),
    ("sensor_sent", "datagrams sent to the collector"),
    ("sensor_waiting", "readings kept until it answers"),
    ("sensor_lost", "readings overwritten or not sent"),
    ("sensor_error", "the reading function failed"),
    # TCP (RFC 9293)
    ("tcp_malformed", "dropped: header length or port 0"),
    ("tcp_checksum", "dropped: checksum"),
    ("tcp_stray_rst", "RST without a connection"),
    ("tcp_closed_port", "segments for closed ports"),
    ("tcp_syn", "SYN answered with a cookie"),
    ("tcp_syn_dropped", "SYN dropped: no slot to come"),
    ("tcp_bad_cookie", "segments without a connection"),
    ("tcp_opened", "connections opened"),
    ("tcp_full", "opening ACK dropped: slots full"),
    ("tcp_evicted", "idle connections evicted"),
    ("tcp_closed", "connections closed in order"),
    ("tcp_reset_in", "connections reset by the peer"),
    ("tcp_reset_out", "RST sent"),
    ("tcp_reset_limited", "RST not sent: rate limit"),
    ("tcp_challenge", "challenge ACKs sent (RFC 5961)"),
    ("tcp_challenge_limited", "challenge ACKs not sent: rate limit"),
    ("tcp_out_of_window", "segments outside the window"),
    ("tcp_bad_ack", "segments with an impossible ACK"),
    ("tcp_out_of_order", "segments beyond a gap"),
    ("tcp_duplicate", "segments received before"),
    ("tcp_after_close", "data after our side was done"),
    ("tcp_retransmit", "segments sent again"),
    ("tcp_rto", "retransmission time-outs (RFC 6298)"),
    ("tcp_fast_retransmit", "fast retransmits (RFC 5681)"),
    ("tcp_probe", "zero-window probes sent"),
    ("tcp_timeout", "connections given up: peer silent"),
    ("tcp_idle", "connections closed: idle too long"),
    # HTTP (RFC 9110, RFC 9112)
    ("http_requests", "requests answered"),
    ("http_304", "answered: not modified"),
    ("http_overflow", "answers longer than a page"),
    ("http_400", "refused: bad request"),
    ("http_404", "refused: no such page"),
    ("http_405", "refused: method"),
    ("http_413", "refused: body too large"),
    ("http_414", "refused: target too long"),
    ("http_431", "refused: header too large"),
    ("http_500", "refused: route failed"),
    ("http_501", "refused: unknown method"),
    ("http_503", "refused: no page free"),
    ("http_505", "refused: version"),
)

NAMES = tuple(name for name, _ in COUNTERS)
for _i, _name in enumerate(NAMES):
    globals()[_name.upper()] = _i
COUNT = len(COUNTERS)
TEXT = "\n".join(NAMES + ("",)).encode()     # one object in flash, where a tuple of texts takes several times that


@inline
def count(s: ptr32, index: int):
    s[index] = s[index] + 1
