"""The sensor datagram, as barewire appliances send it (big endian, 28 bytes):

    offset  0        4         5        6        8           12         16           24
            "BWS1" | version | status | length | device id | sequence | uptime ms  | value
            4 bytes  u8 = 1    u8       u16 = 28 u32         u32        u64          i32

status: bit 0 the value is valid, bit 1 answer to a query, bit 2 was delayed on its way out.
"""
import struct
from dataclasses import dataclass

LAYOUT = struct.Struct(">4sBBHIIQi")
MAGIC, VERSION = b"BWS1", 1
VALID, ANSWER, DELAYED = 1, 2, 4


class DatagramError(ValueError):
    """Not a sensor datagram; the text says why."""


@dataclass(frozen=True)
class Reading:
    """One reading.  uptime in milliseconds since the device booted."""
    device: int
    sequence: int
    uptime: int
    value: int
    status: int

    def __str__(self):
        words = [word for bit, word in ((ANSWER, "answer"), (DELAYED, "delayed")) if self.status & bit]
        if not self.status & VALID:
            words.append("invalid")
        return "device %08x  seq %d  up %d.%03d s  value %d%s" % (
            self.device, self.sequence, self.uptime // 1000, self.uptime % 1000, self.value,
            "  (%s)" % ", ".join(words) if words else "")


def decode(data):
    """The Reading in a datagram; DatagramError if it is none."""
    if len(data) != LAYOUT.size:
        raise DatagramError("%d bytes, a sensor datagram has %d" % (len(data), LAYOUT.size))
    magic, version, status, length, device, sequence, uptime, value = LAYOUT.unpack(data)
    if magic != MAGIC:
        raise DatagramError("begins with %r, not with %r" % (magic, MAGIC))
    if version != VERSION:
        raise DatagramError("version %d, known is %d" % (version, VERSION))
    if length != LAYOUT.size:
        raise DatagramError("says that it is %d bytes long" % length)
    return Reading(device, sequence, uptime, value, status)


def encode(reading):
    """The datagram of a Reading."""
    return LAYOUT.pack(MAGIC, VERSION, reading.status, LAYOUT.size, reading.device, reading.sequence, reading.uptime,
                       reading.value)
