"""HTTP over the kernel's TCP, in the few forms that the tests need."""
import contextlib
import socket
import struct

from tests.real.network import DEVICE

SECONDS = 10


def connect(port: int = 80, mss: int = 0) -> socket.socket:
    sock = socket.socket()
    sock.settimeout(SECONDS)
    if mss:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, mss)
    sock.connect((DEVICE, port))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def request(path: str, *headers: str, method: str = "GET") -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", f"Host: {DEVICE}", *headers, "", ""]).encode()


def everything(sock: socket.socket) -> bytes:
    """What comes until the appliance closes."""
    parts = []
    while part := sock.recv(65536):
        parts.append(part)
    return b"".join(parts)


def answer(sock: socket.socket, rest: bytes = b"") -> tuple[int, bytes, bytes]:
    """One answer from a connection that stays: status, body, and what came behind it."""
    while b"\r\n\r\n" not in rest:
        rest += _more(sock)
    head, _, rest = rest.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    fields = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
    length = int(fields["content-length"])
    while len(rest) < length:
        rest += _more(sock)
    return int(lines[0].split()[1]), rest[:length], rest[length:]


def _more(sock: socket.socket) -> bytes:
    part = sock.recv(65536)
    if not part:
        raise ConnectionError("closed in the middle of an answer")
    return part


def get(path: str, **options) -> tuple[int, bytes]:
    """A connection for one request."""
    with contextlib.closing(connect(**options)) as sock:
        sock.sendall(request(path, "Connection: close"))
        head, _, body = everything(sock).partition(b"\r\n\r\n")
        return int(head.split()[1]), body


def abort(sock: socket.socket) -> None:
    """Close with RST."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def metric(name: str) -> int:
    """A counter of the appliance, asked for on a connection that leaves no TIME-WAIT there: we close first."""
    with contextlib.closing(connect()) as sock:
        sock.sendall(request("/metrics"))
        _, text, _ = answer(sock)
    return next(int(line.split()[1]) for line in text.decode().splitlines() if line.startswith(name + " "))
