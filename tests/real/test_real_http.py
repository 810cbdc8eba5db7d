"""HTTP with curl, the client that everybody has."""
import gzip
import json
import re
import shutil
import subprocess

import pytest

import requests

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


def test_the_card_cuts_segments(appliance):
    """On TAP QEMU's card takes many segments as one, which Linux then gets as one."""
    def count(name):
        return int(re.search(rb"^%s (\d+)$" % name, curl("/metrics"), re.M)[1])

    before = count(b"tx_frames"), count(b"nic_tx_segmented")
    assert curl("/big.bin") == BIG
    frames, trains = count(b"tx_frames") - before[0], count(b"nic_tx_segmented") - before[1]
    assert trains > 5 and frames < len(BIG) // 1460


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


# ---- parts of files ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("part, data", [("0-0", BIG[:1]), ("1-1460", BIG[1:1461]), ("4321-", BIG[4321:]), ("-1000", BIG[-1000:]),
                                        ("3-99999999", BIG[3:])])
def test_part(appliance, part, data):
    assert curl("-r", part, "/big.bin") == data
    status, fields = headers("-r", part, "/big.bin")
    first = len(BIG) - 1000 if part == "-1000" else int(part.split("-")[0])
    assert (status, fields["content-range"]) == (206, f"bytes {first}-{first + len(data) - 1}/{len(BIG)}")


def test_part_behind_the_end(appliance):
    status, fields = headers("-r", f"{len(BIG)}-", "/big.bin")
    assert (status, fields["content-range"], fields["content-length"]) == (416, f"bytes */{len(BIG)}", "0")


def test_several_parts_come_as_the_whole(appliance):
    assert curl("-r", "0-1,5-6", "/big.bin") == BIG and headers("-r", "0-1,5-6", "/big.bin")[0] == 200


def test_download_is_continued(appliance, tmp_path):
    for have in (1, 70_001, len(BIG) - 1):
        file = tmp_path / str(have)
        file.write_bytes(BIG[:have])
        curl("--continue-at", "-", f"-o{file}", "/big.bin")
        assert file.read_bytes() == BIG


@pytest.fixture
def session(appliance):
    """Python's requests, which asks for gzip unless told otherwise, and decodes it."""
    with requests.Session() as session:
        session.trust_env = False
        yield session


def test_requests_gets_parts(session):
    url = f"http://{DEVICE}/"
    whole = session.get(url)
    assert whole.content == PAGE and whole.headers["content-encoding"] == "gzip"
    part = session.get(url, headers={"Range": "bytes=5-9"})
    assert part.status_code == 206 and part.content == PAGE[5:10] and "content-encoding" not in part.headers
    tag = part.headers["etag"]
    again = session.get(url, headers={"Range": "bytes=10-", "If-Range": tag})
    assert again.status_code == 206 and part.content + again.content == PAGE[5:] and again.headers["etag"] == tag
    stale = session.get(url, headers={"Range": "bytes=10-", "If-Range": '"other"'})
    assert stale.status_code == 200 and stale.content == PAGE


def test_requests_keeps_its_connection(session):
    """Chunked bodies, OPTIONS and refusals leave it open."""
    url = f"http://{DEVICE}/"
    ports = set()
    for method, options, status in (("GET", {}, 200), ("POST", {"data": iter([b"a", b"bc" * 999])}, 405), ("OPTIONS", {}, 204),
                                    ("POST", {"data": b"x" * 65536}, 405), ("GET", {"headers": {"Range": "bytes=1-"}}, 206),
                                    ("HEAD", {}, 200), ("GET", {"data": b"abc"}, 200)):
        with session.request(method, url, stream=True, **options) as answer:
            ports.add(answer.raw._connection.sock.getsockname() if answer.raw._connection else "closed")
            assert answer.status_code == status and answer.content is not None
    assert len(ports) == 1


# ---- OPTIONS and expectations -------------------------------------------------------------------------------------------
@pytest.mark.parametrize("words", [["/"], ["/api/reading"], ["--request-target", "*", "/"]])
def test_options(appliance, words):
    status, fields = headers("-X", "OPTIONS", *words)
    assert (status, fields["allow"]) == (204, "GET, HEAD, OPTIONS")


def test_body_after_100(appliance):
    """curl waits a second for 100 before it sends the body all the same: this one is not that slow."""
    words = "-X", "GET", "-H", "Expect: 100-continue", "-d", "x" * 5000, "/"
    out = curl("-v", "-o", "/dev/null", "-w", "%{time_total} %{http_code} ", *words, *words[:-1], "-o", "/dev/null", "/").decode().split()
    assert float(out[0]) < 0.9 and float(out[2]) < 0.9 and out[1] == out[3] == "200"


def test_body_that_is_not_wanted_is_not_sent(appliance):
    out = curl("-H", "Expect: 100-continue", "-d", "x" * 60000, "-o", "/dev/null", "-w", "%{http_code} %{size_upload}", "/").decode()
    assert out == "405 0"


def test_other_expectations(appliance):
    assert headers("-H", "Expect: pony", "/")[0] == 417
