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
