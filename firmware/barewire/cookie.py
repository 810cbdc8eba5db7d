"""Initial sequence numbers that are SYN cookies (RFC 6528, RFC 4987 section 3.6).

    iss = F(key, peer address, peer port) + irs + (t << 14 | m << 11)

t counts 64 ms, m is the class of the peer's MSS, irs the peer's own sequence number. So iss grows with time for one
peer, as RFC 6528 section 3 wants (256 KiB/s), and an ACK proves itself: what is left of its acknowledgement number
must have the bits 0..10 clear and a t of the last LIFE_MS. A blind guess succeeds with 1 in 2^19. A segment of 1 to 2047
bytes behind the ACK, which was lost or overtaken, has them not clear, so it cannot open the connection without the bytes in
front of it.

F is HalfSipHash-2-4 (Aumasson and Bernstein's SipHash on 32-bit words) of the peer's address and port, six bytes, with a 64-bit
key; our own address and port are the same for all. The ACK asks for what the SYN asked for, so the last few values are kept.

The key is drawn at boot and anew every REKEY_MS, from the board's entropy and the key before, so that one of the two being
good is enough. The key before is tried for LIFE_MS more: connections that are being opened survive. What a new key costs:
iss is no longer larger than before for the same peer, so an old segment of a connection that ended within one MSL of the
change could meet a new one. Where it matters most we know better: while a connection is in TIME-WAIT, a new one of the same
peer is accepted only with an iss beyond all that was sent (tcp.listen). What remains is one MSL in each hour.
"""
from . import board
from .inline import inline
from .state import *
from .wire import *
from .word import i32, u32

# The classes are multiples of 4, so that segments stay aligned
MSS_0, MSS_1, MSS_2, MSS_3, MSS_4, MSS_5, MSS_6, MSS_7 = 216, 536, 1024, 1220, 1360, 1400, 1440, 1460
LIFE_MS = 64000
EARLY = 1               # no MSS
EARLY_MS = 1000         # what is early by less may only have overtaken the opening segment: no RST
T_SHIFT = 6             # 64 ms
M_SHIFT = 11
REKEY_MS, REKEY_AGAIN_MS = 3600000, 10000
if board.SLOT_RX > 1 << M_SHIFT:
    raise ValueError("SLOT_RX: more than 2048 bytes cannot be told from another cookie")


def rekey(s, entropy):
    """Draw a key from 8 bytes of entropy and from the one there was, which becomes the old one.

    The words become the hash's four words at its start. MemoryError: nothing has changed.
    """
    v0 = s[KEY + 1] * 0x9E3779 + int.from_bytes(entropy[:4], "little") & 0xFFFFFFFF     # an odd factor loses nothing
    v1 = s[KEY] * 0x9E3779 + int.from_bytes(entropy[4:8], "little") & 0xFFFFFFFF
    words = v0, v1, v0 ^ 0x6C796765, v1 ^ 0x74656462, s[KEY], s[KEY + 1], s[KEY + 2], s[KEY + 3], s[NOW] + REKEY_MS & 0xFFFFFFFF
    for k in range(9):
        s[KEY + k] = words[k]                       # OLD_KEY and REKEY_AT follow


@inline
def rekey_due(s: ptr32) -> int:
    """Whether it is time for a new key. rekey() notes when the next one is; where it has no memory, it is asked again soon."""
    yes = due(s, REKEY_AT)
    if yes:
        s[REKEY_AT] = s[NOW] + REKEY_AGAIN_MS       # and old_key_valid() is false: OLD_KEY is the one of an hour before
    wake_at(s, s[REKEY_AT])
    return yes


@inline
def old_key_valid(s: ptr32) -> int:
    """Whether what was sent under the old key may still come back."""
    return i32(s[REKEY_AT] - s[NOW]) > REKEY_MS - LIFE_MS


@inline
def rotl(x: int, n: int) -> int:
    """x rotated left by n in 32 bits; what is above them means nothing, before and after."""
    return x << n | x >> 32 - n & (1 << n) - 1


@inline
def isn_hash(s: ptr32, f: ptr16, key: int) -> int:
    """F of the peer of frame f under the key in word `key`; modulo 2^32."""
    peer = ptr32(int(f) + IP_SRC_BYTE)[0]
    port = f[TCP_SRC]
    kept = ptr32(int(s) + 4 * HASHES + ((port >> 8 & HASH_COUNT - 1) << 4))
    if kept[0] != peer or kept[1] != port or kept[2] != s[key]:
        kept[0] = peer
        kept[1] = port
        kept[2] = s[key]
        kept[3] = halfsiphash(s, key, peer, port | 6 << 24)     # the length of the message, as SipHash closes it
    return u32(kept[3])


@inline
def halfsiphash(s: ptr32, key: int, message: int, last: int) -> int:
    """HalfSipHash-2-4 of two words. What stands above bit 31 never comes down, so it need not be cut off."""
    v0 = s[key]
    v1 = s[key + 1]
    v2 = s[key + 2]
    v3 = s[key + 3] ^ message
    turn = 8
    while turn:
        v0 = v0 + v1
        v1 = rotl(v1, 5) ^ v0
        v0 = rotl(v0, 16)
        v2 = v2 + v3
        v3 = rotl(v3, 8) ^ v2
        v0 = v0 + v3
        v3 = rotl(v3, 7) ^ v0
        v2 = v2 + v1
        v1 = rotl(v1, 13) ^ v2
        v2 = rotl(v2, 16)
        turn = turn - 1
        if turn == 6:
            v0 = v0 ^ message
            v3 = v3 ^ last
        elif turn == 4:
            v0 = v0 ^ last
            v2 = v2 ^ 0xFF
    return v1 ^ v3


@inline
def now_part(s: ptr32) -> int:
    """The time's part of an iss."""
    return (s[NOW] >> T_SHIFT & 0x3FFFF) << 14


@inline
def mss_class(mss: int) -> int:
    """The largest class that is not above mss; the smallest one for anything less."""
    k = 7
    if mss < MSS_7:
        k = 6
    if mss < MSS_6:
        k = 5
    if mss < MSS_5:
        k = 4
    if mss < MSS_4:
        k = 3
    if mss < MSS_3:
        k = 2
    if mss < MSS_2:
        k = 1
    if mss < MSS_1:
        k = 0
    return k


@inline
def class_mss(k: int) -> int:
    """The MSS of class k."""
    mss = MSS_7
    if k == 6:
        mss = MSS_6
    elif k == 5:
        mss = MSS_5
    elif k == 4:
        mss = MSS_4
    elif k == 3:
        mss = MSS_3
    elif k == 2:
        mss = MSS_2
    elif k == 1:
        mss = MSS_1
    elif k == 0:
        mss = MSS_0
    return mss


@inline
def proven(s: ptr32, part: int) -> int:
    """The MSS if `part` (iss - F) is what we sent within LIFE_MS; EARLY if that is so within EARLY_MS but for 1 to 2047
    bytes that were sent in front of this segment; else 0."""
    result = 0
    age = ((s[NOW] >> T_SHIFT) - (u32(part + 0x7FF) >> 14)) & 0x3FFFF
    if part & 0x7FF:
        if age < EARLY_MS >> T_SHIFT:
            result = EARLY
    elif age <= LIFE_MS >> T_SHIFT:
        result = class_mss(part >> M_SHIFT & 7)
    return result
