# SPDX-License-Identifier: MIT
"""vsayctl, the migrations and the grants."""
import contextlib
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import jwt
import MySQLdb
import pytest
from cryptography.hazmat.primitives import serialization

from schemas import check_error
from stack import CTL, MIGRATIONS, Process, run, wait_for
from tokens import write_secret

STATS = "/api/dashboard/stats"


def test_ctl_usage(stack):
    assert run(CTL).returncode == 2 and run(CTL, "--help").returncode == 0
    assert run(CTL, "--config", stack.conf, "dance").returncode == 2
    assert run(CTL, "token", "--help").returncode == 0
    for wrong in ["--no-such"], ["token", "--no-such"], ["migrate", "word"], ["token", "--ttl"]:
        assert run(CTL, *wrong).returncode == 2


def mint(conf, *arguments):
    ran = run(CTL, "--config", conf, "token", *arguments)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.count("\n") == 1
    return ran.stdout.strip()


def test_token(stack):
    token = mint(stack.conf, "--user-id", "u1", "--username", "Ünï Cörn", "--role",
                 "company_admin", "--tenant", "acme", "--ttl", "90m")
    assert jwt.get_unverified_header(token)["kid"] == "hs"
    found = jwt.decode(token, stack.keys.signing["hs"], ["HS256"])
    assert found["exp"] - found["iat"] == 5400
    assert abs(found["iat"] - datetime.now().timestamp()) < 30
    assert {name: found[name] for name in ("user_id", "username", "role", "tenant_id")} == {
        "user_id": "u1", "username": "Ünï Cörn", "role": "company_admin", "tenant_id": "acme"}
    assert stack.get(STATS, token=token).status == 200
    found = jwt.decode(mint(stack.conf, "--user-id", "u1"), stack.keys.signing["hs"], ["HS256"])
    assert found["exp"] - found["iat"] == 3600 and found["role"] == "user"
    assert found["username"] == "u1" and found["tenant_id"] == "default"


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080", "https://vsay.example.com/tools/vsay//"])
def test_link(stack, url):
    found = mint(stack.conf, "--user-id", "u1", "--link", url)
    address, _, token = found.partition("#token=")
    assert address == url.rstrip("/") + "/" and stack.get(STATS, token=token).status == 200


@pytest.mark.parametrize("url", ["", "vsay.example.com", "ftp://a", "http://a b", "http://a/#b", "http://a?b", "http://", "https:///a"])
def test_link_refused(stack, url):
    ran = run(CTL, "--config", stack.conf, "token", "--user-id", "u1", "--link", url)
    assert (ran.returncode, ran.stdout) == (2, "") and "--link: " in ran.stderr


@pytest.mark.parametrize("kid, algorithm", [("rs", "RS256"), ("es", "ES256")])
def test_token_of_a_key_pair(stack, conf, directory, kid, algorithm):
    """Signed with the first private key, verified with the public one."""
    pem = stack.keys.signing[kid]
    path = write_secret(directory / "k.pem", pem)
    path = conf(auth={"keys": f"pub:RS256:{stack.keys.files['rs']} {kid}:{algorithm}:{path}",
                      "issuer": "https://id.example.com", "audience": "vsay"})
    token = mint(path, "--user-id", "u1")
    public = serialization.load_pem_private_key(pem, None).public_key()
    assert jwt.get_unverified_header(token)["kid"] == kid
    assert jwt.decode(token, public, [algorithm], issuer="https://id.example.com",
                      audience="vsay")["user_id"] == "u1"
    assert stack.get(STATS, token=token).status == 200


@pytest.mark.parametrize("arguments", [
    [], ["--user-id", ""], ["--user-id", "a b"], ["--user-id", "x" * 129], ["--user-id", "a`b"],
    ["--user-id", "u", "--role", "root"], ["--user-id", "u", "--tenant", "a/b"],
    ["--user-id", "u", "--ttl", "0"], ["--user-id", "u", "--ttl", "-1h"],
    ["--user-id", "u", "--ttl", "1y"], ["--user-id", "u", "--ttl", "99999999999999999999"],
    ["--user-id", "u", "--username", "x" * 256], ["--user-id", "u", "--role", "company_admin"]])
def test_token_refused(stack, arguments):
    ran = run(CTL, "--config", stack.conf, "token", *arguments)
    assert ran.returncode == 2 and ran.stdout == "" and ran.stderr.startswith("vsayctl: ")


def test_token_needs_a_private_key(stack, conf):
    path = conf(auth={"keys": f"rs:RS256:{stack.keys.files['rs']}"})
    ran = run(CTL, "--config", path, "token", "--user-id", "u1")
    assert ran.returncode == 1 and ran.stdout == ""


@pytest.fixture
def empty(stack):
    """An empty database of its own, and what vsayctl needs to migrate it."""
    name = f"empty{len(stack.database.query('SHOW DATABASES'))}"
    stack.database.query(f"CREATE DATABASE {name}")
    yield name, {**stack.database.admin(), "VSAY_DB_NAME": name}
    stack.database.query(f"DROP DATABASE {name}")


def tables(stack, name):
    """Everything of the schema but the rows."""
    rows = stack.database.query(
        "SELECT table_name, column_name, column_type, is_nullable, collation_name "
        "FROM information_schema.columns WHERE table_schema = %s "
        "ORDER BY table_name, ordinal_position", name)
    return [row for row in rows if row["table_name"] != "migration_lock"]


def migrate(stack, env, *more):
    return run(CTL, "--config", stack.conf, "migrate", "--dir", MIGRATIONS, *more, env=env)


@pytest.mark.databases
def test_migrate(stack, empty):
    name, env = empty
    first, second = migrate(stack, env), migrate(stack, env)
    assert first.returncode == 0 and "applied 0001_initial.sql" in first.stdout, first.stderr
    assert second.returncode == 0 and "applied" not in second.stdout
    assert tables(stack, name) == tables(stack, "vsay") != []
    versions = stack.database.query(f"SELECT version FROM {name}.schema_migrations ORDER BY 1")
    assert [row["version"] for row in versions] == [
        int(path.name[:4]) for path in sorted(MIGRATIONS.glob("*.sql"))]


@pytest.mark.databases
def test_migrate_from_several_hosts_at_once(stack, empty):
    name, env = empty
    hosts = stack.database.hosts.split()
    with ThreadPoolExecutor(4) as pool:
        ran = list(pool.map(lambda number: migrate(stack, {
            **env, "VSAY_DB_HOST": hosts[number % len(hosts)]}), range(4)))
    assert {each.returncode for each in ran} == {0}, [each.stderr for each in ran]
    assert sum("applied 0001_initial.sql" in each.stdout for each in ran) == 1
    assert tables(stack, name) == tables(stack, "vsay")


@pytest.mark.databases
def test_migrations_with_the_client(stack, empty):
    """The same files through the database's own client, twice; vsayctl finds nothing to do."""
    name, env = empty
    for _ in range(2):
        for path in sorted(MIGRATIONS.glob("*.sql")):
            stack.database.script(name, path.read_text())
    assert tables(stack, name) == tables(stack, "vsay")
    assert "applied" not in migrate(stack, env).stdout


def test_migrate_in_vain(stack, empty, directory):
    name, env = empty
    ran = migrate(stack, {**env, "VSAY_DB_NAME": "no_such"})
    assert ran.returncode == 1 and ran.stderr.startswith("vsayctl: ")
    ran = run(CTL, "--config", stack.conf, "migrate", "--dir", directory, env=env)
    assert ran.returncode == 1 and str(directory) in ran.stderr
    (directory / "0001_wrong.sql").write_text("CREATE TABLE t (a INT); CREATE NONSENSE;")
    ran = run(CTL, "--config", stack.conf, "migrate", "--dir", directory, env=env)
    assert ran.returncode == 1 and "0001_wrong.sql" in ran.stderr
    assert migrate(stack, env).returncode == 0, "a failure leaves no lock behind"


@pytest.mark.parametrize("name", [
    "0002_note.sql~", "0002_note.txt", "0002_note.sql.orig", "002_note.sql", "00002_note.sql",
    "0002note.sql", "x0002_note.sql", ".0002_note.sql", "000x_note.sql", "note.sql", "README"])
def test_only_migrations_are_run(stack, empty, directory, name):
    """Editors and package managers leave files beside them."""
    (directory / name).write_text("CREATE TABLE wrong (a INT)")
    ran = run(CTL, "--config", stack.conf, "migrate", "--dir", directory, env=empty[1])
    assert ran.returncode == 1 and "no migrations in" in ran.stderr
    assert "wrong" not in str(tables(stack, empty[0]))


@pytest.mark.parametrize("make, says", [
    (lambda path: path.rmdir(), "cannot read"),
    (lambda path: (path / "0001_a.sql").mkdir(), "0001_a.sql"),
    (lambda path: (path / "0001_a.sql").write_text("CREATE TABLE a (a INT)"),
     "0001_a.sql does not record itself"),
    (lambda path: (path / "0001_a.sql").write_text("SELECT 1; SELECT a FROM nowhere"),
     "0001_a.sql: database error 1146")])
def test_migrations_that_cannot_be_applied(stack, empty, directory, make, says):
    make(directory)
    ran = run(CTL, "--config", stack.conf, "migrate", "--dir", directory, env=empty[1])
    assert ran.returncode == 1 and says in ran.stderr and "applied" not in ran.stdout, ran
    if not directory.exists():
        directory.mkdir()


def test_a_migration_keeps_its_lease(stack, empty, directory):
    """However long it takes: others go on waiting."""
    name, env = empty

    def left():
        row, = stack.database.query("SELECT TIMESTAMPDIFF(SECOND, UTC_TIMESTAMP(), lease_until) AS n "
                                    f"FROM {name}.migration_lock")
        return row["n"]

    assert migrate(stack, env).returncode == 0
    (directory / "0001_initial.sql").write_text("SELECT 1")
    (directory / "9999_long.sql").write_text(
        f"SELECT GET_LOCK('{name}', 100);"
        "INSERT INTO schema_migrations VALUES (9999, UTC_TIMESTAMP())")
    with contextlib.closing(stack.database.connect()) as holder, holder.cursor() as cursor:
        cursor.execute(f"SELECT GET_LOCK('{name}', 0)")
        first = Process(directory / "log", CTL, "--config", stack.conf, "migrate", "--dir",
                        directory, env=env)
        wait_for(lambda: left() > 0, 20, "the lease")
        wait_for(lambda: left() <= 22, 30, "it to run out")
        wait_for(lambda: 25 < left() <= 30, 30, "it to be renewed")
        assert not first.ended()
    assert first.wait(20) == 0, first.log.read_text()
    assert left() <= 0, "given back"


SPREAD = "sum", "min", "max"
FIGURES = {f"{name}_{of}" for name in ("cpu", "memory", "disk") for of in SPREAD}
# What a worker's statements need (db/grants.sql); all else is refused.
WRITES = {
    "machines": {"agent_id", "last_heartbeat_at", "last_command_at", "cpu", "memory", "disk",
                 "dropped_commands", "report_seq", "instance", "instance_since", "refused_instance", "refused_at",
                 "usage_now"},
    "sessions": {"state", "ended_at", "close_reason", "exit_code", "not_recorded_reason",
                 "last_activity_at"},
    "signals": {"due_at", "delivered_at", "attempts", "outcome", "confirmed_at"},
    "commands": {"session_id", "seq", "tenant_id", "agent_id", "user_id", "username", "source",
                 "command", "success", "exit_code", "executed_at"},
    "machine_usage": {"agent_id", "step", "slot", "slot_at", "samples", *FIGURES},
    "fleet_usage": {"tenant_id", "user_id", "step", "slot", "slot_at", "samples", *FIGURES, *(
        f"{name}_{of}" for name in ("online", "offline", "sessions") for of in SPREAD)},
    "fleet_looks": {"id", "slot_at"},
    "machine_access": set(), "schema_migrations": set(), "audit": set()}


@pytest.fixture
def as_worker(stack):
    """Runs a statement as the worker's user; returns the number of the error, or None."""
    def execute(sql):
        try:
            with connection.cursor() as cursor:
                cursor.execute(sql)
        except MySQLdb.Error as error:
            return error.args[0]

    with contextlib.closing(MySQLdb.connect(unix_socket=str(stack.database.socket), user="vsay",
                                            password="swordfish", database="vsay")) as connection:
        yield execute


DENIED = {1044, 1045, 1142, 1143, 1227}


@pytest.mark.databases(hostile=False)
def test_worker_has_few_rights(as_worker):
    """The grants let it do its work and nothing else."""
    for sql in ("DROP TABLE sessions", "CREATE TABLE t (a INT)", "ALTER TABLE machines ADD x INT",
                "GRANT SELECT ON vsay.* TO vsay@localhost", "SELECT * FROM mysql.user",
                "SELECT * INTO OUTFILE '/tmp/vsay-x' FROM machines", "LOCK TABLES machines WRITE",
                "INSERT INTO machines (agent_id, tenant_id, name, token_generation, created_at) "
                "VALUES ('a', 't', 'n', 7, UTC_TIMESTAMP())",
                "INSERT INTO machine_access VALUES ('t', 'u', 'a', 'owner')",
                "INSERT INTO signals (session_id, agent_id, requested_by, requested_by_username, "
                "requested_at, outcome) VALUES ('s', 'a', 'u', 'n', UTC_TIMESTAMP(), 'confirmed')",
                "INSERT INTO schema_migrations VALUES (99, UTC_TIMESTAMP())",
                "INSERT INTO machines (agent_id, tenant_id) VALUES ('a', 't')",
                "REPLACE INTO commands (session_id, seq) VALUES ('s', 1)",
                "REPLACE INTO audit SELECT * FROM audit",
                "INSERT INTO audit SELECT * FROM audit ON DUPLICATE KEY UPDATE action = ''"):
        assert as_worker(sql) in DENIED, sql


@pytest.mark.databases(hostile=False)
def test_worker_writes_few_columns(stack, as_worker):
    for table, columns in WRITES.items():
        assert as_worker(f"SELECT * FROM {table} LIMIT 1") is None
        for sql in f"DELETE FROM {table} WHERE FALSE", f"TRUNCATE {table}":
            assert as_worker(sql) in DENIED, sql
        for row in stack.database.query(f"SHOW COLUMNS FROM {table}"):
            column = row["Field"]
            error = as_worker(f"UPDATE {table} SET {column} = {column} WHERE FALSE")
            assert (error is None) == (column in columns) and error in {None, *DENIED}, (table, column)


def test_doctor(stack):
    ran = run(CTL, "--config", stack.conf, "doctor")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert all(line.startswith("ok") for line in ran.stdout.splitlines())


@pytest.mark.parametrize("settings, env, says", [
    ({"db": {"host": "/nowhere.sock"}}, {}, "db.host"),
    ({"db": {"password_file": ""}}, {}, "db.password_file"),
    ({"db": {"password_file": "/nowhere"}}, {}, "/nowhere"),
    ({"db": {"name": "no_such"}}, {}, "db.name"),
    ({"db": {"tls": "verify"}}, {}, "db.tls"),
    ({"auth": {"keys": ""}}, {}, "auth.keys")])
def test_doctor_finds(conf, settings, env, says):
    ran = run(CTL, "--config", conf(**settings), "doctor", env=env)
    assert ran.returncode == 1 and "FAIL" in ran.stdout and says in ran.stdout


def test_doctor_finds_a_missing_schema(stack, empty):
    name, env = empty
    ran = run(CTL, "--config", stack.conf, "doctor", env=env)
    assert ran.returncode == 1 and "vsayctl migrate" in ran.stdout


def test_doctor_finds_a_wrong_clock(stack):
    ran = run("faketime", "2020-01-01", CTL, "--config", stack.conf, "doctor")
    assert ran.returncode == 1 and "FAIL  clock" in ran.stdout


@pytest.mark.databases
def test_worker_waits_for_the_schema(stack, conf, new_worker, empty):
    name, env = empty
    stack.database.query(f"GRANT SELECT, INSERT, UPDATE ON {name}.* TO vsay@localhost")
    worker = new_worker(conf(db={"name": name}))
    check_error(worker.get("/health/ready"), 503)
    assert "vsayctl migrate" in worker.log.read_text()
    assert migrate(stack, env).returncode == 0
    wait_for(lambda: worker.get("/health/ready").status == 200, what="the worker to notice")
