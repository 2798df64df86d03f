# SPDX-License-Identifier: MIT
"""Tokens of an identity provider: its key set, and who its claims make of a person."""
import datetime
import itertools
import json
import os
import signal
from types import SimpleNamespace

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from ctl import Operator
from fleet import Tenant
from machine import Machine
from provider import ISSUER, Provider, to_jwk
from schemas import check, check_error
from stack import API, run, wait_for
from tokens import claims, public_pem

SESSIONS = "/api/terminal/sessions"
PUBLIC = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo


@pytest.fixture(scope="module")
def provider(new_directory):
    provider = Provider(new_directory() / "jwks.json")
    provider.publish()
    return provider


@pytest.fixture(scope="module")
def site(module_stacks, shared_stacks, server, provider):
    """A site as the documentation has it for Keycloak."""
    base = shared_stacks(server)
    return module_stacks(database=base.database, keys=base.keys, workers=1, auth={
        "jwks": provider.path, "issuer": ISSUER, "claim_user": "sub",
        "claim_username": "preferred_username, name", "claim_tenant": "https://vsay.example/tenant, org.id",
        "claim_role": "realm_access.roles, https://vsay.example/role",
        "roles": "vsay-admin:company_admin, urn:vsay:root:super_admin, staff:user"})


def status(stack, token):
    return stack.get(SESSIONS, token=token).status


def refused(stack, token, why=None):
    """401 with a reason in the log."""
    reply = stack.get(SESSIONS, token=token)
    check_error(reply, 401)
    if why:
        wait_for(lambda: any(why in line for line in stack.log.read_text().splitlines()
                             if reply.headers["X-Request-Id"] in line), what=why)
    return True


# --- keys


@pytest.mark.core
@pytest.mark.parametrize("alg", ["RS256", "ES256"])
@pytest.mark.parametrize("kid", ["own", None, "other"])
@pytest.mark.parametrize("typ", ["JWT", "at+jwt", "application/at+jwt", "logout+jwt"])
def test_tokens(site, provider, alg, kid, typ):
    header = {"typ": typ, **({} if kid == "own" else {"kid": kid})}
    good = kid != "other" and typ != "logout+jwt"
    assert status(site, provider.sign(alg, header)) == (200 if good else 401)


@pytest.mark.core
@pytest.mark.parametrize("change", [
    {"exp": 1}, {"exp": None}, {"iss": None}, {"iss": "https://id.example.com/realms/other"},
    {"iss": ISSUER + "/"}, {"nbf": 1 << 33}, {"sub": None}, {"sub": None, "user_id": "u1"},
    {"sub": "a b"}])
def test_bad_claims(site, provider, change):
    assert refused(site, provider.sign(**change))


@pytest.mark.core
def test_confused_keys(site, provider):
    """A public key is no secret, a kid names no key of another kind, and a token brings none."""
    public = provider.keys["RS256"].public_key()
    texts = [public.public_bytes(*PUBLIC), public.public_bytes(*PUBLIC).strip(),
             json.dumps(to_jwk(provider.keys["RS256"])).encode(), provider.path.read_bytes(), b""]
    payload = {"sub": "u1", "iss": ISSUER, "exp": 1 << 33}
    for secret, kid in itertools.product(texts, ("rsa/1+=", "hs", "rs", None)):
        kid = {} if kid is None else {"kid": kid}
        for alg in "HS256", "none", "RS256":
            assert refused(site, site.keys.forge({"alg": alg, **kid}, payload, secret))
    mallory = rsa.generate_private_key(65537, 2048)
    for header in ({"kid": "rsa/1+="}, {"kid": "rs"}, {"jwk": to_jwk(mallory)},
                   {"jku": "http://127.0.0.1/jwks.json"}, {"x5u": "http://127.0.0.1/"}):
        assert refused(site, jwt.encode(payload, mallory, "RS256", header))
    for alg in "RS384", "RS512", "PS256":
        assert refused(site, jwt.encode(payload, provider.keys["RS256"], alg, {"kid": "rsa/1+="}))
    for kid in "hs", "rs", "es":  # kids of auth.keys
        assert refused(site, provider.sign(header={"kid": kid}))
    assert refused(site, site.keys.sign({**payload, "iss": ISSUER}, kid="rsa/1+="))


@pytest.mark.core
def test_a_provider_speaks_for_no_machine(site, provider):
    agent = Machine(Tenant(site))
    assert agent.heartbeat().status == 200, "whose token names no issuer"
    for alg in "RS256", "ES256":
        agent.token = provider.sign(alg, role="agent", agent_id=agent.id, generation=1)
        check_error(agent.heartbeat(), 403)
        agent.token = provider.sign(alg, role="agent", agent_id=agent.id, sub=None)
        check_error(agent.heartbeat(), 401)
    agent.token = site.keys.sign(claims(None, role="agent", agent_id=agent.id, iss="other"))
    check_error(agent.heartbeat(), 401)


def published(stack, provider, content=None):
    """Until the worker has seen it: a line of the log for the file."""
    before = stack.log.read_text().count("event=jwks")
    provider.publish(content)
    wait_for(lambda: stack.log.read_text().count("event=jwks") > before, what="the new key set")


def test_rotation(stack, new_stack, new_directory, provider):
    """A changed file counts without a signal, also for tokens that were seen before; one that is
    no good changes nothing and is logged once."""
    provider = Provider(new_directory() / "jwks.json", like=provider)
    provider.publish()
    own = new_stack(database=stack.database, keys=stack.keys, workers=1,
                    auth={"jwks": provider.path, "issuer": ISSUER})
    old = provider.sign()
    assert status(own, old) == 200
    provider.keys["RS256"] = rsa.generate_private_key(65537, 2048)
    new = provider.sign()
    assert status(own, new) == 401
    published(own, provider)
    assert status(own, new) == 200 and status(own, old) == 401

    before = own.log.read_text().count("the old keys stay")
    for bad in "", "{", "[]", '{"keys": {}}', '{"keys": []}', '{"keys": [1]}':
        published(own, provider, bad)
        assert status(own, new) == 200
    provider.path.unlink()
    wait_for(lambda: "jwks.json: No such file" in own.log.read_text(), what="the log")
    wait_for(lambda: status(own, new) == 200)
    published(own, provider, provider.set())
    assert status(own, new) == 200
    assert own.log.read_text().count("the old keys stay") == before + 7
    own.signal_workers(signal.SIGHUP)
    wait_for(lambda: "keys read" in own.log.read_text(), what="the log")
    assert status(own, new) == 200 and status(own, stack.keys.sign(claims(iss=ISSUER))) == 200


@pytest.mark.parametrize("change, good", [
    ({}, True), ({"alg": "RS256"}, True), ({"use": "sig", "key_ops": ["verify"]}, True),
    ({"x5c": ["MII"], "x5t": "abc", "more": {"a": [1]}}, True), ({"use": None, "alg": None}, True),
    ({"use": "enc"}, False), ({"use": 1}, False), ({"key_ops": ["encrypt"]}, False),
    ({"key_ops": "verify"}, False), ({"alg": "RS512"}, False), ({"alg": "PS256"}, False),
    ({"alg": "HS256"}, False), ({"alg": "none"}, False), ({"alg": "RSA-OAEP"}, False),
    ({"kty": "oct", "k": "AAAA"}, False), ({"kty": "EC", "crv": "P-256"}, False),
    ({"kty": None}, False), ({"crv": "P-256"}, False), ({"kid": 7}, False), ({"n": "AQAB"}, False),
    ({"n": "A" * 4000}, False), ({"n": "="}, False), ({"e": None}, False), ({"e": "AQ"}, False),
    ({"e": "AA"}, False)])
def test_members_of_keys(stack, conf, directory, provider, change, good):
    """As vsay-api --check-config sees a set of one RSA key; vsayctl tells how many are left out."""
    provider = Provider(directory / "jwks.json", like=provider)
    key = {**to_jwk(provider.keys["RS256"]), **change}
    provider.publish({"keys": [key]})
    written = conf(auth={"jwks": provider.path, "issuer": ISSUER})
    ran = run(API, "--config", written, "--check-config")
    assert (ran.returncode == 0) == good, ran.stderr
    assert good or "has no key that can be used: the first one " in ran.stderr
    provider.publish({"keys": [key, *provider.set()["keys"][1:]]})
    said = Operator(stack, directory).try_to("doctor", conf=written).stdout
    assert f"ok    jwks: {1 + good} key" in said and ("1 left out" in said) != good, said


@pytest.mark.parametrize("curve, change", [
    (ec.SECP384R1, {}), (ec.SECP256K1, {}), (ec.SECP256R1, {"crv": "P-384"}),
    (ec.SECP256R1, {"x": "AAAA"}), (ec.SECP256R1, {"y": "A" * 43}), (ec.SECP256R1, {"alg": "ES384"})])
def test_curves(conf, directory, curve, change):
    path = directory / "jwks.json"
    path.write_text(json.dumps({"keys": [{**to_jwk(ec.generate_private_key(curve())), **change}]}))
    ran = run(API, "--config", conf(auth={"jwks": path, "issuer": ISSUER}), "--check-config")
    assert ran.returncode == 1 and "has no key that can be used" in ran.stderr


@pytest.mark.parametrize("auth, says", [
    ({"issuer": ""}, "auth.jwks: needs auth.issuer"), ({"jwks": "jwks.json"}, "auth.jwks"),
    ({"jwks": "/nowhere/jwks.json"}, "auth.jwks: cannot open /nowhere/jwks.json"),
    ({"claim_user": ""}, "auth.claim_user: no claim is named"),
    ({"claim_role": ","}, "auth.claim_role: no claim is named"),
    ({"roles": "admin"}, "auth.roles: 'admin' is not VALUE:ROLE"),
    ({"roles": ":user"}, "auth.roles: ':user' is not VALUE:ROLE"),
    ({"roles": "a:user, b:root"}, "auth.roles: 'b:root' does not end in user"),
    ({"roles": "machines:agent"}, "auth.roles: 'machines:agent' does not end in user")])
def test_bad_settings(conf, provider, auth, says):
    written = conf(auth={"jwks": provider.path, "issuer": ISSUER, **auth})
    ran = run(API, "--config", written, "--check-config")
    assert ran.returncode == 1 and says in ran.stderr


def test_too_many_keys(conf, directory, provider):
    path = directory / "jwks.json"
    path.write_text(json.dumps({"keys": [provider.set()["keys"][1]] * 101}))
    ran = run(API, "--config", conf(auth={"jwks": path, "issuer": ISSUER}), "--check-config")
    assert ran.returncode == 1 and "has more than 100 keys" in ran.stderr


def test_keys_without_kid(stack, new_stack, directory, provider):
    provider = Provider(directory / "jwks.json", None, None, like=provider)
    provider.publish()
    own = new_stack(database=stack.database, keys=stack.keys, workers=1,
                    auth={"jwks": provider.path, "issuer": ISSUER})
    for alg, header in itertools.product(provider.keys, ({}, {"kid": "any"})):
        assert status(own, provider.sign(alg, header)) == 200


def certificate(key):
    """That it has expired does not matter."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "id.example.com")])
    start = datetime.datetime(2020, 1, 1)
    made = (x509.CertificateBuilder().subject_name(name).issuer_name(name).serial_number(1)
            .public_key(key.public_key()).not_valid_before(start)
            .not_valid_after(start + datetime.timedelta(days=1)).sign(key, hashes.SHA256()))
    return made.public_bytes(serialization.Encoding.PEM)


def test_pem_of_a_provider(stack, conf, directory, new_worker):
    """Keys of auth.keys may be public keys and certificates, by any kid."""
    kinds = {"RS256": lambda: rsa.generate_private_key(65537, 2048),
             "ES256": lambda: ec.generate_private_key(ec.SECP256R1())}
    given, keys = [], {}
    for alg, form in itertools.product(kinds, (certificate, public_pem)):
        kid, key, path = f"a/b+{len(keys)}=", kinds[alg](), directory / f"{len(keys)}.pem"
        path.write_bytes(form(key))
        given.append(f"{kid}:{alg}:{path}")
        keys[kid] = alg, key
    worker = new_worker(conf(auth={"keys": ", ".join(given)}))

    def answer(token):
        return worker.get(SESSIONS, SimpleNamespace(token=token)).status

    for kid, (alg, key) in keys.items():
        for typ in "JWT", "at+jwt":
            for good, signer in (True, key), (False, kinds[alg]()):
                token = jwt.encode(claims(), signer, alg, {"kid": kid, "typ": typ})
                assert answer(token) == (200 if good else 401), (kid, typ)
        forged = stack.keys.forge({"alg": "HS256", "kid": kid}, claims(), public_pem(key))
        assert answer(forged) == 401


# --- claims


@pytest.fixture
def scene(site):
    """Who sees what: a session each in a tenant of a user's, of hers, and of another tenant."""
    class Scene:
        tenant, other = Tenant(site), Tenant(site)

        def __init__(self):
            self.user = self.tenant.user(user_id="auth0|" + self.tenant.id)
            machine, theirs = self.tenant.machine(), self.other.machine()
            self.own = self.tenant.session(machine, self.user)
            self.company = {self.own, self.tenant.session(machine, self.tenant.user())}
            self.all = {*self.company, self.other.session(theirs, self.other.user())}

        def seen(self, provider, **more):
            token = provider.sign(**{"sub": self.user.user_id, "org": {"id": self.tenant.id}, **more})
            body = check(site.get(SESSIONS, token=token), "sessions")
            return self.all & {row["session_id"] for row in body["sessions"]}
    return Scene()


@pytest.mark.core
@pytest.mark.parametrize("more, sees", [
    ({}, "own"), ({"realm_access": {"roles": []}}, "own"),
    ({"realm_access": {"roles": ["vsay-admin"]}}, "company"),
    ({"realm_access": {"roles": ["offline_access", "staff", "vsay-admin", "x"]}}, "company"),
    ({"realm_access": {"roles": ["vsay-admin", "urn:vsay:root", "staff"]}}, "all"),
    ({"realm_access": {"roles": "vsay-admin"}}, "company"),
    ({"realm_access.roles": ["urn:vsay:root"], "realm_access": {"roles": ["staff"]}}, "all"),
    ({"https://vsay.example/role": "vsay-admin"}, "company"),
    ({"https://vsay.example/role": ["vsay-admin"], "realm_access": {"roles": None}}, "company"),
    ({"https://vsay.example/role": "vsay-admin", "realm_access": {"roles": ["x"]}}, "own"),
    ({"https://vsay.example/role": "vsay-admin", "realm_access": None}, "company"),
    ({"https://vsay.example/role": "vsay-admin", "realm_access": ["roles"]}, "company"),
    ({"realm_access": {"roles": ["super_admin", "company_admin", "agent"]}}, "own"),
    ({"realm_access": {"roles": ["VSAY-ADMIN", "vsay", "vsay-admin:company_admin", "urn"]}}, "own"),
    ({"role": "super_admin", "user_id": "root"}, "own"), ({"role": "agent", "agent_id": "a1"}, "own"),
    ({"realm_access": {"roles": "none of ours"}}, "own"),
    ({"https://vsay.example/tenant": None}, "own"), ({"exp": (1 << 33) + 0.25}, "own"),
    ({"nbf": 1.5, "iat": 1700000000.123}, "own"), ({"nbf": None, "iat": None}, "own")])
def test_roles(scene, provider, more, sees):
    assert scene.seen(provider, **more) == ({scene.own} if sees == "own" else getattr(scene, sees))


@pytest.mark.core
@pytest.mark.parametrize("more, why", [
    ({"realm_access": {"roles": ["vsay-admin"]}, "org": None}, "company_admin without"),
    ({"realm_access": {"roles": ["vsay-admin"]}, "org": {"id": None}}, "company_admin without"),
    ({"realm_access": {"roles": ["vsay-admin"]}, "org": None, "tenant_id": "default"},
     "company_admin without"),
    ({"realm_access": {"roles": ["staff", 1]}}, "realm_access.roles is not a string"),
    ({"realm_access": {"roles": {"staff": True}}}, "realm_access.roles is not a string"),
    ({"https://vsay.example/tenant": "a/b"}, "https://vsay.example/tenant is not an identifier"),
    ({"sub": 7}, "sub is not a string"), ({"preferred_username": "a\n"}, "preferred_username is not"),
    ({"exp": 1e300}, "exp is not a time"), ({"exp": "1e9"}, "exp is not a time")])
def test_refused_claims(site, provider, more, why):
    assert refused(site, provider.sign(**{"org": {"id": "acme"}, **more}), why)


def test_names(site, provider, row):
    """The first claim that is there."""
    agent = Machine(Tenant(site))
    for number, (names, shown) in enumerate((
            ({"preferred_username": "jane", "name": "Jane Roe"}, "jane"),
            ({"preferred_username": None, "name": "Jane Roe"}, "Jane Roe"),
            ({"username": "nobody reads it"}, "auth0|5f7c8ec7"))):
        root = provider.sign(org={"id": agent.tenant_id},
                             realm_access={"roles": ["urn:vsay:root"]}, **names)
        session = agent.session(agent.tenant.user(), session_id=f"{agent.id}_{number}")
        assert site.delete(session, token=root).status == 200
        assert row("signals", "session_id", session)["requested_by_username"] == shown


def test_tokens_of_vsayctl(site, directory):
    """They say what the configuration reads: in the provider's claims, with its values."""
    operator, tenant = Operator(site, directory), Tenant(site)
    jane = tenant.user(user_id="jane@example.com")
    session = tenant.session(tenant.machine(), jane)
    for role in "user", "company_admin", "super_admin":
        token = operator.do("token", "--user-id", jane.user_id, "--tenant", tenant.id, "--role", role,
                            "--username", "Jane").strip()
        reply = check(site.get(SESSIONS, token=token), "sessions")
        assert session in {row["session_id"] for row in reply["sessions"]}
        found = jwt.decode(token, options={"verify_signature": False})
        assert found["sub"] == jane.user_id and "user_id" not in found
    secret = operator.do("machine", "rotate", tenant.machine()).strip()
    assert jwt.decode(secret, options={"verify_signature": False})["role"] == "agent"


# --- what doctor says


def test_doctor(stack, conf, directory, provider):
    provider = Provider(directory / "jwks.json", like=provider)
    operator = Operator(stack, directory)
    provider.publish()
    written = conf(auth={"jwks": provider.path, "issuer": ISSUER})

    def says():
        return operator.try_to("doctor", conf=written).stdout

    assert "ok    jwks: 2 keys, 0 minutes old" in says()
    now = provider.path.stat().st_mtime
    os.utime(provider.path, (now, now - 3 * 3600))
    assert "ok    jwks: 2 keys, 3 hours old" in says()
    os.utime(provider.path, (now, now - 8 * 86400))
    assert "FAIL  jwks: " in says() and "8 days old" in says()
    provider.publish("{}")
    assert "FAIL  jwks: auth.jwks: " in says()
    assert "ok    jwks: none" in operator.try_to("doctor").stdout
