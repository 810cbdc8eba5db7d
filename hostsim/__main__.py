"""python -m hostsim --config F --link L: the appliance under CPython.  python -m hostsim collect: its datagrams.

    --link tap:NAME             a TAP interface (root)
    --link dgram:LOCAL:REMOTE   frames in UDP datagrams on 127.0.0.1, as QEMU's -netdev dgram
    --link bridge[:HTTP[:QUERY]]  no root: http://127.0.0.1:8080/, sensor queries on UDP port 5005
    --link replay:FILE          the frames of a pcap file
"""
import argparse
import socket
import sys
import time

from hostsim.datagram import DatagramError, decode


def fail(text):
    print("hostsim: " + text, file=sys.stderr)
    sys.exit(2)


def show(data, source=""):
    """Print one datagram for the collector."""
    try:
        print(source + str(decode(data)), flush=True)
    except DatagramError as error:
        print("%snot a sensor datagram: %s" % (source, error), flush=True)


def collect(arguments):
    parser = argparse.ArgumentParser(prog="python -m hostsim collect", description="print sensor datagrams")
    parser.add_argument("--port", type=int, default=9000, help="UDP port, default 9000")
    parser.add_argument("--address", default="0.0.0.0", help="address to listen on, default all")
    parser.add_argument("--count", type=int, default=0, help="end after so many datagrams")
    options = parser.parse_args(arguments)
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sock.bind((options.address, options.port))
    except (OSError, OverflowError) as error:
        fail("collect: UDP port %d: %s; choose another with --port"
             % (options.port, getattr(error, "strerror", None) or "ports are 0 to 65535"))
    seen = 0
    while not options.count or seen < options.count:
        data, (host, _) = sock.recvfrom(2048)
        show(data, host + "  ")
        seen += 1


def parse(arguments):
    parser = argparse.ArgumentParser(prog="python -m hostsim", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", required=True, metavar="FILE", help="appliance.toml")
    parser.add_argument("--link", default="bridge", help="see above; default bridge")
    parser.add_argument("--pcap", metavar="FILE", help="write all frames there")
    parser.add_argument("--impair", metavar="LIST", help="loss=0.01,duplicate=..,reorder=..,corrupt=..,delay=ms,seed=1")
    parser.add_argument("--board", default="microvm", help="default microvm")
    parser.add_argument("--word", type=int, choices=(32, 64), help="bits of a machine word; default the board's")
    parser.add_argument("--checked", action="store_true", help="wrap hot arithmetic at the word size")
    parser.add_argument("--legacy", action="store_true", help="a legacy virtio card")
    parser.add_argument("--show", action="store_true", help="bridge: print the sensor datagrams too")
    return parser.parse_args(arguments)


def simulate(options):
    from hostsim.appliance import Appliance
    from hostsim.boards import BOARDS
    from hostsim.clock import RealClock
    from hostsim.impair import Impaired
    from hostsim.impair import parse as impairments
    from hostsim.links import LinkError, open_link
    from hostsim.loader import FIRMWARE
    from hostsim.pcap import Captured
    from hostsim.shims import Halt
    sys.path.insert(0, str(FIRMWARE.parent))
    from image.assets import AssetError
    from image.config import ConfigError, load

    if options.board not in BOARDS:
        fail("board %s: the simulator has models of %s" % (options.board, ", ".join(sorted(BOARDS))))
    clock = RealClock()
    link = None
    try:
        config = load(options.config)
        link = open_link(options.link, config.constants(), clock)
        if options.show and hasattr(link, "show"):
            link.show = show
        if getattr(link, "http", 0):
            print("http://127.0.0.1:%d/" % link.http, flush=True)
        if options.impair:
            link = Impaired(link, clock, **impairments(options.impair))
        if options.pcap:
            link = Captured(link, options.pcap, clock, time.time_ns() // 1000)
        Appliance(config, link, options.board, clock, 1 if options.legacy else 2, word=options.word,
                  checked=options.checked, console=sys.stdout).run()
    except (AssetError, ConfigError, LinkError) as error:
        fail(str(error))
    except OSError as error:
        fail(str(error) if error.filename is None else "%s: %s" % (error.filename, error.strerror))
    except Halt as halt:
        sys.exit(halt.code)
    except SystemExit as stop:          # main.py's way to say why it cannot start
        if isinstance(stop.code, str):
            print(stop.code, file=sys.stderr)
            sys.exit(2)
        raise
    finally:
        if link is not None:
            link.close()


def main(arguments):
    try:
        if arguments[:1] == ["collect"]:
            collect(arguments[1:])
        else:
            simulate(parse(arguments))
    except KeyboardInterrupt:
        pass
    except BrokenPipeError:
        sys.stderr.close()


if __name__ == "__main__":
    main(sys.argv[1:])
