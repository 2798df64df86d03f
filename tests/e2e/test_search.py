# SPDX-License-Identifier: MIT
"""History and search: every filter on random data against a model, pages, bounds, formats."""
import csv
import io
import json
import random
import re
from datetime import datetime, timedelta
from urllib.parse import quote, urlencode

import pytest

from fleet import Tenant, unique
from model import Model, rfc3339
from schemas import check, check_error
from stack import write_conf

pytestmark = [pytest.mark.core, pytest.mark.databases(cluster=False)]

SESSIONS, ACTIVITY = "/api/sessions", "/api/activity"
ROLES = "user", "company_admin", "super_admin"
TEXTS = ["make", "MAKE all", "echo 100%", "a_b", "axb", "größer", "GRÖSSER", "groesser", "=1+1",
         "two\nlines", 'say "no", twice', "наблюдение", "НАБЛЮДЕНИЕ", "👁", "back\\slash", "it's"]
QUERIES = ["make", "MaKe", "%", "_", "100%", "größ", "GRÖSS", "gross", "наблюд", "НАБЛ", "👁", "\\",
           "'", '"', "lines", "=1", "no such text", "machine", "user", "sess_"]
START = datetime(2026, 2, 6, 12)


def at(seconds):
    return START + timedelta(seconds=seconds)


class History:
    """Rows of two tenants with equal user ids and machine ids, at few different times."""

    def __init__(self, stack):
        self.stack, self.dice = stack, random.Random(7)
        tenants = Tenant(stack), Tenant(stack)
        self.tenants = [tenant.id for tenant in tenants]
        names = [unique("alice"), unique("bob"), unique("carol")]
        people = [[tenant.user(user_id=name) for name in names] for tenant in tenants]
        self.people, self.machines = names, [unique("agent") for _ in range(6)]
        for number, agent in enumerate(self.machines):
            tenant = number % 2
            tenants[tenant].machine(agent_id=agent, name=f"Machine {number} Ж",
                                    owner=people[tenant][0] if number < 2 else None,
                                    granted=people[tenant][1] if number % 3 else None)
        tenants[1].grant(people[0][0], self.machines[1])  # crosses the wall: gives nothing
        self.users = [*people[0][:2], people[1][0], *(
            tenants[0].user(role) for role in ("user", "company_admin", "super_admin"))]
        self.sessions, self.numbers, self.of = [], {}, {}  # how many commands, whose
        for _ in range(150):
            self.sessions.append(self.add_session(people))
        for _ in range(600):
            self.add_command()
        self.database = stack.database

    def pick(self, *options):
        return self.dice.choice(options)

    def when(self):
        return at(self.dice.randrange(40) * 0.5)

    def insert(self, table, **columns):
        self.stack.database.query(
            f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join(['%s'] * len(columns))})",
            *columns.values())

    def whose(self, people):
        user = self.dice.choice(people[self.dice.random() < 0.3])
        return {"tenant_id": user.tenant, "user_id": user.user_id, "username": user.username,
                "agent_id": self.dice.choice(self.machines),
                "source": self.pick("ui", "cli", "vscode")}

    def add_session(self, people):
        session, state = unique("sess_"), self.pick("active", "closing", "closed", "closed")
        self.numbers[session], self.of[session] = 0, self.whose(people)
        started = self.when()
        self.insert("sessions", session_id=session, state=state, started_at=started,
                    ended_at=at(900) if state == "closed" else None,
                    close_reason=self.pick("exited", None) if state == "closed" else None,
                    exit_code=self.pick(0, 1, None) if state == "closed" else None,
                    source_address=self.pick("192.0.2.7", None),
                    last_activity_at=self.pick(self.when(), None),
                    browser=self.pick("Chrome", None), os=self.pick("macOS", None),
                    not_recorded_reason=self.pick("no integration", None), **self.of[session])
        if state != "active":
            self.insert("signals", session_id=session, agent_id=self.machines[0],
                        requested_by=self.dice.choice(self.people), requested_by_username="x",
                        requested_at=self.when() + timedelta(seconds=60),
                        reason=self.pick("", "maintenance"),
                        attempts=self.dice.randrange(3), due_at=None,
                        outcome=self.pick("confirmed", "vanished", None))
        return session, started

    def add_command(self):
        session = self.dice.choice(self.sessions)[0]
        self.numbers[session] += 1
        self.insert("commands", session_id=session, seq=self.numbers[session],
                    command=self.dice.choice(TEXTS), success=self.pick(0, 1, None),
                    exit_code=self.pick(0, 1, 255, None), executed_at=self.when(), **self.of[session])


@pytest.fixture(scope="module")
def history(module_stacks):
    return History(module_stacks(workers=1))


class Searched(Model):
    """What a search must find, from all rows."""

    def __init__(self, database, user):
        super().__init__(database, user)
        self.signals = {row["session_id"]: row for row in database.query("SELECT * FROM signals")}
        self.state, self.last = {}, {}
        for row in database.query("SELECT session_id, state FROM sessions"):
            self.state[row["session_id"]] = row["state"]
        for row in database.query("SELECT session_id, MAX(seq) AS n FROM commands GROUP BY 1"):
            self.last[row["session_id"]] = row["n"]

    def name(self, row):
        machine = self.machine.get(row["agent_id"])
        return machine["name"] if machine and machine["tenant_id"] == row["tenant_id"] else None

    def success(self, row):
        if row["success"] is None and self.state.get(row["session_id"]) == "closed":
            return False
        return None if row["success"] is None else bool(row["success"])

    def matches(self, row, filters, time):
        for name in "user_id", "agent_id", "source", "session_id":
            if name in filters and row[name] != filters[name]:
                return False
        return not ("from" in filters and row[time] < filters["from"] or
                    "to" in filters and row[time] >= filters["to"])

    def find_sessions(self, filters):
        def text(row):
            return "\n".join(filter(None, (row["session_id"], row["agent_id"], row["user_id"],
                                           row["username"], self.name(row)))).lower()

        def order(row):
            if "ended_by" in filters and self.user.role == "super_admin":
                signal = self.signals[row["session_id"]]
                return signal["requested_at"], signal["id"]
            return row["started_at"], row["id"]

        rows = [row for row in self.visible_sessions
                if self.matches(row, filters, "started_at")
                and filters.get("status", row["state"]) == row["state"]
                and filters.get("q", "").lower() in text(row)
                and ("ended_by" not in filters or self.signals.get(row["session_id"], {}).get(
                    "requested_by") == filters["ended_by"])]
        return [self.session(row) for row in sorted(rows, key=order, reverse=True)]

    def session(self, row):
        signal, time = self.signals.get(row["session_id"]), lambda time: time and rfc3339(time)
        return {
            **{name: row[name] for name in ("session_id", "agent_id")},
            "machine_name": self.name(row) or row["agent_id"],
            **{name: row[name] for name in ("user_id", "username", "source")},
            "status": row["state"], "started_at": time(row["started_at"]),
            **{name: row[name] for name in ("browser", "os")},
            "ended_at": time(row["ended_at"]), "close_reason": row["close_reason"],
            "termination": signal and {
                "requested_by": signal["requested_by"],
                "requested_at": time(signal["requested_at"]),
                "delivered_at": time(signal["delivered_at"]), "attempts": signal["attempts"],
                "confirmed_at": time(signal["confirmed_at"]), "outcome": signal["outcome"],
                "requested_by_username": signal["requested_by_username"],
                "reason": signal["reason"] or None},
            "exit_code": row["exit_code"], "recorded": row["not_recorded_reason"] is None,
            "not_recorded_reason": row["not_recorded_reason"],
            "source_address": row["source_address"],
            "last_activity_at": time(row["last_activity_at"]),
            "commands": self.last.get(row["session_id"], 0)}

    def find_commands(self, filters):
        order = "seq" if "session_id" in filters else "executed_at"
        rows = [row for row in self.visible_commands
                if self.matches(row, filters, "executed_at")
                and filters.get("q", "").lower() in row["command"].lower()
                and filters.get("success", self.success(row)) == self.success(row)]
        rows.sort(key=lambda row: (row[order], row["id"]), reverse=True)
        return [{
            "id": f"log_{row['id']}", "session_id": row["session_id"], "command": row["command"],
            "machine_name": self.name(row) or row["agent_id"], "agent_id": row["agent_id"],
            "user_id": row["user_id"], "username": row["username"], "source": row["source"],
            "timestamp": rfc3339(row["executed_at"]), "success": self.success(row),
            "exit_code": row["exit_code"]} for row in rows]


def said(value):
    if isinstance(value, datetime):
        return value.isoformat() + "Z"
    return str(value).lower() if isinstance(value, bool) else value


def pages(stack, path, by, filters=(), limit=None):
    """The bodies of all pages, by their Link."""
    query = urlencode({name: said(value) for name, value in dict(filters).items()} |
                      ({"limit": limit} if limit else {}))
    while True:
        reply = stack.get(f"{path}?{query}", by)
        body = check(reply, "history" if path == SESSIONS else "commands")
        assert reply.headers["Vary"] == "Accept" or "Accept" in reply.headers.get_all("Vary")
        yield body
        if body["next_cursor"] is None:
            assert "Link" not in reply.headers and body["searched_to"] is None
            return
        link, _, rest = reply.headers["Link"].partition(">")
        assert rest == '; rel="next"' and body["next_cursor"] in link
        assert link.startswith(f"<{path}?")
        query = link.partition("?")[2]


def everything(stack, path, by, filters=(), limit=None):
    name = "sessions" if path == SESSIONS else "activities"
    return [row for body in pages(stack, path, by, filters, limit) for row in body[name]]


def filters_of(history, path):
    """One that has each filter often, and each pair of them sometimes."""
    dice, choices = history.dice, {
        "user_id": history.people + ["nobody"], "agent_id": history.machines + ["nothing"],
        "source": ["ui", "cli", "vscode"], "q": QUERIES,
        "from": [at(number * 0.5) for number in range(0, 40, 3)],
        "to": [at(number * 0.5) for number in range(0, 41, 3)]}
    if path == SESSIONS:
        choices |= {"status": ["active", "closing", "closed"], "ended_by": history.people}
    else:
        choices |= {"session_id": [session for session, _ in history.sessions],
                    "success": [True, False]}
    names = dice.sample(sorted(choices), dice.choice([0, 1, 1, 1, 2, 2, 3, 4]))
    return {name: dice.choice(choices[name]) for name in names}


@pytest.mark.parametrize("path", [SESSIONS, ACTIVITY])
def test_filters_against_the_model(history, path):
    models = [Searched(history.database, user) for user in history.users]
    found = 0
    for _ in range(60):
        filters, limit = filters_of(history, path), history.dice.choice([None, 1, 3, 50, 1000])
        model = history.dice.choice(models)
        rows = (model.find_sessions if path == SESSIONS else model.find_commands)(filters)
        found += bool(rows)
        assert everything(history.stack, path, model.user, filters,
                          limit if len(rows) < 60 else limit and max(limit, 50)) == rows, \
            (model.user, filters, limit)
    assert found > 15


def test_commands_of_a_session(history):
    """All of them, by pages; who may not see the session is told that there is none."""
    session = max(history.numbers, key=history.numbers.get)
    for user in history.users:
        path, model = f"{SESSIONS}/{session}/activity", Searched(history.database, user)
        if session not in {row["session_id"] for row in model.visible_sessions}:
            assert check_error(history.stack.get(path, user), 404) == "Session not found"
            continue
        rows = [row for row in model.find_commands({"session_id": session})]
        assert everything(history.stack, path, user, limit=2) == rows
        assert user.role == "user" or rows
    assert check_error(history.stack.get(f"{SESSIONS}/none/activity", history.users[-1]), 404)


# --- bounds

MANY = 26000  # more than one request looks at


def numbers(count):
    """A table of the numbers below it, as any server has it."""
    digits = "(SELECT 0 AS d" + "".join(f" UNION ALL SELECT {d}" for d in range(1, 10)) + ")"
    tables = ", ".join(f"{digits} t{place}" for place in range(len(str(count - 1))))
    value = " + ".join(f"t{place}.d * {10 ** place}" for place in range(len(str(count - 1))))
    return f"(SELECT {value} AS n FROM {tables} HAVING n < {count}) numbers"


@pytest.fixture(scope="module")
def long_history(history):
    """A tenant with one session whose commands are more than a request looks at, with needles: the
    newest, some, the oldest; many sessions; and a user with more machines than are searched one by
    one."""
    tenant = Tenant(history.stack)
    alice, agent, session = tenant.user(), tenant.machine(), unique("sess_")
    tenant.session(agent, alice, session_id=session)
    insert = "INSERT INTO {} (session_id, tenant_id, agent_id, user_id, username, source, {}) SELECT "
    query = history.stack.database.query
    query(insert.format("commands", "seq, command, executed_at") +
          f"'{session}', %s, %s, %s, 'x', 'ui', n + 1, IF(n %% 6500 = 0 OR n = {MANY - 1}, "
          f"'needle', 'hay'), '2026-01-01' + INTERVAL n SECOND FROM {numbers(MANY)}",
          tenant.id, agent, alice.user_id)
    query(insert.format("sessions", "state, started_at") +
          f"CONCAT('{session}-', n), %s, %s, %s, IF(n %% 9000, 'x', 'Needle'), 'ui', 'closed', "
          f"'2026-01-01' + INTERVAL n SECOND FROM {numbers(MANY)}", tenant.id, agent, alice.user_id)
    query(f"INSERT INTO machines (agent_id, tenant_id, name, created_at) SELECT CONCAT('{agent}-', n), "
          f"%s, 'm', UTC_TIMESTAMP() FROM {numbers(150)}", tenant.id)
    bob = tenant.user()
    query(f"INSERT INTO machine_access (tenant_id, user_id, agent_id, relation) SELECT %s, %s, "
          f"CONCAT('{agent}-', n), 'granted' FROM {numbers(150)}", tenant.id, bob.user_id)
    for number in range(150):
        tenant.command(f"{agent}-{number}", alice, "on bob's", ago=number + 86400 * 900)
    tenant.alice, tenant.bob, tenant.admin = alice, bob, tenant.user("company_admin")
    tenant.session_id, tenant.agent = session, agent
    return tenant


@pytest.mark.parametrize("by", ["alice", "admin"])
@pytest.mark.parametrize("filters", [{}, {"session"}, {"agent"}, {"user"}], ids=str)
def test_a_search_goes_on(history, long_history, by, filters):
    """Where a request has looked at all that it may, and finds all in the end."""
    given = {"q": "NEEDLE", **{f"{name}_id": value for name, value in (
        ("session", long_history.session_id), ("agent", long_history.agent),
        ("user", long_history.alice.user_id)) if name in filters}}
    bodies = list(pages(history.stack, ACTIVITY, getattr(long_history, by), given))
    assert [len(body["activities"]) for body in bodies] == [4, 1]
    assert bodies[0]["searched_to"] == rfc3339(datetime(2026, 1, 1) + timedelta(seconds=MANY - 20000))
    times = [row["timestamp"] for body in bodies for row in body["activities"]]
    assert times == sorted(times, reverse=True) and times[-1] == "2026-01-01T00:00:00Z"
    few = everything(history.stack, ACTIVITY, getattr(long_history, by), given, limit=2)
    assert [row["timestamp"] for row in few] == times


def test_a_search_of_sessions_goes_on(history, long_history):
    bodies = list(pages(history.stack, SESSIONS, long_history.admin, {"q": "needle"}))
    assert [len(body["sessions"]) for body in bodies] == [2, 1]  # other states looked empty
    nothing = list(pages(history.stack, SESSIONS, long_history.alice, {"source": "vscode"}))
    assert [body["sessions"] for body in nothing] == [[]] * len(nothing) and len(nothing) > 1


def test_a_user_with_many_machines(history, long_history):
    """More than are searched one by one."""
    assert [row["command"] for row in everything(
        history.stack, ACTIVITY, long_history.bob)] == ["on bob's"] * 150
    agent = f"{long_history.agent}-7"
    for filters in {"agent_id": agent}, {"agent_id": agent, "user_id": long_history.alice.user_id}:
        row, = everything(history.stack, ACTIVITY, long_history.bob, filters)
        assert row["agent_id"] == agent


# --- what a page tells of rows that its caller may not see


@pytest.fixture(scope="module")
def ended(long_history):
    """Somebody asked all sessions of that tenant to end."""
    ender = unique("ender")
    long_history.stack.database.query(
        "INSERT INTO signals (session_id, agent_id, requested_by, requested_by_username, requested_at, "
        "reason, due_at, outcome) SELECT session_id, agent_id, %s, 'x', started_at, '', NULL, "
        "'confirmed' FROM sessions WHERE tenant_id = %s AND state = 'closed'", ender, long_history.id)
    return ender


def callers(tenant):
    """Who may see nothing of that tenant's long history: of another one, and of it."""
    other = Tenant(tenant.stack)
    yield from (other.user(user_id=tenant.alice.user_id), other.user("company_admin"), tenant.user())
    granted, agent = tenant.user(), tenant.machine()
    tenant.grant(granted, agent)
    tenant.command(agent, granted, "needle")
    yield granted


def test_nothing_of_other_tenants(history, long_history, ended):
    """No next page either, from which one could tell that there is something, and when."""
    for by in callers(long_history):
        for path, filters in ((SESSIONS, {"ended_by": ended}),
                              (ACTIVITY, {"session_id": long_history.session_id}),
                              (ACTIVITY, {"session_id": long_history.session_id, "q": "hay"})):
            body, = pages(history.stack, path, by, filters)
            assert body["sessions" if path == SESSIONS else "activities"] == []
            assert body["next_cursor"] is None and body["searched_to"] is None


def test_ended_by_in_the_own_tenant(history, long_history, ended):
    first = []
    for by in long_history.alice, long_history.admin, long_history.user("super_admin"):
        body = next(pages(history.stack, SESSIONS, by, {"ended_by": ended}, limit=7))
        first.append([row["session_id"] for row in body["sessions"]])
    assert first[0] == [f"{long_history.session_id}-{MANY - 1 - number}" for number in range(7)]
    assert first[0] == first[1] == first[2]


@pytest.mark.parametrize("path, filters", [
    (ACTIVITY, {"q": "hay"}), (ACTIVITY, {"q": "bob's"}), (ACTIVITY, {"source": "vscode"}),
    (ACTIVITY, {"user_id": "alice"}), (SESSIONS, {"q": "Needle"}), (SESSIONS, {"ended_by": "ender"})],
    ids=str)
def test_places_of_hidden_rows(history, long_history, ended, path, filters):
    """Who has many machines is searched for in the whole tenant: a page then ends at a full time, or
    at a row that it has."""
    known = {"ended_by": ended, "user_id": long_history.alice.user_id}
    filters = {name: known.get(name, value) for name, value in filters.items()}
    bodies = list(pages(history.stack, path, long_history.bob, filters))
    rows = [row for body in bodies for row in body["sessions" if path == SESSIONS else "activities"]]
    assert len(rows) == (150 if {"bob's", known["user_id"]} & {*filters.values()} else 0)
    ends = [body["next_cursor"] for body in bodies[:-1]]
    assert ends
    for body, cursor in zip(bodies, ends):
        if body["searched_to"]:
            assert re.fullmatch(r"\d{8}T\d\d0000\.000000-0", cursor), cursor
            assert body["searched_to"].endswith(":00:00Z")
        else:
            assert f"log_{cursor.partition('-')[2]}" == body["activities"][-1]["id"]


def test_long_commands_make_short_pages(history):
    tenant = Tenant(history.stack)
    admin, agent = tenant.user("company_admin"), tenant.machine()
    for ago in range(100):
        tenant.command(agent, admin, "x" * 60000, ago)
    sizes = [len(body["activities"]) for body in pages(history.stack, ACTIVITY, admin)]
    assert sum(sizes) == 100 and len(sizes) == 2


# --- pages while rows are added


@pytest.mark.parametrize("path", [SESSIONS, ACTIVITY])
def test_pages_under_inserts(stack, path):
    """What was there is there once, whatever is added meanwhile before, between and after."""
    tenant = Tenant(stack)
    admin, agent = tenant.user("company_admin"), tenant.machine()
    dice = random.Random(3)

    def add():
        ago = dice.choice([0, 1, 2, 500, 501, 502, 1000, 2000])
        if path == SESSIONS:
            tenant.session(agent, admin, ago, state=dice.choice(["active", "closed"]))
        else:
            tenant.command(agent, admin, ago=ago)

    key = "session_id" if path == SESSIONS else "id"
    for _ in range(60):
        add()
    before = {row[key] for row in everything(stack, path, admin)}
    seen = []
    for body in pages(stack, path, admin, limit=7):
        seen += [row[key] for row in body["sessions" if path == SESSIONS else "activities"]]
        for _ in range(5):
            add()
        if len(seen) > 400:
            break
    assert len(before) == 60 and before <= set(seen) and len(set(seen)) == len(seen)


# --- forms


def test_csv_and_ndjson(history):
    user = history.users[-1]
    for path, name in (SESSIONS, "sessions"), (ACTIVITY, "activities"):
        whole = history.stack.get(f"{path}?limit=40", user)
        lines = history.stack.get(f"{path}?limit=40", user,
                                  headers={"Accept": "application/x-ndjson"})
        table = history.stack.get(f"{path}?limit=40", user,
                                  headers={"Accept": "text/csv, application/json;q=0.5"})
        rows = whole.json()[name]
        assert [json.loads(line) for line in lines.body.decode().splitlines()] == rows
        assert lines.headers["Link"] == table.headers["Link"] == whole.headers["Link"]
        read = list(csv.DictReader(io.StringIO(table.body.decode(), newline="")))
        assert table.body.count(b"\r\n") >= 41 and read == [flat(row) for row in rows]


def flat(row):
    """As CSV has it."""
    cells = {}
    for name, value in row.items():
        if name == "termination":
            cells |= {f"{name}.{member}": said_in_csv(value and value[member]) for member in (
                "requested_by", "requested_at", "delivered_at", "attempts", "confirmed_at",
                "outcome", "requested_by_username", "reason")}
        else:
            cells[name] = said_in_csv(value)
    return cells


def said_in_csv(value):
    if value is None or isinstance(value, bool):
        return "" if value is None else str(value).lower()
    return "'" + value if isinstance(value, str) and value[:1] in "=+-@\t\r" and value else str(value)


@pytest.mark.parametrize("accept, kind", [
    ("text/csv;q=0.2, application/json;q=0.1", "text/csv"), ("text/html", "application/json"),
    ("*/*", "application/json"), ("application/x-ndjson, */*;q=0.1", "application/x-ndjson")])
def test_accept(history, accept, kind):
    reply = history.stack.get(ACTIVITY, history.users[-1], headers={"Accept": accept})
    assert reply.status == 200 and reply.headers["Content-Type"].partition(";")[0] == kind


def test_links_below_a_prefix(history, new_worker, directory):
    conf = write_conf(directory / "vsay.conf", {
        **history.stack.settings, "api": {**history.stack.settings["api"], "prefix": "/vsay"}})
    admin = history.users[-2]
    worker, rows, path = new_worker(conf), 0, f"/vsay{SESSIONS}?limit=30&q=%C4%B6ENNE%20%26"
    assert worker.get(path, admin).json()["sessions"] == []
    path = f"/vsay{SESSIONS}?limit=30&q=MACHINE%20"
    while path:
        reply = worker.get(path, admin)
        rows += len(reply.json()["sessions"])
        path = re.sub("^<(.*)>.*", r"\1", reply.headers.get("Link", ""))
        assert not path or path.startswith(f"/vsay{SESSIONS}?q=MACHINE%20&limit=30&cursor=")
    assert rows > 30


def test_other_routes_are_json(stack, admin):
    """The reference's, whatever is accepted."""
    reply = stack.get("/api/terminal/sessions", admin, headers={"Accept": "text/csv"})
    assert reply.json() == {"sessions": []}


@pytest.mark.parametrize("query", [
    "limit=0", "limit=1001", "cursor=x", "status=open", "source=", "success=1", "success=TRUE",
    "q=", "q=%00", "q=%0a", "q=" + "x" * 201, "from=today", "to=2026-02-30T00:00:00Z",
    "from=2026-02-06T12:00:00+02:00", "ended_by=%20", "session_id=a/b", "user_id=", "agent_id=%ff",
    "limit=1&limit=1", "agentid=a"])
@pytest.mark.parametrize("path", [SESSIONS, ACTIVITY])
def test_bad_parameters(stack, admin, path, query):
    assert query.split("=")[0].rstrip("0") in check_error(stack.get(f"{path}?{query}", admin), 400)


def test_times_with_an_offset(stack, tenant, admin):
    tenant.command(tenant.machine(), admin, "now")
    for name, found in ("from", 0), ("to", 1):
        time = quote((datetime.utcnow() + timedelta(hours=5)).isoformat() + "+02:00")
        assert len(everything(stack, f"{ACTIVITY}", admin, {})) == 1
        reply = stack.get(f"{ACTIVITY}?{name}={time}", admin)
        assert len(reply.json()["activities"]) == found
