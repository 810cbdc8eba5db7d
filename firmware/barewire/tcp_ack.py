"""TCP: what an acknowledgement does. Round-trip time (RFC 6298), congestion control (RFC 5681), recovery (RFC 6582).

What selective acknowledgements add is in tcp_sack.py. The first slow start ends when the round trips grow (RFC 9406,
HyStart++), where the board has room for it.
"""
from . import board, counters
from .counters import count
from .inline import inline
from .slot import *
from .state import *
from .word import i32

RTO_FIRST = 1000                    # RFC 6298 section 2.1
RTO_MIN, RTO_MAX = 200, 60000       # RFC 6298 section 2.4 says 1 s; 200 ms is what others use
# RFC 9406 section 4.3, times in ms
N_RTT_SAMPLE, MIN_RTT_THRESH, MAX_RTT_THRESH = 8, 4, 16
CSS_ROUNDS = 5
HYSTART = board.HYSTART
ROUND_STAMPS = N_RTT_SAMPLE if HYSTART else 1       # so that those of a round and of the one before fit into the ring


@inline
def acknowledge(s: ptr32, c: ptr32, seq: int, ack: int, acked: int, wnd: int, length: int):
    """Process SEG.ACK, `acked` beyond SND.UNA, and SEG.WND of an acceptable segment that takes `length` of sequence space.

    The retransmission timer that this stops is started again by tcp_output.output, which follows.
    """
    if c[FLAGS] & PROBING:
        c[RETRIES] = 0              # a peer that answers probes may keep its window closed (RFC 9293 section 3.8.6.1)
    if acked > 0:
        advance(s, c, ack, acked)
    elif acked == 0 and length == 0 and wnd == c[SND_WND] and c[SND_MAX] != c[SND_UNA] and c[FLAGS] & PROBING == 0:
        duplicate(s, c)
    if i32(seq - c[SND_WL1]) > 0 or seq_equal_newer(c, seq, ack):
        c[SND_WND] = wnd
        c[SND_WL1] = seq
        c[SND_WL2] = ack
        if wnd > c[MAX_WND]:
            c[MAX_WND] = wnd
        if c[FLAGS] & PROBING and wnd:
            c[FLAGS] = c[FLAGS] & ~(PROBING | RTX_ON | RESEND | TOO_BIG | EARLY)
            c[RTO] = 0
            c[SND_NXT] = c[SND_UNA]     # the probe's byte may have been dropped: send from the left edge, or the last hole's
            if c[FLAGS] & HOLED and i32(c[HIGH_SACK] - c[SND_UNA]) > 0:
                c[SND_NXT] = c[HIGH_SACK]
    if c[RTO] == 0:
        c[RTO] = timeout_of(c)


@inline
def seq_equal_newer(c: ptr32, seq: int, ack: int) -> int:
    """The second half of RFC 9293's window update test: SND.WL1 = SEG.SEQ and SND.WL2 =< SEG.ACK."""
    return i32(seq - c[SND_WL1]) == 0 and i32(ack - c[SND_WL2]) >= 0


@inline
def advance(s: ptr32, c: ptr32, ack: int, acked: int):
    """New data is acknowledged: `acked` of sequence space up to `ack`."""
    time(s, c, ack)
    more = 0
    if c[FLAGS] & RECOVERING:
        more = c[FLAGS] & PARTIAL
        recover(c, ack, acked)
    else:
        grow(s, c, ack, acked)
    c[SND_UNA] = ack
    if i32(c[SND_NXT] - ack) < 0:
        c[SND_NXT] = ack
    c[DUP_ACKS] = 0
    c[RETRIES] = 0
    c[PROGRESS_AT] = s[NOW]
    while c[QUEUED] and i32(ack - c[QUEUE + 3]) >= 0:
        unqueue(s, c)
    if i32(c[SND_MAX] - ack) <= 0:
        c[FLAGS] = c[FLAGS] & ~(RTX_ON | RESEND | TOO_BIG | EARLY)
    elif (more | TOO_BIG) & c[FLAGS] == 0:      # RFC 6582 section 4, impatient: the second partial ACK leaves the timer alone
        c[FLAGS] = c[FLAGS] & ~(RTX_ON | EARLY)


# ---- round-trip time ------------------------------------------------------------------------------------------

@inline
def stamp(s: ptr32, c: ptr32, end: int):
    """Note when the segment up to `end` is sent, if there is room: it is the first time (Karn: RFC 6298 section 3)."""
    if c[STAMPED] < ROUND_STAMPS:
        p = ptr32(int(c) + 4 * STAMPS + ((c[FIRST] + c[NOTED] & RING_STAMPS - 1) << 3))
        p[0] = end
        p[1] = s[NOW]
        c[NOTED] = c[NOTED] + 1
        c[STAMPED] = c[STAMPED] + 1


@inline
def forget(c: ptr32, seq: int):
    """What lies behind seq tells no round trip any more: seq is sent again (Karn)."""
    while c[NOTED]:
        if i32(ptr32(int(c) + 4 * STAMPS + ((c[FIRST] + c[NOTED] - 1 & RING_STAMPS - 1) << 3))[0] - seq) <= 0:
            break
        c[NOTED] = c[NOTED] - 1


@inline
def time(s: ptr32, c: ptr32, ack: int):
    """Take the round trips of all noted segments that `ack` covers; the first of a round goes into the RTO."""
    while c[NOTED]:
        p = ptr32(int(c) + 4 * STAMPS + ((c[FIRST] & RING_STAMPS - 1) << 3))
        if i32(ack - p[0]) < 0:
            break
        r = i32(s[NOW] - p[1]) + 1
        c[NOTED] = c[NOTED] - 1
        c[FIRST] = c[FIRST] + 1
        if c[SAMPLES] == 0:
            measure(c, r)
            if HYSTART:
                c[LAST_MIN] = c[ROUND_MIN]
                c[ROUND_MIN] = r
        c[SAMPLES] = c[SAMPLES] + 1
        if HYSTART and r < c[ROUND_MIN]:
            c[ROUND_MIN] = r


@inline
def measure(c: ptr32, r: int):
    """RFC 6298 section 2 with a sample of r ms; SRTT is kept 8-fold, RTTVAR 4-fold, as Jacobson did."""
    if c[SRTT] == 0:
        c[SRTT] = r << 3
        c[RTTVAR] = r << 1
    else:
        delta = r - (c[SRTT] >> 3)
        c[SRTT] = c[SRTT] + delta
        if delta < 0:
            delta = 0 - delta
        c[RTTVAR] = c[RTTVAR] + delta - (c[RTTVAR] >> 2)
    c[RTO] = 0                          # to be computed: timeout_of stands once


@inline
def timeout_of(c: ptr32) -> int:
    """RTO = SRTT + 4 RTTVAR (RFC 6298 section 2.3), within its bounds."""
    rto = (c[SRTT] >> 3) + c[RTTVAR]
    if rto < RTO_MIN:
        rto = RTO_MIN if c[SRTT] else RTO_FIRST
    elif rto > RTO_MAX:
        rto = RTO_MAX
    return rto


# ---- the congestion window ------------------------------------------------------------------------------------

@inline
def grow(s: ptr32, c: ptr32, ack: int, acked: int):
    """RFC 5681 section 3.1: slow start below SSTHRESH, else one MSS a window (appropriate byte counting).

    A round ends when what was sent until it began is acknowledged.
    """
    ended = i32(ack - c[ROUND_END]) >= 0
    if c[CWND] < c[SSTHRESH]:
        if acked > c[MSS]:
            acked = c[MSS]
        if HYSTART and c[SSTHRESH] > 0xFFFF:
            hystart(s, c)
            if c[CSS]:
                acked = acked >> 2      # CSS_GROWTH_DIVISOR
                if ended:
                    c[CSS] = c[CSS] - 1
                    if c[CSS] == 0:
                        c[SSTHRESH] = c[CWND]
        c[CWND] = c[CWND] + acked
        c[CWND_ACKED] = 0
    else:
        c[CWND_ACKED] = c[CWND_ACKED] + acked
        if c[CWND_ACKED] >= c[CWND]:
            c[CWND_ACKED] = c[CWND_ACKED] - c[CWND]
            c[CWND] = c[CWND] + c[MSS]
    if c[CWND] > 0xFFFF:
        c[CWND] = 0xFFFF            # without window scaling more is never used
    if ended:
        if i32(c[ROUND_END] - c[RECOVER]) > 0:
            c[RECOVER] = c[ROUND_END] - 1       # 2^31 bytes later it would lie ahead
        c[ROUND_END] = c[SND_MAX]
        c[SAMPLES] = 0
        c[STAMPED] = 0


@inline
def hystart(s: ptr32, c: ptr32):
    """RFC 9406 section 4.2: into conservative slow start when a round's least round trip grew, out if that was noise."""
    if c[SAMPLES] >= N_RTT_SAMPLE:
        if c[CSS]:
            if c[ROUND_MIN] < c[CSS_BASE]:
                c[CSS] = 0
        elif c[LAST_MIN]:
            thresh = c[LAST_MIN] >> 3           # MIN_RTT_DIVISOR
            if thresh < MIN_RTT_THRESH:
                thresh = MIN_RTT_THRESH
            if thresh > MAX_RTT_THRESH:
                thresh = MAX_RTT_THRESH
            if c[ROUND_MIN] >= c[LAST_MIN] + thresh:
                c[CSS_BASE] = c[ROUND_MIN]
                c[CSS] = CSS_ROUNDS
                count(s, counters.TCP_HYSTART)


@inline
def half_flight(c: ptr32) -> int:
    """RFC 5681 equation 4: max(FlightSize / 2, 2 * SMSS). What limited transmit sent beyond CWND does not count."""
    half = i32(c[SND_MAX] - c[SND_UNA])
    if half > c[CWND]:
        half = c[CWND]
    half = half >> 1
    if half < c[MSS] << 1:
        half = c[MSS] << 1
    return half


@inline
def duplicate(s: ptr32, c: ptr32):
    """A duplicate ACK: the third starts fast retransmit and recovery (RFC 5681 section 3.2, RFC 6582 section 3.2).

    The first two let a new segment out each (RFC 3042, tcp_output.sendable). None counts that answers an old loss, nor of a
    peer that tells what it has.
    """
    if c[FLAGS] & SELECTIVE:
        c[DUP_ACKS] = 0
    elif c[FLAGS] & RECOVERING:
        c[CWND] = c[CWND] + c[MSS]
    elif i32(c[SND_UNA] - 1 - c[RECOVER]) >= 0:
        c[DUP_ACKS] = c[DUP_ACKS] + 1
        if c[DUP_ACKS] == 3:
            count(s, counters.TCP_FAST_RETRANSMIT)
            c[SSTHRESH] = half_flight(c)
            c[CWND] = c[SSTHRESH] + c[MSS] + (c[MSS] << 1)
            c[RECOVER] = c[SND_MAX]
            c[FLAGS] = c[FLAGS] | RECOVERING | RESEND


@inline
def recover(c: ptr32, ack: int, acked: int):
    """An ACK of new data in recovery: a full one ends it, a partial one sends the next hole (RFC 6582 section 3.2).

    With selective acknowledgements the window stays what it is (RFC 6675 section 5), and tcp_sack.py knows the holes.
    """
    cwnd = c[CWND]
    if i32(ack - c[RECOVER]) >= 0:
        c[FLAGS] = c[FLAGS] & ~(RECOVERING | PARTIAL)
        c[CWND_ACKED] = 0
        if c[FLAGS] & SELECTIVE == 0:
            cwnd = i32(c[SND_MAX] - ack)
            if cwnd < c[MSS]:
                cwnd = c[MSS]
            cwnd = cwnd + c[MSS]
        if cwnd > c[SSTHRESH]:
            cwnd = c[SSTHRESH]
    elif c[FLAGS] & SELECTIVE:
        if c[NOTED] <= RING_STAMPS - ROUND_STAMPS:
            c[STAMPED] = 0      # what is new is timed in recovery, too
        c[SAMPLES] = 0
    else:
        c[FLAGS] = c[FLAGS] | RESEND | PARTIAL
        cwnd = cwnd - acked
        if acked >= c[MSS]:
            cwnd = cwnd + c[MSS]
        if cwnd < c[MSS]:
            cwnd = c[MSS]
    c[CWND] = cwnd
