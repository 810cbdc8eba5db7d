"""A way into the simulator that needs no root: host sockets on 127.0.0.1 on one side, Ethernet on the other.

    127.0.0.1:8080 (TCP)  ->  the appliance's HTTP port        127.0.0.1:5005 (UDP)  ->  its query port
    the appliance's datagrams to its collector  ->  127.0.0.1, the collector's port

To the appliance this is every other address of its network: it answers all ARP requests.  It is a link
(hostsim/links.py) that ends in itself.
"""
import selectors
import socket
import struct
import time
from collections import OrderedDict, deque

from hostsim import packets
from hostsim.bridge_tcp import Connection
from hostsim.links import Link, LinkError

HTTP_PORT, QUERY_PORT = 8080, 5005
MAC = b"\x02bridg"
FIRST_PORT, LAST_PORT = 49152, 65535
CLIENTS = 256                   # UDP clients that are remembered


class Bridge(Link):
    """`constants` are the appliance's (barewire.config); a port of 0 lets the system choose (see .http, .query)."""

    def __init__(self, constants, http=HTTP_PORT, query=QUERY_PORT, show=None):
        self.address = constants["ADDRESS"]
        self.constants = constants
        self.show = show                        # called with each datagram for the collector
        self.host = constants["GATEWAY"] or constants["COLLECTOR"] or self._neighbour()
        self.mac = None                         # the appliance's, once it has said something
        self.damaged = 0                        # frames of the appliance that nobody could read
        self.frames = deque()
        self.selector = selectors.DefaultSelector()
        self.connections = {}                   # our port -> Connection
        self.clients = OrderedDict()            # our port -> address of a UDP client
        self.ports = {}                         # address of a UDP client -> our port
        self.next_port = FIRST_PORT
        self.listener = self.query_socket = None
        self.http = self.query = 0
        if constants["HTTP"]:
            self.listener = self._socket(socket.SOCK_STREAM, http, "HTTP", self._accept)
            self.listener.listen(64)
            self.http = self.listener.getsockname()[1]
        if constants["QUERY_PORT"]:
            self.query_socket = self._socket(socket.SOCK_DGRAM, query, "sensor queries", self._query)
            self.query = self.query_socket.getsockname()[1]
        self.out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.out.setblocking(False)

    def _neighbour(self):
        mask = (1 << 32 - self.constants["PREFIX"]) - 1
        first = (self.address & ~mask) + 1
        return first if first != self.address else first + 1

    def _socket(self, kind, port, what, handler):
        sock = socket.socket(socket.AF_INET, kind)
        if kind == socket.SOCK_STREAM:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind(("127.0.0.1", port))
        except OSError as error:
            self.close()
            raise LinkError("bridge: port %d on 127.0.0.1 (%s): %s; end the program that has it, or choose another"
                            " with --link bridge:HTTP:QUERY" % (port, what, error.strerror)) from None
        sock.setblocking(False)
        self.selector.register(sock, selectors.EVENT_READ, handler)
        return sock

    # ---- the link ------------------------------------------------------------------------------------------------
    def recv(self):
        return self.frames.popleft() if self.frames else None

    def wait(self, ms):
        """Move bytes between the sockets and the frames for at most `ms`."""
        if self.frames:
            ms = 0
        now = time.monotonic()
        for connection in self.connections.values():
            deadline = connection.deadline()
            if deadline is not None:
                ms = min(ms, max(0, (deadline - now) * 1000))
        for key, events in self.selector.select(ms / 1000):
            key.data(key.fileobj, events)
        now = time.monotonic()
        for connection in list(self.connections.values()):
            deadline = connection.deadline()
            if deadline is not None and deadline <= now:
                connection.tick(now)
            self._watch(connection)

    def send(self, frame):
        """A frame of the appliance."""
        frame = bytes(frame)
        kind = int.from_bytes(frame[12:14], "big")
        if kind == packets.ARP:
            self._arp(frame)
        elif kind == packets.IPV4:
            try:
                packet = packets.Packet(frame)
            except (ValueError, struct.error):
                self.damaged += 1
                return
            if packet.source == self.address:
                self.mac = frame[6:12]
            if packet.protocol == packets.TCP:
                self._tcp(packet)
            elif packet.protocol == packets.UDP:
                self._udp(packet)

    def close(self):
        for connection in list(self.connections.values()):
            connection.sock.close()
        for key in list(self.selector.get_map().values()):
            key.fileobj.close()
        self.selector.close()

    def _arp(self, frame):
        operation = int.from_bytes(frame[20:22], "big")
        sender, target = int.from_bytes(frame[28:32], "big"), int.from_bytes(frame[38:42], "big")
        if sender == self.address:
            self.mac = frame[22:28]
        if operation == 1 and target != self.address:
            self.frames.append(packets.arp(2, MAC, target, frame[22:28], sender, frame[6:12]))

    def _ip(self, protocol, body, source=None):
        if self.mac is None:                    # TCP will try again; a datagram may get lost
            self.frames.append(packets.arp(1, MAC, self.host, bytes(6), self.address, packets.BROADCAST))
        else:
            self.frames.append(packets.ipv4(self.mac, MAC, source or self.host, self.address, protocol, body))

    def _port(self, used):
        while True:
            port = self.next_port
            self.next_port = port + 1 if port < LAST_PORT else FIRST_PORT
            if port not in used:
                return port

    # ---- TCP -----------------------------------------------------------------------------------------------------
    def _accept(self, listener, events):
        try:
            sock, _ = listener.accept()
        except OSError:
            return
        port = self._port(self.connections)
        self.connections[port] = connection = Connection(self, sock, port)
        self.selector.register(sock, selectors.EVENT_READ,
                               lambda _, ready: self._ready(connection, ready))

    def _ready(self, connection, events):
        if events & selectors.EVENT_WRITE:
            connection.write()
        if events & selectors.EVENT_READ and connection.port in self.connections:
            connection.read()

    def _watch(self, connection):
        """Wait on the socket for what the connection can use now."""
        if connection.port not in self.connections:
            return
        read, write = connection.wants()
        events = selectors.EVENT_READ * read | selectors.EVENT_WRITE * write
        known = self.selector.get_map().get(connection.sock)
        if known is None:
            if events:
                self.selector.register(connection.sock, events, lambda _, ready: self._ready(connection, ready))
        elif not events:
            self.selector.unregister(connection.sock)
        elif known.events != events:
            self.selector.modify(connection.sock, events, known.data)

    def segment(self, connection, seq, ack, flags, window, data, mss):
        self._ip(packets.TCP, packets.tcp(self.host, connection.port, self.address, self.constants["HTTP_PORT"],
                                          seq, ack, flags, window, data, mss))

    def _tcp(self, packet):
        connection = self.connections.get(packet.target_port)
        if connection is not None and packet.target == self.host:
            connection.segment(packet)
            self._watch(connection)
        elif not packet.flags & packets.RST:
            seq, flags = (packet.ack, packets.RST) if packet.flags & packets.ACK else (0, packets.RST | packets.ACK)
            ack = packet.seq + len(packet.data) + bool(packet.flags & (packets.SYN | packets.FIN))
            self._ip(packets.TCP, packets.tcp(packet.target, packet.target_port, packet.source, packet.source_port,
                                              seq, ack, flags, 0), packet.target)

    def forget(self, connection):
        """The connection is over: its socket is closed."""
        if self.connections.pop(connection.port, None) is None:
            return
        connection.over = True
        if connection.sock in self.selector.get_map():
            self.selector.unregister(connection.sock)
        connection.sock.close()

    # ---- UDP -----------------------------------------------------------------------------------------------------
    def _query(self, sock, events):
        """A datagram for the query port: its sender gets a port of ours, so that the answer finds back."""
        try:
            data, client = sock.recvfrom(2048)
        except OSError:
            return
        port = self.ports.get(client)
        if port is None:
            port = self.ports[client] = self._port(self.clients)
            self.clients[port] = client
            if len(self.clients) > CLIENTS:
                del self.ports[self.clients.popitem(last=False)[1]]
        self._ip(packets.UDP, packets.udp(self.host, port, self.address, self.constants["QUERY_PORT"], data))

    def _udp(self, packet):
        try:
            if packet.target == self.constants["COLLECTOR"] and packet.target_port == self.constants["COLLECTOR_PORT"]:
                if self.show:
                    self.show(packet.data)
                self.out.sendto(packet.data, ("127.0.0.1", packet.target_port))
            elif packet.source_port == self.constants["QUERY_PORT"] and packet.target_port in self.clients:
                self.query_socket.sendto(packet.data, self.clients[packet.target_port])
        except OSError:                 # nobody listens: as on any network
            pass
