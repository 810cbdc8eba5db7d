"""What an application may ask of the running stack, in everyday Python."""
from . import driver, state

_s = _n = None


def attach(s, n):
    """The stack tells where its state block and its card's block are."""
    global _s, _n
    _s = s
    _n = n


def uptime_ms():
    """Milliseconds since boot."""
    return _s[state.UPTIME_HIGH] << 32 | _s[state.NOW]


def sequence():
    """How many readings were taken."""
    return _s[state.SENSOR_SEQ]


def reading():
    """The latest reading, a signed number of 32 bits."""
    value = _s[state.SENSOR_VALUE]
    return value - (1 << 32) if value >> 31 else value


def reading_status():
    """Its status as in the datagram: bit 0 valid."""
    return _s[state.SENSOR_STATUS] >> 24


def connections():
    """TCP connections in any state."""
    return _s[state.OPEN]


def counter(index):
    """A counter of barewire.counters."""
    return _s[index]


def nic_counter(k):
    """The k-th counter of the card, as driver.NIC_NAMES lists them."""
    return _n[driver.NIC_NAMES[k][1]]
