"""The LAN9118: what only this chip does. What it shares with the Stellaris controller: test_fifo_cards.py."""
import pytest
from fifo_bench import Bench, frame_of

from hostsim.devices import lan9118 as chip
from hostsim.devices.virtqueue import Violation

BOARD = "mps2_an385"


def test_the_start_follows_the_data_sheet():
    bench = Bench(BOARD)
    card = bench.card
    assert card.mac[chip.MAC_CR] == chip.TXEN | chip.RXEN | chip.FDPX and card.rx_cfg == 2 << 8
    assert card.plain[chip.INT_EN] == chip.RSFL | chip.RXE | chip.PHY_INT and card.plain[chip.FIFO_INT] == 0
    assert card.tx_cfg == chip.TX_ON | chip.TXSAO and card.phy.written == {30: 0x50}


@pytest.mark.parametrize("model, message", [({"present": False}, "no network card: no LAN9118 at 0x40200000"),
                                            ({"reset": None}, "LAN9118 at 0x40200000: does not finish its reset")])
def test_no_card_is_one_line(model, message):
    bench = Bench(BOARD, start=False)
    bench.card.present = model.get("present", True)
    bench.card.reset_turns = model.get("reset", 0)
    with pytest.raises(OSError) as error:
        bench.open()
    assert str(error.value) == message


def test_a_reset_that_takes_its_time():
    bench = Bench(BOARD, start=False)
    bench.card.reset_turns = 500
    bench.open()
    bench.card.receive(frame_of(60))
    assert bench.echo() == 1


def test_frames_that_find_no_room_are_counted():
    bench = Bench(BOARD)
    frames = [frame_of(1514, seed=k) for k in range(9)]
    assert [bench.card.receive(frame) for frame in frames] == [True] * 6 + [False] * 3
    assert bench.sleep() == 0 and bench.counters() == {"nic_rx_lost": 3}
    assert bench.echo() == 6 and bench.wire.sent == frames[:6]
    assert bench.card.receive(frame_of(60)) and bench.echo() == 1 and bench.sleep() == 100
    assert bench.counters() == {"nic_rx_lost": 3}


@pytest.mark.parametrize("size", [14, 60, 61, 62, 63, 1000])
def test_a_damaged_frame_is_dropped_and_counted(size):
    bench = Bench(BOARD)
    assert bench.card.accept(frame_of(size), error=1 << 15 | 1 << 1) and bench.card.receive(frame_of(64))
    assert bench.rx() is None and bench.rx() == frame_of(64) and bench.counters() == {"nic_rx_bad": 1}


def test_a_receiver_out_of_step_is_started_again():
    bench = Bench(BOARD)
    bench.card.receive(frame_of(100))
    bench.card.rx_status.clear()
    bench.card.out_of_step()
    assert bench.board.awake(0, 0)
    bench.sleep()
    assert not bench.card.int_sts and bench.card.mac[chip.MAC_CR] & chip.RXEN
    assert bench.counters() == {"nic_rx_bad": 1} and bench.sleep() == 100
    bench.card.receive(frame_of(60))
    assert bench.echo() == 1


def test_many_frames_without_anyone_reading_the_transmit_status():
    bench = Bench(BOARD)
    for k in range(300):
        assert bench.push(frame_of(64, seed=k))
    assert len(bench.wire.sent) == 300


def test_violations():
    bench = Bench(BOARD)
    card = bench.card
    for register, value, message in (
            (chip.HW_CFG, 0, "bit 20"), (chip.RX_CFG, chip.RX_DUMP, "receiver runs"),
            (chip.MAC_CSR_CMD, 1, "not busy"), (chip.MAC_CSR_CMD, 1 << 31 | 9, "no register")):
        with pytest.raises(Violation, match=message):
            card.write(register, 4, value)
    with pytest.raises(Violation, match="empty"):
        card.read(chip.RX_STATUS, 4)
    card.write(chip.MAC_CSR_DATA, 4, 2 << 11)
    with pytest.raises(Violation, match="address 1"):
        card.write(chip.MAC_CSR_CMD, 4, 1 << 31 | chip.MII_ACC)
    card.reset_turns = 10
    card.write(chip.HW_CFG, 4, chip.SRST)
    with pytest.raises(Violation, match="before the reset has ended"):
        card.read(chip.INT_STS, 4)


@pytest.mark.parametrize("words, message", [
    ([chip.LAST | 60], "FIRST belongs"), ([chip.FIRST | chip.LAST], "0 bytes"),
    ([chip.FIRST | 4, 60, 0, chip.FIRST | 56], "FIRST belongs"), ([chip.FIRST | 4, 60, 0, chip.LAST | 56, 61], "differs"),
    ([chip.FIRST | chip.LAST | 16, 60, 0, 0, 0, 0], "16 bytes in its buffers, 60"),
    ([chip.FIRST | 2047, 60] + [0] * 512 + [2047, 60] + [0] * 512 + [2047, 60] + [0] * 512, "overflows")])
def test_transmit_commands_must_fit_together(words, message):
    card = Bench(BOARD).card
    with pytest.raises(Violation, match=message):
        for word in words:
            card.write(0x20, 4, word)


def test_sending_needs_a_transmitter():
    bench = Bench(BOARD)
    bench.card.tx_cfg = 0
    with pytest.raises(Violation, match="TX_ON"):
        bench.push(frame_of(60))
    bench.card.tx_cfg = chip.TX_ON                      # without TXSAO the status has to be read
    with pytest.raises(Violation, match="transmit status"):
        for _ in range(200):
            bench.push(frame_of(60))
