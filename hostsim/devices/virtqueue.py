"""The device's side of a split virtqueue (VIRTIO 1.2, 2.7), strict about what the driver puts there."""

NEXT, WRITE, INDIRECT = 1, 2, 4


class Violation(AssertionError):
    """The driver did what the specification forbids."""


class Virtqueue:
    """One queue: rings in the driver's memory, once `start` has been told where they are."""

    def __init__(self, memory, index, largest):
        self.memory = memory
        self.index = index
        self.largest = largest      # QueueNumMax
        self.size = 0
        self.ready = False
        self.events = False         # EVENT_IDX was agreed on
        self.silent = False         # the device does not want to be told

    def start(self, desc, avail, used):
        """The driver has set the queue up: take views of its three parts."""
        size = self.size
        for what, address, alignment in (("descriptor table", desc, 16), ("available ring", avail, 2),
                                         ("used ring", used, 4)):
            if address % alignment:
                raise Violation("queue %d: the %s at 0x%x is not aligned to %d (2.7)"
                                % (self.index, what, address, alignment))
        self.desc = self.memory.view(desc, 16 * size).cast("I")
        self.avail = self.memory.view(avail, 6 + 2 * size).cast("H")
        used = self.memory.view(used, 6 + 8 * size)
        self.used = used[:4].cast("H")
        self.used_ring = used[4:-2].cast("I")
        self.avail_event = used[-2:].cast("H")
        self.seen = 0               # available entries taken
        self.done = 0               # used entries written
        self.taken = set()          # heads between the two
        self.ready = True

    def waiting(self):
        """Number of buffers that the driver has made available."""
        if not self.ready:
            return 0
        count = (self.avail[1] - self.seen) & 0xFFFF
        if count > self.size:
            raise Violation("queue %d: available index %d runs %d ahead of the device, the queue has %d entries"
                            % (self.index, self.avail[1], count, self.size))
        return count

    def take(self):
        """The head of the next available chain."""
        head = self.avail[2 + self.seen % self.size]
        if head >= self.size:
            raise Violation("queue %d: descriptor %d made available, of %d" % (self.index, head, self.size))
        if head in self.taken:
            raise Violation("queue %d: descriptor %d made available while the device has it" % (self.index, head))
        self.taken.add(head)
        self.seen = (self.seen + 1) & 0xFFFF
        self.listen()
        return head

    def chain(self, head, flags):
        """[(address, length)] of a chain whose descriptors must have exactly `flags` besides NEXT."""
        parts = []
        i = head
        while True:
            if len(parts) >= self.size:
                raise Violation("queue %d: the chain at %d has a loop (2.7.5.2)" % (self.index, head))
            address, high, length, word = self.desc[4 * i:4 * i + 4]
            if high:
                raise Violation("queue %d: descriptor %d has an address of 64 bits" % (self.index, i))
            if word & 0xFFFF & ~NEXT != flags:
                raise Violation("queue %d: descriptor %d has the flags %d" % (self.index, i, word & 0xFFFF))
            parts.append((address, length))
            if not word & NEXT:
                return parts
            i = word >> 16
            if i >= self.size:
                raise Violation("queue %d: descriptor %d is chained, of %d" % (self.index, i, self.size))

    def put_back(self, head, written):
        """The device has used a chain; returns whether the driver wants an interrupt."""
        self.taken.discard(head)
        return self.push(head, written)

    def push(self, head, written):
        """Write a used entry whatever it says: tests of the driver let the device lie."""
        k = 2 * (self.done % self.size)
        self.used_ring[k] = head
        self.used_ring[k + 1] = written
        before = self.done
        self.done = (self.done + 1) & 0xFFFF
        self.used[1] = self.done
        if self.events:
            if self.avail[0]:
                raise Violation("queue %d: flags of the available ring with EVENT_IDX (2.7.7.1)" % self.index)
            return self.avail[2 + self.size] == before      # used_event: the entry that the driver waits for
        return not self.avail[0] & 1

    def quiet(self, on):
        """Ask the driver not to notify (2.7.10), or ask it to."""
        self.silent = on
        if self.events:             # an index that is past, or the first that it has not looked at
            self.avail_event[0] = self.avail[1] - 1 & 0xFFFF if on else self.seen
        else:
            self.used[0] = 1 if on else 0

    def listen(self):
        """With EVENT_IDX: let the next entry that the driver adds be told."""
        if self.events and not self.silent:
            self.avail_event[0] = self.avail[1]
