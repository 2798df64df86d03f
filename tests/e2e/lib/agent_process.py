# SPDX-License-Identifier: MIT
"""A real vsay-agent, and what speaks to it as vsay-shell does."""
import json
import os
import secrets
import signal
import socket
import subprocess
from pathlib import Path

from stack import BUILD, Process, wait_for, write_conf

AGENT = str(BUILD / "vsay-agent")
PACKET_MAX = 192 * 1024


class Agent:
    """vsay-agent with a state directory of its own; it may be started several times."""

    def __init__(self, directory, url, **agent):
        self.dir, self.state = directory, directory / "state"
        self.socket, self.token = directory / "agent.sock", directory / "token"
        self.write_token("good")
        self.conf = write_conf(directory / "agent.conf", {
            "agent": {"server": url, "token_file": self.token, "state_dir": self.state,
                      "socket": self.socket, **agent},
            "shell": {"kill_after": "1s", "program": "/bin/bash"}, "log": {"level": "debug"}})
        self.process = None

    def write_token(self, token):
        self.token.write_text(token + "\n")
        self.token.chmod(0o600)

    def start(self, prefix=(), **options):
        self.process = Process(self.dir / "agent.log", *prefix, AGENT, "--config", self.conf,
                               env={"no_proxy": "*"}, **options)
        wait_for(lambda: self.listens() or self.process.ended(), what="the agent")
        return self

    def listens(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as probe:
            return probe.connect_ex(str(self.socket)) == 0

    def log(self):
        log = self.dir / "agent.log"
        return log.read_text() if log.exists() else ""

    def stop(self, number=signal.SIGTERM):
        """The exit status; negative for a signal."""
        return self.process.stop(number) if self.process else None


def new_id():
    return "sess_" + secrets.token_hex(16)


# Speaks as vsay-shell does: starts a leader in a session of its own, connects, and passes packets as
# lines between its standard input and output and the socket. A process of its own, as the agent
# knows vsay-shells by their process.
SHELL = """
import os, select, socket, subprocess, sys
leader = subprocess.Popen(["sleep", "1000"], start_new_session=True)
print(leader.pid, flush=True)
link = None
while line := sys.stdin.buffer.readline().rstrip(b"\\n"):
    if line == b"connect":
        link = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        link.settimeout(15)
        link.connect(sys.argv[1])
    elif line == b"receive":
        try:
            sys.stdout.buffer.write(link.recv(200000) + b"\\n")
        except OSError:
            sys.stdout.buffer.write(b"\\n")
        sys.stdout.buffer.flush()
    elif line == b"sync":
        print("synced", flush=True)
    elif line == b"kill":
        leader.kill()
        leader.wait()
        print("killed", flush=True)
    elif line == b"die":
        os.kill(os.getpid(), 9)
    else:
        try:
            link.send(line)
        except OSError:
            pass
"""


class Shell:
    """A stand-in for vsay-shell with a session of one process, `leader`."""

    def __init__(self, path, user=None, session=None):
        self.session = session or new_id()
        self.popen = subprocess.Popen(["/usr/bin/python3", "-c", SHELL, str(path)], user=user,
                                      cwd="/", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.leader = int(self.popen.stdout.readline())

    def write(self, line):
        self.popen.stdin.write(line.encode() + b"\n")
        self.popen.stdin.flush()

    def send(self, **packet):
        self.write(json.dumps(packet, ensure_ascii=False))

    def receive(self):
        """The next packet; None when the agent has gone, or says nothing."""
        self.write("receive")
        line = self.popen.stdout.readline().strip()
        return json.loads(line) if line else None

    def opening(self, **members):
        return {"type": "open", "session_id": self.session, "source": "cli", "browser": None,
                "os": None, "started_at": "2026-02-06T12:00:00.000Z", "leader": self.leader,
                **members}

    def open(self, **members):
        self.write("connect")
        self.send(**self.opening(**members))
        return self.receive()

    def opened(self, **members):
        reply = self.open(**members)
        assert reply == {"type": "opened", "session_id": self.session, "activity": True}
        return self

    def command(self, seq, text="make", success=True):
        self.send(type="command", seq=seq, command=text, success=success,
                  timestamp="2026-02-06T12:00:05.000Z")
        return self.receive()

    def end(self, reason="exited", code=0):
        self.send(type="end", reason=reason, exit_code=code, ended_at="2026-02-06T12:30:00.000Z")
        return self.receive()

    def sync(self):
        """Waits until all is sent that was written."""
        self.write("sync")
        assert self.popen.stdout.readline() == b"synced\n"

    def kill_leader(self):
        self.write("kill")
        assert self.popen.stdout.readline() == b"killed\n"

    def die_when_sent(self):
        """Is killed, once all that it was to send is under way."""
        self.write("die")
        self.popen.wait()

    def stop(self):
        for pid in (self.popen.pid, self.leader):
            if lives(pid):
                os.kill(pid, signal.SIGKILL)
        self.popen.wait()
        self.popen.stdin.close()
        self.popen.stdout.close()


def lives(pid):
    """Whether the process exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False
