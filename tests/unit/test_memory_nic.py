"""The card made of memory (firmware/barewire/nic/memory.py): order, ownership of buffers, refusals."""
import random

import pytest

from hostsim import loader

words = pytest.mark.parametrize("word", [32, 64])


class Bench:
    def __init__(self, word=64, rx=8, heads=4):
        overrides = {"RX_BUFFERS": rx, "TX_HEADERS": heads}
        self.fw = loader.load({"HTTP": False}, board="unix", word=word, checked=True, overrides=overrides)
        self.d = self.fw.driver
        self.n = self.d.open(None)

    def do(self, name, *args):
        return getattr(self.d, name)(self.fw.builtins["ptr32"](self.n), *args)

    def rx(self):
        length = self.do("rx")
        return self.fw.memory.read(self.do("frame"), length) if length else None

    def push(self, head, payload=b""):
        address = self.do("room")
        if not address:
            return False
        assert address % 4 == 2
        self.fw.memory.write(address, head)
        self.payloads = getattr(self, "payloads", []) + [payload]
        self.do("send", len(head), self.fw.memory.addressof(payload) if payload else 0, len(payload))
        return True


@words
@pytest.mark.parametrize("seed", range(3))
def test_frames_come_and_go_in_order(word, seed):
    bench, choice = Bench(word), random.Random(seed)
    put, seen, sent, taken = [], [], [], []
    for i in range(600):
        frame = i.to_bytes(2, "big") * choice.randrange(7, 757)
        if bench.d.put(bench.n, frame):
            put.append(frame)
        while choice.random() < 0.6:
            got = bench.rx()
            if got is None:
                break
            assert bench.rx() == got and bench.do("frame") % 4 == 2
            seen.append(got)
            if choice.random() < 0.5:
                bench.do("reply", len(got))
                sent.append(got)
            else:
                bench.do("release")
        payload = bytes([i & 255]) * choice.randrange(0, 1400)
        if bench.push(b"h" * 54, payload):
            sent.append(b"h" * 54 + payload)
        while choice.random() < 0.7:
            frame = bench.d.take(bench.n)
            if frame is None:
                break
            taken.append(frame)
    while (frame := bench.d.take(bench.n)) is not None:
        taken.append(frame)
    assert taken == [frame.ljust(60, b"\0") for frame in sent]
    assert seen == put[:len(seen)] and 0 <= len(put) - len(seen) <= 8 and len(sent) > 300


@words
def test_a_slot_is_free_again_when_its_reply_was_taken(word):
    bench = Bench(word)
    for i in range(8):
        assert bench.d.put(bench.n, bytes([i]) * 60)
    assert not bench.d.put(bench.n, b"9" * 60) and bench.n[bench.d.REFUSED] == 1
    for i in range(8):
        bench.rx()
        bench.do("reply", 60)
    assert not bench.d.put(bench.n, b"9" * 60)
    assert bench.d.take(bench.n) == b"\0" * 60
    assert bench.d.put(bench.n, b"9" * 60) and not bench.d.put(bench.n, b"9" * 60)


@words
def test_full_and_refused(word):
    bench = Bench(word)
    assert [bench.push(b"x" * 60) for _ in range(5)] == [True] * 4 + [False] and bench.n[bench.d.FULL] == 1
    for length in (0, 13, 1515):
        assert not bench.d.put(bench.n, b"x" * length)
    assert bench.n[bench.d.REFUSED] == 3 and bench.d.take(bench.n) and bench.push(b"y" * 14)
    assert bench.d.arm(bench.n) == 1 and bench.d.put(bench.n, b"z" * 60) and bench.d.arm(bench.n) == 0


def test_the_board_has_entropy_of_its_own_or_what_a_test_fixes():
    board = Bench().fw.board
    assert len(board.entropy()) == 16 and board.entropy() != board.entropy()
    board.fixed_entropy = bytes(range(16))
    assert board.entropy() == bytes(range(16)) and board.nic_where() is None
