"""Every test that asks for `device` runs on the fast simulator and, checked, at both word sizes."""
import pytest
from big import site
from device import Client, Device


@pytest.fixture(params=(None, 64, 32), ids=("fast", "checked64", "checked32"))
def word(request):
    return request.param


@pytest.fixture
def device(word):
    return Device(word=word)


@pytest.fixture
def peer(word):
    """A peer with a connection to a device that has /big.bin."""
    client = Client(Device(word=word, assets=site()), window=65535)
    client.open()
    return client
