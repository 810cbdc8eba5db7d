"""Set-up and the build refuse what cannot work in one line with exit code 2, and leave nothing half-made."""
import os
import shutil
import subprocess
import sys

import pytest

from image import archive, build, micropython, settings
from image.settings import ROOT, Refused


@pytest.fixture
def bare_path(tmp_path):
    """A PATH with what a fresh machine has, for a user who is not root."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in ("sh", "dirname", "mkdir", "env", "cmp", "rm", "cp"):
        (folder / tool).symlink_to(shutil.which(tool))
    (folder / "id").write_text("#!/bin/sh\necho 1000\n")
    (folder / "id").chmod(0o755)
    return folder


def setup(path, *arguments):
    return subprocess.run([ROOT / "image" / "setup.sh", *arguments], env={"PATH": str(path)}, capture_output=True, text=True)


def test_missing_packages_without_a_right_to_install_them(bare_path):
    (bare_path / "apt-get").symlink_to("/bin/false")
    done = setup(bare_path, "run")
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert "as root say: apt-get update && apt-get install -y --no-install-recommends python3 python3-venv gcc" in done.stderr
    assert "qemu-system-x86" in done.stderr


@pytest.mark.parametrize("arguments, wanted", [(["run"], "x86"), (["run", "microvm"], "x86"), (["run", "lm3s6965evb"], "arm"),
                                               (["run", "mps2_an385"], "arm"), (["test"], "x86 arm")])
def test_a_board_brings_its_own_tools(bare_path, arguments, wanted):
    (bare_path / "apt-get").symlink_to("/bin/false")
    (bare_path / "grep").symlink_to(shutil.which("grep"))
    said = setup(bare_path, *arguments).stderr
    assert ("qemu-system-x86" in said) == ("x86" in wanted)
    assert ("qemu-system-arm" in said and "gcc-arm-none-eabi" in said) == ("arm" in wanted) == ("arm" in said)


def test_flashing_brings_openocd_where_a_board_has_a_flash(bare_path):
    (bare_path / "apt-get").symlink_to("/bin/false")
    (bare_path / "grep").symlink_to(shutil.which("grep"))
    (bare_path / "python3").symlink_to("/bin/true")
    said = setup(bare_path, "flash", "lm3s6965evb").stderr
    assert "openocd" in said and "gcc-arm-none-eabi" in said and "qemu" not in said
    for board in "microvm", "mps2_an385", "toaster":
        done = setup(bare_path, "flash", board)
        assert (done.returncode, done.stderr) == (0, "")


def test_missing_packages_on_another_distribution(bare_path):
    done = setup(bare_path, "test")
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "there is no apt-get here" in done.stderr


def test_failing_apt_is_named(bare_path):
    (bare_path / "apt-get").symlink_to("/bin/false")
    (bare_path / "id").write_text("#!/bin/sh\necho 0\n")
    done = setup(bare_path, "run")
    assert done.returncode == 2 and "barewire: apt-get failed, its words are in build/apt.log" in done.stderr


def test_old_python_is_named(bare_path):
    for tool in ("gcc", "ld", "patch", "qemu-system-x86_64"):
        (bare_path / tool).symlink_to("/bin/true")
    (bare_path / "python3").write_text('#!/bin/sh\n[ "$1" = --version ] && echo Python 3.9.2\nexit 1\n')
    (bare_path / "python3").chmod(0o755)
    done = setup(bare_path, "run")
    assert (done.returncode, done.stderr) == (2, "barewire: Python 3.9.2 is too old: barewire needs Python 3.11 or later as python3\n")


def test_set_up_machine_is_left_alone_quickly():
    done = subprocess.run([ROOT / "image" / "setup.sh", "test"], capture_output=True, text=True, timeout=20)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_wrong_source_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("MICROPYTHON", str(tmp_path))
    with pytest.raises(Refused, match="no MicroPython source there"):
        micropython.source()


def test_tampered_source_is_refused_and_removed(tmp_path):
    tarball = tmp_path / "source.tar.xz"
    tarball.write_bytes(b"something else")
    with pytest.raises(Refused, match="sha256 is .*, expected 7b25be99"):
        micropython._unpack(tarball, tmp_path / "tree")
    assert not tarball.exists() and not (tmp_path / "tree").exists()


def test_host_without_an_archive_that_has_the_source(monkeypatch, tmp_path):
    monkeypatch.setattr(archive, "CACHE", tmp_path)
    monkeypatch.setattr(archive, "_mirrors", lambda: [])
    with pytest.raises(Refused, match=r"no archive in apt's configuration gave micropython=1.25.0\+ds-1 of trixie"):
        archive.fetched(micropython.ARCHIVE)


@pytest.mark.parametrize("arguments, said", [
    (["--board", "toaster"], "barewire: no board toaster: known are "),
    (["--config", "none.toml"], "barewire: none.toml: no such file: name the appliance's configuration with CONFIG=\n"),
])
def test_wrong_arguments_are_one_line(tmp_path, arguments, said):
    done = subprocess.run([sys.executable, ROOT / "image" / "build.py", "--build", tmp_path, *arguments], cwd=ROOT,
                          capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.startswith(said) and done.stderr.count("\n") == 1
    assert list(tmp_path.glob("*/appliance.elf")) == []


@pytest.mark.parametrize("program, arguments, said", [
    ("run", ["--http", "abc"], "HTTP: 'abc' is no number: name a port from 1 to 65535"),
    ("run", ["--query", "1.5"], "QUERY: '1.5' is no number: name a port from 1 to 65535"),
    ("run", ["--dev", "--prompt", ""], "PROMPT: '' is no number: name a port from 1 to 65535"),
    ("flash", ["--port"], "PORT: expected one argument"),
    ("build", ["--build", "Makefile"], "Makefile: nothing can be written there (File exists): name another folder with BUILD="),
    ("build", ["--build", "/proc/x"], "/proc/x: nothing can be written there (No such file or directory): name another folder with BUILD="),
])
def test_wrong_word_for_make_is_one_line(program, arguments, said):
    done = subprocess.run([sys.executable, ROOT / "image" / f"{program}.py", *arguments], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"barewire: {said}\n")


@pytest.mark.parametrize("text, said", [
    ("address = 7", "[net] address: 7 is not a text in quotes"),
    ('address = "10.0.2.15/24"\nallow = ["10.0.0.1/8"]', "[net] allow: 10.0.0.1/8 has bits set behind its first 8"),
    ('address = "10.0.2.15/24"\n[limits]\nconnections_per_s = 5', "[limits] connections_per_s: there is no [http]"),
])
def test_wrong_configuration_leaves_no_image(tmp_path, text, said):
    config = tmp_path / "appliance.toml"
    (tmp_path / "microvm").mkdir()
    (tmp_path / "microvm" / "appliance.elf").write_bytes(b"an older image")
    config.write_text("[net]\n" + text + "\n")
    done = subprocess.run([sys.executable, ROOT / "image" / "build.py", "--build", tmp_path, "--config", config], cwd=ROOT,
                          capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and said in done.stderr
    assert not (tmp_path / "microvm" / "appliance.elf").exists()


@pytest.fixture
def tree(tmp_path):
    gen = tmp_path / "gen"
    gen.mkdir()
    (gen / "main.py").write_text("print('one')\n")
    return gen


def test_second_build_does_nothing_and_a_change_is_seen(tree, tmp_path, capsys):
    def made():
        return build.build_image("microvm", tmp_path / "none", tmp_path / "build", tree).stat().st_mtime_ns

    first = made()
    assert made() == first
    (tree / "main.py").write_text("print('two, and longer')\n")
    assert made() != first
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3 and all("MicroPython and port" in line and "% of 163840" in line for line in lines)


def test_image_beyond_the_board_is_refused(tree, tmp_path, monkeypatch):
    small = settings.board("microvm")
    small["build"]["image_limit"] = 50_000
    monkeypatch.setattr(settings, "board", lambda name: small)
    (tree / "assets.py").write_text(f"PAGE = {os.urandom(20_000)!r}\n")
    with pytest.raises(Refused, match="50000 is the most this board holds: 20[0-9]{3} of them are the files under"):
        build.build_image("microvm", tmp_path / "none", tmp_path / "build", tree)
    assert not (tmp_path / "build" / "microvm" / "appliance.elf").exists()
