"""The virtio-net driver against the register-level model (VIRTIO 1.2): both register sets, both word sizes."""
import random

import pytest
from scapy.all import IP, TCP, Ether
from virtio_bench import BASE, SMALL, Bench, both, cut, numbered, tcp_frame

from hostsim.devices.virtio_mmio import ANY_LAYOUT, CSUM, EVENT_IDX, HOST_TSO4, MAC, RX, TX, VERSION_1, VirtioNet

PLACES = [(0xFEB00000 + 512 * i, 5 + i) for i in range(8)]


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
@pytest.mark.parametrize("seed", range(3))
def test_what_the_card_has_still_to_read(version, word, seed):
    """reads() against a list of what is out, with payloads next to each other and completions in any order."""
    choice = random.Random(seed)
    bench = Bench(version, word, SMALL).open()
    bench.card.hold = True
    pages = bytearray(8 * 256)
    base = bench.memory.addressof(pages)
    out = {}
    for _ in range(400):
        if choice.random() < 0.5 and bench.do("room"):
            page, at = choice.randrange(8), choice.choice((0, 1, 100))
            size = choice.choice((0, 3, 100, 156)) if at else choice.choice((0, 3, 256))
            before = set(bench.card.held)
            bench.do("send", 54, base + 256 * page + at if size else 0, size)
            bench.do("flush")
            head, = set(bench.card.held) - before
            out[head] = page if size > 5 else None          # what is shorter moves into the frame
        elif out:
            head = choice.choice(sorted(out))
            del out[head]
            bench.card.complete(head)
            bench.do("flush")
        for page in range(8):
            assert bool(bench.do("reads", base + 256 * page, 256)) == (page in out.values())


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
