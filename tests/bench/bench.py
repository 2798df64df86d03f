# SPDX-License-Identifier: MIT
"""Speed of the reads through a real nginx, worker pool and MariaDB.

Without --scale: requests/s and latency under load, each run in a pair with one of /health, so that
what else the machine does touches both. With --scale: latencies of one tenant in a small and in a
large database, request by request in turn.
"""
import argparse
import contextlib
import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))

import data
from stack import Database, Stack, write_conf
from tokens import claims

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
)
SERVER_OPTIONS = ("--skip-networking", "--innodb-flush-log-at-trx-commit=1",
                  "--innodb-buffer-pool-size=128M", "--innodb-log-file-size=96M")


@contextlib.contextmanager
def filled_stack(machines, commands):
    print(f"filling a database: {machines:,} machines, {commands:,} commands", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="vsay-bench-") as name, contextlib.ExitStack() as parts:
        directory = Path(name)
        database = Database(directory, *SERVER_OPTIONS, f"--tmpdir={directory}")
        parts.callback(database.stop)
        database.create_schema(
            write_conf(directory / "migrate.conf", {"db": {"host": database.socket}}))
        data.fill(database, machines, commands)
        stack = Stack(directory, database=database, log={"level": "info"},
                      agents={"offline_after": "86400s"})
        parts.callback(stack.close)
        yield stack


def token(stack, user_id, role):
    return stack.keys.sign(claims(user_id, ttl=86400, tenant_id="tenant-0", role=role))


# --- under load ------------------------------------------------------------------------------


def prepare(stack):
    """Writes the files of tokens, and checks that the replies are what is to be measured."""
    admin = token(stack, "admin", "company_admin")
    users = [token(stack, f"user-{n}", "user") for n in range(data.TENANT)]
    for name, tokens in ("none", []), ("admin", [admin]), ("users", users):
        (stack.dir / name).write_text("".join(f"{text}\n" for text in tokens))
    for path, name, counts in ((SESSIONS, "sessions", (100, 1)), (ACTIVITY, "activities", (10, 10)),
                               (MACHINES, "machines", (5, 3))):
        replies = [stack.get(path, token=by).json()[name] for by in (admin, users[10])]
        assert tuple(map(len, replies)) == counts, path


def cpu_seconds(pids):
    fields = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in pids]
    return sum(int(each[11]) + int(each[12]) for each in fields) / os.sysconf("SC_CLK_TCK")


def wrk(port, path, tokens, connections, seconds):
    """The figures of one run; `tokens` is a file."""
    ran = subprocess.run(
        ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", HERE / "load.lua",
         f"http://127.0.0.1:{port}{path}", "--", tokens],
        stdout=subprocess.PIPE, text=True, check=True)
    run = json.loads(ran.stdout.splitlines()[-1])
    run["rate"] = run["requests"] / run["seconds"]
    return run


def load(stack, path, tokens, connections, seconds):
    """The same, with the CPU time of the stack's parts."""
    groups = (stack.worker_pids(), [stack.nginx.pid, *stack.nginx.children()],
              [stack.database.process.pid])
    before = [cpu_seconds(pids) for pids in groups]
    run = wrk(stack.port, path, stack.dir / tokens, connections, seconds)
    run["cpu"] = [(cpu_seconds(pids) - then) / run["requests"] * 1e6
                  for pids, then in zip(groups, before)]
    return run


def row_text(name, connections, runs, note=""):
    rate, p50, p99 = (median(run[key] for run in runs) for key in ("rate", "p50", "p99"))
    cpu = "".join(f"{median(column):8.0f}" for column in zip(*(run["cpu"] for run in runs)))
    errors = sum(run["errors"] for run in runs)
    return f"{name:30}{connections:5}{rate:9,.0f}{p50:8.2f}{p99:8.2f}{errors:8}{cpu}{note}"


def measure_rows(stack, connections, options):
    every_health, lines = [], []
    for name, path, tokens, target in ROWS:
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
              f"{'':70}{'CPU':^22}\n{'':30}{'conn':>5}{'req/s':>9}{'p50 ms':>8}{'p99 ms':>8}"
              f"{'errors':>8}{'worker':>8}{'nginx':>8}{'mariadb':>8}{'share':>9}{'target':>8}")
        print(*lines, sep="\n")
        statuses = [Path(f"/proc/{pid}/status").read_text() for pid in stack.worker_pids()]
        peaks = [int(text.partition("VmHWM:")[2].split()[0]) / 1024 for text in statuses]
        print(f"\nWorkers' memory at its peak: {max(peaks):.0f} MB each")


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
    parser = argparse.ArgumentParser(description="Measures the reads of vsay-api.")
    parser.add_argument("--seconds", type=int, default=4, help="of one run (4)")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each row (3)")
    parser.add_argument("--connections", type=int, nargs="+", default=[64, TARGET_CONNECTIONS],
                        help="(64 256)")
    parser.add_argument("--scale", action="store_true", help="compare a small and a large database")
    parser.add_argument("--requests", type=int, default=300, help="of each row of --scale (300)")
    options = parser.parse_args()
    if not options.scale and not shutil.which("wrk"):
        sys.exit("bench.py: install wrk first (a Debian package of that name)")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # stops all parts on the way out
    bench_scale(options) if options.scale else bench_load(options)


if __name__ == "__main__":
    main()
