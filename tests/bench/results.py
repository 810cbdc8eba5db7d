"""What was measured, in tables: for each figure a row, for each who was measured a column, and all single values in both.

build/bench.json keeps the values, so tables and plots can be made again without measuring again.
"""
import json
import statistics
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

OURS = "barewire"


@dataclass
class Row:
    """A figure: what it is, what measured it, and the values of each who has it. `less`: the smaller the better."""
    what: str
    using: str
    unit: str
    digits: int = 0
    goal: str = ""
    less: bool = False
    values: dict[str, list[float]] = field(default_factory=dict)

    def median(self, who: str) -> float | None:
        return statistics.median(self.values[who]) if who in self.values else None

    def cell(self, who: str) -> str:
        """Median and, where there is more than one value, the least and the greatest."""
        if who not in self.values:
            return "-"
        values = self.values[who]
        middle, least, most = (f"{f(values):,.{self.digits}f}" for f in (statistics.median, min, max))
        return f"{middle} {self.unit}".strip() + (f" ({least}..{most})" if len(set(values)) > 1 else "")

    def ratio(self, peer: str, us: str = OURS) -> float | None:
        """How many times better ours is."""
        ours, theirs = self.median(us), self.median(peer)
        if not ours or not theirs:
            return None
        return theirs / ours if self.less else ours / theirs


@dataclass
class Table:
    """`columns` are whose values it shows; `against` is the one that ours (the column `us`) is compared with, if any."""
    title: str
    columns: list[str]
    against: str = ""
    us: str = OURS
    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def row(self, what: str) -> Row:
        return next(row for row in self.rows if row.what == what)

    def add(self, who: str, what: str, using: str, values: Iterable[float], unit: str = "", **more) -> None:
        """Puts values into the row of that name, which is made where there is none; says so, for it takes a while."""
        row = next((row for row in self.rows if row.what == what), None)
        if row is None:
            self.rows.append(row := Row(what, using, unit))
        for name, value in more.items():
            setattr(row, name, value)
        row.values[who] = list(values)
        print(f"  {what}: {who} {row.cell(who)}", file=sys.stderr, flush=True)

    def skip(self, who: str, reason: object) -> None:
        self.notes.append(f"{who} skipped: {reason}")
        print(f"  {self.notes[-1]}", file=sys.stderr, flush=True)

    def shown(self) -> list[str]:
        """The columns that have something to show."""
        return [who for who in self.columns if any(who in row.values for row in self.rows)]

    def markdown(self) -> str:
        """Only the columns that the table is about, and those that have something to show."""
        goals, measured = any(row.goal for row in self.rows), any(row.using for row in self.rows)
        shown = self.shown()
        compared = self.against in shown
        head = ["what", *["with"] * measured, *shown, *["better by"] * compared, *["goal"] * goals]
        lines = [" | ".join(head), "|".join(["---"] * (1 + measured) + ["--:"] * (len(head) - 1 - measured))]
        for row in self.rows:
            ratio = row.ratio(self.against, self.us)
            lines.append(" | ".join([row.what, *[row.using] * measured, *map(row.cell, shown),
                                     *["-" if ratio is None else f"{ratio:.3g} x"] * compared, *[row.goal] * goals]))
        return "\n".join([self.title, "", lines[0].join(("| ", " |")), lines[1].join("||"),
                          *(line.join(("| ", " |")) for line in lines[2:]), *(f"\n{note}" for note in self.notes)])


def save(path: Path, tables: dict[str, Table]) -> None:
    path.write_text(json.dumps({name: asdict(table) for name, table in tables.items()}, indent=1) + "\n")


def load(path: Path) -> dict[str, Table]:
    """The tables of a run before. OSError where there was none."""
    return {name: Table(**{**table, "rows": [Row(**row) for row in table["rows"]]}) for name, table in json.loads(path.read_text()).items()}
