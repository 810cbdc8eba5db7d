"""The I2C master of the LM3S6965 as registers (data sheet, chapter "Inter-Integrated Circuit (I2C) Interface"), its bus,
and a TMP105 on it (Texas Instruments' data sheet, "Register Map").

What QEMU's model does not do is here: a transfer takes time, commands that the data sheet's table does not have are
refused, the clock may not be faster than the bus, a wire can be stuck.
"""
from hostsim.devices.virtqueue import Violation

MSA, MCS, MDR, MTPR, MIMR, MRIS, MMIS, MICR, MCR = 0x00, 0x04, 0x08, 0x0C, 0x10, 0x14, 0x18, 0x1C, 0x20
READABLE = {MSA, MCS, MDR, MTPR, MIMR, MRIS, MMIS, MCR}
WRITABLE = {MSA, MCS, MDR, MTPR, MIMR, MICR, MCR}
RUN, START, STOP, ACK = 1, 2, 4, 8
BUSY, ERROR, ADRACK, DATACK, ARBLST, IDLE, BUSBSY = (1 << k for k in range(7))
MFE = 16
CLOCK, FASTEST = 50_000_000, 400_000


class I2cMaster:
    """`devices`: address -> device with start(receive), write(byte) -> acknowledged, read() -> byte.

    Tests may set turns, looks at MCS until a byte has passed (None: never, a wire is stuck), and held: another master
    or a device keeps the bus.
    """

    def __init__(self, memory, base, clocked, wired):
        self.clocked, self.wired = clocked, wired
        self.devices = {}
        self.turns, self.held = 3, False
        self.reset()
        memory.mmio(base, 0x1000, self.read, self.write, "I2C master")

    def reset(self):
        self.msa = self.mdr = self.mcr = 0
        self.mtpr = 1
        self.errors = 0
        self.left = 0               # turns of the byte that passes now
        self.talking = None         # the device, between START and STOP
        self.owned = self.ended = False
        self.byte = None            # what a device has sent and nobody has taken

    def _check(self, verb, offset, width, allowed):
        if not self.clocked():
            raise Violation("the I2C master is used before RCGC1 gives it its clock: a bus fault")
        if width != 4 or offset not in allowed:
            raise Violation("I2C master: register 0x%x is %s with %d bytes, which the data sheet does not allow"
                            % (offset, verb, width))

    def read(self, offset, width):
        self._check("read", offset, width, READABLE)
        if offset == MCS:
            return self._state()
        if offset == MDR:
            self._settled("MDR is read")
            if self.byte is None:
                raise Violation("MDR is read, and nothing was received")
            value, self.byte = self.byte, None
            return value
        return {MSA: self.msa, MTPR: self.mtpr, MCR: self.mcr}.get(offset, 0)

    def write(self, offset, width, value):
        self._check("written", offset, width, WRITABLE)
        limit = {MSA: 0xFF, MCS: 15, MDR: 0xFF, MTPR: 0xFF, MIMR: 1, MICR: 1, MCR: 0x31}[offset]
        if value & ~limit:
            raise Violation("I2C master: register 0x%x = 0x%x: reserved bits are set" % (offset, value))
        if offset != MCR:
            self._settled("register 0x%x is written" % offset)
        if offset == MCS:
            self._command(value)
        elif offset == MTPR:
            if CLOCK / (20 * (value + 1)) > FASTEST:
                raise Violation("MTPR = %d: faster than 400 kbit/s" % value)
            self.mtpr = value
        elif offset == MSA:
            self.msa = value
        elif offset == MDR:
            self.mdr = value
        elif offset == MCR:
            self.mcr = value

    def _settled(self, what):
        if self.left:
            raise Violation("I2C master: %s while BUSY is set" % what)

    def _state(self):
        if self.left:
            self.left -= 1
            if self.left:
                return BUSY
        idle = not self.owned
        return self.errors | (IDLE if idle else 0) | (BUSBSY if self.held or self.owned else 0)

    # ---- commands (table "Write Field Decoding for I2CMCS[3:0] Field") ---------------------------------------------
    def _command(self, value):
        if not self.mcr & MFE:
            raise Violation("MCS is written while the master is off (MCR.MFE)")
        if not self.wired():
            raise Violation("MCS is written before SCL and SDA are the I2C master's, open drain")
        receive = self.msa & 1
        if value & START:
            if not value & RUN or receive and value & ACK and value & STOP:
                raise Violation("MCS = 0x%x: not in the data sheet's table" % value)
        elif not self.owned:
            if value == STOP and self.errors & ERROR:
                return              # after an error that has freed the bus already
            raise Violation("MCS = 0x%x without START while the bus is not ours" % value)
        elif value & RUN and receive and value & ACK and value & STOP or not value & (RUN | STOP):
            raise Violation("MCS = 0x%x: not in the data sheet's table" % value)
        if self.held:
            raise Violation("START while the bus is busy (MCS.BUSBSY)")
        self.errors = 0
        if value & START:
            self.owned, self.ended = True, False
            self.talking = self.devices.get(self.msa >> 1)
            if self.talking:
                self.talking.start(receive)
            else:
                self.errors = ERROR | ADRACK
        if value & RUN and not self.errors:
            self._byte(receive, value)
        if value & STOP:
            self.owned = False
        self.left = float("inf") if self.turns is None else self.turns

    def _byte(self, receive, value):
        if self.ended:
            raise Violation("a byte is asked for after the one that was not acknowledged: the device has let go")
        if receive:
            self.byte = self.talking.read()
            self.ended = not value & ACK
            if value & STOP and value & ACK:
                raise Violation("the last byte is acknowledged")
        elif not self.talking.write(self.mdr):
            self.errors = ERROR | DATACK


class Tmp105:
    """The sensor; `celsius` is what it measures, and tests set it."""
    ADDRESS = 0x48

    def __init__(self, celsius=0.0):
        self.celsius = celsius
        self.configuration, self.limits = 0, [75 << 8, 80 << 8]
        self.pointer, self.count = 0, 0
        self.asked = b""

    def _value(self):
        if self.pointer == 0:
            bits = 9 + (self.configuration >> 5 & 3)
            steps = int(self.celsius * 256) >> 16 - bits
            return steps << 16 - bits & 0xFFFF
        return self.configuration << 8 if self.pointer == 1 else self.limits[self.pointer - 2]

    def start(self, receive):
        self.count = 0
        if receive:
            self.asked = self._value().to_bytes(2, "big")

    def write(self, byte):
        self.count += 1
        if self.count == 1:
            self.pointer = byte & 3
            return byte < 4
        if self.pointer == 1:
            self.configuration = byte & 0x7F
            return self.count == 2
        return self.pointer > 1 and self.count < 4

    def read(self):
        byte = self.asked[self.count % 2]
        self.count += 1
        return byte
