"""The mark of a hot function: image/specialize.py expands its body where it is called.

Under CPython the function stays an ordinary one. In an image neither the mark nor the function exists.
"""


def inline(function):
    return function
