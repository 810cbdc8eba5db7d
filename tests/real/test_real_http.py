"""HTTP with curl, the client that everybody has."""
import gzip
import json
import re
import shutil
import subprocess

import pytest

from tests.real.conftest import BIG, FILES
from tests.real.network import DEVICE

pytestmark = pytest.mark.skipif(not shutil.which("curl"), reason="no curl: apt-get install curl")
PAGE = FILES["index.html"]


def curl(*arguments: str, code: int = 0) -> bytes:
    """What curl prints. Paths begin with / and are of the appliance."""
    words = [f"http://{DEVICE}{word}" if word.startswith("/") and word != "/dev/null" else word for word in arguments]
    done = subprocess.run(["curl", "-sS", "--noproxy", "*", "--max-time", "10", *words], capture_output=True)
    assert done.returncode == code, done.stderr.decode()
    return done.stdout


def headers(*arguments: str) -> tuple[int, dict]:
    lines = curl("-o", "/dev/null", "-D", "-", *arguments).decode().strip().split("\r\n")
    return int(lines[0].split()[1]), {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}


def test_page(appliance):
    assert curl("/") == PAGE
    status, fields = headers("/")
    assert status == 200 and fields["content-type"] == "text/html; charset=utf-8"


@pytest.mark.parametrize("name", sorted(FILES))
def test_every_file_byte_for_byte(appliance, name):
    assert curl("/" + name) == FILES[name]
    assert curl("--compressed", "/" + name) == FILES[name]


def test_compressed_is_smaller_on_the_wire(appliance):
    packed = curl("-H", "Accept-Encoding: gzip", "/")
    assert gzip.decompress(packed) == PAGE and len(packed) < len(PAGE)


def test_reading(appliance):
    first, second = (json.loads(curl("/api/reading")) for _ in range(2))
    assert first["name"] == "real" and second["uptime_ms"] >= first["uptime_ms"] > 0 and second["sequence"] >= first["sequence"]


def test_metrics(appliance):
    for line in curl("/metrics").decode().splitlines():
        assert re.fullmatch(r"# TYPE \w+ (counter|gauge)|\w+ \d+", line), line


def test_unknown_page(appliance):
    assert headers("/nothing")[0] == 404


def test_head(appliance):
    assert curl("-I", "/").decode().startswith("HTTP/1.1 200 ")
    status, fields = headers("-I", "/big.bin")
    assert (status, fields["content-length"]) == (200, str(len(BIG)))


@pytest.mark.parametrize("method, status", [("POST", 405), ("DELETE", 405), ("BREW", 501)])
def test_other_methods(appliance, method, status):
    assert headers("-X", method, "/")[0] == status


def test_etag(appliance):
    tag = headers("/")[1]["etag"]
    assert headers("-H", f"If-None-Match: {tag}", "/")[0] == 304
    assert curl("-H", f"If-None-Match: {tag}", "/") == b""
    assert curl("-H", 'If-None-Match: "other"', "/") == PAGE


def test_connection_is_kept(appliance):
    urls = ["/", "/api/reading", "/big.bin", "/style.css", "/nothing", "/metrics"]
    used = curl(*[word for url in urls for word in ("-o", "/dev/null", url)], "-w", "%{http_code} %{num_connects}\n").decode().split()
    assert used == ["200", "1", "200", "0", "200", "0", "200", "0", "404", "0", "200", "0"]


@pytest.mark.parametrize("words", [["-0"], ["-H", "Connection: close"]])
def test_connection_is_closed_when_asked(appliance, words):
    assert curl(*words, "/big.bin") == BIG
    used = curl(*words, "-o", "/dev/null", "/", "-o", "/dev/null", "/", "-w", "%{num_connects}").decode()
    assert used == "11"


def test_downloads_side_by_side(appliance):
    out = curl("--parallel", "--parallel-immediate", *["/big.bin"] * 6)
    assert len(out) == 6 * len(BIG)
