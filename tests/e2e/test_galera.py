# SPDX-License-Identifier: MIT
"""A Galera cluster whose nodes die, hang and are cut off: nothing acknowledged is lost, no answer is
older than its request, and requests move to another node."""
import contextlib
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from machine import Machine
from checker import Checker
from databases import Galera
from fleet import Tenant
from load import Load
from stack import wait_for
from test_crashes import more, reporters, terminate  # noqa: F401
from test_freshness import Counter, Fleet, check

pytestmark = pytest.mark.heavy

STATS = "/api/dashboard/stats"
TABLES = "machines", "sessions", "signals", "commands"


@pytest.fixture(scope="module")
def whole_stack(module_stacks):
    return module_stacks(server=Galera, db={"connect_timeout": "1s", "read_timeout": "3s"})


@pytest.fixture
def stack(whole_stack):
    """All nodes up, and new workers, which begin at the first."""
    pids = whole_stack.worker_pids()
    whole_stack.signal_workers(signal.SIGTERM)
    wait_for(lambda: len(set(whole_stack.worker_pids()) - set(pids)) == 2)
    wait_for(whole_stack.ready)
    return whole_stack


@pytest.fixture
def nodes(stack):
    assert connected(stack.database.nodes[0])
    return stack.database.nodes


def connected(node):
    """How many connections workers have to it."""
    return sum(row["User"] == "vsay" for row in node.query("SHOW PROCESSLIST"))


def rows(node):
    return {table: node.query(f"SELECT * FROM vsay.{table} ORDER BY 1") for table in TABLES}


def kill(node):
    node.stop(signal.SIGKILL)
    return node.start


def isolate(node):
    node.isolate(True)

    def join():
        node.isolate(False)
        wait_for(node.answers, 60, "the node to be of the cluster again")
    return join


def hang(node):
    node.process.kill(signal.SIGSTOP)

    def go_on():
        node.process.kill(signal.SIGCONT)
        wait_for(node.answers, 60, "the node to be of the cluster again")
    return go_on


@pytest.mark.parametrize("breaks", [kill, isolate, hang])
def test_a_node_fails_under_load(stack, nodes, tenant, admin, reporters, breaks):
    """The node that all workers ask. The checker and the last word have another."""
    with Checker(stack, admin), Load(lambda: stack.get(STATS, admin), threads=4) as load:
        with contextlib.ExitStack() as running:
            for reporter in reporters:
                running.enter_context(reporter)
            more(reporters)
            terminated = terminate(stack, reporters, admin)
            broke = time.monotonic()
            mend = breaks(nodes[0])
            more(reporters, 20)
            back = time.monotonic()
            load.more(50)
            wait_for(lambda: load.statuses(time.monotonic() - 0.5) == {200}, 15, "all answers")
            mend()
            more(reporters)
            terminated += terminate(stack, reporters, admin)
            wait_for(lambda: set(terminated) <= set().union(*[
                reporter.ended for reporter in reporters]), 30, "the terminations")
    print(f"{breaks.__name__}: {back - broke:.1f} s until all went on, slowest answer "
          f"{max(sample.seconds for sample in load.samples):.1f} s")
    assert back - broke < 10
    assert load.statuses() <= {200, 503}
    assert [reporter.wrong for reporter in reporters] == [[]] * len(reporters)
    found = rows(nodes[0])
    assert found == rows(nodes[1]) == rows(nodes[2])
    sessions = {row["session_id"]: row["state"] for row in found["sessions"]}
    commands = {(row["session_id"], row["seq"]) for row in found["commands"]}
    outcomes = {row["session_id"]: row["outcome"] for row in found["signals"]}
    for reporter in reporters:
        assert set(reporter.opened) <= sessions.keys()
        assert {sessions[session] for session in reporter.ended} == {"closed"}
        assert reporter.commands <= commands
    assert {outcomes[session] for session in terminated} == {"confirmed"}


def test_a_cut_off_node_shows_nothing_old(stack, nodes, admin, tenant):
    """Rows change on the majority's side while the workers still ask the other."""
    fleet, cut = Fleet(stack, "company_admin"), threading.Event()

    def read():
        while (reply := stack.get("/api/dashboard/recent-machines", fleet.user)).status == 503:
            pass
        machine, = reply.json()["machines"]
        return round(machine["cpu_percent"] * 10)

    def commit(number):
        fleet.set_cpu(number)
        if number == 100:
            nodes[0].isolate(True)
            cut.set()

    try:
        assert check(Counter(), commit, read, 6) == []
        assert cut.is_set() and connected(nodes[1])
    finally:
        nodes[0].isolate(False)
        wait_for(nodes[0].answers, 60, "the node to be of the cluster again")


@pytest.fixture
def three_stacks(stack, new_stack):
    """One on each node."""
    sockets = [node.socket for node in stack.database.nodes]
    return [new_stack(database=stack.database, keys=stack.keys, workers=1, db={
        "host": f"{socket} {sockets[number - 1]}"}) for number, socket in enumerate(sockets)]


def test_writes_to_all_nodes_at_once(stack, nodes, three_stacks, tenant, admin):
    """The same rows through three nodes: conflicts come to light when a node commits."""
    agent = Machine(tenant)
    agents = [Machine(Tenant(each), agent.id) for each in three_stacks]
    before = sum(int(node.status(name)) for node in nodes
                 for name in ("wsrep_local_cert_failures", "wsrep_local_bf_aborts"))
    with Checker(stack, admin), ThreadPoolExecutor(24) as pool:
        for number in range(40):
            session = agent.session(admin)
            jobs = [pool.submit(each.delete, session, admin) for each in three_stacks * 3]
            jobs += [pool.submit(each.heartbeat, sessions=[session], seq=None) for each in agents * 3]
            assert {job.result().status for job in jobs} == {200}
            jobs = [pool.submit(each.end, session, "terminated") for each in agents]
            assert {job.result().status for job in jobs} == {200}
    after = sum(int(node.status(name)) for node in nodes
                for name in ("wsrep_local_cert_failures", "wsrep_local_bf_aborts"))
    assert after > before, "no two nodes were in each other's way"
    assert rows(nodes[0]) == rows(nodes[1]) == rows(nodes[2])
