"""Arithmetic modulo 2^32 that agrees on 32-bit and on 64-bit words (viper's int is the machine word)."""
from .board import WORD
from .inline import inline


@inline
def i32(x: int) -> int:
    """x modulo 2^32 as a signed number: what sequence numbers and times are compared with."""
    return ((x + 0x80000000) & 0xFFFFFFFF) - 0x80000000 if WORD == 64 else x


@inline
def u64(x: int) -> int:
    """x modulo 2^64 for 64-bit words. There it is x itself, but CPython's numbers have no end."""
    return x & 0xFFFFFFFFFFFFFFFF if WORD == 64 else x


@inline
def u32(x: int) -> int:
    """x modulo 2^32: not negative on 64 bits, x itself on 32 bits."""
    return x & 0xFFFFFFFF if WORD == 64 else x
