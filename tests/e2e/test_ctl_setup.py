# SPDX-License-Identifier: MIT
"""vsayctl setup: from a database server to a service that doctor finds well, on a private server."""
import json
import os
import pty
import re
import stat
import subprocess

import MySQLdb
import pytest

from ctl import read_terminal
from stack import BUILD, CTL, ENV, REPO, run
from tokens import write_secret

INSTALLED = [REPO / "db" / "migrations", REPO / "db" / "grants.sql",
             REPO / "db" / "grants-operator.sql", BUILD / "conf" / "vsay.conf"]
SECRETS = ["db.password", "jwt.key", "vsayctl.password"]
root_only = pytest.mark.skipif(os.getuid() != 0, reason="needs root")


@pytest.fixture(scope="module")
def database(server, new_directory):
    database = server(new_directory())
    yield database
    database.stop()


class Site:
    """A host on which nothing is configured."""

    def __init__(self, database, directory):
        self.database, self.dir = database, directory / "etc"
        self.dir.mkdir()
        self.conf, self.share = self.dir / "vsay.conf", directory / "share"
        self.share.mkdir()
        for path in INSTALLED:
            (self.share / path.name).symlink_to(path)

    def command(self, *arguments, host=True):
        return [CTL, "--config", self.conf, "setup", "--dir", self.share,
                *(["--host", self.database.socket] if host else []), *arguments]

    def setup(self, *arguments, host=True, become=(), **options):
        run_as = ["--run-as", "root"] if os.getuid() == 0 and not become else []
        if "--run-as" in arguments:
            run_as = []
        return run(*become, *self.command(*run_as, *arguments, host=host), **options)

    def succeed(self, *arguments, **options):
        ran = self.setup(*arguments, **options)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout

    def fail(self, *arguments, **options):
        """What it says; one line, the last."""
        ran = self.setup(*arguments, **options)
        assert ran.returncode in (1, 2), ran.stdout + ran.stderr
        return ran.stderr.splitlines()[-1]

    def files(self):
        return {path.name: path.read_text() for path in self.dir.iterdir()}

    def modes(self):
        return {path.name: stat.filemode(path.stat().st_mode) for path in self.dir.iterdir()}

    def admin(self, name, password, *grants):
        """Makes a database user; returns what tells setup of it."""
        self.database.query(f"CREATE USER {name}@localhost IDENTIFIED BY %s", password)
        for grant in grants:
            self.database.query(f"GRANT {grant} TO {name}@localhost WITH GRANT OPTION")
        file = write_secret(self.dir.parent / f"{name}.password", password.encode())
        return "--admin", name, "--admin-password-file", file


def users(database):
    return {row["User"] for row in database.query("SELECT User FROM mysql.user WHERE User NOT LIKE 'root'")}


def databases(database):
    return {row["Database"] for row in database.query("SHOW DATABASES")}


@pytest.fixture
def site(database, directory):
    had_users, had = users(database), databases(database)
    yield Site(database, directory)
    for name in users(database) - had_users:
        database.query(f"DROP USER {name}@localhost")
    for name in databases(database) - had:
        database.query(f"DROP DATABASE {name}")


def results(output):
    """{what: made, changed, kept} of setup's own lines."""
    return {what: result for result, what in re.findall(r"^(made|changed|kept)\s+(.*)$", output, re.M)}


@pytest.mark.databases
def test_one_command(site):
    """A service that works, and the same command again changes nothing."""
    said = site.succeed()
    assert set(results(said).values()) == {"made"} and "FAIL" not in said
    assert said.count("\nok ") == 11
    assert set(site.files()) == {"vsay.conf", *SECRETS}
    assert {site.modes()[name] for name in SECRETS} == {"-rw-------"}
    changed = set(site.conf.read_text().splitlines()) - set(
        (BUILD / "conf" / "vsay.conf").read_text().splitlines())
    assert {line.split(" = ")[0] for line in changed} == {"host", "password_file", "keys"}
    env = {"VSAY_DB_USER": "vsayctl", "VSAY_DB_PASSWORD_FILE": str(site.dir / "vsayctl.password")}
    added = run(CTL, "--config", site.conf, "machine", "add", "m1", env=env)
    assert added.returncode == 0 and added.stdout.count(".") == 2, added.stderr
    before = site.files()
    again = results(site.succeed(env=env))  # as in the shell of an operator
    assert {what for what, result in again.items() if result != "kept"} == {
        "rights of vsay@localhost", "rights of vsayctl@localhost"}
    assert site.files() == before
    listed = run(CTL, "--config", site.conf, "machine", "list", env=env)
    assert "m1" in listed.stdout


@root_only
def test_who_may_read(site):
    site.dir.parent.chmod(0o711)
    site.succeed("--run-as", "nobody")
    assert site.modes() == {"vsay.conf": "-rw-r--r--", "db.password": "-rw-r-----",
                            "jwt.key": "-rw-r-----", "vsayctl.password": "-rw-------"}
    assert {(site.dir / name).group() for name in ("db.password", "jwt.key")} == {"nogroup"}
    (site.dir / "jwt.key").chmod(0o600)  # the workers cannot read it, which root would not notice
    ran = site.setup("--run-as", "nobody")
    assert ran.returncode == 1 and "FAIL  keys" in ran.stdout


@root_only
def test_without_root(site):
    become = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    says = site.fail(become=become)
    assert f"cannot write {site.conf}: Permission denied" in says and "as root" in says
    os.chown(site.dir, 65534, 65534)
    assert "--run-as: only root" in site.fail("--run-as", "root", become=become)
    site.succeed(become=become)
    assert {site.modes()[name] for name in SECRETS} == {"-rw-------"}


def test_nothing_changes_when_the_database_refuses(site):
    admin = site.admin("boss", "right", "ALL ON *.*")
    admin[-1].write_text("wrong\n")
    says = site.fail(*admin)
    assert "Access denied" in says and "--admin-password-file" in says
    assert "Can't connect" in site.fail("--host", "/nowhere.sock", host=False)
    assert "not a number" not in site.fail("--name", "a b") and "--name" in site.fail("--name", "a`b")
    assert "there is no user" in site.fail("--run-as", "nobody-here") or os.getuid() != 0
    (site.share / "grants.sql").unlink()
    assert "grants.sql" in site.fail()
    assert site.files() == {} and "vsay" not in databases(site.database)
    assert users(site.database) & {"vsay", "vsayctl"} == set()


def test_it_goes_on_where_it_stopped(site):
    (site.share / "migrations").unlink()
    (site.share / "migrations").mkdir()
    (site.share / "migrations" / "0001_initial.sql").write_text("CREATE NONSENSE")
    assert "0001_initial.sql" in site.fail()
    left = site.files()
    assert set(left) == {"vsay.conf", *SECRETS}
    (site.share / "migrations" / "0001_initial.sql").unlink()
    (site.share / "migrations").rmdir()
    (site.share / "migrations").symlink_to(REPO / "db" / "migrations")
    said = results(site.succeed())
    assert site.files() == left
    assert said["database vsay"] == said["database user vsay@localhost"] == "kept"
    site.database.query("DROP USER vsayctl@localhost")
    for name in ("jwt.key", "vsayctl.password"):
        (site.dir / name).unlink()
    said = results(site.succeed())
    assert {said[what] for what in ("database user vsayctl@localhost", str(site.dir / "jwt.key"),
                                    str(site.dir / "vsayctl.password"))} == {"made"}


def test_what_is_configured_stays(site):
    mine = ("# ours\n[auth]\nissuer = https://id.example.com ; it signs\n[db]\nname = terminals\n"
            "#user = vsay\nconnect_timeout = 9s\n")
    site.conf.write_text(mine)
    site.conf.chmod(0o640)
    assert "has name = terminals: change it there" in site.fail("--name", "vsay")
    assert site.files() == {"vsay.conf": mine}
    said = site.succeed()
    assert results(said)[str(site.conf)] == "changed" and results(said)["database terminals"] == "made"
    now = site.conf.read_text()
    assert [line for line in mine.splitlines() if line not in now] == []
    assert site.modes()["vsay.conf"] == "-rw-r-----"
    assert "has host = " in site.fail("--host", "db.example.com", host=False)
    site.conf.write_text("[db]\nnonsense = 1\n")
    assert f"{site.conf}:2: unknown key" in site.fail()
    assert site.conf.read_text() == "[db]\nnonsense = 1\n"


@pytest.mark.parametrize("there", ["", "[db]", "[log]\nlevel = debug", "[auth]\n#keys =\n\n"])
def test_a_configuration_of_a_few_lines(site, there):
    site.conf.write_text(there)
    assert results(site.succeed())[str(site.conf)] == "changed"
    assert "\nlevel = debug\n" in site.conf.read_text() or "level" not in there
    assert site.conf.read_text().count("[db]") == site.conf.read_text().count("[auth]") == 1


def test_a_user_that_is_there(site):
    """Nobody's password is changed, and none that is wrong is left."""
    site.database.query("CREATE USER vsay@localhost IDENTIFIED BY 'known'")
    says = site.fail()
    assert "a user vsay@localhost, but not with the password" in says and site.files() == {}
    write_secret(site.dir / "db.password", b"known")
    said = results(site.succeed())
    assert said[str(site.dir / "db.password")] == said["database user vsay@localhost"] == "kept"


def test_a_host_that_gives_one_user(site):
    """Who may create neither databases nor users, as on shared hosting."""
    admin = site.admin("u123", "it's \\ours", "ALL ON u123_vsay.*")
    own = *admin, "--name", "u123_vsay"
    assert "may not create databases" in site.fail(*admin)
    site.database.query("CREATE DATABASE u123_vsay")
    assert "--one-user" in site.fail(*own) and site.files() == {}
    said = site.succeed(*own, "--one-user")
    assert "ok    rights: those of a worker and of an operator" in said
    assert "user = u123\n" in site.conf.read_text() and set(site.files()) == {
        "vsay.conf", "db.password", "jwt.key"}
    assert set(results(site.succeed("--one-user")).values()) == {"kept"}
    (site.dir / "db.password").write_text("changed\n")
    assert "does not have the password of u123" in site.fail(*own, "--one-user")
    assert "has user = u123, not root" in site.fail("--one-user", "--admin", "root")


def test_on_a_terminal(site):
    """It asks, and shows no password."""
    admin = site.admin("u456", "sesame", "ALL ON u456.*")
    site.database.query("CREATE DATABASE u456")
    ours, theirs = pty.openpty()
    run_as = ["--run-as", "root"] if os.getuid() == 0 else []
    answers = [site.database.socket, "u456", admin[1], "sesame", "yes"]
    with subprocess.Popen([str(word) for word in site.command(*run_as, host=False)], env=ENV,
                          stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True) as process:
        os.close(theirs)
        shown = b""
        for question, answer in zip((b"socket [", b"database [", b"administrator [", b"Password of",
                                     b"work as u456?"), answers):
            while question not in shown:
                shown += os.read(ours, 4096)
            os.write(ours, f"{answer}\n".encode())
        shown = shown.decode() + read_terminal(ours)
    assert process.returncode == 0, shown
    assert "sesame" not in shown and (site.dir / "db.password").read_text() == "sesame\n"


def test_as_json(site):
    found = json.loads(site.succeed("--json"))
    assert {"result": "made", "what": "database vsay"} in found["steps"]
    assert {check["result"] for check in found["checks"]} == {"ok"}


def test_another_host(site):
    """Users are for the hosts that they connect from."""
    site.fail("--from", "10.0.0.%")  # the doctor cannot log in from here
    assert {row["Host"] for row in site.database.query(
        "SELECT Host FROM mysql.user WHERE User IN ('vsay', 'vsayctl')")} == {"10.0.0.%"}
    for name in "vsay", "vsayctl":
        assert site.database.query(f"SHOW GRANTS FOR {name}@'10.0.0.%'")
        site.database.query(f"DROP USER {name}@'10.0.0.%'")
    assert "--from" in site.fail("--from", "a'b")


# --- doctor


def doctor(site, **env):
    return run(CTL, "--config", site.conf, "doctor", env=env).stdout


def test_doctor_finds_missing_rights(site):
    site.succeed()
    for right in ("INSERT ON audit", "UPDATE ON machine_usage", "UPDATE ON fleet_looks"):
        site.database.query(f"REVOKE {right.replace('ON ', 'ON vsay.')} FROM vsay@localhost")
        assert f"FAIL  rights: vsay lacks {right.replace('ON', 'on')} to be" in doctor(site)
        site.succeed()
    operator = {"VSAY_DB_USER": "vsayctl", "VSAY_DB_PASSWORD_FILE": str(site.dir / "vsayctl.password")}
    assert "ok    rights: those of an operator" in doctor(site, **operator)
    site.database.query("REVOKE DELETE ON vsay.audit FROM vsayctl@localhost")
    said = doctor(site, **operator)
    assert "FAIL  rights: vsayctl lacks" in said and "vsayctl setup" in said
    refused = run(CTL, "--config", site.conf, "purge", "--older-than", "90d", env=operator).stderr
    assert "1142" in refused and "grants-operator.sql" in refused and "vsayctl setup" in refused
    with pytest.raises(MySQLdb.Error):
        MySQLdb.connect(unix_socket=str(site.database.socket), user="vsayctl", password="pike")


def test_doctor_finds_a_metrics_file_that_is_no_good(site, directory):
    site.succeed()
    assert "ok    metrics: in systemd's" in doctor(site)
    assert "ok    metrics: /" in doctor(site, VSAY_METRICS_FILE=str(directory / "metrics"))
    for path in "/nowhere/metrics", str(directory):
        assert "FAIL  metrics" in doctor(site, VSAY_METRICS_FILE=path)
