"""What a Python programmer writes today in the place of an appliance: MicroPython with lwIP through the module `socket`.

It does what app.c does and takes the commands of frames.c, under step.c.
The socket that has something is known from the
frame, as if a poll() that costs nothing had named it; the heap is not collected meanwhile. Both favour this side.
"""
import gc
import struct
import sys

import card
import lwip
import socket

NOTHING, SENSOR = 0xFFFF, 0
FIN, SYN, PSH = 1, 2, 8
ANSWER = (b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: 1024\r\n"
          b"ETag: \"5d41402abc4b2a76\"\r\nCache-Control: no-cache\r\n\r\n" + b"x" * 1024)
COLLECTOR = "10.0.2.2", 9000


class Appliance:
    def __init__(self):
        self.echo = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.echo.bind(("0.0.0.0", 7))
        self.sensor = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sensor.connect(COLLECTOR)
        self.reading = bytearray(b"BWS1\1\1\0\34\1\2\3\4" + bytes(16))
        self.sequence = 0
        self.server = socket.socket()
        self.server.bind(("0.0.0.0", 80))
        self.server.listen(4)
        self.connections, self.opening = {}, 0      # by the peer's port; the one that was sent a SYN last

    def on_nothing(self, port):
        pass

    def on_datagram(self, port):
        data, address = self.echo.recvfrom(1472)
        self.echo.sendto(data, address)

    def on_reading(self, port):
        self.sequence += 1
        struct.pack_into(">IQi", self.reading, 12, self.sequence, 0, self.sequence)
        self.sensor.send(self.reading)

    def on_connection(self, port):
        connection, _ = self.server.accept()
        self.connections[port] = connection

    def on_request(self, port):
        connection = self.connections[port]
        request = connection.recv(1460)
        if request.startswith(b"GET / HTTP/1.1") and request.endswith(b"\r\n\r\n"):
            connection.write(ANSWER)

    def on_end(self, port):
        connection = self.connections.pop(port)
        connection.recv(1460)
        connection.close()

    def action(self, frame):
        """What the frame makes a socket have, and the peer's port."""
        port = frame[34] << 8 | frame[35]
        if frame[12:14] != b"\x08\x00" or frame[23] == 1:
            return self.on_nothing, 0
        if frame[23] == 17:
            return self.on_datagram, port
        flags = frame[47]
        if flags & FIN:
            return self.on_end, port
        if flags & PSH:
            return self.on_request, port
        if flags & SYN:
            self.opening = port
        elif port == self.opening:
            self.opening = 0
            return self.on_connection, port
        return self.on_nothing, port


def main():
    read, write, mark = sys.stdin.buffer.read, sys.stdout.buffer.write, sys.stderr.buffer.write
    lwip.reset()
    card.open()
    appliance = Appliance()
    gc.collect()
    gc.disable()
    while head := read(2):
        length, = struct.unpack("<H", head)
        if length == SENSOR:
            mark(b"+")
            appliance.on_reading(0)
            mark(b"-")
        elif length == NOTHING:
            mark(b"+")
            mark(b"-")
        else:
            frame = read(length)
            act, port = appliance.action(frame)
            card.put(frame)
            mark(b"+")
            card.input()
            act(port)
            mark(b"-")
        frames = []
        while (frame := card.take()) is not None:
            frames.append(struct.pack("<H", len(frame)) + frame)
        write(struct.pack("<H", len(frames)) + b"".join(frames))


main()
