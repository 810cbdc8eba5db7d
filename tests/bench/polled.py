"""Stands in for main.py on the MicroPython unix port: recorded frames go in, and marks for step.c stand around each poll().

    step COUNTS micropython -c "import main" < records > answers

A record is a time in ms (32 bits), how many of the frames that wait to be sent are taken before (16 bits; 65535: all), and
the frames that arrive then: their number (16 bits), and each with its length (16 bits). The answer holds first where each
function lies, a line of text each, and an empty line; then for each record the frames that were taken, in the same form:
number, lengths and frames. All numbers are little-endian.
"""
import gc
import struct
import sys

import micropython
import uctypes
from barewire import board, driver
from barewire.stack import Stack
from app import routes              # noqa: F401  registers what is answered by functions

ALL = 65535
CODE = 3        # the word of a function's object (py/objfun.h, mp_obj_fun_bc_t) that points to its code


def places():
    """A line for each function of the firmware: its module, its name, where its code lies."""
    for module in sorted(sys.modules):
        if module.startswith("barewire."):
            for name, thing in sorted(sys.modules[module].__dict__.items()):
                if type(thing).__name__ == "function":      # there is a type for everyday ones and one for viper
                    at = struct.unpack("<4Q", uctypes.bytes_at(id(thing), 32))[CODE]
                    print("%s %s %x" % (module, name, at))
    print()


def take(n, most):
    """Up to `most` frames that the appliance sent."""
    frames = []
    while len(frames) < most and (frame := driver.take(n)) is not None:
        frames.append(frame)
    sys.stdout.buffer.write(struct.pack("<H", len(frames)))
    for frame in frames:
        sys.stdout.buffer.write(struct.pack("<H", len(frame)) + frame)


def main():
    read, mark = sys.stdin.buffer.read, sys.stderr.buffer.write
    n = driver.open(None)
    board.fixed_entropy = entropy = bytes(range(16))
    stack = Stack(n, entropy)
    gc.collect()
    gc.disable()
    places()
    while head := read(8):
        now, most, count = struct.unpack("<IHH", head)
        take(n, most)
        for _ in range(count):
            driver.put(n, read(struct.unpack("<H", read(2))[0]))
        mark(b"+")
        stack.poll(now)
        mark(b"-")
    take(n, ALL)


main()
