# SPDX-License-Identifier: MIT
"""What lists of machines and usage over time read, rows of the database (Handler_read%) and
milliseconds, in a small and in a large fleet of one tenant. None may read more than a bounded number
of rows. And what a look at all fleets takes."""
import time
from urllib.parse import urlencode

from bench_history import rows_read
from data import FLEET_USAGE
from rig import filled_stack, token
from stack import wait_for

SMALL, READ_MAX = 1_000, 20_000
MANY = "many"  # a user who may see all machines
CALLERS = ("user", "user-7"), ("user", MANY), ("company_admin", "admin"), ("super_admin", "admin")

ONE_TENANT = ("UPDATE machines SET tenant_id = 'tenant-0'",
              "UPDATE machine_access SET tenant_id = 'tenant-0'")
ACCESS = """
INSERT INTO machine_access (tenant_id, user_id, agent_id, relation)
SELECT 'tenant-0', '{many}', agent_id, 'granted' FROM machines"""

REQUESTS = [("/api/machines", filters) for filters in (
    {}, {"limit": 1000}, {"cursor": "agent-7"}, {"status": "online"}, {"status": "offline"},
    {"q": "Machine 9"}, {"q": "nowhere"})]
REQUESTS += [("/api/machines/agent-7", {})]
REQUESTS += [(path, {"hours": hours}) for path in ("/api/machines/agent-7/usage",
                                                  "/api/dashboard/usage") for hours in (1, 24, 720)]


def measure(stack, path, filters, by):
    before, start = rows_read(stack), time.perf_counter()
    reply = stack.get(f"{path}?{urlencode(filters)}", token=by, timeout=300)
    took, read = (time.perf_counter() - start) * 1e3, rows_read(stack) - before
    assert reply.status == 200, reply
    return read, took


def look(stack):
    """(fleets, seconds) of a look at all."""
    rings = int(stack.database.query("SELECT COUNT(DISTINCT tenant_id, user_id) AS count "
                                     "FROM machine_access")[0]["count"]) + 2
    stack.pool.stop()
    stack.database.query("DELETE FROM fleet_usage")
    stack.database.query("UPDATE fleet_looks SET slot_at = 0")
    start = time.perf_counter()
    stack.restart_pool()
    wait_for(lambda: stack.database.query("SELECT COUNT(*) AS count FROM fleet_usage")[0]["count"] ==
             2 * rings, 300, "a look")
    return rings, time.perf_counter() - start


def figures(machines):
    """{(caller, request): (rows, ms)}, and what a look took."""
    found = {}
    with filled_stack(machines, 0) as stack:
        stack.pool.stop()  # a look at the fleets would meet these statements in a deadlock
        for sql in *ONE_TENANT, ACCESS.format(many=MANY), FLEET_USAGE:
            stack.database.query(sql)
        stack.database.query("ANALYZE TABLE machines, machine_access, machine_usage, fleet_usage")
        stack.restart_pool()
        for role, user in CALLERS:
            by = token(stack, user, role)
            for path, filters in REQUESTS:
                name = path + ("?" + urlencode(filters) if filters else "")
                found[f"{role} {user}", name] = measure(stack, path, filters, by)
        return found, look(stack)


def bench_fleet(options):
    small, small_look = figures(SMALL)
    large, large_look = figures(options.fleet)
    print(f"\nRows that MariaDB reads, none more than {READ_MAX:,}, and ms, with {SMALL:,} and "
          f"{options.fleet:,} machines in one tenant.\nuser-7 may see 3 of them, {MANY} all.\n\n"
          f"{'caller':22}{'request':40}{'rows':>9}{'ms':>9}{'rows':>9}{'ms':>9}")
    for (caller, name), (rows, ms) in large.items():
        before = small[caller, name]
        print(f"{caller:22}{name:40}{before[0]:9,}{before[1]:9.1f}{rows:9,}{ms:9.1f}  "
              f"{'met' if rows <= READ_MAX else 'MISSED'}")
    for fleets, seconds in small_look, large_look:
        print(f"a look at {fleets:,} fleets: {seconds:.1f} s, with the start of the worker")
