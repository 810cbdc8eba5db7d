"""The appliance's image in QEMU as a target: recorded frames go in one by one, what comes out is compared.

The recording is the simulator's, with the slots, pages, buffers and filter of addresses that the board has
(targets.Simulated, `like`). The image differs from it in three things, and only here they are taken out:

 - Its key is random, so its initial sequence numbers are others. `Numbers` adds the difference to the acknowledgement
   numbers that go in, selective ones too, and takes it from the sequence numbers that come out, per peer; checksums follow.
 - Its time is real: `timeless` blanks sequence, uptime and value in readings (datagram and JSON), after it has checked
   the checksum over them.
 - It speaks by itself: `unasked` tells its ARP requests, announcements and readings for the collector.

Time runs while frames are compared. When a timer of the image fired meanwhile, its round trips grew, or a cookie grew older
by a tick (barewire/cookie.py, early(): 64 ms), its counters tell, and the exchange is repeated in a new machine: Late.
So is one in which a SYN came so late in TIME-WAIT that it was taken.
"""
import re
import socket
import struct

from image.qemu import Qemu
from tests.agree.frames import ACK, FIN, RST, SYN, TCP, UDP, Connection, Peer, Segment, icmp, repaired, tcp

BARRIER = 0x0A000263            # 10.0.2.99: behind each frame it sends an echo request, whose reply ends the frame's answers
READING = re.compile(rb'("sequence":|"uptime_ms":|"value":) *-?\d+')
TIMERS = "tcp_rto", "tcp_probe", "tcp_idle", "tcp_evicted", "tcp_timeout", "tcp_hystart", "tcp_tail_probe"
COOKIE = "tcp_out_of_order", "tcp_bad_cookie"       # which of the two depends on the age of the cookie
# Counted by the image's own clock, or by its card
OWN = {"tcp_hystart", "arp_sent", "sensor_readings", "sensor_sent", "sensor_waiting", "sensor_lost"}


class Late(Exception):
    """The exchange took time that shows: the machine under QEMU was too slow."""


def is_tcp(frame):
    return len(frame) >= 54 and frame[12:14] == b"\x08\x00" and frame[23] == TCP


def unasked(frame):
    return frame[12:14] == b"\x08\x06" and frame[20:22] == b"\0\1" or \
        frame[12:14] == b"\x08\x00" and frame[23] == UDP and frame[36:38] == struct.pack(">H", 9000)


def timeless(frame):
    """The frame without what depends on the time of the image."""
    if frame[12:14] != b"\x08\x00":
        return frame
    blank = frame
    if frame[23] == UDP and frame[42:46] == b"BWS1":
        blank = frame[:54] + bytes(16) + frame[70:]
    elif is_tcp(frame):
        blank = READING.sub(lambda found: found[1] + b"0" * (len(found[0]) - len(found[1])), frame)
    if blank != frame:
        assert repaired(frame) == frame, "wrong checksum: " + frame.hex()
        return repaired(blank)
    return frame


class Numbers:
    """What the image's sequence numbers are ahead of the recording's, per address and port of the peer."""

    def __init__(self):
        self.ahead = {}

    def inward(self, frame):
        """A recorded frame, as the image has to get it: right checksums stay right, wrong ones wrong (RFC 1624)."""
        ahead = self.ahead.get(frame[26:30] + frame[34:36])
        if not ahead or not is_tcp(frame) or not frame[47] & ACK:
            return frame
        old, = struct.unpack_from(">I", frame, 42)
        new = old + ahead & 0xFFFFFFFF
        total, = struct.unpack_from(">H", frame, 50)
        total = (total ^ 0xFFFF) + sum((part ^ 0xFFFF for part in (old >> 16, old & 0xFFFF))) + (new >> 16) + (new & 0xFFFF)
        total = total % 0xFFFF or 0xFFFF
        frame = frame[:42] + struct.pack(">I", new) + frame[46:50] + struct.pack(">H", total ^ 0xFFFF) + frame[52:]
        return self.blocks(frame, ahead)

    @staticmethod
    def blocks(frame, ahead):
        """The frame with the edges of its selective acknowledgements moved as well (RFC 2018), if its sums are right."""
        at, end, edges = 54, min(34 + (frame[46] >> 4 << 2), len(frame)), []
        while at + 1 < end and frame[at] and (frame[at] == 1 or frame[at + 1] >= 2):
            after = at + (1 if frame[at] == 1 else frame[at + 1])
            if frame[at] == 5 and after <= end and (after - at) % 8 == 2:
                edges += range(at + 2, after, 4)
            at = after
        if not edges or repaired(frame) != frame:
            return frame
        for at in edges:
            edge, = struct.unpack_from(">I", frame, at)
            frame = frame[:at] + struct.pack(">I", edge + ahead & 0xFFFFFFFF) + frame[at + 4:]
        return repaired(frame)

    def outward(self, frame, recorded):
        """A frame of the image with the recording's numbers; its SYN-ACK tells the difference."""
        if not is_tcp(frame):
            return frame
        assert repaired(frame) == frame, "wrong checksum: " + frame.hex()
        peer, (seq,) = frame[30:34] + frame[36:38], struct.unpack_from(">I", frame, 38)
        if frame[47] & SYN and recorded and is_tcp(recorded):
            self.ahead[peer] = seq - struct.unpack_from(">I", recorded, 38)[0]
        if frame[47] & (RST | ACK) == RST | ACK:
            return frame                        # RFC 9293 section 3.10.7.1: its sequence number is zero
        seq = seq - self.ahead.get(peer, 0) & 0xFFFFFFFF
        return repaired(frame[:38] + struct.pack(">I", seq) + frame[42:])


class Image:
    """One machine and its wire (QEMU, "-netdev dgram": frames as UDP datagrams). Entered when it has announced itself."""

    def __init__(self, board, image):
        self.numbers, self.barriers = Numbers(), 0
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(10)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
            free.bind(("127.0.0.1", 0))
            self.there = free.getsockname()
        ends = self.there[1], self.socket.getsockname()[1]
        self.machine = Qemu(board=board, image=image, netdev="dgram,local.type=inet,local.host=127.0.0.1,local.port=%d,"
                                                             "remote.type=inet,remote.host=127.0.0.1,remote.port=%d" % ends)

    def __enter__(self):
        self.machine.start()
        self.socket.recv(2048)
        return self

    def __exit__(self, *_):
        self.machine.stop()
        self.socket.close()

    def exchange(self, frame):
        """Send a frame as it is; returns what the image sends for it."""
        self.barriers += 1
        barrier = icmp(data=struct.pack(">I", self.barriers), source=BARRIER)
        for data in (frame, barrier) if frame else (barrier,):
            self.socket.sendto(data, self.there)
        frames = []
        while True:
            out = self.socket.recv(2048)
            if out[12:14] == b"\x08\x00" and out[30:34] == struct.pack(">I", BARRIER):
                assert out[42:46] == barrier[42:46]
                return frames
            if not unasked(out):
                frames.append(out)

    def answers(self, frame, recorded):
        """What the image sends for a recorded frame, in the terms of the recording."""
        frames = self.exchange(self.numbers.inward(frame))
        recorded = [*recorded, *[None] * len(frames)]
        return [timeless(self.numbers.outward(out, old)) for out, old in zip(frames, recorded)]

    def hang_up(self, answers):
        """Reset what is open after these recorded answers: a board has few slots, and one is needed to ask for counters."""
        expected = {out[36:38]: Segment(out) for out in answers if is_tcp(out) and out[47] & ACK}
        for segment in expected.values():
            self.exchange(tcp(RST, segment.ack, port=segment.port))

    # ---- its counters ------------------------------------------------------------------------------------------------
    def feed(self, now, frames):
        """As a device of a Peer."""
        return 0, [out for frame in frames or (b"",) for out in self.exchange(frame)]

    def counters(self):
        """What /metrics says, less what it took to ask: a SYN, its ACK and the request, and all barriers."""
        barriers = self.barriers + 3    # behind the turn that Peer begins with, SYN and ACK; the request's comes too late
        one = Connection(Peer(self), 60001)
        body = one.get("/metrics", headers="Connection: close\r\n").decode().partition("\r\n\r\n")[2]
        told = {name: int(value) for name, value in re.findall(r"^(\w+) (\d+)$", body, re.M)}
        one.give(b"", FIN | ACK)
        for name, count in {"rx_frames": 3 + barriers, "tx_frames": 1 + barriers, "icmp_echo": barriers, "tcp_syn": 1,
                            "tcp_opened": 1, "http_requests": 1}.items():
            told[name] -= count
        return told


def comparable(counters):
    """Without what the clock and the card count."""
    counters = dict(counters)
    counters["tx_frames"] -= counters["sensor_sent"] + counters["arp_sent"]
    return {name: count for name, count in counters.items() if name not in OWN}


def reopened(frame, recorded, got):
    """Whether the image takes a SYN that the recording challenges: in TIME-WAIT that hangs on the age of the cookie."""
    flags = [[Segment(out).flags for out in frames if is_tcp(out)] for frames in ([frame], recorded, got)]
    return flags == [[SYN], [ACK], [SYN | ACK]]


def differences(board, image, peer):
    """Run the recording of `peer` on a new machine; returns what differs as text, "" if nothing does."""
    said, done = "", []
    with Image(board, image) as target:
        for (_, frames), (_, recorded) in zip(peer.records, peer.answers):
            recorded = [out for out in recorded if not unasked(out)]
            done += recorded
            for frame in frames:
                got = target.answers(frame, recorded)
                if reopened(frame, recorded, got):
                    raise Late("a SYN in TIME-WAIT was taken: " + frame.hex())
                if got != [timeless(out) for out in recorded]:
                    said = "frame %s\nreference: %s\nimage: %s" % (
                        frame.hex(), [out.hex() for out in recorded], [out.hex() for out in got])
                    break
            if said:
                target.hang_up(done)
                break
        told, expected = target.counters(), peer.device.state()[0]
    told = {name: told[name] for name in expected}
    ours, theirs = comparable(expected), comparable(told)
    if not said and ours != theirs:
        said = "counters: " + str({name: (count, theirs[name]) for name, count in ours.items() if count != theirs[name]})
    early, late = (told[name] - expected[name] for name in COOKIE)
    if said and (any(told[name] > expected[name] for name in TIMERS) or early > 0 > late or early < 0 < late):
        raise Late(said)
    return said
