"""Expressions of hot code: folded, typed as viper types them, their order of evaluation kept.

`ahead` is the list of statements that run before the expression; None where nothing can run before it (a loop's condition,
what stands behind `and`, `or`, `if`).
"""
import ast
import copy

from image import fold
from image.program import Unit, place, refuse, stored

POINTERS = ("ptr8", "ptr16", "ptr32")
TYPES = POINTERS + ("int",)


class Frame:
    """One function while it is expanded: what its locals are called in the result."""

    def __init__(self, unit: Unit, function: ast.FunctionDef, outer: "Frame" = None):
        self.unit, self.function, self.outer = unit, function, outer
        arguments = function.args
        if arguments.vararg or arguments.kwarg or arguments.kwonlyargs or arguments.posonlyargs or arguments.defaults:
            refuse(function, f"{function.name} has defaults, keyword or starred parameters; hot code takes plain parameters")
        self.assigned = {name for statement in function.body for name in stored(statement)}
        self.parameters = [argument.arg for argument in arguments.args]
        self.locals = self.assigned | set(self.parameters)
        self.names = {}             # local -> the expression that stands for it
        self.reserved = []          # names of the result that live as long as this expansion
        self.loops = self.branches = 0      # how many are around the current statement

    def kind(self, argument: ast.arg) -> str:
        """The type that a parameter is annotated with."""
        kind = ast.unparse(argument.annotation) if argument.annotation else None
        if kind not in TYPES:
            refuse(argument, f"parameter {argument.arg} of {self.function.name} needs a type: {', '.join(TYPES)}")
        return kind

    def result(self) -> str:
        kind = ast.unparse(self.function.returns) if self.function.returns else "int"
        return kind if kind in TYPES else refuse(self.function, f"{self.function.name} returns {kind}; hot code returns int")


class Expressions:
    """The half of the expander that deals with expressions; image/inline.py has statements, names and calls."""

    def type_of(self, node: ast.expr) -> str:
        if isinstance(node, ast.Name):
            return self.types[node.id]
        if isinstance(node, ast.Call):
            return node.func.id
        if isinstance(node, ast.Compare) or isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            return "bool"
        if isinstance(node, ast.BoolOp):
            return self.type_of(node.values[0])
        return self.type_of(node.body) if isinstance(node, ast.IfExp) else "int"

    def expr(self, frame: Frame, node: ast.expr, ahead: list | None) -> ast.expr:
        method = getattr(self, "ex_" + type(node).__name__, None)
        if method is None:
            refuse(node, f"{kind_of(node)} is not possible in hot code; move it to everyday Python")
        return method(frame, node, ahead)

    def value(self, frame: Frame, node: ast.expr, ahead: list | None) -> ast.expr:
        """An expression whose value is an int or a pointer, not viper's bool."""
        return self.as_int(self.expr(frame, node, ahead))

    def as_int(self, node: ast.expr) -> ast.expr:
        """viper's bool as an int: free for a comparison, a choice for `and`, `or` and `not`."""
        if self.type_of(node) != "bool":
            return node
        if isinstance(node, ast.Compare):
            return place(ast.Call(ast.Name("int", ast.Load()), [node], []), node)
        return place(ast.IfExp(node, fold.constant(1, node), fold.constant(0, node)), node)

    def ordered(self, frame: Frame, nodes: list, ahead: list | None) -> list:
        """Several values in their order: where one needs code ahead, the ones before it are kept in locals."""
        done = []
        for node in nodes:
            before = None if ahead is None else []
            value = self.value(frame, node, before)
            if before:
                if fold.touches(before):
                    done = [self.keep(part, before, ahead) for part in done]
                ahead += before
            done.append(value)
        return done

    def keep(self, value: ast.expr, during: list, ahead: list) -> ast.expr:
        """A value that reads memory, held in a local while the statements `during` run."""
        if fold.pure(value):
            return value
        busy = {name for statement in during for name in stored(statement)} - self.live
        self.live |= busy           # they used these names and gave them back
        name = self.allocate(self.current, "kept", self.type_of(value))
        self.live -= busy
        ahead.append(self.assign(name, value, value))
        return place(ast.Name(name, ast.Load()), value)

    def no_pointer(self, *values: ast.expr):
        for value in values:
            if self.type_of(value) in POINTERS:
                refuse(value, f"{ast.unparse(value)} is a pointer; take its address with int(...)")

    def ex_Constant(self, frame, node, ahead):
        if not isinstance(node.value, int):
            refuse(node, f"{node.value!r} is no number; hot code knows numbers only")
        return fold.constant(node.value, node)

    def ex_Name(self, frame, node, ahead):
        if node.id in frame.names:
            return place(relocated(frame.names[node.id]), node)
        if node.id in frame.locals:
            refuse(node, f"{node.id} is used before it is assigned; assign it first")
        return self.ex_Attribute(frame, node, ahead)

    def ex_Attribute(self, frame, node, ahead):
        found = self.lookup(frame, node)
        if found and found.kind == "constant" and isinstance(found.value, int):
            return fold.constant(found.value, node)
        refuse(node, f"{ast.unparse(node)} is no upper-case number of a module; hot code knows locals and constants only, "
               "pass it as an argument")

    def ex_BinOp(self, frame, node, ahead):
        left, right = self.ordered(frame, [node.left, node.right], ahead)
        self.no_pointer(left, right)
        return fold.binary(place(ast.BinOp(left, node.op, right), node), self.word)

    def ex_UnaryOp(self, frame, node, ahead):
        if isinstance(node.op, ast.Not):
            result = self.test(frame, node, ahead)
            if isinstance(result, (ast.Constant, ast.Compare)) or isinstance(result, ast.UnaryOp) and self.type_of(result) == "bool":
                return result
            return place(ast.IfExp(result, fold.constant(1, node), fold.constant(0, node)), node)
        operand = self.value(frame, node.operand, ahead)
        self.no_pointer(operand)
        return fold.unary(place(ast.UnaryOp(node.op, operand), node), self.word)

    def ex_Compare(self, frame, node, ahead):
        if len(node.ops) > 1 or type(node.ops[0]) not in fold.COMPARE:
            refuse(node, "one comparison of numbers at a time; write a < b and b < c")
        left, right = self.ordered(frame, [node.left, node.comparators[0]], ahead)
        self.no_pointer(left, right)
        return fold.compare(place(ast.Compare(left, node.ops, [right]), node))

    def ex_BoolOp(self, frame, node, ahead):
        parts = self.short_circuit(frame, node, ahead, self.expr)
        if {self.type_of(part) for part in parts} != {"bool"}:
            parts = [self.as_int(part) for part in parts]
        self.no_pointer(*parts)
        return parts[0] if len(parts) == 1 else place(ast.BoolOp(node.op, parts), node)

    def short_circuit(self, frame, node, ahead, operand) -> list:
        """The operands of and, or: without the constant ones that decide nothing, up to the one that decides."""
        parts = []
        for child in node.values:
            part = operand(frame, child, None if parts else ahead)
            known = fold.number(part)
            if known is None or child is node.values[-1]:
                parts.append(part)
            elif bool(known) == isinstance(node.op, ast.Or):
                return parts + [part]
        return parts

    def ex_IfExp(self, frame, node, ahead):
        test = self.test(frame, node.test, ahead)
        known = fold.number(test)
        if known is not None:
            return self.expr(frame, node.body if known else node.orelse, ahead)
        then, other = self.value(frame, node.body, None), self.value(frame, node.orelse, None)
        if self.type_of(then) != self.type_of(other):
            refuse(node, f"{self.type_of(then)} or {self.type_of(other)}; both values need one type")
        return place(ast.IfExp(test, then, other), node)

    def ex_Subscript(self, frame, node, ahead):
        base, index = self.ordered(frame, [node.value, node.slice], ahead)
        self.check_subscript(node, base, index)
        return place(ast.Subscript(base, index, ast.Load()), node)

    def check_subscript(self, node, base, index):
        if self.type_of(base) not in POINTERS:
            refuse(node, f"{ast.unparse(node.value)} is {self.type_of(base)}; only {', '.join(POINTERS)} can be indexed")
        self.no_pointer(index)

    def ex_Call(self, frame, node, ahead):
        found = self.inlined(frame, node)
        if found:
            return self.call_inline(frame, node, found, ahead)
        name = node.func.id if isinstance(node.func, ast.Name) else None
        if name not in TYPES or name in frame.locals or self.lookup(frame, node.func):
            refuse(node, f"{ast.unparse(node.func)} is no inline function; mark it @inline, or call it in everyday Python")
        if len(node.args) != 1 or node.keywords:
            refuse(node, f"{name}() takes one argument")
        value = self.expr(frame, node.args[0], ahead)
        if self.type_of(value) == name:
            return value
        if name == "int" and self.type_of(value) == "bool":
            return self.as_int(value)
        return place(ast.Call(ast.Name(name, ast.Load()), [value], []), node)

    def test(self, frame: Frame, node: ast.expr, ahead: list | None) -> ast.expr:
        """An expression of which only the truth counts."""
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            return fold.negate(self.test(frame, node.operand, ahead))
        if isinstance(node, ast.BoolOp):
            parts = self.short_circuit(frame, node, ahead, self.test)
            last = fold.number(parts[-1])
            if last is not None and all(fold.pure(part) for part in parts):
                if bool(last) == isinstance(node.op, ast.Or):
                    return parts[-1]
            if last is not None and len(parts) > 1 and bool(last) != isinstance(node.op, ast.Or):
                parts.pop()
            return parts[0] if len(parts) == 1 else place(ast.BoolOp(node.op, parts), node)
        result = truth(self.expr(frame, node, ahead))
        self.no_pointer(result)
        return result


def truth(node: ast.expr) -> ast.expr:
    """The test behind the number 0 or 1 that it was made into."""
    if isinstance(node, ast.Call) and node.func.id == "int" and isinstance(node.args[0], ast.Compare):
        return node.args[0]
    if isinstance(node, ast.IfExp):
        then, other = fold.number(node.body), fold.number(node.orelse)
        if then is not None and other is not None and bool(then) != bool(other):
            return node.test if then else fold.negate(node.test)
    return node


def relocated(value: ast.expr) -> ast.expr:
    """A copy that takes the place in the sources where it is used."""
    value = copy.deepcopy(value)
    for node in ast.walk(value):
        if hasattr(node, "src"):
            del node.src
    return value


def kind_of(node: ast.AST) -> str:
    return type(node).__name__
