# SPDX-License-Identifier: MIT
"""GET /api/audit: who may read it, its filters, pages and forms, and what a page costs."""
import csv
import io
import json
from datetime import datetime, timedelta
from urllib.parse import urlencode

import pytest

from fleet import Tenant, unique
from machine import Machine
from schemas import check, check_error
from stack import wait_for

pytestmark = pytest.mark.databases(cluster=False)

PATH = "/api/audit"
NOON = datetime(2026, 2, 6, 12)


@pytest.fixture
def root(tenant):
    return tenant.user("super_admin")


def ask(stack, by, **query):
    query = {name: value.isoformat() + "Z" if isinstance(value, datetime) else value
             for name, value in query.items()}
    return stack.get(f"{PATH}?{urlencode(query)}", by)


def entries(stack, by, **query):
    return check(ask(stack, by, **query), "audit")["entries"]


class Past:
    """Rows of users and sessions that no other test has."""

    def __init__(self, stack, count=40):
        self.stack = stack
        self.users, self.sessions = ([unique("auditee") for _ in range(2)],
                                     [unique("audited") for _ in range(2)])
        for number in range(count):
            self.add(self.users[number % 2], self.sessions[number // 2 % 2], number // 4, number)

    def add(self, user, session, second, detail):
        self.stack.database.query(
            "INSERT INTO audit (happened_at, tenant_id, user_id, username, role, action, session_id, "
            "detail) VALUES (%s, 't', %s, 'n', 'user', 'session_view', %s, %s)",
            NOON + timedelta(seconds=second), user, session, detail)


def details(entries):
    return [int(entry["detail"]) for entry in entries]


def test_what_it_tells(stack, tenant, root):
    admin, agent = tenant.user("company_admin"), Machine(tenant)
    session = agent.session(admin)
    look = stack.get(f"/api/sessions/{session}", admin)
    end = stack.delete(f"{session}?reason=a+b", root)

    def told():
        found = entries(stack, root, session_id=session)
        return len(found) == 2 and found
    newest, oldest = sorted(wait_for(told, what="both"), key=lambda entry: entry["action"])
    times = {row["id"]: row["at"] for row in stack.database.query(
        "SELECT CONCAT('audit_', id) AS id, happened_at AS at FROM audit WHERE session_id = %s", session)}
    common = {"session_id": session, "of_user_id": None}
    assert newest == {
        "id": newest["id"], "timestamp": f"{times[newest['id']].isoformat()[:19]}Z", **common,
        "action": "session_end", "user_id": root.user_id, "username": root.username,
        "role": "super_admin", "tenant_id": tenant.id, "agent_id": agent.id, "detail": "a b",
        "request_id": end.headers["X-Request-Id"]}
    assert {**oldest, **common} == oldest
    assert (oldest["action"], oldest["user_id"], oldest["detail"], oldest["agent_id"],
            oldest["request_id"]) == ("session_view", admin.user_id, None, None,
                                      look.headers["X-Request-Id"])


def test_who_may_read_it(stack, tenant):
    for user in tenant.user(), tenant.user("company_admin"), Machine(tenant):
        check_error(stack.get(PATH, user), 403)
    check_error(stack.get(PATH), 401)
    check(stack.get(PATH, Tenant(stack).user("super_admin")), "audit")


def test_filters(stack, root):
    past = Past(stack)
    (user, other), (session, _) = past.users, past.sessions
    assert details(entries(stack, root, user_id=user)) == list(range(38, -1, -2))
    of_session = [number for number in range(39, -1, -1) if number // 2 % 2 == 0]
    assert details(entries(stack, root, session_id=session)) == of_session
    assert details(entries(stack, root, session_id=session, user_id=other)) == [
        number for number in of_session if number % 2]
    assert details(entries(stack, root, user_id=user, to=NOON + timedelta(seconds=2),
                           **{"from": NOON + timedelta(seconds=1)})) == [6, 4]
    between = entries(stack, root, to=NOON + timedelta(seconds=1), limit=1000, **{"from": NOON})
    assert [entry["detail"] for entry in between if entry["user_id"] in past.users] == [
        "3", "2", "1", "0"]
    assert entries(stack, root, user_id=unique("nobody")) == []


def test_pages_while_others_are_written(stack, root):
    past = Past(stack)
    user, session = past.users[0], past.sessions[0]
    seen, path = [], f"{PATH}?limit=3&user_id={user}&_=1"
    while path:
        reply = stack.get(path, root)
        page = check(reply, "audit")
        seen += details(page["entries"])
        past.add(user, session, 100 + len(seen), 1000)
        link = reply.headers.get("Link")
        assert bool(link) == bool(page["next_cursor"])
        path = link and link.partition(">")[0].removeprefix("<")
        assert not path or page["next_cursor"] in path
    assert seen == list(range(38, -1, -2))
    assert len(entries(stack, root, user_id=user, limit=1000)) == 27


def test_forms(stack, root):
    past = Past(stack, 3)
    path = f"{PATH}?user_id={past.users[0]}"
    rows = stack.get(path, root).json()["entries"]
    lines = stack.get(path, root, headers={"Accept": "application/x-ndjson"}).body.splitlines()
    assert [json.loads(line) for line in lines] == rows
    reply = stack.get(path, root, headers={"Accept": "text/csv"})
    assert list(csv.DictReader(io.StringIO(reply.body.decode()))) == [
        {name: value or "" for name, value in row.items()} for row in rows]


@pytest.mark.parametrize("query", [
    "user=u1", "tenant_id=t", "from=noon", "to=2026-02-30T00:00:00Z", "user_id=", "user_id=a%20b",
    "session_id=a/b", "session_id=", "limit=0", "limit=1001", "cursor=1", "limit=1&limit=2", "action=login"])
def test_bad_queries(stack, root, query):
    check_error(stack.get(f"{PATH}?{query}", root), 400)


def test_a_page_reads_no_more_than_it_has(stack, root):
    """By any filter alone, of however many there are."""
    past = Past(stack, 8)
    for table_size in range(8):  # to some 8,000
        stack.database.query(
            "INSERT INTO audit (happened_at, tenant_id, user_id, username, role, action, session_id, "
            "detail) SELECT happened_at + INTERVAL id SECOND, tenant_id, user_id, username, role, "
            "action, session_id, detail FROM audit WHERE user_id IN (%s, %s) LIMIT 1000", *past.users)
    queries = [{}, {"user_id": past.users[0]}, {"session_id": past.sessions[0]},
               {"from": NOON}, {"to": NOON + timedelta(seconds=3)}]

    def cost(query):
        stack.database.query("FLUSH STATUS")
        before = reads(stack)
        assert len(entries(stack, root, limit=5, **query)) in (3, 5)
        return reads(stack) - before

    for query in queries:
        assert min(cost(query) for _ in range(3)) < 200, query


def test_a_user_in_a_long_session(stack, root):
    """With many entries of others a page is short, and the next one goes on."""
    past = Past(stack, 8)
    user, session = past.users[1], past.sessions[0]
    many = " UNION ALL ".join(f"SELECT {n} AS n" for n in range(30))
    stack.database.query(
        "INSERT INTO audit (happened_at, tenant_id, user_id, username, role, action, session_id, detail) "
        f"SELECT %s + INTERVAL a.n * 900 + b.n * 30 + c.n SECOND, 't', %s, 'n', 'user', 'session_view', "
        f"%s, '' FROM ({many}) a, ({many}) b, ({many}) c",
        NOON + timedelta(hours=1), past.users[0], session)
    first = check(ask(stack, root, user_id=user, session_id=session), "audit")
    assert first["entries"] == []
    last = check(ask(stack, root, user_id=user, session_id=session, cursor=first["next_cursor"]), "audit")
    assert details(last["entries"]) == [5, 1] and last["next_cursor"] is None


def reads(stack):
    return sum(int(row["Value"]) for row in stack.database.query(
        "SHOW GLOBAL STATUS LIKE 'Handler_read%%'"))
