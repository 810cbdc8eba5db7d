"""pcap files, classic format (draft-ietf-opsawg-pcap): written from any link, read for replay and tests."""
import struct

ETHERNET = 1
_MAGIC = {b"\xd4\xc3\xb2\xa1": ("<", 1), b"\xa1\xb2\xc3\xd4": (">", 1),
          b"\x4d\x3c\xb2\xa1": ("<", 1000), b"\xa1\xb2\x3c\x4d": (">", 1000)}      # nanoseconds


class PcapError(Exception):
    """Not a pcap file of Ethernet frames, or one that is cut off."""


class PcapWriter:
    """Append frames to a new file; each is on disk when `write` returns."""

    def __init__(self, path):
        self.file = open(path, "wb", buffering=0)
        self.file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, ETHERNET))

    def write(self, us, frame):
        self.file.write(struct.pack("<IIII", us // 1000000, us % 1000000, len(frame), len(frame)) + frame)

    def close(self):
        self.file.close()


def read_pcap(path):
    """[(microseconds, frame)] of a file."""
    with open(path, "rb") as file:
        data = file.read()
    if len(data) < 24 or data[:4] not in _MAGIC:
        raise PcapError("not a pcap file (pcapng is not read: convert it with editcap -F pcap)")
    order, per_us = _MAGIC[data[:4]]
    if struct.unpack_from(order + "I", data, 20)[0] & 0x0FFFFFFF != ETHERNET:
        raise PcapError("not a capture of Ethernet frames")
    frames = []
    at = 24
    while at < len(data):
        if at + 16 > len(data):
            raise PcapError("cut off in the header of frame %d" % (len(frames) + 1))
        seconds, fraction, length, _ = struct.unpack_from(order + "IIII", data, at)
        at += 16 + length
        if at > len(data):
            raise PcapError("cut off in frame %d" % (len(frames) + 1))
        frames.append((seconds * 1000000 + fraction // per_us, data[at - length:at]))
    return frames


class Captured:
    """A link whose frames, both ways, are also written to a pcap file.  All else is the link's own."""

    def __init__(self, link, path, clock, epoch=0):
        self.link = link
        self.clock = clock
        self.epoch = epoch              # microseconds since 1970 at the clock's zero
        self.writer = PcapWriter(path)

    def __getattr__(self, name):
        return getattr(self.link, name)

    def send(self, frame):
        self.writer.write(self.epoch + self.clock.us(), bytes(frame))
        self.link.send(frame)

    def recv(self):
        frame = self.link.recv()
        if frame is not None:
            self.writer.write(self.epoch + self.clock.us(), frame)
        return frame

    def close(self):
        self.writer.close()
        self.link.close()
