# SPDX-License-Identifier: MIT
"""Reads of different callers that share a query: each gets what it would get alone."""
import contextlib
import random

import pytest

import fcgi
import model
from fleet import Tenant, unique
from held import held_up
from machine import Machine
from schemas import READS
from stack import wait_for

pytestmark = pytest.mark.core

LISTS = [*READS, "/api/terminal/sessions?limit=2", "/api/terminal/sessions?source=cli&limit=1000"]
MACHINES = "/api/dashboard/recent-machines"  # the model knows no order of equal times
MANY, OFFLINE_AFTER = 10_000, 86400


@pytest.fixture(scope="module")
def stack(module_stacks):
    """One worker with one thread of each kind, so that all who come while it is held up are batched. No machine
    goes offline meanwhile."""
    return module_stacks(workers=1, api={"db_workers": "1", "io_threads": "1"},
                         agents={"offline_after": f"{OFFLINE_AFTER}s"})


def send(stack, path, user):
    """A request that is not waited for."""
    connection = fcgi.connect(stack.socket)
    connection.sendall(fcgi.encode(fcgi.environment("GET", path, user)))
    return connection


def at_once(stack, blocker, path, users):
    """The replies to all of them, who asked while the worker could not answer. Locks hold up only
    who comes to the same node."""
    with held_up(stack, blocker) if len(stack.database.nodes) == 1 else contextlib.nullcontext():
        connections = [send(stack, path, user) for user in users]
    replies = []
    for connection in connections:
        with contextlib.closing(connection):
            replies.append(fcgi.read_reply(connection))
    return replies


def selects(stack):
    row, = stack.database.query("SHOW GLOBAL STATUS LIKE 'Com_select'")
    return int(row["Value"])


def give_many(stack, tenant, user):
    """MANY machines, of which the newest differ in all columns."""
    prefix = unique("many")
    digits = " JOIN ".join(
        f"(SELECT 0 AS d{n}{''.join(f' UNION ALL SELECT {d}' for d in range(1, 10))}) x{n}"
        for n in range(4))
    stack.database.query(
        "INSERT INTO machines (agent_id, tenant_id, name, cpu, last_heartbeat_at, last_command_at, "
        "created_at) SELECT CONCAT(%s, n), %s, CONCAT('Machine ', n), n, UTC_TIMESTAMP(3) - "
        "INTERVAL IF(n MOD 3, n DIV 2, 1000000) SECOND, IF(n MOD 7, UTC_TIMESTAMP(3) - INTERVAL n SECOND, NULL), "
        f"UTC_TIMESTAMP(3) FROM (SELECT 1000 * d0 + 100 * d1 + 10 * d2 + d3 AS n FROM {digits}) n",
        prefix, tenant.id)
    stack.database.query(
        "INSERT INTO machine_access (tenant_id, user_id, agent_id, relation) SELECT tenant_id, %s, "
        "agent_id, 'granted' FROM machines WHERE agent_id LIKE %s", user.user_id, f"{prefix}%")
    stack.database.query("ANALYZE TABLE machines, machine_access")
    for number in range(0, 40, 3):
        tenant.session(f"{prefix}{number}", user, number, source="cli")
        tenant.command(f"{prefix}{number}", user, f"of {prefix}", number // 2)


class World:
    """Three tenants whose users have the same ids, with machines, sessions and commands of their
    own, shared, and of others."""

    def __init__(self, stack):
        self.stack, self.users, chance = stack, [], random.Random(7)
        tenants = [Tenant(stack) for _ in range(3)]
        names = [unique("same") for _ in range(8)]
        for tenant in tenants:
            users = [tenant.user(user_id=name) for name in names]
            for number in range(20):
                agent = tenant.machine(seen=chance.choice((0, 1, 5, 10**6, None)), cpu=number * 10)
                for user in chance.sample(users[:6], chance.randint(0, 4)):
                    tenant.grant(user, agent, chance.choice(("owner", "granted")))
                for ago in range(chance.randint(0, 3)):
                    user = chance.choice(users[:7])
                    tenant.session(agent, user, ago, source=chance.choice(("ui", "cli")))
                    tenant.command(agent, user, f"on {agent}", ago)
            self.users += [*users, tenant.user("company_admin"), tenant.user(user_id=names[0])]
        self.heavy = tenants[0].user()
        give_many(stack, tenants[0], self.heavy)
        empty = Tenant(stack)
        self.users += [self.heavy, tenants[1].user("super_admin"), empty.user("company_admin"),
                       empty.user(user_id=names[0]), tenants[0].user("company_admin")]
        self.blocker = Machine(Tenant(stack))


@pytest.fixture(scope="module")
def world(stack):
    return World(stack)


@pytest.mark.databases
@pytest.mark.parametrize("path", LISTS)
def test_each_gets_its_own(world, path):
    """Users of several tenants with equal ids, admins, a super admin, with many rows and without
    any, several of each, in any order."""
    for seed in range(2):  # the heavy one is in the first batch only
        users = world.users * 3
        random.Random(seed).shuffle(users)
        replies = at_once(world.stack, world.blocker, path, users)
        alone = {user: world.stack.get(path, user).body for user in world.users}
        assert len(set(alone.values())) > len(alone) / 3, "they can be told from each other"
        for user, reply in zip(users, replies):
            assert reply.status == 200 and reply.body == alone[user], (path, user)


@pytest.mark.databases
@pytest.mark.parametrize("path", [path for path in READS if path != MACHINES])
def test_each_gets_what_the_rows_say(world, path, monkeypatch):
    monkeypatch.setattr(model, "OFFLINE_AFTER", OFFLINE_AFTER)
    users = world.users[:12]
    for user, reply in zip(users, at_once(world.stack, world.blocker, path, users)):
        assert reply.json() == model.Model(world.stack.database, user).replies()[path], user


@pytest.mark.parametrize("path, most", [
    ("/api/dashboard/stats", 1), ("/api/dashboard/recent-machines", 1),
    ("/api/dashboard/recent-activity", 5), ("/api/terminal/sessions", 1)])
def test_few_statements(stack, path, most):
    """200 users at 64 connections, each with a machine of its own and one that all see."""
    tenant = Tenant(stack)
    users, shared, blocker = [tenant.user() for _ in range(200)], tenant.machine(), Machine(tenant)
    for user in users:
        agent = tenant.machine(owner=user)
        tenant.grant(user, shared)
        tenant.command(agent, user)
    for first in range(0, len(users), 64):
        with held_up(stack, blocker):
            before = selects(stack)
            connections = [send(stack, path, user) for user in users[first:first + 64]]
        for connection in connections:
            with contextlib.closing(connection):
                assert fcgi.read_reply(connection).status == 200
        assert selects(stack) - before <= most + 12, "with those of the heartbeat, and of the poller"


class Heavy:
    """A user of MANY machines, and others of the same tenant."""

    def __init__(self, stack):
        self.stack, self.tenant = stack, Tenant(stack)
        self.user, self.others = self.tenant.user(), [self.tenant.user() for _ in range(30)]
        self.blocker = Machine(self.tenant)
        give_many(stack, self.tenant, self.user)
        for user in self.others:
            self.tenant.machine(owner=user)

    def cost(self):
        """How many statements it takes to answer all of them, who asked at one time."""
        with held_up(self.stack, self.blocker):
            before = selects(self.stack)
            connections = [send(self.stack, "/api/dashboard/stats", user)
                           for user in [self.user, *self.others]]
        for connection in connections:
            with contextlib.closing(connection):
                assert fcgi.read_reply(connection).status == 200
        return selects(self.stack) - before


def test_a_heavy_caller_is_alone(stack):
    """Once it is known to be, those who ask at the same time do not wait for its query."""
    heavy = Heavy(stack)
    together = heavy.cost()
    assert [heavy.cost(), heavy.cost()] == [together + 1] * 2


@pytest.mark.heavy
def test_a_caller_that_is_heavy_no_more(stack):
    heavy = Heavy(stack)
    together = heavy.cost()
    assert heavy.cost() == together + 1
    stack.database.query("DELETE FROM machine_access WHERE user_id = %s", heavy.user.user_id)
    assert heavy.cost() == together + 1, "that is not known yet"
    wait_for(lambda: heavy.cost() == together, 120, "it to be counted again")
