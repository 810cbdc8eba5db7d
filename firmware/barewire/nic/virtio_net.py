"""virtio-net: the queues of a card that virtio_mmio.py starts.

Follows Virtual I/O Device (VIRTIO) Version 1.2; section numbers stand where they apply.

    receive buffer i, a slot of 2048 bytes          transmit header buffer, a slot of 272 bytes
    +0   +2 or +4        +14                        +0   +2 or +4        +14          +270
    | -- | virtio header | frame ...     |          | -- | virtio header | head ...   |
                           2 mod 4: IP lies on a word boundary

Receive buffer i is descriptor i of queue 0.  reply() sends the same bytes as descriptor i of queue 1; when the card has
sent them the buffer goes back to queue 0.  The other descriptors of queue 1 come in pairs (head, payload).

Of the features MAC and VERSION_1 are accepted (a legacy card's ANY_LAYOUT too), and HOST_TSO4 with the CSUM that it
needs: the card then cuts one large TCP segment into many (5.1.6.2).  EVENT_IDX lets one interrupt stand for all the frames
that come before we look (2.7.7).  Nothing is accepted for the other way: checksums
arrive complete, no header field has to be read, and a frame is always one buffer.
"""
from array import array

import micropython
import port
from micropython import const

from barewire.board import RX_BUFFERS, TX_HEADERS
from barewire.inline import inline
from barewire.nic import virtio_mmio
from barewire.nic.block import memory
from barewire.nic.pad import pad

# ---- features (5.1.3, 6)
_F_CSUM = const(1 << 0)
_F_MAC = const(1 << 5)
_F_HOST_TSO4 = const(1 << 11)
_F_EVENT_IDX = const(1 << 29)
_F_SEGMENTS = _F_CSUM | _F_HOST_TSO4

# ---- the header in front of a sent frame (5.1.6), as 16-bit numbers
_KIND = const(0)                    # flags, gso_type
_NEEDS_CSUM_TCPV4 = const(1 | 1 << 8)
_HEADERS = const(1)                 # hdr_len
_GSO_SIZE = const(2)
_CSUM_START = const(3)
_CSUM_OFFSET = const(4)

# ---- split virtqueues (2.7)
_NEXT = const(1)                    # descriptor flags (2.7.5)
_WRITE = const(2)
_NO_INTERRUPT = const(1)            # available ring (2.7.7)
_NO_NOTIFY = const(1)               # used ring (2.7.10)
_RX = const(0)
_TX = const(1)
_NOTIFY = const(0x050 >> 2)

RX_SIZE = RX_BUFFERS
TX_SIZE = RX_BUFFERS + 2 * TX_HEADERS
if RX_SIZE & (RX_SIZE - 1) or TX_SIZE & (TX_SIZE - 1):
    raise ValueError("RX_BUFFERS and RX_BUFFERS + 2 * TX_HEADERS must be powers of two")
TSO = const(True)                   # there are segments() and segment()
_RX_MASK = RX_SIZE - 1
_TX_MASK = TX_SIZE - 1

_SLOT_SHIFT = const(11)             # 2048 bytes each
_SLOT = const(2048)
_HEAD_SLOT = const(272)
_FRAME = const(14)                  # the frame's place in a slot
_SHORTEST = const(14)
_LONGEST = const(1514)
_PADDED = const(60)

# ---- words of the block n
_BASE = const(0)                    # of the registers
_HEADER = const(1)                  # length of the virtio header: 12 modern, 10 legacy (5.1.6.1)
_RX_DESC = const(2)
_RX_AVAIL = const(3)
_RX_USED = const(4)
_RX_SEEN = const(5)                 # used.idx up to which we have looked, 16 bits
_RX_KICKED = const(6)               # avail.idx that the card was told of
_RX_SLOTS = const(7)
_RX_ID = const(8)                   # the frame that rx() found: its buffer ...
_RX_FRAME = const(9)                # ... and its address
_TX_DESC = const(10)
_TX_AVAIL = const(11)
_TX_USED = const(12)
_TX_SEEN = const(13)
_TX_KICKED = const(14)
_TX_HEADS = const(15)
_FREE = const(16)                   # address of a stack of 16-bit numbers: free head descriptors ...
_FREE_COUNT = const(17)             # ... and its height
_WAIT = const(18)                   # used ring to wait for, after arm()
_WAIT_SEEN = const(19)
BAD_LENGTH = const(20)
BAD_BUFFER = const(21)
BAD_SENT = const(22)
FULL = const(23)
SEGMENTED = const(24)
_SEGMENTS = const(25)               # whether the card cuts segments
_EVENTS = const(26)                 # whether EVENT_IDX was agreed on
_QUIET = const(27)                  # flags of an available ring that is polled: with EVENT_IDX they stay 0
_WORDS = const(28)

NIC_COUNTERS = (
    ("nic_rx_bad_length", "received frames shorter than 14 or longer than 1514 bytes", BAD_LENGTH),
    ("nic_rx_bad_buffer", "receive completions for a buffer that does not exist", BAD_BUFFER),
    ("nic_tx_bad_buffer", "transmit completions for a buffer that does not exist", BAD_SENT),
    ("nic_tx_full", "times that no transmit buffer was free", FULL),
    ("nic_tx_segmented", "frames given to the card to be cut into segments", SEGMENTED),
)
NIC_NAMES = tuple((name, index) for name, _, index in NIC_COUNTERS)


# ---- start-up --------------------------------------------------------------------------------------------------
@micropython.viper
def _prepare(n: ptr32):
    """Fill the descriptor tables, offer all receive buffers, and keep both queues from interrupting."""
    header = n[_HEADER]
    d = ptr32(n[_RX_DESC])
    t = ptr32(n[_TX_DESC])
    avail = ptr16(n[_RX_AVAIL])
    address = n[_RX_SLOTS] + _FRAME - header
    i = 0
    while i < RX_SIZE:
        d[0] = address
        d[2] = _SLOT - _FRAME + header
        d[3] = _WRITE
        t[0] = address
        avail[2 + i] = i
        d = ptr32(int(d) + 16)
        t = ptr32(int(t) + 16)
        address = address + _SLOT
        i = i + 1
    free = ptr16(n[_FREE])
    address = n[_TX_HEADS] + _FRAME - header
    i = 0
    while i < TX_HEADERS:
        t[0] = address
        free[i] = RX_SIZE + 2 * i
        t = ptr32(int(t) + 32)
        address = address + _HEAD_SLOT
        i = i + 1
    n[_FREE_COUNT] = TX_HEADERS
    avail[1] = RX_SIZE
    avail[0] = n[_QUIET]
    avail[2 + RX_SIZE] = 0xFFFF
    avail = ptr16(n[_TX_AVAIL])
    avail[0] = n[_QUIET]
    avail[2 + TX_SIZE] = 0xFFFF


def _agree(base, legacy):
    """The features of the first word that both sides have."""
    features = virtio_mmio.offered(base) & (_F_MAC | _F_SEGMENTS | _F_EVENT_IDX | (virtio_mmio.F_ANY_LAYOUT if legacy else 0))
    if features & _F_SEGMENTS != _F_SEGMENTS:
        features &= ~_F_SEGMENTS
    virtio_mmio.accept(base, legacy, features)
    if not features & _F_MAC:
        virtio_mmio.fail(base, "tells no MAC address")
    return features


def open(where):
    """Start the first network card among `where`, a list of (address, interrupt); returns the block n.

    OSError with one line: no card, or a card that this driver cannot use.
    """
    base, interrupt, legacy = virtio_mmio.find(where)
    features = _agree(base, legacy)
    n = array("I", bytearray(4 * _WORDS))
    n[_SEGMENTS] = features & _F_SEGMENTS
    n[_EVENTS] = features & _F_EVENT_IDX
    n[_QUIET] = 0 if n[_EVENTS] else _NO_INTERRUPT
    n[_BASE] = base
    n[_HEADER] = 10 if legacy else 12
    rx = n[_RX_DESC], n[_RX_AVAIL], n[_RX_USED] = virtio_mmio.ring(RX_SIZE)
    tx = n[_TX_DESC], n[_TX_AVAIL], n[_TX_USED] = virtio_mmio.ring(TX_SIZE)
    n[_RX_SLOTS] = memory(RX_SIZE * _SLOT, 64)
    n[_TX_HEADS] = memory(TX_HEADERS * _HEAD_SLOT, 16)
    n[_FREE] = memory(2 * TX_HEADERS, 4)
    _prepare(n)
    port.irq(interrupt, base + virtio_mmio.INTERRUPT_STATUS, base + virtio_mmio.INTERRUPT_ACK)
    virtio_mmio.start(base, legacy, ((RX_SIZE, rx), (TX_SIZE, tx)))
    virtio_mmio.notify(base, _RX)
    n[_RX_KICKED] = RX_SIZE
    return n


def mac(n):
    """The card's address, 6 bytes (5.1.4)."""
    return bytes([virtio_mmio.config_byte(n[_BASE], i) for i in range(6)])


def link(n):
    """Whether the cable is in: without VIRTIO_NET_F_STATUS a driver assumes it (5.1.4.2)."""
    return True


# ---- receive (5.1.6.4) -----------------------------------------------------------------------------------------
@inline
def rx(n: ptr32) -> int:
    """Length of the frame in place, 0 for none; the same frame until release() or reply()."""
    used = ptr16(n[_RX_USED])
    seen = n[_RX_SEEN]
    if used[1] == seen:
        return 0
    entry = ptr32(int(used) + 4 + ((seen & _RX_MASK) << 3))
    i = entry[0]
    if i & ~_RX_MASK:
        n[BAD_BUFFER] = n[BAD_BUFFER] + 1
        n[_RX_SEEN] = (seen + 1) & 0xFFFF
        return 0
    n[_RX_ID] = i
    n[_RX_FRAME] = n[_RX_SLOTS] + (i << _SLOT_SHIFT) + _FRAME
    length = entry[1] - n[_HEADER]
    if length < _SHORTEST or length > _LONGEST:
        n[BAD_LENGTH] = n[BAD_LENGTH] + 1
        release(n)
        return 0
    return length


@inline
def frame(n: ptr32) -> int:
    """Address of the frame that rx() found, 2 mod 4."""
    return n[_RX_FRAME]


@inline
def _offer(n: ptr32, i: int):
    """Give receive buffer i to the card (2.7.13)."""
    avail = ptr16(n[_RX_AVAIL])
    k = avail[1]
    avail[2 + (k & _RX_MASK)] = i
    avail[1] = k + 1


@inline
def release(n: ptr32):
    """Done with the frame: the card may have its buffer again."""
    _offer(n, n[_RX_ID])
    n[_RX_SEEN] = (n[_RX_SEEN] + 1) & 0xFFFF


# ---- transmit (5.1.6.2) ----------------------------------------------------------------------------------------
@inline
def _queue(n: ptr32, d: int):
    avail = ptr16(n[_TX_AVAIL])
    k = avail[1]
    avail[2 + (k & _TX_MASK)] = d
    avail[1] = k + 1


@inline
def reply(n: ptr32, length: int):
    """Send the received buffer itself, as changed in place; it comes back as a receive buffer when sent."""
    i = n[_RX_ID]
    address = n[_RX_FRAME]
    if length < _PADDED:
        pad(address + length, address + _PADDED)
        length = _PADDED
    # the card wrote a header in front of the frame; for sending all of it is zero (5.1.6.2.1)
    slot = ptr32(address - _FRAME)
    slot[0] = 0
    slot[1] = 0
    slot[2] = 0
    ptr16(address - 2)[0] = 0
    ptr32(n[_TX_DESC] + (i << 4))[2] = length + n[_HEADER]
    _queue(n, i)
    n[_RX_SEEN] = (n[_RX_SEEN] + 1) & 0xFFFF


@inline
def _reclaim(n: ptr32):
    """Take back what the card has sent: receive buffers go to queue 0, head buffers on the free stack."""
    used = ptr16(n[_TX_USED])
    seen = n[_TX_SEEN]
    while used[1] != seen:
        d = ptr32(int(used) + 4 + ((seen & _TX_MASK) << 3))[0]
        if d & ~_TX_MASK:
            n[BAD_SENT] = n[BAD_SENT] + 1
        elif d < RX_SIZE:
            _offer(n, d)
        elif n[_FREE_COUNT] < TX_HEADERS and d & 1 == 0:
            ptr16(n[_FREE])[n[_FREE_COUNT]] = d
            n[_FREE_COUNT] = n[_FREE_COUNT] + 1
        else:
            n[BAD_SENT] = n[BAD_SENT] + 1
        seen = (seen + 1) & 0xFFFF
    n[_TX_SEEN] = seen


@inline
def room(n: ptr32) -> int:
    """Address (2 mod 4) of a free head buffer of 256 bytes, 0 if all are queued: flush() takes back what was sent."""
    if n[_FREE_COUNT] == 0:
        n[FULL] = n[FULL] + 1
        return 0
    d = ptr16(n[_FREE])[n[_FREE_COUNT] - 1]
    header = ptr32(n[_TX_DESC] + (d << 4))[0]
    ptr16(header)[_KIND] = 0
    return header + n[_HEADER]


@inline
def full(n: ptr32) -> int:
    """Whether all head buffers are queued: something will be sent soon."""
    return n[_FREE_COUNT] == 0


@inline
def segments(n: ptr32) -> int:
    """Whether the card cuts a TCP segment that is larger than the peer's: segment() may be called."""
    return n[_SEGMENTS]


@inline
def segment(n: ptr32, room: int, start: int, offset: int, length: int, mss: int):
    """Let what is sent from the buffer at `room` be cut into segments with `mss` bytes of payload, the last may have less.

    Its headers are the first `length` bytes; TCP's begins at `start`, and holds the pseudo header's sum at `offset`. All but
    the sequence number, PSH and FIN, lengths and sums is the same in all of them (5.1.6.2, items 2 and 3).
    """
    header = ptr16(room - n[_HEADER])
    header[_KIND] = _NEEDS_CSUM_TCPV4
    header[_HEADERS] = length
    header[_GSO_SIZE] = mss
    header[_CSUM_START] = start
    header[_CSUM_OFFSET] = offset
    n[SEGMENTED] = n[SEGMENTED] + 1


@inline
def send(n: ptr32, length: int, payload: int, size: int):
    """Send `length` bytes of the buffer that room() gave, then `size` bytes at `payload`."""
    n[_FREE_COUNT] = n[_FREE_COUNT] - 1
    d = ptr16(n[_FREE])[n[_FREE_COUNT]]
    entry = ptr32(n[_TX_DESC] + (d << 4))
    if length + size < _PADDED:
        # too short for a frame: the payload moves in, so that the padding can follow it
        head = ptr8(entry[0] + n[_HEADER])
        source = ptr8(payload)
        i = 0
        while i < size:
            head[length + i] = source[i]
            i = i + 1
        pad(int(head) + length + size, int(head) + _PADDED)
        entry[2] = _PADDED + n[_HEADER]
        entry[3] = 0
    else:
        entry[2] = length + n[_HEADER]
        if size:
            entry[3] = _NEXT | (d + 1) << 16
            entry[4] = payload
            entry[6] = size
        else:
            entry[3] = 0
    _queue(n, d)


@inline
def disarm(n: ptr32):
    """No more interrupts: the queues are polled."""
    ptr16(n[_RX_AVAIL])[0] = n[_QUIET]
    ptr16(n[_TX_AVAIL])[0] = n[_QUIET]


@inline
def _wanted(n: ptr32, used: int, size: int, k: int, kicked: int) -> int:
    """Whether the card wants to be told that avail.idx went from `kicked` to k: by its flag (2.7.10), or by the index that
    it wants to hear of, behind the used ring."""
    told = ptr16(used)[0] & _NO_NOTIFY == 0
    if n[_EVENTS]:
        told = (k - ptr16(used)[2 + 4 * size] - 1) & 0xFFFF < (k - kicked) & 0xFFFF
    if (k - kicked) & 0x8000:       # before the difference wraps, and nothing seems due
        told = 1
    return told


@inline
def flush(n: ptr32):
    """Tell the card of all that was queued and offered; take back what it has sent; ask for no interrupt any more.

    A card that asks not to be told (2.7.10) may change its mind at this moment, and viper has no fence to find out:
    what it was not told stays due, for the next flush() or, before sleeping, arm().
    """
    k = ptr16(n[_TX_AVAIL])[1]
    if k != n[_TX_KICKED]:
        if _wanted(n, n[_TX_USED], TX_SIZE, k, n[_TX_KICKED]):
            n[_TX_KICKED] = k
            ptr32(n[_BASE])[_NOTIFY] = _TX
    disarm(n)
    _reclaim(n)
    k = ptr16(n[_RX_AVAIL])[1]
    if k != n[_RX_KICKED]:
        if _wanted(n, n[_RX_USED], RX_SIZE, k, n[_RX_KICKED]):
            n[_RX_KICKED] = k
            ptr32(n[_BASE])[_NOTIFY] = _RX


@inline
def linger(n: ptr32, looks: int) -> int:
    """Look for a frame so often: how many looks are left when one is there, 0 if none came."""
    used = ptr16(n[_RX_USED])
    seen = n[_RX_SEEN]
    while looks and used[1] == seen:
        looks = looks - 1
    return looks


# ---- sleep -----------------------------------------------------------------------------------------------------
@micropython.viper
def sent(n: ptr32, looks: int) -> int:
    """Look so often for the card to have sent something: how many looks are left when it has, 0 if it has not."""
    used = ptr16(n[_TX_USED])
    seen = n[_TX_SEEN]
    while looks and used[1] == seen:
        looks = looks - 1
    return looks


@micropython.viper
def arm(n: ptr32) -> int:
    """Ask for an interrupt; 0 if there is something to do already.

    Waits for received frames, or for a sent one while the card has no receive buffer: no frame can arrive then.
    """
    if ptr16(n[_RX_USED])[1] != n[_RX_SEEN]:
        return 0
    _reclaim(n)
    base = ptr32(n[_BASE])
    k = ptr16(n[_TX_AVAIL])[1]
    if k != n[_TX_KICKED]:
        n[_TX_KICKED] = k
        base[_NOTIFY] = _TX
    k = ptr16(n[_RX_AVAIL])[1]
    if k != n[_RX_KICKED]:
        n[_RX_KICKED] = k
        base[_NOTIFY] = _RX
    if k != n[_RX_SEEN]:
        n[_WAIT] = n[_RX_USED]
        n[_WAIT_SEEN] = n[_RX_SEEN]
        avail = ptr16(n[_RX_AVAIL])
        avail[0] = 0
        avail[2 + RX_SIZE] = n[_RX_SEEN]
    else:
        n[_WAIT] = n[_TX_USED]
        n[_WAIT_SEEN] = n[_TX_SEEN]
        avail = ptr16(n[_TX_AVAIL])
        avail[0] = 0
        avail[2 + TX_SIZE] = n[_TX_SEEN]
    return 1


def used_index(n):
    """Address of the 16-bit number that changes when the card has something, after arm()."""
    return n[_WAIT] + 2


def seen(n):
    """The value of it that we know."""
    return n[_WAIT_SEEN]
