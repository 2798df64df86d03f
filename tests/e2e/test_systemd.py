# SPDX-License-Identifier: MIT
"""The units: what they promise, and a socket that somebody else holds, as systemd does."""
import contextlib
import itertools
import os
import re
import shutil
import signal
import socket
import time

import pytest

import fcgi
from fleet import Tenant
from load import Load
from schemas import READS
from stack import API, BUILD, REPO, Process, Worker, run, wait_for

UNITS = BUILD / "conf" / "systemd"
SERVICES = ["vsay-agent.service", "vsay-api@.service"]
analyze = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd-analyze here")


class Systemd:
    """vsay-api.socket: holds the listening socket and starts workers, which get it as descriptor 3."""

    def __init__(self, directory, conf):
        self.dir, self.conf, self.path = directory, conf, directory / "systemd.sock"
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(self.path))
        self.listener.listen(4096)

    def start(self):
        """LISTEN_PID is the worker's own: a shell sets it and becomes the worker."""
        script = 'export LISTEN_PID=$$ LISTEN_FDS=1; exec 3<&"$1"; exec "$2" --config "$3"'
        fd = self.listener.fileno()
        return Process(self.dir / "worker.log", "bash", "-c", script, "bash", fd, API, self.conf,
                       pass_fds=[fd])

    def get(self, path, by=None):
        return fcgi.request(self.path, fcgi.environment("GET", path, by))

    def serving(self):
        """How many workers have ever said that they serve."""
        log = self.dir / "worker.log"
        return log.read_text().count("event=start") if log.exists() else 0


@pytest.fixture
def systemd(directory, conf):
    with contextlib.closing(socket.socket()), contextlib.ExitStack() as stack:
        systemd = Systemd(directory, conf())
        stack.callback(systemd.listener.close)
        start = systemd.start

        def start_worker():
            worker = start()
            stack.callback(worker.stop)
            return worker
        systemd.start = start_worker
        yield systemd


def test_requests_wait_for_the_first_worker(systemd, tenant):
    with Load(lambda: systemd.get("/health"), threads=4) as load:
        wait_for(lambda: not load.samples, what="nothing answers yet")
        systemd.start()
        load.more(20)
    assert load.statuses() == {200}


@pytest.mark.parametrize("workers", [1, 2])
def test_restart_under_load_loses_nothing(systemd, tenant, workers):
    """`systemctl restart vsay-api@*`: the old ones are stopped, all at once, before others start."""
    admin, number = tenant.user("company_admin"), itertools.count()
    tenant.session(tenant.machine(), admin)
    running = [systemd.start() for _ in range(workers)]
    with Load(lambda: systemd.get(READS[next(number) % len(READS)], admin)) as load:
        load.more()
        for round in range(3):
            for worker in running:
                worker.kill(signal.SIGTERM)
            assert {worker.wait() for worker in running} == {0}
            running = [systemd.start() for _ in range(workers)]
            load.more()
    assert load.statuses() == {200}
    assert systemd.serving() == 4 * workers


def test_a_long_poll_is_answered_on_restart(systemd, stack, tenant):
    pass


def test_a_descriptor_that_does_not_listen(directory, conf):
    script = 'export LISTEN_PID=$$ LISTEN_FDS=1; exec 3</dev/null; exec "$1" --config "$2"'
    ran = run("bash", "-c", script, "bash", API, conf())
    assert ran.returncode == 2 and "Usage" in ran.stderr


def test_sockets_for_another_process_are_not_taken(directory, conf):
    ran = run("bash", "-c", 'LISTEN_PID=1 LISTEN_FDS=1 exec "$1" --config "$2"', "bash", API, conf())
    assert ran.returncode == 2 and "Usage" in ran.stderr
