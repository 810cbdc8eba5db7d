"""Web files and the tables of HTTP, compiled into what firmware/barewire/http.py serves from flash (layout: http_layout.py).

Each file becomes one piece: head and body, as sent; where it helps, another one compressed by gzip; and their 304 answers.
A piece comes twice, as answers differ in one line: "Connection: keep-alive" and "Connection: close". Both have the same
length, so only the first segment is kept twice. All output is determined by the files' bytes.
"""
import ast
import gzip
import hashlib
import importlib.util
import os
import stat
from array import array
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parent.parent
FIRMWARE = ROOT / "firmware" / "barewire"
ROUTES = ROOT / "firmware" / "app" / "routes.py"
METRICS, MEANINGS = "/metrics", "/counters.txt"     # the latter is made where there is a route for the former


def _layout():
    """firmware/barewire/http_layout.py, without importing the package around it."""
    spec = importlib.util.spec_from_file_location("http_layout", ROOT / "firmware" / "barewire" / "http_layout.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


h = _layout()

SITE_BYTES = 2 << 20        # what a board's flash takes where the board's file does not say (SITE_BYTES there)
PATH_BYTES = 1024
INDEX = "index.html"
TYPES = {
    ".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8", ".txt": "text/plain; charset=utf-8", ".md": "text/plain; charset=utf-8",
    ".csv": "text/csv; charset=utf-8", ".json": "application/json", ".webmanifest": "application/manifest+json",
    ".xml": "application/xml", ".svg": "image/svg+xml", ".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg",
    ".gif": "image/gif", ".webp": "image/webp", ".avif": "image/avif", ".ico": "image/x-icon", ".woff": "font/woff",
    ".woff2": "font/woff2", ".wasm": "application/wasm", ".pdf": "application/pdf",
}

# ---- word sets: word -> value --------------------------------------------------------------------------------------
METHODS = {"GET": h.GET, "HEAD": h.HEAD, "OPTIONS": h.OPTIONS,
           **dict.fromkeys(("POST", "PUT", "DELETE", "PATCH", "TRACE"), h.NOT_ALLOWED)}
VERSIONS = {"HTTP/1.0": h.VERSION_10, "HTTP/1.1": h.VERSION_11, "HTTP/1.2": h.VERSION_11}       # 2: any digit from 2 on
VERSIONS.update({f"HTTP/{major}.{minor}": h.VERSION_OTHER for major in (0, 2) for minor in (0, 1, 2)})
NAMES = {"host": h.HOST_START | h.SEEN_HOST, "content-length": h.LENGTH_START | h.SEEN_LENGTH,
         "transfer-encoding": h.LIST | h.CHUNKED, "connection": h.LIST | h.CLOSE | h.KEEP_ALIVE,
         "expect": h.LIST | h.CONTINUE, "accept-encoding": h.LIST | h.ACCEPT_GZIP | h.ACCEPT_ANY,
         "if-none-match": h.ETAG_LIST, "if-range": h.ETAG_LIST | h.SEEN_IF_RANGE, "range": h.KEEP}
TOKENS = {"close": h.CLOSE, "keep-alive": h.KEEP_ALIVE, "100-continue": h.CONTINUE, "chunked": h.CHUNKED,
          "gzip": h.ACCEPT_GZIP, "x-gzip": h.ACCEPT_GZIP, "*": h.ACCEPT_ANY}
SCHEMES = {"http://": 1}

# ---- fixed answers, in the order of their numbers in http_layout --------------------------------------------------------
ALLOW = "Allow: GET, HEAD, OPTIONS"
ERRORS = (
    ("400 Bad Request", "the request is not HTTP as RFC 9112 has it", ()),
    ("404 Not Found", "there is no such page", ()),
    ("405 Method Not Allowed", "pages are read with GET and HEAD", (ALLOW,)),
    ("408 Request Timeout", "the request was not complete in time", ()),
    ("413 Content Too Large", f"at most {h.BODY_LIMIT} bytes of content are read", ()),
    ("414 URI Too Long", f"a request line has at most {h.LINE_LIMIT} bytes", ()),
    ("417 Expectation Failed", "the only expectation that is met is 100-continue", ()),
    ("431 Request Header Fields Too Large", f"a header section has at most {h.HEAD_LIMIT} bytes", ()),
    ("500 Internal Server Error", "the function behind this page failed", ()),
    ("501 Not Implemented", "this method or transfer coding is not known here", ()),
    ("503 Service Unavailable", "all pages of memory are in use; try again", ("Retry-After: 1",)),
    ("505 HTTP Version Not Supported", "HTTP/1.1 and HTTP/1.0 are spoken here", ()),
)


class AssetError(Exception):
    """One line for the user; the commands print it and exit with 2."""


# ---- from files to answers -----------------------------------------------------------------------------------------
def partial_sum(data) -> int:
    """One's complement sum of the little-endian 16-bit words (an odd last byte is padded), folded, not inverted."""
    total = sum(data[0::2]) + (sum(data[1::2]) << 8)
    return total % 0xFFFF or (0xFFFF if total else 0)


def head(status: str, fields, connection: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", "Server: barewire", f"Connection: {connection}", *fields]
    return "\r\n".join([*lines, "", ""]).encode()


class Answer:
    """A whole response: `keep` leaves the connection open, `close` is the first segment of the one that ends it."""

    def __init__(self, label: str, status: str, fields, body: bytes | None = None):
        if body is not None:
            fields = (*fields, f"Content-Length: {len(body)}")
        self.label = label
        self.head = len(head(status, fields, "keep-alive"))
        self.keep = head(status, fields, "keep-alive") + (body or b"")
        self.close = (head(status, fields, "close     ") + (body or b""))[:h.SEGMENT]

    def sums(self) -> list[int]:
        """Of `close`, then of each segment of `keep`."""
        parts = [self.keep[at:at + h.SEGMENT] for at in range(0, len(self.keep), h.SEGMENT)]
        return [partial_sum(self.close), *map(partial_sum, parts)]


def fixed_answers() -> list[Answer]:
    """The errors, the answer to OPTIONS (RFC 9110 9.3.7), and 100 (15.2.1), which has no fields."""
    plain = "Content-Type: text/plain; charset=utf-8"
    answers = [Answer(status, status, (plain, *fields), f"{status}: {why}\n".encode()) for status, why, fields in ERRORS]
    answers += [Answer("OPTIONS", "204 No Content", (ALLOW,)), Answer("100 Continue", "100 Continue", ())]
    answers[-1].keep = answers[-1].close = b"HTTP/1.1 100 Continue\r\n\r\n"
    answers[-1].head = len(answers[-1].keep)
    return answers


class Resource:
    """What a path leads to: answers of a file, or the number of a route."""

    def __init__(self, route=0, plain=None, zipped=None, plain_304=None, zipped_304=None, etags=None):
        self.route = route
        self.answers = plain, zipped, plain_304, zipped_304
        self.etags = etags or {}


def file_resource(path: str, body: bytes) -> Resource:
    """The answers of a file; the compressed one only where it is smaller, its head included."""
    kind = "Content-Type: " + TYPES.get(os.path.splitext(path)[1].lower(), "application/octet-stream")
    tag = hashlib.sha256(body).hexdigest()[:16]
    packed = gzip.compress(body, 9, mtime=0)
    packed = packed[:9] + b"\xff" + packed[10:]         # RFC 1952 OS: unknown, whatever host compressed it
    common = ["Cache-Control: no-cache"]

    def answers(tag, *more):
        fields = [f'ETag: "{tag}"', *common]
        return fields, [kind, *fields, "Accept-Ranges: bytes", *more]

    if len(packed) + len("Content-Encoding: gzip\r\nVary: Accept-Encoding\r\n") < len(body):
        common.append("Vary: Accept-Encoding")
        fields, full = answers(tag + "-gz", "Content-Encoding: gzip")
        zipped = Answer(path + " (gzip)", "200 OK", full, packed)
        zipped_304 = Answer(path + " (gzip, not modified)", "304 Not Modified", fields)
    else:
        zipped = zipped_304 = None
    fields, full = answers(tag)
    plain = Answer(path, "200 OK", full, body)
    plain_304 = Answer(path + " (not modified)", "304 Not Modified", fields)
    etags = {tag: h.ETAG_PLAIN}
    if zipped:
        etags[tag + "-gz"] = h.ETAG_GZIP
    return Resource(0, plain, zipped, plain_304, zipped_304, etags)


def redirect(path: str) -> Resource:
    """From a folder's name without its slash to the one with it."""
    quoted = "".join(chr(b) if b in b"/-._~" or chr(b).isalnum() and b < 128 else f"%{b:02X}" for b in path.encode())
    body = f"see {quoted}/\n".encode()
    fields = [f"Location: {quoted}/", "Content-Type: text/plain; charset=utf-8", "Cache-Control: no-cache"]
    return Resource(0, Answer(f"{path} -> {path}/", "301 Moved Permanently", fields, body))


def site(root: Path, limit: int = SITE_BYTES) -> dict[str, Resource]:
    """{path: resource} of all files below root, but those whose name begins with a dot (.well-known does not count)."""
    found = {}
    total = 0

    def refuse(error):
        raise AssetError(f"[http] root: {error.filename}: cannot be read ({error.strerror}); allow it or remove it")

    for folder, names, files in os.walk(root, onerror=refuse):
        names[:] = sorted(name for name in names if not name.startswith(".") or name == ".well-known")
        for name in sorted(files):
            if name.startswith("."):
                continue
            file = Path(folder, name)
            path = web_path(file, root)
            try:
                state = file.stat()
                total += state.st_size
                if not stat.S_ISREG(state.st_mode):         # a pipe would be waited for without end
                    raise AssetError(f"[http] root: {file}: is neither a file nor a folder; remove it")
                if total > limit:
                    raise AssetError(f"[http] root: {file} ({state.st_size} bytes) makes the pages {total} bytes large, and this "
                                     f"board takes {limit}; remove or shrink files")
                body = file.read_bytes()
            except OSError as error:
                refuse(error)
            found[path] = file_resource(path, body)
            if name == INDEX:
                directory = path[:-len(INDEX)]
                found[directory] = found[path]
                if directory != "/":
                    found[directory[:-1]] = redirect(directory[:-1])
    if not found:
        raise AssetError(f"[http] root: {root} has no files; put an index.html there")
    return found


def web_path(file: Path, root: Path) -> str:
    """The path of a URL, not encoded, that leads to a file."""
    path = "/" + file.relative_to(root).as_posix()
    try:
        raw = path.encode()
    except UnicodeEncodeError:
        raise AssetError(f"[http] root: {os.fsencode(file)!r}: the name is not UTF-8; rename the file") from None
    if any(b < 32 or b == 127 for b in raw):
        raise AssetError(f"[http] root: {str(file)!r}: the name has control characters; rename the file")
    if len(raw) > PATH_BYTES:
        raise AssetError(f"[http] root: {file}: the path has {len(raw)} bytes, at most {PATH_BYTES} are served; shorten it")
    return path


def routes_of(source: Path = ROUTES) -> list[str]:
    """The paths of the @route functions of a module, in order; found without importing it."""
    where = source.name
    try:
        tree = ast.parse(source.read_bytes(), where)
    except OSError as error:
        raise AssetError(f"{where}: cannot be read ({error.strerror})") from None
    except (SyntaxError, ValueError) as error:
        raise AssetError(f"{where}:{getattr(error, 'lineno', 0)}: {error.args[0]}; correct that line") from None
    paths = []
    for node in tree.body:
        for mark in getattr(node, "decorator_list", ()):
            if isinstance(mark, ast.Call) and ast.unparse(mark.func).split(".")[-1] == "route":
                paths.append(route_path(mark, where))
    return paths


def route_path(mark: ast.Call, where: str) -> str:
    values = [part.value for part in mark.args if isinstance(part, ast.Constant) and isinstance(part.value, str)]
    if len(values) != 2 or len(mark.args) != 2 or mark.keywords:
        raise AssetError(f'{where}:{mark.lineno}: write @route("/path", "content/type"), both as plain texts')
    path, kind = values
    if not path.startswith("/") or not path.isascii() or any(not "!" <= letter <= "~" or letter in "?#%" for letter in path):
        raise AssetError(f"{where}:{mark.lineno}: {path!r} is not a path; it begins with / and is visible ASCII without ? # %")
    if not kind.isascii() or not kind.isprintable() or "/" not in kind:
        raise AssetError(f"{where}:{mark.lineno}: {kind!r} is not a content type; write for instance application/json")
    return path


def counter_meanings(constants: dict) -> bytes:
    """A line "name meaning" for each counter of the stack and of the cards: flash is the place for it, not /metrics."""
    found = {}
    for file in (FIRMWARE / "counters.py", *sorted((FIRMWARE / "nic").glob("*.py"))):
        for node in ast.parse(file.read_bytes(), file.name).body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in ("COUNTERS", "NIC_COUNTERS"):
                for line in node.value.elts:
                    name, meaning = (part.value for part in line.elts[:2])
                    needed = ast.unparse(line.elts[-1]).partition("config.")[2]
                    if not needed or constants.get(needed):
                        found.setdefault(name, meaning)
    return "".join(f"{name} {meaning}\n" for name, meaning in found.items()).encode()


# ---- from answers to words -----------------------------------------------------------------------------------------
class Table:
    """The block t as it is laid out: little-endian 32-bit words."""

    def __init__(self):
        self.words = array("I", fold_table() + kind_table())
        self.words.extend([0] * (h.FIXED_RECORDS - len(self.words)))
        self.open_ends = []     # nodes that are the last alternative
        self.empty = []         # words that refer to an empty word set

    def add(self, words) -> int:
        """Append words; returns the byte offset of the first."""
        at = 4 * len(self.words)
        self.words.extend(words)
        return at

    def word_set(self, root: int, words: dict):
        """Lay out a word set, and let the word `root` refer to it."""
        if not words:
            self.empty.append(root)
            return
        self.words[root] = 4 * len(self.words)
        todo = [(sorted((word.encode(), value) for word, value in words.items()), 0)]
        while todo:
            task = todo.pop()
            if callable(task):
                task()
            else:
                self._nodes(*task, todo)

    def _nodes(self, pairs, depth, todo):
        """Nodes for byte `depth` of words that agree up to there: the first alternative now, the rest put on todo."""
        first = pairs[0][0][depth:depth + 1]
        same = [pair for pair in pairs if pair[0][depth:depth + 1] == first]
        others = pairs[len(same):]
        node = len(self.words)
        self.words.append(first[0] if first else 0)
        if others:
            def link():
                self.words[node] |= (len(self.words) - node) * 4 << 8
            todo += [(others, depth), link]
        else:
            self.open_ends.append(node)
        if first:
            todo.append((same, depth + 1))
        else:
            self.words.append(same[0][1])

    def close(self):
        """Write NOTHING, and lead to it what has no other alternative."""
        nothing = self.add([0, 0]) // 4
        for root in (h.NOTHING, *self.empty):
            self.words[root] = 4 * nothing
        for node in self.open_ends:
            self.words[node] |= (nothing - node) * 4 << 8


def fold_table() -> bytes:
    token = b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
    return bytes(b if b in token else 0 for b in (b | 32 if 65 <= b <= 90 else b for b in range(256)))


def kind_table() -> bytes:
    kinds = bytearray(b >= 32 or b == 9 for b in range(256))        # TEXT_CHAR
    kinds[32] |= h.BLANK_CHAR
    kinds[9] |= h.BLANK_CHAR
    for b in range(33, 127):
        kinds[b] |= h.PATH_CHAR * (b not in b"?%#") | h.QUERY_CHAR * (b != 35)
    for b in b"-._~!$&'()*+,;=%0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz":
        kinds[b] |= h.HOST_CHAR
    for b in b"0123456789ABCDEFabcdef":
        kinds[b] |= h.HEX_CHAR | h.DIGIT_CHAR * (b < 58)
    return bytes(kinds)


def compile_assets(root, routes, limit: int = SITE_BYTES, constants: dict = {}) -> ModuleType:
    """The module `assets`: TABLE, PIECES (bytes: keep and close of each answer), LABELS of the answers, ROUTES.

    root: folder of the files.  routes: paths that functions answer, in order.  constants: of the configuration; they say
    which counters there are.  Raises AssetError, one line.
    """
    paths = site(Path(root), limit)
    if METRICS in routes:
        paths.setdefault(MEANINGS, file_resource(MEANINGS, counter_meanings(constants)))
    for number, path in enumerate(routes, 1):
        if path in paths:
            raise AssetError(f"routes.py: {path} is a route and a file below {root} or the route of another function; "
                             "rename one of them")
        paths[path] = Resource(number)
    asterisk = Resource()       # the server itself, which has methods and no answers (RFC 9112 3.2.4)
    answers = fixed_answers()
    resources = list(dict.fromkeys(paths.values()))
    answers += [answer for resource in resources for answer in resource.answers if answer]
    table = Table()
    records = {answer: table.add([0, 0, len(answer.keep), answer.head, 0]) for answer in answers}
    places = {resource: table.add([resource.route, 0, *(records.get(answer, 0) for answer in resource.answers)])
              for resource in [*resources, asterisk]}
    for word, words in ((h.METHODS, METHODS), (h.VERSIONS, VERSIONS), (h.TOKENS, TOKENS), (h.SCHEMES, SCHEMES),
                        (h.ASTERISK, {"*": places[asterisk]}),
                        (h.PATHS, {path: places[resource] for path, resource in paths.items()})):
        table.word_set(word, words)
    for low in range(32):
        table.word_set(h.NAMES + low, {name: NAMES[name] for name in NAMES if ord(name[0]) & 31 == low})
    for resource, at in places.items():
        table.word_set(at // 4 + h.ETAGS_AT, resource.etags)
    table.close()
    for answer, at in records.items():
        sums = answer.sums()
        sums.append(0)
        table.words[at // 4 + h.SUMS_AT] = table.add([low | high << 16 for low, high in zip(sums[0::2], sums[1::2])])
    module = ModuleType("assets")
    module.TABLE = table.words.tobytes()
    module.PIECES = tuple(piece for answer in answers for piece in (answer.keep, answer.close))
    module.LABELS = tuple(answer.label for answer in answers)
    module.ROUTES = tuple(routes)
    return module


# ---- for the commands ------------------------------------------------------------------------------------------------
def load(config, limit: int = SITE_BYTES, routes: Path = ROUTES) -> ModuleType:
    """The module `assets` of a configuration (image.config.Config with [http]) and the file of the application's routes."""
    return compile_assets(config.root, routes_of(routes), limit, config.constants())


def source(config, fw=None) -> str:
    """The text of assets.py to freeze. fw: the loaded firmware, whose board may say SITE_BYTES, and whose routes count."""
    limit = getattr(fw.board, "SITE_BYTES", SITE_BYTES) if fw else SITE_BYTES
    assets = load(config, limit, fw.root / "app" / "routes.py" if fw else ROUTES)
    lines = ['"""Made by image/assets.py from the files of [http] root. Do not edit."""', "ROUTES = %r" % (assets.ROUTES,),
             "TABLE = (", *literal(assets.TABLE), ")"]
    for k, label in enumerate(assets.LABELS):
        for side, name in enumerate(("KEEP", "CLOSE")):
            lines += [f"# {ascii(label)}", f"{name}_{k} = (", *literal(assets.PIECES[2 * k + side]), ")"]
    names = ", ".join(f"KEEP_{k}, CLOSE_{k}" for k in range(len(assets.LABELS)))
    return "\n".join([*lines, f"PIECES = ({names})", ""])


def literal(data: bytes) -> list[str]:
    """Bytes as lines of source, broken behind line ends."""
    lines = []
    for part in data.split(b"\n"):
        part += b"\n"
        lines += ["    %r" % part[at:at + 64] for at in range(0, len(part), 64)]
    if lines:
        last = ast.literal_eval(lines[-1].strip())[:-1]     # the last line end is not of the data
        lines[-1:] = ["    %r" % last]
    return lines
