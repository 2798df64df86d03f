# SPDX-License-Identifier: MIT
"""What a query costs does not grow with the rows that it does not return."""
import pytest

from databases import HostileMariaDB
from fleet import Tenant
from schemas import READS
from stack import Database

HISTORY = 20000
STATS = "/api/dashboard/stats"
FLEET = 3000
QUIET = {"usage_history": "0"}  # no look at the fleets while rows are counted


def rows_read(stack, request):
    """How many rows the database reads meanwhile."""
    def count():
        return sum(int(row["Value"]) for row in stack.database.query(
            "SHOW GLOBAL STATUS LIKE 'Handler_read%%'"))

    before = count()
    assert request().status == 200
    return count() - before


def cost(stack, user):
    """Rows that the database reads for each endpoint, and for closing a session."""
    session = stack.tenant.session(stack.agents[0], user)
    costs = {path: rows_read(stack, lambda: stack.get(path, user)) for path in READS}
    costs["one page"] = rows_read(stack, lambda: stack.get("/api/terminal/sessions?limit=2", user))
    costs["closing"] = rows_read(stack, lambda: stack.delete(session, user))
    return costs


def grow(stack, user):
    """Old commands and closed sessions on the user's own machines and by the user, and another
    tenant's fleet."""
    database, tenant = stack.database, stack.tenant.id
    for agent in stack.agents:
        for table, columns, values in (
                ("commands", "seq, command, executed_at", "seq, 'ls', UTC_TIMESTAMP(3)"),
                ("sessions", "state, started_at", "'closed', UTC_TIMESTAMP(3)")):
            database.query(
                f"INSERT INTO {table} (session_id, tenant_id, agent_id, user_id, username, source, "
                f"{columns}) SELECT CONCAT('{agent}-', seq), %s, %s, %s, 'u', 'ui', {values} "
                f"- INTERVAL seq + 100 SECOND FROM seq_1_to_{HISTORY // len(stack.agents)}",
                tenant, agent, user.user_id)
    database.query(
        "INSERT INTO machines (agent_id, tenant_id, name, last_heartbeat_at, created_at) SELECT "
        f"CONCAT('else-', seq), 'elsewhere', 'm', UTC_TIMESTAMP(3) - INTERVAL seq + 300 SECOND, "
        f"UTC_TIMESTAMP(3) FROM seq_1_to_{HISTORY}")
    database.query(
        "INSERT INTO sessions (session_id, tenant_id, agent_id, user_id, username, source, "
        "started_at) SELECT CONCAT('else-', seq), 'elsewhere', CONCAT('else-', seq), 'v', 'v', "
        f"'ui', UTC_TIMESTAMP(3) FROM seq_1_to_{HISTORY}")
    for table in "machines", "sessions", "commands":
        database.query(f"ANALYZE TABLE {table}")


def test_cost(new_stack):
    stack = new_stack(workers=1, agents=QUIET)
    stack.tenant = Tenant(stack)
    user, admin = stack.tenant.user(), stack.tenant.user("company_admin")
    stack.agents = [stack.tenant.machine(granted=user) for _ in range(4)]
    for agent in stack.agents:
        for ago in range(15):
            stack.tenant.command(agent, user, ago=ago)
    before = {each: cost(stack, each) for each in (user, admin)}
    grow(stack, user)
    for each in user, admin:
        after = cost(stack, each)
        assert {name: (before[each][name], after[name]) for name in after
                if after[name] > before[each][name] + 300} == {}, each.role
    everything = cost(stack, stack.tenant.user("super_admin"))
    for name in "/api/dashboard/recent-activity", "/api/dashboard/recent-machines", "closing":
        assert everything[name] < 300, name


def test_stats_read_each_machine_once(new_stack):
    """Of those online, offline and never heard of there are as many."""
    stack = new_stack(workers=1, agents=QUIET)
    tenant = Tenant(stack)
    stack.database.query(
        "INSERT INTO machines (agent_id, tenant_id, name, cpu, last_heartbeat_at, created_at) "
        "SELECT CONCAT('fleet-', seq), %s, 'm', 1000, CASE seq MOD 3 WHEN 0 THEN UTC_TIMESTAMP(3) + "
        "INTERVAL 1 HOUR WHEN 1 THEN UTC_TIMESTAMP(3) - INTERVAL 1 DAY END, UTC_TIMESTAMP(3) "
        f"FROM seq_1_to_{FLEET}", tenant.id)
    stack.database.query("ANALYZE TABLE machines")
    for role in "super_admin", "company_admin":
        user = tenant.user(role)
        assert rows_read(stack, lambda: stack.get(STATS, user)) < FLEET + 300, role
        stats = stack.get(STATS, user).json()
        assert (stats["online_count"], stats["offline_count"], stats["avg_cpu"]) == \
            (FLEET // 3, FLEET - FLEET // 3, 10.0), role


# --- searches

LONG = 70_000
LOOKED_AT = 65_000  # two looks at 20,000 entries of an index, and what else is read of each


def fill_history(stack, user):
    """Closed sessions and commands on the machines of stack.agents, all of the user."""
    agents = ", ".join(f"'{agent}'" for agent in stack.agents)
    whose = f"%s, ELT(1 + seq %% {len(stack.agents)}, {agents}), %s, 'u', 'ui'"
    for table, columns, values in (
            ("commands", "seq, command, success, executed_at", "seq MOD 10, 'ls', 1"),
            ("sessions", "state, started_at", "'closed'")):
        stack.database.query(
            f"INSERT INTO {table} (session_id, tenant_id, agent_id, user_id, username, source, {columns}) "
            f"SELECT CONCAT('old-', seq {'DIV 10' if table == 'commands' else ''}), {whose}, {values}, "
            f"UTC_TIMESTAMP(3) - INTERVAL seq SECOND FROM seq_1_to_{LONG}",
            stack.tenant.id, user.user_id)
    stack.database.query(
        "INSERT INTO signals (session_id, agent_id, requested_by, requested_by_username, requested_at) "
        "SELECT session_id, agent_id, 'somebody', 's', started_at FROM sessions")
    stack.database.query("ANALYZE TABLE sessions, commands, signals")


@pytest.mark.parametrize("kind", [Database, pytest.param(HostileMariaDB, marks=pytest.mark.heavy)])
def test_searches_read_a_bounded_number_of_rows(new_stack, kind):
    """Each filter alone, for each role. What picks nothing looks as far as it may."""
    stack = new_stack(workers=1, agents=QUIET, server=kind)
    stack.tenant = Tenant(stack)
    user = stack.tenant.user()
    stack.agents = [stack.tenant.machine(granted=user) for _ in range(3)]
    fill_history(stack, user)
    indexed = (f"user_id={user.user_id}", f"agent_id={stack.agents[0]}",
               "from=2020-01-01T00:00:00Z", "to=2100-01-01T00:00:00Z", "limit=100")
    searched = "source=vscode", "q=nowhere", "user_id=nobody"  # which a user's machines may have
    requests = [(f"{path}?{query}", 2000 if query in indexed else LOOKED_AT)
                for path, queries in (("/api/sessions", (
                    "status=closed", "status=active", "ended_by=somebody", "ended_by=nobody")),
                    ("/api/activity", ("session_id=old-7", "success=false")))
                for query in (*indexed, *searched, *queries)]
    for each in user, stack.tenant.user("company_admin"), stack.tenant.user("super_admin"):
        for path, most in [*requests, ("/api/sessions/old-7/activity", 2000)]:
            assert rows_read(stack, lambda: stack.get(path, each)) <= most, (path, each.role)
