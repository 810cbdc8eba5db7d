"""The virtio-net driver against the register-level model (VIRTIO 1.2): both register sets, both word sizes."""
import random

import pytest
from scapy.all import IP, TCP, Ether

from hostsim import loader
from hostsim.devices import offload
from hostsim.devices.virtio_mmio import ANY_LAYOUT, CSUM, EVENT_IDX, HOST_TSO4, MAC, RX, TX, VERSION_1, VirtioNet
from hostsim.devices.virtqueue import Violation

BASE = 0xFEB00E00
PLACES = [(0xFEB00000 + 512 * i, 5 + i) for i in range(8)]


class Wire:
    """A link: frames to receive, frames that were sent."""
    def __init__(self):
        self.coming, self.sent = [], []

    def send(self, frame):
        self.sent.append(bytes(frame))

    def recv(self):
        return self.coming.pop(0) if self.coming else None


class Bench:
    """One appliance's driver, its card and its wire."""
    def __init__(self, version=2, word=64, sizes=None, **card):
        overrides = {"SPIN": 3, **(sizes or {})}
        self.fw = loader.load({"HTTP": False}, word=word, checked=True, overrides=overrides)
        self.wire = Wire()
        self.card = VirtioNet(self.fw.memory, BASE, self.wire, version=version, **card)
        self.d = self.fw.driver
        self.memory = self.fw.memory

    def open(self):
        self.n = self.d.open([(BASE, 12)])
        return self

    def counters(self):
        return {name: self.n[index] for name, _, index in self.d.NIC_COUNTERS if self.n[index]}

    def rx(self):
        """The frame in place as bytes, or None."""
        p = self.fw.builtins["ptr32"](self.n)
        length = self.d.rx(p)
        return self.memory.read(self.d.frame(p), length) if length else None

    def do(self, name, *args):
        return getattr(self.d, name)(self.fw.builtins["ptr32"](self.n), *args)

    def echo(self, most=1 << 30):
        """Reply to everything that is there."""
        count = 0
        while count < most:
            frame = self.rx()
            if frame is None:
                break
            self.do("reply", len(frame))
            count += 1
        self.do("flush")
        return count

    def push(self, head, payload=b""):
        """Send head and payload through room() and send(); False when there is no room."""
        address = self.do("room")
        if not address:
            return False
        assert address % 4 == 2
        self.memory.write(address, head)
        self.keep = getattr(self, "keep", [])
        self.keep.append(payload)
        self.do("send", len(head), self.memory.addressof(payload) if payload else 0, len(payload))
        return True


def numbered(i, size=60):
    return bytes([i & 0xFF, i >> 8 & 0xFF]) + bytes((i + k) & 0xFF for k in range(size - 2))


both = pytest.mark.parametrize("version, word", [(1, 64), (2, 64), (2, 32), (1, 32)])
SMALL = {"RX_BUFFERS": 8, "TX_HEADERS": 4}


@both
def test_start(version, word):
    bench = Bench(version, word).open()
    assert bench.card.running and bench.d.mac(bench.n) == b"\x52\x54\x00\x12\x34\x56"
    assert bench.card.accepted == CSUM | HOST_TSO4 | EVENT_IDX | MAC | (VERSION_1 if version == 2 else ANY_LAYOUT)
    assert bench.card.queues[RX].waiting() == 128 and bench.card.queues[TX].size == 256
    assert bench.fw.port.interrupts == {12: (BASE + 0x60, BASE + 0x64)}
    assert bench.d.link(bench.n) and bench.rx() is None


@both
def test_echo_in_place_through_many_turns_of_the_rings(version, word):
    bench = Bench(version, word, SMALL).open()
    sent = []
    for i in range(66000 if (version, word) == (2, 64) else 500):
        frame = numbered(i)
        sent.append(frame)
        assert bench.card.receive(frame)
        if i % 5 == 4 or i > 65000:
            bench.echo()
        if len(sent) > 20:
            sent = sent[-20:]
    bench.echo()
    assert bench.wire.sent[-20:] == sent and not bench.counters()
    assert bench.card.queues[RX].waiting() == 8


@both
def test_the_same_frame_until_it_is_released(version, word):
    bench = Bench(version, word, SMALL).open()
    bench.card.receive(numbered(1))
    bench.card.receive(numbered(2))
    assert bench.rx() == bench.rx() == numbered(1)
    assert bench.do("frame") % 4 == 2
    bench.do("release")
    assert bench.rx() == numbered(2)
    bench.do("release")
    assert bench.rx() is None
    bench.do("flush")
    assert bench.card.queues[RX].waiting() == 8


@both
@pytest.mark.parametrize("length", range(14, 61))
def test_short_replies_are_padded_with_zeros(version, word, length):
    bench = Bench(version, word, SMALL).open()
    bench.card.receive(b"\xFF" * 300)
    assert bench.rx()
    bench.do("reply", length)
    bench.do("flush")
    assert bench.wire.sent == [(b"\xFF" * length).ljust(60, b"\0")]


@both
@pytest.mark.parametrize("head, size", [(54, 0), (54, 1), (54, 5), (54, 6), (42, 1460), (54, 1460), (55, 3), (14, 0),
                                        (255, 0), (59, 0), (57, 2)])
def test_head_and_payload(version, word, head, size):
    bench = Bench(version, word, SMALL).open()
    payload = bytearray(random.Random(size).randbytes(size))
    for _ in range(9):                                      # all head buffers, with what the last round left there
        assert bench.push(b"\xEE" * 255)
        bench.do("flush")
    for _ in range(5):
        bench.wire.sent.clear()
        assert bench.push(b"\xAA" * head, payload)
        bench.do("flush")
        assert bench.wire.sent == [(b"\xAA" * head + payload).ljust(60, b"\0")]
    assert not bench.counters()


def tcp_frame(payload, flags=0x18, **wrong):
    """Headers as a driver gives them to a card that cuts: the checksum field holds the pseudo header's sum; then all of it."""
    head = Ether(src="52:54:00:12:34:56", dst="02:00:00:00:00:02") / IP(src="10.0.2.15", dst="10.0.2.2", id=0, flags="DF")
    head = bytes(head / TCP(sport=80, dport=40000, seq=0xFFFFF000, ack=7, flags=flags, window=2048))
    ip = bytearray(head[14:34])
    ip[2:4] = (40 + len(payload)).to_bytes(2, "big")
    ip[10:12] = bytes(2)
    ip[10:12] = (offload.checksum(ip) ^ 0xFFFF).to_bytes(2, "big")
    pseudo = offload.checksum(ip[12:20], 6 + 20 + len(payload))
    return head[:14] + bytes(ip) + head[34:50] + pseudo.to_bytes(2, "big") + head[52:]


def cut(bench, head, payload, mss=1460, start=34, offset=16, length=54):
    """Send through room(), segment() and send()."""
    address = bench.do("room")
    bench.memory.write(address, head)
    bench.keep = [payload]
    bench.do("segment", address, start, offset, length, mss)
    bench.do("send", len(head), bench.memory.addressof(payload), len(payload))
    bench.do("flush")


@both
@pytest.mark.parametrize("size, mss", [(64240, 1460), (65495, 1460), (1461, 1460), (2920, 1460), (5000, 1000)])
def test_the_card_cuts_a_segment(version, word, size, mss):
    bench = Bench(version, word, SMALL).open()
    assert bench.do("segments")
    payload = bytearray(random.Random(size).randbytes(size))
    for _ in range(5):                                      # the header in front of a buffer's next frame is zero again
        cut(bench, tcp_frame(payload, "FPA"), payload, mss)
        assert bench.push(numbered(3, 70))
        bench.do("flush")
    assert bench.counters() == {"nic_tx_segmented": 5}
    for k in range(4):
        frames = [Ether(raw) for raw in bench.wire.sent[k * (len(bench.wire.sent) // 5):(k + 1) * (len(bench.wire.sent) // 5)]]
        assert bytes(frames.pop()) == numbered(3, 70)
        assert b"".join(bytes(frame[TCP].payload) for frame in frames) == payload
        assert {len(frame[TCP].payload) for frame in frames[:-1]} == {mss} and 0 < len(frames[-1][TCP].payload) <= mss
        for n, frame in enumerate(frames):
            assert frame[TCP].seq == (0xFFFFF000 + n * mss) & 0xFFFFFFFF
            assert frame[TCP].flags == ("FPA" if n == len(frames) - 1 else "A")
            again = frame.copy()
            del again[IP].len, again[IP].chksum, again[TCP].chksum
            assert bytes(again) == bytes(frame)             # scapy computes the same lengths and sums


@both
@pytest.mark.parametrize("offered", [0, CSUM, HOST_TSO4])
def test_a_card_that_does_not_cut(version, word, offered):
    bench = Bench(version, word, SMALL, features=MAC | offered | (VERSION_1 if version == 2 else ANY_LAYOUT)).open()
    assert not bench.do("segments") and not bench.card.accepted & (CSUM | HOST_TSO4)


@pytest.mark.parametrize("message, change", [
    ("needs no cutting", {"mss": 3000}), ("needs no cutting", {"mss": 0}), ("no TCP checksum is there", {"start": 14}),
    ("no TCP checksum is there", {"offset": 18}), ("hdr_len is 50", {"length": 50})])
def test_the_model_checks_what_it_cuts(message, change):
    bench, payload = Bench(2, 64, SMALL).open(), bytearray(3000)
    with pytest.raises(Violation, match=message):
        cut(bench, tcp_frame(payload), payload, **change)


@pytest.mark.parametrize("message, at", [("IP length", 17), ("IP length", 25), ("not the sum of the pseudo header", 51)])
def test_the_model_checks_the_headers_of_what_it_cuts(message, at):
    bench, payload = Bench(2, 64, SMALL).open(), bytearray(3000)
    head = bytearray(tcp_frame(payload))
    head[at] ^= 1
    with pytest.raises(Violation, match=message):
        cut(bench, head, payload)


def test_the_model_cuts_nothing_that_was_not_agreed_on():
    bench, payload = Bench(2, 64, SMALL, features=MAC | VERSION_1).open(), bytearray(3000)
    with pytest.raises(Violation, match="asks for what was not agreed on"):
        cut(bench, tcp_frame(payload), payload)


@both
def test_full_transmit_ring(version, word):
    bench = Bench(version, word, SMALL).open()
    bench.card.hold = True
    for i in range(4):
        assert bench.push(numbered(i, 100))
    bench.do("flush")
    assert not bench.push(numbered(9)) and bench.counters() == {"nic_tx_full": 1}
    order = list(bench.card.held)
    bench.card.complete(order[2])
    bench.do("flush")                                       # takes back what was sent
    assert bench.push(numbered(5, 80))
    assert not bench.push(numbered(6))
    bench.do("flush")
    assert bench.wire.sent[-1] == numbered(5, 80) and len(bench.wire.sent) == 5


@both
@pytest.mark.parametrize("seed", range(4))
def test_completions_in_any_order(version, word, seed):
    choice = random.Random(seed)
    bench = Bench(version, word, SMALL).open()
    bench.card.hold = True
    expected = []
    for i in range(400):
        if choice.random() < 0.5 and bench.card.queues[RX].waiting():
            bench.card.receive(numbered(i, 60 + i))
            if choice.random() < 0.8:
                bench.echo()
                expected.append(numbered(i, 60 + i))
            else:
                assert bench.rx() == numbered(i, 60 + i)
                bench.do("release")
        elif bench.push(numbered(i, 64), bytes([i & 255]) * (1 + i)):
            expected.append(numbered(i, 64) + bytes([i & 255]) * (1 + i))
        bench.do("flush")
        while bench.card.held and choice.random() < 0.6:
            bench.card.complete(choice.choice(bench.card.held))
    assert bench.wire.sent == expected
    while bench.card.held:
        bench.card.complete(choice.choice(bench.card.held))
    bench.do("flush")
    assert bench.card.queues[RX].waiting() == 8 and bench.n[bench.d._FREE_COUNT] == 4


@both
def test_replied_buffers_come_back_only_when_sent(version, word):
    bench = Bench(version, word, SMALL).open()
    bench.card.hold = True
    for i in range(8):
        assert bench.card.receive(numbered(i))
    assert not bench.card.receive(numbered(9)) and bench.card.overruns == 1
    assert bench.echo() == 8 and bench.card.queues[RX].waiting() == 0
    for head in list(bench.card.held):
        bench.card.complete(head)
    bench.do("flush")
    assert bench.card.queues[RX].waiting() == 8


@both
def test_notifications_wait_for_flush_and_are_batched(version, word):
    bench = Bench(version, word, SMALL).open()
    told = []
    write = bench.card.write
    bench.memory.find(BASE).write = lambda o, w, v: (told.append((o, v)), write(o, w, v))
    for i in range(4):
        bench.card.receive(numbered(i))
    for i in range(4):
        bench.rx()
        bench.do("reply", 60)
    assert told == [] and bench.wire.sent == []
    bench.do("flush")
    assert told == [(0x50, TX), (0x50, RX)] and len(bench.wire.sent) == 4
    bench.do("flush")
    assert len(told) == 2


@both
def test_a_card_that_wants_no_notification_gets_none_until_sleep(version, word):
    bench = Bench(version, word, SMALL).open()
    for queue in bench.card.queues:
        queue.quiet(True)
    bench.card.receive(numbered(1))
    bench.echo()
    assert bench.wire.sent == []
    bench.do("arm")                                 # no fence was possible before: now it is told in any case
    assert bench.wire.sent == [numbered(1)]
    bench.do("disarm")
    bench.card.receive(numbered(2))
    bench.echo()
    bench.card.queues[TX].quiet(False)
    bench.do("flush")
    assert bench.wire.sent == [numbered(1), numbered(2)]


@both
def test_with_all_transmit_buffers_queued_it_looks_a_while_for_one_that_was_sent(version, word):
    bench = Bench(version, word, SMALL).open()
    while bench.push(numbered(1)):
        pass
    assert bench.do("full") and bench.do("sent", 5) == 0 and not bench.wire.sent
    bench.do("arm")                                 # tells the card, which sends at once
    assert bench.do("full") and bench.do("sent", 5) == 5 and len(bench.wire.sent) == 4
    bench.do("flush")                               # takes them back
    assert not bench.do("full") and bench.do("sent", 5) == 0


OLD = [{"features": MAC | VERSION_1}, {}]       # a card without EVENT_IDX, and one that has it


@pytest.mark.parametrize("card", OLD)
def test_one_interrupt_for_all_that_comes_before_we_look(card):
    """With EVENT_IDX the card interrupts at the first frame only; without it at each until the flag says otherwise."""
    bench = Bench(2, 64, SMALL, **card).open()
    raised = []
    bench.card.interrupt = lambda: raised.append(1)
    for turn in range(3):
        assert bench.do("arm") == 1
        for i in range(4):
            assert bench.card.receive(numbered(i))
        assert len(raised) == (1 if bench.card.accepted & EVENT_IDX else 4)
        assert bench.echo() == 4
        raised.clear()
        bench.card.receive(numbered(9))                 # polled again: no interrupt
        assert bench.echo() == 1 and not raised


@pytest.mark.parametrize("card", OLD)
def test_both_ways_to_ask_for_notifications_work_through_the_wrap_of_the_indices(card):
    bench = Bench(2, 64, SMALL, **card).open()
    told = []
    write = bench.card.write
    bench.memory.find(BASE).write = lambda o, w, v: (told.append(v), write(o, w, v))
    for i in range(16500):
        for _ in range(4):
            assert bench.card.receive(numbered(i))
        assert bench.echo() == 4
        assert told == [TX, RX] and len(bench.wire.sent) == 4
        told.clear()
        bench.wire.sent.clear()


@both
def test_interrupts_only_while_armed(version, word):
    bench = Bench(version, word, SMALL).open()
    bench.card.receive(numbered(1))
    assert bench.card.isr == 0
    assert bench.d.arm(bench.n) == 0                # a frame is there: no sleep
    bench.echo()
    assert bench.card.isr == 0
    assert bench.d.arm(bench.n) == 1
    index = bench.d.used_index(bench.n)
    before = int.from_bytes(bench.memory.read(index, 2), "little")
    assert before == bench.d.seen(bench.n)
    bench.card.receive(numbered(2))
    assert bench.card.isr == 1 and int.from_bytes(bench.memory.read(index, 2), "little") == before + 1
    bench.do("disarm")
    bench.card.isr = 0
    bench.card.receive(numbered(3))
    assert bench.card.isr == 0 and bench.echo() == 2


@both
def test_without_receive_buffers_a_sent_frame_wakes(version, word):
    bench = Bench(version, word, SMALL).open()
    bench.card.hold = True
    for i in range(8):
        bench.card.receive(numbered(i))
    bench.echo()
    assert bench.d.arm(bench.n) == 1
    before = bench.d.seen(bench.n)
    bench.card.complete(bench.card.held[0])
    assert bench.card.isr == 1
    assert int.from_bytes(bench.memory.read(bench.d.used_index(bench.n), 2), "little") == before + 1
    bench.do("disarm")
    assert bench.d.arm(bench.n) == 1                # the buffer is back: it waits for frames again
    assert bench.card.receive(numbered(77)) and bench.echo() == 1


@both
def test_nonsense_from_the_card(version, word):
    bench = Bench(version, word, SMALL).open()
    rx, tx = bench.card.queues
    header = bench.card.header
    for head, length in ((8, 100), (0xFFFFFFFF, 100), (0x80000000, 100), (1000, 0)):
        rx.push(head, length)
        assert bench.rx() is None
    assert bench.counters() == {"nic_rx_bad_buffer": 4}
    for length in (0, header, header + 13, header + 1515, 0xFFFFFFFF, 0x80000000, 65535):
        rx.taken.add(rx.take())
        rx.put_back(rx.avail[2 + (rx.seen - 1) % 8], length)
        assert bench.rx() is None
    assert bench.counters() == {"nic_rx_bad_buffer": 4, "nic_rx_bad_length": 7}
    for head in (16, 9, 0xFFFFFFFF, 0x80000001, 8, 10, 12, 14):     # 8.. are head buffers, none of them out
        tx.push(head, 0)
    bench.do("flush")
    assert bench.counters()["nic_tx_bad_buffer"] == 8
    assert bench.n[bench.d._FREE_COUNT] == 4
    bench.card.receive(numbered(5))
    assert bench.echo() == 1 and bench.wire.sent == [numbered(5)]   # and on it goes


def test_it_finds_the_card_among_empty_places():
    bench = Bench()
    for base, _ in PLACES[:7]:
        VirtioNet(bench.memory, base, bench.wire, device_id=0)
    n = bench.d.open(PLACES)
    assert n[0] == BASE and 12 in bench.fw.port.interrupts


@pytest.mark.parametrize("line, places", [
    (b"console=x virtio_mmio.device=512@0xfeb00e00:12 y", [(BASE, 12)]),
    (b"virtio_mmio.device=4K@0xd0000000:5 virtio_mmio.device=4K@0xd0001000:6", [(0xD0000000, 5), (0xD0001000, 6)]),
    (b"", PLACES), (b"quiet", PLACES)])
def test_places_from_the_command_line(line, places):
    bench = Bench()
    bench.fw.port.command_line = line
    assert bench.fw.board.nic_where() == places


@pytest.mark.parametrize("value", [b"", b"512", b"512@", b"512@x:5", b"512@0xfeb00e00", b"512@0xfeb00e00:",
                                   b"512@-4096:5", b"512@0xfeb00e01:5", b"512@0x1feb00e00:5"])
def test_a_bad_command_line_is_one_line(value):
    bench = Bench()
    bench.fw.port.command_line = b"virtio_mmio.device=" + value
    with pytest.raises(OSError) as error:
        bench.fw.board.nic_where()
    assert "virtio_mmio.device=" + value.decode() in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("card, message", [
    ({"device_id": 2}, "no network card"),
    ({"queue_max": 64}, "queue 0 holds 64 buffers, 128 are needed"),
    ({"refuse": True}, "refuses the features"),
    ({"features": VERSION_1}, "no MAC"),
    ({"features": MAC}, "without VIRTIO_F_VERSION_1"),
    ({"version": 3}, "version 3")])
def test_a_card_that_cannot_be_used_is_said_in_one_line(card, message):
    with pytest.raises(OSError, match=message) as error:
        Bench(**card).open()
    assert "\n" not in str(error.value)


def test_the_model_finds_what_a_driver_does_wrong():
    """Each rule by itself: a model that accepts everything would prove nothing."""
    def write(card, *pairs):
        for register, value in pairs:
            card.write(register, 4, value)

    ready = [(0x70, 1), (0x70, 3), (0x24, 0), (0x20, 1 << 5), (0x24, 1), (0x20, 1)]
    queue = ready + [(0x70, 11), (0x30, 0), (0x38, 8)]
    wrong = {
        "not offered": ready[:3] + [(0x20, 1 << 30)],
        "does not have": ready[:3] + [(0x20, 1 << 15)],
        "without CSUM": ready[:3] + [(0x20, 1 << 11)],
        "before DRIVER was": [(0x70, 1), (0x24, 0)],
        "before bit 1": [(0x70, 2)],
        "must not clear": [(0x70, 1), (0x70, 3), (0x70, 1)],
        "without FEATURES_OK": ready + [(0x70, 7)],
        "after they were agreed": ready + [(0x70, 11), (0x20, 1)],
        "before FEATURES_OK": ready + [(0x30, 0), (0x38, 8)],
        "power of two": ready + [(0x70, 11), (0x30, 0), (0x38, 7)],
        "the card has 0 and 1": ready + [(0x70, 11), (0x30, 2), (0x38, 8)],
        "three addresses": queue + [(0x80, 0x1000), (0x44, 1)],
        "before DRIVER_OK": queue + [(0x50, 0)],
        "is pending": ready + [(0x64, 1)],
        "version 2 has none to write": ready + [(0x40, 1)],
    }
    for message, steps in wrong.items():
        bench = Bench()
        with pytest.raises(Violation, match=message):
            write(bench.card, *steps)
    bench = Bench().open()
    with pytest.raises(Violation, match="with 2 bytes"):
        bench.card.read(0x70, 2)
    avail = bench.card.queues[RX].avail
    avail[1] = avail[1] + 200
    with pytest.raises(Violation, match="ahead of the device"):
        bench.card.receive(numbered(1))


@pytest.mark.parametrize("damage, message", [
    (lambda d, a: d.__setitem__(4 * a[2] + 3, 2), "has the flags 2"),
    (lambda d, a: d.__setitem__(4 * a[2] + 1, 1), "64 bits"),
    (lambda d, a: d.__setitem__(4 * a[2] + 3, 1 | 999 << 16), "descriptor 999 is chained"),
    (lambda d, a: d.__setitem__(4 * a[2] + 3, 1 | a[2] << 16), "loop"),
    (lambda d, a: d.__setitem__(4 * a[2] + 2, 20), "a frame of 8"),
    (lambda d, a: d.__setitem__(4 * a[2] + 0, d[4 * a[2]] + 2), "header"),
    (lambda d, a: a.__setitem__(2, 256), "descriptor 256 made available")])
def test_the_model_checks_sent_chains(damage, message):
    bench = Bench().open()
    bench.push(b"\x01" * 100)
    queue = bench.card.queues[TX]
    damage(queue.desc, queue.avail)
    with pytest.raises(Violation, match=message):
        bench.do("flush")


def test_a_legacy_header_needs_its_own_descriptor_without_any_layout():
    bench = Bench(1, features=MAC).open()
    bench.push(b"\x01" * 100)
    with pytest.raises(Violation, match="ANY_LAYOUT"):
        bench.do("flush")
