"""The LM3S6965's Ethernet controller as registers (data sheet, chapter "Ethernet Controller").

What QEMU's model does not do is here: 2 KB of receive FIFO that can overflow, a PHY with a link that can be lost, a
management bus and a transmitter that take time.
"""
from collections import deque

from hostsim.devices.fifo_card import FifoCard
from hostsim.devices.virtqueue import Violation

RIS, IM, RCTL, TCTL, DATA, IA0, IA1, THR = 0x00, 0x04, 0x08, 0x0C, 0x10, 0x14, 0x18, 0x1C
MCTL, MDV, MTXD, MRXD, NP, TR = 0x20, 0x24, 0x2C, 0x30, 0x34, 0x38
READABLE = {RIS, IM, RCTL, TCTL, DATA, IA0, IA1, THR, MCTL, MDV, MTXD, MRXD, NP, TR}
WRITABLE = READABLE - {MRXD, NP}
RXINT, TXER, TXEMP, FOV, RXER, MDINT, PHYINT = (1 << k for k in range(7))
RXEN, AMUL, PRMS, BADCRC, RSTFIFO = (1 << k for k in range(5))
TXEN, PADEN, CRC, DUPLEX = 1, 2, 4, 16
FIFO_BYTES = 2048
MOST_FRAMES = 31
CLOCK = 50_000_000
EVENTS, LINK_EVENT, NEGOTIATED = 17, 1 << 2, 1 << 0     # MR17: events below, their enables 8 bits higher


class StellarisEthernet(FifoCard):
    """The controller. Tests may set the delays, in looks at the register that tells the end; None: never ends.

    frame_turns: NEWTX stays set; phy_turns: START stays set.  phy=False: no PHY at all, and
    filters=False: frames for other addresses come in, both as in QEMU.
    """
    name = "Stellaris Ethernet"

    def __init__(self, memory, base, link, mac=bytes(6), interrupt=None, phy=True, clocked=lambda: True,
                 filters=True):
        super().__init__(memory, base, 0x1000, link, interrupt)
        self.has_phy, self.clocked, self.filters = phy, clocked, filters
        self.frame_turns = self.phy_turns = 0
        self.ris, self.im, self.rctl, self.tctl, self.thr = 0, 0x7F, BADCRC, 0, 0x3F
        self.ia = bytearray(mac)
        self.mdv, self.mtxd, self.mrxd = 0x80, 0, 0
        self.command, self.command_left = 0, 0
        self.frames = deque()           # of words, FIFO order; the first one may be read in part
        self.reading = 0                # words of the first frame that have been read
        self.full = False               # overflowed, waits for RSTFIFO
        self.words = []                 # of the transmit FIFO
        self.sending = None             # turns until the frame has left
        self.events = 0
        self.resets = 0

    # ---- registers -----------------------------------------------------------------------------------------------
    def read(self, offset, width):
        self.check("read", offset, width, READABLE)
        self._clock()
        if offset == RIS:
            return self.ris
        if offset == DATA:
            return self._pop()
        if offset == NP:
            return len(self.frames)
        if offset == TR:
            return self._sending()
        if offset == MCTL:
            return self.command | self._managing()
        if offset == MRXD:
            if self._managing(0):
                raise Violation("MRXD read while the management transfer still runs")
            return self.mrxd
        if offset in (IA0, IA1):
            return int.from_bytes(self.ia[:4] if offset == IA0 else self.ia[4:], "little")
        return {IM: self.im, RCTL: self.rctl, TCTL: self.tctl, THR: self.thr, MDV: self.mdv, MTXD: self.mtxd}[offset]

    def write(self, offset, width, value):
        self.check("written", offset, width, WRITABLE)
        self._clock()
        if offset == RIS:
            self.ris &= ~value
            if value & TXER and self.sending is None:
                self.words.clear()
        elif offset == DATA:
            self._push(value)
        elif offset == TR:
            self._send(value)
        elif offset == RCTL:
            self._receiver(value)
        elif offset == MCTL:
            self._manage(value)
        elif offset == IA0:
            self.ia[:4] = value.to_bytes(4, "little")
        elif offset == IA1:
            if value >> 16:
                raise Violation("IA1 = 0x%x: it has 16 bits" % value)
            self.ia[4:] = value.to_bytes(2, "little")
        else:
            self._set(offset, value)

    def _set(self, offset, value):
        limits = {IM: 0x7F, TCTL: TXEN | PADEN | CRC | DUPLEX, THR: 0x3F, MDV: 0xFF, MTXD: 0xFFFF}
        if value & ~limits[offset]:
            raise Violation("register 0x%x = 0x%x: reserved bits are set" % (offset, value))
        setattr(self, {IM: "im", TCTL: "tctl", THR: "thr", MDV: "mdv", MTXD: "mtxd"}[offset], value)
        if offset == IM:
            self._raise(0)

    def _clock(self):
        if not self.clocked():
            raise Violation("the controller is used before RCGC2 gives it its clock: a bus fault")

    def _raise(self, bits):
        self.ris |= bits
        if self.pending():
            self.interrupt()

    def pending(self):
        """Whether the interrupt line is up."""
        return bool(self.ris & self.im)

    # ---- receive -------------------------------------------------------------------------------------------------
    def _receiver(self, value):
        if value & ~(RXEN | AMUL | PRMS | BADCRC | RSTFIFO):
            raise Violation("RCTL = 0x%x: reserved bits are set" % value)
        if value & RSTFIFO:
            self.frames.clear()
            self.reading = 0
            self.full = False
            self.resets += 1
        self.rctl = value & ~RSTFIFO        # it clears itself

    def used(self):
        return 4 * (sum(map(len, self.frames)) - self.reading)

    def fits(self, size):
        return (bool(self.rctl & RXEN) and not self.full and len(self.frames) < MOST_FRAMES
                and self.used() + (size + 9 & ~3) <= FIFO_BYTES)

    def accept(self, frame):
        """Into the FIFO; one that does not fit sets FOV, and nothing comes in any more until RSTFIFO."""
        if not self.rctl & RXEN:
            return False
        if self.filters and not self.rctl & PRMS and frame[:6] not in (self.ia, b"\xFF" * 6):
            return False
        if not self.fits(len(frame)):
            self.full = True
            self._raise(FOV)
            return False
        data = (len(frame) + 6).to_bytes(2, "little") + frame + b"\xFC\xFC\xFC\xFC"
        data += bytes(-len(data) % 4)
        self.frames.append([int.from_bytes(data[k:k + 4], "little") for k in range(0, len(data), 4)])
        self._raise(RXINT)
        return True

    def bad_crc(self):
        """A damaged frame came: with BADCRC it is dropped, and so is all that is in the FIFO."""
        self.frames.clear()
        self.reading = 0
        self._raise(RXER)

    def _pop(self):
        if not self.frames:
            raise Violation("DATA read with NP = 0: the receive FIFO underflows")
        words = self.frames[0]
        value = words[self.reading]
        self.reading += 1
        if self.reading == len(words):
            self.frames.popleft()
            self.reading = 0
        return value

    # ---- transmit ------------------------------------------------------------------------------------------------
    def _push(self, value):
        if self.sending is not None:
            raise Violation("DATA written while NEWTX says that a frame is being sent")
        if len(self.words) * 4 >= FIFO_BYTES:
            raise Violation("more than 2048 bytes written to the transmit FIFO")
        self.words.append(value)

    def _send(self, value):
        if value != 1:
            raise Violation("TR = 0x%x: NEWTX is its only bit" % value)
        if not self.tctl & TXEN:
            raise Violation("NEWTX set while the transmitter is off (TXEN)")
        if not self.tctl & CRC:
            raise Violation("NEWTX set without TCTL.CRC: the frame would need an FCS of the driver's")
        if self.sending is not None:
            raise Violation("NEWTX set while a frame is being sent")
        data = b"".join([word.to_bytes(4, "little") for word in self.words])
        length = int.from_bytes(data[:2], "little") + 14
        if not data or length > 1514 or len(data) != (length + 5 & ~3):
            raise Violation("NEWTX with %d bytes in the FIFO for a frame of %d" % (len(data), length))
        self.words.clear()
        self.leaving = data[2:2 + length]
        if self.tctl & PADEN:
            self.leaving = self.leaving.ljust(60, b"\0")
        self.sending = self.frame_turns
        if self.sending == 0:
            self._sent()
        elif self.sending is None:
            self.sending = float("inf")

    def _sending(self):
        """Bit NEWTX; each look at it lets some time pass."""
        if self.sending is None:
            return 0
        self.sending -= 1
        if self.sending <= 0:
            self._sent()
            return 0
        return 1

    def pass_time(self):
        if self.sending is not None and self.sending != float("inf"):
            self._sent()

    def _sent(self):
        self.sending = None
        self.transmit(self.leaving)
        self._raise(TXEMP)

    # ---- PHY -----------------------------------------------------------------------------------------------------
    def _manage(self, value):
        if value & ~0xFB:
            raise Violation("MCTL = 0x%x: reserved bits are set" % value)
        if CLOCK / (2 * (self.mdv + 1)) > 2_500_000:
            raise Violation("MDV = %d: the management clock may have 2.5 MHz at most" % self.mdv)
        if self._managing(0):
            raise Violation("MCTL written while a management transfer runs")
        self.command = value & 0xFA
        if value & 1:
            self.command_left = float("inf") if self.phy_turns is None else self.phy_turns
            if not self.command_left:
                self._manage_now()

    def _managing(self, passes=1):
        """Bit START."""
        if not self.command_left:
            return 0
        self.command_left -= passes
        if self.command_left <= 0:
            self.command_left = 0
            self._manage_now()
            return 0
        return 1

    def _manage_now(self):
        register = self.command >> 3
        if not self.has_phy:
            self.mrxd = 0
        elif self.command & 2:
            self.phy.write(register, self.mtxd)
            self._phy_interrupt()
        elif register == EVENTS:
            self.mrxd = self.phy.read(register) & 0xFF00 | self.events
            self.events = 0
        else:
            self.mrxd = self.phy.read(register)
        self._raise(MDINT)

    def _link_changed(self, up):
        self.events |= LINK_EVENT | (NEGOTIATED if up else 0)
        self._phy_interrupt()

    def _phy_interrupt(self):
        if self.phy.written.get(EVENTS, 0) >> 8 & self.events:
            self._raise(PHYINT)
