"""An appliance on a card made of memory, under CPython, and a scripted peer on its wire; scapy judges every byte."""
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from scapy.all import ARP, ICMP, IP, TCP, UDP, Ether, Raw

from hostsim import loader
from image import assets as compiler
from image import config

MAC, ADDRESS = "52:54:00:12:34:56", "10.0.2.15"
PEER_MAC, PEER = "02:00:00:00:00:02", "10.0.2.2"
CONSTANTS = dict(
    NAME="greenhouse", ADDRESS=0x0A00020F, PREFIX=24, GATEWAY=0x0A000202,
    MAC=bytes.fromhex("525400123456"), SENSOR=True, SENSOR_SOURCE="counter", SENSOR_PERIOD_MS=1000,
    COLLECTOR=0x0A000202, COLLECTOR_PORT=9000, QUERY_PORT=5005, HTTP=True, HTTP_PORT=80, UDP_ECHO_PORT=7,
    READING_INLINE=True, DEVICE_ID=0x12345678)


@cache
def example_assets():
    """The compiled files of the example appliance."""
    return compiler.load(config.load(Path(__file__).parents[2] / "appliance.toml"))


def word(data, at, size=4):
    return int.from_bytes(data[at:at + size], "big")


def checked(raw):
    """The frame as scapy reads it, after scapy has computed every length and checksum anew and found the same bytes."""
    frame = Ether(raw)
    again = frame.copy()
    for layer, names in ((IP, ("len", "chksum")), (UDP, ("len", "chksum")), (TCP, ("chksum",)), (ICMP, ("chksum",))):
        if again.haslayer(layer):
            for name in names:
                delattr(again[layer], name)
    built = bytes(again)
    assert bytes(raw[:len(built)]) == built, "scapy would send %s\nnot %s" % (built.hex(), raw.hex())
    return frame


class Device:
    """One appliance with virtual time. `word` 32 or 64 (checked arithmetic), None for the fast mode."""

    def __init__(self, constants=None, word=None, assets=None, entropy=bytes(range(16)), source=None, overrides=None,
                 resolve=True, **changes):
        constants = dict(CONSTANTS if constants is None else constants, **changes)
        if constants["HTTP"] and assets is None:
            assets = example_assets()
        self.fw = loader.load(constants, word=word, checked=word is not None, assets=assets,
                              overrides={"NIC": "memory", **(overrides or {})})
        if constants["HTTP"]:
            self.fw.load("app.routes")
        self.n = self.fw.driver.open(None)
        self.stack = self.fw.stack.Stack(self.n, entropy, source)
        self.now = 1000
        self.out = []
        self.wait = 0
        self.poll()
        if resolve and constants["SENSOR"] and constants["COLLECTOR_PORT"]:
            self.send(Ether(src=PEER_MAC, dst=MAC) / ARP(op=2, hwsrc=PEER_MAC, psrc=PEER, hwdst=MAC, pdst=ADDRESS))
        self.out.clear()

    def poll(self):
        """Let it work; what it sent is appended to `out` as scapy frames."""
        self.wait = self.stack.poll(self.now)
        while (raw := self.fw.driver.take(self.n)) is not None:
            self.out.append(checked(raw))
        return self.out

    def raw(self, data):
        """Put bytes on the wire; returns all frames that it sends then."""
        self.out = []
        assert self.fw.driver.put(self.n, bytes(data))
        return self.poll()

    def send(self, frame):
        return self.raw(bytes(frame))

    def pass_ms(self, ms):
        """Let time pass as the main loop would: sleeping until each deadline. Returns what was sent meanwhile."""
        self.out = []
        end = self.now + ms
        while self.now < end:
            self.now = min(end, self.now + max(1, self.wait))
            self.poll()
        return self.out

    def count(self, name):
        return self.stack.s[self.fw.counters.NAMES.index(name)]

    def state(self, name):
        return self.stack.s[getattr(self.fw.state, name)]

    def slot(self, port):
        """The words of the connection with the peer's port, read by name: slot("CWND"); None if there is none."""
        slot = self.fw.slot
        for k in range(self.fw.board.TCP_SLOTS):
            c = self.fw.builtins["ptr32"](self.state("SLOTS") + k * slot.SLOT_BYTES)
            if c[slot.STATE] and c[slot.PEER_PORT] == self.fw.wire.le16(port):
                return lambda name: c[getattr(slot, name)]
        return None


def ip(proto, payload, **fields):
    """A frame from the peer with an IP datagram."""
    fields = {"src": PEER, "dst": ADDRESS, **fields}
    return Ether(src=PEER_MAC, dst=MAC) / IP(proto=proto, **fields) / payload


@dataclass
class Client:
    """A scripted TCP peer: sends() what the script says, keeps what comes, asserts what is expected."""
    device: Device
    port: int = 40000
    seq: int = 1000
    ack: int = 0
    window: int = 64000
    mss: int = 1460
    src: str = PEER
    permits: bool = False      # whether the SYN permits selective acknowledgements
    got: bytearray = field(default_factory=bytearray)
    frames: list = field(default_factory=list)
    waiting: list = field(default_factory=list)     # what came and was not expected yet

    def segment(self, flags, data=b"", **fields):
        """Send one segment without bookkeeping; returns the device's segments to this port."""
        fields = {"seq": self.seq, "ack": self.ack, "window": self.window, **fields}
        frames = self.device.send(Ether(src=PEER_MAC, dst=MAC) / IP(src=self.src, dst=ADDRESS)
                                  / TCP(sport=self.port, dport=80, flags=flags, **fields) / Raw(data))
        return self.mine(frames)

    def mine(self, frames):
        return [frame[TCP] for frame in frames if TCP in frame and frame[TCP].dport == self.port]

    def open(self, **options):
        """Three-way handshake; returns the SYN-ACK."""
        permitted = [("SAckOK", b"")] if self.permits else []
        reply, = self.segment("S", ack=0, options=[("MSS", self.mss), *permitted], **options)
        assert reply.flags == "SA" and reply.ack == (self.seq + 1) & 0xFFFFFFFF
        self.seq = (self.seq + 1) & 0xFFFFFFFF
        self.ack = (reply.seq + 1) & 0xFFFFFFFF
        self.first_seq, self.first_ack = self.seq, self.ack
        self.window_of_device = reply.window
        assert self.segment("A") == []
        return reply

    def take(self, segments):
        """Take what came in order; acknowledge nothing yet."""
        for tcp in segments:
            data = bytes(tcp.payload)[:self.length(tcp)]
            if tcp.seq == self.ack:
                self.got += data
                self.ack = (self.ack + len(data) + ("F" in tcp.flags)) & 0xFFFFFFFF
            self.frames.append(tcp)
        return segments

    @staticmethod
    def length(tcp):
        """Bytes of data in a segment: what the IP length says, without the Ethernet padding."""
        return tcp.underlayer.len - 20 - 4 * tcp.dataofs

    def send(self, data, flags="PA"):
        """Send data in order and take what comes back."""
        segments = self.segment(flags, data)
        self.seq = (self.seq + len(data) + ("F" in flags)) & 0xFFFFFFFF
        return self.take(segments)

    def pump(self, limit=2000):
        """Acknowledge until the device is silent; returns all bytes received."""
        for _ in range(limit):
            if not self.take(self.segment("A")):
                return bytes(self.got)
        raise AssertionError("the device never falls silent")

    def request(self, target="/", method="GET", headers="", version="HTTP/1.1"):
        """One request and its whole answer."""
        self.got.clear()
        self.send(("%s %s %s\r\nHost: x\r\n%s\r\n" % (method, target, version, headers)).encode())
        return self.pump()

    def slot(self, name):
        """The word of the device's slot for this connection that has this name."""
        return self.device.slot(self.port)(name)

    # ---- a packet script; its numbers count from the first byte of either side ----------------------------------------
    def sends(self, flags="A", data=b"", seq=None, ack=None, **fields):
        """Send a segment; what comes back waits to be expected. Without `seq` it is the next in order and moves on;
        without `ack` all that was expected in order is acknowledged."""
        self.expects_nothing()
        if seq is not None:
            fields["seq"] = (self.first_seq + seq) & 0xFFFFFFFF
        if ack is not None:
            fields["ack"] = (self.first_ack + ack) & 0xFFFFFFFF
        self.waiting = self.segment(flags, data, **fields)
        if seq is None:
            self.seq = (self.seq + len(data) + ("F" in flags)) & 0xFFFFFFFF

    def sack(self, ack, *blocks, flags="A", **fields):
        """An ACK that selects these blocks (left, right), too; no option without any."""
        edges = [(self.first_ack + edge) & 0xFFFFFFFF for block in blocks for edge in block]
        if edges:
            fields["options"] = [("NOP", None), ("NOP", None), ("SAck", tuple(edges))]
        self.sends(flags, ack=ack, **fields)

    def waits(self, ms):
        """Let time pass; what comes meanwhile waits to be expected."""
        self.expects_nothing()
        self.waiting = self.mine(self.device.pass_ms(ms))

    def expects(self, flags=None, seq=None, size=None, ack=None, lost=False, **fields):
        """The next segment that came has these flags, sequence numbers, bytes of data, and fields (scapy's names).

        A `lost` one was seen on the wire but did not arrive. Returns it.
        """
        assert self.waiting, "nothing came"
        tcp = self.waiting.pop(0)
        wanted = {"flags": flags, "seq": seq, "size": size, "ack": ack, **fields}
        came = {"flags": tcp.flags, "seq": (tcp.seq - self.first_ack) & 0xFFFFFFFF, "size": self.length(tcp),
                "ack": (tcp.ack - self.first_seq) & 0xFFFFFFFF, **{name: getattr(tcp, name) for name in fields}}
        assert {name: came[name] for name, value in wanted.items() if value is not None} == {
            name: value for name, value in wanted.items() if value is not None}
        if not lost:
            self.take([tcp])
        return tcp

    def expects_run(self, seq, sizes, lost=()):
        """Segments of these sizes came, one behind the other from seq on; those whose index is in `lost` did not arrive."""
        for k, size in enumerate(sizes):
            self.expects(seq=seq, size=size, lost=k in lost)
            seq += size
        return seq

    def expects_nothing(self):
        """Nothing (more) came."""
        assert not self.waiting, "came unexpected: %s" % [
            (str(tcp.flags), (tcp.seq - self.first_ack) & 0xFFFFFFFF, self.length(tcp)) for tcp in self.waiting]


def connect(device, **fields):
    """A client whose connection is open."""
    client = Client(device, **fields)
    client.open()
    return client
