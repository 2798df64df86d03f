# SPDX-License-Identifier: MIT
"""What no good client sends: the right 4xx, no harm, and a live service after it."""
import contextlib
import os
import random
import signal
import socket
import struct
import time

import pytest

import fcgi
from fleet import Tenant
from schemas import READS, check, check_error
from stack import wait_for

pytestmark = pytest.mark.core

SESSIONS = "/api/terminal/sessions"
IO_TIMEOUT = 1


@pytest.fixture(scope="module")
def stack(module_stacks):
    """One worker, so that its process must survive everything."""
    stack = module_stacks(workers=1, api={"io_timeout": f"{IO_TIMEOUT}s",
                                          "io_threads": 1})
    stack.admin = Tenant(stack).user("company_admin")
    return stack


@pytest.fixture(autouse=True)
def still_serves(stack):
    pids = stack.worker_pids()
    yield
    for path in READS:
        assert stack.get(path, stack.admin).status == 200
    assert stack.worker_pids() == pids


# --- session ids in the path


@pytest.mark.parametrize("id, status", [
    ("a%2Fb", 404), ("..", 404), ("%2e%2e", 404), (".", 404), ("../sessions", 405),
    ("..%2F..%2Fetc%2Fpasswd", 404), ("%2E%2E%2F%2E%2E%2Fnone", 404), ("a/", 404), ("//a", 404),
    ("%00", 400), ("a%00b", 400), ("%ff", 400), ("%c3%28", 400), ("%ed%a0%80", 400),
    ("a" * 65, 400), ("a" * 64, 404), ("a" * 900, 400), ("'", 400), ("' OR '1'='1", 400),
    ("x'; DROP TABLE sessions; --", 400), ("1 UNION SELECT 1", 400), ("%27", 400), ("%25", 400),
    ("a%20b", 400), ("a+b", 400), ("a?b", 400), ("a;b", 400), ("a\\b", 400), ("*", 400),
    ("%7f", 400), ("%0a", 400), ("%0d%0aX: y", 400), ("ü", 400), ("%u0041", 400), ("%", 400),
    ("%zz", 400), ("SESS_1", 404), ("{}", 400), ("$(id)", 400)])
def test_ids(stack, id, status):
    path = f"{SESSIONS}/{id}".replace(" ", "%20").replace("ü", "%fc")
    reply = stack.request("DELETE", path, stack.admin)
    check_error(reply, status)
    assert "Access-Control-Allow-Origin" not in reply.headers


def test_slashes_are_merged(stack):
    tenant = Tenant(stack)
    alice = tenant.user()
    session = tenant.session(tenant.machine(), alice)
    assert stack.request("DELETE", f"/api//terminal/./sessions/x/..//{session}", alice).status == 200


@pytest.mark.parametrize("path, status", [
    (f"{SESSIONS}/\xff\xfe", 400), (f"{SESSIONS}/a\nb", 400), (f"{SESSIONS}/", 404),
    (f"{SESSIONS}//a", 404), (f"{SESSIONS}/../x", 404), (f"{SESSIONS}/a/b", 404), ("", 404),
    ("api", 404), ("*", 404), ("/" + "x" * 60000, 404), (f"{SESSIONS}/%41", 400),
    ("http://x/health", 404)])
def test_raw_paths(stack, path, status):
    """As a web server might hand them over that cleans nothing up."""
    check_error(stack.fcgi("DELETE", "/", stack.admin, SCRIPT_NAME=path.encode("latin-1")), status)


def test_path_info(stack):
    for script, info in (("/api", "/dashboard/stats"), ("", "/api/dashboard/stats"),
                         ("/api/dashboard/stats", "")):
        assert stack.fcgi("GET", "/", stack.admin, SCRIPT_NAME=script,
                          PATH_INFO=info).status == 200


# --- query parameters


@pytest.mark.parametrize("query", [
    "limit=0", "limit=abc", "limit=", "limit=1001", "limit=-1", "limit=1.5", "limit=+5",
    "limit=%205", "limit=5x", "limit=0x10", "limit=1e2", "limit=99999999999999999999",
    "limit=4294967297", "limit=5&limit=5", "limit=%35%00", "limit=%3", "limit=%zz", "limit=٣",
    "cursor=x", "cursor=", "limit=5&cursor=", "limit=5&cursor=x", "limit=5&cursor=!!!!",
    "limit=5&cursor=" + "A" * 64, "limit=5&cursor=" + "A" * 3000, "limit=5&cursor=%27%20OR%201",
    "limit=5&cursor=MjAyNi0wMi0wNiAxMjowMDowMA", "limit=5&cursor=LTE", "limit=5&cursor=%00",
    "source=web", "source=", "source=UI", "source=ui'", "source=ui%00", "source=ui&source=ui",
    "source=ui,cli", "agent_id=", "agent_id=a/b", "agent_id=%ff", "agent_id=" + "a" * 65,
    "agent_id=a%00", "agent_id='%20OR%20''='", "agent_id=a&agent_id=a", "agent_id=%",
    "=", "=&=", "?", "x", "x=%zz", "limits=0", "a=b&c", "LIMIT=1", "%", "\xff", "%5f%5f=1",
    "user_id=", "user_id=%c3%a9", "user_id=a%20b", "user_id=a+b", "user_id=a%60b",
    "user_id=a%27b", "user_id=" + "u" * 129, "user_id=" + "u" * 3000,
    "x=" + "y" * 5000])
def test_queries(stack, query):
    query = query.encode()
    assert stack.fcgi("GET", SESSIONS, stack.admin, QUERY_STRING=query).status == 400
    encoded = "".join(chr(byte) if byte < 128 else f"%{byte:02x}" for byte in query)
    check_error(stack.get(f"{SESSIONS}?{encoded}", stack.admin), 400)


def test_forged_cursors(stack):
    """A changed cursor is refused or moves within the caller's own sessions; never a 500."""
    tenant = Tenant(stack)
    admin, agent = tenant.user("company_admin"), tenant.machine()
    mine = {tenant.session(agent, admin, ago) for ago in range(5)}
    cursor = stack.get(f"{SESSIONS}?limit=2", admin).json()["next_cursor"]
    dice = random.Random(1)
    for _ in range(150):
        forged = list(cursor)
        for _ in range(dice.randint(1, 3)):
            forged[dice.randrange(len(forged))] = dice.choice("0123456789abcdefXYZ_-.")
        reply = stack.get(f"{SESSIONS}?limit=9&cursor={''.join(forged)}", admin)
        if reply.status == 200:
            assert {row["session_id"] for row in check(reply, "sessions")["sessions"]} <= mine
        else:
            check_error(reply, 400)
    for cut in range(1, len(cursor)):
        assert stack.get(f"{SESSIONS}?limit=9&cursor={cursor[:cut]}", admin).status in (200, 400)


@pytest.mark.parametrize("query", ["", "&", "&&&", "_", "_=%zz", "_=1&_=2", "%5f=1"])
def test_harmless_queries(stack, query):
    assert stack.fcgi("GET", SESSIONS, stack.admin, QUERY_STRING=query).status == 200


# --- bodies


@pytest.mark.parametrize("length, body, status", [
    ("", b"", 200), ("0", b"", 200), ("00", b"", 200), (" 0", b"", 400), ("-1", b"", 400),
    ("-0", b"", 400), ("+0", b"", 400), ("0x0", b"", 400), ("0 ", b"", 400), ("ten", b"", 400),
    ("1.0", b"", 400), ("9" * 18, b"", 413), ("9" * 40, b"", 400),
    ("18446744073709551617", b"", 400), ("\xff", b"", 400)])
@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_content_length(stack, method, length, body, status):
    tenant = Tenant(stack)
    alice = tenant.user()
    path = SESSIONS if method == "GET" else \
        f"{SESSIONS}/{tenant.session(tenant.machine(), alice)}"
    assert stack.fcgi(method, path, alice, body, CONTENT_LENGTH=length).status == status


@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize("length", [5, 1000, 10**6])
@pytest.mark.parametrize("sent", [0, 4, 6, 10**5])
def test_body_of_another_length(stack, method, length, sent):
    reply = stack.fcgi(method, f"{SESSIONS}/none" if method == "DELETE" else SESSIONS, stack.admin,
                       b"x" * sent, CONTENT_LENGTH=str(length))
    check_error(reply, reply.status)
    assert reply.status in (400, 413)


@pytest.mark.parametrize("size", [100 * 1024, 900 * 1024, 5 * 2**20, 6 * 2**20])
def test_body_over_the_limit(stack, size):
    check_error(stack.request("DELETE", f"{SESSIONS}/none", stack.admin, body=b"x" * size), 413)
    check_error(stack.request("GET", SESSIONS, stack.admin, body=b"x" * size), 413)


def test_body_without_a_length(stack):
    """Over the limit all the same; and none at all is none."""
    for body, status in (b"", 200), (b"x" * 10**5, 413):
        env = fcgi.environment("GET", SESSIONS, HTTP_AUTHORIZATION=f"Bearer {stack.admin.token}")
        del env["CONTENT_LENGTH"]
        assert fcgi.request(stack.socket, env, body).status == status


# --- the FastCGI protocol

GOOD = fcgi.environment("GET", "/health")


@pytest.mark.parametrize("missing", ["REQUEST_METHOD", "SCRIPT_NAME", "QUERY_STRING"])
def test_missing_variables(stack, missing):
    env = {name: value for name, value in GOOD.items() if name != missing}
    assert fcgi.request(stack.socket, env).status == {
        "REQUEST_METHOD": 400, "SCRIPT_NAME": 404, "QUERY_STRING": 200}[missing]


def test_odd_variables(stack):
    many = {f"HTTP_X_{n}": "y" * 100 for n in range(500)}
    for env in {**GOOD, **many}, {**GOOD, "HTTP_X": "z" * 60000}, {**GOOD, "": ""}, \
            {**GOOD, "HTTP_PROXY": "http://evil:1", "A=B": "=", "HTTP_É": b"\xff\x00"}:
        assert fcgi.request(stack.socket, env).status == 200
    assert fcgi.request(stack.socket, {}).status == 400


def silent_beginnings():
    """Requests that stop at every interesting place."""
    whole = fcgi.encode(fcgi.environment("DELETE", f"{SESSIONS}/x", CONTENT_LENGTH="10"), b"12345")
    params = fcgi.begin() + fcgi.record(fcgi.PARAMS, fcgi.pairs(GOOD))
    return [whole[:1], whole[:3], whole[:8], whole[:16], whole[:20], whole[:40], params,
            params[:-5], params + fcgi.record(fcgi.PARAMS), whole[:-8], whole[:-10],
            fcgi.begin() + b"\x01\x04\x00\x01\xff\xff\x00\x00" + b"\x7f\x7f"]


def test_silence(stack):
    """Silent connections hold up nobody, and are given up."""
    with contextlib.ExitStack() as silent:
        connections = []
        for data in silent_beginnings():
            connections.append(silent.enter_context(fcgi.connect(stack.socket)))
            connections[-1].sendall(data)
        start = time.monotonic()
        assert stack.get("/health").status == 200
        assert stack.get(SESSIONS, stack.admin).status == 200
        assert time.monotonic() - start < 2 * IO_TIMEOUT
        for connection in connections:
            with contextlib.suppress(ConnectionError):
                connection.settimeout(20)
                fcgi.read_reply(connection)


def test_slow_but_steady(stack):
    """A byte now and then is no reason to wait for ever."""
    with fcgi.connect(stack.socket) as slow:
        start = time.monotonic()
        with contextlib.suppress(ConnectionError):
            for byte in fcgi.encode(fcgi.environment(HTTP_X="y" * 500)):
                slow.sendall(bytes([byte]))
                slow.settimeout(0.2)
                with contextlib.suppress(socket.timeout):
                    if slow.recv(1) == b"":
                        break
                if time.monotonic() - start > 3 * IO_TIMEOUT:
                    break
        assert stack.get("/health").status == 200


def test_steady_reader(stack, tenant, admin):
    """Whoever takes a long reply slowly, but goes on taking it, gets all of it."""
    machine = tenant.machine(name="m" * 255)
    for _ in range(3000):
        tenant.session(machine, admin, username="u" * 255)
    with fcgi.connect(stack.socket) as slow:
        slow.sendall(fcgi.encode(fcgi.environment("GET", SESSIONS, admin)))
        received, start = b"", time.monotonic()
        while time.monotonic() - start < 2.5 * IO_TIMEOUT:
            received += slow.recv(65536)
            time.sleep(0.2)  # the pace of this reader
        while chunk := slow.recv(1 << 20):
            received += chunk
    assert len(received) > 1 << 20 and received[-16:-14] == struct.pack("!BB", 1, fcgi.END)


def garbage():
    dice = random.Random(2)
    yield from (b"GET / HTTP/1.1\r\n\r\n", b"\x00" * 100, b"\xff" * 100000, b"\x01" * 64,
                fcgi.record(99, b"?") * 10, fcgi.record(fcgi.ABORT), fcgi.begin() * 3,
                fcgi.record(fcgi.PARAMS, fcgi.pairs(GOOD)), fcgi.stream(fcgi.STDIN, b"x"),
                fcgi.begin() + fcgi.record(fcgi.ABORT) + fcgi.stream(fcgi.PARAMS, b""),
                fcgi.begin() + fcgi.stream(fcgi.PARAMS, b"\xff\xff\xff\xff\xff\xff\xff\xff"),
                fcgi.begin() + fcgi.stream(fcgi.PARAMS, b"\x80\x00\x00\x04\x00name"),
                b"\x02" + fcgi.encode(GOOD)[1:], fcgi.encode(GOOD) * 2)
    yield from (dice.randbytes(dice.randint(1, 500)) for _ in range(60))
    for _ in range(200):  # good ones with a few bytes changed
        data = bytearray(fcgi.encode(fcgi.environment("GET", SESSIONS, CONTENT_LENGTH="3"), b"abc"))
        for _ in range(dice.randint(1, 4)):
            data[dice.randrange(len(data))] = dice.randrange(256)
        yield bytes(data)


def test_garbage(stack):
    for data in garbage():
        with fcgi.connect(stack.socket) as connection, contextlib.suppress(ConnectionError):
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            fcgi.read_reply(connection)
    assert stack.get("/health").status == 200


@pytest.mark.parametrize("lengths", [
    b"\xff\xff\xff\xff\xff\xff\xff\xff", b"\xc0\0\0\0\xc0\0\0\0", b"\0\xff\xff\xff\xff",
    b"\x80\x01\0\0\0", b"\x01\x01n"])
def test_lengths_that_do_not_fit(stack, lengths):
    """Over INT_MAX, over 64 KiB, over the end of PARAMS: the connection is closed at once."""
    with fcgi.connect(stack.socket, 5) as connection:
        connection.sendall(fcgi.begin() + fcgi.record(fcgi.PARAMS, lengths) +
                           fcgi.record(fcgi.PARAMS) + fcgi.stream(fcgi.STDIN, b""))
        with contextlib.suppress(ConnectionResetError):
            assert connection.recv(1) == b""


@pytest.mark.parametrize("data", [
    fcgi.begin() + fcgi.stream(fcgi.STDIN, b""),
    fcgi.begin() + fcgi.record(fcgi.PARAMS, fcgi.pairs(GOOD)) + fcgi.stream(fcgi.STDIN, b""),
    fcgi.stream(fcgi.STDIN, b""), fcgi.record(9) + fcgi.stream(fcgi.STDIN, b"")])
def test_nobody_waits_for_what_is_missing(stack, data):
    """Requests that look as if they had ended."""
    with contextlib.ExitStack() as connections:
        for _ in range(12):
            connection = connections.enter_context(fcgi.connect(stack.socket, 5))
            connection.sendall(data)
        start = time.monotonic()
        assert stack.get("/health").status == 200
        assert time.monotonic() - start < 2 * IO_TIMEOUT


def test_params_of_64_kib(stack):
    """More is refused, a little less is served."""
    for more, served in (60000, True), (66000, False):
        with contextlib.suppress(ConnectionError):
            reply = stack.fcgi("GET", "/health", HTTP_COOKIE="x" * more)
            assert (reply is not None) == served


def test_clients_that_leave(stack):
    """In the middle of a request, before the reply, in the middle of a big one."""
    tenant = Tenant(stack)
    admin, agent = tenant.user("company_admin"), tenant.machine(name="m" * 255)
    for ago in range(400):
        tenant.session(agent, admin, ago)
    whole = fcgi.encode(fcgi.environment("GET", SESSIONS,
                                         HTTP_AUTHORIZATION=f"Bearer {admin.token}"))
    for size in 5, 30, len(whole) - 4, len(whole), len(whole), len(whole):
        for read in 0, 1000:
            with fcgi.connect(stack.socket) as connection:
                connection.sendall(whole[:size])
                if read and size == len(whole):
                    connection.recv(read)
    request = f"GET {SESSIONS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {admin.token}\r\n\r\n"
    for size in 10, 60, len(request):
        with socket.create_connection(("127.0.0.1", stack.port)) as connection:
            connection.sendall(request[:size].encode())
    assert len(stack.get(SESSIONS, admin).json()["sessions"]) == 400


def test_readers_that_stop_reading(stack):
    """Big replies that nobody takes hold no thread that others need."""
    tenant = Tenant(stack)
    admin, agent = tenant.user("company_admin"), tenant.machine(name="m" * 255)
    for ago in range(1500):
        tenant.session(agent, admin, ago, username="u" * 255)
    whole = fcgi.encode(fcgi.environment("GET", SESSIONS,
                                         HTTP_AUTHORIZATION=f"Bearer {admin.token}"))
    with contextlib.ExitStack() as readers:
        for _ in range(30):
            readers.enter_context(fcgi.connect(stack.socket)).sendall(whole)
        for _ in range(20):
            start = time.monotonic()
            assert stack.get("/api/dashboard/stats", admin).status == 200
            assert time.monotonic() - start < 2 * IO_TIMEOUT + 1


def test_malformed_http(stack):
    """nginx's part, in the site's own words."""
    for data in (b"GARBAGE\r\n\r\n", b"GET /health HTTP/9.9\r\n\r\n", b"GET /%00 HTTP/1.0\r\n\r\n",
                 b"GET /health HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\r\n\r\n",
                 b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 100000 + b"\r\n\r\n"):
        assert stack.raw(data) in (400, 414, 431, 494, 505)


def test_descriptors_do_not_leak(stack):
    """Runs last in this file, after all of the above. What nginx keeps open for later is no leak."""
    pid, = stack.worker_pids()
    stack.nginx.kill(signal.SIGHUP)
    wait_for(lambda: len(os.listdir(f"/proc/{pid}/fd")) < 40)
