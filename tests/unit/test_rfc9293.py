"""RFC 9293: connections from SYN to the last ACK, by a scripted peer. States: test_rfc9293_states.py; text: ..._text.py."""
import pytest
from big import site
from device import ADDRESS, IP, MAC, PEER_MAC, TCP, Client, Device, Ether, Raw, connect

GET = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
BIG = b"GET /big.bin HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture
def big():
    """Assets with /big.bin, a page of 100,000 bytes."""
    return site()


def test_syn_costs_nothing_and_carries_our_mss(device):
    client = Client(device)
    reply, = client.segment("S", ack=0, options=[("MSS", 1460)])
    assert dict(reply.options)["MSS"] == 1460 and reply.flags == "SA" and reply.ack == 1001
    assert device.state("OPEN") == 0


def test_a_page_arrives_whole_over_many_windows(word, big):
    client = connect(Device(word=word, assets=big))
    assert client.request("/big.bin").endswith(big.data)
    assert client.device.count("tcp_retransmit") == 0


def test_request_opens_the_connection_when_the_ack_was_lost(device):
    client = Client(device)
    reply, = client.segment("S", ack=0)
    client.seq, client.ack = 1001, reply.seq + 1
    client.send(GET)
    assert client.pump().startswith(b"HTTP/1.1 200")


def test_sequence_numbers_wrap(word, big):
    """Both directions cross 2^32."""
    client = connect(Device(word=word, assets=big, entropy=bytes(16)), seq=2 ** 32 - 20)
    assert client.request("/big.bin").endswith(big.data)
    assert client.request("/big.bin").endswith(big.data)


@pytest.mark.parametrize("iss", (2 ** 31 - 30_000, 2 ** 32 - 30_000))
def test_our_sequence_numbers_wrap(word, big, iss):
    """The client's irs is part of our iss: choose it so that we start just below the wrap."""
    device = Device(word=word, assets=big)
    probe, = Client(device).segment("S", ack=0, seq=0)
    client = connect(device, seq=(iss - probe.seq) % 2 ** 32)
    assert client.request("/big.bin").endswith(big.data)


def test_small_window_is_respected(device):
    client = connect(device, window=300)
    got = client.send(GET)
    assert sum(client.length(t) for t in got) <= 300
    assert client.pump().startswith(b"HTTP/1.1 200")


def test_byte_by_byte(device):
    client = connect(device)
    for k in range(len(GET)):
        client.send(GET[k:k + 1])
    assert client.pump().startswith(b"HTTP/1.1 200")


def test_a_route_needs_one_frame(device):
    """The answer carries the acknowledgement of the request."""
    client = connect(device)
    answer, = client.send(b"GET /api/reading HTTP/1.1\r\nHost: x\r\n\r\n")
    assert answer.ack == client.seq and client.length(answer) > 100


def test_pipelined_requests_are_answered_in_order(device):
    client = connect(device)
    client.send(b"".join(b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % p for p in (b"/nope", b"/api/reading") * 6))
    assert [part[:3] for part in client.pump().split(b"HTTP/1.1 ")[1:]] == [b"404", b"200"] * 6


def test_peer_closes_first(device):
    client = connect(device)
    client.request("/nope")
    fin = client.send(b"", "FA")
    assert [t.flags for t in fin] == ["FA"] and fin[0].ack == client.seq
    assert client.segment("A") == [] and device.state("OPEN") == 0
    assert device.count("tcp_closed") == 1


def test_we_close_first_and_wait(device):
    client = connect(device)
    got = client.request("/nope", headers="Connection: close\r\n")
    assert b"Connection: close" in got and "F" in client.frames[-1].flags
    assert device.state("OPEN") == 1
    last = client.send(b"", "FA")
    assert [t.flags for t in last] == ["A"]
    again = client.segment("FA", seq=client.seq - 1)          # our last ACK was lost
    assert [t.flags for t in again] == ["A"]
    device.pass_ms(31000)
    assert device.state("OPEN") == 0


def test_simultaneous_close(device):
    client = connect(device)
    client.send(b"GET /nope HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    una = client.ack
    fin = client.segment("FA", ack=una - 1)         # has not seen our FIN
    client.seq += 1
    assert [t.flags for t in fin] == ["A"]
    assert client.segment("A", ack=una) == []
    assert device.count("tcp_closed") == 1
    device.pass_ms(31000)
    assert device.state("OPEN") == 0


def test_half_closed_peer_still_gets_its_answer(device):
    client = connect(device)
    client.send(GET, "FPA")
    assert client.pump().startswith(b"HTTP/1.1 200") and "F" in client.frames[-1].flags
    assert device.state("OPEN") == 0


def test_closed_port_is_reset(device):
    frames = device.send(Ether(src=PEER_MAC, dst=MAC) / IP(src="10.0.2.2", dst=ADDRESS)
                         / TCP(sport=1, dport=81, flags="S", seq=77))
    assert frames[0][TCP].flags == "RA" and frames[0][TCP].ack == 78


def test_reset_is_never_answered_with_reset(device):
    assert device.send(Ether(src=PEER_MAC, dst=MAC) / IP(src="10.0.2.2", dst=ADDRESS)
                       / TCP(sport=1, dport=81, flags="RA", seq=77, ack=5)) == []
    assert device.count("tcp_stray_rst") == 1


@pytest.mark.parametrize("fields, data", (({"dataofs": 4}, b""), ({"dataofs": 15}, b""), ({"sport": 0}, b"")))
def test_malformed(device, fields, data):
    tcp = TCP(**{"sport": 1, "dport": 80, "flags": "S", **fields}) / Raw(data)
    assert device.send(Ether(src=PEER_MAC, dst=MAC) / IP(src="10.0.2.2", dst=ADDRESS) / tcp) == []
    assert device.count("tcp_malformed") == 1


def test_wrong_checksum(device):
    client = connect(device)
    assert client.segment("PA", GET, chksum=0x1234) == [] and device.count("tcp_checksum") == 1


NOPE = b"GET /nope HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.parametrize("flags", ("SEC", "SE", "SC", "SP", "SU", "SN"))
def test_syn_with_bits_that_mean_nothing_to_us(device, flags):
    """RFC 3168 section 6.1.1.1: an offer of ECN is declined by the SYN-ACK; PSH, URG and reserved bits are ignored."""
    client = Client(device)
    reply, = client.segment(flags, ack=0)
    assert reply.flags == "SA"
    client.seq, client.ack = 1001, reply.seq + 1
    assert client.segment("A") == [] and device.count("tcp_opened") == 1


@pytest.mark.parametrize("flags", ("", "F", "P", "SF", "SFA", "FPU", "SR"))
def test_flags_that_open_nothing(device, flags):
    """Section 3.10.7.2: neither a slot nor a SYN-ACK; RST only where there is an ACK to take its number from."""
    replies = Client(device).segment(flags)
    assert [t.flags for t in replies] == (["R"] if "A" in flags else []) and device.state("OPEN") == 0


def test_data_in_a_syn_is_asked_for_again(device):
    """Section 3.10.7.2 lets it be queued; a cookie cannot: only the SYN is acknowledged."""
    client = Client(device)
    reply, = client.segment("S", NOPE, ack=0)
    assert reply.ack == 1001
    client.seq, client.ack = 1001, reply.seq + 1
    client.send(NOPE)
    assert client.pump().startswith(b"HTTP/1.1 404")


def test_urgent_data_is_data(device):
    """RFC 6093: the pointer is ignored, the bytes stay where they are."""
    client = connect(device)
    client.sends("PUA", NOPE, urgptr=5)
    client.expects("PA", ack=len(NOPE))
    assert bytes(client.got).startswith(b"HTTP/1.1 404")


def test_urgent_pointer_without_data(device):
    client = connect(device)
    client.sends("UA", urgptr=0xFFFF)
    client.expects_nothing()
    client.sends("PA", NOPE)
    client.expects("PA", ack=len(NOPE))


def test_data_with_fin(device):
    """Seventh and eighth: text first, then FIN; the answer, then ours."""
    client = connect(device)
    client.sends("FPA", NOPE)
    client.expects("FPA", seq=0, ack=len(NOPE) + 1)
    client.sends("A")
    client.expects_nothing()
    assert device.state("OPEN") == 0 and device.count("tcp_closed") == 1


def test_half_close_in_the_middle_of_a_request(device):
    """shutdown(SHUT_WR) too early: nothing can be answered, both sides close."""
    client = connect(device)
    client.sends("PA", NOPE[:9])
    client.expects("A", ack=9)
    client.sends("FA")
    client.expects("FA", ack=10)
    client.sends("A")
    assert device.state("OPEN") == 0


def test_half_close_while_answers_wait(device):
    """CLOSE-WAIT lasts until all that was asked is answered."""
    client = connect(device, window=200)
    client.sends("PA", NOPE * 3)
    client.expects("A", ack=None)
    client.sends("FA")
    while client.waiting:
        client.expects()
    assert device.slot(client.port)("STATE") == device.fw.slot.CLOSE_WAIT
    assert client.pump().count(b"HTTP/1.1 404") == 3 and "F" in client.frames[-1].flags
    assert device.state("OPEN") == 0


def test_text_beyond_the_fin_is_nothing(device):
    """Section 3.10.7.4, seventh: what follows a FIN is ignored, and not acknowledged."""
    client = connect(device, window=50)
    client.sends("FPA", NOPE)
    client.expects("A", size=50, ack=len(NOPE) + 1)
    client.sends("PA", NOPE, seq=len(NOPE) + 1)
    client.expects("A", size=None, ack=len(NOPE) + 1)
    assert device.count("tcp_after_close") == 1


def test_text_after_our_fin_is_acknowledged_only(device):
    """FIN-WAIT-2: the peer may finish what it says, though nobody listens (section 3.6, RFC 1122 section 4.2.2.13)."""
    client = connect(device)
    client.sends("PA", NOPE[:-2] + b"Connection: close\r\n\r\n")
    client.expects("FPA")
    client.sends("PA", b"x" * 100)
    client.expects("A", ack=len(NOPE) + 19 + 100)
    client.sends("FA", b"bye")
    client.expects("A", ack=len(NOPE) + 19 + 104)
    assert device.slot(client.port)("STATE") == device.fw.slot.TIME_WAIT


def test_a_segment_without_ack_is_dropped(device):
    """Fifth: "if the ACK bit is off, drop the segment"."""
    client = connect(device)
    client.sends("P", NOPE, seq=0)
    client.expects_nothing()
    client.sends("PA", NOPE)
    client.expects("PA", ack=len(NOPE))
    assert device.count("tcp_bad_ack") == 1


@pytest.mark.parametrize("ahead, length, wanted", (
    (2047, 0, None), (2048, 0, "A"), (2047, 1, "A"), (2048, 1, "A"), (-1, 1, "A"), (-5, 5, "A"), (-5, 0, "A"), (0, 0, None),
    (70000, 9, "A"), (1 << 31, 9, "A")))
def test_acceptable_segments(device, ahead, length, wanted):
    """The table of the first check, at the window's edges."""
    client = connect(device)
    client.sends("A", b"x" * length, seq=ahead)
    if wanted:
        client.expects(wanted, ack=0)
    client.expects_nothing()
    outside = ahead >= 2048 or ahead < 0
    assert device.count("tcp_out_of_window") + device.count("tcp_duplicate") == outside


def test_more_than_the_window_is_cut(device):
    """What lies within is taken, the rest is asked for again."""
    client = connect(device, window=0)
    client.sends("PA", NOPE * 4)                            # four answers fill the queue: the rest waits in the store
    while client.waiting:
        client.expects()
    client.sends("PA", b"y" * 1400)
    client.expects("A", window=2048 - 1400)
    client.sends("PA", b"y" * 1400)
    client.expects("A", window=0, ack=4 * len(NOPE) + 2048)
    client.seq -= 2 * 1400 - 2048
    client.sends("FPA", b"y")
    client.expects("A", window=0, ack=4 * len(NOPE) + 2048)     # nor is the FIN behind it


def test_window_that_shrinks(device):
    """Section 3.8.6: the peer takes its window back; what is out is out, the rest waits, nothing is lost."""
    device = Device(assets=site())
    client = connect(device, window=14600)
    client.sends("PA", b"GET /big.bin HTTP/1.1\r\nHost: x\r\n\r\n")
    client.expects_run(0, [1460] * 10)
    for window in (3000, 0, 10, 14600):
        client.window = window
        client.take(client.segment("A"))
    assert client.pump().endswith(site().data)


def test_open_connections_are_those_that_talk(device):
    """TIME-WAIT is no open connection to who reads /metrics."""
    first = connect(device)
    first.request("/nope", headers="Connection: close\r\n")
    first.send(b"", "FA")
    second = connect(device, port=40001)
    assert b"open_connections 1\n" in second.request("/metrics")
    assert device.state("OPEN") == 2 and device.state("WAITING") == 1
    device.pass_ms(31000)
    assert device.state("OPEN") == 1 and device.state("WAITING") == 0


# ---- 3.10.7.4: an acknowledgement has SEG.SEQ = SND.NXT -----------------------------------------------------------------

def test_an_ack_after_a_time_out_is_where_the_peer_expects_it(word):
    """The peer has all and its ACKs got lost: an ACK from further back it would not look at."""
    peer = Client(Device(word=word, assets=site()), window=65535)
    peer.open()
    peer.sends("PA", BIG)
    end = peer.expects_run(0, [1460] * 10)
    peer.waits(1000)
    peer.expects(seq=0, size=1460)
    peer.sends(data=b"GET", seq=len(BIG) + 500, ack=0)
    peer.expects("A", seq=end, size=0, ack=len(BIG))
    peer.sends(data=b"GET", seq=0, ack=0)       # what came before
    peer.expects("A", seq=end, size=0, ack=len(BIG))


def test_an_ack_while_the_window_is_probed_does_not_lie_beyond_it(word):
    peer = Client(Device(word=word, assets=site()), window=0)
    peer.open()
    peer.sends("PA", BIG)
    peer.waiting.clear()
    peer.waits(1000)
    peer.expects(seq=0, size=1, lost=True)
    peer.sends(data=b"GET", seq=len(BIG) + 500, ack=0)
    peer.expects("A", seq=0, size=0, ack=len(BIG))


# ---- 3.8.6: a window that shrinks ------------------------------------------------------------------------------------------

def shrunk(word):
    """A peer that shuts its window while ten segments are in flight, and has got none of them."""
    peer = Client(Device(word=word, assets=site()), window=14600)
    peer.open()
    peer.sends("PA", BIG)
    peer.expects_run(0, [1460] * 10, lost=range(10))
    peer.window = 0
    peer.sends(ack=0)
    return peer


def test_3_8_6_a_window_that_shrank_to_zero_is_probed(word):
    """MUST-35, SHLD-17: with data in flight, too; a peer that answers is not given up, whatever it still holds back."""
    peer = shrunk(word)
    for _ in range(20):
        peer.waits(60_000)
        while peer.waiting:
            peer.expects(seq=0, size=1, lost=True)
        peer.sends(ack=0)
    assert peer.device.count("tcp_timeout") == 0 and peer.device.count("tcp_probe") >= 20
    peer.window = 64000
    peer.sends(ack=0)
    peer.take(peer.waiting)
    peer.waiting = []
    assert bytes(peer.pump()).endswith(site().data)


def test_3_8_6_who_does_not_answer_the_probes_is_given_up(word):
    peer = shrunk(word)
    peer.device.pass_ms(400_000)
    assert peer.device.count("tcp_timeout") == 1 and peer.device.state("OPEN") == 0


def test_3_8_6_a_fin_in_flight_when_the_window_shuts(word):
    """It takes a place in the window: who answers that there is none is asked again, and not given up."""
    peer = Client(Device(word=word))
    peer.open()
    peer.sends("PA", b"GET /nope HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    end = peer.expects("FPA").underlayer.len - 40
    peer.window = 0
    for _ in range(20):
        peer.sends(ack=end)
        peer.waits(60_000)
        while peer.waiting:
            peer.expects("FA", seq=end, size=0, lost=True)
    assert peer.device.count("tcp_timeout") == 0 and peer.slot("STATE") == peer.device.fw.slot.FIN_WAIT_1
    peer.sends(ack=end + 1)
    assert peer.slot("STATE") == peer.device.fw.slot.FIN_WAIT_2
