"""Stands in for main.py on the MicroPython unix port: recorded frames go in at their times, what comes out is written down.

    micropython -c "import main" < records > answers

A record is a time in ms (32 bits) and the frames that arrive then: their number, and each with its length (16 bits). The
number 65535 is a mark: the free heap is noted there. The answers have the same form: what poll() returned (32 bits) and the
frames that were sent; for a mark the free heap and 65535. Behind them the words of the state block and the bytes of the
slots. All numbers are little-endian.

Everything is read before and written after, so that what happens between two marks allocates nothing by itself.
"""
import gc
import struct
import sys

import micropython

ENTROPY = bytes(range(16))
HEAP_FREE = 983040      # what /metrics tells everywhere: the free heap is the one figure that targets cannot agree on
MARK = 65535


class Heap:
    @staticmethod
    def mem_free():
        return HEAP_FREE


sys.modules["gc"] = Heap        # routes.py imports it below

from barewire import board, config, driver     # noqa: E402
from barewire.stack import Stack        # noqa: E402

if config.HTTP:
    from app import routes              # noqa: F401, E402  registers what is answered by functions
if config.SENSOR and not config.READING_INLINE:
    from app import readings            # noqa: E402


def records():
    """The records of standard input: times, and lists of frames (None for a mark)."""
    read = sys.stdin.buffer.read
    times, frames = [], []
    while True:
        head = read(6)
        if not head:
            return times, frames
        now, count = struct.unpack("<IH", head)
        times.append(now)
        frames.append(None if count == MARK else [read(struct.unpack("<H", read(2))[0]) for _ in range(count)])


@micropython.viper
def note(to: ptr8, at: int, value: int, size: int):
    while size:
        to[at] = value & 255
        value = value >> 8
        at = at + 1
        size = size - 1


def replay(stack, n, times, frames, out, base):
    """Feed all records; returns how many bytes of `out`, which lies at address `base`, were filled. Allocates nothing."""
    at = 0
    for k in range(len(times)):
        if frames[k] is None:
            note(out, at, gc.mem_free(), 4)
            note(out, at + 4, MARK, 2)
            at += 6
            continue
        for j in range(len(frames[k])):
            driver._put(n, frames[k][j], len(frames[k][j]))
        note(out, at, stack.poll(times[k]), 4)
        head = at + 4
        at = head + 2
        count = 0
        while True:
            size = driver._length(n)
            if not size:
                break
            if size < 60:
                size = 60
            note(out, at, size, 2)
            driver._take(n, base + at + 2)
            at += 2 + size
            count += 1
        note(out, head, count, 2)
    return at


def locked():
    try:
        bytearray(100)
    except MemoryError:
        return True
    return False


def main():
    micropython.heap_lock()
    if not locked():
        sys.exit("replay: the heap cannot be locked here")
    micropython.heap_unlock()
    times, frames = records()
    out = bytearray(4 << 20)
    base = driver.uctypes.addressof(out)
    n = driver.open(None)
    source = None
    if config.SENSOR and not config.READING_INLINE:
        source = getattr(readings, config.SENSOR_SOURCE)
    board.fixed_entropy = ENTROPY
    stack = Stack(n, ENTROPY, source)
    gc.collect()
    gc.disable()
    at = replay(stack, n, times, frames, out, base)
    while locked():                 # an application may have left it so (second/app/routes.py)
        micropython.heap_unlock()
    sys.stdout.buffer.write(memoryview(out)[:at])
    sys.stdout.buffer.write(stack.s)
    sys.stdout.buffer.write(stack._slots)


main()
