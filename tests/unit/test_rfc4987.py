"""RFC 4987: a SYN costs no memory; its cookie proves the ACK, grows old, and outlives a change of the key."""
import random

import pytest
from device import Client, Device, connect

GET = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"


def test_cookie_is_bound_to_peer_port_and_time(device):
    client = Client(device)
    reply, = client.segment("S", ack=0)
    stranger = Client(device, port=40001, seq=1001, ack=reply.seq + 1)
    refused, = stranger.segment("A")
    assert refused.flags == "R" and refused.seq == reply.seq + 1
    assert device.count("tcp_bad_cookie") == 1
    client.seq, client.ack = 1001, reply.seq + 1
    device.now += 70000
    late, = client.segment("A")
    assert late.flags == "R"


@pytest.mark.parametrize("mss", (216, 1460))
def test_data_that_overtakes_the_opening_ack_does_not_reset(word, mss):
    """The ACK was lost and the network turned the request's two segments round: drop, the first one opens."""
    device = Device(word=word)
    client = Client(device, mss=mss)
    reply, = client.segment("S", ack=0, options=[("MSS", mss)])
    client.seq, client.ack = 1001, reply.seq + 1
    for ahead in (1, 2, 7, 8, 10, 2047):
        assert client.segment("PA", GET[10:], seq=client.seq + ahead) == []
    assert device.count("tcp_out_of_order") == 6 and device.state("OPEN") == 0
    assert client.segment("PA", GET[10:], seq=client.seq + (1 << 24))[0].flags == "R"
    client.send(GET[:10])
    client.send(GET[10:])
    assert client.pump().startswith(b"HTTP/1.1 200")


@pytest.fixture
def quiet(word):
    """A device without a sensor: hours pass quickly."""
    return Device(word=word, SENSOR=False)


def half_open(device, port=40000, **fields):
    """A client that has its SYN-ACK and has not answered it."""
    client = Client(device, port=port, **fields)
    reply, = client.segment("S", ack=0, options=[("MSS", 1460)])
    client.seq, client.ack = client.seq + 1, (reply.seq + 1) % 2 ** 32
    return client


def test_syns_take_nothing(device):
    for k in range(200):
        assert len(Client(device, port=1024 + k).segment("S", ack=0)) == 1
    assert device.state("OPEN") == 0 and device.count("tcp_syn") == 200


def test_forged_cookies_fail(device):
    """None of some thousand guesses opens a connection."""
    dice = random.Random(6)
    for _ in range(600 if device.fw.wrap == 0 else 100):
        Client(device, port=dice.randrange(1024, 65536), seq=dice.randrange(2 ** 32),
               ack=dice.randrange(2 ** 32)).segment("A")
    assert device.count("tcp_opened") == 0


@pytest.mark.parametrize("age, good", ((0, True), (1000, True), (63_900, True), (64_200, False), (240_000, False)))
def test_life_of_a_cookie(device, age, good):
    client = half_open(device)
    device.pass_ms(age)
    replies = client.segment("A")
    assert [t.flags for t in replies] == ([] if good else ["R"]) and device.count("tcp_opened") == good


@pytest.mark.parametrize("seq, ack", ((1, 0), (0, 1 << 14), (0, -(1 << 25)), (1 << 24, 0), (-1, 0)))
def test_the_ack_has_to_be_exact(device, seq, ack):
    client = half_open(device)
    client.segment("A", seq=client.seq + seq, ack=(client.ack + ack) % 2 ** 32)
    assert device.count("tcp_opened") == 0
    assert client.segment("A") == [] and device.count("tcp_opened") == 1


# ---- the key ---------------------------------------------------------------------------------------------------------

def before_the_change(device):
    """Let time pass until ten seconds before the first change of the key."""
    cookie = device.fw.cookie
    device.pass_ms(cookie.REKEY_MS - cookie.LIFE_MS - 10_000 - device.now)


def keys(device):
    return [device.state("KEY"), device.stack.s[device.fw.state.KEY + 1]]


def test_the_key_changes_every_hour(quiet):
    device = quiet
    seen = [keys(device)]
    for _ in range(3):
        device.pass_ms(device.fw.cookie.REKEY_MS)
        seen.append(keys(device))
    assert len({tuple(key) for key in seen}) == 4
    assert device.state("OLD_KEY") == seen[2][0]


def test_a_bad_source_of_entropy_does_not_undo_the_key(word):
    """The same bytes each time: the key still changes, and not to one that was or to zero."""
    device = Device(word=word)
    device.fw.board.entropy = lambda: bytes(range(16))
    seen = set()
    for _ in range(8):
        seen.add(tuple(keys(device)))
        device.fw.cookie.rekey(device.stack.s, bytes(range(16)))
    assert len(seen) == 8 and not any(0 in key for key in seen)


def test_new_entropy_makes_an_unknown_key_of_a_known_one(quiet):
    """Each of 2^64 entropies gives another key, and each key before gives another, too."""
    device = quiet
    s, cookie, made = device.stack.s, device.fw.cookie, set()
    start = list(s)
    for k in range(16):
        s[:] = type(s)("I", start)
        if k < 8:
            cookie.rekey(s, (1 << 8 * k).to_bytes(8, "little") + bytes(8))
        else:
            s[device.fw.state.KEY + k % 2] ^= 1 << 4 * k - 32
            cookie.rekey(s, bytes(16))
        made.add(tuple(keys(device)))
    assert len(made) == 16


def test_connections_that_are_being_opened_survive_the_change(quiet):
    device = quiet
    before_the_change(device)
    device.pass_ms(5000)
    clients = [half_open(device, 40000 + k) for k in range(3)]
    key = keys(device)
    device.pass_ms(7000)
    assert keys(device) != key
    assert clients[0].segment("A") == [] and device.count("tcp_opened") == 1
    clients[1].send(GET)
    assert clients[1].pump().startswith(b"HTTP/1.1 200")
    assert half_open(device, 40010).segment("A") == [] and device.count("tcp_opened") == 3
    device.pass_ms(60_000)
    assert clients[2].segment("A")[0].flags == "R"


def test_data_that_overtakes_across_the_change_does_not_reset(quiet):
    device = quiet
    before_the_change(device)
    key = keys(device)
    while keys(device) == key:
        client = half_open(device)
        device.pass_ms(500)
    assert client.segment("PA", GET[10:], seq=client.seq + 10) == [] and device.count("tcp_out_of_order") == 1
    client.send(GET[:10])
    client.send(GET[10:])
    assert client.pump().startswith(b"HTTP/1.1 200")


def test_open_connections_do_not_notice_the_change(quiet):
    device = quiet
    client = connect(device)
    for _ in range(80):
        device.pass_ms(50_000)
        assert client.request("/nope").startswith(b"HTTP/1.1 404")
    assert device.now > device.fw.cookie.REKEY_MS


def test_without_memory_for_a_new_key_the_old_one_is_not_taken(quiet, monkeypatch):
    """The first old key of all would be zeros, which everybody knows. It is tried again soon."""
    device = quiet
    s, state, cookie, entropy = device.stack.s, device.fw.state, device.fw.cookie, device.fw.board.entropy
    before = [s[state.KEY + k] for k in range(4)]

    def no_memory():
        raise MemoryError

    monkeypatch.setattr(device.fw.board, "entropy", no_memory)
    device.pass_ms(cookie.REKEY_MS - cookie.LIFE_MS + 1000)
    assert device.count("no_memory") == 1 and before == [s[state.KEY + k] for k in range(4)]
    assert device.state("REKEY_AT") - device.state("NOW") <= cookie.REKEY_AGAIN_MS
    monkeypatch.setattr(device.fw.board, "entropy", entropy)
    device.pass_ms(61_000)
    assert before != [s[state.KEY + k] for k in range(4)] and before == [s[state.OLD_KEY + k] for k in range(4)]
    assert device.count("no_memory") <= 2


def test_the_old_key_is_of_no_use_later(quiet):
    """Who learned it may open connections with it for the life of a cookie, no longer; and none was before the first."""
    device = quiet
    s, state = device.stack.s, device.fw.state
    assert not device.fw.cookie.REKEY_MS - device.fw.cookie.LIFE_MS < device.state("REKEY_AT") - device.state("NOW")
    device.pass_ms(device.fw.cookie.REKEY_MS + 20_000)
    words = [s[state.KEY + k] for k in range(4)]
    client = half_open(device)
    for k in range(4):
        s[state.OLD_KEY + k], s[state.KEY + k] = words[k], words[k] ^ 5
    assert client.segment("A")[0].flags == "R"
