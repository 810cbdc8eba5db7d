"""The I2C master on the LM3S6965 (Stellaris): the methods of MicroPython's machine.I2C that sensors' drivers use.

Follows the LM3S6965 data sheet, chapter "Inter-Integrated Circuit (I2C) Interface"; registers and bits have its names.
What does not end in time, or is not answered, is an OSError with one line.
"""
import micropython
from micropython import const

# ---- registers of the master, as indices of words
_MSA = const(0x00 >> 2)         # address of the other end << 1, 1 to receive
_MCS = const(0x04 >> 2)         # written: a command; read: the state
_MDR = const(0x08 >> 2)
_MTPR = const(0x0C >> 2)
_MCR = const(0x20 >> 2)

_RUN = const(1)                 # MCS, written
_START = const(2)
_STOP = const(4)
_ACK = const(8)
_BUSY = const(1)                # MCS, read; the others count only when this one is 0
_ERROR = const(2)
_ADRACK = const(4)              # nobody acknowledged the address
_ARBLST = const(16)
_BUSBSY = const(64)
_MFE = const(16)                # MCR: the master's function on

_TURNS = const(10000)           # a byte takes 90 us at 100 kbit/s, about 400 turns


@micropython.viper
def _open(base: int, period: int):
    m = ptr32(base << 2)
    m[_MCR] = _MFE
    m[_MTPR] = period


@micropython.viper
def _free(base: int) -> int:
    """Wait until nobody uses the bus: 0 if that does not come."""
    m = ptr32(base << 2)
    turns = _TURNS
    while m[_MCS] & _BUSBSY and turns:
        turns = turns - 1
    return turns


@micropython.viper
def _run(base: int, command: int) -> int:
    """Give a command and wait for its end; returns the state, with BUSY if the end does not come."""
    m = ptr32(base << 2)
    m[_MCS] = command
    turns = _TURNS
    while m[_MCS] & _BUSY and turns:
        turns = turns - 1
    return m[_MCS]


@micropython.viper
def _put(base: int, register: int, value: int):
    ptr32(base << 2)[register] = value


@micropython.viper
def _get(base: int, register: int) -> int:
    return ptr32(base << 2)[register] & 0xFF


class I2C:
    """`base`: address of the registers / 4; `period`: of MTPR, processor clock / (20 * bits per second) - 1.

    Clocks and pins are the board's: its i2c() makes one of these.
    """

    def __init__(self, base, period):
        self.base = base
        _open(base, period)

    def _begin(self, addr, receive):
        if not _free(self.base):
            raise OSError("I2C: the bus stays busy")
        _put(self.base, _MSA, addr << 1 | receive)

    def _step(self, addr, command):
        state = _run(self.base, command)
        if state & _BUSY:
            raise OSError("I2C: the bus is stuck")
        if state & _ERROR:
            if not state & _ARBLST and not command & _STOP:
                _run(self.base, _STOP)
            raise OSError("I2C: 0x%x %s" % (addr, "refuses a byte" if not state & (_ADRACK | _ARBLST) else "does not answer"))

    def writeto(self, addr, buf):
        """Send the bytes of `buf`, at least one, to the device with the 7-bit address `addr`."""
        self._begin(addr, 0)
        for k in range(len(buf)):
            _put(self.base, _MDR, buf[k])
            self._step(addr, _RUN | (0 if k else _START) | (_STOP if k == len(buf) - 1 else 0))

    def readfrom_into(self, addr, buf):
        """Fill `buf`, at least one byte, from the device with the 7-bit address `addr`."""
        self._begin(addr, 1)
        for k in range(len(buf)):
            self._step(addr, _RUN | (0 if k else _START) | (_STOP if k == len(buf) - 1 else _ACK))
            buf[k] = _get(self.base, _MDR)
