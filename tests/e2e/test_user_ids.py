# SPDX-License-Identifier: MIT
"""Ids of users as identity providers make them, everywhere that one is seen, stored or asked for."""
from urllib.parse import quote

import pytest

from ctl import Operator
from fleet import Tenant
from machine import Machine, entry
from schemas import check

SESSIONS = "/api/terminal/sessions"
IDS = ["auth0|5f7c8ec7c33c6c004bbafe82", "jane+vsay@example.com", "google-oauth2|1",
       "https://sts.example.com/#a?b=c&d=%20", "CN=Jane,OU=Ops;{x}~!$^*()[]<>", "x" * 128]


@pytest.mark.core
@pytest.mark.parametrize("user_id", IDS)
def test_everywhere(stack, tenant, directory, row, user_id):
    """Reported, listed, filtered by, granted, ended by, and seen by vsayctl."""
    jane, operator = tenant.user(user_id=user_id), Operator(stack, directory)
    agent = Machine(tenant)
    session = agent.session(jane)
    assert agent.activity(entry(session)).status == 200
    assert row("commands", "session_id", session)["user_id"] == user_id

    other = Machine(tenant)
    theirs = other.session(tenant.user())
    access = "--user-id", user_id, "--agent-id", other.id
    assert operator.do("grant", *access, "--relation", "owner") == (
        f"{user_id} is now an owner of {other.id}\n")

    def seen(query=""):
        body = check(stack.get(SESSIONS + query, jane), "sessions")
        return {row["session_id"]: row["user_id"] for row in body["sessions"]}

    assert seen().keys() == {session, theirs} and seen()[session] == user_id
    assert seen(f"?user_id={quote(user_id, safe='')}") == {session: user_id}
    assert user_id in {row["USER_ID"] for row in operator.table("session", "list")}
    assert stack.delete(theirs, jane).status == 200
    assert row("signals", "session_id", theirs)["requested_by"] == user_id
    assert operator.do("revoke", *access).startswith(f"{user_id} has no access")
    token = operator.do("token", "--user-id", user_id, "--tenant", tenant.id).strip()
    assert stack.get(SESSIONS, token=token).json() == stack.get(SESSIONS, jane).json()


def test_ids_that_look_alike(stack):
    """Nothing is told apart by putting ids together: neither users nor what they ask for."""
    tenant = Tenant(stack)
    agent = tenant.machine()
    users = [tenant.user(user_id=user_id) for user_id in ("a", "A", "a|", "|a", "a||a", "a%7C")]
    mine = {user: tenant.session(agent, user) for user in users}
    for _ in range(2):
        for user in users:
            for wanted in users:
                reply = stack.get(f"{SESSIONS}?user_id={quote(wanted.user_id, safe='')}", user)
                found = [row["session_id"] for row in reply.json()["sessions"]]
                assert found == ([mine[user]] if wanted is user else [])
