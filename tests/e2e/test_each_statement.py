# SPDX-License-Identifier: MIT
"""Whichever statement of a request or a command fails, from the first on a new connection to the
COMMIT: nothing has happened then, and whoever asked is told; or it is tried again, and all is well.
A process for each makes the statements countable."""
import itertools

import pytest

from cgi_program import CgiClient
from ctl import Operator
from machine import entry
from scene import ADMINS_READS, TABLES, Scene
from sql_faults import DEADLOCK, REFUSED, SqlFaults
from stack import CTL, MIGRATIONS, run, write_conf

WRITTEN_AT_ONCE = [table for table in TABLES if table not in ("audit", "fleet_usage")]
MOST = 80  # statements that anything here may need


@pytest.fixture(scope="module")
def stack(module_stacks):
    return module_stacks(workers=1)


@pytest.fixture
def faults(stack, directory):
    for table in WRITTEN_AT_ONCE:
        stack.database.query(f"DELETE FROM {table}")
    proxy = SqlFaults(directory / "faulty.sock", stack.database)
    yield proxy
    proxy.close()


@pytest.fixture
def faulty_conf(stack, directory, faults):
    """The stack's configuration, by way of the proxy."""
    return write_conf(directory / "faulty.conf", {
        **stack.settings, "db": {**stack.settings["db"], "host": faults.path}})


class Rows:
    """All rows, to compare them and to put them back."""

    def __init__(self, database):
        self.database = database
        self.tables = {table: database.query(f"SELECT * FROM {table} ORDER BY 1, 2, 3")
                       for table in WRITTEN_AT_ONCE}

    def __eq__(self, other):
        return self.tables == other.tables

    def shape(self):
        """Without times and the numbers that the database gives, which differ each time."""
        def comparable(name, value):
            if name == "usage_now":
                return value[8:]  # without the time of its slot
            return value is not None if hasattr(value, "year") else value

        return {table: [{name: comparable(name, value) for name, value in row.items()
                         if name not in ("id", "token_generation")} for row in rows]
                for table, rows in self.tables.items()}

    def restore(self):
        now = Rows(self.database).tables
        for table, rows in self.tables.items():
            if rows == now[table]:
                continue
            self.database.query(f"DELETE FROM {table}")
            for row in rows:
                self.database.query(
                    f"INSERT INTO {table} ({', '.join(f'`{name}`' for name in row)}) VALUES "
                    f"({', '.join(['%s'] * len(row))})", *row.values())


def each_failure(stack, faults, number, action):
    """Lets each statement of the action fail in turn, and yields its number, what the action
    returned, and the rows, which are put back then."""
    before = Rows(stack.database)
    for nth in itertools.count(1):
        faults.fail(nth, number)
        result = action()
        if not faults.happened():
            break
        assert nth < MOST
        yield nth, result, Rows(stack.database)
        before.restore()
    before.restore()
    assert nth > 5, "statements were seen"


# --- requests


class FaultyScene(Scene):
    """Made by way of the stack; what is asked afterwards goes to a process each."""

    def __init__(self, stack, conf):
        super().__init__(stack)
        assert self.machine.activity(entry(self.session["running"], 7)).status == 200
        self.stack = self.machine.stack = CgiClient(conf)

    def actions(self):
        return dict(self.requests())


NAMES = ["ready", *ADMINS_READS, "audit", "poll", "open", "activity", "delete", "end", "confirm", "heartbeat", *(
    f"{role} {what}" for role in ("company_admin", "user") for what in (
        "/api/dashboard/stats", "/api/dashboard/recent-activity", "/api/dashboard/recent-machines",
        "/api/terminal/sessions", "/api/sessions", "/api/activity?q=make", "receipt"))]


@pytest.fixture
def action(stack, faulty_conf, request):
    scene = FaultyScene(stack, faulty_conf)
    scene.machine.seq += 1000
    scene.machine.next_seq = lambda: scene.machine.seq
    actions = {"ready": lambda: scene.stack.get("/health/ready"), **scene.actions()}
    assert set(actions) == set(NAMES)
    return actions[request.param]


@pytest.mark.parametrize("action", NAMES, indirect=True)
def test_a_request_of_which_a_statement_is_refused(stack, faults, action, request):
    """What is behind the answer only writes the audit."""
    before, answered = Rows(stack.database), False
    audited = any(name in request.node.name for name in ("receipt", "delete", "/api/activity",
                                                          "{session}/activity"))
    for nth, reply, rows in each_failure(stack, faults, REFUSED, action):
        if answered := answered or audited and reply.status == 200:
            assert reply.status == 200, f"statement {nth}: {reply}"
            continue
        assert reply.status >= 500, f"statement {nth}: {reply}"
        assert rows == before, f"statement {nth}"
    assert answered == audited


@pytest.mark.parametrize("action", NAMES, indirect=True)
def test_a_request_of_which_a_statement_is_repeated(stack, faults, action):
    before = Rows(stack.database)
    usual = action()
    rows_after = Rows(stack.database).shape()
    assert usual.status in (200, 201)
    before.restore()
    for nth, reply, rows in each_failure(stack, faults, DEADLOCK, action):
        assert (reply.status, reply.body) == (usual.status, usual.body), f"statement {nth}"
        assert rows.shape() == rows_after, f"statement {nth}"


# --- commands

COMMANDS = (
    "machine add new_one --owner user_1", "machine list", "machine rotate {machine}",
    "machine remove {machine}", "grant --user-id user_2 --agent-id {machine}",
    "revoke --user-id {user} --agent-id {machine}", "session list", "session close {session}",
    "purge --older-than 1d")


@pytest.fixture
def command(stack, faulty_conf, directory, request):
    """Runs vsayctl with something to do, purging included."""
    scene = Scene(stack)
    scene.tenant.command(scene.machine.id, scene.user, ago=200000)
    scene.tenant.session(scene.machine.id, scene.user, ago=200000, state="closed")
    scene.tenant.session(scene.tenant.machine(seen=200000), scene.user, ago=200000)
    stack.database.query("UPDATE sessions SET ended_at = started_at WHERE state = 'closed'")
    arguments = request.param.format(machine=scene.machine.id, user=scene.user.user_id,
                                     session=scene.session["doomed"]).split()
    operator = Operator(stack, directory)
    return lambda: operator.try_to(*arguments, conf=faulty_conf)


@pytest.mark.parametrize("command", COMMANDS, indirect=True)
def test_a_command_of_which_a_statement_is_refused(stack, faults, command, request):
    before = Rows(stack.database)
    purges = "purge" in request.node.name  # page by page
    for nth, ran, rows in each_failure(stack, faults, REFUSED, command):
        assert ran.returncode == 1 and "refused by a test" in ran.stderr, f"statement {nth}: {ran}"
        assert purges or rows == before and ran.stdout == "", f"statement {nth}: {ran}"


@pytest.mark.parametrize("command", COMMANDS, indirect=True)
def test_a_command_of_which_a_statement_is_repeated(stack, faults, command):
    """Any but those that set up its connection."""
    before = Rows(stack.database)
    usual = command()
    rows_after = Rows(stack.database).shape()
    assert usual.returncode == 0
    connected, lines = False, usual.stdout.count("\n")
    before.restore()
    for nth, ran, rows in each_failure(stack, faults, DEADLOCK, command):
        connected = connected or ran.returncode == 0
        if connected:
            assert (ran.returncode, ran.stdout.count("\n")) == (0, lines), f"statement {nth}: {ran}"
            assert rows.shape() == rows_after, f"statement {nth}"
    assert connected


def test_a_migration_of_which_a_statement_is_refused(stack, faults, faulty_conf):
    """It can be finished, at once where the lease was given back."""
    env = {**stack.database.admin(), "VSAY_DB_NAME": "new"}

    def migrate():
        return run(CTL, "--config", faulty_conf, "migrate", "--dir", MIGRATIONS, env=env)

    for nth in itertools.count(1):
        stack.database.query("CREATE OR REPLACE DATABASE new CHARACTER SET utf8mb4")
        faults.fail(nth, REFUSED)
        ran = migrate()
        if ran.returncode == 0:
            break
        assert faults.happened() and "refused by a test" in ran.stderr, f"statement {nth}"
        stack.database.query("DROP TABLE IF EXISTS new.migration_lock")
        assert migrate().returncode == 0, f"statement {nth}"
    assert nth > 10
    stack.database.query("DROP DATABASE new")


# --- what an error means

@pytest.mark.parametrize("number, status, code", [
    (1927, 503, 0), (1038, 503, 1), (1205, 201, 0), (1146, 503, 1), (1406, 400, 1), (1064, 500, 1)],
    ids=["away", "busy", "conflict", "schema", "never", "other"])
def test_what_an_error_means(stack, faults, faulty_conf, directory, number, status, code):
    """One of each kind. A request on a new connection, which is not made once more, gets `status`; a
    command on one that worked ends with `code`."""
    scene, operator = FaultyScene(stack, faulty_conf), Operator(stack, directory)

    def open_session():
        return scene.machine.open(scene.user).status

    def list_machines():
        return operator.try_to("machine", "list", conf=faulty_conf).returncode

    for action, usual, expected in (open_session, 201, status), (list_machines, 0, code):
        last = next(nth for nth in itertools.count(1)
                    if not faults.fail(nth, REFUSED) and action() == usual) - 1
        faults.fail(last, number)
        assert action() == expected and faults.happened()


@pytest.mark.parametrize("times, status", [(4, 200), (5, 503)])
def test_repeated_four_times(stack, faults, faulty_conf, times, status):
    scene = FaultyScene(stack, faulty_conf)

    def stats():
        return scene.stack.get("/api/dashboard/stats", scene.user).status

    last = next(nth for nth in itertools.count(1)
                if not faults.fail(nth, REFUSED) and stats() == 200) - 1
    faults.fail(last, DEADLOCK, times)
    assert stats() == status and faults.happened()


def test_a_server_that_does_not_take_a_statement(stack, faults, directory):
    """It counts as lost after db.read_timeout, like one that does not answer."""
    scene = FaultyScene(stack, write_conf(directory / "impatient.conf", {
        **stack.settings,
        "db": {**stack.settings["db"], "host": faults.path, "read_timeout": "1s"}}))
    session = scene.session["running"]
    commands = [entry(session, seq, "x" * 60000) for seq in range(100, 120)]
    assert scene.machine.activity(*commands).json()["accepted"] == 20
    faults.stall(100000)
    assert scene.machine.activity(*commands).status == 503
