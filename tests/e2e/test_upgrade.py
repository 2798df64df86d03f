# SPDX-License-Identifier: MIT
"""A schema of version 1, with data and a worker that goes on, becomes the newest."""
import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor

import MySQLdb
import pytest

from machine import Machine
from fleet import unique
from stack import CTL, MIGRATIONS, REPEATED, run, wait_for

pytestmark = pytest.mark.databases(hostile=False)  # older workers relied on settings

COLUMNS = {  # of version 1, but for the state of a session
    "machines": "agent_id, tenant_id, name, cpu, memory, disk, last_heartbeat_at, created_at",
    "sessions": "id, session_id, tenant_id, agent_id, user_id, username, source, started_at",
    "commands": "id, session_id, seq, user_id, command, success, executed_at"}


class OldWorker:
    """Closes the sessions of version 1 one by one, with the statements of that version."""

    def __init__(self, connect, sessions):
        self.connect, self.sessions = connect, iter(sessions)
        self.closed, self.wrong = [], []
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._run)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()

    def _run(self):
        with contextlib.closing(self.connect()) as connection, connection.cursor() as cursor:
            for session in self.sessions:
                while not self._close(connection, cursor, session):
                    pass
                self.closed.append(session)
                if self.stop.wait(0.005):
                    return

    def _close(self, connection, cursor, session):
        try:
            connection.begin()
            cursor.execute("SELECT s.agent_id, TRUE FROM sessions s WHERE s.session_id = %s", (session,))
            (agent, _), = cursor.fetchall()
            changed = cursor.execute("UPDATE sessions SET state = 'closing' WHERE session_id = %s "
                                     "AND state = 'active'", (session,))
            if changed:
                cursor.execute(
                    "INSERT INTO signals (session_id, agent_id, requested_by, "
                    "requested_by_username, requested_at) VALUES (%s, %s, 'alice', 'Alice', "
                    "UTC_TIMESTAMP(3))", (session, agent))
            connection.commit()
        except MySQLdb.Error as error:
            if error.args[0] not in REPEATED:
                self.wrong.append(error)
                raise
            connection.rollback()
            return False
        return True


@pytest.fixture
def old(stack):
    """The name of a database of version 1 with data; all its sessions are on agent_1."""
    database, name = stack.database, unique("old")
    database.query(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
    database.query(f"GRANT SELECT, INSERT, UPDATE ON {name}.* TO vsay@localhost")
    first = sorted(MIGRATIONS.glob("*.sql"))[0].read_text()
    rows = ["INSERT INTO machines VALUES ('agent_1', 'acme', 'Ö', 1, 2, 3, UTC_TIMESTAMP(3), NULL, "
            "UTC_TIMESTAMP(3));"]
    for number in range(1200):
        state = ("closed", "closing")[number % 2] if number < 200 else "active"
        rows.append(f"INSERT INTO sessions (session_id, tenant_id, agent_id, user_id, username, "
                    f"source, state, started_at) VALUES ('s{number}', 'acme', 'agent_1', 'bob', "
                    f"'Bob', 'ui', '{state}', UTC_TIMESTAMP(3));")
        rows.append(f"INSERT INTO commands (session_id, seq, tenant_id, agent_id, user_id, username, "
                    f"source, command, executed_at) VALUES ('s{number}', 1, 'acme', 'agent_1', "
                    f"'bob', 'Bob', 'ui', 'наблюдение', UTC_TIMESTAMP(3));")
        if number < 200:
            rows.append(f"INSERT INTO signals (session_id, agent_id, requested_by, "
                        f"requested_by_username, requested_at) VALUES ('s{number}', 'agent_1', "
                        f"'alice', 'Alice', UTC_TIMESTAMP(3));")
    database.script(name, f"SET NAMES utf8mb4; {first} BEGIN; {''.join(rows)} COMMIT;")
    yield name
    database.query(f"DROP DATABASE {name}")


def with_vsayctl(stack, name):
    """From two hosts at once."""
    hosts = stack.database.hosts.split()
    env = {**stack.database.admin(), "VSAY_DB_NAME": name}
    with ThreadPoolExecutor(2) as pool:
        ran = list(pool.map(lambda host: run(
            CTL, "--config", stack.conf, "migrate", "--dir", MIGRATIONS,
            env={**env, "VSAY_DB_HOST": host}), (hosts[0], hosts[-1])))
    assert {each.returncode for each in ran} == {0}, ran


def with_the_client(stack, name):
    for path in sorted(MIGRATIONS.glob("*.sql")):
        stack.database.script(name, path.read_text())


@pytest.mark.parametrize("migrate", [with_vsayctl, with_the_client])
def test_upgrade_while_an_older_worker_serves(stack, conf, new_worker, tenant, old, migrate):
    database = stack.database

    def select(columns, table):
        return database.query(f"SELECT {columns} FROM {old}.{table} ORDER BY 1")

    def connect():
        connection = MySQLdb.connect(unix_socket=str(database.socket), user="vsay",
                                     password="swordfish", database=old)
        connection.cursor().execute("SET SESSION time_zone = '+00:00'")
        return connection

    before = {table: select(columns, table) for table, columns in COLUMNS.items()}
    with OldWorker(connect, [f"s{number}" for number in range(200, 1200)]) as worker:
        wait_for(lambda: len(worker.closed) > 30)
        migrate(stack, old)
        done = len(worker.closed)
        wait_for(lambda: len(worker.closed) > done + 30)
    assert worker.wrong == []
    assert {table: select(columns, table) for table, columns in COLUMNS.items()} == before

    signals = {row["session_id"]: row["outcome"] for row in select("*", "signals")}
    pending = {f"s{number}" for number in range(1, 200, 2)} | set(worker.closed)
    assert signals == {**dict.fromkeys(pending),
                       **{f"s{number}": "vanished" for number in range(0, 200, 2)}}
    assert all(node.query(f"SELECT * FROM {old}.signals ORDER BY 1") == select("*", "signals")
               for node in database.nodes)
    new = new_worker(conf(db={"name": old}))
    assert new.get("/health/ready").status == 200
    told = new.get("/api/agent/signals?wait=0", Machine(tenant, "agent_1")).json()["signals"]
    assert {signal["session_id"] for signal in told} == pending
