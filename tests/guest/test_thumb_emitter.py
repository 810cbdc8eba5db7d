"""Our native emitter for ARMv7-M (image/emitter): viper functions on the Cortex-M3 of QEMU's mps2-an385.

Cases of ours and random programs do what CPython does with words of 32 bits; MicroPython's own tests of viper and native
code print what its source says. Many of them go into one image, which prints what each did.
"""
import ast
import random
from types import SimpleNamespace

import pytest

from hostsim.viper import rewrite
from image import micropython
from tests.unit import test_emitter
from tests.unit.programs import LIMITS, WORDS_OF_MEMORY, Toy, program

VALUES = [(0, 0), (5, 3), (3, 5), (-1, 1), (12, -7), (8, 8), (255, 1 << 20), (-(1 << 31), 1), ((1 << 31) - 1, -1), (7, 31)]

# Those of x86-64 whose numbers viper takes on 32 bits, and what this emitter does beyond them
SHARED = ("in place", "kept while stored", "base overwritten", "comparison as value", "flags of the operation", "not those before a label",
          "bytes from every register", "both ways", "ternaries inside", "far jumps", "many locals")
BODIES = {name: test_emitter.BODIES[name] for name in SHARED} | {
    "immediate operands": "".join(f" x = a + {n}\n p[0] = x - {m}\n p[1] = p[1] ^ (b & {n})\n p[2] = p[2] + (a | {m}) - (x ^ {n})\n"
                                  for n, m in ((1, 7), (8, 9), (255, 256), (257, 0xFF00), (0xFFF, 4096), (4097, 0xFF00FF), (0x12345, 0xABCDE),
                                               (0xFF0000, 0x3FC00), (0xFFFF, 0x7FFFF), (-1, -8), (-255, -256), (-4095, -4097)))[1:]
                          + " return x + p[0] + p[2]",
    "numbers": "p[0] = 255\n p[1] = 256\n p[2] = 65535\n p[3] = 65536\n p[4] = -1\n p[5] = -256\n p[6] = 0x3FFFFFFF\n p[7] = 0xFF00FF\n"
               " p[8] = 0x12345678 - 1\n p[9] = -65537\n return p[3] + p[6]",
    "comparisons with numbers": "x = 0\n" + "".join(f" if a {op} {n}:\n  x = x + {1 << k}\n" for k, (op, n) in enumerate(
        (op, n) for n in (0, 1, 255, 256, -1, -8, -256, 4097, 0x12345) for op in ("<", "<=", ">", "==")) if k < 28) + " return x",
    "signs of results": "x = a - b\n y = 0\n if x < 0:\n  y = 1\n if a + b >= 0:\n  y = y + 2\n if a - b < 0:\n  y = y + 4\n if (a & b) < 0:\n"
                        "  y = y + 8\n if a - b > 0:\n  y = y + 16\n if a ^ b <= 0:\n  y = y + 32\n return y",
    "bits": "y = 0\n" + "".join(f" if a & {m}:\n  y = y + {1 << k}\n if b & {m} == 0:\n  y = y ^ {1 << k}\n if (p[1] & {m}) != 0:\n  y = y + 1\n"
                                for k, m in enumerate((1, 2, 128, 255, 256, 65535, 0x8000, 7, 6, 0x7FFFF, 0x100000, -1, -2))) + " return y",
    "bit that is kept": "x = a & 4\n if x:\n  p[0] = x\n y = b & 1\n p[1] = y\n if y:\n  return x + 1\n return x",
    "flags of what was assigned": "x = a - b\n y = 0\n if x == 0:\n  y = 1\n z = a & b\n if z:\n  y = y + 2\n z = a ^ b\n if not z:\n  y = y + 4\n w = p[1]\n if w:\n  y = y + 8\n"
                                  " w = a * b\n if w == 0:\n  y = y + 16\n w = a >> 3\n if w != 0:\n  y = y + 32\n w = a & 0xFFFF\n if w == 0:\n  y = y + 64\n w = b\n"
                                  " if w:\n  y = y + 128\n k = a + 3\n h = ptr16(p)\n if k:\n  h[9] = k\n k = a + b\n x = x + 1\n if k:\n  y = y + 256\n return y + x * 3 + z + w",
    "empty branches": "x = a\n if a:\n  pass\n if b == 0:\n  pass\n else:\n  pass\n while a:\n  a = 0\n if not b:\n  x = x + 1\n return x",
    "shifts": "return (a << 5) + (b >> 3) + ((0 - a) >> 2) + (1 << (b & 31)) + (a >> (b & 15)) + (a << 31) + (b >> 31) + (a << 0)",
    "shifted operands": "x = (a + (b << 3)) ^ (a >> 5)\n y = (a << 31 | b) - (b >> 31 & 1)\n z = (a & 0xFFFF) + (a >> 16 & 0xFFFF)\n"
                        " p[1] = (p[2] >> 16 & 0xFFFF) + p[3]\n u = a >> 7\n v = b - u\n w = u + (u << 1)\n h = ptr16(p)\n h[9] = h[8] | h[7] << 8\n"
                        " m = (a << 4) - (b << 2)\n if a + (b >> 1) == 0:\n  m = m + 1\n if a - (b << 1) < 0:\n  m = m + 2\n"
                        " n = (a << 1) - b\n k = (a << 1) + (a << 1)\n return x + y * 3 + z * 5 + u * 7 + v * 11 + w * 13 + m * 17 + n * 19 + k",
    "products": "x = a * b\n y = a * 12\n a = b * a\n return x + y * 3 - a * a",
    "frame kept in registers": "x = p[1]\n y = x\n x = x + 1\n z = y\n y = x\n v0 = a\n v1 = b\n v2 = x\n v3 = y\n v4 = z\n v5 = v0 + v1\n v6 = v2 + v3\n"
                               " v0 = v6\n v7 = v0 + v4\n if v5 > v6:\n  v0 = v1\n  v5 = v0\n v8 = v0 + v5\n p[2] = v8\n v8 = v7\n"
                               " return v0 + v1 * 2 + v2 * 3 + v3 * 5 + v4 * 7 + v5 * 11 + v6 * 13 + v7 * 17 + v8",
    "swapped through registers": "k = 0\n while k < 5:\n  a, b = b, a + k\n  p[k] = a\n  k = k + 1\n  x, y = a, b\n  x, y, k = y, x, k\n return a + b * 3 + x * 5 + y * 7",
    "far members": "p[33] = a\n p[63] = b\n q[200] = a\n q[31] = b\n q[32] = a\n h = ptr16(p)\n h[31] = a\n h[32] = b\n h[100] = a + b\n"
                   " return p[33] + p[63] + q[200] + q[31] + q[32] + h[31] + h[32] + h[100]",
    "members behind": "r = ptr32(int(p) + 128)\n r[-1] = a\n r[-32] = b\n h = ptr16(r)\n h[-3] = a\n g = ptr8(r)\n g[-9] = b\n"
                      " return r[-1] + r[-32] + h[-3] + g[-9] + r[-2]",
    "indexed by values": "k = 0\n h = ptr16(p)\n while k < 8:\n  p[k] = p[k + 1] + k\n  h[k + 20] = h[k + 1] + p[k]\n  q[k + 100] = q[k] + 1\n  k = k + 1\n"
                         " return p[3] + h[21] + q[101]",
    "bytes swapped": "h = ptr16(p)\n x = h[3]\n y = (x & 255) << 8 | x >> 8\n h[4] = (h[1] & 255) << 8 | h[1] >> 8\n z = a & 0xFFFF\n"
                     " z = (z & 255) << 8 | z >> 8\n v = (a & 255) << 8 | a >> 8\n w = (b >> 16 & 0xFFFF)\n w = (w & 255) << 8 | w >> 8\n"
                     " if b:\n  x = b\n u = (x & 255) << 8 | x >> 8\n p[9] = (p[8] & 255) << 8 | p[8] >> 8\n"
                     " k = h[5]\n m = ((k & 255) << 8 | k >> 8) + k\n return y + z * 3 + v * 5 + w * 7 + u * 11 + m",
    "fields": "x = (a >> 31 & 1) + (a >> 8 & 255) + (b >> 3 & 7) + (b >> 2 & 0x3FFFFFFF)\n if a >> 5 & 1:\n  x = x + 1\n if b >> 4 & 3:\n  x = x + 2\n"
              " y = a >> 4\n z = y & 15\n if z:\n  x = x + y\n return x + z",
    "joined ways": "x = a\n y = b\n z = a + b\n u = x ^ y\n v = y - x\n w = v\n if x > 3:\n  y = x\n elif y > 2:\n  z = y\n  u = z\n else:\n  v = 7\n"
                   " while v > 100:\n  v = v - 100\n  if v & 1:\n   continue\n  w = v\n  if w < 5:\n   break\n if x and y or z:\n  w = w + 1\n"
                   " p[0] = w if x < y else v\n return x + y * 2 + z * 3 + u * 5 + v * 7 + w * 11",
    "spilled operands": "return ((a + 1) * ((b + 2) + ((a ^ b) + ((p[1] + b) - ((a - p[2]) + ((b & 15) + ((a | b) + ((a << 2) + (b - (a + (p[3] - b)))))))))))",
    "neighbours": "x = p[3]\n y = p[4]\n z = p[5]\n p[8] = x\n p[9] = y\n p[10] = z\n p[11] = z\n u = p[0] + p[1]\n v = p[2] - (p[3] ^ (p[4] + p[5]))\n"
                  " x = p[6]\n x = p[7]\n p[12] = a\n p[13] = b\n a = a + 1\n p[14] = a\n a = a + 1\n p[15] = a\n p[18] = 7\n p[19] = 7\n p[21] = x\n p[20] = y\n"
                  " w = p[1]\n k = p[0]\n return x + y * 3 + z * 5 + u * 7 + v * 11 + w * 13 + k * 17",
    "neighbours at a label": "x = p[2]\n if a & 1:\n  x = x + 1\n y = p[3]\n p[4] = x\n if b & 1:\n  y = y + p[4]\n p[5] = y\n k = 0\n z = p[6]\n while k < 3:\n"
                             "  w = p[7]\n  k = k + 1\n  z = z + w\n  p[8] = z\n p[9] = k\n return x + y * 3 + z * 5 + k",
    "neighbours both ways": "x, y = p[3], p[4]\n p[5], p[6] = x, y\n p[7], p[8] = p[8], p[7]\n z, w = p[10], p[9]\n p[12], p[11] = w, z\n u = p[14] - p[13]\n"
                            " v = p[13] - p[14]\n x, y = y, p[15]\n return x + y * 3 + z * 5 + w * 7 + u * 11 + v * 13",
    "neighbours that are bases": "p[0] = int(p) + 32\n p[1] = int(p) + 64\n p[9] = int(p) + 96\n r = ptr32(p[0])\n s = ptr32(p[1])\n x = r[0]\n r = ptr32(r[1])\n"
                                 " y = r[0]\n p[24] = int(p) + 128\n r = ptr32(r[0])\n y = y + r[1] + s[0] + s[1]\n p[0] = 0\n p[1] = 0\n p[9] = 0\n p[24] = 0\n"
                                 " return x + y * 3",
    "far neighbours": "r = ptr32(int(p) - 1020)\n r[255] = a\n r[256] = b\n x = r[255]\n y = r[256]\n z = r[257]\n s = ptr32(int(p) + 1040)\n s[-256] = b\n s[-255] = a\n"
                      " s[-254] = x\n s[-253] = y\n u = s[-255]\n v = s[-254]\n return x + y * 3 + z * 5 + u * 7 + v * 11",
    "bases with a number": "x = ptr32(int(p) + 8)[0] + ptr32(int(p) + 8)[1] * 3\n y = ptr16(int(p) + 6)[3] + ptr8(int(p) + 5)[2]\n ptr32(int(p) + 40)[2] = a\n"
                           " ptr16(int(p) + 50)[1] = b\n ptr8(int(p) + 55)[0] = a\n r = ptr32(int(p) + 200)\n z = ptr32(int(r) - 8)[0] + ptr32(int(r) - 8)[-3]\n k = a & 3\n"
                           " ptr32(int(p) + 80)[k] = b\n w = ptr32(int(p) + 80)[k] + ptr8(int(p) + 80)[k + 1]\n h = ptr16(int(p) + 2)\n h[0] = h[1] + ptr16(int(h) + 2)[0]\n"
                           " return x + y * 5 + z * 7 + w * 11 + ptr32(int(p) + 5000)[-1200]",
    "calls between": "x = p[0]\n y = a\n p[0] = int(len(q_object)) + x\n z = x + y\n return z + p[0] + y + int(len(q_object))",
}
SEEDS = [*range(30), 67]
HOT = "import micropython\nq_object = b'12345'\n@micropython.viper\ndef run(p: ptr32, q: ptr8, a: int, b: int) -> int:\n {body}\n"


class Memory:
    """What ptr8, ptr16 and ptr32 are with words of 32 bits: an address in one bytearray, and a size."""
    store = bytearray()

    def __init__(self, at, size):
        self.at, self.size = int(at), size

    def __int__(self):
        return self.at

    def place(self, k):
        return slice(self.at + k * self.size, self.at + (k + 1) * self.size)

    def __getitem__(self, k):
        return int.from_bytes(self.store[self.place(k)], "little", signed=self.size == 4)

    def __setitem__(self, k, value):
        self.store[self.place(k)] = (int(value) & (1 << 8 * self.size) - 1).to_bytes(self.size, "little")


def expected(body):
    Memory.store = bytearray(b"".join((k * 2654435761 + 12345 & 0xFFFFFFFF).to_bytes(4, "little") for k in range(64)))
    names = {f"ptr{8 * n}": lambda at, n=n: Memory(at, n) for n in (1, 2, 4)} | {"q_object": b"12345"}
    names["micropython"] = SimpleNamespace(viper=lambda function: function)
    tree = ast.parse(f"@micropython.viper\ndef run(p: ptr32, q: ptr8, a: int, b: int) -> int:\n {body}\n")
    exec(compile(rewrite(tree, 32), "body", "exec", dont_inherit=True), names)
    out = [names["run"](Memory(0, 4), Memory(0, 1), a, b) for a, b in VALUES]
    return out, [Memory(0, 4)[k] & 0xFFFFFFFF for k in range(64)]


@pytest.fixture
def board():
    return "mps2_an385"


def test_viper_does_what_python_does(boot):
    modules = {f"case{k}": HOT.format(body=body) for k, body in enumerate(BODIES.values())}
    main = "import array\n" + "".join(f"""
import case{k}
m = array.array("I", [(k * 2654435761 + 12345) & 0xFFFFFFFF for k in range(64)])
print(([case{k}.run(m, m, a, b) for a, b in {VALUES}], list(m)))""" for k in range(len(BODIES)))
    console, _ = boot(main, **modules)
    lines = console.splitlines()
    assert len(lines) == len(BODIES), console[-300:]
    wrong = {name: (line, expected(body)) for (name, body), line in zip(BODIES.items(), lines) if eval(line) != expected(body)}
    assert wrong == {}


def test_random_programs(boot):
    """As test_specialize_random.py has them for x86-64."""
    choice = random.Random(1)
    main, modules, answers = ["from array import array"], {}, []
    for seed in SEEDS:
        toy = Toy(32, main=program(1 + seed % 4, seed), limits=LIMITS)
        modules[f"flat{seed}"] = "import micropython\n" + toy.flat()
        main.append(f"from flat{seed} import run")
        for _ in range(4):
            a, b = (choice.choice([choice.randint(-4, 8), choice.randint(-1 << 31, (1 << 31) - 1)]) for _ in "ab")
            memory = [choice.choice([choice.randint(0, 5), choice.getrandbits(32)]) for _ in range(WORDS_OF_MEMORY)]
            main += [f"m = array('I', {memory})", f"print(run(m, {a}, {b}), list(m))"]
            result, after = toy.original(a, b, memory)
            answers.append(f"{seed} {result} {after}")
    console, _ = boot("\n".join(main), **modules)
    assert [f"{answer.split()[0]} {line}" for answer, line in zip(answers, console.splitlines())] == answers


# What these need is not in the image: the compiler, integers beyond 64 bits, names in messages, attributes of functions
NOT_HERE = ("intbig", "error", "with", "globals", "fun_attrs")


def test_micropythons_own_tests(boot):
    tests = [path for kind in ("viper", "native") for path in sorted((micropython.source() / "tests" / "micropython").glob(kind + "*.py"))
             if path.with_suffix(".py.exp").is_file() and not any(word in path.stem for word in NOT_HERE)]
    assert len(tests) >= 36
    main = "".join(f"print('@@ {path.stem}')\nimport {path.stem}\n" for path in tests)
    console, _ = boot(main, **{path.stem: path.read_text() for path in tests})
    said = dict(part.split("\n", 1) for part in console.split("@@ ")[1:])
    assert said == {path.stem: path.with_suffix(".py.exp").read_text() for path in tests}
