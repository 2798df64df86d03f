# SPDX-License-Identifier: MIT
"""Machines that are not there: what goes on at each is made up, and told as a real agent would."""
import asyncio
import itertools
import random
import time
from dataclasses import dataclass, field
from typing import Optional

from protocol import USUAL_WAIT, timestamp

EARLY_POLL_PAUSE = 5
COMMANDS = ("uptime", "df -h", "free -m", "git status", "ls -la", "systemctl --failed",
            "tail -n 20 /var/log/syslog", "ss -tlnp")
FAILURES, KILLED = (1, 1, 2, 127), 137  # exit codes


@dataclass
class Habits:
    """How people work: mean times in seconds."""
    pause: float = 140  # between two commands
    stay: Optional[float] = None  # in one session; None: until told to leave
    absence: float = 40  # between two sessions


@dataclass
class Session:
    session_id: str
    age: float = 0  # seconds since it began
    history: list = field(default_factory=list)  # (seconds ago, command, exit code)


@dataclass
class Seat:
    """Somebody at a machine, who has one session after the other."""
    user_id: str
    username: str
    source: str
    browser: Optional[str] = None
    os: Optional[str] = None
    first: Optional[Session] = None
    address: Optional[str] = None  # from which it connects


def ended(exit_code):
    """What is reported of a command; None: it runs, or its exit code is not known."""
    return {"success": None if exit_code is None else exit_code == 0, "exit_code": exit_code}


async def told_within(told, seconds):
    done, _ = await asyncio.wait([told], timeout=seconds)
    return bool(done)


class Machine:
    """`usage` are percentages of cpu, memory and disk; `new_id` makes ids of sessions."""

    def __init__(self, agent, seats, usage, habits, new_id):
        self.agent, self.seats, self.habits, self.new_id = agent, seats, habits, new_id
        self.usage = dict(zip(("cpu_percent", "memory_percent", "disk_percent"), usage))
        self.held = {}  # session id -> future that is done when the session must end

    async def start(self):
        """Reports the machine and who is at it already; returns their sessions once all of that
        is known."""
        await self._beat()
        return await asyncio.gather(*(self._open(seat, seat.first or Session(self.new_id()))
                                      for seat in self.seats))

    async def run(self, sessions):
        await asyncio.gather(self._beats(), self._polls(),
                             *map(self._occupy, self.seats, sessions))

    def _terminate(self, session_id):
        told = self.held.get(session_id)  # None: it has ended already
        if told and not told.done():
            told.set_result(None)

    async def _beat(self):
        """One heartbeat; returns the time until the next."""
        for name, step in ("cpu_percent", 4), ("memory_percent", 1), ("disk_percent", 0.1):
            drifted = self.usage[name] + random.uniform(-step, step)
            self.usage[name] = round(min(max(drifted, 2), 98), 2)
        reply = await self.agent.heartbeat(self.usage, self.held)
        for session_id in reply["terminate"]:
            self._terminate(session_id)
        return reply["interval"]

    async def _beats(self):
        while True:
            await asyncio.sleep(await self._beat())

    async def _polls(self):
        while True:
            began = time.monotonic()
            signals = await self.agent.signals()
            for signal in signals:
                if signal["type"] == "terminate":
                    self._terminate(signal["session_id"])
            if not signals and time.monotonic() < began + USUAL_WAIT - 1:
                await asyncio.sleep(EARLY_POLL_PAUSE)

    async def _occupy(self, seat, session):
        while True:
            reason = await self._work(session)
            await self.agent.end(session.session_id, reason)
            del self.held[session.session_id]
            await asyncio.sleep(random.expovariate(1 / self.habits.absence))
            session = await self._open(seat, Session(self.new_id()))

    async def _open(self, seat, session):
        self.held[session.session_id] = asyncio.get_running_loop().create_future()
        await self.agent.open({
            "session_id": session.session_id, "user_id": seat.user_id, "username": seat.username,
            "source": seat.source, "browser": seat.browser, "os": seat.os,
            "source_address": seat.address, "started_at": timestamp(session.age)})
        if session.history:
            await self.agent.activity([
                {"session_id": session.session_id, "seq": seq, "command": command,
                 "timestamp": timestamp(ago), **ended(exit_code)}
                for seq, (ago, command, exit_code) in enumerate(session.history, 1)])
        return session

    async def _work(self, session):
        """Runs commands; returns why it ended."""
        told = self.held[session.session_id]
        stay = self.habits.stay and random.expovariate(1 / self.habits.stay)
        leaves = time.monotonic() + stay if stay else float("inf")
        for seq in itertools.count(len(session.history) + 1):
            if await told_within(told, random.expovariate(1 / self.habits.pause)):
                return "terminated"
            if time.monotonic() > leaves:
                return "exited"
            if await self._command(session.session_id, seq, told):
                return "terminated"

    async def _command(self, session_id, seq, told):
        """One command, reported when it begins and when it ends; whether it was killed."""
        entry = {"session_id": session_id, "seq": seq, "command": random.choice(COMMANDS),
                 "timestamp": timestamp()}
        await self.agent.activity([{**entry, **ended(None)}])
        killed = await told_within(told, min(random.uniform(0.1, 3), self.habits.pause))
        code = KILLED if killed else 0 if random.random() < 0.9 else random.choice(FAILURES)
        await self.agent.activity([{**entry, **ended(code)}])
        return killed
