"""A part of a file: Range and If-Range, answered with 206 or 416 (RFC 9110 sections 14, 13.1.5, 15.3.7, 15.5.17).

One range of bytes is understood, and of the file as it is: a request for a part selects that, not its gzip form. What else
may come a server may ignore (14.2), and this one does, so that the request is answered as if it had no Range: several
ranges, other units, a range that is none, one of numbers so large that it may be none, HEAD, a route, an If-Range that does
not match, and any while no page is free.

The head is made in a page, from that of the whole file; the part follows from flash, as a response of its own.
"""
import micropython

from . import board, counters
from . import http_layout as h
from . import slot
from .page import PAGE, copy, send, take_page

UNIT = b"bytes="
LARGE = 1 << 26         # stands for any larger number, too: no file is that long, and ten times as much is a small int yet
STATUS = len("HTTP/1.1 200 OK")
LENGTH = len("Content-Length: 0\r\n\r\n")
IF_RANGE = h.SEEN_IF_RANGE | h.ETAG_PLAIN << h.IF_RANGE_SHIFT


def respond(n, s, c, t):
    """Answer the request with Range that is ready on the connection at address c, and that no route answers.

    n: the card's block, s: the state block, t: the block of assets.
    """
    r = c + 4 * slot.HTTP_WORDS
    flags = word(r, h.FLAGS)
    k = word(r, h.RESOURCE) >> 2
    files = t[k + h.PLAIN_304_AT]           # no redirect has one
    k = t[k + h.PLAIN_AT] >> 2
    size = t[k + h.LENGTH_AT] - t[k + h.HEAD_AT]
    part = address = None
    # a condition that If-None-Match fails has 304 before a part (13.2.2)
    if word(r, h.METHOD) == h.GET and files and flags & IF_RANGE != h.SEEN_IF_RANGE and not flags & h.ETAG_PLAIN:
        part = asked(r, size)
        address = part and take_page(n, s)
    if not address:
        s[counters.HTTP_RANGE_IGNORED] += 1
        finish(c, 0, 0)
        return
    PAGE.start(address, board.PAGE_BYTES)
    first, last = part
    length = last + 1 - first
    if first >= size:
        length = 0
    s[counters.HTTP_REQUESTS] += 1
    s[counters.HTTP_206 if length else counters.HTTP_416] += 1
    head(t, k, h.CLOSE_AT if flags & h.ENDS else h.KEEP_AT, size, first, length)
    first += t[k + h.KEEP_AT] + t[k + h.HEAD_AT]    # what may need memory comes before what cannot be undone
    send(c, address, PAGE.length)
    if length:
        finish(c, first, length)


def asked(r, size):
    """The first and the last byte asked for, of `size`; the first is not below it where there is nothing to send.

    None: the value is to be ignored. r: address of the connection's words of HTTP.
    """
    first, last = None, -1              # -1: there is no number
    end = word(r, h.RANGE)
    ended = end == h.RANGE_BYTES        # then the rest is not known
    for k in range(end):
        b = word(r, h.RANGE_TEXT + (k >> 2)) >> 8 * (k & 3) & 255
        if k < len(UNIT):
            if b | 32 != UNIT[k]:
                return None
        elif b <= 32:
            ended = True
        elif ended:
            return None
        elif 48 <= b <= 57:
            last = (last * 10 if last > 0 else 0) + b - 48
            if last > LARGE:
                last = LARGE
        elif b == 45 and first is None:
            first, last = last, -1
        else:
            return None
    if first is None or last < first and last >= 0 or first == last and (last < 0 or last == LARGE):
        return None
    if first < 0:                       # the last bytes
        if last and not size:
            return None
        return size - last if last < size else 0, size - 1
    return first, last if 0 <= last < size else size - 1


def head(t, k, at, size, first, length):
    """Write the head of a part, from that of the file of `size` bytes, whose record is t[k]; 416 if its length is 0."""
    page = PAGE
    page.write("HTTP/1.1 206 Partial Content" if length else "HTTP/1.1 416 Range Not Satisfiable")
    fields = t[k + h.HEAD_AT] - STATUS - LENGTH
    digits = size
    while digits > 9:
        digits //= 10
        fields -= 1
    copy(page.address + page.length, t[k + at], STATUS, fields)
    page.length += fields
    page.write("Content-Range: bytes ")
    if length:
        page.number(first)
        page.write("-")
        page.number(first + length - 1)
    else:
        page.write("*")
    page.write("/")
    page.number(size)
    page.write("\r\nContent-Length: ")
    page.number(length)
    page.write("\r\n\r\n")


@micropython.viper
def word(r: ptr32, k: int) -> int:
    return r[k]


@micropython.viper
def finish(c: ptr32, address: int, length: int):
    """Queue the part behind its head; length 0: have the request answered as if it had no Range."""
    if length:
        slot.queue(c, address, address, length, 0)
    else:
        c[slot.HTTP_WORDS + h.RANGE] = 0
        c[slot.FLAGS] = c[slot.FLAGS] | slot.ASK
