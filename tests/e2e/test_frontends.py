# SPDX-License-Identifier: MIT
"""Every web server that conf/ and nginx/ have a file for: the contract, and what a web server could spoil.
What one of them cannot do is asserted here, and told in docs/operations.md."""
import contextlib
import os
import re
import shutil
import signal
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import agent_process
import openapi
from machine import Machine, entry
from fleet import Tenant
from frontends import (
    FRONTS, Apache, ApacheFcgid, ApacheProxyVariant, HAProxy, HAProxyVariant, KitCgi, KitFcgi, Lighttpd,
    LighttpdFastcgiVariant, missing, serving, unpack_kit)
from metrics import Scraper
from schemas import check, check_error
from stack import REPO, SITE, Database, Stack, free_port, run, wait_for
from tokens import claims
import test_contract as contract
from test_contract import (  # noqa: F401 (collected from here too)
    SESSIONS, test_challenges, test_closing_reply, test_empty_page,
    test_encoded_and_unknown_parameters, test_every_reply_has_its_own_id_and_is_not_stored,
    test_head_is_get_without_the_body, test_health_needs_no_token, test_long_command,
    test_many_sessions_in_one_reply, test_options_without_preflight_is_a_wrong_method,
    test_replies_to_a_listed_origin, test_shape_and_values, test_the_log_names_the_request)

STATS = "/api/dashboard/stats"


@pytest.fixture(scope="module")
def base(new_directory):
    """Lends its database, which also listens on TCP as that of a shared host does."""
    port = free_port()
    with contextlib.closing(Stack(new_directory(), server=lambda directory: Database(
            directory, "--bind-address=127.0.0.1", f"--port={port}"))) as base:
        base.tcp_port = port
        yield base


@pytest.fixture(scope="module", params=FRONTS)
def stack(request, base, new_directory):
    with serving(FRONTS[request.param], base, new_directory) as stack:
        yield stack


@pytest.fixture
def agent(tenant):
    return Machine(tenant)


def test_every_site_is_tested():
    shipped = {str(path.relative_to(REPO)) for pattern in (
        "conf/apache/*.conf", "conf/haproxy/*.cfg", "conf/lighttpd/*.conf", "conf/shared-hosting/*.htaccess",
        "nginx/vsay*.conf") for path in REPO.glob(pattern)}
    elsewhere = {"conf/apache/openidc.conf"}  # test_openidc.py
    assert shipped == {front.site for front in FRONTS.values()} | elsewhere


@pytest.mark.parametrize("front", [ApacheProxyVariant, HAProxyVariant, LighttpdFastcgiVariant])
def test_variants_that_comments_name(base, new_directory, front):
    with serving(front, base, new_directory) as stack:
        check(stack.get(STATS, Tenant(stack).user("company_admin")), "stats")
        assert stack.get("/api/openapi.json").body == openapi.PATH.read_bytes()
        check_files(stack)
        assert not stack.prefix or stack.raw(
            b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n") in (403, 404), "not vsay's"


def test_metrics(stack):
    found = Scraper(stack).scrape()
    assert found.get("vsay_database_up") == found.get("vsay_build_info") == 1


# --- the parts of the contract that have a hundred rows: some of them


@pytest.mark.parametrize("path", [STATS, f"{SESSIONS}/sess_1"])
@pytest.mark.parametrize("method", ["POST", "PUT", "OPTIONS", "PROPFIND"])
def test_wrong_methods(stack, admin, path, method):
    contract.test_wrong_method(stack, admin, path, method)


@pytest.mark.parametrize("path", ["/api/x", "/health/", "/index.php", "/" + "a/" * 550])
def test_unknown_paths(stack, admin, path):
    contract.test_unknown_path(stack, admin, path)


@pytest.mark.parametrize("path, method", [(STATS, "GET"), (f"{SESSIONS}/sess_1", "DELETE")])
def test_preflights(stack, path, method):
    contract.test_preflight(stack, path, method)


@pytest.mark.parametrize("text", contract.TEXTS[:2])
def test_text(stack, tenant, admin, text):
    contract.test_text_survives(stack, tenant, admin, text)


def test_no_preflight(stack, admin):
    contract.test_no_preflight_for_other_origins(stack, admin, "https://evil.example")


# --- the contract


def test_openapi(stack):
    """A file beside the API, for everybody."""
    reply = stack.get("/api/openapi.json?_=1")
    if not stack.has_files:
        check_error(reply, 404)
        return
    assert (reply.status, reply.body) == (200, openapi.PATH.read_bytes())
    assert reply.headers["Content-Type"] == "application/json"
    head = stack.request("HEAD", "/api/openapi.json")
    assert (head.status, head.body) == (200, b"")


POLICY = "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
RAPIDOC = POLICY.replace(";", "; style-src 'self' 'unsafe-inline';", 1)


def check_files(stack):
    """The web page's, with the headers that they need."""
    for path, policy in ("/", POLICY), ("/api/", RAPIDOC), ("/?_=1", POLICY):
        page = stack.get(path)
        assert page.status == 200, page
        assert page.headers["Content-Type"].partition(";")[0] == "text/html"
        assert page.headers.get_all("Content-Security-Policy") == [policy]
        assert page.headers["X-Content-Type-Options"] == "nosniff"
        assert page.headers["Cache-Control"] == "no-cache"
        assert page.body.startswith(b"<!doctype html>")
    parts = re.findall(r'(?:href|src)="([^"#]+)"', stack.get("/").body.decode())
    kinds = {"js": "text/javascript", "css": "text/css", "svg": "image/svg+xml", "txt": "text/plain"}
    assert len(parts) > 3
    for path in parts + [re.sub("/icon.svg$", "/vendor/LICENSES.txt", parts[0])]:
        part = stack.get(f"/{path}", headers={"Accept-Encoding": "gzip"})
        assert (part.status, part.headers["Content-Type"].partition(";")[0]) == (
            200, kinds[path.rpartition(".")[2]]), path
        assert part.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert part.headers["X-Content-Type-Options"] == "nosniff"
        assert part.body == (SITE / path).read_bytes()
        assert part.headers["Content-Encoding"] == "gzip" or len(part.body) < 2000
    for path in "/static/", "/static/1/js/main.js", "/index.php", "/static/../../vsay.conf":
        assert stack.get(path).status in (400, 403, 404)


def test_the_web_page(stack):
    if stack.has_files:
        check_files(stack)


def test_gzip_of_the_api(stack, tenant, admin):
    """Where it is worth it. HAProxy leaves it out."""
    machine = tenant.machine()
    sessions = {tenant.session(machine, admin) for _ in range(20)}
    reply = stack.get(SESSIONS, admin, headers={"Accept-Encoding": "gzip"})
    if stack.has_files:
        assert reply.headers["Content-Encoding"] == "gzip" and "Accept-Encoding" in reply.headers["Vary"]
    assert {row["session_id"] for row in reply.json()["sessions"]} == sessions


# --- headers


def test_two_instances_of_an_agent(tenant, admin):
    """Vsay-Instance comes through: two agents with one token are told apart."""
    first = Machine(tenant, instance="first.1")
    second = Machine(tenant, first.id, instance="second.1")
    session = first.session(admin)
    assert first.heartbeat().status == 200
    assert "instance" in check_error(second.heartbeat(), 409)
    assert "instance" in check_error(second.activity(entry(session)), 409)
    assert first.activity(entry(session)).json()["accepted"] == 1
    assert "Vsay-Instance" in check_error(Machine(tenant, first.id, instance="a b").heartbeat(), 400)


def test_a_head_of_more_than_64_kib(stack, admin):
    """A worker takes none over FastCGI: the web server answers, if it has not refused it itself."""
    headers = {f"X-{i}": "x" * 8000 for i in range(10)}
    assert stack.get(STATS, admin, headers=headers).status == stack.long_head
    assert stack.get(STATS, admin).status == 200


# --- Authorization


def clients_prefix(stack):
    """What comes before /api for a client; on shared hosting the prefix is the program's path."""
    return "" if "shared-hosting" in stack.site else stack.prefix


def test_the_link_to_the_next_page(stack, tenant, admin):
    names = sorted(tenant.machine() for _ in range(2))
    reply = stack.get("/api/machines?limit=1", admin)
    link = reply.headers["Link"].partition(">")[0].removeprefix(f"<{clients_prefix(stack)}")
    assert link.startswith("/api/machines?"), reply.headers["Link"]
    pages = reply.json(), stack.get(link, admin).json()
    assert [page["machines"][0]["agent_id"] for page in pages] == names


def test_a_browsers_cookie(stack, tenant):
    """As large as they come, both ways."""
    token = stack.keys.sign(claims("x" * 128, tenant_id=tenant.id, padding="x" * 2640))
    ours = {"Sec-Fetch-Site": "same-origin"}
    reply = stack.request("POST", "/api/login", token=token, headers=ours, body=b"")
    assert reply.status == 204, reply
    assert len(reply.headers["Set-Cookie"].split(";")[0]) > 3800
    assert f"Path={clients_prefix(stack)}/api;" in reply.headers["Set-Cookie"]
    cookie = {"Cookie": f"a=b; vsay_token={token}"}
    check(stack.get(STATS, headers={**cookie, **ours}), "stats")
    check(stack.get(STATS, headers={**cookie, "Vsay-Request": "1"}), "stats")
    check_error(stack.get(STATS, headers={**cookie, "Sec-Fetch-Site": "cross-site"}), 401)
    secure = {"X-Forwarded-Proto": "https", **ours}
    check(stack.get(STATS, headers={"Cookie": f"__Secure-vsay_token={token}", **secure}), "stats")


def test_scheme_in_any_case(stack, admin):
    for scheme in "bearer", "BEARER":
        assert stack.get(STATS, headers={"authorization": f"{scheme} {admin.token}"}).status == 200


def test_two_credentials(stack, admin):
    """nginx refuses them, the others join them with a comma."""
    line = f"Authorization: Bearer {admin.token}\r\n"
    assert stack.raw(f"GET {stack.prefix}{STATS} HTTP/1.1\r\nHost: 127.0.0.1\r\n{line}{line}"
                     "Connection: close\r\n\r\n".encode()) == 400


@pytest.mark.parametrize("name", [name for name, front in FRONTS.items()
                                  if issubclass(front, Apache)])
def test_authorization_kept_back(base, new_directory, name):
    """Without the line that has it passed on, the log says what is missing."""
    front = FRONTS[name]
    line = "CGIPassAuth" if "CGIPassAuth" in (REPO / front.site).read_text() else "HTTP_AUTHORIZATION"
    with serving(front, base, new_directory, without=line) as stack:
        check_error(stack.get(STATS, Tenant(stack).user("company_admin")), 401)
        wait_for(lambda: "Apache lacks CGIPassAuth On or, with ProxyPass, SetEnvIf Authorization"
                 in stack.log.read_text())


# --- paths


@pytest.mark.parametrize("id, statuses", [
    ("..", {404}), ("%2e%2e", {404}), (".", {404}), ("../sessions", {404, 405}), ("a/", {404}),
    ("//a", {404}), ("a%2Fb", {404}), ("..%2F..%2Fetc%2Fpasswd", {404}), ("a%252Fb", {400, 404}),
    ("%27", {400}), ("a%20b", {400}), ("%00", {400, 404}), ("%ff", {400}), ("%zz", {400}),
    ("a" * 64, {404}), ("a" * 65, {400})])
def test_ids(stack, admin, id, statuses):
    reply = stack.delete(id, admin)
    assert reply.status in statuses
    if "%" not in id:
        check_error(reply, reply.status)
    elif "%2F" in id and stack.decodes:
        check_error(reply, 404)


def test_slashes_and_dots(stack, tenant, admin):
    """Whoever decides by path who may ask decides on the same path."""
    session = tenant.session(tenant.machine(), admin)
    reply = stack.request("DELETE", f"/api//terminal/./sessions/x/..//{session}", admin)
    assert reply.status == (200 if stack.normalises else 404)


def test_words_of_the_query(stack, admin, agent):
    """A CGI gets them as arguments, and takes them for what they are."""
    for query in "-c+/etc/passwd", "--help", "-l+unix:/tmp/x":
        said = f"Unknown query parameter '{query.replace('+', ' ')}'"
        assert check_error(stack.get(f"/health?{query}", admin), 400) == said
        reply = stack.request("POST", f"/api/agent/heartbeat?{query}", agent, body=heartbeat())
        assert check_error(reply, 400) == said


def test_a_name_too_long_for_a_file(stack, admin):
    assert stack.get("/" + "a" * 1100, admin).status in (403, 404)


def test_methods_of_the_server_itself(stack):
    assert stack.request("get", "/health").status in (400, 405, 501)
    trace = stack.request("TRACE", "/health", headers={"X-Secret": "swordfish"})
    echoes = issubclass(type(stack), KitCgi)  # only the host can turn it off
    assert trace.status == (200 if echoes else 405)


def test_httpoxy(stack, admin):
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        proxy.setblocking(False)
        address = "http://127.0.0.1:%d" % proxy.getsockname()[1]
        assert stack.get(STATS, admin, headers={"Proxy": address}).status == 200
        with pytest.raises(BlockingIOError):
            proxy.accept()


@pytest.mark.parametrize("name", ["nginx-unix", "nginx-prefix", "apache-proxy", "apache-sethandler",
                                  "lighttpd-fastcgi", "haproxy"])
def test_no_worker(base, new_directory, name):
    """Everybody is told so, and served as soon as there is one again."""
    with serving(FRONTS[name], base, new_directory) as stack:
        stack.workers_of_pool.stop()
        reply = stack.get("/health")
        assert reply.status == 503
        if not isinstance(stack, Lighttpd):  # which answers in HTML
            check_error(reply, 503)
            assert reply.headers["Retry-After"] == "1"
        stack.socket.unlink()
        stack.parts.callback(stack.pool().stop)
        wait_for(stack.serves, 10, "the workers")


def in_its_own_words(reply, status):
    check_error(reply, status)
    assert reply.headers["X-Request-Id"], "vsay's own"


def test_errors_come_through(stack, tenant, admin, agent):
    """Though the web server would replace those of others; see `surroundings` in lib/frontends.py."""
    session = tenant.session(tenant.machine(), tenant.user())
    in_its_own_words(stack.get(STATS), 401)
    in_its_own_words(stack.delete("a%20b", admin), 400)
    in_its_own_words(stack.delete("nobody", admin), 404)
    in_its_own_words(stack.delete(session, tenant.user()), 404)
    in_its_own_words(stack.get("/api/agent/signals", admin), 403)


@pytest.mark.parametrize("name", ["nginx-unix", "nginx-prefix", "apache-proxy", "apache-sethandler",
                                  "haproxy"])
def test_errors_of_a_broken_database_come_through(base, new_directory, name):
    """500 and 503, which could be the web server's as well."""
    with serving(FRONTS[name], base, new_directory, db={"name": "nowhere"}) as stack:
        admin = Tenant(stack).user("company_admin")
        in_its_own_words(stack.get("/health/ready", admin), 503)
    base.database.query("CREATE DATABASE IF NOT EXISTS half CHARACTER SET utf8mb4")
    for table in base.database.query("SHOW TABLES FROM vsay"):
        base.database.query("CREATE OR REPLACE VIEW half.{0} AS SELECT * FROM vsay.{0}".format(
            *table.values()))
    base.database.query("GRANT SELECT ON half.schema_migrations TO vsay@localhost")
    with serving(FRONTS[name], base, new_directory, db={"name": "half"}) as stack:
        in_its_own_words(stack.get(STATS, Tenant(stack).user("company_admin")), 500)


@pytest.mark.parametrize("name", ["nginx-unix", "nginx-prefix"])
def test_nginx_in_trouble(base, new_directory, name):
    """Where it would keep a body there is no place: a 500 of its own."""
    with serving(FRONTS[name], base, new_directory) as stack:
        shutil.rmtree(stack.dir / "client_body")
        (stack.dir / "client_body").touch()
        reply = stack.request("POST", "/api/agent/heartbeat", Machine(Tenant(stack)),
                              body=heartbeat(100 * 1024))
        check_error(reply, 503)
        assert reply.headers["Retry-After"] == "1"


# --- bodies


def heartbeat(padding=0):
    return (b'{"cpu_percent": 1, "memory_percent": 2, "disk_percent": 3, "sessions": []'
            + b" " * padding + b"}")


@pytest.mark.parametrize("chunked", [False, True])
def test_bodies(stack, agent, chunked):
    def post(body, path="heartbeat"):
        return stack.request("POST", f"/api/agent/{path}", agent, body=body, chunked=chunked)

    for padding in 0, 1000, 10000 if chunked and isinstance(stack, HAProxy) else 100 * 1024:
        check(post(heartbeat(padding)), "heartbeat")
    check_error(post(b""), 400)
    check_error(post(b"nonsense"), 400)
    if chunked and isinstance(stack, HAProxy):  # which puts a length to what one of its buffers holds
        assert stack.raw(head(stack, "POST", "/api/agent/heartbeat", agent, "Transfer-Encoding: chunked")
                         + b"4400\r\n" + heartbeat(0x4400)[-0x4400:] + b"\r\n0\r\n\r\n") == 400
        return
    large = b'{"activities": []' + b" " * (4 * 2**20 - 100) + b"}"
    over = heartbeat(200 * 1024), large + b" " * 2**20
    if stack.body_max >= len(large):
        check(post(large, "activity"), "accepted")
        check_error(post(over[0]), 413)
        assert post(over[1], "activity").status == 413
    else:  # mod_fcgid's own limit
        assert {post(body, "activity").status for body in (large, *over)} == {500}


def test_post_without_a_length(stack, agent):
    """No body; but lighttpd wants to be told."""
    reply = stack.request("POST", "/api/agent/heartbeat", agent)
    assert reply.status == (411 if isinstance(stack, Lighttpd) else 400)


def test_body_of_a_delete(stack, tenant, admin):
    session = tenant.session(tenant.machine(), admin)
    for options in {"body": b"x" * 100}, {"body": b"x" * 100, "chunked": True}:
        check(stack.delete(session, admin, **options), "closed")
    assert stack.delete(session, admin, body=b"x" * 10**5).status == 413


def test_body_of_a_get(stack, admin):
    """lighttpd refuses every one of them."""
    for body, status in (b"", 200), (b"x" * 100, 200), (b"x" * 10**5, 413):
        refuses = isinstance(stack, Lighttpd) and body
        assert stack.get(STATS, admin, body=body).status == (400 if refuses else status)


# --- slow clients


@pytest.fixture
def served_meanwhile(stack, tenant, admin, agent):
    """Asserts that everybody else is served soon."""
    def check_all(*paths):
        for path in paths:
            start = time.monotonic()
            assert stack.get(path, admin, timeout=stack.patience).status == 200
            assert time.monotonic() - start < stack.patience, path
        start = time.monotonic()
        check(agent.heartbeat(), "heartbeat")
        assert time.monotonic() - start < stack.patience
    return check_all


class Slow:
    """A connection whose client is slow: it writes, or reads, a byte every now and then."""

    def __init__(self, stack):
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.settimeout(20)
        self.socket.connect(("127.0.0.1", stack.port))

    def close(self):
        self.socket.close()


def head(stack, method, path, by, *more):
    return "\r\n".join([f"{method} {stack.prefix}{path} HTTP/1.1", "Host: 127.0.0.1",
                        f"Authorization: Bearer {by.token}", "Connection: close", *more,
                        "", ""]).encode()


@contextlib.contextmanager
def in_turn(clients, act):
    """Acts on all of them over and over as long as the block lasts."""
    stop = threading.Event()

    def run():
        while not stop.wait(0.05):
            for client in clients:
                act(client)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@pytest.fixture
def large_list(stack, tenant, admin):
    """Some 6 MB of sessions, far more than sockets buffer."""
    machine = tenant.machine(name="m" * 255)
    stack.database.query(
        "INSERT INTO sessions (session_id, tenant_id, agent_id, user_id, username, source, started_at) "
        "SELECT CONCAT(%s, seq), %s, %s, %s, %s, 'ui', UTC_TIMESTAMP(3) FROM seq_1_to_9000",
        machine, tenant.id, machine, admin.user_id, "u" * 255)
    yield
    stack.database.query("DELETE FROM sessions WHERE tenant_id = %s", tenant.id)


@pytest.mark.heavy
def test_slow_readers(stack, admin, large_list, served_meanwhile):
    """Taken byte by byte."""
    with contextlib.ExitStack() as closing:
        slow = [closing.enter_context(contextlib.closing(Slow(stack))) for _ in range(stack.slow)]
        for client in slow:
            client.socket.sendall(head(stack, "GET", SESSIONS, admin))

        def read(client):
            with contextlib.suppress(BlockingIOError):
                client.socket.recv(1, socket.MSG_DONTWAIT)

        with in_turn(slow, read):
            for _ in range(3):
                served_meanwhile(STATS, SESSIONS, STATS)


@pytest.mark.heavy
def test_slow_bodies(stack, agent, served_meanwhile):
    """Bodies byte by byte; who comes to an end in time is answered."""
    body = heartbeat(1000)
    with contextlib.ExitStack() as closing:
        slow = [closing.enter_context(contextlib.closing(Slow(stack))) for _ in range(stack.slow)]
        for client in slow:
            client.left = body
            client.socket.sendall(head(stack, "POST", "/api/agent/heartbeat", agent,
                                       f"Content-Length: {len(body)}"))

        def send(client):
            client.socket.sendall(client.left[:1])
            client.left = client.left[1:]

        with in_turn(slow, send):
            for _ in range(3):
                served_meanwhile(STATS, STATS)
        for client in slow:
            client.socket.sendall(client.left)
        assert {client.socket.makefile("rb").readline().split()[1] for client in slow} == {b"200"}


# --- ending sessions


@contextlib.contextmanager
def meanwhile(call, *args):
    """The future of a call that goes on during the block."""
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(call, *args)


def test_long_poll(stack, tenant, admin, agent):
    session = agent.session(admin)
    start = time.monotonic()
    if not stack.waits:
        assert agent.signals(wait=30) == [], "and at once"
        assert time.monotonic() - start < 3
        check(stack.delete(session, admin), "closed")
        assert agent.signals() == [session]
        return
    assert agent.signals(wait=1) == [] and 0.9 < time.monotonic() - start < 5
    with meanwhile(agent.signals, 30) as poll:
        check(stack.delete(session, admin), "closed")
        assert poll.result(5) == [session]


def test_termination(stack, admin, agent):
    """With a receipt; and Prefer: wait, where a request may wait."""
    session = agent.session(admin)
    assert agent.terminate() == []
    with meanwhile(lambda: stack.delete(session, admin, headers={"Prefer": "wait=10"})) as closing:
        wait_for(lambda: agent.signals() == [session])
        assert agent.terminate() == [session]
        check(agent.end(session, "terminated", exit_code=129), "ended")
        reply = closing.result(5)
    if stack.waits:
        assert (reply.status, reply.headers["Preference-Applied"]) == (200, "wait=10")
    else:
        assert reply.status == 200 and reply.headers["Preference-Applied"] is None
    receipt = check(stack.get(f"/api/sessions/{session}", admin), "receipt")
    assert receipt["session"]["termination"]["outcome"] == "confirmed"


@pytest.mark.heavy
def test_longest_poll(base, new_directory):
    """No server gives up before the longest wait is over, but for one whose limit (40 s) is the host's.
    All at a time, since it takes a minute."""
    with contextlib.ExitStack() as closing:
        fronts = [closing.enter_context(contextlib.closing(front(new_directory(), base)))
                  for front in FRONTS.values() if front.waits and not missing(front)]
        agents = [Machine(Tenant(front)) for front in fronts]
        start = time.monotonic()
        with ThreadPoolExecutor(len(agents)) as pool:
            polls = [pool.submit(Machine.poll, agent, 55, timeout=70) for agent in agents]
            statuses = {type(front): poll.result().status for front, poll in zip(fronts, polls)}
        assert statuses.pop(KitFcgi, 500) == 500
        assert set(statuses.values()) == {200} and time.monotonic() - start > 54


# --- the kit


def test_kit_as_its_page_says(base, new_directory):
    """The SQL, twice, and vsayctl with the kit's own libraries."""
    kit = unpack_kit(new_directory())
    base.database.query("CREATE DATABASE kit CHARACTER SET utf8mb4")
    base.database.query("GRANT ALL ON kit.* TO vsay@localhost")
    for _ in range(2):
        base.database.script("kit", (kit / "vsay.sql").read_text())
    ran = run(kit / "vsay" / "vsayctl", "doctor", env={
        "LD_LIBRARY_PATH": kit / "vsay" / "lib", "MARIADB_PLUGIN_DIR": kit / "vsay" / "lib" / "plugin",
        "VSAY_CONF": base.conf, "VSAY_DB_HOST": f"127.0.0.1:{base.tcp_port}", "VSAY_DB_NAME": "kit"})
    assert ran.returncode == 0, ran.stdout + ran.stderr
    (kit / "vsay" / "vsay.conf").unlink()
    ran = run("./vsayctl", "setup", "--dir", "share", "--one-user", "--name", "kit", "--admin", "vsay",
              "--host", f"127.0.0.1:{base.tcp_port}", "--admin-password-file",
              base.settings["db"]["password_file"], *(["--run-as", "root"] * (os.getuid() == 0)),
              cwd=kit / "vsay", env={"LD_LIBRARY_PATH": "lib", "MARIADB_PLUGIN_DIR": "lib/plugin",
                                     "VSAY_CONF": kit / "vsay" / "vsay.conf"})
    assert ran.returncode == 0 and "made    " in ran.stdout, ran.stdout + ran.stderr
    linked = run("ldd", kit / "vsay" / "vsay-api", env={"LD_LIBRARY_PATH": kit / "vsay" / "lib"})
    foreign = [path for path in re.findall(r"=> (\S+)", linked.stdout) if str(kit) not in path]
    assert [Path(path).name for path in foreign] == ["libc.so.6"]
    assert re.search(r"^Runs on Linux \S+ with glibc 2\.\d+$", (kit / "REQUIREMENTS").read_text())


@pytest.mark.heavy
def test_kit_with_a_real_agent(base, new_directory):
    """By mod_fcgid with its defaults; what waits in the spool is more than one request may hold."""
    with contextlib.ExitStack() as closing:
        front = closing.enter_context(serving(KitFcgi, base, new_directory))
        tenant, home = Tenant(front), new_directory()
        machine, admin = tenant.machine(seen=None), tenant.user("company_admin")

        def start(port):
            agent = agent_process.Agent(home, f"http://127.0.0.1:{port}")
            agent.write_token(front.keys.sign(claims(None, ttl=3600, role="agent", agent_id=machine,
                                                     generation=1)))
            closing.callback(agent.start().stop)
            return agent

        away = start(free_port())
        shell = agent_process.Shell(away.socket)
        closing.callback(shell.stop)
        shell.opened()
        for seq in range(1, 16):
            shell.command(seq, "x" * (KitFcgi.body_max // 3))
        away.stop()
        start(front.port)
        wait_for(lambda: base.database.query("SELECT COUNT(*) AS count FROM commands WHERE session_id = %s",
                                             shell.session) == [{"count": 15}], 30, "all commands")
        check(front.delete(shell.session, admin), "closed")
        shell.write("connect")
        shell.send(**shell.opening())
        assert [shell.receive()["type"] for _ in range(2)] == ["opened", "terminate"]


# --- the processes that Apache starts


@pytest.fixture
def fcgid(base, new_directory):
    with serving(ApacheFcgid, base, new_directory) as front:
        yield front


def test_fcgid_refuses_a_body_with_500(fcgid):
    assert Machine(Tenant(fcgid)).post("activity", b"x" * 17 * 2**20).status == 500


@pytest.mark.heavy
def test_fcgid_takes_a_process_for_each_poll(fcgid):
    tenant = Tenant(fcgid)
    agents = [Machine(tenant) for _ in range(5)]
    with ThreadPoolExecutor(len(agents)) as pool:
        polls = [pool.submit(each.signals, 3) for each in agents]
        wait_for(lambda: len(fcgid.workers()) >= len(agents))
        assert [poll.result(15) for poll in polls] == [[]] * len(agents)


@pytest.mark.heavy
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGKILL])
def test_fcgid_replaces_its_processes(fcgid, number):
    for pid in fcgid.workers():
        os.kill(pid, number)
        wait_for(lambda: pid not in fcgid.workers())
    wait_for(fcgid.serves)
    assert fcgid.workers()


def test_fcgid_stops_its_processes(fcgid):
    assert fcgid.workers()
    fcgid.server.kill(signal.SIGTERM)
    wait_for(lambda: not fcgid.workers())
    assert "event=stop" in fcgid.log.read_text()
