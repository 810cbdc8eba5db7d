"""No board: the MicroPython unix port, with a network card made of memory (nic/memory.py).

For tests that want the same frames to give the same answers everywhere, and for counting instructions.
"""
import os
import time

from micropython import const

NAME = "unix"
WORD = const(64)
ARCH = "x86_64"
NIC = "memory"
TCP_SLOTS = const(64)
RX_BUFFERS = const(128)
TX_HEADERS = const(64)
SLOT_RX = const(2048)           # bytes a TCP slot holds until they are consumed
HYSTART = const(True)           # TCP: RFC 9406, 128 bytes a slot and 0.5 KB of code
SACK_HOLES = const(8)           # TCP: RFC 2018, 12 bytes each in a slot
PAGES = const(32)               # buffers for dynamic answers ...
PAGE_BYTES = const(16384)       # ... and their size
SPIN = const(0)                 # looks before sleeping: whoever fills the rings waits for us

from barewire import driver     # noqa: E402  after the constants: the driver reads them

fixed_entropy = b""             # a test that compares targets sets 16 bytes here: cookies and ports then agree


def nic_where():
    return None


def idle(n, ms):
    """Nothing interrupts here: sleep, unless a frame waits."""
    if driver.arm(n):
        time.sleep_ms(ms)


def entropy():
    """16 bytes that an attacker cannot guess, or those that a test has fixed."""
    return fixed_entropy or os.urandom(16)
