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


def described(name, help, kind):
    """What stands before a number in Prometheus' text format."""
    return ("# HELP %s %s\n# TYPE %s %s\n%s " % (name, help, name, kind, name)).encode()


UPTIME = described("uptime_seconds", "seconds since boot", "counter")
MEMORY = described("heap_free_bytes", "free heap", "gauge")
CONNECTIONS = described("open_connections", "TCP connections", "gauge")
COUNTERS = [described(name, help, "counter") for name, help in counters.COUNTERS]
NIC_COUNTERS = [described(name, help, "counter") for name, help, _ in driver.NIC_COUNTERS]


def line(page, before, number):
    page.write(before)
    page.number(number)
    page.write(b"\n")


@route("/metrics", "text/plain; version=0.0.4; charset=utf-8")
def metrics(page):
    line(page, UPTIME, status.uptime_ms() // 1000)
    line(page, MEMORY, gc.mem_free())
    line(page, CONNECTIONS, status.connections())
    for k in range(len(COUNTERS)):
        line(page, COUNTERS[k], status.counter(k))
    for k in range(len(NIC_COUNTERS)):
        line(page, NIC_COUNTERS[k], status.nic_counter(k))
