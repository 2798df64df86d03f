# SPDX-License-Identifier: MIT
"""A shell that has lost its marks is told from one that just runs something."""
import os
import shutil
import time

import pytest

from shell_fixtures import new_host, started_host  # noqa: F401
from shells import SHARE
from stack import wait_for

LOST = "the shell's prompt has lost its marks"


def told(host, shell, why=LOST):
    shell.expect("vsay: commands are not recorded: " + why + "\r\n", 30)
    wait_for(lambda: host.agent.of("open")[-1].get("not_recorded") == why, what=host.agent.packets)
    assert shell.output.count(b"not recorded") == 1


BASH = "unset PROMPT_COMMAND; PS0=; PS1='READY> '"
ZSH = "precmd_functions=() preexec_functions=() zshaddhistory_functions=(); setopt zle"


@pytest.mark.parametrize("program, line", [
    ("bash", BASH), ("bash", "PROMPT_COMMAND=(:) PS0=x PS1='READY> '"),
    ("bash", "unset PS0 PS1 PROMPT_COMMAND; PS1='READY> '"), ("zsh", ZSH)])
def test_marks_that_stop(started_host, program, line):
    host = started_host(program=f"/bin/{program}")
    (host.home / ".zshrc").write_text("PS1='READY> '\nunsetopt prompt_cr prompt_sp\n")
    shell = host.shell()
    shell.write(line + "\n")
    told(host, shell)
    shell.write("echo still $((6 * 7))\n")
    shell.expect("still 42")


@pytest.mark.parametrize("lines, line", [(2, "/bin/true"), (8, "true")])
def test_marks_that_stop_by_a_file(started_host, lines, line):
    """It cannot be seen in the command: some lines tell."""
    host = started_host()
    (host.home / "quiet").write_text(BASH + "\n")
    shell = host.shell()
    shell.run(". ~/quiet")
    for _ in range(lines):
        time.sleep(0.2)  # so many lines, and not one chunk of them
        shell.run(line)
    told(host, shell)


@pytest.mark.parametrize("line", [
    "unset PROMPT_COMMAND", "PS0=", "PS1='READY> '", "unset PROMPT_COMMAND; PS0=", "PS0=; PS1='READY> '",
    "unset PROMPT_COMMAND; PS1='READY> '", "unset PROMPT_COMMAND; PS0='hello '", "PROMPT_COMMAND=(); PS0=",
    "set -u; unset PROMPT_COMMAND PS0", "PROMPT_COMMAND=: PS0=x PS1='READY> '"])
def test_marks_that_come_back(started_host, line):
    host = started_host()
    shell = host.shell()
    shell.run(line)
    shell.run(":")  # it may be lost
    shell.run("false")
    wait_for(lambda: ("false", False) in host.agent.commands(), what=host.agent.packets)
    assert "not_recorded" not in host.agent.of("open")[-1]


def test_bash_without_ps0(started_host):
    host = started_host()
    share = host.directory / "share"
    shutil.copytree(SHARE, share)
    file = share / "vsay.bash"
    text = file.read_text()
    assert "__vsay_version=$((" in text
    file.write_text(text.replace("__vsay_version=$((", "__vsay_version=403 # $(("))
    told(host, host.terminal("--share", share), "bash is older than 4.4")


RAW = """
import os, sys, termios, tty
old = termios.tcgetattr(0)
tty.setraw(0)
os.write(1, b"GO")
for _ in range(12):
    os.read(0, 1)
    os.write(1, b".")
termios.tcsetattr(0, termios.TCSANOW, old)
"""


@pytest.mark.parametrize("line", [
    "python3 raw.py", "set +m; python3 raw.py", "x=$(python3 raw.py 3>&1 >/dev/tty)", "bash -c 'python3 raw.py; true'",
    "(python3 raw.py)", "PS1='READY> ' python3 raw.py", "script -qc 'python3 raw.py' /dev/null"])
def test_programs_that_take_keys(started_host, line):
    """As vim, less, ssh, tmux and fzf do."""
    host = started_host()
    (host.home / "raw.py").write_text(RAW)
    shell = host.shell(cwd=host.home)
    shell.write(line + "\n")
    shell.expect("\nGO")
    for _ in range(12):
        time.sleep(0.15)  # so that it is looked at
        shell.write("\r")
    shell.expect("READY> ")
    fine(host, shell)


def fine(host, shell):
    time.sleep(1.3)  # as long as a look needs to be sure
    shell.run("true")
    wait_for(lambda: ("true", True) in host.agent.commands(), what=host.agent.packets)
    assert "not_recorded" not in host.agent.of("open")[-1] and b"vsay: " not in shell.output


@pytest.mark.parametrize("steps", [
    ["for i in 1 2 3 4 5 6 7 8 9; do read x; /bin/true; done", *"123456789"],
    ["while read -s -n 1 x && [[ $x != q ]]; do /bin/true; done", *"abcdefgh", "q"],
    ["for i in 1 2 3 4 5 6 7; do read -e -p 'name: ' x; done", *"1234567"],
    ["read -e x; /bin/true; read -e y; /bin/true", "1", "2"],
    ["cat <<end", *"123456789", "end"], ["for i in 1", "do", "for j in 1 2", "do", "/bin/true", "done", "done"],
    ["select x in a b; do [[ $x ]] && break; done", "7", "8", "9", "", "1"],
    ["bash --norc -i", *["/bin/true"] * 9, "exit"], ["dash -i", *["/bin/true"] * 9, "exit"],
    ["sleep 1000 &", "jobs", *["/bin/true"] * 9, "kill %1"], ["PS1='READY> '", *[""] * 9, "/bin/true"],
    ["sleep 3", *["/bin/true"] * 9], ["cat", *"123456789", "\x04"],
    ["tmux -L vsay new bash --norc", *["/bin/true"] * 5, "exit"]], ids=lambda steps: steps[0][:20])
def test_lines_that_are_no_commands(started_host, steps):
    if steps[0].startswith("tmux") and not shutil.which("tmux"):
        pytest.skip("no tmux")
    host = started_host()
    shell = host.shell(env={"TMUX_TMPDIR": str(host.directory)})
    for step in steps:
        shell.write(step + ("" if step == "\x04" else "\n"))
        time.sleep(0.25)
    wait_for(lambda: host.agent.commands()[:1] != [] and host.agent.commands()[-1][1] is not None, 30,
             what=host.agent.packets)
    shell.seen = len(shell.output)
    fine(host, shell)


def test_a_busy_shell_is_not_suspected(started_host):
    """Between the terminal's setting and the prompt's mark it may be stopped."""
    host = started_host()
    shell = host.shell()
    leader = host.agent.wait("open")["leader"]
    for _ in range(5):
        shell.write("PS1='READY> '\n")
        os.kill(leader, 19)
        time.sleep(0.3)
        os.kill(leader, 18)
        shell.expect("READY> ")
    fine(host, shell)
