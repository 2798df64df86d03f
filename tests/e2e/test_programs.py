# SPDX-License-Identifier: MIT
"""vsay-api as a program: arguments, configuration, keys, where it listens, CGI."""
import contextlib
import functools
import json
import os
import re
import resource
import select
import signal
import socket
from types import SimpleNamespace

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

import fcgi
from cgi_program import cgi
from machine import FIGURES, Machine, entry
from fleet import Tenant
from schemas import READS, check, check_error
from stack import API, CTL, Process, free_port, run, wait_for
from tokens import claims, private_pem, public_pem, write_secret

STATS = "/api/dashboard/stats"


# --- arguments and configuration


def test_usage(stack):
    ran = run(API, "--config", stack.conf)
    assert ran.returncode == 2 and ran.stdout == "" and "Usage: vsay-api" in ran.stderr
    ran = run(API, "--help")
    assert ran.returncode == 0 and "Usage: vsay-api" in ran.stdout and ran.stderr == ""
    assert "vsay" in run(API, "--version").stdout
    for wrong in (["--no-such"], ["--config"], ["word"], ["--listen"]):
        assert run(API, *wrong).returncode == 2


def test_good_configuration(stack):
    ran = run(API, "--config", stack.conf, "--check-config")
    assert ran.returncode == 0, ran.stderr
    assert run(API, "--check-config", env={"VSAY_CONF": stack.conf}).returncode == 0


@pytest.mark.parametrize("text, line, says", [
    ("[api]\ndb_workers = 0\n", 2, "api.db_workers"), ("[api]\nio_threads = x\n", 2, "api.io_threads"),
    ("[api]\nio_threads = 65\n", 2, "api.io_threads"), ("\n\n[api]\nfoo = 1\n", 4, "foo"),
    ("[nope]\na = 1\n", 1, "nope"), ("[db]\ntls = maybe\n", 2, "db.tls"),
    ("[api]\ndeadline = 5x\n", 2, "api.deadline"), ("[api]\ndeadline = 1h\n", 2, "api.deadline"),
    ("[db]\nuser = a\nuser = b\n", 3, "db.user"), ("[db]\nUser = a\n", 2, "User"),
    ("what\n", 1, ""), ("[db\nuser = a\n", 1, ""), ("user = a\n", 1, "user"),
    ("[db]\n" + "x" * 5000 + " = 1\n", 2, ""), ("[log]\nlevel = loud\n", 2, "log.level"),
    ("[auth]\nleeway = -1\n", 2, "auth.leeway"), ("[api]\nmax_parked = 99999999999999999999\n", 2, "")])
def test_bad_configuration(directory, text, line, says):
    path = directory / "bad.conf"
    path.write_text(text)
    for program, *more in (API, "--check-config"), (API, "--listen", f"unix:{directory}/s"), \
            (CTL, "doctor"):
        ran = run(program, "--config", path, *more)
        output = ran.stdout + ran.stderr
        assert ran.returncode == 1 and f"{path}:{line}:" in output and says in output, output
    assert not (directory / "s").exists()


@pytest.mark.parametrize("settings, says", [
    ({"db": {"host": ""}}, "db.host"), ({"auth": {"default_role": "agent"}}, "auth.default_role"),
    ({"agents": {"heartbeat_interval": "60s", "offline_after": "60s"}},
     "agents.heartbeat_interval"), ({"api": {"prefix": "vsay"}}, "api.prefix"), ({"api": {"prefix": "/vsay/"}}, "api.prefix"),
    ({"api": {"prefix": "/"}}, "api.prefix")])
def test_settings_that_make_no_sense(conf, settings, says):
    ran = run(API, "--config", conf(**settings), "--check-config")
    assert ran.returncode == 1 and says in ran.stderr, ran


def test_settings_that_just_make_sense(conf):
    ran = run(API, "--config", conf(agents={"heartbeat_interval": "59s", "offline_after": "60s"},
                                    api={"prefix": "/a/b"}), "--check-config")
    assert ran.returncode == 0, ran


def test_environment_goes_before_the_file(stack):
    ran = run(API, "--config", stack.conf, "--check-config", env={"VSAY_API_DB_WORKERS": "0"})
    assert ran.returncode == 1 and "VSAY_API_DB_WORKERS" in ran.stderr
    ran = run(API, "--config", "/nowhere/vsay.conf", "--check-config")
    assert ran.returncode == 1 and "/nowhere/vsay.conf" in ran.stderr


@functools.cache
def key_problems():
    small = rsa.generate_private_key(65537, 1024)
    curve = ec.generate_private_key(ec.SECP384R1())
    good = b"x" * 32
    return {
        "readable by others": ("HS256", good, 0o644, "chmod"),
        "private key readable by others": ("RS256", private_pem(rsa.generate_private_key(
            65537, 2048)), 0o644, "chmod"),
        "writable by others": ("HS256", good, 0o602, "chmod"),
        "short": ("HS256", b"x" * 31, 0o600, "32"),
        "short but for the line end": ("HS256", b"x" * 31 + b"\r\n", 0o600, "32"),
        "empty": ("HS256", b"", 0o600, "empty"),
        "only a line end": ("HS256", b"\n", 0o600, ""),
        "missing": ("HS256", None, 0o600, ""),
        "small RSA key": ("RS256", public_pem(small), 0o600, "2048"),
        "other curve": ("ES256", public_pem(curve), 0o600, "P-256"),
        "no PEM": ("RS256", good, 0o600, "PEM"),
        "encrypted": ("ES256", ec.generate_private_key(ec.SECP256R1()).private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"swordfish")), 0o600, "PEM"),
        "RSA key as ES256": ("ES256", private_pem(small), 0o600, ""),
        "EC key as RS256": ("RS256", private_pem(curve), 0o600, ""),
        "public key as HS256": ("HS256", public_pem(curve), 0o600, ""),
        "other algorithm": ("HS512", good, 0o600, ""),
        "none": ("none", good, 0o600, ""),
        "lower case": ("hs256", good, 0o600, ""),
    }


@pytest.mark.parametrize("host", ["localhost:99999", "localhost:0", "localhost:", "localhost:x", ":3306",
                                  "[::1", "[::1]3306", "db1 db2:-1"])
def test_bad_hosts(conf, host):
    ran = run(API, "--config", conf(db={"host": host}), "--check-config")
    assert ran.returncode == 1 and "db.host" in ran.stderr, ran


@pytest.mark.parametrize("host", ["localhost:1", "localhost:65535", "[::1]", "[::1]:3306",
                                  "db1,db2:1"])
def test_good_hosts(conf, host):
    ran = run(API, "--config", conf(db={"host": host}), "--check-config")
    assert ran.returncode == 0, ran


@pytest.mark.parametrize("problem", key_problems())
def test_bad_keys(conf, directory, problem):
    algorithm, data, mode, says = key_problems()[problem]
    path = directory / "the.key"
    if data is not None:
        write_secret(path, data).chmod(mode)
    conf = conf(auth={"keys": f"k1:{algorithm}:{path}"})
    for more in ["--check-config"], ["--listen", f"unix:{directory}/s"]:
        ran = run(API, "--config", conf, *more)
        assert ran.returncode == 1, ran
        assert says in ran.stderr and (str(path) in ran.stderr or "auth.keys" in ran.stderr)
        assert "xxxx" not in ran.stderr, "a key in the log"
    ran = run(CTL, "--config", conf, "token", "--user-id", "u1")
    assert ran.returncode == 1 and ran.stdout == "" and says in ran.stderr
    ran = run(CTL, "--config", conf, "doctor")
    assert ran.returncode == 1 and says in ran.stdout + ran.stderr


@pytest.mark.parametrize("keys", ["", "k1", "k1:HS256", ":HS256:{0}", "k1::{0}", "k 1:HS256:{0}",
                                  "k1:HS256:", "k1:HS256:{0} k1:HS256:{0}", "k'1:HS256:{0}"])
def test_bad_key_list(conf, directory, keys):
    path = write_secret(directory / "k", b"x" * 32)
    ran = run(API, "--config", conf(auth={"keys": keys.format(path)}), "--check-config")
    assert ran.returncode == 1 and ran.stderr


def test_several_keys_of_one_algorithm(conf, new_worker, directory):
    """Rotation: two kids, each with its own secret; a token without a kid may use either."""
    secrets = {kid: b"secret %d " % n * 8 for n, kid in enumerate(("old", "new"))}
    keys = " , ".join(f"{kid}:HS256:{write_secret(directory / kid, secret)}"
                      for kid, secret in secrets.items())
    worker = new_worker(conf(auth={"keys": keys}))

    def status(signer, **header):
        token = jwt.encode(claims(), secrets[signer], "HS256", header)
        return worker.get(STATS, SimpleNamespace(token=token)).status

    assert [status(kid, kid=kid) for kid in secrets] == [200, 200]
    assert [status(kid) for kid in secrets] == [200, 200]
    assert [status("old", kid="new"), status("new", kid="old")] == [401, 401]


# --- where it listens


def test_listen_unix(stack, conf, new_worker):
    worker, alice = new_worker(conf()), Tenant(stack).user()
    for path in READS:
        assert worker.get(path, alice).status == 200
    second = run(API, "--config", stack.conf, "--listen", f"unix:{worker.socket}")
    assert second.returncode == 1 and str(worker.socket) in second.stderr, "the socket is in use"
    assert worker.get("/health").status == 200
    worker.stop(signal.SIGKILL)
    assert new_worker(conf()).get("/health").status == 200, "over a dead one's socket"


@pytest.mark.parametrize("address", ["unix:", "unix:/nowhere/s", "unix:/tmp/" + "x" * 200, "nonsense",
                                     "127.0.0.1:", "127.0.0.1:99999", "127.0.0.1:x",
                                     "no.such.host.invalid:9000", "unix:/etc/passwd"])
def test_listen_in_vain(stack, address):
    ran = run(API, "--config", stack.conf, "--listen", address)
    assert ran.returncode == 1 and ran.stderr
    assert "root:" in open("/etc/passwd").read()


@pytest.mark.parametrize("host, family", [("127.0.0.1", socket.AF_INET), ("[::1]", socket.AF_INET6)])
def test_listen_tcp(conf, new_worker, host, family):
    if family == socket.AF_INET6 and not os.path.exists("/proc/net/if_inet6"):
        pytest.skip("no IPv6 here")
    port = free_port()
    new_worker(conf(), listen=f"{host}:{port}")

    def reply():
        with socket.socket(family) as connection, contextlib.suppress(OSError):
            connection.connect((host.strip("[]"), port))
            connection.sendall(fcgi.encode(fcgi.environment()))
            return fcgi.read_reply(connection)

    assert wait_for(reply).status == 200


@pytest.mark.parametrize("address, status", [
    ("127.0.0.1:1", 0), ("127.0.0.1:65535", 0), ("[::]:9000", 0), (":9000", 0), ("127.0.0.1:0", 1),
    ("127.0.0.1:65536", 1), ("127.0.0.1:9000x", 1), ("9000", 1), ("unix:/" + "x" * 106, 0),
    ("unix:/" + "x" * 107, 1), ("unix:", 1)])
def test_addresses_to_listen_on(stack, address, status):
    ran = run(API, "--config", stack.conf, "--listen", address, "--check-config")
    assert ran.returncode == status, ran
    assert status == 0 or "--listen" in ran.stderr


def test_listen_tcp_again(conf, new_worker):
    """Over connections of the one before that are not quite over."""
    port = free_port()

    def reply():
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 20) as peer:
            peer.sendall(fcgi.encode(fcgi.environment()))
            return fcgi.read_reply(peer)

    for _ in range(2):
        worker = new_worker(conf(), listen=f"127.0.0.1:{port}")
        assert wait_for(lambda: worker.ended() or reply(), 30).status == 200
        worker.stop()


def test_listen_tcp_in_use(conf, new_worker):
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = "127.0.0.1:{}".format(other.getsockname()[1])
        ran = run(API, "--config", conf(), "--listen", address)
    assert ran.returncode == 1 and address in ran.stderr and "in use" in ran.stderr


def test_listen_wins_over_what_is_inherited(conf, directory):
    with socket.socket(socket.AF_UNIX) as inherited:
        inherited.bind(str(directory / "inherited"))
        inherited.listen()
        process = Process(directory / "api.log", API, "--config", conf(), "--listen",
                          f"unix:{directory}/s", stdin=inherited)
        try:
            wait_for((directory / "s").exists)
            assert fcgi.request(directory / "s", fcgi.environment()).status == 200
        finally:
            assert process.stop() == 0


def test_out_of_descriptors(conf, new_worker, directory):
    """Who comes then waits, or is closed; all are served when others have given theirs back."""
    worker = new_worker(conf())
    assert worker.get("/health/ready").status == 200
    used = len(os.listdir(f"/proc/{worker.pid}/fd"))
    resource.prlimit(worker.pid, resource.RLIMIT_NOFILE, (used + 5, used + 5))
    with contextlib.ExitStack() as connections:
        for _ in range(20):
            connections.enter_context(fcgi.connect(worker.socket))
        wait_for(lambda: re.search("event=accept .*Too many open files", worker.log.read_text()))
        assert not worker.ended()
    assert wait_for(lambda: worker.get("/health").status == 200)


@pytest.mark.parametrize("host, allowed, warns, served", [
    ("127.0.0.1", "", False, True), ("0.0.0.0", "", True, True),
    ("0.0.0.0", "192.0.2.1, 127.0.0.1", False, True), ("0.0.0.0", "127.0.0.11,1127.0.0.1", False, False),
    ("127.0.0.1", "192.0.2.1", False, False), ("[::]", "127.0.0.1", False, True),
    ("[::]", "127.0.0.11,::ffff:127.0.0.1", False, False), ("[::]", "", True, True)])
def test_who_may_connect(conf, directory, host, allowed, warns, served):
    if host == "[::]" and not os.path.exists("/proc/net/if_inet6"):
        pytest.skip("no IPv6 here")
    port, log = free_port(), directory / "api.log"
    process = Process(log, API, "--config", conf(), "--listen", f"{host}:{port}",
                      env={"FCGI_WEB_SERVER_ADDRS": allowed})
    try:
        wait_for(lambda: "event=start" in log.read_text())
        with socket.create_connection(("127.0.0.1", port), 20) as connection, \
                contextlib.suppress(ConnectionError):
            reply = None
            connection.sendall(fcgi.encode(fcgi.environment()))
            reply = fcgi.read_reply(connection)
        assert (reply is not None) == served
        assert ("event=listen" in log.read_text()) == warns
        assert ("not in FCGI_WEB_SERVER_ADDRS" in log.read_text()) != served
    finally:
        assert process.stop() == 0


def test_socket_activation(conf, directory):
    """As systemd does it."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(directory / "s"))
        listener.listen()
        process = Process(directory / "api.log", "sh", "-c", 'LISTEN_PID=$$ exec "$@"', "sh", API,
                          "--config", conf(), env={"LISTEN_FDS": "1"}, pass_fds=[3],
                          preexec_fn=lambda: os.dup2(listener.fileno(), 3))
        try:
            assert fcgi.request(directory / "s", fcgi.environment()).status == 200
        finally:
            assert process.stop() == 0
    foreign = run(API, "--config", conf(), env={"LISTEN_FDS": "1", "LISTEN_PID": "1"})
    assert foreign.returncode == 2, "someone else's sockets"


def test_graceful_exit(conf, new_worker):
    worker = new_worker(conf())
    assert worker.get("/health").status == 200
    assert worker.stop() == 0
    assert "event=stop" in worker.log.read_text()


# --- CGI


def test_cgi(stack, tenant):
    alice = tenant.user()
    session = tenant.session(tenant.machine(owner=alice), alice)
    check(cgi(stack.conf, "/health"), "health")
    check(cgi(stack.conf, "/health/ready"), "health")
    for path in READS:
        reply = cgi(stack.conf, path, by=alice)
        assert reply.status == 200 and reply.body == stack.get(path, alice).body
        head = cgi(stack.conf, path, by=alice, method="HEAD")
        assert head.body == b"" and head.headers["Content-Length"] == str(len(reply.body))
    path = f"/api/terminal/sessions/{session}"
    check(cgi(stack.conf, path, method="DELETE", by=alice), "closed")
    check(cgi(stack.conf, path, method="DELETE", by=alice, body=b"abc", CONTENT_LENGTH="3"),
          "closed")
    check_error(cgi(stack.conf, path, method="DELETE", by=alice, body=b"abc",
                    CONTENT_LENGTH="5"), 400)
    check_error(cgi(stack.conf, path, method="DELETE", by=alice, body=b"x" * 10**5,
                    CONTENT_LENGTH="100000"), 413)
    check_error(cgi(stack.conf, STATS), 401)
    check_error(cgi(stack.conf, STATS, method="POST", by=alice), 405)
    check_error(cgi(stack.conf, "/nowhere"), 404)
    assert cgi(stack.conf, STATS, method="OPTIONS", HTTP_ORIGIN="https://console.example.com",
               HTTP_ACCESS_CONTROL_REQUEST_METHOD="GET").status == 204
    assert cgi(stack.conf, "/", by=alice, SCRIPT_NAME="/api/dashboard",
               PATH_INFO="/stats").status == 200
    assert cgi(stack.conf, STATS, REDIRECT_HTTP_AUTHORIZATION=f"Bearer {alice.token}").status == 200


def test_cgi_agent(stack, tenant):
    """A process is too much for a wait: a poll is answered at once, and so is a DELETE."""
    alice = tenant.user()
    agent = Machine(tenant, owner=alice)
    signals = "/api/agent/signals?wait=55"

    def post(path, body):
        body = json.dumps(body).encode()
        return cgi(stack.conf, f"/api/agent/{path}", method="POST", by=agent, body=body,
                   CONTENT_LENGTH=str(len(body)))

    check(post("heartbeat", {**FIGURES, "sessions": []}), "heartbeat")
    session = check(post("sessions", {"user_id": alice.user_id, "username": "n", "source": "ui"}),
                    "opened")["session_id"]
    assert check(post("activity", {"activities": [entry(session)]}), "accepted")["accepted"] == 1
    assert check(cgi(stack.conf, signals, by=agent), "signals")["signals"] == []
    reply = cgi(stack.conf, f"/api/terminal/sessions/{session}", method="DELETE", by=alice,
                HTTP_PREFER="wait=30")
    check(reply, "closed")
    assert reply.headers["Preference-Applied"] is None
    signal, = check(cgi(stack.conf, signals, by=agent), "signals")["signals"]
    assert signal["session_id"] == session
    check(post(f"sessions/{session}/end", {"reason": "terminated"}), "ended")
    receipt = cgi(stack.conf, f"/api/sessions/{session}", by=alice)
    assert check(receipt, "receipt")["session"]["termination"]["outcome"] == "confirmed"


def test_cgi_ignores_arguments(stack):
    """A web server makes them of the query string."""
    for arguments in ["-c", "/etc/passwd"], ["--help"], ["--listen", "unix:/tmp/x"], ["-c/etc/passwd"]:
        check(cgi(stack.conf, "/health", *arguments), "health")


def test_cgi_without_an_input(stack, tenant):
    agent = Machine(tenant)
    env = {"VSAY_CONF": stack.conf, "GATEWAY_INTERFACE": "CGI/1.1",
           **fcgi.environment("POST", "/api/agent/heartbeat", agent, CONTENT_LENGTH="5")}
    process = Process("/dev/null", "sh", "-c", 'exec "$@" <&-', "sh", API, env=env)
    assert process.wait(30) == 0


def test_cgi_with_a_bad_request(stack):
    check_error(cgi(stack.conf, f"{STATS}%zz", REQUEST_URI=f"{STATS}%zz"), 404)
    check_error(cgi(stack.conf, STATS, CONTENT_LENGTH="x"), 400)


@pytest.mark.parametrize("software, hint", [
    ("Apache/2.4.57 (Debian)", "CGIPassAuth On"), ("LiteSpeed", "RewriteRule"),
    ("nginx/1.22.1", "the web server does not pass it"), (None, "the web server does not pass it")])
def test_the_log_tells_why_there_may_be_no_token(stack, software, hint):
    env = {"SERVER_SOFTWARE": software} if software else {}
    ran = run(API, env={"VSAY_CONF": stack.conf, "GATEWAY_INTERFACE": "CGI/1.1",
                        **fcgi.environment("GET", STATS), **env})
    assert "Status: 401" in ran.stdout and hint in ran.stderr
    assert "Authorization" not in ran.stdout


def test_cgi_without_its_database(conf):
    path = conf(db={"host": "/nowhere.sock"})
    check_error(cgi(path, "/health/ready"), 503)
    check(cgi(path, "/health"), "health")


def test_a_body_that_does_not_come(conf, new_worker, tenant):
    """Silence or a byte now and then: its request is answered all the same."""
    worker = new_worker(conf(api={"body_timeout": "1s", "io_timeout": "5s"}))
    assert worker.get("/health").status == 200
    for pause in 0.2, 30:
        with fcgi.connect(worker.socket) as slow:
            slow.sendall(fcgi.begin() + fcgi.stream(fcgi.PARAMS, fcgi.pairs(fcgi.environment(
                "POST", "/api/agent/activity", Machine(tenant), CONTENT_LENGTH="1000"))))
            while not select.select([slow], [], [], pause)[0]:
                slow.sendall(fcgi.record(fcgi.STDIN, b" "))
            check_error(fcgi.read_reply(slow), 400)


def test_prefix(stack, conf, new_worker):
    worker, alice = new_worker(conf(api={"prefix": "/vsay"})), Tenant(stack).user()
    assert worker.get(f"/vsay{STATS}", alice).status == 200
    assert worker.get("/vsay/health").status == 200
    for path in STATS, "/health", "/vsayhealth", "/vsay", "/other/health", f"/vsay/vsay{STATS}":
        assert worker.get(path, alice).status == 404
