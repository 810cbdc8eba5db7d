"""The modules that MicroPython has and CPython has not, one set per simulated device.

Only what firmware may use (the contract of a port): micropython, uctypes, time, gc, sys, and `port`, the C module of a
board.  What needs a world around the device (the command line of its hypervisor, idle, entropy) is in `Port`, which a
board model replaces or adjusts.
"""
import gc as host_gc
import random
import sys as host_sys
from types import ModuleType

from hostsim.viper import viper

HEAP = 1 << 20              # what gc.mem_free tells: a figure, as CPython has no heap of fixed size


def module(name, **members):
    """A module object with these members."""
    made = ModuleType(name)
    made.__dict__.update(members)
    return made


class Halt(BaseException):
    """The firmware stopped the machine: port.halt(code)."""
    def __init__(self, code):
        super().__init__(code)
        self.code = code


class Port:
    """The `port` module of an image: what a program needs of the machine under it.

    On a Cortex-M irq() has the interrupt's number only, idle() the time only.
    """
    def __init__(self, clock, seed=0):
        self.clock = clock
        self.random = random.Random(seed)
        self.command_line = b""
        self.interrupts = {}        # gsi -> (status address, acknowledge address)
        self.sleep = None           # a board model's: sleep(ms, index address, seen)

    def cmdline(self):
        return self.command_line

    def irq(self, gsi, status=0, ack=0):
        self.interrupts[gsi] = (status, ack)

    def idle(self, ms, index=0, seen=0):
        """Sleep until the card interrupts or `ms` have passed; without a board model, let the time pass."""
        if self.sleep is not None:
            self.sleep(ms, index, seen)
        else:
            self.clock.sleep(ms)

    def nap(self, us):
        """Sleep for a moment of less than a millisecond."""
        self.idle(1, 0, 0)

    def entropy(self):
        return self.random.randbytes(16)

    def halt(self, code):
        raise Halt(code)

    def memory(self):
        return 0x100000, 0x400000


class _HeapLock:
    """micropython.heap_lock: under CPython nothing can be locked; the depth is kept, so that unbalanced use shows."""
    def __init__(self):
        self.depth = 0

    def lock(self):
        self.depth += 1

    def unlock(self):
        if not self.depth:
            raise RuntimeError("heap_unlock without heap_lock")
        self.depth -= 1
        return self.depth


def make(firmware):
    """{name: module} for one device."""
    heap = _HeapLock()
    clock = firmware.clock
    # a 32-bit MicroPython keeps ticks in a small int
    ticks = (1 << 30) - 1 if firmware.word == 32 else (1 << 62) - 1
    half = (ticks + 1) >> 1

    def same(x):
        return x

    def print_exception(error, file=None):
        print("%s: %s" % (type(error).__name__, error), file=file or firmware.console)

    time = module(
        "time", ticks_ms=lambda: clock.us() // 1000 & ticks, ticks_us=lambda: clock.us() & ticks,
        ticks_add=lambda a, b: (a + b) & ticks, ticks_diff=lambda a, b: ((a - b + half) & ticks) - half,
        sleep_ms=clock.sleep, sleep_us=lambda us: clock.sleep(us / 1000), sleep=lambda s: clock.sleep(1000 * s))
    return {
        "micropython": module(
            "micropython", const=same, viper=viper, native=same, heap_lock=heap.lock, heap_unlock=heap.unlock,
            heap_locked=lambda: heap.depth, mem_info=lambda *a: None, opt_level=lambda *a: 0,
            alloc_emergency_exception_buf=lambda size: None, kbd_intr=lambda char: None),
        "uctypes": module("uctypes", addressof=firmware.memory.addressof, bytes_at=firmware.memory.read,
                          bytearray_at=firmware.memory.view),
        "time": time,
        "gc": module("gc", collect=lambda: None, disable=lambda: None, enable=lambda: None,
                     mem_free=lambda: HEAP - 65536, mem_alloc=lambda: 65536, threshold=lambda *a: -1,
                     isenabled=host_gc.isenabled),
        "sys": module("sys", implementation=host_sys.implementation, platform="hostsim", byteorder="little",
                      version=host_sys.version, maxsize=(1 << (firmware.word - 1)) - 1, modules=firmware.modules,
                      stdout=firmware.console, print_exception=print_exception, exit=host_sys.exit, path=[]),
    }
