# SPDX-License-Identifier: MIT
"""What cannot be seen is never called gone, and what a vsay-shell still holds is not lost unnoticed."""
import contextlib
import ctypes
import os
import resource
import signal
import subprocess
import termios
from pathlib import Path

import pytest

from agent_fixtures import (  # noqa: F401
    NOBODY, agent, held, new_agent, new_server, new_shell, root, server, shell)
from agent_process import Agent, lives
from shells import Host
from stack import wait_for
from test_agent_shell import background, commands, opened


@pytest.fixture
def host(directory, server):
    """A machine with real vsay-shells; its vsay-agent is not started yet."""
    host = Host(directory)
    host.drop.rmdir()
    host.agent = Agent(directory, server.url)
    with contextlib.closing(host.stack):
        yield host
    assert host.agent.stop() in (0, -signal.SIGKILL, None)
    assert "Sanitizer" not in host.agent.log()


def kill(pid):
    """Kills it, and waits until that is done."""
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not lives(pid))


# --- an end that confirms, and one that does not ---

def test_no_confirmation_after_a_restart_and_the_death_of_the_shell(host, server):
    host.agent.start()
    shell = host.shell()
    session, job = opened(server), background(shell, "nohup sleep 7777")
    os.kill(shell.pid, signal.SIGSTOP)
    host.agent.stop(signal.SIGKILL)
    host.agent.start()
    server.signal(session, "ended by alice")
    wait_for(lambda: "event=session_terminate" in host.agent.log())
    kill(shell.pid)
    end = server.wait_for_end(session)
    assert (end["reason"], end["confirmed"]) == ("lost", False)
    assert not lives(job), "what can be seen is killed"


@pytest.mark.parametrize("when", ["before it is to end", "while it is ended"])
def test_no_confirmation_for_what_left_the_session(host, server, when):
    """What has a session of its own cannot be found any more when vsay-shell is dead."""
    host.agent.start()
    shell = host.shell()
    session = opened(server)
    shell.run("trap '' HUP")
    shell.write("(setsid sh -c 'echo away=$$.; exec sleep 7777') &\n")
    away = int(shell.expect(rb"away=(\d+)\.")[1])
    os.kill(shell.pid, signal.SIGSTOP)
    if when == "while it is ended":
        server.signal(session, "ended by alice")
        wait_for(lambda: "event=session_terminate" in host.agent.log())
        kill(shell.pid)
    else:
        host.agent.process.kill(signal.SIGSTOP)
        kill(shell.pid)
        server.signal(session, "ended by alice")
        host.agent.process.kill(signal.SIGCONT)
    try:
        assert server.wait_for_end(session)["confirmed"] is False
    finally:
        kill(away)


def test_confirmation_by_a_shell_that_is_done(host, server):
    """It is vsay-shell's word that all is gone, also when it comes late."""
    host.agent.start()
    shell = host.shell()
    session = opened(server)
    wait_for(lambda: server.parked)
    server.signal(session, "ended by alice")
    end = server.wait_for_end(session)
    assert end["reason"] == "terminated" and "confirmed" not in end


@pytest.mark.parametrize("leaves", [False, True])
def test_an_ordinary_end_while_the_agent_is_away(host, server, leaves):
    """A DELETE may be on its way by then: the end confirms it only if nothing is left behind."""
    host.agent.start()
    shell = host.shell()
    session = opened(server)
    job = background(shell, "nohup sleep 7777") if leaves else None
    host.agent.stop(signal.SIGKILL)
    shell.write("exit\n")
    shell.wait()
    host.agent.start()
    try:
        end = server.wait_for_end(session)
        assert end["reason"] == "exited" and end.get("confirmed", True) is not leaves
    finally:
        if job:
            kill(job)


def test_an_ordinary_end_of_a_session_that_was_to_end(agent, server, shell):
    """vsay-shell says so, and dies before its word is read: what it left cannot be seen."""
    wait_for(lambda: server.parked)
    server.signal(shell.session, "ended by alice")
    assert shell.receive()["type"] == "terminate"
    agent.process.kill(signal.SIGSTOP)
    shell.kill_leader()
    shell.send(type="end", reason="exited", exit_code=0)
    shell.die_when_sent()
    agent.process.kill(signal.SIGCONT)
    assert server.wait_for_end(shell.session)["confirmed"] is False


PTRACE_SEIZE, PTRACE_INTERRUPT, PTRACE_DETACH, WALL = 0x4206, 0x4207, 17, 0x40000000


@contextlib.contextmanager
def main_thread_stopped(pid):
    """The other threads go on."""
    ptrace = ctypes.CDLL(None).ptrace
    ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    assert ptrace(PTRACE_SEIZE, pid, None, None) == 0
    assert ptrace(PTRACE_INTERRUPT, pid, None, None) == 0
    os.waitpid(pid, WALL)
    yield
    assert ptrace(PTRACE_DETACH, pid, None, None) == 0


def test_an_exit_just_before_the_order_to_end(host, server):
    """vsay-shell is about to leave. It ends what its shell has left, and so can confirm that when
    the agent is killed before it could store anything."""
    host.conf = host.agent.conf
    agent = host.agent.start()
    shell = host.shell()
    session, job = opened(server), background(shell, "nohup sleep 7777")
    wait_for(lambda: server.parked)
    pid = agent.process.pid
    with main_thread_stopped(pid):
        shell.write("exit 5\n")
        wait_for(lambda: termios.tcgetattr(shell.slave) == shell.settings, what="the shell's exit")
        server.signal(session, "ended by alice")
        wait_for(lambda: "event=session_terminate" in agent.log())
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
    assert shell.wait() == 5 and not lives(job)
    agent.stop(signal.SIGKILL)
    agent.start()
    end = server.wait_for_end(session)
    assert end["reason"] != "exited" and end["exit_code"] == 5 and "confirmed" not in end


def test_session_of_an_earlier_boot_is_gone(new_agent, server, new_shell):
    agent = new_agent(server.url).start()
    shell = new_shell(agent).opened()
    agent.stop(signal.SIGKILL)
    path = agent.state / "sessions" / f"{shell.session}.json"
    text = path.read_text()
    path.write_text(text.replace('"boot"', '"boot":"another","was"'))
    shell.stop()
    agent.start()
    end = server.wait_for_end(shell.session)
    assert end["reason"] == "lost" and "confirmed" not in end


def test_another_boot_is_not_believed_while_its_processes_live(new_agent, server, new_shell):
    agent = new_agent(server.url).start()
    shell = new_shell(agent).opened()
    agent.stop(signal.SIGKILL)
    path = agent.state / "sessions" / f"{shell.session}.json"
    path.write_text(path.read_text().replace('"boot"', '"boot":"another","was"'))
    agent.start()
    end = server.wait_for_end(shell.session)
    assert (end["reason"], end["confirmed"]) == ("lost", False) and lives(shell.leader)


def test_a_shell_that_dies_before_its_opening_is_read(agent, server, new_shell):
    shell = new_shell(agent)
    descriptors = Path(f"/proc/{agent.process.pid}/fd")
    before = len(list(descriptors.iterdir()))
    shell.write("connect")
    wait_for(lambda: len(list(descriptors.iterdir())) > before, what="the connection")
    agent.process.kill(signal.SIGSTOP)
    shell.send(**shell.opening())
    shell.die_when_sent()
    assert lives(shell.leader)
    agent.process.kill(signal.SIGCONT)
    end = server.wait_for_end(shell.session)
    assert (end["reason"], end["confirmed"]) == ("lost", False)
    assert not lives(shell.leader)


@root
def test_processes_that_are_hidden_later(directory, new_server, new_shell):
    """An administrator mounts /proc with hidepid while the agent runs, which is not root's."""
    server = new_server()
    agent = Agent(directory, server.url)
    for path in (directory, agent.token):
        os.chown(path, NOBODY, -1)
    directory.parent.chmod(0o755)
    agent.start(prefix=["unshare", "-m", "setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}",
                        "--clear-groups"])
    try:
        shell = new_shell(agent).opened()
        server.wait_for_heartbeat()
        subprocess.run(["nsenter", "-m", "-t", str(agent.process.pid), "mount", "-t", "proc", "-o",
                        "hidepid=2", "proc", "/proc"], check=True)
        shell.write("connect")  # and closes the connection of before
        server.wait_for_heartbeat(4)
        assert server.wait_for_heartbeat()["sessions"] == [shell.session]
        assert lives(shell.leader) and not server.ends(shell.session)
    finally:
        agent.stop()


# --- what a vsay-shell still holds ---

def test_a_stopped_shell_hands_over_what_it_holds(host, server):
    """Its agent was started again meanwhile, and knows nothing of its commands."""
    host.agent.start()
    shell = host.shell()
    session, job = opened(server), background(shell, "sleep 7777")
    host.agent.stop(signal.SIGKILL)
    shell.run("echo held back")
    os.kill(shell.pid, signal.SIGSTOP)
    host.agent.start()
    server.signal(session, "ended by alice")
    end = server.wait_for_end(session, 30)
    assert end["reason"] == "killed" and "confirmed" not in end
    assert not lives(job) and commands(server)[-1] == ("echo held back", True)
    wait_for(lambda: not lives(shell.pid))


@pytest.fixture
def full_disk(agent):
    """Files of the agent cannot grow; called, they can again."""
    _, most = resource.prlimit(agent.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(agent.process.pid, resource.RLIMIT_FSIZE, (1024, most))
    return lambda: resource.prlimit(agent.process.pid, resource.RLIMIT_FSIZE, (most, most))


def test_told_to_end_though_the_disk_is_full(agent, server, shell, full_disk):
    """Each connection is closed at once, since its commands cannot be stored."""
    wait_for(lambda: server.parked)
    assert shell.command(1, "x" * 2000) is None
    server.signal(shell.session, "ended by alice")
    wait_for(lambda: "event=session_terminate" in agent.log())
    agent.process.kill(signal.SIGSTOP)
    shell.write("connect")
    shell.send(**shell.opening())
    shell.send(type="command", seq=1, command="x" * 2000, success=True,
               timestamp="2026-02-06T12:00:05.000Z")
    shell.sync()
    agent.process.kill(signal.SIGCONT)
    assert shell.receive() == {"type": "terminate", "reason": "ended by alice"}
    full_disk()


def test_commands_lost_to_a_full_disk_are_counted(agent, server, shell, full_disk):
    wait_for(lambda: server.parked)
    assert shell.command(1, "x" * 2000) is None
    shell.write("connect")
    shell.send(**shell.opening())
    for seq in (1, 2, 3):
        shell.send(type="command", seq=seq, command="x" * 2000, success=True,
                   timestamp="2026-02-06T12:00:05.000Z")
    while shell.receive():
        pass
    shell.popen.kill()
    shell.popen.wait()
    full_disk()
    assert server.wait_for_end(shell.session)["reason"] == "lost"
    assert server.wait_for_heartbeat()["dropped"] >= 1
    assert f"event=commands_lost session={shell.session}" in agent.log()


def test_commands_that_a_shell_gave_up_are_counted(server, shell):
    """Once, however often it says so; and not what cannot be."""
    report = {"type": "command", "command": "true", "success": True, "timestamp": "2026-02-06T12:00:05.000Z"}
    for seq, lost in ((5, 4), (5, 4), (9, 3), (10, 10), (11, -1), (12, "1"), (13, None)):
        shell.send(**report, seq=seq, lost=lost)
        assert shell.receive() == {"type": "ack", "seq": seq}
    assert server.wait_for_heartbeat()["dropped"] == 7


def test_shell_and_agent_with_a_full_disk(host, server):
    """The user is told, and what runs is hung up and not killed at once."""
    agent = host.agent.start()
    shell = host.shell()
    session = opened(server)
    wait_for(lambda: server.parked)
    shell.run("trap 'echo hung up; exit' HUP")
    pid = agent.process.pid
    _, most = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (2048, most))  # the log is a file too
    long = "true " + "x" * 3000
    shell.run(long)
    wait_for(lambda: "event=spool_down" in agent.log())
    server.signal(session, "ended by alice: full")
    shell.expect("vsay: this session was ended by alice: full")
    shell.wait()
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (most, most))
    assert server.wait_for_end(session, 30)["reason"] == "terminated"
    assert ((long, True) in commands(server)) or server.wait_for_heartbeat()["dropped"]


# --- other users ---

@root
def test_a_name_that_somebody_else_took(host, server, directory):
    """Another user's file where the session's should be keeps no report back."""
    for path in (directory.parent, directory, host.home):
        path.chmod(0o755)
    os.chown(host.home, NOBODY, -1)
    host.agent.start()
    shell = host.shell(user=NOBODY, cwd="/")
    session = opened(server)
    host.agent.stop(signal.SIGKILL)
    shell.run("echo away")
    drop = host.agent.state / "drop"
    for name in (f"{session}.jsonl", f".{session}.jsonl"):
        (drop / name).write_text("not yours\n")
    shell.write("exit 4\n")
    assert shell.wait() == 4
    host.agent.start()
    assert server.wait_for_end(session)["exit_code"] == 4
    assert ("echo away", True) in commands(server)
    wait_for(lambda: {path.name for path in drop.iterdir()} <= {f".{session}.jsonl"})


# As another user: opens sessions as fast as it can, and prints how many were taken.
FLOOD = """
import json, os, secrets, socket, sys
taken, links = 0, []
for _ in range(300):
    link = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    link.connect(sys.argv[1])
    link.send(json.dumps({"type": "open", "session_id": "sess_" + secrets.token_hex(16),
                          "source": "cli"}).encode())
    reply = json.loads(link.recv(1000))
    if reply["type"] == "opened":
        link.send(json.dumps({"type": "end", "reason": "exited", "exit_code": 0}).encode())
        link.recv(1000)
    else:
        assert "short time" in reply["reason"], reply
    taken += reply["type"] == "opened"
    link.close()
print(taken)
"""


@root
@pytest.mark.parametrize("user", [NOBODY, 0])
def test_one_user_opens_many_sessions(new_agent, server, new_shell, directory, user):
    directory.parent.chmod(0o755)
    directory.chmod(0o755)
    agent = new_agent(server.url).start()
    flood = subprocess.run(["/usr/bin/python3", "-c", FLOOD, agent.socket], user=user, cwd="/",
                           capture_output=True, text=True, timeout=120, check=True)
    taken = int(flood.stdout)
    assert taken == 300 if user == 0 else 200 <= taken < 290
    new_shell(agent).opened()


@pytest.mark.skipif(not Path("/usr/bin/strace").exists(), reason="needs strace")
def test_signals_cannot_reach_a_stranger(new_agent, server, new_shell, directory):
    """A process is held while it is looked at; kill(2) would take whoever has the number."""
    trace = directory / "trace"
    agent = new_agent(server.url).start(prefix=[
        "strace", "-f", "-o", trace, "-e", "trace=kill,tgkill,pidfd_send_signal"])
    shell = new_shell(agent).opened()
    shell.popen.kill()
    shell.popen.wait()
    server.wait_for_end(shell.session)
    calls = trace.read_text()
    assert "pidfd_send_signal(" in calls and " kill(" not in calls
