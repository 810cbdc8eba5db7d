"""Requests that came before. What http_parse.py finds out depends on the bytes of a request alone, so it is kept with them.

A client that polls sends the same bytes each time, a browser nearly so. A request that came in one piece is kept, by its
length, until another one takes its place; when the same bytes come again they are compared, which is quicker than to read
them. That is no cache of answers: what is answered is decided anew. Requests with Range are not kept, whose values are.
"""
from . import http_layout as h
from .inline import inline
from .state import KNOWN, KNOWN_BYTES, KNOWN_COUNT

LENGTH, METHOD, RESOURCE, FLAGS, TEXT = range(5)    # words of an entry; LENGTH: of the text in bytes, 0 none
ENTRY_BYTES = 4 * TEXT + KNOWN_BYTES


@inline
def whole(r: ptr32, at: int, n: int) -> int:
    """Whether the n bytes at `at` may be a request that is kept: nothing of one was read, they are aligned and not too many."""
    return r[h.STATE] == h.START and r[h.LEFT] == h.LINE_LIMIT and at & 3 == 0 and n <= KNOWN_BYTES


@inline
def entry(s: ptr32, n: int) -> int:
    """Address of the one entry for requests of n bytes."""
    return int(s) + 4 * KNOWN + (n & KNOWN_COUNT - 1) * ENTRY_BYTES


@inline
def recall(s: ptr32, r: ptr32, at: int, n: int) -> int:
    """If these n bytes, more than none, are kept: complete the request r as they did. Returns whether that was so."""
    e = ptr32(entry(s, n))
    differs = e[LENGTH] ^ n
    if differs == 0:
        w = ptr32(at)
        k = ptr32(int(e) + 4 * TEXT)
        left = n
        while left >= 16 and differs == 0:
            differs = w[0] ^ k[0] | w[1] ^ k[1] | w[2] ^ k[2] | w[3] ^ k[3]
            w = ptr32(int(w) + 16)
            k = ptr32(int(k) + 16)
            left = left - 16
        if left & 8:
            differs = differs | w[0] ^ k[0] | w[1] ^ k[1]
            w = ptr32(int(w) + 8)
            k = ptr32(int(k) + 8)
        if left & 4:
            differs = differs | w[0] ^ k[0]
            w = ptr32(int(w) + 4)
            k = ptr32(int(k) + 4)
        if left & 3:
            differs = differs | (w[0] ^ k[0]) & (1 << ((left & 3) << 3)) - 1
    if differs == 0:
        r[h.METHOD] = e[METHOD]
        r[h.RESOURCE] = e[RESOURCE]
        r[h.FLAGS] = e[FLAGS]
        r[h.STATE] = h.COMPLETE
        r[h.READY] = 1
    return differs == 0


@inline
def remember(s: ptr32, r: ptr32, at: int, n: int):
    """The n bytes at `at` are the request that was read to its end."""
    e = ptr32(entry(s, n))
    e[LENGTH] = n
    e[METHOD] = r[h.METHOD]
    e[RESOURCE] = r[h.RESOURCE]
    e[FLAGS] = r[h.FLAGS]
    w = ptr32(at)
    k = ptr32(int(e) + 4 * TEXT)
    while n > 0:
        k[0] = w[0]
        w = ptr32(int(w) + 4)
        k = ptr32(int(k) + 4)
        n = n - 4
