"""ptr8, ptr16, ptr32 and the viper decorator as MicroPython 1.25 means them, for CPython.

A store truncates.  A ptr32 load is zero-extended where the word has 64 bits and signed where it has 32.  Alignment and
bounds are checked at each access; pointers past the end may be made (loops do) but not used.  `rewrite` is the checked
mode: the arithmetic of hot functions wraps at the word size, as the machine's does.
"""
import ast
import sys

from hostsim.memory import Fault

CACHE = 1 << 14             # pointers remembered by address; the frames of a ring come by again and again


def _caller():
    """Name of the firmware function that made the access."""
    frame = sys._getframe(2)
    while frame.f_code.co_filename == __file__:
        frame = frame.f_back
    return "%s.%s, line %d" % (frame.f_globals.get("__name__", "?"), frame.f_code.co_name, frame.f_lineno)


class Pointer:
    """Base of all: `v` and `w` views for loading and storing, `o` the index of [0] in them, `r` the region."""
    __slots__ = ("v", "w", "o", "r")
    WIDTH = 1
    MASK = 0xFF

    def __int__(self):
        return self.r.address() + self.o * self.WIDTH

    def __bool__(self):
        raise TypeError("viper has no truth value of a pointer; compare int(p)")

    def __repr__(self):
        return "ptr%d(0x%x)" % (8 * self.WIDTH, int(self))

    def _fault(self, verb, i):
        region = self.r
        raise Fault("%s of %d bytes at 0x%x in %s: outside of %s at 0x%x of %d bytes" % (
            verb, self.WIDTH, int(self) + i * self.WIDTH, _caller(), region.name, region.address(), region.size))

    def _refused(self, i, x, error):
        if isinstance(x, int) and self.w.readonly:
            error = "this is flash"
        raise Fault("store of %d bytes at 0x%x in %s: %s" % (
            self.WIDTH, int(self) + i * self.WIDTH, _caller(), error)) from None


class Pointer8(Pointer):
    __slots__ = ()

    def __getitem__(self, i):
        j = self.o + i
        if j < 0:
            self._fault("load", i)
        try:
            return self.v[j]
        except IndexError:
            self._fault("load", i)

    def __setitem__(self, i, x):
        j = self.o + i
        if j < 0:
            self._fault("store", i)
        try:
            self.w[j] = x & 0xFF
        except IndexError:
            self._fault("store", i)
        except TypeError as error:
            self._refused(i, x, error)


class Pointer16(Pointer):
    __slots__ = ()
    WIDTH = 2
    MASK = 0xFFFF
    __getitem__ = Pointer8.__getitem__

    def __setitem__(self, i, x):
        j = self.o + i
        if j < 0:
            self._fault("store", i)
        try:
            self.w[j] = x & 0xFFFF
        except IndexError:
            self._fault("store", i)
        except TypeError as error:
            self._refused(i, x, error)


class Pointer32(Pointer):
    __slots__ = ()
    WIDTH = 4
    MASK = 0xFFFFFFFF
    __getitem__ = Pointer8.__getitem__

    def __setitem__(self, i, x):
        j = self.o + i
        if j < 0:
            self._fault("store", i)
        try:
            self.w[j] = x & 0xFFFFFFFF
        except IndexError:
            self._fault("store", i)
        except TypeError as error:
            self._refused(i, x, error)


class Wild:
    """A pointer to nowhere, or misaligned: it may be made and compared by address, an access raises."""
    __slots__ = ("address", "kind", "why")

    def __init__(self, address, kind, why):
        self.address, self.kind, self.why = address, kind, why

    def __int__(self):
        return self.address

    def _fault(self, verb, i):
        width = self.kind.WIDTH
        raise Fault("%s of %d bytes at 0x%x in %s: %s"
                    % (verb, width, self.address + i * width, _caller(), self.why))

    def __getitem__(self, i):
        self._fault("load", i)

    def __setitem__(self, i, x):
        self._fault("store", i)


class Register:
    """A pointer into a device's registers."""
    __slots__ = ("r", "offset", "kind", "signed")

    def __init__(self, region, offset, kind, signed):
        self.r, self.offset, self.kind, self.signed = region, offset, kind, signed

    def __int__(self):
        return self.r.base + self.offset

    def _at(self, verb, i):
        offset = self.offset + i * self.kind.WIDTH
        if offset < 0 or offset >= self.r.size:
            raise Fault("%s at 0x%x in %s: outside of the registers of %s"
                        % (verb, self.r.base + offset, _caller(), self.r.name))
        return offset

    def __getitem__(self, i):
        value = self.r.read(self._at("load", i), self.kind.WIDTH) & self.kind.MASK
        return (value ^ 0x80000000) - 0x80000000 if self.signed else value

    def __setitem__(self, i, x):
        self.r.write(self._at("store", i), self.kind.WIDTH, x & self.kind.MASK)


def pointer_type(memory, kind):
    """The function that viper code knows as ptr8, ptr16 or ptr32: int, buffer or pointer -> pointer."""
    width = kind.WIDTH
    cache = {}
    memory.forgotten.append(cache.clear)

    def ptr(x):
        try:
            return cache[x]
        except (KeyError, TypeError, ValueError):
            return make(x)

    def make(x):
        if x.__class__ is kind:
            return x
        if isinstance(x, int):
            pointer = by_address(x & 0xFFFFFFFF if memory.word == 32 else x)
            if len(cache) >= CACHE:
                cache.clear()
            cache[x] = pointer
            return pointer
        if isinstance(x, Pointer):
            return within(x.r, x.o * x.WIDTH)
        if isinstance(x, str):
            x = x.encode("ascii")       # in MicroPython a text is a buffer
        if isinstance(x, (Register, Wild)):
            return ptr(int(x))
        try:
            return within(*memory.region(x))
        except TypeError:
            raise TypeError("ptr%d(%r) in %s: an int, a pointer or a buffer is wanted"
                            % (8 * width, type(x).__name__, _caller())) from None

    def by_address(address):
        region = memory.find(address)
        if region is None:
            return Wild(address, kind, "nothing is mapped there")
        return within(region, address - region.base)

    def within(region, offset):
        if offset & (width - 1):
            return Wild(region.address() + offset, kind, "not aligned to %d" % width)
        if region.mmio:
            return Register(region, offset, kind, memory.word == 32 and width == 4)
        pointer = kind()
        pointer.r = region
        pointer.o = offset // width
        if width == 1:
            pointer.v = pointer.w = region.v8
        elif width == 2:
            pointer.v = pointer.w = region.v16
        else:
            pointer.v, pointer.w = region.v32, region.w32
        return pointer

    ptr.__name__ = ptr.__qualname__ = "ptr%d" % (8 * width)
    return ptr


def pointer_types(memory):
    """{"ptr8": .., "ptr16": .., "ptr32": ..} for one device."""
    return {"ptr%d" % (8 * kind.WIDTH): pointer_type(memory, kind) for kind in (Pointer8, Pointer16, Pointer32)}


_WRAPPERS = {}


def viper(function):
    """micropython.viper: parameters annotated with a pointer type are converted, the rest stays."""
    code = function.__code__
    names = code.co_varnames[:code.co_argcount]
    hints = function.__annotations__
    pointers = tuple(n for n in names if callable(hints.get(n)) and hints[n].__name__.startswith("ptr"))
    if not pointers:
        return function
    key = (names, pointers)
    if key not in _WRAPPERS:
        arguments = ", ".join("_c%d(%s)" % (names.index(n), n) if n in pointers else n for n in names)
        source = "lambda _f, %s: lambda %s: _f(%s)" % (
            ", ".join("_c%d" % names.index(n) for n in pointers), ", ".join(names), arguments)
        _WRAPPERS[key] = eval(compile(source, __file__, "eval"))
    wrapper = _WRAPPERS[key](function, *[hints[n] for n in pointers])
    wrapper.__name__ = wrapper.__qualname__ = function.__name__
    wrapper.__doc__ = function.__doc__
    wrapper.__wrapped__ = function
    return wrapper


# ---- checked mode ------------------------------------------------------------------------------------------------
class _Wrap(ast.NodeTransformer):
    """Wrap the results of + - * << ~ and unary - to a signed word, inside of hot functions only."""
    def __init__(self, word):
        self.half = 1 << (word - 1)
        self.word = word

    def wrap(self, node):
        add = ast.BinOp(node, ast.Add(), ast.Constant(self.half))
        mask = ast.BinOp(add, ast.BitAnd(), ast.Constant(2 * self.half - 1))
        return ast.copy_location(ast.BinOp(mask, ast.Sub(), ast.Constant(self.half)), node)

    def visit_BinOp(self, node):
        self.generic_visit(node)
        return self.wrap(node) if isinstance(node.op, (ast.Add, ast.Sub, ast.Mult, ast.LShift)) else node

    def visit_UnaryOp(self, node):
        self.generic_visit(node)
        if isinstance(node.op, ast.USub) and isinstance(node.operand, ast.Constant):
            return node
        return self.wrap(node) if isinstance(node.op, (ast.USub, ast.Invert)) else node

    def visit_AugAssign(self, node):
        self.generic_visit(node)
        load = ast.fix_missing_locations(ast.copy_location(_as_load(node.target), node))
        value = ast.copy_location(ast.BinOp(load, node.op, node.value), node)
        if isinstance(node.op, (ast.Add, ast.Sub, ast.Mult, ast.LShift)):
            value = self.wrap(value)
        return ast.copy_location(ast.Assign([node.target], value), node)

    def visit_If(self, node):
        if self.word == 32 and _asks_for_64(node.test):
            return [self.visit(part) for part in node.orelse] or ast.copy_location(ast.Pass(), node)
        return self.generic_visit(node)

    def visit_IfExp(self, node):
        if self.word == 32 and _asks_for_64(node.test):
            return self.visit(node.orelse)
        return self.generic_visit(node)

    def visit_Constant(self, node):
        if self.word == 32 and isinstance(node.value, int) and abs(node.value) >= 1 << 30:
            raise SyntaxError("line %d: the literal %#x is an object on a 32-bit target" % (node.lineno, node.value))
        return node


def _as_load(target):
    copy = ast.parse(ast.unparse(target), mode="eval").body
    return copy


def _asks_for_64(test):
    return (isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.ops[0], ast.Eq)
            and getattr(test.left, "id", getattr(test.left, "attr", "")) == "WORD"
            and isinstance(test.comparators[0], ast.Constant) and test.comparators[0].value == 64)


def is_hot(function):
    """Whether an ast.FunctionDef is decorated with @inline or @micropython.viper."""
    for decorator in function.decorator_list:
        name = getattr(decorator, "id", getattr(decorator, "attr", ""))
        if name in ("inline", "viper"):
            return True
    return False


def rewrite(tree, word):
    """The module with every hot function's arithmetic wrapped to `word` bits."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and is_hot(node):
            wrapper = _Wrap(word)
            body = []
            for statement in node.body:
                done = wrapper.visit(statement)
                body.extend(done if isinstance(done, list) else [done])
            node.body = body
    return ast.fix_missing_locations(tree)
