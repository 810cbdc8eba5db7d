"""Frames as the peer of an appliance builds and reads them: Ethernet, ARP, IPv4, UDP, TCP.  Nothing of firmware/."""
import struct

IPV4, ARP = 0x0800, 0x0806
TCP, UDP = 6, 17
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
BROADCAST = b"\xff" * 6


def checksum(data):
    """Internet checksum (RFC 1071) of data, big endian."""
    if len(data) & 1:
        data += b"\0"
    total = sum(struct.unpack(">%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def ethernet(to, source, kind, body):
    return (to + source + struct.pack(">H", kind) + body).ljust(60, b"\0")


def arp(operation, sender_mac, sender, target_mac, target, to):
    """Operation 1 asks, 2 answers (RFC 826); addresses are integers."""
    body = struct.pack(">HHBBH6sI6sI", 1, IPV4, 6, 4, operation, sender_mac, sender, target_mac, target)
    return ethernet(to, sender_mac, ARP, body)


def ipv4(to_mac, mac, source, target, protocol, body, ident=0):
    header = struct.pack(">BBHHHBBHII", 0x45, 0, 20 + len(body), ident, 0x4000, 64, protocol, 0, source, target)
    header = header[:10] + struct.pack(">H", checksum(header)) + header[12:]
    return ethernet(to_mac, mac, IPV4, header + body)


def _summed(source, target, protocol, body):
    return checksum(struct.pack(">IIBBH", source, target, 0, protocol, len(body)) + body)


def udp(source, source_port, target, target_port, data):
    """Header and data of a datagram (RFC 768)."""
    head = struct.pack(">HHH", source_port, target_port, 8 + len(data))
    total = _summed(source, target, UDP, head + b"\0\0" + data) or 0xFFFF
    return head + struct.pack(">H", total) + data


def tcp(source, source_port, target, target_port, seq, ack, flags, window, data=b"", mss=0, options=b""):
    """Header and data of a segment (RFC 9293); an MSS option if mss is given, in front of others."""
    options = (struct.pack(">BBH", 2, 4, mss) if mss else b"") + options
    head = struct.pack(">HHIIBBH", source_port, target_port, seq & 0xFFFFFFFF, ack & 0xFFFFFFFF,
                       (20 + len(options)) << 2, flags, window)
    total = _summed(source, target, TCP, head + b"\0\0\0\0" + options + data)
    return head + struct.pack(">HH", total, 0) + options + data


SACK_PERMITTED = b"\4\2\1\1"


def sack(blocks):
    """The option for blocks (left, right), up to four (RFC 2018 section 3), padded in front; nothing for none."""
    parts = [struct.pack(">II", left & 0xFFFFFFFF, right & 0xFFFFFFFF) for left, right in blocks[:4]]
    return b"\1\1" + bytes((5, 2 + 8 * len(parts))) + b"".join(parts) if parts else b""


class Packet:
    """An IPv4 packet, taken apart as far as UDP or TCP go; a wrong sum is a ValueError."""
    __slots__ = ("source", "target", "protocol", "source_port", "target_port", "data", "seq", "ack", "flags",
                 "window", "mss", "sack_permitted")

    def __init__(self, frame):
        words = (frame[14] & 15) * 4
        total, = struct.unpack_from(">H", frame, 16)
        if frame[14] >> 4 != 4 or words < 20 or len(frame) < 14 + total or checksum(frame[14:14 + words]):
            raise ValueError("a damaged IPv4 packet")
        self.protocol = frame[23]
        self.source, self.target = struct.unpack_from(">II", frame, 26)
        body = self.data = frame[14 + words:14 + total]
        self.source_port = self.target_port = 0
        if self.protocol in (TCP, UDP):
            if (self.protocol == TCP or body[6:8] != b"\0\0") and _summed(self.source, self.target, self.protocol, body):
                raise ValueError("a wrong checksum")
            self.source_port, self.target_port = struct.unpack_from(">HH", body)
            if self.protocol == UDP:
                self.data = body[8:]
            else:
                self._tcp(body)

    def _tcp(self, body):
        self.seq, self.ack, length, self.flags, self.window = struct.unpack_from(">IIBBH", body, 4)
        length = (length >> 4) * 4
        self.data = body[length:]
        options = body[20:length]
        self.mss, self.sack_permitted = 536, False
        while len(options) > 1 and options[0]:
            if options[0] == 1:
                options = options[1:]
                continue
            if options[0] == 2:
                self.mss, = struct.unpack_from(">H", options, 2)
            self.sack_permitted = self.sack_permitted or options[0] == 4
            options = options[max(options[1], 2):]
