"""appliance.toml: read, checked, and turned into the constants of the module barewire.config.

Every mistake becomes one ConfigError of one line: file, section, key, what is wrong, what to do.
"""
import ast
import re
import tomllib
import zlib
from dataclasses import dataclass, field
from ipaddress import AddressValueError, IPv4Address, IPv4Network, collapse_addresses
from pathlib import Path

READINGS = Path(__file__).resolve().parent.parent / "firmware" / "app" / "readings.py"
KNOWN = {
    "appliance": ("name",),
    "net": ("address", "gateway", "mac", "allow", "busy_poll_ms"),
    "sensor": ("source", "period_ms", "collector", "query_port", "allow"),
    "http": ("port", "root", "allow"),
    "udp": ("echo_port", "allow"),
    "limits": ("connections_per_s", "connections_burst", "datagrams_per_s", "datagrams_burst", "icmp_per_s", "rst_per_s",
               "challenge_acks_per_s"),
}
ALLOWING = ("net", "http", "udp", "sensor")     # sections with an allow-list, as firmware/barewire/limits.py keeps them
MOST_NETWORKS = 16                              # in a list: each costs a comparison
EVERYBODY = IPv4Network("0.0.0.0/0")
NO_HOSTS = [IPv4Network(text) for text in ("0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/3")]      # RFC 1122 section 3.2.1.3
ALWAYS = {"icmp_per_s": 10, "rst_per_s": 50, "challenge_acks_per_s": 10}    # limits where nothing is said
LEAST_BURST = 5             # of a limit that has none of its own: a browser opens some connections at once
ABSENT = {"NETWORKS": b"", "NET_ALLOW": 0, "HTTP_ALLOW": 0, "UDP_ALLOW": 0, "SENSOR_ALLOW": 0, "CONNECTIONS_PER_S": 0,
             "CONNECTIONS_BURST": 0, "DATAGRAMS_PER_S": 0, "DATAGRAMS_BURST": 0,
             **{key.upper(): number for key, number in ALWAYS.items()}, "BUSY_POLL_MS": 0}      # constants where nothing is said
MOST_A_SECOND = 1_000_000   # limits.py counts thousandths in words of 31 bits
MOST_CHALLENGES = 1000      # a second on each connection, counted in 10 bits
PERIOD_MS = 1000            # between readings where nothing else is said
LONGEST_BUSY_MS = 1000      # without sleep after an answer
DAY_MS = 86_400_000
KINDS = {str: "a text in quotes", int: "a whole number", list: "a list in [ ]"}


class ConfigError(Exception):
    """One line for the user; the commands print it and exit with 2."""


@dataclass(frozen=True)
class Config:
    """A checked configuration. Addresses are integers in host order, 0 is "none" for ports and addresses."""
    path: Path
    name: str
    address: int
    prefix: int
    gateway: int
    mac: bytes                  # b"": the card's own
    busy_poll_ms: int           # how long it stays awake after an answer
    sensor: bool
    source: str
    period_ms: int
    collector: int
    collector_port: int
    query_port: int
    http: bool
    http_port: int
    root: Path | None           # folder of the web files, None without [http]
    echo_port: int
    reading_inline: bool
    allow: dict = field(hash=False)     # section -> the networks that may use it, none for everybody
    limits: dict = field(hash=False)    # key of [limits] -> number, 0 for no limit
    dev: bool = False           # a development image, with a prompt: not in the file, DEV=1 says so

    def constants(self) -> dict:
        """The names and values of the module barewire.config."""
        return {
            "NAME": self.name,
            "DEVICE_ID": zlib.crc32(self.name.encode()),
            "ADDRESS": self.address,
            "PREFIX": self.prefix,
            "GATEWAY": self.gateway,
            "MAC": self.mac,
            "BUSY_POLL_MS": self.busy_poll_ms,
            "SENSOR": self.sensor,
            "SENSOR_SOURCE": self.source,
            "SENSOR_PERIOD_MS": self.period_ms,
            "COLLECTOR": self.collector,
            "COLLECTOR_PORT": self.collector_port,
            "QUERY_PORT": self.query_port,
            "READING_INLINE": self.reading_inline,
            "HTTP": self.http,
            "HTTP_PORT": self.http_port,
            "UDP_ECHO_PORT": self.echo_port,
            "NETWORKS": b"".join(network.network_address.packed + network.netmask.packed
                                 for section in ALLOWING for network in self.allow[section]),
            **{f"{section.upper()}_ALLOW": len(self.allow[section]) for section in ALLOWING},
            **{key.upper(): number for key, number in self.limits.items()},
            "DEV": self.dev,
        }


def load(path, readings: Path = READINGS) -> Config:
    """Read and check the file at `path`; `readings` is the module that holds the sensor sources."""
    document = Document(Path(path))
    net = check_net(document)
    sensor = check_sensor(document, net, Path(readings))
    http = check_http(document)
    echo_port = document.port("udp", "echo_port")
    if echo_port and echo_port == sensor["query_port"]:
        document.fail("udp", "echo_port", f"{echo_port} is the port of [sensor] query_port too; give one of them another")
    open_ports = {"net": 1, "http": http["http_port"], "udp": echo_port, "sensor": sensor["query_port"]}
    return Config(path=document.path, name=check_name(document), echo_port=echo_port, **net, **sensor, **http,
                  allow=check_allow(document, net, open_ports), limits=check_limits(document, open_ports))


class Document:
    """The parsed file, and the one way to take a value out of it or to complain about one."""

    def __init__(self, path: Path):
        self.path = path
        try:
            self.tables = tomllib.loads(path.read_bytes().decode())
        except OSError as error:
            self.fail("", "", f"cannot be read ({error.strerror}); name a configuration file with CONFIG=")
        except UnicodeDecodeError as error:
            self.fail("", "", f"byte {error.start} is not UTF-8; save the file as UTF-8")
        except tomllib.TOMLDecodeError as error:
            self.fail("", "", f"not TOML: {error}; correct that line")
        except (RecursionError, ValueError) as error:       # brackets, digits without end
            self.fail("", "", f"cannot be read ({type(error).__name__}): something in it is too long or too deep; shorten it")
        self.refuse_unknown()

    def fail(self, section: str, key: str, what: str):
        where = f" [{section}]" if section else ""
        where += f" {key}" if key else ""
        raise ConfigError(f"{self.path}: " + " ".join(f"{where + ':' if where else ''} {what}".split()))

    def refuse_unknown(self):
        for section, table in self.tables.items():
            if not isinstance(table, dict):
                self.fail("", show(section), "stands outside of a section; put it below one of " + bracketed(KNOWN))
            if section not in KNOWN:
                self.fail(show(section), "", "unknown section; there are " + bracketed(KNOWN))
            for key in table:
                if key not in KNOWN[section]:
                    self.fail(section, show(key), "unknown key; this section has " + ", ".join(KNOWN[section]))

    def has(self, section: str, key: str | None = None) -> bool:
        return section in self.tables and (key is None or key in self.tables[section])

    def get(self, section: str, key: str, kind: type, default=None):
        """The value of a key; without a default the key is required."""
        if not self.has(section, key):
            if default is None:
                self.fail(section, key, "missing; add it (appliance.toml of the repository is an example)")
            return default
        value = self.tables[section][key]
        if type(value) is not kind:
            self.fail(section, key, f"{show(value)} is not {KINDS[kind]}; write {KINDS[kind]}")
        return value

    def port(self, section: str, key: str, default: int = 0) -> int:
        value = self.get(section, key, int, default)
        if self.has(section, key) and not 1 <= value <= 65535:
            self.fail(section, key, f"{value} is not a port; write a number from 1 to 65535")
        return value

    def ip(self, section: str, key: str, text: str) -> IPv4Address:
        """An IPv4 address that a single host can have."""
        try:
            address = IPv4Address(text)
        except AddressValueError:
            self.fail(section, key, f"{show(text)} is not an IPv4 address; write four numbers, as in 10.0.2.15")
        if address.is_multicast or address.is_loopback or address.is_reserved or int(address) >> 24 == 0:
            self.fail(section, key, f"{address} cannot be the address of one host; write a unicast address")
        return address


def show(value) -> str:
    """A value as the user wrote it, more or less, and short."""
    text = f'"{value}"' if isinstance(value, str) and not value.isidentifier() else str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def bracketed(names) -> str:
    return ", ".join(f"[{name}]" for name in names)


def check_name(document: Document) -> str:
    name = document.get("appliance", "name", str, "barewire")
    if not (1 <= len(name) <= 32 and all(" " <= letter <= "~" for letter in name)):
        document.fail("appliance", "name", f"{show(name)} is not 1 to 32 printable ASCII characters; choose another name")
    return name


def check_net(document: Document) -> dict:
    if not document.has("net"):
        document.fail("net", "", 'missing; add the section with address = "10.0.2.15/24"')
    text = document.get("net", "address", str)
    host, slash, bits = text.partition("/")
    if not (slash and re.fullmatch("[0-9]{1,2}", bits) and 1 <= int(bits) <= 30):
        document.fail("net", "address", f'{show(text)} has no prefix length from 1 to 30; write for instance "10.0.2.15/24"')
    address = document.ip("net", "address", host)
    network = IPv4Network((int(address), int(bits)), strict=False)
    refuse_edge(document, "net", "address", address, network)
    gateway = 0
    if document.has("net", "gateway"):
        gateway = document.ip("net", "gateway", document.get("net", "gateway", str))
        if gateway not in network:
            document.fail("net", "gateway", f"{gateway} is outside {network}; write an address of that network")
        if gateway == address:
            document.fail("net", "gateway", f"{gateway} is the appliance's own address; write the router's")
        refuse_edge(document, "net", "gateway", gateway, network)
    busy_poll_ms = document.get("net", "busy_poll_ms", int, 0)
    if not 0 <= busy_poll_ms <= LONGEST_BUSY_MS:
        document.fail("net", "busy_poll_ms", f"{busy_poll_ms} is not from 0 (sleep at once) to {LONGEST_BUSY_MS}; correct it")
    return {"address": int(address), "prefix": int(bits), "gateway": int(gateway), "mac": check_mac(document),
            "busy_poll_ms": busy_poll_ms}


def refuse_edge(document: Document, section: str, key: str, address: IPv4Address, network: IPv4Network):
    for edge, what in (network.network_address, "network"), (network.broadcast_address, "broadcast"):
        if address == edge:
            document.fail(section, key, f"{address} is the {what} address of {network}; write a host's address in between")


def check_mac(document: Document) -> bytes:
    text = document.get("net", "mac", str, "")
    if not document.has("net", "mac"):
        return b""
    if not re.fullmatch("[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}", text):
        document.fail("net", "mac", f'{show(text)} is not six pairs of hexadecimal digits; write for instance "52:54:00:12:34:56"')
    mac = bytes.fromhex(text.replace(":", ""))
    if mac[0] & 1:
        document.fail("net", "mac", f"{text} is a multicast address; the first byte must be even")
    if not any(mac):
        document.fail("net", "mac", f'{text} is no address; leave mac out for the card\'s own')
    return mac


def check_sensor(document: Document, net: dict, readings: Path) -> dict:
    found = {"sensor": False, "source": "", "period_ms": 0, "collector": 0, "collector_port": 0, "query_port": 0,
             "reading_inline": False}
    if not document.has("sensor"):
        return found
    found["sensor"] = True
    found["source"] = document.get("sensor", "source", str)
    known = sources(document, readings)
    if found["source"] not in known:
        document.fail("sensor", "source", f"there is no {show(found['source'])} in {readings.name}; "
                      f"known: {', '.join(known) or 'none'}")
    found["reading_inline"] = known[found["source"]]
    found["query_port"] = document.port("sensor", "query_port")
    if document.has("sensor", "collector"):
        found["collector"], found["collector_port"] = check_collector(document, net)
    found["period_ms"] = PERIOD_MS
    if document.has("sensor", "period_ms"):
        found["period_ms"] = document.get("sensor", "period_ms", int)
        least = 0 if found["collector_port"] else 1
        if not least <= found["period_ms"] <= DAY_MS:
            document.fail("sensor", "period_ms", f"{found['period_ms']} is not from {least} to {DAY_MS} (a day); correct it"
                          + (", 0 needs a collector" if found["period_ms"] == 0 else ""))
    return found


def check_collector(document: Document, net: dict) -> tuple[int, int]:
    text = document.get("sensor", "collector", str)
    host, _, port = text.rpartition(":")
    if not (host and re.fullmatch("[0-9]{1,5}", port) and 1 <= int(port) <= 65535):
        document.fail("sensor", "collector", f'{show(text)} is not address:port; write for instance "10.0.2.2:9000"')
    address = document.ip("sensor", "collector", host)
    network = IPv4Network((net["address"], net["prefix"]), strict=False)
    if int(address) == net["address"]:
        document.fail("sensor", "collector", f"{address} is the appliance's own address; write the collector's")
    if address in network:
        refuse_edge(document, "sensor", "collector", address, network)
    elif not net["gateway"]:
        document.fail("sensor", "collector", f"{address} is outside {network}; add [net] gateway, or write an address inside")
    return int(address), int(port)


def sources(document: Document, readings: Path) -> dict[str, bool]:
    """The public functions of the readings module, and whether each is @inline. Found without importing it."""
    try:
        tree = ast.parse(readings.read_bytes(), readings.name)
    except OSError as error:
        document.fail("sensor", "source", f"{readings.name} cannot be read ({error.strerror}); it must define the source")
    except (SyntaxError, ValueError) as error:
        document.fail("sensor", "source", f"{readings.name}:{getattr(error, 'lineno', 0)}: {error.args[0]}; correct that line")
    return {node.name: any(ast.unparse(mark) == "inline" for mark in node.decorator_list)
            for node in tree.body if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")}


def check_http(document: Document) -> dict:
    if not document.has("http"):
        return {"http": False, "http_port": 0, "root": None}
    text = document.get("http", "root", str)
    root = document.path.parent / text
    try:
        found = text and root.is_dir()
    except OSError:             # a name, or a path, that is too long for the system
        found = False
    if not found:
        document.fail("http", "root", f"{show(text)} is not a folder (looked for {root}); name the folder of the pages")
    return {"http": True, "http_port": document.port("http", "port", 80), "root": root}


def check_allow(document: Document, net: dict, open_ports: dict) -> dict:
    """The networks of every section's allow-list, merged; () is everybody."""
    allow = {}
    for section in ALLOWING:
        allow[section] = ()
        if document.has(section, "allow"):
            if not open_ports[section]:
                key = {"udp": "echo_port", "sensor": "query_port"}[section]
                document.fail(section, "allow", f"there is no {key} that it could be for; add it, or leave allow out")
            merged = tuple(collapse_addresses(check_networks(document, section, net)))
            allow[section] = () if merged == (EVERYBODY,) else merged
        for network in allow[section]:
            if allow["net"] and not any(network.overlaps(outer) for outer in allow["net"]):
                document.fail(section, "allow", f"{network} is outside of [net] allow, which holds for everything; add it there")
    return allow


def check_networks(document: Document, section: str, net: dict) -> list[IPv4Network]:
    texts = document.get(section, "allow", list)
    if not 1 <= len(texts) <= MOST_NETWORKS:
        document.fail(section, "allow", f"{len(texts)} networks; write 1 to {MOST_NETWORKS}, or leave allow out for everybody")
    networks = []
    for text in texts:
        if type(text) is not str:
            document.fail(section, "allow", f'{show(text)} is not a text in quotes; write for instance "10.0.0.0/8"')
        host, slash, bits = text.partition("/")
        try:
            if slash and not (re.fullmatch("[0-9]{1,2}", bits) and int(bits) <= 32):
                raise AddressValueError
            network = IPv4Network((IPv4Address(host), int(bits) if slash else 32), strict=False)
        except AddressValueError:
            document.fail(section, "allow", f'{show(text)} is not a network; write for instance "10.0.0.0/8" or "192.168.1.7"')
        if str(network.network_address) != host:
            document.fail(section, "allow", f'{text} has bits set behind its first {bits}; write "{network}"')
        if any(network.subnet_of(none) for none in NO_HOSTS) or network == IPv4Network(net["address"]):
            document.fail(section, "allow", f"nobody can send from {text}; write the network of those who may")
        networks.append(network)
    return networks


def check_limits(document: Document, open_ports: dict) -> dict:
    """Every key of [limits], with what holds where it is absent."""
    limits = {}
    for key in KNOWN["limits"]:
        limits[key] = document.get("limits", key, int, ALWAYS.get(key, 0))
        most = MOST_CHALLENGES if key == "challenge_acks_per_s" else MOST_A_SECOND
        if document.has("limits", key) and not 1 <= limits[key] <= most:
            document.fail("limits", key, f"{limits[key]} is not from 1 to {most}; correct it, or leave it out")
    for key, needed, found in (
            ("connections_per_s", "[http]", open_ports["http"]), ("challenge_acks_per_s", "[http]", open_ports["http"]),
            ("datagrams_per_s", "[udp] echo_port or [sensor] query_port", open_ports["udp"] or open_ports["sensor"])):
        if document.has("limits", key) and not found:
            document.fail("limits", key, f"there is no {needed} that it could limit; add it, or leave {key} out")
    for what in "connections", "datagrams":
        rate, burst = limits[f"{what}_per_s"], f"{what}_burst"
        if document.has("limits", burst) and not rate:
            document.fail("limits", burst, f"there is no {what}_per_s; add it, or leave {burst} out")
        limits[burst] = limits[burst] or (max(rate, LEAST_BURST) if rate else 0)
    return limits
