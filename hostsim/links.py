"""Where the frames of a simulated card come from and go to.

A link has send(frame), recv() -> bytes or None (never blocks), wait(ms), due() and close().  It is named on the
command line as tap:NAME, dgram:LOCAL:REMOTE, replay:FILE or bridge[:HTTP[:QUERY]] (hostsim/bridge.py).
"""
import errno
import fcntl
import os
import select
import socket
import struct
import time
from collections import deque

from hostsim.pcap import PcapError, read_pcap

LARGEST = 2048
TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454CA, 0x0002, 0x1000      # linux/if_tun.h


class LinkError(Exception):
    """One line for the user: what, where, what to do."""


class Link:
    """What all links share: waiting for a file descriptor, if there is one."""
    fd = None
    _poll = None
    finished = False        # nothing will come any more

    def send(self, frame):
        raise NotImplementedError

    def recv(self):
        raise NotImplementedError

    def wait(self, ms):
        """Return when a frame may have come, at the latest after `ms`."""
        if self.fd is None:
            time.sleep(ms / 1000)
            return
        if self._poll is None:
            self._poll = select.poll()
            self._poll.register(self.fd, select.POLLIN)
        self._poll.poll(ms)

    def due(self):
        """Time (clock's microseconds) at which a frame comes by itself, None if only others can tell."""
        return None

    def close(self):
        pass


class Tap(Link):
    """A TAP interface of the kernel; made if it does not exist (root), otherwise its owner may open it."""

    def __init__(self, name):
        if not 0 < len(name.encode()) < 16:
            raise LinkError("tap:%s: an interface name has 1 to 15 characters" % name)
        try:
            self.fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        except OSError as error:
            raise LinkError("tap:%s: /dev/net/tun: %s; run as root, or use --link bridge"
                            % (name, error.strerror)) from None
        try:
            fcntl.ioctl(self.fd, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI))
        except OSError as error:
            os.close(self.fd)
            hint = {errno.EPERM: "run as root, or: ip tuntap add %s mode tap user $USER" % name,
                    errno.EBUSY: "another program has it open"}.get(error.errno, "is it a TAP interface?")
            raise LinkError("tap:%s: %s; %s" % (name, error.strerror, hint)) from None

    def send(self, frame):
        try:
            os.write(self.fd, frame)
        except OSError as error:        # interface down, queue full: a wire loses frames then
            if error.errno not in (errno.EIO, errno.EAGAIN, errno.ENOBUFS):
                raise

    def recv(self):
        try:
            return os.read(self.fd, LARGEST)
        except BlockingIOError:
            return None
        except OSError as error:
            if error.errno == errno.EBADFD or error.errno == errno.EIO:
                return None
            raise

    def close(self):
        os.close(self.fd)


class Dgram(Link):
    """Frames as UDP datagrams on 127.0.0.1, as QEMU's -netdev dgram sends them."""

    def __init__(self, local, remote):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            self.socket.setsockopt(socket.SOL_SOCKET, option, 1 << 20)
        try:
            self.socket.bind(("127.0.0.1", local))
        except OSError as error:
            self.socket.close()
            raise LinkError("dgram: UDP port %d on 127.0.0.1: %s; choose another" % (local, error.strerror)) from None
        self.socket.connect(("127.0.0.1", remote))
        self.fd = self.socket.fileno()

    def send(self, frame):
        try:
            self.socket.send(frame)
        except (ConnectionRefusedError, BlockingIOError):       # nobody there yet, or too slow: lost
            pass

    def recv(self):
        try:
            return self.socket.recv(LARGEST)
        except (BlockingIOError, ConnectionRefusedError):
            return None

    def close(self):
        self.socket.close()


class End(Link):
    """One end of an in-process cable."""

    def __init__(self):
        self.queue = deque()
        self.other = None

    def send(self, frame):
        self.other.queue.append(bytes(frame))

    def recv(self):
        return self.queue.popleft() if self.queue else None


def pair():
    """Both ends of an in-process cable: nothing is lost, nothing is late."""
    one, two = End(), End()
    one.other, two.other = two, one
    return one, two


class Replay(Link):
    """The frames of a pcap file, at the distance in time that they have there; answers are kept in `sent`.

    With clock=None they come as fast as they are taken.
    """

    def __init__(self, path, clock=None):
        try:
            self.frames = deque(read_pcap(path))
        except (OSError, PcapError) as error:
            raise LinkError("replay:%s: %s" % (path, getattr(error, "strerror", None) or error)) from None
        self.clock = clock
        self.sent = []
        if clock and self.frames:
            self.offset = clock.us() - self.frames[0][0]

    def due(self):
        if not self.frames:
            return None
        return self.frames[0][0] + self.offset if self.clock else 0

    def recv(self):
        if not self.frames or self.clock and self.due() > self.clock.us():
            return None
        return self.frames.popleft()[1]

    @property
    def finished(self):
        return not self.frames

    def send(self, frame):
        self.sent.append(bytes(frame))

    def wait(self, ms):
        if self.clock and self.frames:
            ms = min(ms, max(0, (self.due() - self.clock.us()) / 1000))
        if self.clock or not self.frames:
            time.sleep(ms / 1000)


def _number(text, what, link):
    if not text.isdigit() or not 0 < int(text) < 65536:
        raise LinkError("--link %s: %s must be a port, 1 to 65535" % (link, what))
    return int(text)


def open_link(text, config=None, clock=None):
    """The link that the command line names; LinkError with one line if there is none."""
    kind, _, rest = text.partition(":")
    parts = rest.split(":") if rest else []
    if kind == "tap" and rest:
        return Tap(rest)
    if kind == "dgram" and len(parts) == 2:
        return Dgram(_number(parts[0], "LOCAL", text), _number(parts[1], "REMOTE", text))
    if kind == "replay" and rest:
        return Replay(rest, clock)
    if kind == "bridge" and len(parts) <= 2:
        from hostsim.bridge import HTTP_PORT, QUERY_PORT, Bridge
        http = _number(parts[0], "HTTP", text) if parts else HTTP_PORT
        query = _number(parts[1], "QUERY", text) if len(parts) > 1 else QUERY_PORT
        return Bridge(config, http, query)
    raise LinkError("--link %s: wanted tap:NAME, dgram:LOCAL:REMOTE, bridge[:HTTP[:QUERY]] or replay:FILE" % text)
