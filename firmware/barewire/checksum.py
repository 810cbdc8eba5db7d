"""The Internet checksum (RFC 1071), carried along as a partial sum.

A partial sum is the sum of 16-bit words as a little-endian load sees them: one's complement
addition does not care about byte order as long as all words are loaded alike (RFC 1071 section 2 B).
It is folded late and inverted only when it goes into a header. Adding and taking away single
words is RFC 1624.
"""
from .board import WORD
from .inline import inline
from .wire import ADDRESS_0, ADDRESS_1, IP_SRC
from .word import u64

INVERSE = -0x1000100010001      # of 0xFFFF modulo 2^64


@inline
def fold(total: int) -> int:
    """A partial sum of less than 2^31 folded to 16 bits."""
    half = (total & 0xFFFF) + (total >> 16)
    return (half & 0xFFFF) + (half >> 16)


@inline
def valid(total: int) -> int:
    """Whether a partial sum that holds a checksum is right: a multiple of 0xFFFF, and not 0 (sum_words: less than 2^48).

    Below 2^31 one turn of folding tells. On 64 bits multiplying by the inverse divides without a rest, to less than 2^48,
    what has none, and gives 2^48 or more for all else.
    """
    if WORD == 64:
        return u64(total * INVERSE - 1) >> 48 == 0
    return (total & 0xFFFF) + (total >> 16) == 0xFFFF


@inline
def sum_words(address: int, n: int) -> int:
    """The partial sum of n bytes at a word-aligned address, 32 bytes a turn: on 32-bit words less than 2^31 for n < 64 KiB.

    With a 64-bit word the carries of 32-bit loads pile up in the upper half: less than 2^46.
    """
    total = 0
    if WORD == 64:
        w = ptr32(address)
        while n >= 32:
            total = total + w[0] + w[1] + w[2] + w[3] + w[4] + w[5] + w[6] + w[7]
            w = ptr32(int(w) + 32)
            n = n - 32
        if n & 16:
            total = total + w[0] + w[1] + w[2] + w[3]
            w = ptr32(int(w) + 16)
        if n & 8:
            total = total + w[0] + w[1]
            w = ptr32(int(w) + 8)
        if n & 4:
            total = total + w[0]
            w = ptr32(int(w) + 4)
        if n & 3:
            h = ptr16(w)
            if n & 2:
                total = total + h[0]
                h = ptr16(int(h) + 2)
            if n & 1:
                total = total + ptr8(h)[0]
    else:
        h = ptr16(address)
        while n >= 32:
            total = (total + h[0] + h[1] + h[2] + h[3] + h[4] + h[5] + h[6] + h[7]
                     + h[8] + h[9] + h[10] + h[11] + h[12] + h[13] + h[14] + h[15])
            h = ptr16(int(h) + 32)
            n = n - 32
        if n & 16:
            total = total + h[0] + h[1] + h[2] + h[3] + h[4] + h[5] + h[6] + h[7]
            h = ptr16(int(h) + 16)
        if n & 8:
            total = total + h[0] + h[1] + h[2] + h[3]
            h = ptr16(int(h) + 8)
        if n & 4:
            total = total + h[0] + h[1]
            h = ptr16(int(h) + 4)
        if n & 3:
            if n & 2:
                total = total + h[0]
                h = ptr16(int(h) + 2)
            if n & 1:
                total = total + ptr8(h)[0]
    return total


@inline
def add_words(address: int, n: int) -> int:
    """The partial sum of n bytes at a word-aligned address, less than 2^31 for n < 64 KiB."""
    total = sum_words(address, n)
    if WORD == 64:
        total = (total & 0xFFFF) + (total >> 16 & 0xFFFF) + (total >> 32)
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
    """The partial sum of the pseudo header of frame f, sent to us (RFC 768, RFC 9293 section 3.1); length in bytes.

    256 times a number is the same modulo 0xFFFF as the number with its bytes exchanged.
    """
    return f[IP_SRC] + f[IP_SRC + 1] + (ADDRESS_0 + ADDRESS_1) + (protocol + length << 8)
