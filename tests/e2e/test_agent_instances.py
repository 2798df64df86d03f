# SPDX-License-Identifier: MIT
"""What a server does with reports that cannot be taken at their word: of two machines with one token,
of an agent that has lost its state, of sessions that it does not know, of a machine whose id was
another tenant's, and of numbers that are too large."""
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from ctl import Operator
from fleet import Tenant
from machine import FIGURES, Machine, entry
from schemas import check, check_error
from stack import CTL, run, wait_for

OFFLINE_AFTER = 5  # s


@pytest.fixture(scope="module")
def stack(module_stacks):
    return module_stacks(agents={"offline_after": f"{OFFLINE_AFTER}s", "heartbeat_interval": "1s"})


@pytest.fixture
def alice(tenant):
    return tenant.user()


@pytest.fixture
def operator(stack, directory):
    return Operator(stack, directory)


@pytest.fixture
def agent(tenant, alice):
    return Machine(tenant, seen=None, owner=alice, instance="first")


def state(row, session):
    return row("sessions", "session_id", session)["state"]


# --- two machines with one token


@pytest.fixture
def second(tenant, agent):
    return Machine(tenant, agent.id, instance="second")


def test_a_second_instance_is_refused_before_it_changes_anything(agent, second, alice, row, stack):
    session = agent.session(alice)
    agent.heartbeat()
    stack.delete(session, alice)
    before = stack.database.query("SELECT * FROM sessions WHERE agent_id = %s", agent.id)
    for reply in (second.heartbeat(cpu_percent=99), second.open(alice), second.end(session),
                  second.activity(entry(session)), second.poll(wait=5)):
        assert "instance" in check_error(reply, 409)
    assert stack.database.query("SELECT * FROM sessions WHERE agent_id = %s", agent.id) == before
    assert stack.database.query("SELECT * FROM commands WHERE session_id = %s", session) == []
    assert row("machines", "agent_id", agent.id)["cpu"] == 1250
    assert agent.signals() == [session], "it was not given to the other"
    assert agent.terminate() == [session] and agent.end(session).status == 200
    assert f"machine {agent.id}: instance 'second'" in stack.log.read_text()


@pytest.mark.parametrize("instance", ["second", None])
def test_the_first_goes_on(agent, tenant, alice, row, instance):
    second = Machine(tenant, agent.id, instance=instance)
    session = agent.session(alice)
    for _ in range(3):
        assert agent.terminate() == []
        assert second.heartbeat(sessions=["other"]).status == 409
    assert state(row, session) == "active"


def test_a_second_instance_is_taken_when_the_first_has_gone(agent, second, stack):
    agent.heartbeat()
    check_error(second.heartbeat(), 409)
    wait_for(lambda: second.heartbeat().status == 200, 4 * OFFLINE_AFTER)
    check_error(agent.heartbeat(), 409)


def test_refusals_do_not_keep_a_machine_online(agent, second, row):
    agent.heartbeat()
    seen = row("machines", "agent_id", agent.id)["last_heartbeat_at"]
    assert second.heartbeat().status == 409
    assert row("machines", "agent_id", agent.id)["last_heartbeat_at"] == seen


def test_one_of_those_that_come_first_together_is_taken(tenant, agent, second):
    with ThreadPoolExecutor(8) as pool:
        took = list(pool.map(lambda each: (each, each.heartbeat().status), [agent, second] * 20))
    winners = {each.instance for each, status in took if status == 200}
    assert len(winners) == 1 and {status for _, status in took} == {200, 409}


def test_an_agent_of_an_older_version_becomes_one_with_an_instance_at_once(tenant, agent):
    old = Machine(tenant, agent.id)
    assert old.heartbeat().status == old.heartbeat().status == 200
    assert agent.heartbeat().status == 200
    check_error(old.heartbeat(), 409)


def test_a_rotated_token_is_for_any_instance(agent, operator, tenant, row):
    agent.heartbeat()
    operator.do("machine", "rotate", agent.id)
    generation = row("machines", "agent_id", agent.id)["token_generation"]
    other = Machine(tenant, agent.id, generation, instance="other")
    assert other.heartbeat().status == 200


def test_the_same_machine_with_another_state(agent, tenant):
    """What follows a full stop does not tell machines apart."""
    first = Machine(tenant, agent.id, instance="a.1")
    assert first.heartbeat().status == 200
    assert Machine(tenant, agent.id, instance="a.2").heartbeat().status == 200
    assert Machine(tenant, agent.id, instance="a").heartbeat().status == 200
    for other in "ab.1", "b.1", ".1", "1":
        check_error(Machine(tenant, agent.id, instance=other).heartbeat(), 409)


def test_a_malformed_instance(tenant, agent):
    for instance in "a b", "x" * 65, "ä":
        check_error(Machine(tenant, agent.id, instance=instance.encode().decode("latin-1"))
                    .heartbeat(), 400)


def test_the_operator_sees_it(agent, second, operator, stack, tenant):
    def machine_state():
        [machine] = operator.table("machine", "list", "--tenant", tenant.id)
        return machine["STATE"]
    agent.heartbeat()
    assert machine_state() == "online"
    stack.database.query("UPDATE machines SET refused_at = NULL")
    assert run(CTL, "--config", stack.conf, "doctor").returncode == 0
    second.heartbeat()
    agent.heartbeat()
    assert machine_state() == "conflict"
    doctor = run(CTL, "--config", stack.conf, "doctor")
    assert doctor.returncode == 1
    assert f"FAIL  machines: 1 report from two places; a second instance of {agent.id} " in doctor.stdout


# --- an agent that has lost its state


def settle(agent):
    """As if its instance had reported for a minute."""
    agent.heartbeat(sessions=agent.held)
    agent.stack.database.query("UPDATE machines SET instance_since = instance_since - INTERVAL 1 "
                               "MINUTE WHERE agent_id = %s", agent.id)


def test_what_a_new_instance_does_not_list_stays_for_a_minute(agent, alice, row):
    session = agent.session(alice)
    settle(agent)
    agent.instance += ".after_all_was_lost"
    for _ in range(3):
        assert agent.terminate(sessions=[]) == []
        assert state(row, session) == "active"
    settle(agent)
    agent.terminate(sessions=[])
    assert state(row, session) == "closed"


# --- sessions that vsay does not know


def test_unknown_sessions_are_named(agent, alice, stack):
    known, lost = agent.session(alice), agent.session(alice)
    stack.database.query("DELETE FROM sessions WHERE session_id = %s", lost)
    told = check(agent.heartbeat(), "heartbeat")
    assert told == {"terminate": [], "unknown": [lost], "interval": 1}
    agent.open(alice, session_id=lost)
    assert check(agent.heartbeat(), "heartbeat") == {"terminate": [], "interval": 1}


def test_sessions_that_are_closed_or_anothers_are_not_unknown(agent, alice, tenant):
    other = Machine(tenant)
    closed, others = agent.session(alice), other.session(alice)
    agent.end(closed)
    told = agent.heartbeat(sessions=[closed, others]).json()
    assert told == {"terminate": [closed], "interval": 1}


def test_reasons_name_those_who_asked(agent, alice, stack):
    asked, vanished = agent.session(alice), agent.session(alice)
    settle(agent)
    agent.terminate(sessions=[asked])
    stack.delete(f"{asked}?reason=maintenance", alice)
    told = check(agent.heartbeat(sessions=[asked, vanished]), "heartbeat")
    assert sorted(told["terminate"]) == sorted([asked, vanished])
    assert told["terminations"] == [
        {"session_id": asked, "reason": f"ended by {alice.username}: maintenance"}]


# --- the id of another tenant's machine that was removed


@pytest.fixture
def moved(stack, agent, alice, operator):
    """(the old machine's open and closed session, the machine of another tenant with its id)."""
    session = agent.session(alice)
    agent.activity(entry(session, command="secret"))
    operator.do("machine", "remove", agent.id)
    other = Tenant(stack)
    operator.do("machine", "add", agent.id, "--tenant", other.id, "--name", "The new one")
    [row] = stack.database.query("SELECT token_generation FROM machines WHERE agent_id = %s", agent.id)
    machine = Machine(other, agent.id, row["token_generation"])
    machine.heartbeat()
    return session, machine


def test_the_new_machine_cannot_touch_the_old_ones_sessions(moved, alice, stack):
    session, machine = moved
    before = stack.database.query("SELECT * FROM sessions WHERE session_id = %s", session)
    told = machine.activity(entry(session, 2, "of another tenant")).json()
    assert told == {"accepted": 0, "errors": [{"index": 0, "error": "The session is another machine's"}]}
    check_error(machine.open(alice, session_id=session), 403)
    check_error(machine.end(session), 403)
    assert stack.database.query("SELECT * FROM sessions WHERE session_id = %s", session) == before
    commands = stack.database.query("SELECT command FROM commands WHERE session_id = %s", session)
    assert commands == [{"command": "secret"}]


def test_the_old_tenant_does_not_see_the_new_machine(moved, tenant, stack):
    session, machine = moved
    admin = tenant.user("company_admin")
    for path in (f"/api/sessions/{session}", "/api/dashboard/recent-activity",
                 "/api/dashboard/recent-machines", "/api/terminal/sessions"):
        assert "The new one" not in stack.get(path, admin).body.decode()
    [shown] = stack.get("/api/dashboard/recent-activity", admin).json()["activities"]
    assert shown["machine_name"] == machine.id


def test_a_session_that_stayed_open_in_the_old_tenant(moved, tenant, alice, stack, row, operator):
    """As an older version or a restored backup may leave it: it is neither shown nor ended as the new machine's."""
    _, machine = moved
    session = tenant.session(machine.id, alice)
    assert stack.delete(session, alice).status == 200
    machine.heartbeat()
    assert machine.signals() == [] and state(row, session) == "closing"
    assert check(stack.get("/api/terminal/sessions", tenant.user("company_admin")),
                 "sessions")["sessions"] == []
    [listed] = operator.table("machine", "list", "--tenant", machine.tenant_id)
    assert listed["SESSIONS"] == "0"


# --- bounds


def test_open_sessions_of_a_machine_are_bounded(tenant, agent, alice, stack, row):
    other = Machine(tenant)
    first = agent.session(alice)
    stack.database.query(
        "INSERT INTO sessions (session_id, tenant_id, agent_id, user_id, username, source, started_at, opened_seq) "
        "SELECT CONCAT(%s, seq), %s, %s, %s, 'n', 'cli', UTC_TIMESTAMP(3), 1 FROM seq_1_to_1999",
        f"{agent.id}.", tenant.id, agent.id, alice.user_id)
    refused = agent.open(alice, session_id="one_too_many")
    assert "Too many sessions" in check_error(refused, 429) and refused.headers["Retry-After"]
    assert stack.database.query("SELECT * FROM sessions WHERE session_id = 'one_too_many'") == []
    assert agent.open(alice, session_id=first).status == 201, "it is open already"
    assert other.open(alice).status == 201
    agent.end(first)
    assert agent.open(alice, session_id="fits").status == 201


def test_a_number_in_the_far_future_keeps_nothing_for_ever(agent, alice, row, stack):
    session = agent.session(alice, seq=(1 << 53) - 1)
    settle(agent)
    assert agent.terminate(sessions=[]) == [] and state(row, session) == "active", "it may be younger"
    stack.database.query("UPDATE sessions SET opened_at = opened_at - INTERVAL 11 MINUTE "
                         "WHERE session_id = %s", session)
    agent.terminate(sessions=[])
    assert state(row, session) == "closed"
    agent.heartbeat(seq=(1 << 53) - 1)
    assert row("machines", "agent_id", agent.id)["report_seq"] < (time.time() + 2 * 86400) * 1000
