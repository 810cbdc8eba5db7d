"""The TCP connections: fixed slots of words in one block, a hash to find them, lists of the free and the waiting.

``c: ptr32`` is a slot; its address names the connection everywhere (0 none). Sequence numbers are kept in
host order modulo 2^32 and compared with ``i32(a - b)``. Names are those of RFC 9293 section 3.3.1.
"""
import micropython
from . import board
from .inline import inline
from .state import *
from .wire import *

# Words of a slot; what code names most often has a number below 32, which makes for short instructions
(STATE, LINK, CHUNK_AT, FLAGS, PEER, QUEUED, SND_UNA, SND_NXT, SND_MAX, SND_END, SND_WND, ROUND_MIN, NOTED,
 MAX_WND, RCV_NXT, MSS, CWND, CWND_ACKED, SSTHRESH, DUP_ACKS, RECOVER, RTO, SRTT, RTTVAR, ROUND_END, SAMPLES,
 RETRIES, RTX_AT, ACTIVE_AT, PROGRESS_AT, STORED, CHUNK, WORK_LINK, PEER_PORT, QUEUE_SEQ,
 PAGES_HELD) = range(36)
QUEUE = 36              # five responses of four words: first, main, sums, sequence number of the end
HEADER = 56             # what stays of the header, in tcp_output.emit's order: addresses and ports
# tcp_sack.py: how many holes; behind the last byte that arrived beyond them; when the latest that counts as arrived was sent,
# and the latest of all; bytes up to SND.NXT that are not in flight; how often the usual wait;
# where what was sent last began
HOLES, HIGH_SACK, DELIVERED, LATEST, GONE, PATIENCE, LAST = range(63, 70)
IP_PART, TCP_PART = 70, 71    # partial sums of its fields that stay
# Bytes sent again last; the first of the NOTED stamps in the ring, and how many were made in this round. RFC 9406: the least
# round trip of the round before (ROUND_MIN: of this one), rounds left in conservative slow start (0: not in it), and the round
# trip that led there
RESENT, FIRST, STAMPED, LAST_MIN, CSS, CSS_BASE, SND_WL1, SND_WL2 = range(72, 80)
# Where unread bytes start in the store; the range kept there beyond a gap, and where FIN ends it (0: none); see tcp_text.py
START, KEPT_FROM, KEPT_TO, KEPT_FIN = range(80, 84)
HTTP_WORDS = 84
DUE = HTTP_WORDS + 23          # its last one: when HTTP wants to be asked although nothing came, 0 never
STORE_AT = HTTP_WORDS + 24     # where the bytes are kept that HTTP could not take yet: board.SLOT_RX of them
CHALLENGED = STORE_AT + 1      # the second in which a challenge ACK was sent last, and how many (tcp.permitted)
STAMPS = STORE_AT + 2          # ring of pairs: end of a segment, when it was sent
RING_STAMPS = 16 if board.HYSTART else 2
HOLE = STAMPS + 2 * RING_STAMPS     # tcp_sack.py: holes of three words: first byte, end, when it was sent
HOLES_MAX = board.SACK_HOLES
SLOT_WORDS = HOLE + 3 * HOLES_MAX
SLOT_BYTES = 4 * SLOT_WORDS
QUEUE_SIZE = 5          # one is for the second half of an answer

# States (RFC 9293 section 3.3.2); LISTEN and SYN-RECEIVED need no slot (cookie.py), SYN-SENT and active open do not exist
CLOSED, ESTABLISHED, FIN_WAIT_1, FIN_WAIT_2, CLOSING, TIME_WAIT, CLOSE_WAIT, LAST_ACK = range(8)

# Flags: an ACK is owed; send FIN after the last byte; a partial ACK came in this recovery; the retransmission timer runs;
# send one segment from snd_una; in the list of work; in fast recovery; the window is closed and is probed; just opened;
# an ACK is owed that may wait for something to carry it; the segment size was lowered (icmp.py): send again, it is no
# time-out; ask HTTP. And of tcp_sack.py: the peer gives selective acknowledgements; there are holes; what is sent again is
# the last segment; the retransmission timer is set to an earlier time than the time-out
(ACK_NOW, SHUT, PARTIAL, RTX_ON, RESEND, IN_WORK, RECOVERING, PROBING, FRESH, ACK_LATER, TOO_BIG,
 ASK, SELECTIVE, HOLED, TAIL, EARLY) = (1 << _k for _k in range(16))

PAGE_SHIFT = board.PAGE_BYTES.bit_length() - 1     # one page may have any size, its number is 0
if board.PAGES > 1 and board.PAGE_BYTES != 1 << PAGE_SHIFT:
    raise ValueError("PAGE_BYTES: several pages have a power of two each")
CHUNK_BYTES = 1460      # how assets are cut (image/assets.py), and the most we send in a segment


@micropython.viper
def setup(s: ptr32, slots: int, store: int):
    """Chain the slots (board.TCP_SLOTS * SLOT_BYTES bytes at address `slots`) into the free list.

    Each gets board.SLOT_RX bytes of the block at `store`.
    """
    s[SLOTS] = slots
    k = 0
    while k < board.TCP_SLOTS:
        c = ptr32(slots + k * SLOT_BYTES)
        c[STORE_AT] = store + k * board.SLOT_RX
        c[LINK] = s[FREE]
        s[FREE] = int(c)
        k = k + 1


@inline
def chain(peer_0: int, peer_1: int, port: int) -> int:
    """Index of the word in the state block where the chain of this peer's slots starts; 16 bits of each count."""
    mixed = peer_0 ^ peer_1 ^ port
    return CHAINS + ((mixed ^ mixed >> 8) & CHAIN_COUNT - 1)


@inline
def find(s: ptr32, f: ptr16, port: int) -> int:
    """The slot of the connection with the peer whose address stands where that of frame f's sender does; 0: none."""
    peer = ptr32(int(f) + IP_SRC_BYTE)[0]
    at = s[chain(peer, peer >> 16, port)]
    while at:
        c = ptr32(at)
        if c[PEER_PORT] == port and c[PEER] == peer:
            break
        at = c[LINK]
    return at


@inline
def take(s: ptr32, f: ptr16) -> int:
    """A slot for the peer of frame f, linked into its chain; 0 if all are busy. What is read before it is set is zero."""
    at = s[FREE]
    if at:
        c = ptr32(at)
        s[FREE] = c[LINK]
        clear(c)
        peer = ptr32(int(f) + IP_SRC_BYTE)[0]
        c[PEER] = peer
        c[PEER_PORT] = f[TCP_SRC]
        head = chain(peer, peer >> 16, f[TCP_SRC])
        c[LINK] = s[head]
        s[head] = at
        c[ACTIVE_AT] = s[NOW]
        s[OPEN] = s[OPEN] + 1
    return at


@inline
def clear(c: ptr32):
    """Forget the connection that was: what is read before it is written. Most of the queue and HTTP's words are not."""
    c[CHUNK_AT] = 0
    c[QUEUED] = 0
    c[NOTED] = 0
    c[CWND_ACKED] = 0
    c[DUP_ACKS] = 0
    c[SRTT] = 0
    c[RTTVAR] = 0
    c[ROUND_END] = 0
    c[SAMPLES] = 0
    c[RETRIES] = 0
    c[STORED] = 0
    c[CHUNK] = 0
    c[PAGES_HELD] = 0
    c[RESENT] = 0
    c[STAMPED] = 0
    c[START] = 0
    c[KEPT_TO] = 0
    c[DUE] = 0
    c[CHALLENGED] = 0
    if board.HYSTART:
        c[ROUND_MIN] = 0
        c[LAST_MIN] = 0
        c[CSS] = 0


@inline
def free(s: ptr32, c: ptr32):
    """Give the slot back, with the pages of its answers; it may still be in the list of work, which skips it."""
    while c[QUEUED]:
        unqueue(s, c)
    if c[STATE] == TIME_WAIT:
        s[WAITING] = s[WAITING] - 1
    c[STATE] = CLOSED
    c[FLAGS] = c[FLAGS] & IN_WORK
    head = chain(c[PEER], c[PEER] >> 16, c[PEER_PORT])
    if s[head] == int(c):
        s[head] = c[LINK]
    else:
        before = ptr32(s[head])
        while before[LINK] != int(c):
            before = ptr32(before[LINK])
        before[LINK] = c[LINK]
    if c[FLAGS] & IN_WORK == 0:
        c[LINK] = s[FREE]
        s[FREE] = int(c)
    s[OPEN] = s[OPEN] - 1


@inline
def work(s: ptr32, c: ptr32):
    """Put the slot into the list of those that have something to send, unless it is there."""
    if c[FLAGS] & IN_WORK == 0:
        c[FLAGS] = c[FLAGS] | IN_WORK
        c[WORK_LINK] = s[WORK]
        s[WORK] = int(c)


@inline
def next_work(s: ptr32) -> int:
    """Take the next slot from the list of work; 0 if it was closed meanwhile (then it becomes free now)."""
    at = s[WORK]
    c = ptr32(at)
    s[WORK] = c[WORK_LINK]
    c[FLAGS] = c[FLAGS] & ~IN_WORK
    if c[STATE] == CLOSED:
        c[LINK] = s[FREE]
        s[FREE] = at
        at = 0
    return at


# ---- the queue of responses -----------------------------------------------------------------------------------

@inline
def queue_full(c: ptr32) -> int:
    return c[QUEUED] >= QUEUE_SIZE - 1


@inline
def queue(c: ptr32, first: int, main: int, length: int, sums: int):
    """Append a response of `length` bytes to what is to be sent.

    Its bytes below CHUNK_BYTES lie at `first`, byte o beyond them at main + o. `sums` is the address of 16-bit
    partial sums or 0: of the first chunk at `first` (used when first != main), then of each chunk at main.
    """
    r = ptr32(int(c) + 4 * QUEUE + (c[QUEUED] << 4))
    r[0] = first
    r[1] = main
    r[2] = sums
    c[SND_END] = c[SND_END] + length
    r[3] = c[SND_END]
    c[QUEUED] = c[QUEUED] + 1


@inline
def unqueue(s: ptr32, c: ptr32):
    """Drop the oldest response: all of it is acknowledged. A page of the pool becomes free again."""
    page = c[QUEUE] - s[PAGE_AT]
    if page >= 0 and page < board.PAGES * board.PAGE_BYTES:
        free_page(s, page)
        c[PAGES_HELD] = c[PAGES_HELD] - 1
    c[QUEUE_SEQ] = c[QUEUE + 3]
    c[QUEUED] = c[QUEUED] - 1
    k = QUEUE
    end = QUEUE + (c[QUEUED] << 2)
    while k < end:
        c[k] = c[k + 4]
        k = k + 1


@inline
def free_page(s: ptr32, page: int):
    """Give back the page that lies `page` bytes behind the first."""
    busy = ptr32(int(s) + 4 * PAGE_BUSY)
    busy[page >> PAGE_SHIFT] = 0
    s[PAGES_FREE] = s[PAGES_FREE] + 1


@inline
def shut(c: ptr32):
    """No more responses: send FIN behind what is queued."""
    c[FLAGS] = c[FLAGS] | SHUT
