# SPDX-License-Identifier: MIT
"""What bash and zsh complete after vsayctl."""
import subprocess

import pytest

from ctl import Operator
from stack import CTL, ENV, REPO

COMPLETION = REPO / "conf" / "completion"


@pytest.fixture
def operator(stack, directory):
    return Operator(stack, directory)


def in_bash(operator, words):
    script = ('source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _vsayctl; '
              'printf "%s\\n" "${COMPREPLY[@]}"')
    return ["bash", "-c", script, "-", COMPLETION / "vsayctl.bash", *words]


def in_zsh(operator, words):
    """compadd, which works only within the line editor, prints instead what matches."""
    script = ('compadd() { shift; print -rl -- ${(M)@:#$current*} }; file=$1; shift; '
              'words=("$@"); CURRENT=$#; source $file')
    return ["zsh", "-f", "-c", script, "-", COMPLETION / "_vsayctl", *words]


@pytest.fixture(params=[in_bash, in_zsh])
def complete(request, operator):
    def run(*words, conf=None):
        command = request.param(operator, [CTL, "--config", conf or operator.stack.conf, *words])
        ran = subprocess.run([str(word) for word in command], env={**ENV, **operator.env},
                             text=True, capture_output=True, timeout=30, check=False)
        assert ran.stderr == ""
        return set(ran.stdout.split())
    return run


def test_words(complete):
    assert {"setup", "machine", "session", "purge", "doctor"} <= complete("")
    assert complete("pur") == {"purge"}
    assert complete("machine", "") == {"add", "list", "remove", "rotate"}
    assert complete("machine", "re") == {"remove"}
    assert complete("session", "list", "--a") == {"--all", "--agent-id"}
    assert complete("grant", "--relation", "o") == {"owner"}
    assert complete("activity", "--fo") == {"--follow"}
    assert complete("token", "--role", "m") == {"metrics"}
    assert complete("setup", "--admin") == {"--admin", "--admin-password-file"}


def test_ids(complete, tenant):
    machine, other = tenant.machine(), tenant.machine()
    session = tenant.session(machine, tenant.user())
    assert {machine, other} <= complete("machine", "rotate", "")
    assert machine in complete("session", "list", "--machine", machine[:-1])
    assert session in complete("session", "close", session[:-1])
    assert session in complete("activity", "--session", session[:-1])


def test_without_a_database(complete, conf):
    """Quietly nothing."""
    away = conf(db={"host": "/nowhere.sock"})
    assert complete("machine", "rotate", "", conf=away) == set()
