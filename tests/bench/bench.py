# SPDX-License-Identifier: MIT
"""Speed of vsay-api through a real nginx, worker pool and MariaDB.

Without options: requests/s and latency of the reads under load, each run in a pair with one of
/health, so that what else the machine does touches both. With --scale: latencies of one tenant in a
small and in a large database, request by request in turn. With --against: another build and this
one, run by run in turn on one database. With --agents, --history, --fleet and --ingest: see
bench_agents.py, bench_history.py, bench_fleet.py and bench_ingest.py.
"""
import argparse
import http.client
import os
import shutil
import signal
import sys
import time
from pathlib import Path
from statistics import median

import data
from rig import TABLE_HEAD, beside, filled_stack, load, pairs_text, row_text, token
from bench_agents import bench_agents
from bench_fleet import bench_fleet
from bench_history import bench_history
from bench_ingest import bench_ingest

STATS = "/api/dashboard/stats"
ACTIVITY = "/api/dashboard/recent-activity"
MACHINES = "/api/dashboard/recent-machines"
SESSIONS = "/api/terminal/sessions"
SMALL, LARGE = (1_000, 100_000), (100_000, 1_000_000)  # machines, commands
GROWTH_MAX = 2
TARGET_CONNECTIONS = 256
ROWS = (  # name, path, file of tokens, share of /health to reach
    ("stats", STATS, "admin", 0.75),
    ("recent-activity", ACTIVITY, "admin", 0.75),
    ("recent-machines", MACHINES, "admin", 0.75),
    ("sessions (100 rows)", SESSIONS, "admin", 0.5),
    ("stats, 1,000 scopes", STATS, "users", None),
    ("recent-activity, 1,000 scopes", ACTIVITY, "users", None),
    ("recent-machines, 1,000 scopes", MACHINES, "users", None),
    ("sessions, 1,000 scopes", SESSIONS, "users", None),
    ("all machines (100 rows)", "/api/machines", "admin", None),
    ("all machines, 1,000 scopes", "/api/machines", "users", None),
    ("one machine", "/api/machines/agent-7", "admin", None),
    ("its usage (288 points)", "/api/machines/agent-7/usage", "admin", None),
    ("the fleet's usage (288)", "/api/dashboard/usage", "admin", None),
    ("history (100 rows)", "/api/sessions", "admin", None),
    ("history, 1,000 scopes", "/api/sessions", "users", None),
    ("commands of a session (10)", "/api/sessions/closed-7/activity", "root", None),
    ("search that finds 100", "/api/activity?q=LS", "admin", None),
    ("search that finds none", "/api/activity?q=nowhere", "admin", None),
    ("search, 1,000 scopes", "/api/activity?q=nowhere", "users", None),
    ("audit (100 rows)", "/api/audit", "root", None),
    ("metrics", "/metrics", "root", None),
)
COMPARED = (("/health", "/health", "none", None), *ROWS)


# --- under load ------------------------------------------------------------------------------


def prepare(stack):
    """Writes the files of tokens, and checks that the replies are what is to be measured."""
    admin, root = (token(stack, "admin", role) for role in ("company_admin", "super_admin"))
    users = [token(stack, f"user-{n}", "user") for n in range(data.TENANT)]
    for name, tokens in (("none", []), ("admin", [admin]), ("root", [root]), ("users", users),
                         ("user", users[:1])):
        (stack.dir / name).write_text("".join(f"{text}\n" for text in tokens))
    for path, name, counts in ((SESSIONS, "sessions", (100, 1)), (ACTIVITY, "activities", (10, 10)),
                               (MACHINES, "machines", (5, 3))):
        replies = [stack.get(path, token=by).json()[name] for by in (admin, users[10])]
        assert tuple(map(len, replies)) == counts, path


def measure_rows(stack, connections, options):
    every_health, lines = [], []
    for name, path, tokens, target in ROWS:
        if options.only not in name:
            continue
        print(f"{connections} connections: {name}", file=sys.stderr)
        pairs = [[load(stack, *what, connections, options.seconds) for what in (
            ("/health", "none"), (path, tokens))] for _ in range(options.rounds)]
        health, runs = zip(*pairs)
        every_health += health
        ratio = median(run["rate"] / base["rate"] for base, run in pairs)
        note = f"{ratio:9.2f}"
        if target and connections == TARGET_CONNECTIONS:
            note += f"{target:8.2f} {'met' if ratio >= target else 'missed'}"
        lines.append(row_text(name, connections, runs, note))
    return [row_text("/health", connections, every_health), *lines]


def bench_load(options):
    with filled_stack(*SMALL) as stack:
        prepare(stack)
        load(stack, STATS, "users", 64, 1)  # warms up
        lines = [line for connections in options.connections
                 for line in measure_rows(stack, connections, options)]
        print(f"\n{SMALL[0]:,} machines and users, 100 active sessions, {SMALL[1]:,} commands; "
              f"{stack.workers} workers; {os.cpu_count()} cores, shared with wrk.\n"
              f"Medians of {options.rounds} runs of {options.seconds} s. Errors: not 2xx or broken "
              "connections. CPU: ms for 1,000 requests.\nShare: of the requests/s of /health.\n\n"
              f"{TABLE_HEAD}{'share':>9}{'target':>8}")
        print(*lines, sep="\n")
        statuses = [Path(f"/proc/{pid}/status").read_text() for pid in stack.worker_pids()]
        peaks = [int(text.partition("VmHWM:")[2].split()[0]) / 1024 for text in statuses]
        print(f"\nWorkers' memory at its peak: {max(peaks):.0f} MB each")


# --- against another build --------------------------------------------------------------------


def compare_row(stacks, row, connections, options):
    name, path, tokens, _ = row
    if connections == 1 and tokens == "users":
        name, tokens = name.replace("1,000 scopes", "one user"), "user"
    print(f"{connections} connections: {name}", file=sys.stderr)
    pairs = [[load(stack, path, tokens, connections, options.seconds) for stack in stacks]
             for _ in range(options.rounds)]
    return pairs_text(name, connections, pairs)


def bench_against(options):
    with filled_stack(*SMALL) as new, beside(new, options.against) as old:
        for each in old, new:
            prepare(each)
            load(each, STATS, "users", 64, 1)  # warms up
        lines = [compare_row((old, new), row, connections, options)
                 for connections in options.connections for row in COMPARED
                 if options.only in row[0]]
    print(f"\n{options.against} and this build by turns; {options.rounds} runs of "
          f"{options.seconds} s each; the ratio is the median of the pairs'.\n\n"
          f"{TABLE_HEAD}{'ratio':>8}")
    print(*lines, sep="", end="")


# --- scale -----------------------------------------------------------------------------------


class Client:
    """One connection, one request at a time."""

    def __init__(self, stack, role):
        self.database = stack.database
        self.connection = http.client.HTTPConnection("127.0.0.1", stack.port, timeout=60)
        self.headers = {"Authorization": f"Bearer {token(stack, 'user-7', role)}"}

    def milliseconds(self, path):
        start = time.perf_counter()
        self.connection.request("GET", path, headers=self.headers)
        response = self.connection.getresponse()
        response.read()
        assert response.status == 200, response.status
        return (time.perf_counter() - start) * 1e3

    def rows_read(self):
        return sum(int(row["Value"]) for row in
                   self.database.query("SHOW GLOBAL STATUS LIKE 'Handler_read%'"))


def compare(clients, path, count):
    """The median latency, and the mean of the rows read for a request, of each client."""
    before = [client.rows_read() for client in clients]
    times = [[client.milliseconds(path) for client in clients] for _ in range(count)]
    rows = [(client.rows_read() - then) / count for client, then in zip(clients, before)]
    return [median(column) for column in zip(*times)], rows


def bench_scale(options):
    with filled_stack(*SMALL) as small, filled_stack(*LARGE) as large:
        print(f"\nSmall: {SMALL[0]:,} machines and {SMALL[1]:,} commands. Large: {LARGE[0]:,} and "
              f"{LARGE[1]:,}; the caller's tenant has {data.TENANT:,} machines in both.\n"
              f"Medians of {options.requests} requests, one after the other; rows are what MariaDB "
              f"read for one.\n\n{'':47}{'ms':^16}{'rows':^18}\n{'role':14}{'path':33}{'small':>8}"
              f"{'large':>8}{'small':>9}{'large':>9}{'growth':>8}{'target':>8}")
        for role in "user", "company_admin", "super_admin":
            clients = Client(small, role), Client(large, role)
            sessions = SESSIONS + ("?limit=100" if role == "super_admin" else "")
            for path in STATS, ACTIVITY, MACHINES, sessions:
                compare(clients, path, 10)  # warms up
                times, rows = compare(clients, path, options.requests)
                growth = times[1] / times[0]
                print(f"{role:14}{path:33}{times[0]:8.2f}{times[1]:8.2f}{rows[0]:9,.0f}"
                      f"{rows[1]:9,.0f}{growth:8.2f}{GROWTH_MAX:8.2f} "
                      f"{'met' if growth <= GROWTH_MAX else 'missed'}", flush=True)


def main():
    parser = argparse.ArgumentParser(description="Measures vsay-api.")
    parser.add_argument("--seconds", type=int, default=4, help="of one run (4)")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each row (3)")
    parser.add_argument("--connections", type=int, nargs="+", default=[64, TARGET_CONNECTIONS],
                        help="(64 256)")
    parser.add_argument("--against", type=Path, metavar="DIR",
                        help="compare with the vsay-api in that directory; 1 connection is one user")
    parser.add_argument("--only", default="", metavar="TEXT",
                        help="the rows whose names hold that text")
    parser.add_argument("--ingest", type=int, nargs="?", const=10_000, metavar="N",
                        help="what N machines (10000) report instead, with and without usage over "
                        "time, or, with --against, to that build and this one")
    parser.add_argument("--scale", action="store_true", help="compare a small and a large database")
    parser.add_argument("--requests", type=int, default=300, help="of each row of --scale (300)")
    parser.add_argument("--agents", type=int, nargs="?", const=10_000, metavar="N",
                        help="measure what N agents (10000) do instead")
    parser.add_argument("--workers", type=int, default=1,
                        help="of --agents: processes in which they wait (1)")
    parser.add_argument("--rate", type=int, default=20, help="of --agents: DELETEs/s (20)")
    parser.add_argument("--delete-seconds", type=int, default=30,
                        help="of --agents: how long they come (30)")
    parser.add_argument("--history", type=int, nargs="?", const=10_000_000, metavar="N",
                        help="count what searches read among N commands (10000000) instead")
    parser.add_argument("--fleet", type=int, nargs="?", const=100_000, metavar="N",
                        help="count what lists and usage of N machines (100000) read instead")
    options = parser.parse_args()
    if not (options.scale or options.history or options.fleet) and not shutil.which("wrk"):
        sys.exit("bench.py: install wrk first (a Debian package of that name)")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # stops all parts on the way out
    if options.agents:
        bench_agents(options)
    elif options.ingest:
        bench_ingest(options)
    elif options.history:
        bench_history(options)
    elif options.fleet:
        bench_fleet(options)
    elif options.against:
        bench_against(options)
    elif options.scale:
        bench_scale(options)
    else:
        bench_load(options)


if __name__ == "__main__":
    main()
