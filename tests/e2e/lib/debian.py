# SPDX-License-Identifier: MIT
"""Bare Debians of this machine's release, each in a directory, with this machine's sources of packages."""
import fcntl
import os
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from stack import BUILD, ENV

DAY = 86400


def do(*command, cwd=BUILD, env=()):
    """Runs something that may take minutes, and returns what it says. Not as a part of the make
    that runs these tests."""
    env = {**{name: value for name, value in ENV.items() if not name.startswith(("MAKE", "MFLAGS"))},
           **dict(env), "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
    ran = subprocess.run([str(part) for part in command], cwd=cwd, env=env, text=True, timeout=1200,
                         stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert ran.returncode == 0, ran.stdout[-5000:]
    return ran.stdout


def needs(*programs):
    missing = [name for name in programs if not shutil.which(name, path=ENV["PATH"])]
    return pytest.mark.skipif(bool(missing), reason=f"needs {', '.join(missing)}")


def put_sources(directory):
    """What make dist packs."""
    do("make", "distdir", f"distdir={directory}")
    return directory


def _bootstrap(directory):
    codename = re.search(r"^VERSION_CODENAME=(\w+)", Path("/etc/os-release").read_text(), re.M)[1]
    sites = do("apt-get", "indextargets", "--format", "$(CODENAME) $(SITE)", cwd="/")
    site = re.search(rf"^{codename} (\S+)$", sites, re.M)[1]
    do("debootstrap", "--variant=minbase", codename, directory, site, cwd="/")
    (directory / "etc" / "apt" / "sources.list").unlink()
    shutil.copytree("/etc/apt", directory / "etc" / "apt", dirs_exist_ok=True)
    do("chroot", directory, "apt-get", "update", cwd="/")


def _base():
    """A bare Debian as an archive, of today: made by whichever test is the first to need it."""
    archive, directory = BUILD / "debian.tar", BUILD / "debian"
    with open(BUILD / "debian.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not archive.exists() or archive.stat().st_mtime < time.time() - DAY:
            shutil.rmtree(directory, ignore_errors=True)
            _bootstrap(directory)
            do("tar", "cf", BUILD / "debian.tar.new", "-C", directory, ".")
            shutil.rmtree(directory)
            os.rename(BUILD / "debian.tar.new", archive)
    return archive


class Root:
    """A bare Debian of its own."""

    def __init__(self, directory):
        if os.getuid() != 0:
            pytest.skip("needs root")
        self.dir = directory / "root"
        self.dir.mkdir()
        do("tar", "xf", _base(), "-C", self.dir)

    def __truediv__(self, path):
        return self.dir / path

    def do(self, *command, user="root", **options):
        return do("chroot", f"--userspec={user}:{user}", self.dir, *command, cwd="/", **options)

    def program(self, path, text):
        """Puts a shell script there."""
        (self / path).write_text(f"#!/bin/bash\n{text}")
        (self / path).chmod(0o755)

    def secret(self, path, text, user):
        """A file that only root and the user's group may read."""
        (self / "tmp" / "secret").write_text(text)
        self.do("install", "-m", "640", "-g", user, "/tmp/secret", f"/{path}")
