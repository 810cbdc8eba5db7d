"""RFC 9293 section 3.10: the code is driven into every state and through every event of barewire/tcp_states.py."""
import pytest
from device import ADDRESS, ICMP, IP, MAC, PEER, PEER_MAC, TCP, Client, Device, Ether

from firmware.barewire.tcp_states import ACTIONS, SHORT, STATES, TABLE, parse

CELLS = parse()
POSSIBLE = {key: cell for key, cell in CELLS.items() if isinstance(cell, tuple)}
GET = b"GET /nope HTTP/1.1\r\nHost: x\r\n\r\n"
GET_CLOSE = GET[:-2] + b"Connection: close\r\n\r\n"
FAR = 1 << 24
IN_FLIGHT = {"ACK-of-data", "RTO", "RTO-too-often"}     # ESTABLISHED has to have sent something


class Driven(Client):
    """A client that keeps apart what it acknowledged (`ack`) and what it was sent (`nxt`)."""

    def reach(self, state, event):
        self.nxt = self.ack
        if state in ("CLOSED", "LISTEN"):
            return
        syn_ack, = self.segment("S", ack=0, options=[("MSS", 1460)])
        self.seq += 1
        self.ack = self.nxt = (syn_ack.seq + 1) % 2 ** 32
        if state == "SYN-RECEIVED":
            return
        self.segment("A")
        if state == "ESTABLISHED" and event in IN_FLIGHT:
            self.says("PA", GET)
        elif state in ("FIN-WAIT-1", "FIN-WAIT-2", "CLOSING", "TIME-WAIT"):
            self.says("PA", GET_CLOSE)
            if state in ("FIN-WAIT-2", "TIME-WAIT"):
                self.ack = self.nxt
                self.segment("A")
        elif state == "CLOSE-WAIT":
            self.window = 50
            self.says("FPA", GET)
        if state in ("CLOSING", "LAST-ACK", "TIME-WAIT"):
            self.says("FA")

    def says(self, flags, data=b""):
        for tcp in self.segment(flags, data):
            self.nxt = (tcp.seq + self.length(tcp) + ("F" in tcp.flags)) % 2 ** 32
        self.seq += len(data) + ("F" in flags)

    def until(self, happened, ms=700_000):
        """All that comes until it has happened, in steps of 100 ms."""
        came = []
        for _ in range(ms // 100):
            came += self.mine(self.device.pass_ms(100))
            if happened(came):
                return came
        raise AssertionError("it never happens")

    def gone(self, came):
        return self.device.slot(self.port) is None

    def evicted(self):
        """All slots (there is one) are taken; another client wants it."""
        self.device.pass_ms(5100)
        Client(self.device, port=999).open()
        return []

    def unreachable(self):
        """ICMP: host unreachable, with a header as we sent it inside."""
        ours = IP(src=ADDRESS, dst=PEER) / TCP(sport=80, dport=self.port, seq=self.ack)
        return self.mine(self.device.send(Ether(src=PEER_MAC, dst=MAC) / IP(src=PEER, dst=ADDRESS)
                                          / ICMP(type=3, code=1) / bytes(ours)[:28]))


EVENTS = {
    "SYN-newer": lambda c: c.segment("S", seq=c.seq + 70000, ack=0),
    "SYN-older": lambda c: c.segment("S", seq=c.seq - 1000, ack=0),
    "SYN-ACK": lambda c: c.segment("SA"),
    "RST-exact": lambda c: c.segment("R"),
    "RST-in-window": lambda c: c.segment("R", seq=c.seq + 100),
    "RST-outside": lambda c: c.segment("R", seq=c.seq + 70000),
    "no-flags": lambda c: c.segment("", GET),
    "ACK-nothing-new": lambda c: c.segment("A"),
    "ACK-of-data": lambda c: c.segment("A", ack=c.nxt - c.fin_sent()),
    "ACK-of-FIN": lambda c: c.segment("A", ack=c.nxt),
    "ACK-too-new": lambda c: c.segment("A", ack=(c.ack + FAR) % 2 ** 32),
    "ACK-too-old": lambda c: c.segment("A", ack=(c.ack - FAR) % 2 ** 32),
    "keep-alive": lambda c: c.segment("A", seq=c.seq - 1),
    "text": lambda c: c.segment("PA", b"GET"),
    "text-beyond-gap": lambda c: c.segment("PA", b"GET", seq=c.seq + 10),
    "text-again": lambda c: c.segment("PA", b"GET", seq=c.seq - 3),
    "text-outside": lambda c: c.segment("PA", b"GET", seq=c.seq + FAR),
    "FIN": lambda c: c.segment("FA"),
    "FIN-and-ACK-of-FIN": lambda c: c.segment("FA", ack=c.nxt),
    "FIN-beyond-gap": lambda c: c.segment("FA", seq=c.seq + 10),
    "FIN-again": lambda c: c.segment("FA", seq=c.seq - 1),
    "request-and-FIN": lambda c: c.segment("FPA", GET, window=50),
    "CLOSE": lambda c: c.segment("A", ack=c.nxt, window=64000) if c.window == 50 else c.segment("PA", GET_CLOSE),
    "RTO": lambda c: c.until(len),
    "RTO-too-often": lambda c: c.until(c.gone),
    "idle-60-s": lambda c: c.until(len),
    "FIN-WAIT-2-10-s": lambda c: c.until(c.gone),
    "2-MSL": lambda c: c.until(c.gone),
    "eviction": lambda c: c.evicted(),
    "ICMP-unreachable": lambda c: c.unreachable(),
}


def fin_sent(self):
    return self.device.slot(self.port)("STATE") in (self.device.fw.slot.FIN_WAIT_1, self.device.fw.slot.CLOSING)


Driven.fin_sent = fin_sent


def state_of(client, start, replies):
    slot = client.device.slot(client.port)
    if slot:
        names = {getattr(client.device.fw.slot, name.replace("-", "_")): name for name in STATES[3:]}
        return names[slot("STATE")]
    if start == "CLOSED":
        return start
    return "SYN-RECEIVED" if "SA" in replies or start == "SYN-RECEIVED" else "LISTEN"


def kind(client, tcp):
    """The reply as ACTIONS names it."""
    flags = str(tcp.flags).replace("P", "")
    return ("F" if "F" in flags else "") + "+" if client.length(tcp) else flags.replace("RA", "R")


def counters(device):
    return {name: device.count(name) for name in device.fw.counters.NAMES if name.startswith(("tcp_", "http_"))}


def run(device, state, event, port):
    """Drive one cell; what differs from the table, as a text."""
    action, then = CELLS[state, event]
    wanted, moved = ACTIONS[action]
    client = Driven(device, port=port, seq=100_000, ack=1 << 30)
    client.reach(state, event)
    assert state_of(client, state, []) == state, "%s was not reached" % state
    before = counters(device)
    replies = [kind(client, tcp) for tcp in EVENTS[event](client)]
    came = state_of(client, state, replies)
    changed = {name for name, count in counters(device).items() if count != before[name]}
    if came == "SYN-RECEIVED" and "SA" not in replies:          # the cookie that was sent before is still good
        client.segment("A")
        assert device.slot(port)
    as_wanted = wanted == "*" and set(moved) <= changed or wanted == "".join(replies) and set(moved) == changed
    return "" if as_wanted and came == then else "%s in %s: reply %s, counters %s, then %s; the table says %s, %s, %s" % (
        event, state, replies, sorted(changed), came, wanted, moved, then)


@pytest.mark.parametrize("state", STATES)
def test_every_event_in(state, word):
    device = Device(word=word, SENSOR=False, HTTP_PORT=8080 if state == "CLOSED" else 80)
    alone = Device(word=word, SENSOR=False, overrides={"TCP_SLOTS": 1})
    wrong = []
    for k, event in enumerate(event for at, event in POSSIBLE if at == state):
        wrong.append(run(alone if event == "eviction" else device, state, event, 20000 + k))
        device.pass_ms(100)         # so that no limit is reached
        if left := device.slot(20000 + k):
            Client(device, port=20000 + k, seq=left("RCV_NXT")).segment("R")
    assert not [text for text in wrong if text], "\n".join(text for text in wrong if text)


def test_no_cell_is_a_hole(capsys):
    """Every state meets every event that the driver knows: in a test, or for a reason in none."""
    assert len(CELLS) == len(STATES) * len(EVENTS) and {event for _, event in CELLS} == set(EVENTS)
    assert {state for state, _ in CELLS} == set(STATES) and set(SHORT.values()) == set(STATES)
    assert {action for action, _ in POSSIBLE.values()} == set(ACTIONS)
    with capsys.disabled():
        print(" [%d cells: %d driven, %d impossible]" % (len(CELLS), len(POSSIBLE), len(CELLS) - len(POSSIBLE)), end="")


def test_every_state_can_be_left_and_entered():
    """Following the arrows, LISTEN is reached from every state, and every state of a connection from LISTEN."""
    arrows = {(state, then) for (state, _), (_, then) in POSSIBLE.items()}
    for forward in (True, False):
        seen, size = {"LISTEN"}, 0
        while size != len(seen):
            size = len(seen)
            seen |= {b if forward else a for a, b in arrows if (a if forward else b) in seen}
        assert seen == set(STATES) - {"CLOSED"}


def test_a_wrong_table_is_noticed(device):
    """Control: a cell that says something else than the code does."""
    right = CELLS["ESTABLISHED", "RST-exact"]
    CELLS["ESTABLISHED", "RST-exact"] = "chall", "ESTABLISHED"
    try:
        assert "RST-exact in ESTABLISHED" in run(device, "ESTABLISHED", "RST-exact", 20000)
    finally:
        CELLS["ESTABLISHED", "RST-exact"] = right
    assert run(device, "ESTABLISHED", "RST-exact", 20001) == "" and len(TABLE.split()) > 300
