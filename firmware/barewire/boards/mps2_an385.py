"""Arm's MPS2 board with the FPGA image AN385: Cortex-M3 at 25 MHz, 4 MiB of code memory, a LAN9118 on the bus.

Follows Arm's application note AN385, "Memory map" and "Interrupts".
"""
import port
from micropython import const

NAME = "mps2_an385"
WORD = const(32)
ARCH = "armv7m"
NIC = "lan9118"
TCP_SLOTS = const(32)
RX_BUFFERS = const(1)
TX_HEADERS = const(1)
SLOT_RX = const(2048)           # bytes a TCP slot holds until they are consumed
HYSTART = const(True)           # TCP: RFC 9406, 128 bytes a slot and 0.5 KB of code
SACK_HOLES = const(8)           # TCP: RFC 2018, 12 bytes each in a slot
PAGES = const(16)               # buffers for dynamic answers ...
PAGE_BYTES = const(16384)       # ... and their size
SPIN = const(32)                # looks at the card before sleeping: the way to sleep and back costs more than these

from barewire import config, driver     # noqa: E402, F401  after the constants: the driver reads them
from barewire.boards._cortex_m import entropy, given, idle   # noqa: E402, F401

_ETHERNET = const(0x40200000 >> 2)      # divided by 4: it fits MicroPython's small numbers
_INTERRUPT = const(13)


def nic_where():
    """What the driver wants to know: where the registers are, the MAC address, and what to do where there is none."""
    port.irq(_INTERRUPT)
    return _ETHERNET, config.MAC, given
