# SPDX-License-Identifier: MIT
"""What vsay-shell records of the commands at bash's and zsh's prompts."""
import re
import signal
import subprocess

import pytest

from shell_fixtures import TIME, either, finished, host, new_host, started_host  # noqa: F401


def test_commands(either):
    shell = either.shell()
    for line in ("true", "false", "echo 'a;b\\c' \"ü\"", "echo one; echo two", "echo \ttab"):
        shell.run(line)
    recorded = finished(either, 5)
    assert recorded[:4] == [("true", True), ("false", False), ("echo 'a;b\\c' \"ü\"", True),
                            ("echo one; echo two", True)]
    assert [packet["seq"] for packet in either.agent.of("command")
            if packet["success"] is not None] == list(range(1, 6))
    assert all(TIME.fullmatch(packet["timestamp"]) for packet in either.agent.of("command"))
    assert b"633" not in shell.output


def test_exit_codes(either):
    """As the shell has it in $?."""
    shell = either.shell()
    codes = {"true": 0, "false": 1, "(exit 3)": 3, "sh -c 'kill -9 $$'": 137, "no-such-command-": 127,
             "sh -c 'kill -INT $$'": 130, "false; true": 0, "f() { return 255; }; f": 255, "! :": 1}
    for line in codes:
        shell.run(line)
    shell.write("exit 42\n")
    either.agent.wait("end")
    assert either.agent.exit_codes() == [*codes.items(), ("exit 42", 42)]


def test_a_status_that_no_process_can_have(started_host):
    """A function of zsh's returns any number."""
    host = started_host(program="/bin/zsh")
    shell = host.shell()
    shell.run("f() { return $1 }")
    for status in "256", "-1", "1000":
        shell.run(f"f {status}")
    assert finished(host, 4)[1:] == [("f 256", False), ("f -1", False), ("f 1000", False)]
    assert [code for _, code in host.agent.exit_codes()] == [0, None, None, None]


@pytest.mark.parametrize("line, success", [
    ("exit", True), ("exit 3", False), ("exec true", True), ("exec false", False),
    ("kill -9 $$", False), ("exec sh -c 'exit 3'", False)])
def test_the_last_command_comes_to_its_end(either, line, success):
    """No prompt follows it, so nothing but the session's end can tell."""
    shell = either.shell()
    shell.run("true")
    shell.write(line + "\n")
    either.agent.wait("end")
    assert either.agent.commands() == [("true", True), (line, success)]


@pytest.mark.parametrize("how", ["terminate", "hang up"])
def test_a_command_that_is_ended_with_its_session_has_failed(either, how):
    """Once it runs: zsh may write a mark twice when it is ended while it writes it."""
    command = "echo go; sleep 300"
    shell = either.shell()
    shell.write(command + "\n")
    shell.expect("\ngo\r\n")
    either.agent.wait("command")
    either.agent.terminate() if how == "terminate" else shell.popen.send_signal(signal.SIGHUP)
    either.agent.wait("end")
    assert either.agent.commands() == [(command, False)]
    assert either.agent.exit_codes() == [(command, None)]


@pytest.mark.parametrize("command, number, code", [
    ("exit 0", None, 0), ("exit 2", None, 2), ("kill -9 $$", None, 137),
    ("trap 'exit 0' TERM; echo go; while :; do sleep 0.05; done", signal.SIGTERM, 0),
    ("trap 'exit 0' HUP; echo go; while :; do sleep 0.05; done", "terminate", None)])
def test_the_only_command_comes_to_its_end(host, command, number, code):
    process = subprocess.Popen([str(arg) for arg in host.args("-c", command)], env=host.env(),
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    if number:
        assert process.stdout.readline() == b"go\n"
        host.agent.terminate() if number == "terminate" else process.send_signal(number)
    process.communicate(timeout=20)
    host.agent.wait("end")
    assert host.agent.commands() == [(command, code == 0)]
    assert host.agent.exit_codes() == [(command, code)]


def test_multiple_lines(either):
    shell = either.shell()
    shell.write("for i in 1 2; do\necho \"a\nb\"\ndone\n")
    shell.expect("a\r\nb\r\na\r\nb\r\nREADY> ")
    command, success = finished(either, 1)[0]
    assert success and command == {  # as the shell's history has it
        "bash": 'for i in 1 2; do echo "a\nb"; done',
        "zsh": 'for i in 1 2; do\necho "a\nb"\ndone'}[either.shell_name]


def test_leading_space(either):
    shell = either.shell()
    shell.run(" echo secret")
    shell.run("echo public")
    shell.run(" echo secret")
    shell.run("false")
    assert finished(either, 2) == [("echo public", True), ("false", False)]


@pytest.mark.parametrize("control", ["", "ignoreboth", "ignoredups:ignorespace", "erasedups",
                                     "ignorespace"])
def test_repeated_commands(host, control):
    (host.home / ".bashrc").write_text(f"PS1='READY> '\nHISTCONTROL={control}\n")
    shell = host.shell()
    for line in ("true", "true", " secret", "true", "", "false", "true"):
        shell.run(line)
    assert finished(host, 5) == [("true", True)] * 3 + [("false", False), ("true", True)]
    history = shell.run("history").decode()
    kept = re.findall(r"^ *\d+  (true|false| secret)\r", history, re.M)
    if control in ("", "ignorespace"):
        spaces = [] if control else [" secret"]
        assert kept == ["true", "true", *spaces, "true", "false", "true"]
    else:
        expected = ["true", "false", "true"]
        assert kept == (["true", " secret", "true", "false", "true"] if control == "erasedups"
                        else expected)


def test_users_prompt_commands(host):
    (host.home / ".bashrc").write_text(
        "PS1='READY> '\nPROMPT_COMMAND='echo status=$?'\nPS0='[ps0]'\n")
    shell = host.shell()
    assert b"[ps0]status=1\r\n" in shell.run("false")
    assert b"status=0\r\n" in shell.run("true")
    assert b"0" in shell.run("false; echo $?") and b"7" in shell.run("(exit 7); echo $?")
    assert b"status=3" in shell.run("(exit 3)")
    assert b"[3]" in shell.run("echo [$?]")
    assert finished(host, 6)[0] == ("false", False)


def test_zsh_options_and_hooks(new_host):
    host = new_host(program="/bin/zsh")
    host.agent.start()
    (host.home / ".zshrc").write_text(
        "PS1='READY> '\nunsetopt zle prompt_cr prompt_sp\n"
        "setopt histignoredups histignorespace ksharrays shwordsplit nounset\n"
        "precmd() { echo status=$? }\n")
    shell = host.shell()
    assert b"status=1" in shell.run("false")
    for line in ("false", " secret", "true"):
        shell.run(line)
    assert finished(host, 3) == [("false", False), ("false", False), ("true", True)]


def test_strict_bash(host):
    shell = host.shell()
    shell.run("set -u")
    shell.run("set -x")
    assert shell.run("true").count(b"vsay") <= 4, "the trace is not flooded"
    shell.run("set +x")
    assert len(finished(host, 4)) == 4


def test_nonce_is_not_in_the_environment(either):
    shell = either.shell()
    assert b"NONCE" not in shell.run("env | grep -i ^vsay")
    assert b"READY" in shell.run("env")


def test_forged_marks_pass_and_are_not_recorded(either):
    shell = either.shell()
    forged = r"\e]633;C;0123456789abcdef0123456789abcdef;0; 1 forged\a"
    output = shell.run(f"printf '{forged}\\e]633;D;0\\a\\e]133;A\\a\\e]633;E;x\\a'")
    assert (b"\x1b]633;C;0123456789abcdef0123456789abcdef;0; 1 forged\x07\x1b]633;D;0\x07"
            b"\x1b]133;A\x07\x1b]633;E;x\x07") in output
    assert [success for _, success in finished(either, 1)] == [True]


def test_incomplete_mark_is_let_go(host):
    shell = host.shell()
    shell.write("printf '\\e]633;D;half'; sleep 100\n")
    shell.expect(rb"\x1b\]633;D;half")


def test_mask(new_host):
    host = new_host(mask="--password[= ]([^ ]+)\n  ^export [A-Z_]*TOKEN=(.*)\n  AKIA[A-Z0-9]{4,}")
    host.agent.start()
    shell = host.shell()
    for line in (": --password=geheim --password über x", "export A_TOKEN=geheim",
                 ": AKIAGEHEIM and AKIAGEHEIM"):
        shell.run(line)
    assert [command for command, _ in finished(host, 3)] == [
        ": --password=*** --password *** x", "export A_TOKEN=***", ": *** and ***"]


def cut(text):
    """To 65,535 bytes, and to 120 KiB as JSON."""
    size = json_size = 0
    for index, character in enumerate(text):
        length = len(character.encode())
        size += length
        json_size += 6 if character < " " else length + (character in '"\\')
        if size > 65535 or json_size > 120 * 1024:
            return text[:index]
    return text


@pytest.mark.parametrize("character", [";", "\\", "ü"])
def test_long_lines_are_cut(either, character):
    shell = either.shell()
    line = ": '" + "\n".join([character * 1500] * 50) + "'"
    shell.write(line + "\n")
    shell.expect("READY> ")
    command, success = finished(either, 1)[0]
    assert success and command == cut(line)
    assert b"633" not in shell.output


def test_long_commands_are_cut(host):
    host.run("-c", ": " + "ü" * 40000)
    command, success = host.agent.commands()[0]
    assert success and command == ": " + "ü" * 32766 and len(command.encode()) == 65534


def test_control_characters(host):
    line = ": '" + "\x01" * 65000 + "'"
    host.run("-c", line)
    assert host.agent.commands() == [(cut(line), True)]


def test_invalid_utf8(host):
    host.run("-c", b": \xff\xc3(")
    assert host.agent.commands() == [(": \ufffd\ufffd(", False)]
