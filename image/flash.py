"""`make flash`: the appliance into a real board's flash, through the debugger on the board.

    python image/flash.py --board lm3s6965evb [--config appliance.toml] [--build build] [--port SERIAL] [--dry-run]

The [flash] table of a board's settings says which of OpenOCD's board files knows it, and where its flash begins; the
command is that of the OpenOCD User's Guide, "Flash Programming" (program). --port tells which of several boards: the
serial number of its debugger, or its place on the USB, as in 1-2.3. --dry-run prints the command and ends.
"""
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from image import build, settings  # noqa: E402
from image.settings import Refused  # noqa: E402

# What OpenOCD says, and what to do about it; the first one that fits
ANSWERS = (
    ("LIBUSB_ERROR_ACCESS", "this user may not open the board's debugger: take part in the group plugdev, or become root"),
    ("unable to open ftdi device", "no board found: connect its debugger's USB socket, and with several boards say PORT="),
    ("no device found", "no board found: connect its debugger's USB socket, and with several boards say PORT="),
    ("contents differ", "the flash does not hold what was written to it: try again; the board's flash may be worn out"),
)


def command(board: str, image: Path, port: str = "") -> list[str]:
    """OpenOCD's command line that writes `image`, checks it and starts it."""
    flash = settings.board(board)["flash"]
    if "instead" in flash:
        raise Refused(f"make flash: {flash['instead']}")
    line = ["openocd", "-f", flash["openocd"]]
    if port:
        if not re.fullmatch(r"[\w.:-]+", port):
            raise Refused(f"PORT={port}: neither the serial number of a debugger nor a place on the USB, as in 1-2.3")
        line += ["-c", f"adapter {'usb location' if re.fullmatch(r'[0-9]+-[0-9.]+', port) else 'serial'} {port}"]
    return [*line, "-c", f"program {{{image}}} verify reset exit 0x{flash['address']:x}"]


def explain(said: str) -> str:
    """OpenOCD's words as one line: what is wrong and what to do."""
    errors = [line.removeprefix("Error: ") for line in said.splitlines() if line.startswith("Error: ")]
    for words, answer in ANSWERS:
        if words in said:
            return f"{answer} (openocd: {errors[0] if errors else words})"
    return "openocd failed: " + (errors[-1] if errors else (said.strip().splitlines() or ["it said nothing"])[-1])


def run() -> int:
    parser = settings.Arguments(description="Write an appliance into a board's flash.")
    parser.add_argument("--board", default="microvm")
    parser.add_argument("--config", default="appliance.toml", type=Path)
    parser.add_argument("--build", default="build", type=Path)
    parser.add_argument("--port", default="", help="which debugger: its serial number, or its place on the USB (1-2.3)")
    parser.add_argument("--dry-run", action="store_true", help="print the command and end")
    given = parser.parse_args()
    image = given.build / given.board / "appliance.bin"
    line = command(given.board, image, given.port)
    if given.dry_run:
        print(shlex.join(line))
        return 0
    build.build_image(given.board, given.config, given.build)
    if not shutil.which(line[0]):
        raise Refused("openocd is not installed: apt-get install openocd")
    done = subprocess.run(line, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise Refused(explain(done.stdout + done.stderr))
    print(f"{image}: {image.stat().st_size} bytes written to {given.board} and verified; it runs")
    return 0


if __name__ == "__main__":
    settings.main(run)
