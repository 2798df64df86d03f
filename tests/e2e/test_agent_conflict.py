# SPDX-License-Identifier: MIT
"""Real agents before a real server: two with one token, one that has lost its state, and a database that
has lost sessions. No shell dies of it."""
import shutil
import signal
import time

import pytest

from agent_fixtures import new_shell  # noqa: F401
from agent_process import Agent, lives
from machine import Machine
from stack import wait_for
from tokens import claims

OFFLINE_AFTER = 5


@pytest.fixture(scope="module")
def stack(module_stacks):
    return module_stacks(agents={"heartbeat_interval": "1s", "offline_after": f"{OFFLINE_AFTER}s"})


@pytest.fixture
def machine(stack, tenant):
    return Machine(tenant, seen=None)


@pytest.fixture
def start(stack, machine, new_directory):
    """Starts an agent of the machine, with a state of its own or a copy of another's."""
    agents = []

    def begin(copy_of=None):
        agents.append(Agent(new_directory(), f"http://127.0.0.1:{stack.port}"))
        agents[-1].write_token(stack.keys.sign(claims(
            None, ttl=86400, role="agent", agent_id=machine.id, generation=1)))
        if copy_of:
            shutil.copytree(copy_of.state, agents[-1].state, symlinks=True)
        return agents[-1].start()
    yield begin
    for agent in agents:
        agent.stop()


@pytest.fixture
def state(stack):
    def read(shell):
        rows = stack.database.query("SELECT state FROM sessions WHERE session_id = %s", shell.session)
        return rows[0]["state"] if rows else None
    return read


@pytest.mark.parametrize("cloned", [False, True])
def test_two_machines_with_one_token(start, new_shell, state, cloned):
    first = start()
    before = new_shell(first).opened()
    wait_for(lambda: state(before) == "active")
    second = start(copy_of=first if cloned else None)
    other = new_shell(second).opened()
    wait_for(lambda: "event=second_instance" in second.log())
    after = new_shell(first).opened()
    wait_for(lambda: state(after) == "active")
    other.command(1)
    time.sleep(2)  # two heartbeats
    assert state(before) == "active" and state(other) is None
    assert all(lives(shell.leader) for shell in (before, after, other))
    assert "second_instance" not in first.log() and "session_terminate" not in second.log()
    first.stop()
    wait_for(lambda: state(other) == "active", 30, "the second's turn")
    assert all(lives(shell.leader) for shell in (before, after, other))


def test_a_restart_is_no_second_instance(start, new_shell, state):
    agent = start()
    shell = new_shell(agent).opened()
    wait_for(lambda: state(shell) == "active")
    for number in signal.SIGKILL, signal.SIGTERM:
        agent.stop(number)
        agent.start()
    shell.opened()
    shell.end()
    wait_for(lambda: state(shell) == "closed")
    assert "second_instance" not in agent.log()


def test_lost_state(start, new_shell, state, stack):
    """Nobody's shell dies, and all goes on: it is no second machine."""
    agent = start()
    shells = [new_shell(agent).opened() for _ in range(3)]
    wait_for(lambda: all(state(shell) == "active" for shell in shells))
    agent.stop(signal.SIGKILL)
    shutil.rmtree(agent.state)
    agent.start()
    time.sleep(2)  # two heartbeats
    assert "event=second_instance" not in agent.log()
    assert all(state(shell) == "active" and lives(shell.leader) for shell in shells)
    for shell in shells[:2]:
        shell.opened()
        shell.command(1)
        shell.end()
        wait_for(lambda: state(shell) == "closed")
    assert stack.database.query("SELECT COUNT(*) AS n FROM commands WHERE session_id = %s",
                                shells[1].session) == [{"n": 1}]


def test_restored_database(start, new_shell, state, stack, tenant):
    agent = start()
    shell = new_shell(agent).opened()
    wait_for(lambda: state(shell) == "active")
    stack.database.query("DELETE FROM sessions WHERE session_id = %s", shell.session)
    shell.command(1)
    wait_for(lambda: state(shell) == "active")
    wait_for(lambda: stack.database.query("SELECT * FROM commands WHERE session_id = %s",
                                          shell.session))
    assert stack.delete(shell.session, tenant.user("company_admin")).status == 200
    assert shell.receive()["reason"].startswith("ended by ")
