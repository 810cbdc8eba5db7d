"""Texas Instruments' TMP105, a temperature sensor on the I2C bus. Follows its data sheet, "Register Map" (pointer register).

    sensor = TMP105(board.i2c())
    sensor.read()               # thousandths of a degree Celsius

`i2c` is what MicroPython's drivers expect: an object with machine.I2C's writeto() and readfrom_into().
It measures from the time when it gets its power, first with 9 bits, which takes 40 ms at most: less than a board's start.
"""
from micropython import const

_TEMPERATURE = const(0)         # registers: what the pointer may be
_CONFIGURATION = const(1)
_12_BITS = const(0x60)          # converter resolution: sixteenths of a degree


class TMP105:
    """`addr`: 0x48 to 0x4F, as its address pins say. OSError from `i2c` where it does not answer."""

    def __init__(self, i2c, addr=0x48):
        self.i2c = i2c
        self.addr = addr
        self.data = bytearray(2)
        i2c.writeto(addr, bytes((_CONFIGURATION, _12_BITS)))

    def read(self):
        """The temperature in thousandths of a degree Celsius, a whole number from -128000 to 127937."""
        self.i2c.writeto(self.addr, bytes((_TEMPERATURE,)))
        self.i2c.readfrom_into(self.addr, self.data)
        sixteenths = self.data[0] << 4 | self.data[1] >> 4
        if sixteenths & 0x800:
            sixteenths -= 0x1000
        return sixteenths * 125 // 2
