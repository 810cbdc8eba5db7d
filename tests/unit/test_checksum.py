"""The Internet checksum (RFC 1071) at addresses of all kinds."""
import random

import pytest
from device import CONSTANTS

from hostsim import loader
from image.assets import partial_sum


@pytest.mark.parametrize("word", (64, 32))
def test_partial_sums_wherever_the_bytes_lie(word):
    fw = loader.load(dict(CONSTANTS, HTTP=False), word=word, checked=True, overrides={"NIC": "memory"})
    draw = random.Random(1071)
    memory = bytearray(1600)
    base = fw.memory.addressof(memory)
    sizes = [*range(40), 535, 536, 1459, 1460]
    for kind in (draw.randbytes, bytes, lambda n: b"\xff" * n):
        for at in range(8):
            for size in sizes:
                memory[at:at + size] = kind(size)
                total = fw.checksum.add(base + at, size)
                assert 0 <= total < 1 << 31
                assert fw.checksum.fold(total) == partial_sum(memory[at:at + size]), (at, size)


@pytest.mark.parametrize("word", (64, 32))
def test_sixteen_bytes(word):
    fw = loader.load(dict(CONSTANTS, HTTP=False), word=word, checked=True, overrides={"NIC": "memory"})
    draw = random.Random(791)
    for data in bytes(16), b"\xff" * 16, b"\0\x80" * 8, *(draw.randbytes(16) for _ in range(50)):
        memory = bytearray(data)
        total = fw.checksum.sum_16(fw.memory.addressof(memory))
        assert fw.checksum.valid(total + (partial_sum(data) ^ 0xFFFF))
        if word == 32:
            assert total == sum(int.from_bytes(data[k:k + 2], "little") for k in range(0, 16, 2))


@pytest.mark.parametrize("word", (64, 32))
def test_the_complement_is_that_of_the_folded_sum(word):
    fw = loader.load(dict(CONSTANTS, HTTP=False), word=word, checked=True, overrides={"NIC": "memory"})
    draw = random.Random(1624)
    for total in 0, 1, 0xFFFF, 0x10000, 0x1FFFE, 0x1FFFF, 0xFFFF0000 >> 1, 0x7FFFFFFF, *(draw.getrandbits(31) for _ in range(500)):
        assert fw.checksum.complement(total) & 0xFFFF == fw.checksum.fold(total) ^ 0xFFFF
