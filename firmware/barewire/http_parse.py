"""HTTP/1.x requests (RFC 9112, RFC 9110), read as they come: no buffer, in pieces of any size.

All that is known of a request so far is in its connection's words, `r` (http_layout). Names are not collected and then
looked up: each byte goes one step along a word set, so a method, path or header is known when its last byte has been seen.

Strict where leniency is how requests get smuggled: line ends are CR LF and nothing else, no folded lines, no space before
a colon, one Content-Length and never together with Transfer-Encoding, no controls below 32 in a value but tabs.

The cost is that of a few loops over one byte (or four): path, name or token, value. What stands behind the bytes that came
is a zero meanwhile, which no loop takes, so the loops need not count. Everything else is as short as it can be instead.
"""
from . import http_known as known
from . import http_layout as h
from . import slot
from .http_layout import BAD, BLANK, COLON, CR, LF, PERCENT_SIGN, SLASH, STAR
from .http_values import around_token, body, content_length, etag, host
from .inline import inline
from .state import NOW, wake_at
from .word import i32
from .wordset import step, value

GET_BLANK = 0x20544547      # "GET " as a little-endian word
ALL_TEXT = 0x20202020


@inline
def feed(s: ptr32, c: ptr32, t: ptr32, addr: int, n: int) -> int:
    """Read up to n bytes at addr; how many were read. Stops behind a request, c[http.READY] is not 0 then.

    The byte at addr + n must be memory: it is zero for the time of the call. n may be 0: is the request overdue?
    """
    r = ptr32(int(c) + 4 * slot.HTTP_WORDS)
    whole = 0
    if n:
        whole = known.whole(r, addr, n)
        if whole:
            if known.recall(s, r, addr, n):
                return n
    a = addr
    end = addr + n
    if r[h.STATE] == h.DONE:
        a = end
    while a ^ end and r[h.STATE] < h.AWAITED:
        stop = end
        if end - a > r[h.LEFT]:
            stop = a + r[h.LEFT]
        behind = ptr8(stop)[0]
        ptr8(stop)[0] = 0
        r[h.LEFT] = r[h.LEFT] + a
        if r[h.STATE] < h.LINE:
            a = request_line(r, t, a, stop)
        elif r[h.STATE] < h.IN_BODY:
            a = header_section(r, t, a, stop)
        else:
            a = body(r, t, a, stop)
        r[h.LEFT] = r[h.LEFT] - a
        ptr8(stop)[0] = behind
        if r[h.LEFT] == 0 and r[h.STATE] < h.AWAITED:
            r[h.STATE] = over_limit(r)
    if r[h.STATE] < h.COMPLETE:
        limit(s, r, n)
    if r[h.STATE] >= h.AWAITED and r[h.STATE] != h.DONE:
        r[h.READY] = 1
        if whole and a == end and r[h.STATE] == h.COMPLETE and r[h.RANGE] == 0:
            known.remember(s, r, addr, n)
    return a - addr


@inline
def limit(s: ptr32, r: ptr32, n: int):
    """A part of a request is there, n bytes of it just came: the rest has to come in time (RFC 9110 15.5.9)."""
    if r[h.DUE]:
        if i32(s[NOW] - r[h.DUE]) >= 0:
            r[h.STATE] = h.FAILED + h.TIMEOUT
    elif n:
        r[h.DUE] = s[NOW] + (h.HEADER_MS if r[h.STATE] < h.IN_BODY else h.BODY_MS) | 1
        wake_at(s, r[h.DUE])


@inline
def over_limit(r: ptr32) -> int:
    """The error of a part that does not end."""
    state = r[h.STATE]
    error = h.FAILED + h.HEAD_TOO_LARGE
    if state == h.START or state == h.START_LF:
        error = BAD
    elif state == h.IN_METHOD:
        error = h.FAILED + h.NOT_IMPLEMENTED
    elif state < h.LINE or r[h.VERSION] == 0:
        error = h.FAILED + h.TARGET_TOO_LONG
    elif state >= h.IN_BODY:
        error = h.FAILED + h.BODY_TOO_LARGE
    return error


# ---- request line --------------------------------------------------------------------------------------------------
@inline
def request_line(r: ptr32, t: ptr32, a: int, stop: int) -> int:
    """METHOD SP target SP version CR LF, after any number of empty lines (RFC 9112 2.2, 3)."""
    kind = ptr8(int(t) + h.KIND)
    state = r[h.STATE]
    if state == h.START and a & 3 == 0:
        if ptr32(a)[0] == GET_BLANK:
            r[h.METHOD] = h.GET
            state = h.TARGET
            a = a + 4
    while a ^ stop and state < h.LINE:
        if state == h.TARGET:
            state = target(r, t, ptr8(a)[0])
        if state == h.IN_PATH:
            a = path(r, kind, a)
            state = h.QUERY
            if ptr8(a)[0] == PERCENT_SIGN:
                state = h.PERCENT
                a = a + 1
            elif a ^ stop:
                r[h.RESOURCE] = value(r[h.NODE])
            else:
                state = h.IN_PATH
        if state == h.QUERY:
            while kind[ptr8(a)[0]] & h.QUERY_CHAR:
                a = a + 1
            if ptr8(a)[0] == BLANK:
                a = a + 1
                state = h.IN_VERSION
                r[h.NODE] = int(t) + t[h.VERSIONS]
                if stop - a >= 10:
                    if not_version_11(ptr8(a)) == 0:
                        a = a + 10
                        state = h.LINE
                        r[h.VERSION] = h.VERSION_11
                        r[h.LEFT] = h.HEAD_LIMIT + a
            elif a ^ stop:
                state = BAD
        elif a ^ stop and state < h.LINE:
            state = rare(r, t, state, ptr8(a)[0])
            if state & h.AGAIN:
                state = state ^ h.AGAIN
            else:
                a = a + 1
            if state == h.LINE:
                r[h.LEFT] = h.HEAD_LIMIT + a
    r[h.STATE] = state
    return a


@inline
def target(r: ptr32, t: ptr32, b: int) -> int:
    """origin-form, absolute-form, asterisk-form of OPTIONS; any with a method that is not known (RFC 9112 3.2)."""
    state = h.IN_PATH
    r[h.NODE] = int(t) + t[h.PATHS]
    if r[h.METHOD] == 0:
        state = h.QUERY if ptr8(int(t) + h.KIND)[b] & h.QUERY_CHAR else BAD
    elif b == STAR and r[h.METHOD] == h.OPTIONS:
        r[h.NODE] = int(t) + t[h.ASTERISK]
    elif b != SLASH:
        state = h.SCHEME
        r[h.NODE] = int(t) + t[h.SCHEMES]
    return state


@inline
def path(r: ptr32, kind: ptr8, a: int) -> int:
    k = r[h.NODE]
    b = ptr8(a)[0]
    while kind[b] & h.PATH_CHAR:
        w = ptr32(k)[0]
        if (w ^ b) & 255:
            k = step(k, b)
        else:
            k = k + 4
        a = a + 1
        b = ptr8(a)[0]
    r[h.NODE] = k
    return a


@inline
def not_version_11(p: ptr8) -> int:
    """0 if these ten bytes are HTTP/1.1 CR LF, as nearly always."""
    return (p[0] ^ 72 | p[1] ^ 84 | p[2] ^ 84 | p[3] ^ 80 | p[4] ^ 47 | p[5] ^ 49 | p[6] ^ 46 | p[7] ^ 49
            | p[8] ^ CR | p[9] ^ LF)


@inline
def rare(r: ptr32, t: ptr32, state: int, b: int) -> int:
    """The state after byte b, where bytes are few or the case is not frequent; with AGAIN if b is still to be read."""
    after = BAD
    x = 0
    if state == h.IN_METHOD:
        x = b if ptr8(t)[b] else 0
        if b == BLANK:
            r[h.METHOD] = value(r[h.NODE])
            after = h.TARGET
    elif state == h.IN_VERSION:
        if b > BLANK:
            x = 50 if b > 50 and b <= 57 else b         # RFC 9110 2.5: any digit may come
        elif b == CR:
            r[h.VERSION] = value(r[h.NODE])
            if r[h.VERSION]:
                after = h.FAILED + h.WRONG_VERSION if r[h.VERSION] == h.VERSION_OTHER else h.LINE_LF
    elif state == h.SCHEME:
        x = b | 32 if b > BLANK else 1
    elif state == h.START:
        if b == CR:
            after = h.START_LF
        elif ptr8(t)[b]:
            after = h.IN_METHOD | h.AGAIN
            r[h.NODE] = int(t) + t[h.METHODS]
    elif state >= h.PERCENT:
        kind = ptr8(int(t) + h.KIND)[b]
        digit = b - 48 if kind & h.DIGIT_CHAR else (b | 32) - 87
        if kind & h.HEX_CHAR:
            if state == h.PERCENT:
                after = h.PERCENT_2
                r[h.VALUE] = digit << 4
            else:
                x = r[h.VALUE] + digit      # matched as if it had come plainly (RFC 3986 6.2.2.2)
                if x == SLASH:              # but %2F is part of a name, where / never is
                    r[h.NODE] = int(t) + t[h.NOTHING]
    elif b == LF:
        after = h.LINE if state == h.LINE_LF else h.START
    if x:
        k = step(r[h.NODE], x)
        r[h.NODE] = k
        after = state
        if state == h.PERCENT_2:
            after = h.IN_PATH
        elif state == h.SCHEME and ptr32(k)[0] & 255 == 0:
            after = h.HOST_START if ptr32(k)[1] else BAD
    return after


# ---- header section ------------------------------------------------------------------------------------------------
@inline
def header_section(r: ptr32, t: ptr32, a: int, stop: int) -> int:
    """Lines up to the empty one (RFC 9112 5), trailers too."""
    kind = ptr8(int(t) + h.KIND)
    state = r[h.STATE]
    while a ^ stop and state >= h.LINE and state < h.IN_BODY:
        if state == h.LINE:
            b = ptr8(t)[ptr8(a)[0]]
            state = BAD                     # a folded line, an empty name
            if b:
                state = h.NAME
                r[h.NODE] = int(t) + t[h.NAMES + (b & 31)]
            elif ptr8(a)[0] == CR:
                state = h.END_LF
                a = a + 1
        if state < h.SPACE:
            a = walk(r, t, a)
            if a ^ stop:
                if state == h.TOKEN:
                    r[h.VALUE] = value(r[h.NODE])
                    r[h.WEIGHT] = 1
                    state = h.AFTER_TOKEN
                elif ptr8(a)[0] == COLON:
                    state = known_field(r, value(r[h.NODE]))
                    a = a + 1
                else:
                    state = BAD
        if state == h.SPACE:
            while kind[ptr8(a)[0]] & h.BLANK_CHAR:
                a = a + 1
            if a ^ stop:
                state = r[h.FIELD] & h.STATE_BITS
        if state == h.SKIP:
            a = text(kind, a)
            state = h.VALUE_END
            if a == stop:
                state = h.SKIP
        elif state >= h.HOST_START and a ^ stop:
            b = ptr8(a)[0]
            if state < h.LIST:
                r[h.STATE] = state
                if state < h.LENGTH_START:
                    a = host(r, kind, int(t) + t[h.PATHS], a, stop)
                else:
                    a = content_length(r, kind, a, stop)
                state = r[h.STATE]
            elif state < h.ETAG_LIST:
                state = around_token(r, t, state, b)
                if state != h.TOKEN:
                    a = a + 1
            elif state < h.IN_BODY:
                state = etag(r, t, state, b)
                if state != h.SKIP:
                    a = a + 1
        if state == h.VALUE_END:
            while kind[ptr8(a)[0]] & h.BLANK_CHAR:
                a = a + 1
            if ptr8(a)[0] == CR:
                a = a + 1
                state = h.VALUE_LF
            elif a ^ stop:
                state = BAD
        if state == h.VALUE_LF:
            if ptr8(a)[0] == LF:
                a = a + 1
                state = h.LINE
            elif a ^ stop:
                state = BAD
        elif state == h.END_LF:
            if ptr8(a)[0] == LF:
                a = a + 1
                state = end_of_head(r, a)
            elif a ^ stop:
                state = BAD
    r[h.STATE] = state
    return a


@inline
def walk(r: ptr32, t: ptr32, a: int) -> int:
    """Take the bytes of a token, in lower case, along the word set. Where no word is left, only look for its end."""
    k = r[h.NODE]
    b = ptr8(t)[ptr8(a)[0]]
    while b:
        w = ptr32(k)[0]
        if (w ^ b) & 255:
            k = step(k, b)
            if ptr32(k)[0] == 0:
                while ptr8(t)[ptr8(a)[0]]:
                    a = a + 1
                a = a - 1
        else:
            k = k + 4
        a = a + 1
        b = ptr8(t)[ptr8(a)[0]]
    r[h.NODE] = k
    return a


@inline
def text(kind: ptr8, a: int) -> int:
    """The end of what may stand in a value, four bytes at a time where the address allows."""
    while kind[ptr8(a)[0]] & h.TEXT_CHAR:
        a = a + 1
        if a & 3 == 0:
            w = ptr32(a)[0]
            while (w | w >> 1) & ALL_TEXT == ALL_TEXT:      # all four have bit 5 or 6, as has no control
                a = a + 4
                w = ptr32(a)[0]
    return a


@inline
def known_field(r: ptr32, field: int) -> int:
    """The state behind a name. Host, Content-Length, If-Range come once (RFC 9110 5.3, 7.2, RFC 9112 6.3)."""
    state = h.SPACE
    once = field & (h.SEEN_HOST | h.SEEN_LENGTH | h.SEEN_IF_RANGE)
    if field == 0 or r[h.FLAGS] & h.TRAILER:
        field = h.SKIP
    elif r[h.FLAGS] & once:
        state = BAD
    else:
        r[h.FLAGS] = r[h.FLAGS] | once | (h.SEEN_CODING if field & h.CHUNKED else 0)
    r[h.FIELD] = field
    return state


@inline
def end_of_head(r: ptr32, a: int) -> int:
    """The state behind the empty line: how the body is framed (RFC 9112 6.3), whether the connection lasts (9.3)."""
    flags = r[h.FLAGS]
    new = r[h.VERSION] == h.VERSION_11
    state = h.COMPLETE
    if flags & h.TRAILER:
        return state
    if flags & h.CLOSE or (not new and flags & h.KEEP_ALIVE == 0):
        flags = flags | h.ENDS
    if flags & h.SEEN_CODING:
        state = h.CHUNK_SIZE if new and flags & (h.CHUNKED | h.SEEN_LENGTH) == h.CHUNKED else BAD
    elif r[h.BODY]:
        state = h.IN_BODY if r[h.BODY] <= h.BODY_LIMIT else h.FAILED + h.BODY_TOO_LARGE
    if new and flags & h.SEEN_HOST == 0:
        state = BAD
    if state < h.COMPLETE:
        r[h.LEFT] = h.HEAD_LIMIT + a
        r[h.DUE] = 0
        if new and flags & h.CONTINUE:
            state = h.AWAITED
    r[h.FLAGS] = flags
    return state
