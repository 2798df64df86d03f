# SPDX-License-Identifier: MIT
"""No setting of the database server is relied on, and what a server cannot do now is not lost.
Servers of which every setting is wrong run the tests of all databases too: see databases.py."""
import contextlib
import threading
import time

import MySQLdb
import pytest

from databases import HostileMariaDB
from fleet import Tenant
from machine import Machine, entry
from schemas import check_error
from stack import Database, wait_for

TEXTS = ["echo \N{PILE OF POO}", "caf\N{LATIN SMALL LETTER E WITH ACUTE} '\\' \"$x\" | cat"]
ACTIVITY = "/api/dashboard/recent-activity"


class Site:
    """A tenant on a stack, with one machine and one session."""

    def __init__(self, stack):
        self.stack, self.tenant = stack, Tenant(stack)
        self.user, self.root = self.tenant.user(), self.tenant.user("super_admin")
        self.machine = Machine(self.tenant, owner=self.user)
        self.session = self.machine.session(self.user)

    def report(self, *texts, first=1):
        return self.machine.activity(*(entry(self.session, seq, text)
                                       for seq, text in enumerate(texts, first)))

    def shown(self, by=None):
        reply = self.stack.get(ACTIVITY, by or self.user)
        assert reply.status == 200, reply
        return {each["command"] for each in reply.json()["activities"]}


@pytest.fixture(scope="module")
def hostile(module_stacks):
    return Site(module_stacks(server=HostileMariaDB))


@pytest.fixture
def on(new_stack):
    """A site on a server of its own."""
    def start(**settings):
        return Site(new_stack(server=Database, **settings))
    return start


def end_connections(database):
    for row in database.query("SELECT id FROM information_schema.processlist WHERE user = 'vsay'"):
        with contextlib.suppress(MySQLdb.Error):  # it has gone already
            database.query(f"KILL {row['id']}")


def test_every_setting_at_its_most_hostile(hostile):
    assert hostile.report(*TEXTS).json() == {"accepted": 2, "errors": []}
    assert hostile.shown() == hostile.shown(hostile.root) == set(TEXTS)
    stored = hostile.stack.database.query("SELECT command FROM commands ORDER BY seq")
    assert [row["command"] for row in stored] == TEXTS, "not encoded twice"
    versions = hostile.stack.database.query("SELECT version FROM schema_migrations")
    assert len(versions) > 1, "all migrations are committed"


def test_a_new_connection_is_set_up_again(hostile):
    end_connections(hostile.stack.database)
    text = f"{TEXTS[0]} again"
    wait_for(lambda: hostile.report(text, first=9).status == 200)
    assert text in hostile.shown(hostile.root)


@pytest.mark.parametrize("settings", [
    {"autocommit": 0}, {"init_connect": "SET NAMES utf8"}, {"init_connect": "SET NAMES latin1"},
    {"max_join_size": 1}, {"tx_read_only": 1}], ids=str)
def test_one_setting(new_stack, settings):
    class Server(HostileMariaDB):
        EXTREME, INIT_CONNECT = settings, settings.get("init_connect", "")

        def extreme(self, name, value):
            return self.EXTREME.get(name)

    site = Site(new_stack(server=Server))
    assert site.report(*TEXTS).json() == {"accepted": 2, "errors": []}
    assert site.shown() == site.shown(site.root) == set(TEXTS)
    versions = site.stack.database.query("SELECT version FROM schema_migrations")
    assert len(versions) > 1, "migrate told the truth"


def test_whatever_lies_in_the_database_is_answered_in_utf8(on):
    site = on()
    change = site.stack.database.query
    change("ALTER TABLE commands MODIFY command BLOB NOT NULL")
    change("ALTER TABLE sessions MODIFY username VARCHAR(255) CHARACTER SET latin1 NOT NULL")
    for seq, raw in enumerate([b"rm caf\xe9", b"\xff\xfe", b"\xed\xa0\x80", b"\xc3\x83\xc2\xa9",
                               b"\xf0\x9f"], 1):
        change("INSERT INTO commands (session_id, seq, tenant_id, agent_id, user_id, username, "
               "source, command, executed_at) SELECT session_id, %s, tenant_id, agent_id, user_id, "
               "username, source, %s, UTC_TIMESTAMP(3) FROM sessions", seq, raw)
    change("UPDATE sessions SET username = _latin1 x'e9'")
    shown = site.stack.get(ACTIVITY, site.user)
    assert {each["command"] for each in shown.json()["activities"]} == {
        "rm caf?", "??", "???", "\u00c3\u00a9", "??"}
    assert "?" not in site.stack.get("/api/terminal/sessions", site.root).json(
        )["sessions"][0]["username"]


def test_what_can_never_be_stored_holds_nothing_up(on):
    """A table that somebody has made to take less: each member is refused for itself."""
    site = on()
    change = site.stack.database.query
    change("ALTER TABLE commands MODIFY command TEXT CHARACTER SET latin1 NOT NULL")
    assert site.report("before", TEXTS[0], "after").json() == {
        "accepted": 2, "errors": [{"index": 1, "error": "This cannot be stored"}]}
    assert site.shown() == {"before", "after"}
    change("ALTER TABLE sessions ADD CONSTRAINT no_root CHECK (user_id <> 'root')")
    check_error(site.machine.open(site.tenant.user(user_id="root")), 400)
    assert site.machine.open(site.user).status == 201


def test_no_statement_can_be_prepared(on):
    """Somebody else has used up what the server has."""
    site = on()
    database = site.stack.database
    before = database.query("SELECT @@max_prepared_stmt_count AS n")[0]["n"]
    database.query("SET GLOBAL max_prepared_stmt_count = 0")
    reply = site.stack.get(ACTIVITY, site.root)  # nobody has asked this before
    check_error(reply, 503)
    assert reply.headers["Retry-After"]
    database.query("SET GLOBAL max_prepared_stmt_count = %s", before)
    wait_for(lambda: site.stack.get(ACTIVITY, site.user).status == 200)


def test_used_up_for_this_hour_is_503(on):
    site = on(workers=1)
    site.stack.database.query("ALTER USER vsay@localhost WITH MAX_UPDATES_PER_HOUR 1")
    end_connections(site.stack.database)
    wait_for(lambda: site.stack.get(ACTIVITY, site.user).status == 200)
    replies = [site.report("true", first=seq) for seq in range(1, 9)]
    assert {reply.status for reply in replies} <= {200, 503} and replies[-1].status == 503
    check_error(replies[-1], 503)
    assert replies[-1].headers["Retry-After"]
    assert site.stack.get(ACTIVITY, site.user).status == 200, "reads go on"


def test_reads_go_on_during_a_backup(on):
    """FLUSH TABLES WITH READ LOCK makes writers wait, and they are told so in time."""
    site = on(workers=1, db={"read_timeout": "5s"}, api={"deadline": "2s"})
    with contextlib.closing(site.stack.database.connect()) as backup, backup.cursor() as cursor:
        cursor.execute("FLUSH TABLES WITH READ LOCK")
        machines = [Machine(site.tenant, site.machine.id) for _ in range(8)]
        replies = []
        writers = [threading.Thread(target=lambda m=m: replies.append(m.open(site.user)))
                   for m in machines]
        for writer in writers:
            writer.start()
        for _ in range(20):
            began = time.monotonic()
            assert site.stack.get(ACTIVITY, site.user).status == 200
            assert time.monotonic() - began < 1.5
            time.sleep(0.1)
        for writer in writers:
            writer.join()
        for reply in replies:
            check_error(reply, 503)
            assert reply.headers["Retry-After"]
    wait_for(lambda: site.report("true").status == 200)
