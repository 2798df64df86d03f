# SPDX-License-Identifier: MIT
"""vsay-shell's integration with zsh, under what users set for themselves."""
import os
from pathlib import Path

import pytest

from shell_fixtures import finished, new_host  # noqa: F401
from stack import wait_for


@pytest.fixture
def host(new_host):
    host = new_host(program="/bin/zsh")
    host.agent.start()
    return host


def zsh(host, *lines):
    """At its prompt, with these lines in its .zshrc."""
    (host.home / ".zshrc").write_text("\n".join(
        ["PS1='READY> '", "unsetopt zle prompt_cr prompt_sp", *lines, ""]))
    return host.shell()


@pytest.mark.parametrize("line", [
    "precmd_functions=()", "preexec_functions=()", "zshaddhistory_functions=()",
    "preexec_functions=() precmd_functions=()", "precmd() { false }", "setopt xtrace",
    "setopt nounset ksharrays", "precmd_functions=(true)", "setopt errreturn", "setopt noclobber"])
def test_hooks_come_back(host, line):
    shell = zsh(host, line)
    for command in ("false", "true", "(exit 3)"):
        shell.run(command)
    wait_for(lambda: host.agent.commands()[-2:] == [("true", True), ("(exit 3)", False)],
             what=str(host.agent.commands()))
    assert b"__vsay" not in shell.output or "xtrace" in line


@pytest.mark.parametrize("name", [".zshenv", ".zprofile", ".zshrc", ".zlogin"])
def test_interrupted_start(host, name):
    (host.home / ".zshrc").write_text("PS1='READY> '\nunsetopt zle prompt_cr prompt_sp\n")
    with open(host.home / name, "a") as file:
        file.write("sh -c 'echo sleeping; exec sleep 100'\n")
    shell = host.terminal("--login")
    shell.expect("sleeping\r\n")
    shell.write("\x03")
    shell.expect(r"\^C.*(> |# |% )")
    shell.write("true\nfalse\n")
    assert finished(host, 2) == [("true", True), ("false", False)]


def test_bytes_that_are_no_utf8(host):
    (host.home / "edit").write_text("")
    shell = zsh(host)
    os.write(shell.master, b"true caf\xe9.txt\nfalse \xff\xfe\n")
    assert finished(host, 2) == [("true caf\ufffd.txt", True), ("false \ufffd\ufffd", False)]


def test_paste_has_each_result(host):
    shell = zsh(host)
    shell.write("false\ntrue\n true\nfalse\n")
    assert finished(host, 3) == [("false", False), ("true", True), ("false", False)]


def test_paste_in_one_go(host):
    """It is one entry of the history, and has the last result."""
    shell = zsh(host, "setopt zle")
    shell.expect(r"\x1b\[\?2004h") if b"2004h" not in shell.output else None
    shell.write("\x1b[200~false\ntrue\nfalse\x1b[201~\n")
    wait_for(lambda: any(done is not None for _, done in host.agent.commands()))
    wait_for(lambda: host.agent.commands()[-1][1] is False, what=str(host.agent.commands()))
