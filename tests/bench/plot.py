"""The picture of a run: bars of ours beside the peers', curves of how throughput scales. Drawn from the tables' values only.

The SVG is the same to the byte for the same values, and small: it is the README's picture and stands in git.
"""
import io
import re
from collections.abc import Callable
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from tests.bench.results import OURS, Row, Table

matplotlib.use("Agg")
FONTS = "DejaVu Sans", "Verdana", "Arial", "sans-serif"
STYLE = {"svg.fonttype": "none", "svg.hashsalt": OURS, "font.sans-serif": FONTS, "font.size": 9,
         "axes.titlesize": 10.5, "axes.titleweight": "bold", "axes.titlelocation": "left", "axes.spines.top": False,
         "axes.spines.right": False, "axes.edgecolor": "#8a8f98", "axes.grid": True, "axes.axisbelow": True, "grid.color": "#e6e8eb",
         "grid.linewidth": 0.7, "xtick.color": "#4a4f57", "ytick.color": "#4a4f57", "text.color": "#1f2328", "axes.labelcolor": "#4a4f57"}
OUR_COLOURS, PEERS = ("#0b6e4f", "#58a98b"), ("#e08e45", "#6f7fb8", "#a9746e", "#a7adb5", "#d3d6db")
BESIDE = {"Linux guest": OUR_COLOURS[0], "MicroPython + lwIP": OUR_COLOURS[1]}     # peers of the first panel
# The figures that are compared with the Linux guest's: as the table calls them, and in short
COMPARED = {"exec to first frame": "exec to first frame", "exec to first HTTP byte": "exec to first HTTP byte",
            "64 connections at once, 3 requests each: least -m": "memory, 64 connections", "UDP echoes, window 32": "UDP echoes",
            "HTTP requests, kept alive": "HTTP requests, 1 KiB", "HTTP connections": "HTTP connections",
            "sensor datagrams": "sensor datagrams", "GET, kept alive": "latency of a GET", "ping": "latency of a ping",
            "goodput": "goodput, 1 MB page"}

def colours(shown: list[str], ours: int) -> dict[str, str]:
    """Ours come first, `ours` of them."""
    return dict(zip(shown, [*OUR_COLOURS[:ours], *PEERS]))


def logarithmic(axis: Axis) -> None:
    """Few ticks, and numbers as people write them: 1,000 and not 10^3."""
    axis.axes.set(**{f"{axis.axis_name}scale": "log"})
    low, high = axis.get_view_interval()
    axis.set_major_locator(LogLocator(subs=(1,) if high > 200 * low else (1, 2, 5)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))


def named(axes: Axes, title: str, count: int) -> None:
    """A title, and below it the names of `count` columns, in two lines where there are many."""
    lines = 0 if count < 2 else 1 if count < 5 else 2
    axes.set_title(title, pad=8 + 11 * lines)
    if lines:
        axes.legend(frameon=False, fontsize=7.5, ncols=-(-count // lines), loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.2,
                    borderpad=0, handlelength=1.2, handletextpad=0.5, columnspacing=1.2)


def ratios(axes: Axes, table: Table) -> None:
    """How many times better than each peer; the first one's order."""
    peers = [who for who in table.shown() if who in BESIDE]
    rows = [(short, row) for what, short in COMPARED.items() for row in table.rows if row.what == what and row.ratio(table.against)]
    rows.sort(key=lambda one: one[1].ratio(table.against))
    high = 0.8 / max(1, len(peers))
    found = [(who, j + ((len(peers) - 1) / 2 - k) * high, ratio) for k, who in enumerate(peers) for j, (_, row) in enumerate(rows)
             if (ratio := row.ratio(who))]
    for who in peers:
        own = [(place, ratio) for name, place, ratio in found if name == who]
        axes.barh([place for place, _ in own], [ratio - 1 for _, ratio in own], left=1, height=0.9 * high, color=BESIDE[who],
                  label=f"than the {who}" if who == table.against else f"than {who}")
    for who, place, ratio in found:
        axes.annotate(f"{ratio:.3g}", (max(ratio, 1), place), (3, 0), textcoords="offset points", va="center", fontsize=7)
    axes.set_yticks(range(len(rows)), [short for short, _ in rows])
    axes.set_xlim(min([0.5, *(ratio / 1.5 for _, _, ratio in found)]), max([2, *(2.5 * ratio for _, _, ratio in found)]))
    axes.axvline(1, color="#4a4f57", linewidth=1)
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="y", length=0)
    logarithmic(axes.xaxis)
    named(axes, "In QEMU: how many times better", len(peers))


def bars(axes: Axes, table: Table, ours: int, title: str) -> None:
    """Instructions of each operation, a bar for each column; the first column's with its number."""
    shown, rows = table.shown(), [row for row in table.rows if row.what != "idle turn"]
    high = 0.84 / max(1, len(shown))
    for k, (who, colour) in enumerate(colours(shown, ours).items()):
        found = [(j + (k - (len(shown) - 1) / 2) * high, row.median(who)) for j, row in enumerate(rows) if who in row.values]
        axes.barh([place for place, _ in found], [count for _, count in found], height=high * 0.9, color=colour, label=who)
        for place, count in found if k == 0 else ():
            axes.annotate(f"{count:,.0f}", (count, place), (3, 0), textcoords="offset points", va="center", fontsize=7)
    axes.set_yticks(range(len(rows)), [row.what for row in rows])
    axes.set_xlim(100)
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="y", length=0)
    logarithmic(axes.xaxis)
    named(axes, title, len(shown))


def curves(axes: Axes, table: Table, rows: list[tuple[str, Row]], title: str, unit: str) -> None:
    """A line of medians for each column, with a band from the least to the greatest value."""
    shown = [who for who in table.columns if any(who in row.values for _, row in rows)]
    for who, colour in colours(shown, 1).items():
        points = [(j, row.median(who), min(row.values[who]), max(row.values[who])) for j, (_, row) in enumerate(rows) if who in row.values]
        at, middle, least, most = zip(*points)
        axes.fill_between(at, least, most, color=colour, alpha=0.18, linewidth=0)
        axes.plot(at, middle, color=colour, marker="o", markersize=4, linewidth=1.8, label=who)
    axes.set_xticks(range(len(rows)), [name for name, _ in rows])
    axes.set_ylabel(unit)
    logarithmic(axes.yaxis)
    named(axes, title, len(shown))


def fleet(axes: Axes, table: Table) -> None:
    """All requests of several appliances, and what each of them takes of memory."""
    rows = [(row.what.split()[0], row) for row in table.rows if row.what.endswith("requests")]
    curves(axes, table, rows, "Appliances on one machine", "requests a second, all together")
    for line in axes.lines:
        if row := next((row for row in reversed(table.rows) if row.what.endswith("PSS") and line.get_label() in row.values), None):
            line.set_label(f"{line.get_label()}: {row.median(line.get_label()):.0f} MiB each")
    named(axes, "Appliances on one machine", len(axes.lines))


def small(svg: str) -> str:
    """Hundredths of a point are enough, and the font is said once."""
    family = "font-family: " + ", ".join(font if font == "sans-serif" else f"'{font}'" for font in FONTS)
    svg = re.sub(r"-?\d+\.\d{3,}", lambda number: f"{float(number[0]):.2f}".rstrip("0").rstrip("."), svg)
    svg = re.sub(r' transform="rotate\(-0 [^"]*"', "", svg.replace(f"; {family}", ""))
    svg = re.sub(r"\n *", "\n", svg.replace("<style type=\"text/css\">*{", f"<style type=\"text/css\">text{{{family}}}*{{"))
    return re.sub(r" ?\n(?=[LzMC] |z?\n?\")", " ", svg)


def panels(tables: dict[str, Table]) -> dict[str, Callable[[Axes], None]]:
    """What draws each table of WHOLE."""
    connections, goodput = (([(row.what, row) for row in tables[name].rows]) for name in ("connections", "goodput"))
    return {
        "guests": lambda axes: ratios(axes, tables["guests"]),
        "x86": lambda axes: bars(axes, tables["x86"], 1, "Instructions per operation, x86-64"),
        "connections": lambda axes: curves(axes, tables["connections"], connections, "HTTP against connections, 1 KiB page",
                                           "requests a second"),
        "cortex_m": lambda axes: bars(axes, tables["cortex_m"], 2, "Instructions per operation, Cortex-M3"),
        "goodput": lambda axes: curves(axes, tables["goodput"], goodput, "HTTP against the size of the page", "MB of page a second"),
        "appliances": lambda axes: fleet(axes, tables["appliances"]),
    }


def draw(tables: dict[str, Table], svg: Path, png: Path) -> None:
    """A panel for each table that was measured; the place of another stays empty."""
    with matplotlib.rc_context(STYLE):
        figure, places = plt.subplots(3, 2, figsize=(11.5, 12), layout="constrained")
        for axes, (name, panel) in zip(places.flat, panels(tables).items()):
            if tables[name].rows:
                panel(axes)
            else:
                axes.set_axis_off()
        figure.get_layout_engine().set(w_pad=0.12, h_pad=0.12)
        figure.savefig(png, dpi=90)
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
        plt.close(figure)
    svg.write_text(small(text.getvalue()))
