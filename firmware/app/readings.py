"""Sources of readings: [sensor] source in appliance.toml names one of these functions.

A source is called once per period with `now`, milliseconds since boot modulo 2^32, and `sequence`, the number
of this reading from 1. It returns a whole number of at most 32 bits. A source of your own is plain Python:

    def door(now: int, sequence: int) -> int:
        return pin.value()

If it raises an exception, the reading is counted as failed and the next one is tried. The first two below are so small
that they are expanded in the place where they are called; that is what @inline says, and your own need not say it.
"""
from app.tmp105 import TMP105
from barewire import board
from barewire.inline import inline

_thermometer = []       # one, once it has answered


@inline
def counter(now: int, sequence: int) -> int:
    """How many readings there were, this one included."""
    return sequence


@inline
def uptime(now: int, sequence: int) -> int:
    """Milliseconds since boot."""
    return now


def tmp105(now: int, sequence: int) -> int:
    """Thousandths of a degree Celsius, from a TMP105 on the board's I2C bus."""
    try:
        if not _thermometer:
            _thermometer.append(TMP105(board.i2c()))
        return _thermometer[0].read()
    except OSError:
        _thermometer.clear()    # the next try begins with a reset of the bus
        raise
