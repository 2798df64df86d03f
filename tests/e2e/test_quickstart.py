# SPDX-License-Identifier: MIT
"""./quickstart as a newcomer meets it, with its state in a directory of the test's."""
import contextlib
import os
import pty
import re
import signal
import socket
import subprocess
import threading
import urllib.request

import pytest

from reply import Reply
from stack import ENV, REPO, free_port, run, wait_for


pytestmark = pytest.mark.xdist_group("quickstart")  # they build in one place


class Terminal:
    """Keeps what comes out of a terminal, given its other end."""

    def __init__(self, descriptor):
        self.file, self.text = open(descriptor, "r+b", buffering=0), ""
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        with contextlib.suppress(OSError):  # EIO: nobody holds it any more
            while data := self.file.read(4096):
                self.text += data.decode(errors="replace")

    def type(self, text):
        self.file.write(text.encode())


class Quickstart:
    def __init__(self, directory):
        self.var, self.port = directory / "var", free_port()
        self.env = {**ENV, "VSAY_VAR": str(self.var), "VSAY_PORT": str(self.port)}

    def __call__(self, *args, **env):
        """Exit status and output."""
        ran = subprocess.run([REPO / "quickstart", *args], env={**self.env, **env}, text=True,
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, timeout=900)
        return ran.returncode, ran.stdout

    def pid(self, name):
        return int((self.var / "run" / f"{name}.pid").read_text().split()[0])

    def call(self, path, role="user", method="GET"):
        """The reply to a request that succeeds."""
        token = (self.var / "tokens" / role).read_text().strip()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", method=method,
                                         headers={"Authorization": f"Bearer {token}"})
        with urllib.request.urlopen(request, timeout=10) as response:
            return Reply(response.status, response.headers, response.read(), (method, path)).json()

    def metrics(self):
        token = (self.var / "tokens" / "metrics").read_text().strip()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/metrics",
                                         headers={"Authorization": f"Bearer {token}"})
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.read().decode()

    def sessions(self, query="", role="user"):
        reply = self.call(f"/api/terminal/sessions{query}", role)
        return {row["session_id"]: row for row in reply["sessions"]}

    def receipt(self, session_id):
        return self.call(f"/api/sessions/{session_id}")["session"]["termination"]

    @contextlib.contextmanager
    def shell(self, *args):
        """./quickstart shell on a terminal: its process, and the terminal's other end."""
        ours, theirs = pty.openpty()
        with subprocess.Popen([REPO / "quickstart", "shell", *args], env=self.env, stdin=theirs,
                              stdout=theirs, stderr=theirs, start_new_session=True) as process:
            os.close(theirs)
            try:
                yield process, Terminal(ours)
            finally:
                process.kill()

    def processes(self):
        """Command lines of what was started with our state."""
        return [line for line in subprocess.check_output(["ps", "-eo", "args"], text=True)
                .splitlines() if str(self.var) in line]


@pytest.fixture
def quickstart(directory):
    started = Quickstart(directory)
    yield started
    started("down")
    assert started.processes() == []


def first_requests(output):
    """What quickstart says to type after the start, without the commands that follow."""
    return "\n".join(re.findall(r"^  ((?:token=|curl ).*)", output, re.M))


def test_background(quickstart):
    code, output = quickstart("status")
    assert code == 3 and "stopped" in output
    code, output = quickstart("up")
    assert code == 0, output
    assert oct((quickstart.var / "etc" / "jwt.key").stat().st_mode)[-3:] == "600"
    for role in "user", "company_admin", "super_admin":
        assert quickstart.call("/api/dashboard/stats", role)["online_count"]
    link = re.search(r"http://\S+", output)[0]
    assert link == f"http://127.0.0.1:{quickstart.port}/#token=" + (
        quickstart.var / "tokens" / "super_admin").read_text().strip()
    with urllib.request.urlopen(link, timeout=10) as page:
        assert page.read().startswith(b"<!doctype html>")
    said = run("bash", "-ec", first_requests(output), env={"no_proxy": "*"}).stdout
    assert '"online_count":' in said and '"sessions":[{' in said and "systemctl" in said
    assert "\nvsay_workers 2\n" in quickstart.metrics()
    code, output = quickstart("ctl", "machine", "list")
    assert code == 0 and "this-machine" in output and "AGENT_ID" in output
    code, output = quickstart("ctl", "session", "close", "nothing")
    assert code == 1 and "Session not found" in output
    code, output = quickstart("up")
    assert code == 0 and "runs already" in output and quickstart("status")[0] == 0
    assert quickstart("down")[0] == 0 and quickstart.processes() == []
    code, output = quickstart("down")
    assert code == 0 and "Nothing runs" in output


def test_fleet(quickstart):
    assert quickstart("up")[0] == 0
    stats = quickstart.call("/api/dashboard/stats", "super_admin")
    print(stats)
    sessions = quickstart.sessions(role="super_admin")
    assert {f"demo-sess-{n}" for n in range(1, 9)} <= sessions.keys()
    activities = quickstart.call("/api/dashboard/recent-activity", "super_admin")["activities"]
    assert "curl -sI http://localhost/" in {row["command"] for row in activities}

    quickstart.call("/api/terminal/sessions/demo-sess-1", method="DELETE")
    wait_for(lambda: quickstart.receipt("demo-sess-1")["outcome"] == "confirmed", 10, "the receipt")
    assert "demo-sess-1" not in quickstart.sessions()


def test_shell(quickstart):
    assert quickstart("up")[0] == 0
    machine = "?agent_id=this-machine"
    with quickstart.shell() as (process, terminal):
        session_id, = wait_for(lambda: quickstart.sessions(machine), 20, "the session")
        terminal.type("echo six times seven is $((6 * 7))\n")
        wait_for(lambda: "seven is 42" in terminal.text, 20, "its output")
        wait_for(lambda: "echo six times seven is $((6 * 7))" in {
            row["command"] for row in quickstart.call("/api/dashboard/recent-activity")
            ["activities"]}, 20, "the command")
        assert session_id in quickstart("ctl", "session", "list")[1]
        quickstart.call(f"/api/terminal/sessions/{session_id}", method="DELETE")
        process.wait(20)
        wait_for(lambda: "ended by johndoe" in terminal.text, 20, "the reason")
    wait_for(lambda: quickstart.receipt(session_id)["outcome"] == "confirmed", 20, "the receipt")
    assert quickstart.sessions(machine) == {}


def test_shell_when_nothing_runs(quickstart):
    code, output = quickstart("shell")
    assert code == 1 and "./quickstart up" in output


def test_repair(quickstart):
    assert quickstart("up")[0] == 0
    for name in "mariadb", "workers", "nginx", "fleet", "agent":
        os.kill(quickstart.pid(name), signal.SIGKILL)
        code, output = quickstart("status")
        assert code == 1 and re.search(rf"{name} +is dead", output), output
        code, output = quickstart("up")
        assert code == 0 and quickstart("status")[0] == 0, output


def test_state_of_an_earlier_version(quickstart):
    """The file with the operator's password had another name."""
    assert quickstart("up")[0] == 0
    quickstart("down")
    etc = quickstart.var / "etc"
    (etc / "vsayctl.password").rename(etc / "operator.password")
    code, output = quickstart("up")
    assert code == 0, output
    assert quickstart("ctl", "machine", "list")[0] == 0


def test_stale_pid_file(quickstart):
    assert quickstart("up")[0] == 0
    quickstart("down")
    with subprocess.Popen(["sleep", "100"], start_new_session=True) as stranger:
        (quickstart.var / "run" / "mariadb.pid").write_text(f"{stranger.pid} 1\n")
        assert quickstart("up")[0] == 0
        quickstart("down")
        assert stranger.poll() is None
        stranger.kill()


def test_port_in_use(quickstart):
    with socket.create_server(("127.0.0.1", quickstart.port)):
        code, output = quickstart("up")
    assert code == 1 and f"port {quickstart.port} is in use" in output


def test_failed_step(quickstart):
    code, output = quickstart("up", VSAY_API_DB_WORKERS="0")
    assert code == 1 and "FAILED" in output and "api.db_workers" in output
    assert str(quickstart.var / "log") in output
    assert quickstart.processes() == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_foreground(quickstart, number):
    with open(quickstart.var.parent / "output", "w+") as output, subprocess.Popen(
            [REPO / "quickstart"], env=quickstart.env, stdin=subprocess.DEVNULL, stdout=output,
            stderr=output, start_new_session=True) as process:
        wait_for(lambda: b"Ctrl-C" in os.pread(output.fileno(), 100000, 0) or process.poll(), 300,
                 "the start")
        assert process.poll() is None, os.pread(output.fileno(), 100000, 0)
        process.send_signal(number)
        try:
            assert process.wait(60) == 130
        finally:
            process.kill()
    assert quickstart.processes() == []
