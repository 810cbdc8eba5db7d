"""The firmware as a program: its modules, what a name in one of them means, and the values that importing it gave.

Names are resolved through the import statements, values of constants are read from the live modules that CPython loaded.
"""
import ast
import re
from dataclasses import dataclass

CONSTANT = re.compile("_*[A-Z][A-Z0-9_]*$")
INLINE = ("inline", "inline.inline")
VIPER = "micropython.viper"


class SpecializeError(Exception):
    """One line: file, line, what cannot be specialised, what to do."""


def refuse(node: ast.AST, what: str):
    raise SpecializeError(f"firmware/{node.src}:{node.lineno}: {what}")


def place(new: ast.AST, like: ast.AST) -> ast.AST:
    """`new` with the place in the sources that `like` has; parts that have a place keep theirs."""
    for node in ast.walk(new):
        if not hasattr(node, "src"):
            node.src, node.fn = like.src, like.fn
            node.lineno = node.end_lineno = like.lineno
            node.col_offset = node.end_col_offset = 0
    return new


def marks(function: ast.FunctionDef) -> list[str]:
    return [ast.unparse(mark) for mark in function.decorator_list]


def is_inline(function: ast.FunctionDef) -> bool:
    return any(mark in INLINE for mark in marks(function))


def is_hot(node: ast.AST) -> bool:
    return isinstance(node, ast.FunctionDef) and (is_inline(node) or VIPER in marks(node))


def stored(node: ast.AST) -> set[str]:
    """Names that are assigned anywhere in here."""
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load)}


@dataclass(frozen=True)
class Found:
    """What a name means: kind is module (value: its full name), inline, function (value: FunctionDef) or constant."""
    kind: str
    value: object
    unit: "Unit" = None


class Unit:
    """One module's source. Every node knows its file (src) and function (fn); path is relative to firmware/.
    `public(module)` gives the names that `import *` takes from a module."""

    def __init__(self, name: str, path: str, text: str, public):
        self.name, self.path, self.public = name, path, public
        try:
            self.tree = ast.parse(text, path)
        except SyntaxError as error:
            raise SpecializeError(f"firmware/{path}:{error.lineno}: {error.msg}; correct that line") from None
        self.package = name if path.endswith("__init__.py") else name.rpartition(".")[0]
        self.survey()

    def survey(self):
        """Note what the module imports and defines, and tell every node where it stands."""
        self.imports = {}           # bound name -> (module, name in it or None)
        self.functions = {}
        self.rebound = set()        # names that a function assigns: no constants
        self.tree.src, self.tree.fn = self.path, ""
        self._survey(self.tree, "")

    def _survey(self, parent: ast.AST, function: str):
        for node in ast.iter_child_nodes(parent):
            node.src, node.fn = self.path, function
            inner = function
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
                inner = getattr(node, "name", function)
                if not function and isinstance(node, ast.FunctionDef) and not isinstance(parent, ast.ClassDef):
                    self.functions[inner] = node
                elif is_hot(node):
                    refuse(node, f"{inner} is marked as hot code inside of another scope; move it to the module's level")
            elif isinstance(node, ast.Import):
                for alias in node.names:
                    bound = alias.asname or alias.name.partition(".")[0]
                    self.imports[bound] = (alias.name if alias.asname else bound, None)
            elif isinstance(node, ast.ImportFrom):
                if node.names[0].name == "*":
                    node.names = [ast.alias(name) for name in self.public(self.origin(node))]
                for alias in node.names:
                    self.imports[alias.asname or alias.name] = (self.origin(node), alias.name)
            elif isinstance(node, ast.Global):
                self.rebound.update(node.names)
            if not function and not isinstance(parent, ast.ClassDef):
                self._refuse_second(node)
            self._survey(node, inner)

    def _refuse_second(self, node: ast.AST):
        """A name of the module that is imported as well would mean the one or the other, by the order of lines."""
        names = {node.name} if isinstance(node, (ast.FunctionDef, ast.ClassDef)) else stored(node) if isinstance(node, ast.Assign) else ()
        for name in names:
            if name in self.imports:
                refuse(node, f"{name} is also imported, from {self.imports[name][0]}; give one of them another name")

    def origin(self, node: ast.ImportFrom) -> str:
        """The full name of the module that an import statement names."""
        package = self.package
        for _ in range(node.level - 1):
            package = package.rpartition(".")[0]
        return ".".join(part for part in (package if node.level else "", node.module) if part)


def plain(value) -> bool:
    """Whether this is a value that can be written as a literal."""
    if isinstance(value, tuple):
        return all(map(plain, value))
    return isinstance(value, (int, str, bytes, type(None)))


class Program:
    """All modules. `find(name)` gives (path, text) of a firmware module or None, `live(name)` its namespace or None."""

    def __init__(self, find, live, word: int):
        self._find, self._live, self.word = find, live, word
        self.units = {}
        self.origins = {}       # path of a module -> function -> where its statements come from (specialize.Origins)

    def unit(self, name: str) -> Unit | None:
        if name not in self.units:
            found = self._find(name)
            self.units[name] = Unit(name, *found, self.public) if found else None
        return self.units[name]

    def public(self, module: str) -> list[str]:
        return sorted(name for name in self._live(module) or () if not name.startswith("_"))

    def has(self, module: str, name: str) -> bool:
        """Whether that module of the firmware defines the name, as far as CPython can tell."""
        unit, live = self.unit(module), self._live(module)
        return live is None or name in live or name in unit.imports or name in unit.functions or name.startswith("__")

    def is_package(self, name: str) -> bool:
        return name in ("barewire", "app")

    def constant(self, unit: Unit, name: str) -> Found | None:
        """The value of an upper-case name of that module, if it is a plain value."""
        if not CONSTANT.match(name) or name in unit.rebound:
            return None
        namespace = self._live(unit.name) or {}
        value = namespace.get(name, ...)
        return Found("constant", value, unit) if plain(value) else None

    def look(self, unit: Unit, name: str, seen: tuple = ()) -> Found | None:
        """What a bare name means at the level of this module."""
        if (unit.name, name) in seen:
            return None
        if name in unit.imports:
            return self.member(*unit.imports[name], seen + ((unit.name, name),))
        if name in unit.functions:
            function = unit.functions[name]
            return Found("inline" if is_inline(function) else "function", function, unit)
        return self.constant(unit, name)

    def member(self, module: str, name: str | None, seen: tuple = ()) -> Found | None:
        if name is None:
            return Found("module", module)
        if self.unit(f"{module}.{name}") or self.is_package(f"{module}.{name}"):
            return Found("module", f"{module}.{name}")
        unit = self.unit(module)
        return self.look(unit, name, seen) if unit else None

    def resolve(self, unit: Unit, node: ast.expr) -> Found | None:
        """What a name or a chain of attributes means."""
        if isinstance(node, ast.Name):
            return self.look(unit, node.id)
        if isinstance(node, ast.Attribute):
            base = self.resolve(unit, node.value)
            if base and base.kind == "module":
                return self.member(base.value, node.attr)
        return None
