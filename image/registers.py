"""Which local of a flat function is in a register: the webs (image/liveness.py) are coloured, and each colour is one local.

The native emitters (image/emitter) give registers to the parameters and then to the locals in the order of their declaration;
REGISTERS is how many there are. Colours come from Briggs, Cooper and Torczon, "Improvements to Graph Coloring Register
Allocation" (TOPLAS 1994): webs are taken off the graph while they have few neighbours, else the one that is worth least; on the
way back each gets a colour of one that it is a copy of, if it can. A local has one type for life: where webs of several types
share one, casts say which it is. They cost nothing.
"""
import ast
import copy
from collections import Counter

from image import fold
from image.expressions import POINTERS, TYPES
from image.liveness import Flow, Webs, bits
from image.program import place

REGISTERS = {64: 10, 32: 10}


def assigned(body: list, parameters: list[str], types: dict[str, str], word: int) -> tuple[list, dict[str, str]]:
    """The body with locals that share registers, and the types of the locals to declare, those for registers first."""
    ours, body = set(types), unshared(fold.spread(body))
    while True:
        flow = Flow(body, ours)
        webs = Webs(flow, parameters)
        unread = {id(node.statement) for number, node in enumerate(flow.nodes)
                  if node.writes and node.statement and not webs.alive[number] >> webs.of[id(node.writes)] & 1}
        if not unread:
            break
        body = fold.without(body, lambda statement: id(statement) in unread)
    colours = Colours(webs, parameters, types, REGISTERS[word])
    body = [Rename(webs, colours, types).visit(statement) for statement in body]
    body = fold.without(body, itself)
    return body, {name: kind for name, kind in zip(colours.names, colours.types) if name not in parameters}


def unshared(node):
    """A copy in which each node has one place only."""
    if isinstance(node, list):
        return [unshared(each) for each in node]
    if not isinstance(node, ast.AST):
        return node
    new = copy.copy(node)
    for name, value in ast.iter_fields(node):
        setattr(new, name, unshared(value))
    return new


def copied(node) -> ast.Name | None:
    """The local that this statement copies to another, as it is or as another type."""
    if not isinstance(node.statement, ast.Assign) or not node.writes:
        return None
    value = node.statement.value
    if isinstance(value, ast.Call):
        value = value.args[0]
    return value if isinstance(value, ast.Name) else None


def itself(statement: ast.Assign) -> bool:
    """Whether a local is assigned to itself, as another type too: a local keeps its own."""
    value = statement.value
    while isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id in TYPES:
        value = value.args[0]
    return isinstance(value, ast.Name) and value.id == statement.targets[0].id


class Colours:
    """A colour for each web: `of` by its number; the name and the type of each colour's local."""

    def __init__(self, webs: Webs, parameters: list[str], types: dict, registers: int):
        self.webs, self.registers = webs, registers
        self.fixed = [webs.entry[name] for name in parameters]
        self.kind = [types[name] for name in webs.names]
        self.survey()
        self.of = [None] * webs.count
        for colour, web in enumerate(self.fixed):
            self.of[web] = colour
        self.select(self.simplified())
        self.name(parameters)

    def survey(self):
        """Which webs are alive together, what each is worth, and which are copies."""
        webs, count = self.webs, self.webs.count
        self.near = [0] * count
        self.worth = [0.0] * count
        self.copies = [Counter() for _ in range(count)]
        for number, node in enumerate(webs.flow.nodes):
            for name in node.reads:
                self.worth[webs.of[id(name)]] += node.often
            if not node.writes:
                continue
            web, source = webs.of[id(node.writes)], copied(node)
            self.worth[web] += node.often
            together = webs.alive[number]
            if source is not None:
                other = webs.of[id(source)]
                together &= ~(1 << other)
                if other != web:
                    self.copies[web][other] += node.often
                    self.copies[other][web] += node.often
            self.near[web] |= together
        entry = sum(1 << web for web in set(self.fixed))
        for web in set(self.webs.entry.values()):
            self.near[web] |= webs.alive[0] | entry
        counted = {webs.of[id(node.writes)] for node in webs.flow.nodes if node.writes and not node.statement}
        for web in counted:             # range() counts with an int
            self.near[web] |= sum(1 << k for k in self.fixed if self.kind[k] != "int")
        for web in range(count):
            for other in bits(self.near[web]):
                self.near[other] |= 1 << web
        for web in range(count):
            self.near[web] &= ~(1 << web)
        self.counted = counted

    def simplified(self) -> list[int]:
        """The webs in the order in which they were taken off the graph."""
        left = [web for web in range(self.webs.count) if self.of[web] is None]
        degree = [bin(near).count("1") for near in self.near]
        order, gone = [], set()
        while left:
            few = [web for web in left if degree[web] < self.registers]
            taken = few or [min(left, key=lambda web: self.worth[web] / degree[web])]
            for web in taken:
                for other in bits(self.near[web]):
                    degree[other] -= 1
            order += taken
            gone |= set(taken)
            left = [web for web in left if web not in gone]
        return order

    def select(self, order: list[int]):
        later = []
        for web in reversed(order):
            free = [c for c in range(self.registers) if c not in self.taken(web)]
            if free:
                self.of[web] = self.best(web, free)
            else:
                later.append(web)
        self.colours = self.registers
        for web in sorted(later, key=lambda web: -self.worth[web]):     # these lie in memory
            taken = self.taken(web)
            free = [c for c in range(self.registers, self.colours) if c not in taken]
            if not free:
                free = [self.colours]
                self.colours += 1
            self.of[web] = self.best(web, free)

    def taken(self, web: int) -> set:
        return {self.of[other] for other in bits(self.near[web])}

    def best(self, web: int, free: list[int]) -> int:
        """The colour of what this is a copy of most often, or of what copies of it can have too; then one that reads well."""
        score = Counter()
        for other, often in self.copies[web].items():
            if self.of[other] is not None:
                score[self.of[other]] += often
            else:
                for colour in set(free) - self.taken(other):
                    score[colour] += often / 1000

        def reads(colour):
            known = [other for other, taken in enumerate(self.of) if taken == colour]
            return (any(self.webs.names[other] == self.webs.names[web] for other in known),
                    not known, any(self.kind[other] == self.kind[web] for other in known))

        return max(free, key=lambda colour: (score[colour], reads(colour), -colour))

    def name(self, parameters: list[str]):
        """Each colour has the name of the web in it that is worth most, and the type of most."""
        members = [[] for _ in range(self.colours)]
        for web, colour in enumerate(self.of):
            members[colour].append(web)
        order = [*range(len(self.fixed))]
        order += sorted(range(len(self.fixed), self.registers), key=lambda c: -sum(self.worth[web] for web in members[c]))
        order += range(self.registers, self.colours)
        order = [c for c in order if members[c]]
        self.names, self.types, self.local = [], [], {}
        for colour in order:
            worth, types = Counter(), Counter()
            for web in members[colour]:
                worth[self.webs.names[web]] += self.worth[web]
                types[self.kind[web]] += self.worth[web] + 1
            name, kind = max(worth, key=worth.get), max(types, key=types.get)
            if any(web in self.counted for web in members[colour]):
                kind = "int"
            if colour < len(self.fixed):
                name, kind = parameters[colour], self.kind[self.fixed[colour]]
            base, k = name, 1
            while name in self.names or (name in parameters and colour >= len(self.fixed)):
                k += 1
                name = f"{base}_{k}"
            self.names.append(name)
            self.types.append(kind)
            self.local[colour] = name, kind


class Rename(ast.NodeTransformer):
    """Gives each Name the local of its web."""

    def __init__(self, webs: Webs, colours: Colours, types: dict):
        self.webs, self.colours, self.kinds = webs, colours, types
        self.types = dict(zip(colours.names, colours.types))

    def visit_Name(self, node):
        if id(node) not in self.webs.of:
            return node
        name, kind = self.colours.local[self.colours.of[self.webs.of[id(node)]]]
        new = place(ast.Name(name, node.ctx), node)
        was = self.kinds[node.id]
        return new if kind == was or not isinstance(node.ctx, ast.Load) else self.cast(was, new)

    def cast(self, kind: str, value: ast.expr) -> ast.expr:
        if isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id in POINTERS:
            return self.cast(kind, value.args[0])
        if isinstance(value, ast.Name) and self.types.get(value.id) == kind or kind == "int" and isinstance(value, (ast.BinOp, ast.Subscript, ast.Constant)):
            return value
        if isinstance(value, ast.Call) and value.func.id == kind:
            return value
        return place(ast.Call(ast.Name(kind, ast.Load()), [value], []), value)

    def visit_Call(self, node):
        self.generic_visit(node)
        if node.func.id == "range" or isinstance(node.args[0], ast.Compare):
            return node
        return self.cast(node.func.id, node.args[0])

    def visit_Assign(self, node):
        target = node.targets[0]
        was = self.kinds[target.id] if isinstance(target, ast.Name) else None
        self.generic_visit(node)
        if was:
            kind = self.types[node.targets[0].id]
            if kind != was:
                node.value = self.cast(kind, node.value)
        return node
