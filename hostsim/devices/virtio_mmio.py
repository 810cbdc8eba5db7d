"""virtio-net behind virtio-mmio, as registers: legacy (version 1) and modern (version 2).

VIRTIO 1.2, sections 3.1 (initialisation), 4.2.2 and 4.2.4 (registers), 5.1 (network card).  A driver that breaks a
rule gets a Violation, which names the rule: in a test that is the failure, in the simulator the end of the program.
Frames go to and come from a link (hostsim/links.py).
"""
from hostsim.devices import offload
from hostsim.devices.virtqueue import WRITE, Violation, Virtqueue

RX, TX = 0, 1
ACKNOWLEDGE, DRIVER, DRIVER_OK, FEATURES_OK, FAILED = 1, 2, 4, 8, 128
CSUM, MAC, HOST_TSO4, ANY_LAYOUT, EVENT_IDX, VERSION_1 = 1 << 0, 1 << 5, 1 << 11, 1 << 27, 1 << 29, 1 << 32
# what QEMU's card offers besides: offloads for received frames and other protocols, merged buffers, status, control queue,
# indirect descriptors; a driver that accepts one it does not implement is found out
TEMPTATIONS = (1 << 1 | 1 << 7 | 1 << 8 | 1 << 12 | 1 << 15 | 1 << 16 | 1 << 17 | 1 << 18
               | 1 << 24 | 1 << 28)
LONGEST = 1514
BURST = 64                  # frames taken from the link in one go

READABLE = {0x000, 0x004, 0x008, 0x00C, 0x010, 0x034, 0x060, 0x070}
WRITABLE = {0x014, 0x020, 0x024, 0x030, 0x038, 0x050, 0x064, 0x070}
LEGACY_READ, LEGACY_WRITE = {0x040}, {0x028, 0x03C, 0x040}
MODERN_READ, MODERN_WRITE = {0x044, 0x0FC}, {0x044, 0x080, 0x084, 0x090, 0x094, 0x0A0, 0x0A4}


class VirtioNet:
    """The card.  `link` has send(frame) and recv() -> frame or None; `interrupt` is called for each interrupt."""

    def __init__(self, memory, base, link, mac=b"\x52\x54\x00\x12\x34\x56", version=2, features=None, queue_max=256,
                 device_id=1, refuse=False, interrupt=None):
        self.memory, self.base, self.link = memory, base, link
        self.mac, self.version, self.device_id, self.queue_max = mac, version, device_id, queue_max
        if features is None:
            features = CSUM | HOST_TSO4 | EVENT_IDX | MAC | TEMPTATIONS | (VERSION_1 if version == 2 else ANY_LAYOUT)
        self.features = features
        self.refuse = refuse            # do not let FEATURES_OK stand
        self.interrupt = interrupt or (lambda: None)
        self.hold = False               # tests: keep sent frames' buffers until complete() is called
        self.held = []
        self.received = self.sent = self.overruns = 0
        self.reset()
        memory.mmio(base, 0x200, self.read, self.write, "virtio-net")

    def reset(self):
        self.status = self.accepted = self.isr = 0
        self.device_sel = self.driver_sel = self.selected = 0
        self.page_size = self.align = 0
        self.pfn = [0, 0]
        self.addresses = [{}, {}]
        self.queues = [Virtqueue(self.memory, i, self.queue_max) for i in (RX, TX)]
        self.header = 12 if self.version == 2 else 10
        self.single = self.version == 1
        self.running = False
        self.held.clear()
        self.trains = {}                # where a header asked for cutting -> its fields behind flags and gso_type

    # ---- registers -----------------------------------------------------------------------------------------------
    def read(self, offset, width):
        if offset >= 0x100:
            if width != 1 or offset - 0x100 >= len(self.mac):
                raise Violation("configuration read at 0x%x of %d bytes: the MAC is an array of bytes (4.2.2.2)"
                                % (offset, width))
            return self.mac[offset - 0x100]
        if width != 4 or offset & 3:
            raise Violation("register 0x%x read with %d bytes; 4 are the rule (4.2.2.2)" % (offset, width))
        if offset not in READABLE | (MODERN_READ if self.version == 2 else LEGACY_READ):
            raise Violation("register 0x%x read; version %d has none to read there" % (offset, self.version))
        if offset == 0x000:
            return 0x74726976
        if offset == 0x004:
            return self.version
        if offset == 0x008:
            return self.device_id
        if offset == 0x010:
            return self.features >> (32 * self.device_sel) & 0xFFFFFFFF
        if offset == 0x034:
            return self._queue().largest
        if offset == 0x040:
            return self.pfn[self.selected]
        if offset == 0x044:
            return int(self._queue().ready)
        if offset == 0x060:
            return self.isr
        if offset == 0x070:
            return self.status
        return 0                        # vendor, configuration generation

    def write(self, offset, width, value):
        if width != 4 or offset & 3:
            raise Violation("register 0x%x written with %d bytes; 4 are the rule (4.2.2.2)" % (offset, width))
        if offset not in WRITABLE | (MODERN_WRITE if self.version == 2 else LEGACY_WRITE):
            raise Violation("register 0x%x written; version %d has none to write there" % (offset, self.version))
        if offset == 0x050:
            return self._notified(value)
        if offset == 0x070:
            return self._set_status(value)
        if offset == 0x064:
            return self._acknowledge(value)
        if not self.status & DRIVER:
            raise Violation("register 0x%x written before DRIVER was set (3.1.1)" % offset)
        if offset == 0x014:
            self.device_sel = value
        elif offset == 0x024:
            self.driver_sel = value
        elif offset == 0x020:
            self._accept(value)
        elif offset == 0x028:
            self.page_size = value
        else:
            self._set_queue(offset, value)

    def _set_status(self, value):
        if value == 0:
            return self.reset()
        if value & FAILED:
            self.status |= FAILED
            return None
        if self.status & ~value:
            raise Violation("status 0x%x -> 0x%x: the driver must not clear a bit (2.1.1)" % (self.status, value))
        for bit, needs in ((DRIVER, ACKNOWLEDGE), (FEATURES_OK, DRIVER), (DRIVER_OK, DRIVER)):
            if value & ~self.status & bit and not self.status & needs:
                raise Violation("status bit %d set before bit %d (3.1.1)" % (bit, needs))
        if self.version == 1 and value & FEATURES_OK:
            raise Violation("FEATURES_OK on a legacy device (3.1.2)")
        if value & ~self.status & DRIVER_OK and self.version == 2 and not self.status & FEATURES_OK:
            raise Violation("DRIVER_OK without FEATURES_OK (3.1.1)")
        if value & FEATURES_OK and (self.refuse or not self.accepted & VERSION_1):
            value &= ~FEATURES_OK
        self.status = value
        self.running = bool(value & DRIVER_OK)
        return None

    def _accept(self, value):
        if self.status & FEATURES_OK or self.status & DRIVER_OK:
            raise Violation("features written after they were agreed on (3.1.1)")
        mask = 0xFFFFFFFF << 32 * self.driver_sel
        self.accepted = self.accepted & ~mask | value << 32 * self.driver_sel
        if self.accepted & ~self.features:
            raise Violation("features 0x%x accepted that were not offered (2.2.1)" % (self.accepted & ~self.features))
        unknown = self.accepted & ~(CSUM | HOST_TSO4 | EVENT_IDX | MAC | VERSION_1 | ANY_LAYOUT)
        if unknown:
            raise Violation("features 0x%x accepted, which this model does not have" % unknown)
        if self.accepted & HOST_TSO4 and not self.accepted & CSUM:
            raise Violation("HOST_TSO4 accepted without CSUM, which it needs (5.1.3.1)")
        self.single = self.version == 1 and not self.accepted & ANY_LAYOUT

    def _acknowledge(self, value):
        if value & ~self.isr:
            raise Violation("interrupt 0x%x acknowledged, 0x%x is pending (4.2.2.2)" % (value, self.isr))
        self.isr &= ~value

    # ---- queues --------------------------------------------------------------------------------------------------
    def _queue(self):
        if self.selected not in (RX, TX):
            raise Violation("queue %d used, the card has 0 and 1" % self.selected)
        return self.queues[self.selected]

    def _set_queue(self, offset, value):
        if offset == 0x030:
            self.selected = value
            return
        queue = self._queue()
        queue.events = bool(self.accepted & EVENT_IDX)
        if queue.ready and offset != 0x044:
            raise Violation("register 0x%x of queue %d written while it is in use (4.2.2.2)" % (offset, queue.index))
        if self.version == 2 and not self.status & FEATURES_OK:
            raise Violation("queue set up before FEATURES_OK (3.1.1)")
        if offset == 0x038:
            if not 0 < value <= queue.largest or value & (value - 1):
                raise Violation("queue %d of %d entries: a power of two up to %d is allowed (2.7)"
                                % (queue.index, value, queue.largest))
            queue.size = value
        elif offset == 0x03C:
            self.align = value
        elif offset == 0x040:
            self._start_legacy(queue, value)
        elif offset == 0x044:
            self._start_modern(queue, value)
        else:
            self.addresses[queue.index][offset] = value

    def _start_legacy(self, queue, page):
        if not self.page_size or not self.align or not queue.size:
            raise Violation("QueuePFN written before GuestPageSize, QueueAlign and QueueNum (4.2.4)")
        if self.align & (self.align - 1):
            raise Violation("QueueAlign %d is no power of two (4.2.4)" % self.align)
        self.pfn[queue.index] = page
        desc = page * self.page_size
        avail = desc + 16 * queue.size
        queue.start(desc, avail, (avail + 6 + 2 * queue.size + self.align - 1) & -self.align)

    def _start_modern(self, queue, value):
        if value != 1 or queue.ready:
            raise Violation("QueueReady %d written to queue %d" % (value, queue.index))
        given = self.addresses[queue.index]
        if not queue.size or set(given) != {0x080, 0x084, 0x090, 0x094, 0x0A0, 0x0A4}:
            raise Violation("queue %d made ready before its size and its three addresses were set (4.2.3.2)"
                            % queue.index)
        if given[0x084] or given[0x094] or given[0x0A4]:
            raise Violation("queue %d beyond 4 GiB" % queue.index)
        queue.start(given[0x080], given[0x090], given[0x0A0])

    def _notified(self, index):
        if not self.running:
            raise Violation("queue %d notified before DRIVER_OK (3.1.1)" % index)
        if index == TX:
            self.transmit()
        elif index != RX:
            raise Violation("queue %d notified, the card has 0 and 1" % index)

    def _interrupt(self, wanted):
        if wanted:
            self.isr |= 1
            self.interrupt()

    # ---- frames --------------------------------------------------------------------------------------------------
    def transmit(self):
        """Send everything that the driver has made available."""
        queue = self.queues[TX]
        wanted = False
        for _ in range(queue.waiting()):
            head = queue.take()
            for frame in self._gather(queue, head):
                self.link.send(frame)
            self.sent += 1
            if self.hold:
                self.held.append(head)
            else:
                wanted |= queue.put_back(head, 0)
        self._interrupt(wanted)

    def _gather(self, queue, head):
        """The frames of a chain, after a look at the header in front (5.1.6.2)."""
        parts = queue.chain(head, 0)
        memory = self.memory
        data = b"".join([memory.view(address, length) for address, length in parts])
        size = self.header
        if self.single and parts[0][1] != size:
            raise Violation("without ANY_LAYOUT a legacy header has a descriptor of its own (5.1.6.6)")
        header, frame = data[:size], data[size:]
        if header[:2] != b"\0\0":
            self.trains[parts[0][0]] = header[2:]
            return offload.segments(header, frame, self.accepted & HOST_TSO4)
        # they mean nothing then (5.1.6.2), but are what nobody wrote there or what the last frame that was cut left
        if any(header) and header[2:] != self.trains.get(parts[0][0]):
            raise Violation("header %s of a sent frame asks for nothing and is not zero (5.1.6.2.1)" % header.hex())
        if not 14 <= len(frame) <= LONGEST:
            raise Violation("a frame of %d bytes is sent" % len(frame))
        return (frame,)

    def complete(self, head):
        """A held buffer goes back to the driver; tests choose the order (2.7.8: any order is allowed)."""
        self.held.remove(head)
        self._interrupt(self.queues[TX].put_back(head, 0))

    def receive(self, frame):
        """A frame arrives; False and counted if the driver has no buffer for it."""
        queue = self.queues[RX]
        if not self.running or not queue.waiting():
            self.overruns += 1
            return False
        head = queue.take()
        (address, room), *more = queue.chain(head, WRITE)
        if more or room < LONGEST + self.header:
            raise Violation("receive buffer %d has %d bytes in %d parts; %d in one are needed (5.1.6.3.1)"
                            % (head, room, 1 + len(more), LONGEST + self.header))
        # num_buffers, which only the modern header has, is 1
        data = (b"\0" * 10 + b"\1\0" if self.version == 2 else b"\0" * 10) + frame
        self.memory.view(address, len(data))[:] = data
        self.received += 1
        self._interrupt(queue.put_back(head, len(data)))
        return True

    def pull(self):
        """Take what waits on the link, as far as there are buffers and one burst goes; returns how many."""
        if not self.running:
            return 0
        queue = self.queues[RX]
        count = 0
        while count < BURST and queue.waiting():
            frame = self.link.recv()
            if frame is None:
                break
            if len(frame) <= LONGEST:
                self.receive(frame)
                count += 1
        return count
