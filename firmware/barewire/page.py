"""Answers that are made on request: the routes of the application, and the pages of RAM that they fill.

An application writes

    @route("/api/door", "application/json")
    def door(page):
        page.write(b'{"open":')
        page.number(readings.door())
        page.write(b'}')

The function is called for GET and HEAD of that path. It gets a bounded page and allocates nothing if it keeps to write,
number and templates. What does not fit, and an exception, are answered with 500.
"""
import micropython

from . import board, counters, driver
from . import http_layout as h
from . import slot, state
from .counters import count
from .http import FIRST_FIXED, deliver, restart

ROUTES = []         # (path, function, head that keeps the connection, head that ends it): number of a route, less one
HEAD, END = 1 << 8, 1 << 9      # in what `asked` returns, beside the route
LENGTH_WIDTH = 5    # digits of Content-Length
_HEAD = ("HTTP/1.1 200 OK\r\nServer: barewire\r\nContent-Type: %s\r\nCache-Control: no-store\r\n"
         "Connection: %s\r\nContent-Length: %s\r\n\r\n")
_digits = bytearray(20)


def route(path, content_type):
    """The function below answers GET and HEAD of `path`. image/assets.py reads both texts, so they are literals."""
    def register(function):
        blank = " " * LENGTH_WIDTH
        ROUTES.append((path, function, (_HEAD % (content_type, "keep-alive", blank)).encode(),
                       (_HEAD % (content_type, "close     ", blank)).encode()))
        return function
    return register


class Page:
    """`size` bytes of RAM at `address`, written from the start. `full` is set when something did not fit."""

    def __init__(self):
        self.start(0, 0)

    def start(self, address, size):
        self.address = address
        self.size = size
        self.length = 0
        self.full = False

    def write(self, data, skip=0, end=-1):
        """Add bytes or an ASCII text (from its byte `skip` on, up to `end`)."""
        size = (len(data) if end < 0 else end) - skip
        if self.length + size > self.size:
            self.full = True
        else:
            copy(self.address + self.length, data, skip, size)
            self.length += size

    def number(self, value, width=0):
        """Add a whole number in decimal, with blanks in front up to `width`."""
        at = 20
        rest = -value if value < 0 else value
        while True:
            at -= 1
            _digits[at] = 48 + rest % 10
            rest //= 10
            if not rest or at == 1:
                break
        if value < 0:
            at -= 1
            _digits[at] = 45
        while at > 0 and 20 - at < width:
            at -= 1
            _digits[at] = 32
        self.write(_digits, at)


PAGE = Page()


def respond(n, s, c, t):
    """Answer the request that is ready on the connection at address c. Returns whether there is a route for it.

    n: the card's block, s: the state block, t: the block of assets.
    """
    asked = _asked(s, c, t)
    if not asked & 0xFF:
        return False
    address = take_page(n, s)
    path, function, keep, close = ROUTES[(asked & 0xFF) - 1]
    if not address:
        _refuse(s, c, t, h.UNAVAILABLE)
        return True
    page = PAGE
    page.start(address, board.PAGE_BYTES)
    head = close if asked & END else keep
    page.write(head)
    failed = False
    try:
        function(page)
    except Exception as error:
        if not s[counters.HTTP_500]:        # once: requests may come faster than the console takes lines
            print("http: the route", path, "failed:", type(error).__name__)
        failed = True
    if page.full:
        if not s[counters.HTTP_OVERFLOW]:
            print("http: the answer of the route", path, "is longer than a page")
        s[counters.HTTP_OVERFLOW] += 1
        failed = True
    if failed:
        release(s, address)
        _refuse(s, c, t, h.SERVER_ERROR)
        return True
    size = page.length
    page.length = len(head) - LENGTH_WIDTH - 4
    page.number(size - len(head), LENGTH_WIDTH)
    send(c, address, len(head) if asked & HEAD else size)
    return True


def give_up(s, c, t):
    """There was no memory to answer the request that is ready on the connection at address c: 503, later it may be there."""
    if PAGE.address:
        release(s, PAGE.address)
    _refuse(s, c, t, h.UNAVAILABLE)


@micropython.viper
def copy(to: int, data: ptr8, skip: int, size: int):
    target = ptr8(to)
    while size:
        size = size - 1
        target[size] = data[skip + size]


@micropython.viper
def _asked(s: ptr32, c: ptr32, t: ptr32) -> int:
    """The number of the route that has to answer, 0 for none; with HEAD and END."""
    r = ptr32(int(c) + 4 * slot.HTTP_WORDS)
    asked = ptr32(int(t) + r[h.RESOURCE])[h.ROUTE_AT]
    if asked:
        count(s, counters.HTTP_REQUESTS)
    if r[h.METHOD] == h.HEAD:
        asked = asked | HEAD
    if r[h.FLAGS] & h.ENDS:
        asked = asked | END
    return asked


@micropython.viper
def take_page(n: ptr32, s: ptr32) -> int:
    """The address of a free page, which is busy from now on; 0 if there is none. tcp frees it with the last byte.

    Or with a RST, or with an ACK of what was queued but is not sent yet: then the card has still to read the page, and what
    would be written there is not for that peer.
    """
    k = 0
    while k < board.PAGES:
        if s[state.PAGE_BUSY + k] == 0:
            address = s[state.PAGE_AT] + k * board.PAGE_BYTES
            waits = driver.reads(n, address, board.PAGE_BYTES)
            if waits == 0:
                s[state.PAGE_BUSY + k] = 1
                s[state.PAGES_FREE] = s[state.PAGES_FREE] - 1
                return address
        k = k + 1
    return 0


@micropython.viper
def release(s: ptr32, address: int):
    slot.free_page(s, address - s[state.PAGE_AT])


@micropython.viper
def send(c: ptr32, address: int, length: int):
    r = ptr32(int(c) + 4 * slot.HTTP_WORDS)
    slot.queue(c, address, address, length, 0)
    c[slot.PAGES_HELD] = c[slot.PAGES_HELD] + 1
    if r[h.FLAGS] & h.ENDS:
        slot.shut(c)
    restart(r, r[h.FLAGS])


@micropython.viper
def _refuse(s: ptr32, c: ptr32, t: ptr32, error: int):
    r = ptr32(int(c) + 4 * slot.HTTP_WORDS)
    count(s, FIRST_FIXED + error)
    deliver(c, t, 4 * (h.FIXED_RECORDS - h.RECORD_WORDS + h.RECORD_WORDS * error), r[h.METHOD] == h.HEAD, r[h.FLAGS])
    restart(r, r[h.FLAGS])
