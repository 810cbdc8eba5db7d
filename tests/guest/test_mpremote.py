"""The development image (make run BOARD=mps2_an385 DEV=1): the real mpremote at its prompt, the appliance served meanwhile."""
import os
import random
import re
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from image import build
from image.qemu import Qemu
from image.settings import ROOT
from tests.agree.frames import icmp
from tests.guest.test_boot import Wire
from tests.guest.test_run import free_port

BOARD = "mps2_an385"
MPREMOTE = Path(sys.executable).with_name("mpremote")


@pytest.fixture(scope="module")
def image():
    return build.build_image(BOARD, ROOT / "appliance.toml", ROOT / "build", dev=True)


class Board:
    """A machine with its prompt; `http` is the port of its pages, 0 where a Wire is its network."""

    def __init__(self, image, netdev=None):
        self.prompt, self.http = free_port(socket.SOCK_STREAM), 0 if netdev else free_port(socket.SOCK_STREAM)
        self.machine = Qemu(board=BOARD, image=image, prompt=self.prompt,
                            netdev=netdev or f"user,hostfwd=tcp:127.0.0.1:{self.http}-10.0.2.15:80")

    def __enter__(self):
        self.machine.start()
        self.machine.wait_ready()
        return self

    def __exit__(self, *_):
        self.machine.stop()

    def mpremote(self, *words, code=0):
        done = subprocess.run([MPREMOTE, "connect", f"socket://127.0.0.1:{self.prompt}", *map(str, words)], cwd=ROOT, timeout=60,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    def get(self, path="api/reading"):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http}/{path}", timeout=5) as answer:
            return answer.read()

    def count(self, name):
        return int(re.search(rb"^%s (\d+)$" % name.encode(), self.get("metrics"), re.M)[1])


@pytest.fixture(scope="module")
def board(image):
    with Board(image) as made:
        yield made


def test_exec_and_run(board, tmp_path):
    (tmp_path / "script.py").write_text("import sys\nfor k in range(3):\n    print(k, __name__)\nprint(sys.platform)\n")
    assert board.mpremote("exec", "print(6 * 7, 1 << 40)") == "42 1099511627776\n"
    assert board.mpremote("run", tmp_path / "script.py") == "0 __main__\n1 __main__\n2 __main__\nbarewire\n"
    assert board.mpremote("exec", "1 // 0", code=1).endswith("ZeroDivisionError: divide by zero\n")


def test_long_and_native_programs(board, tmp_path):
    lines = "".join(f"x{k} = {k}\n" for k in range(600))
    (tmp_path / "long.py").write_text(lines + "print(x0 + x599)\n")
    assert board.mpremote("run", tmp_path / "long.py") == "599\n"
    (tmp_path / "native.py").write_text("import micropython\n@micropython.viper\ndef f(a: int) -> int:\n    s = 0\n    while a:\n"
                                        "        s = s + a\n        a = a - 1\n    return s\nprint(f(100))\n")
    assert board.mpremote("run", tmp_path / "native.py") == "5050\n"


def test_files(board, tmp_path):
    content = random.Random(1).randbytes(3000)
    (tmp_path / "there.bin").write_bytes(content)
    (tmp_path / "lib.py").write_text("def twice(x):\n    return 2 * x\n")
    board.mpremote("mkdir", ":folder")
    board.mpremote("cp", tmp_path / "there.bin", tmp_path / "lib.py", ":folder/")
    assert {line.split()[1]: int(line.split()[0]) for line in board.mpremote("ls", ":folder").splitlines()[1:]} == {
        "there.bin": 3000, "lib.py": len("def twice(x):\n    return 2 * x\n")}
    board.mpremote("cp", ":folder/there.bin", tmp_path / "back.bin")
    assert (tmp_path / "back.bin").read_bytes() == content
    # a soft reset, which `exec` begins with, leaves the files where they are
    assert board.mpremote("exec", "import sys; sys.path.append('/folder'); import lib; print(lib.twice(21))") == "42\n"
    board.mpremote("rm", "-r", ":folder")
    assert board.mpremote("ls").splitlines() == ["ls :"]


def test_a_mounted_folder_of_the_host(board, tmp_path):
    (tmp_path / "outside.py").write_text("import os\nprint('from', os.getcwd())\n"
                                         "with open('written.txt', 'w') as f:\n    f.write('by the board')\n")
    said = board.mpremote("mount", tmp_path, "exec", "import outside; import os; print(sorted(os.listdir()))")
    assert said.splitlines()[-2:] == ["from /remote", "['outside.py', 'written.txt']"]
    assert (tmp_path / "written.txt").read_text() == "by the board"


def test_pages_while_the_prompt_waits(board):
    before = board.count("sensor_readings")
    for path in (ROOT / "firmware/app/www").iterdir():
        assert board.get(path.name) == path.read_bytes()
    time.sleep(1.2)
    assert board.count("sensor_readings") > before


class Line:
    """The prompt as raw bytes."""

    def __init__(self, board):
        self.socket = socket.create_connection(("127.0.0.1", board.prompt))
        self.socket.settimeout(10)
        self.say(b"\r\x03\x03\x01", b"raw REPL; CTRL-B to exit\r\n>")

    def say(self, data, end):
        """Send, and return what comes until `end`."""
        self.socket.sendall(data)
        said = b""
        while not said.endswith(end):
            said += self.socket.recv(4096)
        return said

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.say(b"\x02", b">>> ")
        self.socket.close()


@pytest.mark.parametrize("waiting", ["while True: pass", "import time\nwhile True: time.sleep(10)", "import sys\nsys.stdin.read(1)"])
def test_pages_while_a_program_runs_and_ctrl_c(board, waiting):
    with Line(board) as line:
        line.say(waiting.encode() + b"\x04", b"OK")
        for _ in range(3):
            assert b'"sequence"' in board.get()
        assert b"KeyboardInterrupt" in line.say(b"\x03", b"\x04>")
        assert line.say(b"print(5)\x04", b"\x04\x04>") == b"OK5\r\n\x04\x04>"


def test_a_program_reaches_the_appliance_it_runs_beside(board):
    assert int(board.mpremote("resume", "exec", "from barewire import status; print(status.uptime_ms())")) > 100


def test_ping_at_the_prompt_which_takes_no_processor_time(image):
    with Wire() as wire, Board(image, wire.netdev) as board:
        there = re.search(r"local\.port=(\d+)", wire.netdev)[1]

        def used():
            with open(f"/proc/{board.machine.process.pid}/stat") as stat:
                return sum(map(int, stat.read().rpartition(")")[2].split()[11:13])) / os.sysconf("SC_CLK_TCK")

        def ping(number):
            start = time.monotonic()
            wire.socket.sendto(icmp(data=b"%08d" % number), ("127.0.0.1", int(there)))
            while (frame := wire.socket.recv(2048))[23] != 1 or frame[42:50] != b"%08d" % number:
                pass
            return time.monotonic() - start
        assert sorted(map(ping, range(20)))[10] < 0.1
        time.sleep(0.3)
        before = used()
        time.sleep(2)
        assert used() - before <= 0.03
        with Line(board) as line:
            line.say(b"while True: pass\x04", b"OK")
            assert sorted(map(ping, range(20)))[10] < 0.1
            line.say(b"\x03", b"\x04>")


def test_other_boards_have_none_and_say_so(tmp_path):
    for board in "microvm", "lm3s6965evb":
        done = subprocess.run([sys.executable, "image/build.py", "--board", board, "--dev", "--build", tmp_path], cwd=ROOT,
                              capture_output=True, text=True)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == f"barewire: DEV=1: there is no development image for {board}: say BOARD=mps2_an385\n"
    assert not list(tmp_path.iterdir())


def test_make_run_names_the_prompt(image, tmp_path):
    config = tmp_path / "appliance.toml"
    config.write_text('[net]\naddress = "10.0.2.15/24"\n')
    build.build_image(BOARD, config, tmp_path, dev=True)
    prompt = free_port(socket.SOCK_STREAM)
    process = subprocess.Popen([sys.executable, "image/run.py", "--board", BOARD, "--config", config, "--build", tmp_path, "--dev",
                                "--prompt", str(prompt)], cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        for line in process.stdout:
            if line.startswith("prompt: "):
                break
        command = line.split(": ", 1)[1].split()
        assert command[0] == "build/venv/bin/mpremote"
        done = subprocess.run([MPREMOTE, *command[1:], "exec", "print('here')"], capture_output=True, text=True, timeout=60)
        assert done.stdout == "here\n"
    finally:
        process.terminate()
        process.communicate(timeout=10)
