"""What is answered by functions, beside the files in www/. A function writes its answer into `page` (barewire/page.py).

The text of a fixed shape is a template: built once, and filled where it changes.
"""
import gc

from barewire import config, counters, driver, status
from barewire.page import route
from barewire.template import text


def quoted(name):
    """A printable ASCII text as JSON."""
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"').replace("<", "\\u003c") + '"'


READING = text(('{"name":%s,"id":%d,"source":%s,"sequence":<sequence:10>,"uptime_ms":<uptime_ms:15>,'
                '"value":<value:11>,"status":<status:3>}\n'
                % (quoted(config.NAME), config.DEVICE_ID, quoted(config.SENSOR_SOURCE))).encode())


@route("/api/reading", "application/json")
def reading(page):
    READING.put("sequence", status.sequence())
    READING.put("uptime_ms", status.uptime_ms())
    READING.put("value", status.reading())
    READING.put("status", status.reading_status())
    page.write(READING.data)


def sample(page, name, number, kind="counter"):
    """One sample in Prometheus' text format, put together from texts that lie in flash."""
    page.write("# TYPE ")
    page.write(name)
    page.write(" ")
    page.write(kind)
    page.write("\n")
    page.write(name)
    page.write(" ")
    page.number(number)
    page.write("\n")


@route("/metrics", "text/plain; version=0.0.4; charset=utf-8")
def metrics(page):
    sample(page, "uptime_seconds", status.uptime_ms() // 1000)
    sample(page, "heap_free_bytes", gc.mem_free(), "gauge")
    sample(page, "open_connections", status.connections(), "gauge")
    at = 0
    for k in range(counters.COUNT):
        end = counters.TEXT.find(b"\n", at)
        page.write("# TYPE ")
        page.write(counters.TEXT, at, end)
        page.write(" counter\n")
        page.write(counters.TEXT, at, end)
        page.write(" ")
        page.number(status.counter(k))
        page.write("\n")
        at = end + 1
    for k in range(len(driver.NIC_NAMES)):
        sample(page, driver.NIC_NAMES[k][0], status.nic_counter(k))
