"""TCP, the way out: segments built from the slot's header template and the queued responses, and the timers.

Nothing that was sent is kept: a retransmission is cut again from where the response lies (flash or a page).
"""
from . import board, counters, driver
from .checksum import add, complement, fold
from .counters import count
from .inline import inline
from .slot import *
from .state import *
from .tcp import FIN_WAIT_2_MS, INITIAL_WINDOW, PORT
from .tcp_ack import ROUND_STAMPS, RTO_MAX, forget, half_flight, stamp
from .tcp_sack import again_from, arm, early_timeout, resent
from .tcp_text import TIME_WAIT_MS, ack_seq, window
from .wire import *
from .word import i32

RETRIES_MAX = 9             # time-outs in a row until a silent peer is given up (RFC 9293 section 3.8.3: R2)
IDLE_MS = 60000             # an open connection without a word is closed after this long
ACK_DELAY_MS = 40           # how long an ACK waits for something to carry it (RFC 1122 section 4.2.3.2)
# RFC 4821 section 7.7: what is tried when larger segments get lost; the last fits every host (RFC 879)
BASE_0, BASE_1 = 1220, 536
DOUBTS = 6                  # time-outs in a row until what has passed once is no argument any more
LARGEST = 65535 - 40        # bytes of text in an IP datagram: what a card may be given that cuts segments itself


@inline
def output(n: ptr32, s: ptr32, c: ptr32):
    """Send what the windows allow: a wanted retransmission, data, FIN, and an ACK if one is owed and nothing carried it."""
    idle = c[SND_MAX] == c[SND_UNA]
    if idle:
        restart(s, c)
    go = 1
    while go:
        again = c[FLAGS] & (RESEND | HOLED)
        seq = c[SND_NXT]
        if again:
            again = again_from(s, c)
            seq = s[RESEND_FROM] if again else c[SND_NXT]     # which may have moved
        left = i32(c[SND_END] - seq)
        size = 0
        r = int(c) + 4 * QUEUE
        off = 0
        rest = 0
        if left > 0:
            r = locate(r, seq)
            off = offset(c, r, seq)
            end = i32(ptr32(r)[3] - seq)
            rest = chunk(c, off, end)
            size = sendable(n, s, c, ptr32(r), off, end, rest, seq, left, again)
        flags = ACK
        if c[FLAGS] & SHUT and size == left:
            flags = FIN | ACK
        if size == 0 and flags == ACK and c[FLAGS] & ACK_NOW == 0:
            if again:
                c[FLAGS] = c[FLAGS] & ~(RESEND | TAIL)
            else:
                go = 0
                if left > 0 and c[SND_MAX] == c[SND_UNA]:
                    c[FLAGS] = c[FLAGS] | PROBING       # the peer's window is closed (RFC 9293 section 3.8.6.1)
                if c[FLAGS] & ACK_LATER:
                    wake_at(s, s[NOW] + ACK_DELAY_MS)
        else:
            room = driver.room(n)
            if room == 0:
                count(s, counters.TX_NO_ROOM)
                work(s, c)
                go = 0
            else:
                if size == 0 and flags == ACK:
                    seq = ack_seq(c)
                else:
                    sent(s, c, seq, size, flags & FIN)
                if size >= left and again == 0:
                    go = 0                              # that was all
                emit(n, s, c, room, r, off, rest, seq, size, flags | PSH if size and size == left else flags)
                c[FLAGS] = c[FLAGS] & ~(ACK_NOW | ACK_LATER | RESEND | TAIL)
    if idle:                            # a round begins: its first ACK ends none
        c[ROUND_END] = c[SND_MAX]
        c[STAMPED] = 0
    if c[FLAGS] & RTX_ON == 0:          # RFC 6298 sections 5.1 and 5.3
        if c[SND_MAX] != c[SND_UNA] or left > 0 and c[FLAGS] & PROBING:
            c[FLAGS] = c[FLAGS] | RTX_ON
            if c[FLAGS] & SELECTIVE:
                arm(s, c)
            else:
                c[RTX_AT] = s[NOW] + c[RTO]
            wake_at(s, c[RTX_AT])


@inline
def restart(s: ptr32, c: ptr32):
    """RFC 5681 section 4.1: after an idle time of more than RTO start again from the initial window."""
    if i32(s[NOW] - c[PROGRESS_AT]) > c[RTO]:
        if c[CWND] > c[MSS] * INITIAL_WINDOW:
            c[CWND] = c[MSS] * INITIAL_WINDOW


@inline
def locate(r: int, seq: int) -> int:
    """Address of the queued response (four words) that holds sequence number seq, which is queued; the first is at r."""
    while i32(seq - ptr32(r)[3]) >= 0:
        r = r + 16
    return r


@inline
def offset(c: ptr32, r: int, seq: int) -> int:
    """How far seq lies in the response at r, which starts where the one in front of it ends."""
    start = c[QUEUE_SEQ]
    if r != int(c) + 4 * QUEUE:
        start = ptr32(r - 16)[3]
    return i32(seq - start)


@inline
def chunk(c: ptr32, off: int, rest: int) -> int:
    """Let c[CHUNK], c[CHUNK_AT] be the number and the start of the chunk with byte `off` of a response, which has `rest`
    bytes from there on. Returns how many of those are in the chunk.

    It walks from where it was: one step at the most while a response is sent in order.
    """
    while off < c[CHUNK_AT]:
        c[CHUNK_AT] = c[CHUNK_AT] - CHUNK_BYTES
        c[CHUNK] = c[CHUNK] - 1
    while off >= c[CHUNK_AT] + CHUNK_BYTES:
        c[CHUNK_AT] = c[CHUNK_AT] + CHUNK_BYTES
        c[CHUNK] = c[CHUNK] + 1
    inside = c[CHUNK_AT] + CHUNK_BYTES - off
    return inside if inside < rest else rest


@inline
def sendable(n: ptr32, s: ptr32, c: ptr32, response: ptr32, off: int, end: int, rest: int, seq: int, left: int, again: int) -> int:
    """How many of the `left` bytes from seq on make the next segment: 0 when a window does not allow one.

    A segment ends with its chunk and its response, after `rest` bytes. Silly windows are avoided
    (RFC 1122 section 4.2.3.4): a piece that the window cut short goes out only when it is half of the largest window seen,
    or nothing is in flight. More than CHUNK_BYTES are whole chunks for a card that makes as many segments of them.
    """
    size = c[MSS]
    space = 0
    if again:
        end = i32(s[RESEND_TO] - seq)       # nothing new: that is for the windows to allow
        if c[FLAGS] & PROBING:
            size = 1
        elif size > end:
            size = end
    else:
        flight = i32(seq - c[SND_UNA])
        space = c[CWND]
        if c[DUP_ACKS]:
            if c[FLAGS] & HOLED:
                space = space + c[GONE]
            elif c[DUP_ACKS] < 3:
                space = space + (c[MSS] << c[DUP_ACKS] - 1)     # RFC 3042: limited transmit
        if space > c[SND_WND]:
            space = c[SND_WND]
        space = space - flight
        if space < size and space < left:
            size = space if space > 0 and (flight == 0 or space << 1 >= c[MAX_WND]) else 0
    if size > rest:
        size = rest
    if driver.TSO and size == CHUNK_BYTES and space > size:
        if driver.segments(n) and (off or response[0] == response[1]) and i32(seq - c[SND_MAX]) >= 0:
            size = train(space if space < LARGEST else LARGEST, end, left)
    return size


@inline
def train(space: int, end: int, left: int) -> int:
    """How many bytes a card is given to cut: all that are left, or as many whole chunks as fit into `space` and the response.

    What sendable() would give one by one: what is short and not the last waits for the windows.
    """
    if end < space:
        space = end
    size = left
    if left > space:
        size = CHUNK_BYTES
        while size + CHUNK_BYTES <= space:
            size = size + CHUNK_BYTES
    return size


@inline
def emit(n: ptr32, s: ptr32, c: ptr32, room: int, r: int, off: int, rest: int, seq: int, size: int, flags: int):
    """Fill the header at `room` from the slot's template and send it with `size` bytes from byte `off` of the response at r,
    whose chunk ends `rest` bytes from there."""
    f = ptr16(room)
    f[0] = c[HEADER] >> 16
    to = ptr32(room + 2)
    to[0] = c[HEADER + 1]
    to[1] = c[HEADER + 2]
    to[2] = c[HEADER + 3]
    to[6] = c[HEADER + 4]
    to[7] = c[HEADER + 5]
    to[8] = c[HEADER + 6]
    payload = 0
    total = c[TCP_PART]
    if size:
        response = ptr32(r)
        payload = (response[0] if off < CHUNK_BYTES else response[1]) + off
        if driver.TSO and size > CHUNK_BYTES:
            driver.segment(n, room, 34, 2 * TCP_SUM - 34, TCP_DATA_BYTE, CHUNK_BYTES)
        elif response[2] and off == c[CHUNK_AT] and size == rest:
            sums = ptr16(response[2])
            k = c[CHUNK] + 1
            if k == 1 and response[0] != response[1]:
                k = 0
            total = total + sums[k]
        else:
            total = total + fold(add(payload, size))
    length = swap16(size + 40)
    to[3] = IP_VERSION_IHL_TOS | length << 16
    to[4] = IP_DF << 16
    to[5] = TTL | TCP << 8 | complement(c[IP_PART] + length) << 16
    total = total + put32(f, TCP_SEQ, seq)
    total = total + put32(f, TCP_ACK, c[RCV_NXT])
    offset_flags = 0x50 | flags << 8
    wnd = swap16(window(c))
    to[11] = offset_flags | wnd << 16
    if driver.TSO and size > CHUNK_BYTES:       # the pseudo header's sum alone: the card does the rest
        to[12] = fold(c[TCP_PART] + (PORT ^ 0xFFFF) + (c[PEER_PORT] ^ 0xFFFF) + swap16(size + 20))
    else:
        to[12] = fold(total + offset_flags + wnd + (size + 20 << 8)) ^ 0xFFFF
    count(s, counters.TX_FRAMES)
    driver.send(n, TCP_DATA_BYTE, payload, size)


@inline
def sent(s: ptr32, c: ptr32, seq: int, size: int, fin: int):
    """Account for `size` bytes and FIN sent from seq on; FIN moves the state."""
    end = seq + size + fin
    if i32(seq - c[SND_MAX]) < 0:
        count(s, counters.TCP_RETRANSMIT)
        c[RESENT] = size              # FIN needs no room in a datagram
        if c[FLAGS] & HOLED == 0:       # what lies in a hole is not timed (tcp_sack.py)
            forget(c, seq)
        if i32(end - c[SND_NXT]) > 0:
            c[SND_NXT] = end
        if c[FLAGS] & HOLED:
            resent(s, c, seq, end)
    else:
        c[SND_NXT] = end
        if size:
            c[LAST] = seq
        if c[FLAGS] & PROBING == 0:
            if driver.TSO:
                part = seq
                while part != end and c[STAMPED] < ROUND_STAMPS:        # what the card cuts is as good as sent one by one
                    part = part + CHUNK_BYTES
                    if i32(part - seq) >= size:
                        part = end
                    stamp(s, c, part)
            else:
                stamp(s, c, end)
    if i32(end - c[SND_MAX]) > 0:
        c[SND_MAX] = end
        if c[FLAGS] & PROBING == 0:
            c[PROGRESS_AT] = s[NOW]
    if fin:
        if c[STATE] == ESTABLISHED:
            c[STATE] = FIN_WAIT_1
        elif c[STATE] == CLOSE_WAIT:
            c[STATE] = LAST_ACK


# ---- timers ---------------------------------------------------------------------------------------------------

@inline
def timers(s: ptr32):
    """Run the timers of all slots that are due; whoever then has something to send is in the list of work."""
    at = s[SLOTS]
    k = board.TCP_SLOTS
    while k:
        c = ptr32(at)
        if c[STATE] != CLOSED:
            gone = 0
            if c[FLAGS] & RTX_ON:
                if i32(s[NOW] - c[RTX_AT]) >= 0:
                    if c[FLAGS] & (EARLY | TOO_BIG | PROBING) == EARLY:
                        early_timeout(s, c)
                        work(s, c)
                    else:
                        gone = timeout(s, c)
                if not gone:
                    wake_at(s, c[RTX_AT])
            if c[FLAGS] & ACK_LATER:        # any time will do that is not late
                c[FLAGS] = c[FLAGS] | ACK_NOW
                work(s, c)
            if not gone:
                gone = lifetime(s, c)
            if gone:
                free(s, c)
        at = at + SLOT_BYTES
        k = k - 1


@inline
def smaller(size: int) -> int:
    """The segment size to try after `size` did not get through."""
    return BASE_0 if size > BASE_0 else BASE_1


@inline
def timeout(s: ptr32, c: ptr32) -> int:
    """The retransmission timer expired (RFC 6298 section 5.4 to 5.7). Returns 1 when the peer is given up.

    Or the segment size was lowered: that is no sign of congestion, but slow start follows (RFC 1191 section 6.4).
    """
    gone = 0
    more = c[FLAGS] & TOO_BIG == 0
    if more:
        c[RETRIES] = c[RETRIES] + 1
    if c[RETRIES] > RETRIES_MAX:
        count(s, counters.TCP_TIMEOUT)
        gone = 1
    else:
        if more:
            c[RTO] = c[RTO] << 1 if c[RTO] << 1 < RTO_MAX else RTO_MAX
        if c[SND_WND] == 0:         # it may have shrunk with data in flight, which is a probe then
            c[FLAGS] = c[FLAGS] | PROBING
        if c[FLAGS] & PROBING:
            count(s, counters.TCP_PROBE)
        else:
            if more:
                count(s, counters.TCP_RTO)
                if c[RETRIES] == 1:
                    c[SSTHRESH] = half_flight(c)
                elif c[RESENT] > BASE_1 and (i32(c[SND_UNA] - c[QUEUE_SEQ]) < c[MSS] or c[RETRIES] > DOUBTS):
                    # lost a second time, not small, and nothing of this size has arrived of this response (or long ago)
                    count(s, counters.TCP_BLACK_HOLE)
                    c[MSS] = smaller(c[RESENT])
            c[CWND] = c[MSS]
            c[SND_NXT] = c[SND_UNA]
            c[RECOVER] = c[SND_MAX]
            c[DUP_ACKS] = 0
        c[FLAGS] = (c[FLAGS] | RESEND) & ~(RECOVERING | PARTIAL | TOO_BIG | HOLED | TAIL | EARLY)
        c[RTX_AT] = s[NOW] + c[RTO]
        work(s, c)
    return gone


@inline
def lifetime(s: ptr32, c: ptr32) -> int:
    """No state lasts for ever: close what is idle, end what waits. Returns 1 when the slot is to be freed."""
    gone = 0
    limit = c[ACTIVE_AT] + IDLE_MS
    if c[STATE] == FIN_WAIT_2:
        limit = c[PROGRESS_AT] + FIN_WAIT_2_MS      # whatever the peer still sends: nobody reads it
    elif c[STATE] == TIME_WAIT:
        limit = c[PROGRESS_AT] + TIME_WAIT_MS
    elif c[DUE]:
        limit = c[DUE]
    if i32(s[NOW] - limit) >= 0:
        if c[STATE] == TIME_WAIT:
            gone = 1
        elif c[STATE] == FIN_WAIT_2:
            count(s, counters.TCP_HALF_CLOSED)
            gone = 1
        elif c[FLAGS] & (SHUT | RTX_ON) == 0:       # what waits for an ACK or a window is ended by its timer
            if c[DUE]:
                c[FLAGS] = c[FLAGS] | ASK
            else:
                count(s, counters.TCP_IDLE)
                shut(c)
            work(s, c)
    else:
        wake_at(s, limit)
    return gone
