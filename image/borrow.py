"""Copying loops in a large flat function, for processors where MicroPython keeps two locals in registers (Thumb).

Those are the first two parameters. Another pointer lies on the stack, and a word copied from one to another costs six
instructions there instead of two. So around a run of statements that copies, and does not use the two parameters, these
give up their place:

    kept_n = int(n)             n = p            while words >= 8:           p = n    n = ptr32(kept_n)
    kept_s = int(s)             s = e                n[0] = s[4] ...                  s = ptr32(kept_s)

What the code does is not changed: the two have their values back behind the run.
"""
import ast
from collections import Counter

from image.program import place

WORTH = 16          # places of use in the run: fewer do not pay for the exchange


class Rename(ast.NodeTransformer):
    def __init__(self, names: dict):
        self.names = names

    def visit_Name(self, node):
        return place(ast.Name(self.names.get(node.id, node.id), node.ctx), node)


def names(node: ast.AST, kind=(ast.Load, ast.Store)) -> set[str]:
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, kind)}


def indexed(node: ast.AST) -> Counter:
    """How often each name is indexed."""
    return Counter(n.value.id for n in ast.walk(node) if isinstance(n, ast.Subscript) and isinstance(n.value, ast.Name))


class Borrower:
    """Works on one flat function: `parameters` in their order, `types` of all its names."""

    def __init__(self, parameters: list[str], types: dict, taken: set):
        self.registers = parameters[:2]
        self.types = types
        self.kept = {}              # register -> the local that holds its value during a run
        for name in self.registers:
            self.kept[name] = "kept_" + name
            while self.kept[name] in taken:
                self.kept[name] += "_"
        self.possible = len(self.registers) == 2 and all(types[name] == "ptr32" for name in self.registers)

    def block(self, body: list) -> list:
        if not self.possible:
            return body
        done, run, pointers = [], [], set()
        for statement in [*body, None]:
            found = self.copies(statement)
            if run and (found is None or len(pointers | found) > 2):
                done += self.exchange(run, pointers)
                run, pointers = [], set()
            if found is not None:
                run.append(statement)
                pointers |= found
            elif statement is not None:
                for field in ("body", "orelse"):
                    if getattr(statement, field, None):
                        setattr(statement, field, self.block(getattr(statement, field)))
                done.append(statement)
        return done

    def copies(self, statement) -> set | None:
        """The one or two pointers that this loop or branch works with, None where it does more."""
        if not isinstance(statement, (ast.While, ast.If)) or names(statement) & set(self.registers):
            return None
        if any(isinstance(n, (ast.Return, ast.Break, ast.Continue)) for n in ast.walk(statement)):
            return None
        pointers = set(indexed(statement))
        fits = 0 < len(pointers) <= 2 and all(self.types[name] == "ptr32" for name in pointers)
        return pointers if fits else None

    def exchange(self, run: list, pointers: set) -> list:
        uses = sum((indexed(statement) for statement in run), Counter())
        loops = any(isinstance(statement, ast.While) for statement in run)
        if len(pointers) < 2 or sum(uses.values()) < WORTH or not loops:
            return [new for statement in run for new in self.inside(statement)]
        changed = set().union(*(names(statement, ast.Store) for statement in run))
        pairs = list(zip(self.registers, sorted(pointers)))
        self.types.update((kept, "int") for kept in self.kept.values())
        before = [f"{kept} = int({register})" for register, kept in self.kept.items()]
        before += [f"{register} = {pointer}" for register, pointer in pairs]
        after = [f"{pointer} = {register}" for register, pointer in pairs if pointer in changed]
        after += [f"{register} = ptr32({kept})" for register, kept in self.kept.items()]
        rename = Rename({pointer: register for register, pointer in pairs})
        return [*parse(before, run[0]), *map(rename.visit, run), *parse(after, run[-1])]

    def inside(self, statement) -> list:
        for field in ("body", "orelse"):
            if getattr(statement, field, None):
                setattr(statement, field, self.block(getattr(statement, field)))
        return [statement]


def parse(lines: list[str], like: ast.stmt) -> list:
    return [place(statement, like) for statement in ast.parse("\n".join(lines)).body]
