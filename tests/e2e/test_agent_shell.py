# SPDX-License-Identifier: MIT
"""vsay-shell on a terminal, the real vsay-agent, and a stand-in for the server."""
import contextlib
import os
import signal

import pytest

from agent_process import Agent, lives
from fake_server import FakeServer
from shells import Host
from stack import wait_for


@pytest.fixture
def server():
    server = FakeServer()
    yield server
    server.stop()


@pytest.fixture
def host(directory, server):
    """A machine with a vsay-agent that is not started yet."""
    host = Host(directory)
    host.drop.rmdir()
    host.agent = Agent(directory, server.url)
    with contextlib.closing(host.stack):
        yield host
    assert host.agent.stop() in (0, -signal.SIGKILL, None)
    assert "Sanitizer" not in host.agent.log()


@pytest.fixture
def shell(host):
    host.agent.start()
    return host.shell()


def opened(server):
    return wait_for(lambda: server.told("/api/agent/sessions"))[0]["session_id"]


def commands(server):
    """What was last said of each command."""
    last = {seq: (command, success) for _, seq, command, success in server.commands()}
    return [last[seq] for seq in sorted(last)]


def wait_for_commands(server, *expected):
    wait_for(lambda: commands(server) == list(expected), what=f"{expected}")


def test_a_session(server, shell):
    shell.run("true")
    shell.run("false")
    shell.write("exit 3\n")
    assert shell.wait() == 3
    end = server.wait_for_end(opened(server))
    assert (end["reason"], end["exit_code"]) == ("exited", 3)
    assert commands(server)[:2] == [("true", True), ("false", False)]
    assert server.order()[0] == "open" and server.order()[-1] == "end"


def background(shell, command):
    """Starts it; returns its process."""
    return int(shell.run(f"{command} & echo pid=$!.").split(b"pid=")[-1].split(b".")[0])


def test_terminate(server, shell):
    """What ignores SIGHUP, or has a session of its own, is dead when the end is confirmed."""
    shell.write("(trap '' HUP; echo deaf=$BASHPID.; while :; do sleep 0.1; done) &\n")
    deaf = int(shell.expect(rb"deaf=(\d+)\.")[1])
    shell.write("(setsid sh -c 'echo away=$$.; exec sleep 1000') &\n")
    away = int(shell.expect(rb"away=(\d+)\.")[1])
    session = opened(server)
    assert lives(deaf) and lives(away)
    server.signal(session, "ended by alice: maintenance")
    end = server.wait_for_end(session)
    assert end["reason"] == "killed" and not lives(deaf) and not lives(away)
    shell.expect("vsay: this session was ended by alice: maintenance")
    shell.wait()


def test_agent_is_killed_and_comes_back(host, server, shell):
    shell.run("echo 1")
    host.agent.stop(signal.SIGKILL)
    shell.run("echo 2")
    host.agent.start()
    shell.run("echo 3")
    wait_for_commands(server, *((f"echo {i}", True) for i in (1, 2, 3)))
    server.signal(opened(server), "ended by alice")
    assert server.wait_for_end(opened(server))["reason"] in ("terminated", "killed")
    shell.wait()


def test_nothing_is_lost(host, server, shell):
    """Agent and server die again and again."""
    for i in range(24):
        if i % 4 == 1:
            host.agent.stop(signal.SIGKILL)
        if i % 4 == 3:
            host.agent.start()
        if i % 6 == 2:
            server.stop()
        if i % 6 == 4:
            server.start()
        shell.run(f"echo {i}")
    host.agent.process.kill(signal.SIGHUP)
    wait_for_commands(server, *((f"echo {i}", True) for i in range(24)))
    shell.write("exit 0\n")
    shell.wait()
    assert server.wait_for_end(opened(server))["reason"] == "exited"
    assert server.order()[0] == "open" and server.order()[-1] == "end"


def test_exit_while_the_agent_is_away(host, server, shell):
    shell.run("echo 1")
    host.agent.stop(signal.SIGKILL)
    shell.run("echo 2")
    shell.write("exit\n")
    assert shell.wait() == 0
    host.agent.start()
    assert server.wait_for_end(opened(server))["reason"] == "exited"
    assert commands(server)[:2] == [("echo 1", True), ("echo 2", True)]
    wait_for(lambda: not list((host.agent.state / "drop").iterdir()))


@pytest.mark.skipif(os.getuid() != 0, reason="needs root, to be another user")
def test_unprivileged_agent_takes_what_a_shell_left(host, server, directory):
    nobody = 65534
    for path in (directory, host.agent.token):
        os.chown(path, nobody, nobody)
    directory.parent.chmod(0o755)
    host.agent.start(user=nobody, group=nobody)
    shell = host.shell()
    session = opened(server)
    host.agent.stop(signal.SIGKILL)
    shell.write("exit\n")
    assert shell.wait() == 0
    host.agent.start(user=nobody, group=nobody)
    assert server.wait_for_end(session)["reason"] == "exited"


def test_shell_that_does_not_obey(server, shell):
    session, job = opened(server), background(shell, "sleep 1000")
    wait_for(lambda: server.parked)
    os.kill(shell.pid, signal.SIGSTOP)
    server.signal(session, "ended by alice")
    assert server.wait_for_end(session)["reason"] == "killed"
    wait_for(lambda: not lives(job) and not lives(shell.pid))


def test_shell_is_killed(server, shell):
    session, job = opened(server), background(shell, "(trap '' HUP; sleep 1000)")
    os.kill(shell.pid, signal.SIGKILL)
    assert server.wait_for_end(session)["reason"] == "lost"
    assert not lives(job)
