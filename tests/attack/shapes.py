"""Frames of attacks, from a seed. Each function gives `count` frames; `mac` is the attacker's, to which answers go.

Shapes that need fields of a connection take its peer's port and the next sequence number that the appliance expects.
"""
import random
import struct

from tests.agree.frames import (ACK, FIN, HOST, HOST_MAC, ICMP, MAC, OURS, PSH, RST, SYN, UDP, arp, icmp, ip, mss, tcp, udp)

URG = 32


def _source(rng) -> int:
    """Any unicast address of the Internet that is not the appliance's network or loopback."""
    return rng.choice((rng.randrange(11 << 24, 127 << 24), rng.randrange(128 << 24, 224 << 24)))


def _port(rng) -> int:
    return rng.randrange(1024, 65536)


def _number(rng) -> int:
    return rng.getrandbits(32)


def syn(rng, count):
    for _ in range(count):
        yield tcp(SYN, _number(rng), port=_port(rng), source=_source(rng), options=mss(rng.choice((536, 1400, 1460))))


def flags(*choices):
    """Segments with these flags from anywhere, without a connection."""
    def shape(rng, count):
        for _ in range(count):
            yield tcp(rng.choice(choices), _number(rng), _number(rng), port=_port(rng), source=_source(rng))
    return shape


ack = flags(ACK)
rst = flags(RST, RST | ACK)
scan = flags(FIN, FIN | PSH | URG, 0, SYN | FIN, SYN | RST, 0xFF)      # FIN, Xmas, null, and what no peer sends


def ping(rng, count):
    for _ in range(count):
        yield icmp(data=rng.randbytes(rng.randrange(0, 1473)), source=_source(rng))


def udp_closed(rng, count):
    for _ in range(count):
        yield udp(rng.randrange(6000, 65536), rng.randbytes(rng.randrange(0, 600)), source=_source(rng))


def arp_storm(rng, count):
    """Requests for us and for others, answers nobody asked for, and claims to our own address."""
    for _ in range(count):
        station = bytes([2]) + rng.randbytes(5)
        sender = 0x0A000200 + rng.choice((rng.randrange(16, 255), rng.randrange(16, 255), OURS & 255))
        target = 0x0A000200 + rng.choice((OURS & 255, rng.randrange(1, 255)))
        yield arp(rng.choice((1, 1, 2)), sha=station, spa=sender, tpa=target)


def ping_of_death(rng, count):
    """Fragments that overlap (teardrop), reach beyond 65,535 bytes (ping of death), never complete, or lie about their size."""
    for _ in range(count):
        kind, ident = rng.randrange(4), rng.getrandbits(16)
        more, offset = 0x2000, rng.randrange(0, 8000)
        if kind == 0:
            yield ip(UDP, rng.randbytes(36), ident=ident, fragment=more, source=_source(rng))
            yield ip(UDP, rng.randbytes(4), ident=ident, fragment=3, source=_source(rng))
        elif kind == 1:
            yield ip(ICMP, rng.randbytes(1400), ident=ident, fragment=8189, source=_source(rng))
        elif kind == 2:
            yield ip(rng.choice((ICMP, UDP, 6)), rng.randbytes(8), ident=ident, fragment=more | offset, source=_source(rng))
        else:
            yield icmp(data=rng.randbytes(40), length=rng.choice((0, 19, 20, 27, 100, 1500, 65535)), source=_source(rng))


def land(rng, count):
    """From our own address and port, from a broadcast, from loopback, from nowhere."""
    for _ in range(count):
        source = rng.choice((OURS, OURS, OURS | 255, 0x7F000001, 0, 0xFFFFFFFF, 0xE0000001))
        shape = rng.randrange(3)
        if shape == 0:
            yield tcp(SYN, _number(rng), port=80, source=source)
        elif shape == 1:
            yield udp(7, b"land", source_port=7, source=source)
        else:
            yield icmp(data=b"smurf", source=source)


def options(rng, count):
    """IP options, TCP options that lie about their length, offsets that leave the segment, wrong sums, urgent pointers."""
    for _ in range(count):
        kind = rng.randrange(5)
        fields = {"port": _port(rng), "source": _source(rng)}
        if kind == 0:
            size = 4 * rng.randrange(1, 11)
            yield tcp(SYN, _number(rng), port=_port(rng), source=fields["source"], first=0x45, options=rng.randbytes(size))
        elif kind == 1:
            size = 4 * rng.randrange(1, 11)
            yield ip(ICMP, rng.randbytes(16), first=0x45 + size // 4, options=rng.randbytes(size), source=fields["source"])
        elif kind == 2:
            yield tcp(SYN, _number(rng), offset=rng.randrange(16), **fields)
        elif kind == 3:
            yield tcp(rng.getrandbits(8), _number(rng), wrong=1, **fields)
        else:
            yield tcp(PSH | ACK | URG, _number(rng), _number(rng), rng.randbytes(100), urgent=rng.getrandbits(16), **fields)


def noise(rng, count):
    """Bytes: alone, behind our address, behind an IP header."""
    for _ in range(count):
        kind = rng.randrange(3)
        if kind == 0:
            yield rng.randbytes(rng.randrange(14, 1515))
        elif kind == 1:
            yield MAC + HOST_MAC + rng.choice((b"\x08\0", b"\x08\x06", b"\x86\xdd", b"\x81\0")) + rng.randbytes(rng.randrange(0, 200))
        else:
            yield ip(rng.randrange(256), rng.randbytes(rng.randrange(0, 200)), source=_source(rng))


def around(seq: int, port: int):
    """RST, SYN and old ACKs for one silent connection of the host's: near the expected sequence number, never on it."""
    def shape(rng, count):
        for _ in range(count):
            kind = rng.choice((RST, RST | ACK, SYN, SYN | ACK, ACK))
            ahead = rng.choice((rng.randrange(1, 2048), rng.randrange(2048, 1 << 30), -rng.randrange(1, 4096)))
            if kind == ACK:
                ahead = -rng.randrange(1, 4096)
            yield tcp(kind, seq + ahead, _number(rng), port=port, source=HOST, window=0)
    return shape


def blind(seq: int, port: int):
    """RST across all sequence numbers in equal steps, so that one falls into each window of that size, none on `seq`.

    They are many: only the number and the sum are written anew.
    """
    def shape(rng, count):
        step = (1 << 32) // count
        frame = tcp(RST, 0, port=port, source=HOST)
        base = 0xFFFF - int.from_bytes(frame[50:52], "big")
        for k in range(count):
            number = (seq + step // 2 + k * step) & 0xFFFFFFFF
            total = 0xFFFF - (base + (number >> 16) + (number & 0xFFFF)) % 0xFFFF
            yield b"".join((frame[:38], number.to_bytes(4, "big"), frame[42:50], total.to_bytes(2, "big"), frame[52:]))
    return shape


def write(path, shape, seed: int, count: int, mac: bytes) -> None:
    """The frames of a shape in the form that flood.c reads; all have `mac` as their source, so that answers find a way."""
    with open(path, "wb") as file:
        for frame in shape(random.Random(seed), count):
            if frame[:6] == MAC and frame[6:12] == HOST_MAC:
                frame = frame[:6] + mac + frame[12:]
            frame = frame.ljust(60, b"\0")
            file.write(struct.pack("<H", len(frame)) + frame)
