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
def complement(total: int) -> int:
    """The checksum whose partial sum is `total`, less than 2^31, in the lower 16 bits; what is above is for a store to cut."""
    half = (total & 0xFFFF) + (total >> 16)
    return half + (half >> 16) ^ -1


@inline
def valid(total: int) -> int:
    """Whether a partial sum that holds a checksum is right: a multiple of 0xFFFF, and not 0 (sum_words: less than 2^48).

    Below 2^31 one turn of folding tells: both halves together are 0xFFFF, and so is the upper half of a sum in which each
    half stands above the other. On 64 bits multiplying by the inverse divides without a rest, to less than 2^48,
    what has none, and gives 2^48 or more for all else.
    """
    if WORD == 64:
        return u64(total * INVERSE - 1) >> 48 == 0
    return total + (total << 16) >> 16 == -1


@inline
def halves(total: int, high: int) -> int:
    """The partial sum of words of 32 bits, of which `total` is the sum modulo 2^32, and `high` that of their upper halves."""
    return total - (high << 16) + high


@inline
def sum_16(address: int) -> int:
    """The partial sum of 16 bytes at a word-aligned address: sum_words without its tests."""
    w = ptr32(address)
    if WORD == 64:
        return w[0] + w[1] + w[2] + w[3]
    a = w[0]
    b = w[1]
    total = a + b
    high = (a >> 16 & 0xFFFF) + (b >> 16 & 0xFFFF)
    a = w[2]
    b = w[3]
    return halves(total + a + b, high + (a >> 16 & 0xFFFF) + (b >> 16 & 0xFFFF))


@inline
def sum_words(address: int, n: int) -> int:
    """The partial sum of n bytes at a word-aligned address, 32 bytes a turn: on 32-bit words less than 2^31 for n < 64 KiB.

    With a 64-bit word the carries of 32-bit loads pile up in the upper half: less than 2^46. With one of 32 bits the carries
    are lost, but the upper halves are summed beside: two additions for 4 bytes, as a shift costs nothing on its way there.
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
        w = ptr32(address)
        high = 0
        stop = address + (n & -32)
        while int(w) != stop:
            a = w[0]
            b = w[1]
            total = total + a + b
            high = high + (a >> 16 & 0xFFFF) + (b >> 16 & 0xFFFF)
            a = w[2]
            b = w[3]
            total = total + a + b
            high = high + (a >> 16 & 0xFFFF) + (b >> 16 & 0xFFFF)
            a = w[4]
            b = w[5]
            total = total + a + b
            high = high + (a >> 16 & 0xFFFF) + (b >> 16 & 0xFFFF)
            a = w[6]
            b = w[7]
            total = total + a + b
            high = high + (a >> 16 & 0xFFFF) + (b >> 16 & 0xFFFF)
            w = ptr32(int(w) + 32)
        if n & 16:
            a = w[0]
            b = w[1]
            total = total + a + b
            high = high + (a >> 16 & 0xFFFF) + (b >> 16 & 0xFFFF)
            a = w[2]
            b = w[3]
            total = total + a + b
            high = high + (a >> 16 & 0xFFFF) + (b >> 16 & 0xFFFF)
            w = ptr32(int(w) + 16)
        if n & 8:
            a = w[0]
            b = w[1]
            total = total + a + b
            high = high + (a >> 16 & 0xFFFF) + (b >> 16 & 0xFFFF)
            w = ptr32(int(w) + 8)
        if n & 4:
            a = w[0]
            total = total + a
            high = high + (a >> 16 & 0xFFFF)
            w = ptr32(int(w) + 4)
        if n & 3:
            h = ptr16(w)
            if n & 2:
                total = total + h[0]
                h = ptr16(int(h) + 2)
            if n & 1:
                total = total + ptr8(h)[0]
        total = halves(total, high)
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
