# SPDX-License-Identifier: MIT
"""vsay-shell's integration with bash, under what users set for themselves."""
import os
import re
import time
from pathlib import Path

import pytest

from shell_fixtures import finished, host, new_host, started_host  # noqa: F401
from stack import wait_for

COMPLAINT = "vsay: commands are not recorded: "


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


# --- what users do to their prompts -----------------------------------------------


CHANGES = [
    'PROMPT_COMMAND="history -a; $PROMPT_COMMAND"', 'PROMPT_COMMAND="${PROMPT_COMMAND%; }; true"',
    "PROMPT_COMMAND=(true)", "PROMPT_COMMAND+=(true)", "PROMPT_COMMAND=true",
    "unset PROMPT_COMMAND", "PROMPT_COMMAND=(true); PS1='READY> '", "unset PS0; PS1='READY> '",
    "PS0='[ps0]'", "PS0='$(true)'", "PS0='$(true)'$PS0", "unset PS0", "PS1='READY> '",
    "PS1='$(true)READY> '", "PS1='$(true)'$PS1", "PS1='(venv) '$PS1", "source ~/.bashrc",
    "set -u; source ~/.bashrc; source ~/.bashrc", "set -o posix", "set -o noclobber"]


@pytest.mark.parametrize("debug", ["", "trap : DEBUG"])
@pytest.mark.parametrize("change", CHANGES)
def test_results_are_true_whatever_becomes_of_the_prompt(host, change, debug):
    """And they come at once: nothing is entered after them."""
    shell = bash(host, 'PROMPT_COMMAND="history -a; $PROMPT_COMMAND"', debug)
    shell.run(change)
    for line in ("false", "true", "(exit 3)"):
        shell.run(line)
    assert finished(host, 4) == [(change, True), ("false", False), ("true", True),
                                 ("(exit 3)", False)]
    assert b"bash: " not in shell.output and b"vsay" not in shell.output.replace(b"$PS0", b"")


REWRITERS = [
    "PROMPT_COMMAND='PS1=\"[$?] READY> \"'",
    "draw() { PS1='READY> '; }; PROMPT_COMMAND=draw",
    "draw() { PS1=\"$(true)READY> \"; }; PROMPT_COMMAND=('true' draw)",
    "PROMPT_COMMAND='history -a; history -c; history -r; PS1=\"READY> \"'"]


@pytest.mark.parametrize("debug", ["", "trap 'timer=${timer:-$SECONDS}' DEBUG"])
@pytest.mark.parametrize("line", REWRITERS)
def test_prompts_that_are_written_anew_each_time(host, line, debug):
    shell = bash(host, line, debug)
    for command in ("false", "true", "true", "false"):
        shell.run(command)
        finished(host, len(host.agent.commands()) or 1)
    assert finished(host, 4) == [("false", False), ("true", True), ("true", True), ("false", False)]
    if "[$?]" in line:
        assert b"[1] READY> " in shell.output


PREEXEC = """
interactive=
preexec() { [[ $interactive && $PROMPT_COMMAND != *$BASH_COMMAND* ]] || return; interactive=; echo "$BASH_COMMAND" >>~/seen; }
precmd() { ran=$?; }
last() { interactive=on; }
PROMPT_COMMAND=$'precmd\\nlast'
trap preexec DEBUG
"""
TRAPS = {
    "log": "trap 'echo \"$BASH_COMMAND\" >>~/seen' DEBUG",
    "functrace": "set -T; trap 'echo \"$BASH_COMMAND\" >>~/seen' DEBUG",
    "prompt": "PROMPT_COMMAND=true; trap 'echo \"$BASH_COMMAND\" >>~/seen' DEBUG",
    "array": "PROMPT_COMMAND=(true true); trap 'echo \"$BASH_COMMAND\" >>~/seen' DEBUG",
    "preexec": PREEXEC,
    "later": "PROMPT_COMMAND='PROMPT_COMMAND=:; trap \"echo \\$BASH_COMMAND >>~/seen\" DEBUG'",
    "starship": "draw() { PS1='READY> '; }; PROMPT_COMMAND=draw\n"
                "trap 'echo \"$BASH_COMMAND\" >>~/seen' DEBUG",
}


@pytest.mark.parametrize("control", ["", "ignoreboth"])
@pytest.mark.parametrize("kind", TRAPS)
def test_debug_traps_see_the_users_commands_only(host, kind, control):
    shell = bash(host, f"HISTCONTROL={control}", *TRAPS[kind].splitlines())
    (host.home / "seen").unlink(missing_ok=True)
    for line in ("false", "", "true", "true", " true", "echo $_ end"):
        shell.run(line)
    recorded = finished(host, 4)
    assert recorded == [("false", False), ("true", True), ("true", True), ("echo $_ end", True)]
    seen = (host.home / "seen").read_text().splitlines()
    assert not [line for line in seen if "vsay" in line and kind != "functrace"]
    assert [line for line in seen if line == "false"] == ["false"]
    if kind == "preexec":
        assert seen == ["false", "true", "true", "true", "echo $_ end"]


def test_title_is_the_users_command(host):
    shell = bash(host, r"trap 'printf \"\e]0;%s\a\" \"$BASH_COMMAND\" >/dev/tty' DEBUG".replace('\\"', '"'))
    shell.run("true")
    shell.run("")
    finished(host, 1)
    assert re.findall(rb"\x1b\]0;(.*?)\x07", shell.output)[-1] == b"true"


@pytest.mark.parametrize("lines", [[], ["HISTCONTROL=ignoreboth"], ["PROMPT_COMMAND=true"]])
def test_trace_shows_the_users_commands_only(host, lines):
    shell = bash(host, *lines)
    shell.run("set -x")
    for line in ("false", "false", "source ~/.bashrc", "true"):
        shell.run(line)
    assert ("false", False) in finished(host, 4)
    assert b"__vsay" not in shell.output and b"633" not in shell.output


def test_trace_in_a_file(host):
    shell = bash(host, "exec 9>~/trace; BASH_XTRACEFD=9")
    for line in ("set -x", "false", "true"):
        shell.run(line)
    assert ("false", False) in finished(host, 3)
    assert (host.home / "trace").read_text() == "+ false\n+ true\n"


@pytest.mark.parametrize("name", ["LC_ALL", "LC_CTYPE", "LANG"])
def test_locale_that_is_not_installed(host, name):
    shell = host.shell(env={"LC_ALL": "", name: "xx_XX.UTF-8"})
    for line in ("true", "echo 'a;\tb'"):
        shell.run(line)
    assert finished(host, 2)[1][1] is True
    assert shell.output.count(b"setlocale") <= 1


# --- pastes ---------------------------------------------------------------------------


@pytest.mark.parametrize("control", ["", "ignoreboth", "ignoredups"])
def test_indented_paste(host, control):
    shell = bash(host, f"HISTCONTROL={control}")
    shell.write("true one\n true two\n true three\nfalse\n")
    assert finished(host, 2) == [("true one", True), ("false", False)]


@pytest.mark.parametrize("control", ["", "ignoreboth"])
def test_indented_paste_in_one_go(host, control):
    """bash shows no prompt between these lines."""
    (host.home / ".inputrc").write_text("set enable-bracketed-paste on\n")
    shell = bash(host, f"HISTCONTROL={control}")
    shell.write("\x1b[200~true one\n true two\n false three\x1b[201~\n")
    shell.run("false four")
    assert finished(host, 2) == [("true one", True), ("false four", False)]
    shell.write("exit\n")
    shell.wait()


@pytest.mark.parametrize("bracketed", [True, False])
def test_paste_has_each_result(host, bracketed):
    shell = bash(host, "HISTCONTROL=ignoreboth")
    if bracketed:
        (host.home / ".inputrc").write_text("set enable-bracketed-paste on\n")
        shell.run("bind -f ~/.inputrc")
        shell.write("\x1b[200~false\ntrue\nfalse\n\x1b[201~\n")
    else:
        shell.write("false\ntrue\nfalse\n")
    wait_for(lambda: host.agent.commands()[-1:] == [("false", False)] and
             ("true", True) in host.agent.commands(), what=str(host.agent.commands()))


# --- what is typed otherwise ------------------------------------------------------------


def test_bytes_that_are_no_utf8(host):
    shell = bash(host)
    for name in (b"caf\xe9.txt", b"by\xff\xfe", "cü".encode()):
        Path(os.fsdecode(bytes(host.home) + b"/" + name)).touch()
    for line in ("true ~/ca\t", "false ~/by\t", "true ~/cü\t"):
        shell.run(line)
    assert finished(host, 3) == [("true ~/caf\ufffd.txt ", True), ("false ~/by\ufffd\ufffd ", False),
                                 ("true ~/cü ", True)]


@pytest.mark.parametrize("when", [".bashrc", ".bash_profile"])
def test_interrupted_start(host, when):
    (host.home / when).write_text("PS1='READY> '\nsh -c 'echo sleeping; exec sleep 100'\n")
    shell = host.terminal(*["--login"] * (when != ".bashrc"))
    shell.expect("sleeping\r\n")
    shell.write("\x03")
    shell.expect("> ") if when == ".bashrc" else None
    shell.write("true\nfalse\n")
    assert finished(host, 2)[-2:] == [("true", True), ("false", False)]


@pytest.mark.parametrize("mode, keys", [("emacs", "echo\x18\x05"), ("vi", "echo\x1bv"),
                                        ("own", "echo\x18\x06")])
def test_command_from_an_editor(host, mode, keys):
    (host.home / "edit").write_text("#!/bin/sh\necho 'echo edited; false' >$1\n")
    (host.home / "edit").chmod(0o755)
    shell = bash(host, {"vi": "set -o vi", "emacs": "",
                        "own": "bind '\"\\C-x\\C-f\": edit-and-execute-command'"}[mode],
                 "EDITOR=~/edit")
    shell.write(keys)
    shell.expect(r"edited\r\n.*READY> ")
    assert finished(host, 1) == [("echo edited; false", False)]
    shell.run("true")
    assert finished(host, 2)[1] == ("true", True)
    assert shell.output.count(b"\r\nedited\r\n") == 1


@pytest.mark.parametrize("args", [[], ["--login"]])
@pytest.mark.parametrize("env", [{"POSIXLY_CORRECT": "1"}, {"SHELLOPTS": "posix"}])
def test_posix_mode(host, env, args):
    (host.home / "env").write_text("PS1='READY> '; echo file read\n")
    shell = host.shell(*args, env={**env, "ENV": "$HOME/env"})
    shell.run("false")
    assert finished(host, 1) == [("false", False)]
    assert shell.output.count(b"file read") == 1
    assert b"posix          \ton" in shell.run("set -o | grep posix")
    assert b"<$HOME/env>" in shell.run('printf "<%s>\\n" "$ENV"')


def test_long_lines_do_not_delay_the_prompt(host):
    """Their marks are many times what a terminal holds."""
    shell = bash(host, "set -o histexpand")
    delays = []
    for _ in range(30):
        shell.run(": " + "x" * 1000)
        began = time.monotonic()
        shell.run(": " + "!!:1 " * 63)
        delays.append(time.monotonic() - began)
    assert max(delays) < 10, delays
    commands = [command for command, _ in finished(host, 60)]
    shell.write("exit\n")  # it writes a large history
    shell.wait()
    assert commands == [": " + "x" * 1000, ": " + ("x" * 1000 + " ") * 63] * 30


def test_history_that_changes(host):
    shell = bash(host, "HISTCONTROL=ignoreboth")
    for line in ("true 1", "history -c", "true 2", "true 2", "history -d 1", "true 3", " true 4",
                 "history -s new", "true 5", "HISTSIZE=2", "true 6", "true 6", "true 7"):
        shell.run(line)
    assert [command for command, _ in finished(host, 12)] == [
        "true 1", "history -c", "true 2", "true 2", "history -d 1", "true 3", "history -s new",
        "true 5", "HISTSIZE=2", "true 6", "true 6", "true 7"]


@pytest.mark.parametrize("line", ["set +o history", "HISTSIZE=0"])
def test_recording_that_ends_is_said_at_once(host, line):
    shell = bash(host)
    shell.run(line)
    assert f"{COMPLAINT}there is no history\r\n".encode() in shell.run("true")
    shell.run("true")
    assert shell.output.count(b"vsay: ") == 1


# --- the nonce ----------------------------------------------------------------------------


@pytest.mark.parametrize("args", [[], ["--login"]])
@pytest.mark.parametrize("env", [{}, {"POSIXLY_CORRECT": "1", "ENV": "/dev/null"}])
def test_nonce_is_where_the_shell_alone_has_it(host, args, env):
    (host.home / ".bash_profile").write_text(". ~/.bashrc\n")
    shell = host.terminal(*args, env={**env, "PS1": "READY> "})
    shell.expect(r"> |\$ ")
    shell.write("PS1='READY> '\n")
    shell.expect("\nREADY> ")
    nonce = re.search(rb"[0-9a-f]{32}", shell.run("echo $__vsay_nonce"))[0]
    leader = host.agent.wait("open")["leader"]
    for name in ("environ", "cmdline"):
        text = Path(f"/proc/{leader}/{name}").read_bytes()
        assert nonce not in text
    shell.run("env >~/env; ls -l /proc/$$/fd /proc/self/fd >~/fds")
    assert nonce not in (host.home / "env").read_bytes() + (host.home / "fds").read_bytes()
    assert not re.search("^VSAY_(NONCE|LOGIN|SCRATCH|ENV)", (host.home / "env").read_text(), re.M)
    assert b"0  1  2  3\r\n" in shell.run("ls -C /proc/self/fd")


def test_exported_prompts_do_no_harm_within(host):
    shell = bash(host, "export PS0 PS1 PROMPT_COMMAND")
    shell.write("bash --norc --noediting -u\n")
    shell.expect("READY> ")
    assert b"vsay" not in shell.run("echo inner") and b"bash: " not in shell.output
    shell.run("exit")
    shell.run("dash")
