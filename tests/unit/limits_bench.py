"""What the tests of limits.py share: lists and rates as constants, datagrams of any source, how many are answered."""
from functools import cache
from ipaddress import IPv4Address, IPv4Network

from device import PEER, UDP, Device, Raw, ip

from image import config

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
