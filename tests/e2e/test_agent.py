# SPDX-License-Identifier: MIT
"""vsay-agent between a stand-in for the server and stand-ins for vsay-shells."""
import itertools
import json
import os
import re
import resource
import shutil
import signal
import stat
import subprocess
import time
from pathlib import Path

import pytest

from agents import AGENT, PACKET_MAX, Agent, Shell, lives, new_id
from fake_server import FakeServer, tls_for
from stack import run, wait_for

root = pytest.mark.skipif(os.getuid() != 0, reason="needs root, to be another user")
NOBODY = 65534


@pytest.fixture
def new_server():
    servers = []

    def make(**options):
        servers.append(FakeServer(**options))
        return servers[-1]
    yield make
    for server in servers:
        server.stop()


@pytest.fixture
def server(new_server):
    return new_server()


@pytest.fixture
def new_agent(directory):
    agents = []

    def make(url, **options):
        agents.append(Agent(directory, url, **options))
        return agents[-1]
    yield make
    for agent in agents:
        assert agent.stop() in (0, -signal.SIGKILL, None)
        assert "Sanitizer" not in agent.log()


@pytest.fixture
def agent(new_agent, server):
    return new_agent(server.url).start()


@pytest.fixture
def new_shell():
    shells = []

    def make(agent, **options):
        shells.append(Shell(agent.socket, **options))
        return shells[-1]
    yield make
    for shell in shells:
        shell.stop()


@pytest.fixture
def shell(new_shell, agent):
    return new_shell(agent).opened()


def held(agent):
    return {path.stem for path in (agent.state / "sessions").glob("*.json")}


# --- heartbeats, reports ---

def test_heartbeat(agent, server):
    first = server.wait_for_heartbeat()
    second = server.wait_for_heartbeat()
    for heartbeat in (first, second):
        assert heartbeat.keys() == {"cpu_percent", "memory_percent", "disk_percent", "seq",
                                    "sessions", "dropped"}
        assert all(0 <= heartbeat[name + "_percent"] <= 100 for name in ("cpu", "memory", "disk"))
        assert heartbeat["memory_percent"] > 0 and heartbeat["disk_percent"] > 0
        assert heartbeat["sessions"] == [] and heartbeat["dropped"] == 0
    assert time.time() * 1000 - 60000 < first["seq"] < second["seq"] <= time.time() * 1000


def processor_time():
    """Of all processors since the start, (busy, all)."""
    user, nice, system, idle, iowait, irq, softirq, steal = map(
        int, Path("/proc/stat").read_text().split("\n")[0].split()[1:9])
    busy = user + nice + system + irq + softirq + steal
    return busy, busy + idle + iowait


def test_true_figures(new_agent, server, new_directory):
    """Of memory, of the disk that is named, and of processors, some of them busy."""
    disk = new_directory()
    agent = new_agent(server.url, disk=disk).start()
    busy = subprocess.Popen(["sh", "-c", "while :; do :; done"])
    try:
        server.wait_for_heartbeat()
        before = processor_time()
        heartbeat = server.wait_for_heartbeat(3)
        after = processor_time()
    finally:
        busy.kill()
        busy.wait()
    cpu = 100 * (after[0] - before[0]) / (after[1] - before[1])
    facts = dict(re.findall(r"^(\w+): +(\d+) kB$", Path("/proc/meminfo").read_text(), re.M))
    memory = 100 - 100 * int(facts["MemAvailable"]) / int(facts["MemTotal"])
    space = shutil.disk_usage(disk)
    assert heartbeat["cpu_percent"] > 0 and abs(heartbeat["cpu_percent"] - cpu) < 30
    assert abs(heartbeat["memory_percent"] - memory) < 10
    assert abs(heartbeat["disk_percent"] - 100 * space.used / (space.used + space.free)) < 2
    assert "event=usage" not in agent.log()


def test_back_off(new_agent, server):
    """The pauses grow and are drawn: the two connections do not go in step."""
    server.status = 503
    new_agent(server.url).start()

    def pauses():
        return [[after - before for before, after in itertools.pairwise(times)]
                for times in server.refusals.values()]

    wait_for(lambda: len(pauses()) == 2 and all(len(each) >= 4 for each in pauses())
             and max(map(max, pauses())) > 2, 120)
    assert any(abs(one - other) > 0.1 * one for one, other in zip(*pauses()))


def test_a_session(agent, server, shell):
    assert shell.command(1, "make", None) == {"type": "ack", "seq": 1}
    assert shell.command(1, "make", True) == {"type": "ack", "seq": 1}
    assert shell.command(2, "blåbær \"x\"\n\t", False) == {"type": "ack", "seq": 2}
    assert shell.session in server.wait_for_heartbeat(2)["sessions"]
    assert shell.end("exited", 3) == {"type": "ended"}

    end = server.wait_for_end(shell.session)
    assert (end["reason"], end["exit_code"]) == ("exited", 3)
    assert end["ended_at"] == "2026-02-06T12:30:00.000Z"
    (opening,) = server.told("/api/agent/sessions")
    assert {name: opening[name] for name in ("session_id", "source", "browser", "os", "started_at")} \
        == {"session_id": shell.session, "source": "cli", "browser": None, "os": None,
            "started_at": "2026-02-06T12:00:00.000Z"}
    assert opening["seq"] < server.wait_for_heartbeat()["seq"]
    assert server.commands() == [(shell.session, 1, "make", None), (shell.session, 1, "make", True),
                                 (shell.session, 2, "blåbær \"x\"\n\t", False)]
    assert server.order() == ["open", "commands", "end"]
    wait_for(lambda: server.heartbeats()[-1]["sessions"] == [] and not held(agent))
    assert lives(shell.leader), "what an ordinary session leaves behind is its own affair"


def test_user_of_the_peer(agent, server, new_shell):
    new_shell(agent).opened()
    new_shell(agent).opened(user_id="user_456", username="John Døe")
    wait_for(lambda: len(server.told("/api/agent/sessions")) == 2)
    users = [(body["user_id"], body["username"]) for body in server.told("/api/agent/sessions")]
    login = run("id", "-un").stdout.strip()
    assert users == [(login, login), ("user_456", "John Døe")]


@root
def test_user_of_an_untrusted_peer(new_agent, server, new_shell, directory):
    agent = new_agent(server.url).start()
    for path in (directory.parent, directory):
        path.chmod(0o755)
    new_shell(agent, user=NOBODY).opened(user_id="root", username="root")
    (opening,) = wait_for(lambda: server.told("/api/agent/sessions"))
    assert (opening["user_id"], opening["username"]) == ("nobody", "nobody")
    assert "user_not_trusted" in agent.log()
    assert agent.stop() == 0

    new_agent(server.url, trusted_users="nobody").start()
    shell = new_shell(agent, user=NOBODY).opened(user_id="alice", username="Alice")
    opening = wait_for(lambda: [body for body in server.told("/api/agent/sessions")
                                if body["session_id"] == shell.session])[0]
    assert (opening["user_id"], opening["username"]) == ("alice", "Alice")


def refused(shell, **opening):
    reply = shell.open(**opening)
    return reply["reason"] if reply["type"] == "refused" else None


@root
def test_session_of_another_user(agent, new_shell, shell, directory):
    for path in (directory.parent, directory):
        path.chmod(0o755)
    stranger = new_shell(agent, user=NOBODY, session=shell.session)
    assert refused(stranger) == "the session is another user's"


def test_session_of_another_process(agent, new_shell, shell):
    assert refused(new_shell(agent, session=shell.session)) == "the session is another process's"


@pytest.mark.parametrize("opening", [
    {"session_id": None}, {"session_id": 7}, {"session_id": "sess_1"},
    {"session_id": "../" + new_id()}, {"session_id": new_id().upper()}, {"source": "telnet"},
    {"source": None}, {"user_id": "a b"}, {"user_id": "x" * 65}, {"username": "a\nb"},
    {"username": "x" * 256}])
def test_malformed_opening(agent, new_shell, opening):
    assert refused(new_shell(agent), **opening) == "malformed"
    assert held(agent) == set()


def test_malformed_opening_costs_no_number(new_server, new_agent, new_shell):
    server = new_server(interval=3600)
    agent = new_agent(server.url).start()
    wait_for(server.heartbeats)
    before = (agent.state / "seq").read_text()
    shell = new_shell(agent)
    assert refused(shell, source="telnet") == "malformed"
    assert shell.receive() is None, "and there is no second try on this connection"
    assert (agent.state / "seq").read_text() == before


@pytest.mark.parametrize("bad", [
    {"command": ""}, {"command": None}, {"command": "x" * 65536}, {"success": "yes"},
    {"timestamp": None}, {"timestamp": "now"}, {"command": "a\0b"}])
def test_malformed_command(agent, server, shell, bad):
    """It is acknowledged, or it would come again, and the connection closed."""
    shell.send(**{"type": "command", "seq": 1, "command": "make", "success": None,
                  "timestamp": "2026-02-06T12:00:05Z", **bad})
    assert shell.receive() == {"type": "ack", "seq": 1} and shell.receive() is None
    shell.opened()
    largest = "\N{GRINNING FACE}" * 16383
    assert shell.command(2, largest) == {"type": "ack", "seq": 2}
    assert wait_for(server.commands) == [(shell.session, 2, largest, True)]


@pytest.mark.parametrize("junk", [
    "junk", "[]", "{}", '{"type": "dance"}', '{"type": "command"}', "[" * 1000,
    pytest.param(json.dumps({"type": "x" * (PACKET_MAX - 20)}), id="largest"),
    pytest.param(json.dumps({"type": "x" * PACKET_MAX}), id="too-large")])
def test_junk_ends_the_connection(agent, shell, junk):
    shell.write(junk)
    assert shell.receive() is None
    shell.opened()


def test_report_without_session(agent, new_shell):
    shell = new_shell(agent)
    for report in {"type": "end", "reason": "exited"}, {"type": "command", "seq": 1}:
        shell.write("connect")
        shell.send(**report)
        assert shell.receive() is None


def test_what_vsay_would_refuse_is_left_out(agent, server, new_shell):
    shell = new_shell(agent).opened(browser="a\x9bb", os="x" * 65, started_at="yesterday")
    (opening,) = wait_for(lambda: server.told("/api/agent/sessions"))
    assert (opening["session_id"], opening["browser"], opening["os"]) == (shell.session, None, None)
    assert "started_at" not in opening


@root
def test_one_user_leaves_room_for_others(new_agent, server, new_shell, directory):
    agent = new_agent(server.url).start(preexec_fn=lambda: resource.setrlimit(
        resource.RLIMIT_NOFILE, (80, 80)))  # so that there is room for 16 connections
    for path in (directory.parent, directory):
        path.chmod(0o755)
    greedy = [new_shell(agent, user=NOBODY) for _ in range(9)]
    assert [shell.open() is not None for shell in greedy] == [True] * 8 + [False]
    new_shell(agent, user=NOBODY - 1).opened()
    assert "too many connections" in agent.log()


def test_many_sessions(agent, server, new_shell):
    shells = [new_shell(agent).opened() for _ in range(30)]
    for shell in shells:
        for seq in range(1, 21):
            shell.send(type="command", seq=seq, command=f"c{seq}", success=True,
                       timestamp="2026-02-06T12:00:05Z")
    for shell in shells:
        assert [shell.receive()["seq"] for _ in range(20)] == list(range(1, 21))
        assert shell.end() == {"type": "ended"}
        server.wait_for_end(shell.session)
    assert len(server.commands()) == 600
    for shell in shells:
        assert [seq for session, seq, *_ in server.commands() if session == shell.session] == \
            list(range(1, 21))
    wait_for(lambda: not held(agent))


# --- faults ---

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
def test_a_refusal_is_believed_after_a_heartbeat(agent, server, new_shell, path, status):
    server.refused[f"/api/agent/{path}"] = status
    shell = new_shell(agent).opened()
    shell.command(1)
    shell.end()
    wait_for(lambda: "event=record_refused" in agent.log())
    assert "event=record_doubted" in agent.log().partition("event=record_refused")[0]
    wait_for(lambda: not held(agent))


@pytest.mark.parametrize("page", [True, False])
def test_one_command_that_is_refused_costs_no_other(agent, server, shell, page):
    """By vsay, or by somebody on the way who does not like it, with a page of his own."""
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


@pytest.mark.parametrize("path", ["sessions", "activity"])
def test_what_is_missing_is_sent_again(agent, server, new_shell, path):
    """vsay does not say 404 to an opening or to commands: something on the way does."""
    server.wait_for_heartbeat()
    server.refused[f"/api/agent/{path}"] = 404
    shell = new_shell(agent).opened()
    shell.command(1)
    shell.end()
    wait_for(lambda: agent.log().count("event=record_doubted") > 1)
    server.refused.clear()
    agent.process.kill(signal.SIGHUP)
    server.wait_for_end(shell.session)
    assert server.order() == ["open", "commands", "end"]


# --- token, TLS, only one ---

def test_token_is_read_again(agent, server, shell):
    server.wait_for_heartbeat()
    server.token = "better"
    shell.end()
    wait_for(lambda: "status 401" in agent.log())
    assert not server.ends(shell.session)
    agent.write_token("better")
    server.wait_for_end(shell.session)
    assert "good" not in agent.log().replace("the configuration is good", "")


def test_token_that_others_can_read(new_agent, server):
    agent = new_agent(server.url)
    agent.token.chmod(0o644)
    agent.start()
    wait_for(lambda: "is open to all users" in agent.log())
    assert server.heartbeats() == []
    agent.token.chmod(0o600)
    agent.process.kill(signal.SIGHUP)
    server.wait_for_heartbeat()


def test_tls(new_server, new_agent, directory):
    tls, certificate = tls_for(directory)
    server = new_server(tls=tls)
    agent = new_agent(server.url).start()
    wait_for(lambda: "event=server_down" in agent.log())
    assert "certificate" in agent.log() and server.heartbeats() == []
    assert agent.stop() == 0

    agent = new_agent(server.url, ca_file=certificate).start()
    server.wait_for_heartbeat()
    assert agent.stop() == 0

    count, downs = len(server.heartbeats()), agent.log().count("event=server_down")
    new_agent(server.url.replace("localhost", "127.0.0.1"), ca_file=certificate).start()
    wait_for(lambda: agent.log().count("event=server_down") > downs)
    assert len(server.heartbeats()) == count


def test_only_one_agent(agent, server):
    second = run(AGENT, "--config", agent.conf)
    assert second.returncode == 1
    assert f"another vsay-agent uses {agent.state}" in second.stderr
    conf = agent.dir / "second.conf"
    conf.write_text(agent.conf.read_text().replace(str(agent.state), str(agent.dir / "other")))
    second = run(AGENT, "--config", conf)
    assert second.returncode == 1
    assert f"another program listens on {agent.socket}" in second.stderr
    server.wait_for_heartbeat()


def test_modes(agent):
    modes = {"": 0o711, "drop": 0o3733, "sessions": 0o700, "spool": 0o600, "seq": 0o600}
    server_told = wait_for(lambda: (agent.state / "seq").exists())
    assert server_told and stat.S_IMODE(agent.socket.stat().st_mode) == 0o666
    assert {name: stat.S_IMODE((agent.state / name).stat().st_mode) for name in modes} == modes


def test_directory_of_the_socket_is_open_to_all(new_agent, server, directory):
    agent = new_agent(server.url, socket=directory / "run" / "agent.sock")
    agent.socket = directory / "run" / "agent.sock"
    agent.start(umask=0o077)
    assert stat.S_IMODE((directory / "run").stat().st_mode) == 0o755


# --- ending ---

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
    assert shell.receive() == {"type": "terminate", "reason": "ended by an administrator"}


def test_nonsense_from_the_server(agent, server, shell):
    server.answer = lambda path, query, body: (200, {
        "terminate": [None, 7, {}, "", "sess_1", [shell.session]], "interval": -1,
        "signals": [None, 7, {}, {"type": "terminate"}, {"type": "dance", "session_id": shell.session},
                    {"type": "terminate", "session_id": 7, "reason": {}}],
        "status": 7, "errors": [None, {"error": 7}]})
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


# --- files of vsay-shells that had to exit ---

def write_drop(agent, session, *packets, owner=None, name=None):
    drop = agent.state / "drop"
    path = drop / ".new"
    path.write_text("".join(json.dumps(packet) + "\n" for packet in packets))
    path.chmod(0o640)
    if owner is not None:
        os.chown(path, owner, -1)
    path.rename(drop / (name or f"{session}.jsonl"))


def dropped(agent):
    return {path.name for path in (agent.state / "drop").iterdir()}


def report(session, **opening):
    return [{"type": "open", "session_id": session, "source": "cli", **opening},
            {"type": "command", "seq": 1, "command": "make", "success": True,
             "timestamp": "2026-02-06T12:00:05Z"},
            {"type": "end", "reason": "hangup", "exit_code": 129}]


def test_drop_of_a_session_that_was_never_opened(agent, server):
    session = new_id()
    write_drop(agent, session, *report(session))
    assert server.wait_for_end(session)["reason"] == "hangup"
    assert server.order() == ["open", "commands", "end"] and dropped(agent) == set()
    wait_for(lambda: not held(agent))


def test_drop_of_a_session_that_was_held(new_agent, server, new_shell):
    agent = new_agent(server.url).start()
    shell = new_shell(agent).opened()
    agent.stop(signal.SIGKILL)
    write_drop(agent, shell.session, *report(shell.session))
    shell.stop()
    agent.start()
    assert server.wait_for_end(shell.session)["reason"] == "hangup"


def test_drop_without_an_end(agent, server):
    session = new_id()
    write_drop(agent, session, *report(session)[:2])
    assert server.wait_for_end(session)["reason"] == "lost"


def test_drop_does_not_end_a_session_that_lives(agent, server, shell):
    write_drop(agent, shell.session, *report(shell.session))
    other = new_id()
    write_drop(agent, other, *report(other))
    server.wait_for_end(other)
    assert dropped(agent) == {f"{shell.session}.jsonl"} and not server.ends(shell.session)


@root
def test_drop_of_another_user(new_agent, server, new_shell):
    agent = new_agent(server.url).start()
    shell = new_shell(agent).opened()
    agent.stop(signal.SIGKILL)
    forged, own = shell.session, new_id()
    write_drop(agent, forged, *report(forged), owner=NOBODY)
    write_drop(agent, own, *report(own, user_id="root"), owner=NOBODY)
    shell.stop()
    agent.start()
    assert server.wait_for_end(forged)["reason"] == "lost"
    server.wait_for_end(own)
    users = {body["session_id"]: body["user_id"] for body in server.told("/api/agent/sessions")}
    assert users[own] == "nobody"


def test_drop_that_grows_is_read_as_it_was_found(agent, server):
    """And not beyond the first line that is wrong."""
    session = new_id()
    write_drop(agent, session, *report(session)[:2], {"type": "dance"}, report(session)[2])
    assert server.wait_for_end(session)["reason"] == "lost"
    endless = agent.state / "drop" / f"{new_id()}.jsonl"
    with endless.open("w") as file:
        file.truncate(5 << 20)
    wait_for(lambda: not endless.exists())


def test_drops_that_nobody_should_make(agent, server, directory):
    secret = directory / "secret"
    secret.write_text("")
    drop = agent.state / "drop"
    (drop / f"{new_id()}.jsonl").symlink_to(secret)
    os.mkfifo(drop / f"{new_id()}.jsonl")
    (drop / f"{new_id()}.jsonl" / "full").mkdir(parents=True)
    os.link(secret, drop / f"{new_id()}.jsonl")
    write_drop(agent, new_id(), {"type": "open", "session_id": new_id(), "source": "cli"})
    write_drop(agent, new_id(), {"type": "end"})
    write_drop(agent, new_id(), [], name="notes.jsonl")
    good = new_id()
    write_drop(agent, good, *report(good))
    server.wait_for_end(good)
    assert secret.exists() and [body["session_id"] for body in
                                server.told("/api/agent/sessions")] == [good]
    assert agent.log().count("event=drop detail") <= 3, "what is no file is not even looked at"


# --- what others may do ---

# As another user: connects, leaves the connection to a child, and exits; then a process of root gets its
# number. Prints what the child receives.
IMPOSTOR = """
import json, os, signal, socket, sys
ours = os.fork()
if ours == 0:
    os.setuid(65534)
    link = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    link.connect(sys.argv[1])
    link.send(json.dumps({"type": "open", "session_id": sys.argv[2], "source": "cli"}).encode())
    if os.fork() == 0:
        try:
            os.write(1, link.recv(1000) + b"\\n")
        except ConnectionResetError:
            os.write(1, b"\\n")
    os._exit(0)
os.waitpid(ours, 0)
victim = 0
while victim != ours:
    with open("/proc/sys/kernel/ns_last_pid", "w") as last:
        last.write(str(ours - 1))
    victim = os.fork()
    if victim == 0:
        signal.pause() if os.getpid() == ours else os._exit(0)
os.write(1, b"ready\\n")
sys.stdin.read()
"""


@root
def test_a_process_that_got_the_number_of_the_peer_is_no_peer(new_agent, server, directory):
    agent = new_agent(server.url)
    for path in (directory.parent, directory):
        path.chmod(0o755)
    agent.start(prefix=["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"])
    (pid,) = agent.process.children()
    os.kill(pid, signal.SIGSTOP)
    with subprocess.Popen(["nsenter", "-t", str(pid), "-p", "-m", "/usr/bin/python3", "-c", IMPOSTOR,
                           agent.socket, new_id()], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as impostor:
        assert impostor.stdout.readline() == b"ready\n"
        os.kill(pid, signal.SIGCONT)
        assert impostor.stdout.readline() == b"\n", "it is disconnected"
        impostor.stdin.close()
    assert "event=connection_refused" in agent.log()
    os.kill(pid, signal.SIGTERM)


@root
def test_hidden_processes(directory):
    """A session that cannot be seen would look as if it had ended."""
    agent = Agent(directory, "http://localhost")
    for path in (directory, agent.token):
        os.chown(path, NOBODY, -1)
    directory.parent.chmod(0o755)
    hidden = run("unshare", "-m", "sh", "-c", "mount -t proc -o hidepid=2 proc /proc && exec setpriv "
                 f"--reuid {NOBODY} --regid {NOBODY} --clear-groups {AGENT} --config {agent.conf}")
    assert hidden.returncode == 1 and "hidepid" in hidden.stderr


# --- the program ---

def test_arguments(directory):
    assert run(AGENT, "--version").stdout.startswith("vsay-agent ")
    assert "--check-config" in run(AGENT, "--help").stdout
    assert run(AGENT, "--nonsense").returncode == 2 and run(AGENT, "word").returncode == 2


@pytest.mark.parametrize("change, detail", [
    ({}, None), ({"server": ""}, "no server is named"), ({"server": "vsay.example.com"}, "https://"),
    ({"server": "https://vsay.example.com/"}, "without a slash"), ({"socket": "a"}, "slash"),
    ({"token_file": "a"}, "slash"), ({"spool_max": 1}, "from 64"), ({"sockt": "/a"}, "unknown key")])
def test_check_config(directory, change, detail):
    agent = Agent(directory, "https://vsay.example.com", **change)
    checked = run(AGENT, "--config", agent.conf, "--check-config")
    if detail:
        assert checked.returncode == 1 and detail in checked.stderr
    else:
        assert checked.returncode == 0 and "is good" in checked.stdout
