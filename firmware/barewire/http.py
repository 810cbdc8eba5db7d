"""HTTP/1.1 server (RFC 9110, RFC 9112): what answers a request that http_parse.py has read.

Files, redirects, 304 and errors are whole answers in flash, made by image/assets.py with their sums; to answer is to queue
one. The answer of a route is written into a page of RAM by everyday Python: page.py.
"""
from array import array
from uctypes import addressof

from . import counters
from . import http_layout as h
from . import slot
from .counters import count
from .http_parse import feed        # noqa: F401  the stack asks this module for it
from .inline import inline

READY = slot.HTTP_WORDS + h.READY
REFUSED_GZIP = h.ACCEPT_GZIP << 1
REFUSED_ANY = h.ACCEPT_ANY << 1
FIRST_ERROR = counters.HTTP_400 - 1     # counter of an error, less its number
ASKS_HEAD = 1 << 8                      # in what `asked` returns, beside the route
ASKS_END = 1 << 9


def tables(assets):
    """The block t, from the compiled assets: their table, completed by the addresses of the answers."""
    t = array("I", assets.TABLE)
    at = h.ERROR_RECORDS
    for k in range(0, len(assets.PIECES), 2):
        t[at + h.KEEP_AT] = addressof(assets.PIECES[k])
        t[at + h.CLOSE_AT] = addressof(assets.PIECES[k + 1])
        at += h.RECORD_WORDS
    return t


@inline
def open(c: ptr32):
    """A connection begins: no request has been read."""
    restart(ptr32(int(c) + 4 * slot.HTTP_WORDS), 0)


@inline
def restart(r: ptr32, flags: int):
    """Be ready for the next request, or for none if the connection ends."""
    r[h.STATE] = h.DONE if flags & h.ENDS else h.START
    r[h.READY] = 0
    r[h.LEFT] = h.LINE_LIMIT
    r[h.METHOD] = 0
    r[h.RESOURCE] = 0
    r[h.VERSION] = 0
    r[h.FLAGS] = 0
    r[h.BODY] = 0
    r[h.TOTAL] = 0


@inline
def answer(s: ptr32, c: ptr32, t: ptr32) -> int:
    """Answer the request that is ready. Returns 0, or the number of the route that has to: then call page.respond."""
    r = ptr32(int(c) + 4 * slot.HTTP_WORDS)
    record = 0
    error = refusal(r)
    count(s, counters.HTTP_REQUESTS)
    if error:
        record = 4 * (h.ERROR_RECORDS - h.RECORD_WORDS + h.RECORD_WORDS * error)
        count(s, FIRST_ERROR + error)
    else:
        resource = ptr32(int(t) + r[h.RESOURCE])
        if resource[h.ROUTE_AT]:
            r[h.NODE] = resource[h.ROUTE_AT]
            return r[h.NODE]
        record = representation(s, resource, r[h.FLAGS])
    deliver(c, t, record, r[h.METHOD] == h.HEAD, r[h.FLAGS])
    restart(r, r[h.FLAGS])
    return 0


@inline
def refusal(r: ptr32) -> int:
    """The number of the error that a request gets, 0 for none. One that could not be read ends the connection."""
    if r[h.STATE] >= h.FAILED:
        r[h.FLAGS] = r[h.FLAGS] | h.ENDS
        return r[h.STATE] - h.FAILED
    if r[h.METHOD] == 0:
        return h.NOT_IMPLEMENTED
    if r[h.METHOD] == h.NO_TARGET:
        return h.NOT_ALLOWED
    if r[h.RESOURCE] == 0:
        return h.NOT_FOUND
    return h.NOT_ALLOWED if r[h.METHOD] == h.OTHER else 0


@inline
def representation(s: ptr32, resource: ptr32, flags: int) -> int:
    """The record to send: gzip where it exists and is accepted (RFC 9110 12.5.3), 304 where the client has it."""
    known = flags & h.ETAG_PLAIN
    record = resource[h.PLAIN_AT]
    unchanged = resource[h.PLAIN_304_AT]
    if resource[h.GZIP_AT] and flags & REFUSED_GZIP == 0:
        if flags & h.ACCEPT_GZIP or flags & (h.ACCEPT_ANY | REFUSED_ANY) == h.ACCEPT_ANY:
            known = flags & h.ETAG_GZIP
            record = resource[h.GZIP_AT]
            unchanged = resource[h.GZIP_304_AT]
    if known and unchanged:
        record = unchanged
        count(s, counters.HTTP_304)
    return record


@inline
def deliver(c: ptr32, t: ptr32, at: int, head: int, flags: int):
    """Queue the answer of the record at byte `at` of t, or its head only; end the connection if the flags say so."""
    record = ptr32(int(t) + at)
    first = record[h.KEEP_AT]
    length = record[h.LENGTH_AT]
    sums = int(t) + record[h.SUMS_AT]
    if flags & h.ENDS:
        first = record[h.CLOSE_AT]
    if head:
        length = record[h.HEAD_AT]
        sums = 0
    slot.queue(c, first, record[h.KEEP_AT], length, sums)
    if flags & h.ENDS:
        slot.shut(c)
