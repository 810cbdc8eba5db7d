"""What QEMU tells of a machine, and does to it, while it runs (docs/interop/qmp-spec)."""
import json
import socket


class Monitor:
    """The machine's control socket."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(5)
        self.socket.connect(str(path))
        self.lines = self.socket.makefile("rw")
        assert "QMP" in json.loads(self.lines.readline())
        self.do("qmp_capabilities")

    def do(self, command, **arguments):
        self.lines.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self.lines.flush()
        while "return" not in (answer := json.loads(self.lines.readline())):
            assert "event" in answer, answer
        return answer["return"]

    def close(self):
        self.lines.close()
        self.socket.close()
