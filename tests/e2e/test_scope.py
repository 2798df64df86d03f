# SPDX-License-Identifier: MIT
"""Who sees what, who may close what, and what closing does."""
from concurrent.futures import ThreadPoolExecutor

import pytest

from fleet import Tenant
from model import Model
from schemas import READS, check, check_error

pytestmark = [pytest.mark.core, pytest.mark.databases(cluster=False)]


class World:
    """Two tenants, in each a machine of every relation to the user `alice`, with sessions and
    commands of hers and of bob's; both tenants have an alice with the same user_id."""

    def __init__(self, stack):
        self.stack, self.sessions, self.users = stack, [], []
        tenants = [Tenant(stack), Tenant(stack)]
        name = f"alice-{tenants[0].id}"
        for tenant in tenants:
            alice = tenant.user(user_id=name)
            bob = tenant.user()
            self.users += [alice, bob, tenant.user("company_admin")]
            for number, options in enumerate((
                    {"owner": alice}, {"granted": alice}, {}, {"owner": bob},
                    {"owner": alice, "granted": bob}, {"owner": alice, "seen": 500},
                    {"granted": alice, "seen": None})):
                agent = tenant.machine(cpu=100 * number, **{"seen": number, **options})
                for ago, user in enumerate((alice, bob)):
                    for state in "active", "closing", "closed":
                        self.sessions.append(tenant.session(agent, user, number + ago,
                                                            state=state))
                    tenant.command(agent, user, f"{user.user_id} on {agent}", number + ago)
        alice, other_bob = self.users[0], self.users[4]
        self.users += [tenants[0].user(), tenants[1].user("super_admin")]
        # Access that crosses the wall gives nothing.
        crossing = tenants[1].machine()
        tenants[0].grant(alice, crossing, "owner")
        self.sessions.append(tenants[1].session(crossing, other_bob))
        tenants[1].command(crossing, other_bob)


@pytest.fixture(scope="module")
def world(module_stacks):
    """Alone in its database: what the super admin sees is known to the row."""
    return World(module_stacks())


def test_the_model_tells_them_apart(world):
    """Else the tests below prove little."""
    views = [Model(world.stack.database, user).replies() for user in world.users]
    assert all(views.count(view) == 1 for view in views)


@pytest.mark.parametrize("path", READS)
def test_everyone_sees_what_is_theirs(world, path):
    for user in world.users:
        assert world.stack.get(path, user).json() == \
            Model(world.stack.database, user).replies()[path], user


def test_counts_agree_with_lists(world):
    """The dashboard against the lists, and both against the rows."""
    for user in world.users:
        model = Model(world.stack.database, user)
        stats, sessions, machines = (world.stack.get(path, user).json() for path in (
            "/api/dashboard/stats", "/api/terminal/sessions", "/api/dashboard/recent-machines"))
        assert stats["online_count"] + stats["offline_count"] == len(model.visible_machines)
        assert {row["agent_id"] for row in sessions["sessions"]} <= model.online
        if len(model.visible_machines) <= 5:
            assert [row["status"] for row in machines["machines"]].count("online") == \
                stats["online_count"]


def test_the_same_user_id_elsewhere_sees_nothing(stack, tenant):
    alice = tenant.user()
    tenant.session(tenant.machine(owner=alice), alice)
    stranger = Tenant(stack).user(user_id=alice.user_id)
    assert stack.get("/api/terminal/sessions", stranger).json() == {"sessions": []}
    assert stack.get("/api/dashboard/recent-machines", stranger).json() == {"machines": []}


def test_roles_are_exact(stack, tenant):
    """An admin of one tenant is nobody in another; a machine's name is not a right."""
    tenant.machine()
    for other in Tenant(stack).user("company_admin"), tenant.user():
        assert stack.get("/api/dashboard/stats", other).json()["online_count"] == 0


def test_own_sessions_on_machines_out_of_reach(stack, tenant):
    alice, bob = tenant.user(), tenant.user()
    agent = tenant.machine()
    mine, _ = tenant.session(agent, alice), tenant.session(agent, bob)
    assert [row["session_id"] for row in stack.get("/api/terminal/sessions", alice).json()[
        "sessions"]] == [mine]


def test_commands_stay_in_their_tenant(stack, tenant):
    """What was run on a machine before it changed hands is the former tenant's."""
    alice, bob = tenant.user(), Tenant(stack).user()
    agent = tenant.machine(owner=alice)
    tenant.command(agent, bob, "before", 1, tenant_id=bob.tenant)
    tenant.command(agent, alice, "after")
    for by in alice, tenant.user("company_admin"):
        assert [row["command"] for row in stack.get("/api/dashboard/recent-activity", by).json()[
            "activities"]] == ["after"]


def test_recent_commands_of_many_machines(stack, tenant):
    """More machines than the ten that can matter, own commands in between, and ties."""
    alice, bob = tenant.user(), tenant.user()
    for number in range(25):
        agent = tenant.machine(granted=alice if number % 2 else None)
        tenant.command(agent, alice if number % 3 == 0 else bob, ago=number // 2)
        tenant.command(agent, bob, ago=60 - number)
    assert stack.get("/api/dashboard/recent-activity", alice).json() == \
        Model(stack.database, alice).activities()


# --- closing


def state(stack, session):
    row, = stack.database.query("SELECT state FROM sessions WHERE session_id = %s", session)
    return row["state"], stack.database.query(
        "SELECT agent_id, requested_by, requested_by_username FROM signals WHERE session_id = %s",
        session)


def test_who_may_close(stack):
    """Every user on every session: 404, 403 or 200 as the model says, and effects to match."""
    world, seen = World(stack), set()
    models = [Model(stack.database, user) for user in world.users]
    for session in world.sessions:
        before = state(stack, session)
        expected = [(model.close_status(session), model.user) for model in models]
        for status, user in sorted(expected, key=lambda pair: -pair[0]):  # 200 comes last
            reply = stack.delete(session, user)
            assert reply.status == status, (session, user)
            seen.add(status)
            if status != 200:
                check_error(reply, status)
                assert state(stack, session) == before
            if status == 403:
                assert 'error="insufficient_scope"' in reply.headers["WWW-Authenticate"]
        assert len(state(stack, session)[1]) == (before[0] == "active")
    assert seen == {200, 403, 404}


def test_hidden_and_missing_look_the_same(stack, tenant):
    hidden = tenant.session(tenant.machine(), tenant.user())
    replies = [stack.delete(session, tenant.user()) for session in (hidden, "no-such-session")]
    assert replies[0].body == replies[1].body and {reply.status for reply in replies} == {404}


def test_closing_effects(stack, tenant):
    alice = tenant.user()
    agent = tenant.machine()
    session, other = tenant.session(agent, alice), tenant.session(agent, alice)
    signal = {"agent_id": agent, "requested_by": alice.user_id,
              "requested_by_username": alice.username}
    for _ in range(3):
        check(stack.delete(session, alice), "closed")
        assert state(stack, session) == ("closing", [signal])
    assert state(stack, other) == ("active", [])
    assert [row["session_id"] for row in stack.get("/api/terminal/sessions", alice).json()[
        "sessions"]] == [other]
    at, = stack.database.query("SELECT ABS(TIMESTAMPDIFF(SECOND, requested_at, UTC_TIMESTAMP())) "
                               "AS age FROM signals WHERE session_id = %s", session)
    assert at["age"] < 30


def test_closed_stays_closed(stack, tenant):
    alice = tenant.user()
    session = tenant.session(tenant.machine(), alice, state="closed")
    check(stack.delete(session, alice), "closed")
    assert state(stack, session) == ("closed", [])


def test_closing_on_an_offline_machine(stack, tenant):
    alice = tenant.user()
    session = tenant.session(tenant.machine(seen=500), alice)
    check(stack.delete(session, alice), "closed")
    assert state(stack, session)[0] == "closing" and len(state(stack, session)[1]) == 1


@pytest.mark.parametrize("threads", [2, 8])
def test_concurrent_closing_signals_once(stack, tenant, threads):
    alice, admin = tenant.user(), tenant.user("company_admin")
    agent = tenant.machine()
    with ThreadPoolExecutor(threads) as pool:
        for _ in range(20):
            session = tenant.session(agent, alice)
            replies = pool.map(lambda n: stack.delete(session, (alice, admin)[n % 2]),
                               range(threads))
            assert {reply.status for reply in replies} == {200}
            closed = state(stack, session)
            assert closed[0] == "closing" and len(closed[1]) == 1


def test_closing_all_at_once(stack, tenant):
    """Different sessions in one round lose none."""
    alice = tenant.user()
    agent = tenant.machine()
    sessions = [tenant.session(agent, alice) for _ in range(60)]
    with ThreadPoolExecutor(16) as pool:
        assert {reply.status for reply in pool.map(lambda session: stack.delete(session, alice),
                                                   sessions)} == {200}
    for session in sessions:
        assert len(state(stack, session)[1]) == 1
