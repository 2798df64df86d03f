# SPDX-License-Identifier: MIT
"""vsayctl machine, grant and revoke."""
import contextlib
import re
import resource
import signal
import stat
import time
from concurrent.futures import ThreadPoolExecutor

import jwt
import MySQLdb
import pytest

from ctl import PASSWORD, Operator
from fleet import unique
from stack import REPO

TABLES = "machines", "machine_access", "sessions", "signals", "commands"


@pytest.fixture
def operator(stack, directory):
    return Operator(stack, directory)


def rows(stack, table, **columns):
    where = " AND ".join(f"{name} = %s" for name in columns) or "TRUE"
    return stack.database.query(f"SELECT * FROM {table} WHERE {where}", *columns.values())


def everything(stack):
    return {table: rows(stack, table) for table in TABLES}


def machine(stack, agent):
    [row] = rows(stack, "machines", agent_id=agent)
    return row


def claims(stack, printed):
    """Of a token that was printed, alone."""
    assert printed.count("\n") == 1
    return jwt.decode(printed.strip(), stack.keys.signing["hs"], ["HS256"])


def test_add(stack, operator):
    agent = unique("added")
    found = claims(stack, operator.do("machine", "add", agent))
    row = machine(stack, agent)
    assert found["role"] == "agent" and found["agent_id"] == agent
    assert found["generation"] == row["token_generation"] > 0
    assert found["exp"] - found["iat"] == 3650 * 86400 and abs(found["iat"] - time.time()) < 30
    assert {"user_id", "username", "tenant_id"}.isdisjoint(found)
    assert row["tenant_id"] == "default" and row["name"] == agent
    assert row["last_heartbeat_at"] is None and row["report_seq"] == row["dropped_commands"] == 0
    assert rows(stack, "machine_access", agent_id=agent) == []


def test_add_with_everything(stack, operator, tenant):
    agent = unique("added")
    found = claims(stack, operator.do("machine", "add", "--name", "Büro 3, links", "--owner",
                                      "user_1", "--tenant", tenant.id, agent, "--ttl", "1h"))
    assert found["exp"] - found["iat"] == 3600
    assert machine(stack, agent)["name"] == "Büro 3, links"
    assert rows(stack, "machine_access", agent_id=agent) == [
        {"tenant_id": tenant.id, "user_id": "user_1", "agent_id": agent, "relation": "owner"}]


def test_add_again(stack, operator):
    agent = unique("added")
    operator.do("machine", "add", agent, "--name", "first")
    before = everything(stack)
    assert f"there is a machine {agent} already" in operator.fail(
        "machine", "add", agent, "--name", "second", "--owner", "user_1", "--tenant", "other")
    assert everything(stack) == before


def test_add_at_once(stack, operator):
    agent = unique("added")
    with ThreadPoolExecutor(4) as pool:
        ran = list(pool.map(lambda _: operator.try_to("machine", "add", agent), range(4)))
    assert sorted(each.returncode for each in ran) == [0, 1, 1, 1]
    [token] = [each.stdout for each in ran if each.returncode == 0]
    assert claims(stack, token)["generation"] == machine(stack, agent)["token_generation"]


@pytest.mark.parametrize("arguments", [
    ["machine"], ["machine", "dance"], ["machine", "add"],
    ["machine", "add", "a b"], ["machine", "add", ""], ["machine", "add", "x" * 65],
    ["machine", "add", "a", "b"], ["machine", "add", "a", "--tenant", "a/b"],
    ["machine", "add", "a", "--owner", "ä"], ["machine", "add", "a", "--ttl", "0"],
    ["machine", "add", "a", "--ttl", "1y"], ["machine", "add", "a", "--name", ""],
    ["machine", "add", "a", "--name", "x" * 256], ["machine", "add", "a", "--name", "a\x1b[1m"],
    ["machine", "add", "a", "--name", b"\xff"],
    ["machine", "list", "a"], ["machine", "list", "--tenant", ""],
    ["machine", "remove"], ["machine", "remove", "a/b"],
    ["machine", "rotate"], ["machine", "rotate", "a", "--ttl", "-1h"],
    ["grant", "--user-id", "u"], ["grant", "--agent-id", "a"],
    ["grant", "--user-id", "u", "--agent-id", "a", "--relation", "admin"],
    ["grant", "--user-id", "u v", "--agent-id", "a"], ["revoke", "--user-id", "u"],
    ["revoke", "--agent-id", "a"]])
def test_refused(stack, operator, arguments):
    before = everything(stack)
    operator.fail(*[each if isinstance(each, str) else each.decode(errors="surrogateescape")
                    for each in arguments], status=2)
    assert everything(stack) == before


@pytest.mark.parametrize("arguments", [
    ["machine", "remove", "nobody"], ["machine", "rotate", "nobody"],
    ["grant", "--user-id", "u", "--agent-id", "nobody"],
    ["revoke", "--user-id", "u", "--agent-id", "nobody"]])
def test_no_such_machine(stack, operator, arguments):
    before = everything(stack)
    assert "there is no machine nobody" in operator.fail(*arguments)
    assert everything(stack) == before


def commands():
    sources = "".join(path.read_text() for path in (REPO / "src" / "ctl").glob("cmd_*.c"))
    found = re.findall(r'^const struct subcommand cmd_\w+ = \{\n    \.name = "([^"]+)"', sources, re.M)
    assert len(found) >= 14  # else test_help would test nothing
    return found


@pytest.mark.parametrize("command", commands())
def test_help(operator, command):
    text, manual = operator.do(*command.split(), "--help"), (
        REPO / "docs" / "man" / "vsayctl.1").read_text()
    assert f"vsayctl [--config FILE] {command}" in text and f" {command} " in operator.do("--help")
    assert f"\n.Cm {command}\n" in manual and f"\n.It Cm {command}" in manual
    for option in re.findall(r"^ +(?:-\w, )?--([\w-]+)", text, re.M):
        assert re.search(rf"Fl -{option}[ \n]", manual), option


def test_rotate(stack, operator, tenant):
    agent = unique("rotated")
    first = claims(stack, operator.do("machine", "add", agent, "--tenant", tenant.id))
    stack.database.query("UPDATE machines SET report_seq = 99, name = 'kept' WHERE agent_id = %s",
                         agent)
    second = claims(stack, operator.do("machine", "rotate", agent, "--ttl", "2d"))
    assert second["generation"] == first["generation"] + 1 and second["agent_id"] == agent
    assert second["exp"] - second["iat"] == 2 * 86400 and second["role"] == "agent"
    row = machine(stack, agent)
    assert row["token_generation"] == second["generation"] and row["report_seq"] == 0
    assert row["name"] == "kept" and row["tenant_id"] == tenant.id


@pytest.mark.parametrize("command", ["add", "rotate"])
def test_nothing_changes_when_nothing_can_sign(stack, conf, operator, tenant, command):
    agent = tenant.machine() if command == "rotate" else unique("added")
    before = everything(stack)
    for keys in "", f"rs:RS256:{stack.keys.files['rs']}", "hs:HS256:/nowhere":
        operator.fail("machine", command, agent, conf=conf(auth={"keys": keys}))
    assert everything(stack) == before


def test_out(stack, operator, directory):
    """The token goes to a file that only its owner may read, whatever the umask and the old file say."""
    agent, path = unique("out"), directory / "agent.token"
    path.touch(0o644)
    generations = []
    for command in "add", "rotate":
        before = path.stat()
        assert operator.do("machine", command, agent, "--out", path) == ""
        generations.append(claims(stack, path.read_text())["generation"])
        assert stat.filemode(path.stat().st_mode) == "-rw-------"
        assert path.stat().st_ino != before.st_ino, "replaced, and not written in place"
    assert generations[1] == generations[0] + 1 == machine(stack, agent)["token_generation"]
    assert [each.name for each in directory.glob("agent.token*")] == ["agent.token"]


@pytest.mark.parametrize("command", ["add", "rotate"])
def test_out_fails_before_anything_changes(stack, operator, directory, tenant, command):
    """Also with a full disk, for which a limit of the file's size stands in."""
    agent = tenant.machine() if command == "rotate" else unique("out")
    (directory / "link").symlink_to("/nowhere")
    before = everything(stack)
    for path in directory, directory / "link", "/dev/stdout", "":
        operator.fail("machine", command, agent, "--out", path, status=2)
    operator.fail("machine", command, agent, "--out", "/nowhere/token")
    said = operator.fail("machine", command, agent, "--out", directory / "token",
                         preexec_fn=lambda: (signal.signal(signal.SIGXFSZ, signal.SIG_IGN),
                                             resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))))
    assert f"cannot write {directory}/token: " in said
    assert everything(stack) == before and not list(directory.glob("token*"))


def test_a_failure_leaves_the_old_file(stack, operator, directory):
    path = directory / "token"
    for old in None, "precious\n":
        if old:
            path.write_text(old)
        operator.fail("machine", "rotate", "nobody", "--out", path)
        assert [each.read_text() for each in directory.glob("token*")] == ([old] if old else [])


def test_list(stack, operator, tenant):
    user = tenant.user()
    online = tenant.machine(agent_id=f"{tenant.id}-a", name="The first one", cpu=1234, memory=9999,
                            disk=4, dropped_commands=7)
    offline = tenant.machine(agent_id=f"{tenant.id}-b", seen=3600)
    never = tenant.machine(agent_id=f"{tenant.id}-c", seen=None, name="a\nb")
    for state in "active", "closing", "closed":
        tenant.session(online, user, state=state)
    first, second, third = operator.table("machine", "list", "--tenant", tenant.id)
    heartbeat = machine(stack, online)["last_heartbeat_at"].strftime("%Y-%m-%dT%H:%M:%SZ")
    assert first == {
        "AGENT_ID": online, "TENANT": tenant.id, "STATE": "online", "LAST_HEARTBEAT": heartbeat,
        "CPU%": "12.3", "MEMORY%": "100.0", "DISK%": "0.0", "SESSIONS": "2", "DROPPED": "7",
        "NAME": "The first one"}
    assert (second["AGENT_ID"], second["STATE"], second["SESSIONS"]) == (offline, "offline", "0")
    assert (third["AGENT_ID"], third["STATE"], third["LAST_HEARTBEAT"], third["NAME"]) == (
        never, "offline", "never", r"a\nb")
    assert {online, offline, never} <= {
        row["AGENT_ID"] for row in operator.table("machine", "list")}
    assert operator.table("machine", "list", "--tenant", "nobody") == []


def test_list_is_aligned_over_pages(stack, operator, tenant):
    stack.database.query(
        "INSERT INTO machines (agent_id, tenant_id, name, created_at) SELECT CONCAT(%s, '-', seq), "
        "%s, 'many', UTC_TIMESTAMP(3) FROM seq_1_to_2000", tenant.id, tenant.id)
    header, *lines = operator.do("machine", "list", "--tenant", tenant.id).splitlines()
    assert len({line.split()[0] for line in lines}) == len(lines) == 2000
    for name, text in ("TENANT", tenant.id), ("STATE", "offline"), ("NAME", "many"):
        assert {line.index(f" {text}") for line in lines} == {header.index(f" {name}")}
    stack.database.query("DELETE FROM machines WHERE tenant_id = %s", tenant.id)


def test_remove(stack, operator, tenant):
    user = tenant.user()
    agent, other = tenant.machine(owner=user), tenant.machine(owner=user)
    active, closing, closed = (tenant.session(agent, user) for _ in range(3))
    elsewhere = tenant.session(other, user)
    tenant.command(agent, user)
    for session in closing, closed, elsewhere:
        assert stack.delete(session, user).status == 200
    stack.database.query("UPDATE sessions SET state = 'closed', close_reason = 'exited', "
                         "ended_at = started_at WHERE session_id = %s", closed)
    stack.database.query("UPDATE signals SET outcome = 'confirmed', due_at = NULL "
                         "WHERE session_id = %s", closed)
    assert operator.do("machine", "remove", agent) == f"removed {agent}; sessions closed: 2\n"

    assert rows(stack, "machines", agent_id=agent) == []
    assert [row["agent_id"] for row in rows(stack, "machine_access", user_id=user.user_id)] == [
        other]
    for session in active, closing:
        [row] = rows(stack, "sessions", session_id=session)
        assert row["state"] == "closed" and row["close_reason"] == "machine removed"
        assert row["ended_at"] >= row["started_at"]
    [row] = rows(stack, "sessions", session_id=closed)
    assert row["close_reason"] == "exited" and row["ended_at"] == row["started_at"]
    receipts = rows(stack, "signals", agent_id=agent)
    assert {row["session_id"]: (row["outcome"], row["due_at"]) for row in receipts} == {
        closing: ("vanished", None), closed: ("confirmed", None)}
    assert len(rows(stack, "commands", agent_id=agent)) == 1
    [row] = rows(stack, "sessions", session_id=elsewhere)
    [receipt] = rows(stack, "signals", session_id=elsewhere)
    assert row["state"] == "closing" and receipt["outcome"] is None and receipt["due_at"]
    assert "there is no machine" in operator.fail("machine", "remove", agent)


def test_old_tokens_stay_void_when_a_machine_is_added_again(stack, operator):
    agent = unique("again")
    old = [claims(stack, operator.do("machine", "add", agent)),
           claims(stack, operator.do("machine", "rotate", agent))]
    operator.do("machine", "remove", agent)
    new = claims(stack, operator.do("machine", "add", agent))
    assert new["generation"] not in [each["generation"] for each in old]


def test_grant_and_revoke(stack, operator, tenant):
    agent, user = tenant.machine(), tenant.user()
    session = tenant.session(agent, tenant.user())
    access = ["--user-id", user.user_id, "--agent-id", agent]

    def relation():
        return [(row["tenant_id"], row["relation"]) for row in
                rows(stack, "machine_access", user_id=user.user_id, agent_id=agent)]

    assert stack.delete(session, user).status == 404
    for word in "now", "already":
        assert operator.do("grant", *access) == f"{user.user_id} is {word} a user of {agent}\n"
        assert relation() == [(tenant.id, "granted")]
    assert stack.delete(session, user).status == 403
    for word in "now", "already":
        assert operator.do("grant", *access, "--relation", "owner") == (
            f"{user.user_id} is {word} an owner of {agent}\n")
        assert relation() == [(tenant.id, "owner")]
    assert stack.delete(session, user).status == 200
    assert operator.do("revoke", *access) == f"{user.user_id} has no access to {agent} any more\n"
    assert operator.do("revoke", *access) == f"{user.user_id} had no access to {agent}\n"
    assert relation() == [] and stack.delete(session, user).status == 404


def test_rights(stack, operator):
    """The operator's database user can do its work and nothing else."""
    with contextlib.closing(MySQLdb.connect(unix_socket=str(stack.database.socket), user="vsayctl",
                                            password=PASSWORD, database="vsay")) as connection:
        for sql in ("DROP TABLE sessions", "CREATE TABLE t (a INT)", "UPDATE commands SET seq = 1",
                    "INSERT INTO commands SELECT * FROM commands", "DELETE FROM schema_migrations",
                    "INSERT INTO sessions SELECT * FROM sessions", "SELECT * FROM mysql.user",
                    "GRANT SELECT ON vsay.* TO vsayctl@localhost"):
            with pytest.raises(MySQLdb.Error), connection.cursor() as cursor:
                cursor.execute(sql)


def test_the_workers_user_is_no_operator(stack, operator, tenant):
    agent = tenant.machine()
    operator.env = {}
    before = everything(stack)
    assert "database error" in operator.fail("machine", "remove", agent)
    assert "database error" in operator.fail("grant", "--user-id", "u", "--agent-id", agent)
    assert everything(stack) == before


def test_a_refused_user_is_told_what_is_missing(stack, operator, conf, tenant):
    """Each step of the installation that may have been left out."""
    stack.database.query("CREATE USER IF NOT EXISTS newcomer@localhost IDENTIFIED BY 'pike'")
    add = "machine", "add", unique("added"), "--owner", "user_1"
    operator.env["VSAY_DB_USER"] = "newcomer"
    assert "grants-operator.sql" in operator.fail(*add)  # 1044
    operator.env["VSAY_DB_USER"] = "nobody"
    assert "vsayctl setup" in operator.fail(*add)  # 1045
    operator.env = {}
    assert "1143: " in (said := operator.fail(*add)) and "grants-operator.sql" in said
    assert "1142: " in (said := operator.fail(
        "migrate", "--dir", REPO / "db" / "migrations")) and "administrator" in said
    stack.database.query("DROP USER newcomer@localhost")


def test_without_a_database(operator, conf):
    for settings in {"host": "/nowhere.sock"}, {"name": "no_such"}:
        operator.fail("machine", "list", conf=conf(db=settings))
