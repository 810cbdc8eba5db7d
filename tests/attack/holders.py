"""Clients that hold connections without using them: slow headers, slow bodies, windows that never open, silence."""
import contextlib
import select
import socket
import threading
import time

from tests.attack.field import ATTACKER
from tests.real.network import DEVICE

HEADER = b"GET / HTTP/1.1\r\nHost: a\r\nX-A: "
BODY = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nContent-Length: 60000\r\n\r\n"
BIG = b"GET /big.bin HTTP/1.1\r\nHost: a\r\n\r\n"
# name -> what is said first, what drips, receive buffer
MANNERS = {
    "slow loris, headers": (HEADER, b"a", 0),
    "slow loris, body": (BODY, b"a", 0),
    "slow read, window stays shut": (BIG, b"", 2048),
    "silent connections": (b"", b"", 0),
}
DRIP_S, LOOK_S = 0.1, 0.01


class Holders(threading.Thread):
    """`count` connections of one manner; one that the appliance ends is opened again at once.

    Start it and leave it as a context; .open says how many it holds, .opened and .lost how many there were.
    """

    def __init__(self, manner: str, count: int, source: str = ATTACKER):
        super().__init__(daemon=True)
        self.first, self.drop, self.buffer = MANNERS[manner]
        self.source, self.opened, self.lost, self.open = source, 0, 0, 0
        self.socks = [self._connect() for _ in range(count)]
        self.waiting = set(self.socks)
        self.going = True

    def _connect(self) -> socket.socket:
        sock = socket.socket()
        sock.setblocking(False)
        if self.buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.buffer)
        sock.bind((self.source, 0))
        with contextlib.suppress(BlockingIOError):
            sock.connect((DEVICE, 80))
        return sock

    def __enter__(self) -> "Holders":
        self.start()
        return self

    def __exit__(self, *_) -> None:
        self.going = False
        self.join()
        for sock in self.socks:
            sock.close()

    def run(self) -> None:
        drip_at = 0.0
        while self.going:
            self._greet()
            now = time.monotonic()
            if now >= drip_at:
                drip_at = now + DRIP_S
                for k, sock in enumerate(self.socks):
                    if sock not in self.waiting and self._ended(sock):
                        self._replace(k, sock)
            self.open = len(self.socks) - len(self.waiting)
            time.sleep(LOOK_S)

    def _greet(self) -> None:
        """Those that are connected now say their first words."""
        poll = select.poll()
        by_number = {sock.fileno(): sock for sock in self.waiting}
        for number in by_number:
            poll.register(number, select.POLLOUT)
        for number, _ in poll.poll(0):
            sock = by_number[number]
            self.waiting.discard(sock)
            self.opened += 1
            with contextlib.suppress(OSError):
                sock.send(self.first)

    def _ended(self, sock: socket.socket) -> bool:
        """Drip; whether the appliance has ended the connection."""
        try:
            if self.drop:
                sock.send(self.drop)
            return not self.buffer and sock.recv(4096) == b"" or \
                sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != 0
        except BlockingIOError:
            return False
        except OSError:
            return True

    def _replace(self, k: int, sock: socket.socket) -> None:
        self.lost += 1
        sock.close()
        self.socks[k] = self._connect()
        self.waiting.add(self.socks[k])
