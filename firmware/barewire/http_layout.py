"""What HTTP keeps where: the words of a connection, the parser's states, and the block ``t`` of compiled assets.

Constants only, without imports: image/assets.py lays out what http_parse.py walks, and both read this file.

The block ``t`` (32-bit words; references in it are byte offsets from its start)

    0  FOLD     byte -> the same in lower case if it may stand in a token (RFC 9110 5.6.2), else 0
    64 KIND     byte -> bits TEXT_CHAR .. HEX_CHAR
    128 roots   METHODS, VERSIONS, PATHS, TOKENS, SCHEMES, ASTERISK: word sets; NOTHING: the empty one; NAMES: 32 sets
    FIXED_RECORDS  one record for each of BAD_REQUEST ..; those of files follow, then resources, word sets, sums

    record      KEEP, CLOSE: addresses of the answer that leaves the connection open and of the start of the one that
                closes it; LENGTH of it all; HEAD: length of its head; SUMS: of its 1460-byte chunks
    resource    ROUTE: 0, or the number of a route; ETAGS: a word set; PLAIN, GZIP, PLAIN_304, GZIP_304: records

A word set is a tree, walked byte by byte. A node is one word: the byte it stands for and, from bit 8, the distance in
bytes to the node that is asked next if the byte is another one. What may follow the byte comes directly behind its node.
A node for byte 0 is the end of a word, and its value comes behind it. The last of all alternatives leads to NOTHING.
"""
SEGMENT = 1460

# ---- words of a connection, from slot.HTTP_WORDS -------------------------------------------------------------------
STATE = 0
READY = 1           # not 0: a request is complete, answer it before the next byte
NODE = 2            # address of the node of the word set that is being walked
LEFT = 3            # bytes the part being read may still have
METHOD = 4          # GET, HEAD, or the number of its answer; 0: not known
RESOURCE = 5        # offset of its resource in t, 0: there is none
VERSION = 6         # VERSION_10, VERSION_11; 0 while the request line is being read
FLAGS = 7
FIELD = 8           # the header being read: its first state, and the flags that its tokens may set
VALUE = 9           # of the token or the percent code being read
WEIGHT = 10         # 1: the token came alone, 2: with a weight above zero, 0: with a zero one or other parameters
BODY = 11           # bytes of the body or of the chunk still to come
TOTAL = 12          # bytes of body seen in all chunks
RANGE = 13          # length of the values of Range, which lie in RANGE_TEXT, each with a CR behind it; 0: there is none
RANGE_TEXT = 14     # RANGE_BYTES: of a longer one the rest is not kept
RANGE_BYTES = 36
DUE = 23            # slot.DUE: when the part of the request that is read has to be there; 0: none is
WORDS = 24

# ---- states --------------------------------------------------------------------------------------------------------
START = 0           # request line (RFC 9112 3): the frequent ones
TARGET = 1
IN_PATH = 2
QUERY = 3
START_LF = 4        # those that take a byte at a time
IN_METHOD = 5
SCHEME = 6
IN_VERSION = 7
LINE_LF = 8
PERCENT = 9
PERCENT_2 = 10
LINE = 11           # header section (RFC 9112 5): a line begins
NAME = 12
TOKEN = 13          # of Connection, Transfer-Encoding, Expect, Accept-Encoding
SPACE = 14
SKIP = 15
VALUE_END = 16
VALUE_LF = 17
END_LF = 18
HOST_START = 19     # Host, and the authority of an absolute target
HOST = 20
HOST_V6 = 21
HOST_END = 22
PORT = 23
LENGTH_START = 24   # Content-Length
IN_LENGTH = 25
LIST = 26           # around tokens
AFTER_TOKEN = 27
PARAMETER = 28
IN_WEIGHT = 29
ETAG_LIST = 30      # If-None-Match, If-Range
ETAG_WEAK = 31
ETAG_QUOTE = 32
ETAG = 33
KEEP = 34           # Range: kept for http_range.py
IN_BODY = 35        # body (RFC 9112 6, 7.1)
CHUNK_SIZE = 36
CHUNK_DIGITS = 37
CHUNK_EXTENSION = 38
CHUNK_LF = 39
CHUNK = 40
CHUNK_CR = 41
CHUNK_CRLF = 42
AWAITED = 43        # the header section is there, and the client waits for 100 before it sends the body
COMPLETE = 44       # a request is there
DONE = 45           # the last answer of this connection is given: whatever comes is not read
FAILED = 46         # + number of the error: the request cannot be understood further
AGAIN = 128         # beside a state: the byte is still to be read

# ---- values of the word sets ---------------------------------------------------------------------------------------
GET = 1
HEAD = 2            # from the next one on: numbers of the answers that methods get
VERSION_10 = 1
VERSION_11 = 2
VERSION_OTHER = 3

# Flags: those that a token sets have the flag for "refused: weight 0" one bit above them.
CLOSE = 1 << 8
KEEP_ALIVE = 1 << 10
CONTINUE = 1 << 12
CHUNKED = 1 << 14
ACCEPT_GZIP = 1 << 16
ACCEPT_ANY = 1 << 18
ETAG_PLAIN = 1 << 20
ETAG_GZIP = 1 << 21
SEEN_HOST = 1 << 22
SEEN_LENGTH = 1 << 23
SEEN_CODING = 1 << 24
TRAILER = 1 << 25
ENDS = 1 << 26      # the connection ends with the answer
SEEN_IF_RANGE = 1 << 27
IF_RANGE_SHIFT = 8  # If-Range sets ETAG_PLAIN or ETAG_GZIP shifted by this
STATE_BITS = 255    # of FIELD

# ---- fixed answers, in the order of their records and counters, from 1; errors but for the last two --------------------
BAD_REQUEST = 1
NOT_FOUND = 2
NOT_ALLOWED = 3
TIMEOUT = 4
BODY_TOO_LARGE = 5
TARGET_TOO_LONG = 6
EXPECTATION = 7
HEAD_TOO_LARGE = 8
SERVER_ERROR = 9
NOT_IMPLEMENTED = 10
UNAVAILABLE = 11
WRONG_VERSION = 12
OPTIONS = 13
CONTINUE_100 = 14

# ---- limits (RFC 9112 3 recommends at least 8000 for the request line) ----------------------------------------------
LINE_LIMIT = 8192
HEAD_LIMIT = 16384
BODY_LIMIT = 65536
# How long a request may take, from its first byte to the end of its header section, and from there to its end
HEADER_MS = 10000
BODY_MS = 30000

# ---- the block t: byte offsets of the tables, word indices of the rest ----------------------------------------------
KIND = 256
METHODS = 128
VERSIONS = 129
PATHS = 130
TOKENS = 131
SCHEMES = 132
ASTERISK = 133
NOTHING = 134
NAMES = 135         # 32 word sets, by the low five bits of a name's first byte
FIXED_RECORDS = 167

KEEP_AT = 0         # words of a record
CLOSE_AT = 1
LENGTH_AT = 2
HEAD_AT = 3
SUMS_AT = 4
RECORD_WORDS = 5

ROUTE_AT = 0        # words of a resource
ETAGS_AT = 1
PLAIN_AT = 2
GZIP_AT = 3
PLAIN_304_AT = 4
GZIP_304_AT = 5
RESOURCE_WORDS = 6

TEXT_CHAR = 1       # may stand in the value of a field: no control but the tab
BLANK_CHAR = 2      # space, tab
PATH_CHAR = 4       # visible ASCII but for what ends a path; RFC 3986 forbids some more, which match nothing
QUERY_CHAR = 8      # visible ASCII; no fragment is ever sent
HOST_CHAR = 16      # RFC 3986 reg-name
DIGIT_CHAR = 32
HEX_CHAR = 64

# ---- bytes ---------------------------------------------------------------------------------------------------------
LF = 10
CR = 13
TAB = 9
BLANK = 32
QUOTE = 34
PERCENT_SIGN = 37
STAR = 42
COMMA = 44
SLASH = 47
COLON = 58
SEMICOLON = 59
EQUALS = 61
WEAK = 87
BRACKET = 91
BRACKET_END = 93
BAD = FAILED + BAD_REQUEST
