"""A site with one page that takes many windows to send, and a peer to which it is on its way."""
import random
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from device import Client, Device

from image import assets


@cache
def site(size=100_000):
    """Compiled assets with /big.bin, `size` bytes that gzip cannot help; they are the attribute `data`."""
    with TemporaryDirectory() as root:
        data = random.Random(4).randbytes(size)
        (Path(root) / "big.bin").write_bytes(data)
        (Path(root) / "index.html").write_text("<p>hello")
        compiled = assets.compile_assets(Path(root), assets.routes_of())
    compiled.data = data
    return compiled


GET = b"GET /big.bin HTTP/1.1\r\nHost: x\r\n\r\n"
M = 1460


def selective_flow(word):
    """A peer that gives selective acknowledgements has asked for the page: ten segments, the initial window, are on their way."""
    client = Client(Device(word=word, assets=site()), window=65535, permits=True)
    client.open()
    client.sends("PA", GET)
    client.expects_run(0, [M] * 10)
    return client


def recovering(peer):
    """Whether the slot of this peer's connection is in fast recovery."""
    return bool(peer.slot("FLAGS") & peer.device.fw.slot.RECOVERING)
