# SPDX-License-Identifier: MIT
"""Where commands are not recorded, the user is told at once, and so is vsay."""
import shutil

import pytest

from shell_fixtures import new_host, started_host  # noqa: F401
from shells import SHARE
from stack import wait_for


@pytest.fixture(params=["bash", "zsh"])
def either(request, started_host):
    return started_host(program=f"/bin/{request.param}")


def reason(host):
    """What vsay is told, for good."""
    wait_for(lambda: any("not_recorded" in opened for opened in host.agent.of("open")),
             what=f"a reason in {host.agent.packets}")
    return host.agent.of("open")[-1]["not_recorded"]


def unrecorded(host, terminal, why):
    terminal.expect("vsay: commands are not recorded: " + why + "\r\n")
    assert reason(host) == why
    assert terminal.output.count(b"not recorded") == 1


def test_recorded(either):
    shell = either.shell()
    shell.run("true")
    shell.run("bash -c 'exec true'; (exec true)")
    shell.write("exit\n")
    either.agent.wait("end")
    assert b"vsay: " not in shell.output
    assert [list(opened).count("not_recorded") for opened in either.agent.of("open")] == [0]


@pytest.mark.parametrize("name", ["dash", "fish", "tcsh"])
def test_other_shells(started_host, name):
    host = started_host()
    shutil.copy("/bin/dash", host.directory / name)
    host.conf.write_text(host.conf.read_text().replace("/bin/bash", f"{host.directory}/{name}"))
    shell = host.terminal(env={"PS1": "READY> "})
    unrecorded(host, shell, f"{name} is neither bash nor zsh")
    shell.expect("READY> ")


@pytest.mark.parametrize("program, file", [("bash", "vsay.bash"), ("zsh", "zsh/.zshenv")])
def test_no_integration(started_host, program, file):
    host = started_host(program=f"/bin/{program}")
    shutil.copytree(SHARE, host.directory / "share")
    (host.directory / "share" / file).unlink()
    shell = host.shell("--share", host.directory / "share")
    shell.run("true")
    assert reason(host) == f"{host.directory}/share/{file} cannot be read"
    assert b"vsay: commands are not recorded: " + reason(host).encode() in shell.output


@pytest.mark.parametrize("line, name", [
    ("exec dash", "dash"), ("exec sh", "dash"), ("exec bash --norc", "bash"), ("exec zsh -f", "zsh"),
    ("exec sleep 300", "sleep"), ("echo; exec env PS1=x sh", "dash")])
def test_another_program_in_place_of_the_shell(either, line, name):
    shell = either.shell()
    shell.run("true")
    shell.write(line + "\n")
    unrecorded(either, shell, f"the shell was replaced by {name}")


@pytest.mark.parametrize("program, file", [("bash", ".bashrc"), ("zsh", ".zshrc")])
def test_another_program_before_the_first_prompt(started_host, program, file):
    host = started_host(program=f"/bin/{program}")
    (host.home / file).write_text("PS1='READY> ' exec dash\n")
    unrecorded(host, host.terminal(), "the shell was replaced by dash")


def test_what_the_integration_says(started_host):
    host = started_host()
    shell = host.shell()
    shell.run("set +o history")
    shell.run(":")  # the first that is not recorded
    assert reason(host) == "there is no history"
    shell.run("readonly HISTTIMEFORMAT")
    assert len(host.agent.of("open")) == 2, "the first reason counts"


def test_no_terminal_and_no_command(started_host):
    host = started_host()
    result = host.run(input=b"echo fine")
    why = "they do not come from a terminal"
    assert result.stdout == b"fine\n"
    assert result.stderr.decode() == f"vsay: commands are not recorded: {why}\n"
    assert reason(host) == why


def test_a_command_is_recorded(started_host):
    host = started_host(program="/bin/dash")
    assert host.run("-c", "true").stderr == b""
    host.agent.wait("end")
    assert "not_recorded" not in host.agent.wait("open")
    assert host.agent.commands() == [("true", True)]


def test_the_agent_was_away(started_host):
    """The reason is in what is handed over, too."""
    host = started_host()
    shell = host.shell()
    shell.run("true")
    host.agent.stop()
    shell.write("exec sh -c 'sleep 0.5'\n")
    shell.expect("replaced by dash")
    shell.wait()
    assert host.dropped()[0]["not_recorded"] == "the shell was replaced by dash"
