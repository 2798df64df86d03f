# SPDX-License-Identifier: MIT
"""FastCGI 1.0 as web servers speak it, on connections that stay open. What is no FastCGI at all is
in test_bad_input.py."""
import contextlib
import itertools
import os
import random
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import fcgi
from fcgi import environment
from fleet import Tenant
from machine import Machine
from schemas import check, check_error
from stack import API, Process, Worker, wait_for

pytestmark = [pytest.mark.core, pytest.mark.threads]

HEALTH, STATS, SESSIONS = environment(), "/api/dashboard/stats", "/api/terminal/sessions"
SIGNALS = "/api/agent/signals"
IO_TIMEOUT = 3
SOON = 6  # seconds in which everybody else is served, on a busy machine
VARIABLES = ["FCGI_MAX_CONNS", "FCGI_MAX_REQS", "FCGI_MPXS_CONNS"]


@pytest.fixture(scope="module")
def stack(module_stacks):
    """One worker, with a tenant that has some 400 KB of sessions."""
    stack = module_stacks(workers=1, api={"io_timeout": f"{IO_TIMEOUT}s", "shutdown_after": "8s"},
                          agents={"offline_after": "86400s"})
    stack.tenant = Tenant(stack)
    stack.admin = stack.tenant.user("company_admin")
    stack.machine, full = Machine(stack.tenant), stack.tenant.machine()
    for _ in range(1000):
        stack.tenant.session(full, stack.admin, username="u" * 200)
    stack.terminated = stack.tenant.session(full, stack.admin)
    return stack


@pytest.fixture
def connect(stack):
    """Opens kept connections, to the stack's worker or another one."""
    with contextlib.ExitStack() as connections:
        yield lambda worker=stack, **options: connections.enter_context(contextlib.closing(
            fcgi.Connection(worker.socket, **options)))


@pytest.fixture(autouse=True)
def still_serves(stack):
    """The same process, with nothing left over."""
    pids = stack.worker_pids()
    yield
    assert stack.get("/health").status == 200
    assert stack.worker_pids() == pids


def pid_of(stack):
    pid, = stack.worker_pids()
    return pid


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def threads(pid):
    return len(os.listdir(f"/proc/{pid}/task"))


def padded(head, size):
    """A body of that size."""
    return head[:-1] + b" " * (size - len(head)) + head[-1:]


def kinds(stack):
    """(environment, body, status) of requests of all kinds; large ones are rare."""
    heartbeat = b'{"cpu_percent": 1, "memory_percent": 2, "disk_percent": 3, "sessions": []}'
    activity = b'{"activities": []}'

    def post(path, body, status):
        return (environment("POST", f"/api/agent/{path}", stack.machine, CONTENT_LENGTH=len(body)),
                body, status)

    def delete(body=b"", status=200):
        return (environment("DELETE", f"{SESSIONS}/{stack.terminated}", stack.admin,
                            CONTENT_LENGTH=len(body) or ""), body, status)

    small = [
        (HEALTH, b"", 200), (environment("GET", STATS, stack.admin), b"", 200),
        post("heartbeat", heartbeat, 200), post("heartbeat", b"", 400), post("heartbeat", b"x", 400),
        (environment("HEAD", "/health"), b"", 200), (environment("HEAD", SESSIONS, stack.admin), b"", 200),
        delete(), delete(b"x"), (environment("GET", STATS), b"", 401), (environment("GET", "/nowhere"), b"", 404),
        (environment("PUT", STATS, stack.admin), b"", 405), (environment("GET", "/health"), b"y" * 1000, 200),
        (environment("GET", f"{SIGNALS}?wait=0", stack.machine), b"", 200)]
    middle = [
        post("activity", padded(activity, 100 * 1024), 200), delete(b"x" * 100 * 1024, 413),
        post("heartbeat", padded(heartbeat, 200 * 1024), 413),
        (environment("GET", SESSIONS, stack.admin), b"", 200)]
    large = [post("activity", padded(activity, 4 * 2**20 - 100), 200),
             post("activity", padded(activity, 5 * 2**20), 413)]
    for turn in itertools.count():
        yield from small
        if turn % 3 == 0:
            yield from middle
        if turn % 12 == 0:
            yield from large


def check_kind(reply, env, status):
    assert reply.status == status, env
    length = int(reply.headers["Content-Length"])
    assert len(reply.body) == (0 if env["REQUEST_METHOD"] == "HEAD" else length)
    if status == 200 and env["SCRIPT_NAME"] == SESSIONS:
        assert length > 64 * 1024


# --- connections that stay open (FastCGI 1.0 section 3.5, FCGI_KEEP_CONN)


@pytest.mark.parametrize("count", [2, 40, 1000])
def test_many_requests_on_a_connection(stack, connect, count):
    connection, before = connect(), descriptors(pid_of(stack))
    for env, body, status in itertools.islice(kinds(stack), count):
        check_kind(connection.ask(env, body), env, status)
    assert descriptors(pid_of(stack)) <= before + 3


def test_on_many_connections_at_a_time(stack, connect):
    def run(seed):
        connection = connect()
        for env, body, status in itertools.islice(kinds(stack), seed, 60 + seed):
            check_kind(connection.ask(env, body), env, status)

    with ThreadPoolExecutor(12) as pool:
        list(pool.map(run, range(12)))


def test_without_the_flag(stack, connect):
    """The connection is closed after the answer, whatever it is."""
    for env, body, status in itertools.islice(kinds(stack), 20):
        connection = connect()
        check_kind(connection.ask(env, body, keep=False), env, status)
        assert connection.closed()


def test_the_flag_counts_for_each_request(connect):
    connection = connect()
    for _ in range(3):
        assert connection.ask(HEALTH).status == 200
    assert connection.ask(HEALTH, keep=False).status == 200
    assert connection.closed()


def test_request_ids(connect):
    connection = connect()
    for id in 1, 2, 65535, 1, 256:
        assert connection.ask(HEALTH, id=id).status == 200


def test_pieces(stack, connect):
    """Requests that come in pieces of any size, and in records of any size."""
    dice, connection = random.Random(4), connect()
    for number, (env, body, status) in enumerate(itertools.islice(kinds(stack), 40)):
        data = (fcgi.encode_oddly if number % 2 and len(body) < 10000 else fcgi.encode)(env, body, True)
        while data:
            size = dice.choice((1, 7, 8, 9, 100)) if len(data) < 5000 else dice.randint(1, 70000)
            connection.send(data[:size])
            data = data[size:]
            if dice.random() < 0.05:
                time.sleep(0.001)  # so that the worker reads what there is
        check_kind(connection.reply(), env, status)


def test_byte_by_byte(stack, connect):
    connection = connect()
    for env, body, status in itertools.islice(kinds(stack), 3):
        for byte in fcgi.encode(env, body, True):
            connection.send(bytes([byte]))
        check_kind(connection.reply(), env, status)


# --- requests that come before the answer to another


def test_requests_ahead_of_answers(stack, connect):
    """Answered in their order."""
    connection = connect()
    requests = list(itertools.islice(kinds(stack), 15))
    connection.send(b"".join(fcgi.encode(env, body, True) for env, body, _ in requests))
    for env, _, status in requests:
        check_kind(connection.reply(), env, status)


def test_requests_ahead_of_answers_nobody_reads(stack, connect):
    """So many that neither side's socket holds the answers: nobody else is held up."""
    request = fcgi.encode(environment("GET", "/nowhere"), keep=True)
    greedy = [connect(timeout=0.2) for _ in range(8)]
    for connection in greedy:
        with contextlib.suppress(socket.timeout, ConnectionError):  # the worker may have enough of it
            for _ in range(200):
                connection.send(request * 50)
    for _ in range(20):
        start = time.monotonic()
        assert fcgi.request(stack.socket, HEALTH).status == 200
        assert stack.get(STATS, stack.admin).status == 200
        assert time.monotonic() - start < SOON


def refused_or_in_turn(connection, second):
    """The outcome of a second request (CANT_MULTIPLEX, or its reply after that of the first one's)
    and the reply to the first."""
    outputs, ends = {1: b"", second: b""}, {}
    while len(ends) < 2:
        kind, id, content = connection.record()
        if kind == fcgi.END:
            ends[id] = content[4]
        else:
            outputs[id] += content
    if ends[second] == fcgi.COMPLETE:
        assert list(ends) == [1, second] and fcgi.from_cgi(outputs[second]).status == 200
    else:
        assert ends[second] == fcgi.CANT_MULTIPLEX and outputs[second] == b""
    assert ends[1] == fcgi.COMPLETE
    return fcgi.from_cgi(outputs[1])


def test_another_request_while_one_comes(stack, connect):
    """No multiplexing: the second is refused, the first goes on."""
    connection = connect()
    records = records_of(stack)
    for place in range(1, len(records)):
        connection.send(b"".join([*records[:place], fcgi.encode(HEALTH, b"x", True, 2), *records[place:]]))
        assert refused_or_in_turn(connection, 2).status == 400
        assert connection.ask(HEALTH).status == 200


def records_of(stack):
    """Of a heartbeat that is refused, but taken to its end."""
    env = environment("POST", "/api/agent/heartbeat", stack.machine)
    return [fcgi.begin(True), fcgi.record(fcgi.PARAMS, fcgi.pairs(env)), fcgi.record(fcgi.PARAMS),
            fcgi.record(fcgi.STDIN, b"x" * 60000), fcgi.record(fcgi.STDIN, b"{}"), fcgi.record(fcgi.STDIN)]


def test_another_request_while_one_waits(stack, connect):
    connection = connect()
    poll = environment("GET", f"{SIGNALS}?wait=2", Machine(stack.tenant))
    connection.send(fcgi.encode(poll, keep=True) + fcgi.encode(HEALTH, keep=True, id=2))
    check(refused_or_in_turn(connection, 2), "signals")
    assert connection.ask(HEALTH, id=3).status == 200


# --- management records (section 4)


def check_values(values):
    assert set(values) == set(VARIABLES)
    assert values["FCGI_MPXS_CONNS"] == "0"
    assert int(values["FCGI_MAX_CONNS"]) > 0 and int(values["FCGI_MAX_REQS"]) > 0


def test_values(connect):
    """Before, between and after requests; what has no value here is left out."""
    connection = connect()
    for _ in range(3):
        check_values(connection.values(*VARIABLES))
        check_values(connection.values("X", *VARIABLES, "FCGI_UNKNOWN"))
        assert connection.values("FCGI_MPXS_CONNS") == {"FCGI_MPXS_CONNS": "0"}
        assert connection.values() == connection.values("FCGI", "fcgi_max_conns", "") == {}
        assert connection.ask(HEALTH).status == 200


def test_values_as_haproxy_asks(connect):
    """Right behind it comes the request."""
    connection = connect()
    connection.send(fcgi.record(fcgi.GET_VALUES, fcgi.pairs({"FCGI_MAX_REQS": "", "FCGI_MPXS_CONNS": ""}), 0)
                    + fcgi.encode(HEALTH, keep=True))
    kind, id, content = connection.record()
    assert (kind, id) == (fcgi.VALUES, 0) and set(fcgi.unpair(content)) == {"FCGI_MAX_REQS", "FCGI_MPXS_CONNS"}
    assert connection.reply().status == 200


def test_values_byte_by_byte(connect):
    connection = connect()
    for byte in fcgi.record(fcgi.GET_VALUES, fcgi.pairs(dict.fromkeys(VARIABLES, "")), 0, padding=3):
        connection.send(bytes([byte]))
    kind, _, content = connection.record()
    assert kind == fcgi.VALUES
    check_values(fcgi.unpair(content))
    assert connection.ask(HEALTH).status == 200


def test_values_within_a_request(stack, connect):
    """Between any two records of a request, and while it waits."""
    connection, records = connect(), records_of(stack)
    for place in range(1, len(records)):
        connection.send(b"".join(records[:place]))
        check_values(connection.values(*VARIABLES))
        connection.send(b"".join(records[place:]))
        check_error(connection.reply(), 400)
    connection.send(fcgi.encode(environment("GET", f"{SIGNALS}?wait=2", Machine(stack.tenant)), keep=True))
    check_values(connection.values(*VARIABLES))
    check(connection.reply(), "signals")


@pytest.mark.parametrize("content", [b"\xff", b"\x80\0\0", b"\x7f\x00x", b"\xff\xff\xff\xff\0", b"\0" * 65535,
                                     fcgi.pairs({f"FCGI_{n}": "x" for n in range(4000)})], ids=len)
def test_values_of_odd_names(connect, content):
    """Answered somehow, or the connection is closed: at once."""
    connection = connect(timeout=5)
    with contextlib.suppress(ConnectionError):
        connection.send(fcgi.record(fcgi.GET_VALUES, content, 0))
        found = connection.record()
        assert found is None or found[0] in (fcgi.VALUES, fcgi.UNKNOWN_TYPE)
        assert found is None or connection.ask(HEALTH).status == 200


@pytest.mark.parametrize("kind", [12, 13, 99, 255])
@pytest.mark.parametrize("content", [b"", b"12345678", b"x" * 5000], ids=len)
def test_unknown_management_types(connect, kind, content):
    connection = connect()
    assert connection.ask(HEALTH).status == 200
    connection.send(fcgi.record(kind, content, 0, padding=4))
    assert connection.record() == (fcgi.UNKNOWN_TYPE, 0, bytes([kind]) + bytes(7))
    assert connection.ask(HEALTH).status == 200


# --- requests that are none of ours, and that end early (sections 5.1, 5.4)


@pytest.mark.parametrize("role", [fcgi.AUTHORIZER, fcgi.FILTER, 0, 99, 65535])
def test_roles(connect, role):
    """The rest of such a request is passed over."""
    connection = connect()
    for _ in range(3):
        connection.send(fcgi.begin(True, role=role) + fcgi.stream(fcgi.PARAMS, fcgi.pairs(HEALTH)) +
                        fcgi.stream(fcgi.STDIN, b"x" * 1000) + fcgi.stream(fcgi.DATA, b"y" * 1000))
        assert connection.outcome() == (fcgi.UNKNOWN_ROLE, b"")
        assert connection.ask(HEALTH).status == 200


def test_a_role_without_the_flag(connect):
    connection = connect()
    connection.send(fcgi.begin(role=fcgi.FILTER))
    assert connection.outcome() == (fcgi.UNKNOWN_ROLE, b"")
    assert connection.closed()


def test_abort_of_what_comes(stack, connect):
    """At any place: ended at once, and the next request may come."""
    connection, records = connect(timeout=5), records_of(stack)
    for count in range(1, len(records)):
        connection.send(b"".join(records[:count]) + fcgi.record(fcgi.ABORT))
        assert connection.outcome()[0] == fcgi.COMPLETE
        assert connection.ask(HEALTH).status == 200


def test_abort_of_what_does_not_exist(connect):
    """Nothing happens."""
    connection = connect()
    connection.send(fcgi.record(fcgi.ABORT))
    assert connection.ask(HEALTH).status == 200
    connection.send(fcgi.record(fcgi.ABORT) + fcgi.record(fcgi.ABORT, id=7))
    assert connection.ask(HEALTH).status == 200


def test_abort_of_another(stack, connect):
    """A poll is not ended by the abort of a request that is not there."""
    connection, machine = connect(timeout=5), Machine(stack.tenant)
    connection.send(fcgi.encode(environment("GET", f"{SIGNALS}?wait=1", machine), keep=True)
                    + fcgi.record(fcgi.ABORT, id=2))
    check(connection.reply(), "signals")


def waiting(stack, connection, seconds=50):
    """A machine with a long poll on that connection, which has begun to wait."""
    machine = Machine(stack.tenant)
    connection.send(fcgi.encode(environment("GET", f"{SIGNALS}?wait={seconds}", machine), keep=True))
    asked(stack)
    return machine


def asked(stack):
    """Returns when the worker has taken what was sent before."""
    assert stack.get(STATS, stack.admin).status == 200


def test_abort_of_a_poll(stack, connect):
    """It ends at once, and its place is free: a signal goes to the next poll, on the same connection."""
    connection = connect(timeout=5)
    for _ in range(5):
        machine = waiting(stack, connection)
        connection.send(fcgi.record(fcgi.ABORT))
        status, output = connection.outcome()
        assert status == fcgi.COMPLETE
        assert not output or check(fcgi.from_cgi(output), "signals")["signals"] == []
        session = stack.tenant.session(machine.id, stack.admin)
        assert stack.delete(session, stack.admin).status == 200
        reply = connection.ask(environment("GET", f"{SIGNALS}?wait=5", machine))
        assert [each["session_id"] for each in check(reply, "signals")["signals"]] == [session]


def test_abort_right_behind_a_poll(stack, connect):
    """They may be read at one go."""
    connection = connect(timeout=5)
    env = environment("GET", f"{SIGNALS}?wait=50", Machine(stack.tenant))
    for _ in range(20):
        connection.send(fcgi.encode(env, keep=True) + fcgi.record(fcgi.ABORT))
        assert connection.outcome()[0] == fcgi.COMPLETE
        assert connection.ask(HEALTH).status == 200


def test_values_right_behind_a_poll(stack, connect):
    connection = connect(timeout=5)
    env = environment("GET", f"{SIGNALS}?wait=50", Machine(stack.tenant))
    connection.send(fcgi.encode(env, keep=True) + fcgi.record(fcgi.GET_VALUES, fcgi.pairs(
        dict.fromkeys(VARIABLES, "")), 0))
    kind, id, content = connection.record()
    assert (kind, id) == (fcgi.VALUES, 0)
    check_values(fcgi.unpair(content))


def test_abort_without_the_flag(stack, connect):
    connection = connect(timeout=5)
    connection.send(fcgi.encode(environment("GET", f"{SIGNALS}?wait=50", Machine(stack.tenant))))
    asked(stack)
    connection.send(fcgi.record(fcgi.ABORT))
    assert connection.outcome() == (fcgi.COMPLETE, b"")
    assert connection.closed()


def test_abort_races_with_the_answer(stack, connect):
    """Either way there is one end, and the connection is good for the next request."""
    connection = connect(timeout=5)
    for number in range(200):
        env = environment("GET", STATS if number % 2 else SESSIONS, stack.admin)
        connection.send(fcgi.encode(env, keep=True))
        if number % 3:
            time.sleep(number % 7 / 4000)  # the race
        connection.send(fcgi.record(fcgi.ABORT))
        status, output = connection.outcome()
        assert status == fcgi.COMPLETE and (not output or fcgi.from_cgi(output).status == 200)
    assert connection.ask(HEALTH).status == 200


# --- what breaks the rules


def test_params_over_64_kib(connect):
    """The connection is closed, or the request refused; at once, and with no reply of the route."""
    for pairs in {"HTTP_COOKIE": "x" * 66000}, {f"HTTP_X{n}": "y" * 100 for n in range(700)}:
        connection = connect(timeout=5)
        assert connection.ask(HEALTH).status == 200
        with contextlib.suppress(ConnectionError):
            connection.send(fcgi.encode({**HEALTH, **pairs}, keep=True))
            status, output = connection.outcome()
            assert status != fcgi.COMPLETE or fcgi.from_cgi(output).status >= 400
    connection = connect()
    for _ in range(3):
        assert connection.ask({**HEALTH, "HTTP_COOKIE": "x" * 60000}).status == 200


def test_garbage_on_a_kept_connection(stack, connect):
    dice = random.Random(5)
    for _ in range(100):
        connection = connect(timeout=5)
        assert connection.ask(HEALTH).status == 200
        data = bytearray(fcgi.encode(HEALTH, b"x" * dice.randint(0, 50), True))
        for _ in range(dice.randint(1, 20)):
            data[dice.randrange(len(data))] = dice.randrange(256)
        with contextlib.suppress(ConnectionError, AssertionError):
            connection.send(bytes(data))
            connection.socket.shutdown(socket.SHUT_WR)
            while connection.record():
                pass
        assert fcgi.request(stack.socket, HEALTH).status == 200


# --- clients that go away


def test_clients_that_leave_while_they_wait(stack, connect):
    """Polls and DELETEs: each descriptor is free at once."""
    before = descriptors(pid_of(stack))
    connections = [connect() for _ in range(200)]
    for number, connection in enumerate(connections):
        machine = Machine(stack.tenant)
        if number % 2:
            env = environment("GET", f"{SIGNALS}?wait=50", machine)
        else:
            env = environment("DELETE", f"{SESSIONS}/{stack.tenant.session(machine.id, stack.admin)}",
                              stack.admin, HTTP_PREFER="wait=50")
        connection.send(fcgi.encode(env, keep=True))
    asked(stack)
    assert descriptors(pid_of(stack)) >= before + 200
    for connection in connections:
        connection.close()
    wait_for(lambda: descriptors(pid_of(stack)) <= before + 3, 1.5, "the descriptors")


def test_clients_that_leave_at_once(stack, connect):
    """Behind their request, before it is read."""
    before = descriptors(pid_of(stack))
    for number in range(200):
        connection = connect()
        connection.send(fcgi.encode(environment("GET", f"{SIGNALS}?wait=50", Machine(stack.tenant)),
                                    keep=number % 2 == 0))
        connection.close()
    asked(stack)
    wait_for(lambda: descriptors(pid_of(stack)) <= before + 3, SOON, "the descriptors")


def test_a_client_that_sends_no_more(stack, connect):
    """Half closed: nobody reads the answer."""
    before = descriptors(pid_of(stack))
    connection = connect()
    waiting(stack, connection)
    connection.socket.shutdown(socket.SHUT_WR)
    wait_for(lambda: descriptors(pid_of(stack)) <= before + 1, 3, "the descriptor")


# --- many connections


def test_idle_connections(stack, connect):
    """2,000 of them hold no thread, outlast io_timeout, and hinder nobody."""
    before = threads(pid_of(stack))
    idle = [connect() for _ in range(2000)]
    for connection in idle:
        assert connection.ask(HEALTH).status == 200
    end = time.monotonic() + 3 * IO_TIMEOUT
    while time.monotonic() < end:
        start = time.monotonic()
        assert fcgi.request(stack.socket, HEALTH).status == 200
        assert time.monotonic() - start < SOON
        time.sleep(0.1)
    assert threads(pid_of(stack)) == before
    for connection in idle:
        assert connection.ask(HEALTH).status == 200


def test_a_connection_without_a_request(stack, connect):
    """Web servers open some ahead."""
    connections = [connect() for _ in range(50)]
    time.sleep(2 * IO_TIMEOUT)
    for connection in connections:
        assert connection.ask(HEALTH).status == 200


@pytest.fixture
def small_worker(stack, directory):
    """With 256 descriptors."""
    worker = Worker.__new__(Worker)
    worker.socket = directory / "worker.sock"
    Process.__init__(worker, directory / "worker.log", "sh", "-c", 'ulimit -n 256; exec "$@"', "sh", API,
                     "--config", stack.conf, "--listen", f"unix:{worker.socket}")
    try:
        assert worker.get("/health/ready").status == 200
        yield worker
    finally:
        worker.stop()


def refused_or_served(connection, env):
    """The status; there is always one."""
    with contextlib.suppress(BrokenPipeError):  # it may be refused before it has asked
        connection.send(fcgi.encode(env, keep=True))
    return connection.reply().status


def test_more_connections_than_descriptors(stack, small_worker, connect):
    """Idle ones; who finds no room gets a 503, which is logged."""
    for _ in range(2):
        connections = [connect(small_worker, timeout=10) for _ in range(400)]
        statuses = [refused_or_served(connection, HEALTH) for connection in connections]
        assert set(statuses) == {200, 503} and statuses.count(200) >= 150
        assert fcgi.request(small_worker.socket, HEALTH).status in (200, 503)
        for connection in connections:
            connection.close()
        wait_for(lambda: fcgi.request(small_worker.socket, HEALTH).status == 200, 5, "room")
        assert small_worker.get(STATS, stack.admin).status == 200
    log = small_worker.log.read_text()
    assert any("status=503" in line and "descriptor" in line for line in log.splitlines())
    assert not small_worker.ended()


def test_more_requests_than_descriptors(stack, small_worker, connect):
    """Long polls and bodies that come slowly hold all of them."""
    connections = [connect(small_worker, timeout=10) for _ in range(350)]
    body = b"{}"
    machines = [Machine(stack.tenant) for _ in connections]
    for number, (connection, machine) in enumerate(zip(connections, machines)):
        with contextlib.suppress(BrokenPipeError):
            if number % 3:
                connection.send(fcgi.encode(environment("GET", f"{SIGNALS}?wait=4", machine), keep=True))
            else:
                env = environment("POST", "/api/agent/heartbeat", machine, CONTENT_LENGTH=len(body))
                data = fcgi.encode(env, body, keep=True)
                connection.send(data[:-12])
                connection.rest = data[-12:]
    start = time.monotonic()
    assert fcgi.request(small_worker.socket, HEALTH).status in (200, 503)
    assert time.monotonic() - start < SOON
    statuses = []
    for number, connection in enumerate(connections):
        with contextlib.suppress(BrokenPipeError):
            if not number % 3:
                connection.send(connection.rest)
    for connection in connections:
        with contextlib.suppress(ConnectionResetError):
            statuses.append(connection.reply().status)
    assert set(statuses) <= {200, 400, 503} and statuses.count(200) >= 100
    assert len(statuses) == len(connections), "a reset"
    for connection in connections:
        connection.close()
    wait_for(lambda: fcgi.request(small_worker.socket, HEALTH).status == 200, 5, "room")


@pytest.mark.heavy
def test_more_bodies_than_are_kept(stack, conf, new_worker, connect):
    """Of 280 MiB that are on their way, 256 are kept; the rest is a 503, and the connections stay good."""
    worker = new_worker(conf(api={"io_timeout": "100s", "body_timeout": "200s"}))
    wait_for(lambda: worker.get("/health").status == 200)
    body = padded(b'{"activities": []}', 4 * 2**20 - 100)
    env = environment("POST", "/api/agent/activity", stack.machine, CONTENT_LENGTH=len(body))
    data = fcgi.encode(env, body, keep=True)
    connections = [connect(worker, timeout=100) for _ in range(70)]
    for connection in connections:
        connection.send(data[:-8])
    for connection in connections:
        connection.send(data[-8:])
    statuses = [connection.reply().status for connection in connections]
    assert set(statuses) == {200, 503} and statuses.count(200) >= 50
    assert {connection.ask(HEALTH).status for connection in connections} == {200}


def test_bodies_that_nobody_reads(stack, conf, new_worker, connect, directory):
    """Without a database no agent is looked up: 503, and the connection is good for the next request."""
    worker = new_worker(conf(db={"host": directory / "none.sock"}))
    wait_for(lambda: worker.get("/health").status == 200)
    connection = connect(worker, timeout=20)
    for size in 100, 5000, 100 * 1024:
        env = environment("POST", "/api/agent/activity", stack.machine)
        del env["CONTENT_LENGTH"]
        assert connection.ask(env, padded(b'{"activities": []}', size)).status == 503
        assert connection.ask(HEALTH).status == 200


# --- slow readers


def test_slow_readers(stack, connect):
    """Of large answers: others are served meanwhile; who goes on reading gets all, and may ask again."""
    slow = [connect() for _ in range(24)]
    for connection in slow:
        connection.send(fcgi.encode(environment("GET", SESSIONS, stack.admin), keep=True))
    for _ in range(20):
        start = time.monotonic()
        assert stack.get(STATS, stack.admin).status == 200
        assert fcgi.request(stack.socket, HEALTH).status == 200
        assert time.monotonic() - start < SOON
    end = time.monotonic() + 2.5 * IO_TIMEOUT
    taken = {connection: b"" for connection in slow}
    while time.monotonic() < end:
        for connection in slow:
            taken[connection] += connection.socket.recv(4000)
        time.sleep(0.1)

    def read_the_rest(connection):
        while not ends(taken[connection]):
            chunk = connection.source.read1(65536)
            assert chunk, "cut off"
            taken[connection] += chunk
        assert connection.ask(HEALTH).status == 200

    with ThreadPoolExecutor(len(slow)) as pool:
        list(pool.map(read_the_rest, slow))


def ends(data):
    return data[-16:-14] == bytes([1, fcgi.END])


def test_a_reader_that_stands_still(stack, connect):
    """Is given up after io_timeout."""
    before = descriptors(pid_of(stack))
    for connection in [connect() for _ in range(10)]:
        connection.send(fcgi.encode(environment("GET", SESSIONS, stack.admin), keep=True))
    wait_for(lambda: descriptors(pid_of(stack)) <= before + 3, 10 * IO_TIMEOUT, "the descriptors")


# --- SIGTERM


@pytest.fixture
def worker(stack, new_worker):
    worker = new_worker(stack.conf)
    assert worker.get("/health/ready").status == 200
    return worker


def test_stopping_answers_what_waits(stack, worker, connect):
    """Polls get [] and DELETEs 202, at once; idle connections are closed, and the worker goes."""
    polls, deletes, idle = ([connect(worker) for _ in range(20)] for _ in range(3))
    for connection in polls:
        connection.send(fcgi.encode(environment("GET", f"{SIGNALS}?wait=50", Machine(stack.tenant)), keep=True))
    sessions = [stack.tenant.session(stack.machine.id, stack.admin) for _ in deletes]
    for connection, session in zip(deletes, sessions):
        connection.send(fcgi.encode(environment("DELETE", f"{SESSIONS}/{session}", stack.admin,
                                                HTTP_PREFER="wait=50"), keep=True))
    for connection in idle:
        assert connection.ask(HEALTH).status == 200
    wait_for(lambda: len(stack.database.query(
        f"SELECT 1 FROM sessions WHERE state = 'closing' AND session_id IN ({','.join(['%s'] * 20)})",
        *sessions)) == 20, what="the DELETEs")
    asked_of(worker, stack)
    start = time.monotonic()
    worker.kill(signal.SIGTERM)
    for connection in polls:
        assert check(connection.reply(), "signals")["signals"] == []
    for connection in deletes:
        assert connection.reply().status == 202
    assert all(connection.closed() for connection in polls + deletes + idle)
    assert worker.wait() == 0 and time.monotonic() - start < 5


def test_stopping_waits_for_bodies(stack, worker, connect):
    """What has begun to come is answered, if it comes in time."""
    env = environment("POST", "/api/agent/activity", stack.machine, CONTENT_LENGTH=5000)
    data = fcgi.encode(env, padded(b'{"activities": []}', 5000), keep=True)
    slow = [connect(worker) for _ in range(20)]
    for number, connection in enumerate(slow):
        connection.send(data[:4 + number * 250])
    asked_of(worker, stack)
    worker.kill(signal.SIGTERM)
    for number, connection in enumerate(slow):
        time.sleep(0.02)
        connection.send(data[4 + number * 250:-3])
    for connection in slow:
        connection.send(data[-3:])
    assert {connection.reply().status for connection in slow} == {200}
    assert all(connection.closed() for connection in slow)
    assert worker.wait() == 0


def asked_of(worker, stack):
    assert worker.get(STATS, stack.admin).status == 200


@pytest.mark.parametrize("workers", [1, 2])
def test_stopping_serves_kept_connections_meanwhile(stack, new_stack, connect, workers):
    """A request that crosses the SIGTERM on its way to an idle connection is answered, by this worker or
    another: Apache does not send it again."""
    pool = new_stack(database=stack.database, keys=stack.keys, workers=workers)
    connections = [connect(pool) for _ in range(50)]
    for connection in connections:
        assert connection.ask(HEALTH).status == 200
    stopped = pool.worker_pids()[0]
    os.kill(stopped, signal.SIGSTOP)
    wait_for(lambda: all(path.read_text().rpartition(")")[2].split()[0] == "T"
                         for path in Path(f"/proc/{stopped}/task").glob("*/stat")), what="it to stand still")
    os.kill(stopped, signal.SIGTERM)
    for connection in connections:
        connection.send(fcgi.encode(environment("GET", STATS, stack.admin), keep=True))
    os.kill(stopped, signal.SIGCONT)
    assert {connection.reply().status for connection in connections} == {200}
    wait_for(lambda: stopped not in pool.worker_pids(), 15, "its end")


def test_stopping_is_bounded_by_time(stack, worker, connect):
    """Bodies that never end, readers that never read, and connections that say nothing."""
    env = environment("POST", "/api/agent/activity", stack.machine, CONTENT_LENGTH=5000)
    bodies, readers, silent = ([connect(worker) for _ in range(10)] for _ in range(3))
    for connection in bodies:
        connection.send(fcgi.encode(env, b"x" * 5000, keep=True)[:-2000])
    for connection in readers:
        connection.send(fcgi.encode(environment("GET", SESSIONS, stack.admin), keep=True))
    for connection in silent:
        connection.send(fcgi.begin(True)[:5])
    asked_of(worker, stack)
    worker.kill(signal.SIGTERM)
    assert worker.wait(12) == 0


# --- options that are gone


def test_old_options(stack, conf, new_worker):
    """api.acceptors and api.readers, as older files have them, are named in the log and ignored."""
    worker = new_worker(conf(api={"acceptors": 6, "readers": 2}))
    assert worker.get("/health").status == 200
    log = worker.log.read_text().splitlines()
    for name in "api.acceptors", "api.readers":
        line, = [line for line in log if name in line]
        assert "level=warning" in line
