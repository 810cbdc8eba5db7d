"""hostsim.pcap: files that others read, and files of others."""
import struct

import pytest
from scapy.utils import PcapNgWriter, rdpcap, wrpcap

from hostsim.clock import VirtualClock
from hostsim.links import pair
from hostsim.pcap import Captured, PcapError, PcapWriter, read_pcap

FRAMES = [(1700000000123456, bytes(range(60))), (1700000001000000, b"\xff" * 1514), (1700000001000001, b"x" * 14)]


def test_scapy_reads_what_we_write(tmp_path):
    writer = PcapWriter(tmp_path / "a.pcap")
    for at, frame in FRAMES:
        writer.write(at, frame)
    packets = rdpcap(str(tmp_path / "a.pcap"))      # not closed yet: each frame is on disk at once
    assert [(round(p.time * 1000000), bytes(p.original)) for p in packets] == FRAMES
    writer.close()


def test_we_read_what_scapy_writes(tmp_path):
    from scapy.layers.l2 import Ether
    packets = []
    for at, frame in FRAMES:
        packets.append(Ether(frame))
        packets[-1].time = at / 1000000
    for name, options in (("us", {}), ("ns", {"nano": True}), ("big", {"endianness": ">"})):
        path = tmp_path / (name + ".pcap")
        wrpcap(str(path), packets, **options)
        got = read_pcap(path)
        assert [frame for _, frame in got] == [frame for _, frame in FRAMES]
        assert all(abs(a - b) <= 1 for (a, _), (b, _) in zip(got, FRAMES))


def test_damaged_and_foreign_files_are_refused(tmp_path):
    path = tmp_path / "a.pcap"
    writer = PcapWriter(path)
    writer.write(5, b"y" * 60)
    whole = path.read_bytes()
    for data, message in ((b"", "not a pcap"), (b"\x7fELF" + bytes(60), "not a pcap"), (whole[:-1], "cut off in frame 1"),
                          (whole[:30], "cut off in the header"), (whole[:20] + struct.pack("<I", 113) + whole[24:], "Ethernet")):
        path.write_bytes(data)
        with pytest.raises(PcapError, match=message):
            read_pcap(path)
    PcapNgWriter(str(path)).close()
    with pytest.raises(PcapError):
        read_pcap(path)


def test_a_captured_link_carries_and_records_both_ways(tmp_path):
    clock = VirtualClock()
    one, two = pair()
    link = Captured(one, tmp_path / "c.pcap", clock, epoch=10**15)
    link.send(b"a" * 60)
    clock.advance(2.5)
    two.send(b"b" * 60)
    assert link.recv() == b"b" * 60 and link.recv() is None and two.recv() == b"a" * 60
    assert link.due() is None and not link.finished
    link.close()
    assert read_pcap(tmp_path / "c.pcap") == [(10**15, b"a" * 60), (10**15 + 2500, b"b" * 60)]
