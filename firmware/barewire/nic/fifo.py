"""What cards with FIFOs and without DMA share: the first words of their block, and the copies between memory and FIFO.

`e` are the card's registers, `register` is the index of its data. Sixteen words a turn: on a Cortex-M3 three instructions
for two, as our emitter keeps both pointers in registers, and loads or stores neighbouring words of memory together.
"""
from micropython import const

from barewire.inline import inline

# ---- words of the block n
BASE = const(0)                 # address of the registers
BUFFER = const(1)               # address of the receive buffer; the frame follows 2 bytes later
LENGTH = const(2)               # of the frame in it, 0 for none
HEAD = const(3)                 # address of the transmit header buffer, 2 mod 4
LINK = const(4)                 # 1 while the link is up
NEWS = const(5)                 # LINK_NEWS, TROUBLE: what news() has not told yet
READY = const(6)                # 1 when the PHY was set up
CHECK = const(7)                # 1 when the PHY has something to tell
ERRORS = const(8)
OVERFLOW = const(9)
STUCK = const(10)
LOST = const(11)
TOLD = const(12)                # a bit for each of the first three of those that news() has told
SHARED = const(13)              # a card's own words follow

LINK_NEWS = const(1)
TROUBLE = const(2)


@inline
def frame(n: ptr32) -> int:
    """Address of the frame that rx() found, 2 mod 4."""
    return n[BUFFER] + 2


@inline
def release(n: ptr32):
    n[LENGTH] = 0


@inline
def flush(n: ptr32):
    """Each frame is on its way already."""
    pass


@inline
def reads(n: ptr32, address: int, size: int) -> int:
    """Whether payload in the `size` bytes at `address` has still to be read: send() has copied it."""
    return 0


@inline
def trouble(n: ptr32, counter: int):
    """Count what went wrong; the first time of each is told."""
    n[counter] = n[counter] + 1
    n[NEWS] = n[NEWS] | TROUBLE


@inline
def _take(e: ptr32, register: int, p: ptr32, k: int):
    """Two words from the FIFO to p[k] and p[k + 1]: an instruction for each, and one to store both."""
    a = e[register]
    b = e[register]
    p[k] = a
    p[k + 1] = b


@inline
def _give(e: ptr32, register: int, p: ptr32, k: int):
    """Two words into the FIFO: one instruction loads both."""
    a = p[k]
    b = p[k + 1]
    e[register] = a
    e[register] = b


@inline
def get_16(e: ptr32, register: int, p: ptr32):
    """Copy 16 words from the FIFO to memory."""
    _take(e, register, p, 0)
    _take(e, register, p, 2)
    _take(e, register, p, 4)
    _take(e, register, p, 6)
    _take(e, register, p, 8)
    _take(e, register, p, 10)
    _take(e, register, p, 12)
    _take(e, register, p, 14)


@inline
def get(e: ptr32, register: int, to: int, words: int):
    """Copy words from the FIFO to memory. Odd ones go first: their number is not needed any more in the loop."""
    p = ptr32(to)
    end = to + (words << 2)
    if words & 1:
        p[0] = e[register]
        p = ptr32(int(p) + 4)
    if words & 2:
        _take(e, register, p, 0)
        p = ptr32(int(p) + 8)
    if words & 4:
        _take(e, register, p, 0)
        _take(e, register, p, 2)
        p = ptr32(int(p) + 16)
    if words & 8:
        _take(e, register, p, 0)
        _take(e, register, p, 2)
        _take(e, register, p, 4)
        _take(e, register, p, 6)
        p = ptr32(int(p) + 32)
    while int(p) != end:
        get_16(e, register, p)
        p = ptr32(int(p) + 64)


@inline
def put_16(e: ptr32, register: int, p: ptr32):
    """Copy 16 words from memory into the FIFO."""
    _give(e, register, p, 0)
    _give(e, register, p, 2)
    _give(e, register, p, 4)
    _give(e, register, p, 6)
    _give(e, register, p, 8)
    _give(e, register, p, 10)
    _give(e, register, p, 12)
    _give(e, register, p, 14)


@inline
def put(e: ptr32, register: int, at: int, words: int):
    """Copy words from memory into the FIFO."""
    p = ptr32(at)
    end = at + (words << 2)
    if words & 1:
        e[register] = p[0]
        p = ptr32(int(p) + 4)
    if words & 2:
        _give(e, register, p, 0)
        p = ptr32(int(p) + 8)
    if words & 4:
        _give(e, register, p, 0)
        _give(e, register, p, 2)
        p = ptr32(int(p) + 16)
    if words & 8:
        _give(e, register, p, 0)
        _give(e, register, p, 2)
        _give(e, register, p, 4)
        _give(e, register, p, 6)
        p = ptr32(int(p) + 32)
    while int(p) != end:
        put_16(e, register, p)
        p = ptr32(int(p) + 64)


@inline
def put_last(e: ptr32, register: int, end: int, size: int):
    """The last 1 to 3 bytes in front of address `end` as a word: what lies behind them is not touched."""
    b = ptr8(end - size)
    last = b[0]
    if size & 2:
        last = last | b[1] << 8
        if size & 1:
            last = last | b[2] << 16
    e[register] = last
