"""Word sets: which of a few known words comes in, found byte by byte without keeping any (drawn in http_layout.py).

The walk is at a node, which is an address. At the start that is the set's first node.
"""
from .inline import inline


@inline
def step(k: int, b: int) -> int:
    """The node behind byte b, asked for at node k."""
    w = ptr32(k)[0]
    while (w ^ b) & 255 and w >> 8:
        k = k + (w >> 8)
        w = ptr32(k)[0]
    if (w ^ b) & 255 == 0:
        k = k + 4
    return k


@inline
def value(k: int) -> int:
    """The value of the word that ends at node k, 0 if none does."""
    return 0 if ptr32(k)[0] & 255 else ptr32(k)[1]
