"""Random hot programs: the specialised function does what the original does, under CPython and as native code."""
import random
import subprocess

import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from image import micropython
from image.program import SpecializeError
from tests.unit.programs import LIMITS, WORDS_OF_MEMORY, Toy, program

NUMBERS = st.one_of(st.integers(-4, 4), st.integers(-(1 << 31), (1 << 31) - 1))
MEMORY = st.lists(st.one_of(st.integers(0, 5), st.integers(0, (1 << 32) - 1)), min_size=WORDS_OF_MEMORY,
                  max_size=WORDS_OF_MEMORY)
SAMPLE = 100


@pytest.mark.parametrize("word", [32, 64])
@settings(max_examples=150, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate],
          suppress_health_check=list(HealthCheck))
@given(source=st.builds(program, st.integers(1, 4), st.integers(0, 1 << 32)), a=NUMBERS, b=NUMBERS, memory=MEMORY)
def test_same_under_cpython(word, source, a, b, memory):
    try:
        toy = Toy(word, main=source, limits=LIMITS)
        toy.flat()
    except SpecializeError as error:
        assume("does not fit a literal" not in str(error))      # which is for the author of such a program to mend
        raise
    assert toy.specialised(a, b, memory) == toy.original(a, b, memory), toy.flat()


def sample(word):
    """Toys with a source of every size, the same ones at each run."""
    return [Toy(word, main=program(1 + seed % 4, seed), limits=LIMITS) for seed in range(SAMPLE)]


@pytest.mark.parametrize("word, options", [(64, ["-march=x64", "-msmall-int-bits=63"]), (32, ["-march=armv7m"])])
def test_mpy_cross_takes_it(word, options, tmp_path):
    text = "import micropython\n" + "\n".join(toy.flat() for toy in sample(word))
    (tmp_path / "flat.py").write_text(text)
    command = [micropython.mpy_cross(), "-X", "heapsize=64M", *options, tmp_path / "flat.py"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_same_as_native_code(tmp_path):
    """MicroPython's unix port runs the specialised functions as machine code."""
    choice = random.Random(1)
    lines, expected = ["import micropython", "from array import array"], []
    for toy in sample(64):
        lines.append(toy.flat())
        for _ in range(4):
            a, b = (choice.choice([choice.randint(-4, 8), choice.randint(-1 << 31, (1 << 31) - 1)]) for _ in "ab")
            memory = [choice.choice([choice.randint(0, 5), choice.getrandbits(32)]) for _ in range(WORDS_OF_MEMORY)]
            lines += [f"m = array('I', {memory})", f"print(run(m, {a}, {b}), list(m))"]
            result, after = toy.original(a, b, memory)
            expected.append(f"{result} {after}")
    (tmp_path / "flat.py").write_text("\n".join(lines))
    done = subprocess.run([micropython.unix(), tmp_path / "flat.py"], capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    assert done.stdout.splitlines() == expected
