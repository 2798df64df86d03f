# SPDX-License-Identifier: MIT
"""Simulates machines that report to vsay: python3 tests/sim --help"""
import argparse
import asyncio
import random
import resource
import secrets
import signal
import sys
from pathlib import Path

import demo
from machines import Habits, Machine, Seat
from protocol import Agent, Refused, agent_token


def crowd(options, key, habits):
    """Machines agent-0, agent-1 and so on, with one user each, who has several seats."""
    def machine(number):
        agent_id = f"{options.prefix}{number}"
        seats = [Seat(f"user-{number}", f"User {number}", random.choice(("ui", "cli", "vscode")))
                 for _ in range(options.seats)]
        return Machine(Agent(options.url, agent_id, agent_token(key, agent_id)), seats,
                       [random.uniform(5, 95) for _ in range(3)], habits,
                       lambda: f"sess_{secrets.token_hex(16)}")
    return [machine(number) for number in range(options.agents)]


async def live(machines, ramp):
    starting = len(machines)

    async def one(machine):
        nonlocal starting
        await asyncio.sleep(random.uniform(0, ramp))
        sessions = await machine.start()
        starting -= 1
        if not starting:
            print(f"all {len(machines)} machines report", flush=True)
        await machine.run(sessions)

    await asyncio.gather(*map(one, machines))


async def run(options):
    key = options.key_file.read_bytes().rstrip(b"\r\n")
    habits = Habits(options.pause, options.stay, options.absence)
    machines = crowd(options, key, habits) if options.agents else demo.fleet(
        options.url, key, habits)
    await live(machines, options.ramp)


def main():
    parser = argparse.ArgumentParser(
        prog="tests/sim", description="Simulates machines, with people at work on them, that speak "
        "the agent protocol to a real server. Runs until it is stopped.")
    parser.add_argument("--url", required=True, help="the server, such as http://127.0.0.1:8080")
    parser.add_argument("--key-file", required=True, type=Path,
                        help="the server's HS256 key, which signs the agents' tokens")
    parser.add_argument("--agents", type=int, help="how many machines (those of the demo)")
    parser.add_argument("--prefix", default="agent-", help="of their ids (agent-)")
    parser.add_argument("--seats", type=int, default=1, help="sessions at a time on each (1)")
    parser.add_argument("--ramp", type=float, default=0, help="seconds in which they start (0)")
    for name, what in (("pause", "between two commands"), ("stay", "in one session"),
                       ("absence", "between two sessions")):
        default = getattr(Habits, name)
        parser.add_argument(f"--{name}", type=float, default=default, metavar="SECONDS",
                            help=f"mean time {what} ({default or 'until told to end'})")
    options = parser.parse_args()
    if options.agents:  # each takes two descriptors
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # there is nothing to tidy up
    try:
        asyncio.run(run(options))
    except Refused as error:
        sys.exit(f"tests/sim: {error}")


if __name__ == "__main__":
    main()
