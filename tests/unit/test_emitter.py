"""Our native emitter for x86-64 (image/emitter): MicroPython's own tests of viper and native code, and cases of ours.

The unix port has the same emitter as mpy-cross, and compiles what it is given.
"""
import subprocess

import pytest

from image import micropython

# `def f(p: ptr32, q: ptr8, a: int, b: int) -> int`: bodies that viper and CPython run to the same end
BODIES = {
    "in place": "p[1] = p[1] + 5\n p[2] = p[2] & ~3\n p[3] = p[3] ^ a\n p[40] = p[40] | 1 << 20\n q[3] = q[3] - 1\n return p[1]",
    "kept while stored": "x = p[5] = p[5] + 1\n y = p[6] = q[7] = x + 1\n return x + y * 2",
    "base overwritten": "c = p[0] & 7\n p[c + 1] = p[c + 1] + 1\n return p[c + 1] + q[p[c + 1] & 15]",
    "comparison as value": "x = int(a < b)\n y = int(b == 3) + int(a >= b) + int(a != b)\n p[0] = a < b\n return x * 10 + y",
    "flags of the operation": "x = a - b\n y = 0\n if x == 0:\n  y = 1\n if a & 4:\n  y = y + 2\n if not a & 8:\n  y = y + 4\n return y",
    "not those before a label": "x = a\n while x & 3:\n  x = x - 1\n if x:\n  return x + 1000\n return 7",
    "sign extension": "return ((a * 65536 + b + 0x80000000) & 0xFFFFFFFF) - 0x80000000 + ((p[0] + 0x80000000) & 0xFFFFFFFF) - 0x80000000",
    "half of it": "x = a + 0x80000000\n y = x & 0xFFFFFFFF\n return y - b - 0x80000000 + x",
    "shifts": "return (a << 5) + (b >> 3) + ((0 - a) >> 2) + (1 << (b & 31)) + (a << 40 >> 38)",
    "numbers of all widths": "return a + 127 - 128 + 128 - 129 + 0x7FFFFFFF - 0x80000000 + (a & 0xFFFF) + (b ^ -1) + (a | 0x12345678)",
    "stores of numbers": "p[1] = 0x1234\n p[2] = -1\n q[13] = 511\n ptr16(p)[9] = 0x12345\n p[7] = 0xFFFFFFF0\n return q[13] + p[2] + p[1]",
    "bytes from every register": "c = a + 1\n d = b + 2\n e = a + 3\n q[0] = c\n q[1] = d\n q[2] = e\n q[a & 7] = a\n q[b & 7] = e + d\n return q[1]",
    "more than the registers": "return ((a + 1) * ((b + 2) + ((a ^ b) + ((p[1] + b) - ((a - p[2]) + ((b & 15) + ((a | b) + ((a << 2) + (b - (a + (p[3] - b))))))))))) & 0xFFFFFF",
    "both ways": "x = 1\n y = 2\n x, y = y, x\n x, y = y + a, x + b\n return x * 100 + y",
    "ternaries inside": "return 1 + (a if a > b else b) * 2 + (p[1] if a == 5 else q[2]) + (3 if a and b else 4) + (a or b)",
    "far jumps": "x = 0\n k = 0\n while k < a & 15:\n" + "  if k & 1:\n   x = x + p[k & 7]\n  else:\n   x = x ^ q[k & 3] + k\n" * 12
                 + "  if x > 100000:\n   break\n  k = k + 1\n return x & 0xFFFFFFF",
    "many locals": "".join(f" v{k} = a + {k}\n" for k in range(60))[1:] + " return " + " + ".join(f"v{k} * {k + 1}" for k in range(60)),
}
PROGRAM = '''
import array
memory = array.array("I", [(k * 2654435761 + 12345) & 0xFFFFFFFF for k in range(64)])
@micropython.viper
def f(p: ptr32, q: ptr8, a: int, b: int) -> int:
 {body}
out = [f(memory, memory, a, b) for a, b in {values}]
print([out, list(memory)])
'''
VALUES = [(0, 0), (5, 3), (3, 5), (-1, 1), (12, -7), (8, 8), (255, 1 << 20)]


class Memory:
    """What ptr8, ptr16 and ptr32 are on the host: little-endian words of one bytearray."""

    def __init__(self, data, size):
        self.data, self.size = getattr(data, "data", data), size

    def __getitem__(self, k):
        return int.from_bytes(self.data[k * self.size:(k + 1) * self.size], "little")

    def __setitem__(self, k, value):
        self.data[k * self.size:(k + 1) * self.size] = (int(value) & (1 << 8 * self.size) - 1).to_bytes(self.size, "little")


def expected(body: str) -> list:
    data = bytearray(b"".join((k * 2654435761 + 12345 & 0xFFFFFFFF).to_bytes(4, "little") for k in range(64)))
    names = {"ptr16": lambda at: Memory(at, 2)}
    exec(f"def f(p, q, a, b):\n {body}\n", names)
    out = [wrapped(names["f"](Memory(data, 4), Memory(data, 1), a, b)) for a, b in VALUES]
    return [out, [Memory(data, 4)[k] for k in range(64)]]


def wrapped(value: int) -> int:
    return (value + (1 << 63)) % (1 << 64) - (1 << 63)


def run(path) -> str:
    done = subprocess.run([micropython.unix(), path], cwd=path.parent, capture_output=True, text=True, timeout=60)
    return done.stdout + done.stderr


@pytest.mark.parametrize("name", BODIES)
def test_viper_does_what_python_does(name, tmp_path):
    path = tmp_path / "case.py"
    path.write_text(PROGRAM.format(body=BODIES[name], values=VALUES))
    said = run(path)
    assert said.startswith("[["), said
    assert eval(said) == expected(BODIES[name])


def test_micropythons_own_tests():
    """Those of viper and native code whose outcome MicroPython's source comes with."""
    tests = sorted(path for kind in ("viper", "native") for path in (micropython.source() / "tests" / "micropython").glob(kind + "*.py")
                   if path.with_suffix(".py.exp").is_file())
    assert len(tests) > 40
    wrong = [path.name for path in tests if (said := run(path)) != path.with_suffix(".py.exp").read_text() and said != "SKIP\n"]
    assert wrong == []
