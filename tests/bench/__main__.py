"""make bench: what an appliance reaches on this machine, beside its peers in the same run.

    python -m tests.bench [instructions | plot]

The tables are printed and written to build/bench.md, every value to build/bench.json; the plot of them is build/bench.svg
and .png and, for the README, tests/bench/figures.svg. instructions: only those per operation, which are the same each time.
plot: tables and plot of the run before.

Every figure is the median of its runs, with the least and the greatest. The host, the load and the appliance share the
machine's processors, so a busy machine shows in all of them.
"""
import importlib.util
import sys
from pathlib import Path

from image import settings
from image.settings import ROOT, Refused
from tests.bench import guests, instruction_tables, measure, results
from tests.real import network

BUILD = ROOT / "build"
KEPT = BUILD / "bench.json"
PICTURE = ROOT / "tests" / "bench" / "figures.svg"


def measured() -> dict[str, results.Table]:
    """All tables, by name, in the order in which they are shown."""
    tables = guests.tables(f"{measure.machine()}; medians of {guests.RUNS} runs of {guests.SECONDS} s over TAP unless said otherwise.")
    if reason := network.missing():
        tables["guests"].skip("what goes over TAP", reason)
    guests.measure_all(tables, over_tap=not reason)
    return {**tables, **instruction_tables.measured()}


def show(tables: dict[str, results.Table], path: Path) -> None:
    text = "\n\n".join(table.markdown() for table in tables.values() if table.rows or table.notes)
    path.write_text(text + "\n")
    print(text + f"\n\nwritten to {path.relative_to(ROOT)}")


def draw(tables: dict[str, results.Table]) -> None:
    if not importlib.util.find_spec("matplotlib"):
        print("no plot: matplotlib could not be installed, see build/venv.log")
        return
    from tests.bench import plot

    plot.draw(tables, BUILD / "bench.svg", BUILD / "bench.png")
    if all(table.rows and not table.notes for table in tables.values()):        # the README's picture is of a whole run, or stays
        PICTURE.write_bytes((BUILD / "bench.svg").read_bytes())
    print(f"drawn: build/bench.svg, build/bench.png and, of a whole run, {PICTURE.relative_to(ROOT)}")


def run() -> int:
    words = sys.argv[1:]
    if words == ["instructions"]:
        show(instruction_tables.measured(), BUILD / "bench-instructions.md")
        return 0
    if words == ["plot"]:
        if not KEPT.is_file():
            raise Refused(f"{KEPT.relative_to(ROOT)} is not there: make bench measures first")
        tables = results.load(KEPT)
    elif words:
        raise Refused(f"ARGS={' '.join(words)}: there are instructions and plot; without, everything is measured")
    else:
        tables = measured()
        results.save(KEPT, tables)
    show(tables, BUILD / "bench.md")
    draw(tables)
    return 0


if __name__ == "__main__":
    settings.main(run)
