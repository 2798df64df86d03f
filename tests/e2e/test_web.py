# SPDX-License-Identifier: MIT
"""The web page's frame: it works through every kind of web server, below a prefix too, is small, and has
the API beside it, readable and tried out."""
import pytest

from fleet import Tenant
from frontends import FRONTS, serving
from test_frontends import base  # noqa: F401 (a fixture)

SHADOW = "document.querySelector('rapi-doc').shadowRoot"
REQUEST = f"({SHADOW}.querySelector('api-request') ?? {{}}).shadowRoot"
BUDGET = 100 * 1024  # bytes that come before there is something to see


def test_first_paint_is_small(browser, stack, admin):
    browser.login(stack, admin)
    browser.find("#app main")
    sizes = browser.transferred()
    assert len(sizes) > 5 and sum(sizes.values()) < BUDGET, sizes
    browser.open(stack, "/?again")
    browser.find("#app main")
    again = browser.transferred()
    assert sum(size for name, size in again.items() if "/static/" in name) == 0, again


@pytest.mark.parametrize("name", [
    "nginx-prefix", "apache-proxy", "apache-sethandler", "lighttpd-fastcgi", "kit-cgi", "kit-fcgi"])
def test_through_web_servers(browser, base, new_directory, name):  # noqa: F811
    """Nothing is missing or held back, and the API is where the page looks for it."""
    with serving(FRONTS[name], base, new_directory) as stack:
        if name.startswith("kit"):
            stack.prefix = ""
        tenant = Tenant(stack)
        user = tenant.user("company_admin")
        tenant.session(tenant.machine(), user)
        browser.login(stack, user)
        browser.find("#app", user.username)
        browser.open(stack, "/api/")
        try_stats(browser)
        assert browser.faults() == []


def try_stats(browser):
    """What /api/dashboard/stats answers there."""
    browser.until(lambda: browser.js(f"return {SHADOW}?.querySelector('#link-overview') != null"), "RapiDoc")
    browser.js("location.hash = '#get-/api/dashboard/stats'")
    browser.until(lambda: browser.js(f"return {REQUEST}?.querySelector('[part~=btn-try]') != null"), "a button to try it")
    browser.js(f"{REQUEST}.querySelector('[part~=btn-try]').click()")
    browser.until(lambda: '"online_count"' in browser.js(f"return {REQUEST}.textContent"), "the reply")


def test_the_api_page(browser, stack, admin):
    """Tried out with the page's token, as quiet as the page itself."""
    browser.login(stack, admin)
    browser.open(stack, "/api/")
    try_stats(browser)
    for scheme in "light", "dark":
        browser.media(color_scheme=scheme)
        browser.until(lambda: browser.js("return document.querySelector('rapi-doc').getAttribute('theme')") == scheme)
        browser.shot(f"api-{scheme}")
        assert browser.axe("landmark-unique") == []  # of RapiDoc's own
    browser.size("phone")
    browser.shot("api-phone")


def test_the_api_page_with_a_cookie(browser, stack, admin):
    """Which the browser sends by itself."""
    browser.open(stack, "/api/")
    assert browser.js("return fetch('login', {method: 'POST', headers: {'Vsay-Request': '1', "
                      "Authorization: 'Bearer ' + arguments[0]}}).then(reply => reply.status)", admin.token) == 204
    try_stats(browser)
