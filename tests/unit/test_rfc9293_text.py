"""RFC 9293 section 3.10.7.4, seventh: text in order, twice, beyond a gap; RFC 5681 section 4.2: its acknowledgements."""
import random

import pytest
from device import Device, connect

GET = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"


def test_out_of_order_makes_a_duplicate_ack(device):
    client = connect(device)
    late, = client.segment("PA", GET[10:], seq=client.seq + 10)
    assert late.ack == client.seq and device.count("tcp_out_of_order") == 1
    client.take(client.segment("PA", GET[:10]))
    client.seq += 10
    client.send(GET[10:])
    assert client.pump().startswith(b"HTTP/1.1 200")


def test_data_sent_twice_is_taken_once(device):
    client = connect(device)
    client.segment("PA", GET[:20])
    again, = client.segment("PA", GET[:20])
    assert again.ack == client.seq + 20 and device.count("tcp_duplicate") == 1
    client.take(client.segment("PA", GET))          # overlaps what is there
    client.seq += len(GET)
    assert client.pump().startswith(b"HTTP/1.1 200")


NOPE = b"GET /nope HTTP/1.1\r\nHost: x\r\n\r\n"
HERE = b"GET /api/reading HTTP/1.1\r\nHost: x\r\n\r\n"


def test_data_beyond_a_gap_is_kept(device):
    """The gap fills: one ACK for all of it, at once, and nothing has to be sent again."""
    client = connect(device)
    client.sends("PA", NOPE[10:], seq=10)
    client.expects("A", ack=0)
    client.sends("PA", NOPE[:10])
    client.expects("PA", ack=len(NOPE))
    assert device.count("tcp_out_of_order") == 1 and device.count("tcp_not_kept") == 0


def test_each_segment_beyond_the_gap_makes_a_duplicate_ack(device):
    client = connect(device)
    for at in (5, 10, 20):
        client.sends("A", NOPE[at:at + 10], seq=at)
        client.expects("A", ack=0, size=0)
    client.sends("A", NOPE[:5], seq=0)
    client.expects("A", ack=30)         # which fills all of the gap: at once
    client.seq += 30
    client.sends("PA", NOPE[30:])
    client.expects("PA", ack=len(NOPE))


def test_the_range_grows_at_both_ends(device):
    client = connect(device)
    for at in (15, 20, 10, 5, 18):
        client.sends("PA", NOPE[at:at + 5], seq=at)
        client.expects("A", ack=0)
    client.sends("PA", NOPE[:5], seq=0)
    client.expects("A", ack=25)


def test_a_second_gap_is_asked_for_again(device):
    client = connect(device)
    client.sends("PA", NOPE[5:10], seq=5)
    client.expects("A", ack=0)
    client.sends("PA", NOPE[20:], seq=20)
    client.expects("A", ack=0)
    assert device.count("tcp_not_kept") == 1
    client.sends("PA", NOPE[:5], seq=0)
    client.expects("A", ack=10)
    client.sends("PA", NOPE[10:20], seq=10)
    client.expects("A", ack=20)
    client.sends("PA", NOPE[20:], seq=20)
    client.expects("PA", ack=len(NOPE))


def test_a_gap_that_fills_in_part(device):
    """What is in order goes on to HTTP though more is missing behind it."""
    client = connect(device)
    text = NOPE + HERE
    client.sends("PA", text[-10:], seq=len(text) - 10)
    client.expects("A", ack=0)
    client.sends("PA", text[:len(NOPE) + 5], seq=0)
    client.expects("PA", ack=len(NOPE) + 5)                 # the first is answered
    client.sends("PA", text[len(NOPE) + 5:-10], seq=len(NOPE) + 5)
    client.expects("PA", ack=len(text))
    assert bytes(client.got).count(b"HTTP/1.1") == 2


def test_the_right_edge_of_the_window_never_moves_back(device):
    """Kept bytes, bytes read, bytes that wait: SND.WND of the peer stays what it was promised (section 3.8.6.2.2)."""
    dice, client = random.Random(3), connect(device, window=300)
    text, at, edge = NOPE * 40, 0, 2048
    for _ in range(150):
        first = at + dice.choice((0, 0, 5, 50, 200, 600))
        client.sends("PA", text[first:first + dice.choice((1, 20, 300))], seq=first)
        while client.waiting:
            tcp = client.expects()
            at = (tcp.ack - client.first_seq) % 2 ** 32
            assert at + tcp.window >= edge
            edge = at + tcp.window
    assert edge > 3000


@pytest.mark.parametrize("order", ((0, 1), (1, 0)))
def test_fin_beyond_a_gap_is_kept(device, order):
    client = connect(device)
    cut = NOPE[:20], NOPE[20:]
    for k in order:
        client.sends("FPA" if k else "PA", cut[k], seq=20 * k)
        if k != order[-1]:
            client.expects("A")
    client.expects("FPA", ack=len(NOPE) + 1)
    assert device.slot(client.port)("STATE") == device.fw.slot.LAST_ACK


def test_bare_fin_beyond_a_gap_is_kept(device):
    client = connect(device)
    client.sends("FA", seq=len(NOPE))
    client.expects("A", ack=0)
    client.sends("PA", NOPE, seq=0)
    client.expects("FPA", ack=len(NOPE) + 1)


def test_fin_in_front_of_kept_data_ends_the_text(device):
    """Nothing lies behind the end: a peer that says otherwise is not believed."""
    client = connect(device)
    client.sends("PA", b"rubbish", seq=50)
    client.expects("A", ack=0)
    client.sends("FPA", NOPE)
    client.expects("FPA", ack=len(NOPE) + 1)


def test_fin_inside_kept_data_is_not_taken(device):
    client = connect(device)
    client.sends("PA", NOPE[5:], seq=5)
    client.expects("A", ack=0)
    client.sends("FA", NOPE[5:10], seq=5)
    client.expects("A", ack=0)
    client.sends("PA", NOPE[:5], seq=0)
    client.expects("PA", ack=len(NOPE))
    assert device.slot(client.port)("STATE") == device.fw.slot.ESTABLISHED


def test_of_different_bytes_the_last_count_until_they_are_in_order(device):
    client = connect(device)
    client.sends("PA", b"X" * 10, seq=10)                   # somebody guessed where the window is
    client.expects("A", ack=0)
    client.sends("PA", NOPE, seq=0)                         # the whole request, as the client sends it again
    client.expects("PA", ack=len(NOPE))
    client.sends("PA", b"Y" * 10, seq=10)                   # too late
    client.expects("A", ack=len(NOPE))
    assert bytes(client.got).startswith(b"HTTP/1.1 404")


def test_kept_data_outlives_an_answer_that_waits(device):
    """Requests in the store, their answers waiting for a window, and a gap behind them."""
    client = connect(device, window=0)
    text = NOPE * 8
    client.sends("PA", text[:len(NOPE) * 6 + 3])
    client.expects("A", window=2048 - 2 * len(NOPE) - 3)    # four are answered, two and a bit wait
    client.sends("FPA", text[-20:], seq=len(text) - 20)
    client.expects("A")
    client.sends("PA", text[len(NOPE) * 6 + 3:-20], seq=len(NOPE) * 6 + 3)
    client.expects("A", ack=len(text) + 1)
    client.seq, client.window = client.first_seq + len(text) + 1, 64000
    assert client.pump().count(b"HTTP/1.1 404") == 8 and device.state("OPEN") == 0


def test_gap_and_close(device):
    """Our side is closed while data is kept: it is dropped, what comes is only acknowledged."""
    client = connect(device)
    client.sends("PA", b"tail", seq=len(NOPE) + 19 + 5)
    client.expects("A", ack=0)
    client.sends("PA", NOPE[:-2] + b"Connection: close\r\n\r\n")
    client.expects("FPA", ack=len(NOPE) + 19)
    client.sends("PA", b"12345")
    client.expects("A", ack=len(NOPE) + 19 + 5)             # without the tail
    client.sends("FA", b"tail")
    client.expects("A", ack=len(NOPE) + 19 + 10)


@pytest.mark.parametrize("seed", range(6))
def test_any_order_gives_the_same_answers(word, seed):
    """Requests cut anywhere, the pieces in any order, twice, overlapping, over the wrap of the numbers: none is damaged."""
    dice = random.Random(seed)
    device = Device(word=word, overrides={"SLOT_RX": dice.choice((512, 1024, 2048))})
    client = connect(device, seq=2 ** 32 - dice.randrange(400), window=dice.choice((300, 64000)))
    kinds = {NOPE: b"404", HERE: b"200"}
    wanted = [dice.choice((NOPE, HERE)) for _ in range(40)]
    text, at = b"".join(wanted), 0
    while at < len(text):
        first = dice.choice((at, at, max(0, at - 30), at + dice.randrange(1, 300)))
        last = min(len(text), first + dice.choice((1, 17, 100, 200)))
        frames = client.segment(dice.choice(("A", "PA")), text[first:last], seq=(client.first_seq + first) % 2 ** 32)
        for tcp in client.take(frames):
            at = (tcp.ack - client.first_seq) % 2 ** 32
        client.seq = (client.first_seq + at) % 2 ** 32
        if dice.random() < 0.5:
            client.take(client.segment("A"))
        client.take(client.mine(device.pass_ms(50)))
        at = (device.slot(client.port)("RCV_NXT") - client.first_seq) % 2 ** 32
    client.seq = (client.first_seq + at) % 2 ** 32
    got = client.pump()
    assert [part[:3] for part in got.split(b"HTTP/1.1 ")[1:]] == [kinds[request] for request in wanted]
    assert device.count("http_400") == 0 and device.count("tcp_out_of_order") > 0
