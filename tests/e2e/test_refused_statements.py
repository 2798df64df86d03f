# SPDX-License-Identifier: MIT
"""Each kind of statement is refused by the database in turn: a request is then answered as if
nothing had happened, or with an error and no trace. No error is lost on its way to the client."""
import pytest

from fleet import Tenant
from machine import Machine, entry

TABLES = "machines", "machine_access", "sessions", "signals", "commands"
EVENTS = "INSERT", "UPDATE", "DELETE"
READS = ("/api/dashboard/stats", "/api/dashboard/recent-activity", "/api/dashboard/recent-machines",
         "/api/terminal/sessions")


class Scene:
    """A machine with sessions of each state, seen by one of each role."""

    def __init__(self, stack):
        self.stack, self.tenant = stack, Tenant(stack)
        self.admin, self.user = self.tenant.user("company_admin"), self.tenant.user()
        self.machine = Machine(self.tenant, owner=self.user)
        names = "doomed", "closing", "ended", "vanished", "running"
        self.session = {name: self.machine.session(self.user) for name in names}
        assert self.machine.heartbeat(cpu_percent=1).status == 200
        assert stack.delete(self.session["closing"], self.admin).status == 200
        self.machine.held.remove(self.session["vanished"])

    def requests(self):
        """(name, function that sends it), in an order in which each still finds its session."""
        session, machine = self.session, self.machine
        for role in self.admin, self.user:
            for path in READS:
                yield f"{role.role} {path}", lambda by=role, path=path: self.stack.get(path, by)
            yield f"{role.role} receipt", lambda by=role: self.stack.get(
                f"/api/sessions/{session['closing']}", by)
        yield "poll", machine.poll
        yield "open", lambda: machine.open(self.user, session_id=f"{session['running']}-new")
        yield "activity", lambda: machine.activity(entry(session["running"]))
        yield "delete", lambda: self.stack.delete(session["doomed"], self.user)
        yield "end", lambda: machine.end(session["ended"], exit_code=3)
        yield "confirm", lambda: machine.end(session["closing"], "killed")
        yield "heartbeat", lambda: machine.heartbeat(cpu_percent=77, sessions=[
            session[name] for name in ("doomed", "running")])

    def rows(self):
        """All that the requests may change, without times and numbers."""
        def read(sql):
            return self.stack.database.query(sql, self.machine.id)
        return (
            read("SELECT cpu, last_command_at IS NULL AS silent FROM machines WHERE agent_id = %s"),
            read("SELECT session_id, state, close_reason, exit_code, ended_at IS NULL AS runs "
                 "FROM sessions WHERE agent_id = %s ORDER BY session_id"),
            read("SELECT g.session_id, g.outcome, g.attempts, g.confirmed_at IS NULL AS open "
                 "FROM signals g JOIN sessions s ON s.session_id = g.session_id "
                 "WHERE s.agent_id = %s ORDER BY g.session_id"),
            read("SELECT session_id, command FROM commands WHERE agent_id = %s"))

    def play(self):
        """Per request: its status, whether it changed something."""
        before = self.rows()
        for name, send in self.requests():
            status, after = send().status, self.rows()
            yield name, status, before != after
            before = after


def refuse(database, table, event):
    """The database refuses `event` on `table`; call what is returned to end that."""
    if event == "SELECT":
        database.query(f"RENAME TABLE {table} TO away")
        return lambda: database.query(f"RENAME TABLE away TO {table}")
    database.query(f"CREATE TRIGGER refusal BEFORE {event} ON {table} FOR EACH ROW "
                   "SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'refused by a test'")
    return lambda: database.query("DROP TRIGGER refusal")


@pytest.fixture(scope="module")
def own_stack(module_stacks):
    return module_stacks(workers=1)


@pytest.fixture(scope="module")
def usual(own_stack):
    """What each request does when nothing is refused: (status, whether it changed something)."""
    return {name: result for name, *result in Scene(own_stack).play()}


def test_unbroken(usual):
    assert all(status in (200, 201) for status, _ in usual.values()), usual
    writes = {name for name, (_, changed) in usual.items() if changed}
    assert writes == {"poll", "open", "activity", "delete", "end", "confirm", "heartbeat"}


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("table", TABLES)
def test_refused_writes(own_stack, usual, table, event):
    scene = Scene(own_stack)
    restore = refuse(own_stack.database, table, event)
    try:
        for name, status, changed in scene.play():
            assert [status, changed] == usual[name] or status >= 400 and not changed, name
    finally:
        restore()


@pytest.mark.parametrize("table", TABLES)
def test_refused_reads(own_stack, usual, table):
    """A request that needs the table gets 5xx, any other what it always gets."""
    scene = Scene(own_stack)
    restore = refuse(own_stack.database, table, "SELECT")
    try:
        statuses = {name: send().status for name, send in scene.requests()}
    finally:
        restore()
    assert all(status >= 500 or status == usual[name][0] for name, status in statuses.items())
    assert any(status >= 500 for status in statuses.values())
