"""Hot code: one viper function with constants folded and every inline function expanded at its call.

The facts of viper that this keeps to are MicroPython 1.25's: a local has one type for life, a comparison is a bool that is
neither int nor assignable to one, `not` exists in tests only, literals from 2**30 on are objects on 32-bit targets.
What the code does is never changed: a value that reads memory is moved only where nothing can come in between.
"""
import ast
import copy
import re

from image import fold, registers
from image.expressions import TYPES, Expressions, Frame, kind_of
from image.program import VIPER, Found, Program, Unit, is_inline, marks, place, refuse

BUILTINS = TYPES + ("range",)


class Expander(Expressions):
    """Makes one flat function: statements, the names of locals, and the calls that are expanded."""

    def __init__(self, program: Program, unit: Unit, function: ast.FunctionDef):
        self.program, self.word = program, program.word
        self.root = Frame(unit, function)
        self.taken = self.root.locals | set(BUILTINS)
        self.pools = {}             # type -> names of the result made for it
        self.live = set()           # of those, the ones that hold a value now
        self.types = {}             # name of the result -> type
        self.current = []           # names that live until the end of the current statement

    def function(self) -> ast.FunctionDef:
        root, function = self.root, self.root.function
        for argument in function.args.args:
            self.types[argument.arg] = root.kind(argument)
            root.names[argument.arg] = ast.Name(argument.arg, ast.Load())
        root.result()
        body, declared = registers.assigned(self.block(root, function.body), root.parameters, self.types, self.word)
        if len(root.parameters) + len(declared) > registers.REGISTERS[self.word]:       # then their order matters
            body = [place(ast.AnnAssign(ast.Name(name, ast.Store()), ast.Name(kind, ast.Load()), None, 1), function.body[0])
                    for name, kind in declared.items()] + body
        if isinstance(function.body[0], ast.Expr) and ast.get_docstring(function):
            body.insert(0, function.body[0])
        result = copy.copy(function)
        result.decorator_list = [place(ast.parse(VIPER, mode="eval").body, function)]
        result.body = body or [place(ast.Pass(), function)]
        self.check_literals(result)
        return result

    def check_literals(self, function: ast.FunctionDef):
        limit = fold.LITERAL if self.word == 32 else 1 << 62
        for node in ast.walk(function):
            if isinstance(node, ast.Constant) and isinstance(node.value, int) and not -limit <= node.value < limit:
                refuse(node, f"the number {node.value:#x} does not fit a literal of viper on {self.word} bits; "
                       "build it from smaller ones with << at run time, or keep it in a word of memory")

    # ---- names of the result ---------------------------------------------------------------------------------------

    def allocate(self, reserved: list, name: str, kind: str) -> str:
        """A free name for this local: its own if that is free again, else any of the same type. The fewer locals, the
        more of them are within reach of a short instruction."""
        pool = self.pools.setdefault(kind, [])
        free = [known for known in pool if known not in self.live]
        new = next((known for known in free if re.sub(r"_\d+$", "", known) == name), free[-1] if free else None)
        if new is None:
            new, count = name, 1
            while new in self.taken:
                count += 1
                new = f"{name}_{count}"
            self.taken.add(new)
            self.types[new] = kind
            pool.append(new)
        self.live.add(new)
        reserved.append(new)
        return new

    def store(self, frame: Frame, name: str, kind: str, node: ast.AST) -> str:
        """The name of the result for an assignment to a local."""
        if name not in frame.names:
            if frame.outer:
                new = self.allocate(frame.reserved, name, kind)
            else:
                new, self.types[name] = name, kind
            frame.names[name] = ast.Name(new, ast.Load())
        new = frame.names[name].id
        if self.types[new] != kind:
            refuse(node, f"{name} is {self.types[new]} and is assigned {kind} here; a local of viper has one type, "
                   "use a second name")
        return new

    # ---- statements ------------------------------------------------------------------------------------------------

    def block(self, frame: Frame, statements: list) -> list:
        out = []
        for statement in statements:
            method = getattr(self, "do_" + type(statement).__name__, None)
            if method is None:
                refuse(statement, f"{kind_of(statement)} is not possible in hot code; move it to everyday Python")
            outer, self.current = self.current, []
            method(frame, statement, out)
            self.live.difference_update(self.current)
            self.current = outer
            if fold.terminates(out):
                break
        return out

    def do_Pass(self, frame, node, out):
        pass

    def do_Break(self, frame, node, out):
        out.append(place(type(node)(), node))

    do_Continue = do_Break

    def do_Expr(self, frame, node, out):
        if isinstance(node.value, ast.Constant):
            return
        called = self.inlined(frame, node.value)
        if called:
            body, callee = self.expand(frame, node.value, called, out)
            out += self.finish(body, node, lambda done: self.discard(done.value, done))
            self.end(callee)
        else:
            out += self.discard(self.value(frame, node.value, out), node)

    @staticmethod
    def discard(value: ast.expr | None, like: ast.stmt) -> list:
        return [] if value is None or fold.pure(value) else [place(ast.Expr(value), like)]

    def do_AnnAssign(self, frame, node, out):
        if node.value is None:
            refuse(node, "a declaration without a value; assign one")
        self.do_Assign(frame, place(ast.Assign([node.target], node.value), node), out)

    def do_Assign(self, frame, node, out):
        target = node.targets[0]
        if len(node.targets) > 1 or not isinstance(target, (ast.Name, ast.Subscript)):
            refuse(node, "one name or one p[i] can be assigned at a time; split the statement")
        if isinstance(target, ast.Subscript):
            value, base, index = self.ordered(frame, [node.value, target.value, target.slice], out)
            self.check_subscript(target, base, index)
            self.no_pointer(value)
            out.append(place(ast.Assign([ast.Subscript(base, index, ast.Store())], value), node))
            return
        called = self.inlined(frame, node.value)
        if not called:
            value = self.value(frame, node.value, out)
            out.append(self.assign(self.store(frame, target.id, self.type_of(value), node), value, node))
            return
        body, callee = self.expand(frame, node.value, called, out)
        self.check_value(callee, body, node.value)
        last = body[-1].value if isinstance(body[-1], ast.Return) else None
        kind = self.type_of(last) if last is not None else callee.result()
        name = self.store(frame, target.id, kind, node)
        out += self.finish(body, node, lambda done: [self.assign(name, done.value, done)])
        self.end(callee)

    def assign(self, name: str, value: ast.expr, like: ast.AST) -> ast.stmt:
        if self.type_of(value) != self.types[name]:
            refuse(like, f"{ast.unparse(value)} is {self.type_of(value)} and becomes {name}, which is {self.types[name]}; "
                   "a local of viper has one type, cast the value")
        return place(ast.Assign([ast.Name(name, ast.Store())], value), like)

    def do_AugAssign(self, frame, node, out):
        target = node.target
        if isinstance(target, ast.Subscript):       # MicroPython needs 4 times as long for p[i] += v
            if not (isinstance(target.value, ast.Name) and isinstance(target.slice, (ast.Name, ast.Constant, ast.Attribute))):
                refuse(node, "p[i] += v is possible for plain names p and i only; write p[i] = p[i] + v")
            load = place(ast.Subscript(target.value, target.slice, ast.Load()), node)
        elif isinstance(target, ast.Name):
            load = place(ast.Name(target.id, ast.Load()), node)
        else:
            refuse(node, "only a name or p[i] can be assigned")
        self.do_Assign(frame, place(ast.Assign([target], place(ast.BinOp(load, node.op, node.value), node)), node), out)

    def do_If(self, frame, node, out):
        test = self.test(frame, node.test, out)
        known = fold.number(test)
        if known is not None:
            out += self.block(frame, node.body if known else node.orelse)
            return
        self.live.difference_update(self.current)       # the test is over before a branch begins
        self.current.clear()
        frame.branches += 1
        then, other = self.block(frame, node.body), self.block(frame, node.orelse)
        frame.branches -= 1
        out += fold.branch(node, test, then, other)

    def do_While(self, frame, node, out):
        self.no_else(node)
        test = self.test(frame, node.test, None)
        if fold.number(test) == 0:
            return
        if fold.number(test) is not None:
            test = fold.constant(1, node.test)
        out.append(place(ast.While(test, self.loop_body(frame, node), []), node))

    def do_For(self, frame, node, out):
        self.no_else(node)
        call = node.iter
        if not (isinstance(node.target, ast.Name) and isinstance(call, ast.Call) and isinstance(call.func, ast.Name)
                and call.func.id == "range" and 1 <= len(call.args) <= 3 and not call.keywords):
            refuse(node, "only `for name in range(...)` is possible in hot code; use while")
        bounds = self.ordered(frame, call.args, out)
        if len(bounds) == 3 and not fold.number(bounds[2]):
            refuse(node, "the step of range must be a constant other than 0; use while")
        name = self.store(frame, node.target.id, "int", node)
        call = place(ast.Call(ast.Name("range", ast.Load()), bounds, []), node)
        out.append(place(ast.For(ast.Name(name, ast.Store()), call, self.loop_body(frame, node), []), node))

    def no_else(self, node):
        if node.orelse:
            refuse(node, "else of a loop is not possible in hot code; use a variable")

    def loop_body(self, frame: Frame, node) -> list:
        frame.loops += 1
        body = self.block(frame, node.body) or [place(ast.Pass(), node)]
        frame.loops -= 1
        return body

    def do_Return(self, frame, node, out):
        if frame.outer and frame.loops:
            refuse(node, f"return inside a loop of {frame.function.name}, which is inline; leave the loop first")
        called = node.value is not None and self.inlined(frame, node.value)
        if called:
            body, callee = self.expand(frame, node.value, called, out)
            self.check_value(callee, body, node.value)
            out += body
            self.current += callee.reserved
        else:
            value = node.value and self.value(frame, node.value, out)
            out.append(place(ast.Return(value), node))
        if frame.outer and not frame.branches:      # the value may be used in the middle of the caller's expression
            frame.reserved += self.current
            self.current = []

    # ---- calls of inline functions -----------------------------------------------------------------------------------

    def inlined(self, frame: Frame, node: ast.expr) -> Found | None:
        """The inline function that this expression calls, if it is such a call."""
        found = self.lookup(frame, node.func) if isinstance(node, ast.Call) else None
        return found if found and found.kind == "inline" else None

    def lookup(self, frame: Frame, node: ast.expr) -> Found | None:
        """What a name that is no local means."""
        root = node
        while isinstance(root, ast.Attribute):
            root = root.value
        if isinstance(root, ast.Name) and root.id in frame.locals:
            return None
        return self.program.resolve(frame.unit, node)

    def expand(self, frame: Frame, call: ast.Call, found: Found, ahead: list | None) -> tuple[list, Frame]:
        """The body of the called function, its returns still in it, and its frame."""
        function = found.value
        outer = frame
        while outer:
            if outer.function is function:
                refuse(call, f"{function.name} calls itself; an inline function cannot")
            outer = outer.outer
        callee = Frame(found.unit, function, frame)
        if call.keywords or any(isinstance(argument, ast.Starred) for argument in call.args):
            refuse(call, f"keyword or starred arguments in the call of {function.name}; pass them by position")
        if len(call.args) != len(callee.parameters):
            refuse(call, f"{function.name} takes {len(callee.parameters)} arguments, not {len(call.args)}: "
                   + f"({', '.join(callee.parameters)})")
        values = self.ordered(frame, call.args, ahead)
        bound, body = [], []
        for argument, value in zip(function.args.args, values):
            kind = callee.kind(argument)
            if self.type_of(value) != kind:
                refuse(call, f"{argument.arg} of {function.name} is {kind} and gets {self.type_of(value)}; "
                       f"cast it: {kind}(...)")
            if argument.arg not in callee.assigned and free(value):
                callee.names[argument.arg] = value
                continue
            name = self.store(callee, argument.arg, kind, call)
            body.append(self.assign(name, value, call))
            if argument.arg not in callee.assigned:
                bound.append(name)
        return fold.forward(body + self.block(callee, function.body), bound), callee

    def check_value(self, callee: Frame, body: list, call: ast.Call):
        returns = [n for s in body for n in ast.walk(s) if isinstance(n, ast.Return)]
        if not fold.terminates(body) or any(n.value is None for n in returns):
            refuse(call, f"{callee.function.name} does not return a value on every path; add the return")

    def finish(self, body: list, like: ast.stmt, use) -> list:
        """The body with the statements `use(return)` in place of each return."""
        if not any(fold.has_return(s) for s in body):
            return body

        nested = fold.nest(body, use)
        return fold.loop(body, use, like) if nested is None else nested

    def end(self, callee: Frame):
        """Nothing of this expansion is needed any more."""
        self.live.difference_update(callee.reserved)

    def call_inline(self, frame: Frame, call: ast.Call, found: Found, ahead: list | None) -> ast.expr:
        """A call inside of an expression: its body goes ahead, its value stays in place."""
        before = None if ahead is None else []
        body, callee = self.expand(frame, call, found, before)
        self.check_value(callee, body, call)
        whole = isinstance(body[-1], ast.Return) and not any(fold.has_return(s) for s in body[:-1])
        if ahead is None and not (whole and len(body) == 1):
            refuse(call, f"{call.func.attr if isinstance(call.func, ast.Attribute) else call.func.id} is more than an "
                   "expression and cannot be expanded in a loop's condition or behind and, or, if; call it on a line before")
        if whole:
            self.current += callee.reserved
            if ahead is not None:
                ahead += before + body[:-1]
            return body[-1].value
        name = self.allocate(self.current, found.value.name + "_result", callee.result())
        ahead += before + self.finish(body, call, lambda done: [self.assign(name, done.value, done)])
        self.end(callee)
        return place(ast.Name(name, ast.Load()), call)


def free(value: ast.expr) -> bool:
    """Costs nothing, wherever and however often it is used: a constant, a local, a local seen as another type."""
    if isinstance(value, ast.Call):
        value = value.args[0]
    return isinstance(value, (ast.Constant, ast.Name))


def flatten(program: Program, unit: Unit, function: ast.FunctionDef) -> ast.FunctionDef:
    """The viper function with everything expanded."""
    assert is_inline(function) or VIPER in marks(function)
    return Expander(program, unit, function).function()
