"""make profile: the instructions of an operation by source line and by function, mapped back from machine code.

    python -m tests.bench.profile [BOARD] [TRAFFIC]

BOARD: unix (x86-64, frames in memory; native.py) or a Cortex-M board with its driver (instructions.py). TRAFFIC: udp, icmp,
arp, get, connection, sensor. The table goes to build/profile-BOARD.txt and, its begin, to the console.

From an address to a line in three steps: where a function's code lies (the running program tells; of an image its symbols),
which generated line that part of the code is (NAME.lines, by mpy-cross), and what that line was made from (NAME.origins, by
image/specialize.py).
"""
import bisect
import subprocess
import sys
from collections import Counter
from pathlib import Path

from image import build, settings
from image.settings import ROOT, Refused
from tests.bench import instructions, native

TRAFFIC = {"udp": "UDP echo 32 B", "icmp": "ICMP echo 64 B", "arp": "ARP reply", "get": "GET 1 KiB and its ACK", "connection": "whole connection",
           "sensor": "sensor datagram"}
ELSEWHERE = "(MicroPython, everyday Python)", "", ""
EPILOGUE = 256              # bytes of code behind the last line, at the most


class Code:
    """A function's native code: begin and end, and what its parts come from as (file:line, function, text)."""

    def __init__(self, begin: int, size: int | None, parts: list[tuple[int, tuple]]):
        self.begin, self.offsets, self.origins = begin, [at for at, _ in parts], [origin for _, origin in parts]
        self.end = begin + (size or self.offsets[-1] + EPILOGUE)

    def origin(self, address: int) -> tuple[str, str, str]:
        return self.origins[max(0, bisect.bisect_right(self.offsets, address - self.begin) - 1)]


def functions(folder: Path, module: str) -> list[tuple[str, list]]:
    """The native functions of a module in their order: name, and the parts of their code. `folder` holds gen/ and mpy/."""
    generated = folder / "gen" / module.replace(".", "/")
    text = generated.with_suffix(".py").read_text().splitlines()
    path = generated.with_suffix(".origins")
    origins = dict(line.split(" ", 1) for line in path.read_text().splitlines()) if path.is_file() else {}
    found = []
    listed = folder / "mpy" / module.replace(".", "/")
    for words in map(str.split, listed.with_suffix(".lines").read_text().splitlines()) if listed.with_suffix(".lines").is_file() else ():
        if words[0] == "function":
            found.append((words[1], []))
        else:
            where, _, name = origins.get(words[1], f"{generated.name}.py:{words[1]} {found[-1][0]}").partition(" ")
            found[-1][1].append((int(words[0]), (where, name, text[int(words[1]) - 1].strip())))
    return found


def placed(folder: Path, places: list[tuple[str, str, int]]) -> list[Code]:
    """The code of what the unix port has loaded; everyday functions have none."""
    modules = {module: dict(functions(folder, module)) for module, _, _ in places}
    return [Code(at, None, modules[module][name]) for module, name, at in places if modules[module].get(name)]


def linked(folder: Path, nm: str) -> list[Code]:
    """The code in an image: the k-th function of a module is its symbol fun_data_..._dot_py<k>."""
    listed = subprocess.run([nm, "-S", folder / "appliance.symbols.elf"], capture_output=True, text=True, check=True).stdout
    symbols = {words[3]: (int(words[0], 16), int(words[1], 16)) for line in listed.splitlines() if len(words := line.split()) == 4}
    codes = []
    for path in sorted((folder / "mpy").rglob("*.lines")):
        module = path.relative_to(folder / "mpy").with_suffix("").as_posix()
        stem = f"fun_data_{module.replace('/', '_')}_{module.replace('/', '_slash_')}_dot_py"
        for k, (_, parts) in enumerate(functions(folder, module.replace("/", "."))):
            begin, size = symbols[f"{stem}{k + 1 if k else ''}"]
            codes.append(Code(begin, size, parts))
    return codes


def by_line(executed: Counter, codes: list[Code]) -> Counter:
    """(file:line, function, text) -> executed instructions."""
    codes = sorted(codes, key=lambda code: code.begin)
    begins, found = [code.begin for code in codes], Counter()
    for address, count in executed.items():
        k = bisect.bisect_right(begins, address) - 1
        inside = k >= 0 and address < codes[k].end
        found[codes[k].origin(address) if inside else ELSEWHERE] += count
    return found


def on_unix(what: str) -> tuple[Counter, int]:
    """The lines, and how many operations they are of."""
    if what not in native.WHAT:
        raise Refused(f"BOARD=unix: {what} is not counted there; arp only on {', '.join(instructions.CARDS)}")
    counted = native.count(what)
    folder = native.firmware(native.period(what)).folder
    return by_line(counted.executed(), placed(folder, counted.places)), counted.times


def on_board(board: str, what: str) -> tuple[Counter, int]:
    if board not in instructions.CARDS or what not in instructions.WHAT:
        raise Refused(f"BOARD={board}: {what} is not counted there; BOARD is unix, {', '.join(instructions.CARDS)}; sensor only on unix")
    config = instructions.configuration(instructions.FOLDER / "counted", 60000)
    folder = build.build_image(board, config, config.parent / "build").parent
    codes = linked(folder, settings.board(board)["build"]["cross"] + "nm")
    total, executed = instructions.executed(board, what, (min(c.begin for c in codes), max(c.end for c in codes)))
    lines = by_line(executed, codes)
    lines[ELSEWHERE] += total - sum(lines.values())
    return lines, 1


def report(lines: Counter, times: int, head: str) -> str:
    """A table by function and a table by line, most first."""
    total, of = sum(lines.values()), Counter()
    for (where, function, _), count in lines.items():
        of[f"{where.partition(':')[0]} {function}"] += count
    out = [f"{head}: {total / times:,.1f} instructions", "", "  per op      %  function"]
    out += [f"{count / times:8.1f} {100 * count / total:5.1f}%  {name}" for name, count in sorted(of.items(), key=lambda x: (-x[1], x[0])) if count]
    out += ["", "  per op      %  line"]
    out += [f"{count / times:8.1f} {100 * count / total:5.1f}%  {where} {function}: {text}"
            for (where, function, text), count in sorted(lines.items(), key=lambda x: (-x[1], x[0])) if count]
    return "\n".join(out) + "\n"


def run() -> int:
    board, traffic = (sys.argv[1:] + ["unix", "get"][len(sys.argv) - 1:])[:2]
    if traffic not in TRAFFIC:
        raise Refused(f"TRAFFIC={traffic}: there are {', '.join(TRAFFIC)}")
    what = TRAFFIC[traffic]
    if board != "unix":
        what = {"udp": "UDP echo 22 B", "icmp": "ICMP echo 56 B"}.get(traffic, what)        # as instructions.py counts
    lines, times = on_unix(what) if board == "unix" else on_board(board, what)
    text = report(lines, times, f"{board}: {what}")
    path = ROOT / "build" / f"profile-{board}.txt"
    path.write_text(text)
    print("\n".join(text.splitlines()[:60]) + f"\n... all of it is in {path.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    settings.main(run)
