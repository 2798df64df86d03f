# SPDX-License-Identifier: MIT
"""GET /api/sessions/:id and what DELETE says: who may see it, what became of it, who waits."""
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pytest

from ctl import Operator
from machine import Machine, entry
from fleet import Tenant
from model import Model
from schemas import check, check_error
from stack import wait_for

pytestmark = [pytest.mark.core, pytest.mark.databases]


@pytest.fixture
def agent(tenant):
    return Machine(tenant)


def receipt(stack, session, by):
    reply = stack.get(f"/api/sessions/{session}", by)
    assert reply.status == 200, reply
    return check(reply, "receipt")


def termination(stack, session, by):
    return receipt(stack, session, by)["session"]["termination"]


def seconds_since(text):
    return (datetime.utcnow() - datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ")).total_seconds()


# --- who, and what


def test_who_may_see_it(stack, tenant):
    """As the model says: whoever may see the session, and 404 to others."""
    alice, bob, other = tenant.user(), tenant.user(), Tenant(stack)
    sessions = [tenant.session(tenant.machine(**columns), user, state=state)
                for columns in ({"owner": alice}, {"granted": alice}, {}, {"seen": None})
                for user in (alice, bob) for state in ("active", "closing", "closed")]
    people = [alice, bob, tenant.user(), tenant.user("company_admin"),
              other.user("company_admin"), other.user(user_id=alice.user_id),
              other.user("super_admin")]
    views = []
    for user in people:
        visible = {row["session_id"] for row in Model(stack.database, user).visible_sessions}
        views.append([session in visible for session in sessions])
        for session in sessions:
            reply = stack.get(f"/api/sessions/{session}", user)
            if session in visible:
                assert check(reply, "receipt")["session"]["session_id"] == session
            else:
                assert check_error(reply, 404) == "Session not found"
    assert len({tuple(view) for view in views}) == 4, "alice's, bob's, the admins' and nobody's"


def test_a_session_that_nobody_ended(stack, tenant, agent, admin):
    agent.heartbeat()
    session = agent.session(admin, browser="Chrome", os="macOS", source="ui",
                            started_at="2026-02-06T12:00:00.9Z")
    active = {
        "session_id": session, "agent_id": agent.id, "machine_name": f"Machine {agent.id}",
        "user_id": admin.user_id, "username": admin.username, "source": "ui", "status": "active",
        "started_at": "2026-02-06T12:00:00Z", "browser": "Chrome", "os": "macOS",
        "ended_at": None, "close_reason": None, "termination": None, "exit_code": None,
        "recorded": True, "not_recorded_reason": None, "source_address": None,
        "last_activity_at": None}
    assert receipt(stack, session, admin) == {"session": active, "logs": []}
    agent.end(session, "exited", exit_code=3, ended_at="2026-02-06T12:30:00.9Z")
    assert receipt(stack, session, admin)["session"] == {
        **active, "status": "closed", "ended_at": "2026-02-06T12:30:00Z",
        "close_reason": "exited", "exit_code": 3}


def test_a_session_that_is_not_recorded(stack, agent, admin):
    """At all, or from some time on. The first reason stays, whoever opens the session again."""
    def recorded(session):
        shown = receipt(stack, session, admin)["session"]
        return shown["recorded"], shown["not_recorded_reason"]

    assert recorded(agent.session(admin, not_recorded="fish é")) == (False, "fish é")
    session = agent.session(admin, not_recorded=None)
    assert recorded(session) == (True, None)
    for again in "", "x" * 256, 5, "a\x1bb":
        check_error(agent.open(admin, session_id=session, not_recorded=again), 400)
    other = Machine(agent.tenant)
    check_error(other.open(admin, session_id=session, not_recorded="forged"), 403)
    assert recorded(session) == (True, None)
    for again in "x" * 255, "late", None:
        assert agent.open(admin, session_id=session, not_recorded=again).status == 201
        assert recorded(session) == (False, "x" * 255)
    agent.end(session)
    assert agent.open(admin, session_id=session).status == 201
    assert recorded(session) == (False, "x" * 255)


def test_head(stack, agent, admin):
    session = agent.session(admin)
    get, head = (stack.request(method, f"/api/sessions/{session}", admin)
                 for method in ("GET", "HEAD"))
    assert (head.status, head.body) == (200, b"")
    assert head.headers["Content-Length"] == str(len(get.body))


@pytest.mark.parametrize("id, status", [
    ("never", 404), ("a" * 65, 400), ("a%20b", 400), ("%00", 400), ("%ff", 400), ("'", 400)])
def test_ids(stack, admin, id, status):
    check_error(stack.get(f"/api/sessions/{id}", admin), status)


def test_a_machine_that_is_gone(stack, agent, admin):
    session = agent.session(admin)
    stack.database.query("DELETE FROM machines WHERE agent_id = %s", agent.id)
    assert receipt(stack, session, admin)["session"]["machine_name"] == agent.id


def test_logs(stack, agent, admin):
    """The last hundred by seq, newest first, whatever their times and the order they came in."""
    session, other = agent.session(admin), agent.session(admin)
    agent.activity(entry(other, 1, "of another"))
    agent.activity(*[entry(session, seq, f"command {seq}", success=(True, False, None)[seq % 3],
                           timestamp=f"2026-02-06T12:{59 - seq % 60:02}:00.5Z")
                     for seq in (*range(150, 75, -1), *range(1, 76))])
    logs = receipt(stack, session, admin)["logs"]
    assert logs == [{"command": f"command {seq}",
                     "timestamp": f"2026-02-06T12:{59 - seq % 60:02}:00Z",
                     "success": (True, False, None)[seq % 3]} for seq in range(150, 50, -1)]


def _end(stack, agent, session):
    agent.end(session)


def _vanish(stack, agent, session):
    agent.heartbeat(sessions=[])


def _expire(stack, agent, session):
    stack.delete(session, agent.admin)
    stack.database.query("UPDATE signals SET due_at = UTC_TIMESTAMP(3) - INTERVAL 8 DAY "
                         "WHERE session_id = %s", session)
    stack.database.query("UPDATE machines SET last_heartbeat_at = UTC_TIMESTAMP(3) - INTERVAL 8 DAY "
                         "WHERE agent_id = %s", agent.id)
    wait_for(lambda: receipt(stack, session, agent.admin)["session"]["status"] == "closed", 90,
             what="the expiry")


def _lose(stack, agent, session):
    stack.database.query("UPDATE machines SET last_heartbeat_at = UTC_TIMESTAMP(3) - INTERVAL 9 DAY,"
                         "created_at = last_heartbeat_at WHERE agent_id = %s", agent.id)
    stack.database.query("UPDATE sessions SET started_at = UTC_TIMESTAMP(3) - INTERVAL 9 DAY "
                         "WHERE session_id = %s", session)
    Operator(stack, agent.directory).do("purge", "--older-than", "8d")


def _remove(stack, agent, session):
    Operator(stack, agent.directory).do("machine", "remove", agent.id)


@pytest.mark.parametrize("close", [
    _end, _vanish, _lose, _remove, pytest.param(_expire, marks=pytest.mark.heavy)])
def test_no_command_outlives_its_session(stack, agent, admin, directory, close):
    """However that is closed, null is for what still runs. A status that comes late counts."""
    agent.admin, agent.directory = admin, directory
    agent.heartbeat()
    session = agent.session(admin)

    def ran():
        return [log["success"] for log in receipt(stack, session, admin)["logs"]]

    now = datetime.utcnow().isoformat() + "Z"
    agent.activity(*(entry(session, seq, success=success, timestamp=now)
                     for seq, success in enumerate((None, True, None, False), 1)))
    assert ran() == [False, None, True, None]
    close(stack, agent, session)
    assert receipt(stack, session, admin)["session"]["status"] == "closed"
    assert ran() == [False, False, True, False]
    if close in (_end, _vanish):
        agent.activity(entry(session, 3, success=True), entry(session, 5))
        assert ran() == [False, False, True, True, False]


# --- outcomes


def test_confirmed(stack, tenant, agent, admin):
    session = agent.session(admin)
    assert stack.delete(session, admin).status == 200
    requested = termination(stack, session, admin)
    assert seconds_since(requested["requested_at"]) < 30
    assert requested == {"requested_by": admin.user_id, "requested_at": requested["requested_at"],
                         "delivered_at": None, "attempts": 0, "confirmed_at": None,
                         "outcome": None, "requested_by_username": admin.username, "reason": None}
    assert receipt(stack, session, admin)["session"]["status"] == "closing"
    assert agent.signals() == [session]
    delivered = termination(stack, session, admin)
    assert delivered == {**requested, "delivered_at": delivered["delivered_at"], "attempts": 1}
    assert seconds_since(delivered["delivered_at"]) < 30
    assert agent.terminate() == [session]
    assert termination(stack, session, admin) == {**delivered, "attempts": 2}
    agent.end(session, "terminated", exit_code=129)
    confirmed = termination(stack, session, admin)
    assert confirmed == {**delivered, "attempts": 2, "outcome": "confirmed",
                         "confirmed_at": confirmed["confirmed_at"]}
    assert seconds_since(confirmed["confirmed_at"]) < 30
    after = receipt(stack, session, admin)
    assert after["session"]["close_reason"] == "terminated"
    agent.end(session, "again")
    agent.heartbeat(sessions=[])
    assert stack.delete(session, tenant.user("company_admin")).status == 200
    assert agent.signals() == [] and receipt(stack, session, admin) == after


def test_vanished(stack, agent, admin):
    session = agent.session(admin)
    stack.delete(session, admin)
    assert agent.terminate(sessions=[]) == []
    gone = termination(stack, session, admin)
    assert (gone["outcome"], gone["confirmed_at"]) == ("vanished", None)
    assert receipt(stack, session, admin)["session"]["close_reason"] == "vanished"
    assert agent.end(session, "terminated").status == 200, "too late, and harmless"
    assert termination(stack, session, admin) == gone
    assert agent.signals() == []


def test_closing_what_is_closed_leaves_no_receipt(stack, agent, admin):
    session = agent.session(admin)
    agent.end(session)
    check(stack.delete(session, admin), "closed")
    assert termination(stack, session, admin) is None


def test_the_receipt_names_the_first_who_asked(stack, tenant, agent):
    alice, bob = tenant.user("company_admin"), tenant.user("company_admin")
    session = agent.session(alice)
    for user in bob, alice:
        assert stack.delete(session, user).status == 200
    assert termination(stack, session, alice)["requested_by"] == bob.user_id


# --- reasons


@pytest.mark.parametrize("query, says", [
    ("", ""), ("?reason=", ""), ("?reason=maintenance", ": maintenance"), ("?_=1", ""),
    ("?reason=a+b%20c", ": a b c"), ("?reason=%D0%BD%F0%9F%91%81%27%22%5C", ": н👁'\"\\"),
    ("?reason=" + "x" * 200, ": " + "x" * 200), ("?reason=%3Cb%3E%25s", ": <b>%s")])
def test_reasons(stack, agent, admin, query, says):
    session = agent.session(admin)
    assert stack.delete(f"{session}{query}", admin).status == 200
    signal, = check(agent.poll(), "signals")["signals"]
    assert signal["reason"] == f"ended by {admin.username}{says}"
    assert termination(stack, session, admin)["reason"] == (says.removeprefix(": ") or None)


@pytest.mark.parametrize("query", ["reason=" + "x" * 201, "reason=a&reason=b", "reason=%00",
                                   "reason=%ff", "reason=%", "reason=%ed%a0%80", "reason=%0a",
                                   "reason=%1b%5b31m", "reason=%7f", "reason=%c2%9b31m"])
def test_bad_reasons(stack, agent, admin, query):
    session = agent.session(admin)
    check_error(stack.delete(f"{session}?{query}", admin), 400)
    assert agent.signals() == []


def test_only_the_first_reason_counts(stack, agent, admin):
    session = agent.session(admin)
    for reason in "first", "second":
        stack.delete(f"{session}?reason={reason}", admin)
    signal, = agent.poll().json()["signals"]
    assert signal["reason"].endswith(": first")


# --- Prefer: wait=N


@pytest.fixture
def closing(stack, admin):
    """Starts a DELETE that prefers to wait; returns when it waits."""
    with ThreadPoolExecutor(16) as pool:
        def start(session, prefer="wait=20", by=admin, **options):
            future = pool.submit(stack.delete, session, by, headers={"Prefer": prefer}, **options)
            wait_for(lambda: future.done() or stack.database.query(
                "SELECT 1 FROM signals WHERE session_id = %s", session), what="the signal")
            return future
        yield start


WAITS = ["wait=1", "WAIT=1", "Wait=1", "wait=01", "wait=1;x=y", "wait=1 ; x", "wait = 1", "wait\t=1",
         "respond-async, wait=1", "wait=1, respond-async", " ,, wait=1 ,", "wait=1, wait=2",
         "handling=lenient;wait=5, wait=1"]


def test_spellings_that_wait(stack, agent, admin, closing):
    """Nobody confirms: 202 when the time is up."""
    start = time.monotonic()
    waiting = {prefer: closing(agent.session(admin), prefer) for prefer in WAITS}
    for prefer, future in waiting.items():
        reply = future.result()
        assert time.monotonic() - start > 1
        assert reply.status == 202 and reply.headers["Preference-Applied"] == "wait=1", prefer
        assert check(reply, "closing") == {"message": "Session closing"}


@pytest.mark.parametrize("prefer", [
    "", "wait", "wait=", "wait =", "wait 1", "wait 1=1", "wait=0", "wait=x", "wait=1x", "wait=1s",
    "wait=-1", "wait=1.5", "wait=+1", "await=1", "waits=1", "x;wait=1", '"wait=1"',
    "respond-async", "return=minimal", ",,,"])
def test_spellings_that_do_not(stack, agent, admin, closing, prefer):
    session = agent.session(admin)
    reply = closing(session, prefer).result()
    check(reply, "closed")
    assert reply.status == 200 and reply.headers["Preference-Applied"] is None


@pytest.mark.parametrize("prefer, applied", [
    ("wait=30", 30), ("wait=31", 30), ("wait=99999999999999999999", 30), ("wait=29", 29)])
def test_no_longer_than_30_seconds(stack, agent, admin, closing, prefer, applied):
    session = agent.session(admin)
    waiting = closing(session, prefer)
    agent.end(session, "terminated")
    reply = waiting.result()
    assert reply.status == 200 and reply.headers["Preference-Applied"] == f"wait={applied}"


def test_confirmed_in_time(stack, agent, admin, closing):
    """In the same worker or the other: of twenty, each worker gets some."""
    sessions = [agent.session(admin) for _ in range(12)]
    waiting = [closing(session) for session in sessions]
    assert sorted(agent.signals()) == sorted(sessions)
    assert not any(future.done() for future in waiting)
    for session in sessions:
        agent.end(session, "terminated")
    for future in waiting:
        check(future.result(), "closed")
        assert future.result().headers["Preference-Applied"] == "wait=20"


def test_vanished_in_time(stack, agent, admin, closing):
    session = agent.session(admin)
    waiting = closing(session)
    agent.heartbeat(sessions=[])
    assert waiting.result().status == 200


def test_several_wait_for_one(stack, agent, admin, closing):
    session = agent.session(admin)
    waiting = [closing(session) for _ in range(6)]
    agent.end(session, "terminated")
    assert {future.result().status for future in waiting} == {200}


def test_waiting_for_what_is_over(stack, agent, admin, closing):
    session = agent.session(admin)
    agent.end(session)
    reply = stack.delete(session, admin, headers={"Prefer": "wait=20"})
    assert reply.status == 200 and reply.headers["Preference-Applied"] == "wait=20"


def test_who_may_not_close_does_not_wait(stack, tenant, agent, admin):
    bob = tenant.user()
    tenant.grant(bob, agent.id)
    session = agent.session(admin)
    for by, status in (bob, 403), (tenant.user(), 404), (agent, 403), (None, 401):
        reply = stack.delete(session, by, headers={"Prefer": "wait=20"})
        check_error(reply, status)
        assert reply.headers["Preference-Applied"] is None
    assert agent.signals() == []
