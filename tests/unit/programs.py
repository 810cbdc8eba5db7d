"""Hot programs for the tests of the specialiser: modules from text, and random ones that set every trap it knows of.

A program is a dictionary of module sources. Its function `main.run(p: ptr32, a: int, b: int) -> int` is hot. CPython runs it
as it is written and as it was specialised, with the arithmetic of the target's words; both must do the same.
"""
import ast
import importlib
import random
import re
import textwrap
from types import ModuleType

from hypothesis import strategies as st

from hostsim.viper import rewrite
from image.inline import flatten
from image.program import Program

HEAD = "import micropython\nfrom inline import inline\n"
NAMES = ("x", "y", "z")
WORDS_OF_MEMORY = 8


class Words(list):
    """Memory behind a ptr32: a store truncates, a load is zero-extended on 64 bits and signed on 32."""

    def __init__(self, values, word):
        super().__init__(values)
        self.word = word

    def __getitem__(self, index):
        assert index >= 0
        value = super().__getitem__(index)
        return value - (1 << 32) if self.word == 32 and value >> 31 else value

    def __setitem__(self, index, value):
        assert index >= 0
        super().__setitem__(index, value & 0xFFFFFFFF)


class Toy:
    """A program of a few modules, loaded under CPython and ready to be specialised."""

    def __init__(self, word=64, **sources):
        self.sources = {"inline": "def inline(function):\n    return function\n"}
        self.sources.update((name, textwrap.dedent(text)) for name, text in sources.items())
        self.word, self.modules = word, {"micropython": ModuleType("micropython")}
        self.modules["micropython"].viper = self.modules["micropython"].const = lambda thing: thing
        self.program = Program(self.find, lambda name: vars(self.load(name)), word)

    def find(self, name):
        return (name + ".py", self.sources[name]) if name in self.sources else None

    def load(self, name):
        if name not in self.modules and name not in self.sources:
            return importlib.import_module(name)
        if name not in self.modules:
            self.modules[name] = self.execute(name, self.sources[name])
        return self.modules[name]

    def execute(self, name, text):
        module = ModuleType(name)
        module.__builtins__ = dict(vars(__import__("builtins")), __import__=lambda n, *_: self.load(n), ptr32=lambda p: p)
        exec(compile(rewrite(ast.parse(text), self.word), name, "exec", dont_inherit=True), vars(module))
        return module

    def flat(self, function="run", module="main") -> str:
        """The source of the specialised function."""
        unit = self.program.unit(module)
        return ast.unparse(ast.fix_missing_locations(flatten(self.program, unit, unit.functions[function])))

    def outcome(self, run, a, b, memory):
        p = Words(memory, self.word)
        return run(p, a, b), list(p)

    def original(self, *arguments):
        return self.outcome(self.load("main").run, *arguments)

    def specialised(self, *arguments):
        return self.outcome(self.execute("flat", "import micropython\n" + self.flat()).run, *arguments)


# ---- random programs ---------------------------------------------------------------------------------------------------

def program(functions: int, seed: int) -> str:
    """The source of main.py: so many inline functions that call the ones before them, and run()."""
    writer = Writer(random.Random(seed))
    writer.lines = [HEAD, "import limits", "from limits import SMALL", "LOCAL = 3", "ON = True"]
    for number in range(functions):
        writer.function(f"f{number}", writer.pick("value", "value", "statement", "expression"))
    writer.function("run", "value", hot="micropython.viper")
    return "\n".join(writer.lines) + "\n"


def programs():
    return st.builds(program, st.integers(1, 4), st.integers(0, 1 << 32))


LIMITS = "SMALL = 5\nOFF = False\nBIG = 0x3FFF\n"


class Writer:
    """Writes functions line by line."""

    def __init__(self, random):
        self.random, self.lines, self.known = random, [], []
        self.loops = 0

    def pick(self, *choices):
        return self.random.choice(choices)

    def function(self, name, kind, hot="inline"):
        self.kind, self.hot = kind, hot
        parameters = ["a", "b"] if hot != "inline" else list("ab"[:self.pick(1, 2)]) + (["x"] if self.pick(0, 1) else [])
        result = "" if kind == "statement" else " -> int"
        heading = ", ".join(["p: ptr32"] + [f"{n}: int" for n in parameters])
        self.lines += [f"@{hot}", f"def {name}({heading}){result}:"]
        self.scope = list(parameters)
        if kind == "expression":
            self.lines.append(f"    return {self.value(2, calls=False)}")
        else:
            self.body(parameters, kind)
        if hot == "inline":
            self.known.append((name, kind, len(parameters)))

    def body(self, parameters, kind):
        for name in NAMES:
            if name not in self.scope:
                self.line(1, f"{name} = {self.value(1)}")
                self.scope.append(name)
        for _ in range(self.pick(1, 2, 3, 4)):
            self.statement(1)
        if kind == "value":
            self.line(1, f"return {self.value(2)}")

    def line(self, depth, text):
        self.lines.append("    " * depth + text)

    def statement(self, depth):
        kinds = ["assign", "assign", "store", "augment", "call"]
        kinds += ["if", "if", "loop", "while"] if depth < 3 else []
        kinds += ["return"] if depth > 1 and not (self.loops and self.hot == "inline") else []
        getattr(self, "write_" + self.pick(*kinds))(depth)

    def target(self):
        return self.pick(*[n for n in self.scope if n != "i"])

    def write_assign(self, depth):
        self.line(depth, f"{self.target()} = {self.value(2)}")

    def write_augment(self, depth):
        target = self.pick(self.target(), f"p[{self.pick(0, 1, 'SMALL')}]")
        self.line(depth, f"{target} {self.pick('+', '-', '^')}= {self.value(1)}")

    def write_store(self, depth):
        self.line(depth, f"p[{self.index()}] = {self.value(2)}")

    def write_call(self, depth):
        call = self.call(2)
        self.line(depth, call or "pass")

    def write_return(self, depth):
        self.line(depth, "return" if self.kind == "statement" else f"return {self.value(2)}")

    def write_if(self, depth):
        self.line(depth, f"if {self.test(2)}:")
        self.statement(depth + 1)
        if self.pick(0, 1):
            self.statement(depth + 1)
        if self.pick(0, 1):
            self.line(depth, f"elif {self.test(1)}:")
            self.statement(depth + 1)
        if self.pick(0, 1):
            self.line(depth, "else:")
            self.statement(depth + 1)

    def write_loop(self, depth):
        self.line(depth, f"for i in range({self.pick('2', 'SMALL', 'LOCAL - 1')}):")
        fresh = "i" not in self.scope
        self.scope += ["i"] if fresh else []
        self.inside(depth)
        if fresh:
            self.scope.remove("i")

    def write_while(self, depth):
        if self.loops:
            return self.write_assign(depth)
        self.line(depth, "w = 3")
        self.line(depth, f"while w > 0 and ({self.test(1, calls=False)}):")
        self.line(depth + 1, "w = w - 1")
        self.inside(depth)

    def inside(self, depth):
        self.loops += 1
        self.statement(depth + 1)
        if self.pick(0, 0, 1):
            self.line(depth + 1, f"if {self.test(1)}:")
            self.line(depth + 2, self.pick("break", "continue"))
        self.loops -= 1

    def index(self):
        return self.pick("0", "1", "2", "SMALL", "1 + 2", "LOCAL", f"{self.pick(*self.scope)} & 7")

    def call(self, depth):
        """A call of a function that was written before, "" if there is none."""
        if not self.known or depth == 0:
            return ""
        name, _, count = self.pick(*self.known)
        return f"{name}({', '.join(['p'] + [self.value(depth - 1) for _ in range(count)])})"

    def value(self, depth, calls=True):
        """An expression of type int. Calls stand only where the contract allows them."""
        if calls and depth and self.pick(0, 1):
            values = [known for known in self.known if known[1] != "statement"]
            if values:
                name, _, count = self.pick(*values)
                return f"{name}({', '.join(['p'] + [self.value(depth - 1) for _ in range(count)])})"
        leaf = self.pick(*self.scope, "1", "7", "-3", "SMALL", "LOCAL", "limits.BIG", f"p[{self.index()}]")
        if depth == 0:
            return leaf
        shape = self.pick("leaf", "(l + r)", "(l - r)", "(l * r)", "(l & r)", "(l | r)", "(l ^ r)", "(l >> 3)", "(l << 5)",
                          "(l << 0)", "(~l)", "(-l)", "(l + 3 - 2)", "int(l < r)", "(s if t else s)", "(s and s)", "(s or s)")
        parts = {"l": lambda: self.value(depth - 1, calls), "r": lambda: self.value(depth - 1, calls),
                 "s": lambda: self.value(0, False), "t": lambda: self.test(0, False), "leaf": lambda: leaf}
        return re.sub(r"\b(leaf|[lrst])\b", lambda found: parts[found[0]](), shape)

    def test(self, depth, calls=True):
        """A condition; what stands behind `and` and `or` has no calls."""
        if depth == 0:
            return self.pick(*self.scope, "ON", "limits.OFF", "LOCAL == SMALL")
        shape = self.pick("c", "c", "not (c)", "c and t", "c or t", "t and c", "v", "t", "not (t or not t)", "ON and c")
        first = [calls]         # the first call allowed in the condition is the one in its first part

        def part(found):
            allowed, first[0] = first[0], False
            if found[0] == "c":
                return f"{self.value(1, allowed)} {self.pick('<', '==', '!=', '>=')} {self.value(0, False)}"
            return self.value(1, allowed) if found[0] == "v" else self.test(depth - 1, False)

        return re.sub(r"\b[ctv]\b", part, shape)
