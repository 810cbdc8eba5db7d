"""UDP (RFC 768): the echo service (RFC 862) and the sensor's query port; everything else is unreachable."""
from . import config, counters, limits, sensor
from .checksum import pseudo, valid
from .counters import count
from .inline import inline
from .state import *
from .wire import *

ECHO_PORT, QUERY_PORT = le16(config.UDP_ECHO_PORT), le16(config.QUERY_PORT)
UNREACHABLE = -1


@inline
def length(f: ptr16, size: int) -> int:
    """Bytes of the UDP datagram in an IP datagram of `size` bytes, 0 if its length cannot be true."""
    n = get16(f, UDP_LENGTH)
    return n if size >= 28 and n >= 8 and n <= size - 20 else 0


@inline
def input(s: ptr32, f: ptr16, n: int, total: int) -> int:
    """Take a UDP datagram of n bytes whose partial sum is `total`; it is looked at only where the data is used.

    Returns the size of the IP datagram that answers it in its place, 0 for none, UNREACHABLE for a closed port.
    """
    answer = 0
    if f[UDP_SRC] == 0 or f[UDP_SRC] == ECHO_PORT or f[UDP_SRC] == QUERY_PORT:
        # two services that answer each other would never end; 0 wants no answer (RFC 768)
        count(s, counters.UDP_LOOP)
    elif refused(s, f):
        answer = 0
    elif config.UDP_ECHO_PORT and f[UDP_DST] == ECHO_PORT:
        count(s, counters.UDP_ECHO)         # exchanged ports leave the checksum as valid or invalid as it came
        answer = n + 20
    elif config.QUERY_PORT and f[UDP_DST] == QUERY_PORT:
        right = valid(pseudo(f, UDP, n) + total)
        if right or f[UDP_SUM] == 0:
            count(s, counters.UDP_QUERY)
            sensor.answer(s, f)
            answer = 28 + sensor.BYTES
        else:
            count(s, counters.UDP_CHECKSUM)
    else:
        count(s, counters.UDP_CLOSED)
        answer = UNREACHABLE
    if answer > 0:
        port = f[UDP_SRC]
        f[UDP_SRC] = f[UDP_DST]
        f[UDP_DST] = port
    return answer


@inline
def refused(s: ptr32, f: ptr16) -> int:
    """Whether the source of frame f may not use the service that it asks, or has done so too often; counted."""
    if not (config.UDP_ALLOW or config.SENSOR_ALLOW or config.DATAGRAMS_PER_S):
        return 0
    no = 0
    asked = 1
    if config.UDP_ECHO_PORT and f[UDP_DST] == ECHO_PORT:
        if not limits.allows(s, f, limits.ECHO_LIST, config.UDP_ALLOW):
            count(s, counters.UDP_DENIED)
            no = 1
    elif config.QUERY_PORT and f[UDP_DST] == QUERY_PORT:
        if not limits.allows(s, f, limits.QUERY_LIST, config.SENSOR_ALLOW):
            count(s, counters.SENSOR_DENIED)
            no = 1
    else:
        asked = 0                           # a closed port: icmp_per_s is its limit
    if asked > no:
        if not limits.datagram_allowed(s, f):
            count(s, counters.UDP_LIMITED)
            no = 1
    return no
