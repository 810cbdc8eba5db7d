"""ICMP (RFC 792): echo is answered in place, a closed UDP port with port unreachable (RFC 1122 section 3.2.2.1)."""
from . import counters, ip
from .checksum import add, fold
from .counters import count
from .inline import inline
from .state import *
from .wire import *

UNREACHABLE_LIMIT = 10     # a second (RFC 1812 section 4.3.2.8 asks for a limit)


@inline
def input(s: ptr32, f: ptr16, size: int) -> int:
    """Take an ICMP message in an IP datagram of `size` bytes; returns the length of the answer in place."""
    answer = 0
    if size < 28:
        count(s, counters.ICMP_MALFORMED)
    elif fold(add(int(f) + 34, size - 20)) != 0xFFFF:
        count(s, counters.ICMP_CHECKSUM)
    elif f[ICMP_TYPE] != ICMP_ECHO:
        count(s, counters.ICMP_IGNORED)
    else:
        ip.turn(s, f, ICMP, size)
        f[ICMP_TYPE] = ICMP_ECHO_REPLY
        f[ICMP_SUM] = fold(f[ICMP_SUM] + ICMP_ECHO)     # RFC 1624: one field fell by ICMP_ECHO
        count(s, counters.ICMP_ECHO)
        answer = size + ETH_BYTES
    return answer


@inline
def unreachable(s: ptr32, f: ptr16) -> int:
    """Answer frame f with port unreachable, quoting its IP header and 8 bytes; returns the answer's length."""
    size = 0
    if allow(s, ICMP_LIMIT, UNREACHABLE_LIMIT):
        quote = ptr16(int(f) + 42)      # behind the new headers: 28 bytes that start at 14 do not overlap it
        k = 0
        while k < 14:
            quote[k] = f[7 + k]
            k = k + 1
        ip.turn(s, f, ICMP, 56)
        f[ICMP_TYPE] = ICMP_PORT_UNREACHABLE
        f[ICMP_ID] = 0
        f[ICMP_SEQ] = 0
        f[ICMP_SUM] = fold(ICMP_PORT_UNREACHABLE + add(int(quote), 28)) ^ 0xFFFF
        count(s, counters.ICMP_UNREACHABLE)
        size = ETH_BYTES + 56
    else:
        count(s, counters.ICMP_LIMITED)
    return size
