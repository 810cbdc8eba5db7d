"""QEMU's microvm (also q35, Firecracker): x86-64 with virtio-net over virtio-mmio.

The hypervisor tells where its devices are on the kernel command line, in the form that Linux reads:
virtio_mmio.device=<size>@<address>:<interrupt> (Linux, Documentation/admin-guide/kernel-parameters.txt).
Without it the eight slots of QEMU's microvm are looked at.
"""
import port
from micropython import const

NAME = "microvm"
WORD = const(64)
ARCH = "x86_64"
NIC = "virtio_net"
TCP_SLOTS = const(64)
RX_BUFFERS = const(128)
TX_HEADERS = const(64)
SLOT_RX = const(2048)           # bytes a TCP slot holds until they are consumed
HYSTART = const(True)           # TCP: RFC 9406, 128 bytes a slot and 0.5 KB of code
SACK_HOLES = const(8)           # TCP: RFC 2018, 12 bytes each in a slot
PAGES = const(32)               # buffers for dynamic answers ...
PAGE_BYTES = const(16384)       # ... and their size
FULL_LOOKS = const(20000)       # looks for one of the queued transmit buffers to be sent, some 0.1 ms: then the card waits ...
NAP_US = const(100)             # ... for the processor: QEMU wants it
SPIN = const(200)               # looks at the card before sleeping: an interrupt costs more than these

from barewire import driver     # noqa: E402  after the constants: the driver reads them

_SLOTS = 0xFEB00000             # QEMU hw/i386/microvm.c: 8 slots of 512 bytes, interrupts 5..12 of the IOAPIC
_SLOT_COUNT = 8
_KEY = b"virtio_mmio.device="


def _parse(word):
    """b"512@0xfeb00e00:12" -> (address, interrupt)."""
    try:
        _, at, rest = word.partition(b"@")
        parts = rest.split(b":")
        address = int(parts[0], 0)
        interrupt = int(parts[1])
    except (ValueError, IndexError):
        address = 0
    if address <= 0 or address & 3 or address >= 1 << 32:
        raise OSError("command line: virtio_mmio.device=%s: wanted size@address:interrupt" % str(word)[2:-1])
    return address, interrupt


def nic_where():
    """All places where a virtio device may be: [(address, interrupt)]; the driver takes the first network card."""
    told = []
    for word in port.cmdline().split():
        if word.startswith(_KEY):
            told.append(_parse(word[len(_KEY):]))
    return told or [(_SLOTS + 512 * i, 5 + i) for i in range(_SLOT_COUNT)]


def idle(n, ms):
    """Sleep until the card has something or `ms` have passed, whatever comes first."""
    if driver.full(n):
        if not driver.sent(n, FULL_LOOKS):
            port.nap(NAP_US)
    elif driver.arm(n):
        port.idle(ms, driver.used_index(n), driver.seen(n))     # flush() disarms: first comes what woke us


def entropy():
    """16 bytes that an attacker cannot guess."""
    return port.entropy()
