# SPDX-License-Identifier: MIT
"""The ecosystem's tools, as tests/npm/package-lock.json pins them."""
import fcntl
import functools
import shutil

import pytest

from stack import BUILD, REPO, run

HERE = REPO / "tests" / "npm"
NODE = 20, 19  # what the tools need at least
QUIET = {"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"}


@functools.cache
def fetch():
    """(where node_modules is, why it is not there). Fetched once for a build directory, though
    several processes run tests: the first one fetches, the others wait."""
    home = BUILD / "npm"
    home.mkdir(exist_ok=True)
    with open(home / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not shutil.which("npm") or not shutil.which("node"):
            return home, "npm, which brings it, is not installed"
        version = run("node", "--version").stdout.strip()
        if tuple(map(int, version.removeprefix("v").split(".")[:2])) < NODE:
            return home, f"Node.js {version} is too old"
        wanted, done = (HERE / "package-lock.json").read_text(), home / "done"
        if not done.exists() or done.read_text() != wanted:
            for name in ".npmrc", "package.json", "package-lock.json":
                shutil.copy(HERE / name, home)
            got = run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", cwd=home, timeout=300)
            if got.returncode:
                return home, f"npm does not bring it: {got.stderr.strip()[-500:]}"
            done.write_text(wanted)
    return home, None


class Tools:
    """Runs them in a directory of the test's own, with the files that a client is made from."""

    def __init__(self, directory):
        home, fault = fetch()
        if fault:
            pytest.skip(f"no tools for OpenAPI: {fault}")
        self.dir = directory
        (directory / "node_modules").symlink_to(home / "node_modules")
        for name in "package.json", "client.ts", "tsconfig.json":
            shutil.copy(HERE / name, directory)

    def run(self, program, *args):
        return run("node", self.dir / "node_modules" / ".bin" / program, *args, cwd=self.dir, env=QUIET)

    def do(self, program, *args):
        ran = self.run(program, *args)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout
