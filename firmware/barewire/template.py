"""Bytes built ahead of time with a few fields of fixed width, and their one's complement sum (RFC 1624).

    t = text(b'{"value":<value:11>}')               decimal fields, blanks in front (JSON allows them)
    t = Template(b"BWS1" + bytes(8), (("sequence", 4, 4, BIG), ("value", 8, 4, BIG)))
    t.put("value", -5)

`t.data` are the bytes, `t.sum` the folded sum of their 16-bit words as a little-endian load sees them. To put a value
allocates nothing and costs what the field is long, not what the template is.
"""
BIG = 0         # binary, most significant byte first; negative numbers in two's complement
DECIMAL = 1     # text


class Template:
    """`data` with fields (name, offset, width in bytes, BIG or DECIMAL). A value that does not fit raises ValueError."""

    def __init__(self, data, fields):
        self.data = bytearray(data)
        self.fields = {}
        for name, offset, width, form in fields:
            if name in self.fields or offset < 0 or width < 1 or offset + width > len(data):
                raise ValueError("template: field " + name)
            self.fields[name] = (offset, width, form)
        self.sum = 0
        for i in range(len(data)):
            self.sum += self.data[i] << (8 if i & 1 else 0)
        self.sum = _fold(self.sum)

    def put(self, name, value):
        """Write an integer into the field `name`."""
        offset, width, form = self.fields[name]
        if form == BIG:
            self._put_big(offset, width, value)
        else:
            self._put_decimal(offset, width, value)

    def _put_big(self, offset, width, value):
        if value >> 8 * width not in (0, -1):
            raise ValueError("template: value too large")
        at = offset + width
        while at > offset:
            at -= 1
            self._set(at, value & 255)
            value >>= 8

    def _put_decimal(self, offset, width, value):
        rest = -value if value < 0 else value
        digits = 1
        while rest > 9:
            rest //= 10
            digits += 1
        if digits + (value < 0) > width:
            raise ValueError("template: value too large")
        rest = -value if value < 0 else value
        at = offset + width
        while digits:
            at -= 1
            self._set(at, 48 + rest % 10)
            rest //= 10
            digits -= 1
        if value < 0:
            at -= 1
            self._set(at, 45)
        while at > offset:
            at -= 1
            self._set(at, 32)

    def _set(self, at, byte):
        """Change one byte, and the sum by the difference: HC' = HC + (m' - m)."""
        change = byte - self.data[at]
        if change:
            self.data[at] = byte
            self.sum = _fold(self.sum + (change << 8 if at & 1 else change))


def _fold(total):
    """`total` modulo 65535, from 1 to 65535: of the two zeros of one's complement the one that sums of data have."""
    return total % 0xFFFF or 0xFFFF


def text(data):
    """A Template from text with decimal fields written <name:width>."""
    out = b""
    fields = []
    while True:
        before, mark, rest = data.partition(b"<")
        out += before
        if not mark:
            return Template(out, fields)
        field, mark, data = rest.partition(b">")
        name, colon, width = field.partition(b":")
        if not mark or not colon:
            raise ValueError("template: a field is written <name:width>")
        fields.append((str(name, "utf-8"), len(out), int(width), DECIMAL))
        out += b" " * int(width)
