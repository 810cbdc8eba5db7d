"""The drivers of both cards with FIFOs on their models: what holds for both. See test_stellaris.py, test_lan9118.py."""
import random

import pytest
from fifo_bench import MAC, PEER, Bench, frame_of, padded

from hostsim import links
from hostsim.appliance import Appliance, run_until
from hostsim.boards import BOARDS
from hostsim.clock import VirtualClock
from hostsim.devices.virtqueue import Violation

boards = pytest.mark.parametrize("board", ["lm3s6965evb", "mps2_an385"])
SIZES = [14, 15, 16, 17, 18, 41, 42, 43, 57, 58, 59, 60, 61, 62, 63, 64, 65, 66, 90, 91, 92, 93, 94, 95, 96, 97, 98, 99,
         300, 590, 1001, 1498, 1511, 1512, 1513, 1514]


@boards
def test_start(board):
    bench = Bench(board)
    assert bench.d.mac(bench.n) == MAC and bench.d.link(bench.n) and bench.rx() is None
    assert list(bench.fw.port.interrupts) == [bench.board.INTERRUPT]
    assert not bench.counters() and not bench.card.pending() and bench.said() == "" and not bench.wire.sent


@boards
def test_frames_of_all_sizes_come_and_go_back_in_place(board):
    bench = Bench(board)
    for size in SIZES:
        assert bench.card.receive(frame_of(size))
        assert bench.rx() == frame_of(size) and bench.do("frame") % 4 == 2
        assert bench.echo() == 1 and bench.wire.sent.pop() == padded(frame_of(size))
    assert not bench.counters() and bench.rx() is None and not bench.wire.sent


@boards
@pytest.mark.parametrize("length", range(14, 66))
def test_a_reply_may_have_another_length_and_is_padded_with_zeros(board, length):
    bench = Bench(board)
    bench.card.receive(MAC + b"\xFF" * 300)
    assert bench.rx()
    bench.do("reply", length)
    assert bench.wire.sent == [padded((MAC + b"\xFF" * 300)[:length])]


@boards
def test_the_same_frame_until_it_is_released(board):
    bench = Bench(board)
    bench.card.receive(frame_of(100, seed=1))
    bench.card.receive(frame_of(101, seed=2))
    assert bench.rx() == bench.rx() == frame_of(100, seed=1)
    bench.do("release")
    assert bench.rx() == frame_of(101, seed=2)
    bench.do("release")
    assert bench.rx() is None and not bench.counters() and not bench.wire.sent


@boards
@pytest.mark.parametrize("size", [*range(1, 14), 1515, 1516, 1600, 2000, 2040, 2041])
def test_runts_and_giants_are_dropped_and_counted(board, size):
    bench = Bench(board)
    around = [frame_of(60, seed=1), frame_of(64, seed=2)]
    bench.card.fits = lambda size: True                 # QEMU's FIFO takes any number of long frames ...
    bench.card.filters = False                          # ... and a runt has no address to filter by
    for frame in (around[0], frame_of(size), around[1]):
        assert bench.card.receive(frame)
    got = [bench.rx()]
    bench.do("release")
    for _ in range(2):
        frame = bench.rx()
        if frame:
            got.append(frame)
            bench.do("release")
    assert got == around and bench.counters() == {"nic_rx_bad": 1} and bench.rx() is None


@boards
@pytest.mark.parametrize("odd", range(4))
@pytest.mark.parametrize("head, size", [(54, 0), (54, 1), (54, 2), (54, 3), (54, 5), (54, 6), (54, 7), (42, 28), (54, 33),
                                        (42, 1470), (54, 1460), (54, 1459), (54, 1457), (55, 3), (56, 70), (57, 71),
                                        (14, 0), (14, 1), (255, 0), (255, 100), (59, 0), (57, 2), (54, 512)])
def test_head_and_payload_at_any_address(board, head, size, odd):
    bench = Bench(board)
    payload = random.Random(size).randbytes(size)
    assert bench.push(b"\xEE" * 255)                        # what the last frame left there
    assert bench.wire.sent.pop() == b"\xEE" * 255
    for _ in range(3):
        assert bench.push(b"\xAA" * head, payload, odd)
        assert bench.wire.sent.pop() == padded(b"\xAA" * head + payload)
    assert not bench.counters()


@boards
@pytest.mark.parametrize("seed", range(3))
def test_all_mixed_with_a_slow_transmitter(board, seed):
    bench, choice = Bench(board), random.Random(seed)
    bench.card.frame_turns = 7
    expected, taken = [], []
    for i in range(600):
        action = choice.random()
        if action < 0.4:
            frame = frame_of(choice.randrange(60, 700), seed=i)
            if bench.card.fits(len(frame)):
                assert bench.card.receive(frame)
                taken.append(frame)
        elif action < 0.8:
            frame = bench.rx()
            assert frame == (taken.pop(0) if taken else None)
            if frame:
                bench.do("reply", len(frame))
                expected.append(frame)
        else:
            head, payload = choice.randbytes(54), choice.randbytes(choice.randrange(0, 1400))
            if bench.push(head, payload, i & 3):
                expected.append(padded(head + payload))
    for _ in range(100):
        bench.do("room")
    assert bench.wire.sent == expected and len(expected) > 150 and not bench.counters()


@boards
def test_a_busy_transmitter_gives_no_room_and_a_reply_waits_for_it(board):
    bench = Bench(board)
    bench.card.frame_turns = 50
    sent = 0
    while bench.push(frame_of(1514, seed=sent)[:54], frame_of(1514, seed=sent)[54:]):
        sent += 1
        assert sent < 10
    assert not bench.counters()
    bench.card.receive(frame_of(80))
    assert bench.echo() == 1
    while bench.do("room") == 0 or len(bench.wire.sent) < sent + 1:
        pass
    assert bench.wire.sent == [frame_of(1514, seed=k) for k in range(sent)] + [frame_of(80)] and not bench.counters()


@boards
def test_a_transmitter_that_never_ends_costs_frames_not_the_device(board):
    bench = Bench(board)
    bench.card.frame_turns = None
    while bench.push(b"\xAA" * 54, b"\xBB" * 1460):
        pass
    for k in range(3):
        bench.card.receive(frame_of(100, seed=k))
        assert bench.echo() == 1
    assert bench.counters() == {"nic_tx_stuck": 3} and not bench.wire.sent


@boards
def test_what_goes_wrong_is_said_once(board):
    bench = Bench(board)
    bench.card.fits = lambda size: True
    bench.card.filters = False
    for k in range(3):
        assert bench.card.receive(frame_of(13)) and bench.rx() is None
        bench.sleep()
    assert bench.said() == "network card: the first nic_rx_bad\n"
    del bench.card.fits
    while bench.card.receive(frame_of(1514)):           # until one finds no room
        pass
    for k in range(3):
        bench.sleep()
        bench.echo()
    bench.card.frame_turns = None
    while bench.push(b"\xAA" * 54, b"\xBB" * 1460):
        pass
    assert bench.card.receive(frame_of(100)) and bench.echo() == 1
    for k in range(4):
        bench.sleep()
    assert bench.said() == "".join("network card: the first nic_%s\n" % what for what in ("rx_bad", "rx_lost", "tx_stuck"))
    assert bench.counters() == {"nic_rx_bad": 3, "nic_rx_lost": 1, "nic_tx_stuck": 1} and not bench.n[bench.d.NEWS]


# ---- sleep and link --------------------------------------------------------------------------------------------
@boards
def test_sleep_ends_with_a_frame(board):
    bench = Bench(board)
    assert bench.sleep() == 100 and not bench.board.awake(0, 0)
    bench.card.receive(frame_of(60))
    assert bench.board.awake(0, 0) and bench.sleep() == 0
    bench.card.receive(frame_of(60, seed=1))
    assert bench.sleep() == 0                       # the interrupt was acknowledged, the frames are still there
    assert bench.echo() == 2
    assert bench.sleep() == 100 and not bench.board.awake(0, 0)
    bench.card.receive(frame_of(60, seed=2))
    assert bench.board.awake(0, 0)


@boards
def test_the_link_goes_and_comes_and_it_is_said_once(board):
    bench = Bench(board)
    for k in range(2):
        bench.card.set_link(False)
        assert bench.board.awake(0, 0) and bench.sleep() == 0 and bench.sleep() == 100
        assert bench.n[bench.d.fifo.LINK] == 0 and not bench.d.link(bench.n)
        bench.card.receive(frame_of(60))
        bench.push(frame_of(64))
        assert bench.rx() is None and not bench.wire.sent
        bench.card.set_link(True)
        assert bench.board.awake(0, 0) and bench.sleep() == 0 and bench.sleep() == 100
        assert bench.n[bench.d.fifo.LINK] == 1 and bench.d.link(bench.n)
        bench.card.receive(frame_of(60))
        assert bench.echo() == 1 and bench.wire.sent.pop() == frame_of(60)
        assert bench.counters() == {"nic_link_lost": k + 1}
    assert bench.said() == "link: down\nlink: up\n" * 2


@boards
def test_a_short_loss_between_two_looks_is_noticed(board):
    bench = Bench(board)
    bench.card.set_link(False)
    bench.card.set_link(True)
    assert bench.sleep() == 0 and bench.n[bench.d.fifo.LINK] == 1 and bench.said() == ""


@boards
def test_a_cable_that_comes_after_the_start(board):
    bench = Bench(board, start=False)
    bench.card.set_link(False)
    bench.open()
    bench.sleep()                                   # the first one may end at once: the PHY tells what happened before
    assert not bench.n[bench.d.fifo.LINK] and bench.sleep() == 100
    bench.card.set_link(True)
    assert bench.sleep() == 0 and bench.said() == "link: up\n" and not bench.counters()


@boards
@pytest.mark.parametrize("partner, full", [(0x01E1, True), (0x0041, True), (0x00A1, False), (0x0081, False),
                                           (0x0061, True), (0x00E1, False), (0x0021, False), (0, False)])
def test_the_duplex_mode_is_the_best_that_both_ends_have(board, partner, full):
    bench = Bench(board, start=False)
    bench.card.phy.partner = partner
    bench.open()
    mode = bench.card.tctl & 16 if board == "lm3s6965evb" else bench.card.mac[1] & 1 << 20
    assert bool(mode) == full and bench.d.link(bench.n)
    bench.card.receive(frame_of(60))
    assert bench.echo() == 1 and len(bench.wire.sent) == 1


@boards
def test_a_slow_phy_is_waited_for_and_a_dead_one_is_not(board):
    bench = Bench(board, start=False)
    bench.card.phy_turns = 200
    bench.open()
    assert bench.n[bench.d.fifo.LINK] == 1
    bench = Bench(board, start=False)
    bench.card.phy_turns = None
    bench.open()
    assert bench.n[bench.d.fifo.LINK] == 0 and bench.sleep() == 100
    bench.card.receive(frame_of(60))
    assert bench.echo() == 1 and bench.wire.sent == [frame_of(60)]      # frames go on, link or not
    assert not bench.counters() and bench.said() == ""


# ---- the address -----------------------------------------------------------------------------------------------
@boards
def test_the_address_of_the_configuration_wins(board):
    bench = Bench(board, {"MAC": b"\x02abcde"})
    assert bench.d.mac(bench.n) == b"\x02abcde" and bench.said() == ""
    assert not bench.card.receive(frame_of(60)) and bench.card.receive(frame_of(60, b"\x02abcde"))
    assert bench.card.receive(frame_of(60, b"\xFF" * 6)) and bench.echo() == 2


@boards
def test_without_an_address_one_is_made_from_the_name_and_it_is_said(board):
    bench = Bench(board, mac=None if board == "lm3s6965evb" else b"\xFF" * 6)
    assert bench.d.mac(bench.n) == b"\x02\x00\x12\x34\x56\x78"
    assert bench.said().count("\n") == 1 and bench.said().endswith("no MAC address; using 02:00:12:34:56:78\n")


# ---- the models hold drivers to the data sheet -----------------------------------------------------------------
@boards
def test_accesses_that_are_not_allowed(board):
    card = Bench(board).card
    for width in (1, 2):
        with pytest.raises(Violation, match="with %d bytes" % width):
            card.read(0x08 if board == "lm3s6965evb" else 0x64, width)
    data, status = (0x10, 0x34) if board == "lm3s6965evb" else (0x00, 0x7C)
    with pytest.raises(Violation, match="underflow|empty"):
        card.read(data, 4)
    with pytest.raises(Violation, match="does not allow"):
        card.write(status, 4, 0)
    with pytest.raises(Violation, match="does not allow"):
        card.read(0xF0, 4)


# ---- whole appliances ------------------------------------------------------------------------------------------
def test_the_simulator_has_every_board_but_the_unix_port():
    from hostsim.loader import FIRMWARE
    files = {path.stem for path in (FIRMWARE / "barewire" / "boards").glob("[!_]*.py")}
    assert set(BOARDS) == files - {"unix"}


@boards
def test_link_loss_in_the_middle_of_a_conversation(board):
    import test_appliance
    clock = VirtualClock()
    one, two = links.pair()
    appliance = Appliance({**test_appliance.CONFIG}, one, board=board, clock=clock).boot()
    peer = test_appliance.Peer(two, 5)
    run_until(clock, 5000, appliance, peer)
    before = len(peer.readings)
    assert before == 5 and len(peer.answers) == 5
    appliance.card.set_link(False)
    peer.echoes = 3
    run_until(clock, 9000, appliance, peer)
    assert len(peer.readings) == before and len(peer.answers) == 5 and appliance.card.lost
    appliance.card.set_link(True)
    peer.echoes = 20
    run_until(clock, 20000, appliance, peer)
    assert len(peer.answers) == 20 and len(peer.readings) >= before + 10


@boards
def test_addresses_of_others_are_filtered(board):
    bench = Bench(board)
    assert not bench.card.receive(frame_of(60, PEER)) and bench.rx() is None
    assert not bench.card.receive(frame_of(60, b"\x01\x00\x5E\0\0\1"))
