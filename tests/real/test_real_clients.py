"""The programs that people point at a web server, each for a moment, against the image: all is answered, nothing goes wrong.

curl has test_real_http.py, Chromium test_dashboard.py.
"""
import re
import shutil
import subprocess

import pytest
import requests

from tests.real import network
from tests.real.client import metric
from tests.real.conftest import BIG, FILES
from tests.real.network import DEVICE

URL = f"http://{DEVICE}"
PACKAGES = {"wrk": "wrk", "ab": "apache2-utils", "h2load": "nghttp2-client"}
TROUBLE = ("http_400", "http_500", "http_503", "tcp_malformed", "tcp_checksum", "tcp_timeout")


@pytest.fixture(scope="module")
def image(config):
    """Asks for `config`, so it is skipped where there can be no TAP."""
    with network.network(), network.qemu(config) as process:
        network.settle()
        yield process
        assert process.poll() is None, "the appliance did not survive its tests"


@pytest.fixture(autouse=True)
def no_trouble(image):
    before = {name: metric(name) for name in TROUBLE}
    yield
    assert {name: metric(name) for name in TROUBLE} == before


def said(*words: str) -> str:
    """What the program prints; it has to succeed."""
    if not shutil.which(words[0]):
        pytest.skip(f"no {words[0]}: apt-get install {PACKAGES[words[0]]}")
    done = subprocess.run(words, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("connections, path", [(8, "/"), (8, "/big.bin"), (8, "/api/reading"), (32, "/api/reading"),
                                               (100, "/"), (100, "/big.bin")])
def test_wrk(image, connections, path):
    """64 slots serve 100 clients; 32 pages are as many routes as are answered at a time."""
    out = said("wrk", "-t1", f"-c{connections}", "-d1", f"{URL}{path}")
    assert not re.search(r"Socket errors|Non-2xx", out), out
    assert int(re.search(r"(\d+) requests in", out)[1]) >= connections


def test_wrk_with_a_connection_for_each_request(image):
    out = said("wrk", "-t1", "-c8", "-d1", "-H", "Connection: close", f"{URL}/")
    assert not re.search(r"Socket errors|Non-2xx", out), out


@pytest.mark.parametrize("words", [(), ("-k",), ("-i",), ("-H", "Accept-Encoding: gzip")], ids=("close", "keep-alive", "head", "gzip"))
def test_ab(image, words):
    """It speaks HTTP/1.0."""
    out = said("ab", "-q", "-n", "1000", "-c", "8", *words, f"{URL}/")
    found = dict(re.findall(r"^([A-Z][\w -]+): +(\d+)", out, re.M))
    assert (found["Complete requests"], found["Failed requests"]) == ("1000", "0") and "Non-2xx responses" not in found, out
    if words == ("-k",):
        assert int(found["Keep-Alive requests"]) > 900
    if not words:
        assert int(found["HTML transferred"]) == 1000 * len(FILES["index.html"])


@pytest.mark.parametrize("path", ["/", "/big.bin"])
def test_h2load(image, path):
    out = said("h2load", "--h1", "-n", "500", "-c", "8", f"{URL}{path}")
    assert "500 total, 500 started, 500 done, 500 succeeded, 0 failed, 0 errored, 0 timeout" in out, out


def test_h2load_that_pipelines(image):
    out = said("h2load", "--h1", "-n", "500", "-c", "4", "-m", "8", f"{URL}/")
    assert "500 succeeded, 0 failed" in out, out


def test_a_session_of_requests(image):
    with requests.Session() as session:
        for _ in range(5):
            for name, data in FILES.items():
                answer = session.get(f"{URL}/{name}", timeout=10)
                assert (answer.status_code, answer.content) == (200, data)
            reading = session.get(f"{URL}/api/reading", timeout=10).json()
            assert reading["name"]
        assert session.get(f"{URL}/nothing", timeout=10).status_code == 404
        first = session.get(f"{URL}/", timeout=10)
        again = session.get(f"{URL}/", headers={"If-None-Match": first.headers["ETag"]}, timeout=10)
        assert (again.status_code, again.content) == (304, b"")


def test_requests_uploads_what_nobody_wants(image):
    """With a length and in chunks: refused by its method, and the next request is served."""
    with requests.Session() as session:
        answer = session.post(f"{URL}/", data=b"x" * 1000, timeout=10)
        assert answer.status_code == 405
        answer = session.post(f"{URL}/", data=iter([b"chunk", b"of", b"ten bytes"]), timeout=10)
        assert answer.status_code == 405
        assert session.get(f"{URL}/big.bin", timeout=10).content == BIG


def test_requests_asks_for_a_range(image):
    answer = requests.get(f"{URL}/big.bin", headers={"Range": "bytes=1000-1999"}, timeout=10)
    assert answer.headers["Accept-Ranges"] == "bytes"
    assert answer.headers["Content-Range"] == f"bytes 1000-1999/{len(BIG)}"
    assert (answer.status_code, answer.content) == (206, BIG[1000:2000])
