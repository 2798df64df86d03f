# SPDX-License-Identifier: MIT
"""vsay-shell as the ForceCommand of a real sshd."""
import contextlib
import getpass
import os
import shlex
import shutil
import signal
import socket
from pathlib import Path

import pytest

from shells import Host, Terminal
from stack import Process, free_port, run, wait_for

SFTP_SERVERS = ("/usr/lib/openssh/sftp-server", "/usr/libexec/openssh/sftp-server",
                "/usr/lib/ssh/sftp-server")


class Sshd:
    def __init__(self, host, force):
        self.directory, self.port = host.directory, free_port()
        path = host.env()["PATH"]
        sftp = next(name for name in SFTP_SERVERS if Path(name).exists())
        for name in ("host", "user"):
            run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.directory / name)
        (self.directory / "sshd.conf").write_text(f"""
            Port {self.port}
            ListenAddress 127.0.0.1
            HostKey {self.directory}/host
            AuthorizedKeysFile {self.directory}/user.pub
            PidFile none
            UsePAM no
            StrictModes no
            PermitRootLogin yes
            Subsystem sftp {sftp}
            SetEnv HOME={host.home} HISTFILE={host.home}/history INPUTRC={host.home}/.inputrc
            ForceCommand {force}
            """)
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)
        self.process = Process(self.directory / "sshd.log", shutil.which("sshd", path=path), "-D",
                               "-e", "-f", self.directory / "sshd.conf")
        wait_for(self.listens, what="sshd")

    def listens(self):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
            return True

    def options(self, port="-p"):
        return [port, str(self.port), "-i", f"{self.directory}/user", "-F", "none",
                "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "-o", "LogLevel=ERROR",
                "-o", f"UserKnownHostsFile={self.directory}/known"]


@pytest.fixture
def host(new_directory):
    host = Host(new_directory())
    host.agent.start()
    host.sshd = Sshd(host, shlex.join(str(arg) for arg in host.args()))
    yield host
    host.sshd.process.stop()
    host.stack.close()


@pytest.fixture
def login():
    return f"{getpass.getuser()}@127.0.0.1"


def test_command(host, login):
    result = run("ssh", *host.sshd.options(), login, "echo 'two  words'; exit 6")
    assert (result.stdout, result.returncode) == ("two  words\n", 6)
    assert host.agent.commands() == [("echo 'two  words'; exit 6", False)]
    assert host.agent.of("open")[0]["source_address"] == "127.0.0.1"


@pytest.mark.parametrize("protocol", [(), ("-O",)], ids=["sftp", "scp"])
def test_scp(host, login, protocol):
    data = os.urandom(1 << 20)
    (host.directory / "there").write_bytes(data)
    remote = f"{login}:{host.directory}"
    scp = ["scp", "-q", *protocol, *host.sshd.options("-P")]
    assert run(*scp, f"{remote}/there", host.directory / "here").returncode == 0
    assert run(*scp, host.directory / "here", f"{remote}/again").returncode == 0
    assert (host.directory / "again").read_bytes() == data
    assert [success for _, success in host.agent.commands()] == [True]
    assert len(host.agent.of("open")) == 2


def test_rsync(host, login):
    source, target = host.directory / "source", host.directory / "target"
    source.mkdir()
    for name in "abc":
        (source / name).write_bytes(os.urandom(100000))
    result = run("rsync", "-a", "-e", shlex.join(["ssh", *host.sshd.options()]), f"{source}/",
                 f"{login}:{target}/")
    assert result.returncode == 0, result.stderr
    assert all((source / name).read_bytes() == (target / name).read_bytes() for name in "abc")
    assert host.agent.commands()[0][0].startswith("rsync --server ")


def terminal(host, *args, size=(24, 80)):
    terminal = Terminal(["ssh", *host.sshd.options(), *args], host.env(), size=size)
    host.stack.callback(terminal.close)
    return terminal


def test_terminal(host, login):
    shell = terminal(host, "-t", login, size=(33, 99))
    shell.expect("READY> ")
    assert b"33 99" in shell.run("stty size")
    shell.run("false")
    shell.resize(44, 111)
    wait_for(lambda: b"44 111" in shell.run("stty size"))
    shell.write("exit 5\n")
    assert shell.wait() == 5
    assert ("false", False) in host.agent.commands()


def test_command_on_a_terminal(host, login):
    shell = terminal(host, "-t", login, "tty && stty size && cat")
    shell.expect(r"/dev/pts/\d+\r\n24 80\r\n")
    shell.write("\x03")
    assert shell.wait() == 128 + signal.SIGINT
    assert host.agent.commands() == [("tty && stty size && cat", False)]


def test_terminate(host, login):
    shell = terminal(host, "-t", login)
    shell.expect("READY> ")
    host.agent.terminate()
    shell.expect("vsay: this session was ended by alice: maintenance")
    assert shell.wait() == 128 + signal.SIGHUP
    assert host.agent.wait("end")["reason"] == "terminated"


def test_connection_lost(host, login):
    shell = terminal(host, "-t", login)
    shell.expect("READY> ")
    shell.popen.kill()
    assert host.agent.wait("end")["reason"] == "hangup"
