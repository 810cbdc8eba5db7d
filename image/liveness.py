"""Where each value of a flat function's locals lives: its flow graph, its webs, and which of them are alive together.

A web is all assignments of one value and all its uses: every assignment that reaches a use is in the web of that use. Two webs
of one name have nothing in common, and two that are not alive together can share a register (image/registers.py). Sets
are bits of an int.
"""
import ast
from dataclasses import dataclass, field

from image import fold

LOOP, BRANCH = 3, 0.7           # how often a loop's body and one side of an `if` are taken to be run


@dataclass
class Node:
    """What is evaluated in one go: names are read, then one may be written."""
    reads: list
    writes: ast.Name | None
    often: float
    statement: ast.stmt | None
    follows: list = field(default_factory=list)         # numbers of the nodes that may come next


def bits(number: int):
    while number:
        low = number & -number
        yield low.bit_length() - 1
        number ^= low


def names(*nodes: ast.AST) -> list:
    return [n for node in nodes for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)]


class Flow:
    """The flow graph. Node 0 stands for the entry."""

    def __init__(self, body: list, ours: set[str]):
        self.ours = ours                # the names that are locals
        self.nodes = [Node([], None, 1, None)]
        self.loops = []                 # (node of the test, what leaves with break)
        self.often = 1
        self.block(body, [0])

    def node(self, before: list, reads: list, writes: ast.Name | None = None, statement: ast.stmt | None = None) -> list:
        number = len(self.nodes)
        self.nodes.append(Node([n for n in reads if n.id in self.ours], writes, self.often, statement))
        self.link(before, number)
        return [number]

    def link(self, before: list, number: int):
        for each in before:
            self.nodes[each].follows.append(number)

    def block(self, body: list, before: list) -> list:
        for k, statement in enumerate(body):
            if not before:
                del body[k:]            # never reached
                break
            before = getattr(self, "do_" + type(statement).__name__)(statement, before)
        return before

    def do_Pass(self, statement, before):
        return before

    def do_Expr(self, statement, before):
        return self.node(before, names(statement), None, statement)

    def do_Assign(self, statement, before):
        target = statement.targets[0]
        return self.node(before, names(statement), target if isinstance(target, ast.Name) else None, statement)

    def do_Return(self, statement, before):
        self.node(before, names(statement), None, statement)
        return []

    def do_If(self, statement, before):
        test = self.node(before, names(statement.test))
        outer, self.often = self.often, self.often * BRANCH
        then, other = self.block(statement.body, test), self.block(statement.orelse, test)
        self.often = outer
        return then + other

    def do_While(self, statement, before):
        return self.loop(statement, before, names(statement.test), None, bool(fold.number(statement.test)))

    def do_For(self, statement, before):
        return self.loop(statement, self.node(before, names(statement.iter)), [], statement.target, False)

    def loop(self, statement, before, reads, writes, forever):
        """`once`: a block that `break` leaves, made for an inline function with several returns, is no loop."""
        once = forever and not any(isinstance(n, ast.Continue) for n in ast.walk(statement)) and fold.terminates(statement.body)
        outer = self.often
        self.often *= 1 if once else LOOP
        test = self.node(before, reads)
        body = self.node(test, [], writes) if writes else test
        self.loops.append((test[0], []))
        self.link(self.block(statement.body, body), test[0])
        self.often = outer
        return self.loops.pop()[1] + ([] if forever else test)

    def do_Break(self, statement, before):
        self.loops[-1][1].extend(before)
        return []

    def do_Continue(self, statement, before):
        self.link(before, self.loops[-1][0])
        return []


class Webs:
    """The webs of a function: `of` tells a Name's, `alive` which webs are alive behind each node."""

    def __init__(self, flow: Flow, parameters: list[str]):
        self.flow, nodes = flow, flow.nodes
        known = sorted({n.id for node in nodes for n in node.reads + [node.writes] * (node.writes is not None)} | set(parameters))
        self.entry = {name: number for number, name in enumerate(known)}        # each name's value at the entry
        definitions = list(known)
        at = {}
        for number, node in enumerate(nodes):
            if node.writes:
                at[number] = len(definitions)
                definitions.append(node.writes.id)
        of_name = {name: sum(1 << k for k, other in enumerate(definitions) if other == name) for name in known}
        self.parent = list(range(len(definitions)))
        reach = self.reaching(at, of_name, (1 << len(known)) - 1)
        joined = {}             # number of a read Name -> one definition of it
        for number, node in enumerate(nodes):
            for name in node.reads:
                first, *others = bits(reach[number] & of_name[name.id])
                joined[id(name)] = first
                for other in others:
                    self.parent[self.find(other)] = self.find(first)
        joined |= {id(nodes[number].writes): k for number, k in at.items()}
        roots = {self.find(k): None for k in joined.values()} | {self.find(self.entry[name]): None for name in parameters}
        order = {root: k for k, root in enumerate(roots)}
        self.of = {name: order[self.find(k)] for name, k in joined.items()}
        self.entry = {name: order[self.find(k)] for name, k in self.entry.items() if self.find(k) in order}
        self.count = len(order)
        self.names = [definitions[root] for root in roots]
        self.alive = self.liveness()

    def find(self, k: int) -> int:
        while self.parent[k] != k:
            self.parent[k] = k = self.parent[self.parent[k]]
        return k

    def reaching(self, at: dict, of_name: dict, entry: int) -> list[int]:
        """For each node the definitions that reach it."""
        nodes = self.flow.nodes
        reach, work, seen = [0] * len(nodes), [0], {0}
        reach[0] = entry
        while work:
            number = work.pop()
            out, node = reach[number], nodes[number]
            if node.writes:
                out = out & ~of_name[node.writes.id] | 1 << at[number]
            for next_ in node.follows:
                if out & ~reach[next_] or next_ not in seen:
                    seen.add(next_)
                    reach[next_] |= out
                    work.append(next_)
        return reach

    def liveness(self) -> list[int]:
        nodes = self.flow.nodes
        before = [[] for _ in nodes]
        for number, node in enumerate(nodes):
            for next_ in node.follows:
                before[next_].append(number)
        reads = [sum({1 << self.of[id(name)] for name in node.reads}) for node in nodes]
        writes = [1 << self.of[id(node.writes)] if node.writes else 0 for node in nodes]
        needed, alive = [0] * len(nodes), [0] * len(nodes)
        work = list(range(len(nodes)))
        while work:
            number = work.pop()
            for next_ in nodes[number].follows:
                alive[number] |= needed[next_]
            now = reads[number] | alive[number] & ~writes[number]
            if now != needed[number]:
                needed[number] = now
                work += before[number]
        return alive
