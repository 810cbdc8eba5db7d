"""The two appliances under the same tests: the image in QEMU and the simulator, each on a TAP of its own namespace."""
import random
from types import SimpleNamespace

import pytest

from image.settings import ROOT
from tests.real import network

WWW = ROOT / "firmware" / "app" / "www"
BIG = random.Random(2).randbytes(100_001)
FILES = {**{path.name: path.read_bytes() for path in WWW.iterdir()}, "big.bin": BIG, "small.txt": b"0123456789\n"}
PERIOD_MS = 100
KINDS = {"qemu": network.qemu, "simulator": network.simulator}


def pytest_collection_modifyitems(items):
    """Without root there is no TAP: every test that needs one says so."""
    reason = network.missing()
    for item in items:
        if reason and {"appliance", "kind", "tap"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def config():
    """The configuration that all share, so that one image is built."""
    return network.configuration(ROOT / "build" / "real", PERIOD_MS, FILES)


@pytest.fixture(params=KINDS)
def kind(request):
    return KINDS[request.param]


@pytest.fixture(scope="module", params=KINDS)
def appliance(request, config):
    """An appliance on TAP, the test inside of its network; .process is what runs it."""
    with network.network(), KINDS[request.param](config) as process:
        network.settle()
        yield SimpleNamespace(kind=request.param, process=process)
        assert process.poll() is None, "the appliance did not survive its tests"


@pytest.fixture
def tap():
    """For tests that start an appliance themselves."""
