"""TCP's state machine (RFC 9293 sections 3.3.2, 3.10) as this server has it: state x event -> action, next state.

No image carries this module: tests/unit/test_rfc9293_states.py drives the code into every state and through every event, and
compares reply, counters and next state with the cell. SYN-SENT has no column: there is no active open. LISTEN and
SYN-RECEIVED need no slot (cookie.py): what they know is in the peer's acknowledgement. CLOSED is a port where nothing
listens; a connection that has ended leaves LISTEN behind.

A cell is an action of ACTIONS, with ``>`` and the next state where that is another; ``-`` and a letter of IMPOSSIBLE where
the event cannot happen. ESTABLISHED has answered what was asked, CLOSE-WAIT has more to send than the peer's window takes,
FIN-WAIT-1, CLOSING and LAST-ACK have FIN on its way.
"""

STATES = ("CLOSED", "LISTEN", "SYN-RECEIVED", "ESTABLISHED", "FIN-WAIT-1", "FIN-WAIT-2", "CLOSE-WAIT", "CLOSING", "LAST-ACK",
          "TIME-WAIT")
SHORT = dict(zip(("CL", "LI", "SR", "ES", "F1", "F2", "CW", "CG", "LA", "TW"), STATES))

# name: reply ("" none, "*" any; "+" data), counters that move (all of them, but with "*")
ACTIONS = {
    "none": ("", ()),
    "refuse": ("R", ("tcp_closed_port", "tcp_reset_out")),
    "closed": ("", ("tcp_closed_port", "tcp_stray_rst")),
    "cookie": ("SA", ("tcp_syn",)),                             # SYN-ACK that carries all that has to be remembered
    "reset": ("R", ("tcp_bad_cookie", "tcp_reset_out")),
    "stray": ("", ("tcp_stray_rst",)),
    "ignore": ("", ("tcp_bad_cookie",)),
    "early": ("", ("tcp_out_of_order",)),                       # the segment in front of it will open the connection
    "open": ("", ("tcp_opened",)),
    "open+ack": ("A", ("tcp_opened",)),
    "open+fin": ("FA", ("tcp_opened",)),
    "open+data": ("+", ("tcp_opened", "http_requests", "http_404")),
    "ack": ("A", ()),
    "fin": ("FA", ()),
    "data": ("+", ()),
    "answer": ("+", ("http_requests", "http_404")),
    "last": ("F+", ()),
    "fin+data": ("F+", ("http_requests", "http_404")),
    "chall": ("A", ("tcp_challenge",)),                         # RFC 5961
    "badack": ("A", ("tcp_bad_ack", "tcp_challenge")),
    "noack": ("", ("tcp_bad_ack",)),
    "gone": ("", ("tcp_reset_in",)),
    "beside": ("", ("tcp_out_of_window",)),
    "outside": ("A", ("tcp_out_of_window",)),
    "again": ("A", ("tcp_duplicate",)),
    "gap": ("A", ("tcp_out_of_order",)),
    "late": ("A", ("tcp_after_close",)),                        # nobody reads any more: acknowledged, or not even that
    "wait": ("A", ("tcp_closed",)),
    "late+wait": ("A", ("tcp_after_close", "tcp_closed")),
    "done": ("", ("tcp_closed",)),
    "rfc1337": ("", ("tcp_time_wait_reset",)),
    "resend": ("+", ("tcp_rto", "tcp_retransmit")),
    "resend+": ("F+", ("tcp_rto", "tcp_retransmit")),
    "refin": ("FA", ("tcp_rto", "tcp_retransmit")),
    "giveup": ("*", ("tcp_timeout",)),
    "idle": ("FA", ("tcp_idle",)),
    "half": ("", ("tcp_half_closed",)),
    "evict": ("*", ("tcp_evicted",)),
}
IMPOSSIBLE = {
    "d": "no data of ours is on its way",
    "f": "our FIN was not sent, or is acknowledged already",
    "p": "the peer's FIN has not come",
    "c": "nothing is left to be closed by us",
    "t": "this timer runs in other states only",
    "s": "no slot is taken",
}

# Segments are in order and acknowledge what was acknowledged before, unless the event says more.
TABLE = """
event              CLOSED   LISTEN   SYN-RECEIVED   ESTABLISHED   FIN-WAIT-1   FIN-WAIT-2    CLOSE-WAIT   CLOSING   LAST-ACK   TIME-WAIT
SYN-newer          refuse   cookie>SR cookie        chall         chall        chall         chall        chall     chall      cookie>SR
SYN-older          refuse   cookie>SR cookie        chall         chall        chall         chall        chall     chall      chall
SYN-ACK            refuse   reset    reset          chall         chall        chall         chall        chall     chall      chall
RST-exact          closed   stray    stray          gone>LI       gone>LI      gone>LI       gone>LI      gone>LI   gone>LI    rfc1337
RST-in-window      closed   stray    stray          chall         chall        chall         chall        chall     chall      rfc1337
RST-outside        closed   stray    stray          beside        beside       beside        beside       beside    beside     rfc1337
no-flags           refuse   ignore   ignore         noack         noack        noack         noack        noack     noack      noack
ACK-nothing-new    refuse   reset    open>ES        none          none         none          none         none      none       none
ACK-of-data        -d       -d       -d             none          none         -d            data         none      -d         -d
ACK-of-FIN         -f       -f       -f             -f            none>F2      -f            -f           done>TW   done>LI    -f
ACK-too-new        refuse   reset    reset          badack        badack       badack        badack       badack    badack     badack
ACK-too-old        refuse   reset    reset          badack        badack       badack        badack       badack    badack     badack
keep-alive         refuse   reset    reset          again         again        again         again        again     again      again
text               refuse   reset    open+ack>ES    ack           late         late          late         late      late       late
text-beyond-gap    refuse   reset    early          gap           late         late          late         late      late       late
text-again         refuse   reset    reset          again         again        again         again        again     again      again
text-outside       refuse   reset    reset          outside       outside      outside       outside      outside   outside    outside
FIN                refuse   reset    open+fin>LA    fin>LA        ack>CG       wait>TW       ack          ack       ack        ack
FIN-and-ACK-of-FIN -f       -f       -f             -f            wait>TW      -f            -f           -f        -f         -f
FIN-beyond-gap     refuse   reset    early          gap           late         late          late         late      late       late
FIN-again          -p       -p       -p             -p            -p           -p            again        again     again      again
request-and-FIN    refuse   reset    open+data>CW   answer>CW     late>CG      late+wait>TW  late         late      late       late
CLOSE              -c       -c       -c             fin+data>F1   -c           -c            last>LA      -c        -c         -c
RTO                -t       -t       -t             resend        resend+      -t            resend       resend+   refin      -t
RTO-too-often      -t       -t       -t             giveup>LI     giveup>LI    -t            giveup>LI    giveup>LI giveup>LI  -t
idle-60-s          -t       -t       -t             idle>F1       -t           -t            -t           -t        -t         -t
FIN-WAIT-2-10-s    -t       -t       -t             -t            -t           half>LI       -t           -t        -t         -t
2-MSL              -t       -t       -t             -t            -t           -t            -t           -t        -t         none>LI
eviction           -s       -s       -s             evict>LI      evict>LI     evict>LI      evict>LI     evict>LI  evict>LI   evict>LI
ICMP-unreachable   none     none     none           none          none         none          none         none      none       none
"""


def parse(table=TABLE):
    """{(state, event): (action, next state)}, or {(state, event): reason} for what is impossible."""
    head, *rows = (line.split() for line in table.strip().splitlines())
    cells = {}
    for event, *row in rows:
        for state, cell in zip(head[1:], row, strict=True):
            action, _, then = cell.partition(">")
            cells[state, event] = IMPOSSIBLE[action[1:]] if action[0] == "-" else (action, SHORT[then] if then else state)
    return cells
