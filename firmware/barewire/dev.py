"""What a development image has beside the appliance: files in memory, and a prompt that the appliance is served at.

The prompt is MicroPython's, on the console; mpremote speaks to it. See image/port/common/prompt.c.
"""
import time

import port
from barewire import board

_BLOCK = 512


class Disk:
    """Memory as a block device, in the form that VfsLfs2 wants (MicroPython documentation, class vfs.AbstractBlockDev)."""

    def __init__(self, memory):
        self.memory = memoryview(memory)

    def readblocks(self, block, data, offset=0):
        at = block * _BLOCK + offset
        data[:] = self.memory[at:at + len(data)]

    def writeblocks(self, block, data, offset=0):
        at = block * _BLOCK + offset
        self.memory[at:at + len(data)] = data

    def ioctl(self, operation, value):
        if operation == 4:                          # how many blocks
            return len(self.memory) // _BLOCK
        if operation == 5:                          # bytes of one
            return _BLOCK
        return 0                                    # to be opened, closed, written to the end, erased


def mount():
    """The files of before a soft reset, or none."""
    import vfs                                      # CPython, which reads the constants of all modules, has none
    disk = Disk(port.disk())
    try:
        vfs.mount(vfs.VfsLfs2(disk), "/")
    except OSError:
        vfs.VfsLfs2.mkfs(disk)
        vfs.mount(vfs.VfsLfs2(disk), "/")


def serve(n, stack):
    """Let the appliance have its turns while the prompt has the machine."""
    def turn(ms):
        wait = stack.poll(time.ticks_ms())
        if wait and ms:
            board.idle(n, min(wait, ms))

    mount()
    port.serve(turn)
