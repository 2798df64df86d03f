# SPDX-License-Identifier: MIT
"""What agents may say, member by member, and what they may not."""
import pytest

from machine import LEAST, Machine, entry, said
from schemas import check, check_error

pytestmark = pytest.mark.core


@pytest.fixture
def alice(tenant):
    return tenant.user()


@pytest.fixture
def agent(tenant):
    return Machine(tenant)


@pytest.mark.parametrize("text, hundredths", [
    ("0", 0), ("-0.0", 0), ("0.004", 0), ("0.005", 1), ("33.335", 3334), ("99.999", 10000),
    ("100", 10000), ("1e1", 1000), ("100.0", 10000), ("0.1e-400", 0)])
def test_percentages(agent, row, text, hundredths):
    body = {"cpu_percent": text, "memory_percent": text, "disk_percent": text, "sessions": "[]"}
    assert agent.post("heartbeat", said(body)).status == 200
    machine = row("machines", "agent_id", agent.id)
    assert [machine[name] for name in ("cpu", "memory", "disk")] == [hundredths] * 3


# --- entries of activity

BAD_ENTRIES = {
    "session_id": ["null", '""', '"a b"', "1", '"' + "a" * 65 + '"', '"a\\u0000"', None],
    "seq": ["0", "-1", "1.5", '"1"', "null", "true", "9007199254740992", "1e3", None],
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
    "exit_code": ["-1", "256", "1.5", '"0"', "true", "[]", "99999999999999999999"],
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


# --- the members of a body

PERCENTS = ["-0.0001", "-1", "100.01", "101", "1e999", "-1e999", "NaN", "Infinity", "-Infinity",
            '"5"', "null", "true", "[]", "{}", "5%", "0x10", "+5", "05", None]
IDENTS = ['""', '"a b"', '"a/b"', '"é"', '"' + "a" * 65 + '"', '"a\\u0000"', '"\udcff"', "1",
          "true", "[]", "{}"]
USER_IDS = ['""', '"a b"', '"a\'b"', '"a`b"', '"a\\"b"', '"a\\\\b"', '"é"', '"' + "a" * 129 + '"',
            '"a\\u0000"', '"a\\u007f"', '"\udcff"', "1", "true", "[]", "{}"]
NUMBERS = ["0", "-1", "1.5", "1e3", '"1"', "true", "[]", "9007199254740992", "9223372036854775808",
           "99999999999999999999", "1e999"]
TEXTS = ['""', '"a\\u0000"', '"a\\u0000b"', '"a\\nb"', '"\\u001b[1m"', '"\\u007f"', '"\\u009b1m"',
         '"\udcff"', '"\udcc0\udcaf"', "1", "true", "[]", "{}"]
TIMES = [text for text in BAD_ENTRIES["timestamp"] if text not in (None, "null")]

BAD = {
    "heartbeat": {
        "cpu_percent": PERCENTS, "memory_percent": PERCENTS, "disk_percent": PERCENTS,
        "sessions": [*[f"[{ident}]" for ident in IDENTS], '"a"', "null", "{}", "[null]", '[["a"]]',
                     "[" + ", ".join(['"a"'] * 1001) + "]", None],
        "seq": NUMBERS, "dropped": [text for text in NUMBERS if text != "0"]},
    "sessions": {
        "session_id": IDENTS, "user_id": [*USER_IDS, "null", None],
        "username": [*TEXTS, '"' + "a" * 256 + '"', '"' + "é" * 128 + '"', "null", None],
        "source": ['"web"', '"UI"', '""', '"cli "', '"cli\\u0000"', "1", "null", None],
        "browser": [*TEXTS, '"' + "a" * 65 + '"'], "os": [*TEXTS, '"' + "a" * 65 + '"'],
        "started_at": TIMES, "seq": NUMBERS},
    "sessions/sess_1/end": {
        "reason": [*TEXTS, '"' + "a" * 65 + '"', "null", None],
        "exit_code": ["-1", "256", "1.5", '"0"', "true", "99999999999999999999"],
        "ended_at": TIMES},
    "activity": {"activities": ["null", "{}", '"a"', "1", None]},
}


@pytest.mark.parametrize("path, name", [(path, name) for path, members in BAD.items()
                                        for name in members])
def test_bad_members(agent, path, name):
    """400, and the reason names the member (or says that it is no JSON)."""
    for text in BAD[path][name]:
        reply = agent.post(path, said({**LEAST[path], name: text}))
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
    body = said(LEAST["heartbeat"])
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
    reply = agent.post("heartbeat", said(LEAST["heartbeat"])[:-1] + b', "cpu_percent": 9}')
    assert reply.status == 200
    assert row("machines", "agent_id", agent.id)["cpu"] == 900


@pytest.mark.parametrize("query", ["wait=56", "wait=-1", "wait=", "wait=x", "wait=1.5", "wait=+1",
                                   "wait=1s", "wait=99999999999999999999", "wait=1&wait=1",
                                   "wait=%00", "wait=%ff", "wait=000000000000001"])
def test_bad_waits(stack, agent, query):
    check_error(stack.get(f"/api/agent/signals?{query}", agent), 400)


@pytest.mark.parametrize("query", ["", "?wait=0", "?wait=00", "?_=1"])
def test_no_wait(stack, agent, query):
    reply = stack.get(f"/api/agent/signals{query}", agent)
    assert check(reply, "signals") == {"signals": []}


@pytest.mark.parametrize("id, status", [
    ("never", 404), ("a" * 64, 404), ("a" * 65, 400), ("a%20b", 400), ("%00", 400), ("%ff", 400),
    ("'", 400), ("..", 404)])
def test_ids_of_ends(agent, id, status):
    check_error(agent.end(id), status)
