# SPDX-License-Identifier: MIT
"""vsayctl activity --follow."""
import contextlib
import json
import os
import pty
import signal
import subprocess
import threading

import pytest

from ctl import Operator
from fleet import unique
from machine import Machine, entry
from stack import CTL, ENV, wait_for, write_conf


class Follower:
    """A vsayctl that follows, at a moment from which on everything is new to it."""

    def __init__(self, operator, *arguments, conf=None, stdout=subprocess.PIPE):
        self.process = subprocess.Popen(
            [CTL, "--config", str(conf or operator.stack.conf), "activity", "--follow", *arguments],
            env={**ENV, **operator.env}, stdin=subprocess.DEVNULL, stdout=stdout, text=True,
            stderr=subprocess.PIPE)
        self.lines, self.told = [], []
        self.readers = [threading.Thread(target=self._read, args=each, daemon=True) for each in (
            (self.process.stdout, self.lines), (self.process.stderr, self.told)) if each[0]]
        for reader in self.readers:
            reader.start()

    def _read(self, stream, lines):
        with contextlib.suppress(ValueError):
            for line in stream:
                lines.append(line.rstrip("\n"))

    def begun(self):
        wait_for(lambda: self.lines, what=f"the headers; {self.told}")
        assert self.lines.pop(0).split() == [
            "TIME", "SESSION_ID", "USER_ID", "AGENT_ID", "SUCCESS", "EXIT", "COMMAND"]
        return self

    def wait(self, count):
        wait_for(lambda: len(self.lines) >= count, what=f"{count} lines in {self.lines} {self.told}")
        return self.lines

    def commands(self, count):
        return [line.split(None, 6)[6] for line in self.wait(count)]

    def interrupt(self):
        """How Ctrl-C ends it."""
        self.process.send_signal(signal.SIGINT)
        status = self.process.wait(30)
        for reader in self.readers:
            reader.join(30)
        return status

    def close(self):
        self.process.kill()
        self.process.wait()
        for reader in self.readers:
            reader.join(30)
        for stream in filter(None, (self.process.stdout, self.process.stderr)):
            stream.close()


@pytest.fixture
def operator(stack, directory):
    return Operator(stack, directory)


@pytest.fixture
def follow(operator):
    with contextlib.ExitStack() as stack:
        def start(*arguments, **options):
            follower = Follower(operator, *arguments, **options)
            stack.callback(follower.close)
            return follower
        yield start


def test_new_ones_as_they_come(follow, tenant):
    """Each once, oldest first, as it is then; not those that were there."""
    agent = Machine(tenant)
    session = agent.session(tenant.user())
    agent.activity(entry(session, 1, "old"))
    follower = follow("--machine", agent.id).begun()
    agent.activity(entry(session, 2, "second", success=False, exit_code=127))
    assert follower.commands(1) == ["second"]
    agent.activity(entry(session, 2, success=False), entry(session, 3, "runs"))
    agent.activity(*(entry(session, seq, f"number {seq}") for seq in range(4, 20)))
    agent.activity(entry(session, 3, success=True))
    assert follower.commands(18) == ["second", "runs", *(f"number {seq}" for seq in range(4, 20))]
    assert follower.lines[0].split()[4:6] == ["no", "127"]
    assert len({line.index(agent.id) for line in follower.lines}) == 1, "columns are aligned"
    assert follower.interrupt() == -signal.SIGINT, "as a shell says: 130"
    assert len(follower.lines) == 18 and follower.told == []


def test_filters(follow, tenant):
    users, machines = [tenant.user() for _ in range(2)], [tenant.machine() for _ in range(2)]
    session, word = unique("sess_"), unique("word")
    followers = {name: follow("--json", *arguments) for name, arguments in {
        "all": ["--grep", word.upper()], "user": ["--user", users[0].user_id],
        "machine": ["--machine", machines[1]], "session": ["--session", session],
        "text": ["--grep", f"{word}3", "--machine", machines[1]]}.items()}
    # Without headers nothing tells when it has begun: once it tells something, it has.
    probes = 0

    def begun():
        nonlocal probes
        probes += 1
        tenant.command(machines[1], users[0], f"{word}3 probe {probes}", session_id=session,
                       seq=1000 + probes)
        return all(follower.lines for follower in followers.values())

    wait_for(begun)
    for number in range(4):
        tenant.command(machines[number % 2], users[number // 2], f"{word}{number}",
                       session_id=session if number == 1 else unique("sess_"))
    tenant.command(machines[1], users[0], f"{word}3 last", session_id=session, seq=2)
    seen = {}
    for name, follower in followers.items():
        wait_for(lambda follower=follower: any("last" in line for line in follower.lines))
        rows = [json.loads(line) for line in follower.lines]
        assert all(set(row) == {"executed_at", "session_id", "user_id", "agent_id", "success",
                                "exit_code", "command"} for row in rows)
        seen[name] = [row["command"].removeprefix(word) for row in rows
                      if "probe" not in row["command"]]
    assert seen == {"all": ["0", "1", "2", "3", "3 last"], "user": ["0", "1", "3 last"],
                    "machine": ["1", "3", "3 last"], "session": ["1", "3 last"],
                    "text": ["3", "3 last"]}


def insert(connection, agent, user, texts):
    session = unique("sess_")
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO commands (session_id, seq, tenant_id, agent_id, user_id, username, source, "
            "command, executed_at) VALUES (%s, %s, %s, %s, %s, 'x', 'ui', %s, UTC_TIMESTAMP(3))",
            [(session, seq, user.tenant, agent, user.user_id, text)
             for seq, text in enumerate(texts, 1)])


@pytest.fixture
def connect(stack):
    with contextlib.ExitStack() as connections:
        yield lambda: connections.enter_context(
            contextlib.closing(stack.database.connect(database="vsay")))


def test_a_lower_id_may_be_committed_later(connect, follow, tenant):
    agent, user, slow, fast = tenant.machine(), tenant.user(), connect(), connect()
    follower = follow("--machine", agent).begun()
    slow.autocommit(False)
    insert(slow, agent, user, ["late"])
    insert(fast, agent, user, ["early"])
    assert follower.commands(1) == ["early"]
    slow.commit()
    assert follower.commands(2) == ["early", "late"]
    insert(fast, agent, user, ["after"])
    assert follower.commands(3) == ["early", "late", "after"]


def test_more_than_a_page(connect, follow, tenant):
    """And more than a look reads again."""
    agent, user, connection = tenant.machine(), tenant.user(), connect()
    follower = follow("--machine", agent, "--grep", "number").begun()
    for first in range(0, 12000, 4000):
        insert(connection, agent, user, [f"{'other' if number % 10 else 'number'} {number}"
                                         for number in range(first, first + 4000)])
    assert follower.commands(1200) == [f"number {number}" for number in range(0, 12000, 10)]
    insert(connection, agent, user, ["number last"])
    assert follower.commands(1201)[-1] == "number last"


def test_a_lost_connection(stack, directory, follow, tenant):
    """It says so once, and misses nothing."""
    agent, user = tenant.machine(), tenant.user()
    door = directory / "door.sock"
    door.symlink_to(stack.database.socket)
    conf = write_conf(directory / "door.conf", {
        **stack.settings, "db": {**stack.settings["db"], "host": door}})
    follower = follow("--machine", agent, conf=conf).begun()
    door.unlink()
    for row in stack.database.query(
            "SELECT id FROM information_schema.processlist WHERE user = 'vsayctl'"):
        stack.database.query(f"KILL {row['id']}")
    def told():
        return [line for line in follower.told if line.startswith("vsayctl: ")]

    wait_for(told)
    tenant.command(agent, user, "meanwhile")
    assert len(told()) == 1 and told()[0].endswith("; trying again")
    door.symlink_to(stack.database.socket)
    assert follower.commands(1) == ["meanwhile"]
    wait_for(lambda: told()[1:])
    assert told()[1:] == ["vsayctl: the database answers again"]


def test_nobody_reads_it(operator, follow):
    """It ends without having anything to write."""
    ours, theirs = os.pipe()
    follower = follow(stdout=theirs)
    os.close(theirs)
    assert os.read(ours, 1)
    os.close(ours)
    assert follower.process.wait(60) == -signal.SIGPIPE
    assert follower.told == []


def test_ctrl_c_at_a_terminal(operator, follow, tenant):
    """Control characters in a command do no harm to it."""
    agent, user = tenant.machine(), tenant.user()
    ours, theirs = pty.openpty()
    follower = follow("--machine", agent, stdout=theirs)
    os.close(theirs)
    shown = os.read(ours, 4096)
    tenant.command(agent, user, "\x1b[31mred" + "." * 200 + "end")
    while b"end" not in shown:
        shown += os.read(ours, 4096)
    assert b"\x1b" not in shown and b"red" + b"." * 200 in shown, "nothing is cut"
    assert follower.interrupt() == -signal.SIGINT
    os.close(ours)


@pytest.mark.parametrize("arguments", [["--limit", "5"], ["--session", "a/b"], ["--grep", ""]])
def test_refused(operator, arguments):
    operator.fail("activity", "--follow", *arguments, status=2)
