# SPDX-License-Identifier: MIT
"""A shell whose user has as many processes as are allowed: who must kill them can do it there."""
import contextlib
import os
import re
import shutil
import time
from datetime import datetime, timezone

import pytest

from shell_fixtures import TIME, finished, new_host  # noqa: F401
from shells import SHARE, alive
from stack import wait_for

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="the limit counts a user's processes")
USER = 64000 + os.getpid() % 1000  # nobody else's
DEBUG = "trap 'echo \"$BASH_COMMAND\" >>~/seen' DEBUG"
UNNAMED = "the last command could not be named: no process could be started"


@pytest.fixture(params=["bash", "zsh"])
def program(request):
    return request.param


class Scene:
    """Nine processes of the user's, and a shell that may have five."""

    def __init__(self, host):
        self.host = host
        self.pids = []

    def begin(self, program, lines, args):
        host = self.host
        host.directory.chmod(0o755)
        os.chown(host.home, USER, -1)
        host.agent.start()
        host.agent.path.chmod(0o777)
        setting = {"bash": ".bashrc", "zsh": ".zshrc"}[program]
        with open(host.home / setting, "a") as file:
            file.write("\n".join(lines) + "\n")
        self.shell = host.shell(*args, user=USER, group=USER, extra_groups=[], cwd="/")
        self.run("for i in 1 2 3 4 5 6 7 8 9; do sleep 1000 & set -- $@ $!; done")
        self.pids = [int(pid) for pid in re.findall(rb"\d{2,}", self.run("echo $* end"))]
        assert len(self.pids) == 9
        self.run("ulimit -S -u 5")

    def run(self, line, seconds=10):
        began = time.monotonic()
        output = self.shell.run(line)
        assert time.monotonic() - began < seconds
        return output

    def recorded(self, count):
        """What followed the beginning, when so many have ended."""
        return finished(self.host, 3 + count)[3:]

    def end(self):
        for pid in self.pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, 9)

    def leave(self):
        self.shell.write("exit\n")
        self.shell.wait()
        self.host.agent.wait("end")


@pytest.fixture
def scene(new_host, program):
    with contextlib.ExitStack() as stack:
        def make(*lines, args=()):
            scene = Scene(new_host(program=f"/bin/{program}"))
            stack.callback(scene.end)
            scene.begin(program, lines, args)
            return scene
        yield make


def dead(scene):
    wait_for(lambda: not any(alive(pid) for pid in scene.pids), what="the end of them")


def test_kill(scene):
    """The first command already."""
    scene = scene()
    scene.run("kill $*", 2)
    dead(scene)
    scene.run("false", 2)
    assert scene.recorded(2) == [("kill $*", True), ("false", False)]
    assert b"fork" not in scene.shell.output and b"vsay" not in scene.shell.output
    scene.leave()
    assert [list(opened).count("not_recorded") for opened in scene.host.agent.of("open")] == [0]


@pytest.mark.parametrize("lines", [
    [], ["set -u", "HISTCONTROL=ignoreboth"], ["PROMPT_COMMAND='PS1=\"READY> \"'"], [DEBUG],
    ["PROMPT_COMMAND=('history -a')", "set -o posix"], ["set -o vi; PS0='[ps0]'"]])
@pytest.mark.parametrize("program", ["bash"], indirect=True)
def test_the_record_is_complete(scene, lines):
    scene = scene(*lines)
    for line in ("echo one", "false", "", "true", "echo a; false"):
        scene.run(line, 2)
    assert scene.recorded(4) == [("echo one", True), ("false", False), ("true", True),
                                 ("echo a; false", False)]
    for command in scene.host.agent.of("command"):
        assert TIME.fullmatch(command["timestamp"]) and "lost" not in command
    scene.run(" echo kept out") if "HISTCONTROL=ignoreboth" in lines else None
    scene.run("kill $*", 2)
    dead(scene)
    scene.run("/bin/true")
    assert scene.recorded(6)[4:] == [("kill $*", True), ("/bin/true", True)]


@pytest.mark.parametrize("program", ["bash"], indirect=True)
def test_the_time_is_that_of_its_beginning(scene):
    scene = scene()
    typed = datetime.now(timezone.utc)
    scene.run("read -t 3 x || :")
    scene.recorded(1)
    began = datetime.fromisoformat(scene.host.agent.of("command")[-1]["timestamp"])
    assert (began - typed).total_seconds() < 2.5


@pytest.mark.parametrize("program", ["bash"], indirect=True)
def test_what_cannot_be_named_is_said(scene):
    """Several lines in one paste have one prompt, and `exit` has none."""
    scene = scene("HISTCONTROL=ignorespace")
    scene.run("bind 'set enable-bracketed-paste on'")
    scene.shell.write("\x1b[200~false\ntrue 2\nfalse 3\x1b[201~\n")
    assert scene.recorded(2)[1:] == [("false 3", False)]
    scene.run(" echo kept out")
    scene.run("history -c")
    scene.run("true 4")
    assert scene.recorded(3)[2:] == [("true 4", True)]
    assert [said["lost"] for said in scene.host.agent.of("command") if "lost" in said] == [2, 1]
    scene.leave()
    assert scene.host.agent.of("open")[-1]["not_recorded"] == UNNAMED


@pytest.mark.parametrize("program", ["bash"], indirect=True)
def test_an_older_bash_waits_once(scene, new_directory):
    """Before 5.2 it cannot ask without a fork."""
    share = new_directory()
    share.chmod(0o755)
    shutil.copytree(SHARE, share, dirs_exist_ok=True)
    file = share / "vsay.bash"
    text = file.read_text()
    assert "__vsay_version=$((" in text
    file.write_text(text.replace("__vsay_version=$((", "__vsay_version=501 # $(("))
    scene = scene(args=("--share", share))
    assert b"fork: retry" in scene.run("echo not run", 30)
    scene.run("kill $*", 2)
    dead(scene)
    scene.run("true", 2)
    assert [command for command, _ in scene.recorded(2)] == ["kill $*", "true"]
