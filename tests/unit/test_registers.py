"""Which locals of hot code share one, and which come first: image/liveness.py and image/registers.py."""
import ast

import pytest

from image import registers
from tests.unit.programs import HEAD, Toy


def flat(body: str, word: int = 64) -> list[str]:
    """The lines of a specialised function without its heading."""
    lines = "\n".join("    " + line for line in body.splitlines())
    source = f"{HEAD}\n@micropython.viper\ndef run(p: ptr32, a: int, b: int) -> int:\n{lines}\n"
    return [line[4:] for line in Toy(word, main=source).flat().splitlines()[2:]]


@pytest.mark.parametrize("body, expected", [
    ("x = a + b\ny = x * 2\np[0] = y\nreturn y", "x = a + b|y = x * 2|p[0] = y|return y"),        # there are registers enough
    ("x = a + b\ny = x * 2\np[0] = y\nreturn x", "x = a + b|y = x * 2|p[0] = y|return x"),
    ("x = a\nx = x + 1\nreturn x", "x = a + 1|return x"),                                  # a copy of what is not needed again
    ("x = a\na = b\nreturn x + a", "return a + b"),
    ("x = 1\nx = a\nreturn x", "return a"),                                               # nothing reads the 1
    ("x = 1\nif a:\n    x = 2\nreturn x", "x = 1|if a:|    x = 2|return x"),
    ("x = a if b else 7\nreturn x + b", "if not b:|    a = 7|return a + b"),
    ("x = 0\nwhile a:\n    a = a - 1\n    x = x + p[0]\nreturn x", "x = 0|while a:|    a = a - 1|    x = x + p[0]|return x"),
    ("while a:\n    x = p[0]\n    if x == 3:\n        break\n    a = a - x\nreturn a",
     "while a:|    x = p[0]|    if x == 3:|        break|    a = a - x|return a"),
    ("x = 5\nwhile a:\n    y = x\n    x = a\n    a = a - y\nreturn x", "x = 5|while a:|    y = x|    x = a|    a = a - y|return x"),
    ("for i in range(a):\n    p[i] = i\nx = b\nreturn x", "for i in range(a):|    p[i] = i|return b"),
    ("p[0]\nx = p[1]\nreturn a", "p[0]|p[1]|return a"),                                    # loads are made all the same
])
def test_sharing(body, expected):
    assert flat(body) == expected.split("|")


def many(uses: str, word: int) -> list[str]:
    """The locals in the order of their declaration, where there are two more than registers."""
    names = [f"v{i}" for i in range(registers.REGISTERS[word])]
    body = "".join(f"{name} = p[{i}]\n" for i, name in enumerate(names)) + uses + "p[0] = " + " + ".join(names) + "\nreturn a + b\n"
    return [line.partition(":")[0] for line in flat(body, word) if line.endswith(": int")]


@pytest.mark.parametrize("word", [32, 64])
def test_what_a_loop_uses_is_in_a_register(word):
    last = registers.REGISTERS[word] - 1
    order = many(f"while a:\n    a = a - 1\n    v{last} = v{last} + b\n", word)
    assert order[0] == f"v{last}" and sorted(order) == sorted(f"v{i}" for i in range(last + 1))


def test_types_that_share_are_cast():
    """Where registers are scarce, a pointer and a number follow one another in one local."""
    lines = flat("q = ptr16(a)\nq[0] = 1\n" + "".join(f"v{i} = p[{i}]\n" for i in range(12))
                 + "p[0] = " + " + ".join(f"v{i}" for i in range(12)) + "\nreturn b\n")
    assert "ptr16(a)[0] = 1" in lines


def test_every_name_is_declared_with_its_type():
    lines = flat("q = ptr8(p)\n" + "".join(f"v{i} = p[{i}] + q[{i}]\n" for i in range(15)) + "p[0] = "
                 + " + ".join(f"v{i}" for i in range(15)) + "\nreturn q[0]\n")
    declared = dict(line.split(": ") for line in lines if line.count(": ") == 1)
    used = {node.id for line in lines for node in ast.walk(ast.parse(line)) if isinstance(node, ast.Name)}
    assert used - {"p", "a", "b", "int", "ptr8", "ptr16", "ptr32"} == set(declared)


@pytest.mark.parametrize("statement, same", [("x = x", True), ("x = ptr8(int(x))", True), ("x = int(y)", False), ("x = ptr8(int(x + 1))", False),
                                             ("x = ptr8(x)[0]", False), ("x = int(x < y)", False)])
def test_a_local_that_is_assigned_to_itself(statement, same):
    assert registers.itself(ast.parse(statement).body[0]) == same
