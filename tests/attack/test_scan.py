"""nmap against the image, with the normal client beside it: it finds one open port, and no number that it could guess."""
import shutil
import subprocess
from xml.etree import ElementTree

import pytest

from tests.attack.field import DEVICE, TROUBLE, Client, Table, metrics, still_serves
from tests.attack.test_floods import begun

pytestmark = pytest.mark.skipif(not shutil.which("nmap"), reason="no nmap: apt-get install nmap")
HARD = 200      # of 0 to 263: nmap says "Good luck!" from there on


@pytest.fixture(scope="module")
def table(target) -> Table:
    return begun("scan")


def scan(table, seconds: float, *words: str) -> ElementTree.Element:
    """nmap's report on the appliance; the client is at work for `seconds` of the scan."""
    before = metrics()
    with subprocess.Popen(["nmap", "-n", "-oX", "-", *words, DEVICE], stdout=subprocess.PIPE, text=True) as nmap:
        seen = Client(seconds).seen()
        report = ElementTree.fromstring(nmap.communicate(timeout=150)[0])
    after = metrics()
    took = float(report.find("runstats/finished").get("elapsed"))
    table.row(f"nmap {' '.join(words)}", f"{after['rx_frames'] - before['rx_frames']:,} frames in {took:.0f} s", seen)
    assert not seen["failed"]
    assert {key: after[key] - before[key] for key in TROUBLE if after[key] != before[key]} == {}
    assert after["heap_free_bytes"] == before["heap_free_bytes"]
    still_serves()
    host = report.find("host")
    assert [port.get("portid") for port in host.iterfind("ports/port") if port.find("state").get("state") == "open"] == ["80"]
    return host


def numbers(table, host) -> None:
    """RFC 6528: sequence numbers nobody guesses; RFC 6864: identification says nothing of what else was sent."""
    sequence, ident = host.find("tcpsequence"), host.find("ipidsequence")
    table.say(f"| | TCP sequence prediction: difficulty {sequence.get('index')} ({sequence.get('difficulty')}), "
              f"IP ID: {ident.get('class')} | | | | | |")
    assert int(sequence.get("index")) >= HARD and sequence.get("difficulty") == "Good luck!"
    assert ident.get("class") == "All zeros"


def test_sequence_numbers(target, table):
    numbers(table, scan(table, 1.5, "-Pn", "-sS", "-O", "--max-os-tries", "1", "-p", "79-81"))


@pytest.mark.soak
def test_services_and_system(target, table):
    host = scan(table, 20, "-sS", "-sV", "-O", "-A", "-T4", "--top-ports", "100")
    numbers(table, host)
    assert host.find("ports/port[@portid='80']/service").get("name") == "http"


@pytest.mark.soak
def test_all_ports(target, table):
    host = scan(table, 20, "-sS", "-p-", "-T4", "--max-retries", "1", "--min-rate", "5000")
    assert host is not None
