"""RFC 1122 section 4.2: zero windows, delayed acknowledgements, keep-alive; and that every state ends by itself."""
import pytest
from device import Device, connect

GET = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"


def test_zero_window_is_probed_and_opens_again(device):
    client = connect(device, window=0)
    got = client.send(GET)
    assert [client.length(t) for t in got] == [0]
    probes = client.mine(device.pass_ms(8000))
    assert [client.length(t) for t in probes] == [1, 1, 1]          # after 1, 3 and 7 s
    assert device.count("tcp_probe") == 3
    client.window = 5000
    client.take(client.segment("A"))
    assert client.pump().startswith(b"HTTP/1.1 200 OK\r\n") and client.got.endswith(b"\n")


def test_idle_connection_is_closed(device):
    client = connect(device)
    gone = client.mine(device.pass_ms(61000))
    assert "FA" in [t.flags for t in gone] and device.count("tcp_idle") == 1


def test_half_a_connection_does_not_stay(device):
    """We closed, the peer never does (FIN-WAIT-2)."""
    client = connect(device)
    client.request("/nope", headers="Connection: close\r\n")
    device.pass_ms(11000)
    assert device.state("OPEN") == 0


def test_keep_alive_probe_is_answered(device):
    client = connect(device)
    reply, = client.segment("A", seq=client.seq - 1)
    assert reply.ack == client.seq


NOPE = b"GET /nope HTTP/1.1\r\nHost: x\r\n\r\n"
CLOSE = NOPE[:-2] + b"Connection: close\r\n\r\n"


def test_keep_alive_probe_with_a_byte_is_answered(device):
    """Section 4.2.3.6: some send one byte of what was acknowledged."""
    client = connect(device)
    client.sends("A", b"\0", seq=-1)
    client.expects("A", ack=0)
    client.sends("PA", NOPE)
    client.expects("PA", ack=len(NOPE))


# ---- delayed acknowledgements (section 4.2.3.2, RFC 5681 section 4.2) ----------------------------------------------

def test_the_answer_carries_the_ack_of_both_halves(device):
    """The first half came without PSH: the sender has more of it. One frame instead of two."""
    client = connect(device)
    client.sends("A", NOPE[:20])
    client.expects_nothing()
    client.sends("PA", NOPE[20:])
    client.expects("PA", seq=0, ack=len(NOPE))
    client.expects_nothing()


def test_frames_saved(device):
    """Twenty requests of two segments each: one frame is saved for each of them."""
    client, counted = connect(device), []
    for flags in ("PA", "A"):
        before = device.count("tx_frames")
        for _ in range(20):
            client.send(NOPE[:20], flags)
            client.send(NOPE[20:])
            client.pump()
        counted.append(device.count("tx_frames") - before)
    assert counted == [40, 20]


def test_an_ack_waits_40_ms(device):
    client = connect(device)
    client.sends("A", NOPE[:20])
    client.expects_nothing()
    client.waits(39)
    client.expects_nothing()
    client.waits(2)
    client.expects("A", ack=20)
    client.waits(1000)
    client.expects_nothing()


def test_every_second_segment_is_acknowledged(device):
    client = connect(device)
    for k in range(6):
        client.sends("A", NOPE[4 * k:4 * k + 4])
        if k % 2:
            client.expects("A", ack=4 * k + 4)
    client.expects_nothing()


def test_a_pushed_segment_is_acknowledged_at_once(device):
    """With PSH the sender has no more for now; one that follows Nagle (RFC 896) may wait for us with what it says next."""
    client = connect(device)
    client.sends("PA", NOPE[:20])
    client.expects("A", ack=20)


def test_a_fin_is_acknowledged_at_once(device):
    client = connect(device)
    client.sends("A", NOPE[:20])
    client.sends("FA")
    client.expects("FA", ack=21)


def test_a_gap_ends_the_waiting(device):
    client = connect(device)
    client.sends("A", NOPE[:5])
    client.expects_nothing()
    client.sends("A", NOPE[10:], seq=10)
    client.expects("A", ack=5)
    client.waits(100)
    client.expects_nothing()


def test_a_reset_while_an_ack_waits(device):
    client = connect(device)
    client.sends("A", NOPE[:20])
    client.sends("R")
    client.waits(100)
    client.expects_nothing()
    assert device.state("OPEN") == 0


# ---- windows ---------------------------------------------------------------------------------------------------------

def test_a_peer_that_answers_probes_may_keep_its_window_closed(device):
    """Section 4.2.2.17: for ever, as long as nobody else wants the slot (test_slots.py: then it has to go)."""
    client = connect(device, window=0)
    client.send(NOPE)
    for _ in range(40):
        assert client.mine(device.pass_ms(30_000)) is not None
        client.segment("A")
    assert device.slot(client.port) and device.count("tcp_probe") > 20
    client.window = 5000
    client.take(client.segment("A"))
    assert client.pump().startswith(b"HTTP/1.1 404")


def test_a_window_update_follows_when_there_is_room_again(device):
    """Section 4.2.3.3: once less than a segment had room, and more has."""
    client = connect(device, window=0)
    client.sends("PA", NOPE * 4)
    client.expects("A")
    client.sends("PA", NOPE * 38)
    client.expects("A", window=2048 - len(NOPE) * 38)
    client.window = 64000
    client.waiting.clear()
    assert client.pump().count(b"HTTP/1.1 404") == 42 and client.frames[-1].window == 2048


# ---- nothing gets stuck, nothing leaks ------------------------------------------------------------------------------

SECOND = 1000
RETRIED = 10 * 60 * SECOND      # ten time-outs of a minute at the most (RFC 6298 section 2.5) end whatever waits for an ACK
BOUNDS = {"ESTABLISHED": 60 * SECOND + RETRIED, "with a request in part": 60 * SECOND + RETRIED,
          "with data beyond a gap": 60 * SECOND + RETRIED, "with an answer on its way": RETRIED,
          "with a closed window": RETRIED,
          "FIN-WAIT-1": RETRIED, "FIN-WAIT-2": 10 * SECOND, "CLOSE-WAIT": RETRIED, "CLOSING": RETRIED + 30 * SECOND,
          "LAST-ACK": RETRIED, "TIME-WAIT": 30 * SECOND}


@pytest.fixture
def quiet(word):
    """A device without a sensor: minutes pass quickly."""
    return Device(word=word, SENSOR=False)


def vanish_in(device, state, port):
    """A peer that has come so far and is never heard of again."""
    client = connect(device, port=port)
    if state == "with a request in part":
        client.send(NOPE[:9])
    elif state == "with data beyond a gap":
        client.segment("PA", NOPE, seq=client.seq + 3)
    elif state == "with an answer on its way":
        client.segment("PA", NOPE)
    elif state == "with a closed window":
        client.segment("PA", NOPE, window=0)
    elif state in ("CLOSE-WAIT", "LAST-ACK"):
        client.segment("FPA", NOPE, window=20 if state == "CLOSE-WAIT" else 64000)
    elif state != "ESTABLISHED":
        una = client.ack
        client.send(CLOSE)
        if state in ("FIN-WAIT-2", "TIME-WAIT"):
            client.segment("A")
        if state == "TIME-WAIT":
            client.segment("FA")
        if state == "CLOSING":
            client.segment("FA", ack=una)
    return client


@pytest.mark.parametrize("state", BOUNDS)
def test_a_peer_that_vanishes_leaves_nothing(quiet, state):
    """The slot is free within the bound; so are the pages; and the device sleeps as if nothing had been."""
    device = quiet
    vanish_in(device, state, 40000)
    slot = device.slot(40000)
    if state.isupper():
        assert slot("STATE") == getattr(device.fw.slot, state.replace("-", "_"))
    start = device.now
    while device.slot(40000):
        device.pass_ms(SECOND)
        assert device.now - start <= BOUNDS[state] + SECOND, "the slot is not free"
    assert device.state("OPEN") == device.state("WAITING") == 0
    assert device.state("PAGES_FREE") == device.fw.board.PAGES


def test_all_of_them_at_once_and_a_stranger_is_served(word):
    """All slots are taken by peers that vanished, in every state: the next client is served after five seconds."""
    device = Device(word=word, SENSOR=False, overrides={"TCP_SLOTS": len(BOUNDS)})
    for k, state in enumerate(BOUNDS):
        vanish_in(device, state, 40000 + k)
    assert device.state("FREE") == 0
    for k in range(len(BOUNDS)):
        device.pass_ms(5100 if k == 0 else 0)
        assert connect(device, port=50000 + k).request("/nope").startswith(b"HTTP/1.1 404")
    device.pass_ms(RETRIED + 60 * SECOND)
    assert device.state("OPEN") == 0


def test_a_peer_cannot_prolong_time_wait_or_fin_wait_2(device):
    """Whatever comes, they last as long as they last."""
    for port, state in ((40000, "FIN-WAIT-2"), (40001, "TIME-WAIT")):
        client = vanish_in(device, state, port)
        client.seq = device.slot(port)("RCV_NXT")
        for _ in range(BOUNDS[state] // 500):
            client.segment("A")
            client.segment("PA", b"x", seq=device.slot(port)("RCV_NXT"))
            if state == "TIME-WAIT":
                client.segment("FA", seq=client.seq - 1)
            device.pass_ms(500)
        assert device.slot(port) is None
    assert device.count("tcp_half_closed") == 1
