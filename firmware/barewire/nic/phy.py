"""The PHY of a card with FIFOs, and what such a card has to tell: IEEE 802.3, clause 22, for the registers that all have.

A driver attaches the two functions that reach its own, and the registers that differ.
"""
from micropython import const

from barewire.nic.fifo import CHECK, ERRORS, LINK, LINK_NEWS, LOST, NEWS, READY, TOLD, TROUBLE

_STATUS = const(1)
_LINK_UP = const(4)
_ABILITY = const(4)             # ours; the partner's follows
_FULL_100 = const(0x100)
_HALF_100 = const(0x80)
_FULL_10 = const(0x40)

_card = []


def attach(mii, duplex, mask, change, events, names):
    """For this card: mii(n, register, value) writes, or reads for -1, and returns -1 where that does not end;
    duplex(n, full) sets the MAC's mode; `change` in register `mask` asks for interrupts, reading `events` ends one;
    `names` are NIC_NAMES, those of ERRORS, OVERFLOW and STUCK first."""
    _card[:] = mii, duplex, mask, change, events, names


def look(n):
    """Set the PHY's interrupts up, if that is still to be done, and note the state of the link and its duplex mode."""
    mii, duplex, mask, change, events, _ = _card
    n[CHECK] = 0
    if not n[READY] and mii(n, mask, change) >= 0:
        n[READY] = 1
    up = 0
    if n[READY]:
        mii(n, events, -1)              # reading takes the interrupt away
        mii(n, _STATUS, -1)             # holds a loss of the link until it is read: the second reading is now
        status = mii(n, _STATUS, -1)
        if status == 0:                 # no PHY: QEMU's Stellaris card; a real one never reads 0 here
            up = 1
        elif status > 0 and status & _LINK_UP:
            up = 1
            common = mii(n, _ABILITY, -1) & mii(n, _ABILITY + 1, -1)
            duplex(n, 1 if common & _FULL_100 or common & (_HALF_100 | _FULL_10) == _FULL_10 else 0)
    if n[LINK] != up:
        n[LINK] = up
        n[NEWS] |= LINK_NEWS
        if not up:
            n[LOST] += 1


def link(n):
    """Whether the cable is in and both ends agree."""
    look(n)
    return n[LINK] != 0


def news(n):
    """To be called around each sleep: a line for the console, mostly an empty one."""
    if n[CHECK] or not n[READY]:
        look(n)
    if not n[NEWS]:
        return ""
    if n[NEWS] & LINK_NEWS:
        n[NEWS] &= TROUBLE
        return "link: up" if n[LINK] else "link: down"
    for k in range(3):
        if n[ERRORS + k] and not n[TOLD] >> k & 1:
            n[TOLD] |= 1 << k
            return "network card: the first " + _card[5][k][0]
    n[NEWS] = 0
    return ""
