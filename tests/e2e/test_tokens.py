# SPDX-License-Identifier: MIT
"""Good tokens and every bad one, each bad one followed by a good request."""
import hashlib
import json
import signal
import time

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from load import Load
from schemas import check_error
from stack import wait_for
from tokens import claims, private_pem, write_secret

pytestmark = pytest.mark.core

PATH = "/api/terminal/sessions"


def status(stack, token):
    return stack.get(PATH, token=token).status


@pytest.fixture(autouse=True)
def still_serves(request, stack):
    yield
    assert status(stack, stack.keys.sign(claims())) == 200


def refused(stack, token):
    """401 with the challenge of a bad token, through nginx and without it."""
    for reply in stack.get(PATH, token=token), stack.fcgi(
            path=PATH, HTTP_AUTHORIZATION=f"Bearer {token}"):
        check_error(reply, 401)
        assert reply.headers["WWW-Authenticate"] == 'Bearer realm="vsay", error="invalid_token"'
    return True


def start_of_second():
    """So that this second lasts for a while, and time(2), which lags, is in it too."""
    wait_for(lambda: 0.05 < time.time() % 1 < 0.35)
    return int(time.time())


# --- the header


@pytest.mark.parametrize("value", [None, "", "Bearer", "Bearer ", "Basic dTpw", "Bearerx y",
                                   "Token abc", "Digest a=b"])
def test_no_credentials(stack, value):
    reply = stack.get(PATH, headers={} if value is None else {"Authorization": value})
    check_error(reply, 401)
    assert reply.headers["WWW-Authenticate"] == 'Bearer realm="vsay"'


@pytest.mark.parametrize("scheme", ["Bearer ", "bearer ", "BEARER ", "Bearer   "])
def test_scheme_in_any_case(stack, scheme):
    token = stack.keys.sign(claims())
    assert stack.get(PATH, headers={"Authorization": scheme + token}).status == 200


def test_two_authorization_headers(stack):
    token = stack.keys.sign(claims())
    header = f"Authorization: Bearer {token}\r\n".encode()
    assert stack.raw(b"GET %s HTTP/1.1\r\nHost: x\r\n%s\r\n" % (
        PATH.encode(), header * 2)) == 400
    for both in f"{token}, Bearer {token}", f"{token},Bearer {token}", f"{token} {token}":
        reply = stack.fcgi(path=PATH, HTTP_AUTHORIZATION=f"Bearer {both}")
        check_error(reply, 400)
        assert 'error="invalid_request"' in reply.headers["WWW-Authenticate"]


@pytest.mark.parametrize("size", [8193, 20000, 40000])
def test_huge_token(stack, size):
    part = size // 3
    dotted = f"{'a' * part}.{'b' * part}.{'c' * part}"
    genuine = stack.keys.sign(claims(padding="x" * size))
    for token in "a" * size, dotted, genuine:
        check_error(stack.fcgi(path=PATH, HTTP_AUTHORIZATION=f"Bearer {token}"), 401)
        assert status(stack, token) in (400, 401)  # nginx has limits of its own


@pytest.mark.parametrize("token", [
    "x", ".", "..", "...", "a.b.c", "a.b", "a.b.c.d", "eyJ", "=.=.=", "\x80", "%2e", "{}",
    "eyJhbGciOiJIUzI1NiJ9..", "eyJhbGciOiJIUzI1NiJ9.e30.", "bnVsbA.bnVsbA.bnVsbA",
    "W10.W10.W10", "IiI.IiI.IiI"])
def test_no_token_at_all(stack, token):
    assert stack.get(PATH, headers={"Authorization": f"Bearer {token}"}).status in (400, 401)
    check_error(stack.fcgi(path=PATH, HTTP_AUTHORIZATION=f"Bearer {token}"), 401)


def test_cut_and_flipped(stack):
    token = stack.keys.sign(claims())
    head, payload, signature = token.split(".")
    for bad in (token[:-1], token[:-3], token + "A", token + "=", token + ".", "." + token,
                f"{head}.{payload}.", f"{head}.{payload}", f"{head}..{signature}",
                f"{head}.{payload}.{signature[::-1]}",
                f"{head}.{payload[:-2]}.{signature}"):
        assert refused(stack, bad)


# --- the signature


@pytest.mark.parametrize("key", ["hs", "rs", "es"])
def test_algorithms(stack, key):
    """With its kid, without one, and not under another's."""
    assert status(stack, stack.keys.sign(claims(), key)) == 200
    assert status(stack, stack.keys.sign(claims(), key, kid=None)) == 200
    for kid in {"hs", "rs", "es", "nobody", "", "HS"} - {key}:
        assert refused(stack, stack.keys.sign(claims(), key, kid=kid))


@pytest.mark.parametrize("alg", ["none", "nOnE", "NONE", "", None, "hs256", "Hs256", "HS384",
                                 "HS512", "RS256", "ES256", 1, ["HS256"], "HS256\x00"])
@pytest.mark.parametrize("kid", [{}, {"kid": "hs"}])
def test_other_algorithms(stack, alg, kid):
    header = {**({} if alg is None else {"alg": alg}), **kid}
    digest = {"HS384": hashlib.sha384, "HS512": hashlib.sha512}.get(str(alg), hashlib.sha256)
    signed = stack.keys.forge(header, claims(), digest=digest)
    assert refused(stack, signed)
    assert refused(stack, signed.rpartition(".")[0] + ".")


@pytest.mark.parametrize("alg", ["HS256", "RS256"])
@pytest.mark.parametrize("kid", [{}, {"kid": "rs"}, {"kid": "hs"}])
def test_public_key_as_secret(stack, alg, kid):
    for secret in stack.keys.public, stack.keys.public.strip(), b"":
        assert refused(stack, stack.keys.forge({"alg": alg, **kid}, claims(), secret))


def test_strangers_keys(stack):
    other_rsa = private_pem(rsa.generate_private_key(65537, 2048))
    for curve, alg in (ec.SECP256R1, "ES256"), (ec.SECP384R1, "ES384"):
        key = private_pem(ec.generate_private_key(curve()))
        for header in {}, {"kid": "es"}:
            assert refused(stack, jwt.encode(claims(), key, alg, header))
    for alg in "RS256", "RS512", "PS256":
        assert refused(stack, jwt.encode(claims(), other_rsa, alg, {"kid": "rs"}))
    for alg in "RS384", "RS512", "PS256":  # the right key under another algorithm
        assert refused(stack, jwt.encode(claims(), stack.keys.signing["rs"], alg, {"kid": "rs"}))
    assert refused(stack, jwt.encode(claims(), "x" * 32, headers={"kid": "hs"}))
    assert refused(stack, jwt.encode(claims(), "x" * 32, headers={
        "jwk": {"kty": "oct", "k": "eHh4"}, "jku": "http://127.0.0.1/"}))


@pytest.mark.parametrize("header", [{"crit": ["exp"]}, {"crit": []}, {"crit": None},
                                    {"crit": ["b64"], "b64": False}, {"kid": 1},
                                    {"kid": ["hs"]}, {"kid": "hs\x00"}, {"kid": "../hs"},
                                    {"kid": "x" * 1000}])
def test_bad_headers(stack, header):
    assert refused(stack, stack.keys.forge({"alg": "HS256", "kid": "hs", **header}, claims()))


@pytest.mark.parametrize("part", [b"", b"{", b"[]", b"null", b"1", b'"x"', b"{}{}", b"\xff\xfe",
                                  b'{"alg":"HS256"} x', b'{"alg":"HS256"}\x00', b"[" * 3000])
def test_malformed_parts(stack, part):
    good = json.dumps(claims()).encode()
    assert refused(stack, stack.keys.forge(part, claims()))
    assert refused(stack, stack.keys.forge({"alg": "HS256"}, part))
    assert refused(stack, stack.keys.forge({"alg": "HS256"}, good + part if part else b""))


def test_array_payload(stack):
    for payload in [], [claims()], [["user_id", "u1"]]:
        assert refused(stack, stack.keys.forge({"alg": "HS256", "kid": "hs"}, payload))


# --- the claims


@pytest.mark.parametrize("value", [
    "9999999999", "", 253402300799.5, 1e20, 0, -1, -9999999999, 0.0, None, True, [9999999999], {},
    253402300800, 2**63, 2**64, 2**64 + 9999999999, -2**63])
def test_bad_exp(stack, value):
    token = stack.keys.forge({"alg": "HS256"}, {"user_id": "u1", "exp": value})
    assert refused(stack, token)


def test_exp_is_required(stack):
    assert refused(stack, stack.keys.sign(claims(exp=None)))
    assert status(stack, stack.keys.sign(claims(exp=253402300799))) == 200


@pytest.mark.parametrize("claim, on_time, off", [("exp", -29, -30), ("nbf", 30, 31)])
def test_leeway(stack, claim, on_time, off):
    now = start_of_second()
    tokens = [stack.keys.sign(claims(**{claim: now + delta})) for delta in (on_time, off)]
    assert [status(stack, token) for token in tokens] == [200, 401]


def test_expires_while_in_use(stack):
    token = stack.keys.sign(claims(exp=int(time.time()) - 27))
    assert status(stack, token) == 200
    wait_for(lambda: status(stack, token) == 401, 5, "the end of the token")


@pytest.mark.parametrize("claim", ["nbf", "iat"])
def test_times_are_numbers(stack, claim):
    for value in "0", {}, [], True, 1e20:
        assert refused(stack, stack.keys.forge({"alg": "HS256"}, claims(**{claim: value})))
    for value in int(time.time()), 0.5, time.time() - 0.25, None:
        token = stack.keys.forge({"alg": "HS256"}, {**claims(), claim: value})
        assert status(stack, token) == 200


@pytest.mark.parametrize("bad", [
    {"user_id": None}, {"user_id": ""}, {"user_id": 5}, {"user_id": "a b"}, {"user_id": "x" * 129},
    {"user_id": "é"}, {"user_id": "a'--"}, {"user_id": "a\x00b"}, {"user_id": ["u1"]},
    {"user_id": None, "sub": ""}, {"user_id": None, "sub": 7},
    {"tenant_id": ""}, {"tenant_id": 1}, {"tenant_id": "a/b"}, {"tenant_id": "%"},
    {"tenant_id": "x" * 65}, {"role": "root"}, {"role": ""}, {"role": "Super_Admin"},
    {"role": [1]}, {"role": {}}, {"role": 1}, {"role": "super_admin\x00"}, {"role": "user "},
    {"username": 1}, {"username": "x" * 256}, {"username": "a\x00b"}])
def test_bad_claims(stack, bad):
    assert refused(stack, stack.keys.forge({"alg": "HS256"}, claims(**bad)))


def test_sub_stands_in_for_user_id(stack, tenant):
    alice, bob = tenant.user(), tenant.user()
    session = tenant.session(tenant.machine(), alice)

    def seen(**who):
        token = stack.keys.sign({**claims(None, tenant_id=tenant.id), **who})
        return [row["session_id"] for row in stack.get(PATH, token=token).json()["sessions"]]

    assert seen(sub=alice.user_id) == [session]
    assert seen(sub=alice.user_id, user_id=bob.user_id) == []


def test_defaults(stack, tenant):
    """No tenant_id: `default`, but a company_admin must say which. No role: `user`."""
    tenant.id = "default"
    admin = tenant.user("company_admin")
    session = tenant.session(tenant.machine(), admin)

    def sees(**who):
        return session.encode() in stack.get(PATH, token=stack.keys.sign(claims(**who))).body

    assert sees(role="company_admin", tenant_id="default") and sees(user_id=admin.user_id)
    assert refused(stack, stack.keys.sign(claims(role="company_admin")))
    assert not sees(role="company_admin", tenant_id="other") and not sees()


def test_duplicate_claims_do_not_add_up(stack, tenant):
    """Whichever counts, it is one of them; the signer wrote both."""
    payload = json.dumps(claims())[:-1].encode() + b', "exp": 5}'
    assert refused(stack, stack.keys.forge({"alg": "HS256"}, payload))


# --- configuration


def test_issuer_and_audience(stack, new_stack):
    strict = new_stack(database=stack.database, keys=stack.keys, workers=1, auth={
        "issuer": "https://id.example.com", "audience": "vsay", "leeway": "0s",
        "default_role": "company_admin"})
    good = {"iss": "https://id.example.com", "aud": "vsay", "tenant_id": "t1"}
    for change, expected in (
            ({}, 200), ({"aud": ["other", "vsay"]}, 200), ({"iss": None}, 401),
            ({"aud": None}, 401), ({"iss": "https://id.example.com/"}, 401), ({"iss": 1}, 401),
            ({"iss": ["https://id.example.com"]}, 401), ({"aud": "other"}, 401),
            ({"aud": []}, 401), ({"aud": ["other"]}, 401), ({"aud": {"vsay": 1}}, 401),
            ({"aud": "vsay2"}, 401), ({"tenant_id": None}, 401), ({"exp": int(time.time())}, 401)):
        token = stack.keys.forge({"alg": "HS256"}, claims(**{**good, **change}))
        assert status(strict, token) == expected, change


def test_reload_of_keys(stack, new_stack):
    """SIGHUP takes a new key under a kid, while the other keys' users notice nothing; a file that
    is no key changes nothing."""
    own = new_stack(database=stack.database)
    file, old = own.keys.files["hs"], own.keys.sign(claims())

    def every_worker(token, expected):
        return all(status(own, token) == expected for _ in range(10))

    with Load(lambda: own.get(PATH, token=own.keys.sign(claims(), "es")), 4) as load:
        own.keys.signing["hs"] = b"another secret of at least 32 bytes"
        write_secret(file, own.keys.signing["hs"])
        new = own.keys.sign(claims())
        assert every_worker(old, 200) and every_worker(new, 401)
        own.signal_workers(signal.SIGHUP)
        wait_for(lambda: every_worker(new, 200) and every_worker(old, 401), what="the new key")
        write_secret(file, b"short")
        pids = own.worker_pids()
        own.signal_workers(signal.SIGHUP)
        wait_for(lambda: own.log.read_text().count("32 bytes") >= 2, what="the log of the refusal")
        assert every_worker(new, 200) and every_worker(old, 401)
        assert own.worker_pids() == pids
    assert load.statuses() == {200}
