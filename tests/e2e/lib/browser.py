# SPDX-License-Identifier: MIT
"""A real browser in front of a stack: Debian's chromium, driven by Selenium.

One runs at a time (conftest.py), each test has a tab of its own, and none passes with an error in its
console or against the page's policy. All waiting is for what a person would see, with patience."""
import contextlib
import json
import os
import re
import shutil

import pytest

from stack import BUILD, ENV, SITE, wait_for

PATIENCE = 60  # s
SHOTS = BUILD / "screenshots"
AXE = BUILD / "web" / "npm" / "node_modules" / "axe-core" / "axe.min.js"
WIDTHS = {"desktop": (1440, 900), "tablet": (900, 1100), "phone": (390, 844)}
# What the browser says of an answer of the API that is no success: whether that is right is the test's.
OF_THE_API = re.compile(r"^\S+/(api/(?!$|\s)|health)\S* - Failed to load resource: ")
ARGUMENTS = ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--no-first-run",
             "--disable-extensions", "--disable-background-networking", "--disable-component-update",
             "--disable-sync", "--no-proxy-server", "--mute-audio", "--lang=en-US",
             "--force-color-profile=srgb", "--window-size=1440,900"]


def missing():
    """What there is no browser without."""
    found = [name for name in ("chromium", "chromedriver") if not shutil.which(name)]
    with contextlib.suppress(ImportError):
        import selenium  # noqa: F401
        return found + ([] if SITE.exists() else ["the web page (--without-web?)"])
    return [*found, "python3-selenium"]


def start(directory):
    """The driver of a new chromium, whose files are all in that directory."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    os.environ["no_proxy"] = "*"  # Selenium speaks HTTP with chromedriver
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for argument in [*ARGUMENTS, f"--user-data-dir={directory}/profile"]:
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = Service(shutil.which("chromedriver"), log_path=str(directory / "chromedriver.log"),
                      env={**ENV, "HOME": str(directory), "TZ": "UTC"})
    driver = webdriver.Chrome(service=service, options=options)
    driver.set_page_load_timeout(PATIENCE)
    driver.set_script_timeout(PATIENCE)
    return driver


class Browser:
    """A tab. Elements are found by CSS selectors, and waited for."""

    def __init__(self, driver):
        self.driver, self.home, self.seen = driver, driver.current_window_handle, []
        driver.switch_to.new_window("tab")
        self.cdp("Network.clearBrowserCookies")
        self.size("desktop")

    def close(self):
        self.driver.close()
        self.driver.switch_to.window(self.home)

    def cdp(self, command, **parameters):
        return self.driver.execute_cdp_cmd(command, parameters)

    def js(self, script, *args):
        """What the script returns; a promise is awaited."""
        return self.driver.execute_script(script, *args)

    # --- looks

    def size(self, name):
        """One of WIDTHS."""
        width, height = WIDTHS[name]
        self.cdp("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1,
                 mobile=name == "phone")

    def media(self, **features):
        """Such as color_scheme="dark", reduced_motion="reduce"."""
        self.cdp("Emulation.setEmulatedMedia", features=[
            {"name": f"prefers-{name.replace('_', '-')}", "value": value} for name, value in features.items()])

    def shot(self, name):
        """A screenshot, in `screenshots` of the build directory."""
        SHOTS.mkdir(exist_ok=True)
        self.driver.save_screenshot(str(SHOTS / f"{name}.png"))

    # --- ways

    def open(self, stack, path="/"):
        """Loads a page of the stack; a path that differs in its #part only is gone to."""
        self.driver.get(f"http://127.0.0.1:{stack.port}{stack.prefix}{path}")

    def login(self, stack, by, view="#/"):
        """By a link, as `vsayctl token --link` prints it; then to that view."""
        self.open(stack, f"/#token={by.token}")
        wait_for(lambda: "token=" not in self.driver.current_url, PATIENCE, "the page to take the token")
        self.go(view)

    def go(self, view):
        self.js("location.hash = arguments[0]", view)

    # --- what is on the page

    def until(self, condition, what=None):
        """condition() once it is true; elements may go while it looks at them."""
        from selenium.common.exceptions import NoSuchElementException, StaleElementReferenceException

        def look():
            with contextlib.suppress(NoSuchElementException, StaleElementReferenceException):
                return condition()
        try:
            return wait_for(look, PATIENCE, what or "the page")
        except AssertionError as failure:
            with contextlib.suppress(Exception):
                self.shot("failed-" + os.environ.get("PYTEST_CURRENT_TEST", "test").split("::")[-1].split(" ")[0]
                          .replace("/", "_"))
            raise AssertionError(f"{failure}; at {self.driver.current_url} there is\n{self.text()}") from None

    def all(self, selector, text=""):
        """Elements that are shown and have that text in them, now."""
        return [element for element in self.driver.find_elements("css selector", selector)
                if element.is_displayed() and text in element.text]

    def find(self, selector, text=""):
        """The first of them, once there is one."""
        return self.until(lambda: self.all(selector, text), f"{selector} {text!r}")[0]

    def gone(self, selector, text=""):
        """Once there is none."""
        self.until(lambda: not self.all(selector, text), f"no {selector} {text!r}")

    def click(self, selector, text=""):
        """Once it can be clicked: nothing lies over it."""
        from selenium.common.exceptions import ElementClickInterceptedException, ElementNotInteractableException

        def try_it():
            with contextlib.suppress(ElementClickInterceptedException, ElementNotInteractableException):
                found = self.all(selector, text)
                if found:
                    found[0].click()
                return bool(found)
        self.until(try_it, f"{selector} {text!r} to click")

    def fill(self, element, words):
        """Types over what is in a field, as a person does."""
        from selenium.webdriver import Keys

        element.send_keys(Keys.CONTROL + "a", Keys.BACKSPACE)
        element.send_keys(words)

    def text(self, selector="body"):
        """The text that is shown, of the first element."""
        return self.js("return document.querySelector(arguments[0])?.innerText ?? ''", selector)

    def type(self, *keys):
        """To whatever has the focus. Names as in selenium's Keys: ENTER, TAB, ESCAPE."""
        from selenium.webdriver import ActionChains, Keys

        chain = ActionChains(self.driver)
        for key in keys:
            chain.send_keys(getattr(Keys, key) if key.isupper() and len(key) > 1 else key)
        chain.perform()

    def focused(self):
        """What a person who sees the focus would name: tag, id, text."""
        return self.js("const e = document.activeElement; return [e.tagName.toLowerCase(), e.id, e.innerText]")

    # --- measures

    def transferred(self):
        """{address: bytes over the wire}, of the page and its parts, without what the API answers."""
        entries = self.js("return [...performance.getEntriesByType('navigation'), "
                          "...performance.getEntriesByType('resource')].map(e => [e.name, e.transferSize])")
        return {name: size for name, size in entries if "/static/" in name or "/api/" not in name}

    def settle(self):
        """Waits until nothing moves or fades any more."""
        self.until(lambda: self.js(
            "const roots = [document];"
            "for (const root of roots)"
            "  for (const each of root.querySelectorAll('*')) if (each.shadowRoot) roots.push(each.shadowRoot);"
            "return roots.every(root => root.getAnimations().every("
            "  each => each.effect.getComputedTiming().endTime === Infinity || each.playState === 'finished'))"),
            "all to come to rest")

    def axe(self, *disabled):
        """What axe-core finds, one line each; rules may be named that do not count."""
        if not AXE.exists():
            pytest.skip("needs axe-core, which npm brings")
        self.settle()
        self.js(AXE.read_text())
        found = self.driver.execute_async_script(
            "const [off, done] = arguments; axe.run({rules: Object.fromEntries(off.map(id => [id, {enabled: false}]))})"
            ".then(found => done(found.violations), error => done([{id: String(error), nodes: []}]))", disabled)
        return [f"{each['id']}: {each.get('help')}: " + " | ".join(node["html"][:150] for node in each["nodes"])
                for each in found]

    # --- what went wrong

    def faults(self):
        """Errors in the console, and breaches of the policy, since the last look."""
        self.seen += self.driver.get_log("browser")
        bad = [entry["message"] for entry in self.seen if entry["level"] == "SEVERE"
               or "Content Security Policy" in entry["message"]]
        self.seen = []
        return [message for message in bad if not OF_THE_API.search(message)]
