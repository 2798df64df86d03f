# SPDX-License-Identifier: MIT
"""The web page's first view, as a person sees it in a browser: logging in, what goes on now, and the
end of a session with its receipt."""
import json

import pytest

import live
from fleet import Tenant
from machine import Machine, entry
from stack import wait_for
from tokens import claims

ROWS, STREAM = ".sessions tbody tr", ".stream li"
HOSTILE = {
    "<img src=x onerror=alert(1)>": "<img src=x onerror=alert(1)>",
    "echo \x1b[31mred\x07": "echo ␛[31mred␇",
    "cp \u202egnp.exe": "cp ⟨U+202E⟩gnp.exe",
}


@pytest.fixture(scope="module")
def stack(module_stacks):
    return module_stacks(agents={"heartbeat_interval": "1s"})


@pytest.fixture
def machine(tenant):
    """One that is online, and that a test speaks for."""
    machine = Machine(tenant)
    machine.heartbeat()
    return machine


def stop_clock(browser):
    """What ends from now on is shown until time_passes, however long the test takes."""
    browser.js("window.stopped = Date.now(); Date.now = () => window.stopped")


def time_passes(browser):
    browser.js("window.stopped += 11000")


# --- logging in


def paste(browser, token, cookie=False):
    browser.fill(browser.find("dialog.login input#token"), token)
    if cookie:
        browser.click("#cookie")
    browser.click("dialog.login button[type=submit]")


def account(browser):
    browser.click(".account summary")
    said = browser.find(".account .menu").text
    browser.type("ESCAPE")
    return said


def test_login_by_a_pasted_token(browser, stack, admin):
    browser.open(stack)
    paste(browser, "no token")
    browser.find("dialog.login [role=alert]", "This is not a token")
    paste(browser, admin.token[:-4] + "AAAA")
    browser.find("dialog.login [role=alert]", "does not accept this token")
    paste(browser, f"Authorization: Bearer {admin.token}")
    browser.gone("dialog")
    said = account(browser)
    for part in "Company admin", admin.user_id, admin.tenant, "min":
        assert part in said
    browser.open(stack, "/?again")  # the same tab
    browser.find(".account", admin.username)
    browser.click(".account summary")
    browser.click(".account .menu button", "Log out")
    browser.find("dialog.login")


def test_login_by_a_cookie(browser, stack, admin):
    browser.open(stack)
    paste(browser, admin.token, cookie=True)
    browser.find(".account", admin.username)
    assert browser.js("return [document.cookie, JSON.stringify(sessionStorage)]") == ["", "{}"]
    browser.open(stack, "/?again")
    browser.find(".account", admin.username)
    browser.click(".account summary")
    browser.click(".account .menu button", "Log out")
    browser.find("dialog.login")
    browser.open(stack, "/?once-more")
    browser.find("dialog.login")


def test_login_by_a_link(browser, stack, admin, tenant):
    browser.open(stack, f"/#token={admin.token}")
    browser.find(".account", admin.username)
    assert "token" not in browser.driver.current_url
    other = tenant.user()
    browser.open(stack, f"/#token={other.token}")  # while somebody is logged in
    browser.find(".account", other.username)
    assert "token" not in browser.driver.current_url
    assert json.loads(browser.js("return JSON.stringify(sessionStorage)")) == {"vsay-token": other.token}


def test_a_token_ends(browser, stack, admin, machine):
    """The view stays, with what was typed into it, and goes on with the next token."""
    session = machine.session(admin)
    browser.login(stack, admin)
    browser.find(ROWS, admin.username)
    browser.find(".sessions input[type=search]").send_keys("name")
    expired = stack.keys.sign(claims(admin.user_id, ttl=-600, username=admin.username, tenant_id=admin.tenant,
                                     role=admin.role))
    browser.js("sessionStorage.setItem('vsay-token', arguments[0])", expired)
    browser.find("dialog.login", "Log in again")
    assert browser.all(f'{ROWS}[data-key="{session}"]')
    paste(browser, admin.token)
    browser.gone("dialog")
    assert "q=name" in browser.driver.current_url
    machine.session(admin)
    browser.until(lambda: len(browser.all(ROWS)) == 2)


# --- what goes on


def test_a_real_shell_is_seen_and_ended(browser, stack, admin, tenant, directory):
    machine = live.Machine(stack, tenant, directory)
    try:
        browser.login(stack, admin)
        browser.find(".sessions .empty", "Nobody is working")
        browser.js("window.fresh = []; setInterval(() => document.querySelectorAll('tr.fresh').forEach("
                   "row => window.fresh.push(row.dataset.key)), 50)")
        shell = machine.shell()
        row = f'{ROWS}[data-key="{shell.id}"]'
        browser.until(lambda: shell.id in browser.js("return window.fresh"), "a row that is marked new")
        shell.run("ls -d /")
        shell.run("false")
        browser.find(STREAM, "ls -d /")
        browser.find(f"{STREAM} .failed")
        browser.find(f"{row} .col-last", "false")

        browser.click(f"{row} button.end")
        dialog = browser.find("dialog.end")
        browser.find("dialog.end .last li", "ls -d /")
        assert machine.id in dialog.text
        browser.type("maintenance")
        line = f"vsay: this session was ended by {admin.username}: maintenance"
        browser.find("dialog.end .preview", line)
        browser.shot("end-ask")
        stop_clock(browser)
        browser.click("dialog.end button.ends")
        browser.find("dialog.end .verdict", "No process of this session is left")
        assert [each.text for each in browser.all("dialog.end .step.done .name")] == [
            "Requested", "Delivered", "Processes gone", "Confirmed"]
        assert len(browser.all("dialog.end .step time")) == 4
        browser.shot("end-receipt")
        shell.terminal.expect(line)
        assert shell.outcome(admin) == "confirmed" and shell.processes() == []
        browser.type("ESCAPE")
        browser.gone("dialog")
        browser.find(f"{row}.gone .col-last", f"ended by {admin.username}")
        time_passes(browser)
        browser.gone(row)
    finally:
        machine.close()


def test_what_people_write_does_nothing(browser, stack, admin, machine):
    session = machine.session(admin)
    machine.activity(*(entry(session, number, command, success=True)
                       for number, command in enumerate(HOSTILE, 1)))
    browser.login(stack, admin)
    for shown in HOSTILE.values():
        browser.find(f"{STREAM} .mono", shown)
    assert not browser.js("return document.querySelector('main img')")
    assert browser.js("return [...document.querySelectorAll('.stream .mono')].every(e => e.firstChild.tagName === 'BDI')")
    browser.js("getSelection().selectAllChildren([...document.querySelectorAll('.stream li')].find(e => e.innerText.includes('red')))")
    copied = browser.js("""let copied; const take = event => { copied = event.clipboardData.getData('text/plain') }
        window.addEventListener('copy', take); document.dispatchEvent(new ClipboardEvent('copy',
            {clipboardData: new DataTransfer(), bubbles: true, cancelable: true})); return copied""")
    assert "echo ␛[31mred␇" in copied  # nor does it where it is pasted


def test_who_sees_and_may_end_what(browser, stack, tenant, admin):
    """A user ends its own sessions and those on its own machines; what it may not do is not offered."""
    alice, bob = tenant.user(), tenant.user()
    others = Tenant(stack)
    own, granted = Machine(tenant, owner=alice), Machine(tenant, granted=alice)
    elsewhere = Machine(others)
    sessions = {"own machine": own.session(bob), "mine": granted.session(alice),
                "granted": granted.session(bob), "elsewhere": elsewhere.session(others.user())}
    for machine in own, granted, elsewhere:
        machine.heartbeat()

    def offered(name):
        return browser.all(f'{ROWS}[data-key="{sessions[name]}"] button.end')

    browser.login(stack, alice)
    browser.until(lambda: offered("own machine") and offered("mine"))
    assert len(browser.all(ROWS)) == 3 and not offered("granted")
    browser.login(stack, bob)
    browser.until(lambda: len(browser.all(ROWS)) == 2)
    assert offered("own machine") and offered("granted")
    browser.login(stack, admin)
    browser.until(lambda: len(browser.all(f"{ROWS} button.end")) == 3)
    browser.login(stack, others.user("company_admin"))
    browser.until(lambda: len(browser.all(ROWS)) == 1 and offered("elsewhere"))


def test_filter_sort_and_several_ends(browser, stack, tenant, admin, machine):
    users = [tenant.user() for _ in range(3)]
    sessions = [machine.session(user, source=source, source_address=f"192.0.2.{number}")
                for number, (user, source) in enumerate(zip(users, ("ui", "cli", "vscode")))]
    machine.activity(*(entry(session, 1, f"run-{number}", success=True)
                       for number, session in enumerate(sessions)))
    browser.login(stack, admin)
    browser.until(lambda: len(browser.all(ROWS)) == 3)
    box = browser.find(".sessions input[type=search]")
    for words, left in (users[1].user_id, 1), ("192.0.2.2", 1), ("run-0", 1), (f"{machine.id} 192.0.2", 3), ("none", 0):
        browser.fill(box, words)
        browser.until(lambda: len(browser.all(ROWS)) == left, words)
    browser.click(".empty button", "Clear")
    browser.click(".chips button", "Shell")
    browser.until(lambda: len(browser.all(ROWS)) == 1)
    browser.click(".chips button", "All")
    browser.click("th button", "From")
    browser.until(lambda: [row.get_attribute("data-key") for row in browser.all(ROWS)] == sessions)
    assert "sort=from" in browser.driver.current_url
    browser.click("th button", "From")
    browser.until(lambda: [row.get_attribute("data-key") for row in browser.all(ROWS)] == sessions[::-1])

    for session in sessions[:2]:
        browser.click(f'[data-key="{session}"] input[type=checkbox]')
    browser.click(".chosen button.ends", "End 2 sessions")
    browser.find("dialog.end .preview", f"ended by {admin.username}")
    stop_clock(browser)
    browser.click("dialog.end button.ends")
    wait_for(lambda: set(machine.terminate()) == set(sessions[:2]))
    for session in sessions[:2]:
        machine.end(session, "terminated")
    browser.find("dialog.end [role=status]", "2 of 2 sessions ended")
    browser.click("dialog.end button.main")
    browser.until(lambda: len(browser.all(f"{ROWS}.gone")) == 2)
    browser.find(".sessions .head [role=status]", "1")


def test_keyboard_only(browser, stack, tenant, admin, machine):
    sessions = [machine.session(tenant.user()) for _ in range(3)]
    browser.login(stack, admin)
    browser.until(lambda: len(browser.all(ROWS)) == 3)

    def row():
        return browser.js("return document.activeElement.dataset.key ?? null")
    order = [each.get_attribute("data-key") for each in browser.all(ROWS)]
    browser.type("?")
    browser.find("dialog.keys")
    browser.type("ESCAPE")
    browser.gone("dialog")
    browser.type("j")
    assert row() == order[0]
    browser.type("j", "j", "k")
    assert row() == order[1]
    other = machine.session(tenant.user())  # the list is rendered again, and the focus stays
    browser.find(f'[data-key="{other}"]')
    assert row() == order[1]
    browser.type("x")
    browser.find("dialog.end")
    browser.type("ESCAPE")
    browser.gone("dialog")
    assert row() == order[1]
    for _ in range(6):  # Tab goes through what is in the row
        browser.type("TAB")
        if browser.focused()[2] == "End":
            break
    browser.type("ENTER")
    browser.find("dialog.end", "End this session?")
    browser.type("ESCAPE")
    browser.gone("dialog")
    assert browser.focused()[2] == "End"
    browser.type("k", "j")
    assert row() == order[1]
    browser.type(" ")
    browser.find(".chosen", "1 selected")
    browser.type("x")
    browser.find("dialog.end")
    stop_clock(browser)
    browser.type("late", "ENTER")
    wait_for(lambda: machine.terminate() == [order[1]])
    machine.end(order[1], "killed")
    browser.find("dialog.end .step.done", "some had to be killed")
    browser.type("ENTER")
    browser.gone("dialog")
    browser.find(f'{ROWS}.gone[data-key="{order[1]}"]')
    assert row() == order[1]
    time_passes(browser)
    browser.gone(f'{ROWS}[data-key="{order[1]}"]')
    assert row() == order[2]  # the one in its place
    browser.type("/")
    assert browser.js("return document.activeElement.type") == "search"
    browser.type("nothing like it", "ESCAPE")
    browser.find(".empty", "No active session matches")
    browser.type("/", "BACKSPACE")
    browser.find(ROWS, "")
    browser.type("ESCAPE", "j", "ENTER")
    browser.until(lambda: "#/session/" in browser.driver.current_url)
    assert sessions


# --- when the service does not answer


def test_the_api_is_away_and_back(browser, stack, admin, machine):
    session = machine.session(admin)
    browser.login(stack, admin)
    browser.find(ROWS, admin.username)
    browser.find(".pill", "Live")
    stack.pool.stop()
    try:
        browser.find(".pill", "Offline since")
        browser.find(".notice", "Trying again")
        assert browser.all(f'[data-key="{session}"]')  # what was seen stays
    finally:
        stack.restart_pool()
    browser.find(".pill", "Live")
    browser.gone(".notice")
    browser.click(".pill")
    browser.find(".pill", "Paused")
    browser.click(".pill")
    browser.find(".pill", "Live")


# --- how it looks, and to whom


@pytest.mark.parametrize("size, scheme", [("desktop", "light"), ("desktop", "dark"), ("tablet", "light"),
                                          ("phone", "dark")])
def test_looks(browser, stack, tenant, admin, machine, size, scheme):
    """Nothing is cut off at the sides, and axe-core finds nothing, with and without the dialogs."""
    session = machine.session(tenant.user(), source_address="192.0.2.17")
    machine.activity(entry(session, 1, "a-long-command " * 30, success=False))
    browser.size(size)
    browser.media(color_scheme=scheme, reduced_motion="reduce")
    browser.open(stack)
    browser.find("dialog.login")
    assert browser.axe() == []
    browser.login(stack, admin)
    browser.find(f"{ROWS} .col-last", "a-long-command")
    assert browser.axe() == []
    assert browser.js("return document.documentElement.scrollWidth <= innerWidth")
    heights = browser.js("return [...document.querySelectorAll('.stream li')].map(e => e.offsetHeight)")
    assert max(heights) < 40  # one line
    browser.shot(f"now-{size}-{scheme}")
    browser.click(".account summary")
    browser.find(".account .menu")
    assert browser.axe() == []
    browser.type("ESCAPE")
    browser.click("button.help")
    browser.find("dialog.keys")
    assert browser.axe() == []
    browser.type("ESCAPE")
    browser.gone("dialog")
    browser.click(f"{ROWS} button.end")
    browser.find("dialog.end .last li")
    assert browser.axe() == []
    assert browser.js("return document.documentElement.scrollWidth <= innerWidth")
    browser.shot(f"end-{size}-{scheme}")
