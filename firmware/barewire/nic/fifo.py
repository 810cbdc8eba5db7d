"""What cards with FIFOs and without DMA share: the first words of their block, and the copies between memory and FIFO.

`e` are the card's registers, `register` is the index of its data. Sixteen words a turn: on a Cortex-M3 two instructions
each, as our emitter keeps both pointers in registers.
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
def get(e: ptr32, register: int, to: int, words: int):
    """Copy words from the FIFO to memory."""
    p = ptr32(to)
    end = to + ((words & -16) << 2)
    while int(p) != end:
        p[0] = e[register]
        p[1] = e[register]
        p[2] = e[register]
        p[3] = e[register]
        p[4] = e[register]
        p[5] = e[register]
        p[6] = e[register]
        p[7] = e[register]
        p[8] = e[register]
        p[9] = e[register]
        p[10] = e[register]
        p[11] = e[register]
        p[12] = e[register]
        p[13] = e[register]
        p[14] = e[register]
        p[15] = e[register]
        p = ptr32(int(p) + 64)
    if words & 8:
        p[0] = e[register]
        p[1] = e[register]
        p[2] = e[register]
        p[3] = e[register]
        p[4] = e[register]
        p[5] = e[register]
        p[6] = e[register]
        p[7] = e[register]
        p = ptr32(int(p) + 32)
    if words & 4:
        p[0] = e[register]
        p[1] = e[register]
        p[2] = e[register]
        p[3] = e[register]
        p = ptr32(int(p) + 16)
    if words & 2:
        p[0] = e[register]
        p[1] = e[register]
        p = ptr32(int(p) + 8)
    if words & 1:
        p[0] = e[register]


@inline
def put(e: ptr32, register: int, at: int, words: int):
    """Copy words from memory into the FIFO."""
    p = ptr32(at)
    end = at + ((words & -16) << 2)
    while int(p) != end:
        e[register] = p[0]
        e[register] = p[1]
        e[register] = p[2]
        e[register] = p[3]
        e[register] = p[4]
        e[register] = p[5]
        e[register] = p[6]
        e[register] = p[7]
        e[register] = p[8]
        e[register] = p[9]
        e[register] = p[10]
        e[register] = p[11]
        e[register] = p[12]
        e[register] = p[13]
        e[register] = p[14]
        e[register] = p[15]
        p = ptr32(int(p) + 64)
    if words & 8:
        e[register] = p[0]
        e[register] = p[1]
        e[register] = p[2]
        e[register] = p[3]
        e[register] = p[4]
        e[register] = p[5]
        e[register] = p[6]
        e[register] = p[7]
        p = ptr32(int(p) + 32)
    if words & 4:
        e[register] = p[0]
        e[register] = p[1]
        e[register] = p[2]
        e[register] = p[3]
        p = ptr32(int(p) + 16)
    if words & 2:
        e[register] = p[0]
        e[register] = p[1]
        p = ptr32(int(p) + 8)
    if words & 1:
        e[register] = p[0]


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
