# SPDX-License-Identifier: MIT
"""Where the user of a session comes from, and when it was active last, as vsay-shell and vsay-agent
report it."""
import time
from datetime import datetime

import pytest

from agent_fixtures import agent, new_agent, new_server, new_shell, server  # noqa: F401
from shells import Host
from stack import wait_for

OLD = "2026-02-06T12:00:05.500Z"


@pytest.fixture
def host(directory):
    host = Host(directory)
    host.agent.start()
    yield host
    host.stack.close()


# --- vsay-shell


@pytest.mark.parametrize("env, address", [
    ({}, None), ({"SSH_CONNECTION": "192.0.2.7 50000 198.51.100.1 22"}, "192.0.2.7"),
    ({"SSH_CONNECTION": "fe80::1%eth0 1 fe80::2%eth0 22"}, "fe80::1"),
    ({"SSH_CONNECTION": "UNKNOWN 65535 UNKNOWN 65535"}, None), ({"SSH_CONNECTION": ""}, None),
    ({"VSAY_REMOTE_ADDR": "2001:DB8:0::1"}, "2001:db8::1"),
    ({"VSAY_REMOTE_ADDR": "::ffff:192.0.2.8"}, "192.0.2.8"),
    ({"VSAY_REMOTE_ADDR": "192.0.2.8", "SSH_CONNECTION": "192.0.2.7 1 2 3"}, "192.0.2.8"),
    ({"VSAY_REMOTE_ADDR": "example.com", "SSH_CONNECTION": "192.0.2.7 1 2 3"}, "192.0.2.7"),
    ({"VSAY_REMOTE_ADDR": "192.0.2.300"}, None), ({"VSAY_REMOTE_ADDR": "x" * 5000}, None)])
def test_source_address(host, env, address):
    host.run("-c", "true", env=env)
    assert host.agent.wait("open").get("source_address") == address


def test_keystrokes(host):
    """The first is reported at once, and no more than one report in five seconds."""
    host.agent.wants_activity = True
    shell, before = host.shell(), time.time()
    for _ in range(20):
        shell.run("true")
    typed, = [packet["at"] / 1000 for packet in host.agent.of("activity")]
    assert before - 1 < typed < time.time()
    wait_for(lambda: len(host.agent.of("activity")) == 2, what="the last keystroke")
    last = host.agent.of("activity")[1]["at"] / 1000
    assert typed < last < time.time() - 3


def test_an_older_agent_is_not_told(host):
    shell = host.shell()
    shell.run("true")
    wait_for(lambda: host.agent.commands() == [("true", True)], what="the command")
    assert not host.agent.of("activity")


# --- vsay-agent


def active(server, session):
    return [heartbeat["last_activity"][session] for heartbeat in server.heartbeats()
            if session in heartbeat.get("last_activity", {})]


def test_a_heartbeat_tells_what_is_new(server, agent, new_shell):  # noqa: F811
    shell, quiet = new_shell(agent).opened(), new_shell(agent).opened()
    shell.send(type="activity", at=1770379205500)
    wait_for(lambda: active(server, shell.session) == [OLD])
    server.wait_for_heartbeat(2)
    shell.send(type="activity", at=1770379205499)  # is older
    server.wait_for_heartbeat(2)
    assert active(server, shell.session) == [OLD] and not active(server, quiet.session)
    shell.send(type="activity", at=(time.time_ns() + 10 ** 15) // 10 ** 6)  # counts as now
    now = wait_for(lambda: active(server, shell.session)[1:])[0]
    assert abs(datetime.fromisoformat(now[:-1]).timestamp() - time.mktime(time.gmtime())) < 60
    server.lost.add(shell.session)  # and is told again
    wait_for(lambda: active(server, shell.session)[2:])
    assert active(server, shell.session)[2] == now


@pytest.mark.parametrize("packet", [{}, {"at": "now"}, {"at": -1}, {"at": None}, {"at": 1.5}])
def test_malformed_activity(server, agent, new_shell, packet):  # noqa: F811
    shell = new_shell(agent).opened()
    shell.send(type="activity", **packet)
    assert shell.receive() is None, "it is disconnected"
    server.wait_for_heartbeat(2)
    assert not active(server, shell.session)
