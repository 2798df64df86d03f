# SPDX-License-Identifier: MIT
"""Real shells on a real machine: vsay-shell, vsay-agent, nginx, workers and MariaDB, from the first
prompt to the receipt; with parts of them killed (test_chaos.py does that at random). At every moment
the checker looks."""
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest

from checker import Checker
from live import Machine
from shells import alive
from stack import wait_for

ACTIVITY, STATS = "/api/dashboard/recent-activity", "/api/dashboard/stats"


@pytest.fixture(scope="module")
def stack(module_stacks):
    return module_stacks(agents={"heartbeat_interval": "1s"})


@pytest.fixture(autouse=True)
def checked(stack, admin):
    with Checker(stack, admin) as checker:
        yield checker


@pytest.fixture
def machine(stack, tenant, directory):
    machine = Machine(stack, tenant, directory)
    yield machine
    machine.close()


def test_from_the_prompt_to_the_receipt(stack, admin, machine):
    shell = machine.shell(env={"VSAY_SOURCE": "ui", "VSAY_BROWSER": "Firefox", "VSAY_OS": "Linux"})
    wait_for(lambda: shell.listed(admin))
    shell.run("cd /tmp && ls -d .")
    shell.run("false")
    wait_for(lambda: ("false", False) in shell.logs(admin))
    activity = stack.get(f"/api/sessions/{shell.id}/activity", admin).json()["activities"]
    assert [row["exit_code"] for row in activity if row["command"] == "false"] == [1]
    assert shell.receipt(admin)["session"]["last_activity_at"]
    newest = stack.get(ACTIVITY, admin).json()["activities"][0]
    assert (newest["command"], newest["agent_id"], newest["source"]) == ("false", machine.id, "ui")
    stats = stack.get(STATS, admin).json()
    assert stats["online_count"] == 1 and stats["avg_memory"] > 0 and stats["avg_disk"] > 0

    reply = stack.request("DELETE", f"/api/terminal/sessions/{shell.id}?reason=maintenance", admin,
                          headers={"Prefer": "wait=10"})
    assert reply.status == 200 and reply.headers["Preference-Applied"] == "wait=10"
    assert shell.processes() == []
    shell.terminal.expect(f"ended by {admin.username}: maintenance")
    shell.terminal.wait()
    assert not shell.listed(admin)
    session = shell.receipt(admin)["session"]
    assert (session["status"], session["close_reason"]) == ("closed", "terminated")
    assert (session["browser"], session["os"]) == ("Firefox", "Linux")
    termination = session["termination"]
    assert termination["requested_by"] == admin.user_id
    assert termination["outcome"] == "confirmed" and termination["attempts"] >= 1
    assert termination["requested_at"] <= termination["delivered_at"] <= termination["confirmed_at"]
    assert shell.logs(admin)[-2:] == [("cd /tmp && ls -d .", True), ("false", False)]


def test_exit(admin, machine):
    shell = machine.shell()
    wait_for(lambda: shell.listed(admin))
    shell.terminal.write("exit 7\n")
    assert shell.terminal.wait() == 7
    wait_for(lambda: shell.receipt(admin)["session"]["status"] == "closed")
    session = shell.receipt(admin)["session"]
    assert (session["close_reason"], session["exit_code"], session["termination"]) == (
        "exited", 7, None)


def test_a_shell_that_ignores_the_hangup(stack, admin, machine):
    shell = machine.shell()
    wait_for(lambda: shell.listed(admin))
    shell.run("trap '' HUP TERM")
    assert stack.delete(shell.id, admin, headers={"Prefer": "wait=20"}).status == 200
    assert shell.processes() == [] and shell.outcome(admin) == "confirmed"
    assert shell.receipt(admin)["session"]["close_reason"] == "killed"


def test_background_jobs_die_too(stack, admin, machine):
    shell = machine.shell()
    wait_for(lambda: shell.listed(admin))
    pids = machine.host.directory / "pids"
    sleep = f"sh -c 'echo $$ >>{pids}; exec sleep 1000'"
    for job in (f"{sleep} &", f"nohup {sleep} >/dev/null 2>&1 &",
                f"(trap '' HUP; exec {sleep}) & disown", f"setsid {sleep} &"):
        shell.run(job)
    jobs = wait_for(lambda: pids.exists() and len(pids.read_text().split()) == 4 and [
        int(pid) for pid in pids.read_text().split()])
    assert all(map(alive, jobs))
    assert stack.delete(shell.id, admin, headers={"Prefer": "wait=20"}).status == 200
    assert not any(map(alive, jobs)) and shell.processes() == []
    assert shell.outcome(admin) == "confirmed"


def test_exit_races_with_delete(stack, admin, machine):
    shells = [machine.shell() for _ in range(8)]
    for shell in shells:
        wait_for(lambda: shell.listed(admin))
    with ThreadPoolExecutor(16) as pool:
        exits = [pool.submit(shell.terminal.write, "exit\n") for shell in shells]
        closes = [pool.submit(stack.delete, shell.id, admin) for shell in shells]
    assert {future.result().status for future in closes} == {200} and all(
        future.done() for future in exits)
    for shell in shells:
        wait_for(lambda: shell.receipt(admin)["session"]["status"] == "closed")
        assert shell.processes() == []
        assert shell.outcome(admin) in (None, "confirmed")


def test_two_deletes_at_once(stack, admin, machine):
    shell = machine.shell()
    wait_for(lambda: shell.listed(admin))
    with ThreadPoolExecutor(2) as pool:
        replies = list(pool.map(lambda _: stack.delete(
            shell.id, admin, headers={"Prefer": "wait=20"}), range(2)))
    assert [reply.status for reply in replies] == [200, 200]
    assert shell.processes() == [] and shell.outcome(admin) == "confirmed"


def test_agent_away_while_it_is_ended(stack, admin, machine):
    shell = machine.shell()
    wait_for(lambda: shell.listed(admin))
    machine.agent.stop(signal.SIGKILL)
    assert stack.delete(shell.id, admin).status == 200
    assert shell.outcome(admin) is None and shell.processes()
    machine.agent.start()
    wait_for(lambda: shell.outcome(admin) == "confirmed", 20)
    assert shell.processes() == []


def test_agent_killed_and_back(stack, admin, machine):
    """It knows the shells that run, and gets what they recorded meanwhile."""
    shell = machine.shell()
    wait_for(lambda: shell.listed(admin))
    machine.agent.stop(signal.SIGKILL)
    shell.run("echo meanwhile")
    machine.agent.start()
    wait_for(lambda: ("echo meanwhile", True) in shell.logs(admin))
    assert stack.delete(shell.id, admin, headers={"Prefer": "wait=20"}).status == 200
    assert shell.processes() == [] and shell.outcome(admin) == "confirmed"


@pytest.mark.parametrize("part", ["workers", "database"])
def test_away_between_kill_and_confirmation(stack, admin, machine, part):
    """The shell takes a second to die, in which the confirmation's way is cut off."""
    shell = machine.shell()
    wait_for(lambda: shell.listed(admin))
    shell.run("trap '' HUP TERM")
    assert stack.delete(shell.id, admin).status == 200
    shell.terminal.expect("ended by")
    if part == "workers":
        stack.pool.stop(signal.SIGKILL)
    else:
        stack.database.stop(signal.SIGKILL)
    wait_for(lambda: not shell.processes(), what="the end of the shell")
    if part == "workers":
        stack.restart_pool()
    else:
        stack.database.start()
    wait_for(lambda: shell.outcome(admin) == "confirmed", 60)
    assert shell.receipt(admin)["session"]["close_reason"] == "killed"
