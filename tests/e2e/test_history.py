# SPDX-License-Identifier: MIT
"""What a query costs does not grow with the rows that it does not return."""
from fleet import Tenant
from schemas import READS

HISTORY = 20000


def cost(stack, user):
    """Rows that the database reads for each endpoint, and for closing a session."""
    def rows_read():
        return sum(int(row["Value"]) for row in stack.database.query(
            "SHOW GLOBAL STATUS LIKE 'Handler_read%%'"))

    def of(request):
        before = rows_read()
        assert request().status == 200
        return rows_read() - before

    session = stack.tenant.session(stack.agents[0], user)
    costs = {path: of(lambda: stack.get(path, user)) for path in READS}
    costs["one page"] = of(lambda: stack.get("/api/terminal/sessions?limit=2", user))
    costs["closing"] = of(lambda: stack.delete(session, user))
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
    stack = new_stack(workers=1)
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
