"""The address space of one simulated device.

Every buffer whose address is asked for gets one below 2**30 (so that it is a small int on every target), aligned to
4096 and with an unused page on both sides, so that an overrun hits nothing instead of its neighbour.  Fixed regions
(RAM of a board, registers of a device) are mapped where the board has them.

Pages of 4 KiB are looked up in one dictionary.  A buffer stays mapped as long as someone besides this address space
refers to it: exactly what MicroPython's collector would do to it.
"""
import ctypes
import sys
from array import array

PAGE = 12
FIRST = 0x10000000          # buffers from here ...
LAST = 0x3FF00000           # ... to here; devices and RAM of the boards lie elsewhere or are mapped first
SWEEP = 2048                # so many buffers before the first look for forgotten ones


class Fault(Exception):
    """An access that a real device would have got wrong: outside of memory, misaligned, or a store into flash."""


class Region:
    """`size` bytes of memory; views for 8, 16 and 32-bit access; `base` is None until someone asks for the address."""
    __slots__ = ("memory", "base", "size", "obj", "name", "v8", "v16", "v32", "w32", "mmio")

    def __init__(self, memory, obj, name, base=None):
        view = memoryview(obj).cast("B")
        size = len(view)
        self.memory = memory
        self.base = base
        self.size = size
        self.obj = obj
        self.name = name
        self.v8 = view
        self.v16 = view[:size & ~1].cast("H")
        self.w32 = view[:size & ~3].cast("I")
        self.v32 = view[:size & ~3].cast("i") if memory.word == 32 else self.w32
        self.mmio = False

    def address(self):
        """The region's address; the first question places it."""
        if self.base is None:
            self.memory._place(self)
        return self.base


class Registers:
    """`size` bytes of device registers: `read(offset, width) -> int` and `write(offset, width, value)` do the work."""
    __slots__ = ("base", "size", "name", "read", "write", "mmio")

    def __init__(self, base, size, read, write, name):
        self.base, self.size, self.read, self.write, self.name = base, size, read, write, name
        self.mmio = True

    def address(self):
        return self.base


class _Buffer(ctypes.Structure):
    """Py_buffer, of which only the address is wanted: memoryview does not tell where in its object it begins."""
    _fields_ = [("buf", ctypes.c_void_p), ("obj", ctypes.py_object), ("len", ctypes.c_ssize_t),
                ("itemsize", ctypes.c_ssize_t), ("rest", ctypes.c_void_p * 8)]


def _where(obj):
    buffer = _Buffer()
    ctypes.pythonapi.PyObject_GetBuffer(ctypes.py_object(obj), ctypes.byref(buffer), 0)
    try:
        return buffer.buf
    finally:
        ctypes.pythonapi.PyBuffer_Release(ctypes.byref(buffer))


class Memory:
    """All regions of one device.  `word` is 32 or 64: how a 32-bit load with the top bit set looks."""

    def __init__(self, word=64):
        self.word = word
        self.pages = {}             # address >> PAGE -> region
        self.regions = {}           # id(object) -> region that has been placed
        self.forgotten = []         # called when regions vanish: pointers by address must not outlive them
        self.next = FIRST
        self.limit = SWEEP
        probe = Region(self, bytearray(4), "probe")
        self._own_references = sys.getrefcount(probe.obj)

    # ---- buffers -------------------------------------------------------------------------------------------------
    def region(self, obj):
        """(region, offset) of a buffer object; only array objects are entered at once, as they are long-lived."""
        region = self.regions.get(id(obj))
        if region is not None:
            return region, 0
        if isinstance(obj, memoryview):
            if not obj.contiguous:
                raise TypeError("a pointer to a memoryview with gaps")
            region, _ = self.region(obj.obj)
            return region, _where(obj) - _where(obj.obj)
        region = Region(self, obj, type(obj).__name__)
        if isinstance(obj, array):
            self._place(region)
        return region, 0

    def addressof(self, obj):
        """uctypes.addressof: the address of a buffer's first byte."""
        region, offset = self.region(obj)
        return region.address() + offset

    def _place(self, region):
        known = self.regions.get(id(region.obj))
        if known is not None:               # two pointers were made from one buffer before either was placed
            region.base = known.base
            return
        if len(self.regions) >= self.limit:
            self.sweep()
        pages = (region.size >> PAGE) + 1   # the byte behind the last one still finds the region
        base = self.next + (1 << PAGE)
        if base + (pages << PAGE) > LAST:
            raise MemoryError("the simulated address space is used up")
        self.next = base + (pages << PAGE)
        region.base = base
        self.regions[id(region.obj)] = region
        first = base >> PAGE
        for page in range(first - 1, first + pages):
            self.pages[page] = region

    def sweep(self):
        """Unmap the buffers that nobody else refers to any more."""
        for key, region in list(self.regions.items()):
            if sys.getrefcount(region.obj) <= self._own_references and region.name != "ram":
                del self.regions[key]
                first = region.base >> PAGE
                for page in range(first - 1, first + (region.size >> PAGE) + 1):
                    del self.pages[page]
        self.limit = max(SWEEP, 2 * len(self.regions))
        for callback in self.forgotten:
            callback()

    # ---- fixed regions -------------------------------------------------------------------------------------------
    def ram(self, base, size):
        """Map `size` bytes of zeroed memory at `base`; returns the bytearray behind it."""
        store = bytearray(size)
        region = Region(self, store, "ram", base)
        self.regions[id(store)] = region
        self._map(region)
        return store

    def mmio(self, base, size, read, write, name="device"):
        """Map registers: `read(offset, width) -> int`, `write(offset, width, value)`, width in bytes."""
        self._map(Registers(base, size, read, write, name))

    def _map(self, region):
        for page in range(region.base >> PAGE, ((region.base + region.size - 1) >> PAGE) + 1):
            old = self.pages.get(page)
            if old is not None and not (old.mmio and region.mmio):
                raise ValueError("0x%x: %s and %s overlap" % (page << PAGE, old.name, region.name))
            self.pages[page] = region if old is None else _Shared.join(old, region)
        for callback in self.forgotten:
            callback()

    def find(self, address):
        """The region at an address (or the one that ends or begins there), None if nothing is mapped."""
        region = self.pages.get(address >> PAGE)
        return region.at(address) if region.__class__ is _Shared else region

    # ---- for device models (DMA) and tests -----------------------------------------------------------------------
    def view(self, address, size):
        """A memoryview of `size` bytes at `address`; Fault if they are not all inside one region."""
        region = self.find(address)
        if region is None or region.mmio:
            raise Fault("a device reads or writes at 0x%x, where no memory is" % address)
        offset = address - region.base
        if offset < 0 or offset + size > region.size:
            raise Fault("a device reads or writes %d bytes at 0x%x, beyond %s at 0x%x of %d bytes"
                        % (size, address, region.name, region.base, region.size))
        return region.v8[offset:offset + size]

    def read(self, address, size):
        return bytes(self.view(address, size))

    def write(self, address, data):
        self.view(address, len(data))[:] = data


class _Shared:
    """A page that several small register blocks share, such as the eight virtio slots of a microvm."""
    __slots__ = ("parts", "mmio", "name")

    def __init__(self, parts):
        self.parts, self.mmio, self.name = parts, True, "registers"

    @staticmethod
    def join(old, new):
        parts = old.parts if isinstance(old, _Shared) else [old]
        for part in parts:
            if part.base < new.base + new.size and new.base < part.base + part.size:
                raise ValueError("0x%x: %s and %s overlap" % (new.base, part.name, new.name))
        return _Shared(parts + [new])

    def at(self, address):
        for part in self.parts:
            if part.base <= address < part.base + part.size:
                return part
        return None
