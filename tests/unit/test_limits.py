"""Allow-lists and token buckets (limits.py): who is dropped, who never is, what it costs when it is not configured."""
import random
from collections import Counter
from functools import cache
from ipaddress import IPv4Address, IPv4Network

import pytest
from device import ADDRESS, ARP, ICMP, MAC, PEER, PEER_MAC, TCP, UDP, Client, Device, Ether, Raw, ip
from hypothesis import given, settings
from hypothesis import strategies as st

from image import config, specialize

SECTIONS = config.ALLOWING


def allow(**lists):
    """The constants for lists of networks per section."""
    networks = {section: [IPv4Network(text) for text in lists.get(section, ())] for section in SECTIONS}
    packed = b"".join(net.network_address.packed + net.netmask.packed for section in SECTIONS for net in networks[section])
    return {"NETWORKS": packed, **{section.upper() + "_ALLOW": len(networks[section]) for section in SECTIONS}}


def rate(per_s, burst, what="DATAGRAMS"):
    return {what + "_PER_S": per_s, what + "_BURST": burst}


@cache
def template(port):
    return bytes(ip(17, UDP(sport=4000, dport=port, chksum=0) / Raw(b"0123456789")))


def echo(source=PEER, port=7):
    """A datagram without a checksum; the source is put into the frame, and the header's sum."""
    frame = bytearray(template(port))
    frame[24:30] = b"\0\0" + IPv4Address(source).packed
    total = sum(int.from_bytes(frame[k:k + 2], "big") for k in range(14, 34, 2)) % 0xFFFF
    frame[24:26] = (total ^ 0xFFFF).to_bytes(2, "big")
    return bytes(frame)


def limited(word=None, **changes):
    """A device that says nothing by itself: no readings, and its address is announced already."""
    device = Device(word=word, **{"COLLECTOR_PORT": 0, **changes})
    device.pass_ms(5000)
    return device


def small(word=None, **changes):
    """One with 8 sources in a table."""
    return limited(word, overrides={"TCP_SLOTS": 1, "PAGES": 1}, **changes)


def answers(device, frame):
    """How many frames answer this one."""
    assert device.fw.driver.put(device.n, frame)
    device.stack.poll(device.now)
    count = 0
    while device.fw.driver.take(device.n) is not None:
        count += 1
    return count


def echoes(device, count, source=PEER):
    """How many of `count` datagrams are answered, all in the same millisecond."""
    frame = echo(source)
    return sum(answers(device, frame) for _ in range(count))


# ---- allow-lists ---------------------------------------------------------------------------------------------------

def test_denied_datagrams_are_dropped_in_silence(word):
    device = limited(word, **allow(udp=["10.0.0.0/8"], sensor=["192.168.1.7/32", "10.0.2.2/32"]))
    assert answers(device, echo("10.9.9.9")) == 1 and answers(device, echo("10.0.2.2", port=5005)) == 1
    assert answers(device, echo("11.0.0.1")) == 0 and device.count("udp_denied") == 1
    assert answers(device, echo("10.9.9.9", port=5005)) == 0 and device.count("sensor_denied") == 1
    assert answers(device, echo("192.168.1.7", port=5005)) == 1
    assert answers(device, echo("11.0.0.1", port=9)) == 1           # the lists are for their services only
    assert (device.count("udp_echo"), device.count("udp_query")) == (1, 2)


def test_denied_segments_are_dropped_in_silence(word):
    """No SYN-ACK, no RST: neither for SYN, ACK, FIN, RST nor data; no slot, no cookie."""
    device = limited(word, **allow(http=["10.0.2.0/24"]))
    stranger = Client(device, src="10.0.3.2")
    before = list(device.stack.s[:len(device.fw.counters.NAMES)])
    for flags in ("S", "A", "PA", "FA", "R", "RA", "SA", "", "FPU"):
        assert stranger.segment(flags, b"x" if "P" in flags else b"") == []
    changed = {name for name, old, new in zip(device.fw.counters.NAMES, before, device.stack.s) if old != new}
    assert changed == {"rx_frames", "http_denied"} and device.count("http_denied") == 9
    assert device.state("OPEN") == 0
    friend = Client(device)
    friend.open()
    assert friend.request("/").startswith(b"HTTP/1.1 200")
    closed = device.send(ip(6, TCP(sport=5, dport=81, flags="S"), src="10.0.3.2"))
    assert [frame[TCP].flags for frame in closed] == ["RA"]         # only [net] allow speaks of ports that are closed


def test_a_connection_is_not_looked_up_again(word):
    """Its slot proves it: the list could change under it."""
    device = limited(word, **allow(http=["10.0.2.0/24"]))
    client = Client(device)
    client.open()
    at = device.fw.limits.HTTP_LIST
    device.stack.s[at] = device.stack.s[at + 1] = 0xFFFFFFFF
    assert client.request("/").startswith(b"HTTP/1.1 200")
    assert Client(device, port=40001).segment("S", ack=0) == [] and device.count("http_denied") == 1


def test_net_allow_is_for_everything_over_ip(word):
    device = limited(word, **allow(net=["10.0.2.0/24", "192.168.0.0/16"], udp=["10.0.2.2/32"]))
    for payload, proto in ((ICMP(id=1), 1), (UDP(sport=1, dport=7), 17), (UDP(sport=1, dport=9), 17),
                           (TCP(sport=1, dport=80, flags="S"), 6), (TCP(sport=1, dport=81, flags="S"), 6), (Raw(bytes(20)), 47)):
        assert device.send(ip(proto, payload, src="10.0.3.2")) == []
    assert device.count("ip_denied") == 6 and device.count("ip_protocol") == 0
    assert len(device.send(ip(1, ICMP(id=1), src="192.168.7.7"))) == 1
    assert answers(device, echo("192.168.7.7")) == 0 and device.count("udp_denied") == 1
    assert len(device.send(Ether(src=PEER_MAC, dst=MAC) / ARP(hwsrc=PEER_MAC, psrc="10.0.3.2", pdst=ADDRESS))) == 1


DEVICES = {}


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2 ** 32 - 1), st.integers(1, 32)), min_size=1, max_size=16), st.sampled_from((None, 64, 32)),
       st.data())
def test_lists_mean_what_python_says(networks, word, data):
    """Any 16 networks of any prefix, addresses inside, beside and at their edges, against ipaddress."""
    nets = [IPv4Network((address, prefix), strict=False) for address, prefix in networks]
    if word not in DEVICES:
        DEVICES[word] = limited(word, **allow(udp=["10.0.0.0/8"] * 16))
    device = DEVICES[word]
    at = device.fw.limits.ECHO_LIST
    for k in range(16):
        net = nets[k % len(nets)]
        device.stack.s[at + 2 * k] = int.from_bytes(net.network_address.packed, "little")
        device.stack.s[at + 2 * k + 1] = int.from_bytes(net.netmask.packed, "little")
    edges = [int(edge) + step for net in nets for edge in (net.network_address, net.broadcast_address) for step in (-1, 0, 1)]
    source = data.draw(st.sampled_from(edges) | st.integers(0, 2 ** 32 - 1)) % 2 ** 32
    if source >> 24 in (0, 127) or source >> 24 >= 224 or source in (0x0A00020F, 0x0A0002FF):
        source = 0x0A000203
    assert bool(answers(device, echo(source))) == any(IPv4Address(source) in net for net in nets)


# ---- token buckets -------------------------------------------------------------------------------------------------

class Reference:
    """What a bucket is: exact arithmetic, no table."""

    def __init__(self, per_s, burst):
        self.per_s, self.full = per_s, 1000 * burst
        self.sources = {}

    def allows(self, source, now):
        tokens, at = self.sources.get(source, (self.full, now))
        tokens = min(self.full, tokens + (now - at) * self.per_s)
        self.sources[source] = (tokens - 1000 if tokens >= 1000 else tokens, now)
        return tokens >= 1000


@pytest.mark.parametrize("burst", (1, 2, 7, 100))
def test_burst_then_rate(word, burst):
    device = limited(word, **rate(4, burst))
    assert echoes(device, burst + 5) == burst and device.count("udp_limited") == 5
    device.pass_ms(249)
    assert echoes(device, 1) == 0
    device.pass_ms(1)
    assert echoes(device, 3) == 1
    device.pass_ms(10 ** 6)
    assert echoes(device, burst + 3) == burst


@pytest.mark.parametrize("per_s, burst", ((1, 1), (3, 2), (7, 7), (333, 5), (999, 5), (1000, 1), (1001, 3), (250_000, 300),
                                          (1_000_000, 1_000_000), (1, 1_000_000)))
def test_refill_is_exact(word, per_s, burst):
    """Over thousands of ms, asked at random times, never one token more or less than exact arithmetic gives."""
    dice = random.Random(per_s)
    device, reference = limited(word, **rate(per_s, burst)), Reference(per_s, burst)
    frame = echo()
    told = Counter()
    assert answers(device, frame) and reference.allows(PEER, device.now)
    if burst > 10:                                      # all but spent, as it is after that many datagrams
        at = next(k for k in range(0, 3 * device.fw.state.SOURCES, 3) if device.stack.s[device.fw.state.DATAGRAM_BUCKETS + k])
        device.stack.s[device.fw.state.DATAGRAM_BUCKETS + at + 2] = 1000 * burst - 2500
        reference.sources[PEER] = 2500, device.now
    for _ in range(400 if word is None else 120):
        device.now += dice.choice((0, 0, 1, 1, 2, 3, 17, 999, 1000, 1001, 12345))
        for _ in range(dice.choice((1, 1, 4))):
            answered = answers(device, frame)
            assert answered == reference.allows(PEER, device.now)
            told[answered] += 1
    assert told[1] and (told[0] or per_s >= 250_000)


def test_many_sources_each_have_their_own(word):
    """As many sources as half of the table, in random turns: as if each had a bucket for ever."""
    dice = random.Random(4)
    device, reference = limited(word, **rate(2, 3)), Reference(2, 3)
    sources = dice.sample(range(0x0A010000, 0x0A0F0000), 40)
    for _ in range(3000 if word is None else 400):
        device.now += dice.randrange(20)
        source = dice.choice(sources)
        assert answers(device, echo(source)) == reference.allows(source, device.now)


def test_queries_and_echoes_share_a_bucket_and_closed_ports_do_not(word):
    device = limited(word, **rate(1, 3))
    assert [answers(device, echo(port=port)) for port in (7, 9, 5005, 9, 7, 5005, 9)] == [1, 1, 1, 1, 1, 0, 1]


def test_what_is_denied_spends_nothing(word):
    device = limited(word, **rate(1, 2), **allow(udp=["10.0.2.2/32"], sensor=["10.0.2.3/32"]))
    for _ in range(9):
        assert answers(device, echo("10.0.2.3")) == 0 and answers(device, echo("10.0.2.2", port=5005)) == 0
    assert echoes(device, 3) == 2 and answers(device, echo("10.0.2.3", port=5005)) == 1
    assert not any(device.stack.s[device.fw.state.DATAGRAM_BUCKETS + 3 * k] == int.from_bytes(bytes([11, 0, 0, 1]), "little")
                   for k in range(device.fw.state.SOURCES))


@pytest.mark.parametrize("wrap", (2 ** 31, 2 ** 32))
def test_the_clock_wraps(word, wrap):
    """A bucket that was emptied just before the clock reaches 2^31 or 2^32 ms refills across that as ever."""
    device = limited(word, **rate(2, 3))
    while device.now < wrap - 2 ** 29:
        device.now += 2 ** 29 - 1
        device.poll()
    device.now = wrap - 300
    assert echoes(device, 4) == 3
    device.pass_ms(299)
    assert echoes(device, 1) == 0
    device.pass_ms(201)
    assert echoes(device, 2) == 1
    device.pass_ms(5000)
    assert echoes(device, 4) == 3


def test_nothing_is_as_old_as_the_clocks_circle():
    """Who emptied a bucket is not met by it when the clock shows the same 2^32 ms later: the timer keeps all up to date."""
    device = small(**rate(1, 1000), SENSOR=False, QUERY_PORT=0, COLLECTOR_PORT=0)
    assert echoes(device, 1001) == 1000
    start = device.now
    timer = 60000
    for _ in range(8 * 3):                                  # every bucket of the table has its turn
        device.now += timer
        device.poll()
    while device.now + 2 ** 29 < start + 2 ** 32:
        device.now += 2 ** 29
        device.poll()
    device.now = start + 2 ** 32 + 7
    assert echoes(device, 1001) == 1000


def test_a_bucket_older_than_half_the_clocks_circle_is_full(word):
    device = limited(word, **rate(1, 3))
    assert echoes(device, 4) == 3
    at = next(k for k in range(device.fw.state.DATAGRAM_BUCKETS, device.fw.state.WORDS, 3) if device.stack.s[k])
    device.stack.s[at + 1] = device.state("NOW") - 2 ** 31 - 5 & 0xFFFFFFFF
    assert echoes(device, 4) == 3


def test_every_bucket_has_its_turn_with_the_timer(word):
    device = small(word, **rate(1, 1000))
    names = device.fw.state
    s = device.stack.s
    for k in range(names.SOURCES):
        s[names.DATAGRAM_BUCKETS + 3 * k + 2] = 1_000_000
    device.pass_ms(61000 * (names.SOURCES + 1))             # a timer at least each minute
    assert all(s[names.DATAGRAM_BUCKETS + 3 * k + 2] < 1_000_000 for k in range(names.SOURCES))


# ---- floods --------------------------------------------------------------------------------------------------------

def test_a_flood_from_one_source_takes_nothing_from_another(word):
    device = limited(word, **rate(10, 5))
    flood, good = echo("10.0.9.9"), echo("10.0.2.2")
    got = Counter()
    for _ in range(30):
        device.now += 100
        for _ in range(20):
            got["flood"] += answers(device, flood)
        got["good"] += answers(device, good)
    assert got == {"flood": 5 + 29, "good": 30}


def test_a_flood_of_random_sources_never_makes_a_good_client_wait(word):
    """The table is far too small: buckets are forgotten, which is in favour of whom they belong to."""
    dice = random.Random(11)
    device = small(word, **rate(10, 3))
    good = echo("10.0.2.2")
    for _ in range(200 if word is None else 40):
        device.now += 100
        for _ in range(30):
            answers(device, echo(dice.randrange(0x0B000000, 0x70000000)))
        assert answers(device, good) == 1


def test_who_has_spent_all_stays_limited_in_a_flood_of_random_sources(word):
    dice = random.Random(12)
    device = small(word, **rate(2, 8))
    greedy = echo("10.0.9.9")
    got = 0
    turns = 200 if word is None else 40
    for _ in range(turns):
        device.now += 100
        for _ in range(10):
            answers(device, echo(dice.randrange(0x0B000000, 0x70000000)))
            got += answers(device, greedy)
    assert got == 8 + 2 * (turns - 1) // 10


def test_an_emptied_set_still_gives_a_newcomer_all_tokens(word):
    """Every bucket of the table is emptied by forged sources: the next source finds a full one none the less."""
    dice = random.Random(13)
    device = small(word, **rate(1, 4))
    for _ in range(60):
        echoes(device, 5, dice.randrange(0x0B000000, 0x70000000))
    for k in range(20):
        assert echoes(device, 5, 0x0A000300 + k) == 4


def test_sets_are_chosen_by_the_key():
    """Sources that meet in one set under one key are spread under another; all sets are used alike."""
    def place(device, source):
        answers(device, echo(source))
        at, sources = device.fw.state.DATAGRAM_BUCKETS, device.fw.state.SOURCES
        word = int.from_bytes(source.to_bytes(4, "big"), "little")
        return next(k for k in range(sources) if device.stack.s[at + 3 * k] == word) // device.fw.limits.WAYS

    dice = random.Random(14)
    for pattern in (range(0x0A010100, 0x0A010100 + 512), range(0x0B000001, 0x0C000000, 1 << 15),
                    dice.sample(range(0x0B000000, 0x70000000), 512)):
        one, two = (limited(entropy=dice.randbytes(16), **rate(1, 5)) for _ in range(2))
        sets = one.fw.state.SOURCES // one.fw.limits.WAYS
        places = [place(one, source) for source in pattern]
        used = Counter(places)
        assert len(used) > 0.9 * sets and max(used.values()) < 24       # 512 in 128 sets, 4 each
        meeting = [source for source, at in zip(pattern, places) if at == used.most_common(1)[0][0]]
        assert len({place(two, source) for source in meeting}) > len(meeting) // 2


# ---- connections ---------------------------------------------------------------------------------------------------

def opens(device, port, source=PEER):
    """Whether a handshake opens a connection, and the client."""
    client = Client(device, port=port, src=source)
    client.open()
    return device.slot(port) is not None, client


def test_connections_count_when_they_open(word):
    device = limited(word, **rate(2, 3, "CONNECTIONS"))
    assert [opens(device, 40000 + k)[0] for k in range(5)] == [1, 1, 1, 0, 0]
    assert (device.count("tcp_limited"), device.count("tcp_opened")) == (2, 3)
    assert opens(device, 41000, "10.0.2.3")[0]


def test_a_forged_syn_flood_spends_nobodys_tokens(word):
    device = limited(word, **rate(1, 1, "CONNECTIONS"))
    for k in range(50):
        assert len(Client(device, port=1000 + k).segment("S", ack=0)) == 1
        Client(device, port=1000 + k, ack=77 * k).segment("A")          # nor does an ACK that proves nothing
    assert opens(device, 40000)[0] and device.count("tcp_limited") == 0


def test_over_the_limit_is_delayed_not_refused(word):
    """The request that follows the dropped ACK, sent again, carries the proof: it opens the slot and is answered."""
    device = limited(word, **rate(1, 1, "CONNECTIONS"))
    assert opens(device, 40000)[0]
    ok, client = opens(device, 40001)
    request = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    assert not ok and client.segment("PA", request) == []
    device.pass_ms(1000)
    client.send(request)
    assert client.pump().startswith(b"HTTP/1.1 200")


def test_a_full_appliance_takes_no_tokens(word):
    device = limited(word, overrides={"TCP_SLOTS": 2, "PAGES": 1}, **rate(1, 3, "CONNECTIONS"))
    waiting = Client(device, port=41000)
    reply, = waiting.segment("S", ack=0)
    waiting.seq, waiting.ack = waiting.seq + 1, reply.seq + 1
    assert opens(device, 40000, "10.0.2.9")[0] and opens(device, 40001, "10.0.2.9")[0]
    assert waiting.segment("A") == [] and device.count("tcp_full") == 1         # both slots are young: none gives way
    table = device.fw.state.CONNECTION_BUCKETS
    assert sum(device.stack.s[table + 3 * k + 2] for k in range(device.fw.state.SOURCES)) == 2000


def test_requests_of_an_open_connection_are_not_limited(word):
    device = limited(word, **rate(1, 1, "CONNECTIONS"), **rate(1, 1))
    _, client = opens(device, 40000)
    for _ in range(20):
        assert client.request("/").startswith(b"HTTP/1.1 200")


# ---- what is sent --------------------------------------------------------------------------------------------------

def test_errors_resets_and_challenges_have_their_numbers(word):
    device = limited(word, ICMP_PER_S=3, RST_PER_S=5, CHALLENGE_ACKS_PER_S=2)
    assert sum(answers(device, echo(port=9)) for _ in range(9)) == 3 and device.count("icmp_limited") == 6
    assert sum(len(device.send(ip(6, TCP(sport=1, dport=81, flags="S")))) for _ in range(9)) == 5
    assert device.count("tcp_reset_limited") == 4
    client = Client(device)
    client.open()
    assert sum(len(client.segment("S")) for _ in range(9)) == 2 and device.count("tcp_challenge_limited") == 7
    assert sum(len(device.send(ip(1, ICMP(id=1)))) for _ in range(30)) == 30        # an echo reply is no error
    device.pass_ms(1000)
    assert answers(device, echo(port=9)) == 1


@pytest.mark.parametrize("per_s, most", ((1, 1), (3, 3), (1000, 1000), (1_000_000, 1000)))
def test_each_connection_has_its_own_challenges(word, per_s, most):
    device = limited(word, CHALLENGE_ACKS_PER_S=per_s)
    assert opens(device, 40000)[0] and opens(device, 40001)[0]
    for _ in range(2):
        for port in 40000, 40001:
            frame = bytes(ip(6, TCP(sport=port, dport=80, flags="S")))
            assert sum(answers(device, frame) for _ in range(most + 5)) == most
        device.pass_ms(1024)


# ---- the generated code --------------------------------------------------------------------------------------------

LIMITED = """
[net]
address = "10.0.2.15/24"
{net}
[sensor]
source = "counter"
query_port = 5005
{sensor}
[http]
root = "www"
{http}
[udp]
echo_port = 7
{udp}
{limits}
"""
NAMES = ("ip_denied", "udp_denied", "sensor_denied", "http_denied", "tcp_limited", "udp_limited")


def generated(folder, board, **texts):
    """The text of all modules of an image."""
    keys = dict.fromkeys(("net", "sensor", "http", "udp", "limits"), "")
    (folder / "www").mkdir(exist_ok=True)
    (folder / "www" / "index.html").write_text("hello")
    (folder / "appliance.toml").write_text(LIMITED.format(**{**keys, **texts}))
    files = specialize.specialize(config.load(folder / "appliance.toml"), board, folder / "gen")
    return {path.relative_to(folder / "gen").as_posix(): path.read_text() for path in files}


def test_what_is_not_configured_is_not_there(tmp_path):
    """No module, no call, no counter, no word of the state block."""
    plain = generated(tmp_path, "microvm")
    assert "barewire/limits.py" not in plain
    whole = "".join(plain.values())
    assert "limits.py" not in whole and not [name for name in NAMES if name in whole]
    same = generated(tmp_path, "microvm", net='allow = ["0.0.0.0/0"]', limits="[limits]\nicmp_per_s = 10\nrst_per_s = 50")
    assert same == plain


ALLOW = 'allow = ["10.0.0.0/8"]'


@pytest.mark.parametrize("board, texts, names", [
    ("microvm", {"net": ALLOW, "sensor": ALLOW, "limits": "[limits]\nconnections_per_s = 3"},
     {"ip_denied", "sensor_denied", "tcp_limited"}),
    ("lm3s6965evb", {"http": ALLOW, "udp": ALLOW, "limits": "[limits]\ndatagrams_per_s = 3"},
     {"http_denied", "udp_denied", "udp_limited"}),
])
def test_only_what_is_configured_is_there(board, texts, names, tmp_path):
    made = generated(tmp_path, board, **texts)
    whole = "".join(made.values())
    assert {name for name in NAMES if name + "\\n" in whole} == names
    assert made["barewire/stack.py"].count(" spend\n") and "limits.setup" in made["barewire/stack.py"]
