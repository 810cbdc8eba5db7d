"""barewire.template: fields of fixed width, and a running sum that is always the sum of the bytes (RFC 1624)."""
import json

import pytest
from hypothesis import given, strategies as st

from hostsim import loader
from image.assets import partial_sum

FW = loader.load({"HTTP": False, "SENSOR": False})
template = FW.template


def test_big_endian_fields():
    t = template.Template(b"BWS1" + bytes(9), (("a", 4, 4, template.BIG), ("b", 8, 2, template.BIG), ("c", 12, 1, template.BIG)))
    t.put("a", 0x01020304)
    t.put("b", -2)
    t.put("c", 255)
    assert bytes(t.data) == b"BWS1\x01\x02\x03\x04\xff\xfe\0\0\xff"
    t.put("a", 5)
    assert bytes(t.data) == b"BWS1\0\0\0\x05\xff\xfe\0\0\xff"


def test_text_is_json_at_any_width():
    t = template.text(b'{"a":<a:4>,"b":<b:11>}')
    for a, b in (0, 0), (9999, -2147483648), (-999, 7), (10, 4294967295):
        t.put("a", a)
        t.put("b", b)
        assert json.loads(bytes(t.data)) == {"a": a, "b": b} and len(t.data) == 26


@pytest.mark.parametrize("form, width, value", [
    ("DECIMAL", 3, 1000), ("DECIMAL", 3, -100), ("DECIMAL", 1, -1), ("BIG", 1, 256), ("BIG", 2, -65537)])
def test_a_value_that_does_not_fit_changes_nothing(form, width, value):
    t = template.Template(b"....", (("x", 1, width, getattr(template, form)),))
    with pytest.raises(ValueError):
        t.put("x", value)
    assert bytes(t.data) == b"...." and t.sum == partial_sum(b"....")


@pytest.mark.parametrize("fields", [(("x", 3, 2, 0),), (("x", -1, 1, 0),), (("x", 0, 0, 0),), (("x", 0, 1, 0), ("x", 1, 1, 0))])
def test_fields_lie_inside_and_have_one_name(fields):
    with pytest.raises(ValueError):
        template.Template(b"....", fields)


@pytest.mark.parametrize("source", [b"<x>", b"<x:", b"a<b"])
def test_text_with_a_bad_field(source):
    with pytest.raises(ValueError):
        template.text(source)


@given(st.binary(min_size=8, max_size=20), st.integers(0, 3), st.lists(st.tuples(
    st.sampled_from(["big", "text"]), st.integers(-999, 2**15)), max_size=12))
def test_the_sum_follows_every_change(data, offset, changes):
    """Even and odd places; the sum is that of the bytes (65535 and 0 are the same number)."""
    t = template.Template(data, (("big", offset, 3, template.BIG), ("text", offset + 3, 5 - offset % 2, template.DECIMAL))
                          if len(data) >= offset + 8 else (("big", offset, 3, template.BIG), ("text", offset, 5, template.DECIMAL)))
    for name, value in changes:
        if len(str(value)) <= t.fields[name][1] or name == "big":
            t.put(name, value)
        assert t.sum % 0xFFFF == partial_sum(t.data) % 0xFFFF and 0 < t.sum <= 0xFFFF
