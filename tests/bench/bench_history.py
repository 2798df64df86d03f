# SPDX-License-Identifier: MIT
"""What searches read: rows of the database (Handler_read%) and milliseconds of each filter of the
history, for each role, with as much behind them as is asked for. None may read more than a bounded
number of rows."""
import sys
import time
from urllib.parse import urlencode

import data
from rig import filled_stack, token

MACHINES = 10_000
SERVER = ("--skip-networking", "--innodb-flush-log-at-trx-commit=0",
          "--innodb-buffer-pool-size=4G", "--innodb-log-file-size=1G")
MANY = "many"  # a user with more machines than are searched one by one
READ_MAX = 100_000  # rows: two looks at 20,000 entries, and up to three other rows for each
CALLERS = (("user", "user-7"), ("user", MANY), ("company_admin", "admin"), ("super_admin", "admin"))

MANY_MACHINES = """
INSERT INTO machine_access (tenant_id, user_id, agent_id, relation)
SELECT 'tenant-0', '{many}', CONCAT('agent-', seq), 'granted' FROM seq_100_to_400"""

SIGNALS = """
INSERT INTO signals (session_id, agent_id, requested_by, requested_by_username, requested_at, due_at,
                     outcome)
SELECT session_id, agent_id, 'user-7', 'User 7', ended_at, NULL, 'confirmed' FROM sessions
WHERE state = 'closed' AND id % 10 = 0"""

TIMES = """
SELECT DATE_FORMAT(MIN(t) + INTERVAL TIMESTAMPDIFF(SECOND, MIN(t), MAX(t)) DIV 2 SECOND,
                   '%Y-%m-%dT%H:%i:%sZ') AS middle
FROM (SELECT MIN({time}) AS t FROM {table} UNION ALL SELECT MAX({time}) FROM {table}) ends"""


def middle(stack, table, time):
    """The time half way through a table."""
    row, = stack.database.query(TIMES.format(table=table, time=time))
    return row["middle"]


def rows_read(stack):
    return sum(int(row["Value"]) for row in
               stack.database.query("SHOW GLOBAL STATUS LIKE 'Handler_read%'"))


def requests(stack):
    """(path, filters); what a filter does not find makes it look as far as it may."""
    half = middle(stack, "sessions", "started_at")
    yield from (("/api/sessions", filters) for filters in (
        {}, {"limit": 1000}, {"status": "active"}, {"status": "closing"}, {"status": "closed"},
        {"user_id": "user-7"}, {"user_id": "nobody"}, {"agent_id": "agent-7"}, {"source": "vscode"},
        {"q": "User 7"}, {"q": "nowhere"}, {"from": half}, {"to": half}, {"ended_by": "user-7"},
        {"ended_by": "nobody"}))
    half = middle(stack, "commands", "executed_at")
    yield from (("/api/activity", filters) for filters in (
        {}, {"limit": 1000}, {"q": "ls -l"}, {"q": "nowhere"}, {"user_id": "user-7"},
        {"user_id": "nobody"}, {"agent_id": "agent-7"}, {"session_id": "closed-7"},
        {"source": "vscode"}, {"success": "true"}, {"from": half}, {"to": half}))
    yield "/api/sessions/closed-7/activity", {}


def measure(stack, path, filters, by, again=True):
    """A line: rows in the page, rows read, ms, and whether the search goes on. Too many rows are
    counted again: every five minutes a worker reads all machines, for the usage of the fleets."""
    before, start = rows_read(stack), time.perf_counter()
    reply = stack.get(f"{path}?{urlencode(filters)}", token=by, timeout=300)
    took, read = (time.perf_counter() - start) * 1e3, rows_read(stack) - before
    assert reply.status in (200, 404), reply
    if read > READ_MAX and again:
        return measure(stack, path, filters, by, again=False)
    body = reply.json()
    page = next((value for value in body.values() if isinstance(value, list)), [])
    goes_on = "goes on" if body.get("searched_to") else ""
    verdict = "met" if read <= READ_MAX else "MISSED"
    return f"{len(page):7}{read:9,}{took:10.1f}  {verdict:7}{goes_on}"


def bench_history(options):
    with filled_stack(MACHINES, options.history, server_options=SERVER) as stack:
        stack.database.query(MANY_MACHINES.format(many=MANY))
        stack.database.query(SIGNALS)
        stack.database.query("ANALYZE TABLE signals, machine_access")
        print(f"\n{options.history:,} commands, {options.history // 10:,} sessions, {MACHINES:,} "
              f"machines; half of all is in the tenant of the callers.\nuser-7 has 3 machines, "
              f"{MANY} 301. Rows are what MariaDB read; none may read more than {READ_MAX:,}.\n\n"
              f"{'caller':25}{'request':50}{'page':>7}{'rows':>9}{'ms':>10}")
        for role, user in CALLERS:
            by = token(stack, user, role)
            for path, filters in requests(stack):
                query = urlencode(filters)
                print(f"{role + ' ' + user:25}{path + ('?' + query if query else ''):50}"
                      f"{measure(stack, path, filters, by)}", flush=True)
    sys.stdout.flush()
