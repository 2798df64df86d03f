# SPDX-License-Identifier: MIT
"""No machine and no user takes all the places in which requests wait."""
import contextlib
import http.client
import select
import socket

import pytest

import fcgi
from machine import Machine
from reply import Reply
from schemas import check
from stack import wait_for

pytestmark = pytest.mark.threads

PLACES = 20
ROUNDS = 200
POLL = "/api/agent/signals?wait=50"


@pytest.fixture(scope="module")
def stack(module_stacks):
    return module_stacks(workers=1, api={"max_parked": str(PLACES)})


@pytest.fixture
def connections():
    with contextlib.ExitStack() as connections:
        yield connections


class ByFastCgi:
    """A request that is not waited for, to the worker itself."""

    def __init__(self, stack, method, path, by, prefer):
        more = {"HTTP_PREFER": prefer} if prefer else {}
        self.connection = fcgi.connect(stack.socket, 60)
        self.connection.sendall(fcgi.encode(fcgi.environment(method, path, by, **more)))

    def fileno(self):
        return self.connection.fileno()

    def close(self):
        self.connection.close()

    def reply(self):
        return fcgi.read_reply(self.connection)


class ByNginx(ByFastCgi):
    def __init__(self, stack, method, path, by, prefer):
        more = f"Prefer: {prefer}\r\n" if prefer else ""
        self.connection = socket.create_connection(("127.0.0.1", stack.port), 60)
        self.connection.sendall(f"{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "
                                f"{by.token}\r\n{more}\r\n".encode())

    def reply(self):
        response = http.client.HTTPResponse(self.connection)
        response.begin()
        return Reply(response.status, response.msg, response.read())


@pytest.fixture(params=[ByFastCgi, ByNginx])
def send(request, stack, connections):
    return lambda method, path, by, prefer=None: connections.enter_context(
        contextlib.closing(request.param(stack, method, path, by, prefer)))


def is_waiting(request):
    return not select.select([request], [], [], 0)[0]


def first_reply(requests):
    """Of those that wait, takes out the one that is answered first."""
    ready = select.select(requests, [], [], 60)[0]
    assert ready, "nobody is answered"
    requests.remove(ready[0])
    return ready[0].reply()


def test_polls_of_one_machine(stack, tenant, admin, send):
    """Each takes the place of the one before, which is answered at once."""
    neighbour, greedy = Machine(tenant), Machine(tenant)
    session = neighbour.session(admin)
    poll = send("GET", POLL, neighbour)
    waiting = [send("GET", POLL, greedy)]
    for _ in range(ROUNDS):
        waiting.append(send("GET", POLL, greedy))
        assert check(first_reply(waiting), "signals") == {"signals": []}
    assert is_waiting(poll) and is_waiting(waiting[0])
    stack.delete(session, admin)
    assert [signal["session_id"] for signal in poll.reply().json()["signals"]] == [session]
    session = greedy.session(admin)
    stack.delete(session, admin)
    assert [signal["session_id"] for signal in waiting[0].reply().json()["signals"]] == [session]


def test_deletions_of_one_user(stack, tenant, admin, send):
    """Half of the places wait for the end; beyond, none is waited for, and the answer says so."""
    agent, neighbour = Machine(tenant), tenant.user("company_admin")
    sessions, waiting = [agent.session(admin) for _ in range(ROUNDS)], []
    for session in sessions:
        waiting.append(send("DELETE", f"/api/terminal/sessions/{session}", admin, "wait=30"))
        if len(waiting) > PLACES // 2:
            reply = first_reply(waiting)
            assert reply.json() == {"message": "Session closed"}
            assert "Preference-Applied" not in reply.headers
    session = agent.session(neighbour)
    deletion = send("DELETE", f"/api/terminal/sessions/{session}", neighbour, "wait=30")
    wait_for(lambda: session in agent.terminate())
    assert is_waiting(deletion)
    for ended in [session, *sessions]:
        agent.end(ended, "terminated")
    for request in [deletion, *waiting]:
        reply = request.reply()
        assert reply.json() == {"message": "Session closed"}
        assert reply.headers["Preference-Applied"] == "wait=30"
