"""RFC 4821: a path that swallows large segments without a word (section 7.7, full-stop time-out) is served with smaller ones."""
import pytest
from big import GET, site
from device import Client, Device
from path import Path

M = 1460


@pytest.fixture
def flow(peer):
    peer.sends("PA", GET)
    peer.expects_run(0, [M] * 10, lost=range(10))
    return peer


def test_one_time_out_changes_nothing(flow):
    flow.waits(1000)
    flow.expects(seq=0, size=M)
    assert flow.slot("MSS") == M and flow.device.count("tcp_black_hole") == 0


def test_a_full_segment_lost_twice_is_sent_smaller(flow):
    flow.waits(1000)
    flow.expects(seq=0, size=M, lost=True)
    flow.waits(2000)
    flow.expects(seq=0, size=1220, lost=True)
    assert flow.device.count("tcp_black_hole") == 1
    flow.waits(4000)
    flow.expects(seq=0, size=536, lost=True)
    assert flow.device.count("tcp_black_hole") == 2
    flow.waits(8000)
    flow.expects(seq=0, size=536)
    assert flow.device.count("tcp_black_hole") == 2     # 536 goes everywhere: there is no smaller one
    assert flow.device.count("tcp_rto") == 4


def test_what_follows_is_small_too(flow):
    """Never back to a size that failed."""
    flow.waits(3000)
    flow.expects(seq=0, size=M, lost=True)
    flow.expects(seq=0, size=1220)
    flow.pump()
    assert bytes(flow.got).endswith(site().data)
    flow.device.pass_ms(3000)
    flow.got.clear()
    assert max(flow.length(t) for t in flow.send(GET)) == 1220
    assert flow.slot("MSS") == 1220


def test_chunks_stay_aligned(flow):
    """A piece, then the rest of its 1460-byte chunk: the next chunk begins where its sum is known."""
    flow.waits(3000)
    flow.expects(seq=0, size=M, lost=True)
    flow.expects(seq=0, size=1220)
    flow.sends()
    flow.expects(seq=1220, size=240)
    flow.expects(seq=1460, size=1220)


def test_an_ack_between_two_time_outs_is_no_black_hole(flow):
    """Loss that lets something through is congestion."""
    for k in range(4):
        flow.waits(flow.slot("RTO"))
        flow.expects(seq=k * M, size=M)
        flow.sends(ack=(k + 1) * M)
        flow.waiting.clear()
    assert flow.slot("MSS") == M and flow.device.count("tcp_black_hole") == 0


def test_small_segments_are_lost_without_blame(word):
    """What has at most 536 bytes passes every path."""
    peer = Client(Device(word=word), window=65535)
    peer.open()
    peer.sends("PA", b"GET /nope HTTP/1.1\r\nHost: x\r\n\r\n")
    size = peer.length(peer.expects("PA", seq=0, lost=True))
    for ms in (1000, 2000, 4000, 8000):
        peer.waits(ms)
        peer.expects(seq=0, size=size)
    assert peer.slot("MSS") == M and peer.device.count("tcp_black_hole") == 0


def test_only_the_lost_one_counts(word):
    """A piece of 700 bytes that gets lost twice leads to 536."""
    peer = Client(Device(word=word, assets=site()), window=700)
    peer.open()
    peer.sends("PA", GET)
    peer.expects(seq=0, size=700, lost=True)
    peer.waits(3000)
    peer.expects(seq=0, size=700, lost=True)
    peer.expects(seq=0, size=536)
    assert peer.slot("MSS") == 536


def close_with(word, size):
    """A peer that asked for an answer of `size` bytes in one segment, behind which the device closes."""
    get = GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    peer = Client(Device(word=word, assets=site(size - 220)), window=65535)
    peer.open()
    peer.sends("PA", get)
    head = peer.length(peer.expects()) - (size - 220)     # with as many digits of Content-Length
    peer = Client(Device(word=word, assets=site(size - head)), window=65535)
    peer.open()
    peer.sends("PA", get)
    peer.expects("FPA", seq=0, size=size, lost=True)
    return peer


def test_fin_does_not_count_for_the_size(word):
    """1220 bytes and FIN that get lost twice are sent as 536, not as 1220 again."""
    peer = close_with(word, 1220)
    peer.waits(1000)
    peer.expects(seq=0, size=1220, lost=True)
    peer.waits(2000)
    peer.expects(seq=0, size=536)
    assert peer.slot("MSS") == 536 and peer.device.count("tcp_black_hole") == 1


def test_fin_behind_a_small_segment_is_no_black_hole(word):
    peer = close_with(word, 536)
    for ms in (1000, 2000, 4000):
        peer.waits(ms)
        peer.expects(seq=0, size=536, lost=True)
    assert peer.slot("MSS") == M and peer.device.count("tcp_black_hole") == 0


def test_a_probe_is_no_black_hole(word):
    peer = Client(Device(word=word, assets=site()), window=0)
    peer.open()
    peer.sends("PA", GET)
    peer.waiting.clear()
    peer.waits(60_000)
    assert [peer.length(t) for t in peer.waiting] == [1] * 5
    assert peer.slot("MSS") == M and peer.device.count("tcp_black_hole") == 0


@pytest.mark.parametrize("mtu, size", ((1500, 1460), (1499, 1220), (1400, 1220), (1260, 1220), (1259, 536), (576, 536)))
def test_the_page_arrives_through_a_black_hole(word, mtu, size):
    """Datagrams of more than `mtu` bytes vanish; nobody tells."""
    device = Device(word=word, assets=site())
    path = Path(device, mtu=mtu)
    got, ms = path.fetch("/big.bin")
    assert got.endswith(site().data) and ms < 20_000
    passed = [n for n in path.sizes if n + 40 <= mtu]
    assert max(passed) == size
    assert device.count("tcp_black_hole") == (M, 1220, 536).index(size)


def test_random_loss_costs_no_more_than_a_smaller_segment(word):
    """Two losses in a row of a segment at 5 % are rare, and the page arrives with any size."""
    device = Device(word=word, assets=site())
    path = Path(device, lose=lambda number: number * 7919 % 20 == 3)
    got, _ = path.fetch("/big.bin")
    assert got.endswith(site().data) and device.count("tcp_black_hole") == 0


def test_a_size_that_has_passed_is_kept(peer):
    """Loss is no black hole: a segment of this size was acknowledged. Only after seven time-outs may the path be another."""
    peer.send(GET)
    peer.segment("A")
    retries = []
    while peer.slot("MSS") == M:
        peer.device.pass_ms(100)
        retries.append(peer.slot("RETRIES"))
    assert retries[-1] == 7 and peer.device.count("tcp_black_hole") == 1
