"""The marker `soak`: tests of minutes, which `make soak` runs and `make test` leaves out and says so. Hypothesis without dice.
No test waits without an end: one that hangs fails, and says where."""
import pytest
from hypothesis import settings

LONGEST, LONGEST_SOAK = 300, 3600       # seconds, fixtures included: ten times what the slowest takes on two quiet cores

left_out = []


def pytest_configure(config):
    settings.register_profile("same", derandomize=True, deadline=None)      # the same examples at each run
    settings.load_profile("same")
    config.addinivalue_line("markers", "soak: takes minutes; make soak runs it, make test does not")


def pytest_collection_modifyitems(items):
    for item in items:
        item.add_marker(pytest.mark.timeout(LONGEST_SOAK if item.get_closest_marker("soak") else LONGEST))


def pytest_deselected(items):
    left_out.extend(item for item in items if item.get_closest_marker("soak"))


def pytest_terminal_summary(terminalreporter):
    if left_out:
        terminalreporter.write_line(f"{len(left_out)} tests that take minutes were left out: make soak runs them")
