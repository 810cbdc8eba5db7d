"""ARP (RFC 826) for one address of our own and one next hop; announcements and defence (RFC 5227).

The only address to be resolved is the collector's next hop: the collector itself when it is on our
network, else the gateway. Everything else that is sent answers a frame, and goes where that came from.
"""
from . import config, counters
from .counters import count
from .inline import inline
from .state import *
from .wire import *
from .word import i32, u32

RETRY_MS = 1000        # RFC 1122 section 2.3.2.1: at most one request a second
FRESH_MS = 30000       # ask again (by unicast) after this long ...
TRIES = 3              # ... and forget the next hop after so many silent requests
ANNOUNCE_NUM = 2       # RFC 5227 section 1.1
ANNOUNCE_MS = 2000     # ANNOUNCE_INTERVAL
DEFEND_MS = 10000      # DEFEND_INTERVAL
CONFLICT_SEEN = 2      # in word CONFLICT_UNTOLD: the console has to be told

_mask = (1 << 32) - (1 << 32 - config.PREFIX)
_on_link = (config.COLLECTOR ^ config.ADDRESS) & _mask == 0
_hop = config.COLLECTOR if _on_link else config.GATEWAY
RESOLVES = bool(config.SENSOR and config.COLLECTOR_PORT and _hop)
HOP_0, HOP_1 = le16(_hop >> 16), le16(_hop & 0xFFFF)


@inline
def input(s: ptr32, f: ptr16, length: int) -> int:
    """Take an ARP frame; a reply is built in place. Returns its length, 0 for none."""
    size = 0
    sha_0 = f[ARP_SHA]
    sha_1 = f[ARP_SHA + 1]
    sha_2 = f[ARP_SHA + 2]
    spa = f[ARP_SPA] | f[ARP_SPA + 1] << 16
    if length < ARP_BYTES:
        count(s, counters.RX_RUNT)
    elif ptr32(int(f) + 2 * ARP_HTYPE)[0] != ARP_ETHERNET | TYPE_IP << 16 or f[ARP_LENGTHS] != ARP_HLEN_PLEN \
            or sha_0 & 1 or sha_0 | sha_1 | sha_2 == 0:
        # the sender's MAC has to name one station, not a group, not zero: what is learned from it is sent to
        count(s, counters.ARP_MALFORMED)
    elif u32(spa) == s[OUR_ADDRESS]:
        conflict(s, f)
    else:
        if RESOLVES:
            if u32(spa) == s[HOP_ADDRESS]:
                learn(s, sha_0, sha_1, sha_2)
        if ptr32(int(f) + 2 * ARP_TPA)[0] != s[OUR_ADDRESS]:
            count(s, counters.ARP_IGNORED)
        elif f[ARP_OP] == ARP_REQUEST:
            reply(s, f, sha_0, sha_1 | sha_2 << 16, spa)
            count(s, counters.ARP_REQUESTS)
            size = ARP_BYTES
        elif f[ARP_OP] == ARP_REPLY:
            count(s, counters.ARP_REPLIES)
        else:
            count(s, counters.ARP_MALFORMED)
    return size


@inline
def reply(s: ptr32, f: ptr16, head: int, tail: int, spa: int):
    """Turn the request in f into the reply to it; the sender's MAC is `head`, two bytes, and `tail`, which is aligned."""
    f[ETH_DST] = head
    f[ARP_OP] = ARP_REPLY
    f[ARP_THA] = head
    w = ptr32(int(f) - 2)
    w[(ETH_DST + 2) >> 1] = tail
    w[(ARP_THA + 2) >> 1] = tail
    w[(ARP_TPA + 1) >> 1] = spa
    sender(s, f)


@inline
def sender(s: ptr32, f: ptr16):
    """Write ourselves as the sender, in the Ethernet header and in the ARP body."""
    last = s[MAC + 2]
    head = s[MAC_HEAD]
    ptr32(int(f) + 2 * ETH_SRC)[0] = head
    f[ETH_SRC + 2] = last
    ptr32(int(f) + 2 * ARP_SHA)[0] = head
    f[ARP_SHA + 2] = last
    f[ARP_SPA] = ADDRESS_0
    f[ARP_SPA + 1] = ADDRESS_1


@inline
def conflict(s: ptr32, f: ptr16):
    """Somebody uses our address (RFC 5227 section 2.4): remember who, and defend it once in DEFEND_INTERVAL.

    The timers' event announces, which defends it, and says it on the console.
    """
    if f[ARP_SHA] == s[MAC] and f[ARP_SHA + 1] == s[MAC + 1] and f[ARP_SHA + 2] == s[MAC + 2]:
        count(s, counters.ARP_IGNORED)
    else:
        if s[counters.ARP_CONFLICT] == 0 or i32(s[NOW] - s[DEFENDED_AT]) >= DEFEND_MS \
                or i32(s[NOW] - s[DEFENDED_AT]) < 0:
            s[CONFLICT] = f[ARP_SHA]
            s[CONFLICT + 1] = f[ARP_SHA + 1]
            s[CONFLICT + 2] = f[ARP_SHA + 2]
            s[DEFENDED_AT] = s[NOW]
            s[ANNOUNCE] = s[ANNOUNCE] + 1
            s[ANNOUNCE_AT] = s[NOW]
            s[CONFLICT_UNTOLD] = CONFLICT_SEEN
            wake_at(s, s[NOW])
        count(s, counters.ARP_CONFLICT)


@inline
def learn(s: ptr32, sha_0: int, sha_1: int, sha_2: int):
    """The next hop told its MAC: by its reply, or by asking us or another."""
    s[HOP_MAC] = sha_0
    s[HOP_MAC + 1] = sha_1
    s[HOP_MAC + 2] = sha_2
    s[HOP_HEARD_AT] = s[NOW]
    s[HOP_TRIES] = 0
    s[HOP_KNOWN] = 1


@inline
def build(s: ptr32, f: ptr16, tpa_0: int, tpa_1: int, known: int):
    """A request for the address tpa: to the next hop's MAC where that is known, else broadcast."""
    f[ETH_DST] = s[HOP_MAC] if known else 0xFFFF
    f[ETH_DST + 1] = s[HOP_MAC + 1] if known else 0xFFFF
    f[ETH_DST + 2] = s[HOP_MAC + 2] if known else 0xFFFF
    f[ETH_TYPE] = TYPE_ARP
    f[ARP_HTYPE] = ARP_ETHERNET
    f[ARP_PTYPE] = TYPE_IP
    f[ARP_LENGTHS] = ARP_HLEN_PLEN
    f[ARP_OP] = ARP_REQUEST
    f[ARP_THA] = 0
    f[ARP_THA + 1] = 0
    f[ARP_THA + 2] = 0
    f[ARP_TPA] = tpa_0
    f[ARP_TPA + 1] = tpa_1
    sender(s, f)
    count(s, counters.ARP_SENT)


@inline
def timer(s: ptr32, address: int) -> int:
    """Build the one frame that is due now at address: an announcement, or a request for the next hop.

    Returns its length, 0 if nothing is due; sets the next time by wake_at().
    """
    size = 0
    if s[ANNOUNCE]:
        if due(s, ANNOUNCE_AT):
            build(s, ptr16(address), ADDRESS_0, ADDRESS_1, 0)
            size = ARP_BYTES
            s[ANNOUNCE] = s[ANNOUNCE] - 1
            s[ANNOUNCE_AT] = s[NOW] + ANNOUNCE_MS
        if s[ANNOUNCE]:
            wake_at(s, s[ANNOUNCE_AT])
    if RESOLVES:
        if size == 0:
            size = resolve(s, address)
        wake_at(s, next_resolve(s))
    return size


@inline
def resolve(s: ptr32, address: int) -> int:
    """Ask for the next hop when it is unknown or was not heard of for FRESH_MS; forget it after TRIES."""
    size = 0
    if i32(next_resolve(s) - s[NOW]) <= 0:
        if s[HOP_TRIES] >= TRIES:
            s[HOP_KNOWN] = 0
        build(s, ptr16(address), HOP_0, HOP_1, s[HOP_KNOWN])
        s[HOP_ASKED_AT] = s[NOW]
        s[HOP_TRIES] = s[HOP_TRIES] + 1
        size = ARP_BYTES
    return size


@inline
def next_resolve(s: ptr32) -> int:
    """When the next hop has to be asked for: RETRY_MS after a silent request, FRESH_MS after its last word."""
    return s[HOP_ASKED_AT] + RETRY_MS if s[HOP_TRIES] else s[HOP_HEARD_AT] + FRESH_MS
