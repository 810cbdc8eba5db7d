"""Connection slots and pages: who gives way when all are taken, and that all of them come back."""
import random
import struct

from big import GET, site
from device import Device, connect

from tests.agree.frames import Peer
from tests.agree.random_talk import talk
from tests.agree.targets import Simulated

READING = b"GET /api/reading HTTP/1.1\r\nHost: x\r\n\r\n"


def few(word, **overrides):
    return Device(word=word, assets=site(), overrides={"TCP_SLOTS": 3, **overrides})


def assert_served(device, port=60000):
    assert connect(device, port=port).request("/").startswith(b"HTTP/1.1 200")


def test_peers_that_never_acknowledge_give_way(word):
    device = few(word)
    for k in range(3):
        connect(device, port=50000 + k).segment("PA", GET)
    late = connect(device, port=60000)
    assert late.segment("PA", GET) == [] and device.count("tcp_full") == 2
    device.pass_ms(5100)
    assert late.request("/").startswith(b"HTTP/1.1 200")


def test_a_window_that_never_opens_gives_way(word):
    device = few(word)
    held = [connect(device, port=50000 + k, window=0) for k in range(3)]
    for client in held:
        client.send(GET)
    device.pass_ms(150)
    for client in held:
        client.segment("A")
    assert_served(device)
    assert device.count("tcp_evicted") == 1


def test_requests_that_trickle_give_way(word):
    device = few(word)
    held = [connect(device, port=50000 + k) for k in range(3)]
    for k in range(4):
        device.pass_ms(400)
        for client in held:
            client.send(GET[k:k + 1])
    assert_served(device)


def test_those_that_never_had_an_answer_give_way_first(word):
    device = few(word)
    served = connect(device, port=50000)
    assert served.request("/").startswith(b"HTTP/1.1 200")
    silent = [connect(device, port=50001 + k) for k in range(2)]
    silent[0].send(GET[:9])
    device.pass_ms(30)
    for k in range(2):
        assert_served(device, 60000 + k)
        device.pass_ms(5)
    assert device.count("tcp_evicted") == 2 and device.state("OPEN") == 3
    assert served.request("/").startswith(b"HTTP/1.1 200")


def test_a_running_transfer_does_not_give_way(word):
    device = few(word)
    held = [connect(device, port=50000 + k) for k in range(3)]
    for client in held:
        client.segment("PA", GET)
        client.seq += len(GET)
    for _ in range(10):
        device.pass_ms(900)
        for client in held:
            client.ack += 1460
            client.segment("A")
    assert connect(device, port=60000).segment("PA", GET) == []
    assert device.state("OPEN") == 3 and device.count("tcp_evicted") == 0


def test_reset_while_waiting_for_room(word):
    """A slot that is closed while it stands in the list of work comes back once, not twice."""
    device = few(word, TX_HEADERS=2)
    for turn in range(30):
        clients = [connect(device, port=50000 + 3 * turn + k) for k in range(3)]
        for client in clients:
            client.segment("PA", GET)
            client.segment("R", seq=client.seq + len(GET))
        device.pass_ms(10)
    assert device.state("OPEN") == 0
    free, at = set(), device.state("FREE")
    while at:
        assert at not in free
        free.add(at)
        at = device.fw.builtins["ptr32"](at)[device.fw.slot.LINK]
    assert len(free) == 3


def test_aborts_anywhere_leave_nothing(word):
    dice = random.Random(8)
    device = Device(word=word, assets=site(), overrides={"TCP_SLOTS": 4, "PAGES": 4})
    for k in range(60):
        client = connect(device, port=50000 + k)
        wanted = dice.choice((GET, READING, READING * 3, GET[:9]))
        client.take(client.segment("PA", wanted))
        client.seq += len(wanted)
        for _ in range(dice.randrange(3)):
            client.take(client.segment("A"))
        client.segment("R")
    device.pass_ms(10)
    assert device.state("OPEN") == 0 and device.state("PAGES_FREE") == 4


def test_one_client_cannot_hold_all_pages(word):
    """Half of the pages are for those that hold none."""
    device = Device(word=word, overrides={"PAGES": 8})
    hoarder = [connect(device, port=50000 + k, window=0) for k in range(4)]
    for client in hoarder:
        client.send(READING * 4)
    assert device.state("PAGES_FREE") >= 1
    assert connect(device, port=60000).request("/api/reading").startswith(b"HTTP/1.1 200")


def test_more_than_the_window_is_cut(word):
    """What a peer sends beyond the offered window is not taken, and touches no other connection's memory."""
    device = Device(word=word, overrides={"TCP_SLOTS": 2, "SLOT_RX": 512, "PAGES": 1})
    first, second = (connect(device, port=50000 + k, window=0) for k in range(2))
    for client in (first, second):
        client.send(READING * 5)            # four answers fill the queue, the fifth request is kept
    ack = first.segment("PA", READING * 20)[-1]
    assert ack.ack <= first.seq + 512
    second.window = 60000
    second.take(second.segment("A"))
    assert second.pump().count(b"HTTP/1.1") == 5


def test_full_of_busy_connections_the_next_one_waits_and_is_not_reset(word):
    """SYN costs no slot and is answered; its ACK and its request open the connection when one is free."""
    device = few(word)
    busy = [connect(device, port=50000 + k) for k in range(3)]
    for client in busy:
        client.send(GET)
    later = connect(device)                         # of which only the handshake's sender knows
    assert later.segment("PA", GET) == [] and device.count("tcp_full") == 2 and device.state("OPEN") == 3
    busy[0].segment("R")
    assert later.request().startswith(b"HTTP/1.1 200")


def test_idle_connections_give_way_oldest_first(word):
    device = few(word)
    clients = []
    for k in range(3):
        clients.append(connect(device, port=50000 + k))
        clients[-1].request("/nope")
        device.pass_ms(500)
    device.pass_ms(1000)
    clients[0].request("/nope")                     # now the second is the oldest
    newer = connect(device, port=51000)
    assert newer.request("/nope").startswith(b"HTTP/1.1 404")
    assert device.count("tcp_evicted") == 1
    assert clients[0].request("/nope").startswith(b"HTTP/1.1 404")
    assert clients[1].segment("PA", GET)[0].flags == "R"


def test_slots_come_back(word):
    device = few(word)
    for k in range(20):
        client = connect(device, port=50000 + k)
        client.request("/nope")
        if k % 2:
            client.segment("R")
        else:
            client.send(b"", "FA")
            client.pump()
    assert device.state("OPEN") == 0 and device.count("tcp_opened") == 20


def test_pages_come_back(word):
    device = Device(word=word, overrides={"PAGES": 2})
    for k in range(10):
        client = connect(device, port=50000 + k)
        assert client.request("/api/reading").startswith(b"HTTP/1.1 200")
        client.segment("R")
    stuck = [connect(device, port=51000 + k, window=0) for k in range(3)]
    for client in stuck:
        client.send(b"GET /api/reading HTTP/1.1\r\nHost: x\r\n\r\n")
    stuck[2].window = 60000
    stuck[2].take(stuck[2].segment("A"))
    assert stuck[2].pump().startswith(b"HTTP/1.1 503")


def test_what_a_slot_held_before_means_nothing(word):
    """Free slots full of random words serve as new ones do, whatever comes, time-outs and gaps included."""
    said = []
    for random_words in False, True:
        target = Simulated(word or 64)
        slot, dice = target.fw.slot, random.Random(3)
        words = memoryview(target.stack._slots).cast("I")
        for at in range(0, len(words), slot.SLOT_WORDS):
            for k in range(slot.SLOT_WORDS):
                if random_words and k not in (slot.STATE, slot.FLAGS, slot.LINK, slot.STORE_AT):
                    words[at + k] = dice.getrandbits(32)
        peer = Peer(target)
        for seed in range(4):
            talk(peer, seed)
        assert target.count("tcp_opened") > 20 and target.count("tcp_rto") and target.count("tcp_out_of_order")
        said.append(peer.answers)
    assert said[0] == said[1]
