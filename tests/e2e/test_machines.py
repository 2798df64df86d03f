# SPDX-License-Identifier: MIT
"""GET /api/machines and /api/machines/:id: who sees which, filters, pages, and what a page costs."""
import itertools
from urllib.parse import urlencode

import pytest

from fleet import Tenant
from machine import Machine
from model import Model, one_decimal, rfc3339
from schemas import check_error
from test_scope import World

LOOKS = 5000  # machines that a page looks at


@pytest.fixture(scope="module")
def world(module_stacks):
    return World(module_stacks())


def listed(model, row):
    """A machine as the list has it."""
    heard = row["last_heartbeat_at"]
    return {"agent_id": row["agent_id"], "name": row["name"],
            "status": "online" if row["agent_id"] in model.online else "offline",
            **{f"{name}_percent": one_decimal(row[name]) if heard else None
               for name in ("cpu", "memory", "disk")},
            "last_active": rfc3339(heard) if heard else None,
            "active_sessions": len([
                session for session in model.visible_sessions
                if session["agent_id"] == row["agent_id"] and session["state"] == "active"
                and row["agent_id"] in model.online]),
            "dropped_commands": row["dropped_commands"]}


def expected(model):
    return sorted((listed(model, row) for row in model.visible_machines),
                  key=lambda row: row["agent_id"])


def page(stack, by, **parameters):
    reply = stack.get("/api/machines?" + urlencode(parameters), by)
    assert reply.status == 200, reply
    return reply.json()


def pages(stack, by, **parameters):
    """The pages, by their cursors."""
    while True:
        yield (found := page(stack, by, **parameters))
        if not found["next_cursor"]:
            return
        parameters["cursor"] = found["next_cursor"]


def ids(found):
    return [row["agent_id"] for row in found["machines"]]


def test_everyone_sees_what_is_theirs(world):
    for user in world.users:
        model = Model(world.stack.database, user)
        assert page(world.stack, user) == {"machines": expected(model), "next_cursor": None}, user
        for limit in 1, 2, 5:
            paged = list(pages(world.stack, user, limit=limit))
            assert list(itertools.chain(*map(ids, paged))) == ids({"machines": expected(model)})
            assert all(len(ids(each)) == limit for each in paged[:-1])
        for status in "online", "offline":
            assert page(world.stack, user, status=status)["machines"] == [
                row for row in expected(model) if row["status"] == status]


def test_one_machine(world):
    database = world.stack.database
    everything = Model(database, world.users[-1])
    for user in world.users:
        model = Model(database, user)
        seen = {row["agent_id"]: row for row in expected(model)}
        for agent, row in everything.machine.items():
            reply = world.stack.get(f"/api/machines/{agent}", user)
            if agent not in seen:
                check_error(reply, 404)
                continue
            access = {relation: sorted(who for (tenant, who, of), said in model.access.items()
                                       if (tenant, of, said) == (row["tenant_id"], agent, relation)
                                       and (user.role != "user" or who == user.user_id))
                      for relation in ("owner", "granted")}
            assert reply.json() == {"machine": {**seen[agent], "owners": access["owner"],
                                                "granted": access["granted"]}}


def test_agents_and_strangers(stack, tenant):
    machine = Machine(tenant)
    for path in "/api/machines", f"/api/machines/{machine.id}":
        check_error(stack.get(path, machine), 403)
        check_error(stack.get(path), 401)
    check_error(stack.get("/api/machines/none", tenant.user("super_admin")), 404)


@pytest.mark.parametrize("text, names", [
    ("web", ["Web 1", "my-WEB"]), ("WEB", ["Web 1", "my-WEB"]), ("100%", ["100% ä_b"]),
    ("%", ["100% ä_b"]), ("_", ["100% ä_b"]), ("Ä", ["100% ä_b"]), ("\\", ["back\\slash"]),
    ("'", ["o'brien"]), ("nowhere", []), (" ", ["Web 1", "100% ä_b"])])
def test_part_of_a_name(stack, tenant, text, names):
    for name in "Web 1", "my-WEB", "100% ä_b", "back\\slash", "o'brien":
        tenant.machine(name=name)
    found = page(stack, tenant.user("company_admin"), q=text)
    assert sorted(row["name"] for row in found["machines"]) == sorted(names)


def test_part_of_an_id(stack, tenant, admin):
    agent = tenant.machine(name="x")
    tenant.machine(name="y")
    for text in agent, agent.upper(), agent[1:]:
        assert ids(page(stack, admin, q=text)) == [agent]


@pytest.mark.parametrize("query", [
    "status=on", "status=", "status=online&status=offline", "q=", "q=" + "x" * 256, "q=%00", "q=%ff",
    "limit=0", "limit=1001", "limit=x", "cursor=", "cursor=a/b", "cursor=" + "x" * 65, "agentid=a",
    "hours=1"])
def test_bad_parameters(stack, admin, query):
    error = check_error(stack.get(f"/api/machines?{query}", admin), 400)
    assert query.split("=")[0] in error


def test_a_link_leads_to_the_next_page_in_each_form(stack, tenant, admin):
    agents = sorted(tenant.machine(name="=1+1") for _ in range(3))
    for kind, lines in (("text/csv", 3), ("application/x-ndjson", 2), ("application/json", 1)):
        reply = stack.get("/api/machines?limit=2&q=1%2B1", admin, headers={"Accept": kind})
        assert len(reply.body.splitlines()) == lines
        link = reply.headers["Link"]
        assert link == f'</api/machines?q=1%2B1&limit=2&cursor={agents[1]}>; rel="next"'
        rest = stack.get(link[1:link.index(">")], admin, headers={"Accept": kind})
        assert agents[2] in rest.body.decode() and "Link" not in rest.headers
    assert b"'=1+1" in stack.get("/api/machines", admin, headers={"Accept": "text/csv"}).body


def test_machines_that_are_added_meanwhile(stack, tenant, admin):
    """Those that were there come once each."""
    before, seen = {tenant.machine() for _ in range(40)}, []
    for found in pages(stack, admin, limit=3):
        seen += ids(found)
        tenant.machine()
    assert len(seen) == len(set(seen)) and before <= set(seen)


@pytest.mark.databases
def test_each_database_takes_the_statements(stack, tenant, admin):
    """Lists, rings and looks; what is in them is tested in test_usage.py."""
    user = tenant.user()
    machine = Machine(tenant, owner=user)
    session = machine.session(user)
    hours_ago = stack.database.query("SELECT UNIX_TIMESTAMP() - 7000 AS at")[0]["at"] // 300 * 300
    stack.database.query("UPDATE machines SET created_at = '2020-01-01', usage_now = %s WHERE agent_id = %s",
                         f"{int(hours_ago):08x}0002" + 3 * "000003e800640384", machine.id)
    assert machine.heartbeat(cpu_percent=12.34).status == 200
    for by in user, admin, tenant.user("super_admin"):
        for hours in 3, 30, 720:
            points = stack.get(f"/api/machines/{machine.id}/usage?hours={hours}", by).json()["points"]
            assert {"min": 1.0, "mean": 5.0, "max": 9.0} in [
                point["memory_percent"] for point in points] or hours == 720
            assert stack.get(f"/api/dashboard/usage?hours={hours}", by).status == 200
        assert page(stack, by, q=machine.id, status="online")["machines"][0]["active_sessions"] == 1
        assert stack.get(f"/api/machines/{machine.id}", by).status == 200
    assert machine.end(session).status == 200
    assert stack.database.query("SELECT step FROM fleet_usage WHERE tenant_id = '' ORDER BY step")
    assert "event=usage " not in stack.log.read_text()


# --- what a page costs


@pytest.fixture(scope="module")
def large(module_stacks):
    """A tenant of 12,000 machines, all of which one user may see; and its users."""
    stack = module_stacks(workers=1, agents={"usage_history": "0"})
    tenant = Tenant(stack)
    tenant.machine(agent_id="m11990", name="the last", seen=None)
    stack.database.query(
        "INSERT IGNORE INTO machines (agent_id, tenant_id, name, last_heartbeat_at, created_at) "
        "SELECT CONCAT('m', LPAD(seq, 5, '0')), %s, CONCAT('Machine ', seq), UTC_TIMESTAMP(3), "
        "UTC_TIMESTAMP(3) FROM seq_0_to_11999", tenant.id)
    stack.database.query("INSERT INTO machine_access SELECT tenant_id, 'viewer', agent_id, 'granted' "
                         "FROM machines")
    return stack, {"user": tenant.user(user_id="viewer"),
                   "company_admin": tenant.user("company_admin"),
                   "super_admin": tenant.user("super_admin")}


def rows_read(stack):
    return sum(int(row["Value"]) for row in stack.database.query(
        "SHOW GLOBAL STATUS WHERE Variable_name LIKE 'Handler_read%' "
        "AND Variable_name <> 'Handler_read_rnd_deleted'"))


@pytest.mark.parametrize("role", ["user", "company_admin", "super_admin"])
@pytest.mark.parametrize("parameters, most", [
    ({}, 500), ({"limit": 1000}, 5000), ({"status": "offline"}, 3 * LOOKS),
    ({"q": "THE LAST"}, 3 * LOOKS), ({"q": "nowhere"}, 3 * LOOKS)])
def test_rows_read(large, role, parameters, most):
    stack, users = large
    before, counts = rows_read(stack), []
    for _ in itertools.islice(pages(stack, users[role], **parameters), 15):
        after = rows_read(stack)
        counts.append(after - before)
        before = rows_read(stack)
    assert max(counts) <= most + 500, counts


@pytest.mark.parametrize("role", ["user", "company_admin", "super_admin"])
@pytest.mark.parametrize("parameters", [{"q": "the last"}, {"status": "offline"}])
def test_a_search_goes_on_where_it_stopped(large, role, parameters):
    stack, users = large
    found = list(pages(stack, users[role], limit=10, **parameters))
    assert [ids(each) for each in found] == [[], [], ["m11990"]]
    assert found[0]["next_cursor"] == "m04999"
