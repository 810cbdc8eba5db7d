"""The appliance: board -> card -> stack, and round and round."""
import gc
import sys
import time

from barewire import board, config, driver
from barewire.stack import Stack

if config.HTTP:
    from app import routes      # noqa: F401  registers what is answered by functions
if config.SENSOR and not config.READING_INLINE:
    from app import readings
if config.DEV:
    from barewire import dev


def address(n):
    return ".".join([str(n >> shift & 255) for shift in (24, 16, 8, 0)])


def main():
    try:
        n = driver.open(board.nic_where())
        source = None
        if config.SENSOR and not config.READING_INLINE:
            source = getattr(readings, config.SENSOR_SOURCE)
        stack = Stack(n, board.entropy(), source)
    except MemoryError:
        sys.exit("barewire: too little memory for board %s" % board.NAME)
    except OSError as error:
        sys.exit("barewire: %s" % error)
    if board.WORD == 32:
        gc.collect()        # little memory: what is free from here on is free in one piece
    print("barewire: %s ready at %s" % (config.NAME, address(config.ADDRESS)))
    if config.DEV:
        dev.serve(n, stack)     # the prompt has the machine, and gives the appliance its turns
        return
    stack.run(board.idle, time.ticks_ms)


main()
