# SPDX-License-Identifier: MIT
"""Where the user of a session comes from, and when it was active last, in the receipt."""
from datetime import datetime, timedelta

import pytest

from machine import Machine, entry
from schemas import check, check_error

@pytest.fixture
def machine(tenant):
    return Machine(tenant)


@pytest.fixture
def alice(tenant):
    return tenant.user()


def receipt(stack, session, by):
    return check(stack.get(f"/api/sessions/{session}", by), "receipt")["session"]


@pytest.mark.databases
def test_last_activity(stack, machine, tenant, alice, row):
    first, second = machine.session(alice), machine.session(alice)
    other = Machine(tenant)
    foreign = other.session(alice)

    def last():
        return [row("sessions", "session_id", session)["last_activity_at"]
                for session in (first, second, foreign)]

    def tell(**times):
        assert machine.heartbeat(last_activity={
            {"first": first, "second": second, "foreign": foreign}[name]: time
            for name, time in times.items()}).status == 200

    noon = datetime(2026, 2, 6, 12)
    tell(first="2026-02-06T12:00:05.5Z", foreign="2026-02-06T12:00:05Z")
    assert last() == [noon + timedelta(seconds=5.5), None, None]
    tell(first="2026-02-06T12:00:05Z", second="2026-02-06T12:00:06Z")
    assert last() == [noon + timedelta(seconds=5.5), noon + timedelta(seconds=6), None]
    machine.activity(entry(first, 1, timestamp="2026-02-06T12:00:07Z"),
                     entry(first, 2, timestamp="2026-02-06T12:00:09Z"),
                     entry(first, 3, timestamp="2026-02-06T12:00:08Z"),
                     entry(second, 1, timestamp="2026-02-06T12:00:05Z"),
                     entry(foreign, 1, timestamp="2026-02-06T12:00:05Z"))
    assert last() == [noon + timedelta(seconds=9), noon + timedelta(seconds=6), None]
    assert receipt(stack, first, alice)["last_activity_at"] == "2026-02-06T12:00:09Z"
    tell(first="2999-01-01T00:00:00Z")
    now, = stack.database.query("SELECT UTC_TIMESTAMP(3) AS now")
    assert noon + timedelta(seconds=9) < last()[0] <= now["now"]


@pytest.mark.databases
def test_source_addresses(stack, machine, alice):
    for given, shown in ("192.0.2.7", "192.0.2.7"), ("2001:DB8::0:1", "2001:db8::1"), (None, None):
        session = machine.session(alice, source_address=given)
        assert machine.open(alice, session_id=session, source_address="192.0.2.9").status == 201
        assert receipt(stack, session, alice)["source_address"] == shown


@pytest.mark.parametrize("member, path", [("source_address", "sessions"),
                                          ("last_activity", "heartbeat")])
def test_bad_members(machine, alice, member, path):
    session = machine.session(alice)
    bad = {"source_address": ["", "localhost", "192.0.2.7 ", "192.0.2.7\0", "1.2.3", 5, ["::1"],
                              "1" * 100, "::1:22:"],
           "last_activity": ["", [], 5, {session: "noon"}, {session: 5},
                             {session: "2026-02-30T00:00:00Z"}]}
    for value in bad[member]:
        reply = (machine.open(alice, source_address=value) if path == "sessions"
                 else machine.heartbeat(last_activity=value))
        assert member in check_error(reply, 400), value
