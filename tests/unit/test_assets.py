"""image.assets: files become whole answers, word sets find each word and nothing else, bad sites are one line."""
import gzip
import os
import random
import types

import pytest
from hypothesis import given, settings, strategies as st

from image import assets

h = assets.h


def write(folder, **files):
    for name, data in files.items():
        (folder / name.replace("__", ".")).write_bytes(data)
    return folder


def walk(words, root, text):
    """The value of a word, walked as http_parse.py does."""
    k = words[root] // 4

    def at(k, byte):
        while words[k] & 255 != byte and words[k] >> 8:
            k += (words[k] >> 8) // 4
        return k + 1 if words[k] & 255 == byte else k

    for byte in text:
        k = at(k, byte)
    return words[k + 1] if words[k] & 255 == 0 else 0


@settings(max_examples=200)
@given(st.dictionaries(st.text(st.characters(min_codepoint=1, max_codepoint=0x2FF), min_size=1, max_size=6), st.integers(1, 1 << 30),
                       min_size=1), st.lists(st.text(st.sampled_from("ab/\u00e9"), max_size=4)))
def test_word_sets_are_exact(words, others):
    table = assets.Table()
    table.word_set(h.PATHS, words)
    table.word_set(h.TOKENS, {})
    table.close()
    for word in [*words, *others, *(word + "x" for word in words), *(word[:-1] for word in words)]:
        if word:
            assert walk(table.words, h.PATHS, word.encode()) == words.get(word, 0)
        assert walk(table.words, h.TOKENS, word.encode()) == 0


def test_the_longest_path_needs_no_recursion(tmp_path):
    deep = tmp_path
    for _ in range(4):
        deep = deep / ("d" * 240)
    deep.mkdir(parents=True)
    (deep / "f").write_bytes(b"x")
    made = assets.compile_assets(tmp_path, ())
    assert made.LABELS[-2].endswith("/f")
    (deep / ("e" * 100)).write_bytes(b"x")
    with pytest.raises(assets.AssetError, match="at most 1024"):
        assets.compile_assets(tmp_path, ())


@given(st.binary(max_size=5000))
def test_partial_sum(data):
    padded = data + bytes(len(data) & 1)
    total = sum(int.from_bytes(padded[i:i + 2], "little") for i in range(0, len(padded), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    assert assets.partial_sum(data) == total


def test_pieces_differ_in_the_connection_only(tmp_path):
    write(tmp_path, index__html=b"x" * 5000, a__bin=random.Random(1).randbytes(3000))
    made = assets.compile_assets(tmp_path, ("/r",))
    assert len(made.PIECES) == 2 * len(made.LABELS)
    for keep, close in zip(made.PIECES[0::2], made.PIECES[1::2]):
        assert len(close) == min(len(keep), 1460)
        assert keep.replace(b"Connection: keep-alive\r\n", b"Connection: close     \r\n", 1)[:1460] == close


def test_output_is_determined_by_the_files(tmp_path):
    write(tmp_path, index__html=b"home " * 500, b__css=b"b" * 900, a__txt=b"a")
    config = types.SimpleNamespace(root=tmp_path, constants=dict)
    first = assets.source(config)
    assert assets.source(config) == first
    (tmp_path / "a.txt").touch()
    assert assets.source(config) == first


def test_source_is_the_module(tmp_path):
    write(tmp_path, index__html=b"quotes ' \" \\ \n\r\n \0\xff" * 100, empty__txt=b"")
    config = types.SimpleNamespace(root=tmp_path, constants=dict)
    made = assets.load(config)
    text = assets.source(config)
    frozen = {}
    exec(compile(text, "assets.py", "exec"), frozen)
    assert (frozen["TABLE"], frozen["PIECES"], frozen["ROUTES"]) == (made.TABLE, made.PIECES, made.ROUTES)
    assert max(map(len, text.splitlines())) < 1000


def test_gzip_variant_is_smaller_and_true(tmp_path):
    body = b"body { color: red }\n" * 100
    resource = assets.file_resource("/a.css", body)
    plain, zipped, plain_304, zipped_304 = resource.answers
    assert len(zipped.keep) < len(plain.keep) and gzip.decompress(zipped.keep[zipped.head:]) == body
    assert zipped.keep[zipped.head + 4:zipped.head + 8] == bytes(4), "no time of the build"
    assert b"Vary: Accept-Encoding" in plain.keep and b"Vary: Accept-Encoding" in zipped_304.keep
    assert b"Content-Length" not in plain_304.keep and plain_304.keep.endswith(b"\r\n\r\n")
    assert assets.file_resource("/a.png", random.Random(2).randbytes(500)).answers[1] is None


def test_types():
    for path, kind in (("/a.HTML", b"text/html; charset=utf-8"), ("/a.b", b"application/octet-stream"), ("/a", b"application/octet-stream")):
        assert b"Content-Type: %s\r\n" % kind in assets.file_resource(path, b"x").answers[0].keep


# ---- what cannot be a site: one line ---------------------------------------------------------------------------------
def fails(root, match, routes=(), **more):
    with pytest.raises(assets.AssetError, match=match) as error:
        assets.compile_assets(root, routes, **more)
    assert "\n" not in str(error.value)


def test_no_files(tmp_path):
    (tmp_path / ".hidden").write_bytes(b"x")
    fails(tmp_path, "has no files; put an index.html there")


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    fails(tmp_path, "pipe: is neither a file nor a folder; remove it")


def test_a_file_of_5_gb_is_not_read_first(tmp_path):
    with open(tmp_path / "large", "wb") as file:
        file.truncate(5 << 30)
    fails(tmp_path, "large .5368709120 bytes. makes the pages")


def test_a_file_that_cannot_be_read(tmp_path):
    (tmp_path / "link").symlink_to("nowhere")
    fails(tmp_path, "link: cannot be read .No such file")


def test_too_large_for_the_board(tmp_path):
    write(tmp_path, a=b"x" * 600, b=b"y" * 600)
    fails(tmp_path, r"b .600 bytes. makes the pages 1200 bytes large, and this board takes 1000", limit=1000)


def test_names_that_are_no_paths(tmp_path):
    (tmp_path / "a\nb").write_bytes(b"x")
    fails(tmp_path, "control characters; rename")
    (tmp_path / "a\nb").unlink()
    with open(bytes(tmp_path) + b"/\xff", "wb"):
        pass
    fails(tmp_path, "not UTF-8; rename")


def test_a_route_that_is_a_file(tmp_path):
    write(tmp_path, r=b"x")
    fails(tmp_path, "/r is a route and a file", routes=("/r",))
    fails(tmp_path, "/s is a route and a file .* or the route of another", routes=("/s", "/s"))


@pytest.mark.parametrize("line, match", [
    ("@route(PATH, 'a/b')", "3: write @route"), ("@route('/a')", "3: write @route"), ("@route('a', 'a/b')", "not a path"),
    ("@route('/a b', 'a/b')", "not a path"), ("@route('/a', 'json')", "not a content type"),
    ("@route('/a', 'a/b\\r\\nX: y')", "not a content type"), ("@route('/a', 'a/b'", "3: .*never closed")])
def test_bad_routes(tmp_path, line, match):
    source = tmp_path / "routes.py"
    source.write_text("from barewire.page import route\n\n%s\ndef f(page):\n    pass\n" % line)
    with pytest.raises(assets.AssetError, match=match) as error:
        assets.routes_of(source)
    assert str(error.value).startswith("routes.py:3:")


def test_routes_in_their_order(tmp_path):
    source = tmp_path / "routes.py"
    source.write_text("import barewire.page as p\n@p.route('/b', 'a/b')\ndef f(page): pass\n@route('/a', 'a/b')\ndef g(page): pass\n")
    assert assets.routes_of(source) == ["/b", "/a"]
