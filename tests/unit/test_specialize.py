"""image/specialize.py: what folding, expanding and leaving out make of small programs, and what is refused."""
import ast
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from image import config, micropython
from image.program import SpecializeError
from image.specialize import generate, specialize
from tests.unit.programs import HEAD, Toy

ROOT = Path(__file__).resolve().parents[2]


def flat(body, functions="", word=64, signature="p: ptr32, a: int, b: int", **modules):
    """The lines of a hot function run() with this body after it was specialised, without its first two."""
    source = HEAD + textwrap.dedent(functions) + f"\n@micropython.viper\ndef run({signature}) -> int:\n"
    modules["main"] = source + textwrap.indent(textwrap.dedent(body), "    ")
    return textwrap.dedent("\n".join(Toy(word, **modules).flat().splitlines()[2:]))


# ---- constants ---------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("body, expected", [
    ("return p[4 + 2]", "return p[6]"),
    ("return a + 2 + 3 - 5", "return a"),
    ("return (a + 14) + 20", "return a + 34"),
    ("return 4 + a", "return a + 4"),
    ("return a << 0 | 0", "return a"),
    ("return 100 // 7 % 4", "return 2"),
    ("return (a if 3 > 2 else b)", "return a"),
    ("return -a + ~b", "return 0 - a + (b ^ -1)"),                  # MicroPython's own - and ~ change a and b
    ("return not a", "return 1 if not a else 0"),
    ("x = a == b\nreturn x", "x = int(a == b)\nreturn x"),
    ("if a and True and not False:\n    return 1\nreturn 2", "if a:\n    return 1\nreturn 2"),
    ("if a and False:\n    return 1\nreturn 2", "return 2"),
    ("while True:\n    a -= 1\n    if a < 0:\n        break\nreturn a",
     "while 1:\n    a = a - 1\n    if a < 0:\n        break\nreturn a"),
    ("while 0:\n    a = 1\nreturn a", "return a"),
    ("if 1:\n    return a\np[0] = 1", "return a"),
    ("if a:\n    pass\nelse:\n    b = 1\nreturn b", "if not a:\n    b = 1\nreturn b"),
    ("x = 5\ny = p[0]\nreturn a", "p[0]\nreturn a"),              # nothing reads x and y; the load is still made
    ("p[1] += 2\nreturn 0", "p[1] = p[1] + 2\nreturn 0"),
])
def test_folding(body, expected):
    assert flat(body) == expected


def test_constants_of_other_modules():
    sizes = "from wire import IP\nHEAD = IP + 14\nTABLE = [1, 2]\nCOUNT = len(TABLE)\nfor n in ('A', 'B'):\n" \
            "    globals()[n + '_X'] = ord(n)\n"
    assert flat("return sizes.HEAD + sizes.COUNT + a + IP + A_X", "import sizes\nfrom wire import *\nfrom sizes import A_X\n",
                sizes=sizes, wire="IP = 20\n_hidden = 1\n") == "return a + 121"


@pytest.mark.parametrize("word, expected", [(32, "return p[0] + -8388608"), (64, "return p[0] + 8388608")])
def test_words_of_the_target(word, expected):
    assert flat("return p[0] + ((0x4000 << 17) >> 8)", word=word) == expected


def test_one_source_serves_both_words():
    source = "from board import WORD\n@inline\ndef u32(x: int) -> int:\n    return x & 0xFFFFFFFF if WORD == 64 else x\n"
    assert flat("return u32(a - b)", source, 64, board="WORD = 64") == "return a - b & 4294967295"
    assert flat("return u32(a - b)", source, 32, board="WORD = 32") == "return a - b"


# ---- expansion -----------------------------------------------------------------------------------------------------------

CLAMP = """
    @inline
    def clamp(x: int, top: int) -> int:
        if x > top:
            return top
        p = 1
        if x < 0:
            if x == -1:
                return 0
            p = 2
        return x + p
    @inline
    def low(x: int, y: int) -> int:
        x = x & 255
        return x + y
    @inline
    def twice(x: int) -> int:
        return x + x
    @inline
    def put(q: ptr16, at: int, value: int):
        q[at] = value
        q[at + 1] = value >> 16
    @inline
    def bump(q: ptr32, at: int) -> int:
        q[at] = q[at] + 1
        return q[at]
    """


@pytest.mark.parametrize("body, expected", [
    ("return twice(a)", "return a + a"),
    ("return twice(a * 2)", "x = a * 2\nreturn x + x"),
    ("return low(a, b)", "x = a & 255\nreturn x + b"),
    ("a = low(a, a)\nreturn a", "x = a & 255\na = x + a\nreturn a"),
    ("x = 1\nx = low(b, x)\nreturn x", "x = 1\nx_2 = b & 255\nx = x_2 + x\nreturn x"),
    ("put(ptr16(p), 3, p[7])\nreturn 0", "value = p[7]\nptr16(p)[3] = value\nptr16(p)[4] = value >> 16\nreturn 0"),
    ("put(ptr16(p), 3, 0x50004)\nreturn 0", "ptr16(p)[3] = 327684\nptr16(p)[4] = 5\nreturn 0"),
    ("return p[0] + bump(p, 0)", "kept = p[0]\np[0] = p[0] + 1\nreturn kept + p[0]"),
    ("return a + bump(p, 0)", "p[0] = p[0] + 1\nreturn a + p[0]"),
    ("return clamp(5, 3)", "return 3"),
    ("while twice(a) < 9:\n    a = a + 1\nreturn a", "while a + a < 9:\n    a = a + 1\nreturn a"),
    ("return low(1, a) + low(2, b)", "x = 1\nx = x & 255\nx_2 = 2\nx_2 = x_2 & 255\nreturn x + a + (x_2 + b)"),
    ("p[0] = low(1, a)\np[1] = low(2, b)\nreturn 0",
     "x = 1\nx = x & 255\np[0] = x + a\nx = 2\nx = x & 255\np[1] = x + b\nreturn 0"),
])
def test_expansion(body, expected):
    assert flat(body, CLAMP) == expected


def test_early_returns_become_a_loop_that_is_left():
    text = flat("z = clamp(a, 9)\nreturn z", CLAMP)
    assert "while 1:" in text and text.count("break") == 3 and text.endswith("return z")


def test_returns_at_the_ends_need_no_loop():
    pick = "@inline\ndef pick(a: int) -> int:\n    if a == 1:\n        return 5\n    if a == 2:\n        return 6\n    return 7\n"
    assert flat("x = pick(b)\nreturn x", pick) == "if b == 1:\n    x = 5\nelif b == 2:\n    x = 6\nelse:\n    x = 7\nreturn x"
    assert flat("return pick(b)", pick) == "if b == 1:\n    return 5\nif b == 2:\n    return 6\nreturn 7"


def test_memory_is_read_in_the_order_of_the_source():
    """A register that changes when it is read: both arguments are read before the body, the first one first."""
    swap = "@inline\ndef swap(x: int, y: int) -> int:\n    return y - x\n"
    assert flat("return swap(p[0], p[0])", swap) == "x = p[0]\nreturn p[0] - x"


# ---- what is refused -------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("body, message", [
    ("return a / b", "viper cannot divide"),
    ("return a // b", "viper cannot divide"),
    ("return a << 64", "shift by 64 with words of 64 bits"),
    ("return state", "state is no upper-case number of a module"),
    ("return len(p)", "len is no inline function; mark it @inline"),
    ("return everyday(a)", "everyday is no inline function"),
    ("return twice(a, b)", "twice takes 1 arguments, not 2: (x)"),
    ("return twice(x=a)", "keyword or starred arguments in the call of twice"),
    ("return twice(*a)", "keyword or starred arguments in the call of twice"),
    ("return again(a)", "again calls itself"),
    ("return looped(a)", "return inside a loop of looped"),
    ("x = maybe(a)\nreturn x", "maybe does not return a value on every path"),
    ("x = nothing(a)\nreturn x", "nothing does not return a value on every path"),
    ("return a and below(b)", "below is more than an expression"),
    ("while below(a):\n    pass\nreturn 0", "below is more than an expression"),
    ("return through(a)", "q of through is ptr16 and gets int; cast it: ptr16(...)"),
    ("x = a\nx = ptr16(a)\nreturn 0", "x is int and is assigned ptr16 here"),
    ("y = x\nx = 1\nreturn y", "x is used before it is assigned"),
    ("return 0 < a < 5", "one comparison of numbers at a time"),
    ("return a[0]", "a is int; only ptr8, ptr16, ptr32 can be indexed"),
    ("return p + 4", "p is a pointer; take its address with int(...)"),
    ("if p:\n    return 1\nreturn 0", "p is a pointer"),
    ("x, y = a, b\nreturn x", "one name or one p[i] can be assigned at a time"),
    ("try:\n    return 1\nfinally:\n    a = 1", "Try is not possible in hot code"),
    ("x = [a]\nreturn 0", "List is not possible in hot code"),
    ("x = 'text'\nreturn 0", "'text' is no number"),
    ("for i in p:\n    pass\nreturn 0", "only `for name in range(...)`"),
    ("for i in range(0, 5, a):\n    pass\nreturn 0", "the step of range must be a constant"),
    ("while a:\n    pass\nelse:\n    a = 1\nreturn 0", "else of a loop"),
    ("return a if b else ptr16(a)", "int or ptr16; both values need one type"),
    ("def inner():\n    pass\nreturn 0", "FunctionDef is not possible in hot code"),
])
def test_refused(body, message):
    functions = """
        state = 5
        def everyday(x):
            return x
        @inline
        def twice(x: int) -> int:
            return x + x
        @inline
        def again(x: int) -> int:
            return again(x - 1)
        @inline
        def looped(x: int) -> int:
            while x:
                return 5
            return 6
        @inline
        def maybe(x: int) -> int:
            if x:
                return 5
        @inline
        def nothing(x: int):
            x = 5
        @inline
        def below(x: int) -> int:
            if x:
                return 1
            return 2
        @inline
        def through(q: ptr16) -> int:
            return q[0]
        """
    with pytest.raises(SpecializeError) as caught:
        flat(body, functions)
    assert message in str(caught.value)
    assert re.match(r"firmware/main\.py:\d+: ", str(caught.value))


def test_refusal_names_the_line_of_the_original():
    with pytest.raises(SpecializeError, match=r"^firmware/lib\.py:5: viper cannot divide; use >> and &, or constants only$"):
        flat("return half(a)", "from lib import half\n", lib=HEAD + "@inline\ndef half(x: int) -> int:\n    return x / 2\n")


@pytest.mark.parametrize("word, fits", [(32, 0x3FFFFFFF), (64, 0x3FFFFFFFFFFFFFFF)])
def test_literals_that_fit(word, fits):
    assert flat("return p[0] & BIG", f"BIG = {fits}\n", word) == f"return p[0] & {fits}"
    with pytest.raises(SpecializeError, match="does not fit a literal of viper"):
        flat("return p[0] & BIG", f"BIG = {fits} + 1\n", word)


def test_parameters_need_types():
    with pytest.raises(SpecializeError, match="parameter a of run needs a type"):
        flat("return 0", signature="a")
    with pytest.raises(SpecializeError, match="run has defaults"):
        flat("return 0", signature="a: int = 1")


# ---- whole modules ---------------------------------------------------------------------------------------------------------

def modules(**sources):
    return generate(Toy(64, **sources).program)


def test_everyday_code_and_what_is_left_out():
    texts = modules(main="""
        from options import WEB, DEPTH, NAME
        import web, unused, gc
        from helper import used, not_used
        if WEB:
            web.start()
        def main(shadow=DEPTH):
            DEEP = 5
            local = [DEPTH for _ in range(3)]
            return (used(local) if not WEB else web.stop()) or NAME
        def forgotten():
            return web.start()
        main()
        """, options="WEB = False\nDEPTH = 2 + 3\nNAME = 'x'\n", web="def start():\n    pass\ndef stop():\n    pass\n",
                    unused="X = 1\n", helper="LIMIT = 3\nTABLE = {1: 2}\ndef used(x):\n    return x[LIMIT - 3]\n"
                                             "def not_used():\n    return TABLE\n")
    assert sorted(texts) == ["helper.py", "main.py", "options.py"]
    assert texts["main.py"].split("\n", 1)[1] == textwrap.dedent("""\
        from options import NAME
        from helper import used

        def main(shadow=5):
            DEEP = 5
            local = [5 for _ in range(3)]
            return used(local) or NAME
        main()
        """)
    assert texts["options.py"].endswith("\nNAME = 'x'\n") and "DEPTH" not in texts["options.py"]
    assert texts["helper.py"].split("\n", 1)[1] == "def used(x):\n    return x[3 - 3]\n"


def test_a_name_that_is_looked_up_as_text_stays():
    texts = modules(main="import sources\nprint(getattr(sources, 'level'), sources.__dict__)\n",
                    sources="def level():\n    return 1\ndef other():\n    return 2\n")
    assert "def level" in texts["sources.py"] and "other" not in texts["sources.py"]


def test_a_name_that_its_module_lacks_is_refused_where_it_is_needed():
    lib = "def there():\n    pass\n"
    with pytest.raises(SpecializeError, match=r"^firmware/main\.py:2: module lib has no gone; correct the name$"):
        modules(main="import lib\nlib.gone()\n", lib=lib)
    assert "there" in modules(main="import lib\nON = False\nif ON:\n    lib.gone()\nlib.there()\n", lib=lib)["lib.py"]


def test_variables_are_no_constants():
    texts = modules(main="COUNT = 0\ndef f():\n    global COUNT\n    COUNT = COUNT + 1\nf()\n")
    assert "COUNT = COUNT + 1" in texts["main.py"]


def test_origins_of_expanded_lines():
    lib = HEAD + "@inline\ndef put(q: ptr32, v: int):\n    if v:\n        q[0] = v\n        q[1] = v\n"
    texts = modules(main=HEAD + "import lib\n@micropython.viper\ndef run(p: ptr32, a: int):\n    lib.put(p, a)\n    p[2] = a\n"
                                "run(bytearray(12), 5)\n", lib=lib)
    assert texts == {"main.py": textwrap.dedent("""\
        # Made by image/specialize.py from firmware/main.py
        import micropython

        @micropython.viper
        def run(p: ptr32, a: int):
            # lib.py:5 put
            if a:
                p[0] = a
                p[1] = a
            # main.py:7 run
            p[2] = a
        run(bytearray(12), 5)
        """)}


def test_inline_function_that_everyday_code_calls_becomes_viper():
    lib = "from inline import inline\n@inline\ndef half(x: int) -> int:\n    return x >> 1\n"
    texts = modules(main="from lib import half\nprint(half(5))\n", lib=lib)
    assert texts["lib.py"].split("\n", 1)[1] == "import micropython\n\n@micropython.viper\ndef half(x: int) -> int:\n" \
                                                "    return x >> 1\n"


@pytest.mark.parametrize("second", ["LIMIT = 4", "def LIMIT():\n    pass"])
@pytest.mark.parametrize("how", ["from lib import *", "from lib import LIMIT", "from lib import OTHER as LIMIT"])
def test_a_name_that_is_both_imported_and_defined_is_refused(how, second):
    """Expanded into another function it would mean the one or the other."""
    with pytest.raises(SpecializeError, match=r"^firmware/main\.py:2: LIMIT is also imported, from lib; give one of them another name$"):
        modules(main=f"{how}\n{second}\n", lib="LIMIT, OTHER = 3, 5\n")


def test_hot_code_inside_of_a_class_is_refused():
    with pytest.raises(SpecializeError, match="main.py:5: f is marked as hot code inside of another scope"):
        modules(main=HEAD + "class A:\n    @inline\n    def f(x: int):\n        pass\n")


# ---- the firmware ------------------------------------------------------------------------------------------------------------

def test_firmware_specialises_and_compiles(tmp_path):
    files = specialize(config.load(ROOT / "appliance.toml"), "microvm", tmp_path)
    assert {tmp_path / "main.py", tmp_path / "barewire/stack.py", tmp_path / "barewire/driver.py"} <= set(files)
    for path in files:
        tree = ast.parse(path.read_text("utf-8"))
        assert not any("inline" in ast.unparse(mark) for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)
                       for mark in node.decorator_list)
        command = [micropython.mpy_cross(), "-march=x64", "-msmall-int-bits=63", "-o", tmp_path / "out.mpy", path]
        subprocess.run(command, check=True)


def test_absent_sections_cost_nothing(tmp_path):
    (tmp_path / "least.toml").write_text('[net]\naddress = "10.0.2.15/24"\n')
    files = specialize(config.load(tmp_path / "least.toml"), "microvm", tmp_path / "out")
    names = {path.relative_to(tmp_path / "out").as_posix() for path in files}
    assert not names & {"assets.py", "barewire/http.py", "barewire/sensor.py", "app/routes.py"}
    specialize(config.load(ROOT / "appliance.toml"), "microvm", tmp_path / "all")
    least, everything = ((tmp_path / out / "barewire/stack.py").stat().st_size for out in ("out", "all"))
    assert least < everything / 2


def test_what_an_earlier_run_left_goes(tmp_path):
    out = tmp_path / "out"
    stale, foreign = out / "barewire" / "old.py", out / "barewire" / "notes.txt"
    stale.parent.mkdir(parents=True)
    stale.write_text("x")
    foreign.write_text("x")
    settings = config.load(ROOT / "appliance.toml")
    times = {path: path.stat().st_mtime_ns for path in specialize(settings, "microvm", out)}
    assert not stale.exists() and foreign.exists()
    assert times == {path: path.stat().st_mtime_ns for path in specialize(settings, "microvm", out)}


@pytest.mark.parametrize("arguments, message", [
    (["--board", "toaster"], "there is no board toaster; known: "),
    (["--config", "no/such.toml"], "no/such.toml: cannot be read"),
    (["--out", "README.md/x"], "README.md"),
])
def test_command_line_says_one_line(arguments, message, tmp_path):
    (tmp_path / "README.md").write_text("")
    arguments = [sys.executable, ROOT / "image/specialize.py", "--config", ROOT / "appliance.toml", "--out", "out", *arguments]
    done = subprocess.run(arguments, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr and len(done.stderr.splitlines()) == 1
