# SPDX-License-Identifier: MIT
"""Every route: shape, order, formats, methods, headers, filters, paging."""
import re
from datetime import datetime

import pytest

from fleet import Tenant
from machine import Machine
from model import Model
from schemas import OF_PATH, READS, check, check_error

pytestmark = [pytest.mark.core, pytest.mark.databases(cluster=False)]

SESSIONS = "/api/terminal/sessions"


def ids(reply, name="sessions", key="session_id"):
    assert reply.status == 200, reply
    return [row[key] for row in reply.json()[name]]


# --- bodies


def test_health_needs_no_token(stack):
    assert check(stack.get("/health"), "health") == {"status": "ok"}
    assert check(stack.get("/health/ready"), "health") == {"status": "ok"}


@pytest.mark.parametrize("path", READS)
def test_shape_and_values(stack, tenant, admin, path):
    """A row of everything, against the schema and the model."""
    agent = tenant.machine(name="production-server", cpu=3550, memory=6230, disk=4800)
    tenant.machine(seen=500)
    tenant.session(agent, admin, browser="Chrome", os="macOS", source="vscode")
    tenant.command(agent, admin, "systemctl status nginx", source="cli")
    assert check(stack.get(path, admin), OF_PATH[path]) == Model(stack.database,
                                                                 admin).replies()[path]


def test_nothing_to_see(stack, admin):
    empty = {path: stack.get(path, admin).json() for path in READS}
    assert empty == {
        SESSIONS: {"sessions": []},
        "/api/dashboard/stats": {"online_count": 0, "offline_count": 0, "avg_cpu": 0.0,
                                 "avg_memory": 0.0, "avg_disk": 0.0},
        "/api/dashboard/recent-activity": {"activities": []},
        "/api/dashboard/recent-machines": {"machines": []}}
    assert re.search(rb'"avg_cpu":\s*0\.0\b', stack.get("/api/dashboard/stats", admin).body)


@pytest.mark.parametrize("hundredths, printed", [
    ([3550], "35.5"), ([4800], "48.0"), ([0], "0.0"), ([10000], "100.0"), ([3555], "35.6"),
    ([3554], "35.5"), ([4], "0.0"), ([5], "0.1"), ([1000, 1009], "10.0"), ([1000, 1010], "10.1"),
    ([0, 0, 1], "0.0"), ([3333, 3333, 3334], "33.3"), ([65535], "655.4")])
def test_numbers(stack, tenant, admin, hundredths, printed):
    """One decimal, rounded half up, in the very bytes of the reply."""
    for value in hundredths:
        tenant.machine(cpu=value, memory=value, disk=value)
    for name in "avg_cpu", "avg_memory", "avg_disk":
        assert re.search(rf'"{name}":\s*{re.escape(printed)}[,}}]'.encode(),
                         stack.get("/api/dashboard/stats", admin).body)
    if len(hundredths) == 1:
        body = stack.get("/api/dashboard/recent-machines", admin).body
        for name in "cpu_percent", "memory_percent":
            assert re.search(rf'"{name}":\s*{re.escape(printed)}[,}}]'.encode(), body)


def test_offline_machines_count_but_weigh_nothing(stack, tenant, admin):
    tenant.machine(cpu=1000)
    tenant.machine(cpu=9000, seen=130)
    tenant.machine(cpu=9000, seen=None)
    stats = stack.get("/api/dashboard/stats", admin).json()
    assert (stats["online_count"], stats["offline_count"], stats["avg_cpu"]) == (1, 2, 10.0)


def test_unknown_browser_is_null(stack, tenant, admin):
    tenant.session(tenant.machine(), admin)
    row = check(stack.get(SESSIONS, admin), "sessions")["sessions"][0]
    assert row["browser"] is None and row["os"] is None


TEXTS = ["наблюдение 👁", 'a "quoted" \\ back/slash', "tab\tnewline\nbell\x07", "</script>", "x" * 255]


@pytest.mark.parametrize("text", TEXTS)
def test_text_survives(stack, tenant, admin, text):
    agent = tenant.machine(name=text)
    tenant.command(agent, admin, text)
    tenant.session(agent, admin, username=text, browser=text[:64], os=text[:64])
    for path in READS:
        assert check(stack.get(path, admin), OF_PATH[path]) == \
            Model(stack.database, admin).replies()[path]


def test_long_command(stack, tenant, admin):
    text = "echo " + "é" * 30000
    tenant.command(tenant.machine(), admin, text)
    assert ids(stack.get("/api/dashboard/recent-activity", admin), "activities",
               "command") == [text]


def test_many_sessions_in_one_reply(stack, tenant, admin):
    """Far more than a socket buffers."""
    agent = tenant.machine(name="m" * 255)
    for ago in range(1500):
        tenant.session(agent, admin, ago, username="u" * 255, browser="b" * 64, os="o" * 64)
    reply = stack.get(SESSIONS, admin)
    assert len(reply.body) > 1000000
    assert check(reply, "sessions") == Model(stack.database, admin).sessions()


def test_times_are_utc(stack, tenant, admin):
    agent = tenant.machine(seen=0)
    tenant.session(agent, admin)
    tenant.command(agent, admin)
    for path, name, key in ((SESSIONS, "sessions", "started_at"),
                            ("/api/dashboard/recent-activity", "activities", "timestamp"),
                            ("/api/dashboard/recent-machines", "machines", "last_active")):
        shown = datetime.strptime(ids(stack.get(path, admin), name, key)[0],
                                  "%Y-%m-%dT%H:%M:%SZ")
        assert abs((datetime.utcnow() - shown).total_seconds()) < 30


# --- order and limits


def test_newest_ten_commands(stack, tenant, admin):
    agent = tenant.machine()
    for ago in (30, 10, 20, *range(40, 52)):
        tenant.command(agent, admin, f"ran {ago} s ago", ago)
    commands = ids(stack.get("/api/dashboard/recent-activity", admin), "activities", "command")
    assert commands == [f"ran {ago} s ago" for ago in (10, 20, 30, *range(40, 47))]


def test_last_five_machines(stack, tenant, admin):
    seen = {tenant.machine(seen=ago): ago for ago in (300, 3, 2, 500, 7, 400, 130)}
    tenant.machine(seen=None)
    reply = stack.get("/api/dashboard/recent-machines", admin)
    assert ids(reply, "machines", "agent_id") == sorted(seen, key=seen.get)[:5]
    assert ids(reply, "machines", "status") == ["online"] * 3 + ["offline"] * 2


def test_sessions_newest_first(stack, tenant, admin):
    agent = tenant.machine()
    by_age = {ago: tenant.session(agent, admin, ago) for ago in (5, 1, 9, 3)}
    assert ids(stack.get(SESSIONS, admin)) == [by_age[ago] for ago in sorted(by_age)]


def test_only_live_sessions_are_listed(stack, tenant, admin):
    online, offline = tenant.machine(), tenant.machine(seen=130)
    alive = tenant.session(online, admin)
    tenant.session(online, admin, state="closing")
    tenant.session(online, admin, state="closed")
    tenant.session(offline, admin)
    tenant.session(tenant.machine(seen=None), admin)
    tenant.session("no-such-machine", admin)
    assert ids(stack.get(SESSIONS, admin)) == [alive]


# --- filters and paging


def test_filters(stack, tenant, admin):
    one, two = tenant.user(), tenant.user()
    a, b = tenant.machine(), tenant.machine()
    made = [tenant.session(agent, user, source=source)
            for agent in (a, b) for user in (one, two) for source in ("ui", "cli", "vscode")]
    every = ids(stack.get(SESSIONS, admin))
    assert sorted(every) == sorted(made)
    rows = stack.get(SESSIONS, admin).json()["sessions"]
    for filters in ({"agent_id": a}, {"user_id": two.user_id}, {"source": "cli"},
                    {"agent_id": b, "user_id": one.user_id, "source": "vscode"},
                    {"agent_id": "nobody"}, {"user_id": "x" * 64}):
        query = "&".join(f"{name}={value}" for name, value in filters.items())
        assert stack.get(f"{SESSIONS}?{query}", admin).json() == {"sessions": [
            row for row in rows if filters.items() <= row.items()]}


def test_filter_narrows_but_never_widens(stack, tenant, admin):
    stranger = Tenant(stack)
    agent = stranger.machine()
    stranger.session(agent, admin)
    assert ids(stack.get(f"{SESSIONS}?agent_id={agent}", tenant.user())) == []


def test_encoded_and_unknown_parameters(stack, tenant, admin):
    agent = tenant.machine()
    session = tenant.session(agent, admin)
    encoded = "".join(f"%{ord(char):02x}" for char in agent)
    for name in "agent_id", "agent%5fid":
        assert ids(stack.get(f"{SESSIONS}?_=17&{name}={encoded}&&_=%zz", admin)) == [session]
    assert check_error(stack.get(f"{SESSIONS}?agentid={encoded}", admin), 400) == \
        "Unknown query parameter 'agentid'"
    assert "reson" in check_error(stack.delete(f"{session}?reson=maintenance", admin), 400)
    assert ids(stack.get(SESSIONS, admin)) == [session]


def pages(stack, by, limit, between=lambda: None):
    """All pages, following next_cursor."""
    query = f"limit={limit}"
    while True:
        body = check(stack.get(f"{SESSIONS}?{query}", by), "sessions")
        assert list(body) == ["sessions", "next_cursor"]
        yield [row["session_id"] for row in body["sessions"]]
        if body["next_cursor"] is None:
            return
        query = f"limit={limit}&cursor={body['next_cursor']}"
        between()


@pytest.mark.parametrize("limit", [1, 4, 11, 12, 13, 1000])
def test_paging(stack, tenant, admin, limit):
    """Twelve sessions in three ties of started_at, cut everywhere."""
    agent = tenant.machine()
    for at in "01", "02", "03":
        for _ in range(4):
            session = tenant.session(agent, admin)
            stack.database.query("UPDATE sessions SET started_at = %s WHERE session_id = %s",
                                 f"2026-02-06 12:00:{at}.500", session)
    every = ids(stack.get(SESSIONS, admin))
    assert every == [row["session_id"] for row in Model(stack.database, admin).sessions()[
        "sessions"]] and len(every) == 12
    cut = list(pages(stack, admin, limit))
    assert [session for page in cut for session in page] == every
    assert len(cut) == -(-12 // limit), "the last page says that it is the last"


@pytest.mark.parametrize("role", ["user", "company_admin", "super_admin"])
def test_paging_while_sessions_come_and_go(stack, tenant, role):
    user = tenant.user(role)
    agent = tenant.machine(granted=user)
    old = [tenant.session(agent, user, ago) for ago in range(30, 0, -1)][::-1]

    def between():
        tenant.session(agent, user)
        tenant.session(agent, user, 5)

    seen = [session for page in pages(stack, user, 7, between) for session in page]
    assert len(seen) == len(set(seen))
    assert [session for session in seen if session in old] == old


def test_paging_with_filter(stack, tenant, admin):
    agent, other = tenant.machine(), tenant.machine()
    made = [tenant.session(machine, admin, ago) for ago in range(9) for machine in (agent, other)]
    first = stack.get(f"{SESSIONS}?agent_id={agent}&limit=5", admin).json()
    rest = stack.get(f"{SESSIONS}?agent_id={agent}&limit=5&cursor={first['next_cursor']}", admin)
    assert [row["session_id"] for row in first["sessions"]] + ids(rest) == made[::2]


def test_empty_page(stack, admin):
    assert stack.get(f"{SESSIONS}?limit=1", admin).json() == {"sessions": [], "next_cursor": None}


# --- methods and headers


def test_closing_reply(stack, tenant, admin):
    session = tenant.session(tenant.machine(), admin)
    assert check(stack.delete(session, admin), "closed") == {"message": "Session closed"}


@pytest.mark.parametrize("path", OF_PATH)
def test_head_is_get_without_the_body(stack, tenant, admin, path):
    tenant.session(tenant.machine(), admin)
    get, head = stack.get(path, admin), stack.request("HEAD", path, admin)
    assert (head.status, head.body) == (200, b"")
    for name in "Content-Type", "Cache-Control":
        assert head.headers[name] == get.headers[name]
    length = str(len(get.body))
    lengths = {reply.headers["Content-Length"] for reply in (get, head)}
    assert lengths == {length} if stack.tells_lengths else lengths <= {length, None}


ALLOWED = {**{path: "GET, HEAD" for path in [*OF_PATH, "/metrics"]},
           "/api/login": "GET, HEAD, POST, DELETE", f"{SESSIONS}/sess_1": "DELETE",
           "/api/sessions/sess_1": "GET, HEAD", "/api/sessions/sess_1/activity": "GET, HEAD",
           "/api/sessions": "GET, HEAD", "/api/audit": "GET, HEAD", "/api/activity": "GET, HEAD", "/api/agent/signals": "GET",
           "/api/dashboard/usage": "GET, HEAD", "/api/machines": "GET, HEAD",
           "/api/machines/sess_1": "GET, HEAD", "/api/machines/sess_1/usage": "GET, HEAD",
           **{f"/api/agent/{path}": "POST" for path in (
               "heartbeat", "sessions", "sessions/sess_1/end", "activity")}}


@pytest.mark.parametrize("path", ALLOWED)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS",
                                    "PROPFIND"])
def test_wrong_method(stack, admin, path, method):
    if method in ALLOWED[path].split(", "):
        return
    for by in admin, None:
        reply = stack.request(method, path, by, body=b"" if method == "POST" else None)
        assert reply.status == 405
        assert reply.headers["Allow"] == ALLOWED[path]
        if method != "HEAD":
            check_error(reply, reply.status)


@pytest.mark.parametrize("path", ALLOWED)
def test_no_route_takes_an_unknown_parameter(stack, tenant, admin, path):
    by = tenant.user("super_admin") if path in ("/metrics", "/api/audit") else admin
    if path.startswith("/api/agent/"):
        by = Machine(tenant)
    for method in ALLOWED[path].split(", "):
        reply = stack.request(method, f"{path}?x=1", by, body=b"{}" if method == "POST" else None)
        assert reply.status == 400
        if method != "HEAD":
            assert check_error(reply, 400) == "Unknown query parameter 'x'"


@pytest.mark.parametrize("path", [
    "/api", "/api/terminal", "/api/terminal/sessions/", "/api/dashboard/stats/",
    "/api/dashboard/stat", "/api/dashboard/statss", "/api/dashboard", "/healthy", "/health/",
    "/health/live", "/API/dashboard/stats", "/api/terminal/sessions/sess_1/x", "/favicon.ico",
    "/index.php", "/" + "a/" * 550, "/api/sessions/", "/api/agent",
    "/api/agent/sessions/sess_1", "/api/agent/sessions/sess_1/end/", "/api/agent/sessions//end",
    "/api/agent/sessions/a/b/end", "/api/agent/session/sess_1/end"])
def test_unknown_path(stack, admin, path):
    for by in admin, None:
        check_error(stack.get(path, by), 404)


def test_every_reply_has_its_own_id_and_is_not_stored(stack, tenant, admin):
    replies = [stack.request(method, path, by) for method, path in (
        ("GET", "/health"), ("GET", SESSIONS), ("GET", "/nowhere"), ("PUT", SESSIONS),
        ("DELETE", f"{SESSIONS}/none"), ("HEAD", SESSIONS)) for by in (admin, None)]
    assert {reply.status for reply in replies} == {200, 401, 404, 405}
    for reply in replies:
        assert re.fullmatch("[0-9a-f]{16}", reply.headers["X-Request-Id"])
        assert reply.headers["Cache-Control"] == "no-store"
        assert len(reply.headers.get_all("Content-Type")) == 1
    assert len({reply.headers["X-Request-Id"] for reply in replies}) == len(replies)


def test_ids_of_fresh_workers_differ(new_stack, stack):
    stacks = [new_stack(database=stack.database, keys=stack.keys, workers=2) for _ in range(2)]
    seen = [each.get("/health").headers["X-Request-Id"] for each in stacks for _ in range(20)]
    logged = [line for each in stacks for line in re.findall(r"\bid=([0-9a-f]{16})",
                                                             each.log.read_text())]
    assert len(set(seen)) == len(seen)
    assert len(set(logged)) == len(logged)


def test_the_log_names_the_request(stack, tenant, admin):
    replies = [stack.get("/nowhere", admin), stack.get(SESSIONS), stack.delete("none", admin)]
    log = stack.log.read_text(errors="replace")
    for reply in replies:
        line, = [line for line in log.splitlines() if reply.headers["X-Request-Id"] in line]
        assert "event=" in line and f"status={reply.status}" in line
    assert admin.token not in log and admin.token.split(".")[2] not in log


def test_challenges(stack, admin):
    assert stack.get(SESSIONS).headers["WWW-Authenticate"] == 'Bearer realm="vsay"'
    assert stack.get(SESSIONS, token="x").headers["WWW-Authenticate"] == \
        'Bearer realm="vsay", error="invalid_token"'
    assert stack.get(SESSIONS, admin).headers["WWW-Authenticate"] is None


# --- CORS

ORIGIN = {"Origin": "https://console.example.com"}


@pytest.mark.parametrize("path, method", [(path, "GET") for path in OF_PATH] +
                         [(f"{SESSIONS}/sess_1", "DELETE")])
def test_preflight(stack, path, method):
    reply = stack.request("OPTIONS", path, headers={
        **ORIGIN, "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": "authorization"})
    assert (reply.status, reply.body) == (204, b"")
    assert reply.headers["Access-Control-Allow-Origin"] == ORIGIN["Origin"]
    assert method in reply.headers["Access-Control-Allow-Methods"].split(", ")
    assert "authorization" in reply.headers["Access-Control-Allow-Headers"].lower().split(", ")
    assert "origin" in reply.headers["Vary"].lower()


@pytest.mark.parametrize("origin", ["https://evil.example", "https://console.example.com.evil.net",
                                    "http://console.example.com", "null", "*", "",
                                    "https://CONSOLE.example.com"])
def test_no_preflight_for_other_origins(stack, admin, origin):
    reply = stack.request("OPTIONS", SESSIONS, headers={
        "Origin": origin, "Access-Control-Request-Method": "GET"})
    check_error(reply, 405)
    assert "Access-Control-Allow-Origin" not in reply.headers
    reply = stack.get(SESSIONS, admin, headers={"Origin": origin})
    assert reply.status == 200 and "Access-Control-Allow-Origin" not in reply.headers


def test_options_without_preflight_is_a_wrong_method(stack):
    check_error(stack.request("OPTIONS", SESSIONS), 405)
    check_error(stack.request("OPTIONS", SESSIONS, headers=ORIGIN), 405)
    check_error(stack.request("OPTIONS", "/nowhere", headers={
        **ORIGIN, "Access-Control-Request-Method": "GET"}), 404)


def test_replies_to_a_listed_origin(stack, tenant, admin):
    for reply in stack.get(SESSIONS, admin, headers=ORIGIN), stack.get(SESSIONS, headers=ORIGIN):
        assert reply.headers["Access-Control-Allow-Origin"] == ORIGIN["Origin"]
        assert "origin" in reply.headers["Vary"].lower()
