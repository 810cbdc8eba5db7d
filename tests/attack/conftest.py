"""The appliances under attack: the image in QEMU for all attacks, the simulator for the cheap ones."""
from types import SimpleNamespace

import pytest

from tests.attack import field, pages
from tests.real import network
from tests.real.network import TAP, ip


def pytest_collection_modifyitems(items):
    reason = network.missing()
    for item in items:
        if reason and "target" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def config():
    field.compile_flood()
    return network.configuration(field.FOLDER, 60000, pages.FILES)


@pytest.fixture(scope="module")
def target(config):
    """The image in QEMU; .free is its free heap at the start."""
    with network.network():
        ip(f"address add {field.ATTACKER}/24 dev {TAP}")
        with network.qemu(config) as process:
            network.settle()
            yield SimpleNamespace(process=process, free=field.metrics()["heap_free_bytes"])
            assert process.poll() is None, "the appliance did not survive its tests"
