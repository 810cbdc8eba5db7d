"""ICMP (RFC 792): echo is answered in place, a closed UDP port with port unreachable (RFC 1122 section 3.2.2.1).

Of what others cannot deliver, only "fragmentation needed" changes a connection (RFC 1191), and it must quote what is on its
way (RFC 5927). It makes segments smaller, never larger, and resets nothing.
Errors are limited (RFC 1812 section 4.3.2.8), echo replies are not: they are no errors, and a kernel does the same.
"""
from . import config, counters
from .checksum import complement, valid
from .cookie import MSS_0
from .counters import count
from .inline import inline
from .slot import *
from .state import *
from .tcp import PORT
from .tcp_output import smaller
from .wire import *
from .word import i32

UNREACHABLE_BYTES = 56     # IP and ICMP header, the quoted IP header and 8 bytes
QUOTED = 36                # bytes of an error with all that is looked at: its header, the quoted IP header and 8 bytes
MTU_MIN = 68               # RFC 791
# The quoted headers lie QUOTE bytes behind where a frame has its own. So far on, the quoted destination stands where a
# frame has its sender's address (slot.find), and its port in this word.
QUOTE = 28
QUOTE_PEER = QUOTE + 2 * (IP_DST - IP_SRC)
QUOTE_PORT = TCP_DST - IP_DST + IP_SRC


@inline
def input(s: ptr32, f: ptr16, n: int, total: int) -> int:
    """Take an ICMP message of n bytes whose partial sum is `total`.

    Returns the size of the IP datagram that f now holds in answer, 0 for none.
    """
    answer = 0
    if not valid(total):
        count(s, counters.ICMP_CHECKSUM)
    elif f[ICMP_TYPE] == ICMP_ECHO:
        f[ICMP_TYPE] = ICMP_ECHO_REPLY
        changed = f[ICMP_SUM] + ICMP_ECHO           # RFC 1624 equation 3: what the sum loses its complement gains
        f[ICMP_SUM] = changed + (changed + 1 >> 16)
        count(s, counters.ICMP_ECHO)
        answer = n + 20
    elif config.HTTP and f[ICMP_TYPE] & 0xFF == ICMP_UNREACHABLE:
        at = 0
        if n >= QUOTED:
            g = ptr16(int(f) + QUOTE_PEER)
            at = find(s, g, g[QUOTE_PORT])
        undelivered(s, f, ptr16(int(f) + QUOTE), at)
    else:
        count(s, counters.ICMP_IGNORED)
    return answer


@inline
def undelivered(s: ptr32, f: ptr16, q: ptr16, at: int):
    """Destination unreachable: q is the datagram that it quotes, `at` the slot with that peer and its port, or 0."""
    c = ptr32(at)
    size = -1                               # of a segment, from now on
    if at and ours(q):
        seq = get32(q, TCP_SEQ)
        if i32(seq - c[SND_UNA]) >= 0 and i32(seq - c[SND_MAX]) < 0:
            size = 0
            if f[ICMP_TYPE] == ICMP_TOO_BIG:
                size = next_size(swap16(f[ICMP_MTU]), swap16(q[IP_LENGTH]))
                if size >= c[MSS]:
                    size = -1
    if size < 0:
        count(s, counters.ICMP_STRAY)
    elif size == 0:
        count(s, counters.ICMP_SOFT)        # RFC 5927 section 5.2: a synchronized connection goes on
    else:
        count(s, counters.ICMP_TOO_BIG)
        c[MSS] = size
        c[FLAGS] = c[FLAGS] | TOO_BIG       # what is in flight is sent again at once, by the timer
        c[RTX_AT] = s[NOW]
        wake_at(s, s[NOW])


@inline
def ours(q: ptr16) -> int:
    """Whether the quoted datagram is TCP from our address and port, with our kind of IP header."""
    return ((q[IP_VERSION] ^ IP_VERSION_IHL_TOS) & 0xFF | q[IP_TTL] >> 8 ^ TCP
            | q[IP_SRC] ^ ADDRESS_0 | q[IP_SRC + 1] ^ ADDRESS_1 | q[TCP_SRC] ^ PORT) == 0


@inline
def next_size(mtu: int, length: int) -> int:
    """The segment size for a datagram of `length` bytes that was too big for a hop of this MTU; -1 if that cannot be.

    Multiples of 4, so that segments stay aligned.
    """
    if mtu == 0:
        mtu = smaller(length - 40) + 40     # an old router (RFC 1191 section 5)
    size = -1
    if mtu >= MTU_MIN and mtu < length:
        size = mtu - 40 & -4
        if size < MSS_0:
            size = MSS_0
    return size


@inline
def unreachable(s: ptr32, f: ptr16) -> int:
    """Make f port unreachable, quoting its IP header and 8 bytes; returns the size of the IP datagram, 0 over the limit."""
    size = 0
    if allow(s, ICMP_LIMIT, config.ICMP_PER_S):
        quote = ptr16(int(f) + 42)      # behind the new headers: 28 bytes that start at 14 do not overlap it
        total = ICMP_PORT_UNREACHABLE
        k = 0
        while k < 14:
            quote[k] = f[7 + k]
            total = total + quote[k]
            k = k + 1
        f[ICMP_TYPE] = ICMP_PORT_UNREACHABLE
        f[ICMP_ID] = 0
        f[ICMP_SEQ] = 0
        f[ICMP_SUM] = complement(total)
        count(s, counters.ICMP_UNREACHABLE)
        size = UNREACHABLE_BYTES
    else:
        count(s, counters.ICMP_LIMITED)
    return size
