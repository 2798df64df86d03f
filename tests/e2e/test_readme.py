# SPDX-License-Identifier: MIT
"""README.md's installation as it stands there, on a bare Debian with a network of its own. No systemd
runs in it: for systemctl stand in the lines that docs/packaging.md has for hosts without."""
import json
import os
import re
import stat
import textwrap

import pytest

from debian import Root, do, needs, put_sources
from stack import REPO, Process, wait_for

# The packages come by the network of this machine. What they would start is started here.
APT_GET = """
nsenter --net=/run/outside /usr/bin/apt-get "$@" || exit
for service in mariadb nginx; do
    [[ ! -x /etc/init.d/$service ]] || service $service status || service $service start || exit
done
"""

SYSTEMCTL = """
case "$*" in
"enable --now vsay-api@1 vsay-api@2") {worker_directory}
    ({worker}) &
    until [[ -S /run/vsay/vsay.sock ]]; do sleep 0.1; done ;; # systemd's socket is there at once
"enable --now vsay-agent") {agent_directory}
    ({agent}) & ;;
"restart nginx") service nginx restart ;;
*) exit 1 ;;
esac >>/var/log/started 2>&1
"""

# In a mount namespace. What it starts is alone in its network, and dies with it.
OUTSIDE = """
mount --bind /proc/self/ns/net $1/run/outside
mount --rbind /dev $1/dev
exec unshare --net --pid --fork --kill-child bash -euc '
    ip link set lo up
    mount -t proc proc $0/proc
    cd $0 && exec chroot . bash -c ". /root/install"' $1
"""

INSIDE = """
set -exo pipefail
cd /src/vsay
{lines}
touch /root/done
exec sleep infinity
"""


def blocks(path, heading):
    """The code in a section."""
    section = re.search(rf"^## {heading}\n(.*?)^## ", (REPO / path).read_text(), re.M | re.S)[1]
    return [textwrap.dedent(block) for block in re.findall(r"(?:^ {4}.*\n)+", section, re.M)]


def steps():
    return blocks("README.md", "Installing it")


def without_systemd(text):
    found, = [block for block in blocks("docs/packaging.md", "Without systemd") if text in block]
    return found


class Host(Root):
    def __init__(self, directory):
        super().__init__(directory)
        (self / "src").mkdir()
        put_sources(self / "src" / "vsay")
        directories = without_systemd("install -d").splitlines()
        self.program("usr/sbin/policy-rc.d", "exit 101\n")  # nothing starts outside
        self.program("usr/local/sbin/apt-get", APT_GET)
        self.program("usr/local/sbin/systemctl", SYSTEMCTL.format(
            worker=without_systemd("--listen"), worker_directory=directories[0],
            agent=without_systemd("--ambient-caps"), agent_directory=directories[1]))
        (self / "root" / "install").write_text(INSIDE.format(lines="".join(steps())))
        (self / "run" / "outside").touch()
        self.log = directory / "log"
        self.process = Process(self.log, "unshare", "--mount", "bash", "-euc", OUTSIDE, "bash",
                               self.dir, cwd="/", env={"DEBIAN_FRONTEND": "noninteractive",
                                                       "DEB_BUILD_OPTIONS": "noopt nocheck",
                                                       "LC_ALL": "C.UTF-8"})

    def said(self):
        return self.log.read_text(errors="replace")

    def await_end_of_steps(self):
        wait_for(lambda: (self / "root" / "done").exists() or self.process.ended(), 1500,
                 "the installation")
        assert not self.process.ended(), self.said()[-5000:]

    def run(self, script):
        """The output of a script that runs on the host, as root."""
        inside, = self.process.children()
        return do("nsenter", f"--target={inside}", "--mount", "--net", "--pid", "chroot", self.dir,
                  "bash", "-ec", script, cwd="/")


@pytest.fixture(scope="module")
def host(new_directory):
    host = Host(new_directory())
    try:
        host.await_end_of_steps()
        yield host
    finally:
        host.process.stop()


@pytest.mark.heavy
@needs("debootstrap", "unshare", "nsenter", "ip")
def test_the_installation(host):
    """From the first line to a machine that is online, and no secret is open to others."""
    assert '{"status":"ok"}' in host.said()
    see = steps()[-1].replace("curl ", "curl --silent ")
    answer = wait_for(lambda: [machine for machine in json.loads(host.run(see))["machines"]
                               if machine["status"] == "online"], 60, "a machine that is online")
    assert [machine["agent_id"] for machine in answer] == ["web-1"]
    modes = {path: (stat.filemode((host / path).stat().st_mode), (host / path).stat().st_size > 32)
             for path in ("etc/vsay/jwt.key", "etc/vsay/db.password", "etc/vsay/agent.token",
                          "etc/vsay/vsayctl.password", "root/web-1.token")}
    private = {"etc/vsay/vsayctl.password", "root/web-1.token"}
    assert modes == {path: ("-rw-------" if path in private else "-rw-r-----", True)
                     for path in modes}
