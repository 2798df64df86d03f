# SPDX-License-Identifier: MIT
"""What vsayctl prints: JSON, tables as wide as the terminal, nothing that harms one; and its help."""
import fcntl
import json
import os
import pty
import struct
import subprocess
import termios

import pytest

from ctl import Operator, read_terminal
from fleet import unique
from stack import CTL, ENV

HARM = "\x1b[31mred\x07\u202e\x7f\u009b"


@pytest.fixture
def operator(stack, directory):
    return Operator(stack, directory)


def as_json(operator, *arguments):
    out = operator.do(*arguments, "--json")
    assert not any(ord(c) < 32 and c != "\n" or 0x7e < ord(c) < 0xa0 for c in out), "no controls"
    return json.loads(out)


def on_a_terminal(operator, columns, *arguments):
    """What a terminal of that width is sent, as lines."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    with subprocess.Popen([CTL, "--config", str(operator.stack.conf), *arguments],
                          env={**ENV, **operator.env}, stdin=subprocess.DEVNULL, stdout=theirs,
                          stderr=subprocess.PIPE) as process:
        os.close(theirs)
        shown = read_terminal(ours)
        assert process.wait() == 0, process.stderr.read()
    return shown.replace("\r\n", "\n").splitlines()


def name_machine(stack, agent, name):
    stack.database.query("UPDATE machines SET name = %s WHERE agent_id = %s", name, agent)


def test_lists_as_json(stack, operator, tenant):
    user = tenant.user()
    agent = tenant.machine(cpu=12.5)
    session = tenant.session(agent, user)
    never = unique("never")
    operator.do("machine", "add", never, "--tenant", tenant.id)
    [heard, unheard] = sorted(as_json(operator, "machine", "list", "--tenant", tenant.id)["machines"],
                              key=lambda row: row["agent_id"] == never)
    assert heard["agent_id"] == agent and heard["state"] == "online" and heard["open_sessions"] == 1
    assert isinstance(heard["cpu_percent"], float) and isinstance(heard["open_sessions"], int | float)
    assert unheard["last_heartbeat"] is None and unheard["state"] == "offline"
    [row] = as_json(operator, "session", "list", "--tenant", tenant.id)["sessions"]
    assert (row["session_id"], row["user_id"], row["username"], row["state"]) == (
        session, user.user_id, user.username, "active")
    assert as_json(operator, "session", "list", "--tenant", "nobody") == {"sessions": []}


def test_results_as_json(operator, directory):
    agent, path = unique("json"), directory / "t"
    added = as_json(operator, "machine", "add", agent)
    assert added["agent_id"] == agent and added["token"].count(".") == 2
    assert as_json(operator, "machine", "rotate", agent, "--out", str(path)) == {
        "agent_id": agent, "token_file": str(path)} and path.read_text().count(".") == 2
    access = "--user-id", "user_1", "--agent-id", agent
    for changed in True, False:
        assert as_json(operator, "grant", *access) == {
            "user_id": "user_1", "agent_id": agent, "relation": "granted", "changed": changed}
    assert as_json(operator, "revoke", *access)["changed"]
    assert as_json(operator, "machine", "remove", agent) == {"agent_id": agent, "sessions_closed": 0}
    assert as_json(operator, "token", "--user-id", "user_1")["token"].count(".") == 2
    minted = as_json(operator, "token", "--user-id", "user_1", "--link", "http://a/")
    assert minted["link"] == f"http://a/#token={minted['token']}"
    assert set(as_json(operator, "purge", "--older-than", "36500d")) == {
        "commands", "sessions", "receipts", "lost_sessions_closed", "audit"}
    assert {check["result"] for check in as_json(operator, "doctor")["checks"]} == {"ok"}


def test_nothing_harms_a_terminal(stack, operator, tenant):
    agent = tenant.machine()
    name_machine(stack, agent, HARM)
    arguments = "machine", "list", "--tenant", tenant.id
    for lines in operator.do(*arguments).splitlines(), on_a_terminal(operator, 300, *arguments):
        assert lines[1].endswith(r"\x1b[31mred\x07\u202e\x7f\u009b"), lines
    [row] = as_json(operator, *arguments)["machines"]
    assert row["name"] == HARM
    assert r"\u009b" in operator.do(*arguments, "--json")


def test_cut_to_the_terminal(stack, operator, tenant):
    """By columns, not bytes or characters, and only there."""
    agent, name = tenant.machine(), "漢字" * 60
    name_machine(stack, agent, name)
    arguments = "machine", "list", "--tenant", tenant.id
    assert operator.do(*arguments).splitlines()[1].endswith(name)
    line = on_a_terminal(operator, 150, *arguments)[1]
    shown = sum(2 if ord(c) > 0x2e80 else 1 for c in line)
    assert agent in line and "漢字" in line and 146 <= shown <= 150, line
    assert on_a_terminal(operator, 500, *arguments)[1].endswith(name)


def test_help_of_a_group(operator):
    for group, others in ("machine", "session"), ("session", "machine"):
        text = operator.do(group, "--help")
        assert f"vsayctl [--config FILE] {group} COMMAND" in text and f"  {group} list " in text
        assert f" {others} " not in text and " purge " not in text
        assert f"see vsayctl {group} --help" in operator.fail(group, status=2)
    assert "see vsayctl --help" in operator.fail("dance", status=2)
    assert "--json" in operator.do("machine", "list", "--help")
