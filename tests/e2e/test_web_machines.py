# SPDX-License-Identifier: MIT
"""The web page's machines, in a browser: how they are, and how they were."""

import pytest

from fleet import Tenant
from machine import Machine

ROWS = ".of-machines tbody tr"
HOUR = 3600


@pytest.fixture(scope="module")
def stack(module_stacks):
    return module_stacks()


def add_usage(machine, step, agos):
    """Steps of usage, so many steps ago; cpu goes up and down."""
    database = machine.stack.database
    database.query("UPDATE machines SET created_at = '2020-01-01' WHERE agent_id = %s", machine.id)
    now, slots = database.query("SELECT UNIX_TIMESTAMP() AS now")[0]["now"], 300 if step == 300 else 744
    for ago in agos:
        began = (now // step - ago) * step
        cpu = 4000 + 3000 * (ago % 2)
        database.query("INSERT INTO machine_usage VALUES (%s, %s, %s, %s, 1, %s, %s, %s, 6000, 5900, 6100, 4800, 4800, 4800)",
                       machine.id, step, began // step % slots, began, cpu, cpu - 500, cpu + 500)


@pytest.fixture
def machine(tenant):
    """Online, with a day of usage but for a gap in its middle, and a month of it."""
    machine = Machine(tenant, name="the busy one")
    machine.heartbeat()
    add_usage(machine, 300, [*range(1, 100), *range(180, 285)])
    add_usage(machine, HOUR, range(1, 700))
    return machine


# How many pixels of a plot's canvas have the colour of its line, in a vertical stripe at part `x` of
# the plot's width, above the strip of sessions and the axis.
LINE = """const [plot, x] = arguments
const canvas = document.querySelectorAll('.plot canvas')[plot]
if (!canvas)
    return null
const [r, g, b] = getComputedStyle(canvas.closest('.plot-box')).stroke.match(/\\d+/g).map(Number)
const data = canvas.getContext('2d').getImageData(40 + Math.round((canvas.width - 48) * x), 0, 12, 90).data
let found = 0
for (let i = 0; i < data.length; i += 4)
    found += Math.abs(data[i] - r) + Math.abs(data[i + 1] - g) + Math.abs(data[i + 2] - b) < 60 && data[i + 3] > 200
return found"""
PICTURE = "return [...document.querySelectorAll('.plot canvas')].map(canvas => canvas.toDataURL())"


def read(browser):
    return browser.js("return [...document.querySelectorAll('.plot-read')].map(e => [...e.children].map(c => c.textContent))")


def names(browser):
    return [each.text for each in browser.all(f"{ROWS} .col-name")]


def test_all_machines(browser, stack, tenant, admin):
    """By name, state and figures; the one that was never heard of, too."""
    idle, busy = Machine(tenant, name="idle"), Machine(tenant, name="busy")
    tenant.machine(seen=None, name="new")
    tenant.machine(seen=HOUR, name="away", dropped_commands=3)
    idle.heartbeat(cpu_percent=3)
    busy.heartbeat(cpu_percent=96.5)
    browser.login(stack, admin, "#/machines")
    browser.until(lambda: names(browser) == ["idle", "busy", "new", "away"])
    assert [each.text for each in browser.all(f"{ROWS} .col-status")] == [
        "●online", "●online", "○never heard of", "○offline"]
    browser.find(".chips", "All 4")
    browser.find(f"{ROWS} .usage.high", "96.5")
    browser.click("th button", "CPU")
    browser.until(lambda: names(browser) == ["busy", "away", "idle", "new"])
    assert "sort=cpu" in browser.driver.current_url
    browser.driver.refresh()
    browser.until(lambda: names(browser) == ["busy", "away", "idle", "new"])
    idle.heartbeat(cpu_percent=99)
    browser.until(lambda: names(browser)[0] == "idle", "a figure to change by itself")
    browser.click(".chips button", "Offline")
    browser.until(lambda: names(browser) == ["away", "new"])
    browser.click(".chips button", "All")
    browser.type("/", "Us")
    browser.until(lambda: names(browser) == ["busy"])
    browser.type("ESCAPE", "j", "ENTER")
    browser.find("h1", "busy")
    assert f"#/machine/{busy.id}" in browser.driver.current_url


def test_usage_is_drawn(browser, stack, admin, machine):
    """With gaps, ranges, a common cursor, and the width that there is."""
    session = machine.session(admin)
    browser.login(stack, admin, f"#/machine/{machine.id}")
    browser.until(lambda: browser.js(LINE, 0, .8), "a line")
    for plot in range(3):
        assert browser.js(LINE, plot, .2) > 0 and browser.js(LINE, plot, .8) > 0
        assert browser.js(LINE, plot, .5) == 0  # nothing was heard
    browser.find(".plot", admin.username)  # the session of now
    day = browser.js(PICTURE)
    browser.click(".chips button", "30 d")
    browser.until(lambda: browser.js(LINE, 0, .5) and all(a != b for a, b in zip(day, browser.js(PICTURE))))
    assert "hours=720" in browser.driver.current_url
    browser.driver.refresh()
    browser.until(lambda: browser.js(LINE, 0, .5))

    from selenium.webdriver import ActionChains
    over = browser.driver.find_elements("css selector", ".plot .u-over")[1]
    ActionChains(browser.driver).move_to_element(over).perform()
    browser.until(lambda: len({each[2] for each in read(browser)}) == 1 and read(browser)[0][2], "one time on all")
    assert all(each[0].endswith(" %") and " to " in each[1] for each in read(browser))
    width = browser.js("return document.querySelector('.plot canvas').width")
    browser.size("tablet")
    browser.until(lambda: 0 < browser.js("return document.querySelector('.plot canvas').width") < width)
    browser.until(lambda: browser.js(LINE, 2, .5), "the line in the new width")

    browser.click(".as-table summary")
    points = stack.get(f"/api/machines/{machine.id}/usage?hours=720", admin).json()["points"]
    rows = browser.js("return [...document.querySelectorAll('.as-table tbody tr')].map(r => [...r.cells].map(c => c.textContent))")
    assert len(rows) == len(points)
    first = points[0]
    assert [float(cell) for cell in rows[0][1:]] == pytest.approx([
        first[f"{name}_percent"][kind] for name in ("cpu", "memory", "disk") for kind in ("min", "mean", "max")], abs=.06)
    browser.click(f'[data-key="{session}"]')
    browser.find("h1", admin.username)


def test_one_that_was_never_heard_of(browser, stack, tenant, admin):
    """Its page tells how to make it report, and shows by itself that it does."""
    machine = Machine(tenant, agent_id=tenant.machine(seen=None, name="fresh"))
    browser.login(stack, admin, f"#/machine/{machine.id}")
    browser.find(".install", "has not reported yet")
    lines = [each.text for each in browser.all(".install pre")]
    assert f"vsayctl machine rotate {machine.id} --out" in lines[0]
    assert f"server = http://127.0.0.1:{stack.port}|" in lines[1] and "systemctl enable --now vsay-agent" in lines[1]
    browser.js("navigator.clipboard.writeText = async text => { window.copied = text }")
    browser.click(".install button", "Copy")
    assert browser.js("return copied") == lines[0]
    machine.heartbeat()
    browser.find(".page-head .state", "online")
    browser.gone(".install")


def test_who_sees_what(browser, stack, tenant, admin, machine):
    """Owners and grants are shown to admins; a user sees its machines, another tenant none."""
    owner, guest, stranger = tenant.user(), tenant.user(), Tenant(stack).user("company_admin")
    tenant.grant(owner, machine.id, "owner")
    tenant.grant(guest, machine.id)
    hidden = tenant.machine(name="hidden")
    browser.login(stack, admin, f"#/machine/{machine.id}")
    assert browser.find(".about", "Owners").text.count("user") >= 2
    browser.login(stack, guest, "#/machines")
    browser.until(lambda: names(browser) == ["the busy one"])
    browser.go(f"#/machine/{machine.id}")
    assert "Owners" not in browser.find(".about", "you may see it").text
    browser.find(".plot canvas")
    browser.go(f"#/machine/{hidden}")
    browser.find(".trouble", "There is nothing here")
    browser.login(stack, stranger, "#/machines")
    browser.find(".empty", "You see no machine yet")
    browser.go(f"#/machine/{machine.id}")
    browser.find(".trouble", "There is nothing here")


@pytest.mark.parametrize("size, scheme", [("desktop", "dark"), ("tablet", "light"), ("phone", "dark")])
def test_looks(browser, stack, tenant, admin, machine, size, scheme):
    """Nothing is cut off at the sides, and axe-core finds nothing."""
    new = tenant.machine(seen=None, name="a-name-that-is-much-longer-than-any-other-name-of-a-machine-of-this-fleet")
    tenant.session(machine.id, tenant.user(), ago=HOUR)
    browser.size(size)
    browser.media(color_scheme=scheme, reduced_motion="reduce")
    browser.login(stack, admin)
    for name, view, there in (("machines", "#/machines", ROWS), ("machine", f"#/machine/{machine.id}", ".plot canvas"),
                              ("install", f"#/machine/{new}", ".install")):
        browser.go(view)
        browser.find(there)
        assert browser.axe() == []
        assert browser.js("return document.documentElement.scrollWidth <= innerWidth"), name
        browser.shot(f"{name}-{size}-{scheme}")
