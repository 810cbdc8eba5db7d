"""SMSC LAN9118: a 10/100 Ethernet controller with FIFOs on a 32-bit bus, without DMA.

Follows the LAN9118 data sheet, revision 1.5; registers and bits have its names, chapter numbers stand where they apply.

A frame comes with a data offset of 2 bytes (RX_CFG), so that it begins at 2 mod 4 in the one receive buffer, is changed
there, and is copied out of it.  A frame that is sent is one or two buffers behind two command words each: the head
with offset 2, the payload from where it lies, with the offset of its address.
"""
from array import array

import micropython
from micropython import const

from barewire.inline import inline
from barewire.nic import fifo, phy
from barewire.nic.block import memory
from barewire.nic.fifo import (BASE, BUFFER, CHECK, ERRORS, HEAD, LENGTH, LOST, NEWS, OVERFLOW, SHARED, STUCK, TROUBLE, flush,
                               frame, reads, release)       # noqa: F401  the last four are a driver's to have
from barewire.nic.phy import link, news             # noqa: F401  so are these
from barewire.nic.pad import pad_words

# ---- registers, as indices of words (5.3)
_RX_DATA = const(0x00 >> 2)         # the data FIFOs answer at 8 addresses each
_TX_DATA = const(0x20 >> 2)
_RX_STATUS = const(0x40 >> 2)
_IRQ_CFG = const(0x54 >> 2)
_INT_STS = const(0x58 >> 2)
_INT_EN = const(0x5C >> 2)
_BYTE_TEST = const(0x64 >> 2)
_FIFO_INT = const(0x68 >> 2)
_RX_CFG = const(0x6C >> 2)
_TX_CFG = const(0x70 >> 2)
_HW_CFG = const(0x74 >> 2)
_RX_FIFO_INF = const(0x7C >> 2)
_TX_FIFO_INF = const(0x80 >> 2)
_PMT_CTRL = const(0x84 >> 2)
_RX_DROP = const(0xA0 >> 2)         # frames that found no room; reading clears it
_MAC_CSR_CMD = const(0xA4 >> 2)
_MAC_CSR_DATA = const(0xA8 >> 2)

_ACTIVE_HIGH = const(0x111)         # IRQ_CFG: enabled, active high, push-pull
_RSFL = const(1 << 3)               # INT_STS: a frame waits
_RXE = const(1 << 14)               # receiver out of step
_PHY_INT = const(1 << 18)
_RXSTOP = const(1 << 24)
_OFFSET = const(2 << 8)             # RX_CFG
_RX_DUMP = const(1 << 15)
_TX_ON = const(2)                   # TX_CFG
_TXSAO = const(4)                   # nobody reads the transmit status: let it overrun
_SRST = const(1)                    # HW_CFG
_SF = const(1 << 20)                # must be set
_TX_5_KB = const(5 << 16)
_READY_BIT = const(1)               # PMT_CTRL
_ES = const(1 << 15)                # receive status: error
_FIRST = const(1 << 13)             # transmit command A
_LAST = const(1 << 12)
_HEAD_OFFSET = const(2 << 16)

# ---- registers of the MAC (5.4), through MAC_CSR_CMD: busy is bit 31, reading bit 30
_MAC_CR = const(1)
_ADDRH = const(2)
_ADDRL = const(3)
_MII_ACC = const(6)
_MII_DATA = const(7)
_FDPX = const(1 << 20)              # MAC_CR
_TXEN = const(8)
_RXEN = const(4)
_PHY = const(1 << 11)               # MII_ACC: the address of the PHY inside
_BUSY = const((1 << 31) >> 2)       # MAC_CSR_CMD, divided by 4
_MII_WRITE = const(2)
_MII_BUSY = const(1)

# ---- registers of the PHY (5.5)
_EVENTS = const(29)
_MASK = const(30)
_CHANGE = const(0x50)               # auto-negotiation complete, link down

_TURNS = const(2000)                # the slowest answer, a PHY register, takes 26 us
_RESET_TURNS = const(100000)
_TX_TURNS = const(20000)            # a frame takes 1.2 ms at 10 Mbit/s
_NEEDED = const(1536 + 16)          # free bytes of the transmit FIFO: the longest frame and its commands

_BUFFER_BYTES = const(2048)
_HEAD_BYTES = const(264)
_SHORTEST = const(14)
_LONGEST = const(1514)
TSO = const(False)              # the card cuts no segments
_PADDED = const(60)
_FCS = const(4)

# ---- words of the block n behind those of fifo.py
_GO = const(SHARED)                 # MAC_CSR_CMD for writing: bit 31, of which viper has no literal
_GO_READ = const(SHARED + 1)        # and for reading: bits 31 and 30
_MODE = const(SHARED + 2)           # MAC_CR
_WORDS = const(SHARED + 3)

NIC_COUNTERS = (
    ("nic_rx_bad", "bad length or CRC", ERRORS),
    ("nic_rx_lost", "found no room", OVERFLOW),
    ("nic_tx_stuck", "not sent: busy", STUCK),
    ("nic_link_lost", "link losses", LOST),
)
NIC_NAMES = tuple((name, index) for name, _, index in NIC_COUNTERS)


# ---- MAC and PHY -----------------------------------------------------------------------------------------------
@inline
def _command(e: ptr32, command: int):
    """Run a command on the registers of the MAC."""
    e[_MAC_CSR_CMD] = command
    turns = _TURNS
    while e[_MAC_CSR_CMD] >> 31 & 1 and turns:
        turns = turns - 1


@micropython.viper
def _mac_put(n: ptr32, register: int, value: int):
    e = ptr32(n[BASE])
    e[_MAC_CSR_DATA] = value
    _command(e, n[_GO] | register)


@inline
def _mii_idle(n: ptr32, e: ptr32) -> int:
    """Wait for the end of a transfer with the PHY; 0 if it does not come in time."""
    turns = _TURNS
    busy = 1
    while busy and turns:
        turns = turns - 1
        _command(e, n[_GO_READ] | _MII_ACC)
        busy = e[_MAC_CSR_DATA] & _MII_BUSY
    return 1 - busy


@micropython.viper
def _mii(n: ptr32, register: int, value: int) -> int:
    """Write the PHY's register, or read it for -1: what is in it, -1 if it did not end in time."""
    command = register << 6
    if value >= 0:
        command = command | _MII_WRITE
    e = ptr32(n[BASE])
    ended = _mii_idle(n, e)
    if ended:
        if command & _MII_WRITE:
            e[_MAC_CSR_DATA] = value
            _command(e, n[_GO] | _MII_DATA)
        e[_MAC_CSR_DATA] = _PHY | command | _MII_BUSY
        _command(e, n[_GO] | _MII_ACC)
        ended = _mii_idle(n, e)
    value = -1
    if ended:
        _command(e, n[_GO_READ] | _MII_DATA)
        value = e[_MAC_CSR_DATA] & 0xFFFF
    return value


def _duplex(n, full):
    n[_MODE] = _TXEN | _RXEN | (_FDPX if full else 0)
    _mac_put(n, _MAC_CR, n[_MODE])


# ---- start-up --------------------------------------------------------------------------------------------------
@micropython.viper
def _there(base: int) -> int:
    """Whether the controller answers; a look at BYTE_TEST also wakes it (3.10.2.3)."""
    e = ptr32(base << 2)
    value = e[_BYTE_TEST]
    turns = _RESET_TURNS
    while e[_PMT_CTRL] & _READY_BIT == 0 and turns:
        turns = turns - 1
    value = e[_BYTE_TEST]
    return 1 if turns and value & 0xFFFF == 0x4321 and value >> 16 & 0xFFFF == 0x8765 else 0


@micropython.viper
def _start(n: ptr32, base: int, busy: int) -> int:
    """Reset and set up everything but the MAC (3.12); `base` and `busy` are divided by 4. 0 if the reset does not end."""
    n[BASE] = base << 2
    n[_GO] = busy << 2
    n[_GO_READ] = busy << 2 | busy << 1
    e = ptr32(n[BASE])
    e[_HW_CFG] = _SRST
    turns = _RESET_TURNS
    while e[_HW_CFG] & _SRST and turns:
        turns = turns - 1
    if turns:
        e[_HW_CFG] = _SF | _TX_5_KB
        e[_INT_EN] = 0
        e[_INT_STS] = -1
        e[_FIFO_INT] = 0                    # interrupt on the first frame
        e[_RX_CFG] = _OFFSET
        e[_TX_CFG] = _TX_ON | _TXSAO
        e[_IRQ_CFG] = _ACTIVE_HIGH
        e[_INT_EN] = _RSFL | _RXE | _PHY_INT
    return turns


@micropython.viper
def _set_address(n: ptr32, mac: ptr8):
    e = ptr32(n[BASE])
    e[_MAC_CSR_DATA] = mac[0] | mac[1] << 8 | mac[2] << 16 | mac[3] << 24
    _command(e, n[_GO] | _ADDRL)
    e[_MAC_CSR_DATA] = mac[4] | mac[5] << 8
    _command(e, n[_GO] | _ADDRH)


@micropython.viper
def _get_address(n: ptr32, mac: ptr8):
    e = ptr32(n[BASE])
    _command(e, n[_GO_READ] | _ADDRL)
    half = e[_MAC_CSR_DATA]
    mac[0] = half
    mac[1] = half >> 8
    mac[2] = half >> 16
    mac[3] = half >> 24
    _command(e, n[_GO_READ] | _ADDRH)
    half = e[_MAC_CSR_DATA]
    mac[4] = half
    mac[5] = half >> 8


def open(where):
    """Start the controller; returns the block n.

    `where` is (address of its registers / 4, MAC address or nothing, the function that says what to take instead of what
    its EEPROM has given it).
    OSError with one line: no such controller there.
    """
    base, address, given = where
    if not _there(base):
        raise OSError("no network card: no LAN9118 at 0x%x00" % (base >> 6))
    n = array("I", bytearray(4 * _WORDS))
    n[BUFFER] = memory(_BUFFER_BYTES)
    n[HEAD] = memory(_HEAD_BYTES) + 2
    if not _start(n, base, _BUSY):
        raise OSError("LAN9118 at 0x%x00: does not finish its reset" % (base >> 6))
    _set_address(n, address or given(mac(n)))
    n[_MODE] = _TXEN | _RXEN | _FDPX
    _mac_put(n, _MAC_CR, n[_MODE])
    phy.attach(_mii, _duplex, _MASK, _CHANGE, _EVENTS, NIC_NAMES)
    phy.look(n)
    n[NEWS] = 0
    return n


def mac(n):
    """The address in ADDRH and ADDRL, 6 bytes."""
    address = bytearray(6)
    _get_address(n, address)
    return bytes(address)


# ---- receive (3.13) --------------------------------------------------------------------------------------------
@inline
def rx(n: ptr32) -> int:
    """Length of the frame in place, 0 for none; the same frame until release() or reply()."""
    length = n[LENGTH]
    if length == 0:
        e = ptr32(n[BASE])
        if e[_RX_FIFO_INF] >> 16 & 0xFF:
            status = e[_RX_STATUS]
            length = (status >> 16 & 0x3FFF) - _FCS
            words = (length + _FCS + 2 + 3) >> 2
            if status & _ES or length < _SHORTEST or length > _LONGEST:
                fifo.trouble(n, ERRORS)
                while words > 0:
                    status = e[_RX_DATA]
                    words = words - 1
                length = 0
            else:
                fifo.get(e, _RX_DATA, n[BUFFER], words)
                n[LENGTH] = length
    return length


# ---- transmit (3.12.2) -----------------------------------------------------------------------------------------
@inline
def _whole(e: ptr32, at: int, length: int):
    """Send one buffer; `at` is 2 mod 4."""
    if length < _PADDED:
        pad_words(at + length, at + _PADDED + 2)
        e[_TX_DATA] = _HEAD_OFFSET | _FIRST | _LAST | _PADDED
        e[_TX_DATA] = _PADDED
        fifo.put_16(e, _TX_DATA, ptr32(at - 2))
    else:
        e[_TX_DATA] = _HEAD_OFFSET | _FIRST | _LAST | length
        e[_TX_DATA] = length
        fifo.put(e, _TX_DATA, at - 2, (length + 5) >> 2)


@inline
def reply(n: ptr32, length: int):
    """Send the received buffer itself, as changed in place, when there is room for it."""
    e = ptr32(n[BASE])
    n[LENGTH] = 0
    room = e[_TX_FIFO_INF] & 0xFFFF
    if room < _NEEDED:
        turns = _TX_TURNS
        while room < _NEEDED and turns:
            room = e[_TX_FIFO_INF] & 0xFFFF
            turns = turns - 1
    if room < _NEEDED:
        fifo.trouble(n, STUCK)
    else:
        _whole(e, n[BUFFER] + 2, length)


@inline
def room(n: ptr32) -> int:
    """Address (2 mod 4) of the head buffer of 256 bytes; 0 while the transmit FIFO is too full."""
    return n[HEAD] if ptr32(n[BASE])[_TX_FIFO_INF] & 0xFFFF >= _NEEDED else 0


@inline
def full(n: ptr32) -> int:
    """Whether room() would give 0."""
    return ptr32(n[BASE])[_TX_FIFO_INF] & 0xFFFF < _NEEDED


@inline
def _move(to: int, at: int, size: int):
    while size:
        ptr8(to)[0] = ptr8(at)[0]
        to = to + 1
        at = at + 1
        size = size - 1


@inline
def send(n: ptr32, length: int, payload: int, size: int):
    """Send `length` bytes of the buffer that room() gave, then `size` bytes at `payload`."""
    e = ptr32(n[BASE])
    head = n[HEAD]
    if size and length + size >= _PADDED:
        e[_TX_DATA] = _HEAD_OFFSET | _FIRST | length
        e[_TX_DATA] = length + size
        fifo.put(e, _TX_DATA, head - 2, (length + 5) >> 2)
        before = payload & 3
        e[_TX_DATA] = before << 16 | _LAST | size
        e[_TX_DATA] = length + size
        at = payload - before
        fifo.put(e, _TX_DATA, at, (before + size) >> 2)
        left = (before + size) & 3
        if left:
            fifo.put_last(e, _TX_DATA, payload + size, left)
    else:
        if size:                            # too short for a frame: the payload moves in, so that padding can follow
            _move(head + length, payload, size)
        _whole(e, head, length + size)


@inline
def linger(n: ptr32, looks: int) -> int:
    """Look for a frame so often: how many looks are left when one is there, 0 if none came."""
    e = ptr32(n[BASE])
    while looks and e[_RX_FIFO_INF] >> 16 & 0xFF == 0:
        looks = looks - 1
    return looks


# ---- sleep -----------------------------------------------------------------------------------------------------
@inline
def _restart(n: ptr32, e: ptr32):
    """Stop the receiver, empty its FIFOs, and start it again (3.13.4)."""
    e[_MAC_CSR_DATA] = n[_MODE] & ~_RXEN
    _command(e, n[_GO] | _MAC_CR)
    turns = _TURNS
    while e[_INT_STS] & _RXSTOP == 0 and turns:
        turns = turns - 1
    e[_RX_CFG] = _OFFSET | _RX_DUMP
    turns = _TURNS
    while e[_RX_CFG] & _RX_DUMP and turns:
        turns = turns - 1
    e[_INT_STS] = _RXSTOP | _RXE
    e[_MAC_CSR_DATA] = n[_MODE]
    _command(e, n[_GO] | _MAC_CR)


@micropython.viper
def arm(n: ptr32) -> int:
    """Let the next frame interrupt; 0 if there is something to do already."""
    e = ptr32(n[BASE])
    pending = e[_INT_STS]
    e[_INT_STS] = pending
    dropped = e[_RX_DROP]
    if dropped:
        n[OVERFLOW] = n[OVERFLOW] + dropped
        n[NEWS] = n[NEWS] | TROUBLE
    idle = 1
    if pending & _RXE:
        fifo.trouble(n, ERRORS)
        _restart(n, e)
    if pending & _PHY_INT:
        n[CHECK] = 1
        idle = 0
    if e[_RX_FIFO_INF] >> 16 & 0xFF:
        idle = 0
    return idle
