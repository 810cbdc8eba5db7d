"""Routes that answer as no good one does, beside one that behaves."""
import micropython

from barewire import status
from barewire.page import route

NUMBERS = 0, 7, -7, 1234567890, -2147483648, 4294967295, 10000000000000


@route("/numbers", "text/plain")
def numbers(page):
    for k in range(len(NUMBERS)):
        page.number(NUMBERS[k], 3 * k)
        page.write(b"\n")
    page.number(status.reading())


@route("/fails", "text/plain")
def fails(page):
    page.write(b"half of it")
    page.number(1 // 0)


@route("/long", "text/plain")
def long(page):
    while not page.full:
        page.write(b"it does not end. ")


@route("/wasteful", "text/plain")
def wasteful(page):
    page.write(str(status.sequence()).encode())


@route("/takes_all_memory", "text/plain")
def takes_all_memory(page):
    """From here on whatever asks for memory gets MemoryError."""
    micropython.heap_lock()


@route("/gives_it_back", "text/plain")
def gives_it_back(page):
    micropython.heap_unlock()
