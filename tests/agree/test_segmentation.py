"""A virtio card that cuts segments itself puts the same bytes on the wire as the stack that cuts them (VIRTIO 1.2, 5.1.6.2)."""
import pytest

from hostsim.devices.virtio_mmio import CSUM, EVENT_IDX, HOST_TSO4, MAC, VERSION_1, VirtioNet
from tests.agree import scripts, targets
from tests.agree.frames import ACK, PSH, Connection, Peer, mss, repaired
from tests.agree.random_talk import talk
from tests.agree.test_targets import differ

ROOMY = 512             # transmit buffers, so that none is waited for: cut by the card, segments take fewer


class OnVirtio(targets.Simulated):
    """The appliance on the model of a virtio card that cuts, or does not."""
    BASE = 0xFEB00E00

    def __init__(self, word=None, cuts=True):
        self.features = MAC | VERSION_1 | (CSUM | HOST_TSO4 | EVENT_IDX if cuts else 0)
        super().__init__(word, NIC="virtio_net", TX_HEADERS=ROOMY - 64)

    def open(self):
        self.sent = []
        self.card = VirtioNet(self.fw.memory, self.BASE, self, features=self.features, queue_max=2 * ROOMY)
        return self.fw.driver.open([(self.BASE, 12)])

    def send(self, frame):
        self.sent.append(frame)

    def feed(self, now, frames):
        if frames is None:
            return 0, None
        for frame in frames:
            assert self.card.receive(frame)
        wait = self.stack.poll(now)
        sent, self.sent = self.sent, []
        return wait, sent

    def trains(self):
        return self.n[self.fw.driver.SEGMENTED]


def told(peer):
    """Counters and slots, without what says how the card got them: frames given to it, the chunk that was looked up last, a train's start."""
    counters, _, words, console = peer.state()
    slot = peer.fw.slot
    words = [0 if k % slot.SLOT_WORDS in (slot.CHUNK, slot.CHUNK_AT, slot.LAST) else word for k, word in enumerate(words)]
    return {**counters, "tx_frames": 0}, words, console


def recorded(script):
    peer = Peer(targets.Simulated(TX_HEADERS=ROOMY))
    script(peer)
    return peer


def agree(peer, word):
    """Returns how many frames the card has cut."""
    cutting, plain = OnVirtio(word), OnVirtio(word, cuts=False)
    for target in cutting, plain:
        answers = [target.feed(*record) for record in peer.records]
        assert not (difference := differ(peer, answers, "card")), difference
        assert told(target) == told(peer.device)
    frames = sum(len(sent) for _, sent in answers if sent)
    assert plain.count("tx_frames") == peer.device.count("tx_frames") == frames and plain.trains() == 0
    saved = frames - cutting.count("tx_frames")
    assert saved >= cutting.trains() and (saved > 0) == (cutting.trains() > 0)
    return cutting.trains()


def losses_and_windows(peer):
    """A long page to peers that lose segments, shut their window, and take other sizes."""
    for k, size in enumerate((1460, 1459, 1460, 536, 1460, 1460)):
        one = Connection(peer, 41000 + k, options=mss(size), window=(64000, 64000, 9999, 64000, 3000, 65535)[k])
        burst = one.give(b"GET /dashboard.js HTTP/1.1\r\nHost: x\r\n\r\n" * 4)
        for _ in range(k):
            one.take(one.say(ACK))
        for _ in range(4):
            burst = one.say(ACK)                        # duplicates: fast retransmit
        one.take(burst)
        peer.pass_ms(700 * (k & 1))                     # a time-out: what was sent is sent again, one by one
        one.window = 100 * k
        one.take(one.say(ACK))
        one.window = 64000
        one.pump()
        one.get("/dashboard.js", headers="Range: bytes=1000-9000\r\n")
        one.get("/dashboard.js", headers="Connection: close\r\n")


@pytest.mark.parametrize("word", [None, 32, 64])
def test_what_a_card_cuts_is_what_the_stack_cuts(word):
    assert agree(recorded(losses_and_windows), word) > 20


@pytest.mark.parametrize("script, trains", [("retransmission_that_helps", 1), ("round_trips_that_grow", 1), ("zero_window_probes", 1),
                                            ("next_hops_with_a_small_mtu", 1), ("old_connections_give_way", 0)])
def test_script(script, trains):
    assert agree(recorded({**scripts.SCRIPTS, **scripts.TIMED}[script]), None) >= trains


@pytest.mark.parametrize("seed", range(70, 72))
def test_random_talk(seed):
    agree(recorded(lambda peer: talk(peer, seed, timeless=True)), None)


def test_a_train_is_as_long_as_the_windows_allow():
    """Ten segments are RFC 6928's initial window; half of them fit into a smaller one of the peer."""
    target = OnVirtio()
    peer = Peer(target)
    for k, (window, segments, frames) in enumerate(((64000, 8, 1), (5 * 1460, 5, 1), (5 * 1460 + 700, 5, 1), (1460, 1, 1))):
        one = Connection(peer, 42000 + k, window=window)
        before = target.count("tx_frames")
        sent = one.say(PSH | ACK, b"GET /dashboard.js HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (len(sent), target.count("tx_frames") - before) == (segments, frames), window
    assert target.trains() == 3


@pytest.mark.parametrize("word", [32, 64])
def test_an_answer_from_a_page(word):
    """A dynamic answer lies in one piece, so all of it is one train; every sum is right."""
    target = OnVirtio(word)
    peer = Peer(target)
    body = Connection(peer).get("/metrics")
    assert b"nic_tx_segmented 0\n" in body and target.trains() == 1
    assert all(repaired(out) == out for _, sent in peer.answers for out in sent)
