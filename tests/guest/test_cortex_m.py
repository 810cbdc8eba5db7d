"""The Cortex-M boards: the port by itself, and the example appliance on it. See image/port/cortex_m."""
import os
import re
import socket
import time
import urllib.request

import pytest

from image import build, settings
from image.qemu import Qemu
from image.settings import ROOT, Refused
from tests.agree.frames import MAC, Connection, Peer
from tests.agree.image_target import Image
from tests.guest.test_boot import Wire
from tests.guest.test_run import free_port

BOARDS = {"lm3s6965evb": 64 << 10, "mps2_an385": 4 << 20}      # and their RAM
RAM_AT = 0x20000000


@pytest.fixture(params=BOARDS)
def board(request):
    return request.param


@pytest.fixture
def image(board):
    return build.build_image(board, ROOT / "appliance.toml", ROOT / "build")


def numbers(line):
    return [int(word) for word in re.findall(r"-?\d+", line)]


# ---- the port -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("lines", [100, 600, 3000])
def test_long_branches_of_native_code(boot, lines):
    """Forwards and backwards, beyond what MicroPython 1.25 itself gets right: image/emitter/asmthumb.patch."""
    body = "".join("        if a > 5:\n            p[%d] = p[%d] + a\n" % (k % 8, k % 8) for k in range(lines))
    lib = "import micropython\n@micropython.viper\ndef f(p: ptr32, a: int, n: int) -> int:\n    k = 0\n    while k < n:\n" \
          "        k = k + 1\n%s        if k == 2:\n            p[8] = 77\n    return k\n" % body.replace("\n        if", "\n        if")
    console, _ = boot("import array\nfrom lib import f\na = array.array('I', [0] * 9)\nprint(f(a, 7, 3), a[0], a[8], f(a, 1, 0))\n", lib=lib)
    assert numbers(console) == [3, 7 * 3 * len(range(0, lines, 8)), 77, 0]


def test_integers_of_32_and_64_bits(boot):
    console, _ = boot("""
        import array
        a = array.array('I', [0xffffffff])
        print(a[0], a[0] >> 31, a[0] - (1 << 32), (7 << 32 | a[0]) // 1000, a[0] & 0xffff, int('-5000000000'), int('8000', 16))
        print('%d %x' % (a[0], a[0]), int('-9223372036854775808') + 1, int('4_000_000_000'))
        for text in '9223372036854775808', '12x', '-5000000000x':
            try: print(int(text))
            except (OverflowError, ValueError) as error: print(type(error).__name__)
    """)
    assert console.splitlines() == ["4294967295 1 -1 34359738 65535 -5000000000 32768", "4294967295 ffffffff -9223372036854775807 4000000000",
                                    "OverflowError", "ValueError", "ValueError"]


def test_clock_agrees_with_the_host(freeze, board):
    """Over several rounds of SysTick (0.3 and 0.6 s), asleep and awake."""
    image = freeze("""
        import time, port
        port.idle(20)
        a = time.ticks_us(); m = time.ticks_ms(); print('a')
        for i in range(15): port.idle(100)
        while time.ticks_diff(time.ticks_us(), a) < 2500000: pass
        b = time.ticks_us(); print('b', b - a, (time.ticks_ms() - m) - (b - a) // 1000)
    """)
    with Qemu(board=board, image=image) as machine:
        machine.wait_for("^a")
        start = time.monotonic()
        _, us, ms = machine.wait_for("^b").split()
        host = (time.monotonic() - start) * 1e6
    assert abs(int(us) - host) < 0.03 * host + 5000
    assert -1 <= int(ms) <= 2


def test_clock_never_steps_back(boot):
    console, _ = boot("""
        import time
        worst = 0
        last = first = time.ticks_us()
        while last - first < 1500000:
            now = time.ticks_us()
            worst = min(worst, now - last)
            last = now
        print(worst)
    """)
    assert console == "0\n"


def test_idle_lasts_its_time_and_no_longer(boot):
    console, _ = boot("""
        import time, port
        for ms in (0, -1, 5, 50, 300, 1300):
            a = time.ticks_us(); port.idle(ms); print(ms, time.ticks_us() - a)
    """)
    assert console.count("\n") == 6
    for ms, us in map(numbers, console.splitlines()):
        assert max(ms, 0) * 990 <= us <= max(ms, 0) * 1000 + 50000


def test_idle_takes_no_processor_time(freeze, board):
    with Qemu(board=board, image=freeze("import port\nprint('asleep')\nwhile True: port.idle(60000)\n")) as machine:
        machine.wait_for("asleep")
        time.sleep(0.2)

        def used():
            with open(f"/proc/{machine.process.pid}/stat") as stat:
                return sum(map(int, stat.read().rpartition(")")[2].split()[11:13])) / os.sysconf("SC_CLK_TCK")
        before = used()
        time.sleep(2)
        assert used() - before <= 0.02


def test_heap_is_the_rest_of_memory_to_its_last_block(boot, board):
    console, _ = boot("""
        import gc, port
        print(port.memory())
        kept = [None] * 1100
        n = 0
        try:
            while True:
                block = bytearray(4096)
                block[0] = block[4095] = n & 255
                kept[n] = block
                n += 1
        except MemoryError:
            n -= 1
            block = kept[n] = None
            print(n, all([kept[i][0] == i & 255 == kept[i][4095] for i in range(n)]))
        kept = None; gc.collect(); print(gc.mem_free())
    """)
    bounds, filled, free = console.splitlines()
    lo, hi = numbers(bounds)
    assert RAM_AT < lo < RAM_AT + 40_000 and hi == RAM_AT + BOARDS[board]
    blocks, right = filled.split()
    assert right == "True" and 0.96 * (hi - lo) / 4096 - 4 < int(blocks) <= (hi - lo) / 4096
    assert int(free) > 0.9 * (hi - lo)


def test_entropy_differs_between_calls_and_boots(freeze, board):
    image, seen = freeze("import port; print([port.entropy().hex() for i in range(8)])"), set()
    for _ in range(3):
        with Qemu(board=board, image=image) as machine:
            machine.wait(10)
            values = eval(machine.console)
            assert 400 < sum(bin(int(value, 16)).count("1") for value in values) < 624    # of 1024; seven deviations
            seen.update(values)
    assert len(seen) == 24


@pytest.mark.parametrize("program, last", [
    ("import port; port.irq(500)", "barewire: stopped: interrupt 500: the NVIC has no such input\n"),
    ("import port; port.halt(3)", ""),
])
def test_what_stops_the_machine(boot, program, last):
    assert boot(program) == (last, 0)


@pytest.mark.parametrize("board", ["mps2_an385"])     # QEMU's lm3s6965evb ignores such accesses
def test_a_wild_pointer_is_reported_with_its_address(boot):
    console, code = boot("from lib import poke\npoke(0x30000000)\n", lib="""
        import micropython
        @micropython.viper
        def poke(a: int):
            p = ptr8(a)
            p[0] = 1
    """)
    assert re.fullmatch(r"barewire: stopped: processor exception 3 \(status 8200\) at 0x[0-9a-f]+, address 0x30000000\n", console)
    assert code == 0


def test_the_machine_takes_neither_memory_nor_kvm(freeze, board):
    image = freeze("pass")
    with pytest.raises(Refused, match="the memory that is on the board"):
        Qemu(board=board, image=image, memory=64)
    with pytest.raises(Refused, match="ACCEL=kvm: .* is emulated"):
        Qemu(board=board, image=image, accel="kvm")


def test_bin_boots_as_the_elf_does(freeze, board):
    image = freeze("print('from flash')").with_suffix(".bin")
    with Qemu(board=board, image=image) as machine:
        assert machine.wait(10) == 0 and machine.console == "from flash\n"


# ---- the appliance --------------------------------------------------------------------------------------------------------
def test_boots_and_announces_itself(image, board):
    with Wire() as wire, Qemu(board=board, image=image, netdev=wire.netdev) as machine:
        assert machine.wait_ready() == "barewire: greenhouse ready at 10.0.2.15"
        assert wire.socket.recv(2048)[12:14] == b"\x08\x06"
        time.sleep(1)
        assert machine.process.poll() is None and len(machine.lines) == 1


def test_serves_its_pages_and_has_heap_left(image, board):
    """Figures: at least 24 KiB of heap after boot; nothing is allocated by serving."""
    port, free = free_port(socket.SOCK_STREAM), []
    with Qemu(board=board, image=image, netdev=f"user,hostfwd=tcp:127.0.0.1:{port}-10.0.2.15:80") as machine:
        machine.wait_ready()

        def get(path):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=5) as answer:
                return answer.read()
        for _ in range(3):
            free.append(int(re.search(rb"^heap_free_bytes (\d+)$", get("metrics"), re.M)[1]))
            for path in ROOT.joinpath("firmware/app/www").iterdir():
                assert get(path.name) == path.read_bytes()
        asleep = time.monotonic()
        get("api/reading")
        assert time.monotonic() - asleep < 0.5      # the card's interrupt ends the sleep, which would last up to 1 s
        assert machine.lines == ["barewire: greenhouse ready at 10.0.2.15"]
    print(f"{board}: {free[0]} bytes of heap free")
    assert min(free) >= 24 << 10 and free[0] - free[-1] < 1024


def test_runts_and_giants_are_counted_said_once_and_served_on(image, board):
    sizes = (6, 8, 13, 14, 1514, 1515, 1600, 2041)
    bad = [size for size in sizes if size > 1514 or size < 14 and board == "lm3s6965evb"]   # QEMU's LAN9118 drops runts itself
    with Image(board, image) as target:
        for size in sizes * 3:
            assert target.exchange((MAC + bytes(2100))[:size]) == []
        port = Connection(Peer(target), 60001)
        metrics = port.get("/metrics").decode()
        target.machine.wait_for(r"^network card: ")
        console = target.machine.console
    assert int(re.search(r"^nic_rx_bad (\d+)$", metrics, re.M)[1]) == 3 * len(bad)
    assert console == "barewire: greenhouse ready at 10.0.2.15\nnetwork card: the first nic_rx_bad\n"


def test_parts_of_files_from_any_address(image, board):
    """The cards take words, and a part may begin anywhere."""
    page = (ROOT / "firmware/app/www/dashboard.js").read_bytes()
    port = free_port(socket.SOCK_STREAM)
    with Qemu(board=board, image=image, netdev=f"user,hostfwd=tcp:127.0.0.1:{port}-10.0.2.15:80") as machine:
        machine.wait_ready()
        for first in range(1, 9):
            for size in 1, 5, 1460, 4001:
                asked = urllib.request.Request(f"http://127.0.0.1:{port}/dashboard.js",
                                               headers={"Range": f"bytes={first}-{first + size - 1}"})
                with urllib.request.urlopen(asked, timeout=5) as answer:
                    assert answer.status == 206 and answer.read() == page[first:first + size]


def test_size(image, board):
    line = (image.parent / "made-from").read_text().splitlines()[1]
    print(line)
    size, code = int(line.split()[1]), int(line.partition("; ")[2].split()[0])
    assert 100_000 < code <= 128 << 10
    assert image.with_suffix(".bin").stat().st_size == size <= settings.board(board)["build"]["image_limit"]
    assert sum(numbers(line.partition("RAM ")[2])[1:]) == BOARDS[board]
