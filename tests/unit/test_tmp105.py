"""The TMP105 on the LM3S6965's I2C bus: driver, I2C master and board, held to the data sheets by hostsim/devices/i2c.py."""
import pytest
import test_appliance
from fifo_bench import Wire

from hostsim import links, loader
from hostsim.appliance import Appliance, run_until
from hostsim.boards import BOARDS
from hostsim.clock import VirtualClock
from hostsim.devices import i2c as chip
from hostsim.devices.virtqueue import Violation

BOARD = "lm3s6965evb"


class Bench:
    def __init__(self):
        self.fw = loader.load({"HTTP": False, "MAC": b"", "DEVICE_ID": 1, "SENSOR_SOURCE": "tmp105"}, board=BOARD)
        self.board = BOARDS[BOARD](self.fw, Wire())
        self.master, self.thermometer = self.board.i2c, self.board.thermometer
        self.source = self.fw.config.reading

    def read(self):
        return self.source(0, 1)


@pytest.mark.parametrize("celsius, value", [(0, 0), (21.5, 21500), (0.0625, 62), (-0.0625, -63), (-25.25, -25250), (127.9375, 127937),
                                            (-128, -128000), (99.99, 99937)])
def test_temperatures(celsius, value):
    bench = Bench()
    bench.thermometer.celsius = celsius
    assert [bench.read(), bench.read()] == [value] * 2
    assert bench.thermometer.configuration == 0x60 and bench.master.mtpr == 24 and bench.master.mcr == chip.MFE


def test_the_clocks_of_others_stay():
    bench = Bench()
    bench.read()
    assert bench.board.chip.system == {0x044: 0, 0x048: 0, 0x104: 1 << 16 | 1 << 12 | 1, 0x108: 1 << 1 | 1}


def failing(bench):
    with pytest.raises(OSError) as failed:
        bench.read()
    return str(failed.value)


def test_a_sensor_that_is_not_there_and_comes_later():
    bench = Bench()
    bench.master.devices.clear()
    assert failing(bench) == failing(bench) == "I2C: 0x48 does not answer"
    bench.master.devices[0x48] = bench.thermometer
    assert bench.read() == 21500


def test_a_sensor_that_goes_is_set_up_again_when_it_comes_back():
    bench = Bench()
    assert bench.read() == 21500
    bench.master.devices.clear()
    assert failing(bench) == "I2C: 0x48 does not answer"
    bench.master.devices[0x48] = chip.Tmp105(33.0625)       # it lost its power: 9 bits until it is told
    assert bench.read() == 33062


@pytest.mark.parametrize("stuck, said", [("turns", "I2C: the bus is stuck"), ("held", "I2C: the bus stays busy")])
def test_a_bus_that_is_stuck_and_comes_loose(stuck, said):
    bench = Bench()
    assert bench.read() == 21500
    before = getattr(bench.master, stuck)
    setattr(bench.master, stuck, None if stuck == "turns" else True)
    assert failing(bench) == failing(bench) == said
    setattr(bench.master, stuck, before)
    assert bench.read() == 21500


def test_a_byte_that_is_refused(monkeypatch):
    bench = Bench()
    monkeypatch.setattr(bench.thermometer, "write", lambda byte: False)
    assert failing(bench) == "I2C: 0x48 refuses a byte"
    assert not bench.master.owned                           # the driver has sent STOP


def test_the_appliance_serves_on_while_its_sensor_fails():
    clock = VirtualClock()
    one, two = links.pair()
    config = {**test_appliance.CONFIG, "SENSOR_SOURCE": "tmp105", "READING_INLINE": False}
    appliance = Appliance(config, one, board=BOARD, clock=clock).boot()
    peer = test_appliance.Peer(two)
    bus = appliance.board.i2c

    def until(ms):
        peer.answers.clear()
        peer.echoes = 7
        run_until(clock, ms, appliance, peer)
        assert len(peer.answers) == 7

    until(5000)
    assert {(r.value, r.status & 1) for r in peer.readings} == {(21500, 1)}
    bus.devices.clear()
    until(10000)
    bus.turns = None
    until(15000)
    failed = [r for r in peer.readings if not r.status & 1]
    s, counters = appliance.stack.s, appliance.fw.counters
    assert 8 <= len(failed) <= s[counters.SENSOR_ERROR] <= 11 and {r.value for r in failed} == {21500}
    bus.turns, bus.devices[0x48] = 3, chip.Tmp105(-40)
    until(20000)
    assert peer.readings[-1].value == -40000 and peer.readings[-1].status & 1
    assert appliance.fw.console.getvalue() == "sensor: tmp105 failed: OSError I2C: 0x48 does not answer\n"


# ---- the model holds drivers to the data sheet -------------------------------------------------------------------------
def master(clocked=True, wired=True, on=True):
    class Nowhere:
        def mmio(self, *_):
            pass
    made = chip.I2cMaster(Nowhere(), 0, lambda: clocked, lambda: wired)
    made.devices[0x48] = chip.Tmp105()
    made.turns = 1
    if on:
        made.write(chip.MCR, 4, chip.MFE)
        made.write(chip.MTPR, 4, 24)
    return made


def do(made, receive, command):
    made.write(chip.MSA, 4, 0x90 | receive)
    made.write(chip.MDR, 4, 1)
    made.write(chip.MCS, 4, command)
    return made.read(chip.MCS, 4)


@pytest.mark.parametrize("what, said", [
    (lambda: master(clocked=False), "before RCGC1"),
    (lambda: do(master(wired=False), 0, 3), "open drain"),
    (lambda: do(master(on=False), 0, 3), "MFE"),
    (lambda: master().write(chip.MTPR, 4, 5), "faster than"),
    (lambda: master().write(chip.MSA, 2, 0), "does not allow"),
    (lambda: master().write(chip.MRIS, 4, 0), "does not allow"),
    (lambda: master().write(chip.MCR, 4, 0x40), "reserved"),
    (lambda: master().read(chip.MDR, 4), "nothing was received"),
    (lambda: do(master(), 0, 1), "without START"),
    (lambda: do(master(), 0, 2), "not in the data sheet's table"),
    (lambda: do(master(), 1, 15), "not in the data sheet's table"),
])
def test_what_the_data_sheet_does_not_allow(what, said):
    with pytest.raises(Violation, match=said):
        what()


def test_the_master_is_left_alone_while_it_is_busy():
    made = master()
    made.turns = 3
    assert do(made, 0, chip.START | chip.RUN) == chip.BUSY
    for register in (chip.MSA, chip.MCS, chip.MDR):
        with pytest.raises(Violation, match="while BUSY"):
            made.write(register, 4, 1)
    assert made.read(chip.MCS, 4) == chip.BUSY and made.read(chip.MCS, 4) == chip.BUSBSY


def test_a_byte_behind_the_last_one():
    made = master()
    do(made, 1, chip.START | chip.RUN)
    made.read(chip.MDR, 4)
    with pytest.raises(Violation, match="let go"):
        do(made, 1, chip.RUN)
