# SPDX-License-Identifier: MIT
"""What all measurements stand on: a filled stack, wrk, and what the kernel counts of processes."""
import contextlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "e2e" / "lib"), str(HERE.parent / "sim")]

import data
from stack import Database, Stack, write_conf
from tokens import claims

SERVER_OPTIONS = ("--skip-networking", "--innodb-flush-log-at-trx-commit=1",
                  "--innodb-buffer-pool-size=128M", "--innodb-log-file-size=96M")
TABLE_HEAD = (f"{'':70}{'CPU':^22}\n{'':30}{'conn':>5}{'req/s':>9}{'p50 ms':>8}{'p99 ms':>8}"
              f"{'errors':>8}{'worker':>8}{'nginx':>8}{'mariadb':>8}")


@contextlib.contextmanager
def filled_stack(machines, commands, server_options=SERVER_OPTIONS, **options):
    """`options` are Stack's."""
    print(f"filling a database: {machines:,} machines, {commands:,} commands", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="vsay-bench-") as name, contextlib.ExitStack() as parts:
        directory = Path(name)
        database = Database(directory, *server_options, f"--tmpdir={directory}")
        parts.callback(database.stop)
        database.create_schema(
            write_conf(directory / "migrate.conf", {"db": {"host": database.socket}}))
        data.fill(database, machines, commands)
        stack = Stack(directory, database=database, log={"level": "info"},
                      agents={"offline_after": "86400s"}, **options)
        parts.callback(stack.close)
        yield stack


@contextlib.contextmanager
def beside(stack, build=None, **agents):
    """Another one on the same database: of another build, or with other settings of agents."""
    program = {"program": build / "vsay-api"} if build else {}
    with tempfile.TemporaryDirectory(prefix="vsay-bench-") as name, contextlib.closing(
            Stack(Path(name), database=stack.database, keys=stack.keys, log={"level": "info"},
                  agents={**stack.settings["agents"], **agents}, **program)) as other:
        yield other


def token(stack, user_id, role):
    return stack.keys.sign(claims(user_id, ttl=86400, tenant_id="tenant-0", role=role))


def cpu_seconds(pids):
    fields = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in pids]
    return sum(int(each[11]) + int(each[12]) for each in fields) / os.sysconf("SC_CLK_TCK")


def wrk(port, path, tokens, connections, seconds):
    """The figures of one run; `tokens` is a file as load.lua takes it."""
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


def pairs_text(name, connections, pairs, note=None):
    """Two lines, of both runs of each pair; and the median of the pairs' ratios of requests/s."""
    old, new = zip(*pairs)
    ratio = median(now["rate"] / then["rate"] for then, now in pairs)
    return "".join(row_text(name, connections, runs, text) + "\n" for runs, text in (
        (old, "  before"), (new, f"{ratio:8.2f}{note(ratio) if note else ''}")))
