# SPDX-License-Identifier: MIT
"""Which databases vsay-api talks to, and which not."""
import contextlib
import itertools
import signal
import time
from datetime import datetime, timedelta

import MySQLdb
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

import fcgi
from fleet import Tenant
from schemas import check_error
from stack import CTL, MIGRATIONS, Database, free_port, run, wait_for
from tokens import write_secret


def test_first_of_several_hosts_is_dead(stack, conf, new_worker):
    hosts = f"/nowhere.sock, 127.0.0.1:{free_port()}, {stack.database.socket}"
    worker = new_worker(conf(db={"host": hosts}))
    assert worker.get("/health/ready").status == 200
    assert worker.get("/api/dashboard/stats", Tenant(stack).user()).status == 200


def test_one_thread_leaves_a_hung_host_for_all(stack, conf, new_worker, new_directory):
    first = Database(new_directory())
    try:
        first.create_schema(conf(db={"host": first.socket}))
        user = Tenant(stack).user()
        worker = new_worker(conf(db={"host": f"{first.socket} {stack.database.socket}",
                                     "connect_timeout": "1s", "read_timeout": "2s"}))
        assert worker.get("/health/ready").status == 200
        first.process.kill(signal.SIGSTOP)
        began = [time.monotonic()]
        for _ in range(12):
            assert worker.get("/api/dashboard/stats", user).status == 200
            began.append(time.monotonic())
        slow = [after - before > 1.5 for before, after in itertools.pairwise(began)]
        assert slow.count(True) <= 1  # none, if an answerer did not begin there
    finally:
        first.stop(signal.SIGKILL)


def test_replicas_are_not_used(stack, conf, new_worker, new_directory):
    """What they show may be older than the request."""
    replica = Database(new_directory())
    try:
        replica.query("CREATE DATABASE vsay")
        replica.query("CREATE USER vsay@localhost IDENTIFIED BY 'swordfish'")
        replica.query("GRANT SELECT ON vsay.* TO vsay@localhost")
        replica.query("SET GLOBAL read_only = 1")
        worker = new_worker(conf(db={"host": f"{replica.socket} {stack.database.socket}"}))
        assert worker.get("/api/dashboard/stats", Tenant(stack).user()).status == 200
        doctor = run(CTL, "--config", conf(db={"host": replica.socket}), "doctor")
        assert doctor.returncode == 1 and "read-only" in doctor.stdout
    finally:
        replica.stop()


def test_a_primary_that_becomes_a_replica(stack, conf, new_worker, tenant):
    """Another is looked for: without one 503, and no error of the service."""
    user = tenant.user()
    session = tenant.session(tenant.machine(), user)
    worker = new_worker(conf())
    assert worker.get("/health/ready").status == 200

    def close():
        return fcgi.request(worker.socket, fcgi.environment(
            "DELETE", f"/api/terminal/sessions/{session}", user))

    stack.database.query("SET GLOBAL read_only = 1")
    try:
        check_error(close(), 503)
    finally:
        stack.database.query("SET GLOBAL read_only = 0")
    wait_for(lambda: close().status == 200, what="the worker to come back")


def test_doctor_finds_a_binary_log_by_statement(stack, conf, new_directory):
    database = Database(new_directory(), "--skip-networking", "--log-bin")
    path = conf(db={"host": database.socket})
    try:
        database.create_schema(path)
        assert run(CTL, "--config", path, "doctor").returncode == 0
        database.query("SET GLOBAL binlog_format = 'STATEMENT'")
        doctor = run(CTL, "--config", path, "doctor")
        assert doctor.returncode == 1 and "FAIL  binary log: binlog_format" in doctor.stdout
    finally:
        database.stop()


def test_wrong_password(conf, new_worker, directory):
    file = write_secret(directory / "wrong", b"open sesame\n")
    worker = new_worker(conf(db={"password_file": file}))
    check_error(worker.get("/health/ready"), 503)
    assert worker.get("/health").status == 200
    assert "Access denied" in worker.log.read_text()
    assert "open sesame" not in worker.log.read_text()


def test_the_password_file_goes_away(stack, conf, new_worker, directory):
    """It is read for each connection, and none is tried without it."""
    file = write_secret(directory / "password", b"swordfish\n")
    worker = new_worker(conf(db={"password_file": file}))
    assert worker.get("/health/ready").status == 200
    file.unlink()
    for row in stack.database.query("SHOW PROCESSLIST"):
        if row["User"] == "vsay":
            with contextlib.suppress(MySQLdb.Error):  # it has gone already
                stack.database.query("KILL %s", row["Id"])
    wait_for(lambda: worker.get("/health/ready").status == 503)
    log = worker.log.read_text()
    assert str(file) in log and "Access denied" not in log
    write_secret(file, b"swordfish\n")
    wait_for(lambda: worker.get("/health/ready").status == 200)


def test_packets_too_small(stack, conf, new_worker):
    """A server that does not take a report with a long command is not used."""
    query = stack.database.query
    before = query("SELECT @@GLOBAL.max_allowed_packet AS n")[0]["n"]
    try:
        query("SET GLOBAL max_allowed_packet = 1024 * 1024")
        assert new_worker(conf()).get("/health/ready").status == 200
        query("SET GLOBAL max_allowed_packet = 1023 * 1024")
        doctor = run(CTL, "--config", conf(), "doctor")
        assert doctor.returncode == 1 and "max_allowed_packet" in doctor.stdout
    finally:
        query("SET GLOBAL max_allowed_packet = %s", before)


def test_tls_fails_closed(conf, new_worker):
    """Asked for TLS, it never talks to a server that offers none."""
    worker = new_worker(conf(db={"tls": "verify"}))
    check_error(worker.get("/health/ready"), 503)
    assert worker.get("/health").status == 200


def certificate(subject, key, issuer=None, issuer_key=None, names=()):
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(
        issuer.subject if issuer else name).public_key(key.public_key()).serial_number(
        x509.random_serial_number()).not_valid_before(datetime.utcnow() - timedelta(1)
        ).not_valid_after(datetime.utcnow() + timedelta(9)).add_extension(
        x509.BasicConstraints(issuer is None, None), True)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(
            [x509.DNSName(name) for name in names]), False)
    return builder.sign(issuer_key or key, hashes.SHA256())


@pytest.fixture(scope="module")
def tls_database(new_directory):
    """mariadbd on TCP with a certificate for localhost, whose authority is in ca.pem."""
    directory, port = new_directory(), free_port()
    keys = [rsa.generate_private_key(65537, 2048) for _ in range(2)]
    authority = certificate("Test CA", keys[0])
    for name, cert in (("ca", authority), ("other", certificate("Other CA", keys[1])),
                       ("server", certificate("localhost", keys[1], authority, keys[0],
                                              ["localhost"]))):
        (directory / f"{name}.pem").write_bytes(cert.public_bytes(serialization.Encoding.PEM))
    (directory / "key.pem").write_bytes(keys[1].private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption()))
    database = Database(directory, "--bind-address=127.0.0.1", f"--port={port}",
                        f"--ssl-cert={directory}/server.pem", f"--ssl-key={directory}/key.pem",
                        "--skip-name-resolve")
    database.port = port
    yield database
    database.stop()


@pytest.fixture
def tls_schema(tls_database, conf):
    """The schema, and a user who must come over TLS."""
    if not tls_database.query("SHOW DATABASES LIKE 'vsay'"):
        tls_database.create_schema(conf(db={"host": tls_database.socket}))
        tls_database.query("RENAME USER vsay@localhost TO vsay@'127.0.0.1'")
        tls_database.query("ALTER USER vsay@'127.0.0.1' REQUIRE SSL")
    return tls_database


@pytest.mark.parametrize("host, authority, status", [
    ("localhost", "ca", 200), ("localhost", "other", 503), ("127.0.0.1", "ca", 503)])
def test_tls(tls_schema, conf, new_worker, host, authority, status):
    """Only the right name under the right authority will do."""
    path = conf(db={"host": f"{host}:{tls_schema.port}", "tls": "verify",
                    "tls_ca": tls_schema.dir / f"{authority}.pem"})
    worker = new_worker(path)
    assert worker.get("/health/ready").status == status, worker.log.read_text()
    doctor = run(CTL, "--config", path, "doctor")
    assert doctor.returncode == (0 if status == 200 else 1), doctor.stdout
    assert ("TLS with" in doctor.stdout) == (status == 200)


def test_connections_killed_under_tls(tls_schema, conf, new_worker):
    """A TLS connection that is lost is made again within the request."""
    worker = new_worker(conf(db={"host": f"localhost:{tls_schema.port}", "tls": "verify",
                                 "tls_ca": tls_schema.dir / "ca.pem"}))
    for _ in range(5):
        assert worker.get("/health/ready").status == 200
        for row in tls_schema.query("SHOW PROCESSLIST"):
            if row["User"] == "vsay":
                with contextlib.suppress(MySQLdb.Error):  # it is gone already
                    tls_schema.query("KILL %s", row["Id"])
    assert worker.get("/health/ready").status == 200, worker.log.read_text()


def test_restarted_before_it_had_a_schema(conf, new_worker, new_directory):
    """A worker that waits for the schema finds the database again, and then the schema."""
    database = Database(new_directory())
    try:
        database.query("CREATE DATABASE vsay CHARACTER SET utf8mb4")
        path = conf(db={"host": database.socket, "user": "root", "password_file": ""})
        worker = new_worker(path)
        check_error(worker.get("/health/ready"), 503)
        database.stop()
        database.start()
        assert run(CTL, "--config", path, "migrate", "--dir", MIGRATIONS).returncode == 0
        wait_for(lambda: worker.get("/health/ready").status == 200, 10, "the worker")
    finally:
        database.stop()
