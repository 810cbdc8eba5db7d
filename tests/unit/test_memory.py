"""hostsim.memory: addresses, regions, registers, forgetting."""
from array import array

import pytest

from hostsim.memory import FIRST, LAST, Fault, Memory


def test_a_buffer_gets_one_aligned_address():
    memory = Memory()
    a, b = bytearray(5000), bytes(3)
    first = memory.addressof(a)
    assert first == memory.addressof(a) and first % 16 == 0
    second = memory.addressof(b)
    assert FIRST <= first < LAST and second > first + 5000 + 4096
    memory.write(first + 4990, b"0123456789")
    assert a[-10:] == b"0123456789" and memory.read(first + 4990, 10) == b"0123456789"


def test_a_memoryview_lies_inside_of_its_buffer():
    memory = Memory()
    for buffer in (bytearray(range(100)), bytes(range(100)), array("I", range(25))):
        view = memoryview(buffer).cast("B")[40:60]
        assert memory.addressof(view) == memory.addressof(buffer) + 40
        assert memory.addressof(view[8:]) == memory.addressof(buffer) + 48
    with pytest.raises(TypeError):
        memory.addressof(memoryview(bytearray(9))[::2])


def test_what_nobody_refers_to_is_unmapped_and_the_rest_stays():
    memory = Memory()
    keep = [bytearray(100) for _ in range(50)]
    places = [memory.addressof(buffer) for buffer in keep]
    gone = memory.addressof(bytearray(100))
    memory.sweep()
    assert [memory.find(a).obj is b for a, b in zip(places, keep)] == [True] * 50
    assert memory.find(gone) is None
    with pytest.raises(Fault):
        memory.read(gone, 1)


def test_temporary_buffers_do_not_pile_up():
    memory = Memory()
    for _ in range(20000):
        memory.addressof(bytearray(10))
    assert len(memory.regions) < 5000 and len(memory.pages) < 15000


def test_ram_and_registers():
    memory = Memory()
    store = memory.ram(0x20000000 + (1 << 29), 65536)
    memory.write(0x40000010, b"abc")
    assert store[16:19] == b"abc"
    seen = []
    memory.mmio(0xFEB00000, 512, lambda o, w: o + w, lambda o, w, v: seen.append((o, w, v)), "one")
    memory.mmio(0xFEB00200, 512, lambda o, w: 0, lambda o, w, v: None, "two")
    assert memory.find(0xFEB00004).name == "one" and memory.find(0xFEB00200).name == "two"
    assert memory.find(0xFEB00400) is None
    with pytest.raises(ValueError, match="overlap"):
        memory.mmio(0xFEB00100, 512, None, None, "three")
    with pytest.raises(ValueError, match="overlap"):
        memory.ram(0xFEB00000, 4096)


@pytest.mark.parametrize("offset, size", [(-1, 4), (97, 4), (100, 1), (4096, 1), (1 << 20, 1)])
def test_a_device_cannot_reach_beyond_a_buffer(offset, size):
    memory = Memory()
    buffer = bytearray(100)
    with pytest.raises(Fault):
        memory.view(memory.addressof(buffer) + offset, size)
