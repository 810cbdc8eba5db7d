"""The Internet checksum (RFC 1071), carried along as a partial sum.

A partial sum is the sum of 16-bit words as a little-endian load sees them: one's complement
addition does not care about byte order as long as all words are loaded alike (RFC 1071 section 2 B).
It is folded late and inverted only when it goes into a header. Adding and taking away single
words is RFC 1624.
"""
from .board import WORD
from .inline import inline


@inline
def fold(total: int) -> int:
    """A partial sum of less than 2^31 folded to 16 bits."""
    half = (total & 0xFFFF) + (total >> 16)
    return (half & 0xFFFF) + (half >> 16)


@inline
def valid(total: int) -> int:
    """Whether a partial sum of less than 2^31 that holds a checksum is right: 0xFFFF, for which one turn of folding is enough."""
    return (total & 0xFFFF) + (total >> 16) == 0xFFFF


@inline
def add_words(address: int, n: int) -> int:
    """The partial sum of n bytes at a word-aligned address, 32 bytes a turn; less than 2^31 for n < 64 KiB.

    With a 64-bit word the carries of 32-bit loads pile up in the upper half and are folded once at the end.
    """
    total = 0
    if WORD == 64:
        w = ptr32(address)
        while n >= 32:
            total = total + w[0] + w[1] + w[2] + w[3] + w[4] + w[5] + w[6] + w[7]
            w = ptr32(int(w) + 32)
            n = n - 32
        while n >= 4:
            total = total + w[0]
            w = ptr32(int(w) + 4)
            n = n - 4
        total = (total & 0xFFFF) + (total >> 16 & 0xFFFF) + (total >> 32)
        h = ptr16(w)
        while n > 1:
            total = total + h[0]
            h = ptr16(int(h) + 2)
            n = n - 2
        if n:
            total = total + ptr8(h)[0]
    else:
        h = ptr16(address)
        end = address + (n & -32)
        while int(h) < end:
            total = (total + h[0] + h[1] + h[2] + h[3] + h[4] + h[5] + h[6] + h[7]
                     + h[8] + h[9] + h[10] + h[11] + h[12] + h[13] + h[14] + h[15])
            h = ptr16(int(h) + 32)
        if n & 31:
            if n & 16:
                total = total + h[0] + h[1] + h[2] + h[3] + h[4] + h[5] + h[6] + h[7]
                h = ptr16(int(h) + 16)
            if n & 8:
                total = total + h[0] + h[1] + h[2] + h[3]
                h = ptr16(int(h) + 8)
            if n & 4:
                total = total + h[0] + h[1]
                h = ptr16(int(h) + 4)
            if n & 2:
                total = total + h[0]
                h = ptr16(int(h) + 2)
            if n & 1:
                total = total + ptr8(h)[0]
    return total


@inline
def add(address: int, n: int) -> int:
    """The partial sum of n bytes at any address, less than 2^31 for n < 64 KiB.

    From an odd one on all bytes stand in the other half of their words, so the sum is turned (RFC 1071 section 2 B).
    """
    front = 0
    odd = address & 1
    if odd and n:
        front = ptr8(address)[0] << 8
        address = address + 1
        n = n - 1
    if address & 2 and n > 1:
        front = front + ptr16(address)[0]
        address = address + 2
        n = n - 2
    total = front + add_words(address, n)
    if odd:
        total = fold(total)
        total = total << 8 & 0xFF00 | total >> 8
    return total


@inline
def pseudo(f: ptr16, protocol: int, length: int) -> int:
    """The partial sum of the pseudo header of frame f (RFC 768, RFC 9293 section 3.1); length in bytes."""
    return f[13] + f[14] + f[15] + f[16] + (protocol << 8) + ((length & 0xFF) << 8 | length >> 8)
