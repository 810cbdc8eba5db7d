"""The Ethernet controller on the LM3S6965 (Stellaris): MAC, PHY, and a FIFO of 2 KB each way.

Follows the LM3S6965 data sheet, chapter "Ethernet Controller"; registers and bits have its names.  In both directions
a frame lies in the FIFO behind two bytes of length, so that in memory it begins at 2 mod 4:

    receive    | length + 6 | frame ...            | FCS |     the length counts itself, the frame and the FCS
    transmit   | length - 14 | frame ...                       the length counts what stands behind the Ethernet header

A frame is copied into the one receive buffer, changed there, and copied out of it.  Payload goes into the FIFO from
where it lies.  The controller pads short frames and adds the FCS.  It has no DMA, so nothing is in flight in memory.
"""
from array import array

import micropython
from micropython import const

from barewire.inline import inline
from barewire.nic import fifo, phy
from barewire.nic.block import memory
from barewire.nic.fifo import (BASE, BUFFER, CHECK, ERRORS, HEAD, LENGTH, LOST, NEWS, OVERFLOW, SHARED, STUCK, flush,
                               frame, reads, release)       # noqa: F401  the last four are a driver's to have
from barewire.nic.phy import link, news             # noqa: F401  so are these

# ---- registers, as indices of words
_RIS = const(0x00 >> 2)         # interrupts pending; written, they are acknowledged (MACRIS, MACIACK)
_IM = const(0x04 >> 2)
_RCTL = const(0x08 >> 2)
_TCTL = const(0x0C >> 2)
_DATA = const(0x10 >> 2)
_IA0 = const(0x14 >> 2)
_IA1 = const(0x18 >> 2)
_MCTL = const(0x20 >> 2)
_MDV = const(0x24 >> 2)
_MTXD = const(0x2C >> 2)
_MRXD = const(0x30 >> 2)
_NP = const(0x34 >> 2)          # whole frames in the receive FIFO
_TR = const(0x38 >> 2)

_RXINT = const(1)               # RIS, IM
_TXER = const(2)                # acknowledging it resets the transmit FIFO
_FOV = const(8)                 # the receive FIFO overflowed
_RXER = const(16)
_PHYINT = const(64)
_ALL = const(127)
_RXEN = const(1)                # RCTL
_BADCRC = const(8)
_RSTFIFO = const(16)
_TXEN = const(1)                # TCTL
_PADEN = const(2)
_CRC = const(4)
_DUPLEX = const(16)
_START = const(1)               # MCTL
_WRITE = const(2)
_NEWTX = const(1)               # TR

# ---- registers of the PHY (MR0 to MR31)
_EVENTS = const(17)
_MASK = const(17)               # the same: events below, their enables above
_CHANGE = const(0x500)          # interrupt on: link status change, end of auto-negotiation

_CLOCK_DIVIDER = const(10)      # 50 MHz / (2 * 11): the PHY's management clock may have 2.5 MHz
_PHY_TURNS = const(2000)        # a transfer takes 64 of those clocks, about 200 turns
_TX_TURNS = const(20000)        # a frame takes 1.2 ms at 10 Mbit/s, about 8000 turns; then comes back-off

_BUFFER_BYTES = const(2048)
_HEAD_BYTES = const(264)        # 2 of length, 256, and a word to round up
_SHORTEST = const(14)
_LONGEST = const(1514)
TSO = const(False)              # the card cuts no segments
_AROUND = const(6)              # length field and FCS

NIC_COUNTERS = (
    ("nic_rx_bad", "bad length or CRC", ERRORS),
    ("nic_rx_lost", "FIFO overflows", OVERFLOW),
    ("nic_tx_stuck", "not sent: busy", STUCK),
    ("nic_link_lost", "link losses", LOST),
)
NIC_NAMES = tuple((name, index) for name, _, index in NIC_COUNTERS)


# ---- PHY -------------------------------------------------------------------------------------------------------
@micropython.viper
def _mii(n: ptr32, register: int, value: int) -> int:
    """Write the PHY's register, or read it for -1: what is in it, -1 if it did not end in time."""
    command = register << 3
    if value >= 0:
        command = command | _WRITE
    e = ptr32(n[BASE])
    turns = _PHY_TURNS
    while e[_MCTL] & _START and turns:
        turns = turns - 1
    if turns:
        if command & _WRITE:
            e[_MTXD] = value
        e[_MCTL] = command | _START
        while e[_MCTL] & _START and turns:
            turns = turns - 1
    value = -1
    if turns:
        value = e[_MRXD] & 0xFFFF
    return value


@micropython.viper
def _duplex(n: ptr32, full: int):
    ptr32(n[BASE])[_TCTL] = _TXEN | _PADEN | _CRC | (_DUPLEX if full else 0)


# ---- start-up --------------------------------------------------------------------------------------------------
@micropython.viper
def _start(n: ptr32, base: int, mac: ptr8):
    """Section "Initialization and Configuration"; `base` is the address of the registers / 4."""
    n[BASE] = base << 2
    e = ptr32(base << 2)
    e[_IM] = 0                              # all ones after reset
    e[_MDV] = _CLOCK_DIVIDER
    e[_IA0] = mac[0] | mac[1] << 8 | mac[2] << 16 | mac[3] << 24
    e[_IA1] = mac[4] | mac[5] << 8
    e[_RCTL] = _RSTFIFO
    e[_TCTL] = _TXEN | _PADEN | _CRC | _DUPLEX
    e[_RCTL] = _RXEN | _BADCRC
    e[_RCTL] = _RXEN | _BADCRC | _RSTFIFO
    e[_RIS] = _ALL
    e[_IM] = _RXINT | _FOV | _PHYINT


@micropython.viper
def _address(n: ptr32, mac: ptr8):
    e = ptr32(n[BASE])
    mac[0] = e[_IA0]
    mac[1] = e[_IA0] >> 8
    mac[2] = e[_IA0] >> 16
    mac[3] = e[_IA0] >> 24
    mac[4] = e[_IA1]
    mac[5] = e[_IA1] >> 8


def open(where):
    """Start the controller; `where` is (address of its registers / 4, its MAC address). Returns the block n."""
    base, address = where
    n = array("I", bytearray(4 * SHARED))
    n[BUFFER] = memory(_BUFFER_BYTES)
    n[HEAD] = memory(_HEAD_BYTES) + 2
    _start(n, base, address)
    phy.attach(_mii, _duplex, _MASK, _CHANGE, _EVENTS, NIC_NAMES)
    phy.look(n)
    n[NEWS] = 0
    return n


def mac(n):
    """The address in IA0 and IA1, 6 bytes."""
    address = bytearray(6)
    _address(n, address)
    return bytes(address)


# ---- receive ---------------------------------------------------------------------------------------------------
@inline
def _restart(n: ptr32, e: ptr32):
    """Empty the receive FIFO: where frames begin in it is not known any more."""
    e[_RCTL] = _BADCRC
    e[_RCTL] = _BADCRC | _RSTFIFO
    e[_RCTL] = _RXEN | _BADCRC
    e[_RIS] = _FOV


@inline
def rx(n: ptr32) -> int:
    """Length of the frame in place, 0 for none; the same frame until release() or reply()."""
    length = n[LENGTH]
    if length == 0:
        e = ptr32(n[BASE])
        if e[_NP]:
            first = e[_DATA]
            length = (first & 0xFFFF) - _AROUND
            words = (length + _AROUND - 1) >> 2         # after this one
            if length < _SHORTEST or length > _LONGEST:
                fifo.trouble(n, ERRORS)
                if length < 0 or length > _BUFFER_BYTES - _AROUND:
                    fifo.trouble(n, OVERFLOW)       # no length at all
                    _restart(n, e)
                    words = 0
                while words > 0:
                    first = e[_DATA]
                    words = words - 1
                length = 0
            else:
                to = n[BUFFER]
                ptr32(to)[0] = first
                fifo.get(e, _DATA, to + 4, words)
                n[LENGTH] = length
        elif e[_RIS] & _FOV:                            # the frames that were whole have been taken
            fifo.trouble(n, OVERFLOW)
            _restart(n, e)
    return length


# ---- transmit --------------------------------------------------------------------------------------------------
@inline
def _put_payload(e: ptr32, at: int, size: int):
    """Copy bytes from any address into the FIFO; the last word is filled up with zeros."""
    words = size >> 2
    if at & 3 == 0:
        fifo.put(e, _DATA, at, words)
    elif at & 1 == 0:
        h = ptr16(at)
        while words:
            e[_DATA] = h[0] | h[1] << 16
            h = ptr16(int(h) + 4)
            words = words - 1
    else:
        b = ptr8(at)
        while words:
            e[_DATA] = b[0] | b[1] << 8 | b[2] << 16 | b[3] << 24
            b = ptr8(int(b) + 4)
            words = words - 1
    if size & 3:
        fifo.put_last(e, _DATA, at + size, size & 3)


@inline
def reply(n: ptr32, length: int):
    """Send the received buffer itself, as changed in place, when the frame before it has left."""
    e = ptr32(n[BASE])
    n[LENGTH] = 0
    busy = e[_TR] & _NEWTX
    if busy:
        turns = _TX_TURNS
        while busy and turns:
            busy = e[_TR] & _NEWTX
            turns = turns - 1
    if busy:
        fifo.trouble(n, STUCK)
    else:
        at = n[BUFFER]
        ptr16(at)[0] = length - 14
        fifo.put(e, _DATA, at, (length + 5) >> 2)
        e[_TR] = _NEWTX


@inline
def room(n: ptr32) -> int:
    """Address (2 mod 4) of the head buffer of 256 bytes; 0 while a frame is being sent."""
    return n[HEAD] if ptr32(n[BASE])[_TR] & _NEWTX == 0 else 0


@inline
def full(n: ptr32) -> int:
    """Not 0 while room() would give 0."""
    return ptr32(n[BASE])[_TR] & _NEWTX


@inline
def send(n: ptr32, length: int, payload: int, size: int):
    """Send `length` bytes of the buffer that room() gave, then `size` bytes at `payload`."""
    e = ptr32(n[BASE])
    head = n[HEAD]
    ptr16(head - 2)[0] = length + size - 14
    if size:
        end = length
        at = payload
        left = size
        while end & 3 != 2 and left:                # until the FIFO is at a word's end
            ptr8(head)[end] = ptr8(at)[0]
            end = end + 1
            at = at + 1
            left = left - 1
        fifo.put(e, _DATA, head - 2, (end + 5) >> 2)
        if left:
            _put_payload(e, at, left)
    else:
        fifo.put(e, _DATA, head - 2, (length + 5) >> 2)
    e[_TR] = _NEWTX


@inline
def linger(n: ptr32, looks: int) -> int:
    """Look for a frame so often: how many looks are left when one is there, 0 if none came."""
    e = ptr32(n[BASE])
    while looks and e[_NP] == 0:
        looks = looks - 1
    return looks


# ---- sleep -----------------------------------------------------------------------------------------------------
@micropython.viper
def arm(n: ptr32) -> int:
    """Let the next frame interrupt; 0 if there is something to do already."""
    e = ptr32(n[BASE])
    pending = e[_RIS]
    e[_RIS] = pending & (_RXINT | _RXER | _PHYINT)
    if pending & _RXER:
        fifo.trouble(n, ERRORS)
    idle = 1
    if pending & _PHYINT:
        n[CHECK] = 1
        idle = 0
    if e[_NP] or e[_RIS] & _FOV:
        idle = 0
    return idle
