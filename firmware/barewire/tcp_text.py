"""TCP: the text of a segment and its FIN (RFC 9293 section 3.10.7.4, seventh and eighth), in order or beyond a gap.

A slot's store holds board.SLOT_RX bytes of the stream. Where byte q of it lies does not change while any is kept:

    0         START              STORED        KEPT_FROM      KEPT_TO       SLOT_RX
    | read    | not read yet     | the gap     | kept         | room        |
                                 ^ RCV.NXT                                  ^ RCV.NXT + RCV.WND

So all that lies within the window fits, the window's right edge never moves back, and kept bytes are never copied: they are
read where they lie once the gap is filled. One range is kept. What neither touches it nor is in order is asked for again: two
full segments are a store. Of bytes that came twice and differ, the later ones count until they are in order; after that none
are looked at again. With nothing stored or kept, HTTP reads in the received frame.
"""
from . import board, counters
from .counters import count
from .inline import inline
from .slot import *
from .state import *
from .wire import *

TIME_WAIT_MS = 30000


@inline
def window(c: ptr32) -> int:
    """RCV.WND: the room behind what is in order."""
    return board.SLOT_RX - c[STORED]


@inline
def ack_seq(c: ptr32) -> int:
    """SEG.SEQ of a segment without text: what the peer expects next, or will when nothing gets lost.

    That is RFC 9293's SND.NXT; ours goes back at a time-out, and is behind a probe's byte that the peer may not take.
    """
    return c[SND_UNA] if c[FLAGS] & PROBING else c[SND_MAX]


@inline
def text(s: ptr32, c: ptr32, ahead: int, n: int, data: int, flags: int):
    """Take n bytes at `data` that lie `ahead` of RCV.NXT, and FIN. What HTTP may read in place is left in s[DATA]."""
    fin = flags & FIN
    owed = ACK_NOW
    if ahead < 0:
        data = data - ahead
        n = n + ahead
        ahead = 0
    if n > window(c) - ahead:
        n = window(c) - ahead
        fin = 0
    if c[STATE] != ESTABLISHED or c[FLAGS] & SHUT:
        if n | ahead:
            count(s, counters.TCP_AFTER_CLOSE)
        c[KEPT_TO] = 0
        if ahead or c[STATE] >= CLOSING:        # beyond the peer's FIN nothing is (RFC 9293 section 3.10.7.4, seventh)
            n = 0
            fin = 0
        c[RCV_NXT] = c[RCV_NXT] + n
    elif ahead | c[STORED] | c[KEPT_TO]:
        fin = store(s, c, ahead, n, data, fin)
    else:
        c[RCV_NXT] = c[RCV_NXT] + n
        s[DATA] = data
        s[DATA_BYTES] = n
        if flags & (PSH | FIN) | c[FLAGS] & ACK_LATER == 0:
            owed = ACK_LATER        # the sender has more of it: RFC 1122 section 4.2.3.2, RFC 5681 section 4.2
    c[FLAGS] = c[FLAGS] | owed
    if fin:
        c[RCV_NXT] = c[RCV_NXT] + 1
        if c[STATE] == ESTABLISHED:
            c[STATE] = CLOSE_WAIT
        elif c[STATE] == FIN_WAIT_1:
            c[STATE] = CLOSING
        else:
            time_wait(s, c)


@inline
def store(s: ptr32, c: ptr32, ahead: int, n: int, data: int, fin: int) -> int:
    """Put text into the store, in order or beyond the gap. Returns whether FIN is in order now."""
    at = c[STORED] + ahead
    end = at + n
    if ahead:
        count(s, counters.TCP_OUT_OF_ORDER)
    if ahead and c[KEPT_TO] and (at > c[KEPT_TO] or end < c[KEPT_FROM]):
        count(s, counters.TCP_NOT_KEPT)
        fin = 0
    else:
        move(data, c[STORE_AT] + at, n)
        if ahead:
            if c[KEPT_TO] == 0:
                c[KEPT_FROM] = at
                c[KEPT_FIN] = 0
            elif at < c[KEPT_FROM]:
                c[KEPT_FROM] = at
            if end > c[KEPT_TO]:
                c[KEPT_TO] = end
            if fin:
                c[KEPT_FIN] = end
            fin = 0
        else:
            if fin:
                c[KEPT_TO] = 0          # nothing lies behind the end
            elif c[KEPT_TO] and c[KEPT_FROM] <= end:
                if c[KEPT_TO] > end:
                    end = c[KEPT_TO]
                fin = c[KEPT_FIN] == end
                c[KEPT_TO] = 0
            c[RCV_NXT] = c[RCV_NXT] + end - at
            c[STORED] = end
    return fin


@inline
def move(at: int, to: int, n: int):
    """Copy n bytes upwards in memory order: `to` is not inside the bytes behind `at`."""
    if at != to:
        a = ptr8(at)
        b = ptr8(to)
        k = 0
        while k < n:
            b[k] = a[k]
            k = k + 1


@inline
def time_wait(s: ptr32, c: ptr32):
    """Both ends are closed: stay for 2 MSL from now, whatever comes."""
    c[STATE] = TIME_WAIT
    c[PROGRESS_AT] = s[NOW]
    s[WAITING] = s[WAITING] + 1
    count(s, counters.TCP_CLOSED)
    wake_at(s, s[NOW] + TIME_WAIT_MS)
