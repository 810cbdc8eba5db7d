"""Fresh, isolated instances of the firmware's modules: several appliances live in one process.

`load(config)` returns a Firmware.  Nothing is executed before it is asked for: `fw.tcp` (or an import in another
firmware module) executes firmware/barewire/tcp.py in a module object of this device's own.  Firmware sees the shims of
hostsim/shims.py instead of CPython's modules of the same name, and three synthetic modules:

    barewire.config   constants of appliance.toml     barewire.board, barewire.driver   the chosen board and card
    assets            the compiled web pages
"""
import ast
import builtins
import importlib
import io
import sys
from pathlib import Path
from types import ModuleType

from hostsim import shims
from hostsim.clock import VirtualClock
from hostsim.memory import Memory
from hostsim.viper import pointer_types, rewrite

FIRMWARE = Path(__file__).resolve().parent.parent / "firmware"
_CODE = {}                  # (path, word to wrap to or 0, replaced constants) -> (time of change, code)


def _compiled(path, wrap, constants=()):
    """The code object of a firmware file; `wrap` is the word size of checked mode, 0 for the file as it is.

    `constants`: (name, value) pairs that replace the file's own assignments at module level.
    """
    changed = path.stat().st_mtime_ns
    key = (path, wrap, constants)
    known = _CODE.get(key)
    if known and known[0] == changed:
        return known[1]
    tree = ast.parse(path.read_text("utf-8"), str(path))
    values = dict(constants)
    for node in tree.body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", None) in values:
            node.value = ast.copy_location(ast.Constant(values[node.targets[0].id]), node.value)
    if wrap:
        try:
            tree = rewrite(tree, wrap)
        except SyntaxError as error:
            raise SyntaxError("%s: %s" % (path, error)) from None
    code = compile(tree, str(path), "exec", dont_inherit=True)
    _CODE[key] = (changed, code)
    return code


class Modules(dict):
    """The device's sys.modules; asking for a firmware module that is not there yet loads it."""
    def __init__(self, firmware):
        super().__init__()
        self.firmware = firmware

    def __missing__(self, name):
        return self.firmware.load(name)


class Firmware:
    """One device's firmware.  Attributes: memory, clock, port, console, config, word; modules by their name."""

    def __init__(self, config, board, word, assets, checked, port, seed, clock, console, overrides, root):
        self.root = root
        self.board_name = board
        self.overrides = dict(overrides or {})
        absent = importlib.import_module("image.config").ABSENT
        self.constants = {**absent, **config} if isinstance(config, dict) else config.constants()
        self._config = config
        self._assets = assets
        self.console = io.StringIO() if console is None else console
        self.clock = clock or VirtualClock()
        self.word = word or self.overrides.get("WORD") or self._board_word()
        self.overrides["WORD"] = self.word
        self.wrap = self.word if checked or self.word == 32 else 0
        self.memory = Memory(self.word)
        self.port = port or shims.Port(self.clock, seed)
        self.modules = Modules(self)
        self.builtins = dict(vars(builtins), __import__=self._import, print=self._print,
                             **pointer_types(self.memory))
        self.modules.update(shims.make(self), port=self.port)

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            return self.modules["barewire." + name]
        except ModuleNotFoundError as error:
            if error.name != "barewire." + name:
                raise
            raise AttributeError("firmware has no module barewire.%s" % name) from None

    def run(self, name="main"):
        """Execute firmware/<name>.py as the program, from a fresh module object; returns when it does."""
        self.modules.pop(name, None)
        return self.load(name)

    # ---- loading -------------------------------------------------------------------------------------------------
    def load(self, name):
        """The module of this full name; loads it and its packages."""
        if name in self.modules:
            return self.modules[name]
        if name == "barewire.config":
            module = self._make_config()
        elif name == "assets":
            module = self._make_assets()
        else:
            return self._execute(name, self._path(name))
        self.modules[name] = module
        self._attach(name, module)
        return module

    def _path(self, name):
        """The file of a firmware module; the synthetic names lead to the chosen board and card."""
        if name == "barewire.board":
            name = "barewire.boards." + self.board_name
        elif name == "barewire.driver":
            name = "barewire.nic." + self.load("barewire.board").NIC
        base = self.root.joinpath(*name.split("."))
        for path in (base.with_suffix(".py"), base / "__init__.py"):
            if path.is_file():
                return path
        if base.is_dir():
            return None
        raise ModuleNotFoundError("No module named %r in %s" % (name, self.root), name=name)

    def _alias(self, name):
        """The file of the board is one module, whether it is asked for as board or by its place; so is the card."""
        if name == "barewire.boards." + self.board_name:
            return "barewire.board"
        if name.startswith("barewire.nic.") and name == "barewire.nic." + self.load("barewire.board").NIC:
            return "barewire.driver"
        return name

    def _execute(self, name, path):
        real = self._alias(name)
        if real != name:
            module = self.modules[name] = self.modules[real]
            self._attach(name, module)
            return module
        module = ModuleType(name)
        is_package = path is None or path.name == "__init__.py"
        module.__package__ = name if is_package else name.rpartition(".")[0]
        module.__builtins__ = self.builtins
        if is_package:
            module.__path__ = []
        self.modules[name] = module
        self._attach(name, module)
        if path is not None:
            module.__file__ = str(path)
            try:
                constants = tuple(sorted(self.overrides.items())) if name == "barewire.board" else ()
                exec(_compiled(path, self.wrap, constants), module.__dict__)
            except BaseException:
                del self.modules[name]
                raise
        return module

    def _attach(self, name, module):
        parent, _, last = name.rpartition(".")
        if parent:
            setattr(self.load(parent), last, module)

    def _board_word(self):
        """WORD of the board's file, read without executing it: memory has to know before anything runs."""
        path = self.root / "barewire" / "boards" / (self.board_name + ".py")
        if not path.is_file():
            raise FileNotFoundError("board %r: %s does not exist" % (self.board_name, path))
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "WORD":
                value = node.value.args[0] if isinstance(node.value, ast.Call) else node.value
                return ast.literal_eval(value)
        raise ValueError("%s: no line WORD = 32 or WORD = 64" % path)

    def _make_config(self):
        module = shims.module("barewire.config", **{"DEV": False, **self.constants})

        def lazily(name):                   # readings.py may import barewire modules: not before it is needed
            if name != "reading" or not self.constants.get("SENSOR_SOURCE"):
                raise AttributeError("barewire.config has no %s" % name)
            module.reading = getattr(self.load("app.readings"), self.constants["SENSOR_SOURCE"])
            return module.reading

        module.__getattr__ = lazily
        return module

    def _make_assets(self):
        if self._assets is None and self.constants.get("HTTP"):
            compiler = importlib.import_module("image.assets")
            self._assets = compiler.load(self._config, routes=self.root / "app" / "routes.py")
        return self._assets if isinstance(self._assets, ModuleType) else shims.module(
            "assets", **(self._assets if isinstance(self._assets, dict) else vars(self._assets or ModuleType("a"))))

    # ---- import and print, as firmware sees them -----------------------------------------------------------------
    def _import(self, name, globals=None, locals=None, fromlist=(), level=0):
        if level:
            package = globals["__package__"]
            for _ in range(level - 1):
                package = package.rpartition(".")[0]
            if not package:
                raise ImportError("relative import beyond the top of firmware: %s" % name)
            name = package + "." + name if name else package
        top = name.partition(".")[0]
        if top not in self.modules and top not in ("barewire", "app", "assets"):
            return builtins.__import__(name, None, None, fromlist, 0)       # array, struct, binascii, ...
        module = self.load(name)
        for wanted in fromlist or ():
            if wanted != "*" and not hasattr(module, wanted) and hasattr(module, "__path__"):
                self.load(name + "." + wanted)
        return module if fromlist else self.load(top)

    def _print(self, *args, sep=" ", end="\n", file=None):
        print(*args, sep=sep, end=end, file=file or self.console)


def load(config, board="microvm", word=None, assets=None, checked=False, port=None, seed=0, clock=None, console=None,
         overrides=None, root=FIRMWARE):
    """A Firmware of its own.

    config: image.config.Config or a dict of its constants; those of image.config's ABSENT may be left out.  word: 32 or 64,
    by default the board's.  checked: wrap hot arithmetic at the word size (always so for 32).  port: stands in for the C
    module of the board.  seed: of the entropy.  clock: default is virtual time.  console: a text stream for print.
    overrides: board constants to change, for instance {"NIC": "memory", "TCP_SLOTS": 4}.  root: the firmware folder.
    """
    if str(FIRMWARE.parent) not in sys.path:
        sys.path.insert(0, str(FIRMWARE.parent))        # hostsim may be called from anywhere; image/ lies beside it
    return Firmware(config, board, word, assets, checked, port, seed, clock, console, overrides, Path(root))
