"""TCP: selective acknowledgements (RFC 2018), and what is sent again because of them (RFC 6675; by time: RFC 8985).

What the peer told is kept as the list of what it lacks, in order: holes of three words between SND.UNA and HIGH_SACK. All
else up to there has arrived; beyond it nothing is known to have.

    SND.UNA                                           HIGH_SACK                     SND.NXT
    | hole 0    |  arrived  | hole 1 |   arrived      |  in flight, or lost          |

A hole is in flight or lost. It is lost when more than two segments beyond the first hole have arrived (RFC 6675's IsLost),
when something that was sent after it has (RFC 8985's RACK), or when an answer is late. What is sent again becomes a hole of
its own, so a retransmission that is lost costs one round trip, not a time-out. Where the list is full, what a block tells is
forgotten: it is sent again in vain. While the peer is silent, holes and the last segment go out at 2, 4, 8 ... round trips,
until the time-out: RFC 8985 has one such probe; where every second one or its answer is lost that would not be enough.

A time-out forgets the list, for the peer may have done so, too (RFC 2018 section 8): it tells again what it has.
"""
from . import counters
from .counters import count
from .inline import inline
from .slot import *
from .state import *
from .tcp_ack import half_flight, time, timeout_of
from .wire import *
from .word import i32

PERMITTED, SACK = 4, 5      # option kinds (RFC 2018 sections 2 and 3)
LOST_BYTES_SHIFT = 1        # DupThresh - 1 segments, as a shift of the segment size
PROBE_MIN = 10              # ms until the tail of a flight is probed, at least: a peer may be busy
AGES = 1 << 20              # ms: longer ago than anything that is in flight was sent


# ---- what the peer tells ------------------------------------------------------------------------------------------

@inline
def blocks(s: ptr32, c: ptr32, f: ptr16, ack: int):
    """Update the list with the SACK option of a segment that acknowledges `ack`, if there is one.

    In 40 bytes of options there is room for four blocks.
    """
    b = ptr8(f)
    at = TCP_DATA_BYTE
    end = 34 + (b[TCP_OFFSET_BYTE] >> 4 << 2)
    while at < end:
        kind = b[at]
        after = at + 1
        if kind != 1:
            if kind == 0 or after >= end or b[after] < 2:
                kind = 0
                after = end
            else:
                after = at + b[after]
        if kind == SACK:
            if after > end or after - at & 7 != 2:
                count(s, counters.TCP_SACK_BAD)
            else:
                at = at + 2
                while at < after:
                    block(s, c, get_bytes(b, at), get_bytes(b, at + 4), ack)
                    at = at + 8
        at = after


@inline
def get_bytes(b: ptr8, at: int) -> int:
    """The 32-bit field at byte `at`, which may be odd."""
    return b[at] << 24 | b[at + 1] << 16 | b[at + 2] << 8 | b[at + 3]


@inline
def block(s: ptr32, c: ptr32, left: int, right: int, ack: int):
    """What lies from `left` to `right` has arrived. What was acknowledged before says nothing (nor does RFC 2883's DSACK)."""
    una = c[SND_UNA]
    if i32(right - ack) > 0 and i32(right - una) > 0:
        if i32(left - una) <= 0 or i32(right - left) <= 0 or i32(right - c[SND_MAX]) > 0:
            count(s, counters.TCP_SACK_BAD)
        else:
            if c[FLAGS] & HOLED == 0:
                c[FLAGS] = c[FLAGS] | HOLED | SELECTIVE
                c[HOLES] = 0
                c[HIGH_SACK] = una
                c[DELIVERED] = s[NOW] - AGES
                c[LATEST] = s[NOW] - AGES - 1
            known = 1
            if i32(right - c[HIGH_SACK]) > 0:
                if i32(left - c[HIGH_SACK]) > 0:
                    known = beyond(s, c, left)
                if known:
                    c[HIGH_SACK] = right
                    answered(c)
                    if i32(right - c[SND_NXT]) > 0:
                        c[SND_NXT] = right          # after a time-out: not again what has arrived
                    time(s, c, right)
            if known:
                arrived(s, c, left, right)


@inline
def answered(c: ptr32):
    """It is an answer, as is an ACK of new data: the timer starts anew, but one that sends all again at once (TOO_BIG)."""
    if c[FLAGS] & TOO_BIG == 0:
        c[FLAGS] = c[FLAGS] & ~(RTX_ON | EARLY)


@inline
def beyond(s: ptr32, c: ptr32, left: int) -> int:
    """A new hole from HIGH_SACK to `left`, sent a round trip ago: lost if there are losses already. Returns 0: no room."""
    room = c[HOLES] < HOLES_MAX
    if room:
        h = ptr32(int(c) + 4 * HOLE + c[HOLES] * 12)
        h[0] = c[HIGH_SACK]
        h[1] = left
        h[2] = s[NOW] - (c[SRTT] >> 3) - 1
        if repairing(c):
            h[2] = s[NOW] - AGES - 1
        c[HOLES] = c[HOLES] + 1
    return room


@inline
def repairing(c: ptr32) -> int:
    """Whether what was in flight at the last loss is not all acknowledged yet."""
    return i32(c[SND_UNA] - c[RECOVER]) < 0


@inline
def arrived(s: ptr32, c: ptr32, left: int, right: int):
    """Take what lies from `left` to `right` out of the holes."""
    h = int(c) + 4 * HOLE
    k = c[HOLES]
    while k:
        k = k - 1
        p = ptr32(h)
        step = 12
        if i32(p[1] - left) > 0 and i32(p[0] - right) < 0 and (
                c[HOLES] < HOLES_MAX or i32(p[0] - left) >= 0 or i32(p[1] - right) <= 0):
            answered(c)
            latest(s, c, p[2])
            if i32(p[0] - left) >= 0:
                p[0] = right
                if i32(p[1] - right) <= 0:
                    remove(c, h)
                    step = 0
            elif i32(p[1] - right) <= 0:
                p[1] = left
            else:
                insert(c, h)
                p[1] = left
                p[3] = right
                step = 24
        h = h + step


@inline
def latest(s: ptr32, c: ptr32, at: int):
    """What was sent at this time has arrived; within half a round trip, that was what was sent before it."""
    if i32(at - c[LATEST]) > 0 and i32(s[NOW] - at) >= c[SRTT] >> 4:
        c[LATEST] = at


@inline
def remove(c: ptr32, h: int):
    """Take the hole at h out of the list."""
    c[HOLES] = c[HOLES] - 1
    end = int(c) + 4 * HOLE + c[HOLES] * 12
    while h < end:
        p = ptr32(h)
        p[0] = p[3]
        p[1] = p[4]
        p[2] = p[5]
        h = h + 12


@inline
def insert(c: ptr32, h: int):
    """Double the hole at h."""
    at = int(c) + 4 * HOLE + c[HOLES] * 12
    while at > h:
        at = at - 12
        p = ptr32(at)
        p[3] = p[0]
        p[4] = p[1]
        p[5] = p[2]
    c[HOLES] = c[HOLES] + 1


# ---- what is sent again -------------------------------------------------------------------------------------------

@inline
def again_from(s: ptr32, c: ptr32) -> int:
    """Whether something is to be sent again, and then from s[RESEND_FROM] up to s[RESEND_TO]."""
    s[RESEND_FROM] = c[SND_UNA]
    s[RESEND_TO] = c[SND_MAX]
    hole = 0
    if c[FLAGS] & HOLED:
        acknowledged(s, c)
        if c[HOLES] and ptr32(int(c) + 4 * HOLE)[0] == c[SND_UNA]:
            if c[FLAGS] & PROBING == 0:
                hole = judge(s, c)
        else:
            if c[HIGH_SACK] != c[SND_UNA]:      # the peer has thrown away what it told to have
                count(s, counters.TCP_SACK_RENEGED)
            c[FLAGS] = c[FLAGS] & ~HOLED
            c[DUP_ACKS] = 0
    again = c[FLAGS] & RESEND
    if hole:
        if again == 0 and i32(c[SND_NXT] - c[SND_UNA]) - c[GONE] + c[MSS] <= c[CWND]:
            again = RESEND
        s[RESEND_FROM] = ptr32(hole)[0]
        s[RESEND_TO] = ptr32(hole)[1]
    elif c[FLAGS] & TAIL and i32(c[LAST] - c[SND_UNA]) > 0:
        at = c[LAST]                            # the last segment, or that of a train (TSO), as large as it was
        while i32(c[SND_END] - at) > c[MSS] and i32(c[SND_MAX] - at) > c[MSS]:
            at = at + c[MSS]
        s[RESEND_FROM] = at
    return again


@inline
def acknowledged(s: ptr32, c: ptr32):
    """Forget what lies below SND.UNA; see what follows when something that was sent again has arrived."""
    una = c[SND_UNA]
    first = ptr32(int(c) + 4 * HOLE)
    while c[HOLES] and i32(first[1] - una) <= 0:
        latest(s, c, first[2])
        remove(c, int(first))
    if c[HOLES] and i32(first[0] - una) < 0:
        latest(s, c, first[2])
        first[0] = una
    if i32(c[HIGH_SACK] - una) < 0:
        c[HIGH_SACK] = una
    if i32(c[LATEST] - c[DELIVERED]) >= 0 and repairing(c):
        c[DELIVERED] = c[LATEST]
        if c[FLAGS] & RECOVERING and i32(c[RECOVER] - c[HIGH_SACK]) > 0:
            if beyond(s, c, c[RECOVER]):        # what was in flight then was sent before it, and has not arrived
                c[HIGH_SACK] = c[RECOVER]
                c[NOTED] = 0


@inline
def judge(s: ptr32, c: ptr32) -> int:
    """The first hole that is lost, 0 if none is. The first loss of all begins fast recovery (RFC 6675 section 5).

    c[GONE] becomes what of the bytes up to SND.NXT is not in flight (RFC 6675: pipe is the rest).
    """
    first = int(c) + 4 * HOLE
    missing = 0
    flying = 0
    lost = 0
    late = patience(c)
    k = c[HOLES]
    h = first + 12 * k
    while k:
        k = k - 1
        h = h - 12
        p = ptr32(h)
        size = i32(p[1] - p[0])
        missing = missing + size
        if i32(p[2] - c[DELIVERED]) < 0 or i32(s[NOW] - p[2]) >= late:
            lost = h
        else:
            flying = flying + size
    told = i32(c[HIGH_SACK] - c[SND_UNA])
    if not repairing(c) and (lost or told - missing > c[MSS] << LOST_BYTES_SHIFT):
        count(s, counters.TCP_FAST_RETRANSMIT)
        c[SSTHRESH] = half_flight(c)
        c[CWND] = c[SSTHRESH]
        c[RECOVER] = c[SND_MAX]
        c[FLAGS] = c[FLAGS] | RECOVERING | RESEND
        c[DELIVERED] = s[NOW]
        lost = first
        flying = 0
    c[GONE] = told - flying
    c[DUP_ACKS] = 3             # no limited transmit: GONE does it
    return lost


@inline
def patience(c: ptr32) -> int:
    """How long ago what has no answer must have been sent to be lost (RFC 8985: RACK.rtt + RACK.reo_wnd).

    reo_wnd is a quarter of a round trip. Before the first loss it is a whole one, for frames that are only late cost a
    halved window each time that they are taken for lost.
    """
    return (c[SRTT] >> 3) + (c[SRTT] >> (5 if repairing(c) else 3)) + 2 if c[SRTT] else c[RTO]


@inline
def resent(s: ptr32, c: ptr32, seq: int, end: int):
    """What lies from seq to `end` is sent again: it is in flight from now on."""
    h = int(c) + 4 * HOLE
    k = c[HOLES]
    while k and i32(ptr32(h)[1] - seq) <= 0:
        h = h + 12
        k = k - 1
    if k:
        p = ptr32(h)
        if i32(p[1] - end) <= 0 or i32(p[0] - seq) != 0:
            p[2] = s[NOW]
        elif c[HOLES] < HOLES_MAX:
            insert(c, h)
            p[1] = end
            p[2] = s[NOW]
            p[3] = end
        else:
            p[2] = s[NOW]
            if k < c[HOLES]:                # no room for one more: it joins the hole in front of it
                q = ptr32(h - 12)
                if q[1] == p[0]:
                    q[1] = end
                    q[2] = s[NOW]
                    p[0] = end
                    p[2] = s[NOW] - AGES - 1


# ---- when no answer comes -----------------------------------------------------------------------------------------

@inline
def arm(s: ptr32, c: ptr32):
    """Start the timer after an answer, or for the first time.

    The first answer after time-outs takes back their back-off when it came within the time that round trips let expect: by
    Karn's rule alone it would last for as long as there are losses (RFC 8961 section 4, requirement 4).
    """
    if c[RETRIES] == 0:
        rto = timeout_of(c)
        ago = i32(s[NOW] - c[RTX_AT]) + c[RTO]          # since the timer was started last, or a little less
        if rto < c[RTO] and ago <= rto and ago >= c[SRTT] >> 4:
            c[RTO] = rto
    c[PATIENCE] = 1
    start(s, c)


@inline
def start(s: ptr32, c: ptr32):
    """Let the timer expire at the time-out, or before at a time at which early_timeout() does something about the silence.

    That time doubles with each try. A single segment may wait for its delayed ACK (RFC 8985 section 7.2).
    """
    ms = c[RTO]
    if c[SRTT] and c[FLAGS] & PROBING == 0:
        soon = ms
        if c[FLAGS] & HOLED:
            soon = patience(c) if repairing(c) else (c[SRTT] >> 3) + 2
        elif i32(c[SND_MAX] - c[SND_UNA]) > c[MSS]:
            soon = (c[SRTT] >> 2) + 2
            if soon < PROBE_MIN:
                soon = PROBE_MIN
        soon = soon * c[PATIENCE]
        if soon < ms:
            ms = soon
            c[FLAGS] = c[FLAGS] | EARLY
    c[RTX_AT] = s[NOW] + ms


@inline
def early_timeout(s: ptr32, c: ptr32):
    """The peer says nothing: all holes are lost, or the last segment goes out again, so that it tells what it has."""
    c[FLAGS] = (c[FLAGS] | RESEND) & ~EARLY
    if c[FLAGS] & HOLED:
        c[DELIVERED] = s[NOW]
    else:
        c[FLAGS] = c[FLAGS] | TAIL
    count(s, counters.TCP_TAIL_PROBE)
    c[PATIENCE] = c[PATIENCE] << 1
    start(s, c)
