"""Images for the guest tests: the example appliance, and small frozen programs that exercise the port alone."""
import textwrap
from pathlib import Path

import pytest

from image import build
from image.qemu import Qemu
from image.settings import ROOT

BOARD = "microvm"


@pytest.fixture(scope="session")
def appliance() -> Path:
    """The example appliance's image, built if it is not up to date."""
    return build.build_image(BOARD, ROOT / "appliance.toml", ROOT / "build")


@pytest.fixture
def board() -> str:
    """The machine on which a test's program runs; a module that has others overrides this."""
    return BOARD


@pytest.fixture
def freeze(tmp_path, board):
    """freeze(main, name=source, ...) -> an image whose main.py is `main`, with the other modules beside it."""
    def make(main: str, **modules: str) -> Path:
        gen = tmp_path / "gen"
        gen.mkdir()
        for name, text in {"main": main, **modules}.items():
            (gen / f"{name}.py").write_text(textwrap.dedent(text))
        return build.build_image(board, Path("none"), tmp_path / "build", gen)
    return make


@pytest.fixture
def boot(freeze, board):
    """boot(main, **modules) runs the program to its end: (console, QEMU's exit code)."""
    def run(main: str, seconds: float = 20, memory=None, append="", extra=(), **modules: str) -> tuple[str, int]:
        with Qemu(board=board, image=freeze(main, **modules), memory=memory, append=append, extra=extra) as machine:
            code = machine.wait(seconds)
            return machine.console, code
    return run

