"""What an operation costs in instructions, the same figures each time: x86-64 without a driver, a Cortex-M3 with it."""
import contextlib

from image.settings import Refused
from tests.bench import instructions, lwip_peer, native
from tests.bench.results import OURS, Table

LWIP = [*lwip_peer.BUILDS, lwip_peer.SOCKETS]
X86 = f"""Instructions per operation on x86-64, frames in memory, counted one by one. lwIP 2.2.1 verifies all sums: on its raw API, where C
looks at a request's ends only and the answer is there before it, and under MicroPython's sockets. {" and ".join(native.PEERS)}:
constants of tests/bench/native.py, once measured with callgrind, which no command measures again. "Better by" is against {LWIP[0]}."""
ON_M3 = "lwIP on lm3s6965evb"
CORTEX_M = f"""Instructions on a Cortex-M3 from one look into the receive FIFO to the next, the driver's included, counted in QEMU. {ON_M3}:
2.2.1, raw API, -O3 -flto, the same C as above; "better by" compares it with our LM3S6965EVB."""

# What is wanted on a Cortex-M3; what the tests hold a board to are instructions.GOALS
WANTED = dict(zip(instructions.WHAT, ("450", "800", "2,600", "450", "250", "180", "3,300", "", "5,600", "")))


def on_x86() -> Table:
    table = Table(X86, [OURS, *LWIP, *native.PEERS], LWIP[0])
    for what, (goal, *peers) in native.WHAT.items():
        table.add(OURS, what, "", [native.count(what).each()], goal=f"{goal:,}" if goal else "", less=True)
        for who, count in zip(native.PEERS, peers):
            table.row(what).values[who] = [count]
    try:
        for who in LWIP:
            for what, count in lwip_peer.counted(who).items():
                table.add(who, what, "", [count])
    except Refused as reason:
        table.skip("lwIP", reason)
    return table


def on_cortex_m() -> Table:
    ours = list(instructions.CARDS)
    table = Table(CORTEX_M, [*ours, ON_M3], ON_M3, ours[0])
    for board in instructions.CARDS:
        with contextlib.redirect_stdout(None):
            found = instructions.counted(board)
        for what, count in found.items():
            table.add(board, what, "", [count], goal=WANTED[what], less=True)
    try:
        for what, count in lwip_peer.counted_on_cortex_m().items():
            table.add(ON_M3, what, "", [count])
    except Refused as reason:
        table.skip(ON_M3, reason)
    return table


def measured() -> dict[str, Table]:
    return {"x86": on_x86(), "cortex_m": on_cortex_m()}
