"""TI's LM3S6965 evaluation board: Cortex-M3 at 50 MHz, 256 KiB of flash, 64 KiB of RAM, Ethernet on the chip.

Follows the LM3S6965 data sheet, chapters "System Control" and "GPIO".  The port's C starts PLL and UART; here are the
clock of the Ethernet controller, its lamps, its address, and the I2C bus.  Registers lie above 2**30, where viper has no
literals: addresses are kept and handed on divided by 4.
"""
import micropython
import port
from micropython import const

NAME = "lm3s6965evb"
WORD = const(32)
ARCH = "armv7m"
NIC = "stellaris"
TCP_SLOTS = const(8)
RX_BUFFERS = const(1)
TX_HEADERS = const(1)
SLOT_RX = const(1024)           # bytes a TCP slot holds until they are consumed
HYSTART = const(False)          # TCP: RFC 9406, 128 bytes a slot and 0.5 KB of code
SACK_HOLES = const(2)           # TCP: RFC 2018, 12 bytes each in a slot
PAGES = const(1)                # buffers for dynamic answers ...
PAGE_BYTES = const(6144)        # ... and their size
SPIN = const(32)                # looks at the card before sleeping: the way to sleep and back costs more than these

from barewire import config, driver     # noqa: E402, F401  after the constants: the driver reads them
from barewire.boards._cortex_m import entropy, given, idle   # noqa: E402, F401
from barewire.i2c.stellaris import I2C   # noqa: E402

_ETHERNET = const(0x40048000 >> 2)
_INTERRUPT = const(42)

_SYSTEM = const(0x400FE000 >> 2)
_SRCR1 = const(0x044 >> 2)      # resets
_SRCR2 = const(0x048 >> 2)
_RCGC1 = const(0x104 >> 2)      # clocks
_RCGC2 = const(0x108 >> 2)
_USER_REG0 = const(0x1E0 >> 2)  # 3 bytes of the MAC address each
_USER_REG1 = const(0x1E4 >> 2)
_PARTS = const((1 << 30 | 1 << 28 | 1 << 5) >> 2)     # EPHY0, EMAC0, port F; divided by 4, too

_GPIO_F = const(0x40025000 >> 2)
_DATA_0 = const(0x004 >> 2)     # pin 0 alone (GPIODATA, masked by the address)
_DIR = const(0x400 >> 2)
_AFSEL = const(0x420 >> 2)
_DEN = const(0x51C >> 2)
_STATUS_LAMP = const(1)         # PF0
_PHY_LAMPS = const(0x0C)        # PF3: link, PF2: traffic

_I2C = const(0x40020000 >> 2)
_I2C_PERIOD = const(24)         # 50 MHz / (20 * 100 kbit/s) - 1
_I2C0 = const(1 << 12)          # in RCGC1 and SRCR1
_GPIOB = const(1 << 1)          # in RCGC2
_GPIO_B = const(0x40005000 >> 2)
_ODR = const(0x50C >> 2)        # open drain
_I2C_PINS = const(0x0C)         # PB2: SCL, PB3: SDA


@micropython.viper
def _power(system: int, parts: int):
    """Clock and reset the parts; registers and bits are divided by 4."""
    c = ptr32(system << 2)
    parts = parts << 2
    c[_RCGC2] = c[_RCGC2] | parts
    c[_SRCR2] = c[_SRCR2] | parts
    k = 16
    while k:                    # a few clocks
        k = k - 1
    c[_SRCR2] = c[_SRCR2] & ~parts
    k = 16
    while k:
        k = k - 1


@micropython.viper
def _lamps(pins: int):
    """Give the PHY its lamps, and light the status lamp."""
    g = ptr32(pins << 2)
    g[_AFSEL] = g[_AFSEL] | _PHY_LAMPS
    g[_DIR] = g[_DIR] | _STATUS_LAMP
    g[_DEN] = g[_DEN] | _PHY_LAMPS | _STATUS_LAMP
    g[_DATA_0] = _STATUS_LAMP


@micropython.viper
def _bus(system: int, pins: int):
    """Clock and reset the I2C controller, and give it its pins."""
    c = ptr32(system << 2)
    c[_RCGC1] = c[_RCGC1] | _I2C0
    c[_RCGC2] = c[_RCGC2] | _GPIOB
    c[_SRCR1] = c[_SRCR1] | _I2C0
    k = 16
    while k:                    # a few clocks
        k = k - 1
    c[_SRCR1] = c[_SRCR1] & ~_I2C0
    g = ptr32(pins << 2)
    g[_AFSEL] = g[_AFSEL] | _I2C_PINS
    g[_ODR] = g[_ODR] | _I2C_PINS
    g[_DEN] = g[_DEN] | _I2C_PINS


@micropython.viper
def _user_registers(system: int, to: ptr8):
    c = ptr32(system << 2)
    low = c[_USER_REG0]
    high = c[_USER_REG1]
    to[0] = low
    to[1] = low >> 8
    to[2] = low >> 16
    to[3] = high
    to[4] = high >> 8
    to[5] = high >> 16


def _mac():
    """The address that appliance.toml gives, else the one in flash, else one made from the appliance's name."""
    if config.MAC:
        return config.MAC
    address = bytearray(6)
    _user_registers(_SYSTEM, address)
    return given(address)


def nic_where():
    """What the driver wants to know: where the registers are, and the MAC address."""
    _power(_SYSTEM, _PARTS)
    _lamps(_GPIO_F)
    port.irq(_INTERRUPT)
    return _ETHERNET, _mac()


def i2c():
    """The bus I2C0 at 100 kbit/s, fresh from a reset: SCL is PB2, SDA is PB3; both need resistors to 3.3 V."""
    _bus(_SYSTEM, _GPIO_B)
    return I2C(_I2C, _I2C_PERIOD)
