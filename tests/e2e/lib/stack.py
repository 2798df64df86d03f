# SPDX-License-Identifier: MIT
"""The real parts, each in a private directory: MariaDB, the worker pool, nginx."""
import contextlib
import fcntl
import gzip
import hashlib
import http.client
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

import MySQLdb
import MySQLdb.cursors

import fcgi
from reply import Reply
from tokens import Keys

REPO = Path(__file__).resolve().parents[3]
BUILD = Path(os.environ.get("VSAY_BUILD_DIR", REPO / "build"))
API, CTL = str(BUILD / "vsay-api"), str(BUILD / "vsayctl")
MIGRATIONS = REPO / "db" / "migrations"
SITE = BUILD / "web" / "site"  # the web page
ENV = {**{name: value for name, value in os.environ.items() if not name.startswith("VSAY_")},
       "PATH": os.environ["PATH"] + ":/usr/local/sbin:/usr/sbin:/sbin",
       "TZ": "America/St_Johns"}  # nothing may depend on the local time zone


def wait_for(condition, seconds=100, what="that event"):
    """Polls until condition() is true, and returns it."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, f"waited {seconds} s in vain for {what}"
        time.sleep(0.02)
    return value


def run(*args, env=(), timeout=120, **options):
    """Runs a program to its end; its output is text."""
    return subprocess.run([str(arg) for arg in args], env={**ENV, **dict(env)}, text=True,
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout, **options)


def free_port():
    """One that nobody else is given soon, in whatever process the tests run: between the asking and
    the listening seconds may pass. Connections come from ports above these."""
    with open(f"/tmp/vsay-ports.{os.getuid()}", "a+", encoding="ascii") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        last = int(file.read() or 0)
        port = next(10000 + number % 20000 for number in range(last + 1, last + 20001)
                    if not listened(10000 + number % 20000))
        file.truncate(0)
        file.write(str(port - 10000))
        return port


def listened(port):
    with contextlib.suppress(OSError), socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", port))
        return False
    return True


class Process:
    """A program in a process group of its own, with its output in a file."""

    def __init__(self, log, *args, env=(), **options):
        self.log = Path(log)
        options.setdefault("stdin", subprocess.DEVNULL)
        with open(log, "ab") as out:
            self.popen = subprocess.Popen([str(arg) for arg in args], stdout=out, stderr=out,
                                          env={**ENV, **dict(env)}, start_new_session=True,
                                          **options)
        self.pid = self.popen.pid

    def kill(self, number):
        self.popen.send_signal(number)

    def wait(self, seconds=15):
        return self.popen.wait(seconds)

    def ended(self):
        return self.popen.poll() is not None

    def children(self):
        return [int(pid) for pid in Path(f"/proc/{self.pid}/task/{self.pid}/children")
                .read_text().split()]

    def stop(self, number=signal.SIGTERM):
        if not self.ended():
            self.kill(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.wait()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        return self.wait()


class Worker(Process):
    """vsay-api without a supervisor, on a UNIX socket or the address given."""

    def __init__(self, directory, conf, listen=None):
        self.socket = directory / "worker.sock"
        super().__init__(directory / "worker.log", API, "--config", conf, "--listen",
                         listen or f"unix:{self.socket}")

    def get(self, path, by=None):
        """A reply, as soon as it listens."""
        def reply():
            with contextlib.suppress(ConnectionError, FileNotFoundError):
                return fcgi.request(self.socket, fcgi.environment("GET", path, by))
        return wait_for(reply, 20)


REPEATED = {1020, 1205, 1213}  # errors after which a client has to repeat a transaction


class Database:
    """A private mariadbd on a UNIX socket. `options` are added to its command line."""

    program, env = "mariadbd", {}

    def __init__(self, directory, *options):
        self.dir, self.socket, self.data = directory, directory / "db.sock", directory / "data"
        self.local, self.schema = threading.local(), None
        self.nodes = [self]  # all that have the rows
        self.options = ["--no-defaults", f"--datadir={self.data}", f"--tmpdir={directory}",
                        "--innodb-log-file-size=8M", "--innodb-buffer-pool-size=64M"]
        if os.getuid() == 0:
            self.options.append("--user=root")
        self.install()
        self.options += [f"--socket={self.socket}", "--innodb-flush-log-at-trx-commit=2",
                         "--default-time-zone=+05:30", "--innodb-lock-wait-timeout=1",
                         *(options or ["--skip-networking"])]
        self.start()

    def install(self):
        """Fills the data directory with what mariadb-install-db made the first time: it takes longer
        than all else that a stack needs."""
        version = run(self.program, "--no-defaults", "--version").stdout
        image = BUILD / f"mariadb-{hashlib.sha256(version.encode()).hexdigest()[:8]}"
        with open(f"{image}.lock", "w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not image.exists():
                shutil.rmtree(f"{image}.new", ignore_errors=True)
                run("mariadb-install-db", *self.options, f"--datadir={image}.new", "--skip-test-db",
                    "--skip-name-resolve", "--auth-root-authentication-method=normal", check=True)
                os.rename(f"{image}.new", image)
        run("cp", "-r", "--sparse=always", image, self.data, check=True)

    @property
    def hosts(self):
        """What db.host says."""
        return " ".join(str(node.socket) for node in self.nodes)

    def start(self, *options):
        self.process = Process(self.dir / "db.log", self.program, *self.options, *options,
                               env=self.env)
        wait_for(lambda: self.answers() or self.process.ended(), 60, self.program)
        assert not self.process.ended(), (self.dir / "db.log").read_text()[-5000:]

    def answers(self):
        with contextlib.suppress(MySQLdb.Error):
            return self.query("SELECT 1")

    def stop(self, number=signal.SIGTERM):
        self.process.stop(number)

    def connect(self, **options):
        return MySQLdb.connect(unix_socket=str(self.socket), user="root", charset="utf8mb4",
                               autocommit=True, connect_timeout=20, **options)

    def query(self, sql, *args):
        """Runs a statement on this thread's connection; rows come as dictionaries. One that met a
        worker's statement in a deadlock, or in vain waited for its lock, is run again."""
        with self._kept_connection().cursor() as cursor:
            for left in reversed(range(10)):
                try:
                    cursor.execute(sql, args or None)
                    return list(cursor.fetchall())
                except MySQLdb.Error as error:
                    if error.args[0] not in REPEATED or not left:
                        raise

    def _kept_connection(self):
        """This thread's, in the schema; another one when it has gone."""
        try:
            if self.local.schema == self.schema:
                self.local.connection.ping()
                return self.local.connection
        except (AttributeError, MySQLdb.Error):  # the first one; the server was restarted
            pass
        schema = {"database": self.schema} if self.schema else {}
        self.local.connection = self.connect(cursorclass=MySQLdb.cursors.DictCursor, **schema)
        self.local.schema = self.schema
        return self.local.connection

    def executed(self):
        """How many prepared statements it has run so far, all clients'."""
        row, = self.query("SHOW GLOBAL STATUS LIKE 'Com_stmt_execute'")
        return int(row["Value"])

    def create_schema(self, conf):
        """An empty database, migrated by vsayctl; and the worker's user, as db/grants.sql says."""
        self.query("CREATE DATABASE vsay CHARACTER SET utf8mb4")
        self.schema = "vsay"
        migrated = run(CTL, "--config", conf, "migrate", "--dir", MIGRATIONS, env=self.admin())
        assert migrated.returncode == 0, migrated.stderr
        self.query("CREATE USER vsay@localhost IDENTIFIED BY 'swordfish'")
        self.script("vsay", (REPO / "db" / "grants.sql").read_text())

    def script(self, database, sql):
        return subprocess.run(["mariadb", "--no-defaults", f"--socket={self.socket}", "-uroot",
                               database], input=sql, text=True, capture_output=True, check=True)

    @staticmethod
    def admin():
        """Environment for vsayctl as the database's administrator."""
        return {"VSAY_DB_USER": "root", "VSAY_DB_PASSWORD_FILE": ""}


def write_conf(path, settings):
    """Writes vsay.conf from {section: {key: value}}."""
    path.write_text("".join(
        f"[{section}]\n" + "".join(f"{key} = {value}\n" for key, value in options.items())
        for section, options in settings.items()))
    return path


def start_pool(log, conf, workers, *address, program=API, **options):
    """So many workers under multiwatch; `address` is spawn-fcgi's."""
    return Process(log, "spawn-fcgi", "-n", *address, "--",
                   shutil.which("multiwatch", path=ENV["PATH"]), "-r", "1000",
                   "-f", workers, "--", program, "--config", conf, **options)


def start_nginx(directory, site, processes=1, connections=1024):
    """nginx with one file of servers."""
    temporary = "".join(f"{kind}_temp_path {directory}/{kind};" for kind in (
        "client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    (directory / "site.conf").write_text(site)
    (directory / "nginx.conf").write_text(
        f"{'user root;' if os.getuid() == 0 else ''} daemon off;"
        f"worker_processes {processes};"
        f"pid {directory}/nginx.pid; error_log {directory}/nginx.log warn;"
        f"events {{ worker_connections {connections}; }}"
        f"http {{ access_log off; {temporary} include {directory}/site.conf; }}")
    (directory / "fastcgi_params").symlink_to("/etc/nginx/fastcgi_params")
    return Process(directory / "nginx.log", "nginx", "-p", directory, "-c",
                   directory / "nginx.conf", "-e", directory / "nginx.log")


def check_log(path):
    """No worker has found fault with itself."""
    log = path.read_text(errors="replace") if path.exists() else ""
    for words in "Sanitizer", "runtime error", "free()", "double free", "malloc()", "corrupted size":
        assert words not in log, log[max(log.find(words) - 500, 0):][:5000]


class Client:
    """Requests to a web server on `port`. `by` is anything with a token, `token` a bare one."""

    prefix = ""  # what goes before every path
    tells_lengths = True  # Content-Length is passed on

    def request(self, method, path, by=None, token=None, headers=(), body=None, chunked=False,
                timeout=20):
        """One HTTP request; the path and the headers are sent as given."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        token = by.token if by else token
        with contextlib.closing(connection):
            connection.putrequest(method, self.prefix + path, skip_accept_encoding=True)
            for name, value in [*dict(headers).items(), *(
                    [("Authorization", f"Bearer {token}")] if token is not None else [])]:
                connection.putheader(name, value)
            if chunked:
                connection.putheader("Transfer-Encoding", "chunked")
                connection.endheaders(iter([body]) if body else iter([]), encode_chunked=True)
            else:
                if body is not None:
                    connection.putheader("Content-Length", str(len(body)))
                connection.endheaders(body)
            response = connection.getresponse()
            assert response.reason, "each status has its phrase"
            text = response.read()
            if response.msg["Content-Encoding"] == "gzip":
                text = gzip.decompress(text)
            return Reply(response.status, response.msg, text, (method, path, body))

    def get(self, path, by=None, **options):
        return self.request("GET", path, by, **options)

    def delete(self, session_id, by=None, **options):
        return self.request("DELETE", f"/api/terminal/sessions/{session_id}", by, **options)

    def raw(self, data):
        """Bytes as they are, and the status of the reply."""
        with socket.create_connection(("127.0.0.1", self.port), 20) as connection:
            connection.sendall(data)
            return int(connection.makefile("rb").readline().split()[1])


class Stack(Client):
    """nginx -> worker pool -> MariaDB. Settings are sections, such as api={"io_timeout": "1s"}.
    `database` lends another stack's, else `server` makes one; `workers` is how many processes multiwatch keeps;
    `nginx` is how many processes nginx has, and the connections of each, on both its sides; `program` is the
    vsay-api that runs."""

    def __init__(self, directory, database=None, server=Database, keys=None, workers=2,
                 nginx=(1, 1024), program=API, **settings):
        self.dir, self.workers, self.nginx_size, self.program = directory, workers, nginx, program
        self.socket, self.conf = directory / "api.sock", directory / "vsay.conf"
        self.log, self.metrics = directory / "api.log", directory / "metrics"
        self.port = free_port()
        self.parts = contextlib.ExitStack()
        self.keys = keys or Keys(directory)
        password = directory / "db.password"
        password.touch(0o600)
        password.write_text("swordfish\n")
        self.database = database or server(directory)
        if not database:
            self.parts.callback(self.database.stop, signal.SIGKILL)
        self.settings = {
            "api": {"cors_origins": "https://console.example.com https://b.example.com"},
            "db": {"host": self.database.hosts, "password_file": password},
            "auth": {"keys": self.keys.specs()},
            "log": {"level": "debug"}}
        for section, options in settings.items():
            self.settings.setdefault(section, {}).update(options)
        write_conf(self.conf, self.settings)
        try:
            if not database:
                self.database.create_schema(self.conf)
            self.pool = self._own(self._start_pool())
            self.nginx = self._own(self._start_nginx())
            wait_for(self._serves, 60, "the stack")
        except BaseException:
            self.parts.close()
            raise

    def _own(self, part):
        self.parts.callback(part.stop)
        return part

    def _start_pool(self):
        return start_pool(self.log, self.conf, self.workers, "-s", self.socket,
                          program=self.program, env={"VSAY_METRICS_FILE": str(self.metrics)})

    def restart_pool(self):
        """After somebody has stopped it."""
        self.socket.unlink(missing_ok=True)
        self.pool = self._own(self._start_pool())
        wait_for(self._serves, 60, "the pool")

    def _start_nginx(self):
        site = (REPO / "nginx" / "vsay.conf").read_text()
        site = site.replace("/usr/local/share/vsay/web", str(SITE)).replace(
            "/usr/local/share/vsay", str(REPO / "docs"))
        site = re.sub(r"server\s+unix:[^;]+;", f"server unix:{self.socket};", site)
        site = re.sub(r"listen\s+(?!\[)[^;]+;", f"listen 127.0.0.1:{self.port} reuseport;", site,
                      count=1)
        return start_nginx(self.dir, re.sub(r"listen\s+\[[^;]+;", "", site), *self.nginx_size)

    def close(self):
        self.parts.close()
        check_log(self.log)

    def _serves(self):
        with contextlib.suppress(ConnectionError):
            return self.get("/health").status == 200

    def ready(self):
        return self.get("/health/ready").status == 200

    def worker_pids(self):
        return self.pool.children()

    def signal_workers(self, number):
        for pid in self.worker_pids():
            os.kill(pid, number)

    def fcgi(self, method="GET", path="/health", by=None, body=b"", **env):
        """One request straight to a worker, without nginx."""
        return fcgi.request(self.socket, fcgi.environment(method, path, by, **env), body)
