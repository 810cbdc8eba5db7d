"""Everyday Python of the firmware: constants become literals, branches that the constants decide are dropped.

Nothing else is changed. Hot functions inside of the module are left for image/inline.py.
"""
import ast

from image.program import Program, Unit, is_hot, place, stored

DECIDED = (ast.Constant, ast.Compare, ast.BoolOp, ast.UnaryOp, ast.BinOp, ast.IfExp, ast.operator, ast.cmpop, ast.boolop,
           ast.unaryop)


class Everyday(ast.NodeTransformer):
    def __init__(self, program: Program, unit: Unit):
        self.program, self.unit = program, unit
        self.locals = set()

    # ---- scopes: a name that a function assigns is not the module's constant ----------------------------------------

    def visit_FunctionDef(self, node):
        if is_hot(node):
            return node
        outer = self.locals
        self.locals = outer | stored(node) | {a.arg for a in ast.walk(node.args) if isinstance(a, ast.arg)}
        node = self.generic_visit(node)
        self.locals = outer
        return node

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_Lambda(self, node):
        outer = self.locals
        self.locals = outer | {a.arg for a in ast.walk(node.args) if isinstance(a, ast.arg)}
        node = self.generic_visit(node)
        self.locals = outer
        return node

    # ---- constants ---------------------------------------------------------------------------------------------------

    def known(self, node: ast.expr):
        """The value of a name or attribute that is a constant of a module, else None."""
        root = node
        while isinstance(root, ast.Attribute):
            root = root.value
        if not isinstance(root, ast.Name) or root.id in self.locals or not isinstance(node.ctx, ast.Load):
            return None
        found = self.program.resolve(self.unit, node)
        return found if found and found.kind == "constant" else None

    def visit_Name(self, node):
        found = self.known(node)
        if found and isinstance(found.value, (int, bytes)):
            return place(ast.Constant(found.value), node)
        return node

    def visit_Attribute(self, node):
        new = self.visit_Name(node)
        return new if new is not node else self.generic_visit(node)

    def visit_Assign(self, node):
        """NAME = anything that CPython computed to a number -> NAME = that number. So with calls that gave bytes, a text, a tuple."""
        if len(node.targets) == 1 and isinstance(node.value, ast.Call):
            value = self.assigned(node.targets[0])
            if isinstance(value, (bytes, str, tuple)):
                return place(ast.Assign(node.targets, ast.parse(repr(value), mode="eval").body), node)
        node = self.generic_visit(node)
        if len(node.targets) != 1:
            return node
        target = node.targets[0]
        names = target.elts if isinstance(target, ast.Tuple) else [target]
        values = [self.assigned(name) for name in names]
        if not names or not all(isinstance(value, int) for value in values):
            return node
        return [place(ast.Assign([name], ast.Constant(value)), node) for name, value in zip(names, values)]

    def assigned(self, name: ast.expr):
        if not isinstance(name, ast.Name) or name.id in self.locals or self.count(name.id) != 1:
            return None
        found = self.program.constant(self.unit, name.id)
        return found.value if found else None

    def count(self, name: str) -> int:
        return sum(isinstance(n, ast.Name) and n.id == name and isinstance(n.ctx, ast.Store) for n in ast.walk(self.unit.tree))

    # ---- branches ----------------------------------------------------------------------------------------------------

    def decided(self, test: ast.expr) -> bool | None:
        """The truth of a test that consists of constants only, text included."""
        outer = self

        class Values(ast.NodeTransformer):
            def visit_Name(self, node):
                found = outer.known(node)
                return ast.copy_location(ast.Constant(found.value), node) if found else node

            def visit_Attribute(self, node):
                return self.visit_Name(node)

        copied = Values().visit(ast.parse(ast.unparse(test), mode="eval").body)
        if not all(isinstance(node, DECIDED) for node in ast.walk(copied)):
            return None
        try:
            return bool(eval(compile(ast.fix_missing_locations(ast.Expression(copied)), "", "eval")))
        except (TypeError, ValueError, ArithmeticError):
            return None

    def visit_If(self, node):
        truth = self.decided(node.test)
        if truth is None:
            node = self.filled(self.generic_visit(node))
            return node
        return [new for statement in (node.body if truth else node.orelse) for new in self.listed(statement)]

    def visit_While(self, node):
        if self.decided(node.test) is False:
            return [new for statement in node.orelse for new in self.listed(statement)]
        return self.filled(self.generic_visit(node))

    def visit_IfExp(self, node):
        truth = self.decided(node.test)
        return self.generic_visit(node) if truth is None else self.visit(node.body if truth else node.orelse)

    def visit_BoolOp(self, node):
        """Operands that decide nothing go; what stands behind one that decides goes too."""
        kept = []
        for value in node.values:
            truth = self.decided(value)
            if truth is None or value is node.values[-1]:
                kept.append(value)
            elif truth is isinstance(node.op, ast.Or):
                kept.append(value)
                break
        if len(kept) == 1:
            return self.visit(kept[0])
        node.values = kept
        return self.generic_visit(node)

    def listed(self, statement: ast.stmt) -> list:
        new = self.visit(statement)
        return new if isinstance(new, list) else [] if new is None else [new]

    def generic_visit(self, node):
        return self.filled(super().generic_visit(node))

    @staticmethod
    def filled(node):
        """A block that lost all of its statements."""
        if isinstance(node, (ast.stmt, ast.ExceptHandler)) and getattr(node, "body", None) == []:
            node.body = [place(ast.Pass(), node)]
        return node


def fold_everyday(program: Program, unit: Unit):
    """Fold the everyday code of a module, in place."""
    Everyday(program, unit).visit(unit.tree)
    unit.survey()
