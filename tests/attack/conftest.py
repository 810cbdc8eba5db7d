"""The appliance under attack: the image in QEMU on a TAP of its own namespace."""
import pytest

from image.settings import ROOT
from tests.attack import field
from tests.real import conftest, network
from tests.real.network import TAP, ip


def pytest_collection_modifyitems(items):
    reason = network.missing()
    for item in items:
        if reason and {"target", "simulator"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def config():
    field.compile_flood()
    return network.configuration(ROOT / "build" / "real", conftest.PERIOD_MS, conftest.FILES)


@pytest.fixture(scope="module")
def target(config):
    """The image in QEMU."""
    with network.network():
        for address in (field.ATTACKER, *field.CROWD):
            ip(f"address add {address}/24 dev {TAP}")
        with network.qemu(config) as process:
            network.settle()
            yield process
            assert process.poll() is None, "the appliance did not survive its tests"
