"""The tools of `make bench`: what they read, their tables and their picture, and what they refuse. No figure is measured here."""
import importlib.util
import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import pytest

from image.settings import ROOT, Refused
from tests.bench import lwip_peer, measure, memory, results
from tests.bench.results import OURS, Table

WRK = """Running 1s test @ http://10.0.2.15/
  1 threads and 8 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency   140.11us   87.02us   2.59ms   92.03%
    Req/Sec    55.77k     3.91k   58.23k    90.00%
  61076 requests in 1.10s, 78.12MB read
Requests/sec:  55490.17
Transfer/sec:     71.02MB
"""


def table() -> Table:
    made = Table("A title.", [OURS, "Linux guest", "absent"], "Linux guest")
    made.add(OURS, "requests", "wrk", [9000, 10000, 12000], "/s", goal="2 x")
    made.add("Linux guest", "requests", "", [5000, 4000, 5100], "/s")
    made.add(OURS, "latency", "ping", [0.25], "ms", digits=2, less=True)
    made.add("Linux guest", "latency", "", [0.5], "ms")
    made.add(OURS, "size", "", [1234567], "bytes", less=True)
    return made


def test_a_table_shows_medians_ranges_and_who_is_better_by_how_much():
    assert table().markdown() == """A title.

| what | with | barewire | Linux guest | better by | goal |
|---|---|--:|--:|--:|--:|
| requests | wrk | 10,000 /s (9,000..12,000) | 5,000 /s (4,000..5,100) | 2 x | 2 x |
| latency | ping | 0.25 ms | 0.50 ms | 2 x |  |
| size |  | 1,234,567 bytes | - | - |  |"""


def test_a_table_leaves_out_what_is_empty_and_tells_what_was_skipped():
    made = Table("A title.", [OURS, "Linux guest"], "Linux guest")
    made.add(OURS, "1", "", [7], "/s")
    made.skip("Linux guest", "no apt-get")
    assert made.markdown() == "A title.\n\n| what | barewire |\n|---|--:|\n| 1 | 7 /s |\n\nLinux guest skipped: no apt-get"


def test_tables_are_kept_whole(tmp_path):
    results.save(tmp_path / "bench.json", {"guests": table()})
    assert results.load(tmp_path / "bench.json") == {"guests": table()}


def test_wrk_is_read_and_its_errors_are_refused():
    assert measure.rate(WRK) == 55490.17
    for wrong in "  Socket errors: connect 0, read 7, write 0, timeout 0\n", "  Non-2xx or 3xx responses: 61076\n":
        with pytest.raises(Refused, match=wrong.strip()):
            measure.rate(WRK.replace("Requests/sec", wrong + "Requests/sec"))


def test_memory_of_a_process_is_what_it_holds():
    held = bytearray(os.urandom(1 << 20)) * 32
    rss, pss = measure.memory_mib(os.getpid())
    assert len(held) == 32 << 20 and 32 < pss <= rss < 4096


def test_least_memory_is_the_first_that_is_enough(monkeypatch):
    monkeypatch.setattr(memory, "enough", lambda command, length, seconds: 40.5 if command >= 4 else 0)
    assert memory.least(lambda mib: mib, [2, 3, 4, 5], 1024, 1) == (4, 40.5)
    with pytest.raises(Refused, match="64 connections are not served with 3 MiB"):
        memory.least(lambda mib: mib, [2, 3], 1024, 1)


def test_least_spans_are_found_and_what_nothing_costs_is_taken_off(tmp_path):
    counts = tmp_path / "counts"
    counts.write_text("span\n1000 3\n1001 4\nspan\n1000 50\nspan\n1000 60\nspan\n1000 40\nspan\n1000 90\n")
    assert lwip_peer.least(counts, {"": [range(1)], "echo": [range(1, 3), range(3, 5)]}) == {"echo": 50 + 60 - 2 * 7}


@pytest.mark.parametrize("words", [["instructon"], ["plot", "more"], ["plots"]])
def test_unknown_arguments_are_refused_in_one_line(words):
    done = subprocess.run([sys.executable, "-m", "tests.bench", *words], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"barewire: ARGS={' '.join(words)}: there are instructions and plot; without, everything is measured\n"


def whole_run() -> dict[str, Table]:
    """Tables with the names and rows that the picture takes; the last one was not measured."""
    found = {name: Table(name, [OURS, "Linux guest"], "Linux guest") for name in
             ("guests", "x86", "connections", "cortex_m", "goodput", "appliances")}
    found["guests"].add(OURS, "goodput", "", [100], "MB/s")
    found["guests"].add("Linux guest", "goodput", "", [400], "MB/s")
    for name in "x86", "connections", "cortex_m", "goodput":
        for k, what in enumerate(("first & last", "second", "third")):
            found[name].add(OURS, what, "", [1000 + 100 * k, 1500 + 100 * k], "/s")
            found[name].add("Linux guest", what, "", [2000 * k + 500], "/s")
    return found


@pytest.mark.skipif(not importlib.util.find_spec("matplotlib"), reason="no matplotlib: make bench installs it")
def test_the_picture_is_small_the_same_each_time_and_shows_the_values(tmp_path):
    from tests.bench import plot

    drawn = []
    for _ in range(2):
        plot.draw(whole_run(), tmp_path / "bench.svg", tmp_path / "bench.png")
        drawn.append((tmp_path / "bench.svg").read_bytes())
    assert drawn[0] == drawn[1] and len(drawn[0]) < 80_000 and (tmp_path / "bench.png").read_bytes()[1:4] == b"PNG"
    texts = [text.text for text in ElementTree.fromstring(drawn[0]).iter("{http://www.w3.org/2000/svg}text")]
    assert {"0.25", "1,250", "first & last", "goodput, 1 MB page", "HTTP against the size of the page"} <= set(texts)
    assert "Appliances on one machine" not in texts
