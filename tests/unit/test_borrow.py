"""image/borrow.py: copying loops use the two parameters that Thumb code has in registers, and nothing else changes."""
import random
from array import array

import pytest
from test_specialize import flat

from hostsim.memory import Memory
from hostsim.viper import pointer_types

SIGNATURE = "n: ptr32, s: ptr32, size: int"
COPY = """
@inline
def copy(e: ptr32, at: int, words: int) -> int:
    p = ptr32(at)
    while words >= 8:
""" + "".join(f"        p[{k}] = e[{k}]\n" for k in range(8)) + """        p = ptr32(int(p) + 32)
        e = ptr32(int(e) + 32)
        words = words - 8
    if words & 4:
        p[0] = e[0]
        p[1] = e[1]
        p[2] = e[2]
        p[3] = e[3]
        p = ptr32(int(p) + 16)
        e = ptr32(int(e) + 16)
    while words & 3:
        p[0] = e[0]
        p = ptr32(int(p) + 4)
        e = ptr32(int(e) + 4)
        words = words - 1
    return int(p)
"""
BODY = """
n[0] = n[0] + 1
s[0] = s[0] + 1
if size > 2:
    end = copy(ptr32(s[1]), n[1], size)
    n[2] = end
    s[2] = end - n[1]
    again = copy(ptr32(n[1]), s[3], size - 1)
    n[3] = again
return n[2] + s[2]
"""


def run(source, word, size, seed):
    """Everything in memory after run() of this source, and what it returned."""
    memory = Memory(word)
    scope = {"__builtins__": dict(vars(__import__("builtins")), **pointer_types(memory)),
             "inline": lambda function: function}
    exec(source, scope)
    choice = random.Random(seed)
    blocks = [array("I", [choice.randrange(1 << 32) for _ in range(size)] or [0]) for size in (8, 8, 64, 64, 64)]
    n, s, first, second, third = blocks
    n[1], s[1], s[3] = (memory.addressof(block) for block in (second, first, third))
    ptr32 = scope["__builtins__"]["ptr32"]
    return scope["run"](ptr32(n), ptr32(s), size), [list(block) for block in blocks]


@pytest.mark.parametrize("size", [0, 2, 3, 4, 7, 8, 9, 15, 16, 17, 31, 40, 63])
def test_nothing_changes_but_the_places(size):
    whole = "def run(n: ptr32, s: ptr32, size: int) -> int:\n"
    texts = [flat(BODY, COPY, word, SIGNATURE) for word in (64, 32)]
    assert "kept_n" not in texts[0] and texts[1].count("kept_n = int(n)") == texts[1].count("n = ptr32(kept_n)") == 2
    results = [run(whole + "".join("    " + line + "\n" for line in text.splitlines()), 32, size, 7) for text in texts]
    original = COPY + "\ndef run(n, s, size):\n" + "".join(
        "    " + line + "\n" for line in BODY.splitlines())
    results.append(run(original, 32, size, 7))
    assert results[0] == results[1] == results[2]


LOOP = "p = ptr32(n[0])\ne = ptr32(n[1])\nwhile size:\n%s    size = size - 1\nreturn size"


def loop(*more):
    return LOOP % "".join(f"    {line}\n" for line in [f"p[{k}] = e[4]" for k in range(8)] + list(more))


def test_what_it_becomes():
    lines = flat(loop(), word=32, signature=SIGNATURE).splitlines()
    assert lines[2:8] == ["kept_n = int(n)", "kept_s = int(s)", "n = e", "s = p", "while size:", "    s[0] = n[4]"]
    assert lines[-3:] == ["n = ptr32(kept_n)", "s = ptr32(kept_s)", "return size"]


@pytest.mark.parametrize("more", [["n[5] = size"], ["p[3] = s[1]"], ["if size == 7:", "    break"],
                                  ["if size == 7:", "    return 5"], ["q = ptr32(size)", "q[0] = 1"],
                                  ["q = ptr16(size)", "q[0] = 1"]])
def test_it_keeps_off_loops_that_do_more(more):
    assert "kept_" not in flat(loop(*more), word=32, signature=SIGNATURE)


@pytest.mark.parametrize("signature", ["n: ptr32, size: int", "n: ptr32, size: int, s: ptr32", "n: ptr32, s: ptr16, size: int"])
def test_it_needs_two_parameters_of_the_kind(signature):
    assert "kept_" not in flat(loop(), word=32, signature=signature)


def test_a_name_that_is_taken_stays_what_it_is():
    text = flat("kept_n = size + n[3]\n" + loop().replace("return size", "return size + kept_n"), word=32, signature=SIGNATURE)
    assert "kept_n_ = int(n)" in text and text.endswith("return size + kept_n")
