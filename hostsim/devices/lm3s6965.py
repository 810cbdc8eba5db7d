"""What the firmware uses of the LM3S6965 around its Ethernet controller: clocks, resets, USER_REG, GPIO port F.

Data sheet, chapters "System Control" and "General-Purpose Input/Outputs".
"""
from hostsim.devices.virtqueue import Violation

SYSTEM, PORT_F = 0x400FE000, 0x40025000
SRCR2, RCGC2, USER_REG0, USER_REG1 = 0x048, 0x108, 0x1E0, 0x1E4
EMAC0, EPHY0, GPIOF = 1 << 28, 1 << 30, 1 << 5
DIR, AFSEL, DEN = 0x400, 0x420, 0x51C


class Lm3s6965:
    """`mac`: 6 bytes in USER_REG0 and USER_REG1, None for an unprogrammed chip."""

    def __init__(self, memory, mac):
        self.user = (0xFFFFFFFF, 0xFFFFFFFF) if mac is None else tuple(
            int.from_bytes(mac[k:k + 3], "little") for k in (0, 3))
        self.system = {SRCR2: 0, RCGC2: 0}
        self.pins = {DIR: 0, AFSEL: 0, DEN: 0}
        self.levels = 0
        memory.mmio(SYSTEM, 0x1000, self.read_system, self.write_system, "system control")
        memory.mmio(PORT_F, 0x1000, self.read_pins, self.write_pins, "GPIO port F")

    def _runs(self, parts):
        return self.system[RCGC2] & parts == parts and not self.system[SRCR2] & parts

    def ethernet_runs(self):
        """MAC and PHY have their clock and are out of reset."""
        return self._runs(EMAC0 | EPHY0)

    def read_system(self, offset, width):
        if width == 4 and offset in (USER_REG0, USER_REG1):
            return self.user[offset == USER_REG1]
        if width != 4 or offset not in self.system:
            raise Violation("system control: register 0x%x read with %d bytes" % (offset, width))
        return self.system[offset]

    def write_system(self, offset, width, value):
        if width != 4 or offset not in self.system:
            raise Violation("system control: register 0x%x written with %d bytes" % (offset, width))
        self.system[offset] = value

    def _pins(self):
        if not self._runs(GPIOF):
            raise Violation("GPIO port F is used before RCGC2 gives it its clock: a bus fault")

    def read_pins(self, offset, width):
        self._pins()
        if width != 4 or offset not in self.pins:
            raise Violation("GPIO port F: register 0x%x read with %d bytes" % (offset, width))
        return self.pins[offset]

    def write_pins(self, offset, width, value):
        self._pins()
        if offset < 0x400:                          # the address says which of the pins are written
            mask = offset >> 2
            self.levels = self.levels & ~mask | value & mask
        elif width != 4 or offset not in self.pins:
            raise Violation("GPIO port F: register 0x%x written with %d bytes" % (offset, width))
        else:
            self.pins[offset] = value
