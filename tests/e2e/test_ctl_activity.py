# SPDX-License-Identifier: MIT
"""vsayctl activity."""
import json

import pytest

from ctl import Operator
from machine import Machine, entry


@pytest.fixture
def operator(stack, directory):
    return Operator(stack, directory)


def test_activity(operator, tenant):
    user, other = tenant.user(), tenant.user()
    here, there = tenant.machine(), tenant.machine()
    for ago, agent, who in (30, here, user), (20, there, user), (10, here, other):
        tenant.command(agent, who, ago=ago)

    def shown(*arguments):
        return [(row["AGENT_ID"], row["USER_ID"]) for row in operator.table("activity", *arguments)]

    assert shown("--machine", here) == [(here, user.user_id), (here, other.user_id)], "newest last"
    assert shown("--user", user.user_id) == [(here, user.user_id), (there, user.user_id)]
    assert shown("--machine", here, "--limit", "1") == [(here, other.user_id)]
    assert shown("--machine", here, "--grep", "no such text") == []
    [row] = json.loads(operator.do("activity", "--machine", there, "--json"))["activity"]
    assert set(row) == {"executed_at", "session_id", "user_id", "agent_id", "success", "exit_code",
                        "command"}
    assert shown("--machine", there, "--grep", row["command"].upper()) == [(there, user.user_id)]


def test_exit_codes(operator, tenant):
    agent = Machine(tenant)
    session = agent.session(tenant.user())
    agent.activity(entry(session, 1, success=True, exit_code=0),
                   entry(session, 2, success=False, exit_code=127), entry(session, 3, success=False))
    rows = operator.table("activity", "--machine", agent.id)
    assert [(row["SUCCESS"], row["EXIT"]) for row in rows] == [("yes", "0"), ("no", "127"), ("no", "-")]
    rows = json.loads(operator.do("activity", "--machine", agent.id, "--json"))["activity"]
    assert [row["exit_code"] for row in rows] == [0, 127, None]


@pytest.mark.parametrize("arguments", [
    ["--limit", "0"], ["--limit", "1001"], ["--grep", ""], ["--grep", "x" * 257],
    ["--machine", "a/b"], ["--user", "a b"], ["word"]])
def test_refused(operator, arguments):
    operator.fail("activity", *arguments, status=2)
