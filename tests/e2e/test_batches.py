# SPDX-License-Identifier: MIT
"""Reports that share a transaction: each gets its own answer, and the lists agree with the counts."""
import contextlib
import random
from concurrent.futures import ThreadPoolExecutor

import pytest

import fcgi
from held import held_up, post
from machine import FIGURES, Machine, entry
from checker import Checker
from fleet import Tenant
from model import Model
from schemas import check, check_error
from stack import wait_for

pytestmark = [pytest.mark.core, pytest.mark.threads]


@pytest.fixture(scope="module")
def stack(module_stacks):
    """One worker, so that all meet in one coalescer; one thread of each kind, so that they wait."""
    return module_stacks(workers=1, api={"db_workers": "1", "io_threads": "1"})


def transactions(stack):
    row, = stack.database.query("SHOW GLOBAL STATUS LIKE 'Com_commit'")
    return int(row["Value"])


def test_bad_heartbeats_among_300(stack, tenant, admin):
    """Removed machines, void tokens and malformed bodies among good ones, all at one time."""
    blocker = Machine(tenant, cpu=0)
    agents = [Machine(tenant, seen=500, cpu=0) for _ in range(300)]
    for number, agent in enumerate(agents):
        if number % 10 == 3:
            stack.database.query("DELETE FROM machines WHERE agent_id = %s", agent.id)
        if number % 10 == 6:
            stack.database.query("UPDATE machines SET token_generation = 2 WHERE agent_id = %s",
                                 agent.id)
    with held_up(stack, blocker):
        before = transactions(stack)
        replies = [post(stack, agent, "heartbeat", {
            **FIGURES, "sessions": [], "cpu_percent": 101 if number % 10 == 9 else number / 3})
            for number, agent in enumerate(agents)]
    for number, connection in enumerate(replies):
        reply = fcgi.read_reply(connection)
        if number % 10 in (3, 6, 9):
            check_error(reply, 400 if number % 10 == 9 else 401)
        else:
            assert check(reply, "heartbeat") == {"terminate": [], "interval": 30}
    assert transactions(stack) - before < 100, "they were batched"
    model = Model(stack.database, admin)
    for number, agent in enumerate(agents):
        good = number % 10 not in (3, 6, 9)
        assert (agent.id in model.online) == good
        if good:
            assert model.machine[agent.id]["cpu"] == int(number / 3 * 100 + 0.5)
    assert stack.get("/api/dashboard/stats", admin).json() == model.stats()


def test_bad_activity_among_100(stack, tenant, admin):
    blocker = Machine(tenant)
    agents = [Machine(tenant) for _ in range(100)]
    sessions = [agent.session(admin) for agent in agents]
    for agent in agents[::10]:
        stack.database.query("DELETE FROM machines WHERE agent_id = %s", agent.id)
    with held_up(stack, blocker):
        replies = [post(stack, agent, "activity", {"activities": [
            entry(sessions[number]), entry(sessions[number - 1]), entry("never_heard_of"),
            entry(sessions[number], 2)]}) for number, agent in enumerate(agents)]
    for number, connection in enumerate(replies):
        reply = fcgi.read_reply(connection)
        if number % 10 == 0:
            check_error(reply, 401)
        else:
            assert check(reply, "accepted") == {"accepted": 2, "errors": [
                {"index": 1, "error": "The session is another machine's"},
                {"index": 2, "error": "No such session"}]}
    rows = stack.database.query("SELECT session_id, COUNT(*) AS n FROM commands "
                                "WHERE tenant_id = %s GROUP BY session_id", tenant.id)
    assert {row["session_id"]: row["n"] for row in rows} == {
        session: 2 for number, session in enumerate(sessions) if number % 10}


def test_one_that_can_never_be_stored_among_20(stack, tenant):
    """Those that came with it are."""
    blocker = Machine(tenant, cpu=0)
    agents = [Machine(tenant, cpu=0) for _ in range(20)]
    stack.database.query(
        "CREATE TRIGGER refusal BEFORE UPDATE ON machines FOR EACH ROW "
        f"IF NEW.agent_id = '{agents[7].id}' THEN SIGNAL SQLSTATE '45000'; END IF")
    try:
        with held_up(stack, blocker):
            before = transactions(stack)
            replies = [post(stack, agent, "heartbeat", {**FIGURES, "sessions": []})
                       for agent in agents]
        statuses = [fcgi.read_reply(connection).status for connection in replies]
    finally:
        stack.database.query("DROP TRIGGER refusal")
    assert statuses == [400 if agent is agents[7] else 200 for agent in agents]
    rows = stack.database.query("SELECT agent_id, cpu FROM machines WHERE tenant_id = %s",
                                tenant.id)
    assert {row["agent_id"] for row in rows if not row["cpu"]} == {agents[7].id}
    assert transactions(stack) - before >= 20, "one by one"


def test_full_batches(stack, tenant, admin):
    """More than one transaction's worth at one time: nothing is left out."""
    blocker = Machine(tenant)
    agents = [Machine(tenant) for _ in range(8)]
    sessions = [agent.session(admin) for agent in agents]
    with held_up(stack, blocker):
        replies = [post(stack, agent, "activity", {"activities": [
            entry(session, seq) for seq in range(1, count + 1)]})
            for agent, session, count in zip(agents, sessions, (500, 1, 499, 300, 300, 500, 0, 2))]
    assert [check(fcgi.read_reply(connection), "accepted")["accepted"]
            for connection in replies] == [500, 1, 499, 300, 300, 500, 0, 2]


def test_several_reports_of_one_machine(stack, tenant, admin):
    """In one transaction, in any order: the newest figures stay, and all get their answer."""
    blocker, agent = Machine(tenant), Machine(tenant)
    held, closing, lost = (agent.session(admin, seq=seq) for seq in (1, 2, 50))
    stack.delete(closing, admin)
    numbers = list(range(3, 100, 4))
    random.Random(1).shuffle(numbers)
    with held_up(stack, blocker):
        replies = [post(stack, agent, "heartbeat", {
            **FIGURES, "cpu_percent": seq, "seq": seq, "sessions": [held, closing]})
            for seq in numbers]
    assert [check(fcgi.read_reply(connection), "heartbeat")["terminate"]
            for connection in replies] == [[closing]] * len(numbers)
    row, = stack.database.query("SELECT cpu, report_seq FROM machines WHERE agent_id = %s",
                                agent.id)
    assert (row["cpu"], row["report_seq"]) == (9900, 99)
    states = {row["session_id"]: row["state"] for row in stack.database.query(
        "SELECT session_id, state FROM sessions WHERE agent_id = %s", agent.id)}
    assert states == {held: "active", closing: "closing", lost: "closed"}


def test_polls_of_several_machines(stack, tenant, admin):
    """Void ones among them, and one that asks twice: told once or twice, as one delivery or two."""
    blocker = Machine(tenant)
    agents = [Machine(tenant) for _ in range(60)]
    sessions = {agent: agent.session(admin) for agent in agents}
    for session in sessions.values():
        stack.delete(session, admin)
    for agent in agents[::5]:
        stack.database.query("UPDATE machines SET token_generation = 2 WHERE agent_id = %s",
                             agent.id)
    with held_up(stack, blocker):
        polls = [(agent, fcgi.connect(stack.socket)) for agent in (*agents, agents[1])]
        for agent, connection in polls:
            connection.sendall(fcgi.encode(fcgi.environment("GET", "/api/agent/signals", agent)))
    told = []
    for agent, connection in polls:
        reply = fcgi.read_reply(connection)
        if agent in agents[::5]:
            check_error(reply, 401)
        else:
            told += [(agent, signal["session_id"])
                     for signal in check(reply, "signals")["signals"]]
    assert sorted(set(told), key=str) == sorted(
        [pair for pair in sessions.items() if pair[0] not in agents[::5]], key=str)


def test_batches_that_meet_a_lock_are_repeated(stack, tenant):
    """A lock wait timeout, and then all of them go through."""
    agents = [Machine(tenant, cpu=0) for _ in range(50)]
    with contextlib.closing(stack.database.connect(database="vsay")) as holder:
        holder.begin()
        with holder.cursor() as cursor:
            cursor.execute("SELECT 1 FROM machines WHERE agent_id = %s FOR UPDATE", (agents[7].id,))
        before = stack.log.read_text().count("db_retry")
        replies = [post(stack, agent, "heartbeat", {**FIGURES, "sessions": []})
                   for agent in agents]
        wait_for(lambda: stack.log.read_text().count("db_retry") > before, what="a repetition")
    assert {fcgi.read_reply(connection).status for connection in replies} == {200}


def test_an_acknowledged_report_is_seen_at_once(stack, tenant, admin):
    """In every answer to a request that is sent after it, under load."""
    agents = [Machine(tenant, cpu=0, granted=admin) for _ in range(8)]

    def report(agent):
        for number in range(1, 26):
            session = agent.session(admin)
            assert agent.heartbeat(cpu_percent=number).status == 200
            shown = stack.get("/api/terminal/sessions", admin).json()["sessions"]
            assert session in {row["session_id"] for row in shown}
            agent.activity(entry(session, command=f"{agent.id} {number}"))
            logs = stack.get(f"/api/sessions/{session}", admin).json()["logs"]
            assert [row["command"] for row in logs] == [f"{agent.id} {number}"]
            assert agent.end(session).status == 200
            shown = stack.get("/api/terminal/sessions", admin).json()["sessions"]
            assert session not in {row["session_id"] for row in shown}

    with ThreadPoolExecutor(len(agents)) as pool:
        list(pool.map(report, agents))


def test_counts_equal_lists(stack):
    """After each burst of reports from machines of two tenants that come, open and end sessions."""
    tenants = [Tenant(stack), Tenant(stack)]
    viewers = [tenant.user("company_admin") for tenant in tenants]
    agents = [Machine(tenant, seen=None) for tenant in tenants for _ in range(5)]
    dice = random.Random(7)

    def step(_):
        number = dice.randrange(len(agents))
        agent, viewer = agents[number], viewers[number // 5]
        return dice.choice([
            lambda: agent.open(viewer), lambda: agent.poll(),
            lambda: agent.heartbeat(sessions=[], cpu_percent=dice.randrange(100)),
            lambda: stack.get("/api/terminal/sessions", viewer)])().status

    with Checker(stack, *viewers) as checker, ThreadPoolExecutor(8) as pool:
        for _ in range(15):
            assert set(pool.map(step, range(40))) <= {200, 201}
            compared = checker.compared
            wait_for(lambda: checker.compared >= compared + 4, what="two comparisons of each")
