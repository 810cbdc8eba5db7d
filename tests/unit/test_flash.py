"""`make flash`: OpenOCD's command, and what it says on this machine, which has no board."""
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from image import flash, settings
from image.settings import ROOT, Refused

IMAGE = "build/lm3s6965evb/appliance.bin"
openocd = pytest.mark.skipif(not shutil.which("openocd"), reason="openocd is not installed (make flash installs it)")


def make(*arguments):
    return subprocess.run([sys.executable, "image/flash.py", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=300)


def test_the_command():
    done = make("--board", "lm3s6965evb", "--dry-run")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"openocd -f board/ek-lm3s6965.cfg -c 'program {{{IMAGE}}} verify reset exit 0x0'\n"


@pytest.mark.parametrize("port, chosen", [("0123ABCD", "adapter serial 0123ABCD"), ("1-2.3", "adapter usb location 1-2.3")])
def test_one_of_several_boards(port, chosen):
    assert flash.command("lm3s6965evb", Path("a b.bin"), port) == [
        "openocd", "-f", "board/ek-lm3s6965.cfg", "-c", chosen, "-c", "program {a b.bin} verify reset exit 0x0"]


@pytest.mark.parametrize("port", ["a;shutdown", "[exec true]", "$x", "a b"])
def test_a_port_that_openocd_would_take_for_a_program(port):
    with pytest.raises(Refused, match="neither the serial number"):
        flash.command("lm3s6965evb", Path(IMAGE), port)


@pytest.mark.parametrize("board", ["microvm", "mps2_an385"])
def test_boards_without_a_way_say_what_to_do_instead(board):
    done = make("--board", board)
    assert done.returncode == 2 and done.stdout == "" and done.stderr.count("\n") == 1
    assert done.stderr.startswith(f"barewire: make flash: {board} ") and f"make run BOARD={board}" in done.stderr


def test_every_board_says_one_or_the_other():
    for path in settings.BOARDS.glob("*.toml"):
        assert set(settings.board(path.stem)["flash"]) in ({"instead"}, {"openocd", "address"})


@pytest.mark.parametrize("said, line", [
    ("Info : x\nError: libusb_open() failed with LIBUSB_ERROR_ACCESS\nError: no device found\n", "this user may not open"),
    ("Error: no device found\nError: unable to open ftdi device with vid 0403\n", "no board found: .* PORT="),
    ("** Verify Started **\nError: checksum mismatch\ncontents differ\n** Verify Failed **\n", "the flash does not hold"),
    ("Error: something new\n", "openocd failed: something new$"),
    ("", "openocd failed: it said nothing$"),
])
def test_what_openocd_says_becomes_one_line(said, line):
    assert "\n" not in flash.explain(said)
    assert re.search(line, flash.explain(said))


@openocd
def test_openocd_knows_the_board_and_finds_none_here():
    """As far as it goes without hardware: its board file, our choice of adapter and the command are read and begun."""
    done = make("--board", "lm3s6965evb", "--port", "0-99")
    assert done.returncode == 2 and done.stderr.startswith("barewire: no board found: ") and done.stderr.count("\n") == 1
    assert "openocd: no device found" in done.stderr


@openocd
def test_openocd_refuses_a_command_that_is_wrong():
    """Control: it does read the script."""
    done = subprocess.run(["openocd", "-f", "board/ek-lm3s6965.cfg", "-c", "adapter seriall x"], capture_output=True, text=True, timeout=20)
    assert done.returncode != 0 and "no device found" not in done.stderr


@openocd
def test_openocd_has_the_flash_and_the_address():
    """Its board file makes one bank of flash, which begins where the image is written to."""
    done = subprocess.run(["openocd", "-f", "board/ek-lm3s6965.cfg", "-c", "echo [lindex [flash list] 0]; shutdown"],
                          capture_output=True, text=True, timeout=20)
    assert done.returncode == 0 and "stellaris" in done.stderr and "base 0 " in done.stderr
