"""A whole appliance in this process: the firmware, a model of its board, a link.

`run` executes the unmodified firmware/main.py in real time.  `boot` and `step` do what main.py does, one turn at a
time, for tests on virtual time; `run_until` lets several appliances and their peers share one virtual clock.
"""
from hostsim import loader
from hostsim.boards import BOARDS
from hostsim.clock import RealClock, VirtualClock

LONGEST_WAIT = 3600000


class Finished(BaseException):
    """The link has nothing more to say (a replayed file came to its end)."""


class Appliance:
    """config: image.config.Config or constants; link: hostsim.links; the rest as hostsim.loader.load."""

    def __init__(self, config, link, board="microvm", clock=None, version=2, linger=200, **firmware):
        self.clock = clock or VirtualClock()
        overrides = {"SPIN": 0, **(firmware.pop("overrides", None) or {})}      # looking twice finds nothing here
        self.fw = loader.load(config, board=board, clock=self.clock, overrides=overrides, **firmware)
        self.link = link
        self.linger = linger                # milliseconds after the end of a link that ends
        self.stack = self.n = None
        self.fw.port.sleep = self._sleep
        self.board = BOARDS[board](self.fw, link, **({"version": version} if board == "microvm" else {}))
        self.card = self.board.card

    def _sleep(self, ms, index, seen):
        """port.idle: until the card interrupts, or `ms` have passed."""
        card = self.card
        if self.board.awake(index, seen):
            return
        link = self.link
        if link.finished:
            link.wait(min(ms, self.linger))
            if not card.pull():
                raise Finished
            return
        link.wait(min(ms, LONGEST_WAIT))
        card.pull()

    def run(self):
        """firmware/main.py in real time; returns when the link is finished, raises KeyboardInterrupt or Halt."""
        try:
            self.fw.run("main")
        except Finished:
            pass

    # ---- turn by turn --------------------------------------------------------------------------------------------
    def boot(self):
        """What main.py does before its loop."""
        fw = self.fw
        self.n = fw.driver.open(fw.board.nic_where())
        config = fw.config
        if config.HTTP:
            fw.load("app.routes")
        source = config.reading if config.SENSOR and not config.READING_INLINE else None
        self.stack = fw.stack.Stack(self.n, fw.board.entropy(), source)
        return self

    def step(self):
        """One turn of main.py's loop without the sleep: returns the milliseconds until it wants the next."""
        self.card.pull()
        return self.stack.poll(self.fw.modules["time"].ticks_ms())


def run_until(clock, ms, *parties, idle=None):
    """Let parties with step() -> ms share a virtual clock up to `ms`.

    Each turn steps all of them, as long as frames move; then the time goes to the next deadline.  `idle` is called
    when everybody waits and may return True to end.
    """
    end = ms * 1000
    while clock.us() < end:
        while True:
            waits = [party.step() for party in parties]
            if not any(getattr(party.link, "queue", None) for party in parties):
                break
        if idle and idle():
            return
        dues = [party.link.due() for party in parties]
        now = clock.us()
        nearest = min([end] + [now + wait * 1000 for wait in waits] + [due for due in dues if due is not None])
        clock.advance(max(nearest - now, 1) / 1000)


def real(config, link, **more):
    """An appliance on the host's clock."""
    return Appliance(config, link, clock=RealClock(), **more)
