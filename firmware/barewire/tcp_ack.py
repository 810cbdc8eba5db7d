"""TCP: what an acknowledgement does. Round-trip time (RFC 6298), congestion control (RFC 5681), recovery (RFC 6582)."""
from . import counters
from .counters import count
from .inline import inline
from .slot import *
from .state import *
from .word import i32

RTO_FIRST = 1000                    # RFC 6298 section 2.1
RTO_MIN, RTO_MAX = 200, 60000       # RFC 6298 section 2.4 says 1 s; 200 ms is what others use


@inline
def acknowledge(s: ptr32, c: ptr32, seq: int, ack: int, wnd: int, length: int):
    """Process SEG.ACK and SEG.WND of an acceptable segment that takes `length` of sequence space."""
    acked = i32(ack - c[SND_UNA])
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
        if wnd and c[FLAGS] & PROBING:
            c[FLAGS] = c[FLAGS] & ~(PROBING | RTX_ON | RESEND | TIMING)
            c[RTO] = timeout_of(c)
            c[SND_NXT] = c[SND_UNA]     # the probe's byte may have been dropped: send from the left edge


@inline
def seq_equal_newer(c: ptr32, seq: int, ack: int) -> int:
    """The second half of RFC 9293's window update test: SND.WL1 = SEG.SEQ and SND.WL2 =< SEG.ACK."""
    return i32(seq - c[SND_WL1]) == 0 and i32(ack - c[SND_WL2]) >= 0


@inline
def advance(s: ptr32, c: ptr32, ack: int, acked: int):
    """New data is acknowledged: `acked` of sequence space up to `ack`."""
    if c[FLAGS] & TIMING and i32(ack - c[RTT_SEQ]) >= 0:
        measure(c, i32(s[NOW] - c[RTT_AT]) + 1)
        c[FLAGS] = c[FLAGS] & ~TIMING
    if c[FLAGS] & RECOVERING:
        recover(c, ack, acked)
    else:
        grow(c, acked)
    c[SND_UNA] = ack
    if i32(c[SND_NXT] - ack) < 0:
        c[SND_NXT] = ack
    c[DUP_ACKS] = 0
    c[RETRIES] = 0
    c[PROGRESS_AT] = s[NOW]
    while c[QUEUED] and i32(ack - c[QUEUE + 3]) >= 0:
        unqueue(s, c)
    if i32(c[SND_MAX] - ack) <= 0:
        c[FLAGS] = c[FLAGS] & ~(RTX_ON | RESEND)
    else:
        c[FLAGS] = c[FLAGS] | RTX_ON
        c[RTX_AT] = s[NOW] + c[RTO]
        wake_at(s, c[RTX_AT])


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
    c[RTO] = timeout_of(c)


@inline
def timeout_of(c: ptr32) -> int:
    """RTO = SRTT + 4 RTTVAR (RFC 6298 section 2.3), within its bounds."""
    rto = (c[SRTT] >> 3) + c[RTTVAR]
    if rto < RTO_MIN:
        rto = RTO_MIN if c[SRTT] else RTO_FIRST
    if rto > RTO_MAX:
        rto = RTO_MAX
    return rto


@inline
def grow(c: ptr32, acked: int):
    """RFC 5681 section 3.1: slow start below SSTHRESH, else one MSS a window (appropriate byte counting)."""
    if c[CWND] < c[SSTHRESH]:
        c[CWND] = c[CWND] + (acked if acked < c[MSS] else c[MSS])
    else:
        c[CWND_ACKED] = c[CWND_ACKED] + acked
        if c[CWND_ACKED] >= c[CWND]:
            c[CWND_ACKED] = c[CWND_ACKED] - c[CWND]
            c[CWND] = c[CWND] + c[MSS]
    if c[CWND] > 0xFFFF:
        c[CWND] = 0xFFFF            # without window scaling more is never used


@inline
def half_flight(c: ptr32) -> int:
    """RFC 5681 equation 4: max(FlightSize / 2, 2 * SMSS)."""
    half = i32(c[SND_MAX] - c[SND_UNA]) >> 1
    if half < c[MSS] << 1:
        half = c[MSS] << 1
    return half


@inline
def duplicate(s: ptr32, c: ptr32):
    """A duplicate ACK: the third starts fast retransmit and recovery (RFC 5681 section 3.2, RFC 6582 section 3.2)."""
    c[DUP_ACKS] = c[DUP_ACKS] + 1
    if c[FLAGS] & RECOVERING:
        c[CWND] = c[CWND] + c[MSS]
    elif c[DUP_ACKS] == 3 and i32(c[SND_UNA] - 1 - c[RECOVER]) >= 0:
        count(s, counters.TCP_FAST_RETRANSMIT)
        c[SSTHRESH] = half_flight(c)
        c[CWND] = c[SSTHRESH] + c[MSS] + (c[MSS] << 1)
        c[RECOVER] = c[SND_MAX]
        c[FLAGS] = (c[FLAGS] | RECOVERING | RESEND) & ~TIMING


@inline
def recover(c: ptr32, ack: int, acked: int):
    """An ACK of new data in recovery: a full one ends it, a partial one sends the next hole (RFC 6582 section 3.2)."""
    if i32(ack - c[RECOVER]) >= 0:
        c[FLAGS] = c[FLAGS] & ~RECOVERING
        c[CWND] = c[SSTHRESH]
    else:
        c[FLAGS] = c[FLAGS] | RESEND
        less = c[CWND] - acked
        if acked >= c[MSS]:
            less = less + c[MSS]
        c[CWND] = less if less > c[MSS] else c[MSS]
