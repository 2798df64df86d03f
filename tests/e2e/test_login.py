# SPDX-License-Identifier: MIT
"""A browser's token in a cookie: when it is set, and when it counts."""
import re
import time

import pytest

import fcgi

from fleet import Tenant
from machine import Machine
from schemas import check, check_error
from tokens import claims

pytestmark = pytest.mark.core

STATS = "/api/dashboard/stats"
OURS = {"Sec-Fetch-Site": "same-origin"}
ELSEWHERE = [{}, {"Vsay-Request": ""}, *({"Sec-Fetch-Site": site} for site in (
    "cross-site", "same-site", "none", "", "Same-Origin", "same-origin, cross-site")),
    {"Sec-Fetch-Site": "cross-site", "Vsay-Request": "1"}, {"X-Requested-With": "XMLHttpRequest"}]
HTTPS = [{"HTTPS": "on"}, {"REQUEST_SCHEME": "https"}, {"HTTP_X_FORWARDED_PROTO": "https"},
         {"HTTP_X_FORWARDED_PROTO": "https, http"}, {"HTTPS": "on", "HTTP_X_FORWARDED_PROTO": "http"}]
HTTP = [{}, {"HTTPS": ""}, {"HTTPS": "off"}, {"REQUEST_SCHEME": "http"},
        {"HTTP_X_FORWARDED_PROTO": "http"}, {"HTTP_X_FORWARDED_PROTO": "httpsx"}]


def login(stack, by, headers=OURS):
    return stack.request("POST", "/api/login", by, body=b"", headers=headers)


def cookie_of(reply):
    """(name, value, attributes)"""
    pair, *attributes = reply.headers["Set-Cookie"].split("; ")
    return (*pair.split("=", 1), attributes)


def with_cookie(stack, cookie, headers=OURS, path=STATS, **options):
    return stack.get(path, headers={"Cookie": cookie, **headers}, **options)


def test_login_and_logout(stack, tenant):
    user = tenant.user()
    reply = login(stack, user)
    assert (reply.status, reply.body) == (204, b"")
    name, value, (path, age, *flags) = cookie_of(reply)
    assert (name, value, path) == ("vsay_token", user.token, "Path=/api")
    assert flags == ["HttpOnly", "SameSite=Strict"]
    assert 590 < int(age.removeprefix("Max-Age=")) <= 600
    check(with_cookie(stack, f"{name}={value}"), "stats")
    reply = stack.request("DELETE", "/api/login", headers=OURS)
    assert reply.status == 204 and cookie_of(reply) == (
        "vsay_token", "", ["Path=/api", "Max-Age=0", "HttpOnly", "SameSite=Strict"])


@pytest.mark.parametrize("role", ["user", "company_admin", "super_admin"])
def test_who_the_caller_is(stack, role):
    """Of a token, and of a cookie, which the page that asks cannot read."""
    exp = int(time.time()) + 600
    token = stack.keys.sign(claims("auth0|ann", username="Ann Døe", role=role, tenant_id="t-who", exp=exp))
    who = {"user_id": "auth0|ann", "username": "Ann Døe", "role": role, "tenant_id": "t-who",
           "expires_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(exp))}
    assert check(stack.get("/api/login", token=token), "login") == who
    assert check(with_cookie(stack, f"vsay_token={token}", path="/api/login"), "login") == who
    head = stack.request("HEAD", "/api/login", token=token)
    assert (head.status, head.body) == (200, b"")


def test_who_nobody_is(stack, tenant, admin):
    """Nor does a cookie tell another page anything; a machine has routes of its own."""
    check_error(stack.get("/api/login"), 401)
    check_error(with_cookie(stack, f"vsay_token={admin.token}", {}, "/api/login"), 401)
    check_error(stack.get("/api/login", token=stack.keys.sign(claims(exp=int(time.time()) - 60))), 401)
    check_error(stack.get("/api/login", Machine(tenant)), 403)
    check_error(stack.get("/api/login", tenant.user("metrics")), 403)
    check_error(stack.get("/api/login", admin, body=b"x" * 5000), 413)


@pytest.mark.parametrize("env, https", [*((env, True) for env in HTTPS), *((env, False) for env in HTTP)])
def test_on_https(stack, admin, env, https):
    own = {"HTTP_SEC_FETCH_SITE": "same-origin", **env}
    reply = stack.fcgi("POST", "/api/login", admin, **own)
    name, _, attributes = cookie_of(reply)
    assert name == ("__Secure-vsay_token" if https else "vsay_token")
    assert ("Secure" in attributes) == https
    for sent in "__Secure-vsay_token", "vsay_token":
        reply = stack.fcgi("GET", STATS, HTTP_COOKIE=f"{sent}={admin.token}", **own)
        assert reply.status == (200 if sent == name else 401)


@pytest.mark.parametrize("headers", ELSEWHERE)
def test_pages_of_others(stack, tenant, headers):
    """Neither read nor write, and no login: the cookie alone proves nothing."""
    user = tenant.user()
    session = tenant.session(tenant.machine(), user)
    cookie = {"Cookie": f"vsay_token={user.token}", **headers}
    check_error(with_cookie(stack, cookie["Cookie"], headers), 401)
    check_error(stack.delete(session, headers=cookie), 401)
    check_error(login(stack, user, headers), 403)
    check_error(stack.request("DELETE", "/api/login", headers=cookie), 403)
    check_error(stack.request("DELETE", "/api/login", user, headers=headers), 403)
    check(stack.get(STATS, user, headers=cookie), "stats")
    ours = {**cookie, "Sec-Fetch-Site": "same-origin"}
    assert stack.delete(session, headers=ours).status == 200


def test_our_header_where_browsers_do_not_tell(stack, admin):
    assert login(stack, admin, {"Vsay-Request": "1"}).status == 204
    check(with_cookie(stack, f"vsay_token={admin.token}", {"Vsay-Request": "1"}), "stats")


@pytest.mark.parametrize("origin", ["https://console.example.com", "https://evil.example"])
def test_cors(stack, admin, origin):
    """A page of another origin gets no cookie sent, cannot send our header, and reads no answer
    that came of a cookie."""
    reply = stack.request("OPTIONS", STATS, headers={
        "Origin": origin, "Access-Control-Request-Method": "GET",
        "Access-Control-Request-Headers": "vsay-request"})
    assert "vsay-request" not in reply.headers.get("Access-Control-Allow-Headers", "").lower()
    for site in "cross-site", "same-site":
        reply = with_cookie(stack, f"vsay_token={admin.token}",
                            {"Origin": origin, "Sec-Fetch-Site": site})
        assert reply.status == 401 and "Access-Control-Allow-Credentials" not in reply.headers
    assert "Access-Control-Allow-Credentials" not in login(stack, admin, {**OURS, "Origin": origin}).headers


def test_login_takes_a_bearer_token_only(stack, tenant, admin):
    cookie = {**OURS, "Cookie": f"vsay_token={admin.token}"}
    check_error(stack.request("POST", "/api/login", body=b"", headers=cookie), 401)
    check_error(login(stack, None), 401)
    check_error(stack.request("POST", "/api/login", token="a.b.c", body=b"", headers=OURS), 401)
    check_error(login(stack, Machine(tenant)), 403)
    check_error(stack.request("POST", "/api/login", admin, body=b"x" * 5000, headers=OURS), 413)
    assert stack.request("POST", "/api/login", admin, body=b"{}", headers=OURS).status == 204


def test_authorization_comes_first(stack, tenant):
    """Also when it is no good; but only a bearer token is one."""
    alice, bob = tenant.user(), tenant.user()
    session = tenant.session(tenant.machine(), alice)
    for by, cookie, seen in (alice, bob, True), (bob, alice, False):
        reply = with_cookie(stack, f"vsay_token={cookie.token}", path="/api/terminal/sessions", by=by)
        assert (session in reply.body.decode()) == seen
    check_error(with_cookie(stack, f"vsay_token={alice.token}", token="a.b.c"), 401)
    basic = {**OURS, "Authorization": "Basic dTpw"}
    check(with_cookie(stack, f"vsay_token={alice.token}", basic), "stats")


@pytest.mark.parametrize("form, status", [
    ("{}", 200), ("a=b; {}; c=d", 200), ("a=b;{};c", 200), ("; {} ;", 200), ("=x; a; {}", 200),
    ("x{}", 401), ("{}x", 401), ("{}=", 401), ('vsay_token="{token}"', 401), ("{}, a=b", 401),
    ("VSAY_TOKEN={token}", 401), ("vsay_token ={token}", 401), ("vsay_token=", 401),
    ("vsay_token", 401), ("a={}", 401), ("", 401), (";;;=;=;", 401), ("vsay_token=a b", 401),
    ("vsay_token=" + "x" * 5000, 401), ("vsay_token=\x80.\x80.\x80", 401),
    ("{}; {}", 400), ("{}; vsay_token=", 400), ("vsay_token=other; {}", 400),
    ("__Secure-vsay_token={token}", 401)])
def test_cookie_headers(stack, admin, form, status):
    cookie = form.replace("{}", f"vsay_token={admin.token}").replace("{token}", admin.token)
    reply = stack.fcgi("GET", STATS, HTTP_COOKIE=cookie.encode("latin-1"),
                       HTTP_SEC_FETCH_SITE="same-origin")
    assert reply.status == status
    if status != 200:
        check_error(reply, status)


def test_size(stack):
    """Up to 4096 bytes with its name, which comes through the web server; the cookie on HTTPS has a
    longer one."""
    statuses = {}
    for padding in range(2600, 3100, 1):
        token = stack.keys.sign(claims(tenant_id="t1", padding="x" * padding))
        size = len("vsay_token=") + len(token)
        if size not in range(4080, 4100):
            continue
        reply = stack.request("POST", "/api/login", token=token, body=b"", headers=OURS)
        statuses[size] = reply.status
        if reply.status == 204:
            assert with_cookie(stack, f"vsay_token={token}").status == 200
            on_https = stack.fcgi("POST", "/api/login", HTTP_SEC_FETCH_SITE="same-origin", HTTPS="on",
                                  HTTP_AUTHORIZATION=f"Bearer {token}")
            assert on_https.status == (204 if size + len("__Secure-") <= 4096 else 400)
        else:
            assert "too large for a cookie" in check_error(reply, 400)
    assert {size <= 4096 for size in statuses} == {True, False}
    assert all((status == 204) == (size <= 4096) for size, status in statuses.items()), statuses


def test_ages(stack, tenant):
    """As long as the token; one that is in its leeway goes at once."""
    for ttl in 5, 86400 * 30, -10:
        token = stack.keys.sign(claims(tenant_id=tenant.id, ttl=ttl))
        reply = stack.request("POST", "/api/login", token=token, body=b"", headers=OURS)
        age = int(re.search(r"Max-Age=(\d+)", reply.headers["Set-Cookie"])[1])
        assert max(ttl - 60, 0) <= age <= max(ttl, 0)
    expired = stack.keys.sign(claims(exp=int(time.time()) - 60))
    check_error(with_cookie(stack, f"vsay_token={expired}"), 401)


def test_an_agents_cookie(stack):
    agent = Machine(Tenant(stack))
    cookie = {**OURS, "Cookie": f"vsay_token={agent.token}"}
    check_error(stack.get(STATS, headers=cookie), 403)


def test_below_a_prefix(conf, new_worker, stack, admin):

    worker = new_worker(conf(api={"prefix": "/vsay"}))
    worker.get("/vsay/health")
    reply = fcgi.request(worker.socket, fcgi.environment(
        "POST", "/vsay/api/login", admin, HTTP_SEC_FETCH_SITE="same-origin"))
    assert "Path=/vsay/api;" in reply.headers["Set-Cookie"]
    for uri, path in (("/x/api/login?_=1", "/x/api"), ("/api/login", "/api"), ("/a;b/api/login", None),
                      ("//api/login/", None), ("/api/logi%6e", None), ("", None),
                      ("/" + "a" * 2000 + "/api/login", None)):
        reply = fcgi.request(worker.socket, fcgi.environment(
            "POST", "/vsay/api/login", admin, HTTP_SEC_FETCH_SITE="same-origin", REQUEST_URI=uri))
        assert f"Path={path or '/vsay/api'};" in reply.headers["Set-Cookie"]
