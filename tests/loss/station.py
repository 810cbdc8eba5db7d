"""A host on the appliance's wire, for virtual time: ARP, and a TCP client that repairs what the wire does (RFC 9293).

Its connections keep what comes beyond a gap and tell so (RFC 2018; with `sack` False they do not), verify every checksum, acknowledge every second segment (RFC 1122 section
4.2.3.2) and at once where something is missing (RFC 5681 section 4.2), and send again by RFC 6298's timer. Nothing of
firmware/ is used: it is a second opinion.
"""
import struct

from hostsim import packets
from hostsim.packets import ACK, FIN, PSH, RST, SYN

MAC, ADDRESS = b"\x02\0\0\0\0\x09", 0x0A000202
MSS, WINDOW = 1460, 65535
DELAYED_ACK = 40
RTO_FIRST, RTO_MIN, RTO_MAX = 1000, 200, 60000
RTO_AGAIN = 3000        # after a SYN that had to be sent again (RFC 6298 section 5.7)
TRIES = 15              # Linux's tcp_retries2
MODULUS = 1 << 32


def distance(a, b):
    """a - b of two sequence numbers, signed."""
    return (a - b + (1 << 31)) % MODULUS - (1 << 31)


class Broken(Exception):
    """The connection ended otherwise than by FIN: reset, or given up."""


class Connection:
    """One connection of a Station, opened at once. `received` grows; write() and close() are the user's calls."""

    def __init__(self, station, port, iss):
        self.station, self.port = station, port
        self.snd_una = self.snd_nxt = iss % MODULUS
        self.rcv_nxt, self.synchronized, self.error = 0, False, None
        self.outbound, self.received = bytearray(), bytearray()
        self.window, self.mss = 0, 536
        self.beyond = {}                    # sequence number -> (data, fin), what came beyond a gap
        self.blocks, self.selective = [], False     # the same as ranges, the latest first; whether both ends permit SACK
        self.closing = self.fin_received = self.fin_acked = False
        self.unacknowledged, self.ack_at = 0, None
        self.srtt, self.rttvar, self.rto, self.timed = 0, 0, RTO_FIRST, None
        self.rtx_at, self.tries, self.duplicates = None, 0, 0
        self._segment(self.snd_una, SYN)
        self.snd_nxt = (self.snd_una + 1) % MODULUS
        self.timed = (self.snd_nxt, self.now)
        self._arm()

    @property
    def now(self):
        return self.station.clock.us() / 1000

    # ---- the user's calls ----------------------------------------------------------------------------------------
    def write(self, data):
        self.outbound += data
        self._push()

    def close(self):
        self.closing = True
        self._push()

    def abort(self):
        if not self.error:
            self._segment(self.snd_nxt, RST | ACK)
            self.error = Broken("aborted")

    # ---- out -----------------------------------------------------------------------------------------------------
    def _segment(self, seq, flags, data=b""):
        options = b""
        if flags & SYN and self.station.sack:
            options = packets.SACK_PERMITTED
        if flags & ACK:
            self.unacknowledged, self.ack_at = 0, None
            options = packets.sack(self.blocks) if self.selective else b""
        self.station.send(packets.tcp(ADDRESS, self.port, self.station.device, 80, seq, self.rcv_nxt if flags & ACK else 0,
                                      flags, WINDOW, data, MSS if flags & SYN else 0, options))

    def _arm(self):
        self.rtx_at = self.now + self.rto

    @property
    def _end(self):
        """Sequence number behind the last byte (and FIN) that the user wants sent."""
        return (self.snd_una + len(self.outbound) + (self.closing and not self.fin_acked)) % MODULUS

    def _push(self):
        """Send what is new, as far as the window allows."""
        while self.synchronized and not self.error and self.snd_nxt != self._end:
            sent = distance(self.snd_nxt, self.snd_una)
            if not self._send_from(sent, min(self.window - sent, self.mss)):
                break

    def _send_from(self, at, size):
        """Send up to `size` bytes of `outbound` from index `at`; FIN behind the last. Returns whether something went out."""
        data = bytes(self.outbound[at:at + max(size, 0)])
        fin = self.closing and not self.fin_acked and at + len(data) == len(self.outbound)
        if not data and not fin:
            return False
        seq = (self.snd_una + at) % MODULUS
        self._segment(seq, ACK | (PSH if data else 0) | (FIN if fin else 0), data)
        end = (seq + len(data) + fin) % MODULUS
        if distance(end, self.snd_nxt) > 0:
            self.snd_nxt = end
            if self.timed is None:
                self.timed = (end, self.now)
        if self.rtx_at is None:
            self._arm()
        return True

    def _again(self):
        """Send the oldest segment again; Karn: it is timed no more. A closed window is probed with one byte."""
        self.timed = None
        if self.synchronized:
            self._send_from(0, min(self.mss, max(self.window, 1)))
        else:
            self._segment(self.snd_una, SYN)

    def tick(self):
        """What is due now; returns when the next is due, in ms of the clock, None for never."""
        if self.error:
            return None
        if self.rtx_at is not None and self.now >= self.rtx_at:
            self.tries += 1
            if self.tries > TRIES:
                self.error = Broken("given up at %d ms after %d tries" % (self.now, TRIES))
                return None
            self.rto = min(2 * self.rto, RTO_MAX)
            self._again()
            self._arm()
        if self.ack_at is not None and self.now >= self.ack_at:
            self._segment(self.snd_nxt, ACK)
        return min((at for at in (self.rtx_at, self.ack_at) if at is not None), default=None)

    # ---- in ------------------------------------------------------------------------------------------------------
    def take(self, packet):
        """A segment with right checksums."""
        if packet.flags & RST:
            if packet.seq == self.rcv_nxt or not self.synchronized:
                self.error = Broken("reset by the appliance at %d ms" % self.now)
            return
        if packet.flags & SYN:
            if not self.synchronized and packet.flags & ACK and packet.ack == self.snd_nxt:
                self.rcv_nxt, self.mss, self.synchronized = (packet.seq + 1) % MODULUS, packet.mss, True
                self.selective = packet.sack_permitted
                assert self.station.sack or not self.selective
                if self.timed is None:
                    self.rto = RTO_AGAIN
                self._acknowledged(packet)
            self._segment(self.snd_nxt, ACK)
            self._push()
            return
        if not self.synchronized or not packet.flags & ACK or distance(packet.ack, self.snd_nxt) > 0:
            return
        self._acknowledged(packet)
        if packet.data or packet.flags & FIN:
            self._text(packet)
        self._push()

    def _acknowledged(self, packet):
        acked = distance(packet.ack, self.snd_una)
        if acked >= 0:
            self.window = packet.window
        if acked > 0:
            self._measure(packet.ack)
            if packet.flags & SYN:
                acked -= 1
            elif acked > len(self.outbound):
                self.fin_acked = True
            del self.outbound[:acked]
            self.snd_una = packet.ack
            self.tries = self.duplicates = 0
            if self.snd_una == self.snd_nxt:
                self.rtx_at = None
            else:
                self._arm()
        elif acked == 0 and not packet.data and self.snd_nxt != self.snd_una:
            self.duplicates += 1
            if self.duplicates == 3:
                self._again()

    def _measure(self, ack):
        """RFC 6298 section 2."""
        if self.timed and distance(ack, self.timed[0]) >= 0:
            sample = self.now - self.timed[1]
            if self.srtt:
                self.rttvar += (abs(self.srtt - sample) - self.rttvar) / 4
                self.srtt += (sample - self.srtt) / 8
            else:
                self.srtt, self.rttvar = sample, sample / 2
            self.timed = None
        if self.srtt:
            self.rto = min(max(self.srtt + max(4 * self.rttvar, 1), RTO_MIN), RTO_MAX)

    def _text(self, packet):
        """Keep what is new within the window, take what is in order, acknowledge."""
        ahead = distance(packet.seq, self.rcv_nxt)
        assert ahead + len(packet.data) <= WINDOW, "the appliance sent beyond the window"
        fin = bool(packet.flags & FIN)
        at_once = ahead != 0 or bool(self.beyond) or fin
        if ahead > 0:
            self._block(packet.seq, (packet.seq + len(packet.data) + fin) % MODULUS)
            self.beyond[packet.seq] = max(self.beyond.get(packet.seq, (b"", False)), (packet.data, fin), key=lambda x: len(x[0]))
        elif ahead + len(packet.data) + fin > 0:
            self._in_order(packet.data[-ahead:] if ahead else packet.data, fin)
            while pieces := [seq for seq in self.beyond if distance(seq, self.rcv_nxt) <= 0]:
                for seq in pieces:
                    data, fin = self.beyond.pop(seq)
                    old = distance(self.rcv_nxt, seq)
                    if old < len(data) + fin:
                        self._in_order(data[old:], fin)
        self.blocks = [block for block in self.blocks if distance(block[0], self.rcv_nxt) > 0]
        self.unacknowledged += 1
        if at_once or self.unacknowledged >= 2:
            self._segment(self.snd_nxt, ACK)
        elif self.ack_at is None:
            self.ack_at = self.now + DELAYED_ACK

    def _block(self, left, right):
        """Received beyond a gap: the first block holds it, the others stay in their order (RFC 2018 section 4)."""
        apart = []
        for block in self.blocks:
            if distance(block[0], right) > 0 or distance(left, block[1]) > 0:
                apart.append(block)
            else:
                left = min(left, block[0], key=lambda x: distance(x, self.rcv_nxt))
                right = max(right, block[1], key=lambda x: distance(x, self.rcv_nxt))
        self.blocks = [(left, right)] + apart

    def _in_order(self, data, fin):
        assert not self.fin_received or not data, "data behind the appliance's FIN"
        self.received += data
        self.rcv_nxt = (self.rcv_nxt + len(data) + (fin and not self.fin_received)) % MODULUS
        self.fin_received = self.fin_received or fin


class Station:
    """A party of hostsim.appliance.run_until: step() does all that can be done now."""

    def __init__(self, link, clock, device, device_mac, user=None, sack=True):
        self.sack = sack
        self.link, self.clock, self.device, self.device_mac = link, clock, device, device_mac
        self.user = user                # called after each turn
        self.connections = {}
        self.refused = 0                # frames that were damaged

    def connect(self, port, iss):
        one = self.connections[port] = Connection(self, port, iss)
        return one

    def send(self, segment):
        self.link.send(packets.ipv4(self.device_mac, MAC, ADDRESS, self.device, packets.TCP, segment))

    def step(self):
        while (frame := self.link.recv()) is not None:
            self._take(frame)
        if self.user:
            self.user()
        dues = [at for one in self.connections.values() if (at := one.tick()) is not None]
        return max(0, min(dues, default=3600000 + self.clock.us() / 1000) - self.clock.us() / 1000)

    def _take(self, frame):
        if frame[12:14] == b"\x08\x06" and frame[20:22] == b"\0\1" and frame[38:42] == struct.pack(">I", ADDRESS):
            self.link.send(packets.arp(2, MAC, ADDRESS, frame[22:28], self.device, frame[6:12]))
        elif frame[12:14] == b"\x08\x00" and frame[:6] == MAC:
            try:
                packet = packets.Packet(frame)
            except (ValueError, struct.error, IndexError):
                self.refused += 1
                return
            one = self.connections.get(packet.target_port)
            if packet.protocol == packets.TCP and packet.source_port == 80 and one and not one.error:
                one.take(packet)
