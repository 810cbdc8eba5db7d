"""The model of a virtio card (hostsim/devices) finds what a driver does wrong: one that accepts everything would prove nothing."""
import pytest
from virtio_bench import SMALL, Bench, cut, numbered, tcp_frame

from hostsim.devices.virtio_mmio import MAC, RX, TX, VERSION_1
from hostsim.devices.virtqueue import Violation


def test_the_model_finds_what_a_driver_does_wrong():
    """Each rule by itself."""
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


@pytest.mark.parametrize("train", [False, True])
@pytest.mark.parametrize("at", range(2, 12))
def test_the_model_checks_the_header_of_what_it_does_not_cut(at, train):
    """All zeros; in a buffer that held a train the rest may be that train's, not another's."""
    bench, payload = Bench(2, 64, SMALL).open(), bytearray(3000)
    if train:
        cut(bench, tcp_frame(payload), payload)
        assert bench.push(numbered(1, 70))                  # the same buffer
        bench.do("flush")
    header = bench.do("room") - 12
    bench.memory.write(header + at, bytes([bench.memory.read(header + at, 1)[0] ^ 1]))
    with pytest.raises(Violation, match="asks for nothing"):
        bench.push(numbered(1, 70))
        bench.do("flush")


def test_a_reply_has_no_header_of_a_train():
    """A receive buffer is no head buffer: what the card wrote there when the frame came is gone."""
    bench, payload = Bench(2, 64, SMALL).open(), bytearray(3000)
    cut(bench, tcp_frame(payload), payload)
    bench.card.receive(numbered(2))
    assert bench.rx()
    address = bench.do("frame")
    bench.do("reply", 60)
    bench.memory.write(address - 10, b"\x36")
    with pytest.raises(Violation, match="asks for nothing"):
        bench.do("flush")
