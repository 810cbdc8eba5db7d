"""The state block ``s``: every word the stack remembers outside of its TCP slots.

One array of 32-bit words, fixed at boot. The counters come first (counters.py); a name here is the
index of a word. Times are milliseconds modulo 2^32, compared with ``i32(a - b)``.
"""
from . import board as _board     # these two are not of the names that others take from here
from . import config as _config
from .counters import COUNT
from .inline import inline
from .word import i32

_next = COUNT


def _words(n=1):
    global _next
    _next += n
    return _next - n


# Time: the caller's tick (30 bits), our clock, the uptime in 64 bits
TICK, NOW, UPTIME_HIGH, TIMER_AT = _words(), _words(), _words(), _words()
# When we last answered somebody, where that keeps us awake
SPOKEN_AT = _words()
# The frame in work: the slot it belongs to (address, 0 none), its fresh data (address, bytes)
CURRENT, DATA, DATA_BYTES = _words(), _words(), _words()
# The segment without data that answers it: flags (0 none), and its fields
REPLY, REPLY_SEQ, REPLY_ACK, REPLY_WINDOW = (_words() for _ in range(4))
# What is sent again: from, to
RESEND_FROM, RESEND_TO = _words(), _words()
# Slots that have something to send: a list linked through the slots
WORK = _words()
# The slot whose request a route has to answer
ROUTE_SLOT = _words()
# TCP: slots, free list, how many are taken and how many of those are in TIME-WAIT; chains of the address hash
SLOTS, FREE, OPEN, WAITING = (_words() for _ in range(4))
CHAIN_COUNT = 64
CHAINS = _words(CHAIN_COUNT)
# The start of HalfSipHash's four words under the key of the SYN cookies and under the one before; when the next one is due
KEY, OLD_KEY, REKEY_AT = _words(4), _words(4), _words()         # in this order: cookie.rekey
# The last hashes, by the low bits of the peer's port: its address, its port, the first word of the key, the hash
HASH_COUNT = 8
HASHES = _words(4 * HASH_COUNT)
# Pages for dynamic answers: address of the first, how many are free, one busy flag each
PAGE_AT, PAGES_FREE = _words(), _words()
PAGE_BUSY = _words(_board.PAGES)
# Requests that are known again (http_known.py): how many, and how long each may be
if _board.SLOT_RX < 512 or _board.SLOT_RX & _board.SLOT_RX - 1:
    raise ValueError("SLOT_RX: a power of 2, 512 at least")
KNOWN_COUNT, KNOWN_BYTES = _board.SLOT_RX >> 9, _board.SLOT_RX >> 2
KNOWN = _words(KNOWN_COUNT * (4 + KNOWN_BYTES // 4) if _config.HTTP else 0)
# Rate limits: start of the running second, events in it
ICMP_LIMIT, ICMP_USED, RST_LIMIT, RST_USED = (_words() for _ in range(4))
# Our MAC as three 16-bit words, and its first four bytes and the last four, for aligned words of a frame
MAC = _words(3)
MAC_HEAD, MAC_TAIL = _words(), _words()
OUR_ADDRESS, OUR_BROADCAST, HOP_ADDRESS = _words(), _words(), _words()      # as they lie in a frame
# The next hop's MAC (towards the collector), and when it was last asked for, heard
HOP_MAC = _words(3)
HOP_TRIES, HOP_KNOWN, HOP_ASKED_AT, HOP_HEARD_AT = _words(), _words(), _words(), _words()
# Announcements still to be sent, when the next one is, and the last that was for defence; who else uses our address (three
# 16-bit words), and whether the console has not been told of that
ANNOUNCE, ANNOUNCE_AT, DEFENDED_AT, CONFLICT, CONFLICT_UNTOLD = _words(), _words(), _words(), _words(3), _words()
# Sensor: next reading due; the latest one: number, status << 24 | uptime >> 32, uptime, value
SENSOR_AT = _words()
SENSOR_SEQ, SENSOR_STATUS, SENSOR_UP, SENSOR_VALUE = (_words() for _ in range(4))
# Whether a reading that was due had to be left for want of room in the card
BLOCKED = _words()
# What the everyday source gave (status as above, 0 none yet), and the ring of readings that wait
READ_VALUE, READ_STATUS, RING_HEAD, RING_COUNT = (_words() for _ in range(4))
RING_SIZE = 64
RING = _words(4 * RING_SIZE)
# The datagram's template: 70 bytes from the second half of the first word
DATAGRAM = _words(18)
# Limits (limits.py), where there are any: the networks of the allow-lists, an address and a mask each; the key of the hash
# of sources, the bucket that is brought up to date next, the buckets
NETWORKS = _words(len(_config.NETWORKS) // 4)
SOURCES = 1 << (8 * _board.TCP_SLOTS - 1).bit_length()
BUCKET_KEYS = 2 if _config.CONNECTIONS_PER_S or _config.DATAGRAMS_PER_S else 0
BUCKET_KEY, BUCKET_NEXT = _words(BUCKET_KEYS), _words(BUCKET_KEYS // 2)
CONNECTION_BUCKETS = _words(3 * SOURCES if _config.CONNECTIONS_PER_S else 0)
DATAGRAM_BUCKETS = _words(3 * SOURCES if _config.DATAGRAMS_PER_S else 0)
WORDS = _next


@inline
def due(s: ptr32, at: int) -> int:
    """Whether the time in word `at` has come."""
    return i32(s[NOW] - s[at]) >= 0


@inline
def allow(s: ptr32, at: int, limit: int) -> int:
    """1 while fewer than `limit` events were counted in the running second (words at, at + 1)."""
    if i32(s[NOW] - s[at]) >= 1000 or i32(s[NOW] - s[at]) < 0:
        s[at] = s[NOW]
        s[at + 1] = 0
    s[at + 1] = s[at + 1] + 1
    return s[at + 1] <= limit


@inline
def wake_at(s: ptr32, at: int):
    """Let the timers run no later than at."""
    if i32(at - s[TIMER_AT]) < 0:
        s[TIMER_AT] = at


@inline
def clock(s: ptr32, tick: int):
    """Advance the clock to the caller's millisecond tick, of which the low 30 bits count."""
    step = (tick - s[TICK]) & 0x3FFFFFFF
    s[TICK] = tick & 0x3FFFFFFF
    now = s[NOW] + step
    if (s[NOW] >> 31 & 1) > (now >> 31 & 1):       # wrapped
        s[UPTIME_HIGH] = s[UPTIME_HIGH] + 1
    s[NOW] = now
