"""The appliance of limited.toml: allow-lists, and buckets of sources that empty and fill (firmware/barewire/limits.py)."""
import random

from tests.agree.frames import ACK, FIN, HOST, PSH, RST, SYN, Connection, arp, icmp, mss, tcp, udp
from tests.agree.registry import limited, text

# Inside of all lists, of some, of none; beside and at the edges of networks; with the top bit of the first or last byte set
SOURCES = (HOST, 0x0A000203, 0x0A0002FE, 0x0A000301, 0x0A000001, 0x0AFFFFFE, 0x09FFFFFF, 0x0B000000, 0xAC0FFFFF, 0xAC100000,
           0xAC1FFFFF, 0xAC200000, 0xC0A80001, 0xC0A7FFFF, 0xC0A90000, 0xCB007100, 0xCB00717F, 0xCB007180, 0xCB0071FF,
           0xCB007200, 0x7FFFFFFE, 0x80000000, 0x80000001, 0x81FFFFFF, 0x82000000, 0xBFFFFFFF, 0xC0000000, 0xDFFFFFFF)


@limited
def sources_in_and_outside_of_the_lists(peer):
    for k, source in enumerate(SOURCES):
        peer.send(icmp(data=text(k), source=source), udp(7, text(k), source=source), udp(5005, b"?", source=source))
        peer.send(*(tcp(flags, 5 * k, 7, port=1000 + k, source=source) for flags in (SYN | ACK, RST, FIN)))
        if len(peer.send(tcp(SYN, 1, port=2000 + k, source=source, options=mss(1460)))) == 1:
            one = Connection(peer, 3000 + k, 100 * k, source=source)
            one.get("/favicon.svg")
            one.say(RST)
    peer.send(arp(spa=0x0B000001))


@limited
def datagrams_of_one_source_and_of_another(peer):
    for k in range(90):
        sent = peer.send(udp(7, text(k)), udp(5005, b"?"), udp(7, text(3), source=HOST + 1 + k % 3))
        peer.pass_ms((0, 1, 40, 333)[k & 3] if sent else 7)
    peer.pass_ms(10000)
    peer.send(*(udp(7, text(k)) for k in range(25)))


@limited
def datagrams_of_more_sources_than_buckets(peer):
    choice = random.Random(3)
    few = [0x0A000000 + choice.randrange(2, 1 << 24) for _ in range(9)]
    for _ in range(60):
        peer.turn(*(udp(7, text(2), source=0x0A000000 + choice.randrange(2, 1 << 24)) for _ in range(50)),
                  *(udp(7, text(4), source=choice.choice(few)) for _ in range(9)))
        peer.pass_ms(choice.randrange(60))


@limited
def connections_of_one_source_and_of_another(peer):
    for k in range(40):
        one = Connection(peer, 40000 + k, 1000 * k, source=HOST + k % 3)
        one.give(b"GET /favicon.svg HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        one.pump()
        one.say(RST)
        peer.pass_ms(k * 5)


@limited
def a_connection_that_is_delayed(peer):
    many = [Connection(peer, 40000 + k) for k in range(9)]
    request = many[8].frame(PSH | ACK, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    for _ in range(5):
        peer.send(request)
        peer.pass_ms(90)
    for one in many:
        one.say(RST)


@limited
def limits_of_errors_resets_and_challenges(peer):
    one = Connection(peer)
    for k in range(60):
        one.say(SYN, seq=7, ack=0)
        peer.send(tcp(ACK, 5, 6, port=3), udp(9, b""))
        if k % 20 == 19:
            peer.pass_ms(997)
    one.say(RST)


@limited
def buckets_while_the_clock_wraps(peer):
    for jump in [0x1FFFFFFF] * 9:
        peer.now += jump
        peer.turn()
        for k in range(30):
            peer.send(udp(7, text(k)))
            peer.pass_ms(9)
        Connection(peer, 40000 + (peer.now & 0xFFF), peer.now & 0xFFFFFFFF).say(RST)
