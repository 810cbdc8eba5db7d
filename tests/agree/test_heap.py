"""No service allocates: on MicroPython's unix port, where the locked heap is real and the free heap can be read.

poll() locks the heap around everything but the application's functions, so an allocation in the stack is a MemoryError that
ends replay.py. What the application allocates shows in the free heap, which is read before and after ROUNDS of each service,
without a collection in between.
"""
import struct
from dataclasses import replace

from tests.agree import targets
from tests.agree.frames import (ACK, FIN, HOST, MAC, OURS, PSH, RST, SYN, Connection, Peer, arp, icmp, mss, tcp, udp)
from tests.agree.registry import FILES, text
from tests.agree.scripts_tcp import more_requests_than_the_window_holds

WARM_UP, ROUNDS = 2, 5
SERVICES = {}


def service(counter):
    """Registers a round of a service, and the counter that shows that it was served in each round."""
    def register(function):
        SERVICES[function.__name__] = function, counter
        return function
    return register


# The first one needs a collector that nobody has resolved yet.
@service("sensor_waiting")
def reading_that_waits(peer, k):
    peer.pass_ms(20000)         # the ring is full in the fourth round


@service("arp_replies")
def collector_resolved(peer, k):
    peer.send(arp(2, to=MAC, tha=MAC))


@service("sensor_sent")
def reading_that_goes(peer, k):
    peer.pass_ms(40000)
    peer.send(arp(2, to=MAC, tha=MAC))


@service("arp_requests")
def arp_request(peer, k):
    peer.send(arp(), arp(tpa=HOST), arp(kinds=(9, 9, 9, 9)))


@service("arp_conflict")
def arp_conflict_seen_again(peer, k):
    peer.send(arp(2, spa=OURS, sha=b"\x02\3\3\3\3\3"))


@service("icmp_echo")
def icmp_echo(peer, k):
    peer.send(icmp(data=text(56)), icmp(data=text(1472)), icmp(wrong=1), icmp(fragment=1), icmp(ttl=0))


@service("udp_echo")
def udp_echo(peer, k):
    peer.send(udp(7, text(18)), udp(7, text(1472)))


@service("udp_query")
def udp_query(peer, k):
    peer.send(udp(5005, b"?"), udp(5005, b"?", wrong=1))


@service("icmp_unreachable")
def udp_closed_port(peer, k):
    peer.send(udp(9, b"x"))


@service("tcp_closed")
def tcp_open_and_close(peer, k):
    Connection(peer, 40000 + k).close()


@service("tcp_reset_in")
def tcp_abort(peer, k):
    Connection(peer, 40000 + k).say(RST)


@service("tcp_reset_out")
def tcp_closed_port(peer, k):
    peer.send(tcp(SYN, 5, to_port=81), tcp(ACK, 5, 6))


@service("tcp_challenge")
def tcp_challenge(peer, k):
    one = Connection(peer, 40000 + k)
    one.say(SYN, ack=0)
    one.close()


@service("http_requests")
def static_files(peer, k):
    one = Connection(peer, 40000 + k, options=mss((216, 536, 1000, 1460, 1400)[k % 5]))
    for target in ("/", *FILES):
        one.get(target)
        one.get(target, "HEAD", "Accept-Encoding: gzip\r\n")
    one.close()


@service("http_304")
def not_modified(peer, k):
    one = Connection(peer, 40000 + k)
    etag = one.get("/style.css", "HEAD").partition(b"ETag: ")[2].partition(b"\r\n")[0].decode()
    one.get("/style.css", headers="If-None-Match: %s\r\n" % etag)
    one.close()


@service("http_requests")
def api_reading(peer, k):
    one = Connection(peer, 40000 + k)
    one.get("/api/reading")
    one.get("/api/reading", "HEAD")
    one.get("/api/reading", headers="Connection: close\r\n")
    one.give(b"", FIN | ACK)


@service("http_requests")
def metrics(peer, k):
    one = Connection(peer, 40000 + k)
    one.get("/metrics")
    one.get("/metrics", "HEAD")
    one.close()


@service("http_404")
def http_not_found(peer, k):
    one = Connection(peer, 40000 + k)
    one.get("/nothing")
    one.close()


@service("http_400")
def http_bad_request(peer, k):
    one = Connection(peer, 40000 + k)
    one.give(b"rubbish\r\n\r\n")
    one.give(b"", FIN | ACK)


@service("http_requests")
def http_pipelined(peer, k):
    more_requests_than_the_window_holds(peer)
    peer.hang_up()


@service("tcp_rto")
def retransmission(peer, k):
    one = Connection(peer, 40000 + k)
    one.say(PSH | ACK, b"GET /dashboard.js HTTP/1.1\r\nHost: x\r\n\r\n")
    one.seq += 41
    one.take(one.mine(peer.pass_ms(4000)))
    one.pump()
    one.close()


@service("tcp_fast_retransmit")
def fast_retransmit(peer, k):
    one = Connection(peer, 40000 + k)
    one.say(PSH | ACK, b"GET /dashboard.js HTTP/1.1\r\nHost: x\r\n\r\n")
    one.seq += 41
    for _ in range(4):
        again = one.say(ACK)
    one.take(again)
    one.pump()
    one.close()


@service("tcp_probe")
def zero_window(peer, k):
    one = Connection(peer, 40000 + k, window=0)
    one.give(b"GET /style.css HTTP/1.1\r\nHost: x\r\n\r\n")
    peer.pass_ms(4000)
    one.window = 60000
    one.pump()
    one.close()


@service("tcp_idle")
def idle_connection(peer, k):
    Connection(peer, 40000 + k)
    peer.pass_ms(70000)
    peer.hang_up()


@service("tcp_evicted")
def eviction(peer, k):
    for j in range(64):
        Connection(peer, 41000 + j, 1000 * j)
    peer.pass_ms(1500)
    Connection(peer, 42000).say(RST)
    peer.hang_up()


def measured(services, appliance=targets.EXAMPLE):
    """{service: bytes that its ROUNDS allocated} on the unix port; the recording shows that each round was served."""
    peer = Peer(targets.Simulated(appliance=appliance))
    for number, (name, (act, counter)) in enumerate(services.items()):
        for k in range(WARM_UP + ROUNDS):
            if k == WARM_UP:
                peer.mark()
            before = peer.device.count(counter)
            act(peer, 10 * number + k)      # a port is not used twice
            assert peer.device.count(counter) > before, "%s was not served in round %d" % (name, k)
            peer.pass_ms(1100)      # the limits of a second start anew
        peer.mark()
    answers, _, _ = targets.unix_port(appliance).run(peer.records)
    free = [number for number, frames in answers if frames is None]
    assert len(free) == 2 * len(services) and all(1 << 20 < number < 24 << 20 for number in free)
    assert [sent for _, sent in answers if sent is not None] == [sent for _, sent in peer.answers if sent is not None]
    return {name: free[2 * k] - free[2 * k + 1] for k, name in enumerate(services)}


def test_no_service_allocates():
    assert measured(SERVICES) == dict.fromkeys(SERVICES, 0)


def get(target):
    def act(peer, k):
        one = Connection(peer, 40000 + k)
        one.get(target)
        one.close()
    return act


def test_everyday_functions_need_not_allocate_and_those_that_do_are_seen():
    """A source and a route in everyday Python; the route that makes a text is the control of this file."""
    steady = replace(targets.SECOND, config=replace(targets.SECOND.config, source="steady"))
    allocated = measured({"source": (lambda peer, k: peer.pass_ms(1000), "sensor_readings"),
                          "numbers": (get("/numbers"), "http_requests"),
                          "wasteful": (get("/wasteful"), "http_requests")}, steady)
    assert allocated["source"] == allocated["numbers"] == 0 and allocated["wasteful"] >= 32 * ROUNDS


def test_without_memory_the_appliance_goes_on():
    """The heap stays locked from one request to another (second/app/routes.py), so all that asks for memory gets MemoryError.

    The recording is the simulator's, which always has some: what the unix port answers otherwise is looked at here.
    """
    peer = Peer(targets.Simulated(appliance=replace(targets.SECOND, config=replace(targets.SECOND.config, period_ms=60_000))))

    def ask(port, target, headers=b""):
        one = Connection(peer, port)
        one.give(b"GET %s HTTP/1.1\r\nHost: x\r\n%s\r\n" % (target, headers))
        one.say(RST)
        return len(peer.answers) - 2                    # where the answer is

    part = b"/dashboard.js", b"Range: bytes=1-5\r\n"
    ask(40000, b"/takes_all_memory")
    hungry = [ask(40001, *part), ask(40002, *part), ask(40003, b"/dashboard.js")]
    peer.send(arp(2, spa=OURS, sha=b"\2\3\3\3\3\3"))     # a line for the console, which comes later
    before = ask(40004, b"/gives_it_back")
    fed = [ask(40005, *part), ask(40006, b"/dashboard.js", b"Range: lines=1\r\n")]
    peer.pass_ms(1000)                                  # the line is told now
    ask(40007, b"/takes_all_memory")
    peer.pass_ms(3_600_000)                             # a new key
    last = len(peer.answers)
    peer.send(icmp())
    appliance = peer.device.appliance
    answers, words, console = targets.unix_port(appliance).run(peer.records)

    def said(k):
        return [out[54:66] for out in answers[k][1] if out[54:58] == b"HTTP"]

    assert [said(k) for k in hungry] == [[b"HTTP/1.1 503"], [b"HTTP/1.1 503"], [b"HTTP/1.1 200"]]
    assert said(before) == [b"HTTP/1.1 200"] and [said(k) for k in fed] == [[b"HTTP/1.1 206"], [b"HTTP/1.1 200"]]
    names = peer.device.fw.counters.NAMES
    counted = dict(zip(names, struct.unpack_from("<%dI" % len(names), words)))
    again = 64_000 // 10_000                            # times that the key was tried again
    assert counted["no_memory"] == 4 + again and counted["http_503"] == 2 and counted["arp_conflict"] == 1
    # the readings that failed are told of once; the one whose exception found no memory is among them
    assert console.count("arp: our address is also used by 02:03:03:03:03:03") == 1 and counted["sensor_error"] == peer.device.count("sensor_error") > 0
    assert answers[last] == peer.answers[last] and answers[last][1]
    kept = struct.unpack_from("<4I", words, 4 * peer.device.fw.state.KEY)
    assert kept != tuple(peer.device.stack.s[peer.device.fw.state.KEY:][:4]) and any(kept)      # the key is the old one, whole
    assert kept[2] == kept[0] ^ 0x6C796765 and kept[3] == kept[1] ^ 0x74656462
    assert peer.device.count("no_memory") == 0
