# SPDX-License-Identifier: MIT
"""Parts that die, hang or stop under load."""
import contextlib
import itertools
import json
import os
import select
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import MySQLdb
import pytest

import fcgi
from fleet import Tenant
from load import Load
from machine import FIGURES, Machine
from schemas import READS, check_error
from stack import Worker, wait_for

STATS = "/api/dashboard/stats"
SESSIONS = "/api/terminal/sessions"


@pytest.fixture
def make(new_stack):
    """A stack with an admin, a machine and a few sessions."""
    def make_stack(**options):
        stack = new_stack(**options)
        stack.tenant = Tenant(stack)
        stack.admin = stack.tenant.user("company_admin")
        stack.agent = stack.tenant.machine()
        for ago in range(20):
            stack.tenant.session(stack.agent, stack.admin, ago)
        return stack
    return make_stack


def reads(stack, **options):
    """Load over all read endpoints."""
    number = itertools.count()
    return Load(lambda: stack.get(READS[next(number) % len(READS)], stack.admin), **options)


@contextlib.contextmanager
def hanging(database):
    """A database that neither answers nor refuses."""
    database.process.kill(signal.SIGSTOP)
    try:
        yield
    finally:
        database.process.kill(signal.SIGCONT)


def test_database_killed_under_load(make):
    """503 at once instead of hanging; recovery without help."""
    stack = make(db={"connect_timeout": "1s"})
    root = stack.tenant.user("super_admin")
    with reads(stack) as load:
        load.more()
        killed = time.monotonic()
        stack.database.stop(signal.SIGKILL)
        wait_for(lambda: 503 in load.statuses(killed))
        load.more()
        reply = stack.get(STATS, stack.admin)
        check_error(reply, 503)
        assert int(reply.headers["Retry-After"]) >= 1
        for path in (
                "/api/sessions", "/api/sessions/none", "/api/sessions/none/activity",
                "/api/activity?q=x", "/api/machines", "/api/machines/none",
                "/api/machines/none/usage", "/api/dashboard/usage", "/api/audit"):
            check_error(stack.get(path, root), 503)
        check_error(stack.get("/health/ready"), 503)
        assert stack.get("/health").status == 200
        check_error(stack.delete("none", stack.admin), 503)
        outage = load.since(killed)
        assert max(sample.seconds for sample in outage) < 2
        stack.database.start()
        back = time.monotonic()
        wait_for(stack.ready)
        load.more()
        wait_for(lambda: time.monotonic() > back + 2.5)
        load.more()
    assert load.statuses(killed) == {200, 503}
    assert load.statuses() == {200, 503}
    assert load.statuses(back + 2) == {200}


def test_database_hangs(make):
    stack = make(api={"deadline": "1s"}, db={"read_timeout": "1s", "connect_timeout": "1s"})
    with reads(stack) as load:
        load.more()
        with hanging(stack.database):
            wait_for(lambda: 503 in load.statuses())
            load.more(50)
            assert stack.get("/health").status == 200
            check_error(stack.get("/health/ready"), 503)
        wait_for(stack.ready)
        back = time.monotonic()
        load.more()
    assert max(sample.seconds for sample in load.samples) < 5
    assert load.statuses() == {200, 503}
    assert load.statuses(back + 2) <= {200}


def test_starts_before_its_database(make):
    stack = make()
    stack.database.stop()
    pids = stack.worker_pids()
    stack.signal_workers(signal.SIGTERM)
    wait_for(lambda: len(set(stack.worker_pids()) - set(pids)) == 2)
    check_error(stack.get(STATS, stack.admin), 503)
    check_error(stack.get("/health/ready"), 503)
    assert stack.get("/health").status == 200
    stack.database.start()
    wait_for(stack.ready)
    wait_for(lambda: all(stack.get(STATS, stack.admin).status == 200 for _ in range(10)))


def test_schema_missing(make):
    stack = make()
    assert stack.ready()
    stack.database.query("RENAME TABLE schema_migrations TO away")
    wait_for(lambda: not stack.ready())
    stack.database.query("RENAME TABLE away TO schema_migrations")
    wait_for(stack.ready)


def test_refused_statement(make):
    """A right is missing: 500, the reason in the log and nowhere else."""
    stack = make()
    stack.database.query("REVOKE SELECT ON vsay.commands FROM vsay@localhost")
    reply = stack.get("/api/dashboard/recent-activity", stack.admin)
    assert check_error(reply, 500) == "Internal error"
    line, = [line for line in stack.log.read_text().splitlines()
             if reply.headers["X-Request-Id"] in line]
    assert "denied" in line
    assert stack.get(STATS, stack.admin).status == 200
    stack.database.query("GRANT SELECT ON vsay.commands TO vsay@localhost")
    assert stack.get("/api/dashboard/recent-activity", stack.admin).status == 200


def kill_connections(database):
    for row in database.query("SHOW PROCESSLIST"):
        if row["User"] == "vsay":
            with contextlib.suppress(MySQLdb.Error):  # it has gone already
                database.query("KILL %s", row["Id"])


def test_connections_killed_under_load(make):
    """A lost connection costs no request: the statement is prepared and run again."""
    stack = make()
    with reads(stack) as load:
        for _ in range(10):
            load.more(100)
            kill_connections(stack.database)
    assert load.statuses() == {200}


def test_closing_while_connections_die(make):
    """Whichever statement or commit is hit: a session is closing with one signal, or untouched;
    and what was answered with 200 is closing."""
    stack = make()
    sessions = [stack.tenant.session(stack.agent, stack.admin) for _ in range(300)]
    with ThreadPoolExecutor(8) as pool:
        closing = [pool.submit(stack.delete, session, stack.admin) for session in sessions]
        while not all(future.done() for future in closing):
            kill_connections(stack.database)
    assert {future.result().status for future in closing} <= {200, 503}
    rows = {row["session_id"]: (row["state"], row["n"]) for row in stack.database.query(
        "SELECT session_id, state, (SELECT COUNT(*) FROM signals WHERE signals.session_id = "
        "sessions.session_id) AS n FROM sessions")}
    assert {rows[session] for session in sessions} <= {("active", 0), ("closing", 1)}
    for session, future in zip(sessions, closing):
        assert future.result().status == 503 or rows[session] == ("closing", 1)


def test_lock_waits_are_repeated(make):
    """Two lock wait timeouts, then the DELETE goes through, once."""
    stack = make()
    session = stack.tenant.session(stack.agent, stack.admin)
    holder = stack.database.connect(database="vsay")
    holder.begin()
    with holder.cursor() as cursor, ThreadPoolExecutor(1) as pool:
        cursor.execute("SELECT 1 FROM sessions WHERE session_id = %s FOR UPDATE", (session,))
        closing = pool.submit(stack.delete, session, stack.admin)
        wait_for(lambda: "db_retry" in stack.log.read_text(), what="a repetition")
        assert not closing.done()
        holder.rollback()
        assert closing.result().status == 200
    holder.close()
    count, = stack.database.query("SELECT COUNT(*) AS n FROM signals WHERE session_id = %s", session)
    assert count["n"] == 1


def test_worker_killed_under_load(make):
    """Only what it held is lost; multiwatch starts another."""
    stack = make()
    with reads(stack) as load:
        for _ in range(3):
            load.more()
            pids = stack.worker_pids()
            killed = time.monotonic()
            os.kill(pids[0], signal.SIGKILL)
            wait_for(lambda: len(set(stack.worker_pids()) - {pids[0]}) == 2, what="a new worker")
            load.more()
            broken = [sample for sample in load.since(0) if sample.status != 200]
            assert len(broken) <= 8 * 3, "one request a thread and kill at most"
            assert all(sample.start < killed + 0.5 for sample in broken)
    assert stack.ready()


def test_sigterm_under_load_loses_nothing(make):
    stack = make()
    with reads(stack, threads=16) as load:
        for round in range(6):
            load.more(150)
            pids = stack.worker_pids()
            os.kill(pids[round % 2], signal.SIGTERM)
            wait_for(lambda: len(set(stack.worker_pids()) - {pids[round % 2]}) == 2,
                     what="a new worker")
        load.more()
    assert load.statuses() == {200}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1])
def test_pool_stops(make, number):
    stack = make()
    pids = stack.worker_pids()
    stack.signal_workers(number)
    wait_for(lambda: not set(pids) & set(stack.worker_pids()), what="the end of the workers")
    assert stack.get(STATS, stack.admin).status == 200
    stack.pool.kill(signal.SIGTERM)
    stack.pool.wait()


def test_no_worker_at_all(make):
    """nginx answers in the service's words."""
    stack = make()
    stack.pool.stop()
    reply = stack.get(STATS, stack.admin)
    check_error(reply, 503)
    assert int(reply.headers["Retry-After"]) >= 1


@pytest.fixture
def lone_worker(make, directory):
    """A worker without a supervisor, and its stack."""
    with contextlib.ExitStack() as workers:
        def start(**settings):
            stack = make(workers=1, **settings)
            worker = Worker(directory, stack.conf)
            workers.callback(worker.stop, signal.SIGKILL)
            assert worker.get("/health/ready").status == 200
            return stack, worker
        yield start


def send(worker, path, by):
    connection = fcgi.connect(worker.socket)
    connection.sendall(fcgi.encode(fcgi.environment("GET", path, by)))
    return connection


def test_shutdown_is_bounded(lone_worker):
    """With a database that hangs, a stopping worker refuses what waits, and goes in time."""
    stack, worker = lone_worker(api={"shutdown_after": "2s", "deadline": "1s"},
                                db={"read_timeout": "60s"})
    with hanging(stack.database):
        parked = [send(worker, path, stack.admin) for path in READS * 5]
        assert worker.get("/health").status == 200
        start = time.monotonic()
        worker.kill(signal.SIGTERM)
        assert worker.wait(10) == 1 and "api.shutdown_after" in worker.log.read_text()
        assert time.monotonic() - start < 4
    replies = [fcgi.read_reply(connection) for connection in parked]
    assert {reply.status if reply else None for reply in replies} <= {503, None}
    assert replies.count(None) <= 3 * 5, "only what three database workers were asking"


def test_stopping_answers_what_was_accepted(lone_worker):
    """Requests that wait for a slow database when SIGTERM comes are answered."""
    stack, worker = lone_worker()
    with hanging(stack.database):
        parked = [send(worker, path, stack.admin) for path in READS * 5]
        assert worker.get("/health").status == 200
        worker.kill(signal.SIGTERM)
    assert {fcgi.read_reply(connection).status for connection in parked} == {200}
    assert worker.wait() == 0


def test_stopping_while_agents_are_looked_up(lone_worker):
    """Large reports whose bodies were not read yet are answered too: read, or refused for now."""
    stack, worker = lone_worker()
    machine, body = Machine(stack.tenant), b'{"activities": "' + b"x" * 100000 + b'"}'
    env = fcgi.environment("POST", "/api/agent/activity", machine, CONTENT_LENGTH=len(body))
    with hanging(stack.database):
        parked = [fcgi.connect(worker.socket) for _ in range(10)]
        for connection in parked:
            connection.sendall(fcgi.encode(env, body))
        assert worker.get("/health").status == 200
        worker.kill(signal.SIGTERM)
        time.sleep(0.5)  # for the readers to end, which may be any time
    assert {fcgi.read_reply(connection).status for connection in parked} <= {400, 503}
    assert worker.wait() == 0


def test_the_board_is_bounded(lone_worker):
    stack, worker = lone_worker(api={"max_parked": "10", "deadline": "6s"},
                                db={"read_timeout": "6s"})
    with hanging(stack.database), ThreadPoolExecutor(30) as pool:
        start = time.monotonic()
        replies = list(pool.map(lambda _: (worker.get(STATS, stack.admin),
                                           time.monotonic() - start), range(30)))
    for reply, _ in replies:
        check_error(reply, 503)
        assert reply.headers["Retry-After"] == "1"
    assert sum(seconds < 4 for _, seconds in replies) >= 10, "ten parked, at most ten being asked"
    assert max(seconds for _, seconds in replies) < 15
    wait_for(lambda: worker.get(STATS, stack.admin).status == 200)


def test_deadline(lone_worker):
    """What waits behind a slow query is refused by its deadline; the query goes on."""
    stack, worker = lone_worker(api={"deadline": "1s", "db_workers": "1"})
    with contextlib.closing(stack.database.connect(database="vsay")) as holder:
        holder.query("LOCK TABLES machines WRITE")
        first = send(worker, STATS, stack.admin)
        wait_for(lambda: any("lock" in (row["State"] or "")
                             for row in stack.database.query("SHOW PROCESSLIST")))
        start = time.monotonic()
        check_error(worker.get(SESSIONS, stack.admin), 503)
        assert 0.5 < time.monotonic() - start < 2.5
    assert fcgi.read_reply(first).status == 200


def test_deadline_of_every_kind(lone_worker):
    """Whoever waits for the same as is being asked, for something else, to write, in a batch."""
    stack, worker = lone_worker(api={"deadline": "1s", "db_workers": "1"})
    machine = Machine(stack.tenant, stack.agent)
    heartbeat = json.dumps({**FIGURES, "sessions": []}).encode()

    def ask():
        waiting = [send(worker, path, stack.admin) for path in (STATS, STATS, SESSIONS)]
        for method, path, by, body in (("DELETE", f"{SESSIONS}/none", stack.admin, b""),
                                       ("GET", "/api/agent/signals", machine, b""),
                                       ("POST", "/api/agent/heartbeat", machine, heartbeat)):
            waiting.append(fcgi.connect(worker.socket))
            waiting[-1].sendall(fcgi.encode(fcgi.environment(
                method, path, by, CONTENT_LENGTH=len(body)), body))
        return waiting

    with contextlib.closing(stack.database.connect(database="vsay")) as holder:
        holder.query("LOCK TABLES machines WRITE")
        first = send(worker, STATS, stack.admin)
        wait_for(lambda: any("lock" in (row["State"] or "")
                             for row in stack.database.query("SHOW PROCESSLIST")))
        assert [fcgi.read_reply(connection).status for connection in ask()] == [503] * 6
    assert fcgi.read_reply(first).status == 200
    assert [fcgi.read_reply(connection).status for connection in ask()] == [
        200, 200, 200, 404, 200, 200]


def test_one_of_two_connections_is_lost(lone_worker):
    """And cannot be made again: the other goes on, and nobody who waits is refused."""
    stack, worker = lone_worker(api={"deadline": "20s", "db_workers": "2"}, db={"read_timeout": "20s"})

    def locked():
        return [row["Id"] for row in stack.database.query("SHOW FULL PROCESSLIST")
                if row["User"] == "vsay" and "lock" in (row["State"] or "")
                and "signals" not in row["Info"]]  # which pollers look for, unasked

    with contextlib.closing(stack.database.connect(database="vsay")) as holder:
        holder.query("LOCK TABLES machines WRITE")
        asked = [send(worker, path, stack.admin) for path in (STATS, READS[-1])]
        wait_for(lambda: len(locked()) == 2, what="both database workers to wait")
        waiting = [send(worker, SESSIONS, stack.admin) for _ in range(3)]
        assert worker.get("/health").status == 200
        stack.database.query("ALTER USER vsay@localhost ACCOUNT LOCK")
        stack.database.query("KILL %s", locked()[0])
        select.select(asked, [], [])
    assert sorted(fcgi.read_reply(connection).status for connection in asked) == [200, 503]
    assert {fcgi.read_reply(connection).status for connection in waiting} == {200}
