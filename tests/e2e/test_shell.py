# SPDX-License-Identifier: MIT
"""vsay-shell on real terminals, against a stand-in for vsay-agent."""
import os
import re
import signal
import subprocess
import termios
from pathlib import Path

import pytest

from shell_fixtures import TIME, finished, host, new_host, started_host  # noqa: F401
from shells import SHELL, Terminal, alive
from stack import wait_for

SESSION_ID = re.compile(r"sess_[0-9a-f]{32}")


# --- the session ---------------------------------------------------------------


def test_session(host):
    shell = host.shell()
    opened = host.agent.wait("open")
    assert SESSION_ID.fullmatch(opened["session_id"]) and TIME.fullmatch(opened["started_at"])
    assert opened["source"] == "cli" and opened["browser"] is None and opened["os"] is None
    assert "user_id" not in opened and "username" not in opened
    assert alive(opened["leader"]) and os.getsid(opened["leader"]) == opened["leader"]
    assert host.agent.peers == [(shell.pid, os.getuid(), os.getgid())]
    assert opened["session_id"] in shell.run("echo $VSAY_SESSION_ID").decode()
    shell.write("exit 7\n")
    assert shell.wait() == 7
    end = host.agent.wait("end")
    assert end["reason"] == "exited" and end["exit_code"] == 7 and TIME.fullmatch(end["ended_at"])
    assert list(host.drop.iterdir()) == []


@pytest.mark.parametrize("args, env, source", [
    ((), {}, "cli"), ((), {"TERM_PROGRAM": "vscode"}, "vscode"), ((), {"VSCODE_X": "1"}, "vscode"),
    ((), {"VSAY_SOURCE": "ui", "VSCODE_X": "1"}, "ui"), ((), {"VSAY_SOURCE": "no"}, "cli"),
    (("--source", "cli"), {"VSAY_SOURCE": "ui"}, "cli")])
def test_source(host, args, env, source):
    host.run(*args, "-c", "true", env=env)
    assert host.agent.wait("open")["source"] == source


def test_web_terminal(host):
    host.run("--user-id", "user_1", "--username", "Ana María", "-c", "true",
             env={"VSAY_SOURCE": "ui", "VSAY_BROWSER": "Chrome", "VSAY_OS": "macOS"})
    opened = host.agent.wait("open")
    assert (opened["user_id"], opened["username"]) == ("user_1", "Ana María")
    assert (opened["browser"], opened["os"]) == ("Chrome", "macOS")


def test_labels_that_vsay_would_refuse_are_dropped(host):
    host.run("-c", "true", env={"VSAY_BROWSER": "x" * 65, "VSAY_OS": "mac\u009bOS"})
    opened = host.agent.wait("open")
    assert opened["browser"] is None and opened["os"] is None


@pytest.mark.parametrize("args", [
    ("--source", "web"), ("--user-id", "a b"), ("--username", "a\nb"), ("--username", "a\u009bb"),
    ("--config",)])
def test_usage(host, args):
    result = host.run(*args)
    assert result.returncode == 2 and b"vsay-shell: " in result.stderr
    assert host.agent.packets == []


def test_bad_configuration_locks_nobody_out(host):
    host.conf.write_text("[shell]\nmusk = x\n")
    result = host.run("-c", "echo fine")
    assert result.stdout == b"fine\n"
    assert b"agent.conf:2: unknown key 'musk' in section [shell]; this session is not recorded" \
        in result.stderr
    assert host.agent.packets == []


def test_environment_does_not_weaken_policy(new_host):
    host = new_host(require_agent="yes")
    result = host.run("-c", "echo fine", env={"VSAY_SHELL_REQUIRE_AGENT": "no",
                                              "VSAY_AGENT_CONF": "/dev/null"})
    assert result.returncode == 1 and result.stdout == b""


# --- the terminal --------------------------------------------------------------


def test_bytes_pass_untouched(host):
    shell = host.shell()
    data = os.urandom(1 << 20)
    (host.directory / "data").write_bytes(data)
    shell.write(f"stty raw -echo; echo go; cat {host.directory}/data; head -c {len(data)} "
                f">{host.directory}/back; exit\n")
    shell.expect(rb"\r\ngo\n")
    start = shell.seen
    wait_for(lambda: len(shell.output) >= start + len(data), 30, "all of the output")
    assert shell.output[start:] == data
    shell.write(data)
    assert shell.wait(30) == 0
    assert (host.directory / "back").read_bytes() == data


def test_window_size(host):
    shell = host.shell(size=(30, 100))
    assert b"30 100" in shell.run("stty size")
    shell.run("trap 'echo changed' WINCH")
    shell.resize(50, 120)
    shell.expect("changed")
    assert b"50 120" in shell.run("stty size")


def test_terminal_settings(host):
    shell = host.terminal()
    shell.expect("READY> ")
    assert not termios.tcgetattr(shell.slave)[3] & (termios.ECHO | termios.ICANON)
    shell.write("exit\n")
    shell.wait()
    assert termios.tcgetattr(shell.slave) == shell.settings


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM])
def test_terminal_is_restored_on_signals(host, number):
    shell = host.shell()
    shell.popen.send_signal(number)
    assert shell.wait() == 128 + signal.SIGHUP
    assert termios.tcgetattr(shell.slave) == shell.settings
    assert host.agent.wait("end")["reason"] == "hangup"


def test_other_signals_are_ignored(host):
    shell = host.shell()
    taken = {signal.SIGHUP, signal.SIGTERM, signal.SIGKILL, signal.SIGSTOP}
    for number in signal.valid_signals() - taken:
        shell.popen.send_signal(number)
    assert b"fine" in shell.run("echo fine")


def test_exit_by_signal(host):
    shell = host.shell()
    shell.write("kill -KILL $$\n")
    assert shell.wait() == 128 + signal.SIGKILL
    assert host.agent.wait("end")["exit_code"] == 128 + signal.SIGKILL


def in_foreground(host):
    """The name of the process that leads the terminal's foreground group. A job has the terminal
    before it is its program; until then it still ignores Ctrl-Z, as its shell does."""
    leader = host.agent.wait("open")["leader"]
    group = Path(f"/proc/{leader}/stat").read_text().rsplit(")", 1)[1].split()[5]
    try:
        return Path(f"/proc/{group}/comm").read_text().strip()
    except OSError:
        return ""  # it has just exited


def test_keys_reach_the_foreground(host):
    shell = host.shell()
    shell.write("sleep 100\n")
    shell.expect("sleep 100\r\n")
    wait_for(lambda: host.agent.commands() == [("sleep 100", None)])
    wait_for(lambda: in_foreground(host) == "sleep")
    shell.write("\x03")
    shell.expect("READY> ")
    shell.write("sleep 100\n")
    host.agent.wait("command", 3)
    wait_for(lambda: in_foreground(host) == "sleep")
    shell.write("\x1a")
    shell.expect("Stopped.*READY> ")
    wait_for(lambda: host.agent.commands() == [("sleep 100", False)] * 2)


def test_output_of_the_last_moment(host):
    shell = host.shell()
    shell.write("seq 100000; exec sh -c 'echo the very last'\n")
    shell.wait()
    shell.expect("99999\r\n100000\r\nthe very last\r\n")


def test_background_jobs_outlive_the_shell(host):
    shell = host.shell()
    pid = int(re.search(rb"pid=(\d+)", shell.run("sleep 300 & echo pid=$!"))[1])
    shell.write("exit\n")
    assert shell.wait() == 0
    assert alive(pid)
    os.kill(pid, signal.SIGKILL)


def test_terminal_closed(host):
    shell = host.shell()
    shell.run("nohup sleep 300 >/dev/null 2>&1 &")
    pid = int(re.search(rb"pid=(\d+)", shell.run("echo pid=$!"))[1])
    opened = host.agent.wait("open")
    os.kill(shell.pid, signal.SIGHUP)
    shell.wait()
    assert host.agent.wait("end")["reason"] == "hangup"
    assert alive(pid) and not alive(opened["leader"])
    os.kill(pid, signal.SIGKILL)


def test_stopped_and_continued(host):
    """As when the user's outer shell suspends it: back in the foreground, it is raw again."""
    shell = host.shell()
    shell.popen.send_signal(signal.SIGSTOP)
    termios.tcsetattr(shell.slave, termios.TCSANOW, shell.settings)
    shell.resize(40, 90)
    shell.popen.send_signal(signal.SIGCONT)
    wait_for(lambda: not termios.tcgetattr(shell.slave)[3] & termios.ECHO)
    assert b"40 90" in shell.run("stty size")


# --- login shells, nested shells -------------------------------------------------


def test_login_bash(host):
    (host.home / ".bash_profile").write_text("PS1='READY> '; echo profile read\n")
    (host.home / ".bash_logout").write_text("echo logout read\n")
    shell = host.shell("--login")
    assert shell.output.count(b"profile read") == 1
    shell.run("true")
    shell.write("logout\n")
    assert shell.wait() == 0
    shell.expect("logout read")
    assert host.agent.commands() == [("true", True), ("logout", True)]


def test_login_zsh(new_host):
    host = new_host(program="/bin/zsh")
    host.agent.start()
    for name in (".zshenv", ".zprofile", ".zlogin"):
        (host.home / name).write_text(f"echo {name} read $ZDOTDIR.\n")
    shell = host.shell("--login")
    assert re.findall(rb"(\.z\w+) read \.", shell.output) == [b".zshenv", b".zprofile", b".zlogin"]
    assert b"on" in shell.run("[[ -o login ]] && echo on")


def test_login_by_name(host):
    shell = subprocess.run(["-vsay-shell", "--config", str(host.conf), "-c", "echo $0; shopt login_shell"],
                           executable=SHELL, env=host.env(), capture_output=True, timeout=30)
    assert re.fullmatch(rb"-bash\nlogin_shell\s+on\n", shell.stdout)


def test_zdotdir_is_the_users(new_host):
    host = new_host(program="/bin/zsh")
    host.agent.start()
    other = host.directory / "zdotdir"
    other.mkdir()
    (other / ".zshrc").write_text("PS1='READY> '; unsetopt zle prompt_cr prompt_sp\n")
    shell = host.shell(env={"ZDOTDIR": str(other)})
    assert f"<{other}>".encode() in shell.run("echo '<'$ZDOTDIR'>'")
    assert finished(host, 1) == [("echo '<'$ZDOTDIR'>'", True)]


def test_nested(host):
    shell = host.shell()
    inner = " ".join(map(str, host.args()))
    shell.write(f"PS1='inner> ' {inner}\n")
    shell.expect("READY> ")
    shell.run(f"{inner} -c 'echo within'")
    shell.write("exit\n")
    shell.expect("READY> ")
    shell.write("exit\n")
    shell.wait()
    assert len(host.agent.of("open")) == 1


def test_terminal_within_a_command(host):
    """As VS Code has it: its server is a command's child, its terminals are sessions."""
    inner = " ".join(map(str, host.args()))
    shell = host.terminal("-c", f"{inner}; {inner} -c true")
    shell.expect("READY> ")
    shell.write("exit\n")
    shell.wait()
    assert len(host.agent.of("open")) == 2


# --- running a command --------------------------------------------------------------


def test_command_is_transparent(host):
    data = os.urandom(3 << 20)
    result = host.run("-c", "cat; echo error >&2; exit 9", input=data)
    assert result.stdout == data and result.stderr == b"error\n" and result.returncode == 9
    assert host.agent.commands() == [("cat; echo error >&2; exit 9", False)]
    assert host.agent.wait("end")["exit_code"] == 9


def test_command_with_arguments(host):
    result = host.run("-c", 'echo "$0 $# $2"', "zero", "one", "two words")
    assert result.stdout == b"zero 2 two words\n"


def test_combined_options(host):
    assert b"login_shell    \ton" in host.run("-ilc", "shopt login_shell; echo $-").stdout


def test_ssh_original_command(host):
    result = host.run(env={"SSH_ORIGINAL_COMMAND": "cat; echo ${SSH_ORIGINAL_COMMAND-none}"},
                      input=b"in\n")
    assert result.stdout == b"in\nnone\n"
    assert host.agent.commands()[0][1] is True


def test_ssh_command_is_not_for_a_login_shell(host):
    result = host.run("--login", env={"SSH_ORIGINAL_COMMAND": "shopt login_shell"})
    assert result.stdout.split() == [b"login_shell", b"off"]


def test_ssh_original_command_is_for_a_forced_command(host):
    """As sshd has it, for a user whose login shell is vsay-shell: it reads the variable itself."""
    result = host.run("-c", "echo $SSH_ORIGINAL_COMMAND",
                      env={"SSH_ORIGINAL_COMMAND": "borg serve"})
    assert result.stdout == b"borg serve\n"


def test_script(host):
    script = host.directory / "script"
    script.write_text("echo $0 $1 $SSH_ORIGINAL_COMMAND; exit 3\n")
    result = host.run(script, "one", env={"SSH_ORIGINAL_COMMAND": "x"})
    assert result.stdout.decode() == f"{script} one x\n" and result.returncode == 3
    assert host.agent.commands() == [(str(script), False)]


def test_streams_end_when_the_command_closes_them(host):
    process = subprocess.Popen(
        [str(arg) for arg in host.args("-c", "exec >&- <&-; exec sleep 300")],
        env=host.env(), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout.read() == b""
    wait_for(lambda: broken(process.stdin), what="a broken pipe")
    assert process.poll() is None
    host.agent.terminate()
    process.wait(10)


def broken(pipe):
    try:
        os.write(pipe.fileno(), b"x")
    except BrokenPipeError:
        return True


def test_no_command_and_no_terminal(host):
    result = host.run(input=b"echo from stdin\nexit 4\n")
    assert result.stdout == b"from stdin\n" and result.returncode == 4
    assert host.agent.commands() == [] and host.agent.wait("end")["exit_code"] == 4


def test_command_killed_by_a_signal(host):
    assert host.run("-c", "kill -TERM $$").returncode == 128 + signal.SIGTERM


def test_signal_is_passed_on_to_a_command(host):
    process = subprocess.Popen(
        [str(arg) for arg in host.args("-c", "trap 'echo got it; exit 5' TERM; echo go; "
                                       "while :; do sleep 0.05; done")],
        env=host.env(), stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"go\n"
    process.terminate()
    assert process.communicate(timeout=10)[0] == b"got it\n" and process.returncode == 5
    assert host.agent.wait("end")["reason"] == "hangup"


# --- ending it ---------------------------------------------------------------------


def ended(host, shell, reason):
    """The session says that it has come to its end, and that is true."""
    opened = host.agent.wait("open")
    wait_for(lambda: host.agent.of("end"), 30, "the end")
    end = host.agent.wait("end")
    assert not alive(opened["leader"])
    shell.wait()
    assert end["reason"] == reason
    return shell


def test_terminate(host):
    shell = host.shell()
    host.agent.terminate()
    shell.expect("\r\nvsay: this session was ended by alice: maintenance\r\n")
    ended(host, shell, "terminated")
    assert shell.popen.returncode == 128 + signal.SIGHUP
    assert termios.tcgetattr(shell.slave) == shell.settings


def test_reason_cannot_control_the_terminal(host):
    shell = host.shell()
    host.agent.terminate("ended by \x1b[31malicia é\u009b\u202e\r\n")
    shell.expect(r"ended by \\x1b\[31malicia é\\u009b\\u202e\\r\\n\r\n")


STUBBORN = {
    "shell": "trap '' HUP; echo pid=$$",
    "job": "(trap '' HUP; echo pid=$BASHPID; exec sleep 300) &",
    "setsid": "setsid -f sh -c 'trap \"\" HUP; echo pid=$$; exec sleep 300'",
    "stopped": "sh -c 'trap \"\" HUP TERM; echo pid=$$; kill -STOP $$; exec sleep 300'",
    "orphan": "(setsid sh -c 'trap \"\" HUP; echo pid=$$; exec sleep 300' &)",
}


@pytest.mark.parametrize("kind", STUBBORN)
def test_whoever_ignores_the_hangup_is_killed(new_host, kind):
    host = new_host(kill_after="1s")
    host.agent.start()
    shell = host.shell()
    shell.write(STUBBORN[kind] + "\n")
    pid = int(shell.expect(rb"pid=(\d+)")[1])
    assert alive(pid)
    host.agent.terminate()
    ended(host, shell, "killed")
    assert not alive(pid)


FORKER = """
import os, signal, sys, time
signal.signal(signal.SIGHUP, signal.SIG_IGN)
print("forking", flush=True)
end = time.monotonic() + 30  # should nobody be able to kill it
while time.monotonic() < end:
    if os.fork():
        os._exit(0)
    if "setsid" in sys.argv:
        os.setsid()
"""


@pytest.mark.parametrize("mode", ["terminal", "command", "setsid"])
def test_whoever_forks_all_the_time_is_killed(new_host, mode):
    """They hold the pipe's other end as long as they live."""
    host = new_host(kill_after="1s")
    host.agent.start()
    (host.directory / "forker").write_text(FORKER)
    line = f"/usr/bin/python3 {host.directory}/forker {mode} &"
    ours, theirs = os.pipe()
    args = ["-c", f"{line} exec sleep 300"] if mode == "command" else []
    shell = host.terminal(*args, pass_fds=[theirs])
    os.close(theirs)
    if mode != "command":
        shell.write(line + "\n")
    shell.expect(r"forking\r\n")
    host.agent.terminate()
    ended(host, shell, "killed")
    os.set_blocking(ours, False)
    assert os.read(ours, 1) == b""
    os.close(ours)


@pytest.mark.parametrize("start", [[], ["/bin/sh", "-c", "trap '' HUP; exec \"$@\"", "sh"]],
                         ids=["plain", "nohup"])
def test_job_that_obeys(host, start):
    """Even where vsay-shell was started so that hangups are ignored."""
    shell = Terminal([*start, *host.args()], host.env())
    host.stack.callback(shell.close)
    shell.expect("READY> ")
    pid = int(re.search(rb"pid=(\d+)", shell.run("setsid -f sleep 300; sleep 300 & echo pid=$!"))[1])
    host.agent.terminate()
    ended(host, shell, "terminated")
    assert not alive(pid)


def test_terminate_a_command(new_host):
    host = new_host(kill_after="1s")
    host.agent.start()
    process = subprocess.Popen(
        [str(arg) for arg in host.args("-c", "trap '' HUP; sleep 300 & echo $!; wait")],
        env=host.env(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    pid = int(process.stdout.readline())
    host.agent.terminate()
    host.agent.wait("end")
    assert not alive(pid)
    assert b"vsay: this session was ended by alice" in process.communicate(timeout=10)[1]
    assert process.returncode == 128 + signal.SIGKILL
    assert host.agent.of("end")[0]["reason"] == "killed"


def test_terminate_with_a_stuck_terminal(new_host):
    """Nobody reads what the shell writes; it dies nevertheless."""
    host = new_host(kill_after="1s")
    host.agent.start()
    shell = host.shell()
    opened = host.agent.wait("open")
    shell.write("while :; do echo talk; done\n")
    host.agent.wait("command")
    termios.tcflow(shell.slave, termios.TCOOFF)
    host.agent.terminate()
    assert host.agent.wait("end")["reason"] in ("terminated", "killed")
    assert not alive(opened["leader"])
    termios.tcflow(shell.slave, termios.TCOON)
    shell.wait()


def test_terminate_twice_and_exit(host):
    shell = host.shell()
    host.agent.terminate()
    host.agent.terminate("ended by bob")
    ended(host, shell, "terminated")
    assert len(host.agent.of("end")) == 1
    assert b"bob" not in shell.output


@pytest.mark.parametrize("agent", ["waits", "goes away", "has ended it"])
def test_terminate_after_the_exit(new_host, agent):
    """The session is not over while its end is not acknowledged: vsay-shell ends what the shell has
    left, and only it can say that nothing is left, whatever becomes of the agent."""
    host = new_host(kill_after="1s")
    host.agent.start()
    shell = host.shell()
    shell.write(STUBBORN["orphan"] + "\n")
    pid = int(shell.expect(rb"pid=(\d+)")[1])
    finished(host, 1)
    host.agent.quiet_about = "end"
    shell.write("exit 5\n")
    assert host.agent.wait("end")["reason"] == "exited" and alive(pid)
    host.agent.terminate()
    shell.expect("vsay: this session was ended by alice: maintenance")
    host.agent.quiet_about = None
    if agent == "goes away":
        host.agent.stop()
    elif agent == "has ended it":
        host.agent.connections[-1].send(b'{"type": "ended"}')
    assert shell.wait() == 5 and not alive(pid)
    if agent == "has ended it":
        assert len(host.agent.of("end")) == 1 and list(host.drop.iterdir()) == []
        return
    ends = host.agent.of("end")[1:] if agent == "waits" else [
        line for line in host.dropped() if line["type"] == "end"]
    assert [(end["reason"], end["exit_code"], end["gone"]) for end in ends] == [("killed", 5, True)]


# --- the agent is away ----------------------------------------------------------------


def test_agent_comes_later(new_host):
    host = new_host()
    shell = host.shell()
    shell.run("echo early")
    host.agent.start()
    host.agent.wait("open")
    assert finished(host, 1) == [("echo early", True)]
    shell.write("exit\n")
    shell.wait()
    host.agent.wait("end")
    assert list(host.drop.iterdir()) == []


def test_agent_goes_away_and_comes_back(host):
    shell = host.shell()
    shell.run("echo first")
    finished(host, 1)
    host.agent.mute = True
    shell.run("echo unacked")
    finished(host, 2)
    host.agent.stop()
    shell.run("echo meanwhile")
    host.agent.packets.clear()
    host.agent.mute = False
    host.agent.start()
    assert finished(host, 2) == [("echo unacked", True), ("echo meanwhile", True)]
    assert host.agent.packets[0]["type"] == "open"
    host.agent.terminate()
    ended(host, shell, "terminated")


def test_what_is_left_goes_to_a_file(new_host):
    host = new_host()
    shell = host.shell()
    shell.run("echo lonely")
    shell.write("exit 3\n")
    assert shell.wait() == 3
    opened, *commands, end = host.dropped()
    assert opened["type"] == "open" and (end["type"], end["exit_code"]) == ("end", 3)
    assert [(command["seq"], command["command"], command["success"]) for command in commands] == [
        (1, "echo lonely", True), (2, "exit 3", False)]


def test_agent_that_does_not_answer(host):
    host.agent.mute = True
    assert host.run("-c", "echo fine").stdout == b"fine\n"
    assert [line["type"] for line in host.dropped()][::len(host.dropped()) - 1] == ["open", "end"]


def test_nowhere_to_leave_it(new_host):
    host = new_host()
    host.drop.rmdir()
    result = host.run("-c", "echo fine")
    assert result.stdout == b"fine\n" and result.returncode == 0
    assert b"vsay-shell: this session could not be reported: cannot write to " in result.stderr


def test_refused(host):
    host.agent.refuse = "too many sessions"
    shell = host.shell()
    wait_for(lambda: b"vsay: this session is not recorded: too many sessions" in shell.output)
    shell.run("true")
    shell.write("exit\n")
    assert shell.wait() == 0
    assert host.agent.of("command") == [] and list(host.drop.iterdir()) == []


@pytest.mark.parametrize("refuse", [None, "no more"])
def test_required_agent(new_host, refuse):
    host = new_host(require_agent="yes")
    if refuse:
        host.agent.refuse = refuse
        host.agent.start()
    result = host.run("-c", "echo never")
    assert result.returncode == 1 and result.stdout == b""
    assert f"no session without vsay-agent: {refuse or 'it cannot be reached'}" \
        in result.stderr.decode()
    host.agent.stop()
    host.agent.refuse = None
    host.agent.start()
    assert host.run("-c", "echo now").stdout == b"now\n"
