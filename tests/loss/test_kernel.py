"""The loss matrix in real time: the kernel's TCP fetches over the same bad wire from the image and from the kernel itself."""
import json
import shutil
import statistics
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from image import settings
from image.settings import ROOT
from tests.loss import cell
from tests.real import network

LOSSES = (0, 0.01, 0.02, 0.05, 0.10, 0.20, 0.30)
FAULTS = ("", "all three")
SERVERS = ("barewire", "kernel")
SEEDS = (1, 2, 3)
SLOW = 0.2                  # from this loss on a cell takes up to twenty minutes: one seed is tried
AT_ONCE = 12                # cells sleep most of the time
GIVE_UP = 3600


def fetch(arguments):
    """The answer of one cell, a dict; what went wrong is under "error"."""
    command = [sys.executable, "-m", "tests.loss.cell", *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=GIVE_UP)
    told = dict(zip(("server", "load", "loss", "faults", "seed"), arguments))
    return {**told, **(json.loads(done.stdout) if done.returncode == 0 else {"error": done.stderr[-600:]})}


@pytest.fixture(scope="module")
def image():
    reason = network.missing()
    binary = settings.board("microvm")["qemu"]["binary"]
    if reason or not shutil.which(binary):
        pytest.skip(reason or binary + " is not installed")
    network.image_of(cell.configuration())


def table(load, results):
    """Lines: the median of the seeds in kB/s, barewire / the kernel, and how often a connection had to be made again."""
    yield f"{load + ', kB/s':18} {'loss':>5}" + "".join(f"{name or 'loss alone':>12}{'kernel':>9}{'again':>7}" for name in FAULTS)
    for loss in LOSSES:
        line = f"{'':18} {loss:5.0%}"
        for faults in FAULTS:
            speeds = {server: [r["kilobytes"] for r in results if (r["server"], r["load"], r["loss"], r["faults"])
                               == (server, load, loss, faults)] for server in SERVERS}
            again = [sum(r["again"] for r in results if (r["server"], r["load"], r["loss"], r["faults"])
                         == (server, load, loss, faults)) for server in SERVERS]
            line += "".join(f"{statistics.median(speeds[server]):{width}.1f}" for server, width in zip(SERVERS, (12, 9)))
            line += f"{'%d/%d' % tuple(again):>7}"
        yield line


@pytest.mark.soak
def test_goodput_beside_the_kernel(image, capsys):
    cells = [(server, load, loss, faults, seed) for loss in reversed(LOSSES) for load in ("200 kB page", "100 requests")
             for faults in FAULTS for seed in (SEEDS if loss < SLOW else SEEDS[:1]) for server in SERVERS]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        results = list(pool.map(fetch, cells))
    assert not [result for result in results if "error" in result]
    with capsys.disabled():
        for load in ("200 kB page", "100 requests"):
            print("", *table(load, results), sep="\n")
    ours = [r for r in results if r["server"] == "barewire"]
    assert all(r["again"] == 0 for r in ours if r["loss"] <= 0.1)
