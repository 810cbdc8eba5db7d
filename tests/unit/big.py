"""A site with one page that takes many windows to send."""
import random
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

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
