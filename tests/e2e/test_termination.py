# SPDX-License-Identifier: MIT
"""From DELETE to the receipt: delivery, races, and agents, workers and clients that go away. At every
moment the checker looks."""
import contextlib
import os
import random
import signal
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

import fcgi
from machine import Machine, entry
from checker import Checker
from schemas import check, check_error
from stack import REPO, wait_for

pytestmark = [pytest.mark.databases, pytest.mark.threads]

SIGNALS = "/api/agent/signals?wait="


@pytest.fixture(scope="module")
def stack(module_stacks):
    return module_stacks(agents={"signal_expires": "60s"})


@pytest.fixture
def agent(tenant):
    return Machine(tenant)


@pytest.fixture(autouse=True)
def checked(stack, admin):
    with Checker(stack, admin) as checker:
        yield checker
    assert checker.compared, "lists and counts were never compared"


@pytest.fixture
def worker(conf, new_worker):
    """One worker of its own, next to the stack's two."""
    worker = new_worker(conf())
    assert worker.get("/health/ready").status == 200
    return worker


@pytest.fixture
def blind_worker(stack, conf, new_worker):
    """One whose poller gets no connection: what other workers commit wakes nobody who waits in it."""
    stack.database.query("GRANT USAGE ON *.* TO blind@localhost IDENTIFIED BY 'swordfish' "
                         "WITH MAX_USER_CONNECTIONS 2")
    stack.database.script("vsay", (REPO / "db" / "grants.sql").read_text().replace(
        "vsay@localhost", "blind@localhost"))
    worker = new_worker(conf(api={"db_workers": "2"},
                             db={"user": "blind", "host": stack.database.nodes[0].socket}))
    assert worker.get("/health/ready").status == 200
    return worker


def send(socket, path, by, method="GET", **env):
    """A request that is not waited for."""
    connection = fcgi.connect(socket)
    connection.sendall(fcgi.encode(fcgi.environment(method, path, by, **env)))
    return connection


def wait_until_parked(stack):
    """A poller asks the database as long as anybody waits, and only then."""
    before = stack.database.executed()
    wait_for(lambda: stack.database.executed() > before + 3, what="a poller that asks")


def wait_until_parked_blindly(worker):
    """The poller complains as soon as somebody waits."""
    wait_for(lambda: "event=poll " in worker.log.read_text(), what="a poller that cannot ask")


def outcome(stack, session, by):
    """(status, outcome) of a session's receipt."""
    session = check(stack.get(f"/api/sessions/{session}", by), "receipt")["session"]
    return session["status"], session["termination"] and session["termination"]["outcome"]


def attempts(stack, session):
    row, = stack.database.query("SELECT attempts FROM signals WHERE session_id = %s", session)
    return row["attempts"]


def signals_of(connection):
    reply = fcgi.read_reply(connection)
    assert reply.status == 200, reply
    return [signal["session_id"] for signal in check(reply, "signals")["signals"]]


def move_back(stack, session, seconds):
    """As if its termination had been asked for so much earlier."""
    stack.database.query(
        "UPDATE signals SET requested_at = requested_at - INTERVAL %s SECOND, "
        "due_at = due_at - INTERVAL %s SECOND WHERE session_id = %s", seconds, seconds, session)


def make_due(stack, session):
    """As if the lease of its signal were over."""
    stack.database.query("UPDATE signals SET due_at = UTC_TIMESTAMP(3) WHERE session_id = %s",
                         session)


def silence(stack, agent, seconds=7200):
    """As if the machine had not been heard of for so long."""
    stack.database.query("UPDATE machines SET last_heartbeat_at = UTC_TIMESTAMP(3) - INTERVAL %s "
                         "SECOND WHERE agent_id = %s", seconds, agent.id)


# --- delivery


def test_delete_wakes_the_poll(stack, worker, agent, admin):
    """In another worker."""
    session = agent.session(admin)
    poll = send(worker.socket, SIGNALS + "30", agent)
    wait_until_parked(stack)
    assert stack.delete(session, admin).status == 200
    assert signals_of(poll) == [session]
    assert attempts(stack, session) == 1
    agent.end(session, "terminated")
    assert outcome(stack, session, admin) == ("closed", "confirmed")


def test_delete_wakes_the_poll_in_its_worker(stack, blind_worker, agent, admin):
    session = agent.session(admin)
    poll = send(blind_worker.socket, SIGNALS + "30", agent)
    wait_until_parked_blindly(blind_worker)
    assert fcgi.request(blind_worker.socket, fcgi.environment(
        "DELETE", f"/api/terminal/sessions/{session}", admin)).status == 200
    poll.settimeout(10)
    assert signals_of(poll) == [session]


def test_the_end_wakes_who_prefers_to_wait(worker, agent, admin):
    session = agent.session(admin)
    deletion = send(worker.socket, f"/api/terminal/sessions/{session}", admin, "DELETE",
                    HTTP_PREFER="wait=30")
    wait_for(agent.signals)
    agent.end(session, "terminated")
    reply = fcgi.read_reply(deletion)
    assert reply.status == 200 and reply.headers["Preference-Applied"] == "wait=30"


def test_the_end_wakes_who_prefers_to_wait_in_its_worker(blind_worker, agent, admin):
    session = agent.session(admin)
    deletion = send(blind_worker.socket, f"/api/terminal/sessions/{session}", admin, "DELETE",
                    HTTP_PREFER="wait=30")
    wait_until_parked_blindly(blind_worker)
    assert fcgi.request(blind_worker.socket, fcgi.environment(
        "POST", f"/api/agent/sessions/{session}/end", agent, CONTENT_LENGTH=15),
        b'{"reason": "x"}').status == 200
    deletion.settimeout(10)
    reply = fcgi.read_reply(deletion)
    assert reply.status == 200 and reply.headers["Preference-Applied"] == "wait=30"


def test_everyone_gets_their_own(stack, tenant, admin):
    """200 machines poll two workers, and each is told of its own two sessions."""
    agents = [Machine(tenant) for _ in range(200)]
    sessions = {agent: [agent.session(admin), agent.session(admin)] for agent in agents}
    polls = {agent: send(stack.socket, SIGNALS + "30", agent) for agent in agents}
    wait_until_parked(stack)
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda session: stack.delete(session, admin).status,
                            [session for both in sessions.values() for session in both])) == {200}
    for agent in agents:
        told = signals_of(polls[agent])
        while len(told) < 2:
            told += agent.signals(wait=10)
        assert sorted(told) == sorted(sessions[agent])


def test_many_polls_of_one_machine(stack, agent, admin):
    """The newest in one worker is told, and all that ask with it; as one delivery."""
    session = agent.session(admin)
    polls = [send(stack.socket, SIGNALS + "2", agent) for _ in range(12)]
    wait_until_parked(stack)
    stack.delete(session, admin)
    told = [signals_of(poll) for poll in polls]
    assert all(each in ([], [session]) for each in told) and [session] in told
    assert attempts(stack, session) == 1


def test_a_poll_without_signals_ends(stack, agent):
    with ThreadPoolExecutor(1) as pool:
        poll = pool.submit(agent.poll, 1)
        wait_until_parked(stack)
        assert not poll.done()
        assert check(poll.result(), "signals") == {"signals": []}


def test_the_lease(stack, agent, admin):
    """15 s after its delivery the signal comes again, until the session has ended."""
    session = agent.session(admin)
    stack.delete(session, admin)
    for attempt in 1, 2, 3:
        assert agent.signals() == [session]
        assert attempts(stack, session) == 2 * attempt - 1
        lease, = stack.database.query(
            "SELECT TIMESTAMPDIFF(MICROSECOND, UTC_TIMESTAMP(3), due_at) / 1e6 AS s FROM signals "
            "WHERE session_id = %s", session)
        assert 10 < lease["s"] <= 15
        assert agent.signals() == []
        poll = send(stack.socket, SIGNALS + "30", agent)
        wait_until_parked(stack)
        make_due(stack, session)
        assert signals_of(poll) == [session], "the poller sees that it is due"
        make_due(stack, session)
    agent.end(session, "terminated")
    assert agent.signals() == []


def test_heartbeats_name_closing_sessions(stack, agent, admin):
    """The safe path: without a single poll."""
    sessions = [agent.session(admin) for _ in range(3)]
    assert agent.terminate() == []
    for session in sessions[:2]:
        stack.delete(session, admin)
    for attempt in 1, 2:
        assert sorted(agent.terminate()) == sorted(sessions[:2])
        assert attempts(stack, sessions[0]) == attempt
    agent.end(sessions[0], "terminated")
    assert agent.terminate() == [sessions[1]]


def test_delete_while_the_agent_is_away(stack, agent, admin):
    session = agent.session(admin)
    agent.heartbeat()
    silence(stack, agent)
    assert stack.get("/api/terminal/sessions", admin).json() == {"sessions": []}
    assert stack.delete(session, admin).status == 200
    move_back(stack, session, 3600)
    assert outcome(stack, session, admin) == ("closing", None)
    assert agent.signals(wait=5) == [session]
    assert agent.terminate() == [session]
    agent.end(session, "killed")
    assert outcome(stack, session, admin) == ("closed", "confirmed")


def sockets(pid):
    count = 0
    for fd in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):
            count += os.readlink(f"/proc/{pid}/fd/{fd}").startswith("socket:")
    return count


def test_a_client_that_went_away_gets_no_signal(stack, agent, admin):
    """nginx closes its connection to the worker; the next poll gets the signal at once."""
    session = agent.session(admin)
    nginx, = stack.nginx.children()
    quiet = min(sockets(nginx) for _ in range(200))  # the checker asks in between
    with socket.create_connection(("127.0.0.1", stack.port)) as client:
        client.sendall(f"GET {SIGNALS}50 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "
                       f"{agent.token}\r\n\r\n".encode())
        wait_for(lambda: sockets(nginx) > quiet, what="nginx to ask a worker")
        wait_until_parked(stack)
        open_now = min(sockets(nginx) for _ in range(200))  # it may have used one that it had kept
    wait_for(lambda: sockets(nginx) <= open_now - 2, what="nginx to close both connections")
    stack.delete(session, admin)
    assert agent.signals(wait=10) == [session]
    assert attempts(stack, session) == 1


def test_a_parked_poll_of_a_void_token(stack, agent, admin):
    session = agent.session(admin)
    poll = send(stack.socket, SIGNALS + "30", agent)
    wait_until_parked(stack)
    stack.database.query("UPDATE machines SET token_generation = 2 WHERE agent_id = %s", agent.id)
    stack.delete(session, admin)
    check_error(fcgi.read_reply(poll), 401)
    assert attempts(stack, session) == 0


# --- races


def test_two_deletes_at_once(stack, agent, admin):
    with ThreadPoolExecutor(8) as pool:
        for _ in range(15):
            session = agent.session(admin)
            deletions = [pool.submit(stack.delete, session, admin, headers=headers)
                         for headers in ({}, {"Prefer": "wait=20"}) for _ in range(3)]
            assert wait_for(agent.signals) == [session]
            agent.end(session, "terminated")
            assert {future.result().status for future in deletions} == {200}
            assert outcome(stack, session, admin) == ("closed", "confirmed")
            assert agent.signals() == []


def test_the_end_races_with_delete(stack, agent, admin):
    """Whoever comes first: the session is closed, and its receipt is confirmed, or there is none."""
    seen = set()
    dice = random.Random(3)
    with ThreadPoolExecutor(4) as pool:
        for _ in range(100):
            session = agent.session(admin)
            jobs = [lambda: stack.delete(session, admin),
                    lambda: stack.delete(session, admin, headers={"Prefer": "wait=20"}),
                    lambda: agent.end(session, "exited")]
            dice.shuffle(jobs)
            assert {reply.status for reply in pool.map(lambda job: job(), jobs)} == {200}
            seen.add(outcome(stack, session, admin))
    assert seen == {("closed", "confirmed"), ("closed", None)}


def test_everything_races(stack, agent, admin):
    """The end, a DELETE, a heartbeat that lacks the session, and one that holds it."""
    seen = set()
    dice = random.Random(5)
    with ThreadPoolExecutor(4) as pool:
        for _ in range(100):
            session = agent.session(admin)
            jobs = [lambda: stack.delete(session, admin), lambda: agent.end(session, "exited"),
                    lambda: agent.heartbeat(sessions=[]),
                    lambda: agent.heartbeat(sessions=[session]), agent.poll]
            dice.shuffle(jobs)
            assert {reply.status for reply in pool.map(lambda job: job(), jobs)} == {200}
            seen.add(outcome(stack, session, admin))
    assert {status for status, _ in seen} == {"closed"} and len(seen) > 1


def test_heartbeats_that_do_not_know_of_a_session_yet(stack, agent, admin):
    session = agent.session(admin, seq=5000)
    for seq in 4999, 5000, 1:
        agent.heartbeat(sessions=[], seq=seq)
        assert outcome(stack, session, admin) == ("active", None)
    agent.heartbeat(sessions=[], seq=5001)
    assert outcome(stack, session, admin) == ("closed", None)
    other = agent.session(admin, seq=5002)
    agent.heartbeat(sessions=[], seq=None)
    assert outcome(stack, other, admin) == ("closed", None), "without a number it is the newest"


def test_heartbeats_overtake_openings(stack, agent, admin):
    """Heartbeats of the list as it was when they got their number; none of them ends a session."""
    lock, done = threading.Lock(), threading.Event()

    def beat():
        while not done.is_set():
            with lock:
                members = {"sessions": list(agent.held), "seq": agent.next_seq()}
            assert agent.heartbeat(**members).status == 200

    def begin(number):
        with lock:
            session = f"{agent.id}.{number}"
            agent.held.append(session)
            seq = agent.next_seq()
        assert agent.open(admin, session_id=session, seq=seq).status == 201
        return session

    with ThreadPoolExecutor(8) as pool:
        beats = [pool.submit(beat) for _ in range(4)]
        try:
            sessions = list(pool.map(begin, range(200)))
        finally:
            done.set()
        for future in beats:
            future.result()
    assert agent.terminate() == []
    assert {outcome(stack, session, admin) for session in sessions} == {("active", None)}


def test_activity_exactly_once(stack, agent, admin):
    """The same commands in overlapping pieces from eight sides, with and without their success."""
    session = agent.session(admin)
    entries = [entry(session, seq, f"command {seq}") for seq in range(1, 301)]

    def report(number):
        dice = random.Random(number)
        for _ in range(20):
            first = dice.randrange(300)
            piece = entries[first:first + dice.randrange(1, 100)]
            if number % 2:
                piece = [{**item, "success": True} for item in reversed(piece)]
            assert agent.activity(*piece).json() == {"accepted": len(piece), "errors": []}

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(report, range(8)))
    agent.activity(*[{**item, "success": False} for item in entries])
    rows = stack.database.query(
        "SELECT seq, command, success FROM commands WHERE session_id = %s ORDER BY seq", session)
    assert [row["command"] for row in rows] == [item["command"] for item in entries]
    assert {row["success"] for row in rows} <= {0, 1}


# --- expiry


def restart_a_worker(stack):
    """Expiry is looked for when a worker starts."""
    pids = stack.worker_pids()
    os.kill(pids[0], signal.SIGTERM)
    wait_for(lambda: len(set(stack.worker_pids()) - {pids[0]}) == 2, what="a new worker")


def test_expired(stack, tenant, agent, admin):
    """Only where the machine stayed away for longer than signal_expires."""
    online, early, gone = Machine(tenant), Machine(tenant), Machine(tenant)
    sessions = {each: each.session(admin) for each in (agent, online, early, gone)}
    delivered = agent.session(admin)
    for each, session in sessions.items():
        stack.delete(session, admin)
        move_back(stack, session, 30 if each is early else 70)
    stack.delete(delivered, admin)
    silence(stack, agent)
    silence(stack, early)
    stack.database.query("DELETE FROM machines WHERE agent_id = %s", gone.id)
    restart_a_worker(stack)
    for each in agent, gone:
        wait_for(lambda: outcome(stack, sessions[each], admin) == ("closed", "expired"))
    for session in delivered, sessions[online], sessions[early]:
        assert outcome(stack, session, admin) == ("closing", None)

    # Back after all: it must end what is closed already, and no receipt changes.
    assert sorted(agent.terminate()) == sorted(agent.held)
    assert agent.signals() == [delivered]
    for session in sessions[agent], delivered:
        assert agent.end(session, "terminated").status == 200
    assert outcome(stack, sessions[agent], admin) == ("closed", "expired")
    assert outcome(stack, delivered, admin) == ("closed", "confirmed")


# --- workers that stop


def test_sigterm_answers_who_waits(stack, worker, tenant, admin):
    agents = [Machine(tenant) for _ in range(20)]
    polls = [send(worker.socket, SIGNALS + "50", agent) for agent in agents]
    session = agents[0].session(admin)
    deletion = send(worker.socket, f"/api/terminal/sessions/{session}", admin, "DELETE",
                    HTTP_PREFER="wait=30")
    assert signals_of(polls[0]) == [session]
    wait_until_parked(stack)
    worker.kill(signal.SIGTERM)
    assert [signals_of(poll) for poll in polls[1:]] == [[]] * 19
    reply = fcgi.read_reply(deletion)
    assert reply.status == 202 and check(reply, "closing")
    assert worker.wait() == 0
    agents[0].end(session, "terminated")
    assert outcome(stack, session, admin) == ("closed", "confirmed")


def test_sigkill_loses_no_signal(stack, worker, agent, admin):
    session = agent.session(admin)
    poll = send(worker.socket, SIGNALS + "50", agent)
    wait_until_parked(stack)
    worker.stop(signal.SIGKILL)
    assert fcgi.read_reply(poll) is None
    stack.delete(session, admin)
    assert agent.signals(wait=5) == [session]
