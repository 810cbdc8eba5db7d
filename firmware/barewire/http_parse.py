"""HTTP/1.x requests (RFC 9112, RFC 9110), read as they come: no buffer, in pieces of any size.

All that is known of a request so far is in its connection's words, `r` (http_layout). Names are not collected and then looked
up: each byte goes one step along a word set, so a method, path or header is known when its last byte has been seen.

Strict where leniency is how requests get smuggled: line ends are CR LF and nothing else, no folded lines, no space before
a colon, one Content-Length and never together with Transfer-Encoding, no controls in a value but tabs.
"""
from . import http_layout as h
from . import slot
from .inline import inline

LF = 10
CR = 13
TAB = 9
BLANK = 32
QUOTE = 34
PERCENT_SIGN = 37
STAR = 42
COMMA = 44
SLASH = 47
COLON = 58
SEMICOLON = 59
EQUALS = 61
QUESTION = 63
BRACKET = 91
BRACKET_END = 93
BAD = h.FAILED + h.BAD_REQUEST
ALL_TEXT = 0x20202020


@inline
def feed(s: ptr32, c: ptr32, t: ptr32, addr: int, n: int) -> int:
    """Read up to n bytes at addr; how many were read. Stops behind a request, c[http.READY] is not 0 then."""
    r = ptr32(int(c) + 4 * slot.HTTP_WORDS)
    i = 0
    if r[h.STATE] == h.DONE:
        i = n
    while i < n and r[h.STATE] < h.COMPLETE:
        stop = n
        if n - i > r[h.LEFT]:
            stop = i + r[h.LEFT]
        r[h.LEFT] = r[h.LEFT] + i
        state = r[h.STATE]
        if state < h.NAME:
            i = request_line(r, t, ptr8(addr), i, stop)
        elif state < h.HOST_START:
            i = header_line(r, t, ptr8(addr), i, stop)
        elif state < h.LENGTH_START:
            i = host(r, t, ptr8(addr), i, stop)
        elif state < h.LIST:
            i = content_length(r, t, ptr8(addr), i, stop)
        elif state < h.ETAG_LIST:
            i = tokens(r, t, ptr8(addr), i, stop)
        elif state < h.IN_BODY:
            i = etags(r, t, ptr8(addr), i, stop)
        else:
            i = body(r, t, ptr8(addr), i, stop)
        r[h.LEFT] = r[h.LEFT] - i
        if r[h.LEFT] <= 0 and r[h.STATE] < h.COMPLETE:
            r[h.STATE] = over_limit(r)
    if r[h.STATE] >= h.COMPLETE and r[h.STATE] != h.DONE:
        r[h.READY] = 1
    return i


@inline
def over_limit(r: ptr32) -> int:
    """The error of a part that does not end."""
    state = r[h.STATE]
    if state < h.IN_METHOD:
        return BAD
    if state == h.IN_METHOD:
        return h.FAILED + h.NOT_IMPLEMENTED
    if state < h.NAME or r[h.VERSION] == 0:
        return h.FAILED + h.TARGET_TOO_LONG
    if state < h.IN_BODY:
        return h.FAILED + h.HEAD_TOO_LARGE
    return h.FAILED + h.BODY_TOO_LARGE


# ---- word sets -----------------------------------------------------------------------------------------------------
@inline
def other(k: int, w: int, b: int) -> int:
    """The node behind byte b, which node k (its word is w) does not stand for."""
    while w & 255 != b and w > 255:
        k = k + (w >> 8)
        w = ptr32(k)[0]
    if w & 255 == b:
        k = k + 4
    return k


@inline
def value(k: int) -> int:
    """The value of the word that ends at node k, 0 if none does."""
    return ptr32(k)[1] if ptr32(k)[0] & 255 == 0 else 0


# ---- request line --------------------------------------------------------------------------------------------------
@inline
def request_line(r: ptr32, t: ptr32, p: ptr8, i: int, stop: int) -> int:
    """METHOD SP target SP version CR LF, after any number of empty lines (RFC 9112 2.2, 3)."""
    state = r[h.STATE]
    if state < h.IN_METHOD:
        b = p[i]
        if state == h.START_LF:
            state = h.START if b == LF else BAD
            i = i + 1
        elif b == CR:
            state = h.START_LF
            i = i + 1
        else:
            state = h.IN_METHOD
            r[h.NODE] = int(t) + t[h.METHODS]
        r[h.STATE] = state
    if state == h.IN_METHOD:
        i = method(r, t, p, i, stop)
        state = r[h.STATE]
    if state >= h.TARGET and state < h.IN_VERSION and i < stop:
        i = target(r, t, p, i, stop)
        state = r[h.STATE]
    if state == h.IN_VERSION:
        i = version(r, t, p, i, stop)
        state = r[h.STATE]
    if state == h.LINE_LF and i < stop:
        if p[i] == LF:
            r[h.STATE] = h.NAME
            r[h.NODE] = int(t) + t[h.NAMES]
            r[h.LEFT] = h.HEAD_LIMIT + i + 1
        else:
            r[h.STATE] = BAD
        i = i + 1
    return i


@inline
def method(r: ptr32, t: ptr32, p: ptr8, i: int, stop: int) -> int:
    fold = ptr8(t)
    k = r[h.NODE]
    b = CR
    while i < stop:
        b = p[i]
        if fold[b] == 0:
            break
        w = ptr32(k)[0]
        if w & 255 == b:
            k = k + 4
        else:
            k = other(k, w, b)
        i = i + 1
    r[h.NODE] = k
    if i < stop:
        i = i + 1
        if b == BLANK and k != int(t) + t[h.METHODS]:
            r[h.METHOD] = value(k)
            r[h.STATE] = h.TARGET
        else:
            r[h.STATE] = BAD
    return i


@inline
def target(r: ptr32, t: ptr32, p: ptr8, i: int, stop: int) -> int:
    """origin-form and absolute-form; the others only with the methods that name no resource (RFC 9112 3.2)."""
    kind = ptr8(int(t) + h.KIND)
    state = r[h.STATE]
    if state == h.TARGET:
        state = h.IN_PATH
        r[h.NODE] = int(t) + t[h.PATHS]
        if r[h.METHOD] == 0 or r[h.METHOD] == h.NO_TARGET:
            state = h.OPAQUE
            if kind[p[i]] & h.QUERY_CHAR == 0:
                state = BAD
        elif p[i] != SLASH:
            state = h.SCHEME
            r[h.NODE] = int(t) + t[h.SCHEMES]
        r[h.STATE] = state
    if state == h.IN_PATH:
        return path(r, t, p, i, stop)
    if state == h.SCHEME:
        return scheme(r, t, p, i, stop)
    if state == h.QUERY or state == h.OPAQUE:
        while i < stop and kind[p[i]] & h.QUERY_CHAR:
            i = i + 1
        if i < stop:
            r[h.STATE] = end_target(r, t, p[i])
            i = i + 1
        return i
    if state == h.PERCENT or state == h.PERCENT_2:
        r[h.STATE] = percent(r, t, p[i], kind[p[i]])
        i = i + 1
    return i


@inline
def path(r: ptr32, t: ptr32, p: ptr8, i: int, stop: int) -> int:
    kind = ptr8(int(t) + h.KIND)
    k = r[h.NODE]
    b = 0
    while i < stop:
        b = p[i]
        if kind[b] & h.PATH_CHAR == 0:
            break
        w = ptr32(k)[0]
        if w & 255 == b:
            k = k + 4
        else:
            k = other(k, w, b)
        i = i + 1
    r[h.NODE] = k
    if i < stop:
        i = i + 1
        if b == PERCENT_SIGN:
            r[h.STATE] = h.PERCENT
        else:
            r[h.RESOURCE] = value(k)
            if b == QUESTION:
                r[h.STATE] = h.QUERY
            else:
                r[h.STATE] = end_target(r, t, b)
    return i


@inline
def end_target(r: ptr32, t: ptr32, b: int) -> int:
    """The state behind the target, which b ended."""
    r[h.NODE] = int(t) + t[h.VERSIONS]
    return h.IN_VERSION if b == BLANK else BAD


@inline
def percent(r: ptr32, t: ptr32, b: int, kind: int) -> int:
    """One digit of a percent code in the path; what it stands for is matched like a plain byte (RFC 3986 6.2.2.2)."""
    if kind & h.HEX_CHAR == 0:
        return BAD
    digit = b - 48 if kind & h.DIGIT_CHAR else (b | 32) - 87
    if r[h.STATE] == h.PERCENT:
        r[h.VALUE] = digit << 4
        return h.PERCENT_2
    b = r[h.VALUE] + digit
    if b == 0:
        return BAD
    k = r[h.NODE]
    if b == SLASH:
        k = int(t) + t[h.NOTHING]       # %2F is part of a name, where / never is
    else:
        k = other(k, ptr32(k)[0], b)
    r[h.NODE] = k
    return h.IN_PATH


@inline
def scheme(r: ptr32, t: ptr32, p: ptr8, i: int, stop: int) -> int:
    """http://, then an authority as in Host; another scheme is not served here (RFC 9110 7.4)."""
    k = r[h.NODE]
    w = 1
    while i < stop and w & 255:
        b = p[i]
        k = other(k, ptr32(k)[0], b | 32 if b > BLANK else 1)
        w = ptr32(k)[0]
        i = i + 1
    r[h.NODE] = k
    if w & 255 == 0:
        r[h.STATE] = h.HOST_START if ptr32(k)[1] else BAD
    return i


@inline
def version(r: ptr32, t: ptr32, p: ptr8, i: int, stop: int) -> int:
    """HTTP/ DIGIT . DIGIT: another major version is refused, a later minor one is 1.1 (RFC 9110 2.5)."""
    k = r[h.NODE]
    b = BLANK + 1
    while i < stop and b > BLANK:
        b = p[i]
        i = i + 1
        if b > BLANK:
            k = other(k, ptr32(k)[0], 50 if b > 50 and b <= 57 else b)
    r[h.NODE] = k
    if b == CR:
        b = value(k)
        r[h.VERSION] = b
        r[h.STATE] = h.LINE_LF
        if b == 0:
            r[h.STATE] = BAD
        elif b == h.VERSION_OTHER:
            r[h.STATE] = h.FAILED + h.WRONG_VERSION
    elif b <= BLANK:
        r[h.STATE] = BAD
    return i


# ---- header section ------------------------------------------------------------------------------------------------
@inline
def header_line(r: ptr32, t: ptr32, p: ptr8, i: int, stop: int) -> int:
    """Lines up to the empty one; comes back for values that matter (RFC 9112 5)."""
    state = r[h.STATE]
    while i < stop and state >= h.NAME and state < h.HOST_START:
        if state == h.NAME:
            i = field_name(r, t, p, i, stop)
            state = r[h.STATE]
        if state == h.SPACE:
            while i < stop and (p[i] == BLANK or p[i] == TAB):
                i = i + 1
            if i < stop:
                state = r[h.FIELD] & h.STATE_BITS
        if state == h.SKIP:
            i = field_value(r, p, i, stop)
            state = r[h.STATE]
        if i < stop and state >= h.VALUE_END and state < h.HOST_START:
            b = p[i]
            i = i + 1
            if state == h.VALUE_END:
                if b == CR:
                    state = h.VALUE_LF
                elif b != BLANK and b != TAB:
                    state = BAD
            elif b != LF:
                state = BAD
            elif state == h.VALUE_LF:
                state = h.NAME
                r[h.NODE] = int(t) + t[h.NAMES]
            else:
                state = end_of_head(r, t, i)
        r[h.STATE] = state
    return i


@inline
def field_name(r: ptr32, t: ptr32, p: ptr8, i: int, stop: int) -> int:
    """A name up to its colon, or the CR of the empty line. A folded line or a space before the colon is no name."""
    fold = ptr8(t)
    k = r[h.NODE]
    while i < stop:
        b = fold[p[i]]
        if b == 0:
            break
        w = ptr32(k)[0]
        if w & 255 == b:
            k = k + 4
        else:
            k = other(k, w, b)
        i = i + 1
    r[h.NODE] = k
    if i < stop:
        b = p[i]
        i = i + 1
        known = int(t) + t[h.NAMES]
        if b == COLON and k != known:
            r[h.STATE] = known_field(r, value(k))
        elif b == CR and k == known:
            r[h.STATE] = h.END_LF
        else:
            r[h.STATE] = BAD
    return i


@inline
def known_field(r: ptr32, field: int) -> int:
    """The state behind a name. Host and Content-Length come once (RFC 9110 7.2, RFC 9112 6.3)."""
    flags = r[h.FLAGS]
    if field == 0 or flags & h.TRAILER:
        r[h.FIELD] = h.SKIP
        return h.SPACE
    if field & flags & (h.SEEN_HOST | h.SEEN_LENGTH):
        return BAD
    flags = flags | field & (h.SEEN_HOST | h.SEEN_LENGTH)
    if field & h.CHUNKED:
        flags = flags | h.SEEN_CODING
    r[h.FLAGS] = flags
    r[h.FIELD] = field
    return h.SPACE


@inline
def field_value(r: ptr32, p: ptr8, i: int, stop: int) -> int:
    """A value that does not matter, up to its CR; four bytes at a time where the address allows."""
    a = int(p)
    b = TAB
    while i < stop and (b >= BLANK or b == TAB):
        if (a + i) & 3 == 0:
            while stop - i > 4:
                w = ptr32(a + i)[0]
                if (w | w >> 1 | w >> 2) & ALL_TEXT != ALL_TEXT:    # a byte without bits 5, 6, 7 is a control
                    break
                i = i + 4
        b = p[i]
        i = i + 1
    r[h.STATE] = h.SKIP
    if b == CR:
        r[h.STATE] = h.VALUE_LF
    elif b < BLANK and b != TAB:
        r[h.STATE] = BAD
    return i


@inline
def end_of_head(r: ptr32, t: ptr32, i: int) -> int:
    """The state behind the empty line: how the body is framed (RFC 9112 6.3), whether the connection lasts (9.3)."""
    flags = r[h.FLAGS]
    new = r[h.VERSION] == h.VERSION_11
    if flags & h.TRAILER:
        return h.COMPLETE
    if new and flags & h.SEEN_HOST == 0:
        return BAD
    if flags & h.CLOSE or (not new and flags & h.KEEP_ALIVE == 0):
        flags = flags | h.ENDS
    state = h.COMPLETE
    if flags & h.SEEN_CODING:
        if flags & h.SEEN_LENGTH or flags & h.CHUNKED == 0 or not new:
            return BAD
        state = h.CHUNK_SIZE
        r[h.LEFT] = h.HEAD_LIMIT + i
    elif r[h.BODY] > h.BODY_LIMIT:
        return h.FAILED + h.BODY_TOO_LARGE
    elif r[h.BODY]:
        state = h.IN_BODY
        r[h.LEFT] = h.HEAD_LIMIT + i
    if new and state != h.COMPLETE and flags & h.CONTINUE:
        flags = flags | h.ENDS          # the final answer comes at once: no telling whether the body follows
        state = h.COMPLETE
    r[h.FLAGS] = flags
    return state


# ---- values that matter ----------------------------------------------------------------------------------------------
@inline
def host(r: ptr32, t: ptr32, p: ptr8, i: int, stop: int) -> int:
    """uri-host [":" port], in Host or in an absolute target (RFC 9110 4.2.3, 7.2); only there it must not be empty."""
    kind = ptr8(int(t) + h.KIND)
    state = r[h.STATE]
    if state == h.HOST_START:
        state = h.HOST
        if p[i] == BRACKET:
            state = h.HOST_V6
            i = i + 1
        elif r[h.VERSION] == 0 and kind[p[i]] & h.HOST_CHAR == 0:
            state = BAD
    if state == h.HOST:
        while i < stop and kind[p[i]] & h.HOST_CHAR:
            i = i + 1
    elif state == h.HOST_V6:
        while i < stop and (kind[p[i]] & h.HEX_CHAR or p[i] == COLON or p[i] == 46):
            i = i + 1
        if i < stop:
            state = h.HOST_END if p[i] == BRACKET_END else BAD
            i = i + 1
    elif state == h.PORT:
        while i < stop and kind[p[i]] & h.DIGIT_CHAR:
            i = i + 1
    if i < stop and state != BAD:
        if p[i] == COLON and state != h.PORT:
            state = h.PORT
            i = i + 1
        elif r[h.VERSION]:
            state = h.VALUE_END
        else:
            state = h.IN_PATH
            r[h.NODE] = int(t) + t[h.PATHS]
            if p[i] == QUESTION or p[i] == BLANK:       # an empty path is / (RFC 9110 4.2.3)
                r[h.NODE] = other(r[h.NODE], ptr32(r[h.NODE])[0], SLASH)
            elif p[i] != SLASH:
                state = BAD
    r[h.STATE] = state
    return i


@inline
def content_length(r: ptr32, t: ptr32, p: ptr8, i: int, stop: int) -> int:
    """Digits and nothing else; a list, even of equal ones, is refused (RFC 9112 6.3)."""
    kind = ptr8(int(t) + h.KIND)
    state = r[h.STATE]
    total = r[h.BODY]
    if state == h.LENGTH_START:
        state = h.IN_LENGTH if kind[p[i]] & h.DIGIT_CHAR else BAD
    if state == h.IN_LENGTH:
        while i < stop and kind[p[i]] & h.DIGIT_CHAR:
            if total <= h.BODY_LIMIT:
                total = total * 10 + p[i] - 48
            i = i + 1
        if i < stop:
            state = h.VALUE_END
    r[h.BODY] = total
    r[h.STATE] = state
    return i


@inline
def tokens(r: ptr32, t: ptr32, p: ptr8, i: int, stop: int) -> int:
    """A list of tokens, with parameters at most: Connection, Transfer-Encoding, Expect, Accept-Encoding."""
    fold = ptr8(t)
    state = r[h.STATE]
    while i < stop and state >= h.LIST and state < h.ETAG_LIST:
        b = p[i]
        if state == h.TOKEN:
            k = r[h.NODE]
            while i < stop and fold[p[i]]:
                b = fold[p[i]]
                w = ptr32(k)[0]
                if w & 255 == b:
                    k = k + 4
                else:
                    k = other(k, w, b)
                i = i + 1
            r[h.NODE] = k
            if i < stop:
                b = p[i]
                r[h.VALUE] = value(k)
                r[h.WEIGHT] = 1
                state = h.AFTER_TOKEN
        if state == h.LIST and fold[b]:
            state = h.TOKEN
            r[h.NODE] = int(t) + t[h.TOKENS]
        elif state != h.TOKEN:
            i = i + 1
            if b == CR or b == COMMA:
                if state != h.LIST:
                    state = take_token(r)
                if b == CR and state == h.LIST:
                    state = h.VALUE_LF
            elif b < BLANK and b != TAB:
                state = BAD
            elif state == h.IN_WEIGHT:
                if b > 48 and b <= 57:
                    r[h.WEIGHT] = 2
            elif state == h.PARAMETER:
                if b == EQUALS:
                    state = h.IN_WEIGHT
            elif b != BLANK and b != TAB:
                if state == h.AFTER_TOKEN and (b == SEMICOLON or b == EQUALS):
                    state = h.PARAMETER
                    r[h.WEIGHT] = 0
                else:
                    state = BAD
    r[h.STATE] = state
    return i


@inline
def take_token(r: ptr32) -> int:
    """Set the flag of a token that its header knows. A coding other than one chunked is refused (RFC 9112 6.1)."""
    token = r[h.VALUE] & r[h.FIELD] & ~h.STATE_BITS
    if r[h.FIELD] & h.CHUNKED:
        if token == 0 or r[h.WEIGHT] != 1:
            return h.FAILED + h.NOT_IMPLEMENTED
        if r[h.FLAGS] & h.CHUNKED:
            return BAD
    r[h.FLAGS] = r[h.FLAGS] | (token if r[h.WEIGHT] else token << 1)
    return h.LIST


@inline
def etags(r: ptr32, t: ptr32, p: ptr8, i: int, stop: int) -> int:
    """If-None-Match: * or entity tags, compared weakly (RFC 9110 8.8.3, 13.1.2); the rest of a bad list is not read."""
    state = r[h.STATE]
    while i < stop and state >= h.ETAG_LIST and state <= h.ETAG:
        b = p[i]
        if state == h.ETAG:
            k = r[h.NODE]
            while i < stop and b > BLANK and b != QUOTE:
                k = other(k, ptr32(k)[0], b)
                i = i + 1
                if i < stop:
                    b = p[i]
            r[h.NODE] = k
            if i < stop:
                state = h.SKIP
                if b == QUOTE:
                    state = h.ETAG_LIST
                    r[h.FLAGS] = r[h.FLAGS] | value(k)
                    i = i + 1
        elif b == QUOTE and state != h.ETAG_WEAK:
            state = h.ETAG
            r[h.NODE] = int(t) + (ptr32(int(t) + r[h.RESOURCE])[h.ETAGS_AT] if r[h.RESOURCE] else t[h.NOTHING])
            i = i + 1
        elif state == h.ETAG_LIST and (b == BLANK or b == TAB or b == COMMA):
            i = i + 1
        elif state == h.ETAG_LIST and b == STAR:
            r[h.FLAGS] = r[h.FLAGS] | h.ETAG_PLAIN | h.ETAG_GZIP
            i = i + 1
        elif state == h.ETAG_LIST and b == 87:
            state = h.ETAG_WEAK
            i = i + 1
        elif state == h.ETAG_WEAK and b == SLASH:
            state = h.ETAG_QUOTE
            i = i + 1
        else:
            state = h.SKIP
    r[h.STATE] = state
    return i


# ---- body: read, counted, not kept -------------------------------------------------------------------------------------
@inline
def body(r: ptr32, t: ptr32, p: ptr8, i: int, stop: int) -> int:
    """Content of a known length, or chunks with their trailer (RFC 9112 7.1); only framing counts against LEFT."""
    kind = ptr8(int(t) + h.KIND)
    state = r[h.STATE]
    while i < stop and state >= h.IN_BODY and state < h.COMPLETE:
        b = p[i]
        if state == h.IN_BODY or state == h.CHUNK:
            n = stop - i if stop - i < r[h.BODY] else r[h.BODY]
            i = i + n
            r[h.LEFT] = r[h.LEFT] + n
            r[h.BODY] = r[h.BODY] - n
            if r[h.BODY] == 0:
                state = h.COMPLETE if state == h.IN_BODY else h.CHUNK_CR
        elif state < h.CHUNK_EXTENSION and kind[b] & h.HEX_CHAR:
            state = chunk_digit(r, b - 48 if kind[b] & h.DIGIT_CHAR else (b | 32) - 87)
            i = i + 1
        else:
            state = chunk_framing(r, t, state, b)
            i = i + 1
    r[h.STATE] = state
    return i


@inline
def chunk_digit(r: ptr32, digit: int) -> int:
    r[h.BODY] = (r[h.BODY] << 4) + digit
    return h.CHUNK_DIGITS if r[h.TOTAL] + r[h.BODY] <= h.BODY_LIMIT else h.FAILED + h.BODY_TOO_LARGE


@inline
def chunk_framing(r: ptr32, t: ptr32, state: int, b: int) -> int:
    """The state after byte b, which is neither a digit of the size nor content."""
    if state == h.CHUNK_DIGITS or state == h.CHUNK_EXTENSION:
        if b == CR:
            return h.CHUNK_LF
        if state == h.CHUNK_DIGITS and b != SEMICOLON and b != BLANK and b != TAB:
            return BAD
        return h.CHUNK_EXTENSION if b >= BLANK or b == TAB else BAD
    if state == h.CHUNK_CR and b == CR:
        return h.CHUNK_CRLF
    if state == h.CHUNK_CRLF and b == LF:
        return h.CHUNK_SIZE
    if state == h.CHUNK_LF and b == LF:
        r[h.TOTAL] = r[h.TOTAL] + r[h.BODY]
        if r[h.BODY]:
            return h.CHUNK
        r[h.FLAGS] = r[h.FLAGS] | h.TRAILER
        r[h.NODE] = int(t) + t[h.NAMES]
        return h.NAME
    return BAD
