# SPDX-License-Identifier: MIT
"""The units: what they promise, and a socket that somebody else holds, as systemd does."""
import contextlib
import itertools
import re
import shutil
import signal
import socket

import pytest

import fcgi
from load import Load
from schemas import READS
from stack import API, BUILD, REPO, Process, run

UNITS = [path for path in (BUILD / "conf" / "systemd").glob("vsay-*") if path.suffix != ".in"]


class Systemd:
    """vsay-api.socket: holds the listening socket and starts workers, which get it as descriptor 3."""

    def __init__(self, directory, conf):
        self.conf, self.path, self.log = conf, directory / "systemd.sock", directory / "worker.log"
        self.parts = contextlib.ExitStack()
        self.listener = self.parts.enter_context(socket.socket(socket.AF_UNIX))
        self.listener.bind(str(self.path))
        self.listener.listen(4096)

    def start(self):
        """LISTEN_PID is the worker's own: a shell sets it and becomes the worker."""
        script = 'export LISTEN_PID=$$ LISTEN_FDS=1; exec 3<&"$1"; exec "$2" --config "$3"'
        fd = self.listener.fileno()
        worker = Process(self.log, "bash", "-c", script, "bash", fd, API, self.conf, pass_fds=[fd])
        self.parts.callback(worker.stop)
        return worker

    def get(self, path, by=None):
        return fcgi.request(self.path, fcgi.environment("GET", path, by))

    def serving(self):
        """How many workers have ever said that they serve."""
        return self.log.read_text().count("event=start ")


@pytest.fixture
def systemd(directory, conf):
    systemd = Systemd(directory, conf())
    yield systemd
    systemd.parts.close()


def test_requests_wait_for_the_first_worker(systemd):
    with Load(lambda: systemd.get("/health"), threads=4) as load:
        systemd.start()
        load.more(20)
    assert load.statuses() == {200}


@pytest.mark.parametrize("workers", [1, 2])
def test_restart_under_load_loses_nothing(systemd, tenant, workers):
    """`systemctl restart 'vsay-api@*'`: the old ones are stopped, all at once, before others start."""
    admin, number = tenant.user("company_admin"), itertools.count()
    tenant.session(tenant.machine(), admin)
    running = [systemd.start() for _ in range(workers)]
    with Load(lambda: systemd.get(READS[next(number) % len(READS)], admin)) as load:
        load.more()
        for _ in range(3):
            for worker in running:
                worker.kill(signal.SIGTERM)
            assert {worker.wait() for worker in running} == {0}
            running = [systemd.start() for _ in range(workers)]
            load.more()
    assert load.statuses() == {200}
    assert systemd.serving() == 4 * workers


@pytest.mark.parametrize("environment", [
    "LISTEN_PID=1 LISTEN_FDS=1", "LISTEN_PID=$$ LISTEN_FDS=0", "LISTEN_PID=$$"])
def test_a_socket_for_somebody_else_is_not_taken(systemd, environment):
    fd = systemd.listener.fileno()
    ran = run("bash", "-c", f'export {environment}; exec 3<&{fd}; exec "$1" --config "$2"', "bash",
              API, systemd.conf, pass_fds=[fd])
    assert ran.returncode == 2 and "Usage" in ran.stderr


def test_a_descriptor_that_does_not_listen(conf):
    ran = run("bash", "-c", 'export LISTEN_PID=$$ LISTEN_FDS=1; exec 3</dev/null; '
                            'exec "$1" --config "$2"', "bash", API, conf())
    assert ran.returncode == 2 and "Usage" in ran.stderr


# --- the units


@pytest.fixture(scope="module")
def units(new_directory):
    """The units as they are installed, with stand-ins for what they start, in a root of their own."""
    if not shutil.which("systemd-analyze"):
        pytest.skip("needs systemd-analyze")
    root = new_directory()
    directory = root / "usr" / "lib" / "systemd" / "system"
    directory.mkdir(parents=True)
    for unit in UNITS:
        shutil.copy(unit, directory)
        for program in ["/bin/sh", *re.findall(r"^ExecStart=(\S+)", unit.read_text(), re.M)]:
            (root / program[1:]).parent.mkdir(parents=True, exist_ok=True)
            (root / program[1:]).touch(0o755)
    return root, sorted(directory.iterdir())


def test_units_are_correct(units):
    root, paths = units
    assert len(paths) == 3
    ran = run("systemd-analyze", "verify", f"--root={root}", "--man=no", "--recursive-errors=no",
              *paths)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")


@pytest.mark.parametrize("service, most", [("vsay-api@.service", 15), ("vsay-agent.service", 25)])
def test_exposure(units, service, most):
    """The verdict of `systemd-analyze security`, in tenths; 100 is bare."""
    root, _ = units
    ran = run("systemd-analyze", "security", "--offline=true", f"--root={root}",
              f"--threshold={most}", service)
    assert ran.returncode == 0, ran.stdout


def test_units_name_what_is_there():
    """The paths that the units, sysusers.d and tmpfiles.d share with the samples."""
    units = {unit.name: unit.read_text() for unit in UNITS}
    assert not re.findall(r"@\w+@", "".join(units.values()))
    listen = re.search(r"ListenStream=(.*)", units["vsay-api.socket"])[1]
    assert f"unix:{listen};" in (REPO / "nginx" / "vsay.conf").read_text()
    for name, service in ("vsay-api", "vsay-api@.service"), ("vsay-agent", "vsay-agent.service"):
        user = re.search(r"^User=(.*)", units[service], re.M)[1]
        assert f"\nu {user} " in (REPO / "conf" / "sysusers.d" / f"{name}.conf").read_text()
        directories = re.findall(r"^d (\S+) +\d+ (\S+) ", (
            REPO / "conf" / "tmpfiles.d" / f"{name}.conf").read_text(), re.M)
        assert directories and {owner for _, owner in directories} == {user}
