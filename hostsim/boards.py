"""Models of the boards: what is around the firmware before it starts, and what ends its sleep.

A board has `card`, the network card, and awake(index, seen): whether port.idle() returns at once.
"""
from hostsim.devices.i2c import I2cMaster, Tmp105
from hostsim.devices.lan9118 import Lan9118
from hostsim.devices.lm3s6965 import Lm3s6965
from hostsim.devices.stellaris import StellarisEthernet
from hostsim.devices.virtio_mmio import VirtioNet

MAC = b"\x52\x54\x00\x12\x34\x56"


class Microvm:
    """The hypervisor's part: a card, and its place on the command line."""
    BASE, INTERRUPT = 0xFEB00E00, 12        # where QEMU's microvm has the card

    def __init__(self, fw, link, version=2):
        fw.port.command_line = b"virtio_mmio.device=512@0x%x:%d" % (self.BASE, self.INTERRUPT)
        self.memory = fw.memory
        self.card = VirtioNet(fw.memory, self.BASE, link, version=version)

    def awake(self, index, seen):
        return self.memory.view(index, 2).cast("H")[0] != seen


class CortexM:
    """A processor that WFI puts to sleep until an enabled interrupt is pending."""
    INTERRUPT = None
    card = None

    def __init__(self, fw):
        self.port = fw.port

    def awake(self, index, seen):
        return self.INTERRUPT in self.port.interrupts and self.card.pending()


class Lm3s6965evb(CortexM):
    """With a thermometer on its I2C bus, which the board does not have by itself."""
    INTERRUPT = 42

    def __init__(self, fw, link, mac=MAC, **card):
        super().__init__(fw)
        self.chip = Lm3s6965(fw.memory, mac)
        self.i2c = self.chip.i2c = I2cMaster(fw.memory, 0x40020000, self.chip.i2c_runs, self.chip.i2c_wired)
        self.thermometer = self.i2c.devices[Tmp105.ADDRESS] = Tmp105(celsius=21.5)
        self.card = StellarisEthernet(fw.memory, 0x40048000, link, clocked=self.chip.ethernet_runs, **card)


class Mps2An385(CortexM):
    INTERRUPT = 13

    def __init__(self, fw, link, mac=MAC, **card):
        super().__init__(fw)
        self.card = Lan9118(fw.memory, 0x40200000, link, mac, **card)


BOARDS = {"microvm": Microvm, "lm3s6965evb": Lm3s6965evb, "mps2_an385": Mps2An385}
