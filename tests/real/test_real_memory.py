"""What an image in QEMU takes of its host: 4 MiB (-m) are enough for 64 connections at once; idle it takes no processor."""
from image.qemu import GUARD, Qemu
from tests.bench import measure, memory
from tests.real import network

PAGE = b"<!doctype html><title>1 KiB</title>".ljust(1024, b".")
LEAST_MIB, TOO_LITTLE_MIB = 4, 2


def command(mib):
    config = network.configuration(network.ROOT / "build" / "real-memory", files={"index.html": PAGE})
    return [*GUARD, *Qemu(image=network.image_of(config), netdev=network.NETDEV, memory=mib).arguments]


def test_four_mib_are_enough_for_64_connections(tap):
    rss = memory.enough(command(LEAST_MIB), len(PAGE), 20)
    assert 8 < rss < 128        # QEMU's own 30 MiB and the guest's 4


def test_too_little_memory_is_found_out(tap):
    assert memory.enough(command(TOO_LITTLE_MIB), len(PAGE), 2) == 0


def test_an_idle_image_takes_less_than_a_hundredth_of_a_processor(tap):
    config = network.configuration(network.ROOT / "build" / "real-memory", files={"index.html": PAGE})
    with network.network(), network.qemu(config) as process:
        network.settle(1)
        assert measure.idle_percent(process, 4) < 1
