# SPDX-License-Identifier: MIT
"""vsayctl as an operator runs it: as a database user with the rights of db/grants-operator.sql."""
import os
import pty
import subprocess

from stack import CTL, ENV, REPO, Process, run
from tokens import write_secret

PASSWORD = "pike"


def read_terminal(master):
    """All that a terminal is sent until its other end is closed everywhere; closes it."""
    shown = b""
    try:
        while data := os.read(master, 65536):
            shown += data
    except OSError:  # EIO: the other end is closed
        pass
    os.close(master)
    return shown.decode()


class Operator:
    def __init__(self, stack, directory):
        self.stack, self.dir = stack, directory
        if not stack.database.query("SELECT 1 FROM mysql.user WHERE User = 'vsayctl'"):
            stack.database.query(f"CREATE USER vsayctl@localhost IDENTIFIED BY '{PASSWORD}'")
        stack.database.script("vsay", (REPO / "db" / "grants-operator.sql").read_text())
        password = write_secret(directory / "operator.password", PASSWORD.encode())
        self.env = {"VSAY_DB_USER": "vsayctl", "VSAY_DB_PASSWORD_FILE": str(password)}

    def try_to(self, *arguments, conf=None, **options):
        """The finished command."""
        return run(CTL, "--config", conf or self.stack.conf, *arguments, env=self.env, **options)

    def do(self, *arguments):
        """Its output."""
        ran = self.try_to(*arguments)
        assert ran.returncode == 0 and ran.stderr == "", ran.stderr
        return ran.stdout

    def fail(self, *arguments, status=1, **options):
        """What it says on failing."""
        ran = self.try_to(*arguments, **options)
        assert ran.returncode == status and ran.stdout == "", ran.stdout + ran.stderr
        assert ran.stderr.startswith("vsayctl: ") and ran.stderr.count("\n") == 1, ran.stderr
        return ran.stderr

    def table(self, *arguments):
        """The rows of a listing, as dictionaries. Only the last column may hold blanks."""
        header, *lines = self.do(*arguments).splitlines()
        names = header.split()
        return [dict(zip(names, line.split(None, len(names) - 1))) for line in lines]

    def start(self, *arguments):
        return Process(self.dir / "ctl.log", CTL, "--config", self.stack.conf, *arguments,
                       env=self.env)

    def on_a_terminal(self, *arguments):
        """(stdout, what the terminal shows): stderr is a terminal."""
        ours, theirs = pty.openpty()
        with subprocess.Popen([CTL, "--config", str(self.stack.conf), *arguments],
                              env={**ENV, **self.env}, stdin=subprocess.DEVNULL, text=True,
                              stdout=subprocess.PIPE, stderr=theirs) as process:
            os.close(theirs)
            shown = read_terminal(ours)
            out = process.stdout.read()
        assert process.returncode == 0, shown
        return out, shown
