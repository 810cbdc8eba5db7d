"""The stack: from a received frame to the frames it causes, in one native function; rare events in everyday Python.

`turn` is what image/specialize.py makes flat: driver, ARP, IPv4, ICMP, UDP, TCP, HTTP and the sensor expanded into one
function. It leaves with an event when something is better done in everyday Python, and is called again after it.
"""
from array import array

import micropython
from uctypes import addressof

from . import (arp, board, config, cookie, counters, driver, http, http_range, icmp, ip, limits, page, sensor, slot, status,
               tcp, udp)
from .checksum import sum_words
from .counters import count
from .inline import inline
from .state import *
from .tcp_output import output, timers
from .tcp_text import move
from .wire import *
from .word import i32

if config.HTTP:
    import assets

BUSY_LOOKS = 16         # times as many looks before the clock is read again, where it does not sleep for a while
FRAMES = 64             # frames a turn, before the sensor, the timers and the card get theirs
EVENTS = 64             # events a poll, so that the caller can tell the time again
TIMER_MS = 60000        # the timers run at least this often
# What `turn` returns beside the milliseconds until it wants to be called again, as numbers above any of those
AGAIN, TIMER, READ, ROUTE = (1 << 20 | k for k in range(4))
REKEY = 1               # what `timer` leaves to be done: this, arp.CONFLICT_SEEN, or both


class Stack:
    """The appliance on the card whose block is `n` (driver.open), keyed with the 16 bytes of `entropy`.

    `source(now, sequence)` gives a reading where [sensor] source is not one that is expanded in place.
    All memory is taken here. MemoryError: the board has too little.
    """

    def __init__(self, n, entropy, source=None):
        self.n = n
        self.source = source
        self.s = s = array("I", bytearray(4 * WORDS))
        mac = config.MAC or driver.mac(n)
        for k in range(3):
            s[MAC + k] = mac[2 * k] | mac[2 * k + 1] << 8
        for k in range(2):
            s[MAC_HEAD + k] = s[MAC + k] | s[MAC + k + 1] << 16
        s[OUR_ADDRESS] = ADDRESS_0 | ADDRESS_1 << 16
        s[OUR_BROADCAST] = BROADCAST_0 | BROADCAST_1 << 16
        s[HOP_ADDRESS] = arp.HOP_0 | arp.HOP_1 << 16
        self.t = array("I", (0,))
        if config.HTTP:
            self.t = http.tables(assets)
            self._slots = bytearray(board.TCP_SLOTS * slot.SLOT_BYTES)
            self._store = bytearray(board.TCP_SLOTS * board.SLOT_RX + 4)    # http.feed marks the end behind the data
            self._pages = bytearray(board.PAGES * board.PAGE_BYTES)
            slot.setup(s, addressof(self._slots), addressof(self._store))
            s[PAGE_AT] = addressof(self._pages)
            s[PAGES_FREE] = board.PAGES
        if config.SENSOR:
            sensor.template(s)
        cookie.rekey(s, entropy)
        s[REKEY_AT] = cookie.REKEY_MS - cookie.LIFE_MS      # no key was before this one
        if config.NETWORKS or BUCKET_KEYS:
            limits.setup(s, entropy[8:])
        s[ANNOUNCE] = arp.ANNOUNCE_NUM
        s[HOP_HEARD_AT] = (1 << 32) - arp.FRESH_MS
        status.attach(s, n)
        self._started = False

    def poll(self, tick):
        """Handle all that is there at `tick`, milliseconds of which the low 30 bits count (time.ticks_ms()).

        Returns the milliseconds until it has to be called again if no frame arrives before. Allocates nothing.
        """
        s = self.s
        if not self._started:
            self._started = True
            s[TICK] = tick & 0x3FFFFFFF
        micropython.heap_lock()
        event = AGAIN
        events = EVENTS
        while events:
            events -= 1
            event = turn(self.n, s, self.t, tick)
            if event <= AGAIN:
                break
            self._handle(event)
        micropython.heap_unlock()
        return event if event < AGAIN else 0

    def run(self, idle, ticks_ms):
        """Poll for ever, sleeping in idle(n, ms): an appliance that does nothing else. Between the end of its sleep, when the
        card interrupts, and `turn` there is no more than a call."""
        n, s, t, lock, unlock = self.n, self.s, self.t, micropython.heap_lock, micropython.heap_unlock
        self.poll(ticks_ms())
        while True:
            lock()
            wait = turn(n, s, t, ticks_ms())
            if wait > AGAIN:
                self._handle(wait)
            unlock()
            if 0 < wait < AGAIN:
                idle(n, wait)

    def _handle(self, event):
        """What `turn` leaves to be done: timers, and what may allocate."""
        if event == TIMER:
            event = timer(self.n, self.s)
        if event:
            self._rare(event)

    def _rare(self, event):
        """What may allocate: a reading, an answer, a key, a line. Without memory it is put off, and a request gets 503."""
        s = self.s
        micropython.heap_unlock()
        try:
            if config.SENSOR and not config.READING_INLINE and event == READ:
                take_reading(s, self.source)
            elif config.HTTP and event == ROUTE:
                answer_route(self.n, s, self.t)
            else:
                if event & REKEY:
                    cookie.rekey(s, board.entropy())
                if event & arp.CONFLICT_SEEN:
                    say_conflict(s)
        except MemoryError:
            s[counters.NO_MEMORY] += 1
            if config.HTTP and event == ROUTE:
                page.give_up(s, s[ROUTE_SLOT], self.t)
        micropython.heap_lock()
        if config.HTTP and event == ROUTE:
            resume(s, s[ROUTE_SLOT])


def take_reading(s, source):
    """Ask the application for a reading."""
    s[READ_STATUS] = sensor.TAKEN
    try:
        s[READ_VALUE] = source(s[NOW], s[SENSOR_SEQ] + 1) & 0xFFFFFFFF
        s[READ_STATUS] = sensor.VALID | sensor.TAKEN
    except Exception as error:
        s[counters.SENSOR_ERROR] += 1
        if s[counters.SENSOR_ERROR] == 1:
            print("sensor:", config.SENSOR_SOURCE, "failed:", type(error).__name__, error)


def answer_route(n, s, t):
    """Let the application answer a request, or send a part of a file."""
    page.PAGE.start(0, 0)
    if not page.respond(n, s, s[ROUTE_SLOT], t):
        http_range.respond(n, s, s[ROUTE_SLOT], t)


def say_conflict(s):
    """One line on the console: who else uses our address. Without memory the next event of the timers tries again."""
    pairs = ["%02x:%02x" % (s[CONFLICT + k] & 255, s[CONFLICT + k] >> 8) for k in range(3)]
    print("arp: our address is also used by", ":".join(pairs))
    s[CONFLICT_UNTOLD] = 0


@micropython.viper
def turn(n: ptr32, s: ptr32, t: ptr32, tick: int) -> int:
    """Handle the slots that have something to send and the frames that came, then the sensor."""
    clock(s, tick)
    event = 0
    frames = FRAMES
    if config.HTTP:
        if s[ROUTE_SLOT]:       # the turn before ended with a request for a route: what is late comes first
            frames = 0
    looks = board.SPIN * BUSY_LOOKS if config.BUSY_POLL_MS else board.SPIN
    again = 1
    while again:
        again = 0
        while frames:
            frames = frames - 1
            size = -1                           # of what answers in place: 0 none, -1 there is no frame
            room = s[WORK]
            if room:
                room = driver.room(n)
            if room:
                s[CURRENT] = slot.next_work(s)
            else:
                length = driver.rx(n)
                if length == 0:
                    break
                size = receive(s, ptr16(driver.frame(n)), length)
            if config.BUSY_POLL_MS:
                if size > 0 or s[CURRENT]:
                    s[SPOKEN_AT] = s[NOW]
            if config.HTTP:
                if s[CURRENT]:
                    c = ptr32(s[CURRENT])
                    if serve(s, c, t):
                        s[ROUTE_SLOT] = int(c)
                        event = ROUTE           # its answer will carry the ACK
                        frames = 0
                    else:
                        output(n, s, c)
                    s[CURRENT] = 0
                    s[DATA_BYTES] = 0
            if size > 0:
                count(s, counters.TX_FRAMES)
                driver.reply(n, size)
            elif size == 0:
                driver.release(n)
        if config.SENSOR:
            if event == 0:
                if sensor.run(n, s):
                    event = READ
        driver.flush(n)
        if event == 0:
            if due(s, TIMER_AT):
                event = TIMER
            elif frames == 0:
                event = AGAIN
                if config.HTTP:
                    if s[ROUTE_SLOT]:
                        s[ROUTE_SLOT] = 0
                        frames = FRAMES
                        event = 0
                        again = 1
            else:
                event = wait(n, s)
                if board.SPIN and event > 1:    # what comes now costs neither the way to sleep nor an interrupt
                    looks = driver.linger(n, looks)
                    if looks:
                        event = 0
                        again = 1
                    elif config.BUSY_POLL_MS:
                        if i32(s[NOW] - s[SPOKEN_AT]) >= 0 and i32(s[NOW] - s[SPOKEN_AT]) < config.BUSY_POLL_MS:
                            event = 0
    return event


@inline
def wait(n: ptr32, s: ptr32) -> int:
    """Milliseconds until the next deadline; 1 while something waits for room in the card."""
    ms = i32(s[TIMER_AT] - s[NOW])
    if config.SENSOR and (sensor.PERIOD or s[HOP_KNOWN]):
        until = i32(s[SENSOR_AT] - s[NOW]) if sensor.PERIOD else 0
        if until < ms:
            ms = until
        if s[RING_COUNT] and s[HOP_KNOWN]:
            ms = 0
    if ms < 0:
        ms = 0
    if s[WORK] or config.SENSOR and s[BLOCKED]:
        ms = 1 if driver.full(n) else 0
    return ms


@inline
def receive(s: ptr32, f: ptr16, length: int) -> int:
    """Take frame f of `length` bytes; returns the length of the answer that now stands in its place, 0 for none."""
    size = 0
    count(s, counters.RX_FRAMES)
    if f[ETH_SRC] & 1:
        count(s, counters.ETH_SOURCE)
    elif f[ETH_TYPE] == TYPE_IP:
        if ours(s, f):
            size = ip.check(s, f, length)
            if size:
                size = deliver(s, f, size)
        else:
            count(s, counters.ETH_NOT_OURS)
    elif f[ETH_TYPE] == TYPE_ARP:
        if f[0] & f[1] & f[2] == 0xFFFF or ours(s, f):
            size = arp.input(s, f, length)
        else:
            count(s, counters.ETH_NOT_OURS)
    else:
        count(s, counters.ETH_TYPE)
    return size


@inline
def ours(s: ptr32, f: ptr16) -> int:
    """Whether frame f was sent to our MAC address."""
    return ptr32(int(f) + 2)[0] == s[MAC_TAIL] and f[0] == s[MAC]


@inline
def deliver(s: ptr32, f: ptr16, size: int) -> int:
    """Give an IP datagram of `size` bytes to its protocol; returns the length of the frame that answers it in place.

    The sum over its payload and the exchange of its addresses stand here once for all protocols.
    """
    protocol = ptr8(f)[IP_PROTOCOL_BYTE]
    n = size - 20
    if protocol == UDP:
        n = udp.length(f, size)
    total = 0
    if protocol != UDP or f[UDP_DST] != udp.ECHO_PORT:
        total = sum_words(int(f) + 34, n)
    answer = 0
    if n < 8:
        count(s, counters.IP_SHORT)
    elif protocol == UDP:
        answer = udp.input(s, f, n, total)
        if answer == udp.UNREACHABLE:
            protocol = ICMP
            answer = icmp.unreachable(s, f)
    elif protocol == TCP:
        at = 0
        if config.HTTP:
            at = slot.find(s, f, f[TCP_SRC])
        answer = tcp.input(s, f, n, total, at)
    elif protocol == ICMP:
        answer = icmp.input(s, f, n, total)
    else:
        count(s, counters.IP_PROTOCOL)
    if answer:
        ip.turn(s, f, protocol, answer)
        answer = answer + ETH_BYTES
    return answer


@inline
def serve(s: ptr32, c: ptr32, t: ptr32) -> int:
    """Give HTTP the bytes that came and those that were kept. Returns 1 when a route has to answer."""
    if c[slot.FLAGS] & slot.FRESH:
        c[slot.FLAGS] = c[slot.FLAGS] & ~slot.FRESH
        http.open(c)
    at = s[DATA]
    n = s[DATA_BYTES]
    stored = c[slot.STORED]
    if stored:
        at = c[slot.STORE_AT] + c[slot.START]
        n = stored - c[slot.START]
    route = 0
    while (n or c[slot.FLAGS] & slot.ASK) and route == 0 and not slot.queue_full(c) and not hoards(s, c):
        if n == 0:
            c[slot.FLAGS] = c[slot.FLAGS] ^ slot.ASK
        used = http.feed(s, c, t, at, n)
        at = at + used
        n = n - used
        if c[http.READY]:
            route = http.answer(s, c, t)
    if c[slot.KEPT_TO] == 0:
        if n:
            move(at, c[slot.STORE_AT], n)
        c[slot.STORED] = n
        if stored:
            c[slot.START] = 0
            if stored > n and board.SLOT_RX - stored < slot.CHUNK_BYTES:
                c[slot.FLAGS] = c[slot.FLAGS] | slot.ACK_NOW        # the window opens
    elif stored:
        c[slot.START] = at - c[slot.STORE_AT]
    if c[slot.STATE] == slot.CLOSE_WAIT and n == 0 and route == 0 and c[slot.FLAGS] & slot.ASK == 0:
        slot.shut(c)
    return route


@inline
def hoards(s: ptr32, c: ptr32) -> int:
    """Whether a connection that holds a page has to give it back before it may ask on: pages are scarce."""
    return c[slot.PAGES_HELD] != 0 and s[PAGES_FREE] << 1 < board.PAGES


@micropython.viper
def resume(s: ptr32, at: int):
    """The route has answered on the slot at this address: let it send, and read on."""
    slot.work(s, ptr32(at))


@micropython.viper
def timer(n: ptr32, s: ptr32) -> int:
    """Run what is due: one ARP frame of our own, the slots' timers. Returns REKEY, arp.CONFLICT_SEEN."""
    s[TIMER_AT] = s[NOW] + TIMER_MS
    room = driver.room(n)
    if room:
        size = arp.timer(s, room)
        if size:
            count(s, counters.TX_FRAMES)
            driver.send(n, size, 0, 0)
    else:
        wake_at(s, s[NOW] + 1)
    if config.HTTP:
        timers(s)
    limits.age(s)
    driver.flush(n)
    left = s[CONFLICT_UNTOLD]
    if cookie.rekey_due(s):
        left = left | REKEY
    return left
