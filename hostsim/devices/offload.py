"""What a virtio network card does to a frame that it has to cut: checksum and segmentation (VIRTIO 1.2, section 5.1.6.2).

Strict about the header that asks for it. Each segment is the headers with what differs (RFC 9293 section 3.1): sequence
number, PSH and FIN in the last one only, lengths and sums. The identification stays: in a datagram with DF it has no
meaning (RFC 6864 section 4.1).
"""
import struct

from hostsim.devices.virtqueue import Violation

NEEDS_CSUM, TCPV4 = 1, 1
IP_AT, TCP_AT, SUM_AT = 14, 34, 16      # in a frame without VLAN tag and IP options; the checksum's place in TCP's header
FIN, PSH = 0x01, 0x08


def checksum(data, total=0):
    """RFC 1071, of bytes whose sum begins with `total`."""
    data = bytes(data)
    total += sum(struct.unpack(">%dH" % (len(data) // 2), data[:len(data) & ~1]))
    if len(data) & 1:
        total += data[-1] << 8
    return total % 0xFFFF or (0xFFFF if total else 0)


def segments(header, frame, agreed):
    """The frames that are sent for `frame`, whose virtio header asks for offloads; `agreed`: HOST_TSO4 was accepted."""
    flags, kind, length, size, start, offset, *buffers = struct.unpack_from("<BBHHHH%dH" % (len(header) > 10), header)
    if not agreed or flags != NEEDS_CSUM or kind != TCPV4 or any(buffers):
        raise Violation("header %s of a sent frame asks for what was not agreed on (5.1.6.2.1)" % bytes(header).hex())
    if (start, offset) != (TCP_AT, SUM_AT) or frame[IP_AT - 2:IP_AT + 1] != b"\x08\0E" or frame[23] != 6:
        raise Violation("csum_start %d, csum_offset %d, and no TCP checksum is there" % (start, offset))
    if length != TCP_AT + (frame[46] >> 4 << 2):
        raise Violation("hdr_len is %d, the headers have %d bytes" % (length, TCP_AT + (frame[46] >> 4 << 2)))
    total, = struct.unpack_from(">H", frame, 16)
    if len(frame) - IP_AT != total or checksum(frame[IP_AT:TCP_AT]) != 0xFFFF:
        raise Violation("IP length %d or checksum of a frame of %d bytes is wrong" % (total, len(frame)))
    if not 0 < size < len(frame) - length:
        raise Violation("gso_size %d: a payload of %d bytes needs no cutting" % (size, len(frame) - length))
    given, = struct.unpack_from(">H", frame, TCP_AT + SUM_AT)
    if given % 0xFFFF != _pseudo(frame, total - 20) % 0xFFFF:
        raise Violation("TCP's checksum field holds %04x, not the sum of the pseudo header (5.1.6.2)" % given)
    return [_segment(frame, length, at, min(at + size, len(frame))) for at in range(length, len(frame), size)]


def _pseudo(frame, length):
    return checksum(frame[26:34], 6 + length)


def _segment(frame, length, begin, end):
    """Headers and bytes begin..end of the payload, as a frame."""
    out = bytearray(frame[:length] + frame[begin:end])
    seq, = struct.unpack_from(">I", out, 38)
    struct.pack_into(">I", out, 38, seq + begin - length & 0xFFFFFFFF)
    if end < len(frame):
        out[47] &= ~(FIN | PSH)
    struct.pack_into(">H", out, 16, len(out) - IP_AT)
    struct.pack_into(">H", out, 24, 0)
    struct.pack_into(">H", out, 24, checksum(out[IP_AT:TCP_AT]) ^ 0xFFFF)
    struct.pack_into(">H", out, 50, 0)
    struct.pack_into(">H", out, 50, checksum(out[TCP_AT:], _pseudo(out, len(out) - TCP_AT)) ^ 0xFFFF)
    return bytes(out)
