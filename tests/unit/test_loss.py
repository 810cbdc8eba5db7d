"""Segments to the client get lost: what comes again, and when (RFC 6298, RFC 5681)."""
import random

import pytest
from big import site
from device import Device, connect

@pytest.fixture
def big():
    """Assets with /big.bin, a page of 100,000 bytes."""
    return site()


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
