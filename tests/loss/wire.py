"""A bad wire between two links in real time: what hostsim.impair does to the frames of one appliance, for any two stations."""
import select
import threading

from hostsim.clock import RealClock
from hostsim.impair import Impaired


class Wire:
    """Carries frames between `left` and `right` while it is entered; faults as hostsim.impair.Impaired has them."""

    def __init__(self, left, right, **faults):
        self.clock = RealClock()
        self.left, self.right = Impaired(left, self.clock, **faults), right
        self.stopping = False
        self.thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopping = True
        self.thread.join()

    def _run(self):
        ends = [self.left.fd, self.right.fd]
        while not self.stopping:
            due = self.left.due()
            wait = 0.2 if due is None else min(0.2, max(0, (due - self.clock.us()) / 1e6))
            select.select(ends, [], [], wait)
            while (frame := self.left.recv()) is not None:
                self.right.send(frame)
            while (frame := self.right.recv()) is not None:
                self.left.send(frame)
