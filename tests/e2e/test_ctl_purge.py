# SPDX-License-Identifier: MIT
"""vsayctl purge."""
import re
import signal

import pytest

from ctl import Operator
from stack import wait_for

DAY = 86400
MANY = 30000


@pytest.fixture(scope="module")
def stack(module_stacks):
    """A database of its own: purging knows no tenants."""
    return module_stacks()


@pytest.fixture
def operator(stack, directory):
    for table in "machines", "sessions", "signals", "commands":
        stack.database.query(f"DELETE FROM {table}")
    return Operator(stack, directory)


def purge(operator, age="90d"):
    """What was done, in the order of the closing line."""
    line = operator.do("purge", "--older-than", age)
    return counts(line)


def counts(line):
    return tuple(map(int, re.fullmatch(r"commands: (\d+), sessions: (\d+), receipts: (\d+), "
                                       r"lost sessions closed: (\d+), audit: \d+\n", line).groups()))


def ids(stack, table, column="session_id"):
    return {row[column] for row in stack.database.query(f"SELECT {column} FROM {table}")}


def session(tenant, agent, user, started, ended=None, **columns):
    """Times are days ago."""
    name = tenant.session(agent, user, ago=started * DAY, **columns)
    if ended is not None:
        tenant.stack.database.query(
            "UPDATE sessions SET state = 'closed', close_reason = 'exited', "
            "ended_at = UTC_TIMESTAMP(3) - INTERVAL %s MINUTE WHERE session_id = %s",
            round(ended * 1440), name)
    return name


def receipt(stack, name, outcome="confirmed"):
    stack.database.query(
        "INSERT INTO signals (session_id, agent_id, requested_by, requested_by_username, "
        "requested_at, outcome, due_at) SELECT session_id, agent_id, 'u', 'u', started_at, %s, "
        "IF(%s IS NULL, UTC_TIMESTAMP(3), NULL) FROM sessions WHERE session_id = %s",
        outcome, outcome, name)


def test_what_is_purged(stack, operator, tenant):
    user = tenant.user()
    agent, away = tenant.machine(), tenant.machine(seen=89 * DAY)
    kept = {
        session(tenant, agent, user, 91, 89.9), session(tenant, agent, user, 5, 1),
        session(tenant, agent, user, 500), session(tenant, away, user, 500),
        session(tenant, agent, user, 500, state="closing"), session(tenant, agent, user, 1)}
    gone = {session(tenant, agent, user, 91, 90.1), session(tenant, away, user, 500, 499)}
    for name in kept | gone:
        receipt(stack, name)
    for ago, text in (89.9, "young"), (90.1, "old"), (1000, "oldest"), (0, "new"):
        tenant.command(agent, user, text, ago=ago * DAY)
    assert purge(operator) == (2, len(gone), len(gone), 0)
    assert ids(stack, "sessions") == ids(stack, "signals") == kept
    assert ids(stack, "commands", "command") == {"young", "new"}
    assert ids(stack, "machines", "agent_id") == {agent, away}
    assert purge(operator) == (0, 0, 0, 0)


def test_lost_sessions(stack, operator, tenant):
    user = tenant.user()
    agent, lost, never = tenant.machine(), tenant.machine(seen=91 * DAY), tenant.machine(seen=None)
    stack.database.query("UPDATE machines SET created_at = UTC_TIMESTAMP(3) - INTERVAL 91 DAY "
                         "WHERE agent_id = %s", never)
    open_still = {session(tenant, agent, user, 200), session(tenant, agent, user, 200,
                                                              state="closing")}
    active, orphan, unheard = (session(tenant, where, user, 92) for where in (lost, "gone", never))
    closing = session(tenant, lost, user, 300, state="closing")
    for name in {closing, *open_still}:
        receipt(stack, name, None)
    assert purge(operator) == (0, 0, 0, 4)
    rows = {row["session_id"]: row for row in stack.database.query("SELECT * FROM sessions")}
    for name in active, orphan, unheard, closing:
        assert rows[name]["state"] == "closed" and rows[name]["close_reason"] == "lost"
        assert (rows[name]["ended_at"] - rows[name]["started_at"]).days >= 91
    assert all(rows[name]["state"] != "closed" for name in open_still)
    outcomes = {row["session_id"]: (row["outcome"], row["due_at"] is None)
                for row in stack.database.query("SELECT * FROM signals")}
    assert outcomes == {closing: ("expired", True), **{name: (None, False) for name in open_still}}
    assert purge(operator) == (0, 0, 0, 0)


def test_many_lost_sessions(stack, operator):
    stack.database.query(
        "INSERT INTO sessions (session_id, tenant_id, agent_id, user_id, username, source, state, "
        "started_at) SELECT CONCAT('s', seq), 't', 'a', 'u', 'u', 'ui', ELT(1 + seq % 2, 'active', "
        "'closing'), UTC_TIMESTAMP(3) - INTERVAL 100 DAY FROM seq_1_to_2500")
    assert purge(operator) == (0, 0, 0, 2500)
    assert stack.database.query("SELECT DISTINCT state FROM sessions") == [{"state": "closed"}]


def fill(stack, old=MANY, young=MANY, old_days="100 + seq % 300", young_days="10 + seq % 70"):
    """So many commands, a third as many closed sessions, and a receipt for every third of them."""
    def insert(table, columns, values, count):
        stack.database.query(
            f"INSERT INTO {table} (tenant_id, agent_id, user_id, username, source, {columns}) "
            f"SELECT 't', 'a', 'u', 'u', 'ui', {values} FROM seq_1_to_{count}")

    for kind, days, count in ("old", old_days, old), ("young", young_days, young):
        at = f"UTC_TIMESTAMP(3) - INTERVAL {days} DAY"
        insert("commands", "session_id, seq, command, executed_at", f"'{kind}', seq, 'ls', {at}",
               count)
        insert("sessions", "session_id, state, started_at, ended_at",
               f"CONCAT('{kind}-', seq), 'closed', {at}, {at}", count // 3)
    stack.database.query(
        "INSERT INTO signals (session_id, agent_id, requested_by, requested_by_username, "
        "requested_at, outcome, due_at) SELECT session_id, agent_id, 'u', 'u', ended_at, "
        "'confirmed', NULL FROM sessions WHERE session_id LIKE '%0'")


def count(stack, table, kind):
    return stack.database.query(f"SELECT COUNT(*) AS n FROM {table} WHERE session_id LIKE %s",
                                f"{kind}%")[0]["n"]


def left(stack, kind):
    return tuple(count(stack, table, kind) for table in ("commands", "sessions", "signals"))


def status(stack, name):
    return sum(int(row["Value"]) for row in stack.database.query(
        f"SHOW GLOBAL STATUS LIKE '{name}'"))


def test_many_rows_go_in_small_transactions(stack, operator):
    fill(stack)
    young = left(stack, "young")
    commits = status(stack, "Com_commit")
    assert purge(operator) == (*left_of(MANY), 0)
    assert status(stack, "Com_commit") - commits >= MANY // 1000 + MANY // 3 // 1000
    assert left(stack, "old") == (0, 0, 0) and left(stack, "young") == young


def left_of(commands):
    return commands, commands // 3, commands // 3 // 10


def test_many_rows_of_one_moment(stack, operator):
    """Pages part rows of the same time."""
    fill(stack, 3500, 10, old_days="100")
    assert purge(operator) == (*left_of(3500), 0)
    assert left(stack, "old") == (0, 0, 0) and left(stack, "young")[0] == 10


def test_the_cost_does_not_grow_with_what_is_kept(stack, operator):
    def cost(young):
        fill(stack, 3000, young)
        stack.database.query("ANALYZE TABLE commands, sessions, signals")
        before = status(stack, "Handler_read%")
        assert purge(operator) == (*left_of(3000), 0)
        read = status(stack, "Handler_read%") - before
        for table in "commands", "sessions", "signals":
            stack.database.query(f"DELETE FROM {table}")
        return read

    assert abs(cost(30000) - cost(300)) < 100


def test_killed_in_the_middle(stack, operator):
    """Whatever moment it dies at, nothing is half deleted, and the next run does the rest."""
    fill(stack)
    young = left(stack, "young")
    for table in "commands", "commands", "sessions", "sessions":
        before = count(stack, table, "old")
        process = operator.start("purge", "--older-than", "90d")
        wait_for(lambda: count(stack, table, "old") < before, what="the purge to go on")
        process.stop(signal.SIGKILL)
        assert left(stack, "young") == young
        assert stack.database.query(
            "SELECT g.id FROM signals g LEFT JOIN sessions s ON s.session_id = g.session_id "
            "WHERE s.id IS NULL") == []
    rest = left(stack, "old")
    assert 0 < rest[1] < MANY // 3
    assert purge(operator) == (*rest, 0)
    assert left(stack, "old") == (0, 0, 0) and left(stack, "young") == young


def test_the_database_goes_away(stack, operator):
    fill(stack)
    process = operator.start("purge", "--older-than", "90d")
    wait_for(lambda: count(stack, "commands", "old") < MANY, what="the purge to go on")
    stack.database.stop(signal.SIGKILL)
    try:
        assert process.wait() == 1
    finally:
        stack.database.start()
        stack.database.query("USE vsay")
    said = process.log.read_text()
    assert "vsayctl: " in said and re.search(r"^commands: \d+, ", said, re.M), "what was done"
    rest = left(stack, "old")
    assert purge(operator) == (*rest, 0)


def test_two_at_once(stack, operator):
    fill(stack)
    processes = [operator.start("purge", "--older-than", "90d") for _ in range(2)]
    assert [process.wait() for process in processes] == [0, 0], processes[0].log.read_text()
    found = re.findall(r"^commands: (\d+), sessions: (\d+), receipts: (\d+)",
                       processes[0].log.read_text(), re.M)
    assert tuple(sum(map(int, each)) for each in zip(*found)) == left_of(MANY)
    assert left(stack, "old") == (0, 0, 0)


def test_progress_on_a_terminal(stack, operator):
    fill(stack)
    out, shown = operator.on_a_terminal("purge", "--older-than", "90d")
    assert counts(out) == (*left_of(MANY), 0)
    for what, rows in ("commands", MANY), ("sessions", MANY // 3):
        seen = re.findall(rf"{what} +\[(#*) *\] +(\d+) % +(\d+)", shown)
        bars, percents, done = zip(*[(len(bar), int(percent), int(n)) for bar, percent, n in seen])
        assert len(seen) > rows // 1000 and set(map(len, seen)) == {3}
        assert list(percents) == sorted(percents) and percents[0] < 20 and percents[-1] == 100
        assert list(done) == sorted(done) and done[-1] == rows
        assert list(bars) == sorted(bars) and bars[-1] == 40
    assert shown.endswith("\n") and shown.count("\n") == shown.count("lost") + 3


def test_no_progress_elsewhere(stack, operator):
    fill(stack, 3000, 10)
    ran = operator.try_to("purge", "--older-than", "90d")
    assert ran.returncode == 0 and ran.stderr == "" and ran.stdout.count("\n") == 1


@pytest.mark.parametrize("arguments", [
    [], ["--older-than", ""], ["--older-than", "90"], ["--older-than", "23h"],
    ["--older-than", "0"], ["--older-than", "-90d"], ["--older-than", "90y"],
    ["--older-than", "36501d"], ["--older-than", "99999999999999999999d"], ["90d"],
    ["--older-than", "90d", "more"]])
def test_refused(stack, operator, arguments):
    fill(stack, 10, 10)
    operator.fail("purge", *arguments, status=2)
    assert left(stack, "old")[0] == 10
