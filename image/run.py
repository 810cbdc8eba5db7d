"""`make run`: the appliance in QEMU with user-mode networking, reachable on 127.0.0.1, its sensor's datagrams beside it.

    python image/run.py [--board microvm] [--config appliance.toml] [--build build] [--http 8080] [--query PORT]
                        [--dev [--prompt 2323]]

No root. QEMU's user-mode network (QEMU, System Emulation, "Network emulation") is given the network that the
configuration has, so any address works; what the appliance sends to the host's address there reaches 127.0.0.1.
"""
import errno
import signal
import socket
import subprocess
import sys
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from image import config as configuration  # noqa: E402
from image import settings  # noqa: E402
from image.qemu import GUARD, Qemu  # noqa: E402
from image.settings import ROOT, Refused  # noqa: E402


def free(kind: socket.SocketKind, port: int, way_out: str) -> None:
    """Refuses a port of 127.0.0.1 that another program holds."""
    name = "tcp" if kind == socket.SOCK_STREAM else "udp"
    if not 0 < port < 65536:
        raise Refused(f"{name} port {port}: there are ports from 1 to 65535; name one of them")
    with socket.socket(socket.AF_INET, kind) as probe:
        if kind == socket.SOCK_STREAM:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            why = "needs root" if error.errno == errno.EACCES else "is taken"
            raise Refused(f"{name} port {port} of 127.0.0.1 {why}: {way_out}")


def host_address(config) -> IPv4Address:
    """The address under which the appliance sees the host: the collector's if it is a neighbour, else the gateway's."""
    network = IPv4Network((config.address, config.prefix), strict=False)
    for wanted in config.collector, config.gateway:
        if wanted and IPv4Address(wanted) in network:
            return IPv4Address(wanted)
    return next(address for address in network.hosts() if int(address) != config.address)


def user_netdev(config, http: int, query: int) -> str:
    """QEMU's -netdev for the appliance's own network, its ports forwarded from 127.0.0.1."""
    network = IPv4Network((config.address, config.prefix), strict=False)
    own, host = IPv4Address(config.address), host_address(config)
    others = [address for address in (network.network_address + i for i in range(1, 4)) if address not in (own, host)]
    parts = [f"user,net={network},host={host},dhcpstart={own},dns={others[0]}"]
    if config.http:
        parts.append(f"hostfwd=tcp:127.0.0.1:{http}-{own}:{config.http_port}")
    if config.query_port:
        parts.append(f"hostfwd=udp:127.0.0.1:{query}-{own}:{config.query_port}")
    return ",".join(parts)


def collector(config) -> list[str]:
    """The command that shows the datagrams which reach this host; none where they go elsewhere."""
    if not config.collector or IPv4Address(config.collector) != host_address(config):
        return []
    return [sys.executable, "-m", "hostsim", "collect", "--address", "127.0.0.1", "--port", str(config.collector_port)]


def served(config, http: int, query: int, prompt: int) -> list[str]:
    """What can be done now, one line each."""
    lines = []
    if config.http:
        lines.append(f"dashboard: http://127.0.0.1:{http}/")
    if config.query_port:
        lines.append(f"sensor query: udp 127.0.0.1:{query}")
    if prompt:
        lines.append(f"prompt: build/venv/bin/mpremote connect socket://127.0.0.1:{prompt}")
    return [*lines, "Ctrl-C ends it"]


def check_ports(config, http: int, query: int) -> None:
    if config.http:
        free(socket.SOCK_STREAM, http, "end the program that holds it, or say make run HTTP=another")
    if config.query_port:
        free(socket.SOCK_DGRAM, query, "end the program that holds it, or say make run QUERY=another")
    if collector(config):
        free(socket.SOCK_DGRAM, config.collector_port, "another collector runs there: end it, or change [sensor] collector")


def show(line: str) -> None:
    """One write for the whole line: the collector writes to the same terminal."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def serve(given, config) -> int:
    """Runs until the appliance stops or the user ends it."""
    query = given.query or config.query_port
    check_ports(config, given.http, query)
    prompt = given.prompt if given.dev else 0
    if prompt:
        free(socket.SOCK_STREAM, prompt, "end the program that holds it, or say make run DEV=1 PROMPT=another")
    command = collector(config)
    receiver = subprocess.Popen([*GUARD, *command], cwd=ROOT, process_group=0) if command else None
    try:
        with Qemu(given.build, given.board, user_netdev(config, given.http, query), echo=show,
                  sensor=config.source, dev=given.dev, prompt=prompt) as machine:
            machine.wait_ready()
            for line in served(config, given.http, query, prompt):
                show(line)
            machine.wait()
            raise Refused("the appliance stopped by itself: its last line above says why")
    finally:
        if receiver:
            receiver.terminate()
            receiver.wait()


def run() -> int:
    parser = settings.Arguments(description="Run an appliance in QEMU, reachable on 127.0.0.1.")
    parser.add_argument("--board", default="microvm")
    parser.add_argument("--config", default="appliance.toml", type=Path)
    parser.add_argument("--build", default="build")
    parser.add_argument("--http", default=8080, type=settings.number, help="port of 127.0.0.1 for the appliance's pages")
    parser.add_argument("--query", default=0, type=settings.number, help="port of 127.0.0.1 for the sensor query (default: the same)")
    parser.add_argument("--dev", action="store_true", help="the development image")
    parser.add_argument("--prompt", default=2323, type=settings.number, help="port of 127.0.0.1 for its prompt")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        return serve(given, configuration.load(given.config))
    except configuration.ConfigError as error:
        raise Refused(str(error))
    except KeyboardInterrupt:
        print()
        return 0


if __name__ == "__main__":
    settings.main(run)
