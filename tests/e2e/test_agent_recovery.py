# SPDX-License-Identifier: MIT
"""vsay-agent beside a server that has lost sessions, answers twice or has no room."""
import json
import signal
import time

import pytest

from agent_fixtures import (  # noqa: F401
    agent, held, new_agent, new_server, new_shell, server, shell)
from agent_process import AGENT, lives
from stack import run, wait_for

SLOW = 3600  # s between heartbeats, after the first


def openings(server, session):
    return [body for body in server.told("/api/agent/sessions") if body["session_id"] == session]


# --- a server that has lost sessions


def test_what_a_heartbeat_calls_unknown_is_opened_again(agent, server, shell):
    wait_for(lambda: openings(server, shell.session))
    server.lost.add(shell.session)
    first, again = wait_for(lambda: len(openings(server, shell.session)) == 2 and
                            openings(server, shell.session))
    assert again["seq"] > first["seq"] and {**again, "seq": 0} == {**first, "seq": 0}
    server.wait_for_heartbeat(2)
    assert len(openings(server, shell.session)) == 2 and not server.lost
    assert lives(shell.leader)


def test_commands_and_the_end_of_a_lost_session_wait_for_its_opening(new_agent, new_server, new_shell):
    server = new_server(interval=SLOW)
    agent = new_agent(server.url).start()
    shell = new_shell(agent).opened()
    wait_for(lambda: openings(server, shell.session))
    server.lost.add(shell.session)
    shell.command(1)
    refused, accepted = wait_for(lambda: server.commands()[1:] and server.commands())
    assert refused == accepted == (shell.session, 1, "make", True)
    assert len(openings(server, shell.session)) == 2
    server.lost.add(shell.session)
    shell.end()
    server.wait_for_end(shell.session)
    assert len(openings(server, shell.session)) == 3
    wait_for(lambda: not held(agent))


def test_the_opening_is_known_after_a_restart(new_agent, server, new_shell):
    agent = new_agent(server.url).start()
    shell = new_shell(agent).opened()
    wait_for(lambda: openings(server, shell.session))
    agent.stop(signal.SIGKILL)
    server.lost.add(shell.session)
    agent.start()
    first, again = wait_for(lambda: openings(server, shell.session)[1:] and
                            openings(server, shell.session))
    assert {**again, "seq": 0} == {**first, "seq": 0}


def test_commands_of_a_session_that_is_not_held_are_given_up(new_agent, new_server, new_shell):
    server = new_server(interval=SLOW)
    agent = new_agent(server.url).start()
    shell, other = new_shell(agent).opened(), new_shell(agent).opened()
    wait_for(lambda: openings(server, other.session))
    server.status = 503
    shell.command(1)
    agent.stop(signal.SIGKILL)
    (agent.state / "sessions" / f"{shell.session}.json").unlink()
    server.lost.add(shell.session)
    server.status = None
    agent.start()
    wait_for(lambda: "event=record_refused kind=command" in agent.log())
    other.opened()
    other.end()
    server.wait_for_end(other.session)


def test_an_older_versions_file_learns_the_opening(new_agent, server, new_shell):
    agent = new_agent(server.url).start()
    shell = new_shell(agent).opened()
    agent.stop(signal.SIGKILL)
    path = agent.state / "sessions" / f"{shell.session}.json"
    old = json.loads(path.read_text())
    assert old.pop("opening")["session_id"] == shell.session
    path.write_text(json.dumps(old))
    agent.start()
    shell.opened()
    assert json.loads(path.read_text())["opening"]["session_id"] == shell.session


# --- what is said to the user


def test_reasons_come_with_the_heartbeat(agent, server, shell):
    server.reasons = {shell.session: "ended by alice: maintenance"}
    server.terminate.add(shell.session)
    assert shell.receive() == {"type": "terminate", "reason": "ended by alice: maintenance"}


def test_nobody_is_named_who_did_not_ask(agent, server, shell):
    server.reasons = {"sess_of_another": "ended by alice"}
    server.terminate.add(shell.session)
    assert shell.receive() == {"type": "terminate", "reason": "ended by vsay"}


def test_many_sessions_that_must_end_cost_few_heartbeats(new_agent, new_server, new_shell):
    server = new_server(interval=SLOW)
    agent = new_agent(server.url).start()
    wait_for(server.heartbeats)
    shells = [new_shell(agent) for _ in range(20)]
    server.terminate |= {shell.session for shell in shells}
    for shell in shells:
        shell.opened()
    for shell in shells:
        assert shell.receive()["type"] == "terminate"
    wait_for(lambda: all(openings(server, shell.session) for shell in shells))
    agent.stop(signal.SIGKILL)
    before = len(server.heartbeats())
    agent.start()
    for shell in shells:
        shell.opened()
    wait_for(lambda: all(len(openings(server, shell.session)) >= 2 for shell in shells))
    assert len(server.heartbeats()) - before <= 3


# --- answers that arrive twice


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("path", ["/api/agent/heartbeat", "/api/agent/sessions", "/api/agent/activity"])
def test_an_answer_that_arrives_twice_is_not_the_next_one(new_agent, new_server, new_shell, path, late):
    """Else what was refused just then would be forgotten."""
    server = new_server()
    server.late, server.twice = late, path
    agent = new_agent(server.url).start()
    shell = new_shell(agent).opened()
    server.refused["/api/agent/sessions/.*/end"] = 503
    shell.command(1)
    shell.end()
    server.wait_for_heartbeat(3)
    assert held(agent) == {shell.session}
    server.refused.clear()
    server.twice = None
    server.wait_for_end(shell.session)


def test_an_end_that_is_answered_twice_does_not_hide_another(new_agent, new_server, new_shell):
    server = new_server(interval=SLOW)
    agent = new_agent(server.url).start()
    first, second = new_shell(agent).opened(), new_shell(agent).opened()
    server.twice = f"/api/agent/sessions/{first.session}/end"
    server.refused[f"/api/agent/sessions/{second.session}/end"] = 503
    first.end()
    server.wait_for_end(first.session)
    time.sleep(0.2)  # until it has come twice
    second.end()
    wait_for(lambda: "event=server_down" in agent.log())
    assert held(agent) == {second.session}


# --- no room


def test_what_is_behind_a_refused_opening_is_kept(new_agent, server, new_shell):
    server.refused["/api/agent/sessions"] = 429
    agent = new_agent(server.url).start()
    shell = new_shell(agent).opened()
    shell.command(1)
    shell.end()
    wait_for(lambda: server.heartbeats()[2:], 30)
    assert held(agent) == {shell.session}
    server.refused.clear()
    server.wait_for_end(shell.session, 30)
    assert server.order() == ["open", "commands", "end"]


# --- the token


@pytest.mark.parametrize("token, says", [(None, "token: "), ("", "token"), ("\n", "token"), ("a b\n", "not a token")])
def test_check_config_wants_a_token(new_agent, server, token, says):
    agent = new_agent(server.url)
    agent.token.unlink()
    if token is not None:
        agent.token.write_text(token)
        agent.token.chmod(0o600)
    ran = run(AGENT, "--config", agent.conf, "--check-config")
    assert ran.returncode == 1 and says in ran.stderr and str(agent.token) in ran.stderr
    agent.write_token("good")
    assert run(AGENT, "--config", agent.conf, "--check-config").returncode == 0


@pytest.mark.parametrize("url, warns", [
    ("http://vsay.example.com", True), ("http://127.0.0.1.example.com", True),
    ("http://localhost.example.com:80/x", True), ("http://10.0.0.1:8080", True),
    ("http://[2001:db8::1]", True), ("https://vsay.example.com", False), ("http://localhost", False),
    ("http://LOCALHOST:8080/vsay", False), ("http://127.0.0.1:80", False), ("http://127.9.9.9", False),
    ("http://[::1]:8080", False)])
def test_a_token_in_the_clear(new_agent, url, warns):
    agent = new_agent(url)
    ran = run(AGENT, "--config", agent.conf, "--check-config")
    assert ran.returncode == 0 and ("plain http" in ran.stderr) == warns
    agent.start()
    wait_for(lambda: "event=start" in agent.log())
    assert ("event=token_exposed" in agent.log()) == warns
