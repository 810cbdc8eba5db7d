"""RFC 5961: what a blind attacker may try: RST, SYN and ACK, and data, with guessed numbers."""
import pytest
from device import Device, connect

LIMIT, SECOND_MS = 10, 1024     # challenge ACKs on a connection


def test_rst_must_be_exact(device):
    client = connect(device)
    challenge, = client.segment("R", seq=client.seq + 5)
    assert challenge.flags == "A" and challenge.ack == client.seq
    assert client.segment("R", seq=client.seq - 5) == []
    assert client.segment("R", seq=client.seq + 70000) == []
    assert device.state("OPEN") == 1
    assert client.segment("R") == [] and device.state("OPEN") == 0
    assert device.count("tcp_reset_in") == 1


def test_syn_inside_a_connection_is_challenged(device):
    client = connect(device)
    challenge, = client.segment("S", seq=client.seq)
    assert challenge.flags == "A" and device.state("OPEN") == 1


def test_impossible_acks_are_challenged(device):
    client = connect(device)
    for ack in (client.ack + 1000, client.ack - 70000):
        challenge, = client.segment("A", ack=ack % 2 ** 32)
        assert challenge.flags == "A" and challenge.ack == client.seq
    assert device.count("tcp_bad_ack") == 2


def test_challenges_are_limited(device):
    client = connect(device)
    assert sum(len(client.segment("S")) for _ in range(200)) == LIMIT
    assert device.count("tcp_challenge_limited") == 200 - LIMIT


GET = b"GET /nope HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.parametrize("ahead, answer, gone", ((0, None, True), (1, "A", False), (2047, "A", False), (2048, None, False),
                                                 (-1, None, False), (1 << 31, None, False), (70000, None, False)))
def test_reset(device, ahead, answer, gone):
    """Section 3.2: exact, in the window, outside of it; whatever flags stand beside it."""
    for port, flags in enumerate(("R", "RA", "RP", "RF"), 40000):
        client = connect(device, port=port)
        client.sends(flags, seq=ahead)
        if answer:
            client.expects(answer, seq=0, ack=0)
        client.expects_nothing()
        assert (device.slot(client.port) is None) == gone


def test_reset_follows_the_data(device):
    """The number that counts is the one after all that was taken."""
    client = connect(device)
    client.sends("PA", GET)
    client.expects("PA")
    client.sends("R", seq=0)
    client.expects_nothing()
    assert device.slot(client.port)
    client.sends("R", seq=len(GET))
    assert device.slot(client.port) is None


def test_reset_with_a_gap_open(device):
    """Kept data does not move RCV.NXT: the reset behind it is challenged, the one at the gap counts."""
    client = connect(device)
    client.sends("PA", GET[10:], seq=10)
    client.expects("A", ack=0)
    client.sends("R", seq=len(GET))
    client.expects("A", ack=0)
    client.sends("R", seq=0)
    assert device.slot(client.port) is None and device.state("OPEN") == 0


def test_challenge_lets_a_peer_that_was_restarted_in(device):
    """Section 4.2: its SYN is challenged, its RST is exact then, its next SYN is new."""
    client = connect(device)
    challenge, = client.segment("S", seq=77, ack=0)
    assert challenge.flags == "A"
    assert client.segment("R", seq=challenge.ack, ack=0) == [] and device.slot(client.port) is None
    again = connect(device, seq=77)
    assert again.request("/nope").startswith(b"HTTP/1.1 404")


@pytest.mark.parametrize("flags", ("S", "SA", "SF", "SPA"))
def test_syn(device, flags):
    """Section 4.2: "irrespective of the sequence number"."""
    client = connect(device)
    for ahead in (0, 1, -1, 2047, 2048, 1 << 31):
        client.sends(flags, seq=ahead)
        client.expects("A", seq=0, ack=0)
        client.expects_nothing()
    assert device.slot(client.port) and device.count("tcp_challenge") == 6


@pytest.mark.parametrize("ack, good", ((0, True), (1, False), (-1, True), (-64000, True), (-64001, False), (1 << 31, False)))
def test_ack_range(device, ack, good):
    """Section 5.2: SND.UNA - MAX.SND.WND =< SEG.ACK =< SND.NXT, or the data is not taken."""
    client = connect(device)
    client.sends("PA", GET, seq=0, ack=ack)
    client.expects("PA" if good else "A", ack=len(GET) if good else 0)
    assert device.count("tcp_bad_ack") == (not good)


def test_ack_of_what_was_sent_and_went_back(device):
    """After a time-out SND.NXT stands behind what was sent once: an ACK of that is good."""
    client = connect(device)
    answer = client.segment("PA", GET)[-1]
    client.seq += len(GET)
    device.pass_ms(1000)
    assert client.segment("A", ack=answer.seq + client.length(answer)) == []
    assert device.count("tcp_bad_ack") == 0 and device.count("tcp_rto") == 1


def test_challenges_come_back_after_a_second(device):
    """Section 7."""
    client = connect(device)
    for _ in range(4):
        assert sum(len(client.segment("S")) for _ in range(60)) == LIMIT
        device.pass_ms(SECOND_MS)


@pytest.mark.parametrize("flags, ahead, ack", (("R", 7, 0), ("S", 7, 0), ("A", 0, 9000), ("A", 100_000, 0)))
def test_a_good_guess_of_anothers_numbers_shows_nowhere_else(word, flags, ahead, ack):
    """CVE-2016-5696: who forges the peer's address must not find out, by what is left for himself, what it brought about."""
    left = []
    for source in "10.0.2.2", "10.0.2.3":               # the address of an open connection, and one without any
        device = Device(word=word)
        peer, own = connect(device), connect(device, src="10.0.2.9", port=50000)
        assert peer.segment(flags, seq=peer.seq + ahead, ack=peer.ack + ack)[0].flags == "A"
        device.pass_ms(SECOND_MS)
        peer.src = source
        peer.segment(flags, seq=peer.seq + ahead, ack=peer.ack + ack)
        left.append(sum(len(own.segment("S")) + len(own.segment("A", seq=own.seq - 1)) for _ in range(60)))
    assert left == [LIMIT, LIMIT]


def test_nobody_takes_anothers_answers(device):
    """Whatever one connection asks for, a keep-alive on the next is answered, and so is a peer that was started anew."""
    greedy, good = connect(device, src="10.0.2.9", port=50000), connect(device)
    for _ in range(3):
        for _ in range(60):
            greedy.segment("S")
            greedy.segment("A", seq=greedy.seq + 100_000)
        answer, = good.segment("A", seq=good.seq - 1)
        assert answer.flags == "A" and answer.ack == good.seq
        challenge, = good.segment("S", seq=77, ack=0)
        assert challenge.flags == "A" and challenge.ack == good.seq
        device.pass_ms(SECOND_MS)


def test_who_had_the_slot_before_has_taken_nothing(word):
    device = Device(word=word, overrides={"TCP_SLOTS": 1, "PAGES": 1})
    device.pass_ms(5000)
    for source in "10.0.2.9", "10.0.2.2":
        client = connect(device, src=source)
        assert sum(len(client.segment("S")) for _ in range(200)) == LIMIT
        assert client.segment("R") == [] and device.state("OPEN") == 0


@pytest.mark.parametrize("at", (2 ** 31, 2 ** 32))
def test_challenges_while_the_clock_wraps(word, at):
    device = Device(word=word)
    while device.now < at - 2 ** 29:
        device.now += 2 ** 29 - 1
        device.poll()
    device.now = at + 1000 - 2 * SECOND_MS          # the clock is 0 at 1000
    client = connect(device)
    for _ in range(4):
        assert sum(len(client.segment("S")) for _ in range(60)) == LIMIT
        device.pass_ms(SECOND_MS)


def test_answers_to_old_data_are_no_challenges(device):
    """A peer whose ACKs got lost must not be left alone by the limit."""
    client = connect(device)
    client.request("/nope")
    assert sum(len(client.segment("PA", GET, seq=client.first_seq)) for _ in range(80)) == 80


# ---- section 7: the answers to what lies outside of the window, when it has no text ----------------------------------------

def test_two_ends_that_disagree_do_not_acknowledge_each_other_for_ever(device):
    """A peer that has other numbers answers each of our ACKs by one that we cannot take, and so on."""
    client = connect(device)
    sent, answers = 1, client.segment("A", seq=client.seq + 100_000)
    while answers and sent < 1000:
        sent, answers = sent + 1, client.segment("A", seq=client.seq + 100_000, ack=answers[-1].seq)
    assert sent == LIMIT + 1 and device.count("tcp_ack_limited") == 1 and device.count("tcp_out_of_window") == LIMIT + 1
    assert client.segment("A", seq=client.seq - 1) == []            # a keep-alive in the same second
    device.pass_ms(SECOND_MS)
    answer, = client.segment("A", seq=client.seq - 1)
    assert answer.flags == "A" and answer.ack == client.seq and device.count("tcp_challenge") == 0


def test_text_that_came_before_is_always_acknowledged(device):
    """Its sender repairs a loss by these ACKs (RFC 9293 section 3.10.7.4)."""
    client = connect(device)
    client.send(GET)
    client.pump()
    for _ in range(200):
        answer, = client.segment("PA", GET, seq=client.seq - len(GET))
        assert answer.ack == client.seq
    assert device.count("tcp_ack_limited") == 0 and device.count("tcp_duplicate") == 200
