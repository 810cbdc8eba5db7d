"""TCP, the way in (RFC 9293 section 3.10.7): check a segment, find or open its connection, take what it brings.

A SYN costs no memory: it is answered with a cookie (cookie.py), and the ACK that returns it opens the slot.
Answers without data are built in the received frame; what a slot has to send is tcp_output.py's.
RST, SYN and ACK are validated as RFC 5961 has it.
"""
from . import board, config, cookie, counters, ip
from .checksum import fold, pseudo
from .counters import count
from .inline import inline
from .slot import *
from .state import *
from .tcp_ack import RTO_FIRST, acknowledge
from .wire import *
from .word import i32, u32

PORT = le16(config.HTTP_PORT)
RST_PER_SECOND, CHALLENGES_PER_SECOND = 50, 50
EVICT_MS = 1000                     # a connection that is idle for this long gives way to a new one,
BUSY_MS = 4000                      # one that has something on its way after so much more
INITIAL_WINDOW = 10                 # segments (RFC 6928)
FIN_WAIT_2_MS, TIME_WAIT_MS = 10000, 30000
TIME_WAIT_FIRST = 1 << 28
OPTION_MSS_0, OPTION_MSS_1 = le16(0x0204), le16(CHUNK_BYTES)


@inline
def input(s: ptr32, f: ptr16, n: int, total: int, at: int) -> int:
    """Take a TCP segment of n bytes whose partial sum is `total`. Returns the size of the IP datagram in answer, or 0.

    `at` is the slot of its addresses and ports, 0 if there is none. The connection it belongs to is left in s[CURRENT], its fresh data in s[DATA] and s[DATA_BYTES].
    """
    b = ptr8(f)
    header = b[TCP_OFFSET_BYTE] >> 4 << 2
    flags = b[TCP_FLAGS_BYTE]
    data = n - header
    s[REPLY] = 0
    if n < 20 or header < 20 or data < 0 or f[TCP_SRC] == 0:
        count(s, counters.TCP_MALFORMED)
    elif fold(pseudo(f, TCP, n) + total) != 0xFFFF:
        count(s, counters.TCP_CHECKSUM)
    else:
        if config.HTTP and f[TCP_DST] == PORT:
            if at:
                at = reusable(s, ptr32(at), f, flags)
            if at == 0:
                at = listen(s, f, flags, data)
            if at:
                segment(s, ptr32(at), f, flags, data, int(f) + 34 + header)
        else:
            count(s, counters.TCP_CLOSED_PORT)
            refuse(s, f, flags, data)
    size = 0
    if s[REPLY]:
        size = reply(f, s[REPLY], s[REPLY_SEQ], s[REPLY_ACK], s[REPLY_WINDOW])
    return size


@inline
def reply_with(s: ptr32, flags: int, seq: int, ack: int, wnd: int):
    """Let the frame in work be answered by a segment without data."""
    s[REPLY] = flags
    s[REPLY_SEQ] = seq
    s[REPLY_ACK] = ack
    s[REPLY_WINDOW] = wnd


@inline
def reply(f: ptr16, flags: int, seq: int, ack: int, wnd: int) -> int:
    """Write the segment into frame f, whose addresses the caller exchanges (SYN carries our MSS).

    Returns the size of the IP datagram.
    """
    size = 40
    total = ADDRESS_0 + ADDRESS_1 + f[IP_SRC] + f[IP_SRC + 1] + (TCP << 8) + f[TCP_SRC] + f[TCP_DST]
    if flags & SYN:
        size = 44
        f[27] = OPTION_MSS_0
        f[28] = OPTION_MSS_1
        total = total + OPTION_MSS_0 + OPTION_MSS_1
    port = f[TCP_SRC]
    f[TCP_SRC] = f[TCP_DST]
    f[TCP_DST] = port
    total = total + put32(f, TCP_SEQ, seq)
    total = total + put32(f, TCP_ACK, ack)
    offset = size - 20 << 2 | flags << 8
    f[TCP_OFFSET] = offset
    f[TCP_WINDOW] = swap16(wnd)
    f[TCP_URGENT] = 0
    total = total + offset + swap16(wnd) + (size - 20 << 8)
    f[TCP_SUM] = fold(total) ^ 0xFFFF
    return size


@inline
def refuse(s: ptr32, f: ptr16, flags: int, n: int):
    """Answer a segment that has no connection with RST (RFC 9293 section 3.10.7.1), unless it is one."""
    if flags & RST:
        count(s, counters.TCP_STRAY_RST)
    elif not allow(s, RST_LIMIT, RST_PER_SECOND):
        count(s, counters.TCP_RESET_LIMITED)
    else:
        count(s, counters.TCP_RESET_OUT)
        if flags & ACK:
            reply_with(s, RST, get32(f, TCP_ACK), 0, 0)
        else:
            reply_with(s, RST | ACK, 0, get32(f, TCP_SEQ) + n + (flags & FIN) + (flags >> 1 & 1), 0)


# ---- from nothing to ESTABLISHED ------------------------------------------------------------------------------

@inline
def listen(s: ptr32, f: ptr16, flags: int, n: int) -> int:
    """A segment for our port without a slot (RFC 9293 section 3.10.7.2): answer SYN, open a slot on its ACK."""
    at = 0
    part = cookie.isn_hash(s, f)
    oldest = 0
    if s[FREE] == 0 and flags & RST == 0:
        oldest = victim(s)
    if flags & (SYN | ACK | RST | FIN) == SYN:
        if s[FREE] or oldest:
            count(s, counters.TCP_SYN)
            irs = get32(f, TCP_SEQ)
            iss = part + irs + cookie.now_part(s) + (cookie.mss_class(offered_mss(f)) << cookie.M_SHIFT)
            reply_with(s, SYN | ACK, iss, irs + 1, board.SLOT_RX)
        else:
            count(s, counters.TCP_SYN_DROPPED)
    elif flags & (SYN | ACK | RST) == ACK:
        part = u32(get32(f, TCP_ACK) - get32(f, TCP_SEQ) - part)
        mss = cookie.proven(s, part)
        if mss == 0:
            if cookie.early(s, part):
                count(s, counters.TCP_OUT_OF_ORDER)     # what is in front of it will open the slot: no RST
            else:
                count(s, counters.TCP_BAD_COOKIE)
                refuse(s, f, flags, n)
        else:
            if oldest:
                count(s, counters.TCP_EVICTED)
                free(s, ptr32(oldest))
            if s[FREE]:
                at = take(s, f)
                opened(s, ptr32(at), f, mss)
            else:
                count(s, counters.TCP_FULL)
    elif flags & RST:
        count(s, counters.TCP_STRAY_RST)
    else:
        count(s, counters.TCP_BAD_COOKIE)
        if flags & ACK:
            refuse(s, f, flags, n)
    return at


@inline
def offered_mss(f: ptr16) -> int:
    """The MSS option of a SYN (RFC 9293 section 3.7.1); 536 where there is none."""
    b = ptr8(f)
    mss = 536
    at = TCP_DATA_BYTE
    end = 34 + (b[TCP_OFFSET_BYTE] >> 4 << 2)
    while at < end:
        kind = b[at]
        if kind == 1:
            at = at + 1
        elif kind == 0 or at + 1 >= end or b[at + 1] < 2:
            at = end
        else:
            if kind == 2 and b[at + 1] == 4 and at + 4 <= end:
                mss = b[at + 2] << 8 | b[at + 3]
            at = at + b[at + 1]
    return mss


@inline
def victim(s: ptr32) -> int:
    """The slot that gives way when all are taken, 0 if none may: TIME-WAIT first, then the one longest without progress.

    Progress is what we could send or saw acknowledged, so bytes that trickle in, or a window that never opens, keep none.
    """
    best = 0
    age = EVICT_MS
    at = s[SLOTS]
    k = board.TCP_SLOTS
    while k:
        c = ptr32(at)
        idle = i32(s[NOW] - c[PROGRESS_AT])
        if c[STATE] == TIME_WAIT or c[STATE] == FIN_WAIT_2:
            idle = idle + TIME_WAIT_FIRST
        elif c[SND_END] != c[SND_UNA]:
            idle = idle - BUSY_MS
        if idle >= age and c[FLAGS] & IN_WORK == 0:
            age = idle
            best = at
        at = at + SLOT_BYTES
        k = k - 1
    return best


@inline
def reusable(s: ptr32, c: ptr32, f: ptr16, flags: int) -> int:
    """The slot itself, or 0 when a new SYN takes the place of a connection in TIME-WAIT (RFC 9293 section 3.10.7.4)."""
    at = int(c)
    if c[STATE] == TIME_WAIT and flags & (SYN | ACK | RST) == SYN:
        if i32(get32(f, TCP_SEQ) - c[RCV_NXT]) > 0:
            free(s, c)
            at = 0
    return at


@inline
def opened(s: ptr32, c: ptr32, f: ptr16, mss: int):
    """The ACK f has proven itself: the slot becomes ESTABLISHED."""
    count(s, counters.TCP_OPENED)
    una = get32(f, TCP_ACK)
    c[STATE] = ESTABLISHED
    c[FLAGS] = FRESH
    c[SND_UNA] = una
    c[SND_NXT] = una
    c[SND_MAX] = una
    c[SND_END] = una
    c[QUEUE_SEQ] = una
    c[RECOVER] = una - 1
    c[RCV_NXT] = get32(f, TCP_SEQ)
    c[SND_WND] = swap16(f[TCP_WINDOW])
    c[MAX_WND] = c[SND_WND]
    c[SND_WL1] = c[RCV_NXT]
    c[SND_WL2] = una
    c[MSS] = mss
    c[CWND] = INITIAL_WINDOW * mss
    c[SSTHRESH] = 1 << 20
    c[RTO] = RTO_FIRST
    c[PROGRESS_AT] = s[NOW]
    h = ptr16(int(c) + 4 * HEADER + 2)
    k = 0
    while k < 3:
        h[ETH_DST + k] = f[ETH_SRC + k]
        h[ETH_SRC + k] = s[MAC + k]
        k = k + 1
    h[ETH_TYPE] = TYPE_IP
    h[IP_VERSION] = IP_VERSION_IHL_TOS
    h[IP_FRAGMENT] = IP_DF
    h[IP_TTL] = TTL | TCP << 8
    h[IP_SRC] = ADDRESS_0
    h[IP_SRC + 1] = ADDRESS_1
    h[IP_DST] = f[IP_SRC]
    h[IP_DST + 1] = f[IP_SRC + 1]
    h[TCP_SRC] = PORT
    h[TCP_DST] = f[TCP_SRC]
    c[IP_PART] = fold(ip.fixed_sum(TCP) + f[IP_SRC] + f[IP_SRC + 1])
    c[TCP_PART] = fold(ADDRESS_0 + ADDRESS_1 + f[IP_SRC] + f[IP_SRC + 1] + (TCP << 8) + PORT + f[TCP_SRC])


# ---- a segment of a connection --------------------------------------------------------------------------------

@inline
def segment(s: ptr32, c: ptr32, f: ptr16, flags: int, n: int, data: int):
    """RFC 9293 section 3.10.7.4, in its order: sequence, RST, SYN, ACK, text, FIN. n bytes of text lie at `data`."""
    gone = 0
    challenge = 0
    seq = get32(f, TCP_SEQ)
    ahead = i32(seq - c[RCV_NXT])
    length = n + (flags & FIN)
    space = window(c)
    if flags & RST:
        if ahead == 0:
            count(s, counters.TCP_RESET_IN)
            gone = 1
        elif ahead > 0 and ahead < space:
            challenge = 1
        else:
            count(s, counters.TCP_OUT_OF_WINDOW)
    elif flags & SYN:
        challenge = 1
    elif not acceptable(ahead, length, space):
        if ahead < 0:
            count(s, counters.TCP_DUPLICATE)
        else:
            count(s, counters.TCP_OUT_OF_WINDOW)
        reply_with(s, ACK, c[SND_NXT], c[RCV_NXT], space)
    elif flags & ACK == 0:
        count(s, counters.TCP_BAD_ACK)
    else:
        ack = get32(f, TCP_ACK)
        if i32(ack - c[SND_MAX]) > 0 or i32(ack - c[SND_UNA]) + c[MAX_WND] < 0:
            count(s, counters.TCP_BAD_ACK)
            challenge = 1
        else:
            c[ACTIVE_AT] = s[NOW]
            acknowledge(s, c, seq, ack, swap16(f[TCP_WINDOW]), length)
            gone = after_ack(s, c)
            if not gone:
                s[CURRENT] = int(c)
                if length:
                    text(s, c, ahead, n, data, flags & FIN)
    if challenge:       # RFC 5961 sections 3.2, 4.2 and 5.2; the limit: section 7
        if allow(s, CHALLENGE_LIMIT, CHALLENGES_PER_SECOND):
            count(s, counters.TCP_CHALLENGE)
            reply_with(s, ACK, c[SND_NXT], c[RCV_NXT], space)
        else:
            count(s, counters.TCP_CHALLENGE_LIMITED)
    if gone:
        free(s, c)


@inline
def window(c: ptr32) -> int:
    """RCV.WND: the room for bytes that HTTP cannot take yet."""
    return board.SLOT_RX - c[STORED]


@inline
def acceptable(ahead: int, length: int, space: int) -> int:
    """The table of RFC 9293 section 3.10.7.4, first check; `ahead` = SEG.SEQ - RCV.NXT, `space` = RCV.WND."""
    ok = 0
    if ahead == 0:
        ok = 1
    elif length == 0:
        ok = ahead > 0 and ahead < space
    else:
        ok = ahead < space and ahead + length > 0
    return ok


@inline
def after_ack(s: ptr32, c: ptr32) -> int:
    """Move on if our FIN is acknowledged. Returns 1 when that was the end of the connection."""
    gone = 0
    if i32(c[SND_UNA] - c[SND_END]) > 0:
        if c[STATE] == FIN_WAIT_1:
            c[STATE] = FIN_WAIT_2
            wake_at(s, s[NOW] + FIN_WAIT_2_MS)
        elif c[STATE] == CLOSING:
            time_wait(s, c)
        elif c[STATE] == LAST_ACK:
            count(s, counters.TCP_CLOSED)
            gone = 1
    return gone


@inline
def time_wait(s: ptr32, c: ptr32):
    c[STATE] = TIME_WAIT
    count(s, counters.TCP_CLOSED)
    wake_at(s, s[NOW] + TIME_WAIT_MS)


@inline
def text(s: ptr32, c: ptr32, ahead: int, n: int, data: int, fin: int):
    """Segment text and FIN: in order they are taken, beyond a gap they make a duplicate ACK."""
    c[FLAGS] = c[FLAGS] | ACK_NOW
    if ahead > 0:
        count(s, counters.TCP_OUT_OF_ORDER)
    else:
        n = n + ahead
        if n > window(c):
            n = window(c)
            fin = 0
        if n > 0:
            c[RCV_NXT] = c[RCV_NXT] + n
            if c[STATE] == ESTABLISHED and c[FLAGS] & SHUT == 0:
                s[DATA] = data - ahead
                s[DATA_BYTES] = n
            else:
                count(s, counters.TCP_AFTER_CLOSE)
        if fin:
            c[RCV_NXT] = c[RCV_NXT] + 1
            if c[STATE] == ESTABLISHED:
                c[STATE] = CLOSE_WAIT
            elif c[STATE] == FIN_WAIT_1:
                c[STATE] = CLOSING
            elif c[STATE] == FIN_WAIT_2:
                time_wait(s, c)
