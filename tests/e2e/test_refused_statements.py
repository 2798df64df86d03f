# SPDX-License-Identifier: MIT
"""Each kind of statement is refused by the database in turn: a request is then answered as if
nothing had happened, or with an error and no trace. No error is lost on its way to the client."""
import pytest

from scene import TABLES, Scene

EVENTS = "INSERT", "UPDATE", "DELETE"


def refuse(database, table, event):
    """The database refuses `event` on `table`; call what is returned to end that."""
    if event == "SELECT":
        database.query(f"RENAME TABLE {table} TO away")
        return lambda: database.query(f"RENAME TABLE away TO {table}")
    database.query(f"CREATE TRIGGER refusal BEFORE {event} ON {table} FOR EACH ROW "
                   "SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'refused by a test'")
    return lambda: database.query("DROP TRIGGER refusal")


@pytest.fixture(scope="module")
def own_stack(module_stacks):
    return module_stacks(workers=1)


@pytest.fixture(scope="module")
def usual(own_stack):
    """What each request does when nothing is refused: (status, whether it changed something)."""
    return {name: result for name, *result in Scene(own_stack).play()}


def test_unbroken(usual):
    assert all(status in (200, 201) for status, _ in usual.values()), usual
    writes = {name for name, (_, changed) in usual.items() if changed}
    assert writes == {"poll", "open", "activity", "delete", "end", "confirm", "heartbeat"}


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("table", TABLES)
def test_refused_writes(own_stack, usual, table, event):
    scene = Scene(own_stack)
    restore = refuse(own_stack.database, table, event)
    try:
        for name, status, changed in scene.play():
            assert [status, changed] == usual[name] or status >= 400 and not changed, name
    finally:
        restore()


@pytest.mark.parametrize("table", TABLES)
def test_refused_reads(own_stack, usual, table):
    """A request that needs the table gets 5xx, any other what it always gets."""
    scene = Scene(own_stack)
    restore = refuse(own_stack.database, table, "SELECT")
    try:
        statuses = {name: send().status for name, send in scene.requests()}
    finally:
        restore()
    assert all(status >= 500 or status == usual[name][0] for name, status in statuses.items())
    assert any(status >= 500 for status in statuses.values())
