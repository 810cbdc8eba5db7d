"""UDP (RFC 768): the echo service (RFC 862), the sensor's query port; everything else is unreachable."""
from . import config, counters, icmp, ip, sensor
from .checksum import add, fold, pseudo
from .counters import count
from .inline import inline
from .state import *
from .wire import *

ECHO_PORT, QUERY_PORT = le16(config.UDP_ECHO_PORT), le16(config.QUERY_PORT)


@inline
def input(s: ptr32, f: ptr16, size: int) -> int:
    """Take a UDP datagram in an IP datagram of `size` bytes; returns the length of the answer in place."""
    answer = 0
    length = swap16(f[UDP_LENGTH])
    if size < 28 or length < 8 or length > size - 20:
        count(s, counters.UDP_MALFORMED)
    elif config.UDP_ECHO_PORT and f[UDP_DST] == ECHO_PORT:
        answer = echo(s, f, length)
    elif config.QUERY_PORT and f[UDP_DST] == QUERY_PORT:
        if verified(f, length):
            answer = sensor.query(s, f)
            count(s, counters.UDP_QUERY)
        else:
            count(s, counters.UDP_CHECKSUM)
    else:
        count(s, counters.UDP_CLOSED)
        answer = icmp.unreachable(s, f)
    return answer


@inline
def verified(f: ptr16, length: int) -> int:
    """Whether the checksum is right, or was not sent (zero)."""
    ok = 1
    if f[UDP_SUM]:
        ok = fold(pseudo(f, UDP, length) + add(int(f) + 34, length)) == 0xFFFF
    return ok


@inline
def echo(s: ptr32, f: ptr16, length: int) -> int:
    """Send the datagram back. Exchanged fields leave its checksum as valid or invalid as it came."""
    ip.turn(s, f, UDP, length + 20)
    swap_ports(f)
    count(s, counters.UDP_ECHO)
    return length + HEADERS


HEADERS = ip.HEADER_BYTES


@inline
def swap_ports(f: ptr16):
    port = f[UDP_SRC]
    f[UDP_SRC] = f[UDP_DST]
    f[UDP_DST] = port
