# SPDX-License-Identifier: MIT
"""Usage over time: the rings against a model that keeps every sample, by a clock that tests move."""
import random
import signal
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from fractions import Fraction

import pytest

from clocked import ClockedDatabase
from ctl import Operator
from fleet import Tenant
from machine import Machine
from model import Model, one_decimal
from schemas import check_error
from stack import wait_for

HOUR, DAY = 3600, 86400
FIGURES = "cpu_percent", "memory_percent", "disk_percent"
HOURS = 1, 2, 24, 25, 48, 288, 289, 576, 577, 720


@pytest.fixture(scope="module")
def stack(module_stacks):
    return module_stacks(server=ClockedDatabase, workers=1)


# --- the model


def step_of(hours):
    """Seconds of a step: five minutes for a day, and hours by which there are no 300 points."""
    return 300 if hours <= 24 else -(-hours // 288) * HOUR


def time_of(seconds):
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def spread(values):
    """Of hundredths."""
    return {"min": one_decimal(min(values)), "mean": one_decimal(Fraction(sum(values), len(values))),
            "max": one_decimal(max(values))}


def steps(samples, now, hours):
    """{when a step began: its samples}, of (time, ...)."""
    step = step_of(hours)
    first = (now - hours * HOUR) // step * step
    found = {}
    for sample in sorted(samples):
        if first <= sample[0] <= now:
            found.setdefault(sample[0] // step * step, []).append(sample)
    return found


def machine_answer(samples, now, hours):
    """Of (time, cpu, memory, disk), in hundredths."""
    return {"step_seconds": step_of(hours), "points": [
        {"time": time_of(began),
         **{name: spread([sample[1 + i] for sample in group]) for i, name in enumerate(FIGURES)}}
        for began, group in steps(samples, now, hours).items()]}


class Beating(Machine):
    """Remembers each sample that it has sent."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.samples = []

    def beat(self, at=None):
        values = [random.choice((0, 10000, random.randrange(10001))) for _ in FIGURES]
        at = at or self.stack.database.now()
        assert self.heartbeat(**{name: value / 100 for name, value in zip(FIGURES, values)}
                              ).status == 200
        self.samples.append((at, *values))


def forward(database, seconds):
    """Moves the clock on, and to no moment that is about to end a slot: that must not happen in the
    middle of a test, and then wake the workers that look at the fleets."""
    database.move(seconds)
    left = 300 - database.now() % 300
    if left < 60:
        database.move(left + 1)
    return database.now()


def usage(stack, machine, by, hours=None):
    query = "" if hours is None else f"?hours={hours}"
    reply = stack.get(f"/api/machines/{machine.id}/usage{query}", by)
    assert reply.status == 200, reply
    return reply.json()


# --- machines


def test_rings_against_a_model(stack):
    """Forty days of heartbeats, with pauses of all lengths, on machines of several fates."""
    tenant, database = Tenant(stack), stack.database
    admin, machines = tenant.user("company_admin"), [Beating(tenant) for _ in range(3)]
    began = database.now()
    while database.now() < began + 40 * DAY:
        for machine in machines:
            if random.random() < 0.8:
                machine.beat()
        now = forward(database, random.choice((20, 60, 130, 299, 300, 700, HOUR, 5 * HOUR, 11 * HOUR,
                                               DAY, 2 * DAY)))
        if random.random() < 0.1:
            for hours in HOURS:
                machine = random.choice(machines)
                assert usage(stack, machine, admin, hours) == machine_answer(machine.samples, now,
                                                                             hours)
    for machine in machines:
        for hours in HOURS:
            assert usage(stack, machine, admin, hours) == machine_answer(
                machine.samples, database.now(), hours)
    rows = database.query("SELECT COUNT(*) AS count FROM machine_usage")[0]["count"]
    assert rows <= len(machines) * (300 + 31 * 24)


def test_a_day_by_default_and_a_gap_is_no_point(stack):
    tenant, database = Tenant(stack), stack.database
    admin, machine = tenant.user("company_admin"), Beating(tenant)
    assert usage(stack, machine, admin) == {"step_seconds": 300, "points": []}
    for pause in 0, 1200, 20 * HOUR:
        forward(database, pause)
        machine.beat()
    answer = usage(stack, machine, admin)
    assert answer == machine_answer(machine.samples, database.now(), 24)
    assert len(answer["points"]) == 3


def test_many_heartbeats_in_one_transaction(stack):
    """Also several of one machine, when a slot ends."""
    tenant, database = Tenant(stack), stack.database
    admin, machines = tenant.user("company_admin"), [Beating(tenant) for _ in range(8)]
    for _ in range(3):
        now = forward(database, 300)
        with ThreadPoolExecutor(24) as pool:
            list(pool.map(lambda machine: machine.beat(now), machines * 6))
    for machine in machines:
        now = database.now()
        assert usage(stack, machine, admin, 1) == machine_answer(machine.samples, now, 1)
        assert usage(stack, machine, admin, 48) == machine_answer(machine.samples, now, 48)
        row, = database.query("SELECT MAX(samples) AS most FROM machine_usage WHERE agent_id = %s "
                              "AND step = 300", machine.id)
        assert row["most"] == 6


def test_a_worker_of_an_older_version_beside(stack):
    """Its heartbeats are no samples, and do no harm."""
    tenant, database = Tenant(stack), stack.database
    admin, machine = tenant.user("company_admin"), Beating(tenant)
    for pause in 60, 300, 300:
        forward(database, pause)
        machine.beat()
        database.query("INSERT INTO machines (agent_id, last_heartbeat_at, cpu) VALUES (%s, "
                       "UTC_TIMESTAMP(3), 9900) ON DUPLICATE KEY UPDATE "
                       "last_heartbeat_at = VALUES(last_heartbeat_at), cpu = VALUES(cpu)", machine.id)
        machine.beat()
    assert usage(stack, machine, admin, 1) == machine_answer(machine.samples, database.now(), 1)


def test_a_clock_that_was_set_back(stack):
    """What is written again is added to what is there; what is to come is not shown."""
    tenant, database = Tenant(stack), stack.database
    admin, machine = tenant.user("company_admin"), Beating(tenant)
    forward(database, 300 - database.now() % 300 + 20)
    for pause in 0, 300, 300, -600, 0, 300:
        database.move(pause)
        machine.beat()
    now = database.now()
    kept = [sample for sample in machine.samples if sample[0] <= now]
    assert usage(stack, machine, admin, 1) == machine_answer(kept, now, 1)
    database.move(600)
    assert usage(stack, machine, admin, 1) == machine_answer(machine.samples, database.now(), 1)


def test_at_most_300_points(stack):
    tenant, database = Tenant(stack), stack.database
    admin, machine = tenant.user("company_admin"), Machine(tenant)
    database.query("UPDATE machines SET created_at = '2020-01-01' WHERE agent_id = %s", machine.id)
    now = database.now()
    for step, slots in (300, 300), (HOUR, 744):
        for ago in range(slots):
            began = (now // step - ago) * step
            database.query("INSERT INTO machine_usage VALUES (%s, %s, %s, %s, 1, 1, 1, 1, 1, 1, 1, 1, "
                           "1, 1)", machine.id, step, began // step % slots, began)
    for hours in 1, 2, 23, 24, 25, 26, 287, 288, 289, 290, 575, 576, 577, 600, 719, 720:
        answer = usage(stack, machine, admin, hours)
        points = [point["time"] for point in answer["points"]]
        assert hours * HOUR / answer["step_seconds"] <= len(points) <= 300
        assert points == [time_of((now - hours * HOUR) // answer["step_seconds"] *
                                  answer["step_seconds"] + number * answer["step_seconds"])
                          for number in range(len(points))]


# --- fleets


def look(stack, slots=1):
    """Has a worker look at the fleets, some slots later; when."""
    now = forward(stack.database, 300 * slots)
    stack.signal_workers(signal.SIGTERM)
    wait_for(lambda: stack.database.query("SELECT slot_at FROM fleet_looks")[0]["slot_at"] ==
             now // 300 * 300, what="a look")
    wait_for(stack.ready)
    return now // 300 * 300


def seen(stack, user):
    """(online, offline, sessions, cpu, memory, disk) of a fleet, the last three as lists."""
    model = Model(stack.database, user)
    online = [row for row in model.visible_machines if row["agent_id"] in model.online]
    return (len(online), len(model.visible_machines) - len(online),
            len(model.sessions()["sessions"]),
            *([row[name] for row in online] for name in ("cpu", "memory", "disk")))


def fleet_answer(looks, now, hours):
    """Of (time, *what seen told)."""
    def counts(group, i):
        return {"min": min(each[i] for each in group), "max": max(each[i] for each in group),
                "mean": one_decimal(Fraction(100 * sum(each[i] for each in group), len(group)))}

    def percents(group, i):
        means = [round(Fraction(sum(each[i]), len(each[i])) + Fraction(1, 10 ** 9))
                 for each in group if each[i]]
        everything = [value for each in group for value in each[i]]
        return {**spread(means), "mean": one_decimal(Fraction(sum(everything), len(everything)))
                } if means else None

    return {"step_seconds": step_of(hours), "points": [
        {"time": time_of(began),
         **{name: counts(group, 1 + i) for i, name in enumerate(("online", "offline",
                                                                 "active_sessions"))},
         **{name: percents(group, 4 + i) for i, name in enumerate(FIGURES)}}
        for began, group in steps(looks, now, hours).items()]}


def test_fleets_against_a_model(new_stack):
    stack = new_stack(server=ClockedDatabase, workers=1)
    wait_for(lambda: stack.database.query("SELECT tenant_id FROM fleet_usage"), what="a first look")
    stack.database.query("DELETE FROM fleet_usage")
    database, tenants = stack.database, [Tenant(stack), Tenant(stack)]
    users = [tenant.user(role) for tenant in tenants for role in ("user", "user", "company_admin")]
    users.append(tenants[0].user("super_admin"))
    for tenant, (alice, bob, _) in zip(tenants, (users[:3], users[3:6])):
        for number in range(5):
            agent = tenant.machine(owner=alice if number < 4 else None,
                                   granted=bob if number % 2 else None,
                                   seen=None if number == 3 else 0)
            tenant.session(agent, bob)
            tenant.session(agent, alice, state="closing")
    looks = {user: [] for user in users}
    for slots in 1, 1, 1, 12, 1, 24, 300, 1:
        now = forward(database, 300 * slots)
        for row in database.query("SELECT agent_id FROM machines WHERE last_heartbeat_at IS NOT NULL"):
            database.query(
                "UPDATE machines SET cpu = %s, memory = %s, disk = %s, "
                "last_heartbeat_at = UTC_TIMESTAMP(3) - INTERVAL %s SECOND WHERE agent_id = %s",
                *(random.randrange(10001) for _ in range(3)), random.choice((0, 0, 500)),
                row["agent_id"])
        views = {user: seen(stack, user) for user in users}
        at = look(stack, 0)
        wait_for(lambda: database.query(
            "SELECT COUNT(*) AS count FROM fleet_usage WHERE step = 300 AND slot_at = %s",
            at)[0]["count"] == 1 + 2 + 4, what="all fleets")
        for user in users:
            looks[user].append((at, *views[user]))
    now = database.now()
    for user in users:
        for hours in HOURS:
            reply = stack.get(f"/api/dashboard/usage?hours={hours}", user)
            expected = fleet_answer([each for each in looks[user] if any(each[1:3])], now, hours)
            assert reply.json() == expected, (user, hours)
    assert len({stack.get("/api/dashboard/usage?hours=720", user).body for user in users}) == 7


def test_one_worker_looks(new_stack):
    """Each of many begins with a look, and only the first finds the slot free."""
    stack = new_stack(server=ClockedDatabase, workers=6)
    stack.database.query("DELETE FROM fleet_usage")
    for _ in range(2):
        look(stack)
        wait_for(lambda: len(stack.worker_pids()) == 6)
    assert {row["samples"] for row in stack.database.query(
        "SELECT samples FROM fleet_usage WHERE step = 300")} == {1}


def test_who_has_no_machine_has_no_points(stack):
    assert stack.get("/api/dashboard/usage", Tenant(stack).user()).json() == {
        "step_seconds": 300, "points": []}


# --- who sees it, and what is wrong


def test_scope(stack):
    tenant, other = Tenant(stack), Tenant(stack)
    owner, granted, nobody = tenant.user(), tenant.user(), tenant.user()
    machine = Beating(tenant, owner=owner, granted=granted)
    machine.beat()
    namesake = other.user(user_id=owner.user_id)
    for by, status in ((owner, 200), (granted, 200), (nobody, 404), (namesake, 404),
                       (other.user("company_admin"), 404), (tenant.user("company_admin"), 200),
                       (other.user("super_admin"), 200), (machine, 403), (None, 401)):
        reply = stack.get(f"/api/machines/{machine.id}/usage", by)
        assert reply.status == status, by
        if status == 200:
            assert len(reply.json()["points"]) == 1
        else:
            check_error(reply, status)
    check_error(stack.get("/api/dashboard/usage", machine), 403)
    check_error(stack.get("/api/dashboard/usage"), 401)


@pytest.mark.parametrize("query", ["hours=0", "hours=721", "hours=", "hours=x", "hours=1.5", "hours=-1",
                                   "hours=1&hours=2", "hour=1", "days=1", "limit=10"])
def test_bad_parameters(stack, query):
    tenant = Tenant(stack)
    for path in f"/api/machines/{tenant.machine()}/usage", "/api/dashboard/usage":
        error = check_error(stack.get(f"{path}?{query}", tenant.user("company_admin")), 400)
        assert query.split("=")[0] in error


def test_as_csv(stack):
    tenant = Tenant(stack)
    admin, machine = tenant.user("company_admin"), Machine(tenant)
    assert machine.heartbeat(cpu_percent=12.34, memory_percent=0, disk_percent=100).status == 200
    reply = stack.get(f"/api/machines/{machine.id}/usage", admin, headers={"Accept": "text/csv"})
    head, line = reply.body.decode().splitlines()
    assert head == "time," + ",".join(f"{name}.{of}" for name in FIGURES
                                      for of in ("min", "mean", "max"))
    assert line.split(",")[1:] == ["12.3"] * 3 + ["0.0"] * 3 + ["100.0"] * 3


# --- machines that go


def test_removal(stack, directory):
    """With the machine goes its usage, and with a user's last machine its fleet's."""
    tenant, database = Tenant(stack), stack.database
    owner, other, operator = tenant.user(), tenant.user(), Operator(stack, directory)
    first, second = Beating(tenant, owner=owner), Beating(tenant, owner=owner, granted=other)
    for _ in range(2):
        at = look(stack)
        first.beat()
        second.beat()
        wait_for(lambda: len(database.query(
            "SELECT user_id FROM fleet_usage WHERE step = 300 AND slot_at = %s AND user_id IN (%s, %s)",
            at, owner.user_id, other.user_id)) == 2, what="both users' fleets")

    def kept():
        usages, fleets = ({row[name] for row in database.query(f"SELECT {name} FROM {table}")}
                          for table, name in (("machine_usage", "agent_id"),
                                              ("fleet_usage", "user_id")))
        return usages & {first.id, second.id}, fleets & {owner.user_id, other.user_id}

    assert kept() == ({first.id, second.id}, {owner.user_id, other.user_id})
    operator.do("machine", "remove", first.id)
    assert kept() == ({second.id}, {owner.user_id, other.user_id})
    operator.do("revoke", "--user-id", other.user_id, "--agent-id", second.id)
    assert kept() == ({second.id}, {owner.user_id})
    operator.do("machine", "remove", second.id)
    assert kept() == (set(), set())


def test_a_machine_that_was_removed_by_hand(stack):
    """Whoever is given its id later sees nothing of it."""
    tenant, other, database = Tenant(stack), Tenant(stack), stack.database
    machine = Beating(tenant)
    for _ in range(15):
        machine.beat()
        forward(database, 300)
    assert len(usage(stack, machine, tenant.user("company_admin"), 2)["points"]) == 15
    forward(database, HOUR)
    database.query("DELETE FROM machines WHERE agent_id = %s", machine.id)
    other.machine(agent_id=machine.id)
    database.query("UPDATE machines SET created_at = UTC_TIMESTAMP(3) WHERE agent_id = %s", machine.id)
    for hours in HOURS:
        assert usage(stack, machine, other.user("company_admin"), hours)["points"] == []


# --- off


def test_off(new_stack):
    stack = new_stack(server=ClockedDatabase, workers=1, agents={"usage_history": "0"})
    tenant, database = Tenant(stack), stack.database
    admin, machine = tenant.user("company_admin"), Beating(tenant)
    for _ in range(3):
        machine.beat()
        forward(database, 300)
    stack.signal_workers(signal.SIGTERM)
    wait_for(stack.ready)
    assert usage(stack, machine, admin) == {"step_seconds": 300, "points": []}
    assert stack.get("/api/dashboard/usage", admin).json() == {"step_seconds": 300, "points": []}
    assert not database.query("SELECT agent_id FROM machine_usage")
    assert not database.query("SELECT tenant_id FROM fleet_usage")
    assert database.query("SELECT usage_now FROM machines") == [{"usage_now": ""}]
