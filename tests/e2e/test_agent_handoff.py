# SPDX-License-Identifier: MIT
"""What vsay-shells leave for the agent in files, and what other users may do to it."""
import json
import os
import signal
import subprocess

import pytest

from agent_fixtures import (  # noqa: F401
    NOBODY, agent, held, new_agent, new_server, new_shell, root, server, shell)
from agent_process import AGENT, Agent, new_id
from stack import run, wait_for


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
    assert agent.log().count("event=handoff detail") <= 3, "what is no file is not even looked at"



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
