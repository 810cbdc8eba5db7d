"""Time for a simulated device: the host's, or virtual time that only moves when everybody sleeps."""
import time


class RealClock:
    """Microseconds since the clock was made, as the host counts them."""
    def __init__(self):
        self.start = time.monotonic_ns()

    def us(self):
        return (time.monotonic_ns() - self.start) // 1000

    def sleep(self, ms):
        time.sleep(ms / 1000)


class VirtualClock:
    """Microseconds that pass only by `sleep` and `advance`."""
    def __init__(self, us=0):
        self.now = us

    def us(self):
        return self.now

    def sleep(self, ms):
        self.now += int(ms * 1000)

    advance = sleep
