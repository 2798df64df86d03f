# SPDX-License-Identifier: MIT
"""Heartbeats/s without and with usage over time, by turns, on one database; with --against:
heartbeats/s and commands/s of another build and this one.

Each run begins with as many machines whose five minutes have ended as a tenth of its heartbeats: of
machines that report every 30 seconds, each tenth heartbeat stores what has ended."""
import json
import sys
import time

from bench_agents import write_heartbeats
from protocol import agent_token, timestamp
from rig import TABLE_HEAD, beside, filled_stack, load, pairs_text

HEARTBEATS_MIN = 0.9  # of those without usage over time
HEARTBEATS, COMMANDS = "/api/agent/heartbeat", "/api/agent/activity"
COUNTER = "@" * 15  # for load.lua, which puts a number there


def write_commands(stack, agents):
    """For load.lua: a command of each session."""
    lines = []
    for number in range(0, agents, 10):  # as data.ACTIVE says
        command = {"session_id": f"active-{number}", "seq": COUNTER, "command": "ls -l /srv",
                   "timestamp": timestamp()}
        body = json.dumps({"activities": [command]}).replace(f'"{COUNTER}"', COUNTER)
        lines.append(f"{agent_token(stack.keys.signing['hs'], f'agent-{number}')} {body}\n")
    (stack.dir / "commands").write_text("".join(lines))


def end_slots(stack, count):
    """So many machines have five minutes that ended an hour ago."""
    began = int(time.time()) // 300 * 300 - 3600
    text = f"{began:08x}{10:04x}" + f"{20000:08x}{1000:04x}{3000:04x}" * 3  # see usage_format()
    stack.database.query("UPDATE machines SET usage_now = %s ORDER BY RAND() LIMIT %s", text, count)


def commands(stack):
    row, = stack.database.query("SELECT COUNT(*) AS count FROM commands")
    return row["count"]


def measure(stacks, path, tokens, connections, options):
    """The runs of both, by turns, in pairs."""
    print(f"{connections} connections: {tokens}", file=sys.stderr)
    count = load(stacks[1], path, tokens, connections, 1)["requests"] * options.seconds
    pairs, before = [], commands(stacks[0])
    for _ in range(options.rounds):
        pairs.append([])
        for stack in stacks:
            if path == HEARTBEATS:
                end_slots(stacks[1], max(1, count // 10))
            pairs[-1].append(load(stack, path, tokens, connections, options.seconds))
    stored = commands(stacks[0]) - before
    assert path == HEARTBEATS or stored >= sum(run["requests"] for pair in pairs for run in pair)
    return pairs


def verdict(ratio):
    return f"{HEARTBEATS_MIN:8.2f} {'met' if ratio >= HEARTBEATS_MIN else 'missed'}"


def bench_ingest(options):
    other = {"build": options.against} if options.against else {"usage_history": 0}
    kinds = [("heartbeats", HEARTBEATS, "heartbeats", verdict)]
    if options.against:
        kinds.append(("commands", COMMANDS, "commands", None))
    with filled_stack(options.ingest, 0) as new, beside(new, **other) as old:
        for each in old, new:
            write_heartbeats(each, options.ingest)
            write_commands(each, options.ingest)
        lines = [pairs_text(name, connections, measure((old, new), path, tokens, connections, options),
                            note)
                 for connections in options.connections for name, path, tokens, note in kinds]
    pair = f"{options.against} and this build" if options.against else "without and with usage over time"
    print(f"\n{options.ingest:,} machines, {pair}, by turns; {options.rounds} runs of "
          f"{options.seconds} s each;\nthe ratio is the median of the pairs'.\n\n"
          f"{TABLE_HEAD}{'ratio':>8}{'target':>8}")
    print(*lines, sep="", end="")
