"""Allow-lists, limits of connections and of what is sent (limits.py): who is dropped, who never is, what it costs when it is
not configured. Buckets by themselves: test_limits_buckets.py."""
from ipaddress import IPv4Address, IPv4Network

import pytest
from device import ADDRESS, ARP, ICMP, MAC, PEER, PEER_MAC, TCP, UDP, Client, Ether, Raw, ip
from hypothesis import given, settings
from hypothesis import strategies as st
from limits_bench import allow, answers, echo, limited, rate

from image import config, specialize


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


@pytest.mark.parametrize("per_s, most", ((1, 1), (3, 3), (1000, 1000)))
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
