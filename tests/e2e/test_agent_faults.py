# SPDX-License-Identifier: MIT
"""vsay-agent when the server, the disk or the agent itself fails."""
import json
import resource
import signal
import time

import pytest

from agent_fixtures import (  # noqa: F401
    agent, held, new_agent, new_server, new_shell, server, shell)
from agent_process import lives
from stack import wait_for


def test_server_away_and_back(agent, server, shell):
    server.wait_for_heartbeat()
    server.stop()
    shell.command(1)
    assert shell.end() == {"type": "ended"}, "it is on disk"
    wait_for(lambda: "event=server_down" in agent.log())
    assert shell.session in held(agent)
    server.start()
    agent.process.kill(signal.SIGHUP)
    server.wait_for_end(shell.session)
    assert server.order() == ["open", "commands", "end"]
    wait_for(lambda: "event=server_up" in agent.log())


@pytest.mark.parametrize("status, page", [
    (503, None), (500, None), (429, None), (404, None), (403, None), (302, None), (404, "<html>"),
    (200, "<html>"), (200, "[]"), pytest.param(200, " " * (2 << 20), id="2-MiB")])
def test_nothing_is_lost_to_a_server_that_takes_no_heartbeats(agent, server, shell, status, page):
    server.wait_for_heartbeat()
    server.status, server.page = status, page
    wait_for(lambda: "event=server_down" in agent.log() or "heartbeat_refused" in agent.log())
    shell.end()
    agent.process.kill(signal.SIGHUP)
    assert shell.session in held(agent) and not server.ends(shell.session)
    server.status = server.page = None
    wait_for(lambda: agent.process.kill(signal.SIGHUP) or server.ends(shell.session))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_restart_of_the_agent_keeps_everything(new_agent, server, new_shell, number):
    agent = new_agent(server.url).start()
    server.wait_for_heartbeat()
    server.stop()
    ended, running = new_shell(agent).opened(), new_shell(agent).opened()
    ended.command(1, "first")
    ended.end()
    running.command(1, "second")
    assert agent.stop(number) == (0 if number == signal.SIGTERM else -number)
    assert ended.receive() is None and running.receive() is None
    server.start()
    agent.start()
    running.opened()
    running.command(2, "third")
    server.wait_for_end(ended.session)
    wait_for(lambda: {(s, seq) for s, seq, *_ in server.commands()} ==
             {(ended.session, 1), (running.session, 1), (running.session, 2)})
    heartbeat = server.wait_for_heartbeat(2)
    assert heartbeat["sessions"] == [running.session] and held(agent) == {running.session}
    assert lives(running.leader)
    running.end()
    server.wait_for_end(running.session)


def test_sequence_grows_over_a_restart_though_the_clock_went_back(new_agent, server):
    agent = new_agent(server.url)
    agent.state.mkdir()
    future = int(time.time() * 1000) + 1000000
    (agent.state / "seq").write_text(f"{future}\n")
    agent.start()
    first = server.wait_for_heartbeat()["seq"]
    assert first > future
    agent.stop(signal.SIGKILL)
    agent.start()
    assert server.wait_for_heartbeat()["seq"] > first


def test_torn_line_in_the_spool(new_agent, server, new_shell):
    agent = new_agent(server.url).start()
    server.wait_for_heartbeat()
    server.stop()
    shell = new_shell(agent).opened()
    shell.command(1)
    shell.end()
    agent.stop(signal.SIGKILL)
    with (agent.state / "spool").open("a") as spool:
        spool.write('{"type":"command","session_id":"sess')
    server.start()
    agent.start()
    server.wait_for_end(shell.session)
    assert [seq for _, seq, *_ in server.commands()] == [1]


def test_full_spool_gives_up_the_oldest_commands(new_agent, server, new_shell):
    agent = new_agent(server.url, spool_max=64).start()
    server.wait_for_heartbeat()
    server.stop()
    shell, other = new_shell(agent).opened(), new_shell(agent).opened()
    other.end()
    for seq in range(1, 201):
        assert shell.command(seq, f"{seq} " + "x" * 1000) == {"type": "ack", "seq": seq}
    shell.end()
    assert (agent.state / "spool").stat().st_size <= 64 * 1024
    agent.stop(signal.SIGKILL)
    server.start()
    agent.start()
    server.wait_for_end(shell.session)
    server.wait_for_end(other.session)
    assert len(server.told("/api/agent/sessions")) == 2
    kept = [seq for _, seq, *_ in server.commands()]
    assert 30 < len(kept) < 64 and kept == list(range(201 - len(kept), 201))
    assert server.wait_for_heartbeat()["dropped"] == 200 - len(kept)
    agent.stop()
    agent.start()
    assert server.wait_for_heartbeat()["dropped"] == 200 - len(kept)


def test_full_disk(agent, server, shell):
    """Nothing is acknowledged that is not stored; the agent lives and goes on when there is room."""
    server.wait_for_heartbeat()
    server.stop()
    pid = agent.process.pid
    _, most = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (1024, most))
    assert shell.command(1, "x" * 2000) is None
    wait_for(lambda: "event=spool_down" in agent.log())
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (most, most))
    shell.opened()
    assert shell.command(1, "x" * 2000) == {"type": "ack", "seq": 1}
    assert "event=spool_up" in agent.log()
    server.start()
    shell.end()
    agent.process.kill(signal.SIGHUP)
    server.wait_for_end(shell.session)
    assert [seq for _, seq, *_ in server.commands()] == [1]


@pytest.mark.parametrize("settings, waits", [({}, [30]), ({"poll_wait": "0"}, [0, 0])])
def test_polls_wait_as_configured(new_agent, server, settings, waits):
    began = time.monotonic()
    new_agent(server.url, **settings).start()
    wait_for(lambda: server.polls == waits)
    assert waits == [30] or time.monotonic() - began > 4


def test_batches_are_divided_when_they_are_too_large(agent, server, shell):
    server.wait_for_heartbeat()
    server.stop()
    for seq in range(1, 41):
        shell.command(seq, "x" * (60000 if seq == 20 else 1000))
    server.body_max = 8000
    server.start()
    shell.end()
    agent.process.kill(signal.SIGHUP)
    server.wait_for_end(shell.session)
    assert [seq for _, seq, *_ in server.commands()] == [*range(1, 20), *range(21, 41)]
    assert "event=record_refused" in agent.log()


@pytest.mark.parametrize("path", ["sessions", "activity", r"sessions/sess_\w+/end"])
@pytest.mark.parametrize("status", [400, 403])
def test_the_third_refusal_drops_a_record(agent, server, new_shell, path, status):
    server.refused[f"/api/agent/{path}"] = status
    shell = new_shell(agent).opened()
    shell.command(1)
    shell.end()
    wait_for(lambda: "event=record_refused" in agent.log())
    assert agent.log().partition("event=record_refused")[0].count("event=record_retried") == 2
    wait_for(lambda: not held(agent))


@pytest.mark.parametrize("page", [True, False])
def test_one_command_that_is_refused_costs_no_other(agent, server, shell, page):
    """By vsay, or by a firewall in between, with a page of its own."""
    server.wait_for_heartbeat()
    server.stop()
    for seq in range(1, 42):
        shell.command(seq, "cat /etc/passwd" if seq == 20 else "make")
    server.blocked, server.blocked_page = b"/etc/passwd", page
    server.start()
    shell.end()
    agent.process.kill(signal.SIGHUP)
    server.wait_for_end(shell.session, 40)
    assert sorted(seq for _, seq, *_ in server.commands()) == [*range(1, 20), *range(21, 42)]
    assert agent.log().count("event=record_refused") == 1


def test_commands_that_are_all_refused_do_not_hold_up_the_end(new_server, new_agent, new_shell):
    """The first costs an interval between heartbeats, the others much less."""
    server = new_server(interval=20)
    agent = new_agent(server.url).start()
    shell = new_shell(agent).opened()
    server.wait_for_heartbeat()
    server.blocked, server.blocked_page = b"/etc/passwd", True
    for seq in range(1, 7):
        shell.command(seq, "cat /etc/passwd")
    shell.end()
    server.wait_for_end(shell.session, 90)
    assert agent.log().count("event=record_refused") == 6


@pytest.mark.parametrize("path", ["sessions", "activity"])
def test_what_is_missing_is_sent_again(agent, server, new_shell, path):
    """vsay does not say 404 to an opening or to commands: something on the way does."""
    server.wait_for_heartbeat()
    server.refused[f"/api/agent/{path}"] = 404
    shell = new_shell(agent).opened()
    shell.command(1)
    shell.end()
    wait_for(lambda: agent.log().count("event=record_retried") > 1)
    server.refused.clear()
    agent.process.kill(signal.SIGHUP)
    server.wait_for_end(shell.session)
    assert server.order() == ["open", "commands", "end"]


def test_a_server_forges_no_line_of_the_log(agent, server):
    server.wait_for_heartbeat()
    server.status, server.page = 400, json.dumps({"error": 'a" status=200\n\u009b1m \\" x="b'})
    wait_for(lambda: "heartbeat_refused" in agent.log(), 60)
    line, = [line for line in agent.log().splitlines() if "heartbeat_refused" in line][:1]
    assert line.endswith(r'detail="status 400: a\" status=200\n\u009b1m \\\" x=\"b"')
