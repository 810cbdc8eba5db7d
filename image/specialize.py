"""From the firmware and a configuration to the few flat modules that are frozen into an image.

    python image/specialize.py --board microvm --config appliance.toml --out build/microvm/frozen

The firmware is loaded under CPython (hostsim.loader) for the values of its constants. Then everyday Python is folded
(image/everyday.py), what nothing needs is left out (image/shake.py), and each viper function becomes one flat function
(image/inline.py). A line `# barewire/tcp.py:123 input` in a flat function says where the lines below it come from, up to the
next such line.
"""
import argparse
import ast
import sys
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
if __name__ == "__main__":
    sys.path[0] = str(ROOT)

from image import assets as web                                                         # noqa: E402
from image.assets import AssetError                                                    # noqa: E402
from image.config import Config, ConfigError, load                                      # noqa: E402
from image.everyday import fold_everyday                                                # noqa: E402
from image.inline import flatten                                                        # noqa: E402
from image.program import Program, SpecializeError, Unit, is_hot, is_inline, place      # noqa: E402
from image.shake import Needed                                                          # noqa: E402

FIRMWARE = ROOT / "firmware"
OURS = ("barewire", "app", "assets", "main")


def specialize(config: Config, board: str, out, root: Path = FIRMWARE) -> list[Path]:
    """Write the modules of the image below the folder `out`; what an earlier run left there goes. Returns the files."""
    from hostsim import loader
    boards = sorted(path.stem for path in (root / "barewire" / "boards").glob("[!_]*.py"))
    if board not in boards:
        raise SpecializeError(f"there is no board {board}; known: {', '.join(boards)}")
    firmware = loader.load(config, board=board, root=root)
    sources = Sources(firmware, config, board, root)
    program = Program(sources.find, sources.live, firmware.word)
    texts = generate(program)
    out = Path(out)
    for stale in {*out.glob("*.py"), *out.glob("barewire/**/*.py"), *out.glob("app/**/*.py")}:
        if stale.relative_to(out).as_posix() not in texts:
            stale.unlink()
    for name, text in texts.items():
        path = out / name
        if not path.is_file() or path.read_text("utf-8") != text:       # an unchanged file is not built again
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
            path.with_suffix(".origins").unlink(missing_ok=True)
        if origins := program.origins.get(name):
            path.with_suffix(".origins").write_text(origins_text(text, origins))
    return [out / name for name in texts]


class Sources:
    """Where the modules of an image come from, and their namespaces after CPython imported them."""

    def __init__(self, firmware, config: Config, board: str, root: Path):
        self.firmware, self.config, self.root = firmware, config, root
        self.places = {"barewire.board": f"barewire/boards/{board}.py"}

    def find(self, name: str) -> tuple[str, str] | None:
        if name == "barewire.config":
            return "barewire/config.py", config_text(self.config)
        if name == "assets":
            return "assets.py", web.source(self.config, self.firmware) if self.config.http else ""
        if name == "barewire.driver":
            self.places[name] = f"barewire/nic/{self.firmware.board.NIC}.py"
        base = self.places.get(name, name.replace(".", "/") + ".py")
        for path in (base, base.removesuffix(".py") + "/__init__.py"):
            if (self.root / path).is_file():
                return path, (self.root / path).read_text("utf-8")
        return None

    def live(self, name: str) -> dict | None:
        if name == "main":              # importing it would start the appliance
            return None
        try:
            return vars(self.firmware.load(name))
        except SpecializeError:
            raise
        except AssetError as error:
            raise SpecializeError(str(error))
        except Exception as error:
            raise SpecializeError(f"module {name} cannot be imported under CPython: {type(error).__name__}: "
                                  + " ".join(str(error).split())) from error


def config_text(config: Config) -> str:
    lines = ['"""The constants of appliance.toml."""']
    lines += [f"{name} = {value!r}" for name, value in config.constants().items()]
    if config.source:
        lines.append(f"from app.readings import {config.source} as reading")
    return "\n".join(lines) + "\n"


def generate(program: Program) -> dict[str, str]:
    """The text of every module that main needs, by its path in the image."""
    needed = Needed(program, lambda unit: fold_everyday(program, unit))
    called = {id(function) for name in needed.modules for function in inline_calls(program, needed, program.unit(name))}
    units = [program.unit(name) for name in needed.modules]
    flat = {id(node): flatten(program, unit, node) for unit in units for node in ast.walk(unit.tree)
            if is_hot(node) and needed.keeps(unit, node) and (not is_inline(node) or id(node) in called)}
    for unit in units:
        Replace(flat).visit(unit.tree)
        if any(id(node) in called for node in unit.functions.values()):
            unit.imports["micropython"] = ("micropython", None)
            unit.tree.body.insert(1 if ast.get_docstring(unit.tree) else 0,
                                  place(ast.Import([ast.alias("micropython")]), unit.tree.body[0]))
    needed = Needed(program, final=True)
    return {path_of(program.unit(name)): text_of(program, needed, program.unit(name)) for name in needed.modules}


def inline_calls(program: Program, needed: Needed, unit: Unit) -> list[ast.FunctionDef]:
    """Inline functions that everyday code calls: they stay, as viper functions of their own."""
    found = [program.resolve(unit, node) for statement in unit.tree.body if needed.keeps(unit, statement)
             and not is_hot(statement) for node in ast.walk(statement) if isinstance(node, (ast.Name, ast.Attribute))]
    return [thing.value for thing in found if thing and thing.kind == "inline"]


class Replace(ast.NodeTransformer):
    """Hot functions give way to what they became; those that became nothing vanish."""

    def __init__(self, flat: dict):
        self.flat = flat

    def visit_FunctionDef(self, node):
        return self.flat.get(id(node)) if is_hot(node) else node

    def generic_visit(self, node):
        super().generic_visit(node)
        if isinstance(node, ast.stmt) and getattr(node, "body", None) == []:
            node.body = [place(ast.Pass(), node)]
        return node


def path_of(unit: Unit) -> str:
    return unit.name.replace(".", "/") + ("/__init__.py" if unit.path.endswith("__init__.py") else ".py")


def text_of(program: Program, needed: Needed, unit: Unit) -> str:
    body = []
    for node in needed.body(unit):
        if isinstance(node, ast.FunctionDef):
            program.origins.setdefault(path_of(unit), {})[node.name] = origins = Origins(node)
            node = origins.function()
        body.append(node)
    return f"# Made by image/specialize.py from firmware/{unit.path}\n{ast.unparse(ast.Module(body, []))}\n"


def origins_text(text: str, origins: dict) -> str:
    """For the lines of hot functions in a module's text: "LINE barewire/tcp.py:123 input", for image/profile.py."""
    lines = []
    for function in ast.parse(text).body:
        known = isinstance(function, ast.FunctionDef) and origins[function.name].all
        if known:
            found = list(statements(function.body))
            assert len(found) == len(known)
            lines += [f"{node.lineno} {origin}\n" for node, origin in zip(found, known)]
    return "".join(lines)


def statements(block: list):
    """All statements of a block, in the order of their text."""
    for statement in block:
        yield statement
        for field in ("body", "orelse"):
            yield from statements(getattr(statement, field, None) or [])


class Origins:
    """Puts a mark in front of each run of statements that come from another function than the ones before."""

    def __init__(self, function: ast.FunctionDef):
        self.root = function
        self.last = (function.src, function.name)
        self.all = []           # of each statement, in the order of their text

    def function(self) -> ast.FunctionDef:
        if not any(mark.startswith("micropython.") for mark in map(ast.unparse, self.root.decorator_list)):
            return self.root
        self.root.body = self.block(self.root.body)
        return self.root

    def block(self, statements: list) -> list:
        out = []
        for statement in statements:
            if (statement.src, statement.fn) != self.last:
                self.last = (statement.src, statement.fn)
                out.append(ast.Expr(ast.Name(f"# {statement.src}:{statement.lineno} {statement.fn}")))     # unparsed as it is
            self.all.append(f"{statement.src}:{statement.lineno} {statement.fn}")
            for field in ("body", "orelse"):
                if getattr(statement, field, None) and isinstance(statement, ast.stmt):
                    setattr(statement, field, self.block(getattr(statement, field)))
            out.append(statement)
        return out


def main(arguments=None) -> int:
    parser = argparse.ArgumentParser(description="Specialise the firmware for one board and one configuration.")
    parser.add_argument("--board", default="microvm", help="a file of firmware/barewire/boards")
    parser.add_argument("--config", default="appliance.toml", help="the configuration")
    parser.add_argument("--dev", action="store_true", help="a development image, with a prompt")
    parser.add_argument("--out", required=True, help="folder for the modules to freeze")
    options = parser.parse_args(arguments)
    try:
        specialize(replace(load(options.config), dev=options.dev), options.board, options.out)
    except (ConfigError, SpecializeError) as error:
        print(error, file=sys.stderr)
        return 2
    except OSError as error:
        print(f"{error.filename}: {error.strerror}; correct --out or the permissions", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
