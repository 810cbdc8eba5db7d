"""The LM3S6965's Ethernet controller: what only this chip does. What it shares with the LAN9118: test_fifo_cards.py."""
import pytest
from fifo_bench import Bench, frame_of

from hostsim.devices import stellaris as chip
from hostsim.devices.virtqueue import Violation

BOARD = "lm3s6965evb"


def test_the_start_follows_the_data_sheet():
    bench = Bench(BOARD)
    card, board = bench.card, bench.board.chip
    assert card.rctl == chip.RXEN | chip.BADCRC and card.resets == 2
    assert card.tctl == chip.TXEN | chip.PADEN | chip.CRC | chip.DUPLEX
    assert card.im == chip.RXINT | chip.FOV | chip.PHYINT and card.mdv == 10
    assert card.phy.written == {17: 0x500}
    assert board.port_f.pins == {0x400: 1, 0x420: 0x0C, 0x50C: 0, 0x51C: 0x0D} and board.port_f.levels == 1


def test_qemus_card_without_a_phy_counts_as_connected():
    bench = Bench(BOARD, phy=False, filters=False)
    assert bench.n[bench.d.fifo.LINK] == 1 and bench.d.link(bench.n) and bench.sleep() == 100 and bench.said() == ""


def test_the_fifo_holds_what_it_holds():
    bench = Bench(BOARD)
    frames = [frame_of(size, seed=size) for size in (1514, 100, 60, 400)]
    assert [bench.card.receive(frame) for frame in frames] == [True] * 3 + [False]
    assert bench.card.used() == 1520 + 108 + 68


@pytest.mark.parametrize("drained", [0, 1, 2])
def test_overflow_keeps_whole_frames_and_starts_the_receiver_again(drained):
    bench = Bench(BOARD)
    whole = [frame_of(900, seed=k) for k in range(2)]
    for frame in whole:
        assert bench.card.receive(frame)
    for k in range(drained):
        assert bench.rx() == whole[k]
        bench.do("release")
    assert all(bench.card.receive(frame_of(900, seed=k)) for k in range(drained))
    assert not bench.card.receive(frame_of(900, seed=9)) and bench.card.full
    assert not bench.card.receive(frame_of(60, seed=9))             # nothing comes in now
    assert bench.board.awake(0, 0) and bench.sleep() == 0
    assert bench.echo() == 2
    assert bench.rx() is None and not bench.card.full and bench.counters() == {"nic_rx_lost": 1}
    assert bench.sleep() == 100
    assert bench.card.receive(frame_of(60, seed=10)) and bench.rx() == frame_of(60, seed=10)


def test_overflow_by_the_first_frame():
    bench = Bench(BOARD)
    assert not bench.card.receive(frame_of(2043)) and bench.sleep() == 0
    assert bench.rx() is None and bench.counters() == {"nic_rx_lost": 1} and not bench.card.full
    assert bench.card.receive(frame_of(60)) and bench.echo() == 1


def test_overflows_again_and_again_lose_frames_only():
    bench = Bench(BOARD)
    got = 0
    for k in range(300):
        for j in range(k % 4):
            bench.card.receive(frame_of(400 + 7 * k % 1100, seed=k + j))
        got += bench.echo()
    lost = bench.card.lost
    assert got == bench.card.received == len(bench.wire.sent) and got + lost == 450 and lost > 20
    assert bench.n[bench.d.OVERFLOW] > 10


@pytest.mark.parametrize("word", [0, 5, 2055, 0xFFFF])
def test_a_length_that_cannot_be_restarts_the_receiver(word):
    bench = Bench(BOARD)
    bench.card.receive(frame_of(100))
    bench.card.frames[0][0] = word
    bench.card.receive(frame_of(101))
    resets = bench.card.resets
    assert bench.rx() is None and bench.card.resets == resets + 1
    assert bench.counters() == {"nic_rx_bad": 1, "nic_rx_lost": 1}
    bench.card.receive(frame_of(102))
    assert bench.rx() == frame_of(102)


def test_a_bad_crc_is_counted():
    bench = Bench(BOARD)
    bench.card.receive(frame_of(100))
    bench.card.bad_crc()
    assert bench.rx() is None and bench.sleep() == 100 and bench.counters() == {"nic_rx_bad": 1}


def test_a_busy_phy_bus_is_not_touched():
    """A transfer that timed out may still run: the next one must not be started into it."""
    bench = Bench(BOARD)
    bench.card.phy_turns = None
    assert not bench.d.link(bench.n)
    bench.card.phy_turns = 0
    bench.card.command_left = 1
    assert bench.d.link(bench.n)


def test_violations():
    bench = Bench(BOARD, start=False)
    with pytest.raises(Violation, match="bus fault"):
        bench.card.read(chip.NP, 4)
    bench.open()
    card = bench.card
    for register, value, message in (
            (chip.TR, 2, "its only bit"), (chip.TR, 1, "0 bytes in the FIFO"), (chip.RCTL, 32, "reserved"),
            (chip.TCTL, 8, "reserved"), (chip.IA1, 1 << 16, "16 bits"), (chip.MCTL, 4, "reserved"),
            (chip.IM, 128, "reserved")):
        with pytest.raises(Violation, match=message):
            card.write(register, 4, value)
    card.mdv = 8
    with pytest.raises(Violation, match="2.5 MHz"):
        card.write(chip.MCTL, 4, 9)
    card.mdv, card.phy_turns = 10, 5
    card.write(chip.MCTL, 4, 9)
    for access in (lambda: card.write(chip.MCTL, 4, 9), lambda: card.read(chip.MRXD, 4)):
        with pytest.raises(Violation, match="management transfer"):
            access()


@pytest.mark.parametrize("words, message", [([46], "4 bytes in the FIFO"), ([0] * 6, "24 bytes"), ([2000] * 504, "2014")])
def test_a_frame_must_be_as_long_as_it_says(words, message):
    card = Bench(BOARD).card
    for word in words:
        card.write(chip.DATA, 4, word)
    with pytest.raises(Violation, match=message):
        card.write(chip.TR, 4, 1)


def test_the_transmit_fifo_is_not_touched_while_a_frame_leaves():
    bench = Bench(BOARD)
    bench.card.frame_turns = None
    assert bench.push(frame_of(100)) and bench.do("room") == 0
    for register in (chip.DATA, chip.TR):
        with pytest.raises(Violation, match="being sent"):
            bench.card.write(register, 4, 1)
    bench.card.sending = None
    for _ in range(512):
        bench.card.write(chip.DATA, 4, 0)
    with pytest.raises(Violation, match="more than 2048"):
        bench.card.write(chip.DATA, 4, 0)
    for value, message in ((4, "transmitter is off"), (1, "without TCTL.CRC")):
        bench.card.write(chip.TCTL, 4, value)
        with pytest.raises(Violation, match=message):
            bench.card.write(chip.TR, 4, 1)
