"""What the byte fuzzer feeds: for each parser a function that takes any bytes, and raises where the parser is wrong.

Parsers of the firmware run under CPython inside of device.py's Watched, so a wrong access of memory, a wrong sum or a lost
slot raises as well. Before each input the device is put back to where it was, so that an input repeats by itself.
"""
import struct
import tempfile
from functools import cache
from pathlib import Path

from hostsim import loader
from hostsim.pcap import PcapError, read_pcap
from image import assets, config
from tests.agree.frames import ACK, HOST_MAC, ICMP, MAC, SYN, TCP, UDP, Segment, ip, mss, repaired, tcp
from tests.fuzz.device import EXAMPLE, Watched, signed
from tests.unit.http_harness import Server

MOST = 1460
TARGETS = {}


def target(function):
    TARGETS[function.__name__] = function
    return function


class Again:
    """A Watched device that starts each time from the same state, with one connection open."""

    def __init__(self):
        self.device = Watched()
        syn_ack, = self.device.frame(tcp(SYN, 1000, options=mss(1460)))
        self.ack = Segment(syn_ack).seq + 1
        self.device.frame(tcp(ACK, 1001, self.ack))
        stack = self.device.stack
        self.memory = [stack.s, stack._slots, stack._store, stack._pages]
        self.saved = [bytes(memoryview(block).cast("B")) for block in self.memory]
        self.edges = dict(self.device.edges)

    def begin(self):
        for block, saved in zip(self.memory, self.saved):
            memoryview(block).cast("B")[:] = saved
        self.device.now, self.device.edges, self.device.streams = 6000, dict(self.edges), {}
        return self.device


@cache
def again():
    return Again()


# ---- frames --------------------------------------------------------------------------------------------------------
@target
def arp(data):
    again().begin().frame((MAC + HOST_MAC + b"\x08\x06" + data)[:1514])


@target
def ipv4(data):
    """Any IP datagram, its sums right or wrong as the first bit says."""
    frame = (MAC + HOST_MAC + b"\x08\x00" + data[1:])[:1514]
    again().begin().frame(repaired(frame) if data[:1] > b"\x7f" else frame)


@target
def icmp(data):
    again().begin().frame(repaired(ip(ICMP, data[:MOST])))


@target
def udp(data):
    again().begin().frame(repaired(ip(UDP, data[:MOST])))


@target
def ethernet(data):
    again().begin().frame(data[:1514])


@target
def tcp_header(data):
    """One segment of the open connection's ports; where the bytes leave its numbers alone they fit."""
    head = bytearray(struct.pack(">HHIIBBHHH", 40000, 80, 1001, again().ack & 0xFFFFFFFF, 0x50, ACK, 64000, 0, 0))
    for k, byte in enumerate(data[:20]):
        head[k] ^= byte
    again().begin().frame(repaired(ip(TCP, bytes(head) + data[20:MOST])))


@target
def segments(data):
    """A conversation: records of eight bytes: flags, offset of SEQ, of ACK, window, size of the data, milliseconds before."""
    device, seq, at, sent = again().begin(), 1001, 0, []
    una = again().ack
    while at + 8 <= len(data) and at < 40 * 8:
        flags, ahead, back, window, size, ms = struct.unpack_from(">BbhHBB", data, at)
        at += 8
        if ms & 15 == 15:
            sent += device.pass_ms(ms * 8)
        body = data[at:at + size]
        at += size
        sent += device.frame(tcp(flags or ACK, seq + ahead, una + back, body, window=window))
        if not ahead:
            seq += len(body) + (flags & 1)
        for raw in sent:
            if raw[12:14] == b"\x08\0" and raw[23] == TCP and raw[36:38] == b"\x9c\x40":
                part = Segment(raw)
                if signed(part.seq - una) == 0 and flags & 0x40:
                    una += len(part.data) + (part.flags & 1)
        sent = []
    device.vanish()


def offered(options):
    """The MSS of a SYN with these options, read by the letter of RFC 9293 section 3.1."""
    size, at = 536, 0
    while at < len(options) and options[at]:
        if options[at] == 1:
            at += 1
            continue
        if at + 1 >= len(options) or options[at + 1] < 2:
            break
        if options[at] == 2 and options[at + 1] == 4 and at + 4 <= len(options):
            size, = struct.unpack_from(">H", options, at + 2)
        at += options[at + 1]
    return size


@target
def syn_options(data):
    """The MSS that a connection gets is that of the options, as cookie.py's classes have it."""
    options = data[:40]
    options += bytes(-len(options) % 4)
    device = again().begin()
    classes = [getattr(device.fw.cookie, "MSS_%d" % k) for k in range(8)]
    syn_ack, = device.frame(tcp(SYN, 7, port=4000, options=options))
    device.frame(tcp(ACK, 8, Segment(syn_ack).seq + 1, port=4000))
    slot = device.fw.slot
    got, = (c[slot.MSS] for c in device.slots().values() if c[slot.STATE] and c[slot.PEER_PORT] == device.fw.wire.le16(4000))
    assert got == max([size for size in classes if size <= offered(options)], default=classes[0])


# ---- HTTP ----------------------------------------------------------------------------------------------------------
@cache
def server():
    root = Path(tempfile.mkdtemp(prefix="barewire-fuzz-"))
    for name, data in {"index.html": b"<p>hello", "a": b"x" * 3000, "dir/page.css": b"body{}" * 300}.items():
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_bytes(data)
    made = Server(root, routes=())
    for path in sorted(root.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    root.rmdir()
    return made


@target
def http(data):
    """However a request is cut into pieces, the answers are the same bytes."""
    cuts, data = data[:4], data[4:4 + MOST]
    whole = server().talk(data)
    places = sorted({cut * len(data) // 256 for cut in cuts} - {0})
    pieces = server().talk(data, places)
    assert [one.raw for one in whole] == [one.raw for one in pieces]
    single = server().talk(data, range(1, len(data))) if len(data) < 200 else whole
    assert [one.raw for one in whole] == [one.raw for one in single]


# ---- on the host, and at boot --------------------------------------------------------------------------------------
@cache
def folder():
    path = Path(tempfile.mkdtemp(prefix="barewire-fuzz-"))
    (path / "www").mkdir()
    (path / "www" / "index.html").write_text("<p>hello")
    import atexit
    import shutil
    atexit.register(shutil.rmtree, path)
    return path


@target
def appliance_toml(data):
    """A configuration, or one line that says what is wrong."""
    path = folder() / "appliance.toml"
    path.write_bytes(data)
    try:
        found = config.load(path)
        if found.http:
            assets.load(found)
    except (config.ConfigError, assets.AssetError) as error:
        assert str(error) and "\n" not in str(error)


@target
def pcap(data):
    path = folder() / "x.pcap"
    path.write_bytes(data)
    try:
        for us, frame in read_pcap(path):
            assert us >= 0 and len(frame) <= len(data)
    except PcapError as error:
        assert "\n" not in str(error)


@cache
def board():
    return loader.load(EXAMPLE, board="microvm", assets={}).board


@target
def command_line(data):
    """Places of cards that can be, or one line on the console."""
    module = board()
    module.port.command_line = data
    try:
        for address, interrupt in module.nic_where():
            assert 0 < address < 1 << 32 and address % 4 == 0 and isinstance(interrupt, int)
    except OSError as error:
        assert "\n" not in str(error)
