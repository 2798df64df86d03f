# SPDX-License-Identifier: MIT
"""Real agent, shells, workers and database under random kill -9, SIGSTOP and broken connections. A
judge that knows nothing of the product's ways looks at the rows and at /proc. The numbers that follow
come from the seed; what the parts do between them does not.

By hand: VSAY_CHAOS_KILLS=5000 VSAY_CHAOS_SEED=7 pytest -m heavy tests/e2e/test_chaos.py"""
import contextlib
import http.client
import os
import random
import signal
import threading
import time

import MySQLdb
import pytest

from checker import Checker
from live import Machine, marked_processes
from proxy import Proxy
from shells import alive
from stack import wait_for

KILLS = int(os.environ.get("VSAY_CHAOS_KILLS", 200))
SEED = int(os.environ.get("VSAY_CHAOS_SEED", 1))
USERS = 6      # who work at a time
PATIENCE = 90  # s for what takes one on an idle machine

JOBS = ("sleep 7777 &", "nohup sleep 7777 >/dev/null 2>&1 &", "setsid sleep 7777 &",
        "(trap '' HUP TERM; exec sleep 7777) & disown")
FATES = {"exit": 1, "delete": 6, "delete and exit": 2, "stop and delete": 2,
         "kill and delete": 1, "delete and kill": 1, "stop and delete and kill": 1}


@pytest.fixture
def stack(new_stack):
    return new_stack(agents={"heartbeat_interval": "1s"})


class Life:
    """What one session did, as its user knows it."""

    def __init__(self, shell, fate):
        self.shell, self.id, self.fate = shell, shell.id, fate
        self.commands = [("echo id=$VSAY_SESSION_ID sid=$$", True)]
        self.exited = False  # the user typed exit

    @property
    def deleted(self):
        return "delete" in self.fate

    @property
    def killed(self):
        """vsay-shell was, and what it held with it."""
        return "kill" in self.fate

    @property
    def untold(self):
        """The shell has exited, and its vsay-shell has left before it was told to end the session."""
        return self.exited and b"vsay: this session was ended" not in self.shell.terminal.output

    def run(self, command, success=True):
        self.shell.terminal.write(command + "\n")
        self.shell.terminal.expect(rb"\n", PATIENCE)
        self.shell.terminal.expect("READY> ", PATIENCE)
        self.commands.append((command, success))

    def delete(self, stack, admin):
        """Until vsay has taken it."""
        def taken():
            with contextlib.suppress(OSError, http.client.HTTPException):
                return stack.delete(self.id, admin).status == 200
            return False
        wait_for(taken, PATIENCE, f"the DELETE of {self.id}")


class Users:
    """Threads that open sessions, work and end them, until so many were to be killed."""

    def __init__(self, machine, admin, kills, seed):
        self.machine, self.stack, self.admin = machine, machine.stack, admin
        self.lock, self.left, self.lives, self.errors = threading.Lock(), kills, [], []
        self.threads = [threading.Thread(target=self._work, args=(random.Random(f"{seed} {n}"),))
                        for n in range(USERS)]

    def _next_fate(self, rng):
        with self.lock:
            fate = rng.choices(list(FATES), FATES.values())[0] if self.left > 0 else None
            self.left -= fate not in (None, "exit")
            return fate

    def _work(self, rng):
        try:
            while fate := self._next_fate(rng):
                self._live(fate, rng)
        except BaseException as error:
            self.errors.append(error)
            with self.lock:
                self.left = 0

    def _live(self, fate, rng):
        shell = self.machine.own_shell()
        try:
            life = Life(shell, fate)
            self.lives.append(life)
            for n in range(rng.randrange(1, 5)):
                life.run(f"test {n} != 3", n != 3)
                time.sleep(rng.random() * 0.1)
            for job in rng.sample(JOBS, rng.randrange(len(JOBS))) if fate != "exit" else ():
                life.run(job)
            if life.deleted:
                wait_for(lambda: self._state(life.id), PATIENCE, f"{life.id} at vsay")
            self._end(life, rng)
            shell.terminal.wait(PATIENCE)
        finally:
            shell.terminal.close()

    def _state(self, session):
        with contextlib.suppress(MySQLdb.Error):
            return self.stack.database.query("SELECT state FROM sessions WHERE session_id = %s",
                                             session)

    def _end(self, life, rng):
        terminal = life.shell.terminal
        for deed in life.fate.split(" and "):
            if deed == "delete":
                life.delete(self.stack, self.admin)
            elif deed == "exit":
                life.exited = True
                with contextlib.suppress(OSError):
                    terminal.write("exit 5\n")
            else:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(terminal.pid, signal.SIGSTOP if deed == "stop" else signal.SIGKILL)
            time.sleep(rng.random() * 0.2)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        with self.lock:
            self.left = 0
        for thread in self.threads:
            thread.join()

    def busy(self):
        return any(thread.is_alive() for thread in self.threads)


class Judge:
    """Looks at /proc whenever vsay has confirmed a kill."""

    def __init__(self, stack):
        self.stack, self.wrong, self.judged = stack, [], set()
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._run)

    def look(self):
        for row in self.stack.database.query(
                "SELECT session_id FROM signals WHERE outcome = 'confirmed'"):
            session = row["session_id"]
            if session in self.judged:
                continue
            self.judged.add(session)
            left = marked_processes(session)
            if left:
                self.wrong.append(f"{session} is confirmed, and {left} live")

    def _run(self):
        while not self.stop.wait(0.05):
            with contextlib.suppress(MySQLdb.Error):
                self.look()

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()


class Chaos:
    """Breaks one part after the other."""

    def __init__(self, machine, proxy, seed):
        self.machine, self.stack, self.proxy = machine, machine.stack, proxy
        self.rng, self.done = random.Random(seed), []

    def kill_agent(self):
        self.machine.agent.stop(signal.SIGKILL)
        time.sleep(self.rng.random())
        self.machine.agent.start()

    def stop_agent(self):
        self.pause(self.machine.agent.process.pid)

    def kill_worker(self):
        self.signal(self.rng.choice(self.stack.worker_pids() or [0]), signal.SIGKILL)

    def stop_worker(self):
        self.pause(self.rng.choice(self.stack.worker_pids() or [0]))

    def kill_database(self):
        self.stack.database.stop(signal.SIGKILL)
        self.stack.database.start()

    def cut(self):
        self.proxy.cut()

    def truncate(self):
        self.proxy.truncate(self.rng.randrange(1, 400))

    @staticmethod
    def signal(pid, number):
        with contextlib.suppress(ProcessLookupError):
            if pid:
                os.kill(pid, number)

    def pause(self, pid):
        self.signal(pid, signal.SIGSTOP)
        time.sleep(self.rng.random())
        self.signal(pid, signal.SIGCONT)

    def step(self):
        deeds = {self.kill_agent: 4, self.stop_agent: 3, self.kill_worker: 3, self.stop_worker: 2,
                 self.kill_database: 1, self.cut: 4, self.truncate: 4}
        deed = self.rng.choices(list(deeds), deeds.values())[0]
        deed()
        self.done.append(deed.__name__)
        self.machine.agent.process.kill(signal.SIGHUP)  # no pause between its tries
        time.sleep(0.2 + self.rng.random())


def verdict_on(life, session, rows):
    """What is wrong with a session that is over."""
    commands = [(row["command"], None if row["success"] is None else bool(row["success"]))
                for row in rows if row["command"] != "exit 5"]
    if session["state"] != "closed":
        yield f"is {session['state']}"
    # Nobody saw what was left: the agent was away, or late, when the shell exited. Where it knew of
    # the DELETE it has killed what it could find.
    blind = life.killed or session["close_reason"] == "exited" or (
        life.untold and session["close_reason"] == "killed")
    early = life.fate == "kill and delete"  # it may have been over before the DELETE
    if life.deleted and session["outcome"] not in (
            "confirmed", *["vanished"] * blind, *[None] * early):
        yield f"was to be killed, and is {session['outcome']} ({session['close_reason']})"
    if life.fate == "exit" and (session["close_reason"], session["exit_code"]) != ("exited", 5):
        yield f"has exited, and is {session['close_reason']} {session['exit_code']}"
    if [row["seq"] for row in rows] != list(range(1, len(rows) + 1)):
        yield f"has commands {[row['seq'] for row in rows]}"
    if life.killed:  # what vsay-shell had not told is gone with it; a result may be
        expected = life.commands[:len(commands)]
        commands = [(command, want[1] if success is None else success)
                    for (command, success), want in zip(commands, expected, strict=False)]
        if commands != expected:
            yield f"ran {life.commands}, and is said to have run {commands}"
    elif commands != life.commands:
        yield f"ran {life.commands}, and is said to have run {commands}"


def rows_of(stack, session):
    found = stack.database.query(
        "SELECT s.state, s.close_reason, s.exit_code, g.outcome FROM sessions s LEFT JOIN signals g "
        "ON g.session_id = s.session_id WHERE s.session_id = %s", session)
    return found[0] if found else None, stack.database.query(
        "SELECT seq, command, success FROM commands WHERE session_id = %s ORDER BY seq", session)


def judge_life(stack, life):
    """Waits until the session is over. One whose vsay-shell died before it was known is nowhere."""
    def over():
        session, _ = rows_of(stack, life.id)
        return session and session["state"] == "closed"
    wait_for(over, PATIENCE, f"the end of {life.id}, {life.fate}")
    return [f"{life.id} ({life.fate}) {what}" for what in verdict_on(life, *rows_of(stack, life.id))]


@pytest.mark.parametrize("kills", [20, pytest.param(KILLS, marks=pytest.mark.heavy)])
def test_chaos(stack, tenant, admin, directory, kills):
    """Nothing is lost, doubled or undone; a confirmed kill is one; each command is there once, in
    order, with its result."""
    proxy = Proxy(stack.port)
    machine = Machine(stack, tenant, directory, proxy.port)
    chaos = Chaos(machine, proxy, SEED)
    users = Users(machine, admin, kills, SEED)
    try:
        with Checker(stack), Judge(stack) as judge:
            with users:
                while users.busy():
                    chaos.step()
            assert not users.errors, users.errors
            machine.agent.process.kill(signal.SIGHUP)
            wrong = [what for life in users.lives for what in judge_life(stack, life)]
            judge.look()
        assert not wrong + judge.wrong, (SEED, chaos.done, *wrong[:10], *judge.wrong[:10])
        assert len(judge.judged) > kills * 0.6
        assert {len(marked_processes(life.id)) for life in users.lives
                if life.deleted and not life.killed and not life.exited} <= {0}
    finally:
        for life in users.lives:
            for pid in filter(alive, marked_processes(life.id)):
                chaos.signal(pid, signal.SIGKILL)
        machine.close()
        proxy.close()
