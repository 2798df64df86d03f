# SPDX-License-Identifier: MIT
"""From schema version 1 to today's, with data, under load, while old workers serve; in the order that
docs/packaging.md gives."""
import contextlib
import itertools
import subprocess

import pytest

import fcgi
from activation import Systemd
from machine import Machine
from fleet import Tenant
from load import Load
from schemas import READS
from stack import CTL, MIGRATIONS, REPO, Database, Process, write_conf
from tokens import Keys, write_secret


def git(*arguments):
    return subprocess.run(["git", "-C", REPO, *arguments], capture_output=True, check=True).stdout


@pytest.fixture(scope="module")
def old(new_directory):
    """The last sources before schema version 2, with their programs."""
    if not (REPO / ".git").exists():
        pytest.skip("needs a clone, for the older version's sources")
    newer = git("log", "--diff-filter=A", "--format=%H", "-1", "--", "db/migrations/0002_agents.sql")
    directory = new_directory()
    subprocess.run(["tar", "x", "-C", directory], input=git("archive", newer.decode().strip() + "^"),
                   check=True)
    built = subprocess.run("autoreconf -fi && ./configure && make -j2 vsay-api vsayctl", shell=True,
                           cwd=directory, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, text=True)
    assert built.returncode == 0, built.stdout[-5000:]
    return directory


class Host:
    """A database of schema version 1 with data, and systemd's socket with old workers on it."""

    def __init__(self, directory, old):
        self.dir, self.keys, self.database = directory, Keys(directory), Database(directory)
        self.conf = write_conf(directory / "vsay.conf", {
            "db": {"host": self.database.socket,
                   "password_file": write_secret(directory / "db.password", b"swordfish")},
            "auth": {"keys": self.keys.specs()}})
        self.database.query("CREATE DATABASE vsay CHARACTER SET utf8mb4")
        self.database.query("CREATE USER vsay@localhost IDENTIFIED BY 'swordfish'")
        self.database.schema = "vsay"
        assert self.migrate(old / "vsayctl", old / "db" / "migrations").wait() == 0
        self.grant(old)
        self.tenant = Tenant(self)
        self.fill(self.tenant)
        self.systemd = Systemd(directory, self.conf)
        self.workers = [self.systemd.start(old / "vsay-api") for _ in range(2)]

    def migrate(self, program=CTL, directory=MIGRATIONS):
        return Process(self.dir / "migrate.log", program, "--config", self.conf, "migrate", "--dir",
                       directory, env=self.database.admin())

    def grant(self, sources=REPO):
        self.database.script("vsay", (sources / "db" / "grants.sql").read_text())

    def request(self, method, path, by=None, body=b"", headers=()):
        names = {"HTTP_" + name.upper().replace("-", "_"): value for name, value in dict(headers).items()}
        length = {"CONTENT_LENGTH": len(body)} if body else {}
        return fcgi.request(self.systemd.path, fcgi.environment(method, path, by, **names, **length),
                            body)

    def get(self, path, by=None, **options):
        return self.request("GET", path, by, **options)

    def fill(self, tenant):
        """All that there was in version 1: sessions of any state on one machine, commands."""
        self.admin = tenant.user("company_admin")
        self.agent = tenant.machine(owner=self.admin)
        for number in range(800):
            state = ("active", "active", "active", "active", "closing", "closed")[number % 6]
            session = tenant.session(self.agent, self.admin, ago=number, state=state)
            tenant.command(self.agent, self.admin, f"command {number}", ago=number)
            if state != "active":
                self.database.query(
                    "INSERT INTO signals (session_id, agent_id, requested_by, requested_by_username, "
                    "requested_at) VALUES (%s, %s, 'u1', 'U One', UTC_TIMESTAMP(3))", session,
                    self.agent)

    def sessions(self, condition):
        return {row["session_id"] for row in self.database.query(
            f"SELECT s.session_id FROM sessions s LEFT JOIN signals g USING (session_id) "
            f"WHERE {condition}")}

    def rows(self, like=None):
        """{table: rows}, of the columns that another result has, if given."""
        tables = ["machines", "machine_access", "sessions", "signals", "commands"]
        return {table: [{column: row[column] for column in (like[table][0] if like else row)}
                        for row in self.database.query(f"SELECT * FROM {table} ORDER BY 1")]
                for table in tables}

    def close(self):
        self.systemd.parts.close()
        self.database.stop()


@pytest.fixture
def host(directory, old):
    with contextlib.closing(Host(directory, old)) as host:
        yield host


@pytest.mark.heavy
def test_upgrade(host):
    before, number = host.rows(), itertools.count()
    active, ended = iter(host.sessions("state = 'active'")), host.sessions("state = 'closing'")

    def end(count):
        for session in itertools.islice(active, count):
            reply = host.request("DELETE", f"/api/terminal/sessions/{session}", host.admin)
            assert reply.status == 200, reply
            ended.add(session)

    with Load(lambda: host.get(READS[next(number) % len(READS)], host.admin)) as load:
        load.more()
        end(50)
        migration = host.migrate()
        while not migration.ended():
            end(1)
        assert migration.wait() == 0
        load.more()
        end(50)
        host.grant()
        host.workers = host.systemd.restart(host.workers)
        load.more()
        end(50)
    assert load.statuses() == {200}
    assert host.get("/health/ready").status == 200

    after = host.rows(before)
    for table in "machines", "machine_access", "commands":
        assert after[table] == before[table]
    assert [{**row, "state": ""} for row in after["sessions"]] == [
        {**row, "state": ""} for row in before["sessions"]]
    assert all(row in after["signals"] for row in before["signals"])
    assert host.sessions("state = 'closing'") == ended
    assert host.sessions("g.outcome IS NULL AND g.due_at IS NOT NULL") == ended

    machine, told = Machine(host.tenant, host.agent), set()
    while signals := machine.signals():
        told.update(signals)
    assert told == ended, "whoever ended them, and in whichever version"
    machine.held = [*told, *active]
    assert set(machine.terminate()) == ended
    assert host.sessions("state = 'active'") == set(machine.held) - ended
