"""What the Cortex-M boards have alike: sleep, entropy, and a MAC address for a card that has none."""
import port

from barewire import config, driver


def idle(n, ms):
    """Sleep until the card has something or `ms` have passed, whatever comes first."""
    nothing = driver.arm(n)
    try:
        line = driver.news(n)
        if line:
            print(line)
    except MemoryError:
        pass                # /metrics has its counter
    if nothing:
        port.idle(ms)


def entropy():
    """16 bytes that an attacker cannot guess."""
    return port.entropy()


def given(address):
    """`address` if a card can have it, else one made from the appliance's name (IEEE 802: locally administered)."""
    if address[0] & 1 or not any(address):
        n = config.DEVICE_ID
        address = bytes((2, 0, n >> 24 & 255, n >> 16 & 255, n >> 8 & 255, n & 255))
        print("board: its flash holds no MAC address; using", ":".join(["%02x" % b for b in address]))
    return address
