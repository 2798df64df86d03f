# SPDX-License-Identifier: MIT
"""Workers and databases that are killed while agents report: what was acknowledged is there."""
import contextlib
import os
import signal

import pytest

from machine import Machine
from checker import Checker
from fleet import Tenant
from reporter import Reporter
from stack import wait_for


@pytest.fixture
def stack(new_stack):
    return new_stack(db={"connect_timeout": "1s"})


@pytest.fixture(scope="module")
def lasting_stack(module_stacks):
    return module_stacks()


@pytest.fixture
def reporters(tenant, admin):
    return [Reporter(tenant, admin) for _ in range(6)]


def more(reporters, count=60):
    """Waits for so many more acknowledgements of each."""
    goals = [(reporter, reporter.acknowledged() + count) for reporter in reporters]
    wait_for(lambda: all(reporter.acknowledged() >= goal for reporter, goal in goals),
             what="acknowledgements")


def failures(reporters):
    return sum(reporter.failures for reporter in reporters)


def kill_workers(stack, reporters):
    for number in range(50):
        pids = stack.worker_pids()
        for pid in pids[:1 + number % 2]:
            os.kill(pid, signal.SIGKILL)
        more(reporters)
        if number >= 4 and failures(reporters):
            break


def kill_database(stack, reporters):
    for _ in range(2):
        before = failures(reporters)
        stack.database.stop(signal.SIGKILL)
        wait_for(lambda: failures(reporters) > before, what="a failure")
        stack.database.start()
        more(reporters)


def terminate(stack, reporters, admin):
    """DELETEs the newest sessions that their agents do not end themselves."""
    sessions = [reporter.opened[-1 - (len(reporter.opened) - 1) % 2] for reporter in reporters]
    for session in sessions:
        wait_for(lambda: stack.delete(session, admin).status == 200)
    return sessions


@pytest.mark.parametrize("kill", [kill_workers, kill_database])
def test_nothing_acknowledged_is_lost(stack, reporters, admin, kill):
    with Checker(stack, admin) as checker:
        with contextlib.ExitStack() as running:
            for reporter in reporters:
                running.enter_context(reporter)
            more(reporters)
            terminated = terminate(stack, reporters, admin)
            kill(stack, reporters)
            terminated += terminate(stack, reporters, admin)
            wait_for(lambda: set(terminated) <= set().union(*[
                reporter.ended for reporter in reporters]), what="the terminations")
        assert failures(reporters), "nothing was broken"
        assert [reporter.wrong for reporter in reporters] == [[]] * len(reporters)
        sessions = {row["session_id"]: row["state"] for row in stack.database.query(
            "SELECT session_id, state FROM sessions")}
        commands = [(row["session_id"], row["seq"]) for row in stack.database.query(
            "SELECT session_id, seq FROM commands")]
        for reporter in reporters:
            assert set(reporter.opened) <= sessions.keys()
            assert {sessions[session] for session in reporter.ended} == {"closed"}
            assert reporter.commands <= set(commands)
        assert len(set(commands)) == len(commands)
        outcomes = {row["session_id"]: row["outcome"] for row in stack.database.query(
            "SELECT session_id, outcome FROM signals")}
        assert outcomes == {session: "confirmed" for session in terminated}
    assert checker.compared


@pytest.mark.parametrize("statement, fault", [
    ("UPDATE sessions SET state = 'active', ended_at = NULL WHERE state = 'closed'",
     "closed became active"),
    ("UPDATE sessions SET state = 'closing' WHERE state = 'active'",
     "a closing session without a signal"),
    ("UPDATE signals SET outcome = 'expired'", "outcome changed from confirmed to expired"),
    ("UPDATE sessions SET close_reason = 'x' WHERE state = 'closed'",
     "close_reason changed from terminated to x"),
    ("DELETE FROM sessions WHERE state = 'closed'", "is gone")])
def test_the_checker_finds_faults(lasting_stack, statement, fault):
    """One that looks twice: before a fault is made, and after."""
    stack, tenant = lasting_stack, Tenant(lasting_stack)
    admin, agent = tenant.user("company_admin"), Machine(tenant)
    done, _ = agent.session(admin), agent.session(admin)
    stack.delete(done, admin)
    agent.end(done, "terminated")
    checker = Checker(stack)
    with pytest.raises(AssertionError, match=fault), checker:
        wait_for(lambda: checker.looks)
        stack.database.query(statement)
