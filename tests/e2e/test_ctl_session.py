# SPDX-License-Identifier: MIT
"""vsayctl session."""
import pytest

from ctl import Operator
from stack import wait_for


@pytest.fixture
def operator(stack, directory):
    return Operator(stack, directory)


def signals(stack, session):
    return stack.database.query("SELECT * FROM signals WHERE session_id = %s", session)


def state(stack, session):
    return stack.database.query("SELECT state FROM sessions WHERE session_id = %s",
                                session)[0]["state"]


def test_list(stack, operator, tenant):
    user = tenant.user()
    here, there = tenant.machine(), tenant.machine(seen=3600)
    oldest = tenant.session(here, user, ago=300, source="vscode")
    offline = tenant.session(there, user, ago=200)
    newest = tenant.session(here, user, ago=100, state="closing")
    tenant.session(here, user, state="closed")
    listed = operator.table("session", "list", "--tenant", tenant.id)
    assert [(row["SESSION_ID"], row["STATE"]) for row in listed] == [
        (newest, "closing"), (offline, "offline"), (oldest, "active")]
    since = stack.database.query("SELECT started_at AS at FROM sessions WHERE session_id = %s",
                                 oldest)[0]["at"]
    assert listed[2] == {"SESSION_ID": oldest, "USER_ID": user.user_id, "AGENT_ID": here,
                         "SOURCE": "vscode", "STATE": "active",
                         "SINCE": since.strftime("%Y-%m-%dT%H:%M:%SZ"),
                         "USERNAME": user.username}
    [only] = operator.table("session", "list", "--agent-id", there)
    assert only["SESSION_ID"] == offline
    assert operator.table("session", "list", "--agent-id", there, "--tenant", "other") == []
    assert {newest, offline, oldest} <= {
        row["SESSION_ID"] for row in operator.table("session", "list")}


def test_list_all(operator, tenant):
    """Closed ones among the others, by their start; each filter, and no more than the limit."""
    user, other = tenant.user(), tenant.user()
    here, there = tenant.machine(), tenant.machine()
    sessions = [tenant.session(here, user, ago=400, state="closed"),
                tenant.session(there, other, ago=300),
                tenant.session(here, user, ago=200, state="closing"),
                tenant.session(there, user, ago=100, state="closed")][::-1]

    def listed(*arguments):
        return [row["SESSION_ID"] for row in operator.table(
            "session", "list", "--tenant", tenant.id, *arguments)]

    assert listed("--all") == sessions and listed() == sessions[1:3]
    assert listed("--all", "--limit", "3") == sessions[:3] and listed("--limit", "1") == sessions[1:2]
    assert listed("--all", "--machine", there) == [sessions[0], sessions[2]]
    assert listed("--all", "--user", other.user_id) == [sessions[2]]
    assert listed("--user", "nobody") == []


def test_list_agrees_with_the_api(stack, operator, tenant):
    user, admin = tenant.user(), tenant.user("company_admin")
    for seen in 0, 3600:
        agent = tenant.machine(seen=seen)
        for of in "active", "closing", "closed":
            tenant.session(agent, user, state=of)
    active = [row["SESSION_ID"] for row in operator.table("session", "list", "--tenant", tenant.id)
              if row["STATE"] == "active"]
    assert active == [session["session_id"] for session in
                      stack.get("/api/terminal/sessions", admin).json()["sessions"]]


def test_close(stack, operator, tenant):
    user = tenant.user()
    session = tenant.session(tenant.machine(), user)
    assert operator.do("session", "close", session, "--reason", "maintenance") == (
        f"{session}: its machine is told to end it\n")
    [signal] = signals(stack, session)
    assert state(stack, session) == "closing" and signal["requested_by"] == "vsayctl"
    assert signal["requested_by_username"] and signal["outcome"] is None
    assert signal["reason"] == "maintenance"
    for _ in range(2):
        assert operator.do("session", "close", session) == (
            f"{session}: its machine has been told to end it already\n")
    assert signals(stack, session) == [signal]
    stack.database.query("UPDATE sessions SET state = 'closed' WHERE session_id = %s", session)
    assert operator.do("session", "close", session) == f"{session}: it has ended already\n"
    assert signals(stack, session) == [signal] and state(stack, session) == "closed"


def test_close_on_a_machine_that_is_offline(stack, operator, tenant):
    session = tenant.session(tenant.machine(seen=3600), tenant.user())
    assert operator.do("session", "close", session) == (
        f"{session}: its machine is offline, and is told to end it when it comes back\n")
    assert state(stack, session) == "closing" and len(signals(stack, session)) == 1


def test_close_without_a_login(operator, tenant, stack):
    """Who has no terminal is named vsayctl."""
    session = tenant.session(tenant.machine(), tenant.user())
    assert operator.start("session", "close", session).wait() == 0
    assert signals(stack, session)[0]["requested_by_username"] == "vsayctl"


@pytest.mark.parametrize("outcome, status, says", [
    ("confirmed", 0, "it has ended"), ("vanished", 1, "has not confirmed its end: vanished")])
def test_close_and_wait(operator, tenant, stack, outcome, status, says):
    session = tenant.session(tenant.machine(), tenant.user())
    closing = operator.start("session", "close", session, "--wait")
    wait_for(lambda: state(stack, session) == "closing", what="the signal")
    assert not closing.ended()
    stack.database.query("UPDATE signals SET outcome = %s, due_at = NULL WHERE session_id = %s",
                         outcome, session)
    stack.database.query("UPDATE sessions SET state = 'closed', ended_at = UTC_TIMESTAMP(3) "
                         "WHERE session_id = %s", session)
    assert closing.wait(10) == status
    assert says in closing.log.read_text()


def test_close_and_wait_in_vain(operator, tenant):
    session = tenant.session(tenant.machine(), tenant.user())
    assert "has not ended within 1 s" in operator.fail("session", "close", session, "--wait",
                                                       "--timeout", "1s")


@pytest.mark.parametrize("arguments", [
    ["session"], ["session", "dance"], ["session", "list", "s"],
    ["session", "list", "--tenant", "ä"],
    ["session", "list", "--agent-id", ""], ["session", "list", "--limit", "0"],
    ["session", "list", "--limit", "10001"], ["session", "list", "--limit", "1x"],
    ["session", "list", "--user", "a b"], ["session", "list", "--all=yes"], ["session", "close"], ["session", "close", "a/b"],
    ["session", "close", "a", "b"], ["session", "close", "a", "--reason", "x" * 256],
    ["session", "close", "a", "--reason", "a\nb"]])
def test_refused(operator, arguments):
    operator.fail(*arguments, status=2)


def test_no_such_session(operator):
    assert "Session not found" in operator.fail("session", "close", "nothing")
