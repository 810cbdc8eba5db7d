"""The sensor: a reading each period, sent to the collector as a 28-byte datagram from a template.

The datagram, all fields big-endian (hostsim/datagram.py reads it, the README draws it):
 0 magic "BWS1" | 4 version 1 | 5 status | 6 length 28 | 8 device id | 12 sequence | 16 uptime in ms (64 bits) | 24 value
Status: bit 0 the value is valid, bit 1 it answers a query, bit 2 it waited in the ring.
While the collector's next hop is unknown the last 64 readings wait in a ring.
"""
from . import config, counters, driver
from .checksum import fold
from .counters import count
from .inline import inline
from .state import *
from .wire import *

VALID, QUERIED, WAITED = 1, 2, 4
TAKEN = 128                 # only in s[READ_STATUS]: the everyday source was asked
BYTES = 28
FRAME_BYTES = UDP_DATA_BYTE + BYTES
BURST = 32                  # readings a turn when period_ms = 0, so that arriving frames get their turn
PERIOD = config.SENSOR_PERIOD_MS
# 16-bit words of the frame
STATUS, SEQUENCE, UPTIME, VALUE = 23, 27, 29, 33
MAGIC_0, MAGIC_1, LENGTH = le16(0x4257), le16(0x5331), le16(BYTES)
ID_0, ID_1 = le16(config.DEVICE_ID >> 16), le16(config.DEVICE_ID & 0xFFFF)
VERSION = 1
COLLECTS = config.COLLECTOR_PORT != 0
COLLECTOR_0, COLLECTOR_1 = le16(config.COLLECTOR >> 16), le16(config.COLLECTOR & 0xFFFF)
COLLECTOR_PORT, SOURCE_PORT = le16(config.COLLECTOR_PORT), le16(config.QUERY_PORT or config.COLLECTOR_PORT)
_UDP_LENGTH = le16(8 + BYTES)
# Partial sum of what never changes in the datagram to the collector, pseudo header included
FIXED_SUM = sum((ADDRESS_0, ADDRESS_1, COLLECTOR_0, COLLECTOR_1, UDP << 8, _UDP_LENGTH, _UDP_LENGTH, SOURCE_PORT,
                 COLLECTOR_PORT, MAGIC_0, MAGIC_1, VERSION, LENGTH, ID_0, ID_1))
QUERY_SUM = FIXED_SUM - COLLECTOR_0 - COLLECTOR_1 - COLLECTOR_PORT - SOURCE_PORT + le16(config.QUERY_PORT)


def template(s):
    """Fill the datagram's template in the state block: 70 bytes, from the second half of its first word."""
    words = [0] * 36
    words[1 + ETH_TYPE] = TYPE_IP
    for k in range(3):
        words[1 + ETH_SRC + k] = s[MAC + k]
    head = (IP_VERSION_IHL_TOS, le16(20 + 8 + BYTES), 0, IP_DF, TTL | UDP << 8, 0,
            ADDRESS_0, ADDRESS_1, COLLECTOR_0, COLLECTOR_1, SOURCE_PORT, COLLECTOR_PORT, _UDP_LENGTH, 0,
            MAGIC_0, MAGIC_1, VERSION, LENGTH, ID_0, ID_1)
    for k, value in enumerate(head):
        words[1 + IP_VERSION + k] = value
    total = sum(head[:10])
    total = (total & 0xFFFF) + (total >> 16)
    words[1 + IP_SUM] = (total & 0xFFFF) + (total >> 16) ^ 0xFFFF
    for k in range(18):
        s[DATAGRAM + k] = words[2 * k] | words[2 * k + 1] << 16


@inline
def fill(f: ptr16, fixed: int, r: ptr32, status: int):
    """Write the reading at r (sequence, status << 24 | uptime >> 32, uptime, value) into the datagram f.

    `fixed` is the partial sum of all that is there already; status is added to the reading's own.
    """
    h = ptr16(r)
    f[STATUS] = VERSION | (h[3] >> 8 | status) << 8
    f[SEQUENCE] = swap16(h[1])
    f[SEQUENCE + 1] = swap16(h[0])
    f[UPTIME] = (h[3] & 0xFF) << 8
    f[UPTIME + 1] = swap16(h[2])
    f[UPTIME + 2] = swap16(h[5])
    f[UPTIME + 3] = swap16(h[4])
    f[VALUE] = swap16(h[7])
    f[VALUE + 1] = swap16(h[6])
    total = fold(f[STATUS] + (fixed - VERSION) + f[SEQUENCE] + f[SEQUENCE + 1] + f[UPTIME] + f[UPTIME + 1]
                 + f[UPTIME + 2] + f[UPTIME + 3] + f[VALUE] + f[VALUE + 1]) ^ 0xFFFF
    if total == 0:
        total = 0xFFFF              # RFC 768: a computed zero is sent as all ones
    f[UDP_SUM] = total


@inline
def answer(s: ptr32, f: ptr16):
    """Make the query in f the latest reading; addresses and ports are exchanged by the caller."""
    f[UDP_LENGTH] = _UDP_LENGTH
    f[21] = MAGIC_0
    f[22] = MAGIC_1
    f[24] = LENGTH
    f[25] = ID_0
    f[26] = ID_1
    fill(f, QUERY_SUM + f[IP_SRC] + f[IP_SRC + 1] + f[UDP_SRC], ptr32(int(s) + 4 * SENSOR_SEQ), QUERIED)


@inline
def run(n: ptr32, s: ptr32) -> int:
    """Take the readings that are due and send what waits. Returns 1 when the everyday source has to be read."""
    wanted = 0
    turns = BURST
    s[BLOCKED] = 0
    while turns:
        turns = turns - 1
        room = 0
        if COLLECTS and s[HOP_KNOWN] and (PERIOD == 0 or due(s, SENSOR_AT) or s[RING_COUNT]):
            room = driver.room(n)
        reading = int(s) + 4 * SENSOR_SEQ       # the latest
        if s[RING_COUNT] and room:
            reading = oldest(s)
        elif PERIOD == 0 and room == 0:
            s[BLOCKED] = 1
            turns = 0
        elif PERIOD == 0 or due(s, SENSOR_AT):
            if config.READING_INLINE:
                take(s, config.reading(s[NOW], s[SENSOR_SEQ] + 1), VALID)
                if room == 0:
                    keep(s)
            elif s[READ_STATUS]:
                take(s, s[READ_VALUE], s[READ_STATUS] & VALID)
                s[READ_STATUS] = 0
                if room == 0:
                    keep(s)
            else:
                wanted = 1
                room = 0
                turns = 0
        else:
            room = 0
            turns = 0
        if room:
            send(n, s, room, ptr32(reading))
    return wanted


@inline
def take(s: ptr32, value: int, status: int):
    """A reading was taken: number it, and set the time of the next one."""
    s[SENSOR_VALUE] = value
    s[SENSOR_SEQ] = s[SENSOR_SEQ] + 1
    s[SENSOR_UP] = s[NOW]
    s[SENSOR_STATUS] = status << 24 | s[UPTIME_HIGH] & 0xFFFFFF
    count(s, counters.SENSOR_READINGS)
    if PERIOD:
        s[SENSOR_AT] = s[SENSOR_AT] + PERIOD
        if due(s, SENSOR_AT):               # late by a whole period: do not send a burst, go on from here
            s[SENSOR_AT] = s[NOW] + PERIOD


@inline
def keep(s: ptr32):
    """Put the latest reading into the ring; the oldest is lost when it is full."""
    if not COLLECTS:
        return
    if s[RING_COUNT] == RING_SIZE:
        count(s, counters.SENSOR_LOST)
        s[RING_HEAD] = (s[RING_HEAD] + 1) & (RING_SIZE - 1)
    else:
        s[RING_COUNT] = s[RING_COUNT] + 1
    r = ptr32(int(s) + 4 * RING + (((s[RING_HEAD] + s[RING_COUNT] - 1) & (RING_SIZE - 1)) << 4))
    r[0] = s[SENSOR_SEQ]
    r[1] = s[SENSOR_STATUS] | WAITED << 24
    r[2] = s[SENSOR_UP]
    r[3] = s[SENSOR_VALUE]
    count(s, counters.SENSOR_WAITING)


@inline
def oldest(s: ptr32) -> int:
    """Take the oldest waiting reading out of the ring; returns its address."""
    reading = int(s) + 4 * RING + (s[RING_HEAD] << 4)
    s[RING_HEAD] = (s[RING_HEAD] + 1) & (RING_SIZE - 1)
    s[RING_COUNT] = s[RING_COUNT] - 1
    return reading


@inline
def send(n: ptr32, s: ptr32, room: int, r: ptr32):
    """Send the reading at r from the template, in the transmit buffer `room`."""
    f = ptr16(room)
    f[0] = s[HOP_MAC]
    f[1] = s[HOP_MAC + 1]
    f[2] = s[HOP_MAC + 2]
    if f[IP_TTL] != TTL | UDP << 8 or f[ETH_TYPE] != TYPE_IP:
        # the buffer held something else last; nothing but this sends UDP from a transmit buffer
        to = ptr32(room + 6)
        source = ptr32(int(s) + 4 * DATAGRAM + 8)
        k = 0
        while k < 16:
            to[k] = source[k]
            k = k + 1
    fill(f, FIXED_SUM, r, 0)
    driver.send(n, FRAME_BYTES, 0, 0)
    count(s, counters.TX_FRAMES)
    count(s, counters.SENSOR_SENT)
