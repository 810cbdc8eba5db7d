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
FIRST_FIXED = counters.HTTP_400 - 1     # counter of a fixed answer, less its number


def tables(assets):
    """The block t, from the compiled assets: their table, completed by the addresses of the answers."""
    t = array("I", assets.TABLE)
    at = h.FIXED_RECORDS
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
    r[h.RANGE] = 0
    r[h.DUE] = 0


@inline
def answer(s: ptr32, c: ptr32, t: ptr32) -> int:
    """Answer the request that is ready. Returns 0, or 1 when everyday Python has to: then call page.respond."""
    r = ptr32(int(c) + 4 * slot.HTTP_WORDS)
    record = 0
    flags = r[h.FLAGS]
    number = fixed(r)
    if r[h.STATE] != h.COMPLETE:        # could not be read, or waits for 100: what still comes of it is not read, or is
        flags = 0 if number == h.CONTINUE_100 else flags | h.ENDS
    if number:
        record = 4 * (h.FIXED_RECORDS - h.RECORD_WORDS + h.RECORD_WORDS * number)
        count(s, FIRST_FIXED + number)
    else:
        resource = ptr32(int(t) + r[h.RESOURCE])
        if resource[h.ROUTE_AT] or r[h.RANGE]:
            return 1
        record = representation(s, resource, flags)
    deliver(c, t, record, r[h.METHOD] == h.HEAD, flags)
    if number == h.CONTINUE_100:
        r[h.STATE] = h.IN_BODY if r[h.BODY] else h.CHUNK_SIZE
        r[h.READY] = 0
    else:
        count(s, counters.HTTP_REQUESTS)
        restart(r, flags)
    return 0


@inline
def fixed(r: ptr32) -> int:
    """The number of the fixed answer that a request gets: an error, OPTIONS, 100; 0 for none.

    Who waits for 100 gets an error at once, and need not send the body (RFC 9110 10.1.1).
    """
    if r[h.STATE] >= h.FAILED:
        return r[h.STATE] - h.FAILED
    if r[h.METHOD] == 0:
        return h.NOT_IMPLEMENTED
    if r[h.RESOURCE] == 0:
        return h.NOT_FOUND
    if r[h.METHOD] > h.HEAD:
        return r[h.METHOD]
    return h.CONTINUE_100 if r[h.STATE] == h.AWAITED else 0


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
