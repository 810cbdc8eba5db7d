"""Byte fuzzing of every parser (targets.py): the kept corpus is run through again; `make soak` lets atheris look for more."""
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from image.settings import ROOT
from tests.fuzz import targets
from tests.fuzz.targets import TARGETS

CORPUS = Path(__file__).parent / "corpus"
SECONDS = 60


def inputs(name):
    return sorted((CORPUS / name).iterdir())


@pytest.mark.parametrize("name", TARGETS)
def test_corpus(name):
    paths = inputs(name)
    assert len(paths) >= 8
    for path in paths:
        TARGETS[name](path.read_bytes())


def test_every_folder_has_its_target():
    assert {path.name for path in CORPUS.iterdir()} == set(TARGETS)


@pytest.mark.parametrize("name, module, function, wrong", [
    ("http", "http_parse", "not_version_11", lambda p: 0),
    ("syn_options", "tcp", "offered", lambda f: 536),
    ("ipv4", "ip", "valid", None),
])
def test_a_wrong_parser_is_found(name, module, function, wrong, monkeypatch):
    """Control: the corpus reaches what it is kept for, and the targets see it."""
    fw = targets.server().fw if name == "http" else targets.again().device.fw
    def fails(*_):
        raise AssertionError("reached")
    here = getattr(fw, module)
    assert hasattr(here, function)
    monkeypatch.setattr(here, function, wrong or fails)
    with pytest.raises(AssertionError):
        test_corpus(name)


@pytest.mark.soak
@pytest.mark.parametrize("name", TARGETS)
def test_fuzz(name, capsys):
    if not importlib.util.find_spec("atheris"):
        pytest.skip("no atheris: python -m pip install -r image/requirements-soak.txt")
    done = subprocess.run([sys.executable, "-m", "tests.fuzz.cover", name, f"-max_total_time={SECONDS}", "-seed=1"], cwd=ROOT,
                          capture_output=True, text=True, timeout=SECONDS + 120)
    assert done.returncode == 0, done.stderr[-1500:]
    last = [line for line in done.stderr.splitlines() if "DONE" in line]
    assert last, done.stderr[-500:]
    with capsys.disabled():
        print(f"\n{name}: {' '.join(last[0].split())}")
