"""Arithmetic on constants with the word of the target, and questions about expressions and statements of hot code."""
import ast
import operator

from image.program import place, refuse

BINARY = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.LShift: operator.lshift,
          ast.RShift: operator.rshift, ast.BitAnd: operator.and_, ast.BitOr: operator.or_, ast.BitXor: operator.xor,
          ast.FloorDiv: operator.floordiv, ast.Mod: operator.mod}
COMPARE = {ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt,
           ast.GtE: operator.ge}
OPPOSITE = {ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Lt: ast.GtE, ast.GtE: ast.Lt, ast.Gt: ast.LtE, ast.LtE: ast.Gt}
NEUTRAL = {ast.Add: 0, ast.Sub: 0, ast.LShift: 0, ast.RShift: 0, ast.BitOr: 0, ast.BitXor: 0, ast.Mult: 1, ast.BitAnd: -1}
LITERAL = 1 << 30               # the first literal that is an object on a 32-bit target


def wrap(value: int, word: int) -> int:
    """value as a signed number of `word` bits."""
    half = 1 << word - 1
    return (value + half) % (2 * half) - half


def number(node: ast.expr) -> int | None:
    """The value of a constant, else None."""
    return int(node.value) if isinstance(node, ast.Constant) and isinstance(node.value, int) else None


def constant(value: int, like: ast.AST) -> ast.Constant:
    return place(ast.Constant(int(value)), like)


def binary(node: ast.BinOp, word: int) -> ast.expr:
    """A binary operation whose operands are folded already."""
    kind, left, right = type(node.op), number(node.left), number(node.right)
    if kind in (ast.LShift, ast.RShift) and right is not None and not 0 <= right < word:
        refuse(node, f"shift by {right} with words of {word} bits; the target cannot do that")
    if left is not None and right is not None and kind in BINARY:
        if kind in (ast.FloorDiv, ast.Mod) and right == 0:
            refuse(node, "division by zero")
        return constant(wrap(BINARY[kind](left, right), word), node)
    if kind in (ast.FloorDiv, ast.Mod, ast.Div, ast.Pow, ast.MatMult):
        refuse(node, "viper cannot divide; use >> and &, or constants only")
    if left is not None and kind is ast.Add:
        node = place(ast.BinOp(node.right, ast.Add(), node.left), node)
        right, left = left, None
    if right is None:
        return node
    return node.left if wrap(right, word) == NEUTRAL[kind] else regroup(node, right)


def regroup(node: ast.BinOp, right: int) -> ast.expr:
    """(x + 2) + 3 -> x + 5: what constant arguments leave behind."""
    inner = node.left
    if not (isinstance(node.op, (ast.Add, ast.Sub)) and isinstance(inner, ast.BinOp)
            and isinstance(inner.op, (ast.Add, ast.Sub)) and number(inner.right) is not None):
        return node
    total = (right if isinstance(node.op, ast.Add) else -right)
    total += number(inner.right) if isinstance(inner.op, ast.Add) else -number(inner.right)
    if abs(total) >= LITERAL:
        return node
    if total == 0:
        return inner.left
    return place(ast.BinOp(inner.left, ast.Add() if total > 0 else ast.Sub(), constant(abs(total), node)), node)


def unary(node: ast.UnaryOp, word: int) -> ast.expr:
    """-x and ~x as 0 - x and x ^ -1: MicroPython 1.25 changes x itself where x is a local in a register."""
    value = number(node.operand)
    if isinstance(node.op, ast.UAdd):
        return node.operand
    if value is not None:
        return constant(wrap(-value if isinstance(node.op, ast.USub) else ~value, word), node)
    if isinstance(node.op, ast.USub):
        return place(ast.BinOp(constant(0, node), ast.Sub(), node.operand), node)
    return place(ast.BinOp(node.operand, ast.BitXor(), constant(-1, node)), node)


def compare(node: ast.Compare) -> ast.expr:
    left, right = number(node.left), number(node.comparators[0])
    if left is None or right is None:
        return node
    return constant(COMPARE[type(node.ops[0])](left, right), node)


def negate(test: ast.expr) -> ast.expr:
    """The opposite of a test."""
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        return test.operand
    if number(test) is not None:
        return constant(not number(test), test)
    if isinstance(test, ast.Compare):
        return place(ast.Compare(test.left, [OPPOSITE[type(test.ops[0])]()], test.comparators), test)
    return place(ast.UnaryOp(ast.Not(), test), test)


def pure(node: ast.AST) -> bool:
    """Needs locals only: no memory is touched, so it may be evaluated anywhere, or not at all."""
    return not any(isinstance(n, ast.Subscript) for n in ast.walk(node))


def touches(statements: list) -> bool:
    return any(not pure(s) or isinstance(s, (ast.While, ast.For)) for s in statements)


def terminates(statements: list) -> bool:
    """Nothing that stands behind these statements is reached."""
    if not statements:
        return False
    last = statements[-1]
    if isinstance(last, ast.If):
        return terminates(last.body) and terminates(last.orelse)
    return isinstance(last, (ast.Return, ast.Break, ast.Continue))


def has_return(node: ast.AST) -> bool:
    return any(isinstance(n, ast.Return) for n in ast.walk(node))


# ---- moving the value of an argument to the place where it is used ----------------------------------------------------

def forward(body: list, names: list[str]) -> list:
    """Bindings `name = value` at the start of an expanded body, moved to the one place of use where nothing changes."""
    for name in reversed(names):
        at = next(i for i, s in enumerate(body) if isinstance(s, ast.Assign) and isinstance(s.targets[0], ast.Name)
                  and s.targets[0].id == name)
        value, rest = body[at].value, body[at + 1:]
        uses = [n for s in rest for n in ast.walk(s) if isinstance(n, ast.Name) and n.id == name]
        if not uses and pure(value):
            body = body[:at] + rest
        elif len(uses) == 1 and isinstance(uses[0].ctx, ast.Load) and movable(value, name, rest):
            moved = Substitute(name, value)
            body = body[:at] + [moved.visit(s) for s in rest]
    return body


def movable(value: ast.expr, name: str, rest: list) -> bool:
    if pure(value):
        needed = {n.id for n in ast.walk(value) if isinstance(n, ast.Name)}
        changed = {n.id for s in rest for n in ast.walk(s) if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load)}
        looped = any(isinstance(n, ast.Name) and n.id == name for s in rest for loop in ast.walk(s)
                     if isinstance(loop, (ast.While, ast.For)) for n in ast.walk(loop))
        return not looped and not needed & changed
    for statement in rest:
        event = first_event(statement, name)
        if event != "nothing":
            return event == "use"
        if changed_by(statement) & {n.id for n in ast.walk(value) if isinstance(n, ast.Name)}:
            return False
    return False


def changed_by(node: ast.AST) -> set[str]:
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load)}


def first_event(node: ast.AST, name: str) -> str:
    """What comes first when this is executed: the "use" of a name, something "else" that must keep its place, "nothing"."""
    if isinstance(node, ast.Name):
        return "use" if node.id == name else "nothing"
    if isinstance(node, (ast.While, ast.For)):
        return "else"
    steps, after = evaluation(node)
    for step in steps:
        event = first_event(step, name)
        if event != "nothing":
            return event
    return after


def evaluation(node: ast.AST) -> tuple[list, str]:
    """The parts that are always evaluated, in order, and what the node itself does after them."""
    if isinstance(node, ast.Assign):
        return [node.value] + node.targets, "nothing"
    if isinstance(node, ast.AugAssign):
        return [node.value], "nothing"
    if isinstance(node, ast.If):
        return [node.test], "else"
    if isinstance(node, ast.IfExp):
        return [node.test], "else"
    if isinstance(node, ast.BoolOp):
        return [node.values[0]], "else"
    if isinstance(node, ast.Subscript):
        return [node.value, node.slice], "else"
    if isinstance(node, ast.Call):
        return list(node.args), "nothing"
    if isinstance(node, (ast.Return, ast.Break, ast.Continue)):
        return [node.value] if getattr(node, "value", None) else [], "else"
    return list(ast.iter_child_nodes(node)), "nothing"


class Substitute(ast.NodeTransformer):
    def __init__(self, name: str, value: ast.expr):
        self.name, self.value = name, value

    def visit_Name(self, node):
        return self.value if node.id == self.name else node


def without(body: list, unneeded) -> list:
    """The body without the assignments to locals that `unneeded` names; what they load from memory is still loaded."""
    class Drop(ast.NodeTransformer):
        def visit_Assign(self, node):
            if not isinstance(node.targets[0], ast.Name) or not unneeded(node):
                return node
            return None if pure(node.value) else place(ast.Expr(node.value), node)

        def generic_visit(self, node):
            super().generic_visit(node)
            if isinstance(node, (ast.While, ast.For)) and not node.body:
                node.body = [place(ast.Pass(), node)]
            elif isinstance(node, ast.If) and not node.body:
                return (branch(node, node.test, node.body, node.orelse) or [None])[0]
            return node

    return [new for new in map(Drop().visit, body) if new is not None]


def spread(body: list) -> list:
    """The body with `if` statements where a choice was assigned: the native emitters take a choice's value through memory."""
    class Spread(ast.NodeTransformer):
        def visit_Assign(self, node):
            if not isinstance(node.value, ast.IfExp):
                return node
            choice = node.value
            then, other = (self.visit(place(ast.Assign(node.targets, value), node)) for value in (choice.body, choice.orelse))
            return place(ast.If(choice.test, [then], [other]), node)

    return [Spread().visit(statement) for statement in body]


# ---- returns of an expanded function ------------------------------------------------------------------------------------

def nest(body: list, finish, depth: int = 0) -> list | None:
    """The body with its returns finished by if and else alone; None where that would nest too deep."""
    for at, statement in enumerate(body):
        if isinstance(statement, ast.Return):
            return body[:at] + finish(statement)
        if not has_return(statement):
            continue
        then, other, rest = statement.body, statement.orelse, body[at + 1:]
        if rest and terminates(then):
            other, rest = other + rest, []
        elif rest and terminates(other):
            then, rest = then + rest, []
        deeper = depth + (len(other) > 1 or bool(other) and not isinstance(other[0], ast.If))
        if rest or deeper > 3:
            return None
        then, other = nest(then, finish, deeper), nest(other, finish, deeper)
        if then is None or other is None:
            return None
        return body[:at] + branch(statement, statement.test, then, other)
    return body


def branch(like: ast.stmt, test: ast.expr, then: list, other: list) -> list:
    """An if statement; without a first branch it is turned round."""
    if then:
        return [place(ast.If(test, then, other), like)]
    if other:
        return [place(ast.If(negate(test), other, []), like)]
    return [] if pure(test) else [place(ast.Expr(test), like)]


def loop(body: list, finish, like: ast.stmt) -> list:
    """The body in a `while 1` that every return leaves (MicroPython emits no test for it)."""
    class Leave(ast.NodeTransformer):
        def visit_Return(self, node):
            return finish(node) + [place(ast.Break(), node)]

    body = [new for s in body for new in as_list(Leave().visit(s))]
    if not terminates(body):
        body.append(place(ast.Break(), like))
    return [place(ast.While(place(ast.Constant(1), like), body, []), like)]


def as_list(node) -> list:
    return node if isinstance(node, list) else [node]
