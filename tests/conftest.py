"""The marker `soak`: tests of minutes, which `make soak` runs and `make test` leaves out and says so. Hypothesis without dice."""
from hypothesis import settings

left_out = []


def pytest_configure(config):
    settings.register_profile("same", derandomize=True, deadline=None)      # the same examples at each run
    settings.load_profile("same")
    config.addinivalue_line("markers", "soak: takes minutes; make soak runs it, make test does not")


def pytest_deselected(items):
    left_out.extend(item for item in items if item.get_closest_marker("soak"))


def pytest_terminal_summary(terminalreporter):
    if left_out:
        terminalreporter.write_line(f"{len(left_out)} tests that take minutes were left out: make soak runs them")
