# SPDX-License-Identifier: MIT
"""The web page's frame: it comes whole through every web server, with its policy, and small."""


def test_the_api_page(browser, stack, admin):
    browser.login(stack, admin)
    browser.open(stack, "/api/")
    assert "The API of vsay" in browser.driver.title
