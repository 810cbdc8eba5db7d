"""A virtio network card behind memory-mapped registers, legacy (version 1) and modern (version 2): found, agreed with, started.

Follows Virtual I/O Device (VIRTIO) Version 1.2, section 4.2; section numbers stand where they apply. What goes through its
queues then is virtio_net.py's.
"""
import micropython
from micropython import const

from barewire.nic.block import memory

# ---- registers (4.2.2; legacy ones: 4.2.4)
_MAGIC = const(0x000)
_VERSION = const(0x004)
_DEVICE_ID = const(0x008)
_DEVICE_FEATURES = const(0x010)
_DEVICE_FEATURES_SEL = const(0x014)
_DRIVER_FEATURES = const(0x020)
_DRIVER_FEATURES_SEL = const(0x024)
_GUEST_PAGE_SIZE = const(0x028)     # legacy
_QUEUE_SEL = const(0x030)
_QUEUE_NUM_MAX = const(0x034)
_QUEUE_NUM = const(0x038)
_QUEUE_ALIGN = const(0x03C)         # legacy
_QUEUE_PFN = const(0x040)           # legacy
_QUEUE_READY = const(0x044)
_QUEUE_NOTIFY = const(0x050)
INTERRUPT_STATUS = const(0x060)
INTERRUPT_ACK = const(0x064)
_STATUS = const(0x070)
_QUEUE_DESC = const(0x080)          # low word; the high word follows
_QUEUE_DRIVER = const(0x090)
_QUEUE_DEVICE = const(0x0A0)
_CONFIG = const(0x100)

_MAGIC_VALUE = const(0x74726976)    # "virt"
_NETWORK_CARD = const(1)            # 5
_LEGACY = const(1)
_MODERN = const(2)
_PAGE = const(4096)

# ---- device status (2.1)
_ACKNOWLEDGE = const(1)
_DRIVER = const(2)
_DRIVER_OK = const(4)
_FEATURES_OK = const(8)
_FAILED = const(128)

# ---- features of any device (6)
F_ANY_LAYOUT = const(1 << 27)      # legacy: header and frame may share a descriptor (2.7.4.2)
_F_VERSION_1 = const(1 << 0)        # bit 32


@micropython.viper
def _get(base: int, register: int) -> int:
    return ptr32(base)[register >> 2]


@micropython.viper
def _put(base: int, register: int, value: int):
    ptr32(base)[register >> 2] = value


@micropython.viper
def _get_byte(base: int, register: int) -> int:
    return ptr8(base)[register]


def config_byte(base, at):
    """A byte of the device's configuration (4.2.2.2)."""
    return _get_byte(base, _CONFIG + at)


def fail(base, what):
    _put(base, _STATUS, _FAILED)
    raise OSError("virtio-net at 0x%x: %s" % (base, what))


def find(where):
    """The first network card among `where`, a list of (address, interrupt): (address, interrupt, legacy)."""
    for base, interrupt in where:
        if _get(base, _MAGIC) == _MAGIC_VALUE and _get(base, _DEVICE_ID) == _NETWORK_CARD:
            version = _get(base, _VERSION)
            if version != _LEGACY and version != _MODERN:
                fail(base, "register set of version %d; 1 and 2 are known" % version)
            return base, interrupt, version == _LEGACY
    raise OSError("no network card: no virtio-net device at %s" % ", ".join(["0x%x" % base for base, _ in where]))


def offered(base):
    """Reset the card; the features of the first word that it has (3.1.1, steps 1 to 4)."""
    _put(base, _STATUS, 0)
    turns = 1000
    while _get(base, _STATUS) and turns:
        turns -= 1
    if not turns:
        fail(base, "does not finish its reset")
    _put(base, _STATUS, _ACKNOWLEDGE)
    _put(base, _STATUS, _ACKNOWLEDGE | _DRIVER)
    _put(base, _DEVICE_FEATURES_SEL, 0)
    return _get(base, _DEVICE_FEATURES)


def accept(base, legacy, features):
    """Tell the card which of them are wanted (3.1.1, steps 4 to 6)."""
    _put(base, _DRIVER_FEATURES_SEL, 0)
    _put(base, _DRIVER_FEATURES, features)
    if legacy:
        return
    _put(base, _DEVICE_FEATURES_SEL, 1)
    if not _get(base, _DEVICE_FEATURES) & _F_VERSION_1:
        fail(base, "a modern register set without VIRTIO_F_VERSION_1")
    _put(base, _DRIVER_FEATURES_SEL, 1)
    _put(base, _DRIVER_FEATURES, _F_VERSION_1)
    _put(base, _STATUS, _ACKNOWLEDGE | _DRIVER | _FEATURES_OK)
    if not _get(base, _STATUS) & _FEATURES_OK:
        fail(base, "refuses the features that it has offered")


def ring(size):
    """Memory of a queue in the one layout that serves legacy and modern cards (2.7.2): desc, avail, used."""
    avail = 16 * size
    used = (avail + 6 + 2 * size + _PAGE - 1) & -_PAGE
    desc = memory(used + 6 + 8 * size, _PAGE)
    return desc, desc + avail, desc + used


def _set_queue(base, legacy, queue, size, ring):
    """4.2.3.2, legacy 4.2.4."""
    _put(base, _QUEUE_SEL, queue)
    room = _get(base, _QUEUE_NUM_MAX)
    if room < size:
        fail(base, "queue %d holds %d buffers, %d are needed" % (queue, room, size))
    _put(base, _QUEUE_NUM, size)
    if legacy:
        _put(base, _QUEUE_ALIGN, _PAGE)
        _put(base, _QUEUE_PFN, ring[0] // _PAGE)
        return
    for register, address in zip((_QUEUE_DESC, _QUEUE_DRIVER, _QUEUE_DEVICE), ring):
        _put(base, register, address)
        _put(base, register + 4, 0)
    _put(base, _QUEUE_READY, 1)


def start(base, legacy, queues):
    """Give the card its queues, each (size, ring), and let it begin (3.1.1, steps 7 and 8)."""
    if legacy:
        _put(base, _GUEST_PAGE_SIZE, _PAGE)
    for queue, (size, ring) in enumerate(queues):
        _set_queue(base, legacy, queue, size, ring)
    _put(base, _STATUS, _ACKNOWLEDGE | _DRIVER | _DRIVER_OK | (0 if legacy else _FEATURES_OK))


def notify(base, queue):
    _put(base, _QUEUE_NOTIFY, queue)
