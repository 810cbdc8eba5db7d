"""ICMP (RFC 792): echo is answered in place, a closed UDP port with port unreachable (RFC 1122 section 3.2.2.1)."""
from . import counters
from .checksum import fold
from .counters import count
from .inline import inline
from .state import *
from .wire import *

UNREACHABLE_LIMIT = 10     # a second (RFC 1812 section 4.3.2.8 asks for a limit)
UNREACHABLE_BYTES = 56     # IP and ICMP header, the quoted IP header and 8 bytes


@inline
def input(s: ptr32, f: ptr16, total: int) -> int:
    """Take an ICMP message whose partial sum is `total`. Returns 1 when f now holds the message that answers it."""
    answer = 0
    if fold(total) != 0xFFFF:
        count(s, counters.ICMP_CHECKSUM)
    elif f[ICMP_TYPE] != ICMP_ECHO:
        count(s, counters.ICMP_IGNORED)
    else:
        f[ICMP_TYPE] = ICMP_ECHO_REPLY
        f[ICMP_SUM] = fold((f[ICMP_SUM] ^ 0xFFFF) + (0xFFFF ^ ICMP_ECHO)) ^ 0xFFFF      # RFC 1624 equation 3
        count(s, counters.ICMP_ECHO)
        answer = 1
    return answer


@inline
def unreachable(s: ptr32, f: ptr16) -> int:
    """Make f port unreachable, quoting its IP header and 8 bytes; returns the size of the IP datagram, 0 over the limit."""
    size = 0
    if allow(s, ICMP_LIMIT, UNREACHABLE_LIMIT):
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
        f[ICMP_SUM] = fold(total) ^ 0xFFFF
        count(s, counters.ICMP_UNREACHABLE)
        size = UNREACHABLE_BYTES
    else:
        count(s, counters.ICMP_LIMITED)
    return size
