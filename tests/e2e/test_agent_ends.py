# SPDX-License-Identifier: MIT
"""vsay-agent ends sessions, and confirms only what it saw gone."""
import json
import os
import signal

import pytest

from agent_fixtures import (  # noqa: F401
    NOBODY, agent, held, new_agent, new_server, new_shell, root, server, shell)
from agent_process import lives
from stack import wait_for


def test_signal_reaches_the_shell(agent, server, shell):
    wait_for(lambda: server.parked)
    server.signal(shell.session, "ended by alice: maintenance")
    assert shell.receive() == {"type": "terminate", "reason": "ended by alice: maintenance"}
    server.signal(shell.session, "ended by bob: again")
    shell.kill_leader()
    assert shell.end("terminated") == {"type": "ended"}, "told once"
    assert server.wait_for_end(shell.session)["reason"] == "terminated"


def test_heartbeat_names_the_session(new_agent, new_server, new_shell):
    server = new_server()
    agent = new_agent(server.url).start()
    shell = new_shell(agent).opened()
    server.terminate.add(shell.session)
    assert shell.receive() == {"type": "terminate", "reason": "ended by vsay"}


def test_nonsense_from_the_server(agent, server, shell):
    server.answer = lambda path, query, body: (200, {
        "terminate": [None, 7, {}, "", "sess_1", [shell.session]], "interval": -1,
        "terminations": [None, 7, {}, {"session_id": shell.session}, {"reason": "ended by alice"}],
        "signals": [None, 7, {}, {"type": "terminate"}, {"type": "dance", "session_id": shell.session},
                    {"type": "terminate", "session_id": 7, "reason": {}}],
        "status": 7, "accepted": {}, "message": 7, "errors": [None, {"error": 7}]})
    assert shell.command(1) == {"type": "ack", "seq": 1}
    assert shell.end() == {"type": "ended"}
    wait_for(lambda: not held(agent))
    assert "session_terminate" not in agent.log()


def test_told_again_after_a_reconnect(agent, server, shell):
    wait_for(lambda: server.parked)
    server.signal(shell.session, "ended by alice")
    assert shell.receive()["type"] == "terminate"
    shell.opened()
    assert shell.receive() == {"type": "terminate", "reason": "ended by alice"}


def test_stopped_shell_is_killed(agent, server, shell):
    wait_for(lambda: server.parked)
    os.kill(shell.popen.pid, signal.SIGSTOP)
    server.signal(shell.session, "ended by alice")
    assert server.wait_for_end(shell.session)["reason"] == "killed"
    assert not lives(shell.leader) and not lives(shell.popen.pid)
    wait_for(lambda: not held(agent))


def test_end_is_not_believed_while_something_lives(agent, server, shell):
    wait_for(lambda: server.parked)
    server.signal(shell.session, "ended by alice")
    assert shell.receive()["type"] == "terminate"
    assert lives(shell.leader)
    shell.send(type="end", reason="terminated")
    assert server.wait_for_end(shell.session)["reason"] == "killed"
    assert not lives(shell.leader)


def test_lost_shell(agent, server, shell):
    shell.popen.kill()
    shell.popen.wait()
    assert server.wait_for_end(shell.session)["reason"] == "lost"
    assert not lives(shell.leader)
    wait_for(lambda: not held(agent))


def test_shell_lost_while_the_agent_was_away(new_agent, server, new_shell):
    agent = new_agent(server.url).start()
    shell = new_shell(agent).opened()
    agent.stop(signal.SIGKILL)
    shell.popen.kill()
    shell.popen.wait()
    assert lives(shell.leader)
    agent.start()
    assert server.wait_for_end(shell.session)["reason"] == "lost"
    assert not lives(shell.leader)


def test_terminate_while_the_agent_was_away(new_agent, server, new_shell):
    agent = new_agent(server.url).start()
    shell = new_shell(agent).opened()
    wait_for(lambda: server.told("/api/agent/sessions"))
    agent.stop(signal.SIGKILL)
    server.terminate.add(shell.session)
    agent.start()
    shell.opened()
    assert shell.receive()["type"] == "terminate"


def test_a_stranger_with_the_number_of_a_session_is_not_killed(new_agent, server, new_shell):
    agent = new_agent(server.url).start()
    shell = new_shell(agent).opened()
    agent.stop(signal.SIGKILL)
    path = agent.state / "sessions" / f"{shell.session}.json"
    entry = json.loads(path.read_text())
    entry["shell"]["start"] -= 1
    entry["leader"]["start"] -= 1
    path.write_text(json.dumps(entry))
    agent.start()
    assert server.wait_for_end(shell.session)["reason"] == "lost"
    assert lives(shell.leader) and lives(shell.popen.pid)


def test_session_of_an_earlier_boot(new_agent, server, new_shell):
    agent = new_agent(server.url).start()
    shell = new_shell(agent).opened()
    agent.stop(signal.SIGKILL)
    path = agent.state / "sessions" / f"{shell.session}.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "boot": "another"}))
    agent.start()
    assert server.wait_for_end(shell.session)["reason"] == "lost"
    assert lives(shell.leader)


def test_leader_that_is_not_the_shells_is_not_killed(agent, server, new_shell):
    victim, shell = new_shell(agent), new_shell(agent)
    shell.opened(leader=victim.leader)
    shell.popen.kill()
    shell.popen.wait()
    assert server.wait_for_end(shell.session)["reason"] == "lost"
    assert lives(victim.leader)


@root
def test_what_may_not_be_killed_is_not_confirmed(new_agent, server, new_shell, directory):
    agent = new_agent(server.url)
    for path in (directory, agent.token):
        os.chown(path, NOBODY, -1)
    directory.parent.chmod(0o755)
    agent.start(user=NOBODY, group=NOBODY)
    shell = new_shell(agent).opened()
    wait_for(lambda: server.parked)
    server.signal(shell.session, "ended by alice")
    wait_for(lambda: "event=session_stuck" in agent.log(), 15)
    assert server.wait_for_heartbeat()["sessions"] == [shell.session]
    assert lives(shell.leader) and not server.ends(shell.session)
    shell.stop()
    assert server.wait_for_end(shell.session)["reason"] == "killed"
