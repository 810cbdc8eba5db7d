"""Padding of frames that are shorter than Ethernet allows (IEEE 802.3: 60 bytes without the FCS)."""
from barewire.inline import inline


@inline
def pad(address: int, end: int):
    """Zeros from `address` up to `end`, which is 2 mod 4 (the last store may reach two bytes beyond)."""
    if address & 1:
        ptr8(address)[0] = 0
        address = address + 1
    if address & 2 and address < end:
        ptr16(address)[0] = 0
        address = address + 2
    while address < end:
        ptr32(address)[0] = 0
        address = address + 4


@inline
def pad_words(address: int, end: int):
    """The same for a word-aligned `end` that is less than 64 bytes away, without a loop: more code, fewer instructions."""
    if address & 1:
        ptr8(address)[0] = 0
        address = address + 1
    if address & 2:
        ptr16(address)[0] = 0
        address = address + 2
    words = (end - address) >> 2
    p = ptr32(address)
    if words & 8:
        p[0] = 0
        p[1] = 0
        p[2] = 0
        p[3] = 0
        p[4] = 0
        p[5] = 0
        p[6] = 0
        p[7] = 0
        p = ptr32(int(p) + 32)
    if words & 4:
        p[0] = 0
        p[1] = 0
        p[2] = 0
        p[3] = 0
        p = ptr32(int(p) + 16)
    if words & 2:
        p[0] = 0
        p[1] = 0
        p = ptr32(int(p) + 8)
    if words & 1:
        p[0] = 0
