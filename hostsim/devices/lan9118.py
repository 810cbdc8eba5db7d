"""SMSC's LAN9118 as registers (data sheet revision 1.5; chapter numbers from there).

What QEMU's model does not do is here: data and status FIFOs that overflow and count what they dropped, a transmitter,
a reset and a PHY that take time, a receiver that gets out of step when it is read too far.
"""
from collections import deque

from hostsim.devices.fifo_card import FifoCard
from hostsim.devices.virtqueue import Violation

RX_DATA, TX_DATA = range(0x00, 0x20, 4), range(0x20, 0x40, 4)
RX_STATUS, RX_PEEK, TX_STATUS, TX_PEEK, ID_REV, IRQ_CFG, INT_STS, INT_EN = range(0x40, 0x60, 4)
BYTE_TEST, FIFO_INT, RX_CFG, TX_CFG, HW_CFG, RX_DP_CTRL, RX_FIFO_INF, TX_FIFO_INF, PMT_CTRL = range(0x64, 0x88, 4)
RX_DROP, MAC_CSR_CMD, MAC_CSR_DATA, AFC_CFG = range(0xA0, 0xB0, 4)
READABLE = {*RX_DATA, RX_STATUS, RX_PEEK, TX_STATUS, TX_PEEK, ID_REV, IRQ_CFG, INT_STS, INT_EN, BYTE_TEST, FIFO_INT,
            RX_CFG, TX_CFG, HW_CFG, RX_FIFO_INF, TX_FIFO_INF, PMT_CTRL, RX_DROP, MAC_CSR_CMD, MAC_CSR_DATA, AFC_CFG}
WRITABLE = {*TX_DATA, IRQ_CFG, INT_STS, INT_EN, FIFO_INT, RX_CFG, TX_CFG, HW_CFG, PMT_CTRL, BYTE_TEST, MAC_CSR_CMD,
            MAC_CSR_DATA, AFC_CFG}
PLAIN = {IRQ_CFG, INT_EN, FIFO_INT, AFC_CFG}        # these hold what is written
RSFL, RXE, PHY_INT, RXSTOP = 1 << 3, 1 << 14, 1 << 18, 1 << 24
RX_DUMP, SRST, SF = 1 << 15, 1, 1 << 20
TX_ON, TXSAO = 2, 4
MAC_CR, ADDRH, ADDRL, MII_ACC, MII_DATA = 1, 2, 3, 6, 7
TXEN, RXEN, PRMS, FDPX = 8, 4, 1 << 18, 1 << 20
FIRST, LAST = 1 << 13, 1 << 12
EVENTS, EVENT_MASK, NEGOTIATED, DOWN = 29, 30, 0x40, 0x10
RX_BYTES, RX_STATUSES, TX_BYTES, TX_STATUSES = 10560, 176, 4608, 128      # with 5 KB for transmission (5.3.9)


class Lan9118(FifoCard):
    """The controller. Tests may set the delays, in looks at the register that tells the end; None: never ends.

    frame_turns: looks at TX_FIFO_INF until a frame has left; phy_turns: at MII_ACC; reset_turns: at HW_CFG.
    filters=False: as if PRMS were set.
    """
    name = "LAN9118"

    def __init__(self, memory, base, link, mac=b"\xFF" * 6, interrupt=None, present=True):
        super().__init__(memory, base, 0x100, link, interrupt)
        self.eeprom, self.present = mac, present
        self.filters = True
        self.frame_turns = self.phy_turns = self.reset_turns = 0
        self.reset()

    def reset(self):
        self.plain = {IRQ_CFG: 0, INT_EN: 0, FIFO_INT: 0x48000000, AFC_CFG: 0}
        self.int_sts = self.rx_cfg = self.tx_cfg = self.dropped = 0
        self.hw_cfg = 5 << 16
        self.resetting = float("inf") if self.reset_turns is None else self.reset_turns
        self.mac = {MAC_CR: 0x00040000, ADDRH: int.from_bytes(self.eeprom[4:], "little"),
                    ADDRL: int.from_bytes(self.eeprom[:4], "little"), MII_ACC: 0, MII_DATA: 0}
        self.mac_data = 0
        self.mii_left = 0
        self.rx_words, self.rx_status = deque(), deque()
        self.queue = deque()            # frames in the transmit FIFO: [turns, bytes in the FIFO, frame]
        self.tx_statuses = 0
        self.state, self.parts = "A", bytearray()
        self.in_fifo = 0                # bytes of the frame that is being written
        self.events = 0

    # ---- registers -----------------------------------------------------------------------------------------------
    def read(self, offset, width):
        self.check("read", offset, width, READABLE)
        if offset == BYTE_TEST:
            return 0x87654321 if self.present else 0
        if offset == PMT_CTRL:
            return 1
        if offset == HW_CFG:
            if self.resetting:
                self.resetting -= 1
                return self.hw_cfg | SRST
            return self.hw_cfg
        self._awake()
        if offset in RX_DATA:
            return self._pop()
        if offset == RX_STATUS:
            if not self.rx_status:
                raise Violation("RX_STATUS_FIFO read while it is empty (RX_FIFO_INF tells)")
            return self.rx_status.popleft()
        if offset == RX_FIFO_INF:
            return len(self.rx_status) << 16 | 4 * len(self.rx_words)
        if offset == TX_FIFO_INF:
            return self._transmitter()
        if offset == RX_DROP:
            dropped, self.dropped = self.dropped, 0
            return dropped
        if offset == MAC_CSR_DATA:
            return self.mac_data
        return {INT_STS: self.int_sts, RX_CFG: self.rx_cfg, TX_CFG: self.tx_cfg, MAC_CSR_CMD: 0, ID_REV: 0x01180001,
                **self.plain}[offset]

    def write(self, offset, width, value):
        self.check("written", offset, width, WRITABLE)
        if offset == HW_CFG:
            if value & SRST:
                return self.reset()
            if not value & SF or (value >> 16 & 0xF) != 5:
                raise Violation("HW_CFG = 0x%x: bit 20 must be set, and this model has 5 KB for transmission" % value)
        self._awake()
        if offset in TX_DATA:
            self._push(value)
        elif offset == INT_STS:
            self.int_sts &= ~value
            self._update()
        elif offset == RX_CFG:
            self._receive_configuration(value)
        elif offset == TX_CFG:
            self.tx_cfg = value & (TX_ON | TXSAO)
        elif offset == MAC_CSR_CMD:
            self._mac(value)
        elif offset == MAC_CSR_DATA:
            self.mac_data = value
        elif offset in PLAIN:
            self.plain[offset] = value
            self._update()
        return None

    def _awake(self):
        if self.resetting:
            raise Violation("a register is used before the reset has ended (HW_CFG.SRST)")

    def _update(self):
        if self.events & self.phy.written.get(EVENT_MASK, 0):
            self.int_sts |= PHY_INT
        else:
            self.int_sts &= ~PHY_INT
        if len(self.rx_status) > self.plain[FIFO_INT] & 0xFF:
            self.int_sts |= RSFL        # a level: acknowledging does not help while frames wait
        if self.pending():
            self.interrupt()

    def pending(self):
        """Whether the interrupt line is up, as the processor wants it: active high, push-pull."""
        return bool(self.int_sts & self.plain[INT_EN]) and self.plain[IRQ_CFG] & 0x111 == 0x111

    # ---- MAC and PHY ---------------------------------------------------------------------------------------------
    def _mac(self, value):
        register = value & 0xFF
        if not value >> 31 or register not in self.mac:
            raise Violation("MAC_CSR_CMD = 0x%x: not busy, or no register that a driver needs" % value)
        if value >> 30 & 1:
            if register == MII_ACC and self.mii_left:
                self.mii_left -= 1
                if not self.mii_left:
                    self._mii_now()
            self.mac_data = self.mac[register] | (1 if register == MII_ACC and self.mii_left else 0)
            return
        if register in (MII_ACC, MII_DATA) and self.mii_left:
            raise Violation("MII register %d written while a transfer runs" % register)
        if register == MAC_CR and self.mac[MAC_CR] & RXEN and not self.mac_data & RXEN:
            self.int_sts |= RXSTOP
        self.mac[register] = self.mac_data
        if register == MII_ACC:
            if self.mac_data >> 11 & 31 != 1:
                raise Violation("MII_ACC = 0x%x: the PHY inside has address 1" % self.mac_data)
            self.mac[MII_ACC] &= ~1
            self.mii_left = float("inf") if self.phy_turns is None else self.phy_turns
            if not self.mii_left:
                self._mii_now()

    def _mii_now(self):
        register = self.mac[MII_ACC] >> 6 & 31
        if self.mac[MII_ACC] & 2:
            self.phy.write(register, self.mac[MII_DATA])
        elif register == EVENTS:
            self.mac[MII_DATA], self.events = self.events, 0
        else:
            self.mac[MII_DATA] = self.phy.read(register)
        self._update()

    def _link_changed(self, up):
        self.events |= NEGOTIATED if up else DOWN
        self._update()

    # ---- receive (3.13) ------------------------------------------------------------------------------------------
    def _receive_configuration(self, value):
        if value & RX_DUMP:
            if self.mac[MAC_CR] & RXEN:
                raise Violation("RX_DUMP while the receiver runs (3.13.4)")
            self.rx_words.clear()
            self.rx_status.clear()
        self.rx_cfg = value & ~RX_DUMP

    def _offset(self):
        return self.rx_cfg >> 8 & 31

    def fits(self, size):
        return (bool(self.mac[MAC_CR] & RXEN) and len(self.rx_status) < RX_STATUSES
                and 4 * len(self.rx_words) + (self._offset() + size + 7 & ~3) <= RX_BYTES)

    def accept(self, frame, error=0):
        if not self.mac[MAC_CR] & RXEN:
            return False
        own = self.mac[ADDRL].to_bytes(4, "little") + self.mac[ADDRH].to_bytes(2, "little")
        if self.filters and not self.mac[MAC_CR] & PRMS and frame[:6] not in (own, b"\xFF" * 6):
            return False
        if not self.fits(len(frame)):
            self.dropped += 1
            return False
        data = bytes(self._offset()) + frame + b"\xFC\xFC\xFC\xFC"
        data += bytes(-len(data) % 4)
        self.rx_words.extend(int.from_bytes(data[k:k + 4], "little") for k in range(0, len(data), 4))
        self.rx_status.append(len(frame) + 4 << 16 | error)
        self._update()
        return True

    def _pop(self):
        if not self.rx_words:
            raise Violation("the receive data FIFO is read while it is empty")
        return self.rx_words.popleft()

    def out_of_step(self):
        """The receiver has lost its place: RXE, and what is in the FIFOs is worth nothing."""
        self.rx_words.clear()
        self.int_sts |= RXE
        self._update()

    # ---- transmit (3.12) -----------------------------------------------------------------------------------------
    def _push(self, value):
        """One word of: command A, command B, data; twice or more often where a frame has several buffers."""
        if not self.tx_cfg & TX_ON or not self.mac[MAC_CR] & TXEN:
            raise Violation("the transmit FIFO is written before TX_ON and TXEN are set")
        if self.state == "A":
            self.command, self.state = value, "B"
            if bool(value & FIRST) == bool(self.parts):
                raise Violation("transmit command A 0x%x: FIRST belongs to the first buffer and no other" % value)
            self.left, self.offset = value & 0x7FF, value >> 16 & 31
            if not self.left:
                raise Violation("transmit command A with a buffer of 0 bytes")
        elif self.state == "B":
            if self.command & FIRST:
                self.tag = value
            elif value != self.tag:
                raise Violation("transmit command B 0x%x differs from the first buffer's 0x%x" % (value, self.tag))
            self.state = "data"
            self.buffer = bytearray()
            self.wanted = self.offset + self.left + 3 & ~3
        else:
            self.buffer += value.to_bytes(4, "little")
            self.in_fifo += 4
            if len(self.buffer) == self.wanted:
                self.parts += self.buffer[self.offset:self.offset + self.left]
                self.state = "A"
                if self.command & LAST:
                    self._complete()
        if self._free() < 0:
            raise Violation("the transmit data FIFO overflows (TX_FIFO_INF tells)")

    def _complete(self):
        if len(self.parts) != self.tag & 0x7FF or not 14 <= len(self.parts) <= 1514:
            raise Violation("a frame of %d bytes in its buffers, %d in command B" % (len(self.parts), self.tag & 0x7FF))
        turns = float("inf") if self.frame_turns is None else self.frame_turns
        self.queue.append([turns, self.in_fifo, bytes(self.parts)])
        self.parts, self.in_fifo = bytearray(), 0
        self._drain()

    def _free(self):
        return TX_BYTES - self.in_fifo - sum(entry[1] for entry in self.queue)

    def _transmitter(self):
        """TX_FIFO_INF; each look at it lets some time pass."""
        if self.queue:
            self.queue[0][0] -= 1
            self._drain()
        return min(self.tx_statuses, TX_STATUSES) << 16 | self._free()

    def pass_time(self):
        for entry in self.queue:
            if entry[0] != float("inf"):
                entry[0] = 0
        self._drain()

    def _drain(self):
        while self.queue and self.queue[0][0] <= 0:
            if self.tx_statuses >= TX_STATUSES and not self.tx_cfg & TXSAO:
                raise Violation("nobody reads the transmit status FIFO, and TXSAO is not set: the transmitter stops")
            self.tx_statuses += 1
            self.transmit(self.queue.popleft()[2])
