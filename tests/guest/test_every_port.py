"""What a program meets on every machine alike. What only x86-64 or only Cortex-M has: test_port.py, test_cortex_m.py."""
import subprocess

import pytest

from image import settings
from image.settings import ROOT

BOARDS = "microvm", "lm3s6965evb", "mps2_an385"


@pytest.fixture(params=BOARDS)
def board(request):
    return request.param


def test_main_runs_and_its_end_stops_the_machine(boot):
    assert boot("print('first'); print(__name__)") == ("first\n__main__\n", 0)


def test_frozen_native_code_and_packages(boot, board):
    console, _ = boot("""
        import array, uctypes
        from lib import total
        a = array.array('I', [1, 2, 0xfffffffe])
        print(total(uctypes.addressof(a), 3), total(a, 2))
    """, lib="""
        import micropython
        @micropython.viper
        def total(p: ptr32, n: int) -> int:
            s = 0
            for i in range(n):
                s = s + p[i]
            return s
    """)
    assert console == ("4294967297 3\n" if board == "microvm" else "1 3\n")


def test_garbage_is_collected_while_the_rest_stays(boot):
    console, _ = boot("""
        kept = {i: 'value %d' % i for i in range(200)}
        for i in range(5000): x = bytearray(1000)
        print(all([v == 'value %d' % k for k, v in kept.items()]), len(kept))
    """)
    assert console == "True 200\n"


@pytest.mark.parametrize("program, last", [
    ("raise OSError('no network card')", "barewire: stopped: no network card"),
    ("x = bytearray(1 << 24)", "barewire: stopped: out of memory: give the machine more"),
    ("import sys; sys.exit('barewire: had enough')", "barewire: had enough"),
])
def test_what_the_machine_lacks_is_one_line(boot, program, last):
    assert boot(program) == (last + "\n", 0)


def test_deep_recursion_is_an_exception_not_a_crash(boot):
    console, _ = boot("def f(n):\n    return f(n + 1)\ntry:\n    f(0)\nexcept RuntimeError as e:\n    print('caught')\n")
    assert console == "caught\n"


def test_no_compiler_and_no_prompt_inside(freeze, board):
    image = freeze("pass")
    nm = settings.board(board)["build"]["cross"] + "nm"
    symbols = subprocess.run([nm, image.with_name("appliance.symbols.elf")], capture_output=True, text=True).stdout.split()
    assert "mp_call_function_0" in symbols
    assert not {"mp_compile", "mp_parse", "mp_lexer_new", "readline", "pyexec_friendly_repl"} & set(symbols)
    assert str(ROOT).encode() not in image.read_bytes()
