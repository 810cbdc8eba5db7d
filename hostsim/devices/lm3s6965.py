"""What the firmware uses of the LM3S6965 around its controllers: clocks, resets, USER_REG, GPIO ports B and F.

Data sheet, chapters "System Control" and "General-Purpose Input/Outputs".
"""
from hostsim.devices.virtqueue import Violation

SYSTEM, PORT_B, PORT_F = 0x400FE000, 0x40005000, 0x40025000
SRCR1, SRCR2, RCGC1, RCGC2, USER_REG0, USER_REG1 = 0x044, 0x048, 0x104, 0x108, 0x1E0, 0x1E4
I2C0 = 1 << 12                                              # SRCR1, RCGC1
EMAC0, EPHY0, GPIOB, GPIOF = 1 << 28, 1 << 30, 1 << 1, 1 << 5     # SRCR2, RCGC2
UART0, TIMER0, GPIOA = 1 << 0, 1 << 16, 1 << 0              # the port's C has started them
DIR, AFSEL, ODR, DEN = 0x400, 0x420, 0x50C, 0x51C
SCL_SDA = 0x0C                                              # PB2, PB3


class Port:
    """A GPIO port; `runs()` tells whether it has its clock."""

    def __init__(self, memory, base, letter, runs):
        self.name, self.runs = "GPIO port " + letter, runs
        self.pins = {DIR: 0, AFSEL: 0, ODR: 0, DEN: 0}
        self.levels = 0
        memory.mmio(base, 0x1000, self.read, self.write, self.name)

    def _check(self, verb, offset, width):
        if not self.runs():
            raise Violation("%s is used before RCGC2 gives it its clock: a bus fault" % self.name)
        if width != 4 or offset >= 0x400 and offset not in self.pins:
            raise Violation("%s: register 0x%x %s with %d bytes" % (self.name, offset, verb, width))

    def read(self, offset, width):
        self._check("read", offset, width)
        return self.levels & offset >> 2 if offset < 0x400 else self.pins[offset]

    def write(self, offset, width, value):
        self._check("written", offset, width)
        if offset < 0x400:                          # the address says which of the pins are written
            mask = offset >> 2
            self.levels = self.levels & ~mask | value & mask
        else:
            self.pins[offset] = value


class Lm3s6965:
    """`mac`: 6 bytes in USER_REG0 and USER_REG1, None for an unprogrammed chip. `i2c`: its I2C master, once there is one."""

    def __init__(self, memory, mac):
        self.user = (0xFFFFFFFF, 0xFFFFFFFF) if mac is None else tuple(
            int.from_bytes(mac[k:k + 3], "little") for k in (0, 3))
        self.system = {SRCR1: 0, SRCR2: 0, RCGC1: UART0 | TIMER0, RCGC2: GPIOA}
        self.i2c = None
        memory.mmio(SYSTEM, 0x1000, self.read_system, self.write_system, "system control")
        self.port_b = Port(memory, PORT_B, "B", lambda: self._runs(RCGC2, GPIOB))
        self.port_f = Port(memory, PORT_F, "F", lambda: self._runs(RCGC2, GPIOF))

    def _runs(self, clocks, parts):
        resets = SRCR1 if clocks == RCGC1 else SRCR2
        return self.system[clocks] & parts == parts and not self.system[resets] & parts

    def ethernet_runs(self):
        """MAC and PHY have their clock and are out of reset."""
        return self._runs(RCGC2, EMAC0 | EPHY0)

    def i2c_runs(self):
        return self._runs(RCGC1, I2C0)

    def i2c_wired(self):
        """SCL and SDA lead to the I2C master, and nothing drives them high."""
        pins = self.port_b.pins
        return all(pins[register] & SCL_SDA == SCL_SDA for register in (AFSEL, ODR, DEN))

    def read_system(self, offset, width):
        if width == 4 and offset in (USER_REG0, USER_REG1):
            return self.user[offset == USER_REG1]
        if width != 4 or offset not in self.system:
            raise Violation("system control: register 0x%x read with %d bytes" % (offset, width))
        return self.system[offset]

    def write_system(self, offset, width, value):
        if width != 4 or offset not in self.system:
            raise Violation("system control: register 0x%x written with %d bytes" % (offset, width))
        lost = {RCGC1: UART0 | TIMER0, RCGC2: GPIOA}.get(offset, 0) & ~value
        if lost:
            raise Violation("system control: 0x%x takes the clock from what the port uses" % offset)
        self.system[offset] = value
        if offset == SRCR1 and value & I2C0:
            self.i2c.reset()
