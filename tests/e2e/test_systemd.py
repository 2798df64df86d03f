# SPDX-License-Identifier: MIT
"""The units: what they promise, and workers on a socket that somebody else holds."""
import itertools
import re
import shutil

import pytest

from activation import Systemd
from load import Load
from schemas import READS
from stack import API, BUILD, REPO, run, wait_for

UNITS = [path for path in (BUILD / "conf" / "systemd").glob("vsay-*") if path.suffix != ".in"]


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
        for generation in range(1, 4):
            wait_for(lambda: systemd.serving() == generation * workers)
            running = systemd.restart(running)
            load.more()
    assert load.statuses() == {200}


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
