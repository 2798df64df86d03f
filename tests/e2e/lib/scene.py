# SPDX-License-Identifier: MIT
"""A machine in the middle of its work, and each request that may come then."""
from fleet import Tenant
from machine import Machine, entry

READS = ("/api/dashboard/stats", "/api/dashboard/recent-activity", "/api/dashboard/recent-machines",
         "/api/terminal/sessions", "/api/sessions", "/api/activity?q=make")
ADMINS_READS = ("/api/machines", "/api/machines/{machine}", "/api/machines/{machine}/usage",
                "/api/dashboard/usage", "/api/sessions/{session}/activity")

TABLES = ("machines", "machine_access", "sessions", "signals", "commands", "machine_usage",
          "fleet_usage", "audit")


class Scene:
    """A machine with sessions of each state, seen by one of each role."""

    def __init__(self, stack):
        self.stack, self.tenant = stack, Tenant(stack)
        self.admin, self.user = self.tenant.user("company_admin"), self.tenant.user()
        self.root = self.tenant.user("super_admin")
        self.machine = Machine(self.tenant, owner=self.user)
        names = "doomed", "closing", "ended", "vanished", "running"
        self.session = {name: self.machine.session(self.user) for name in names}
        assert self.machine.heartbeat(cpu_percent=1).status == 200
        stack.database.query(  # of five minutes that have ended: the next one stores them
            "UPDATE machines SET usage_now = CONCAT('65000000', SUBSTR(usage_now, 9)) "
            "WHERE agent_id = %s", self.machine.id)
        assert stack.delete(self.session["closing"], self.admin).status == 200
        self.machine.held.remove(self.session["vanished"])

    def requests(self):
        """(name, function that sends it), in an order in which each still finds its session."""
        session, machine = self.session, self.machine
        for path in ADMINS_READS:
            yield path, lambda path=path: self.stack.get(
                path.format(machine=machine.id, session=session["running"]), self.admin)
        yield "audit", lambda: self.stack.get("/api/audit?limit=3", self.root)
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
            read("SELECT session_id, command FROM commands WHERE agent_id = %s"),
            read("SELECT step, samples, cpu_sum FROM machine_usage WHERE agent_id = %s"))

    def play(self):
        """Per request: its status, whether it changed something."""
        before = self.rows()
        for name, send in self.requests():
            status, after = send().status, self.rows()
            yield name, status, before != after
            before = after
