"""One counter for every way a frame, a connection or a reading can go.

The counters are the first words of the state block ``s`` (32 bits each, they
wrap). A line of the table names a counter, its upper-case name is the index of
its word: ``count(s, IP_CHECKSUM)``. /metrics prints them all, /counters.txt (image/assets.py) what they mean.
A line that ends in a constant of the configuration is there where that is not 0.
"""

from . import config
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
    # Everyday Python
    ("no_memory", "not done for want of memory: 503, or later"),
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
    ("ip_denied", "dropped: source not in [net] allow", config.NET_ALLOW),
    # ICMP (RFC 792)
    ("icmp_echo", "echo requests answered"),
    ("icmp_checksum", "dropped: checksum"),
    ("icmp_ignored", "messages that ask for nothing"),
    ("icmp_too_big", "segment size lowered: next hop's MTU"),
    ("icmp_soft", "errors noted, the connection goes on"),
    ("icmp_stray", "errors that fit nothing in flight"),
    ("icmp_unreachable", "port unreachable sent"),
    ("icmp_limited", "port unreachable not sent: rate limit"),
    # UDP (RFC 768)
    ("udp_loop", "dropped: from port 0 or a service"),
    ("udp_checksum", "dropped: checksum"),
    ("udp_echo", "echo datagrams answered"),
    ("udp_query", "sensor queries answered"),
    ("udp_closed", "datagrams for closed ports"),
    ("udp_denied", "dropped: source not in [udp] allow", config.UDP_ALLOW),
    ("udp_limited", "dropped: source over datagrams_per_s", config.DATAGRAMS_PER_S),
    # Sensor
    ("sensor_readings", "readings taken"),
    ("sensor_sent", "datagrams sent to the collector"),
    ("sensor_waiting", "readings kept until it answers"),
    ("sensor_lost", "readings overwritten or not sent"),
    ("sensor_error", "the reading function failed"),
    ("sensor_denied", "dropped: source not in [sensor] allow", config.SENSOR_ALLOW),
    # TCP (RFC 9293)
    ("tcp_malformed", "dropped: header length or port 0"),
    ("tcp_checksum", "dropped: checksum"),
    ("tcp_stray_rst", "RST without a connection"),
    ("tcp_closed_port", "segments for closed ports"),
    ("tcp_syn", "SYN answered with a cookie"),
    ("tcp_bad_cookie", "segments without a connection"),
    ("tcp_opened", "connections opened"),
    ("tcp_full", "opening ACK dropped: slots full"),
    ("tcp_evicted", "idle connections evicted"),
    ("tcp_closed", "connections closed in order"),
    ("tcp_reset_in", "connections reset by the peer"),
    ("tcp_time_wait_reset", "RST in TIME-WAIT ignored (RFC 1337)"),
    ("tcp_half_closed", "FIN-WAIT-2 ended: peer did not close"),
    ("tcp_reset_out", "RST sent"),
    ("tcp_reset_limited", "RST not sent: rate limit"),
    ("tcp_challenge", "challenge ACKs sent (RFC 5961)"),
    ("tcp_challenge_limited", "challenge ACKs not sent: rate limit"),
    ("tcp_ack_limited", "ACKs of ACKs not sent: rate limit"),
    ("tcp_out_of_window", "segments outside the window"),
    ("tcp_bad_ack", "segments with an impossible ACK"),
    ("tcp_out_of_order", "segments beyond a gap"),
    ("tcp_not_kept", "those beyond a second gap: not kept"),
    ("tcp_duplicate", "segments received before"),
    ("tcp_after_close", "data after our side was done"),
    ("tcp_retransmit", "segments sent again"),
    ("tcp_rto", "retransmission time-outs (RFC 6298)"),
    ("tcp_hystart", "slow starts slowed: delay grew"),
    ("tcp_black_hole", "segment size lowered: lost twice"),
    ("tcp_fast_retransmit", "fast retransmits (RFC 5681)"),
    ("tcp_tail_probe", "sent again before a time-out: no answer"),
    ("tcp_sack_bad", "selective ACKs of what was not sent"),
    ("tcp_sack_reneged", "selective ACKs taken back"),
    ("tcp_probe", "zero-window probes sent"),
    ("tcp_timeout", "connections given up: peer silent"),
    ("tcp_idle", "connections closed: idle too long"),
    ("tcp_limited", "opening ACK dropped: source over connections_per_s", config.CONNECTIONS_PER_S),
    # HTTP (RFC 9110, RFC 9112)
    ("http_denied", "dropped: source not in [http] allow", config.HTTP_ALLOW),
    ("http_requests", "requests answered"),
    ("http_304", "answered: not modified"),
    ("http_overflow", "answers longer than a page"),
    ("http_400", "refused: bad request"),
    ("http_404", "refused: no such page"),
    ("http_405", "refused: method"),
    ("http_408", "refused: too slow a request"),
    ("http_413", "refused: body too large"),
    ("http_414", "refused: target too long"),
    ("http_417", "refused: expectation"),
    ("http_431", "refused: header too large"),
    ("http_500", "refused: route failed"),
    ("http_501", "refused: unknown method"),
    ("http_503", "refused: no page or memory free"),
    ("http_505", "refused: version"),
    ("http_204", "OPTIONS answered"),
    ("http_100", "bodies asked for"),
    ("http_206", "parts of files sent"),
    ("http_416", "refused: range"),
    ("http_range_ignored", "ranges answered as if not asked"),
)

NAMES = tuple(line[0] for line in COUNTERS if all(line[2:]))
for _i, _name in enumerate(NAMES):
    globals()[_name.upper()] = _i
COUNT = len(NAMES)
TEXT = "\n".join(NAMES + ("",)).encode()     # one object in flash, where a tuple of texts takes several times that


@inline
def count(s: ptr32, index: int):
    s[index] = s[index] + 1
