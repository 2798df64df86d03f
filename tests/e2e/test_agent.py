# SPDX-License-Identifier: MIT
"""vsay-agent between a stand-in for the server and stand-ins for vsay-shells: what it reports, its token,
its program."""
import itertools
import json
import re
import resource
import shutil
import signal
import stat
import subprocess
import time
from pathlib import Path

import pytest

from agent_fixtures import (  # noqa: F401
    NOBODY, agent, held, new_agent, new_server, new_shell, root, server, shell)
from agent_process import AGENT, PACKET_MAX, Agent, lives, new_id
from fake_server import tls_for
from stack import run, wait_for


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


def test_a_session_that_is_no_longer_recorded(agent, server, shell):
    """It is opened again with the reason, once."""
    for _ in range(2):
        shell.send(**shell.opening(not_recorded="no é"))
        assert shell.receive() == {"type": "opened", "session_id": shell.session, "activity": True}
        shell.command(1)
    shell.end()
    server.wait_for_end(shell.session)
    openings = server.told("/api/agent/sessions")
    assert [opening.get("not_recorded") for opening in openings] == [None, "no é"]
    assert openings[0]["seq"] < openings[1]["seq"]


@pytest.mark.parametrize("why", ["", "a\nb", "x" * 256, 5, None, "a\u0000b"])
def test_a_reason_that_vsay_would_refuse_is_left_out(agent, server, new_shell, why):
    shell = new_shell(agent).opened(not_recorded=why)
    (opening,) = wait_for(lambda: server.told("/api/agent/sessions"))
    assert opening["session_id"] == shell.session and "not_recorded" not in opening


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
    {"source": None}, {"user_id": "a b"}, {"user_id": "x" * 129}, {"username": "a\nb"},
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


@pytest.mark.parametrize("told, passed", [(None, None), (0, 0), (255, 255), (256, None), (-1, None),
                                          ("0", None), (True, None), (1.5, None)])
def test_exit_codes(server, shell, told, passed):
    """None from a vsay-shell of an older version; one that is malformed costs no command."""
    shell.send(type="command", seq=1, command="make", success=True, exit_code=told,
               timestamp="2026-02-06T12:00:05Z")
    assert shell.receive() == {"type": "ack", "seq": 1}
    [reported] = wait_for(lambda: [entry for body in server.told("/api/agent/activity")
                                   for entry in body["activities"]])
    assert reported.get("exit_code") == passed


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



# --- the program ---

def test_arguments(directory):
    assert run(AGENT, "--version").stdout.startswith("vsay-agent ")
    assert "--check-config" in run(AGENT, "--help").stdout
    assert run(AGENT, "--nonsense").returncode == 2 and run(AGENT, "word").returncode == 2


@pytest.mark.parametrize("change, detail", [
    ({}, None), ({"server": ""}, "no server is named"), ({"server": "vsay.example.com"}, "https://"),
    ({"server": "https://vsay.example.com/"}, "ends with a slash"), ({"socket": "a"}, "absolute path"),
    ({"token_file": "a"}, "absolute path"), ({"spool_max": 1}, "from 64"), ({"sockt": "/a"}, "unknown key")])
def test_check_config(directory, change, detail):
    agent = Agent(directory, "https://vsay.example.com", **change)
    checked = run(AGENT, "--config", agent.conf, "--check-config")
    if detail:
        assert checked.returncode == 1 and detail in checked.stderr
    else:
        assert checked.returncode == 0 and "is good" in checked.stdout
