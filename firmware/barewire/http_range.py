"""A part of a file: Range and If-Range, answered with 206 or 416 (RFC 9110 sections 14, 13.1.5, 15.3.7, 15.5.17).

One range of bytes is understood, and of the file as it is: a request for a part selects that, not its gzip form. What else
may come a server may ignore (14.2), and this one does, so that the request is answered as if it had no Range: several
ranges, other units, a range that is none, HEAD, a route, an If-Range that does not match, and any while no page is free.

The head is made in a page, from that of the whole file; the part follows from flash, as a response of its own.
"""
import micropython

from . import board, counters
from . import http_layout as h
from . import slot
from .page import PAGE, copy, release, send, take_page

UNIT = b"bytes="
LARGE = 1 << 26         # as good as any larger number: no file is that long, and ten times as much is a small int yet
STATUS = len("HTTP/1.1 200 OK")
LENGTH = len("Content-Length: 0\r\n\r\n")
IF_RANGE = h.SEEN_IF_RANGE | h.ETAG_PLAIN << h.IF_RANGE_SHIFT


def respond(s, c, t):
    """Answer the request with Range that is ready on the connection at address c, and that no route answers.

    s: the state block, t: the block of assets.
    """
    r = c + 4 * slot.HTTP_WORDS
    flags = word(r, h.FLAGS)
    resource = word(r, h.RESOURCE) >> 2
    record = t[resource + h.PLAIN_AT] >> 2
    size = t[record + h.LENGTH_AT] - t[record + h.HEAD_AT]
    if word(r, h.METHOD) != h.GET or not t[resource + h.PLAIN_304_AT] or flags & IF_RANGE == h.SEEN_IF_RANGE:
        ignore(s, c, 0)
    elif flags & h.ETAG_PLAIN:          # 304: If-None-Match comes first (13.2.2), here of the file as it is
        ignore(s, c, h.ACCEPT_GZIP | h.ACCEPT_ANY)
    else:
        part = asked(r, size)
        address = part and take_page(s)
        if address:
            PAGE.start(address, board.PAGE_BYTES)
            deliver(s, c, t, record, flags, size, *part)
        else:
            ignore(s, c, 0)


def ignore(s, c, refused):
    """Let the request be answered as if it had no Range, and none of the codings `refused`."""
    s[counters.HTTP_RANGE_IGNORED] += 1
    forget(c, refused)


def asked(r, size):
    """The first and the last byte asked for, of `size`; the first is not below it where there is nothing to send.

    None: the value is to be ignored. r: address of the connection's words of HTTP.
    """
    end = word(r, h.RANGE)
    if end == h.RANGE_BYTES:
        return None
    while end and byte(r, end - 1) in b" \t\r":
        end -= 1
    first, last = None, -1              # -1: there is no number
    for k in range(end):
        b = byte(r, k)
        if k < len(UNIT):
            if b | 32 != UNIT[k]:
                return None
        elif 48 <= b <= 57:
            last = (last * 10 if last > 0 else 0) + b - 48
            if last > LARGE:
                last = LARGE
        elif b == 45 and first is None:
            first, last = last, -1
        else:
            return None
    if first is None or last < first and last >= 0 or first == last == -1:
        return None
    if first < 0:                       # the last bytes
        if last and not size:
            return None
        return size - last if last < size else 0, size - 1
    return first, last if 0 <= last < size else size - 1


def deliver(s, c, t, record, flags, size, first, last):
    """Queue bytes `first` to `last` of the file whose record has index `record`; 416 where `first` lies behind its end."""
    page = PAGE
    number, length = counters.HTTP_206, last + 1 - first
    if first >= size:
        number, length = counters.HTTP_416, 0
    s[number] += 1
    page.write("HTTP/1.1 206 Partial Content" if length else "HTTP/1.1 416 Range Not Satisfiable")
    fields = t[record + h.HEAD_AT] - STATUS - LENGTH
    digits = size
    while digits > 9:
        digits //= 10
        fields -= 1
    copy(page.address + page.length, t[record + (h.CLOSE_AT if flags & h.ENDS else h.KEEP_AT)], STATUS, fields)
    page.length += fields
    page.write("Content-Range: bytes ")
    if length:
        page.number(first)
        page.write("-")
        page.number(last)
    else:
        page.write("*")
    page.write("/")
    page.number(size)
    page.write("\r\nContent-Length: ")
    page.number(length)
    page.write("\r\n\r\n")
    send(s, c, page.address, page.length)
    if length:
        append(c, t[record + h.KEEP_AT] + t[record + h.HEAD_AT] + first, length)


@micropython.viper
def word(r: ptr32, k: int) -> int:
    return r[k]


@micropython.viper
def byte(r: ptr8, k: int) -> int:
    """Byte k of the value of Range."""
    return r[4 * h.RANGE_TEXT + k]


@micropython.viper
def forget(c: ptr32, flags: int):
    r = ptr32(int(c) + 4 * slot.HTTP_WORDS)
    r[h.RANGE] = 0
    r[h.FLAGS] = r[h.FLAGS] & (flags ^ -1)
    c[slot.FLAGS] = c[slot.FLAGS] | slot.ASK


@micropython.viper
def append(c: ptr32, address: int, length: int):
    slot.queue(c, address, address, length, 0)
