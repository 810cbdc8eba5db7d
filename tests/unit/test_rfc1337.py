"""RFC 1337 (hazards of TIME-WAIT) and RFC 6191 (its reuse, here without timestamps)."""
import pytest
from device import Client, Device, connect

GET = b"GET /nope HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture
def waiting(device):
    """A client whose connection is in TIME-WAIT."""
    client = connect(device)
    client.request("/nope", headers="Connection: close\r\n")
    client.sends("FA")
    client.expects("A")
    return client


def in_time_wait(client):
    slot = client.device.slot(client.port)
    return slot is not None and slot("STATE") == client.device.fw.slot.TIME_WAIT


@pytest.mark.parametrize("flags, ahead", (("R", 0), ("RA", 0), ("R", 100), ("R", -1), ("R", 70000)))
def test_a_reset_does_not_end_it(waiting, flags, ahead):
    """Section 3, fix F1."""
    assert waiting.segment(flags, seq=waiting.seq + ahead) == []
    assert in_time_wait(waiting) and waiting.device.count("tcp_time_wait_reset") == 1
    assert waiting.device.count("tcp_reset_in") == 0


def test_an_old_duplicate_is_acknowledged_and_the_answer_to_that_ignored(waiting):
    """Section 2.1, hazard H1 and its end: old duplicate, our ACK, their RST."""
    waiting.sends("PA", GET, seq=0)
    waiting.expects("A")
    waiting.segment("R", seq=waiting.seq)
    assert in_time_wait(waiting)


def test_the_last_fin_may_come_again(waiting):
    waiting.device.pass_ms(20_000)
    waiting.segment("FA", seq=waiting.seq - 1)
    assert in_time_wait(waiting)
    waiting.device.pass_ms(10_100)
    assert not in_time_wait(waiting) and waiting.device.state("OPEN") == 0


def test_a_newer_syn_takes_its_place(waiting):
    device = waiting.device
    old = device.slot(waiting.port)("SND_NXT")
    device.pass_ms(10)
    again = connect(device, seq=waiting.seq + 1000)
    assert (again.first_ack - 1 - old) % 2 ** 32 < 1 << 31      # beyond all that was sent before
    assert again.request("/nope").startswith(b"HTTP/1.1 404")


def test_an_older_syn_does_not(waiting):
    waiting.device.pass_ms(5000)
    for behind in (1, 1000, 1 << 30):
        reply, = waiting.segment("S", seq=(waiting.seq - behind) % 2 ** 32, ack=0)
        assert reply.flags == "A" and reply.ack == waiting.seq and in_time_wait(waiting)
    assert waiting.device.count("tcp_challenge") == 3


def test_not_with_an_iss_inside_the_old_numbers(waiting):
    """A cookie cannot be chosen. If this one is not beyond what was sent, the SYN has to come again: time helps."""
    reply, = waiting.segment("S", seq=waiting.seq + 1, ack=0)
    assert reply.flags == "A" and in_time_wait(waiting)
    waiting.device.pass_ms(1000)
    reply, = waiting.segment("S", seq=waiting.seq + 1, ack=0)
    assert reply.flags == "SA" and not in_time_wait(waiting)


def test_a_new_key_does_not_let_old_numbers_in(word):
    """RFC 6528: after a change of the key iss does not grow for a peer; TIME-WAIT is where that is caught."""
    accepted = refused = 0
    for k in range(12):
        device = Device(word=word, entropy=bytes([k] * 16), SENSOR=False)
        device.pass_ms(device.fw.cookie.REKEY_MS - device.fw.cookie.LIFE_MS - 10_000)
        client = connect(device)
        client.request("/nope", headers="Connection: close\r\n")
        client.send(b"", "FA")
        old = device.slot(client.port)("SND_NXT")
        device.pass_ms(15_000)
        key = device.state("KEY")
        assert in_time_wait(client) and key != device.state("OLD_KEY")
        reply, = client.segment("S", seq=client.seq + 1000, ack=0)
        beyond = (reply.seq - old) % 2 ** 32 < 1 << 31
        assert reply.flags == "SA" and beyond or reply.flags == "A"
        accepted += reply.flags == "SA"
        refused += reply.flags == "A"
    assert accepted and refused


def test_it_gives_way_when_slots_are_scarce(word):
    device = Device(word=word, overrides={"TCP_SLOTS": 1})
    client = connect(device)
    client.request("/nope", headers="Connection: close\r\n")
    client.send(b"", "FA")
    assert connect(device, port=40001).request("/nope").startswith(b"HTTP/1.1 404")
    assert Client(device, port=40000, seq=client.seq, ack=client.ack).segment("A")[0].flags == "R"
