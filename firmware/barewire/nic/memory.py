"""A network card made of memory: two rings of frames, filled and emptied by the program that runs the appliance.

For places without a card: the MicroPython unix port, replay of recorded frames, counting instructions.  It has the
interface of the other cards; put() and take() are its wire.

Receive slots are used in turn.  A slot is taken again when its frame was released, or when the reply made in it was
taken off the wire.
"""
from array import array

import micropython
import uctypes
from micropython import const

from barewire.board import RX_BUFFERS, TX_HEADERS
from barewire.inline import inline
from barewire.nic.block import memory

RX_SIZE = RX_BUFFERS
TX_SIZE = RX_BUFFERS + TX_HEADERS       # all that can be waiting at once, so the ring itself never fills
while TX_SIZE & (TX_SIZE - 1):
    TX_SIZE += TX_SIZE & -TX_SIZE
TSO = const(False)              # the card cuts no segments
_RX_MASK = RX_SIZE - 1
_TX_MASK = TX_SIZE - 1

_SLOT = const(2048)
_SLOT_SHIFT = const(11)
_HEAD_SHIFT = const(9)          # head buffers: 256 bytes and the padding, 512 apart
_FRAME = const(2)               # a frame's place in its slot: 2 mod 4
_LONGEST = const(1514)
_PADDED = const(60)

# ---- words of the block n
_SLOTS = const(0)               # address of the receive slots
_LENGTHS = const(1)             # address of RX_SIZE words: length of the frame in the slot, 0 when the slot is free
_HELD = const(2)                # address of RX_SIZE words: 1 while a reply made in the slot waits in the transmit ring
_PUT = const(3)                 # frames put so far
_DONE = const(4)                # frames released or replied to so far
_HEADS = const(5)               # address of the head buffers
_RING = const(6)                # address of TX_SIZE entries: address, length, payload, size (all words)
_SENT = const(7)                # entries written so far
_TAKEN = const(8)               # entries taken so far
_HEADS_SENT = const(9)
_HEADS_TAKEN = const(10)
FULL = const(11)
REFUSED = const(12)
_WORDS = const(13)

NIC_COUNTERS = (
    ("nic_tx_full", "times that no transmit buffer was free", FULL),
    ("nic_rx_refused", "frames not put: ring full, or length not 14 to 1514", REFUSED),
)
NIC_NAMES = tuple((name, index) for name, _, index in NIC_COUNTERS)


def open(where):
    """A new card; `where` is not used.  Returns the block n."""
    if RX_SIZE & _RX_MASK:
        raise OSError("RX_BUFFERS must be a power of two")
    n = array("I", bytearray(4 * _WORDS))
    if uctypes.addressof(n) >> 32:
        raise OSError("memory above 4 GiB does not fit the words of the stack: link without PIE, and run with"
                      " MALLOC_MMAP_THRESHOLD_=33554432 in the environment")
    n[_SLOTS] = memory(RX_SIZE * _SLOT)
    n[_LENGTHS] = memory(4 * RX_SIZE)
    n[_HELD] = memory(4 * RX_SIZE)
    n[_HEADS] = memory(TX_HEADERS << _HEAD_SHIFT)
    n[_RING] = memory(16 * TX_SIZE)
    return n


def mac(n):
    """A locally administered address, as no card has one in store."""
    return b"\x02\x00\x00\x00\x00\x01"


def link(n):
    return True


@micropython.viper
def _put(n: ptr32, data: ptr8, length: int) -> int:
    i = n[_PUT] & _RX_MASK
    lengths = ptr32(n[_LENGTHS])
    if lengths[i] or ptr32(n[_HELD])[i] or length < 14 or length > _LONGEST:
        n[REFUSED] = n[REFUSED] + 1
        return 0
    to = ptr8(n[_SLOTS] + (i << _SLOT_SHIFT) + _FRAME)
    k = 0
    while k < length:
        to[k] = data[k]
        k = k + 1
    lengths[i] = length
    n[_PUT] = n[_PUT] + 1
    return 1


def put(n, frame):
    """A frame arrives.  False if the ring is full or its length is not that of a frame."""
    return _put(n, frame, len(frame)) != 0


@micropython.viper
def _length(n: ptr32) -> int:
    if n[_TAKEN] == n[_SENT]:
        return 0
    entry = ptr32(n[_RING] + ((n[_TAKEN] & _TX_MASK) << 4))
    return entry[1] + entry[3]


@micropython.viper
def _take(n: ptr32, to: ptr8):
    entry = ptr32(n[_RING] + ((n[_TAKEN] & _TX_MASK) << 4))
    source = ptr8(entry[0])
    length = entry[1]
    k = 0
    while k < length:
        to[k] = source[k]
        k = k + 1
    size = entry[3]
    source = ptr8(entry[2])
    k = 0
    while k < size:
        to[length + k] = source[k]
        k = k + 1
    while length + k < _PADDED:
        to[length + k] = 0
        k = k + 1
    offset = entry[0] - n[_SLOTS]
    if offset >= 0 and offset < (RX_SIZE << _SLOT_SHIFT):
        ptr32(n[_HELD])[offset >> _SLOT_SHIFT] = 0
    else:
        n[_HEADS_TAKEN] = n[_HEADS_TAKEN] + 1
    n[_TAKEN] = n[_TAKEN] + 1


def take(n):
    """The next frame that was sent, as bytes; None if there is none."""
    length = _length(n)
    if not length:
        return None
    data = bytearray(max(length, _PADDED))
    _take(n, data)
    return bytes(data)


# ---- the interface of a card -----------------------------------------------------------------------------------
@inline
def rx(n: ptr32) -> int:
    """Length of the frame in place, 0 for none; the same frame until release() or reply()."""
    if n[_DONE] == n[_PUT]:
        return 0
    return ptr32(n[_LENGTHS])[n[_DONE] & _RX_MASK]


@inline
def frame(n: ptr32) -> int:
    """Address of the frame that rx() found, 2 mod 4."""
    return n[_SLOTS] + ((n[_DONE] & _RX_MASK) << _SLOT_SHIFT) + _FRAME


@inline
def release(n: ptr32):
    ptr32(n[_LENGTHS])[n[_DONE] & _RX_MASK] = 0
    n[_DONE] = n[_DONE] + 1


@inline
def _queue(n: ptr32, address: int, length: int, payload: int, size: int):
    entry = ptr32(n[_RING] + ((n[_SENT] & _TX_MASK) << 4))
    entry[0] = address
    entry[1] = length
    entry[2] = payload
    entry[3] = size
    n[_SENT] = n[_SENT] + 1


@inline
def reply(n: ptr32, length: int):
    """Send the received buffer itself, as changed in place."""
    i = n[_DONE] & _RX_MASK
    ptr32(n[_HELD])[i] = 1
    _queue(n, n[_SLOTS] + (i << _SLOT_SHIFT) + _FRAME, length, 0, 0)
    release(n)


@inline
def room(n: ptr32) -> int:
    """Address (2 mod 4) of a free head buffer of 256 bytes, 0 if all wait to be taken."""
    if n[_HEADS_SENT] - n[_HEADS_TAKEN] >= TX_HEADERS:
        n[FULL] = n[FULL] + 1
        return 0
    return n[_HEADS] + ((n[_HEADS_SENT] & (TX_HEADERS - 1)) << _HEAD_SHIFT) + _FRAME


@inline
def full(n: ptr32) -> int:
    """Whether room() would give 0."""
    return n[_HEADS_SENT] - n[_HEADS_TAKEN] >= TX_HEADERS


@inline
def reads(n: ptr32, address: int, size: int) -> int:
    """Whether payload that waits to be taken lies in the `size` bytes at `address`."""
    found = 0
    k = n[_SENT] - n[_TAKEN] & 0xFFFF
    while k and found == 0:
        entry = ptr32(n[_RING] + ((n[_SENT] - k & _TX_MASK) << 4))
        if entry[3] and entry[2] >= address and entry[2] < address + size:
            found = 1
        k = k - 1
    return found


@inline
def send(n: ptr32, length: int, payload: int, size: int):
    """Send `length` bytes of the buffer that room() gave, then `size` bytes at `payload`."""
    _queue(n, n[_HEADS] + ((n[_HEADS_SENT] & (TX_HEADERS - 1)) << _HEAD_SHIFT) + _FRAME, length, payload, size)
    n[_HEADS_SENT] = n[_HEADS_SENT] + 1


@inline
def flush(n: ptr32):
    """Nobody to tell."""
    pass


@inline
def linger(n: ptr32, looks: int) -> int:
    """Looks that are left when a frame is there, 0 if none came: nobody fills the rings while we look."""
    return 0


@micropython.viper
def arm(n: ptr32) -> int:
    """1 if there is nothing to do."""
    return 1 if n[_DONE] == n[_PUT] else 0
