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
