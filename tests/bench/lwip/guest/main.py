"""What a Python programmer writes today in the place of an appliance, in an image: MicroPython with lwIP through `socket`.

The sockets of TCP call back when they have something, the cheapest way that there is; that of UDP is looked at behind each
UDP datagram. Like an appliance it sleeps after 200 looks at the card in vain. SENSOR: readings go out back to back.
"""
import gc
import lwip
import socket
import struct

import card
from role import SENSOR

SO_CALLBACK, EAGAIN, UDP, SPIN = 20, 11, 17, 200
ANSWER = (b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: 1024\r\n"
          b"ETag: \"5d41402abc4b2a76\"\r\nCache-Control: no-cache\r\n\r\n" + b"x" * 1024)
CLOSING = ANSWER.replace(b"no-cache", b"no-cache\r\nConnection: close")
connections = set()         # lwIP's memory is none that the collector looks into


def on_datagram(echo):
    try:
        data, address = echo.recvfrom(1472)
    except OSError:         # to another port
        return
    echo.sendto(data, address)


def on_connection(server):
    try:
        connection, _ = server.accept()
    except OSError:         # reset before we looked: to wait for the next one would be for ever
        return
    connection.setblocking(False)
    connections.add(connection)
    connection.setsockopt(socket.SOL_SOCKET, SO_CALLBACK, on_request)


def on_request(connection):
    try:
        request = connection.recv(1460)
        if request.startswith(b"GET / HTTP/1.1") and request.endswith(b"\r\n\r\n"):
            if b"Connection: close" not in request:
                connection.write(ANSWER)
                return
            connection.write(CLOSING)
    except OSError as error:
        if error.args[0] == EAGAIN:
            return
    connection.setsockopt(socket.SOL_SOCKET, SO_CALLBACK, None)
    connection.close()
    connections.discard(connection)


def bound(kind, port):
    made = socket.socket(socket.AF_INET, kind)
    made.bind(("0.0.0.0", port))
    return made


def sensor():
    out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    port = 9000             # by itself: a tuple with it is a constant that mpy-tool.py cannot freeze
    out.connect(("10.0.2.2", port))
    reading, sequence = bytearray(b"BWS1\1\1\0\34\1\2\3\4" + bytes(16)), 0
    while True:
        card.poll()
        sequence += 1
        struct.pack_into(">IQi", reading, 12, sequence, 0, sequence)
        out.send(reading)


def main():
    gc.threshold(64 * 1024)     # else the search for free blocks goes through megabytes of rubbish, ever slower
    lwip.reset()
    card.open()
    echo, server = bound(socket.SOCK_DGRAM, 7), bound(socket.SOCK_STREAM, 80)
    echo.setblocking(False)
    server.setblocking(False)
    server.setsockopt(socket.SOL_SOCKET, SO_CALLBACK, on_connection)
    server.listen(64)
    print("lwIP is ready")
    if SENSOR:
        sensor()
    looks = 0
    while True:
        protocol = card.poll()
        if protocol == UDP:
            on_datagram(echo)
        if protocol >= 0:
            looks = 0
        elif looks < SPIN:
            looks += 1
        else:
            card.idle()


main()
