"""TCP (RFC 9293 and those it names): a scripted peer against the server."""
import random

import pytest
from big import site
from device import ADDRESS, IP, MAC, PEER_MAC, TCP, Client, Device, Ether, Raw

GET = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture
def big():
    """Assets with /big.bin, a page of 100,000 bytes."""
    return site()


def connect(device, **fields):
    client = Client(device, **fields)
    client.open()
    return client


def test_syn_costs_nothing_and_carries_our_mss(device):
    client = Client(device)
    reply, = client.segment("S", ack=0, options=[("MSS", 1460)])
    assert dict(reply.options)["MSS"] == 1460 and reply.flags == "SA" and reply.ack == 1001
    assert device.state("OPEN") == 0


@pytest.mark.parametrize("offered, used", ((None, 536), (100, 216), (216, 216), (536, 536), (1000, 536), (1024, 1024),
                                           (1400, 1400), (1452, 1440), (1460, 1460), (9000, 1460)))
def test_mss_of_the_peer_is_respected(offered, used, big):
    device = Device(assets=big)
    client = Client(device, window=65535)
    options = [("NOP", None), ("SAckOK", b"")] + ([("MSS", offered)] if offered else [])
    reply, = client.segment("S", ack=0, options=options)
    client.seq, client.ack = 1001, reply.seq + 1
    client.segment("A")
    got = client.send(b"GET /big.bin HTTP/1.1\r\nHost: x\r\n\r\n")
    assert max(client.length(tcp) for tcp in got) == used
    client.pump()
    assert client.got.endswith(big.data)


def test_a_page_arrives_whole_over_many_windows(word, big):
    client = connect(Device(word=word, assets=big))
    assert client.request("/big.bin").endswith(big.data)
    assert client.device.count("tcp_retransmit") == 0


def test_cookie_is_bound_to_peer_port_and_time(device):
    client = Client(device)
    reply, = client.segment("S", ack=0)
    stranger = Client(device, port=40001, seq=1001, ack=reply.seq + 1)
    refused, = stranger.segment("A")
    assert refused.flags == "R" and refused.seq == reply.seq + 1
    assert device.count("tcp_bad_cookie") == 1
    client.seq, client.ack = 1001, reply.seq + 1
    device.now += 20000
    late, = client.segment("A")
    assert late.flags == "R"


def test_request_opens_the_connection_when_the_ack_was_lost(device):
    client = Client(device)
    reply, = client.segment("S", ack=0)
    client.seq, client.ack = 1001, reply.seq + 1
    client.send(GET)
    assert client.pump().startswith(b"HTTP/1.1 200")


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


def test_sequence_numbers_grow_with_time_for_one_peer(device):
    """RFC 6528 section 3."""
    client = Client(device)
    first = client.segment("S", ack=0)[0].seq
    device.now += 1000
    assert 0 < (client.segment("S", ack=0)[0].seq - first) % 2 ** 32 < 2 ** 24


def test_sequence_numbers_differ_between_ports(device):
    seqs = {Client(device, port=p).segment("S", ack=0)[0].seq for p in range(50000, 50100)}
    assert len(seqs) == 100


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


def test_time_out_sends_again_and_backs_off(device):
    """RFC 6298 sections 2.1 and 5.5, and a bounded end."""
    client = connect(device)
    first = client.send(b"GET /nope HTTP/1.1\r\nHost: x\r\n\r\n")[-1]
    times, start = [], device.now
    for _ in range(400_000 // 50):
        for tcp in client.mine(device.pass_ms(50)):
            assert (tcp.seq, bytes(tcp.payload)) == (first.seq, bytes(first.payload))
            times.append(device.now - start)
    assert [b - a for a, b in zip([0] + times, times)][:5] == [1000, 2000, 4000, 8000, 16000]
    assert len(times) == 9 and device.count("tcp_timeout") == 1 and device.state("OPEN") == 0


def test_lost_segment_is_sent_again_after_three_duplicates(word, big):
    """RFC 5681 section 3.2: without waiting for the timer."""
    device = Device(word=word, assets=big)
    client = connect(device)
    burst = client.segment("PA", b"GET /big.bin HTTP/1.1\r\nHost: x\r\n\r\n")
    client.seq += 35
    burst = [t for t in burst if client.length(t)]
    assert len(burst) == 10                         # RFC 6928
    client.take(burst[:1])
    client.segment("A")                             # acknowledges the first: the second is lost
    lost = burst[1]
    resent = []
    for _ in range(3):
        resent += client.segment("A")
    assert lost.seq in [t.seq for t in resent] and device.count("tcp_fast_retransmit") == 1
    assert device.count("tcp_rto") == 0
    again, = [t for t in resent if t.seq == lost.seq]
    assert bytes(again.payload) == bytes(lost.payload)


@pytest.mark.parametrize("percent", (1, 5, 10, 30))
def test_a_page_survives_loss(word, big, percent):
    """So many segments to the client are lost: the page is whole, by fast retransmit and by time-out."""
    lossy = random.Random(percent)
    device = Device(word=word, assets=big)
    client = connect(device)
    waiting = client.segment("PA", b"GET /big.bin HTTP/1.1\r\nHost: x\r\n\r\n")
    client.seq += 35
    held = {}
    for _ in range(5000):
        arrived = []
        for tcp in waiting:
            if lossy.random() * 100 >= percent:
                held[tcp.seq] = bytes(tcp.payload)[:client.length(tcp)]
                arrived.append(tcp)
        waiting = []
        for _ in arrived:
            while client.ack in held and held[client.ack]:
                data = held.pop(client.ack)
                client.got += data
                client.ack = (client.ack + len(data)) % 2 ** 32
            waiting += client.segment("A")
        if client.got.endswith(big.data):
            break
        if not waiting:
            waiting = client.mine(device.pass_ms(max(1, min(device.wait, 500))))
    assert client.got.endswith(big.data)


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


# ---- ends ------------------------------------------------------------------------------------------------------

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


def test_time_wait_gives_way_to_a_new_connection(device):
    """RFC 9293 section 3.10.7.4: a SYN with a larger sequence number."""
    client = connect(device)
    client.request("/nope", headers="Connection: close\r\n")
    client.send(b"", "FA")
    again = connect(device, seq=client.seq + 10)
    assert again.request("/nope").startswith(b"HTTP/1.1 404")


# ---- RFC 5961 and other strangers ------------------------------------------------------------------------------

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
    assert sum(len(client.segment("S")) for _ in range(200)) == 50
    assert device.count("tcp_challenge_limited") == 150


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


def test_keep_alive_probe_is_answered(device):
    client = connect(device)
    reply, = client.segment("A", seq=client.seq - 1)
    assert reply.ack == client.seq


# ---- slots -----------------------------------------------------------------------------------------------------

def few(word=None, **changes):
    return Device(word=word, overrides={"TCP_SLOTS": 3}, **changes)


def test_full_of_busy_connections_the_next_one_waits_and_is_not_reset(word):
    """SYN costs no slot and is answered; its ACK and its request open the connection when one is free."""
    device = few(word)
    busy = [connect(device, port=50000 + k) for k in range(3)]
    for client in busy:
        client.send(GET)
    later = connect(device)                         # of which only the handshake's sender knows
    assert later.segment("PA", GET) == [] and device.count("tcp_full") == 2 and device.state("OPEN") == 3
    busy[0].segment("R")
    assert later.request().startswith(b"HTTP/1.1 200")


def test_idle_connections_give_way_oldest_first(word):
    device = few(word)
    clients = []
    for k in range(3):
        clients.append(connect(device, port=50000 + k))
        clients[-1].request("/nope")
        device.pass_ms(500)
    device.pass_ms(1000)
    clients[0].request("/nope")                     # now the second is the oldest
    newer = connect(device, port=51000)
    assert newer.request("/nope").startswith(b"HTTP/1.1 404")
    assert device.count("tcp_evicted") == 1
    assert clients[0].request("/nope").startswith(b"HTTP/1.1 404")
    assert clients[1].segment("PA", GET)[0].flags == "R"


def test_slots_come_back(word):
    device = few(word)
    for k in range(20):
        client = connect(device, port=50000 + k)
        client.request("/nope")
        if k % 2:
            client.segment("R")
        else:
            client.send(b"", "FA")
            client.pump()
    assert device.state("OPEN") == 0 and device.count("tcp_opened") == 20


def test_pages_come_back(word):
    device = Device(word=word, overrides={"PAGES": 2})
    for k in range(10):
        client = connect(device, port=50000 + k)
        assert client.request("/api/reading").startswith(b"HTTP/1.1 200")
        client.segment("R")
    stuck = [connect(device, port=51000 + k, window=0) for k in range(3)]
    for client in stuck:
        client.send(b"GET /api/reading HTTP/1.1\r\nHost: x\r\n\r\n")
    stuck[2].window = 60000
    stuck[2].take(stuck[2].segment("A"))
    assert stuck[2].pump().startswith(b"HTTP/1.1 503")
