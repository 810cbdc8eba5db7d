"""What of the firmware is needed at run time: from main.py along the names that are still used.

A definition is a function, an import, or an assignment that only builds a value; every other statement of a module counts as
an effect and stays as long as the module does. A definition whose name occurs as text (getattr) or behind a dot that cannot
be followed stays too.
"""
import ast

from image.program import INLINE, Program, Unit, marks, refuse

BUILDERS = {"bool", "bytearray", "bytes", "const", "dict", "enumerate", "int", "len", "list", "max", "min", "range", "set",
            "sorted", "str", "sum", "tuple", "zip"}
FIRMWARE = ("barewire", "app", "assets", "main")


class Needed:
    """The live part of a program. `prepare(unit)` is called for each module that turns out to be needed.

    `final`: nothing is left that folding would still take away, so a name that its module lacks is refused.
    """

    def __init__(self, program: Program, prepare=lambda unit: None, root: str = "main", final: bool = False):
        self.program, self.prepare, self.final = program, prepare, final
        self.modules = []
        self.names = set()          # (module, name)
        self.texts = set()          # names that occur as text or behind an unknown object
        self.work = []
        self.add_module(root)
        while self.work:
            self.follow(*self.work.pop())
            if not self.work:
                self.follow_texts()

    def add_module(self, name: str):
        unit = self.program.unit(name)
        if unit is None or name in self.modules:
            return
        self.modules.append(name)
        self.prepare(unit)
        package = self.program.unit(name.rpartition(".")[0]) if "." in name else None
        if package:
            self.add_module(package.name)
        for statement in unit.tree.body:
            if not defined(statement):
                self.work.append((unit, statement))
            elif isinstance(statement, ast.ImportFrom) and statement.module == "app":
                for name in defined(statement):     # the application's modules register what they have when imported
                    self.add_name(unit, name)

    def add_name(self, unit: Unit, name: str):
        if (unit.name, name) in self.names:
            return
        self.names.add((unit.name, name))
        if unit.name not in self.modules:
            self.add_module(unit.name)
        for statement in unit.tree.body:
            if name in defined(statement):
                if isinstance(statement, (ast.Import, ast.ImportFrom)):
                    self.add_import(unit, statement, name)
                else:
                    self.work.append((unit, statement))

    def add_import(self, unit: Unit, statement: ast.stmt, bound: str):
        module, name = unit.imports[bound]
        if name is None:
            self.check_import(statement, module)
            self.add_module(module)
            return
        whole = f"{module}.{name}"
        if self.program.unit(whole):
            self.add_module(whole)
        elif self.program.unit(module):
            self.add_name(self.program.unit(module), name)
            self.add_module(module)
        elif not self.program.is_package(whole):
            self.check_import(statement, whole)

    def check_import(self, statement: ast.stmt, module: str):
        if module.partition(".")[0] in FIRMWARE and not (self.program.unit(module) or self.program.is_package(module)):
            refuse(statement, f"there is no module {module} in the firmware; correct the import")

    def check_member(self, node: ast.Attribute, module: str):
        if self.final and not self.program.has(module, node.attr):
            name = "this board" if module == "barewire.board" else f"module {module}"
            refuse(node, f"{name} has no {node.attr}; " + ("choose one that has it, or do without" if module == "barewire.board"
                                                           else "correct the name"))

    def follow(self, unit: Unit, statement: ast.stmt):
        """Everything that this live statement mentions."""
        for node in ast.walk(statement):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                self.add_name(unit, node.id)
            elif isinstance(node, ast.Attribute):
                base = self.program.resolve(unit, node.value)
                if base and base.kind == "module":
                    if self.program.unit(f"{base.value}.{node.attr}"):
                        self.add_module(f"{base.value}.{node.attr}")
                    elif self.program.unit(base.value):
                        self.check_member(node, base.value)
                        self.add_name(self.program.unit(base.value), node.attr)
                else:
                    self.texts.add(node.attr)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.isidentifier():
                self.texts.add(node.value)
            elif isinstance(node, (ast.Import, ast.ImportFrom)):
                for alias in node.names:
                    bound = alias.asname or (alias.name if isinstance(node, ast.ImportFrom) else alias.name.partition(".")[0])
                    self.add_import(unit, node, bound)
                    if isinstance(node, ast.Import) and self.program.unit(alias.name):
                        self.add_module(alias.name)

    def follow_texts(self):
        for name in list(self.modules):
            unit = self.program.unit(name)
            for statement in unit.tree.body:
                if not isinstance(statement, (ast.Import, ast.ImportFrom)):
                    for text in self.texts & defined(statement):
                        self.add_name(unit, text)

    def keeps(self, unit: Unit, statement: ast.stmt) -> bool:
        names = defined(statement)
        return not names or any((unit.name, name) in self.names for name in names)

    def body(self, unit: Unit) -> list:
        """The module's statements without what nothing needs."""
        out = []
        for statement in unit.tree.body:
            if not self.keeps(unit, statement):
                continue
            if isinstance(statement, (ast.Import, ast.ImportFrom)):
                statement.names = [alias for alias in statement.names
                                   if (unit.name, alias.asname or alias.name.partition(".")[0]) in self.names]
            out.append(statement)
        return out


def defined(statement: ast.stmt) -> set[str]:
    """The names that a statement defines, if that is all it does; else nothing."""
    if isinstance(statement, ast.FunctionDef):
        marked = all(mark in INLINE or mark.startswith("micropython.") for mark in marks(statement))
        return {statement.name} if marked else set()
    if isinstance(statement, (ast.Import, ast.ImportFrom)):
        return {alias.asname or alias.name.partition(".")[0] for alias in statement.names}
    if isinstance(statement, ast.Assign) and builds(statement.value):
        names = {target.id for target in statement.targets if isinstance(target, ast.Name)}
        return names if len(names) == len(statement.targets) else set()
    if names_constants(statement):
        return {"(constants named by a loop)"}
    return set()


def builds(value: ast.expr) -> bool:
    """Nothing but the value comes of evaluating this."""
    return all(not isinstance(node, (ast.Await, ast.Yield, ast.YieldFrom, ast.NamedExpr))
               and (not isinstance(node, ast.Call) or isinstance(node.func, ast.Name) and node.func.id in BUILDERS)
               for node in ast.walk(value))


def names_constants(statement: ast.stmt) -> bool:
    """A loop that does nothing but globals()[NAME] = value: those constants are literals by now."""
    return (isinstance(statement, ast.For) and len(statement.body) == 1 and not statement.orelse
            and isinstance(statement.body[0], ast.Assign) and builds(statement.body[0].value)
            and all(ast.unparse(target).startswith("globals()[") for target in statement.body[0].targets))
