"""RFC 6928: the initial window, for each class of segment size that a SYN cookie can carry."""
import pytest
from big import GET, site
from device import Client, Device

CLASSES = {100: 216, 216: 216, 536: 536, 1000: 536, 1024: 1024, 1220: 1220, 1360: 1360, 1400: 1400, 1440: 1440, 1460: 1460,
           8960: 1460}


@pytest.mark.parametrize("offered", CLASSES)
def test_2_initial_window(word, offered):
    """Section 2, equation 1: min(10 * MSS, max(2 * MSS, 14600))."""
    mss = CLASSES[offered]
    peer = Client(Device(word=word, assets=site()), window=65535, mss=offered)
    peer.open()
    burst = [t for t in peer.segment("PA", GET) if peer.length(t)]
    sent = sum(peer.length(t) for t in burst)
    window = min(10 * mss, max(2 * mss, 14600))
    assert peer.slot("CWND") == window
    assert window - mss < sent <= window        # a segment ends with its 1460-byte chunk, a piece of a window is not sent
    assert max(peer.length(t) for t in burst) == mss


def test_2_without_an_offer_segments_have_536_bytes(word):
    peer = Client(Device(word=word, assets=site()), window=65535)
    reply, = peer.segment("S", ack=0)
    peer.seq += 1
    peer.ack = reply.seq + 1
    burst = peer.segment("PA", GET)
    assert max(peer.length(t) for t in burst) == 536 and peer.slot("CWND") == 5360


def test_2_the_peers_window_is_a_limit(word):
    peer = Client(Device(word=word, assets=site()), window=4000)
    peer.open()
    peer.sends("PA", GET)
    peer.expects_run(0, [1460, 1460])
    peer.expects_nothing()      # 1080 bytes more are neither a segment nor half of the window


def test_2_a_large_window_does_not_widen_it(peer):
    peer.sends("PA", GET)
    peer.expects_run(0, [1460] * 10)
    peer.expects_nothing()
