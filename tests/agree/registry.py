"""Registers of what a peer says to the appliance: one function for each thing that it has to answer, or must not.

A script in SCRIPTS takes no time: its answers depend on no clock, so that the image, whose time is real, can be
compared too. Those in TIMED let time pass. SECOND is for the appliance in second/, LIMITED for the example with limits.
"""
from image.settings import ROOT

FILES = ["/" + str(path.relative_to(ROOT / "firmware/app/www")) for path in sorted((ROOT / "firmware/app/www").rglob("*"))
         if path.is_file()]
TARGETS = ["/", *FILES, "/api/reading", "/nothing", "/api"]       # /metrics tells what a target alone knows: metrics()
SCRIPTS, TIMED, SECOND, LIMITED = {}, {}, {}, {}


def script(function):
    SCRIPTS[function.__name__] = function
    return function


def timed(function):
    TIMED[function.__name__] = function
    return function


def second(function):
    SECOND[function.__name__] = function
    return function


def limited(function):
    LIMITED[function.__name__] = function
    return function


def text(size):
    return bytes(k * 7 & 255 for k in range(size))
