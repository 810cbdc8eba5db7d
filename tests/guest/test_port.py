"""The x86-64 port by itself: console, clock, sleep, memory, entropy, and how it stops. See image/port/x86_64."""
import re
import subprocess
import time

import pytest

from image.qemu import Qemu
from tests.guest.monitor import Monitor

MIB = 1 << 20


def numbers(line):
    return [int(word) for word in line.replace("(", " ").replace(")", " ").replace(",", " ").split()]


def test_clock_agrees_with_the_host(freeze):
    image = freeze("""
        import time, port
        port.idle(20, 0, 0)
        a = time.ticks_us(); print('a')
        for i in range(15): port.idle(100, 0, 0)
        b = time.ticks_us(); print('b', b - a, time.ticks_ms() - b // 1000)
    """)
    with Qemu(image=image) as machine:
        machine.wait_for("^a")
        start = time.monotonic()
        _, us, ms = machine.wait_for("^b").split()
        host = (time.monotonic() - start) * 1e6
    assert abs(int(us) - host) < 0.03 * host + 5000
    assert 0 <= int(ms) <= 2


def test_idle_lasts_its_time_and_no_longer(boot):
    console, _ = boot("""
        import time, port
        for ms in (0, -1, 5, 50, 300):
            a = time.ticks_us(); port.idle(ms, 0, 0); print(ms, time.ticks_us() - a)
    """)
    for ms, us in map(numbers, console.splitlines()):
        assert max(ms, 0) * 990 <= us <= max(ms, 0) * 1000 + 50000


def test_idle_does_not_sleep_when_the_index_has_moved(boot):
    console, _ = boot("""
        import time, port, array, uctypes
        a = array.array('H', [7]); at = uctypes.addressof(a)
        t = time.ticks_us(); port.idle(3000, at, 6); u = time.ticks_us(); port.idle(300, at, 7)
        print(u - t, time.ticks_us() - u)
    """)
    moved, same = numbers(console)
    assert moved < 50_000 and same > 290_000


def test_interrupts_are_held_back_on_the_way_to_sleep_only(freeze, tmp_path):
    """A program that keeps busy takes them; the flag is bit 9 (Intel SDM vol. 1, figure 3-8)."""
    control = tmp_path / "qmp"
    image = freeze("""
        import array, port, uctypes
        a = array.array('H', [7])
        port.idle(1, 0, 0)                              # to its end
        port.idle(1000, uctypes.addressof(a), 6)        # not at all
        print('busy')
        while True: pass
    """)
    with Qemu(image=image, extra=["-qmp", f"unix:{control},server=on,wait=off"]) as machine:
        machine.wait_for("^busy")
        monitor = Monitor(control)
        said = monitor.do("human-monitor-command", **{"command-line": "info registers"})
        monitor.close()
    assert int(re.search("RFL=([0-9a-f]{8})", said)[1], 16) & 1 << 9


def test_nothing_lies_below_the_stack_pointer(appliance):
    """An interrupt writes there: no code of the image, the libraries' and the native Python's neither, has a red zone."""
    code = subprocess.run(["objdump", "-d", appliance], capture_output=True, text=True, check=True).stdout
    assert code.count("(%rsp)") > 1000 and not re.findall(r"-0x[0-9a-f]+\(%rsp.*", code)


@pytest.mark.parametrize("memory", [3, 4, 64])
def test_heap_reaches_to_the_end_of_memory(boot, memory):
    console, _ = boot("import port; print(port.memory())", memory=memory)
    assert numbers(console) == [2 * MIB, memory * MIB]


def test_heap_is_usable_to_its_last_block(boot):
    console, _ = boot("""
        import gc
        kept = [None] * 1000
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
    """, memory=4)
    filled, free = console.splitlines()
    assert filled.split()[1] == "True" and 480 < int(filled.split()[0]) <= 512 and int(free) > 1.9 * MIB


def test_too_little_memory_is_one_line(freeze):
    with Qemu(image=freeze("print('never')"), memory=2) as machine:
        assert machine.wait(10) == 0
        assert machine.console == "barewire: stopped: too little memory: it ends at 2048 KiB, needed are 2560 KiB at least\n"


def test_command_line_is_handed_over(boot):
    console, _ = boot("import port; print(port.cmdline())", append="one=1 two")
    assert console == "b'one=1 two'\n"


def test_command_line_that_is_too_long_is_one_line(boot):
    console, _ = boot("print('never')", append="x" * 1024)
    assert console == "barewire: stopped: command line of 1024 bytes, at most 1023\n"


@pytest.mark.parametrize("cpu", ["qemu64,+rdrand", "qemu64"])
def test_entropy_never_repeats(boot, cpu):
    program = "import port; print([port.entropy().hex() for i in range(8)])"
    console, _ = boot(program, extra=["-cpu", cpu])
    values = eval(console)
    assert len(set(values)) == 8 and all(len(value) == 32 for value in values)
    ones = sum(bin(int(value, 16)).count("1") for value in values)
    assert 400 < ones < 624    # of 1024 bits; seven standard deviations


def test_entropy_differs_between_boots_without_a_generator(freeze):
    image, seen = freeze("import port; print(port.entropy().hex())"), set()
    for _ in range(4):
        with Qemu(image=image, extra=["-cpu", "qemu64"]) as machine:
            machine.wait(10)
            seen.add(machine.console)
    assert len(seen) == 4


def test_a_mistake_in_a_program_shows_its_traceback(boot):
    console, code = boot("def f():\n    return 1 // 0\nf()\n")
    assert console.startswith("Traceback") and 'File "main.py", line 2' in console and code == 0
    assert console.splitlines()[-1] == "barewire: stopped: uncaught ZeroDivisionError"


def test_allocation_under_heap_lock_fails_and_is_reported(boot):
    console, _ = boot("import micropython\nmicropython.heap_lock()\nx = bytearray(64)\n")
    assert 'File "main.py", line 3' in console
    assert console.splitlines()[-1] == "barewire: stopped: uncaught MemoryError while the heap was locked"


def test_a_wild_pointer_is_reported_with_its_address(boot):
    console, _ = boot("from lib import poke\npoke(1 << 40)\n", lib="""
        import micropython
        @micropython.viper
        def poke(a: int):
            p = ptr8(a)
            p[0] = 1
    """)
    assert console.startswith("barewire: stopped: processor exception 14 ") and "address 0x10000000000" in console


def test_no_such_interrupt(boot):
    console, _ = boot("import port; port.irq(200, 0, 0)")
    assert console == "barewire: stopped: interrupt 200: the IOAPIC has no such input\n"


def test_halt_hands_its_code_to_isa_debug_exit(boot):
    _, code = boot("import port; port.halt(3)", extra=["-device", "isa-debug-exit"])
    assert code == 2 * 3 + 1


def test_image_size_without_appliance(freeze):
    assert freeze("pass").stat().st_size < 120 * 1024
