# SPDX-License-Identifier: MIT
"""The agent routes, as docs/agent-protocol.md says: answers, and whose token may do what."""
import json
from datetime import datetime, timedelta

import pytest

from machine import LEAST, Machine, entry, said
from fleet import Tenant
from schemas import READS, check, check_error
from tokens import claims

pytestmark = [pytest.mark.core, pytest.mark.databases]

ACTIVITY = "/api/dashboard/recent-activity"


@pytest.fixture
def alice(tenant):
    return tenant.user()


@pytest.fixture
def agent(tenant, alice):
    return Machine(tenant, seen=None, owner=alice)


def now(stack):
    return stack.database.query("SELECT UTC_TIMESTAMP(3) AS now")[0]["now"]


# --- heartbeats


def test_heartbeat(stack, agent, alice, row):
    reply = agent.heartbeat(dropped=7)
    assert reply.status == 200
    assert check(reply, "heartbeat") == {"terminate": [], "interval": 30}
    machine = row("machines", "agent_id", agent.id)
    assert [machine[name] for name in ("cpu", "memory", "disk", "report_seq",
                                       "dropped_commands")] == [1250, 6020, 4800, agent.seq, 7]
    shown, = stack.get("/api/dashboard/recent-machines", alice).json()["machines"]
    assert (shown["status"], shown["cpu_percent"], shown["memory_percent"]) == ("online", 12.5,
                                                                                60.2)


def test_sessions_that_end_and_begin(agent, alice, row):
    kept, lost = agent.session(alice), agent.session(alice)
    agent.held.remove(lost)
    assert agent.terminate() == []
    assert row("sessions", "session_id", kept)["state"] == "active"
    gone = row("sessions", "session_id", lost)
    assert (gone["state"], gone["close_reason"]) == ("closed", "vanished")
    assert gone["ended_at"] >= gone["started_at"]


def test_a_closed_session_is_named_for_ever(agent, alice):
    session = agent.session(alice)
    agent.terminate(sessions=[])
    for _ in range(3):
        assert agent.terminate(sessions=[session, session]) in ([session], [session, session])
    assert agent.terminate(sessions=[]) == []


def test_a_thousand_sessions(stack, agent, alice):
    held = [f"{agent.id}.{'x' * 40}.{number}" for number in range(1000)]
    assert agent.terminate(sessions=held) == []
    check_error(agent.heartbeat(sessions=held + ["one_more"]), 400)


def test_sessions_of_others_are_nobodys_business(agent, alice, tenant, row):
    """Neither listed nor ended by a machine that claims to hold them."""
    other = Machine(tenant)
    session = other.session(alice)
    stack = tenant.stack
    assert stack.delete(session, alice).status == 200
    assert agent.terminate(sessions=[session, "never_heard_of"]) == []
    assert other.terminate() == [session]
    other.end(session)
    assert agent.terminate(sessions=[session]) == []


def test_figures_of_an_overtaken_heartbeat_are_left_out(agent, row):
    agent.heartbeat(seq=1000, cpu_percent=10, dropped=5)
    assert agent.heartbeat(seq=999, cpu_percent=99, dropped=4).status == 200
    machine = row("machines", "agent_id", agent.id)
    assert (machine["cpu"], machine["report_seq"], machine["dropped_commands"]) == (1000, 1000, 5)
    agent.heartbeat(seq=None, cpu_percent=20)
    agent.heartbeat(seq=1000, cpu_percent=30)
    machine = row("machines", "agent_id", agent.id)
    assert (machine["cpu"], machine["report_seq"]) == (3000, 1000)


# --- sessions


def test_opening(stack, agent, alice):
    reply = agent.open(alice, session_id=f"{agent.id}.1", source="vscode", browser="Chrome",
                       os="macOS", started_at="2026-02-06T12:00:00Z")
    assert reply.status == 201
    assert check(reply, "opened") == {"session_id": f"{agent.id}.1", "status": "active"}
    agent.heartbeat(sessions=[f"{agent.id}.1"])
    shown, = check(stack.get("/api/terminal/sessions", alice), "sessions")["sessions"]
    assert shown == {
        "session_id": f"{agent.id}.1", "agent_id": agent.id, "machine_name": f"Machine {agent.id}",
        "user_id": alice.user_id, "username": alice.username, "source": "vscode",
        "status": "active", "started_at": "2026-02-06T12:00:00Z", "browser": "Chrome",
        "os": "macOS"}


def test_opening_with_the_least(stack, agent, alice, row):
    reply = agent.post("sessions", {"user_id": "u", "username": "n", "source": "ui"})
    assert reply.status == 201
    session = row("sessions", "session_id", check(reply, "opened")["session_id"])
    assert (session["tenant_id"], session["browser"], session["os"]) == (alice.tenant, None, None)
    assert abs(session["started_at"] - now(stack)) < timedelta(seconds=10)
    again = agent.post("sessions", {"user_id": "u", "username": "n", "source": "ui"})
    assert again.json()["session_id"] != session["session_id"]


def test_opening_again_changes_nothing(stack, agent, alice, row):
    session = agent.session(alice, session_id=f"{agent.id}.1")
    before = row("sessions", "session_id", session)
    for state in "active", "closing", "closed":
        reply = agent.open(alice, session_id=session, username="other", source="ui")
        assert reply.status == 201
        assert check(reply, "opened") == {"session_id": session, "status": state}
        assert {**row("sessions", "session_id", session), "state": "active", "ended_at": None,
                "close_reason": None} == before
        if state == "active":
            stack.delete(session, alice)
        if state == "closing":
            agent.end(session)


def test_ending(stack, agent, alice, row):
    session = agent.session(alice, started_at="2026-02-06T12:00:00Z")
    reply = agent.end(session, "hangup", exit_code=130, ended_at="2026-02-06T12:30:00.250Z")
    assert check(reply, "ended") == {"message": "Session ended"}
    ended = row("sessions", "session_id", session)
    assert (ended["state"], ended["close_reason"], ended["exit_code"]) == ("closed", "hangup", 130)
    assert ended["ended_at"] == datetime(2026, 2, 6, 12, 30, 0, 250000)
    for _ in range(2):
        assert agent.end(session, "other", exit_code=1).status == 200
    assert row("sessions", "session_id", session) == ended


def test_a_session_ends_after_it_began(agent, alice, row):
    session = agent.session(alice, started_at="2026-02-06T12:00:00Z")
    agent.end(session, ended_at="2026-02-06T11:59:59Z")
    assert row("sessions", "session_id", session)["ended_at"] == datetime(2026, 2, 6, 12)


def test_ending_with_the_least(stack, agent, alice, row):
    session = agent.session(alice)
    assert agent.end(session, "r" * 64, exit_code=None, ended_at=None).status == 200
    ended = row("sessions", "session_id", session)
    assert ended["exit_code"] is None
    assert abs(ended["ended_at"] - now(stack)) < timedelta(seconds=10)


@pytest.mark.parametrize("confirmed, outcome", [(None, "confirmed"), (True, "confirmed"),
                                                (False, "vanished")])
def test_an_end_that_is_no_confirmation(stack, agent, admin, row, confirmed, outcome):
    """The agent could not see whether all of the session is gone."""
    session = agent.session(admin)
    assert stack.delete(session, admin).status == 200
    assert agent.end(session, "lost", confirmed=confirmed).status == 200
    signal = row("signals", "session_id", session)
    assert signal["outcome"] == outcome and signal["due_at"] is None
    assert (signal["confirmed_at"] is not None) == (outcome == "confirmed")
    assert row("sessions", "session_id", session)["close_reason"] == "lost"
    assert agent.end(session, "killed").status == 200, "and changes nothing"
    assert row("signals", "session_id", session)["outcome"] == outcome


def test_confirmed_is_a_boolean(agent, admin):
    session = agent.session(admin)
    assert agent.end(session, "lost", confirmed="no").status == 400


# --- polls


@pytest.mark.parametrize("wait, status", [
    ("0", 200), ("00", 200), ("", 400), ("x", 400), ("1x", 400), ("-1", 400), ("+1", 400),
    ("56", 400), ("99999999999999999999", 400), ("0.5", 400)])
def test_how_long_a_poll_waits(stack, agent, wait, status):
    reply = stack.get(f"/api/agent/signals?wait={wait.replace('+', '%2b')}", agent)
    assert reply.status == status
    assert status == 400 or check(reply, "signals") == {"signals": []}


# --- activity


def test_activity(stack, agent, alice, commands):
    session = agent.session(alice)
    reply = agent.activity(entry(session, 1, "make", success=True),
                           entry(session, 2, "tab\tand\nline; наблюдение 👁", success=False),
                           entry(session, 3, "sleep 1"), entry(session, 4, "x", success=None))
    assert check(reply, "accepted") == {"accepted": 4, "errors": []}
    assert [row["success"] for row in commands(session)] == [1, 0, None, None]
    shown = check(stack.get(ACTIVITY, alice), "activities")["activities"]
    assert [row["command"] for row in shown][:2] == ["x", "sleep 1"]
    assert shown[2]["command"] == "tab\tand\nline; наблюдение 👁"
    assert {(row["agent_id"], row["username"], row["source"], row["timestamp"])
            for row in shown} == {(agent.id, alice.username, "cli", "2026-02-06T12:00:05Z")}


def test_activity_again(agent, alice, commands):
    """Once each; a success comes in later and is never taken back."""
    session = agent.session(alice)
    for success, kept in (None, None), (True, 1), (False, 1), (None, 1):
        assert agent.activity(entry(session, success=success)).json()["accepted"] == 1
        assert [row["success"] for row in commands(session)] == [kept]
    agent.activity(entry(session, command="another"))
    assert [row["command"] for row in commands(session)] == ["make"]
    agent.activity(*[entry(session, 2, success=success) for success in (None, False, True)])
    assert [row["success"] for row in commands(session)] == [1, 0]


def test_exit_codes(stack, agent, alice):
    """They come with the success, or never, from an older agent; and only in the newer lists."""
    session = agent.session(alice)
    agent.activity(*(entry(session, seq) for seq in range(1, 6)))
    agent.activity(entry(session, 1, success=True, exit_code=0),
                   entry(session, 2, success=False, exit_code=255), entry(session, 3, success=True),
                   entry(session, 4, success=False, exit_code=None))
    agent.activity(*(entry(session, seq, success=True, exit_code=7) for seq in (1, 2)))
    path = f"/api/sessions/{session}/activity"
    assert [(row["success"], row["exit_code"]) for row in stack.get(path, alice).json()["activities"]] == [
        (None, None), (False, None), (True, None), (False, 255), (True, 0)]
    csv = stack.get(path, alice, headers={"Accept": "text/csv"}).body.decode().splitlines()
    assert csv[0].endswith(",success,exit_code") and csv[4].endswith(",false,255")
    for older in f"/api/sessions/{session}", ACTIVITY:
        rows = stack.get(older, alice).json()
        assert all("exit_code" not in row for row in rows.get("logs", rows.get("activities")))


def test_no_activity(agent):
    assert check(agent.activity(), "accepted") == {"accepted": 0, "errors": []}


def test_activity_after_the_end(agent, alice, commands):
    """What was spooled comes late."""
    session = agent.session(alice)
    agent.end(session)
    assert agent.activity(entry(session)).json()["accepted"] == 1
    assert len(commands(session)) == 1


def test_500_entries_and_501(agent, alice, commands):
    session = agent.session(alice)
    check_error(agent.activity(*[entry(session, seq) for seq in range(1, 502)]), 400)
    assert commands(session) == []
    assert agent.activity(*[entry(session, seq) for seq in range(1, 501)]).json() == {
        "accepted": 500, "errors": []}
    assert len(commands(session)) == 500


def test_long_commands(agent, alice, commands):
    session = agent.session(alice)
    reply = agent.activity(entry(session, 1, "é" * 32767 + "x"), entry(session, 2, "x" * 65536),
                           entry(session, 3, "x" * 1048576), entry(session, 4))
    assert check(reply, "accepted")["accepted"] == 2
    assert [error["index"] for error in reply.json()["errors"]] == [1, 2]
    assert [(row["seq"], len(row["command"])) for row in commands(session)] == [(1, 32768), (4, 4)]


@pytest.mark.parametrize("wrong, says", [
    ({"command": ""}, "command"), ({"command": 7}, "command"), ({"command": None}, "command"),
    ({"command": "a\0b"}, "command"), ({"command": "x" * 65537}, "command"),
    ({"success": 1}, "success"), ({"success": "true"}, "success"), ({"seq": -1}, "seq"),
    ({"seq": 1.5}, "seq"), ({"seq": "1"}, "seq"), ({"seq": None}, "seq"),
    ({"timestamp": "yesterday"}, "timestamp"), ({"timestamp": None}, "timestamp"),
    ({"session_id": "a b"}, "session_id"), ({"session_id": None}, "session_id"), ([], "object"),
    (7, "object"), (None, "object")], ids=lambda value: str(value)[:30].replace("\0", "0"))
def test_a_wrong_entry_among_others(agent, alice, commands, wrong, says):
    session = agent.session(alice)
    wrong = {**entry(session, 5), **wrong} if isinstance(wrong, dict) else wrong
    reply = check(agent.activity(entry(session, 1), wrong, entry(session, 2)), "accepted")
    assert reply["accepted"] == 2
    [error] = reply["errors"]
    assert error["index"] == 1 and says in error["error"]
    assert [row["seq"] for row in commands(session)] == [1, 2]


def test_many_long_commands(agent, alice, commands):
    """More than one statement's worth in one request."""
    session = agent.session(alice)
    reply = agent.activity(*[entry(session, seq, "'\\\"%" * 16000) for seq in range(1, 41)])
    assert reply.json() == {"accepted": 40, "errors": []}
    assert {row["command"] for row in commands(session)} == {"'\\\"%" * 16000}


def test_too_much_activity(stack, agent, alice, commands):
    session = agent.session(alice)
    body = {"activities": [entry(session, seq, "x" * 65000) for seq in range(1, 70)]}
    assert len(json.dumps(body)) > 4 * 1024 * 1024
    check_error(agent.post("activity", body), 413)
    assert commands(session) == []
    for size in 4 * 1024 * 1024 + 1, 6 * 1024 * 1024:
        check_error(agent.post("activity", b" " * size), 413)
    check_error(agent.post("heartbeat", b" " * (128 * 1024 + 1)), 413)


def test_an_early_answer_to_a_large_body(stack, tenant):
    """Read to its end, or the reply would be lost: an agent with a void token must learn of it."""
    body = b" " * 5000000
    check_error(Machine(tenant, "never_heard_of", generation="x").post("activity", body), 401)
    check_error(stack.request("POST", "/api/agent/activity", tenant.user(), body=body), 403)


@pytest.mark.parametrize("text, stored", [
    ("2026-02-06T12:00:05.1239Z", datetime(2026, 2, 6, 12, 0, 5, 123000)),
    ("2026-02-06T12:00:05.9999999999999Z", datetime(2026, 2, 6, 12, 0, 5, 999000)),
    ("2026-02-06t12:00:05z", datetime(2026, 2, 6, 12, 0, 5)),
    ("2026-02-06 17:30:05+05:30", datetime(2026, 2, 6, 12, 0, 5)),
    ("2026-02-05T12:01:05-23:59", datetime(2026, 2, 6, 12, 0, 5)),
    ("2024-02-29T23:59:60Z", datetime(2024, 3, 1)),
    ("2020-01-01T00:00:01Z", datetime(2020, 1, 1, 0, 0, 1)),
    ("2026-02-06T12:00:05-00:00", datetime(2026, 2, 6, 12, 0, 5))])
def test_times(agent, alice, commands, row, text, stored):
    session = agent.session(alice, started_at=text)
    assert agent.activity(entry(session, timestamp=text)).json()["accepted"] == 1
    agent.end(session, ended_at=text)
    assert commands(session)[0]["executed_at"] == stored
    ended = row("sessions", "session_id", session)
    assert ended["started_at"] == ended["ended_at"] == stored


@pytest.mark.parametrize("text", ["2999-01-01T00:00:00Z", "9999-12-31T23:59:59Z",
                                  "1970-01-01T00:00:00Z", "2019-12-31T23:59:59.999Z"])
def test_the_future_is_now_as_is_what_an_unset_clock_says(stack, agent, alice, commands, row, text):
    before = now(stack)
    session = agent.session(alice, started_at=text)
    assert agent.activity(entry(session, timestamp=text)).json()["accepted"] == 1
    agent.end(session, ended_at=text)
    ended = row("sessions", "session_id", session)
    times = [ended["started_at"], commands(session)[0]["executed_at"],
             row("machines", "agent_id", agent.id)["last_command_at"], ended["ended_at"]]
    assert before <= times[0] <= times[1] <= times[3] <= now(stack)
    assert times[2] >= times[0]


# --- whose token may do what

ROUTES = [("POST", "heartbeat", said(LEAST["heartbeat"])), ("GET", "signals", None),
          ("GET", "signals?wait=5", None), ("POST", "sessions", said(LEAST["sessions"])),
          ("POST", "sessions/sess_1/end", said(LEAST["sessions/sess_1/end"])), ("POST", "activity", b'{"activities": []}')]


def ask_all(stack, by=None, token=None):
    return [stack.request(method, f"/api/agent/{path}", by, token, body=body)
            for method, path, body in ROUTES]


@pytest.mark.parametrize("role", ["user", "company_admin", "super_admin"])
def test_people_are_no_agents(stack, tenant, role):
    for reply in ask_all(stack, tenant.user(role)):
        check_error(reply, 403)


def test_agents_are_no_people(stack, agent, alice):
    session = agent.session(alice)
    for path in [*READS, f"/api/sessions/{session}"]:
        check_error(stack.get(path, agent), 403)
    check_error(stack.delete(session, agent), 403)


def test_without_a_token(stack):
    for reply in ask_all(stack):
        check_error(reply, 401)


@pytest.mark.parametrize("change", [
    {"agent_id": None}, {"agent_id": ""}, {"agent_id": "a b"}, {"agent_id": 1},
    {"agent_id": "never_heard_of"}, {"generation": None}, {"generation": "1"}, {"generation": 0},
    {"generation": 2}, {"generation": -1}, {"generation": 1.0}, {"generation": 4294967297},
    {"exp": 1}])
def test_tokens_that_are_no_agents(stack, agent, change):
    good = {"role": "agent", "agent_id": agent.id, "generation": 1}
    for reply in ask_all(stack, token=stack.keys.sign(claims(None, **{**good, **change}))):
        check_error(reply, 401)


@pytest.mark.parametrize("statement", [
    "UPDATE machines SET token_generation = 2 WHERE agent_id = %s",
    "DELETE FROM machines WHERE agent_id = %s"], ids=["rotated", "removed"])
def test_void_tokens(stack, tenant, agent, alice, row, statement):
    """Good a moment ago, and cached as such: now 401 everywhere, and nothing is touched."""
    session = agent.session(alice)
    agent.terminate()
    assert stack.delete(session, alice).status == 200
    stack.database.query(statement, agent.id)
    for reply in ask_all(stack, agent):
        check_error(reply, 401)
        assert 'error="invalid_token"' in reply.headers["WWW-Authenticate"]
    for reply in agent.end(session), agent.activity(entry(session)), agent.heartbeat(sessions=[]):
        check_error(reply, 401)
    assert row("sessions", "session_id", session)["state"] == "closing"
    assert row("signals", "session_id", session)["attempts"] == 0
    assert stack.database.query("SELECT 1 FROM commands WHERE session_id = %s", session) == []
    if "UPDATE" in statement:
        renewed = Machine(tenant, agent.id, generation=2)
        assert renewed.signals() == [session]
    else:
        assert stack.database.query("SELECT 1 FROM machines WHERE agent_id = %s", agent.id) == []


def test_sessions_of_other_machines(stack, agent, alice, tenant, row, commands):
    other = Machine(Tenant(stack))
    session, own = agent.session(alice), other.session(alice)
    before = row("sessions", "session_id", session)
    check_error(other.open(alice, session_id=session), 403)
    check_error(other.end(session), 403)
    reply = other.activity(entry(session), entry(own), entry("never_heard_of"))
    assert check(reply, "accepted") == {"accepted": 1, "errors": [
        {"index": 0, "error": "The session is another machine's"},
        {"index": 2, "error": "No such session"}]}
    other.heartbeat(sessions=[])
    assert row("sessions", "session_id", session) == before and commands(session) == []
    agent.end(session)
    check_error(other.end(session), 403)
    check_error(other.open(alice, session_id=session), 403)


def test_preflight_for_agents(stack):
    for method, path, _ in ROUTES:
        reply = stack.request("OPTIONS", f"/api/agent/{path}", headers={
            "Origin": "https://console.example.com", "Access-Control-Request-Method": method})
        assert reply.status == 204
        assert reply.headers["Access-Control-Allow-Methods"] == method
