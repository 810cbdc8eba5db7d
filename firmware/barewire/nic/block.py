"""Memory that a card's block names by its address only."""
import uctypes

_keep = []      # so that it is never collected


def memory(size, alignment=4):
    """The address of `size` zeroed bytes, a multiple of `alignment`, for good."""
    block = bytearray(size + alignment - 1)
    _keep.append(block)
    return (uctypes.addressof(block) + alignment - 1) & -alignment
