"""RFC 6528: initial sequence numbers: a hash under a key, plus time; HalfSipHash against its reference."""
import random

from device import Client, Device


def rotl(x, n):
    return (x << n | x >> 32 - n) & 0xFFFFFFFF


def halfsiphash(key, data):
    """HalfSipHash-2-4 with 32 bits of output, as its authors wrote it."""
    k0, k1 = (int.from_bytes(key[i:i + 4], "little") for i in (0, 4))
    v0, v1, v2, v3 = k0, k1, 0x6C796765 ^ k0, 0x74656462 ^ k1

    def rounds(count):
        nonlocal v0, v1, v2, v3
        for _ in range(count):
            v0 = v0 + v1 & 0xFFFFFFFF
            v1 = rotl(v1, 5) ^ v0
            v0 = rotl(v0, 16)
            v2 = v2 + v3 & 0xFFFFFFFF
            v3 = rotl(v3, 8) ^ v2
            v0 = v0 + v3 & 0xFFFFFFFF
            v3 = rotl(v3, 7) ^ v0
            v2 = v2 + v1 & 0xFFFFFFFF
            v1 = rotl(v1, 13) ^ v2
            v2 = rotl(v2, 16)

    padded = data + bytes(-len(data) % 4 if len(data) % 4 != 0 else 0)
    whole = len(data) // 4
    words = [int.from_bytes(data[4 * i:4 * i + 4], "little") for i in range(whole)]
    words.append(int.from_bytes(padded[4 * whole:4 * whole + 4], "little") | (len(data) & 0xFF) << 24)
    for m in words:
        v3 ^= m
        rounds(2)
        v0 ^= m
    v2 ^= 0xFF
    rounds(4)
    return (v1 ^ v3) & 0xFFFFFFFF


def test_reference_has_the_published_vector():
    """The first of the authors' vectors_hsip32: the empty message under key 00 01 .. 07."""
    assert halfsiphash(bytes(range(8)), b"").to_bytes(4, "little") == bytes.fromhex("a9359f5b")


def test_hash_is_halfsiphash(word):
    dice = random.Random(5)
    for _ in range(20):
        key = dice.randbytes(16)
        device = Device(word=word, entropy=key)
        client = Client(device, port=dice.randrange(1, 65536), seq=0, src="10.0.2.%d" % dice.randrange(20, 200))
        reply, = client.segment("S", ack=0, options=[("MSS", 216)])
        source = bytes(map(int, client.src.split(".")))
        message = source + client.port.to_bytes(2, "big")
        part = (reply.seq - halfsiphash(key[:8], message)) & 0xFFFFFFFF
        assert part >> 14 == device.state("NOW") >> 6 and part & 0x3FFF == 0        # the time, and MSS class 0


def test_sequence_numbers_grow_with_time_for_one_peer(device):
    """RFC 6528 section 3."""
    client = Client(device)
    first = client.segment("S", ack=0)[0].seq
    device.now += 1000
    assert 0 < (client.segment("S", ack=0)[0].seq - first) % 2 ** 32 < 2 ** 24


def test_sequence_numbers_differ_between_ports(device):
    seqs = {Client(device, port=p).segment("S", ack=0)[0].seq for p in range(50000, 50100)}
    assert len(seqs) == 100


def test_numbers_grow_as_fast_as_the_document_wants(device):
    """Section 3: a clock; ours goes 256,000 a second, nearly 4 us a step as RFC 9293 section 3.4.1 has it."""
    client = Client(device)
    first = client.segment("S", ack=0)[0].seq
    for seconds in (1, 10, 100):
        start = device.now
        device.pass_ms(seconds * 1000)
        second = client.segment("S", ack=0)[0].seq
        assert abs((second - first) % 2 ** 32 - 256 * (device.now - start)) <= 1 << 14
        first = second


def test_differences_tell_nothing_about_other_peers(device):
    """Between ports and between addresses the numbers jump all over 2^32: no two differences are alike."""
    for peers in ([dict(port=50000 + k) for k in range(300)], [dict(src="10.0.2.%d" % (k + 20)) for k in range(200)]):
        numbers = [Client(device, **peer).segment("S", ack=0)[0].seq for peer in peers]
        steps = [(b - a) % 2 ** 32 for a, b in zip(numbers, numbers[1:])]
        assert len(set(steps)) == len(steps)
        assert all(len([step for step in steps if step >> 30 == part]) > len(steps) // 8 for part in range(4))


def test_other_keys_give_other_numbers(word):
    numbers = {Client(Device(word=word, entropy=bytes([k]) + bytes(15))).segment("S", ack=0)[0].seq for k in range(20)}
    assert len(numbers) == 20


def test_a_handshake_that_loses_much_still_opens(device):
    """RFC 6298 section 5.7: whose SYN was lost tries its data after 3, 9, 21 and 45 s. All but the last got lost."""
    client = Client(device)
    reply, = client.segment("S", ack=0)
    client.seq, client.ack = client.seq + 1, reply.seq + 1
    device.pass_ms(45000)
    assert client.request("/").startswith(b"HTTP/1.1 200") and device.count("tcp_opened") == 1


def test_many_handshakes_at_once(device):
    """Whatever other SYNs come between a SYN and its ACK, with ports that have their low bits in common or not."""
    ports = [*range(40000, 40160, 8), *range(50000, 50020)]
    clients = [Client(device, port=port, src="10.0.2.%d" % (20 + port % 5)) for port in ports]
    for client in clients:
        reply, = client.segment("S", ack=0)
        client.seq, client.ack = client.seq + 1, reply.seq + 1
    random.Random(6).shuffle(clients)
    for opened, client in enumerate(clients):
        assert client.segment("A", ack=client.ack ^ 1 << 31)[0].flags == "R"
        assert client.segment("A") == [] and device.count("tcp_opened") == opened + 1
