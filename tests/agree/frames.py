"""Frames as a peer builds them, right or wrong in every field, and a peer that records what it says to a device."""
import struct

MAC, OURS = bytes.fromhex("525400123456"), 0x0A00020F
HOST_MAC, HOST = bytes.fromhex("020000000002"), 0x0A000202
BROADCAST = b"\xff" * 6
ENTROPY = bytes(range(16))
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
ICMP, TCP, UDP = 1, 6, 17


def checksum(data):
    """RFC 1071."""
    if len(data) & 1:
        data += b"\0"
    total = sum(struct.unpack(">%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def ethernet(kind, body, to=MAC, source=HOST_MAC):
    return to + source + struct.pack(">H", kind) + body


def arp(operation=1, sha=HOST_MAC, spa=HOST, tha=bytes(6), tpa=OURS, to=BROADCAST, kinds=(1, 0x0800, 6, 4), tail=bytes(18)):
    return ethernet(0x0806, struct.pack(">HHBBH6sI6sI", *kinds, operation, sha, spa, tha, tpa) + tail, to, sha)


def ip(protocol, body, source=HOST, target=OURS, first=0x45, length=None, ident=1, fragment=0x4000, ttl=64, wrong=0,
       options=b"", to=MAC, tail=b""):
    """`wrong` is added to the checksum, `tail` stands behind the datagram."""
    length = 20 + len(options) + len(body) if length is None else length
    head = struct.pack(">BBHHHBBHII", first, 0, length, ident, fragment, ttl, protocol, 0, source, target) + options
    total = checksum(head) + wrong & 0xFFFF
    return ethernet(0x0800, head[:10] + struct.pack(">H", total) + head[12:] + body + tail, to)


def summed(protocol, body, at, source, target, wrong):
    """`body` with the checksum over itself and the pseudo header at byte `at`."""
    total = checksum(struct.pack(">IIBBH", source, target, 0, protocol, len(body)) + body)
    return body[:at] + struct.pack(">H", (total or 0xFFFF if protocol == UDP else total) + wrong & 0xFFFF) + body[at + 2:]


def icmp(kind=8, code=0, data=b"", wrong=0, last=9, **fields):
    """`last` is the second half of the header's second word: a sequence number, the next hop's MTU."""
    body = struct.pack(">BBHHH", kind, code, 0, 7, last) + data
    total = checksum(body) + wrong & 0xFFFF
    return ip(ICMP, body[:2] + struct.pack(">H", total) + body[4:], **fields)


def udp(port, data=b"", source_port=4000, length=None, wrong=0, bare=False, source=HOST, target=OURS, **fields):
    """`bare` leaves the checksum out."""
    body = struct.pack(">HHHH", source_port, port, 8 + len(data) if length is None else length, 0) + data
    body = body if bare else summed(UDP, body, 6, source, target, wrong)
    return ip(UDP, body, source=source, target=target, **fields)


def tcp(flags, seq, ack=0, data=b"", port=40000, to_port=80, window=64000, options=b"", offset=None, wrong=0, urgent=0,
        source=HOST, target=OURS, **fields):
    offset = (20 + len(options)) // 4 if offset is None else offset
    body = struct.pack(">HHIIBBHHH", port, to_port, seq & 0xFFFFFFFF, ack & 0xFFFFFFFF, offset << 4, flags, window, 0, urgent)
    return ip(TCP, summed(TCP, body + options + data, 16, source, target, wrong), source=source, target=target, **fields)


def mss(size):
    return struct.pack(">BBH", 2, 4, size)


def sack(*blocks):
    """The option for blocks (left, right) of sequence numbers (RFC 2018 section 3)."""
    edges = [edge & 0xFFFFFFFF for block in blocks for edge in block]
    return b"\1\1" + struct.pack(">BB%dI" % len(edges), 5, 2 + 4 * len(edges), *edges)


SACK_PERMITTED = b"\4\2\1\1"


def repaired(frame):
    """The frame with right checksums, as far as its (maybe lying) headers tell where they are."""
    if len(frame) < 34 or frame[12:14] != b"\x08\x00":
        return frame
    head, body = frame[14:34], frame[34:14 + max(20, int.from_bytes(frame[16:18], "big"))]
    rest = frame[34 + len(body):]
    head = head[:10] + b"\0\0" + head[12:]
    head = head[:10] + struct.pack(">H", checksum(head)) + head[12:]
    at = {ICMP: 2, UDP: 6, TCP: 16}.get(head[9])
    if at and len(body) >= at + 2:
        body = body[:at] + b"\0\0" + body[at + 2:]
        pseudo = b"" if head[9] == ICMP else head[12:20] + struct.pack(">BBH", 0, head[9], len(body))
        body = body[:at] + struct.pack(">H", checksum(pseudo + body)) + body[at + 2:]
    return frame[:14] + head + body + rest


class Segment:
    """A TCP segment that the device sent."""

    def __init__(self, frame):
        length, = struct.unpack_from(">H", frame, 16)
        self.port, = struct.unpack_from(">H", frame, 36)
        self.seq, self.ack, offset, self.flags, self.window = struct.unpack_from(">IIBBH", frame, 38)
        self.data = frame[34 + (offset >> 4 << 2):14 + length]


class Peer:
    """Talks to `device` and records all it says: `records`, and `answers` as the device gave them."""

    def __init__(self, device, now=1000):
        self.device, self.now, self.wait = device, now, 0
        self.records, self.answers = [], []
        self.ports = {}             # of ours -> what the device acknowledged last
        self.turn()

    def turn(self, *frames):
        """All frames arrive, then the device has its turn; returns what it sent."""
        return self._record(frames)

    def mark(self):
        self._record(None)

    def _record(self, frames):
        self.records.append((self.now & 0x3FFFFFFF, frames))
        self.answers.append(self.device.feed(*self.records[-1]))
        wait, sent = self.answers[-1]
        if sent is not None:
            self.wait = wait
        for out in sent or ():
            if out[23] == TCP and out[12:14] == b"\x08\x00":
                segment = Segment(out)
                if segment.flags & ACK:
                    self.ports[segment.port] = segment.ack
        return sent

    def send(self, *frames):
        """Give each frame its turn; returns all that was sent."""
        return [out for frame in frames for out in self.turn(frame)]

    def pass_ms(self, ms):
        """Sleep as main.py does, waking at each deadline."""
        sent, end = [], self.now + ms
        while self.now < end:
            self.now = min(end, self.now + max(1, self.wait))
            sent += self.turn()
        return sent

    def hang_up(self):
        """Reset what is still open, and take the place of what is in TIME-WAIT, so that nothing of this peer is left behind."""
        for port, seq in list(self.ports.items()):
            self.turn(tcp(RST, seq, port=port))
            self.turn(tcp(SYN, seq + (1 << 24), port=port))


class Connection:
    """One TCP connection of a peer: keeps the numbers, takes data in order."""

    def __init__(self, peer, port=40000, seq=5000, options=mss(1460), window=64000, request=b"", source=HOST):
        self.peer, self.port, self.seq, self.window, self.source = peer, port, seq, window, source
        self.ack, self.got, self.closed = 0, bytearray(), False
        self.take(self.say(SYN, options=options))
        self.seq = self.seq + 1 & 0xFFFFFFFF
        self.say(ACK)

    def frame(self, flags, data=b"", **fields):
        fields = {"seq": self.seq, "ack": self.ack, "port": self.port, "window": self.window, "source": self.source, **fields}
        return tcp(flags, data=data, **fields)

    def say(self, flags, data=b"", **fields):
        """Send a segment without moving on; returns the device's segments to this port."""
        return self.mine(self.peer.send(self.frame(flags, data, **fields)))

    def mine(self, frames):
        segments = [Segment(f) for f in frames if f[12:14] == b"\x08\x00" and f[23] == TCP]
        return [segment for segment in segments if segment.port == self.port]

    def take(self, segments):
        for segment in segments:
            if segment.flags & SYN:
                self.ack = segment.seq + 1 & 0xFFFFFFFF
            elif segment.seq == self.ack:
                self.got += segment.data
                self.ack = self.ack + len(segment.data) + (segment.flags & FIN) & 0xFFFFFFFF
                self.closed = self.closed or bool(segment.flags & FIN)
        return segments

    def give(self, data, flags=PSH | ACK):
        """Send data (and FIN) in order, and take what comes."""
        segments = self.say(flags, data)
        self.seq = self.seq + len(data) + (flags & FIN) & 0xFFFFFFFF
        return self.take(segments)

    def pump(self):
        """Acknowledge until the device is silent; returns all data."""
        for _ in range(4000):
            before = self.ack
            self.take(self.say(ACK))
            if self.ack == before:
                return bytes(self.got)
        raise AssertionError("the device never falls silent")

    def get(self, target="/", method="GET", headers="", version="HTTP/1.1", host="Host: x\r\n"):
        self.got.clear()
        self.give(("%s %s %s\r\n%s%s\r\n" % (method, target, version, host, headers)).encode())
        return self.pump()

    def close(self):
        """FIN from our side first, then the device's."""
        self.give(b"", FIN | ACK)
        self.pump()


def probe(peer, port):
    """A connection that is not opened."""
    one = Connection.__new__(Connection)
    one.peer, one.port, one.window, one.source = peer, port, 1000, HOST
    return one
