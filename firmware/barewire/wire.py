"""Where each header field lies, and what it holds in this appliance.

Offsets count 16-bit words from the start of the frame (``f[ETH_TYPE]`` with ``f: ptr16``),
unless the name ends in _BYTE. A frame lies at 2 mod 4 so that the IP header is word-aligned.
All targets are little-endian: a 16-bit load gives the field with its bytes swapped, so the
constants here are swapped too (``le16``), and nothing has to be swapped to be compared.
"""
from . import config as _config     # not one of the names that others take from here
from .board import WORD
from .inline import inline


def le16(value):
    """A 16-bit field as a little-endian load sees it."""
    return (value & 0xFF) << 8 | value >> 8 & 0xFF


# Ethernet II (IEEE 802.3)
#  0      2      4      6      8      10     12     14
#  |     destination    |       source       | type |
ETH_DST, ETH_SRC, ETH_TYPE = 0, 3, 6
ETH_BYTES = 14
TYPE_IP, TYPE_ARP = le16(0x0800), le16(0x0806)

# ARP (RFC 826), Ethernet and IPv4
#  14     16     18   19   20     22          28            32          38
#  | htype| ptype|hlen plen| oper | sender MAC | sender IP   | target MAC| target IP
ARP_HTYPE, ARP_PTYPE, ARP_LENGTHS, ARP_OP = 7, 8, 9, 10
ARP_SHA, ARP_SPA, ARP_THA, ARP_TPA = 11, 14, 16, 19
ARP_BYTES = 42
ARP_ETHERNET, ARP_HLEN_PLEN = le16(1), le16(0x0604)
ARP_REQUEST, ARP_REPLY = le16(1), le16(2)

# IPv4 (RFC 791), always without options
#  14        15    16       18     20           22    23       24      26       30       34
#  |ver|IHL| TOS | length | id   | flags,offset| TTL|protocol| sum   | source | dest.  |
IP_VERSION, IP_LENGTH, IP_ID, IP_FRAGMENT, IP_TTL, IP_SUM, IP_SRC, IP_DST = 7, 8, 9, 10, 11, 12, 13, 15
IP_VERSION_BYTE, IP_TTL_BYTE, IP_PROTOCOL_BYTE, IP_SRC_BYTE = 14, 22, 23, 26
IP_VERSION_IHL_TOS = le16(0x4500)
IP_DF, IP_FRAGMENTED = le16(0x4000), le16(0x3FFF)
ICMP, TCP, UDP = 1, 6, 17
TTL = 64

# ICMP (RFC 792)
#  34     35     36      38      40       42
#  | type | code | sum   | id    | sequence | data
ICMP_TYPE, ICMP_SUM, ICMP_ID, ICMP_SEQ = 17, 18, 19, 20
ICMP_ECHO_REPLY, ICMP_ECHO = le16(0x0000), le16(0x0800)
ICMP_PORT_UNREACHABLE = le16(0x0303)
# Destination unreachable (RFC 1191): behind the next hop's MTU stand the IP header and 8 bytes of what could not be sent
ICMP_KIND_BYTE, ICMP_MTU = 34, 20
ICMP_UNREACHABLE, ICMP_TOO_BIG = 3, le16(0x0304)

# UDP (RFC 768)
#  34       36       38       40      42
#  | source | dest.  | length | sum   | data
UDP_SRC, UDP_DST, UDP_LENGTH, UDP_SUM = 17, 18, 19, 20
UDP_DATA_BYTE = 42

# TCP (RFC 9293 section 3.1)
#  34       36       38    42    46      47      48       50     52       54
#  | source | dest.  | seq | ack | offset| flags | window | sum  | urgent | options, data
TCP_SRC, TCP_DST, TCP_SEQ, TCP_ACK, TCP_OFFSET, TCP_WINDOW, TCP_SUM, TCP_URGENT = 17, 18, 19, 21, 23, 24, 25, 26
TCP_OFFSET_BYTE, TCP_FLAGS_BYTE, TCP_DATA_BYTE = 46, 47, 54
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16

# What is fixed in this appliance
ADDRESS_0, ADDRESS_1 = le16(_config.ADDRESS >> 16), le16(_config.ADDRESS & 0xFFFF)
_broadcast = _config.ADDRESS | (1 << 32 - _config.PREFIX) - 1
BROADCAST_0, BROADCAST_1 = le16(_broadcast >> 16), le16(_broadcast & 0xFFFF)


@inline
def swap16(x: int) -> int:
    """x with its two bytes exchanged; x < 2^16."""
    return (x & 0xFF) << 8 | x >> 8


@inline
def get16(f: ptr16, k: int) -> int:
    """The 16-bit field at 16-bit word k, in host order: by bytes on x86-64, with a swap of two on a Cortex-M (REV16)."""
    if WORD == 32:
        return swap16(f[k])
    return ptr8(f)[2 * k] << 8 | ptr8(f)[2 * k + 1]


@inline
def get32(f: ptr16, k: int) -> int:
    """The 32-bit field at 16-bit word k, in host order (as the word size has it: see word.py)."""
    if WORD == 32:
        return swap16(f[k]) << 16 | swap16(f[k + 1])
    return ptr8(f)[2 * k] << 24 | ptr8(f)[2 * k + 1] << 16 | ptr8(f)[2 * k + 2] << 8 | ptr8(f)[2 * k + 3]


@inline
def ip_source(f: ptr16) -> int:
    """The source address of frame f as it lies there; the IP header is word-aligned."""
    return ptr32(int(f) + IP_SRC_BYTE)[0]


@inline
def put32(f: ptr16, k: int, value: int) -> int:
    """Store value into the 32-bit field at 16-bit word k; returns what it adds to a partial sum (checksum.py)."""
    high = value >> 24 & 0xFF | value >> 8 & 0xFF00
    low = value >> 8 & 0xFF | (value & 0xFF) << 8
    f[k] = high
    f[k + 1] = low
    return high + low
