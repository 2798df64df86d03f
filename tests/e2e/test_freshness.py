# SPDX-License-Identifier: MIT
"""No reply is older than its request, however many share a query."""
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from fleet import Tenant

pytestmark = [pytest.mark.databases, pytest.mark.threads]

READERS = 12
MOST = 6000  # what fits into the column for the cpu
ENOUGH = 50  # writes, and numbers that were read


class Counter:
    """A number that only grows. `committed` is a lower bound of what a request that starts now
    must show, `begun` an upper bound of what a reply that has come may show."""

    def __init__(self):
        self.begun = self.committed = 0

    def write(self, commit):
        self.begun += 1
        commit(self.begun)
        self.committed = self.begun


def check(counter, commit, read, seconds=2, patience=60):
    """Writes up to 1,000 times a second while READERS read, longer on a busy machine; returns which
    replies were (expected at least, shown, expected at most) out of bounds."""
    seen, wrong, done = set(), [], threading.Event()

    def reader():
        while not done.is_set():
            least = counter.committed
            shown = read()
            most = counter.begun
            seen.add(shown)
            if not least <= shown <= most:
                wrong.append((least, shown, most))

    with ThreadPoolExecutor(READERS) as pool:
        futures = [pool.submit(reader) for _ in range(READERS)]
        start = time.monotonic()

        def goes_on():
            passed = time.monotonic() - start
            enough = counter.committed > ENOUGH and len(seen) > ENOUGH
            return counter.begun < MOST and passed < (seconds if enough else patience)

        try:
            while goes_on():
                counter.write(commit)
                time.sleep(0.001)
        finally:
            done.set()
    for future in futures:
        future.result()
    assert counter.committed > ENOUGH and len(seen) > ENOUGH, "too little happened"
    return wrong


class Fleet:
    """One machine whose cpu is the counter, and one session a count. `role` in the plural: each
    request is one of several users', so that they are batched."""

    def __init__(self, stack, role):
        self.stack, self.tenant = stack, Tenant(stack)
        self.agent = self.tenant.machine(cpu=0)
        self.users = [self.tenant.user(role.rstrip("s")) for _ in range(READERS if role == "users" else 1)]
        for user in self.users:
            self.tenant.grant(user, self.agent)

    @property
    def user(self):
        return random.choice(self.users)

    def set_cpu(self, n):
        self.stack.database.query("UPDATE machines SET cpu = %s WHERE agent_id = %s", n * 10,
                                  self.agent)

    def cpu_of_machines(self):
        machine, = self.stack.get("/api/dashboard/recent-machines", self.user).json()["machines"]
        return round(machine["cpu_percent"] * 10)

    def cpu_of_stats(self):
        return round(self.stack.get("/api/dashboard/stats", self.user).json()["avg_cpu"] * 10)

    def start_session(self, n):
        self.tenant.session(self.agent, self.user, session_id=f"{self.tenant.id}.{n}")

    def newest_session(self):
        sessions = self.stack.get("/api/terminal/sessions?limit=1", self.user).json()["sessions"]
        return int(sessions[0]["session_id"].split(".")[1]) if sessions else 0

    def run_command(self, n):
        self.tenant.command(self.agent, self.user, str(n))

    def newest_command(self):
        activities = self.stack.get("/api/dashboard/recent-activity", self.user).json()[
            "activities"]
        return max((int(row["command"]) for row in activities), default=0)


@pytest.mark.parametrize("role", ["user", "users", "company_admin"])
@pytest.mark.parametrize("commit, read", [
    (Fleet.set_cpu, Fleet.cpu_of_machines), (Fleet.set_cpu, Fleet.cpu_of_stats),
    (Fleet.start_session, Fleet.newest_session), (Fleet.run_command, Fleet.newest_command)],
    ids=["machines", "stats", "sessions", "activity"])
def test_fresh(stack, role, commit, read):
    fleet = Fleet(stack, role)
    assert check(Counter(), lambda n: commit(fleet, n), lambda: read(fleet)) == []


def test_the_check_finds_a_cache(stack):
    """The same check over replies that may be 50 ms old."""
    fleet, cached = Fleet(stack, "user"), [0.0, 0]

    def read():
        if time.monotonic() - cached[0] > 0.05:
            cached[:] = [time.monotonic(), fleet.cpu_of_machines()]
        time.sleep(0.001)
        return cached[1]

    assert check(Counter(), fleet.set_cpu, read)


def test_closed_sessions_are_gone_at_once(stack):
    """A DELETE that was answered shows in every list that is asked for after it."""
    fleet = Fleet(stack, "user")

    def close(n):
        fleet.start_session(n)
        assert stack.delete(f"{fleet.tenant.id}.{n}", fleet.user).status == 200

    def read():
        """Up to which n all are closed, as far as the list tells."""
        sessions = stack.get("/api/terminal/sessions", fleet.user).json()["sessions"]
        numbers = [int(row["session_id"].split(".")[1]) - 1 for row in sessions]
        return numbers[-1] if numbers else counter.committed

    counter = Counter()
    assert check(counter, close, read) == []
