# SPDX-License-Identifier: MIT
"""What many agents cost that wait for signals, how fast a DELETE reaches one, and heartbeats/s."""
import asyncio
import json
import os
import random
import resource
import sys
import time
from pathlib import Path
from statistics import quantiles

from rig import TABLE_HEAD, cpu_seconds, filled_stack, load, row_text, token
from protocol import LONGEST_WAIT, Agent, Connection, agent_token

IDLE_SECONDS = 20
SHORTEST_WAIT = 35  # so that nobody asks again while idleness is measured
BURST, BURST_PAUSE = 100, 0.05  # what a listen queue takes
NGINX_PROCESSES = 2
MEMORY_MAX, CPU_MAX, LATENCY_MAX, HEARTBEATS_MIN = 150, 1, 250, 10_000  # MB, %, ms, 1/s


def raise_limit(need):
    """Open files of this process and of all that it starts."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (need, max(need, hard)))
    except ValueError:
        sys.exit(f"bench.py: {need:,} open files are needed, and {hard:,} allowed: see ulimit -n")


def verdict(met):
    return "met" if met else "missed"


class Waiting:
    """Agents that wait for signals and confirm each at once; and DELETEs of their sessions."""

    def __init__(self, stack, agents):
        self.stack, self.agents = stack, agents
        self.url, self.key = f"http://127.0.0.1:{stack.port}", stack.keys.signing["hs"]
        self.admin = token(stack, "root", "super_admin")
        self.processes = {"workers": stack.worker_pids(),
                          "nginx": [stack.nginx.pid, *stack.nginx.children()],
                          "mariadb": [stack.database.process.pid]}
        self.sent, self.told, self.polls, self.free = {}, {}, 0, []

    def memory(self):
        """Of the workers, in MB."""
        texts = [Path(f"/proc/{pid}/status").read_text() for pid in self.processes["workers"]]
        return sum(int(text.partition("VmRSS:")[2].split()[0]) for text in texts) / 1024

    def parked(self):
        return sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in self.processes["workers"])

    async def cpu(self, seconds):
        """Percent of a core that each program takes from now on."""
        before = {name: cpu_seconds(pids) for name, pids in self.processes.items()}
        await asyncio.sleep(seconds)
        return {name: (cpu_seconds(pids) - before[name]) / seconds * 100
                for name, pids in self.processes.items()}

    async def _wait(self, number):
        agent_id = f"agent-{number}"
        agent = Agent(self.url, agent_id, agent_token(self.key, agent_id))
        wait = random.randint(SHORTEST_WAIT, LONGEST_WAIT)
        while True:
            self.polls += 1
            for signal in await agent.signals(wait):
                self.told.setdefault(signal["session_id"], time.perf_counter())
                await agent.end(signal["session_id"], "terminated")
            wait = LONGEST_WAIT

    async def park(self):
        """Returns once all are in the workers; their tasks."""
        tasks = []
        for number in range(self.agents):
            tasks.append(asyncio.ensure_future(self._wait(number)))
            if number % BURST == BURST - 1:
                await asyncio.sleep(BURST_PAUSE)
        end = time.monotonic() + 10
        while self.parked() < self.agents:
            assert time.monotonic() < end, "the agents did not get through to the workers"
            await asyncio.sleep(0.05)
        return tasks

    async def _delete(self, session_id):
        connection = self.free.pop() if self.free else Connection(self.url, self.admin)
        self.sent[session_id] = time.perf_counter()
        status, reply = await connection.request("DELETE", f"/api/terminal/sessions/{session_id}")
        assert status == 200, (status, reply)
        self.free.append(connection)

    async def delete(self, rate, seconds):
        """DELETEs at random; returns once all agents were told, or some seem never to be."""
        with_session = range(0, self.agents, 10)  # as data.ACTIVE says
        victims = random.sample(with_session, min(rate * seconds, len(with_session)))
        deletions = []
        for number in victims:
            deletions.append(asyncio.ensure_future(self._delete(f"active-{number}")))
            await asyncio.sleep(random.expovariate(rate))
        await asyncio.gather(*deletions)
        end = time.monotonic() + 20
        while len(self.told) < len(victims) and time.monotonic() < end:
            await asyncio.sleep(0.1)

    def latencies(self):
        return sorted((self.told[session_id] - sent) * 1e3
                      for session_id, sent in self.sent.items() if session_id in self.told)


async def measure_waiting(stack, options):
    waiting = Waiting(stack, options.agents)
    memory = [waiting.memory()]
    print(f"{options.agents:,} agents begin to wait", file=sys.stderr)
    tasks = await waiting.park()
    print(f"idle for {IDLE_SECONDS} s", file=sys.stderr)
    idle = await waiting.cpu(IDLE_SECONDS)
    memory.append(waiting.memory())
    polls = waiting.polls
    print(f"DELETEs, {options.rate}/s for {options.delete_seconds} s", file=sys.stderr)
    busy, _ = await asyncio.gather(waiting.cpu(options.delete_seconds),
                                   waiting.delete(options.rate, options.delete_seconds))
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    print(f"\n{options.agents:,} agents wait in {options.workers} worker(s). Then "
          f"{len(waiting.sent)} DELETEs in {options.delete_seconds} s, and {waiting.polls - polls:,} "
          f"new polls.\n\n{'':50}{'target':>8}")
    report_waiting(waiting, *memory, idle, busy)


def report_waiting(waiting, empty, full, idle, busy):
    times = waiting.latencies()
    cuts = quantiles(times, n=100, method="inclusive")
    rows = (  # and the most that it should be
        ("workers: memory, MB", full, MEMORY_MAX),
        ("  of that for an agent, KB", (full - empty) * 1024 / waiting.agents, None),
        ("  CPU while all wait, % of a core", idle["workers"], CPU_MAX),
        ("  CPU during the DELETEs", busy["workers"], None),
        ("nginx: CPU while all wait", idle["nginx"], None),
        ("  CPU during the DELETEs", busy["nginx"], None),
        ("mariadb: CPU while all wait", idle["mariadb"], None),
        ("  CPU during the DELETEs", busy["mariadb"], None),
        ("DELETE until its agent is told: p50, ms", cuts[49], None),
        ("  p99", cuts[98], LATENCY_MAX),
        ("  max", times[-1], None),
        ("  never told", len(waiting.sent) - len(times), 0))
    for name, value, target in rows:
        note = "" if target is None else f"{target:8} {verdict(value <= target)}"
        print(f"{name:42}{value:8.2f}{note}")


def write_heartbeats(stack, agents):
    """For load.lua: one heartbeat of each machine. Also for bench_ingest.py."""
    lines = []
    for number in range(agents):
        usage = {f"{name}_percent": round(random.uniform(1, 99), 2)
                 for name in ("cpu", "memory", "disk")}
        held = [] if number % 10 else [f"active-{number}"]
        lines.append(f"{agent_token(stack.keys.signing['hs'], f'agent-{number}')} "
                     f"{json.dumps({**usage, 'sessions': held})}\n")
    (stack.dir / "heartbeats").write_text("".join(lines))


def measure_heartbeats(stack, options):
    write_heartbeats(stack, options.agents)
    what = "/api/agent/heartbeat", "heartbeats", options.connections[-1]
    load(stack, *what, 1)  # warms up
    runs = [load(stack, *what, options.seconds) for _ in range(options.rounds)]
    met = sorted(run["rate"] for run in runs)[len(runs) // 2] >= HEARTBEATS_MIN
    print(f"\nHeartbeats of {options.agents:,} machines, in {stack.workers} workers, each answered "
          f"after a commit that is flushed to disk.\n\n{TABLE_HEAD}{'target':>9}\n" +
          row_text("heartbeats", what[2], runs, f"{HEARTBEATS_MIN:9,.0f} {verdict(met)}"))


def bench_agents(options):
    files = options.agents * 3 // 2 + 1000  # nginx has two for each agent, in two processes
    raise_limit(files)
    with filled_stack(options.agents, 0, workers=options.workers,
                      nginx=(NGINX_PROCESSES, files)) as stack:
        asyncio.run(measure_waiting(stack, options))
    with filled_stack(options.agents, 0) as stack:
        measure_heartbeats(stack, options)
