"""hostsim.loader: isolated instances of the firmware, its shims, lazy loading, checked arithmetic."""
import gc
import textwrap
import weakref

import pytest

from hostsim import loader, shims

CONFIG = {"NAME": "t", "HTTP": False, "SENSOR": True, "SENSOR_SOURCE": "counter"}


@pytest.fixture
def tree(tmp_path):
    """A little firmware: package, board, card, a hot module, an application."""
    def write(name, text):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
    write("barewire/boards/microvm.py", "WORD = 64\nNIC = 'card'\nTCP_SLOTS = 64\n")
    write("barewire/boards/small.py", "from micropython import const\nWORD = const(32)\nNIC = 'card'\n")
    write("barewire/nic/card.py", "from barewire import board\nSIZE = board.TCP_SLOTS * 2\n")
    write("barewire/inline.py", "def inline(f):\n    return f\n")
    write("barewire/hot.py", """
        import micropython
        from array import array
        from .inline import inline
        state = array("I", [0, 0, 0])

        @inline
        def twice(x: int) -> int:
            return x + x

        @micropython.viper
        def bump(s: ptr32, by: int) -> int:
            s[1] = s[1] + by
            return twice(s[1])

        def everyday(x):
            return x + x
        """)
    write("barewire/user.py", """
        from . import board, config, driver, hot
        from app import readings
        import time
        def now():
            return time.ticks_ms()
        """)
    write("barewire/loop_a.py", "from . import loop_b\nX = 1\n")
    write("barewire/loop_b.py", "from . import loop_a\ndef x():\n    return loop_a.X\n")
    write("app/readings.py", "from barewire import config\ndef counter():\n    return config.NAME\n")
    write("main.py", "from barewire import hot\nprint('ready', hot.bump(hot.state, 3))\n")
    return tmp_path


def load(tree, **more):
    return loader.load(CONFIG, root=tree, **more)


def test_two_appliances_share_nothing(tree):
    one, two = load(tree), load(tree)
    one.hot.bump(one.hot.state, 5)
    assert one.hot.state[1] == 5 and two.hot.state[1] == 0
    assert one.hot is not two.hot and one.modules["barewire.hot"] is one.hot


def test_nothing_is_executed_before_it_is_asked_for(tree):
    (tree / "barewire/broken.py").write_text("1 / 0\n")
    firmware = load(tree)
    assert "barewire.hot" not in firmware.modules
    with pytest.raises(ZeroDivisionError):
        firmware.broken
    assert "barewire.broken" not in firmware.modules


def test_synthetic_modules(tree):
    firmware = load(tree)
    user = firmware.user
    assert user.driver.SIZE == 128 and user.config.NAME == "t"
    assert user.driver is firmware.modules["barewire.nic.card"]
    assert user.board is firmware.modules["barewire.boards.microvm"]
    assert user.config.reading() == "t" and user.config.reading is user.readings.counter


def test_board_constants_can_be_overridden(tree):
    assert load(tree, overrides={"TCP_SLOTS": 4}).driver.SIZE == 8
    assert load(tree, word=32).board.WORD == 32 and load(tree, board="small").word == 32


def test_an_unknown_module_is_named(tree):
    with pytest.raises(AttributeError, match="no module barewire.nothing"):
        load(tree).nothing
    (tree / "barewire/wants.py").write_text("import barewire.missing\n")
    with pytest.raises(ModuleNotFoundError, match="barewire.missing"):
        load(tree).wants


def test_modules_may_import_each_other(tree):
    assert load(tree).loop_a.loop_b.x() == 1


def test_time_is_the_clock_of_the_device(tree):
    firmware = load(tree)
    firmware.clock.advance(1234)
    assert firmware.user.now() == 1234


def test_main_runs_and_prints_on_its_console(tree):
    firmware = load(tree)
    firmware.run()
    firmware.run()
    assert firmware.console.getvalue() == "ready 6\nready 12\n"


@pytest.mark.parametrize("word, expected", [(64, 0x180000000), (32, -0x80000000)])
def test_arithmetic_wraps_at_the_word_in_hot_functions_only(tree, word, expected):
    firmware = load(tree, word=word, checked=True)
    firmware.hot.state[1] = 0xC0000000
    assert firmware.hot.bump(firmware.hot.state, 0) == expected
    assert firmware.hot.everyday(1 << 70) == 1 << 71


def test_literals_too_large_for_a_small_int_are_refused_for_32_bits(tree):
    source = "import micropython\nfrom barewire import board\n@micropython.viper\ndef f(x: int) -> int:\n    return %s\n"
    (tree / "barewire/lit.py").write_text(source % "x & 0xFFFFFFFF")
    with pytest.raises(SyntaxError, match="lit.py: line 5"):
        load(tree, word=32).lit
    assert load(tree, checked=True).lit.f(-1) == 0xFFFFFFFF
    (tree / "barewire/lit.py").write_text((source % "x").replace(
        "    return", "    if board.WORD == 64:\n        x = x & 0xFFFFFFFF\n    return"))
    assert load(tree, word=32).lit.f(-1) == -1


def test_assets_are_given_as_dict_or_module(tree):
    (tree / "barewire/web.py").write_text("import assets\nN = assets.N\n")
    assert load(tree, assets={"N": 3}).web.N == 3
    assert load(tree, assets=shims.module("assets", N=4)).web.N == 4


def test_thousands_of_loads_leave_nothing_behind(tree):
    seen = []
    for _ in range(300):
        firmware = load(tree)
        firmware.hot.bump(firmware.hot.state, 1)
        seen.append(weakref.ref(firmware.memory))
    del firmware
    gc.collect()
    assert sum(ref() is not None for ref in seen) == 0


def test_loading_is_quick(tree):
    import time
    load(tree).user
    start = time.perf_counter()
    for _ in range(20):
        load(tree).user
    assert (time.perf_counter() - start) / 20 < 0.02


def test_a_file_changed_meanwhile_is_compiled_anew(tree):
    import os
    load(tree).hot
    path = tree / "barewire/hot.py"
    path.write_text("STATE = 'new'\n")
    os.utime(path, ns=(1, 1))
    assert load(tree).hot.STATE == "new"


def test_shims(tree):
    firmware = load(tree, seed=7)
    micropython = firmware.modules["micropython"]
    micropython.heap_lock()
    assert micropython.heap_unlock() == 0
    with pytest.raises(RuntimeError):
        micropython.heap_unlock()
    assert firmware.port.entropy() == load(tree, seed=7).port.entropy() != load(tree, seed=8).port.entropy()
    ticks = load(tree, word=32).modules["time"]
    assert ticks.ticks_diff(5, (1 << 30) - 5) == 10
    with pytest.raises(shims.Halt):
        firmware.port.halt(1)
