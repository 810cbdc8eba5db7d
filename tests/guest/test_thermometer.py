"""A real sensor on the LM3S6965's I2C bus: QEMU's tmp105, whose temperature is set through QMP (docs/interop/qmp-spec)."""
import json
import re
import socket
import subprocess
import sys
import time
import urllib.request

import pytest

from hostsim import datagram
from image import build
from image.qemu import Qemu
from image.settings import ROOT
from tests.guest.monitor import Monitor
from tests.guest.test_run import free_port

BOARD = "lm3s6965evb"
EXAMPLE = ROOT / "firmware" / "app" / "thermometer.toml"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """(image, collector's socket): the example with a short period and a collector's port of our own."""
    folder = tmp_path_factory.mktemp("thermometer")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as collector:
        collector.bind(("127.0.0.1", 0))
        collector.settimeout(5)
        config = folder / "appliance.toml"
        config.write_text(EXAMPLE.read_text().replace("1000", "100").replace(":9000", f":{collector.getsockname()[1]}")
                          .replace('"www"', f'"{EXAMPLE.parent}/www"'))
        yield build.build_image(BOARD, config, folder), collector


def readings(collector, wanted):
    """Datagrams until one has the wanted value and status; AssertionError after ten that have not."""
    for _ in range(10):
        reading = datagram.decode(collector.recv(2048))
        if wanted(reading):
            return reading
    raise AssertionError(reading)


def page(port, path="api/reading"):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=5) as answer:
        return answer.read()


def errors(port):
    return int(re.search(rb"^sensor_error (\d+)$", page(port, "metrics"), re.M)[1])


def test_the_temperature_arrives_as_datagram_and_on_the_page(made, tmp_path):
    image, collector = made
    port, control = free_port(socket.SOCK_STREAM), tmp_path / "qmp"
    with Qemu(board=BOARD, image=image, sensor="tmp105", netdev=f"user,hostfwd=tcp:127.0.0.1:{port}-10.0.2.15:80",
              extra=["-qmp", f"unix:{control},server=on,wait=off"]) as machine:
        machine.wait_ready()
        monitor = Monitor(control)
        for set_to, value in (21000, 21000), (-12500, -12500), (99990, 99937), (62, 0), (127900, 127875), (-100, -125):
            monitor.do("qom-set", path="/machine/peripheral/tmp105", property="temperature", value=set_to)
            reading = readings(collector, lambda reading: reading.value == value)
            assert reading.status & 1
            told = json.loads(page(port))
            assert (told["source"], told["value"], told["status"] & 1) == ("tmp105", value, 1)
        monitor.close()
        assert errors(port) == 0 and machine.lines == ["barewire: thermometer ready at 10.0.2.15"]


def test_a_sensor_that_does_not_answer_is_counted_and_said_once(made):
    image, collector = made
    port = free_port(socket.SOCK_STREAM)
    with Qemu(board=BOARD, image=image, netdev=f"user,hostfwd=tcp:127.0.0.1:{port}-10.0.2.15:80") as machine:
        machine.wait_ready()
        readings(collector, lambda reading: reading.status & 1 == 0)
        assert json.loads(page(port))["status"] & 1 == 0
        before = errors(port)
        time.sleep(0.5)
        assert errors(port) > before > 0
        assert machine.lines.count("sensor: tmp105 failed: OSError I2C: 0x48 does not answer") == 1 and len(machine.lines) == 2


def test_the_example_costs_nothing_where_it_is_not_used():
    build.build_image(BOARD, ROOT / "appliance.toml", ROOT / "build")
    gen = ROOT / "build" / BOARD / "gen"
    made = {path.relative_to(gen).as_posix() for path in gen.rglob("*.py")}
    assert "barewire/board.py" in made and not {"app/tmp105.py", "app/readings.py", "barewire/i2c/stellaris.py"} & made
    board = (gen / "barewire" / "board.py").read_text()
    assert "def nic_where" in board and not re.search(r"^(def i2c|def _bus|from .*I2C)", board, re.M)


@pytest.mark.parametrize("board", ["microvm", "mps2_an385"])
def test_a_board_without_the_bus_is_one_line(board, tmp_path):
    done = subprocess.run([sys.executable, "image/build.py", "--board", board, "--config", EXAMPLE, "--build", tmp_path],
                          cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2 and done.stdout == ""
    assert re.fullmatch(r"firmware/app/readings\.py:\d+: this board has no i2c; choose one that has it, or do without\n", done.stderr)
