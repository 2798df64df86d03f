# SPDX-License-Identifier: MIT
"""The web page's history and sessions, in a browser: what was is found among much, and taken along."""
import csv
import json
import re
import subprocess

import pytest

from fleet import Tenant
from machine import Machine, entry
from stack import ENV, wait_for

ROWS = ".listing tbody tr"
SESSIONS, COMMANDS = 100, 1000  # in each of them
NEEDLE = "needle in the hay"
HOSTILE = {
    "<img src=x onerror=alert(1)>": "<img src=x onerror=alert(1)>",
    "echo \x1b[31mred\x07": "echo ␛[31mred␇",
    "cp \u202egnp.exe": "cp ⟨U+202E⟩gnp.exe",
    "=1+1": "=1+1",
}


@pytest.fixture(scope="module")
def stack(module_stacks):
    return module_stacks()


@pytest.fixture(scope="module")
def filled(stack):
    """A tenant with 100,000 commands, in closed sessions of two users; the oldest is the needle."""
    tenant = Tenant(stack)
    tenant.users = tenant.user(), tenant.user()
    agents = [tenant.machine(name=f"Machine {number}") for number in range(2)]
    values = [tenant.id, *agents, *(user.user_id for user in tenant.users), *(user.username for user in tenant.users)]
    whose = """SELECT CONCAT(%s, '-', seq), %s, IF(seq %% 2, %s, %s), IF(seq %% 2, %s, %s), IF(seq %% 2, %s, %s),
        ELT(1 + seq %% 3, 'ui', 'cli', 'vscode')"""
    stack.database.query(
        f"INSERT INTO sessions (session_id, tenant_id, agent_id, user_id, username, source, state, started_at, ended_at, "
        f"close_reason, exit_code) {whose}, 'closed', UTC_TIMESTAMP(3) - INTERVAL seq HOUR, "
        f"UTC_TIMESTAMP(3) - INTERVAL seq * 60 - 30 MINUTE, 'exited', seq %% 4 FROM seq_1_to_{SESSIONS}", tenant.id, *values)
    stack.database.query(
        f"INSERT INTO commands (session_id, seq, tenant_id, agent_id, user_id, username, source, command, success, executed_at) "
        f"SELECT session_id, seq, tenant_id, agent_id, user_id, username, source, CONCAT('run ', session_id, ' ', seq), "
        f"seq %% 10 > 0, started_at + INTERVAL seq SECOND FROM sessions JOIN seq_1_to_{COMMANDS} "
        f"WHERE tenant_id = %s", tenant.id)
    oldest = f"{tenant.id}-{SESSIONS}"
    stack.database.query("UPDATE commands SET command = %s WHERE session_id = %s AND seq = 1", NEEDLE, oldest)
    tenant.agents, tenant.oldest = agents, oldest
    return tenant


@pytest.fixture
def past(filled):
    """It, with tokens that have just been made."""
    filled.users = [filled.user(user_id=user.user_id) for user in filled.users]
    filled.admin = filled.user("company_admin")
    return filled


@pytest.fixture
def downloads(browser, directory):
    """The text of a file, once the browser has all of it."""
    browser.cdp("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(directory))

    def text(name):
        wait_for((directory / name).exists, 60, name)
        return (directory / name).read_bytes().decode()
    return text


def shown(browser):
    return browser.js("return [...document.querySelectorAll(arguments[0])].map(row => row.dataset.key)", ROWS)


def count(browser, text):
    browser.find(".list-count", text)


def fill(browser, label, text):
    browser.fill(browser.find(".filters label", label).find_element("css selector", "input"), text)


def choose(browser, label, option):
    browser.find(".filters label", label).find_element("xpath", f".//option[normalize-space() = '{option}']").click()


def test_one_command_of_100000_is_found(browser, stack, past):
    """The search goes on by itself, as far as nothing was found, and tells how far it has come."""
    browser.login(stack, past.admin, "#/history?show=commands")
    count(browser, "so far")
    browser.js("""window.told = []; new MutationObserver(() => told.push(document.querySelector('.list-end')?.innerText))
        .observe(document.querySelector('main'), {subtree: true, childList: true, characterData: true})""")
    browser.type("/", "NEEDLE in")  # in any case
    browser.find(ROWS, NEEDLE)
    browser.find(".list-end", "That is all")
    count(browser, "1 command")
    assert "q=NEEDLE" in browser.driver.current_url
    assert re.search(r"Searched back to \d{4}-", " ".join(map(str, browser.js("return told"))))
    browser.type("ESCAPE", "j", "ENTER")
    browser.find("h1", past.users[1].username)
    assert f"#/session/{past.oldest}" in browser.driver.current_url
    count(browser, "so far")


def test_scrolling_goes_on_to_the_end(browser, stack, past):
    browser.login(stack, past.admin, f"#/history?show=commands&user={past.users[0].user_id}&success=false")
    browser.until(lambda: len(shown(browser)) == 100)
    seen = 0
    while seen < 500:
        seen = len(shown(browser))
        browser.js("scrollTo(0, document.documentElement.scrollHeight)")
        browser.until(lambda: len(shown(browser)) > seen, "more rows")
    keys = shown(browser)
    assert len(keys) == len(set(keys)) and len(keys) % 100 == 0
    times = browser.js("return [...document.querySelectorAll('.col-time time')].map(e => e.dateTime)")
    assert times == sorted(times, reverse=True)
    assert not browser.all(f"{ROWS} .ok")


def test_filters_are_in_the_address(browser, stack, past):
    """So they survive a reload, and reach a colleague."""
    browser.login(stack, past.admin, "#/history")
    count(browser, f"{SESSIONS} sessions")
    fill(browser, "User id", past.users[1].user_id)
    choose(browser, "Source", "Shell")
    choose(browser, "State", "Ended")
    fill(browser, "Search", f"{past.id}-4")
    choose(browser, "Time", "Last 7 days")
    left = [f"{past.id}-{number}" for number in (4, 40, 46)]  # even, 1 of 3
    browser.until(lambda: shown(browser) == left, left)
    address = browser.driver.current_url
    for part in f"user={past.users[1].user_id}", "source=cli", "status=closed", f"q={past.id}-4", "time=7d":
        assert part in address
    browser.driver.refresh()
    browser.until(lambda: shown(browser) == left)
    values = browser.js("return [...document.querySelectorAll('.filters :is(input, select)')].map(e => e.value)")
    assert values == [f"{past.id}-4", past.users[1].user_id, "", "cli", "closed", "7d"]
    browser.go(f"#/history?from={_ago(stack, 170)}&to={_ago(stack, 50)}")
    browser.until(lambda: shown(browser) == [f"{past.id}-{number}" for number in (1, 2)])
    browser.go("#/history?q=no-such-thing")
    browser.find(".empty", "Nothing matches")
    browser.click(".empty button", "Clear the filters")
    count(browser, f"{SESSIONS} sessions")
    browser.go("#/history?user=no%20id")
    browser.find(".trouble", "user_id is not an identifier")


def _ago(stack, minutes):
    row, = stack.database.query("SELECT DATE_FORMAT(UTC_TIMESTAMP() - INTERVAL %s MINUTE, '%%Y-%%m-%%dT%%H:%%i:%%sZ') "
                                "AS time", minutes)
    return row["time"]


def test_what_is_shown_is_taken_along(browser, stack, past, downloads):
    """All of its pages, as a file; and as a request for a terminal."""
    browser.login(stack, past.admin, f"#/history?show=commands&success=false&source=cli&user={past.users[0].user_id}")
    browser.click("button", "CSV")
    names, *rows = csv.reader(downloads("commands.csv").splitlines())
    assert names[:3] == ["id", "session_id", "command"] and len(rows) == len(range(1, SESSIONS, 6)) * COMMANDS // 10
    assert {row[5] for row in rows} == {past.users[0].user_id}
    browser.click("button", "NDJSON")
    lines = [json.loads(line) for line in downloads("commands.ndjson").splitlines()]
    assert [line["id"] for line in lines] == [row[0] for row in rows]
    browser.js("navigator.clipboard.writeText = async text => { window.copied = text };"
               "new MutationObserver(() => { window.said ||= document.body.innerText.includes('Copied') })"
               ".observe(document.body, {subtree: true, childList: true, characterData: true})")
    browser.click("button", "Copy as curl")
    browser.until(lambda: browser.js("return window.said"), "the word Copied")
    done = subprocess.run(["sh", "-c", browser.js("return copied")], env={**ENV, "TOKEN": past.admin.token},
                          capture_output=True, check=True, timeout=60)
    assert [each["id"] for each in json.loads(done.stdout)["activities"]] == [row[0] for row in rows[:100]]


def test_a_session_is_followed_to_its_receipt(browser, stack, tenant, admin, downloads):
    machine = Machine(tenant)
    user = tenant.user()
    session = machine.session(user, source_address="192.0.2.17", browser="Chrome", os="Linux")
    machine.activity(entry(session, 1, "make", success=True), entry(session, 2, "false", success=False, exit_code=7),
                     entry(session, 3, "sleep 9"))
    machine.heartbeat()
    browser.login(stack, admin, f"#/session/{session}")
    browser.find("h1", user.username)
    browser.find(".about", "192.0.2.17")
    browser.find(".about", "Shell · Chrome · Linux")
    browser.until(lambda: [row.text.split("\n")[-1].split()[-1] for row in browser.all(ROWS)] == ["9", "false", "make"])
    browser.find(f"{ROWS} .failed", "exit 7")
    browser.find(f"{ROWS} .running")
    machine.activity(entry(session, 4, "later", success=True))
    browser.find(ROWS, "later")
    browser.click(".page-head button.ends")
    browser.find("dialog.end")
    browser.type("maintenance", "ENTER")
    browser.find("dialog.end .step.done", "Requested")
    browser.type("ESCAPE")
    browser.gone("dialog")
    browser.find(".receipt", "maintenance")
    browser.find(".step.done", "Requested")
    assert machine.signals() == [session]
    browser.find(".step.done", "Delivered")
    machine.end(session, "terminated")
    browser.find(".receipt .verdict", "No process of this session is left")
    assert len(browser.all(".step.done time")) == 4
    browser.find(".page-head .state", "ended")
    browser.find(".about", f"ended by {admin.username}")
    browser.click("button", "CSV")
    assert len(downloads(f"{session}.csv").splitlines()) == 5
    browser.js("navigator.clipboard.writeText = async text => { window.copied = text }")
    browser.click(".take-along button", "Copy")
    copied = [line.split("\t")[1:] for line in browser.js("return copied").splitlines()]
    assert copied == [["ok", "make"], ["exit 7", "false"], ["failed", "sleep 9"], ["ok", "later"]]
    browser.click(".receipt button", "Copy receipt")
    assert session in browser.js("return copied")
    looks = browser.js("return performance.getEntriesByType('resource').filter(e => e.name.endsWith(arguments[0])).length",
                       f"/api/sessions/{session}")
    assert looks == 1  # each is in the audit


def test_everybody_sees_their_own(browser, stack, past):
    user, other = past.users[0], Tenant(stack).user("company_admin")
    browser.login(stack, user, "#/history")
    count(browser, f"{SESSIONS // 2} sessions")
    assert {each.text for each in browser.all(f"{ROWS} .col-who")} == {user.username}
    browser.go(f"#/session/{past.id}-2")
    browser.find(".trouble", "There is nothing here")
    browser.go("#/history?show=commands")
    count(browser, "so far")
    browser.login(stack, other, "#/history")
    browser.find(".empty", "There has been no session yet")
    browser.go("#/history?show=commands")
    browser.find(".empty", "No command has been recorded yet")
    browser.go(f"#/session/{past.oldest}")
    browser.find(".trouble", "There is nothing here")


def test_the_api_is_away_and_back(browser, stack, past):
    """What is loaded stays, and the next page comes by itself."""
    browser.login(stack, past.admin, "#/history?show=commands")
    browser.until(lambda: len(shown(browser)) == 100)
    stack.pool.stop()
    browser.js("scrollTo(0, document.documentElement.scrollHeight)")
    browser.find(".list-end .trouble", "tries again by itself")
    browser.find(".pill", "Offline since")
    assert len(shown(browser)) == 100
    stack.restart_pool()
    browser.until(lambda: len(shown(browser)) > 100)
    browser.gone(".trouble")
    browser.find(".pill", "Live")


def test_what_people_write_does_nothing(browser, stack, tenant, admin):
    machine = Machine(tenant, name="<b>machine</b>")
    user = tenant.user()
    session = machine.session(user, username="<img src=x onerror=alert(1)>", browser="<script>x</script>")
    machine.activity(*(entry(session, number, command, success=True) for number, command in enumerate(HOSTILE, 1)))
    browser.login(stack, admin, f"#/history?show=commands&user={user.user_id}")
    browser.until(lambda: [each.text for each in browser.all(f"{ROWS} .col-command")] == [*HOSTILE.values()][::-1])
    browser.go(f"#/session/{session}")
    browser.find("h1", "<img src=x onerror=alert(1)> on <b>machine</b>")
    browser.find(".about", "<script>x</script>")
    browser.until(lambda: len(browser.all(ROWS)) == len(HOSTILE))
    assert not browser.js("return document.querySelector('main :is(img, b b, script)')")


@pytest.mark.parametrize("size, scheme", [("desktop", "light"), ("tablet", "dark"), ("phone", "light")])
def test_looks(browser, stack, past, size, scheme):
    """Nothing is cut off at the sides, rows are one line high, and axe-core finds nothing."""
    session = past.session(past.agents[0], past.users[0], state="closed", close_reason="lost")
    past.command(past.agents[0], past.users[0], "a-long-command " * 30, session_id=session)
    browser.size(size)
    browser.media(color_scheme=scheme, reduced_motion="reduce")
    browser.login(stack, past.admin)
    for name, view in (("history", f"#/history?q={past.id}-9"), ("commands", f"#/history?show=commands&from={_ago(stack, 30)}"),
                       ("session", f"#/session/{session}"), ("nothing", "#/history?q=no-such-thing")):
        browser.go(view)
        browser.find(".listing")
        browser.until(lambda: shown(browser) or browser.all(".empty"))
        assert browser.axe() == []
        assert browser.js("return document.documentElement.scrollWidth <= innerWidth"), name
        heights = browser.js("return [...document.querySelectorAll(arguments[0])].map(row => row.offsetHeight)", ROWS)
        assert size == "phone" or set(heights) <= {32, 33}, name
        browser.shot(f"{name}-{size}-{scheme}")
