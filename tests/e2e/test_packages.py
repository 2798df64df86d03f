# SPDX-License-Identifier: MIT
"""From the sources to a host: make install, the archive, Debian's packages and what they start."""
import contextlib
import os
import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

import fcgi
from debian import Root, do, needs, put_sources
from fleet import Tenant
from schemas import READS
from shells import Terminal
from stack import ENV, REPO, SITE, Database, Process, run, wait_for, write_conf
from tokens import claims

PACKAGES = ["vsay-agent", "vsay-api", "vsay-web", "vsayctl"]
PROGRAMS = ["vsay-agent", "vsay-api", "vsay-shell", "vsayctl"]
QUICK_BUILD = ["CFLAGS=-O0", "--disable-dependency-tracking"]


def files(root):
    return {"/" + str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir()}


# --- make


def test_directories_are_configured():
    """Apart from what is in the same place everywhere."""
    assert [path for path in (REPO / "src").rglob("*.[ch]")
            if re.search(r'"/(etc(?!/machine-id)|opt|usr|var)\b', path.read_text())] == []


def test_install_and_uninstall(directory):
    do("make", "install", f"DESTDIR={directory}")
    installed = files(directory)
    names = {Path(path).name for path in installed}
    assert names >= {*PROGRAMS, *(path.name.removesuffix(".in") for path in (REPO / "docs" / "man").iterdir()),
                     *(path.name for path in (REPO / "db" / "migrations").iterdir()),
                     *(path.name for path in (REPO / "db").glob("grants*")),
                     *(path.name.removesuffix(".in") for path in (REPO / "conf").rglob("*.conf*")),
                     *(path.name for path in SITE.rglob("*.*"))}
    units = [directory / path[1:] for path in installed if path.endswith(".service")]
    started = {re.search(r"^ExecStart=(\S+)", unit.read_text(), re.M)[1] for unit in units}
    assert len(units) == 2 and started <= installed
    do("make", "uninstall", f"DESTDIR={directory}")
    assert files(directory) == set()


@pytest.fixture(scope="module")
def sources(new_directory):
    return put_sources(new_directory() / "vsay")


@pytest.mark.heavy
@pytest.mark.skipif(not (REPO / ".git").exists(), reason="needs a clone")
def test_the_archive_is_complete(sources):
    tracked = do("git", "-C", REPO, "ls-files").splitlines()
    assert [name for name in tracked if not (sources / name).exists()] == []


@pytest.mark.heavy
def test_a_checkout_needs_npm(sources, directory):
    """The archive, which has what npm brings, does not; and who has neither is told what to do."""
    shutil.copytree(sources, directory / "vsay")
    shutil.rmtree(directory / "vsay" / "web" / "vendor")
    bin = directory / "bin"
    bin.mkdir()
    for program in Path("/usr/bin").iterdir():
        if program.name != "npm":
            (bin / program.name).symlink_to(program)
    ran = run("./configure", "PYTHON=", cwd=directory / "vsay", env={"PATH": bin}, timeout=600)
    assert ran.returncode == 1 and "--without-web" in ran.stderr and "make dist" in ran.stderr
    ran = run(sources / "configure", "PYTHON=", cwd=bin, env={"PATH": bin}, timeout=600)
    assert ran.returncode == 0 and "web page            yes" in ran.stdout, ran.stderr


@pytest.mark.heavy
@pytest.mark.parametrize("left_out, programs, headers, modules", [
    ("--disable-api", {"vsay-agent", "vsay-shell"},
     ["fcgiapp.h", "jwt.h", "libsmartcols.h", "mysql.h", "openssl/evp.h", "uthash.h"],
     ["fcgi", "libjwt", "libmariadb", "mysqlclient", "smartcols"]),
    ("--disable-agent", {"vsay-api", "vsayctl"}, ["curl/curl.h"], ["libcurl"])])
def test_one_part_alone(directory, left_out, programs, headers, modules):
    """Is built, tested and installed on a host that has no library of the other part. Has
    sources of its own, so that it may run beside the tests of packages."""
    sources = put_sources(directory / "vsay")
    hidden, build, installed = [directory / name for name in ("hidden", "build", "installed")]
    build.mkdir()
    for name in headers:
        (hidden / name).parent.mkdir(parents=True, exist_ok=True)
        (hidden / name).write_text("#error of the other part\n")
    for name in modules:
        (hidden / f"{name}.pc").write_text(
            f"Name: {name}\nDescription: of the other part\nVersion: 99\nRequires: hidden\n")
    said = do(sources / "configure", left_out, "NPM=false", *QUICK_BUILD,
              f"CPPFLAGS=-I{hidden} -U_FORTIFY_SOURCE", cwd=build, env={"PKG_CONFIG_PATH": hidden})
    assert "end-to-end tests    no" in said
    do("make", "-j2", cwd=build)
    assert (build / "web").exists() == ("vsay-api" in programs)
    assert "# FAIL:  0\n" in do("make", "-j2", "check", cwd=build)
    do("make", "install", f"DESTDIR={installed}", cwd=build)
    assert {Path(path).name for path in files(installed) if "/bin/" in path} == programs
    do("make", "uninstall", f"DESTDIR={installed}", cwd=build)
    assert files(installed) == set()


@pytest.mark.heavy
def test_distcheck():
    """Builds, tests and installs from the archive, with a prefix and with DESTDIR, from sources that
    are read-only, and compares what is left behind with nothing."""
    flags = " ".join([*QUICK_BUILD, "CPPFLAGS=-U_FORTIFY_SOURCE"])
    assert "ready for distribution" in do("make", "distcheck", f"DISTCHECK_CONFIGURE_FLAGS={flags}")


# --- packages


@pytest.fixture(scope="module")
def packages(sources):
    """Paths of the packages, by name."""
    do("dpkg-buildpackage", "-us", "-uc", "-b", cwd=sources, env={"DEB_BUILD_OPTIONS": "nocheck"})
    return {name: next(sources.parent.glob(f"{name}_*.deb")) for name in PACKAGES}


@pytest.mark.heavy
@needs("dpkg-buildpackage", "dh", "lintian")
def test_lintian(packages):
    do("lintian", "--fail-on", "error", *packages.values())


@pytest.mark.heavy
@needs("dpkg-buildpackage", "dh")
def test_packages_take_all_that_is_installed(packages, directory):
    """Of two packages none has the other's file, and no file of make install is left out."""
    do("make", "install", f"DESTDIR={directory / 'made'}")
    made, packed = {Path(path).name for path in files(directory / "made")}, []
    for package in packages.values():
        do("dpkg-deb", "--extract", package, directory / package.name)
        packed += files(directory / package.name)
    assert len(packed) == len(set(packed))
    made.remove("CHANGELOG.md")  # which debhelper calls changelog.gz
    assert made <= {Path(path).name.removesuffix(".gz") for path in packed}


# --- a host

host_tools = needs("dpkg-buildpackage", "dh", "debootstrap", "systemd-tmpfiles")


@pytest.fixture(scope="module")
def root(new_directory, packages):
    """A Debian with the packages and what they depend on."""
    root = Root(new_directory())
    for package in packages.values():
        shutil.copy(package, root / "tmp")
    root.do("apt-get", "install", "-y", "--no-install-recommends",
            *(f"/tmp/{package.name}" for package in packages.values()))
    do("systemd-tmpfiles", f"--root={root.dir}", "--create", "--prefix=/run/vsay",
       "--prefix=/run/vsay-agent", "--prefix=/var/lib/vsay-agent")  # as at boot
    return root


@pytest.fixture(scope="module")
def host(root, new_directory):
    """A new host, set up as README.md tells, with nothing but what the packages brought. Its
    database runs outside, and has a second name for its socket inside."""
    database = Database(new_directory())
    os.link(database.socket, root / "run" / "mysqld.sock")
    root.do("vsayctl", "setup", "--yes", "--host", "/run/mysqld.sock")
    yield root
    database.stop()


@pytest.mark.heavy
@host_tools
def test_installed_packages_serve(host):
    assert "ok    openapi: /usr/share/vsay/openapi.json" in host.do("vsayctl", "doctor", user="vsay")
    token = host.do("vsayctl", "token", "--user-id", "u1", "--role", "super_admin").strip()
    worker = Process(host / "tmp" / "log", "chroot", "--userspec=vsay:vsay", host.dir, "vsay-api",
                     "--listen", "unix:/run/vsay/vsay.sock")
    try:
        def get(path):
            with contextlib.suppress(ConnectionError, FileNotFoundError):
                return fcgi.request(host / "run" / "vsay" / "vsay.sock", fcgi.environment(
                    "GET", path, SimpleNamespace(token=token)))
        wait_for(lambda: get("/health/ready"), what="the worker")
        assert {get(path).status for path in ["/health/ready", *READS]} == {200}
    finally:
        assert worker.stop() == 0


@pytest.mark.heavy
@host_tools
def test_an_upgrade_restarts_workers_when_all_is_well(host):
    """What the package asks of systemd, for which a script stands in."""
    systemctl, asked = host / "usr" / "local" / "bin" / "systemctl", host / "tmp" / "asked"
    systemctl.write_text('#!/bin/sh\necho "$*" >>/tmp/asked\n')
    systemctl.chmod(0o755)
    (host / "run" / "systemd" / "system").mkdir(parents=True)
    upgrade = "/var/lib/dpkg/info/vsay-api.postinst", "configure", "0.0.9"
    host.do(*upgrade)
    assert "try-restart vsay-api@*.service\n" in asked.read_text()
    asked.write_text("")
    assert "vsayctl doctor" in host.do(*upgrade, env={"VSAY_DB_NAME": "nowhere"})
    assert "daemon-reload" in asked.read_text() and "restart" not in asked.read_text()


@pytest.mark.heavy
@host_tools
def test_installed_agent(root):
    conf = root / "etc" / "vsay" / "agent.conf"
    conf.write_text(conf.read_text().replace("#server =", "server = https://vsay.example.com"))
    root.secret("etc/vsay/agent.token", "token", "vsay-agent")
    root.do("vsay-agent", "--check-config", user="vsay-agent")
    (root / "etc" / "vsay" / "agent.token").unlink()
    assert "/usr/bin/vsay-shell" in (root / "etc" / "shells").read_text()


@pytest.mark.heavy
@host_tools
def test_installed_agent_and_shell(root, new_stack):
    """From a prompt in the packages' own places to the receipt."""
    stack = new_stack(agents={"heartbeat_interval": "1s"})
    tenant = Tenant(stack)
    admin, machine = tenant.user("company_admin"), tenant.machine(seen=None)
    root.secret("etc/vsay/agent.token", stack.keys.sign(claims(
        None, ttl=3600, role="agent", agent_id=machine, generation=1)), "vsay-agent")
    write_conf(root / "etc" / "vsay" / "agent.conf",
               {"agent": {"server": f"http://127.0.0.1:{stack.port}"},
                "shell": {"program": "/bin/bash"}})
    with contextlib.ExitStack() as closing:
        closing.callback((root / "etc" / "vsay" / "agent.token").unlink)
        for path in ["proc", "dev", "dev/pts"]:
            do("mount", "--bind", f"/{path}", root / path)
            closing.callback(do, "umount", root / path)
        agent = Process(root / "tmp" / "agent.log", "chroot", "--userspec=vsay-agent:vsay-agent",
                        root.dir, "vsay-agent", env={"no_proxy": "*"})
        closing.callback(agent.stop)
        wait_for((root / "run" / "vsay-agent" / "agent.sock").exists, what="the agent")
        terminal = Terminal(["chroot", "--userspec=nobody:nogroup", root.dir, "vsay-shell"],
                            {**ENV, "HOME": "/tmp"})
        closing.callback(terminal.close)
        terminal.expect(r"[$] ")
        terminal.write("echo packaged\n")
        wait_for(lambda: [entry["command"] for entry in stack.get(
            "/api/dashboard/recent-activity", admin).json()["activities"]] == ["echo packaged"])
        session, = stack.get("/api/terminal/sessions", admin).json()["sessions"]
        reply = stack.delete(session["session_id"], admin, headers={"Prefer": "wait=20"})
        assert (reply.status, reply.json()) == (200, {"message": "Session closed"})
        terminal.expect("ended by")


@pytest.mark.heavy
@host_tools
def test_units_of_the_packages(root):
    units = [f"/lib/systemd/system/{path.name}" for path in (
        root / "lib" / "systemd" / "system").glob("vsay*")]
    assert len(units) == 3
    assert root.do("systemd-analyze", "verify", "--man=no", "--recursive-errors=no", *units) == ""


@pytest.mark.heavy
@host_tools
def test_purge(host):
    """Leaves what the packages did not bring. The last of all, as the root is bare then."""
    host.do("apt-get", "purge", "-y", *PACKAGES)
    assert {path for path in files(host.dir) if re.search(r"/\.?vsay", path)
            and not path.startswith(("/tmp/", "/var/cache/", "/var/log/", "/run/vsay"))} == {
        "/etc/vsay/db.password", "/etc/vsay/jwt.key", "/etc/vsay/vsayctl.password"}
    assert "vsay" not in (host / "etc" / "shells").read_text()
