"""Every test that asks for `device` runs on the fast simulator and, checked, at both word sizes."""
import pytest
from device import Device


@pytest.fixture(params=(None, 64, 32), ids=("fast", "checked64", "checked32"))
def word(request):
    return request.param


@pytest.fixture
def device(word):
    return Device(word=word)
