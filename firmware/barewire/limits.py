"""Who may use a service, and how often: what ipset and iptables' hashlimit are for a kernel's user. From appliance.toml.

An allow-list is a list of networks (address, mask) per service. Who is in none of them is dropped in silence, as a packet
filter's DROP does: a RST or an ICMP error would tell a scanner that there is something. A TCP connection is looked up
when there is no slot for it yet; its slot proves it afterwards. [net] allow is asked for every IP datagram.

A token bucket per source (RFC 2697 section 3 in its simplest form) holds `burst` tokens and gets `rate` a second. Kept is
what was spent and not refilled, in thousandths: each ms takes `rate` of it away, each event adds COST. So nothing is
divided or rounded, and words of zeros are full buckets. Over the limit is dropped and counted.

- A new connection counts at the ACK that opens its slot, not at its SYN: a SYN's source may be forged, and would
  spend the tokens of somebody else; the ACK has returned the cookie (cookie.py). What it costs to answer a SYN is the
  same for all. An ACK that is dropped opens nothing, and the peer's next segment, the request or its retransmission,
  carries the same proof: it is delayed rather than refused, for as long as a cookie lives.
- A UDP datagram's source may be forged, so somebody who does can have a client's datagrams dropped, here as with hashlimit.
  Who is afraid of that gives no limit but an allow-list.

The table of buckets has a fixed size: sets of WAYS, found by a keyed hash of the source, so that nobody can choose
sources that meet in one set. A source that is not in its set takes the place of the one that has spent least, which
loses least by it, and starts with all tokens. So a flood of forged sources never makes a good client wait,
whose bucket is at worst forgotten; and who has spent all is forgotten last, so it stays limited during the flood.
"""
from . import config
from .inline import inline
from .state import *
from .wire import ip_source
from .word import i32, u32

# Where each list of networks starts, two words each
NET_LIST = NETWORKS
HTTP_LIST = NET_LIST + 2 * config.NET_ALLOW
ECHO_LIST = HTTP_LIST + 2 * config.HTTP_ALLOW
QUERY_LIST = ECHO_LIST + 2 * config.UDP_ALLOW

COST = 1000                 # what an event spends: a rate a second is so much a millisecond
CONNECTIONS, CONNECTIONS_FULL = config.CONNECTIONS_PER_S, config.CONNECTIONS_BURST * COST
DATAGRAMS, DATAGRAMS_FULL = config.DATAGRAMS_PER_S, config.DATAGRAMS_BURST * COST
CONNECTIONS_FILL_MS = -(-CONNECTIONS_FULL // (CONNECTIONS or 1))     # in so many ms any bucket is full
DATAGRAMS_FILL_MS = -(-DATAGRAMS_FULL // (DATAGRAMS or 1))
# Words of a bucket. An address of zeros, which no source has, stands in one that was never used
SOURCE, AT, SPENT = range(3)
BUCKET_BYTES = 12
WAYS = 4
SET_BITS = (SOURCES // WAYS).bit_length() - 1


def setup(s, entropy):
    """Put the networks into the state block, and the hash's two odd factors; `entropy` has 8 bytes."""
    for at, data in (NETWORKS, config.NETWORKS), (BUCKET_KEY, entropy[:4 * BUCKET_KEYS]):
        for k in range(len(data) // 4):
            s[at + k] = int.from_bytes(data[4 * k:4 * k + 4], "little")
    for k in range(BUCKET_KEYS):
        s[BUCKET_KEY + k] |= 1


# ---- allow-lists ----------------------------------------------------------------------------------------------

@inline
def inside(s: ptr32, f: ptr16, at: int, n: int) -> int:
    """Not 0 if the source of frame f is in one of the n networks from word `at` on."""
    w = ptr32(int(s) + 4 * at)
    address = ip_source(f)
    while n and (address ^ w[0]) & w[1]:
        w = ptr32(int(w) + 8)
        n = n - 1
    return n


@inline
def allows(s: ptr32, f: ptr16, at: int, n: int) -> int:
    """Whether the list of n networks from word `at` on has the source of frame f; one that is not configured has all."""
    if n == 0:
        return 1
    return inside(s, f, at, n)


# ---- token buckets --------------------------------------------------------------------------------------------

@inline
def refill(s: ptr32, b: ptr32, rate: int, fill_ms: int):
    """Bring bucket b up to date."""
    passed = i32(s[NOW] - b[AT])
    b[AT] = s[NOW]
    spent = 0
    if passed >= 0 and passed < fill_ms:
        spent = b[SPENT] - passed * rate
        if spent < 0:
            spent = 0
    b[SPENT] = spent


@inline
def spend(s: ptr32, f: ptr16, table: int, rate: int, full: int, fill_ms: int) -> int:
    """Take a token of the source of frame f from its bucket in the table at that word. 0 if there is none."""
    address = ip_source(f)
    mixed = u32(address * s[BUCKET_KEY])
    mixed = u32((mixed ^ mixed >> 15 & 0x1FFFF) * s[BUCKET_KEY + 1])
    at = mixed >> 32 - SET_BITS & (1 << SET_BITS) - 1
    b = ptr32(int(s) + 4 * table + at * (WAYS * BUCKET_BYTES))
    best = int(b)
    least = full + 1
    ways = WAYS
    while ways:
        refill(s, b, rate, fill_ms)
        if b[SOURCE] == address:
            best = int(b)
            ways = 1
        elif b[SPENT] < least:
            best = int(b)
            least = b[SPENT]
        b = ptr32(int(b) + BUCKET_BYTES)
        ways = ways - 1
    b = ptr32(best)
    if b[SOURCE] != address:
        b[SOURCE] = address
        b[SPENT] = 0
    left = full - b[SPENT] >= COST
    if left:
        b[SPENT] = b[SPENT] + COST
    return left


@inline
def connection_allowed(s: ptr32, f: ptr16) -> int:
    """Take a token for a connection from the peer of frame f, which has proven its address, and for which there is a slot."""
    if not CONNECTIONS:
        return 1
    return spend(s, f, CONNECTION_BUCKETS, CONNECTIONS, CONNECTIONS_FULL, CONNECTIONS_FILL_MS)


@inline
def datagram_allowed(s: ptr32, f: ptr16) -> int:
    """Take a token for a datagram from the source of frame f."""
    if not DATAGRAMS:
        return 1
    return spend(s, f, DATAGRAM_BUCKETS, DATAGRAMS, DATAGRAMS_FULL, DATAGRAMS_FILL_MS)


@inline
def age(s: ptr32):
    """Bring the next bucket of each table up to date. The timer does it, so none is as old as half the clock's circle."""
    if BUCKET_KEYS:
        s[BUCKET_NEXT] = s[BUCKET_NEXT] + 1 & SOURCES - 1
        at = int(s) + s[BUCKET_NEXT] * BUCKET_BYTES
        if CONNECTIONS:
            refill(s, ptr32(at + 4 * CONNECTION_BUCKETS), CONNECTIONS, CONNECTIONS_FILL_MS)
        if DATAGRAMS:
            refill(s, ptr32(at + 4 * DATAGRAM_BUCKETS), DATAGRAMS, DATAGRAMS_FILL_MS)
