# SPDX-License-Identifier: MIT
"""What a login shell is given, by programs that know nothing of vsay-shell: as the real shell takes it."""
import subprocess

import pytest

from shell_fixtures import new_host, started_host  # noqa: F401
from shells import SHELL, Terminal
from stack import wait_for

SHELLS = {"bash": "/bin/bash", "dash": "/bin/dash", "zsh": "/usr/bin/zsh", "fish": "/usr/bin/fish"}
NOT_RECORDED = b"vsay: commands are not recorded: they do not come from a terminal\n"


ARGUMENTS = [
    ["-s"], ["-s", "one", "two"], ["-"], ["--"], ["+o"], ["-o"], ["-e", "-s"], ["-i", "-e", "+x"],
    ["-x", "-c", "echo $0 hi"], ["-o", "pipefail", "-c", "false | true; echo $?"],
    ["-lc", "echo $- $#", "zero", "one", "two"], ["-xec", "false; echo no"], ["-c", "--", "echo x"],
    ["-c", "-e", "--", "false; echo no"], ["-c"], ["-euo", "pipefail", "-c", "echo $-; false; echo no"],
    ["-eou", "pipefail", "-c", "echo $-"], ["-opipefail", "-c", "echo attached"], ["-c", "exit 7", "--login"],
    ["-c", 'echo "$@"', "zero", "-c", "--source", "x"], ["-l", "-c", "echo $0"], ["-i", "-c", "echo $0"],
    ["--", "SCRIPT", "-x"], ["-x", "SCRIPT", "-c", "echo no"], ["/no/such/script"], ["-c", "kill -9 $$"],
    ["-c", "cat"], ["-xs", "--", "-a"], ["--no-such-option"], ["--norc"], ["-norc", "-c", "echo $-"],
    ["--noprofile", "--norc", "-lc", "echo $-"], ["--rcfile", "/dev/null", "-c", "echo $0 $-"],
    ["--init-file", "/dev/null", "-i", "-c", "echo $-"], ["--posix", "-c", "echo ${POSIXLY_CORRECT-none}"],
    ["-O", "nullglob", "-c", "shopt nullglob"], ["+O", "nullglob", "-o", "posix", "-c", "shopt nullglob"],
    ["--no-rcs", "-c", "echo $-"], ["--emulate", "sh", "-c", "emulate"], ["-f", "-c", "echo $-"],
    ["--command", "echo fish"], ["--command=echo fish"], ["-N", "-C", "echo first", "-c", "echo then"],
]


@pytest.mark.parametrize("arguments", ARGUMENTS, ids=" ".join)
@pytest.mark.parametrize("shell", SHELLS)
def test_as_the_shell_takes_them(started_host, shell, arguments):
    host = started_host(program=SHELLS[shell])
    script = host.directory / "script"
    script.write_text('echo "script $# $1"; exit 4\n')
    arguments = [str(script) if argument == "SCRIPT" else argument for argument in arguments]
    data = b"echo from input $#\nexit 3\n"
    real = subprocess.run([shell, *arguments], executable=SHELLS[shell], env=host.env(), input=data, cwd=host.home,
                          capture_output=True, timeout=30)
    ours = host.run(*arguments, input=data, cwd=host.home)
    assert ours.stdout == real.stdout
    assert without_ids(ours.stderr.replace(NOT_RECORDED, b"")) == without_ids(real.stderr)
    assert ours.returncode == (real.returncode if real.returncode >= 0 else 128 - real.returncode)


def without_ids(errors):
    """bash -i names its parent's process group."""
    return [line for line in errors.splitlines() if b"terminal process group" not in line]


@pytest.mark.parametrize("program, arguments, command", [
    ("bash", ["-xec", "true"], "true"), ("bash", ["-o", "pipefail", "-c", "true", "zero"], "true"),
    ("bash", ["-c", "-e", "--", "true"], "true"), ("bash", ["-eo", "posix", "/dev/null"], "/dev/null"),
    ("bash", ["-rcfile", "/dev/zero", "/dev/null"], "/dev/null"), ("zsh", ["-oerrexit", "-c", "true"], "true"),
    ("fish", ["-lctrue", "one"], "true"), ("fish", ["--command=true"], "true"), ("dash", ["-ec", "true"], "true")])
def test_the_command_is_recorded(started_host, program, arguments, command):
    host = started_host(program=SHELLS[program])
    assert host.run(*arguments).returncode == 0
    host.agent.wait("end")
    assert host.agent.commands() == [(command, True)]


def test_own_options_come_first(started_host):
    host = started_host()
    assert host.run("--source=ui", "-l", "--username", "Alice", "-xc", "echo $1", "-", "--source").stdout == b"--source\n"
    opened = host.agent.wait("open")
    assert (opened["source"], opened["username"]) == ("ui", "Alice")


def test_ssh_command_with_options(started_host):
    host = started_host()
    result = host.run("--login", "-l", "-e", "-o", "pipefail", env={"SSH_ORIGINAL_COMMAND": "shopt login_shell; false"})
    assert b"off" in result.stdout and result.returncode == 1


# --- on a terminal -------------------------------------------------------------

def recorded(host, shell):
    shell.run("true")
    wait_for(lambda: ("true", True) in host.agent.commands(), what=host.agent.packets)
    assert "not_recorded" not in host.agent.of("open")[-1]
    assert b"vsay" not in shell.output


@pytest.mark.parametrize("arguments, says", [
    (["-s", "one", "two"], "arguments 2 two"), (["-i", "-e", "+x"], "arguments 0"), (["-il"], "profile"),
    (["-s", "--", "-x"], "arguments 1"), (["--login"], "profile"), (["-l", "--"], "profile"), (["-"], "arguments 0"),
    (["-o", "pipefail"], "pipefail *\ton"), (["-euo", "pipefail"], "pipefail *\ton"),
    (["-O", "nullglob"], "nullglob *\ton"), (["--noediting"], "arguments 0")])
def test_bash_on_a_terminal(started_host, arguments, says):
    host = started_host()
    (host.home / ".bash_profile").write_text("PS1='READY> ' about=profile\n")
    shell = host.shell(*arguments)
    shell.write("echo arguments $# ${2-}; set -o | grep pipefail; shopt nullglob || :; echo ${about-}\n")
    shell.expect(says + "\r\n")
    recorded(host, shell)


@pytest.mark.parametrize("arguments, file", [
    (["--rcfile", "FILE"], "FILE"), (["-init-file", "FILE", "-i"], "FILE"), (["--rcfile", "/no/such"], None),
    (["--noprofile"], ".bashrc"), (["--noprofile", "--login"], None), (["-l", "--"], ".profile"),
    (["--norc", "-l"], ".profile"), (["--posix"], "ENV"), (["-o", "posix"], "ENV"), (["--posix", "-l"], "ENV")])
def test_bash_reads_the_files_it_was_told_to(started_host, arguments, file):
    host = started_host()
    for name in (".bashrc", ".profile", "FILE", "ENV"):
        (host.home / name).write_text(f"from={name}\n")
    arguments = [str(host.home / name) if name == "FILE" else name for name in arguments]
    shell = host.terminal(*arguments, env={"ENV": str(host.home / "ENV")})
    shell.write(r"PS1='READY'\>' '; printf '<%s>\n' $from $VSAY_RCFILE" + "\n")
    shell.expect(f"<{file or ''}>\r\n")
    shell.expect("READY> ")
    recorded(host, shell)


@pytest.mark.parametrize("option", ["-x", "-u", "-e", "-v", "-eux"])
def test_options_do_not_meet_our_files(started_host, option):
    host = started_host()
    (host.home / ".bashrc").write_text("PS1='READY> '; : trace me\n")
    shell = host.shell(option)
    assert (b": trace me" in shell.output) == (option in ("-x", "-v", "-eux"))
    assert b"__vsay" not in shell.output or option == "-v"
    shell.write("echo options $-\n")
    assert set(option[1:]) <= set(shell.expect(r"\noptions (\w+)\r\n")[1].decode())


UNREAD = "the shell was told not to read its startup files"
RESTRICTED = "a restricted shell cannot mark them"


@pytest.mark.parametrize("program, arguments, why", [
    ("bash", ["--norc"], UNREAD), ("bash", ["-norc", "-i"], UNREAD), ("bash", ["--norc", "--rcfile", "x"], UNREAD),
    ("bash", ["--rcfile", "x", "--norc"], UNREAD), ("bash", ["-r"], RESTRICTED), ("bash", ["--restricted"], RESTRICTED),
    ("zsh", ["-f"], UNREAD), ("zsh", ["-o", "NO_RCS"], UNREAD), ("zsh", ["+o", "rcs"], UNREAD),
    ("zsh", ["--no-rcs"], UNREAD), ("zsh", ["--emulate", "sh"], UNREAD), ("zsh", ["-ir"], RESTRICTED)])
def test_shells_that_cannot_mark(started_host, program, arguments, why):
    host = started_host(program=SHELLS[program])
    shell = host.terminal(*arguments)
    shell.expect(f"vsay: commands are not recorded: {why}\r\n")
    assert host.agent.wait("open").get("not_recorded") == why
    shell.write("echo still $((6 * 7))\n")
    shell.expect("still 42")


def test_zsh_on_a_terminal(started_host):
    host = started_host(program="/usr/bin/zsh")
    shell = host.shell("-o", "pipefail", "-is", "one")
    shell.write("echo arguments $# $1; [[ -o pipefail ]] && echo 'set'\n")
    shell.expect("arguments 1 one\r\nset\r\n")
    recorded(host, shell)


@pytest.mark.skipif(subprocess.run(["su", "-m", "-s", "/bin/sh", "-c", "true"], stdin=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL).returncode != 0, reason="su lets nobody in")
def test_su(started_host):
    host = started_host()
    wrapper = host.directory / "login-shell"
    wrapper.write_text(f"#!/bin/bash\nexec -a \"$0\" {SHELL} --config {host.conf} \"$@\"\n")
    wrapper.chmod(0o755)
    env = host.env()
    result = subprocess.run(["su", "-m", "-s", wrapper, "-c", "cat; echo \"$0 $1\"; exit 5", "--", "root", "zero", "-x"],
                            env=env, input=b"in\n", capture_output=True, timeout=30)
    assert (result.stdout, result.stderr, result.returncode) == (b"in\nzero -x\n", b"", 5)
    terminal = Terminal(["su", "-m", "-s", wrapper, "root"], env)
    host.stack.callback(terminal.close)
    terminal.write("tty; exit 6\n")
    terminal.expect("/dev/pts/")
    assert terminal.wait() == 6
