# SPDX-License-Identifier: MIT
"""Single sign-on as docs/sso.md has it, with a real OpenID provider: Apache's mod_auth_openidc logs a
person in, and vsay checks the provider's token by its key set."""
import contextlib
import re
import shutil

import pytest
import requests

import npm
from fleet import Tenant
from frontends import APACHE, ApacheHandler
from machine import Machine
from schemas import check
from stack import REPO, Process, free_port, run, wait_for

SESSIONS = "/api/terminal/sessions"
pytestmark = pytest.mark.xdist_group("openidc")


class Provider(Process):
    """oidc-provider, in Node.js. Its log-in page asks for a name, and believes it."""

    def __init__(self, directory, home, redirect):
        self.port = free_port()
        self.issuer = f"http://127.0.0.1:{self.port}"
        (directory / "node_modules").symlink_to(home / "node_modules")
        shutil.copy(REPO / "tests" / "npm" / "provider.mjs", directory)
        log = directory / "provider.log"
        super().__init__(log, "node", directory / "provider.mjs", self.port, redirect)
        wait_for(lambda: "listening" in log.read_text() or self.ended(), 60, "the provider")

    def fetch_keys(self, directory):
        """As the recipe has it."""
        found = requests.get(f"{self.issuer}/.well-known/openid-configuration", timeout=60).json()
        page = (REPO / "docs" / "sso.md").read_text()
        script, = re.findall(r"ExecStart=/bin/sh -euc '(.*)'", page)
        assert "/var/lib/vsay-sso" in script
        ran = run("/bin/sh", "-euc", script.replace("/var/lib/vsay-sso", str(directory)),
                  env={"URL": found["jwks_uri"]})
        assert ran.returncode == 0, ran.stderr
        return directory / "jwks.json"


class ApacheOpenidc(ApacheHandler):
    site = "conf/apache/openidc.conf"

    def __init__(self, directory, base, home):
        self.home = home
        super().__init__(directory, base)

    def write_conf(self, base, changes):
        provider_dir = self.dir / "provider"
        provider_dir.mkdir()
        self.provider = Provider(provider_dir, self.home, f"http://127.0.0.1:{self.port}/login/callback")
        self.parts.callback(self.provider.stop)
        super().write_conf(base, {**changes, "auth": {
            "jwks": self.provider.fetch_keys(self.dir), "issuer": self.provider.issuer, "audience": "vsay", "claim_user": "sub",
            "claim_tenant": "org.id", "claim_role": "realm_access.roles",
            "roles": "vsay-admin:company_admin staff:user"}})

    def shipped(self):
        text = super().shipped()
        for old, new in (("https://id.example.com/realms/acme", self.provider.issuer),
                         ("the client's secret", "not so secret")):
            assert old in text
            text = text.replace(old, new)
        return text


@pytest.fixture(scope="module")
def site(shared_stacks, server, new_directory):
    home, fault = npm.fetch()
    if fault or not (APACHE / "mod_auth_openidc.so").exists():
        pytest.skip(f"needs libapache2-mod-auth-openidc and npm: {fault}")
    with contextlib.closing(ApacheOpenidc(new_directory(), shared_stacks(server), home)) as site:
        yield site


def submit(browser, page, **fields):
    """Sends the page's form."""
    action, = re.findall(r'<form[^>]* action="([^"]*)"', page.text)
    hidden = dict(re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)"', page.text))
    return browser.post(requests.compat.urljoin(page.url, action), {**hidden, **fields}, timeout=60)


def logged_in(site, name):
    """A browser with a session at Apache."""
    browser = requests.Session()
    page = browser.get(f"http://127.0.0.1:{site.port}/login", timeout=60)
    assert page.url.startswith(site.provider.issuer), page.text
    page = submit(browser, page, login=name, password="any")
    page = submit(browser, page)  # consent
    assert page.url == f"http://127.0.0.1:{site.port}/", page.text
    return browser


@pytest.fixture(scope="module")
def people(site):
    return {name: logged_in(site, name) for name in ("jane@example.com", "auth0|joe")}


@pytest.fixture(scope="module")
def scene(site):
    """Sessions of both, of another person of acme's, and of another tenant."""
    acme, other = Tenant(site), Tenant(site)
    acme.id = "acme"
    agent = acme.machine()
    sessions = {user: acme.session(agent, acme.user(user_id=user))
                for user in ("jane@example.com", "auth0|joe", "mary")}
    return {**sessions, "stranger": other.session(other.machine(), other.user())}


def request(site, browser, method, path, **options):
    return browser.request(method, f"http://127.0.0.1:{site.port}{path}", timeout=60, **options)


def seen(site, browser, scene):
    reply = request(site, browser, "GET", SESSIONS)
    assert reply.status_code == 200, reply.text
    return {row["session_id"] for row in reply.json()["sessions"]} & set(scene.values())


def test_who_sees_what(site, people, scene):
    """The provider's names, tenant and roles, in an ID token that the browser never sees."""
    assert seen(site, people["auth0|joe"], scene) == {scene["auth0|joe"]}
    assert seen(site, people["jane@example.com"], scene) == set(scene.values()) - {scene["stranger"]}


def test_an_end(site, people, scene, row):
    joe = people["auth0|joe"]
    for session, status in (scene["mary"], 404), (scene["auth0|joe"], 200):
        assert request(site, joe, "DELETE", f"{SESSIONS}/{session}").status_code == status
    assert row("signals", "session_id", scene["auth0|joe"])["requested_by"] == "auth0|joe"


def test_without_a_session(site, scene):
    """vsay's own answers: for none, for a token of one's own, for agents; no header stands in for
    Apache's."""
    assert request(site, requests.Session(), "GET", SESSIONS).status_code == 401
    for name in "OIDC_id_token", "OIDC-id-token", "OIDC_CLAIM_sub", "Cookie":
        reply = request(site, requests.Session(), "GET", SESSIONS, headers={name: "a.b.c"})
        assert reply.status_code == 401
    tenant = Tenant(site)
    mine = tenant.user()
    token = site.keys.sign({"sub": mine.user_id, "org": {"id": tenant.id}, "exp": 1 << 33,
                            "iss": site.provider.issuer, "aud": "vsay"})
    check(site.get(SESSIONS, token=token), "sessions")
    assert Machine(tenant).heartbeat().status == 200
    assert site.get("/health").status == 200 and site.get("/api/openapi.json").status == 200


def test_the_page(site, people):
    """Who opens it is logged in first; it learns from the API who that is."""
    reply = request(site, requests.Session(), "GET", "/", allow_redirects=False)
    assert reply.status_code == 302 and reply.headers["Location"].startswith(site.provider.issuer)
    page = request(site, people["auth0|joe"], "GET", "/")
    assert page.status_code == 200 and "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]
    assert request(site, requests.Session(), "GET", "/api/").status_code == 200
    who = request(site, people["auth0|joe"], "GET", "/api/login").json()
    assert (who["user_id"], who["role"], who["tenant_id"]) == ("auth0|joe", "user", "acme")


def test_other_clients_of_the_provider(site, people, scene):
    """A session of Apache's goes before a token that the browser sends beside it."""
    stranger = Tenant(site).user()
    reply = request(site, people["auth0|joe"], "GET", SESSIONS,
                    headers={"Authorization": f"Bearer {stranger.token}"})
    assert reply.status_code == 200
