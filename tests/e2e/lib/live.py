# SPDX-License-Identifier: MIT
"""This host as a machine: a real vsay-agent and real vsay-shells, with the API's view of them."""
from pathlib import Path

import agent_process
from shells import Host, Terminal
from tokens import claims


class Machine:
    """A machine of the tenant's. Its agent reports to `port`, by default the stack's nginx."""

    def __init__(self, stack, tenant, directory, port=None):
        self.stack, self.id = stack, tenant.machine(seen=None)
        self.agent = agent_process.Agent(directory, f"http://127.0.0.1:{port or stack.port}")
        self.agent.write_token(stack.keys.sign(claims(
            None, ttl=86400, role="agent", agent_id=self.id, generation=1)))
        home = directory / "user"
        home.mkdir()
        self.host = Host(home)
        self.host.conf = self.agent.conf
        self.agent.start()

    def close(self):
        self.host.stack.close()
        self.agent.stop()

    def shell(self, *args, **options):
        return Shell(self, self.host.shell(*args, **options))

    def own_shell(self):
        """The same, but the caller closes its terminal."""
        terminal = Terminal(self.host.args(), self.host.env())
        terminal.expect("READY> ", 60)
        return Shell(self, terminal)


class Shell:
    """A recorded shell at its prompt, with the API's view of it."""

    def __init__(self, machine, terminal):
        self.machine, self.terminal = machine, terminal
        self.run = terminal.run
        answer = terminal.run("echo id=$VSAY_SESSION_ID sid=$$")
        self.id, sid = (word.split(b"=")[1].decode() for word in answer.split()[-3:-1])
        self.sid = int(sid)

    def processes(self):
        """Of its session."""
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                fields = (process / "stat").read_text().rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(fields[3]) == self.sid and fields[0] not in "ZX":
                found.append(int(process.name))
        return found

    def receipt(self, by):
        reply = self.machine.stack.get(f"/api/sessions/{self.id}", by)
        return reply.json() if reply.status == 200 else None

    def logs(self, by):
        """(command, success), oldest first."""
        receipt = self.receipt(by)
        return [(entry["command"], entry["success"]) for entry in reversed(receipt["logs"])
                ] if receipt else []

    def outcome(self, by):
        receipt = self.receipt(by)
        return receipt and (receipt["session"]["termination"] or {}).get("outcome")

    def listed(self, by):
        reply = self.machine.stack.get("/api/terminal/sessions", by)
        return reply.status == 200 and self.id in [
            session["session_id"] for session in reply.json()["sessions"]]


def marked_processes(session):
    """Whatever lives and has the session's id in its environment, as all that a recorded shell
    starts has: found without the help of vsay."""
    mark, found = f"VSAY_SESSION_ID={session}".encode(), []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (process / "environ").read_bytes().split(b"\0"):
                found.append(int(process.name))
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
    return found
