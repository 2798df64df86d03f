# SPDX-License-Identifier: MIT
"""The agent routes, as docs/agent-protocol.md says: answers, bad input, whose token may do what."""
import json
from datetime import datetime, timedelta

import pytest

from agent import Agent, entry
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
    return Agent(tenant, seen=None, owner=alice)


@pytest.fixture
def row(stack):
    """The only row of a table with that column's value."""
    def read(table, column, value):
        found, = stack.database.query(f"SELECT * FROM {table} WHERE {column} = %s", value)
        return found
    return read


@pytest.fixture
def commands(stack):
    def read(session):
        return stack.database.query("SELECT * FROM commands WHERE session_id = %s ORDER BY seq",
                                    session)
    return read


def now(stack):
    return stack.database.query("SELECT UTC_TIMESTAMP(3) AS now")[0]["now"]


def said(values):
    """A body of members that are given as JSON text (None: left out); so it can say anything.
    \\udc80 to \\udcff are single bytes."""
    return ("{" + ", ".join(f'"{name}": {text}' for name, text in values.items()
                            if text is not None) + "}").encode("utf-8", "surrogateescape")


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


@pytest.mark.parametrize("text, hundredths", [
    ("0", 0), ("-0.0", 0), ("0.004", 0), ("0.005", 1), ("33.335", 3334), ("99.999", 10000),
    ("100", 10000), ("1e1", 1000), ("100.0", 10000), ("0.1e-400", 0)])
def test_percentages(agent, row, text, hundredths):
    body = {"cpu_percent": text, "memory_percent": text, "disk_percent": text, "sessions": "[]"}
    assert agent.post("heartbeat", said(body)).status == 200
    machine = row("machines", "agent_id", agent.id)
    assert [machine[name] for name in ("cpu", "memory", "disk")] == [hundredths] * 3


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
    other = Agent(tenant)
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
    check_error(Agent(tenant, "never_heard_of", generation="x").post("activity", body), 401)
    check_error(stack.request("POST", "/api/agent/activity", tenant.user(), body=body), 403)


BAD_ENTRIES = {
    "session_id": ["null", '""', '"a b"', "1", '"' + "a" * 65 + '"', '"a\\u0000"', None],
    "seq": ["0", "-1", "1.5", '"1"', "null", "true", "9223372036854775808", "1e3", None],
    "command": ['""', "null", "1", '"a\\u0000b"', '"\udcff"', '"\udcc3("', '"\udced\udca0\udc80"',
                '"\udcf4\udc90\udc80\udc80"', "[]", None],
    "timestamp": ['""', "null", "1700000000", '"yesterday"', '"2026-02-06"',
                  '"2026-02-06T12:00:00"', '"2026-02-30T12:00:00Z"', '"2026-13-01T12:00:00Z"',
                  '"2026-02-06T24:00:00Z"', '"2026-02-06T12:60:00Z"', '"2026-02-06T12:00:61Z"',
                  '"2026-02-06T12:00:00.Z"', '"2026-02-06T12:00:00+24:00"',
                  '"2026-02-06T12:00:00+0100"', '"2026-02-06T12:00:00Zx"', '"1969-12-31T23:59:59Z"',
                  '"99999-01-01T00:00:00Z"', '"2026-02-06T12:00:00Z\\u0000"',
                  '"9999-12-31T23:59:59-23:59"', '"1970-01-01T00:00:00+00:01"', None],
    "success": ['"true"', "1", "0", "[]", "{}"],
}


@pytest.mark.parametrize("name", BAD_ENTRIES)
def test_bad_entries(agent, alice, commands, name):
    """Each is named by its index with a reason that names the member; its neighbours are stored."""
    session = agent.session(alice)
    good = {"session_id": f'"{session}"', "command": '"make"',
            "timestamp": '"2026-02-06T12:00:05Z"'}
    items = []
    for number, text in enumerate(BAD_ENTRIES[name]):
        items += [said({**good, "seq": str(2 * number + 1)}),
                  said({**good, "seq": str(2 * number + 2), name: text})]
    reply = agent.post("activity", b'{"activities": [' + b", ".join(items) + b"]}")
    body = check(reply, "accepted")
    assert [error["index"] for error in body["errors"]] == list(range(1, len(items), 2))
    assert all(name in error["error"] for error in body["errors"]), body
    assert body["accepted"] == len(items) // 2 == len(commands(session))


def test_entries_that_are_none(agent, alice):
    session = agent.session(alice)
    reply = agent.post("activity", {"activities": [1, None, "x", [], {}, entry(session)]})
    assert [error["index"] for error in check(reply, "accepted")["errors"]] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("text, stored", [
    ("2026-02-06T12:00:05.1239Z", datetime(2026, 2, 6, 12, 0, 5, 123000)),
    ("2026-02-06T12:00:05.9999999999999Z", datetime(2026, 2, 6, 12, 0, 5, 999000)),
    ("2026-02-06t12:00:05z", datetime(2026, 2, 6, 12, 0, 5)),
    ("2026-02-06 17:30:05+05:30", datetime(2026, 2, 6, 12, 0, 5)),
    ("2026-02-05T12:01:05-23:59", datetime(2026, 2, 6, 12, 0, 5)),
    ("2024-02-29T23:59:60Z", datetime(2024, 3, 1)),
    ("1970-01-01T00:00:00Z", datetime(1970, 1, 1)),
    ("2026-02-06T12:00:05-00:00", datetime(2026, 2, 6, 12, 0, 5))])
def test_times(agent, alice, commands, row, text, stored):
    session = agent.session(alice, started_at=text)
    assert agent.activity(entry(session, timestamp=text)).json()["accepted"] == 1
    agent.end(session, ended_at=text)
    assert commands(session)[0]["executed_at"] == stored
    ended = row("sessions", "session_id", session)
    assert ended["started_at"] == ended["ended_at"] == stored


@pytest.mark.parametrize("text", ["2999-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
def test_the_future_is_now(stack, agent, alice, commands, row, text):
    before = now(stack)
    session = agent.session(alice, started_at=text)
    assert agent.activity(entry(session, timestamp=text)).json()["accepted"] == 1
    agent.end(session, ended_at=text)
    ended = row("sessions", "session_id", session)
    times = [ended["started_at"], commands(session)[0]["executed_at"],
             row("machines", "agent_id", agent.id)["last_command_at"], ended["ended_at"]]
    assert before <= times[0] <= times[1] <= times[3] <= now(stack)
    assert times[2] >= times[0]


# --- bad input

HEARTBEAT = {"cpu_percent": "1", "memory_percent": "2", "disk_percent": "3", "sessions": "[]"}
OPENING = {"user_id": '"u1"', "username": '"n"', "source": '"cli"'}
ENDING = {"reason": '"exited"'}

PERCENTS = ["-0.0001", "-1", "100.01", "101", "1e999", "-1e999", "NaN", "Infinity", "-Infinity",
            '"5"', "null", "true", "[]", "{}", "5%", "0x10", "+5", "05", None]
IDENTS = ['""', '"a b"', '"a/b"', '"é"', '"' + "a" * 65 + '"', '"a\\u0000"', '"\udcff"', "1",
          "true", "[]", "{}"]
NUMBERS = ["0", "-1", "1.5", "1e3", '"1"', "true", "[]", "9223372036854775808",
           "99999999999999999999", "1e999"]
TEXTS = ['""', '"a\\u0000"', '"a\\u0000b"', '"a\\nb"', '"\\u001b[1m"', '"\\u007f"', '"\\u009b1m"',
         '"\udcff"', '"\udcc0\udcaf"', "1", "true", "[]", "{}"]
TIMES = [text for text in BAD_ENTRIES["timestamp"] if text not in (None, "null")]

BAD = {
    "heartbeat": (HEARTBEAT, {
        "cpu_percent": PERCENTS, "memory_percent": PERCENTS, "disk_percent": PERCENTS,
        "sessions": [*[f"[{ident}]" for ident in IDENTS], '"a"', "null", "{}", "[null]", '[["a"]]',
                     "[" + ", ".join(['"a"'] * 1001) + "]", None],
        "seq": NUMBERS, "dropped": [text for text in NUMBERS if text != "0"]}),
    "sessions": (OPENING, {
        "session_id": IDENTS, "user_id": [*IDENTS, "null", None],
        "username": [*TEXTS, '"' + "a" * 256 + '"', '"' + "é" * 128 + '"', "null", None],
        "source": ['"web"', '"UI"', '""', '"cli "', '"cli\\u0000"', "1", "null", None],
        "browser": [*TEXTS, '"' + "a" * 65 + '"'], "os": [*TEXTS, '"' + "a" * 65 + '"'],
        "started_at": TIMES, "seq": NUMBERS}),
    "sessions/sess_1/end": (ENDING, {
        "reason": [*TEXTS, '"' + "a" * 65 + '"', "null", None],
        "exit_code": ["-1", "256", "1.5", '"0"', "true", "99999999999999999999"],
        "ended_at": TIMES}),
    "activity": ({}, {"activities": ["null", "{}", '"a"', "1", None]}),
}


@pytest.mark.parametrize("path, name", [(path, name) for path, (_, members) in BAD.items()
                                        for name in members])
def test_bad_members(agent, path, name):
    """400, and the reason names the member (or says that it is no JSON)."""
    good, members = BAD[path]
    for text in members[name]:
        reply = agent.post(path, said({**good, name: text}))
        message = check_error(reply, 400)
        assert name in message or "JSON" in message, (text, message)


@pytest.mark.parametrize("path", BAD)
@pytest.mark.parametrize("body", [
    b"", b" ", b"null", b"[]", b"1", b'"x"', b"{", b"{}{}", b"{} x", b"\0", b"{}\0", b"{\0}",
    b"/* */ {}", b"{'a': 1}", b'{"a": 1,}', b'{"a" 1}', b'{"a": tru}', b"\xef\xbb\xbf{}",
    '{"a": 1}'.encode("utf-16"), b"[" * 20000, b'{"a":' * 20000, b"a=1&b=2", b"<a/>"])
def test_no_object(agent, path, body):
    check_error(agent.post(path, body), 400)


def test_a_body_that_breaks_off(stack, agent):
    body = said(HEARTBEAT)
    path = "/api/agent/heartbeat"
    assert stack.fcgi("POST", path, agent, body, CONTENT_LENGTH=len(body)).status == 200
    assert stack.fcgi("POST", path, agent, body).status == 200, "no length: to its end"
    for length in len(body) - 1, len(body) + 1:
        assert stack.fcgi("POST", path, agent, body, CONTENT_LENGTH=length).status == 400


def test_unknown_members_are_ignored(agent, alice, commands):
    more = {"x": None, "": [], "Sessions": 1, "constructor": {"a": [{}]}}
    assert agent.heartbeat(**more).status == 200
    session = agent.session(alice, **more)
    assert agent.activity({**entry(session), **more}).json() == {"accepted": 1, "errors": []}
    assert agent.post("activity", {"activities": [], **more}).status == 200
    assert agent.end(session, **more).status == 200


def test_members_given_twice_count_once(agent, row):
    reply = agent.post("heartbeat", said(HEARTBEAT)[:-1] + b', "cpu_percent": 9}')
    assert reply.status == 200
    assert row("machines", "agent_id", agent.id)["cpu"] == 900


@pytest.mark.parametrize("query", ["wait=56", "wait=-1", "wait=", "wait=x", "wait=1.5", "wait=+1",
                                   "wait=1s", "wait=99999999999999999999", "wait=1&wait=1",
                                   "wait=%00", "wait=%ff", "wait=000000000000001"])
def test_bad_waits(stack, agent, query):
    check_error(stack.get(f"/api/agent/signals?{query}", agent), 400)


@pytest.mark.parametrize("query", ["", "?wait=0", "?wait=00", "?x=1"])
def test_no_wait(stack, agent, query):
    reply = stack.get(f"/api/agent/signals{query}", agent)
    assert check(reply, "signals") == {"signals": []}


@pytest.mark.parametrize("id, status", [
    ("never", 404), ("a" * 64, 404), ("a" * 65, 400), ("a%20b", 400), ("%00", 400), ("%ff", 400),
    ("'", 400), ("..", 404)])
def test_ids_of_ends(agent, id, status):
    check_error(agent.end(id), status)


# --- whose token may do what

ROUTES = [("POST", "heartbeat", said(HEARTBEAT)), ("GET", "signals", None),
          ("GET", "signals?wait=5", None), ("POST", "sessions", said(OPENING)),
          ("POST", "sessions/sess_1/end", said(ENDING)), ("POST", "activity", b'{"activities": []}')]


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
        renewed = Agent(tenant, agent.id, generation=2)
        assert renewed.signals() == [session]
    else:
        assert stack.database.query("SELECT 1 FROM machines WHERE agent_id = %s", agent.id) == []


def test_sessions_of_other_machines(stack, agent, alice, tenant, row, commands):
    other = Agent(Tenant(stack))
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
