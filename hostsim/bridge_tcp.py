"""One TCP connection of the bridge: a host socket on one side, segments to and from the appliance on the other.

The link between them loses nothing, but an appliance may (no free slot, no room): a timer sends again what stays
unacknowledged, with doubling intervals, and gives up after a minute.
"""
import random
import socket
import time

from hostsim.packets import ACK, FIN, PSH, RST, SYN

WINDOW = 65535
READ = 65536                    # so much of the host's data may wait for the appliance
FIRST_TRY, LONGEST_TRY, GIVE_UP = 0.25, 4.0, 60.0


class Connection:
    """`open` after the SYN-ACK; fin_sent, fin_acked: our end; fin_seen, fin_told: the appliance's, and the host knows.

    `bridge` gives segment(connection, seq, ack, flags, window, data, mss) and forget(connection).
    """

    def __init__(self, bridge, sock, port):
        self.bridge, self.sock, self.port = bridge, sock, port
        self.snd_una = random.getrandbits(32)
        self.snd_max = self.snd_una + 1         # the SYN
        self.rcv_nxt = 0
        self.open = False
        self.window = 0
        self.mss = 536
        self.outbound = bytearray()             # from the host, beginning at snd_una
        self.inbound = bytearray()              # for the host
        self.host_done = self.fin_sent = self.fin_acked = self.fin_seen = self.fin_told = False
        self.over = False                       # forgotten by the bridge
        self.interval = FIRST_TRY
        self.started = self.timer = time.monotonic()
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._send_syn()

    # ---- to the appliance ----------------------------------------------------------------------------------------
    def _segment(self, seq, flags, data=b"", mss=0):
        window = max(0, WINDOW - len(self.inbound))
        self.bridge.segment(self, seq, self.rcv_nxt if flags & ACK else 0, flags, window, data, mss)

    def _send_syn(self):
        self._segment(self.snd_una, SYN, mss=1460)
        self._restart()

    def _restart(self):
        self.timer = time.monotonic() + self.interval

    def push(self, again=False):
        """Send what the appliance's window allows; `again`: from the first byte that it has not acknowledged."""
        if not self.open or self.fin_acked:
            return
        sent = 0 if again else min(len(self.outbound), self.snd_max - self.snd_una)
        limit = min(len(self.outbound), max(self.window, 1 if again else 0))
        while sent < limit:
            data = bytes(self.outbound[sent:min(sent + self.mss, limit)])
            self._segment(self.snd_una + sent, ACK | PSH, data)
            sent += len(data)
        if self.host_done and sent == len(self.outbound) and (again or not self.fin_sent):
            self._segment(self.snd_una + sent, ACK | FIN)
            self.fin_sent = True
        end = self.snd_una + sent + self.fin_sent
        if end > self.snd_max or again:
            self.snd_max = max(self.snd_max, end)
            self._restart()

    def tick(self, now):
        """Called at the time that `deadline` gives."""
        if now - self.started > GIVE_UP:
            self.abort()
            return
        self.interval = min(2 * self.interval, LONGEST_TRY)
        if self.open:
            self.push(again=True)
        else:
            self._send_syn()

    def deadline(self):
        """When to send again; None if nothing is unacknowledged or waits for the window."""
        return self.timer if not self.open or self.outbound or self.snd_max != self.snd_una else None

    def abort(self):
        """The host side is gone, or the appliance does not answer."""
        if self.open:
            self._segment(self.snd_max, ACK | RST)
        self.bridge.forget(self)

    # ---- from the appliance --------------------------------------------------------------------------------------
    def segment(self, packet):
        """A segment came in."""
        flags = packet.flags
        if flags & RST:
            if self.open or packet.ack == (self.snd_max & 0xFFFFFFFF):
                self.bridge.forget(self)
            return
        if not self.open:
            if flags & (SYN | ACK) == SYN | ACK and packet.ack == (self.snd_max & 0xFFFFFFFF):
                self._opened(packet)
            return
        if flags & ACK:
            self._acknowledged(packet)
        if packet.data or flags & (FIN | SYN):
            self._data(packet)
        if not self.over:
            self.push()
            self.finish()

    def _opened(self, packet):
        self.open = True
        self.snd_una = self.snd_max
        self.rcv_nxt = (packet.seq + 1) & 0xFFFFFFFF
        self.window, self.mss = packet.window, min(1460, packet.mss)
        self.interval = FIRST_TRY
        self._segment(self.snd_max, ACK)
        self.push()

    def _acknowledged(self, packet):
        count = (packet.ack - self.snd_una) & 0xFFFFFFFF
        self.window = packet.window
        if 0 < count <= self.snd_max - self.snd_una:
            del self.outbound[:count]
            self.snd_una += count
            self.fin_acked = self.fin_sent and self.snd_una == self.snd_max
            self.started = time.monotonic()
            self.interval = FIRST_TRY
            self._restart()

    def _data(self, packet):
        skip = (self.rcv_nxt - packet.seq) & 0xFFFFFFFF
        data = packet.data
        if skip <= len(data) + bool(packet.flags & FIN) and not packet.flags & SYN and not self.fin_seen:
            data = data[skip:]
            self.inbound += data
            self.rcv_nxt += len(data)
            if packet.flags & FIN:
                self.fin_seen = True
                self.rcv_nxt += 1
            self.rcv_nxt &= 0xFFFFFFFF
        self._give()
        if not self.over:
            self._segment(self.snd_max, ACK)

    # ---- the host's socket ---------------------------------------------------------------------------------------
    def wants(self):
        """(read, write): what to wait for on the socket."""
        return not self.host_done and len(self.outbound) < READ, bool(self.inbound)

    def read(self):
        try:
            data = self.sock.recv(READ)
        except BlockingIOError:
            return
        except OSError:
            self.abort()
            return
        self.outbound += data
        if self.snd_max == self.snd_una:        # the first unacknowledged byte: count from now
            self.started = time.monotonic()
            self._restart()
        self.host_done = not data
        self.push()
        self.finish()

    def write(self):
        """The host's socket takes bytes again: its pace opens and closes the window."""
        shut = len(self.inbound) > WINDOW - 2 * 1460
        self._give()
        if self.over:
            return
        if shut:
            self._segment(self.snd_max, ACK)
        self.finish()

    def _give(self):
        """Give the host what came, and the end after it."""
        try:
            while self.inbound:
                del self.inbound[:self.sock.send(self.inbound)]
        except BlockingIOError:
            pass
        except OSError:
            self.abort()
            return
        if self.fin_seen and not self.inbound and not self.fin_told:
            self.fin_told = True
            try:
                self.sock.shutdown(socket.SHUT_WR)
            except OSError:
                pass

    def finish(self):
        """Both sides have closed and everything is delivered."""
        if self.fin_told and self.fin_acked:
            self.bridge.forget(self)
