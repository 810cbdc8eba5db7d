"""Dynamic answers to clients that end their connection at once: each gets its own answer or none, never what another asked for.

The requests come in one burst, so that the card has not read an answer when its page is given back.
"""
from tests.agree.frames import ACK, HOST_MAC, PSH, RST, SYN, TCP, Segment, mss, tcp
from tests.attack.field import heard, metrics, sniffer, still_serves

STRANGER = 0x0A00024D           # an address that the host does not have, so that its kernel says nothing
READING, METRICS = (b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % path for path in (b"/api/reading", b"/metrics"))
ROUNDS, PAIRS = 20, 8


def answers(wire, seconds):
    """The segments that the appliance sends to the stranger within so long."""
    for frame in heard(wire, seconds):
        if frame[:6] == HOST_MAC and frame[12:14] == b"\x08\0" and frame[23] == TCP:
            yield Segment(frame)


def opened(wire, ports) -> dict[int, int]:
    """Connections from these ports: what the appliance's next sequence number is."""
    for port in ports:
        wire.send(tcp(SYN, 4999, port=port, source=STRANGER, options=mss(1460)))
    found = {}
    for segment in answers(wire, 2):
        if segment.flags & SYN and segment.port in ports:
            found[segment.port] = segment.seq + 1
        if len(found) == len(ports):
            break
    for port, ack in found.items():
        wire.send(tcp(ACK, 5000, ack, port=port, source=STRANGER))
    return found


def burst(ports, numbers):
    """Requests of pairs of connections: the first of a pair is reset at once."""
    for one, other in zip(ports[::2], ports[1::2]):
        yield tcp(PSH | ACK, 5000, numbers[one], READING, port=one, source=STRANGER)
        yield tcp(RST, 5000 + len(READING), port=one, source=STRANGER)
        yield tcp(PSH | ACK, 5000, numbers[other], METRICS, port=other, source=STRANGER)


def test_nobody_gets_the_answer_to_another(target):
    before, seen = metrics(), 0
    with sniffer() as wire:
        for turn in range(ROUNDS):
            ports = range(20000 + 100 * turn, 20000 + 100 * turn + 2 * PAIRS)
            numbers = opened(wire, ports)
            for frame in list(burst(ports, numbers)):
                wire.send(frame)
            for segment in answers(wire, 0.1):
                if segment.port in ports[::2] and segment.data:
                    seen += 1
                    assert b'{"name":' in segment.data and b"rx_frames" not in segment.data, segment.data
            for port in ports[1::2]:
                wire.send(tcp(RST, 5000 + len(METRICS), port=port, source=STRANGER))
    assert seen > PAIRS
    after = metrics()
    assert after["http_500"] == before["http_500"] and after["tcp_reset_in"] - before["tcp_reset_in"] >= seen
    still_serves()
