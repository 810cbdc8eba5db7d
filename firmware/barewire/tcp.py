"""TCP, the way in (RFC 9293 section 3.10.7): check a segment, find or open its connection, take what it brings.

A SYN costs no memory: it is answered with a cookie (cookie.py), and the ACK that returns it opens the slot.
Answers without data are built in the received frame; what a slot has to send is tcp_output.py's.
RST, SYN and ACK are validated as RFC 5961 has it.
"""
from . import board, config, cookie, counters, ip, limits
from .checksum import complement, fold, pseudo, valid
from .counters import count
from .inline import inline
from .slot import *
from .state import *
from .tcp_ack import RTO_FIRST, acknowledge
from .tcp_sack import PERMITTED, blocks
from .tcp_text import ack_seq, text, time_wait, window
from .wire import *
from .word import i32, u32

PORT = le16(config.HTTP_PORT)
CHALLENGE, OUTSIDE = 1, 2           # answers that are ACK, within a limit: to RFC 5961's, to what lies outside and has no text
SECOND_MS = 1024                    # more than a count of challenge ACKs, a power of two
EVICT_MS = 100                      # a connection that is idle for this long gives way to a new one,
SLOW_MS = 20                        # one that never got so far as an answer after this,
BUSY_MS = 4000                      # one that has something on its way after so much more
INITIAL_WINDOW = 10                 # segments (RFC 6928)
FIN_WAIT_2_MS = 10000
TIME_WAIT_FIRST = 1 << 28
REFUSE = 1                          # in place of a slot's address: answer with RST
OPTION_MSS_0, OPTION_MSS_1 = le16(0x0204), le16(CHUNK_BYTES)
OPTION_SACK_0, OPTION_SACK_1 = le16(0x0402), le16(0x0101)       # permitted, and two for the length
SACK_OK = 1 << 16                   # beside an MSS, and beside the flags of an answer
# A header without options, ACK set, RST and SYN not
PLAIN_MASK, PLAIN = le16(0xF000 | RST | SYN | ACK), le16(0x5000 | ACK)


@inline
def input(s: ptr32, f: ptr16, n: int, total: int, at: int) -> int:
    """Take a TCP segment of n bytes whose partial sum is `total`. Returns the size of the IP datagram in answer, or 0.

    `at` is the slot of its addresses and ports, 0 if there is none. The connection it belongs to is left in s[CURRENT],
    its fresh data in s[DATA] and s[DATA_BYTES].
    """
    header = ptr8(f)[TCP_OFFSET_BYTE] >> 4 << 2
    flags = ptr8(f)[TCP_FLAGS_BYTE]
    data = n - header
    s[REPLY] = 0
    if header < 20 or data < 0 or f[TCP_SRC] == 0:
        count(s, counters.TCP_MALFORMED)
    elif not valid(pseudo(f, TCP, n) + total):
        count(s, counters.TCP_CHECKSUM)
    else:
        if config.HTTP and f[TCP_DST] == PORT:
            old = 0
            if flags & SYN:
                if at and flags & (SYN | ACK | RST) == SYN:
                    if replaceable(ptr32(at), f):
                        old = at
                        at = 0
            if at == 0:
                if limits.allows(s, f, limits.HTTP_LIST, config.HTTP_ALLOW):
                    at = listen(s, f, flags, old)
                else:
                    count(s, counters.HTTP_DENIED)
            if at > REFUSE:
                segment(s, ptr32(at), f, flags, data, int(f) + 34 + header)
        else:
            count(s, counters.TCP_CLOSED_PORT)
            at = REFUSE
        if at == REFUSE:
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
    """Write the segment into frame f, whose addresses the caller exchanges (SYN carries our MSS, and SACK_OK).

    Returns the size of the IP datagram.
    """
    size = 40
    total = ADDRESS_0 + ADDRESS_1 + f[IP_SRC] + f[IP_SRC + 1] + (TCP << 8) + f[TCP_SRC] + f[TCP_DST]
    if flags & SYN:
        size = 44
        f[27] = OPTION_MSS_0
        f[28] = OPTION_MSS_1
        total = total + OPTION_MSS_0 + OPTION_MSS_1
        if flags & SACK_OK:
            size = 48
            flags = flags ^ SACK_OK
            f[29] = OPTION_SACK_0
            f[30] = OPTION_SACK_1
            total = total + OPTION_SACK_0 + OPTION_SACK_1
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
    f[TCP_SUM] = complement(total)
    return size


@inline
def refuse(s: ptr32, f: ptr16, flags: int, n: int):
    """Answer a segment that has no connection with RST (RFC 9293 section 3.10.7.1), unless it is one."""
    if flags & RST:
        count(s, counters.TCP_STRAY_RST)
    elif not allow(s, RST_LIMIT, config.RST_PER_S):
        count(s, counters.TCP_RESET_LIMITED)
    else:
        count(s, counters.TCP_RESET_OUT)
        if flags & ACK:
            reply_with(s, RST, get32(f, TCP_ACK), 0, 0)
        else:
            reply_with(s, RST | ACK, 0, get32(f, TCP_SEQ) + n + (flags & FIN) + (flags >> 1 & 1), 0)


# ---- from nothing to ESTABLISHED ------------------------------------------------------------------------------

@inline
def listen(s: ptr32, f: ptr16, flags: int, old: int) -> int:
    """A segment for our port without a slot (RFC 9293 section 3.10.7.2): answer SYN, open a slot on its ACK.

    Returns the slot it goes on with, 0 for none, REFUSE for a reset. `old`: this peer's in TIME-WAIT, which a SYN replaces.
    SYN is answered when all slots are taken too: it costs nothing, and the peer then sends its ACK and its request again
    after some 200 ms, which find a slot sooner than a SYN that it repeats after a second.
    """
    at = 0
    gone = 0                # the slot that is freed
    mss = 0
    part = 0
    key = KEY if flags & RST == 0 else 0
    while key:
        part = cookie.isn_hash(s, f, key)
        again = 0
        if flags & (SYN | ACK) == ACK:
            mss = cookie.proven(s, u32(get32(f, TCP_ACK) - get32(f, TCP_SEQ) - part))
            if mss == 0 and key == KEY and cookie.old_key_valid(s):
                again = OLD_KEY
        key = again
    if flags & (SYN | ACK | RST | FIN) == SYN:
        irs = get32(f, TCP_SEQ)
        options = offered(f)
        iss = part + irs + cookie.now_part(s) + (cookie.mss_class(options & 0xFFFF) << cookie.M_SHIFT)
        if old and i32(iss - ptr32(old)[SND_NXT]) < 0:
            at = old        # an old segment could be taken for one of the new connection: let it wait
        else:
            count(s, counters.TCP_SYN)
            reply_with(s, SYN | ACK | options & SACK_OK, iss, irs + 1, board.SLOT_RX)
            gone = old
    elif mss > cookie.EARLY:
        if s[FREE] == 0:
            gone = victim(s)
        if s[FREE] | gone == 0:
            count(s, counters.TCP_FULL)
            mss = 0
        elif not limits.connection_allowed(s, f):
            count(s, counters.TCP_LIMITED)
            mss = 0
            gone = 0
        elif gone:
            count(s, counters.TCP_EVICTED)
    elif mss:
        count(s, counters.TCP_OUT_OF_ORDER)     # what is in front of it will open the slot: no RST
    else:
        if flags & RST == 0:
            count(s, counters.TCP_BAD_COOKIE)
        if flags & (ACK | RST):
            at = REFUSE
    if gone:
        free(s, ptr32(gone))
    if mss > cookie.EARLY:
        at = take(s, f)
        opened(s, ptr32(at), f, mss)
    return at


@inline
def offered(f: ptr16) -> int:
    """The MSS option of a SYN (RFC 9293 section 3.7.1), 536 where there is none; SACK_OK beside it (RFC 2018 section 2)."""
    b = ptr8(f)
    mss = 536
    sack = 0
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
            elif kind == PERMITTED and b[at + 1] == 2:
                sack = SACK_OK
            at = at + b[at + 1]
    return mss | sack


@inline
def victim(s: ptr32) -> int:
    """The slot that gives way when all are taken, 0 if none may: TIME-WAIT first, then the one longest without progress.

    Progress is what we could send or saw acknowledged, so bytes that trickle in keep none. What waits for a shut window
    has nothing on its way. A round-trip time is what a connection has whose answer was acknowledged.
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
        elif c[SND_END] != c[SND_UNA] and c[FLAGS] & PROBING == 0:
            idle = idle - BUSY_MS
        elif c[SRTT] == 0:
            idle = idle + EVICT_MS - SLOW_MS
        if idle >= age and c[FLAGS] & IN_WORK == 0:
            age = idle
            best = at
        at = at + SLOT_BYTES
        k = k - 1
    return best


@inline
def replaceable(c: ptr32, f: ptr16) -> int:
    """Whether the SYN f may replace the connection: it is newer than one in TIME-WAIT (RFC 9293 3.10.7.4, RFC 6191)."""
    ahead = get32(f, TCP_SEQ) - c[RCV_NXT]
    return c[STATE] == TIME_WAIT and i32(ahead) > 0


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
    c[SND_WND] = get16(f, TCP_WINDOW)
    c[MAX_WND] = c[SND_WND]
    c[SND_WL1] = c[RCV_NXT]
    c[SND_WL2] = una
    c[MSS] = mss
    c[CWND] = INITIAL_WINDOW * mss
    c[SSTHRESH] = 1 << 20
    c[RTO] = RTO_FIRST
    c[PROGRESS_AT] = s[NOW]
    c[HEADER] = f[ETH_SRC] << 16
    c[HEADER + 1] = f[ETH_SRC + 1] | f[ETH_SRC + 2] << 16
    c[HEADER + 2] = s[MAC_HEAD]
    c[HEADER + 3] = s[MAC + 2] | TYPE_IP << 16
    c[HEADER + 4] = ptr32(int(f) + 2 * IP_DST)[0]
    c[HEADER + 5] = c[PEER]
    c[HEADER + 6] = PORT | f[TCP_SRC] << 16
    c[IP_PART] = fold(ip.fixed_sum(TCP) + f[IP_SRC] + f[IP_SRC + 1])
    c[TCP_PART] = fold(ADDRESS_0 + ADDRESS_1 + f[IP_SRC] + f[IP_SRC + 1] + (TCP << 8) + PORT + f[TCP_SRC])


# ---- a segment of a connection --------------------------------------------------------------------------------

@inline
def segment(s: ptr32, c: ptr32, f: ptr16, flags: int, n: int, data: int):
    """RFC 9293 section 3.10.7.4, in its order: sequence, RST, SYN, ACK, text, FIN. n bytes of text lie at `data`."""
    gone = 0
    answer = 0
    seq = get32(f, TCP_SEQ)
    ahead = i32(seq - c[RCV_NXT])
    length = n + (flags & FIN)
    usual = f[TCP_OFFSET] & PLAIN_MASK == PLAIN     # and acceptable: the checks below, up to SEG.ACK's, would let it through
    if usual:
        if ahead:
            usual = acceptable(ahead, length, window(c))
    elif flags & (RST | SYN | ACK) == ACK:
        usual = acceptable(ahead, length, window(c))
        if ahead == 0:
            ack = get32(f, TCP_ACK)
            if i32(ack - c[SND_MAX]) <= 0 and i32(ack - c[SND_UNA]) + c[MAX_WND] >= 0:
                blocks(s, c, f, ack)
    if usual:
        ack = get32(f, TCP_ACK)
        acked = i32(ack - c[SND_UNA])
        if i32(ack - c[SND_MAX]) > 0 or acked + c[MAX_WND] < 0:
            count(s, counters.TCP_BAD_ACK)
            answer = CHALLENGE          # RFC 5961 section 5.2; RST: section 3.2; SYN: section 4.2
        else:
            c[ACTIVE_AT] = s[NOW]
            acknowledge(s, c, seq, ack, acked, get16(f, TCP_WINDOW), length)
            gone = after_ack(s, c)
            if not gone:
                if length:
                    text(s, c, ahead, n, data, flags)
                # else there is nothing to do for it
                if c[FLAGS] & ~(FRESH | SELECTIVE) | c[STORED] | length | c[SND_END] ^ c[SND_UNA]:
                    s[CURRENT] = int(c)
    elif flags & RST:
        if c[STATE] == TIME_WAIT:
            count(s, counters.TCP_TIME_WAIT_RESET)
        elif ahead == 0:
            count(s, counters.TCP_RESET_IN)
            gone = 1
        elif ahead > 0 and ahead < window(c):
            answer = CHALLENGE
        else:
            count(s, counters.TCP_OUT_OF_WINDOW)
    elif flags & SYN:
        answer = CHALLENGE
    elif not acceptable(ahead, length, window(c)):
        if ahead < 0:
            count(s, counters.TCP_DUPLICATE)
        else:
            count(s, counters.TCP_OUT_OF_WINDOW)
        answer = ACK if length else OUTSIDE     # without text it may belong to a loop of two ends that acknowledge ACKs
    else:
        count(s, counters.TCP_BAD_ACK)
    if answer:
        if answer != ACK:
            if not permitted(s, c):
                if answer == CHALLENGE:
                    count(s, counters.TCP_CHALLENGE_LIMITED)
                else:
                    count(s, counters.TCP_ACK_LIMITED)
                answer = 0
            elif answer == CHALLENGE:
                count(s, counters.TCP_CHALLENGE)
        if answer:
            reply_with(s, ACK, ack_seq(c), c[RCV_NXT], window(c))
    if gone:
        free(s, c)


@inline
def permitted(s: ptr32, c: ptr32) -> int:
    """Whether the connection has not had as many CHALLENGE and OUTSIDE as it may in the running second (RFC 5961 section 7).

    A limit that all connections share would tell each of them what the others spend, so whether somebody's guess of another's
    numbers was right (CVE-2016-5696).
    """
    spent = c[CHALLENGED] ^ s[NOW] & 0 - SECOND_MS
    if spent < 0 or spent >= SECOND_MS:         # in an earlier one
        spent = 0
    if spent < config.CHALLENGE_ACKS_PER_S:
        c[CHALLENGED] = (s[NOW] & 0 - SECOND_MS) + spent + 1
    return spent < config.CHALLENGE_ACKS_PER_S


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
    if c[STATE] != ESTABLISHED and i32(c[SND_UNA] - c[SND_END]) > 0:
        if c[STATE] == FIN_WAIT_1:
            c[STATE] = FIN_WAIT_2
            wake_at(s, s[NOW] + FIN_WAIT_2_MS)
        elif c[STATE] == CLOSING:
            time_wait(s, c)
        elif c[STATE] == LAST_ACK:
            count(s, counters.TCP_CLOSED)
            gone = 1
    return gone
