"""appliance.toml: what it means, and one clear line for every mistake in it."""
import textwrap
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from image.config import ABSENT, ConfigError, load

ROOT = Path(__file__).resolve().parents[2]
READINGS = "from barewire.inline import inline\n\n@inline\ndef counter(now: int) -> int:\n    return now\n\n" \
           "def uptime(now):\n    return now\n\ndef _helper():\n    pass\n"
NET = '[net]\naddress = "10.0.2.15/24"\ngateway = "10.0.2.2"\n'
SENSOR = NET + '[sensor]\nsource = "uptime"\n'
ECHO = NET + "[udp]\necho_port = 7\n[limits]\n"


@pytest.fixture
def read(tmp_path):
    """Reads a text as the configuration; the message has the file's folder taken off."""
    (tmp_path / "readings.py").write_text(READINGS)
    (tmp_path / "www").mkdir()

    def read(text):
        path = tmp_path / "appliance.toml"
        path.write_bytes(text if isinstance(text, bytes) else textwrap.dedent(text).encode())
        try:
            return load(path, tmp_path / "readings.py")
        except ConfigError as error:
            raise ConfigError(str(error).replace(f"{tmp_path}/", "")) from None
    return read


def test_example_of_the_repository():
    constants = load(ROOT / "appliance.toml").constants()
    assert constants["NAME"] == "greenhouse"
    assert constants["DEVICE_ID"] == 0xDC68F11B
    assert (constants["ADDRESS"], constants["PREFIX"], constants["GATEWAY"]) == (0x0A00020F, 24, 0x0A000202)
    assert constants["MAC"] == b"\x52\x54\x00\x12\x34\x56"
    assert (constants["SENSOR"], constants["SENSOR_SOURCE"], constants["SENSOR_PERIOD_MS"]) == (True, "counter", 1000)
    assert (constants["COLLECTOR"], constants["COLLECTOR_PORT"], constants["QUERY_PORT"]) == (0x0A000202, 9000, 5005)
    assert (constants["HTTP"], constants["HTTP_PORT"], constants["UDP_ECHO_PORT"]) == (True, 80, 7)


def test_absent_sections_are_off(read):
    config = read('[net]\naddress = "192.168.7.9/16"')
    off = {"SENSOR", "HTTP", "READING_INLINE", "COLLECTOR", "COLLECTOR_PORT", "QUERY_PORT", "HTTP_PORT", "UDP_ECHO_PORT",
           "GATEWAY", "SENSOR_PERIOD_MS", "MAC", "SENSOR_SOURCE"}
    constants = config.constants()
    assert not any(constants[name] for name in off)
    assert config.root is None
    assert config.name == "barewire"


def test_sources_and_whether_they_are_inline(read):
    assert read(SENSOR).reading_inline is False
    assert read(SENSOR.replace("uptime", "counter")).reading_inline is True


def test_back_to_back(read):
    assert read(SENSOR + 'period_ms = 0\ncollector = "10.0.2.2:1"').period_ms == 0


def test_root_is_relative_to_the_file_or_absolute(read, tmp_path):
    assert read(NET + '[http]\nroot = "www"').root == tmp_path / "www"
    assert read(NET + f'[http]\nroot = "{tmp_path}/www"').root == tmp_path / "www"


def test_allow_lists_are_merged_and_packed(read):
    config = read(NET + """allow = ["10.0.0.0/9", "192.168.1.7", "10.128.0.0/9", "192.168.1.7/32", "10.1.0.0/16"]
        [sensor]\nsource = "uptime"\nquery_port = 5005\nallow = ["10.0.2.2"]
        [http]\nroot = "www"\nallow = ["0.0.0.0/1", "128.0.0.0/1"]
        [udp]\necho_port = 7\nallow = ["10.0.0.0/8"]""".replace("\n        ", "\n"))
    constants = config.constants()
    assert constants["NETWORKS"] == bytes((10, 0, 0, 0, 255, 0, 0, 0, 192, 168, 1, 7, 255, 255, 255, 255,
                                           10, 0, 0, 0, 255, 0, 0, 0, 10, 0, 2, 2, 255, 255, 255, 255))
    assert [constants[name] for name in ("NET_ALLOW", "HTTP_ALLOW", "UDP_ALLOW", "SENSOR_ALLOW")] == [2, 0, 1, 1]


def test_it_sleeps_at_once_unless_told_otherwise(read):
    assert [read(NET + text).constants()["BUSY_POLL_MS"] for text in ("", "busy_poll_ms = 0", "busy_poll_ms = 1000")] == [0, 0, 1000]


def test_limits_and_what_holds_without_them(read):
    names = ("CONNECTIONS_PER_S", "CONNECTIONS_BURST", "DATAGRAMS_PER_S", "DATAGRAMS_BURST", "ICMP_PER_S", "RST_PER_S",
             "CHALLENGE_ACKS_PER_S")

    def numbers(text):
        constants = read(text).constants()
        return [constants[name] for name in names]

    web = NET + '[http]\nroot = "www"\n[udp]\necho_port = 7\n'
    assert ABSENT.items() <= read(web).constants().items()
    assert numbers(web) == numbers(web + "[limits]") == [0, 0, 0, 0, 10, 50, 10]
    assert numbers(web + "[limits]\nconnections_per_s = 2\ndatagrams_per_s = 9") == [2, 5, 9, 9, 10, 50, 10]
    assert numbers(web + "[limits]\nconnections_per_s = 1000000\nconnections_burst = 1\nicmp_per_s = 1\nrst_per_s = 2\n"
                         "challenge_acks_per_s = 3") == [1000000, 1, 0, 0, 1, 2, 3]
    assert numbers(SENSOR + "query_port = 5005\n[limits]\ndatagrams_per_s = 9")[2] == 9


@pytest.mark.parametrize("text, message", [
    ("", "[net]: missing; add the section"),
    ("[net]", "[net] address: missing; add it"),
    ("net = 1", "net: stands outside of a section"),
    ("x y", "not TOML: Expected '=' after a key"),
    ("x = " + 5000 * "[", "too long or too deep"),
    ("x = " + 5000 * "1", "too long or too deep"),
    (b"\xff", "byte 0 is not UTF-8"),
    (NET + "[wifi]", "[wifi]: unknown section; there are [appliance], [net], [sensor], [http], [udp]"),
    (NET + "mask = 24", "[net] mask: unknown key; this section has address, gateway, mac, allow, busy_poll_ms"),
    ("[net]\naddress = 10", "[net] address: 10 is not a text in quotes"),
    ('[net]\naddress = "10.0.2.15"', "[net] address: \"10.0.2.15\" has no prefix length"),
    ('[net]\naddress = "10.0.2.15/31"', "[net] address: \"10.0.2.15/31\" has no prefix length from 1 to 30"),
    ('[net]\naddress = "10.0.2.300/24"', "[net] address: \"10.0.2.300\" is not an IPv4 address"),
    ('[net]\naddress = "10.0.2.0/24"', "[net] address: 10.0.2.0 is the network address of 10.0.2.0/24"),
    ('[net]\naddress = "10.0.2.255/24"', "[net] address: 10.0.2.255 is the broadcast address"),
    ('[net]\naddress = "224.0.0.5/24"', "[net] address: 224.0.0.5 cannot be the address of one host"),
    ('[net]\naddress = "127.0.0.1/8"', "[net] address: 127.0.0.1 cannot be the address of one host"),
    ('[net]\naddress = "10.0.2.15/24"\ngateway = "10.0.3.1"', "[net] gateway: 10.0.3.1 is outside 10.0.2.0/24"),
    ('[net]\naddress = "10.0.2.15/24"\ngateway = "10.0.2.15"', "[net] gateway: 10.0.2.15 is the appliance's own"),
    ('[net]\naddress = "10.0.2.15/24"\ngateway = "10.0.2.255"', "[net] gateway: 10.0.2.255 is the broadcast address"),
    (NET + "busy_poll_ms = -1", "[net] busy_poll_ms: -1 is not from 0 (sleep at once) to 1000"),
    (NET + "busy_poll_ms = 1001", "[net] busy_poll_ms: 1001 is not from 0"),
    (NET + "busy_poll_ms = true", "[net] busy_poll_ms: True is not a whole number"),
    (NET + 'mac = "52-54-00-12-34-56"', "[net] mac: \"52-54-00-12-34-56\" is not six pairs"),
    (NET + 'mac = ""', "[net] mac: \"\" is not six pairs"),
    (NET + 'mac = "01:00:5e:00:00:01"', "[net] mac: 01:00:5e:00:00:01 is a multicast address"),
    (NET + 'mac = "00:00:00:00:00:00"', "[net] mac: 00:00:00:00:00:00 is no address"),
    (NET + '[appliance]\nname = ""', "[appliance] name: \"\" is not 1 to 32 printable ASCII characters"),
    (NET + f'[appliance]\nname = "{"x" * 33}"', "is not 1 to 32 printable ASCII characters"),
    (NET + '[appliance]\nname = "Gewächs"', "is not 1 to 32 printable ASCII characters"),
    (NET + "[sensor]", "[sensor] source: missing"),
    (NET + '[sensor]\nsource = "rain"', "[sensor] source: there is no rain in readings.py; known: counter, uptime"),
    (NET + '[sensor]\nsource = "_helper"', "known: counter, uptime"),
    (SENSOR + "period_ms = 0", "[sensor] period_ms: 0 is not from 1 to 86400000 (a day); correct it, 0 needs a collector"),
    (SENSOR + 'period_ms = true\ncollector = "10.0.2.2:9"', "[sensor] period_ms: True is not a whole number"),
    (SENSOR + 'period_ms = -1\ncollector = "10.0.2.2:9"', "[sensor] period_ms: -1 is not from 0 to 86400000"),
    (SENSOR + 'period_ms = 1\ncollector = "10.0.2.2"', "[sensor] collector: \"10.0.2.2\" is not address:port"),
    (SENSOR + 'period_ms = 1\ncollector = "10.0.2.2:0"', "[sensor] collector: \"10.0.2.2:0\" is not address:port"),
    (SENSOR + 'period_ms = 1\ncollector = "10.0.2.15:9"', "[sensor] collector: 10.0.2.15 is the appliance's own"),
    (SENSOR + 'period_ms = 1\ncollector = "10.0.2.255:9"', "[sensor] collector: 10.0.2.255 is the broadcast address"),
    (SENSOR.replace('gateway = "10.0.2.2"', "") + 'period_ms = 1\ncollector = "9.9.9.9:9"',
     "[sensor] collector: 9.9.9.9 is outside 10.0.2.0/24; add [net] gateway"),
    (SENSOR + "query_port = 0", "[sensor] query_port: 0 is not a port"),
    (SENSOR + "query_port = 7\n[udp]\necho_port = 7", "[udp] echo_port: 7 is the port of [sensor] query_port too"),
    (NET + "[udp]\necho_port = 65536", "[udp] echo_port: 65536 is not a port"),
    (NET + "[http]", "[http] root: missing"),
    (NET + '[http]\nroot = "nowhere"', "[http] root: nowhere is not a folder"),
    (NET + f'[http]\nroot = "{"x" * 300}"', "[http] root: xxx"),
    (NET + '["x\\ny"]', "unknown section"),
    (NET + '[limits]\n"a\\nb" = 1', "unknown key"),
    (NET + '[http]\nroot = "appliance.toml"', "[http] root: \"appliance.toml\" is not a folder"),
    (NET + '[http]\nroot = "www"\nport = "80"', "[http] port: \"80\" is not a whole number"),
    (NET + 'allow = "10.0.0.0/8"', "[net] allow: \"10.0.0.0/8\" is not a list in [ ]"),
    (NET + "allow = []", "[net] allow: 0 networks; write 1 to 16, or leave allow out for everybody"),
    (NET + f"allow = {['10.0.0.1'] * 17}", "[net] allow: 17 networks; write 1 to 16"),
    (NET + "allow = [10]", "[net] allow: 10 is not a text in quotes"),
    (NET + 'allow = ["ten"]', "[net] allow: ten is not a network; write for instance"),
    (NET + 'allow = ["10.0.0.0/33"]', "[net] allow: \"10.0.0.0/33\" is not a network"),
    (NET + 'allow = ["10.0.0.0/-1"]', "[net] allow: \"10.0.0.0/-1\" is not a network"),
    (NET + 'allow = ["10.0.0.0/"]', "[net] allow: \"10.0.0.0/\" is not a network"),
    (NET + 'allow = ["10.0.0.0/255.0.0.0"]', "[net] allow: \"10.0.0.0/255.0.0.0\" is not a network"),
    (NET + 'allow = ["10.0.0.0\\n/8"]', "is not a network"),
    (NET + 'allow = ["10.0.0.256"]', "[net] allow: \"10.0.0.256\" is not a network"),
    (NET + 'allow = ["10.0.0.1/8"]', '[net] allow: 10.0.0.1/8 has bits set behind its first 8; write "10.0.0.0/8"'),
    (NET + 'allow = ["224.0.0.0/4"]', "[net] allow: nobody can send from 224.0.0.0/4"),
    (NET + 'allow = ["127.0.0.1"]', "[net] allow: nobody can send from 127.0.0.1"),
    (NET + 'allow = ["10.0.2.15"]', "[net] allow: nobody can send from 10.0.2.15"),
    (NET + '[udp]\nallow = ["10.0.0.0/8"]', "[udp] allow: there is no echo_port that it could be for; add it, or leave allow out"),
    (SENSOR + 'allow = ["10.0.0.0/8"]', "[sensor] allow: there is no query_port that it could be for"),
    (NET + '[http]\nroot = "www"\nallow = ["10.0.0.1/24"]', "[http] allow: 10.0.0.1/24 has bits set"),
    (NET + 'allow = ["10.0.0.0/8"]\n[udp]\necho_port = 7\nallow = ["10.1.0.0/16", "192.168.1.7"]',
     "[udp] allow: 192.168.1.7/32 is outside of [net] allow, which holds for everything; add it there"),
    (ECHO + "datagrams_per_s = 0", "[limits] datagrams_per_s: 0 is not from 1 to 1000000; correct it, or leave it out"),
    (ECHO + "datagrams_per_s = 1000001", "[limits] datagrams_per_s: 1000001 is not from 1 to 1000000"),
    (ECHO + "datagrams_per_s = 1.5", "[limits] datagrams_per_s: 1.5 is not a whole number"),
    (ECHO + 'datagrams_per_s = "5/s"', "[limits] datagrams_per_s: \"5/s\" is not a whole number"),
    (ECHO + "datagrams_per_s = 5\ndatagrams_burst = 0", "[limits] datagrams_burst: 0 is not from 1 to 1000000"),
    (ECHO + "datagrams_burst = 5", "[limits] datagrams_burst: there is no datagrams_per_s; add it, or leave datagrams_burst out"),
    (ECHO + "connections_burst = 5", "[limits] connections_burst: there is no connections_per_s"),
    (ECHO + "connections_per_s = 5", "[limits] connections_per_s: there is no [http] that it could limit; add it"),
    (ECHO + "challenge_acks_per_s = 5", "[limits] challenge_acks_per_s: there is no [http] that it could limit"),
    (SENSOR + "[limits]\ndatagrams_per_s = 5",
     "[limits] datagrams_per_s: there is no [udp] echo_port or [sensor] query_port that it could limit"),
    (ECHO + "icmp_per_s = 0", "[limits] icmp_per_s: 0 is not from 1 to 1000000"),
    (NET + '[http]\nroot = "www"\n[limits]\nchallenge_acks_per_s = 1001', "[limits] challenge_acks_per_s: 1001 is not from 1 to 1000;"),
    (ECHO + "rst_per_s = -1", "[limits] rst_per_s: -1 is not from 1 to 1000000"),
    (ECHO + "rst_per_s = true", "[limits] rst_per_s: True is not a whole number"),
    (ECHO + "pings_per_s = 1", "[limits] pings_per_s: unknown key; this section has connections_per_s, connections_burst, "),
])
def test_mistakes(read, text, message):
    with pytest.raises(ConfigError) as caught:
        read(text)
    line = str(caught.value)
    assert line.startswith("appliance.toml: ") and message in line
    assert "\n" not in line


def test_no_file(tmp_path):
    with pytest.raises(ConfigError, match=r"nothing\.toml: cannot be read \(No such file or directory\)"):
        load(tmp_path / "nothing.toml")


def test_readings_that_are_no_python(read, tmp_path):
    (tmp_path / "readings.py").write_text("def counter(:\n")
    with pytest.raises(ConfigError, match=r"\[sensor\] source: readings.py:1: invalid syntax"):
        read(SENSOR)


@given(st.recursive(st.integers() | st.text(max_size=5) | st.booleans() | st.floats(allow_nan=False, allow_infinity=False),
                    lambda inner: st.lists(inner, max_size=2), max_leaves=3), st.sampled_from(
    ["appliance.name", "net.address", "net.gateway", "net.mac", "sensor.source", "sensor.period_ms", "sensor.collector",
     "sensor.query_port", "http.port", "http.root", "udp.echo_port", "net.allow", "http.allow", "limits.connections_per_s",
     "limits.connections_burst"]))
def test_any_value_is_taken_or_refused_in_one_line(tmp_path_factory, value, place):
    """No value, of any type, ends in a traceback."""
    values = {"net.address": "10.0.2.15/24", "net.gateway": "10.0.2.2", "sensor.source": "uptime", "sensor.period_ms": 1,
              "sensor.collector": "10.0.2.2:9", "http.root": "www", "limits.connections_per_s": 1, place: value}
    folder = tmp_path_factory.getbasetemp() / "any"
    (folder / "www").mkdir(parents=True, exist_ok=True)
    (folder / "readings.py").write_text(READINGS)
    (folder / "appliance.toml").write_text("".join(f"{key} = {toml(value)}\n" for key, value in values.items()), "utf-8")
    try:
        load(folder / "appliance.toml", folder / "readings.py")
    except ConfigError as error:
        assert len(str(error).splitlines()) == 1
        assert f"[{place.split('.')[0]}] " in str(error) or place == "net.address"


def toml(value) -> str:
    if isinstance(value, str):
        return '"' + "".join(f"\\U{ord(c):08X}" for c in value) + '"'
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return str(value).lower() if isinstance(value, bool) else repr(value)


def test_a_reading_each_second_where_nothing_is_said(tmp_path):
    for more in ("query_port = 5005", 'collector = "10.0.2.2:9"', ""):
        file = tmp_path / "appliance.toml"
        file.write_text(SENSOR + more)
        assert load(file).constants()["SENSOR_PERIOD_MS"] == 1000
