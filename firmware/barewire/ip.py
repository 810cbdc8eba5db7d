"""IPv4 (RFC 791, RFC 1122 section 3.2): check what came, turn it into an answer.

Fragments and options are dropped and counted: nothing this appliance serves needs them.
Everything sent has DF and identification 0, as RFC 6864 section 4.1 allows; a card that cuts segments may number them.
"""
from . import config, counters, limits
from .checksum import complement, sum_16, valid
from .counters import count
from .inline import inline
from .state import *
from .wire import *

HEADER_BYTES = ETH_BYTES + 20


@inline
def check(s: ptr32, f: ptr16, length: int) -> int:
    """Length of the IPv4 datagram in frame f of `length` bytes, 0 if it is to be dropped (counted)."""
    size = get16(f, IP_LENGTH)
    source = ip_source(f)
    first = source & 0xFF
    total = sum_16(int(f) + ETH_BYTES)          # all but the destination
    if length < HEADER_BYTES:
        count(s, counters.RX_RUNT)
        size = 0
    elif ptr8(f)[IP_VERSION_BYTE] != 0x45:
        if ptr8(f)[IP_VERSION_BYTE] > 0x45 and ptr8(f)[IP_VERSION_BYTE] < 0x50:
            count(s, counters.IP_OPTIONS)
        else:
            count(s, counters.IP_MALFORMED)
        size = 0
    elif size < 20 or size > length - ETH_BYTES:
        count(s, counters.IP_MALFORMED)
        size = 0
    elif ptr32(int(f) + 2 * IP_DST)[0] != s[OUR_ADDRESS]:
        if valid(total + f[IP_DST] + f[IP_DST + 1]):
            count(s, counters.IP_NOT_OURS)
        else:
            count(s, counters.IP_CHECKSUM)
        size = 0
    elif not valid(total + (ADDRESS_0 + ADDRESS_1)):
        count(s, counters.IP_CHECKSUM)
        size = 0
    elif f[IP_FRAGMENT] & IP_FRAGMENTED:
        count(s, counters.IP_FRAGMENT)
        size = 0
    elif ptr8(f)[IP_TTL_BYTE] == 0:
        count(s, counters.IP_TTL)
        size = 0
    elif first == 0 or first == 127 or first >= 224 or source == s[OUR_ADDRESS] or source == s[OUR_BROADCAST]:
        # RFC 1122 section 3.2.1.3: this network, loopback, multicast, class E, ourselves, a broadcast
        count(s, counters.IP_SOURCE)
        size = 0
    elif not limits.allows(s, f, limits.NET_LIST, config.NET_ALLOW):
        count(s, counters.IP_DENIED)
        size = 0
    return size


@inline
def turn(s: ptr32, f: ptr16, protocol: int, size: int):
    """Make frame f, which came to our addresses, an answer: they are exchanged, the header is made for `size` bytes."""
    f[ETH_DST] = f[ETH_SRC]
    f[ETH_DST + 1] = f[ETH_SRC + 1]
    f[ETH_DST + 2] = f[ETH_SRC + 2]
    last = s[MAC + 2]
    head = s[MAC_HEAD]
    ptr32(int(f) + 2 * ETH_SRC)[0] = head
    f[ETH_SRC + 2] = last
    pair = ptr32(int(f) + 2 * IP_SRC)
    peer = pair[0]
    own = pair[1]
    pair[0] = own
    pair[1] = peer
    f[IP_VERSION] = IP_VERSION_IHL_TOS
    f[IP_LENGTH] = size << 8 | size >> 8
    ptr32(int(f) + 2 * IP_ID)[0] = IP_DF << 16
    kind = protocol << 8 | TTL
    f[IP_TTL] = kind
    f[IP_SUM] = complement(kind + (fixed_sum(0) - TTL) + (size << 8) + (peer & 0xFFFF) + (peer >> 16 & 0xFFFF))     # see pseudo()


@inline
def fixed_sum(protocol: int) -> int:
    """The partial sum of all fields of our headers that never change; length and destination are missing."""
    return IP_VERSION_IHL_TOS + IP_DF + (TTL | protocol << 8) + ADDRESS_0 + ADDRESS_1
