"""hostsim.viper: pointers and arithmetic as MicroPython's viper has them."""
import ast
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostsim.memory import Fault, Memory
from hostsim.viper import pointer_types, rewrite, viper


def types(word=64):
    memory = Memory(word)
    kinds = pointer_types(memory)
    return memory, kinds["ptr8"], kinds["ptr16"], kinds["ptr32"]


def test_little_endian_views_of_one_buffer():
    memory, ptr8, ptr16, ptr32 = types()
    buffer = bytearray(bytes(range(16)))
    p = ptr8(buffer)
    assert (p[3], ptr16(p)[1], ptr32(buffer)[2]) == (3, 0x0302, 0x0B0A0908)
    address = int(p)
    assert address == memory.addressof(buffer) == int(ptr32(address))
    assert ptr16(address + 2)[0] == 0x0302 and ptr16(ptr8(address + 4))[0] == 0x0504
    assert ptr8(address + 16)[-1] == 15 and ptr16(address + 8)[-4] == 0x0100
    ptr32(address)[1] = 0xAABBCCDD
    assert buffer[4:8] == bytes.fromhex("ddccbbaa")


@pytest.mark.parametrize("word, loaded", [(64, 0xFFFFFFFE), (32, -2)])
def test_stores_truncate_and_a_word_load_is_signed_on_32_bits_only(word, loaded):
    memory, ptr8, ptr16, ptr32 = types(word)
    for value in (-2, 0xFFFFFFFE, (1 << 40) - 2):
        buffer = bytearray(8)
        ptr32(buffer)[0] = value
        ptr16(buffer)[2] = value
        ptr8(buffer)[6] = value
        assert buffer == b"\xfe\xff\xff\xff\xfe\xff\xfe\x00"
        assert (ptr32(buffer)[0], ptr16(buffer)[2], ptr8(buffer)[6]) == (loaded, 0xFFFE, 0xFE)
    assert int(ptr32(memory.addressof(buffer) - (1 << 32 if word == 32 else 0))) == memory.addressof(buffer)


def test_arrays_and_views_are_buffers_too():
    memory, ptr8, ptr16, ptr32 = types()
    words = array("I", [1, 2, 3])
    ptr32(words)[1] = 0xFFFFFFFF
    assert words[1] == 0xFFFFFFFF and ptr32(words)[2] == 3
    buffer = bytearray(range(32))
    assert ptr16(memoryview(buffer)[4:12])[0] == 0x0504
    with pytest.raises(TypeError, match="an int, a pointer or a buffer"):
        ptr8(1.5)
    assert ptr8("text")[1] == ord("e")


@pytest.mark.parametrize("place, index", [(0, 8), (0, -1), (4, 4), (8, 0), (100, 0), (1 << 24, 0)])
def test_an_access_outside_is_named_with_address_and_function(place, index):
    memory, ptr8, ptr16, ptr32 = types()
    address = memory.addressof(bytearray_of_8)
    p = ptr8(address + place)                   # making the pointer is allowed: loops run one past the end

    def the_culprit(store):
        if store:
            p[index] = 1
        return p[index]

    for store in (0, 1):
        with pytest.raises(Fault) as error:
            the_culprit(store)
        assert "the_culprit" in str(error.value) and "0x%x" % (address + place + index) in str(error.value)


bytearray_of_8 = bytearray(8)


def test_alignment_is_checked():
    memory, ptr8, ptr16, ptr32 = types()
    address = memory.addressof(bytearray_of_8)
    for pointer in (ptr16(address + 1), ptr32(address + 2), ptr32(ptr8(address + 3))):
        with pytest.raises(Fault, match="not aligned"):
            pointer[0]
        with pytest.raises(Fault, match="not aligned"):
            pointer[0] = 1
    assert int(ptr32(address + 2)) == address + 2


def test_a_word_that_reaches_beyond_the_end_is_outside():
    memory, ptr8, ptr16, ptr32 = types()
    buffer = bytearray(7)
    assert ptr16(buffer)[2] == 0 and ptr8(buffer)[6] == 0
    for p, i in ((ptr16(buffer), 3), (ptr32(buffer), 1)):
        with pytest.raises(Fault):
            p[i]


def test_flash_cannot_be_written():
    memory, ptr8, ptr16, ptr32 = types()
    for ptr in (ptr8, ptr16, ptr32):
        with pytest.raises(Fault, match="flash"):
            ptr(b"constants")[0] = 1


def test_registers():
    memory, ptr8, ptr16, ptr32 = types(32)
    log = []
    memory.mmio(0xFEB00000, 512, lambda o, w: 0x80000000 + o, lambda o, w, v: log.append((o, w, v)))
    assert ptr32(0xFEB00000)[4] == 0x80000010 - (1 << 32) and ptr8(0xFEB00010)[3] == 0x13
    ptr32(0xFEB00000 - (1 << 32))[2] = -1
    ptr16(ptr32(0xFEB00004))[1] = 0x12345
    assert log == [(8, 4, 0xFFFFFFFF), (6, 2, 0x2345)]
    with pytest.raises(Fault, match="outside of the registers"):
        ptr32(0xFEB00000)[128]


def test_pointers_have_no_truth_value_and_no_arithmetic():
    memory, ptr8, ptr16, ptr32 = types()
    p = ptr8(bytearray(4))
    with pytest.raises(TypeError):
        bool(p)
    with pytest.raises(TypeError):
        p + 1


def test_the_decorator_converts_annotated_parameters():
    memory, ptr8, ptr16, ptr32 = types()

    @viper
    def copy(to: ptr8, source: ptr16, count: int) -> int:
        """Documented."""
        i = 0
        while i < count:
            to[i] = source[i]
            i = i + 1
        return int(to)

    to = bytearray(4)
    assert copy(to, array("H", [0x141, 0x242, 0x343]), 3) == memory.addressof(to) and to == b"ABC\0"
    assert copy.__name__ == "copy" and copy.__doc__ == "Documented."
    copy(memory.addressof(to), to, 1)
    with pytest.raises(TypeError):
        copy(to, to)


# ---- checked mode ------------------------------------------------------------------------------------------------
EXPRESSION = """
@inline
def f(a, b, c):
    x = a + b * c - (a << (b & 15))
    x += ~c
    x -= -a
    if x > b:
        x = x * 3
    return x ^ (a >> 3)
def plain(a, b):
    return a * b
"""


def build(word, source=EXPRESSION):
    space = {"inline": lambda f: f, "WORD": word}
    exec(compile(rewrite(ast.parse(source), word), "f", "exec"), space)
    return space


def wrap(x, word):
    half = 1 << (word - 1)
    return (x + half) % (1 << word) - half


def machine(a, b, c, word):
    """The same expression as C would have it, step by step."""
    def w(x):
        return wrap(x, word)
    x = w(w(a + w(b * c)) - w(a << (b & 15)))
    x = w(x + w(~c))
    x = w(x - w(-a))
    if x > b:
        x = w(x * 3)
    return x ^ (a >> 3)


@pytest.mark.parametrize("word", [32, 64])
@given(st.data())
def test_arithmetic_wraps_as_the_machine_does(word, data):
    number = st.integers(-(1 << (word - 1)), (1 << (word - 1)) - 1)
    a, b, c = data.draw(number), data.draw(number), data.draw(number)
    space = build(word)
    assert space["f"](a, b, c) == machine(a, b, c, word)
    assert space["plain"](a, b) == a * b


def test_a_branch_for_64_bits_vanishes_on_32():
    source = """
@inline
def f(x):
    y = x & 0xFFFFFFFF if WORD == 64 else x
    if WORD == 64:
        y = y + 0x100000000
    return y
"""
    assert build(64, source)["f"](-1) == 0x1FFFFFFFF and build(32, source)["f"](-1) == -1
    with pytest.raises(SyntaxError, match="line 4: the literal 0x40000000"):
        build(32, "\n@inline\ndef f(x):\n    return x & 0x40000000\n")
