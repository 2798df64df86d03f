# SPDX-License-Identifier: MIT
"""vsay-shell on a terminal of its own, and a stand-in for the vsay-agent that it reports to."""
import contextlib
import fcntl
import json
import os
import pty
import re
import signal
import socket
import struct
import subprocess
import termios
import threading
from pathlib import Path

from stack import BUILD, ENV, REPO, wait_for

SHELL = str(BUILD / "vsay-shell")
SHARE = REPO / "src" / "shell" / "integration"
PACKET_MAX = 192 * 1024


class Agent:
    """Listens like vsay-agent, keeps every packet and answers as told to. Agents of older versions do
    not want to know when a user was active."""

    def __init__(self, path, refuse=None, mute=False, wants_activity=False):
        self.path, self.refuse, self.mute = path, refuse, mute
        self.quiet_about = None  # the type of packets that it does not answer
        self.wants_activity = wants_activity
        self.packets, self.connections, self.peers = [], [], []
        self.listener = None

    def start(self):
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.path.unlink(missing_ok=True)
        self.listener.bind(str(self.path))
        self.listener.listen()
        threading.Thread(target=self.accept, args=(self.listener,), daemon=True).start()
        return self

    def stop(self):
        if self.listener:
            with contextlib.suppress(OSError):
                self.listener.shutdown(socket.SHUT_RDWR)
            self.listener.close()
            self.path.unlink(missing_ok=True)
        for connection in self.connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self.connections.clear()

    def accept(self, listener):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                self.connections.append(connection)
                peer = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
                self.peers.append(struct.unpack("iII", peer))
                threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        with contextlib.suppress(OSError):
            while packet := connection.recv(PACKET_MAX + 1):
                packet = json.loads(packet)
                self.packets.append(packet)
                if answer := self.answer(packet):
                    connection.send(json.dumps(answer).encode())

    def answer(self, packet):
        if self.mute or packet["type"] == self.quiet_about:
            return None
        if packet["type"] == "open" and self.refuse:
            return {"type": "refused", "reason": self.refuse}
        opened = {"activity": True} if self.wants_activity else {}
        return {"open": {"type": "opened", "session_id": packet.get("session_id"), **opened},
                "activity": None if self.wants_activity else {"type": "unwanted"},
                "command": {"type": "ack", "seq": packet.get("seq")},
                "end": {"type": "ended"}}[packet["type"]]

    def terminate(self, reason="ended by alice: maintenance"):
        wait_for(lambda: self.connections, what="a connection")
        packet = json.dumps({"type": "terminate", "reason": reason}).encode()
        self.connections[-1].send(packet)

    def of(self, kind):
        return [packet for packet in list(self.packets) if packet["type"] == kind]

    def wait(self, kind, count=1):
        wait_for(lambda: len(self.of(kind)) >= count, what=f"{count} {kind} in {self.packets}")
        return self.of(kind)[count - 1]

    def commands(self):
        """The last that was said of each command: (command, success), in order."""
        last = {packet["seq"]: (packet["command"], packet["success"])
                for packet in self.of("command")}
        return [last[seq] for seq in sorted(last)]


    def exit_codes(self):
        """Of these, with the command; None where none was told."""
        last = {packet["seq"]: (packet["command"], packet.get("exit_code"))
                for packet in self.of("command")}
        return [last[seq] for seq in sorted(last)]


class Terminal:
    """A program on a new terminal, as its session's leader."""

    def __init__(self, args, env, size=(24, 80), **options):
        self.master, slave = pty.openpty()
        self.resize(*size)
        self.settings = termios.tcgetattr(slave)
        self.output = b""
        self.seen = 0

        def lead():
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        self.popen = subprocess.Popen([str(arg) for arg in args], stdin=slave, stdout=slave,
                                      stderr=slave, env=env, preexec_fn=lead, **options)
        self.slave = slave  # stays open, so that its settings can be looked at
        self.pid = self.popen.pid
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        with contextlib.suppress(OSError):
            while data := os.read(self.master, 65536):
                self.output += data

    def resize(self, rows, columns):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def write(self, data):
        data = data if isinstance(data, bytes) else data.encode()
        while data:
            data = data[os.write(self.master, data[:4096]):]

    def expect(self, pattern, seconds=40):
        """Waits for output that matches and has not been waited for yet."""
        pattern = pattern if isinstance(pattern, bytes) else pattern.encode()

        def look():
            return re.compile(pattern, re.S).search(self.output, self.seen)
        try:
            found = wait_for(look, seconds, what=pattern)
        except AssertionError as error:
            there = self.output[self.seen:][-500:]
            raise AssertionError(f"{error}; there is {there!r}") from None
        self.seen = found.end()
        return found

    def run(self, line):
        """Types the line; returns when the prompt is back."""
        self.write(line + "\n")
        start = self.expect(rb"\n").end()
        # The prompt alone: ".*?READY> " is tried from each byte to the end while it is not there.
        end = self.expect(rb"READY> ").end()
        return self.output[start:end]

    def wait(self, seconds=40):
        return self.popen.wait(seconds)

    def close(self):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.popen.wait()
        os.close(self.slave)
        self.reader.join(20)  # the number may be the next terminal's, whose output it would read
        assert not self.reader.is_alive(), "somebody still has the terminal"
        os.close(self.master)


def write_conf(path, **options):
    """An agent.conf for `path`'s directory; options are [shell]'s."""
    path.write_text(f"[agent]\nsocket = {path.parent}/agent.sock\nstate_dir = {path.parent}\n"
                    "[shell]\n" + "".join(f"{key} = {value}\n" for key, value in options.items()))
    return path


class Host:
    """A machine for the shell's user: home, configuration, agent."""

    def __init__(self, directory, **options):
        self.directory = directory
        self.home = directory / "home"
        self.home.mkdir()
        (self.home / ".bashrc").write_text("PS1='READY> '\n")
        (self.home / ".zshrc").write_text("PS1='READY> '\nunsetopt zle prompt_cr prompt_sp\n")
        (self.home / ".inputrc").write_text("set enable-bracketed-paste off\n")
        self.drop = directory / "drop"
        self.drop.mkdir()
        self.agent = Agent(directory / "agent.sock")
        self.conf = write_conf(directory / "agent.conf", **{"program": "/bin/bash", **options})
        self.stack = contextlib.ExitStack()
        self.stack.callback(self.agent.stop)

    def env(self, **more):
        return {**{name: value for name, value in ENV.items()
                   if not name.startswith(("SSH_", "VSCODE_", "TERM_"))},
                "HOME": str(self.home), "TERM": "xterm", "HISTFILE": str(self.home / "history"),
                "LC_ALL": "C.UTF-8", **more}

    def args(self, *args):
        return [SHELL, "--config", self.conf, "--share", SHARE, *args]

    def terminal(self, *args, env=(), **options):
        terminal = Terminal(self.args(*args), self.env(**dict(env)), **options)
        self.stack.callback(terminal.close)
        return terminal

    def shell(self, *args, **options):
        """The same, at its first prompt."""
        terminal = self.terminal(*args, **options)
        terminal.expect("READY> ")
        return terminal

    def run(self, *args, env=(), **options):
        if "input" not in options:
            options["stdin"] = subprocess.DEVNULL
        return subprocess.run([os.fsencode(arg) for arg in self.args(*args)], env=self.env(**dict(env)),
                              capture_output=True, timeout=30, **options)

    def dropped(self):
        """The lines of the only file that was left for the agent."""
        file, = self.drop.iterdir()
        assert not file.name.startswith(".") and file.stat().st_mode & 0o777 == 0o640
        lines = [json.loads(line) for line in file.read_text().splitlines()]
        assert file.name == lines[0]["session_id"] + ".jsonl"
        return lines


def alive(pid):
    """Whether the process lives; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False
