"""A path between an appliance and a receiver, in virtual time: a bottleneck with a queue, a delay, an MTU, chosen losses.

The receiver is a plain TCP (RFC 9293, RFC 5681 section 4.2): it keeps what arrives out of order and acknowledges every
second segment, and at once what leaves or fills a gap.
"""
import heapq

from device import MAC, Device

from hostsim import packets
from hostsim.packets import ACK, FIN, PSH, SYN, TCP

OURS, HOST = 0x0A00020F, 0x0A000202
TO, FROM = bytes.fromhex(MAC.replace(":", "")), b"\x02\0\0\0\0\2"
DELAYED_ACK_MS = 40


class Path:
    """rate: kbit/s towards the receiver (0: no bottleneck), queue: frames that may wait for it; delay: ms one way.

    Datagrams of more than mtu bytes vanish; with `router` it answers "fragmentation needed" (RFC 1191) that names
    router() as the next hop's MTU. lose(number) tells whether the data segment with this number is lost.
    """

    def __init__(self, device: Device, rate=0, queue=1000, delay=20.0, mtu=1500, router=None, lose=None, port=40000,
                 ack_every=2):
        self.device, self.rate, self.queue, self.delay, self.mtu = device, rate, queue, delay, mtu
        self.router, self.lose, self.port, self.ack_every = router, lose or (lambda number: False), port, ack_every
        self.events, self.number = [], 0
        self.us = device.now * 1000
        self.link_free, self.waiting = 0, 0
        self.sent = self.lost = 0               # data segments that the appliance sent, and those that did not arrive
        self.seq, self.rcv_nxt, self.irs = 5000, 0, None
        self.later, self.unacked, self.ack_at = {}, 0, None
        self.got = bytearray()
        self.sizes = []                         # of the data segments, as they were sent
        self.wake = self.us

    # ---- events ----------------------------------------------------------------------------------------------------
    def at(self, us, what, *args):
        self.number += 1
        heapq.heappush(self.events, (us, self.number, what, args))

    def fetch(self, target, ms=120_000):
        """Ask for a target and receive until the appliance has closed; returns (bytes of the answer, ms that it took)."""
        start = self.us
        self.say(SYN)
        self.request = b"GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" % target.encode()
        self.done = False
        while not self.done and self.us < start + ms * 1000:
            self.step()
        return bytes(self.got), (self.us - start) / 1000

    def step(self):
        """To the next event: a frame at one end, or the appliance's own time."""
        us = min(self.wake, self.events[0][0] if self.events else self.wake)
        self.us = max(us, self.us)
        while self.events and self.events[0][0] <= self.us:
            _, _, what, args = heapq.heappop(self.events)
            what(*args)
        self.device.now = self.us // 1000
        wait = self.device.stack.poll(self.device.now)
        self.wake = (self.device.now + max(wait, 1)) * 1000
        while (frame := self.device.fw.driver.take(self.device.n)) is not None:
            self.send(frame)

    # ---- from the appliance to the receiver ------------------------------------------------------------------------
    def send(self, frame):
        if frame[12:14] != b"\x08\x00" or frame[23] != TCP:
            return
        size = int.from_bytes(frame[16:18], "big")
        if size > 40:
            self.sizes.append(size - 40)
            self.sent += 1
            full = self.rate and self.waiting >= self.queue
            if size > self.mtu or full or self.lose(self.sent):
                self.lost += 1
                if size > self.mtu and self.router:
                    self.at(self.us + int(1000 * self.delay), self.too_big, frame)
                return
        arrives = self.us
        if self.rate:
            self.waiting += 1
            arrives = self.link_free = max(self.link_free, self.us) + (size + 14) * 8 * 1000 // self.rate
            self.at(arrives, self.left_queue)
        self.at(arrives + int(1000 * self.delay), self.arrive, frame)

    def left_queue(self):
        self.waiting -= 1

    def too_big(self, frame):
        body = bytes((3, 4, 0, 0, 0, 0)) + self.router().to_bytes(2, "big") + frame[14:42]
        body = body[:2] + packets.checksum(body).to_bytes(2, "big") + body[4:]
        self.device.fw.driver.put(self.device.n, packets.ipv4(TO, FROM, 0x0A000201, OURS, 1, body))

    # ---- the receiver ----------------------------------------------------------------------------------------------
    def say(self, flags, data=b""):
        body = packets.tcp(HOST, self.port, OURS, 80, self.seq, self.rcv_nxt if flags & ACK else 0, flags, 65535, data,
                           1460 if flags & SYN else 0)
        self.seq += len(data) + bool(flags & (SYN | FIN))
        self.unacked, self.ack_at = 0, None
        self.at(self.us + int(1000 * self.delay), self.device.fw.driver.put, self.device.n,
                packets.ipv4(TO, FROM, HOST, OURS, TCP, body))

    def delayed_ack(self, due):
        if self.ack_at == due:
            self.say(ACK)

    def arrive(self, frame):
        packet = packets.Packet(frame)
        if packet.flags & SYN:
            self.rcv_nxt = packet.seq + 1 & 0xFFFFFFFF
            self.say(ACK | PSH, self.request)
        elif packet.data or packet.flags & FIN:
            self.later[packet.seq] = packet
            in_order = packet.seq == self.rcv_nxt and len(self.later) == 1
            while self.rcv_nxt in self.later:
                taken = self.later.pop(self.rcv_nxt)
                self.got += taken.data
                self.rcv_nxt = self.rcv_nxt + len(taken.data) + (taken.flags & FIN) & 0xFFFFFFFF
                self.done = self.done or bool(taken.flags & FIN)
            self.later = {seq: one for seq, one in self.later.items() if seq - self.rcv_nxt & 0xFFFFFFFF < 1 << 31}
            self.unacked += 1
            if not in_order or self.unacked >= self.ack_every or self.done:
                self.say(ACK)
            elif self.ack_at is None:
                self.ack_at = self.us + 1000 * DELAYED_ACK_MS
                self.at(self.ack_at, self.delayed_ack, self.ack_at)
