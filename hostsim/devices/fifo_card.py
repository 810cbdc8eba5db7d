"""What the models of cards with FIFOs share: the wire, its back-pressure, the link, a PHY.

A driver that breaks a rule of the data sheet gets a Violation (hostsim/devices/virtqueue.py), which names the rule.
"""
from collections import deque

from hostsim.devices.virtqueue import Violation

LINK_UP = 4                 # MII register 1
SHORTEST, LONGEST = 14, 1514


class Phy:
    """The registers of a PHY that both chips have alike (IEEE 802.3, clause 22); events are the chip's own.

    `changed(up)` is called when the link comes or goes.
    """

    def __init__(self, changed, up=True, partner=0x01E1):
        self.changed = changed
        self.up = up
        self.fell = not up              # kept until register 1 is read
        self.partner = partner          # what the other end can do; 0: it does not negotiate
        self.written = {}

    def set_link(self, up):
        if up != self.up:
            self.up = up
            self.fell = self.fell or not up
            self.changed(up)

    def read(self, register):
        if register == 1:
            up = self.up and not self.fell
            self.fell = not self.up
            return 0x7809 | (LINK_UP | 0x20 if up else 0)
        if register == 4:
            return 0x01E1
        if register == 5:
            return self.partner if self.up else 0
        return self.written.get(register, 0x3100 if register == 0 else 0)

    def write(self, register, value):
        if register in (1, 2, 3, 5):
            raise Violation("PHY register %d is written; it can only be read" % register)
        self.written[register] = value


class FifoCard:
    """`link` has send(frame) and recv() -> frame or None.

    Subclasses have fits(size), accept(frame), pending(), and pass_time(): between two turns of the firmware's loop
    a frame that is being sent has left.
    """
    name = "card"

    def __init__(self, memory, base, size, link, interrupt=None):
        self.memory, self.base, self.link = memory, base, link
        self.interrupt = interrupt or (lambda: None)
        self.coming = deque()           # frames that wait on the wire until they fit
        self.phy = Phy(self._link_changed)
        self.received = self.sent = self.lost = 0
        memory.mmio(base, size, self.read, self.write, self.name)

    def check(self, verb, offset, width, allowed):
        if width != 4 or offset & 3:
            raise Violation("%s: register 0x%x %s with %d bytes; it has 4" % (self.name, offset, verb, width))
        if offset not in allowed:
            raise Violation("%s: register 0x%x is %s, which the data sheet does not allow" % (self.name, offset, verb))

    # ---- the wire ------------------------------------------------------------------------------------------------
    def set_link(self, up):
        self.phy.set_link(up)

    def receive(self, frame):
        """A frame arrives, whether there is room or not; True if it was taken."""
        if not self.phy.up or not self.accept(bytes(frame)):
            self.lost += 1
            return False
        self.received += 1
        self.interrupt()
        return True

    def pull(self):
        """Take what waits on the link as far as it fits, as QEMU does; returns how many frames."""
        self.pass_time()
        count = 0
        while True:
            if not self.coming:
                frame = self.link.recv()
                if frame is None:
                    return count
                self.coming.append(frame)
            if self.phy.up and not self.fits(len(self.coming[0])):
                return count
            self.receive(self.coming.popleft())
            count += 1

    def transmit(self, frame):
        if self.phy.up:
            self.link.send(frame)
            self.sent += 1
        else:
            self.lost += 1
