"""From an appliance.toml to BUILD/<board>/appliance.elf: specialise, cross-compile, freeze, link, report the size.

Where the program stays in flash, appliance.bin beside it is what the flash holds from address 0 on.

    python image/build.py [--board microvm] [--config appliance.toml] [--build build] [--dev] [--gen DIR]

--gen DIR freezes the Python files of DIR (main.py among them) instead of the specialiser's. MicroPython itself is
compiled once per board into build/port-<board>/libport.a, so another appliance costs a freeze and a link. --dev makes
BUILD/<board>-dev/appliance.elf, which has a compiler, a prompt and files beside the appliance.
Formats: .mpy (MicroPython 1.25, py/persistentcode.h), frozen modules (tools/mpy-tool.py, py/frozenmod.h).
"""
import contextlib
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from image import micropython, settings  # noqa: E402
from image.settings import ROOT, Refused, locked  # noqa: E402


def fingerprint(*roots: Path, also: str = "") -> str:
    """Changes when a file below `roots` does: its name, size and time of change stand for its content."""
    digest = hashlib.sha256(also.encode())
    for root in roots:
        for path in sorted(root.rglob("*")) if root.is_dir() else [root]:
            if path.is_file() and "__pycache__" not in path.parts:
                state = path.stat()
                digest.update(os.fsencode(f"{path} {state.st_size} {state.st_mtime_ns}\n"))
    return digest.hexdigest()


def web_root(config: Path) -> list[Path]:
    """The folder of pages that `config` names; what is wrong with the file is the specialiser's to say."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        return [config.parent / tomllib.loads(config.read_text())["http"]["root"]]
    return []


def command(*arguments, output: Path | None = None) -> None:
    """Runs a tool that is expected to succeed; `output` takes what it prints."""
    with output.open("w") if output else contextlib.nullcontext(subprocess.PIPE) as out:
        done = subprocess.run([str(a) for a in arguments], stdout=out, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        sys.stderr.write(done.stderr)
        raise Refused(f"{Path(str(arguments[0])).name} failed: see the lines above")


def specialise(board: str, config: Path, gen: Path, dev: bool) -> None:
    """Has image/specialize.py write the appliance's Python into `gen`; its one line and its exit code are the user's."""
    shutil.rmtree(gen, ignore_errors=True)
    done = subprocess.run([sys.executable, ROOT / "image" / "specialize.py", "--board", board, "--config", config, "--out", gen,
                           *(["--dev"] if dev else [])])
    if done.returncode:
        sys.exit(done.returncode)


def library(board: str, build: dict, tree: Path, dev: bool) -> Path:
    """The folder with libport.a and its generated headers."""
    port = ROOT / "image" / "port" / build["port"]
    folder = micropython.cache(tree, f"port-{settings.folder(board, dev)}")
    stamp, made = folder / "made-from", fingerprint(port, port.parent / "common", also=f"{tree}")
    with locked(folder):
        if not stamp.is_file() or stamp.read_text() != made:
            print(f"barewire: compiling MicroPython for {board}", file=sys.stderr)
            shutil.rmtree(folder, ignore_errors=True)   # MicroPython's rules keep names of modules that are gone
            micropython.make(port, folder, f"TOP={tree}", f"CROSS_COMPILE={build['cross']}", f"BOARD={board}", f"DEV={dev:d}")
            stamp.write_text(made)
    return folder


def cross_compile(gen: Path, out: Path, build: dict) -> list[Path]:
    """Every .py below `gen` as .mpy below `out`."""
    shutil.rmtree(out, ignore_errors=True)
    tool = micropython.mpy_cross()
    sources = sorted(gen.rglob("*.py"))

    def one(path: Path) -> Path:
        name = path.relative_to(gen)
        mpy = out / name.with_suffix(".mpy")
        mpy.parent.mkdir(parents=True, exist_ok=True)
        command("env", f"MPY_LINES={mpy.with_suffix('.lines')}", tool, "-X", "heapsize=64m", f"-march={build['march']}",
                f"-msmall-int-bits={build['small_int_bits']}", "-s", name, "-o", mpy, path)
        return mpy

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(one, sources))


def align_pages(source: Path) -> None:
    """Let the bytes of the module `assets` begin at a word: a card without DMA takes them from there by words."""
    text = re.sub(r'^static (const mp_obj_str_t const_obj_(assets_\d+) = .*)\(const byte\*\)(".*")\};$',
                  r'static const byte \2_data[] __attribute__((aligned(4))) = \3;\nstatic \1\2_data};', source.read_text(), flags=re.M)
    source.write_text(text)


def freeze(mpys: list[Path], name: Path, build: dict, tree: Path, port: Path) -> int:
    """Compiles the modules into the object file <name>.o; returns its bytes."""
    command(sys.executable, ROOT / "image" / "freeze.py", tree, "-f", "-q", port / "genhdr" / "qstrdefs.preprocessed.h",
            f"-mlongint-impl={build['longint']}", *mpys, output=name.with_suffix(".c"))
    if "ram" in build:
        align_pages(name.with_suffix(".c"))
    headers = [ROOT / "image" / "port" / build["port"], ROOT / "image" / "port" / "common", port, tree]
    command(build["cross"] + "gcc", "-std=gnu11", "-Os", "-fdata-sections", *build["compile"], *(f"-I{h}" for h in headers),
            "-o", name.with_suffix(".o"), "-c", name.with_suffix(".c"))
    sized = subprocess.run([build["cross"] + "size", name.with_suffix(".o")], capture_output=True, text=True, check=True)
    return sum(map(int, sized.stdout.splitlines()[1].split()[:2]))


def link(out: Path, build: dict, port: Path) -> Path:
    """The image: frozen.o with the port, stripped; appliance.symbols.elf keeps the symbols. For a board with flash, its content."""
    symbols, stripped = out / "appliance.symbols.elf", out / "appliance.stripped.elf"
    command(build["cross"] + "gcc", "-nostdlib", *build["link"], "-Wl,--gc-sections", "-L", settings.BOARDS,
            f"-Wl,-T,{settings.BOARDS / build['linker_script']}", "-o", symbols, out / "frozen.o", port / "libport.a", "-lgcc")
    command(build["cross"] + "strip", "-o", stripped, symbols)
    if "ram" not in build:
        return stripped
    flash = out / "appliance.bin"
    command(build["cross"] + "objcopy", "-O", "binary", stripped, flash)
    return flash


def memory(out: Path, build: dict) -> str:
    """What of a small board's RAM is taken before Python runs."""
    listed = subprocess.run([build["cross"] + "size", "-A", out / "appliance.symbols.elf"], capture_output=True, text=True, check=True)
    size = {words[0]: int(words[1]) for line in listed.stdout.splitlines() if len(words := line.split()) == 3 and words[0][0] == "."}
    static, stack = size[".data"] + size[".bss"], size[".stack"]
    return f"; RAM {build['ram']} = static {static} + stack {stack} + heap {build['ram'] - static - stack}"


def report(image: Path, out: Path, firmware: int, frozen: int, build: dict) -> str:
    """One line: the image's size and what takes it. Refuses an image that its board cannot hold."""
    size, assets = image.stat().st_size, frozen - firmware
    if size > build["image_limit"]:
        raise Refused(f"the image takes {size} bytes, {build['image_limit']} is the most this board holds: "
                      f"{assets} of them are the files under [http] root, make those smaller")
    code, limit = size - assets, build["size_limit"]
    return (f"{out / 'appliance.elf'}: {size} bytes = MicroPython and port {size - frozen} + firmware {firmware} + assets {assets}; "
            f"{code} without assets, {100 * code // limit} % of {limit}" + (memory(out, build) if "ram" in build else ""))


def development(board: str, build: dict) -> None:
    """Changes a board's settings to those of a development image."""
    if "dev_limit" not in build:
        raise Refused(f"DEV=1: there is no development image for {board}: say BOARD=mps2_an385")
    build["compile"].append("-DBAREWIRE_DEV=1")
    build["size_limit"] = build["dev_limit"]


def build_image(board: str, config: Path, folder: Path, gen: Path | None = None, dev: bool = False) -> Path:
    """Makes folder/<board>/appliance.elf unless it is up to date, prints the size report, returns the path."""
    build = settings.board(board)["build"]
    if dev:
        development(board, build)
    out = folder / settings.folder(board, dev)
    elf, stamp = out / "appliance.elf", out / "made-from"
    inputs = [gen] if gen else [ROOT / "firmware", config, *web_root(config)]
    with locked(out):
        made = fingerprint(ROOT / "image", *inputs, also=f"{board} {config} {os.environ.get('MICROPYTHON')}")
        if stamp.is_file() and elf.is_file() and stamp.read_text().splitlines()[0] == made:
            print(stamp.read_text().splitlines()[1])
            return elf
        stamp.unlink(missing_ok=True)
        for old in elf, elf.with_suffix(".bin"):
            old.unlink(missing_ok=True)
        if not gen:
            gen = out / "gen"
            specialise(board, config, gen, dev)
        tree = micropython.source()
        port, mpys = library(board, build, tree, dev), cross_compile(gen, out / "mpy", build)
        frozen = freeze(mpys, out / "frozen", build, tree, port)
        firmware = freeze([mpy for mpy in mpys if mpy.stem != "assets"], out / "firmware", build, tree, port)
        line = report(link(out, build, port), out, firmware, frozen, build)
        (out / "appliance.stripped.elf").rename(elf)
        stamp.write_text(f"{made}\n{line}\n")
    print(line)
    return elf


def run() -> None:
    parser = settings.Arguments(description="Build an appliance's image.")
    parser.add_argument("--board", default="microvm")
    parser.add_argument("--config", default="appliance.toml", type=Path)
    parser.add_argument("--build", default="build", type=Path)
    parser.add_argument("--dev", action="store_true", help="a development image, with a prompt")
    parser.add_argument("--gen", type=Path, help="freeze this folder instead of the specialiser's output")
    given = parser.parse_args()
    if not given.gen and not given.config.is_file():
        raise Refused(f"{given.config}: no such file: name the appliance's configuration with CONFIG=")
    build_image(given.board, given.config, given.build, given.gen, given.dev)


if __name__ == "__main__":
    settings.main(run)
