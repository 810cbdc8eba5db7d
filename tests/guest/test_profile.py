"""make profile: lines and functions make up the count that `make bench` gives, and their text is the firmware's."""
import ast

import pytest

from image.settings import ROOT
from tests.bench import instructions, native, profile


def of(lines, name):
    return sum(count for (where, function, _), count in lines.items() if f"{where.partition(':')[0]} {function}" == name)


@pytest.mark.parametrize("what", [pytest.param(what, marks=() if what.startswith(("UDP", "GET")) else pytest.mark.soak)
                                  for what in native.WHAT])
def test_unix_adds_up_and_repeats(what):
    lines, times = profile.on_unix(what)
    assert profile.on_unix(what) == (lines, times)
    assert -(-sum(lines.values()) // times) == native.count(what).each()
    assert lines[profile.ELSEWHERE] < sum(lines.values()) / (3 if what == "whole connection" else 20)


def test_a_board_adds_up():
    what = "GET 1 KiB and its ACK"
    lines, _ = profile.on_board("lm3s6965evb", what)
    total = sum(lines.values())
    counted = instructions.packets("lm3s6965evb", instructions.built("lm3s6965evb", "counted", 60000))
    assert total == pytest.approx(counted[what], rel=0.01)      # carries of a sum
    assert of(lines, "barewire/nic/fifo.py _give") > 256 and lines[profile.ELSEWHERE] < total / 50


def test_lines_are_where_they_are_said_to_be():
    """Each origin names a line inside of the function that it names."""
    lines, _ = profile.on_unix("GET 1 KiB and its ACK")
    spans, seen = {}, 0
    for where, function, _ in lines:
        path, _, line = where.partition(":")
        source = ROOT / "firmware" / path
        if line and source.is_file():
            if path not in spans:
                spans[path] = {node.name: (node.lineno, node.end_lineno) for node in ast.walk(ast.parse(source.read_text()))
                               if isinstance(node, ast.FunctionDef)}
            first, last = spans[path][function]
            assert first <= int(line) <= last, where
            seen += 1
    assert seen > 300
