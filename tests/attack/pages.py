"""What the appliance under attack serves."""
import random

INDEX = (b"<!doctype html><title>1 KiB</title><p>" + b"barewire " * 120)[:1024]
BIG = random.Random(3).randbytes(200_000)
FILES = {"index.html": INDEX, "big.bin": BIG}
