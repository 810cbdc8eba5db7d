"""`make run` as its user meets it: a URL that answers, datagrams as they come, Ctrl-C, ports that are taken."""
import ctypes
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import pytest

from image import build
from image.run import free
from image.settings import ROOT, Refused
from tests.guest.test_qemu import children, gone


def free_port(kind: socket.SocketKind) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """run(*arguments) starts image/run.py on an appliance with ports of its own."""
    folder = tmp_path_factory.mktemp("run")
    config = folder / "appliance.toml"
    query, collector = free_port(socket.SOCK_DGRAM), free_port(socket.SOCK_DGRAM)
    config.write_text(f"""
        [appliance]\nname = "on the run"
        [net]\naddress = "192.168.77.20/24"\ngateway = "192.168.77.1"
        [sensor]\nsource = "counter"\nperiod_ms = 200\ncollector = "192.168.77.1:{collector}"\nquery_port = {query}
        [http]\nroot = "{ROOT}/firmware/app/www"
    """)

    def run(http: int, text=True, board="microvm"):
        build.build_image(board, config, folder)
        return subprocess.Popen([sys.executable, "image/run.py", "--config", config, "--build", folder, "--http", str(http),
                                 "--board", board], cwd=ROOT, text=text, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    run.query, run.collector = query, collector
    return run


@pytest.mark.parametrize("board", ["microvm", "lm3s6965evb", "mps2_an385"])
def test_url_datagrams_and_ctrl_c(running, board):
    http = free_port(socket.SOCK_STREAM)
    process = running(http, board=board)
    start = time.monotonic()
    seen = []
    try:
        for line in process.stdout:
            seen.append(line)
            if "dashboard:" in line:
                (url,) = re.findall(r"http://127\.0\.0\.1:\d+/", line)
                assert time.monotonic() - start < 2
                with urllib.request.urlopen(url, timeout=5) as answer:
                    assert answer.status == 200 and b"<html" in answer.read()
            if sum("seq" in line for line in seen) == 3:
                break
        # the collector is a program of its own: its first line may come before ours
        assert [line for line in seen if "seq" not in line][0] == "barewire: on the run ready at 192.168.77.20\n"
        helpers = children(process.pid)
        assert len(helpers) == 2
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=5)
        assert process.returncode == 0 and "Traceback" not in rest + errors
        assert all(map(gone, helpers))
    finally:
        process.kill()      # else it would keep the ports of the tests that follow


def until(process, words: str) -> None:
    """Reads what the process prints up to the line with `words`."""
    while words not in (line := process.stdout.readline()):
        assert line, f"it ended with {process.wait(5)}: {process.stderr.read()}"


def test_query_reaches_the_sensor(running):
    process = running(free_port(socket.SOCK_STREAM))
    try:
        until(process, "sensor query")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            asking.settimeout(5)
            asking.sendto(b"?", ("127.0.0.1", running.query))
            assert len(asking.recv(2048)) >= 16
    finally:
        process.terminate()
        process.communicate(timeout=5)


def test_a_signal_that_interrupts_nothing_ends_it_too(running):
    """As one does that comes between Python's look for signals and the wait for QEMU: here another thread is given it."""
    process = running(free_port(socket.SOCK_STREAM))
    try:
        until(process, "Ctrl-C ends it")
        time.sleep(0.2)     # it waits now
        (reader,) = [int(task) for task in os.listdir(f"/proc/{process.pid}/task") if int(task) != process.pid]
        assert ctypes.CDLL(None).tgkill(process.pid, reader, signal.SIGTERM) == 0
        process.communicate(timeout=5)
        assert process.returncode == 143
    finally:
        process.kill()


@pytest.mark.parametrize("which, way_out", [("http", "say make run HTTP=another"), ("query", "say make run QUERY=another"),
                                            ("collector", "another collector runs there")])
def test_taken_port_is_one_line_and_starts_nothing(running, which, way_out):
    http = free_port(socket.SOCK_STREAM)
    kind = socket.SOCK_STREAM if which == "http" else socket.SOCK_DGRAM
    port = {"http": http, "query": running.query, "collector": running.collector}[which]
    with socket.socket(socket.AF_INET, kind) as holder:
        holder.bind(("127.0.0.1", port))
        if which == "http":
            holder.listen()
        process = running(http)
        output, errors = process.communicate(timeout=10)
    assert process.returncode == 2 and output == ""
    assert errors.count("\n") == 1 and f"port {port} of 127.0.0.1 is taken: " in errors and way_out in errors


@pytest.mark.parametrize("port", (-1, 0, 65536, 70000))
def test_a_port_that_there_is_not_is_one_line(port):
    with pytest.raises(Refused, match=f"tcp port {port}: there are ports from 1 to 65535"):
        free(socket.SOCK_STREAM, port, "")
