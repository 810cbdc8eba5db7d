"""The dashboard in Chromium, as a user sees it: image and simulator, no root. Screenshots in build/, to be looked at.

Chromium is driven over its remote debugging pipe (Chrome DevTools Protocol: JSON texts that end with a zero byte, on
the file descriptors 3 and 4), so that no library is needed and no port is opened.
"""
import base64
import contextlib
import fcntl
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

from image import build, config
from image.qemu import Qemu
from image.run import user_netdev
from image.settings import ROOT

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(not BROWSER, reason="no chromium: apt-get install chromium")
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--hide-scrollbars", "--no-proxy-server",
         "--window-size=1000,760", "--remote-debugging-pipe", "about:blank"]
SECONDS = 20
TEXT = "document.getElementById(%r).textContent"


class Browser:
    """One page of a headless Chromium; what it says on its console is kept in `said`."""

    def __init__(self, profile):
        # Chromium reads commands from 3 and writes to 4: a shell puts our pipes there
        low_read, self.commands = os.pipe()
        self.events, low_write = os.pipe()
        to_read, to_write = (fcntl.fcntl(fd, fcntl.F_DUPFD, 20) for fd in (low_read, low_write))    # out of the way of 3 and 4
        words = [BROWSER, f"--user-data-dir={profile}", *FLAGS]
        script = f'exec 3<&{to_read} 4>&{to_write} {to_read}<&- {to_write}>&-; exec "$@"'
        self.process = subprocess.Popen(["bash", "-c", script, "bash", *words], pass_fds=(to_read, to_write),
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        for fd in to_read, to_write, low_read, low_write:
            os.close(fd)
        self.rest, self.number, self.said, self.session = b"", 0, [], None
        page = next(t for t in self.ask("Target.getTargets")["targetInfos"] if t["type"] == "page")
        self.session = self.ask("Target.attachToTarget", targetId=page["targetId"], flatten=True)["sessionId"]
        for domain in "Page", "Runtime", "Log":
            self.ask(f"{domain}.enable")

    def ask(self, method: str, **parameters) -> dict:
        """Send a command; returns its result. Events that come meanwhile are looked through for complaints."""
        self.number += 1
        command = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            command["sessionId"] = self.session
        os.write(self.commands, json.dumps(command).encode() + b"\0")
        while True:
            message = self._next()
            self._listen(message)
            if message.get("id") == self.number:
                assert "error" not in message, message
                return message["result"]

    def _next(self) -> dict:
        while b"\0" not in self.rest:
            part = os.read(self.events, 1 << 20)
            assert part, "Chromium ended"
            self.rest += part
        message, _, self.rest = self.rest.partition(b"\0")
        return json.loads(message)

    def _listen(self, message: dict) -> None:
        what = message.get("method")
        if what in ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded"):
            self.said.append(message["params"])

    def value(self, expression: str):
        return self.ask("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def wait(self, expression: str, seconds: float = SECONDS):
        """The first true value of an expression."""
        deadline = time.monotonic() + seconds
        while not (value := self.value(expression)):
            assert time.monotonic() < deadline, f"{expression} is still {value!r}; the console: {self.said}"
            time.sleep(0.1)
        return value

    def screenshot(self, path) -> bytes:
        data = base64.b64decode(self.ask("Page.captureScreenshot", format="png")["data"])
        path.write_bytes(data)
        return data

    def close(self) -> None:
        with contextlib.suppress(OSError):
            os.write(self.commands, b'{"id":0,"method":"Browser.close"}\0')
        os.close(self.commands)
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, 9)
            self.process.wait()
        os.close(self.events)


@pytest.fixture
def browser(tmp_path):
    window = Browser(tmp_path / "profile")
    yield window
    window.close()


def free_port(kind=socket.SOCK_STREAM) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def in_qemu():
    path = ROOT / "appliance.toml"
    image = build.build_image("microvm", path, ROOT / "build")
    http = free_port()
    with Qemu(image=image, netdev=user_netdev(config.load(path), http, free_port(socket.SOCK_DGRAM))) as machine:
        machine.wait_ready()
        yield http


@contextlib.contextmanager
def in_simulator():
    http, query = free_port(), free_port(socket.SOCK_DGRAM)
    command = [sys.executable, "-m", "hostsim", "--config", "appliance.toml", "--link", f"bridge:{http}:{query}"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            while "ready" not in (line := process.stdout.readline()):
                assert line, "the simulator ended"
            yield http
        finally:
            process.terminate()


@pytest.fixture(params=[in_qemu, in_simulator], ids=["qemu", "simulator"])
def served(request):
    with request.param() as http:
        yield SimpleNamespace(url=f"http://127.0.0.1:{http}/", name=request.node.callspec.id)


def test_dashboard_shows_the_reading_change(browser, served):
    browser.ask("Page.navigate", url=served.url)
    browser.wait('document.getElementById("link").dataset.state === "live"')
    assert browser.value("document.title") == "greenhouse"
    first = int(browser.value(TEXT % "value").replace(",", ""))
    browser.wait(f'+{TEXT % "value"}.replace(/,/g, "") >= {first} + 3')
    assert "between" in browser.value('document.getElementById("plot").ariaLabel')
    browser.wait(f'+{TEXT % "requests"}.replace(/,/g, "") > 5')
    assert browser.value('[...document.querySelectorAll("#rows tr")].filter(row => !row.hidden).length') >= 5
    assert browser.said == []
    picture = browser.screenshot(ROOT / "build" / f"dashboard-{served.name}.png")
    assert picture[:8] == b"\x89PNG\r\n\x1a\n" and len(picture) > 10_000


COLUMNS = """(() => {       // columns of the chart's pixels that the line or its point colours, counted on a copy
  const chart = document.getElementById("plot"), copy = document.createElement("canvas");
  copy.width = chart.width; copy.height = chart.height;
  const g = copy.getContext("2d", {willReadFrequently: true});
  g.drawImage(chart, 0, 0);
  const d = g.getImageData(0, 0, copy.width, copy.height).data, seen = new Set();
  for (let i = 0; i < d.length; i += 4) if (d[i + 3] > 200 && d[i] > d[i + 2] + 40) seen.add(i / 4 % copy.width);
  return seen.size;
})()"""


def test_chart_is_drawn_and_buttons_work(browser, served):
    """The line is on the canvas, and longer the shorter the time that is shown."""
    browser.ask("Page.navigate", url=served.url)
    browser.wait("points.length > 3")
    wide = browser.value(COLUMNS)
    browser.value("document.querySelector('[data-span=\"60\"]').click()")
    assert browser.value(COLUMNS) > wide + 5 and wide > 0
    browser.value("document.querySelector('[data-mode=\"rate\"]').click()")
    assert browser.value("document.getElementById('plot').ariaLabel").startswith("Change per second")
    assert browser.said == []


def test_dashboard_says_when_nobody_answers(browser):
    with in_simulator() as http:
        browser.ask("Page.navigate", url=f"http://127.0.0.1:{http}/")
        browser.wait('document.getElementById("link").dataset.state === "live"')
    assert browser.wait('document.getElementById("link").dataset.state === "gone"')
