# SPDX-License-Identifier: MIT
"""Who did what: the log's lines about requests and ends, and the audit."""
import contextlib
import re
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from cgi_program import CgiClient
from ctl import Operator
from fleet import Tenant
from machine import Machine
from stack import CTL, run, wait_for, write_conf

DAY = 86400


@pytest.fixture
def operator(stack, directory):
    return Operator(stack, directory)


def rows(stack, **columns):
    """What the audit has of somebody or something, oldest first."""
    where = " AND ".join(f"{name} = %s" for name in columns)
    return stack.database.query(f"SELECT * FROM audit WHERE {where} ORDER BY happened_at, id",
                                *columns.values())


def wait_for_rows(stack, count, **columns):
    wait_for(lambda: len(rows(stack, **columns)) >= count, what=f"{count} rows of {columns}")
    found = rows(stack, **columns)
    assert len(found) == count
    return found


def lines(stack, event, *parts):
    """The log's lines of that event which have all of the parts."""
    return [line for line in stack.log.read_text().splitlines()
            if f" event={event} " in line and all(part in line for part in parts)]


def wait_for_line(stack, event, *parts):
    line, = wait_for(lambda: lines(stack, event, *parts), what=f"{event} {parts}")
    return line


# --- the log


def test_an_end_and_its_outcome_are_logged(stack, tenant, admin):
    agent = Machine(tenant)
    confirmed, vanished, own = (agent.session(admin) for _ in range(3))
    other = Tenant(stack).user("super_admin")
    assert stack.delete(f"{confirmed}?reason=a%22b%20%E2%80%AE=c", other).status == 200
    line = wait_for_line(stack, "session_close", f"session={confirmed} ")
    assert " level=info " in line
    assert line.endswith(
        f" session={confirmed} machine={agent.id} tenant={tenant.id} user={other.user_id} "
        f'username="Name of {other.user_id}" user_tenant={other.tenant} reason="a\\"b \\u202e=c" '
        + line[-19:]) and re.fullmatch("id=[0-9a-f]{16}", line[-19:])
    assert stack.delete(confirmed, admin).status == stack.delete(vanished, admin).status == 200
    agent.end(confirmed, 'x="y"')
    agent.end(confirmed, "again")
    agent.end(own)
    line = wait_for_line(stack, "session_outcome", f"session={confirmed} ")
    assert line.endswith(f' session={confirmed} machine={agent.id} tenant={tenant.id} '
                         'reason="x=\\"y\\"" outcome=confirmed')
    agent.heartbeat(sessions=[])
    wait_for_line(stack, "session_outcome", f"session={vanished} ", " outcome=vanished")
    for session in confirmed, vanished:
        assert len(lines(stack, "session_close", f"session={session} ")) == 1
    assert not lines(stack, "session_outcome", f"session={own} ")


def test_requests_are_logged(new_stack):
    stack = new_stack(log={"requests": "yes", "level": "info"})
    tenant = Tenant(stack)
    admin, agent = tenant.user("company_admin"), Machine(tenant)
    session = agent.session(admin)
    assert stack.get("/api/dashboard/stats?_=1", admin).status == 200
    assert stack.get(f"/api/sessions/{session}", admin).status == 200
    assert stack.get("/api/dashboard/stats").status == 401
    assert stack.get("/nowhere%0A").status == 404
    assert stack.request("POST", "/api/dashboard/stats", admin).status == 405
    reply = stack.request("HEAD", "/health")
    assert agent.signals(wait=1) == []

    def line(*parts):
        found = wait_for_line(stack, "access", *parts)
        return re.fullmatch(r"\S+Z level=info program=vsay-api pid=\d+ event=access id=([0-9a-f]{16}) "
                            r'(method=\S+ route="\S*" status=\d+) duration_ms=(\d+) (user=.*)', found).groups()

    who = f"user={admin.user_id} tenant={tenant.id} role=company_admin"
    assert line(who, "dashboard")[1] == 'method=GET route="/api/dashboard/stats" status=200'
    assert line(who, "sessions")[1] == 'method=GET route="/api/sessions/:id" status=200'
    assert line("status=401")[3] == "user= tenant= role="
    assert line("status=404")[1] == 'method=GET route="" status=404'
    assert line("status=405")[1] == 'method=POST route="" status=405'
    assert line("method=HEAD")[:2] == (reply.headers["X-Request-Id"],
                                       'method=HEAD route="/health" status=200')
    polled = line("signals")
    assert int(polled[2]) >= 900 and polled[3].startswith(f"user={agent.id} ")


def test_requests_are_not_logged_by_default(stack):
    assert not lines(stack, "access")


# --- the audit


def test_looks_and_ends(stack, tenant, admin):
    """Each caller's look, though one query answers many."""
    alice, agent = tenant.user(), Machine(tenant)
    session = agent.session(alice)
    users = [admin, alice, Tenant(stack).user("super_admin")]
    before, = stack.database.query("SELECT UTC_TIMESTAMP(3) AS now")
    with ThreadPoolExecutor(30) as pool:
        replies = list(pool.map(lambda number: stack.get(f"/api/sessions/{session}",
                                                         users[number % 3]), range(60)))
    assert {reply.status for reply in replies} == {200}
    found = wait_for_rows(stack, 60, session_id=session)
    after, = stack.database.query("SELECT UTC_TIMESTAMP(3) AS now")
    assert {row["request_id"] for row in found} == {
        reply.headers["X-Request-Id"] for reply in replies}
    for user in users:
        own = [row for row in found if row["user_id"] == user.user_id]
        assert len(own) == 20
        assert {(row["tenant_id"], row["username"], row["role"], row["action"], row["detail"],
                 row["agent_id"], row["of_user_id"]) for row in own} == {
            (user.tenant, user.username, user.role, "session_view", "", None, None)}
    assert all(before["now"] <= row["happened_at"] <= after["now"] for row in found)

    for user, reason in (alice, "%D0%BD" * 33), (admin, "again"):
        assert stack.delete(f"{session}?reason={reason}", user).status == 200
    ended, = wait_for_rows(stack, 61, session_id=session)[60:]
    assert (ended["action"], ended["user_id"], ended["agent_id"], ended["detail"]) == (
        "session_end", alice.user_id, agent.id, "н" * 33)


def test_what_is_no_look(stack, tenant, admin):
    stranger, agent = Tenant(stack).user("company_admin"), Machine(tenant)
    session = agent.session(admin)
    assert stack.get(f"/api/sessions/{session}", stranger).status == 404
    assert stack.delete(session, stranger).status == 404
    assert stack.get(f"/api/sessions/{session}").status == 401
    assert stack.get(f"/api/sessions/{session}?no=1", admin).status == 400
    assert stack.get("/api/terminal/sessions", admin).status == 200
    assert stack.get(f"/api/sessions/{session}", admin).status == 200
    only, = wait_for_rows(stack, 1, session_id=session)
    assert only["user_id"] == admin.user_id


def test_a_look_by_cgi(stack, tenant, admin):
    session = Machine(tenant).session(admin)
    assert CgiClient(stack.conf).get(f"/api/sessions/{session}", admin).status == 200
    wait_for_rows(stack, 1, session_id=session)


def test_reads_do_not_depend_on_the_audit(new_stack):
    """It cannot be written for a while: reads and ends go on, and it is written later. What the worker
    could not write before it ended is in the log."""
    stack = new_stack(workers=1)
    tenant = Tenant(stack)
    admin, agent = tenant.user("company_admin"), Machine(tenant)
    first, second = agent.session(admin), agent.session(admin)
    revoked = "REVOKE INSERT ON vsay.audit FROM vsay@localhost"
    stack.database.query(revoked)
    assert stack.get(f"/api/sessions/{first}", admin).status == 200
    assert stack.delete(first, admin).status == 200
    wait_for_line(stack, "audit_down")
    looked = time.time()
    assert not rows(stack, session_id=first)
    stack.database.query("GRANT INSERT ON vsay.audit TO vsay@localhost")
    wait_for_line(stack, "audit_up")
    look, end = wait_for_rows(stack, 2, session_id=first)
    assert look["action"] == "session_view" and end["action"] == "session_end"
    now, = stack.database.query("SELECT UTC_TIMESTAMP(3) AS now")
    assert (now["now"] - look["happened_at"]).total_seconds() >= time.time() - looked - 1

    stack.database.query(revoked)
    assert stack.get(f"/api/sessions/{second}", admin).status == 200
    stack.pool.stop()
    wait_for_line(stack, "audit_lost", " level=error ", " action=session_view ",
                  f" user={admin.user_id} ", f" tenant={tenant.id} ", f" session={second} ")


def test_a_worker_that_is_stopped_while_the_database_hangs(new_stack):
    """As during a backup: it ends in time, and the log has what the database did not take."""
    stack = new_stack(workers=1, api={"shutdown_after": "2s"})
    tenant = Tenant(stack)
    admin = tenant.user("company_admin")
    sessions = [Machine(tenant).session(admin) for _ in range(3)]
    with contextlib.closing(stack.database.connect()) as backup, backup.cursor() as cursor:
        cursor.execute("FLUSH TABLES WITH READ LOCK")
        for session in sessions:
            assert stack.get(f"/api/sessions/{session}", admin).status == 200
        stack.pool.stop()
        for session in sessions:
            wait_for_line(stack, "audit_lost", " action=session_view ", f" session={session} ")


# --- vsayctl


def test_what_vsayctl_does(stack, operator, tenant):
    agent, alice = f"audited-{tenant.id}", tenant.user()
    name = alice.user_id
    operator.do("machine", "add", agent, "--tenant", tenant.id, "--owner", name)
    operator.do("grant", "--user-id", name, "--agent-id", agent)
    operator.do("grant", "--user-id", name, "--agent-id", agent)
    operator.do("revoke", "--user-id", name, "--agent-id", agent)
    operator.do("revoke", "--user-id", name, "--agent-id", agent)
    operator.do("machine", "rotate", agent)
    session = tenant.session(agent, alice)
    operator.do("session", "close", session, "--reason", "maintenance")
    operator.do("session", "close", session)
    operator.do("machine", "remove", agent)
    found = rows(stack, agent_id=agent)
    assert [(row["action"], row["of_user_id"], row["session_id"], row["detail"]) for row in found] == [
        ("machine_add", name, None, tenant.id), ("grant", name, None, "granted"),
        ("revoke", name, None, ""), ("machine_rotate", None, None, ""),
        ("session_end", None, session, "maintenance"), ("machine_remove", None, None, "")]
    assert {(row["user_id"], row["tenant_id"], row["role"], row["request_id"]) for row in found} == {
        ("vsayctl", "", "", None)}


def test_tokens(stack, operator, tenant, directory):
    name = tenant.user().user_id
    operator.do("token", "--user-id", name, "--role", "company_admin", "--tenant", tenant.id,
                "--ttl", "90s")
    only, = rows(stack, of_user_id=name)
    assert (only["action"], only["detail"]) == ("token", f"company_admin in {tenant.id} for 90 s")
    away = write_conf(directory / "away.conf", {**stack.settings, "db": {"host": "/nowhere.sock"}})
    made = run(CTL, "--config", away, "token", "--user-id", name)
    assert made.returncode == 0 and made.stdout.count(".") == 2
    assert made.stderr.startswith("vsayctl: this token is not in the audit: ")


def test_purge(new_stack, directory):
    stack = new_stack()
    operator = Operator(stack, directory)
    for days in 1, 89, 91, 364, 366, 1000:
        stack.database.query(
            "INSERT INTO audit (happened_at, tenant_id, user_id, username, role, action, detail) "
            "VALUES (UTC_TIMESTAMP(3) - INTERVAL %s DAY, 't', 'u', 'u', 'user', 'login', %s)", days, days)

    def left():
        return [int(row["detail"]) for row in stack.database.query("SELECT detail FROM audit ORDER BY id")]

    assert operator.do("purge", "--older-than", "1d").endswith(", audit: 2\n")
    assert left() == [1, 89, 91, 364]
    assert operator.do("purge", "--older-than", "500d", "--audit-older-than", "90d").endswith(
        ", audit: 2\n")
    assert left() == [1, 89]
    for age in "0d", "x", "36501d":
        operator.fail("purge", "--older-than", "1d", "--audit-older-than", age, status=2)
