# SPDX-License-Identifier: MIT
"""Stands in for systemd: holds a socket and starts workers on it."""
import contextlib
import signal
import socket

import fcgi
from stack import API, Process


class Systemd:
    """vsay-api.socket: holds the listening socket and starts workers, which get it as descriptor 3."""

    def __init__(self, directory, conf):
        self.conf, self.path, self.log = conf, directory / "systemd.sock", directory / "worker.log"
        self.parts = contextlib.ExitStack()
        self.listener = self.parts.enter_context(socket.socket(socket.AF_UNIX))
        self.listener.bind(str(self.path))
        self.listener.listen(4096)

    def start(self, program=API):
        """LISTEN_PID is the worker's own: a shell sets it and becomes the worker."""
        script = 'export LISTEN_PID=$$ LISTEN_FDS=1; exec 3<&"$1"; exec "$2" --config "$3"'
        fd = self.listener.fileno()
        worker = Process(self.log, "bash", "-c", script, "bash", fd, program, self.conf,
                         pass_fds=[fd])
        self.parts.callback(worker.stop)
        return worker

    def restart(self, workers, program=API):
        """All at once are stopped before others start."""
        for worker in workers:
            worker.kill(signal.SIGTERM)
        assert {worker.wait() for worker in workers} == {0}
        return [self.start(program) for _ in workers]

    def request(self, method, path, by=None):
        return fcgi.request(self.path, fcgi.environment(method, path, by))

    def get(self, path, by=None):
        return self.request("GET", path, by)

    def serving(self):
        """How many workers have ever said that they serve."""
        return self.log.read_text().count("event=start ")
