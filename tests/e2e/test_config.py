# SPDX-License-Identifier: MIT
"""Whatever a configuration can say that would fail, mislead or count for nothing later is refused when
it is loaded, by --check-config and by a start alike: with the file, the line, the option and the
reason."""
import re
import ssl
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from agent_process import AGENT, Agent
from stack import API, BUILD, CTL, run
from tokens import private_pem, write_secret

CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMIIBAAAA\n-----END CERTIFICATE-----\n"


@pytest.fixture
def files(directory):
    """Makes what the tables below name as {NAME}."""
    def secret(name, data):
        return write_secret(directory / name, data)

    (directory / "folder").mkdir()
    made = {
        "absent": directory / "absent", "folder": directory / "folder",
        "empty": secret("empty", b""), "line_end": secret("line_end", b"\n"),
        "second_line": secret("second_line", b"\nswordfish\n"),
        "nul": secret("nul", b"sword\0fish\n"), "bom": secret("bom", b"\xef\xbb\xbfswordfish\n"),
        "text": secret("text", b"swordfish\n"), "words": secret("words", b"two words\n"),
        "open": secret("open", b"swordfish\n"), "key": secret("key", b"x" * 32),
        "damaged": secret("damaged", CERTIFICATE.encode()),
        "private": secret("private", private_pem(ec.generate_private_key(ec.SECP256R1()))),
        "der": secret("der", ssl.PEM_cert_to_DER_cert(some_certificate()))}
    made["open"].chmod(0o644)
    return {name: str(path) for name, path in made.items()}


def some_certificate():
    bundle = Path("/etc/ssl/certs/ca-certificates.crt").read_text()
    end = "-----END CERTIFICATE-----\n"
    return bundle[:bundle.index(end) + len(end)]


def refused(program, path, text, option, says):
    """Loads `text`, whose last line is the wrong one."""
    path.write_text(text)
    line = len(text.splitlines())
    ran = run(program, "--config", path, "--check-config")
    assert ran.returncode == 1 and ran.stdout == "", ran
    assert f"{path}:{line}: " in ran.stderr and option in ran.stderr and says in ran.stderr, ran.stderr
    assert "swordfish" not in ran.stderr
    return ran


# --- vsay.conf

VSAY = [
    ("api.prefix", "vsay", "slash"), ("api.prefix", "/", "slash"), ("api.prefix", "/vsay/", "slash"),
    ("api.prefix", "/a//b", "slash"), ("api.prefix", "/a b", "may not have"),
    ("api.prefix", "/a%20b", "may not have"), ("api.prefix", "/a?b", "may not have"),
    ("api.prefix", "/a#b", "may not have"), ("api.prefix", "/é", "may not have"),
    ("api.prefix", "/a\\b", "may not have"), ("api.prefix", "/.", "dots"),
    ("api.prefix", "/a/../b", "dots"), ("api.prefix", '"/vsay"', "quotes"),
    ("api.prefix", "/vsay # ours", "comment"), ("api.prefix", "https://vsay.example.com/vsay", "slash"),
    ("api.cors_origins", "*", "wildcard"), ("api.cors_origins", "null", "SCHEME"),
    ("api.cors_origins", "console.example.com", "SCHEME"),
    ("api.cors_origins", "https://a.example.com https://b.example.com/", "no path"),
    ("api.cors_origins", "https://a.example.com/console", "no path"),
    ("api.cors_origins", "https://*.example.com", "host name"),
    ("api.cors_origins", "https://", "host name"),
    ("api.cors_origins", "https://u@a.example.com", "host name"),
    ("api.cors_origins", "https://A.example.com", "lower case"),
    ("api.cors_origins", "HTTPS://a.example.com", "SCHEME"),
    ("api.cors_origins", "https://a.example.com:443", "leave out"),
    ("api.cors_origins", "http://a.example.com:80", "leave out"),
    ("api.cors_origins", "https://a.example.com:0", "port"),
    ("api.cors_origins", "https://a.example.com:99999", "port"),
    ("api.cors_origins", "https://a.example.com:", "port"),
    ("api.cors_origins", "https://[::g]", "IPv6"), ("api.cors_origins", "https://a.example.com?x", "host"),
    ("db.host", "", "no server"), ("db.host", "localhost:99999", "port"), ("db.host", "localhost:0", "port"),
    ("db.host", "localhost:+80", "port"), ("db.host", "localhost:", "port"), ("db.host", "a:3306x", "port"),
    ("db.host", "db1 db2:-1", "port"), ("db.host", "::1", "brackets"), ("db.host", "[::1", "host"),
    ("db.host", "[localhost]:3306", "brackets"), ("db.host", "[::1]3306", "brackets"),
    ("db.host", ":3306", "host"), ("db.host", "user@db1", "host"), ("db.host", "db1/vsay", "host"),
    ("db.host", "mysql://db1", "port"), ("db.host", "db1;db2", "host"), ("db.host", "'db1'", "quotes"),
    ("db.host", "/" + "x" * 108, "107 bytes"), ("db.host", "{text}", "not a socket"),
    ("db.host", "{folder}", "not a socket"), ("db.host", "localhost # ours", "comment"),
    ("db.user", "", "no user"), ("db.user", '"vsay"', "quotes"), ("db.user", "vsay # ours", "comment"),
    ("db.user", b"caf\xe9", "UTF-8"), ("db.name", "", "1 to 64"), ("db.name", "x" * 65, "1 to 64"),
    ("db.password_file", "{absent}", "No such file"), ("db.password_file", "{folder}", "regular"),
    ("db.password_file", "{empty}", "empty"), ("db.password_file", "{line_end}", "empty"),
    ("db.password_file", "{second_line}", "empty"), ("db.password_file", "{nul}", "NUL"),
    ("db.password_file", "{bom}", "byte order"), ("db.password_file", "{open}", "chmod"),
    ("db.password_file", "db.password", "absolute path"),
    ("db.tls_ca", "{text}", "db.tls is verify"), ("db.tls", "on", "off, verify"),
    ("db.connect_timeout", "0", "from 1"), ("db.connect_timeout", "-1s", "time span"),
    ("db.read_timeout", "5x", "time span"), ("db.read_timeout", "1.5s", "time span"),
    ("auth.keys", "k1:HS256:{absent}", "No such file"), ("auth.keys", "k1:HS256:{empty}", "empty"),
    ("auth.keys", "k1:HS256:{text}", "32 bytes"), ("auth.keys", "k1:HS256:{open}", "open to all"),
    ("auth.keys", "k1:RS256:{text}", "PEM"), ("auth.keys", "k1:ES256:{der}", "PEM"),
    ("auth.keys", "k1:RS256:{private}", "RSA"), ("auth.keys", "k1:HS256:{key} k1:HS256:{key}", "twice"),
    ("auth.keys", "k1:HS256:{key} k2:HS256:some.key", "some.key"),
    ("auth.default_role", "agent", "one of user"), ("auth.default_role", "root", "one of"),
    ("auth.issuer", '"https://id.example.com"', "quotes"), ("auth.audience", "vsay # ours", "comment"),
    ("auth.leeway", "301", "from 0"),
    ("agents.heartbeat_interval", "120s", "shorter"), ("agents.offline_after", "30s", "shorter"),
    ("agents.signal_expires", "59", "from 60"), ("api.db_workers", "0", "from 1"),
    ("api.answerers", "3", "is called api.db_workers now"),
    ("api.max_parked", "1e3", "whole number"), ("log.level", "verbose", "one of"),
    ("log.level", "Info", "one of"), ("log.target", "/var/log/vsay", "one of")]


@pytest.mark.parametrize("option, value, says", VSAY)
def test_vsay_conf(directory, files, option, value, says):
    keys = "" if option == "auth.keys" else f"[auth]\nkeys = k1:HS256:{files['key']}\n"
    section, key = option.split(".")
    if isinstance(value, bytes):
        value = value.decode(errors="surrogateescape")
    text = f"{keys}[{section}]\n{key} = {value.format(**files)}\n"
    path = directory / "vsay.conf"
    path.write_bytes(text.encode(errors="surrogateescape"))
    line = text.count("\n")
    for arguments in ["--check-config"], ["--listen", f"unix:{directory}/s"]:
        ran = run(API, "--config", path, *arguments)
        assert ran.returncode == 1 and ran.stdout == "", ran
        assert f"{path}:{line}: " in ran.stderr and says in ran.stderr, ran.stderr
        assert option in ran.stderr or says == "UTF-8"
        assert "swordfish" not in ran.stderr
    assert not (directory / "s").exists()


@pytest.mark.parametrize("file, says", [
    ("absent", "No such file"), ("folder", "regular"), ("empty", "empty"), ("text", "no certificate"),
    ("private", "no certificate"), ("der", "no certificate"), ("damaged", "certificate 1 is damaged")])
def test_certificate_authorities(directory, files, file, says):
    keys = f"[auth]\nkeys = k1:HS256:{files['key']}\n"
    refused(API, directory / "vsay.conf", f"{keys}[db]\ntls = verify\ntls_ca = {files[file]}\n",
            "db.tls_ca", says)
    refused(AGENT, directory / "agent.conf",
            f"[agent]\nserver = https://a.example.com\nca_file = {files[file]}\n", "agent.ca_file", says)


def test_a_truncated_bundle(directory, files):
    bundle = directory / "bundle"
    bundle.write_text(some_certificate() * 2)
    conf = directory / "vsay.conf"
    text = f"[auth]\nkeys = k1:HS256:{files['key']}\n[db]\ntls = verify\ntls_ca = {bundle}\n"
    conf.write_text(text)
    assert run(API, "--config", conf, "--check-config").returncode == 0
    bundle.write_text(some_certificate() + some_certificate()[:-40])
    refused(API, conf, text, "db.tls_ca", "certificate 2 is damaged")


@pytest.mark.parametrize("prefix", ["/vsay", "/a.b/~c-d_e", "/@v1"])
@pytest.mark.parametrize("origins", ["", "https://a.example.com, http://localhost:3000 http://[::1]:3000",
                                     "https://a.example.com:8443 vscode-webview://abc"])
@pytest.mark.parametrize("host", ["db1 db-2.example.com:3307 [::1] [fe80::1%lo]:3306 127.0.0.1:1",
                                  "/run/no/such.sock"])
def test_what_is_right(directory, files, prefix, origins, host):
    conf = directory / "vsay.conf"
    conf.write_text(
        f"# caf\xe9\n[api]\nprefix = {prefix}\ncors_origins = {origins} ; ours\n[db]\nhost = {host}\n"
        f"password_file = {files['text']}\n[auth]\nkeys = k1:HS256:{files['key']}\n"
        "issuer = https://id.example.com/#x\n", encoding="latin-1")
    ran = run(API, "--config", conf, "--check-config")
    assert ran.returncode == 0, ran.stderr


def test_the_environment_is_named(directory, files):
    conf = directory / "vsay.conf"
    conf.write_text(f"[auth]\nkeys = k1:HS256:{files['key']}\n")
    for name, value in ("VSAY_API_PREFIX", "vsay"), ("VSAY_DB_PASSWORD_FILE", files["empty"]), \
            ("VSAY_AUTH_KEYS", "k1"), ("VSAY_DB_HOST", "a:b"):
        ran = run(API, "--config", conf, "--check-config", env={name: value})
        assert ran.returncode == 1 and f"{name}: " in ran.stderr, ran.stderr


def test_without_keys(directory):
    (directory / "vsay.conf").write_text("")
    ran = run(API, "--config", directory / "vsay.conf", "--check-config")
    assert ran.returncode == 1 and f"{directory}/vsay.conf: auth.keys" in ran.stderr


@pytest.mark.parametrize("address", ["unix:", "unix:/" + "x" * 200, "nonsense", "localhost", "a:0", "a:99999"])
def test_where_to_listen(stack, address):
    ran = run(API, "--config", stack.conf, "--check-config", "--listen", address)
    assert ran.returncode == 1 and "--listen: " in ran.stderr


def test_vsayctl_says_it_too(directory, files):
    conf = directory / "vsay.conf"
    conf.write_text(f"[db]\npassword_file = {files['line_end']}\n")
    for command in ["doctor"], ["machine", "list"], ["migrate"]:
        ran = run(CTL, "--config", conf, *command)
        assert ran.returncode == 1 and f"{conf}:2: db.password_file" in ran.stdout + ran.stderr


# --- agent.conf

AGENT_CONF = [
    ("agent.server", "", "no server"), ("agent.server", "vsay.example.com", "https://"),
    ("agent.server", "ftp://vsay.example.com", "https://"), ("agent.server", "https://", "host"),
    ("agent.server", "https:///vsay", "host"), ("agent.server", "https://a.example.com/", "slash"),
    ("agent.server", "https://a.example.com/vsay/", "slash"),
    ("agent.server", "https://u:p@a.example.com", "remove the user"),
    ("agent.server", "https://u@a.example.com", "remove the user"),
    ("agent.server", "https://a.example.com/vsay#x", "fragment"),
    ("agent.server", "https://a.example.com?x=y", "query"),
    ("agent.server", "https://a.example.com:0", "port"), ("agent.server", "https://a.example.com:65536", "port"),
    ("agent.server", "https://a.example.com:x", "port"), ("agent.server", "https://a.example.com:", "port"),
    ("agent.server", "https://::1", "brackets"), ("agent.server", "https://[::1", "host"),
    ("agent.server", "https://[a]", "brackets"), ("agent.server", "https://a b", "host"),
    ("agent.server", "https://a.example.com/a/../b", "dots"),
    ("agent.server", "https://a.example.com/a%20b", "may not have"),
    ("agent.server", '"https://a.example.com"', "quotes"),
    ("agent.token_file", "token", "absolute path"), ("agent.token_file", "", "absolute path"),
    ("agent.token_file", "{absent}", "No such file"), ("agent.token_file", "{folder}", "regular"),
    ("agent.token_file", "{empty}", "empty"), ("agent.token_file", "{line_end}", "not a token"),
    ("agent.token_file", "{words}", "not a token"), ("agent.token_file", "{bom}", "not a token"),
    ("agent.token_file", "{open}", "chmod"),
    ("agent.state_dir", "state", "absolute path"), ("agent.state_dir", "", "absolute path"),
    ("agent.state_dir", "{text}", "not a directory"), ("agent.state_dir", "{text}/state", "Not a directory"),
    ("agent.state_dir", "{absent}/state", "No such file"),
    ("agent.socket", "a.sock", "absolute path"), ("agent.socket", "/" + "x" * 108, "longer"),
    ("agent.socket", "{text}", "not a socket"), ("agent.socket", "{folder}", "not a socket"),
    ("agent.socket", "{text}/a.sock", "not a directory"), ("agent.socket", "{absent}/run/a.sock", "No such file"),
    ("agent.disk", "disk", "absolute path"), ("agent.disk", "{absent}", "No such file"),
    ("agent.trusted_users", "root no-such-user", "no user no-such-user"),
    ("agent.spool_max", "63", "from 64"), ("agent.spool_max", "64M", "whole number"),
    ("agent.poll_wait", "56", "from 0"), ("agent.poll_wait", "-1s", "time span"),
    ("shell.program", "bash", "absolute path"), ("shell.program", "{absent}", "not a program"),
    ("shell.program", "{text}", "not a program"), ("shell.program", "{folder}", "not a program"),
    ("shell.require_agent", "true", "no, yes"), ("shell.kill_after", "5x", "time span"),
    ("shell.mask", "(", "shell.mask"), ("log.level", "trace", "one of")]


@pytest.mark.parametrize("option, value, says", AGENT_CONF)
def test_agent_conf(directory, files, option, value, says):
    section, key = option.split(".")
    usual = {"server": "https://a.example.com", "token_file": files["text"],
             "state_dir": directory / "state", "socket": directory / "agent.sock"}
    text = "[agent]\n" + "".join(f"{name} = {value}\n" for name, value in usual.items()
                                 if name != key) + f"[{section}]\n{key} = {value.format(**files)}\n"
    refused(AGENT, directory / "agent.conf", text, option, says)


def test_ca_file_without_tls(directory, files):
    text = f"[agent]\ntoken_file = {files['text']}\nserver = http://localhost\nca_file = {files['damaged']}\n"
    refused(AGENT, directory / "agent.conf", text, "agent.ca_file", "https://")


@pytest.mark.parametrize("change", [
    {"server": "https://a.example.com/"}, {"server": "https://a.example.com:99999"}, {"disk": "disk"},
    {"state_dir": "/dev/null"}, {"state_dir": "/dev/null/state"}, {"ca_file": "/dev/null"}])
def test_an_agent_does_not_start(directory, change):
    agent = Agent(directory, change.pop("server", "https://a.example.com"), **change)
    ran = run(AGENT, "--config", agent.conf)
    assert ran.returncode == 1 and f"{agent.conf}:" in ran.stderr, ran.stderr


@pytest.mark.parametrize("server", [
    "https://a.example.com", "https://a.example.com:8443/vsay", "http://127.0.0.1:8080", "http://[::1]:80/v",
    "http://localhost", "https://a_b.example.com/a.b"])
def test_a_right_agent(directory, server):
    ran = run(AGENT, "--config", Agent(directory, server).conf, "--check-config")
    assert ran.returncode == 0, ran.stderr


def test_paths_of_keys_are_absolute(directory, files):
    text = "[auth]\nkeys = k1:HS256:key\n"
    (directory / "vsay.conf").write_text(text)
    ran = run(API, "--config", directory / "vsay.conf", "--check-config", cwd=directory)
    assert ran.returncode == 1 and "auth.keys: key must be an absolute path" in ran.stderr


# --- samples


def sample(name, **options):
    """The sample with each default written out, but for these options."""
    text = re.sub(r"^#(\w+ =)", r"\1", (BUILD / "conf" / name).read_text(), flags=re.M)
    assert max(map(len, text.splitlines())) <= 100
    for key, value in options.items():
        text, count = re.subn(rf"^{key} =.*", f"{key} = {value}", text, flags=re.M)
        assert count == 1
    return text


def test_samples(directory, files):
    """They need nothing but what is required, and their defaults are accepted."""
    conf = directory / "sample.conf"
    conf.write_text(sample("vsay.conf", keys=f"k1:HS256:{files['key']}"))
    ran = run(API, "--config", conf, "--check-config")
    assert ran.returncode == 0, ran.stderr
    conf.write_text(sample("agent.conf", server="https://a.example.com", token_file=files["text"],
                           state_dir=directory / "state"))
    ran = run(AGENT, "--config", conf, "--check-config")
    assert ran.returncode == 0, ran.stderr
