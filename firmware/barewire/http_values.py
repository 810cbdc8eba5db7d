"""The header values that HTTP acts on, and the body: read as http_parse.py describes, which calls these.

Each function takes bytes from address `a` on, or one byte `b`, and gives back how far it came or the state behind it.
"""
from . import http_layout as h
from .http_layout import BAD, BLANK, BRACKET, BRACKET_END, COLON, COMMA, CR, EQUALS, LF, QUOTE, SEMICOLON, SLASH, STAR, TAB, WEAK
from .inline import inline
from .wordset import step, value


@inline
def host(r: ptr32, kind: ptr8, paths: int, a: int, stop: int) -> int:
    """uri-host [":" port], in Host or in an absolute target (RFC 9110 4.2.3, 7.2); only there it must not be empty."""
    state = r[h.STATE]
    if state == h.HOST_START:
        state = h.HOST
        if ptr8(a)[0] == BRACKET:
            state = h.HOST_V6
            a = a + 1
        elif r[h.VERSION] == 0 and kind[ptr8(a)[0]] & h.HOST_CHAR == 0:
            state = BAD
    if state == h.HOST_V6:
        while kind[ptr8(a)[0]] & h.HEX_CHAR or ptr8(a)[0] == COLON or ptr8(a)[0] == 46:
            a = a + 1
        if a ^ stop:
            state = h.HOST_END if ptr8(a)[0] == BRACKET_END else BAD
            a = a + 1
    accepted = h.DIGIT_CHAR if state == h.PORT else h.HOST_CHAR
    if state == h.HOST or state == h.PORT:
        while kind[ptr8(a)[0]] & accepted:
            a = a + 1
    if a ^ stop and state != BAD:
        b = ptr8(a)[0]
        if b == COLON and state != h.PORT:
            state = h.PORT
            a = a + 1
        elif r[h.VERSION]:
            state = h.VALUE_END
        else:
            state = h.IN_PATH
            r[h.NODE] = paths
            if b == 63 or b == BLANK:           # an empty path is / (RFC 9110 4.2.3), which all paths begin with
                r[h.NODE] = paths + 4
            elif b != SLASH:
                state = BAD
    r[h.STATE] = state
    return a


@inline
def content_length(r: ptr32, kind: ptr8, a: int, stop: int) -> int:
    """Digits and nothing else; a list, even of equal ones, is refused (RFC 9112 6.3)."""
    total = r[h.BODY]
    if r[h.STATE] == h.LENGTH_START and kind[ptr8(a)[0]] & h.DIGIT_CHAR == 0:
        r[h.STATE] = BAD
    else:
        r[h.STATE] = h.IN_LENGTH
        while kind[ptr8(a)[0]] & h.DIGIT_CHAR:
            if total <= h.BODY_LIMIT:
                total = total * 10 + ptr8(a)[0] - 48
            a = a + 1
        if a ^ stop:
            r[h.STATE] = h.VALUE_END
    r[h.BODY] = total
    return a


@inline
def around_token(r: ptr32, t: ptr32, state: int, b: int) -> int:
    """The state after byte b, which is not of a token: commas, blanks, parameters, the end. TOKEN: b begins one."""
    if state == h.LIST and ptr8(t)[b]:
        r[h.NODE] = int(t) + t[h.TOKENS]
        state = h.TOKEN
    elif b == CR or b == COMMA:
        if state != h.LIST:
            state = take_token(r)
        if b == CR and state == h.LIST:
            state = h.VALUE_LF
    elif ptr8(int(t) + h.KIND)[b] & h.TEXT_CHAR == 0:
        state = BAD
    elif state == h.IN_WEIGHT:
        if b > 48 and b <= 57:
            r[h.WEIGHT] = 2
    elif state == h.PARAMETER:
        if b == EQUALS:
            state = h.IN_WEIGHT
    elif b != BLANK and b != TAB:
        r[h.WEIGHT] = 0
        state = h.PARAMETER if state == h.AFTER_TOKEN and (b == SEMICOLON or b == EQUALS) else BAD
    return state


@inline
def take_token(r: ptr32) -> int:
    """Set the flag of a token that its header knows. Refused are a coding other than one chunked (RFC 9112 6.1), and an
    expectation other than 100-continue (RFC 9110 10.1.1).
    """
    state = h.LIST
    token = r[h.VALUE] & r[h.FIELD] & ~h.STATE_BITS
    if r[h.FIELD] & (h.CHUNKED | h.CONTINUE) and (token == 0 or r[h.WEIGHT] != 1):
        state = h.FAILED + (h.NOT_IMPLEMENTED if r[h.FIELD] & h.CHUNKED else h.EXPECTATION)
    elif r[h.FLAGS] & token & h.CHUNKED:
        state = BAD
    r[h.FLAGS] = r[h.FLAGS] | (token if r[h.WEIGHT] else token << 1)
    return state


@inline
def etag(r: ptr32, t: ptr32, state: int, b: int) -> int:
    """The state after byte b of If-None-Match: * or entity tags, compared weakly (RFC 9110 8.8.3, 13.1.2); of If-Range: one
    that is not weak, as a date matches nothing that has no date (13.1.5); and of Range, which is kept.

    SKIP, and b is not read: the value is bad, its rest does not matter.
    """
    after = h.SKIP
    if state == h.ETAG:
        if b == QUOTE:
            found = value(r[h.NODE])
            r[h.FLAGS] = r[h.FLAGS] | (found << h.IF_RANGE_SHIFT if r[h.FIELD] & h.SEEN_IF_RANGE else found)
            after = h.ETAG_LIST
        elif b > BLANK:
            r[h.NODE] = step(r[h.NODE], b)
            after = h.ETAG
    elif state == h.ETAG_WEAK:
        if b == SLASH:
            after = h.ETAG_QUOTE
    elif state == h.KEEP:
        size = r[h.RANGE]
        if size < h.RANGE_BYTES:
            ptr8(r)[4 * h.RANGE_TEXT + size] = b
            r[h.RANGE] = size + 1
            if b >= BLANK or b == TAB:
                after = h.KEEP
    elif b == QUOTE:
        r[h.NODE] = int(t) + (ptr32(int(t) + r[h.RESOURCE])[h.ETAGS_AT] if r[h.RESOURCE] else t[h.NOTHING])
        after = h.ETAG
    elif state == h.ETAG_LIST and r[h.FIELD] & h.SEEN_IF_RANGE == 0:
        if b == BLANK or b == TAB or b == COMMA:
            after = h.ETAG_LIST
        elif b == WEAK:
            after = h.ETAG_WEAK
        elif b == STAR:
            r[h.FLAGS] = r[h.FLAGS] | h.ETAG_PLAIN | h.ETAG_GZIP
            after = h.ETAG_LIST
    return after


# ---- body: read, counted, not kept -----------------------------------------------------------------------------------
@inline
def body(r: ptr32, t: ptr32, a: int, stop: int) -> int:
    """Content of a known length, or chunks with their trailer (RFC 9112 7.1); only framing counts against LEFT."""
    state = r[h.STATE]
    while a ^ stop and state >= h.IN_BODY and state < h.COMPLETE:
        b = ptr8(a)[0]
        n = 1
        if state == h.IN_BODY or state == h.CHUNK:
            n = stop - a if stop - a < r[h.BODY] else r[h.BODY]
            r[h.LEFT] = r[h.LEFT] + n
            r[h.BODY] = r[h.BODY] - n
            if r[h.BODY] == 0:
                state = h.COMPLETE if state == h.IN_BODY else h.CHUNK_CR
        else:
            state = chunk_framing(r, t, state, b)
        a = a + n
    r[h.STATE] = state
    return a


@inline
def chunk_framing(r: ptr32, t: ptr32, state: int, b: int) -> int:
    """The state after byte b, which is not content."""
    after = BAD
    kind = ptr8(int(t) + h.KIND)[b]
    if state < h.CHUNK_EXTENSION and kind & h.HEX_CHAR:
        r[h.BODY] = (r[h.BODY] << 4) + (b - 48 if kind & h.DIGIT_CHAR else (b | 32) - 87)
        after = h.CHUNK_DIGITS if r[h.TOTAL] + r[h.BODY] <= h.BODY_LIMIT else h.FAILED + h.BODY_TOO_LARGE
    elif state == h.CHUNK_DIGITS or state == h.CHUNK_EXTENSION:
        if b == CR:
            after = h.CHUNK_LF
        elif kind & h.TEXT_CHAR and (state == h.CHUNK_EXTENSION or b == SEMICOLON or kind & h.BLANK_CHAR):
            after = h.CHUNK_EXTENSION
    elif state == h.CHUNK_CR:
        if b == CR:
            after = h.CHUNK_CRLF
    elif b == LF and state == h.CHUNK_CRLF:
        after = h.CHUNK_SIZE
    elif b == LF and state == h.CHUNK_LF:
        after = h.CHUNK
        r[h.TOTAL] = r[h.TOTAL] + r[h.BODY]
        if r[h.BODY] == 0:
            after = h.LINE
            r[h.FLAGS] = r[h.FLAGS] | h.TRAILER
    return after
