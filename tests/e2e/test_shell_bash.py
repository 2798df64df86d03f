# SPDX-License-Identifier: MIT
"""vsay-shell's integration with bash, under what users set for themselves."""
import re

import pytest

from shells import Host
from test_shell import finished

COMPLAINT = "vsay: commands are not recorded: "


@pytest.fixture
def host(new_directory):
    host = Host(new_directory())
    host.agent.start()
    yield host
    host.stack.close()


def bash(host, *lines):
    """At its prompt, with these lines in its .bashrc."""
    (host.home / ".bashrc").write_text("\n".join(["PS1='READY> '", *lines, ""]))
    return host.shell()


def recorded(host, shell):
    """Whether the next command is."""
    before = len(host.agent.commands())
    shell.run("true")
    shell.write("exit\n")
    shell.wait()
    return ("true", True) in finished(host, before)[before:]


@pytest.mark.parametrize("lines, why", [
    (["readonly PS0"], "PS0 is readonly"),
    (["readonly PS0='[ps0]'", "set -u"], "PS0 is readonly"),
    (["readonly PROMPT_COMMAND"], "PROMPT_COMMAND is readonly"),
    (["PROMPT_COMMAND=('echo mine')", "readonly PROMPT_COMMAND", "set -u"],
     "PROMPT_COMMAND is readonly"),
    (["readonly HISTTIMEFORMAT='%F '"], "HISTTIMEFORMAT is readonly"),
    (["shopt -u promptvars"], "promptvars is off"),
    (["HISTSIZE=0"], "there is no history"),
    (["set +o history"], "there is no history")])
def test_what_cannot_be_recorded_is_said_once(host, lines, why):
    shell = bash(host, *lines)
    shell.run("true")
    assert not recorded(host, shell)
    assert shell.output.decode().count(COMPLAINT + why) == 1
    assert shell.output.count(b"vsay") == 1 and b"bash: " not in shell.output


@pytest.mark.parametrize("line", ["readonly PS0 PROMPT_COMMAND", "readonly HISTCONTROL=ignoreboth"])
def test_readonly_later(host, line):
    shell = bash(host)
    shell.run(line)
    assert recorded(host, shell)
    assert b"vsay" not in shell.output and b"bash: " not in shell.output


def test_readonly_history_control(host):
    shell = bash(host, "readonly HISTCONTROL=ignoreboth")
    assert b"ignoreboth" in shell.run("echo $HISTCONTROL")
    shell.run(" secret")
    assert recorded(host, shell)
    assert not any("secret" in command for command, _ in host.agent.commands())
    assert b"HISTCONTROL: readonly" not in shell.output


def test_no_variables_in_prompts_for_a_while(host):
    shell = bash(host)
    shell.run("shopt -u promptvars")
    assert b"vsay" not in shell.run("echo $PS0")
    shell.run("shopt -s promptvars")
    assert recorded(host, shell)
    assert "echo $PS0" not in dict(host.agent.commands())


@pytest.mark.parametrize("separators", ["", ":", "0123456789", "\\n"])
def test_field_separators(host, separators):
    shell = bash(host, f"IFS=$'{separators}' HISTCONTROL=ignoreboth")
    for line in ("true", "true", " secret"):
        shell.run(line)
    assert recorded(host, shell)
    assert [command for command, _ in host.agent.commands()] == ["true"] * 3 + ["exit"]


def test_errors_that_end_the_shell(host):
    shell = bash(host)
    for line in ("set -e", "! true", "false || true"):
        shell.run(line)
    assert recorded(host, shell)
    assert ("! true", False) in host.agent.commands()


def test_traps_in_functions(host):
    shell = bash(host)
    shell.run("set -ET")
    shell.run("trap 'echo 99999 debug' DEBUG; trap 'echo error' ERR")
    assert shell.run("false").count(b"error") == 1
    assert recorded(host, shell)
    assert ("false", False) in host.agent.commands()


def test_match_is_the_users(host):
    shell = bash(host)
    shell.run("[[ word =~ o(.) ]]")
    assert re.search(rb"\[or r\]", shell.run('echo "[${BASH_REMATCH[*]}]"'))
