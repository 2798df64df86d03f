# SPDX-License-Identifier: MIT
"""Sessions ended at random among many simulated machines at work."""
import contextlib
import random
import sys

import pytest

from stack import REPO, Process, wait_for

MACHINES, SEATS, DELETES = 30, 2, 100


@pytest.fixture
def crowd(stack, tenant, directory):
    for number in range(MACHINES):
        tenant.machine(seen=None, agent_id=f"{tenant.id}-{number}")
    sim = Process(directory / "sim.log", sys.executable, REPO / "tests" / "sim",
                  "--url", f"http://127.0.0.1:{stack.port}", "--key-file", stack.keys.files["hs"],
                  "--agents", MACHINES, "--prefix", f"{tenant.id}-", "--seats", SEATS,
                  "--pause", 0.5, "--stay", 5, "--absence", 0.2)
    with contextlib.ExitStack() as parts:
        parts.callback(sim.stop)
        wait_for(lambda: "machines report" in sim.log.read_text(), 20, "the machines")
        yield sim
        assert not sim.ended(), sim.log.read_text()


def test_crowd(stack, tenant, crowd):
    admin = tenant.user("company_admin")
    assert stack.get("/api/dashboard/stats", admin).json()["online_count"] == MACHINES

    def listed():
        rows = stack.get("/api/terminal/sessions", admin).json()["sessions"]
        assert len(rows) <= MACHINES * SEATS
        return {row["session_id"] for row in rows}

    def session(session_id):
        return stack.get(f"/api/sessions/{session_id}", admin).json()["session"]

    ended = set()
    while len(ended) < DELETES:
        sessions = wait_for(listed)
        assert not sessions & ended
        session_id = random.choice(sorted(sessions))
        assert stack.delete(session_id, admin).status == 200
        ended.add(session_id)
    for session_id in ended:
        wait_for(lambda: session(session_id)["ended_at"], 20, "the end")
        termination = session(session_id)["termination"]
        assert not termination or termination["outcome"] == "confirmed"  # it may have left itself
    assert not listed() & ended
