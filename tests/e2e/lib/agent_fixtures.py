# SPDX-License-Identifier: MIT
"""Fixtures: vsay-agent between a stand-in for the server and stand-ins for vsay-shells.

A test module imports those that it uses; their names hide the database's `server` of conftest.py."""
import os
import signal

import pytest

from agent_process import Agent, Shell
from fake_server import FakeServer

root = pytest.mark.skipif(os.getuid() != 0, reason="needs root, to be another user")
NOBODY = 65534


@pytest.fixture
def new_server():
    servers = []

    def make(**options):
        servers.append(FakeServer(**options))
        return servers[-1]
    yield make
    for server in servers:
        server.stop()


@pytest.fixture
def server(new_server):
    return new_server()


@pytest.fixture
def new_agent(directory):
    agents = []

    def make(url, **options):
        agents.append(Agent(directory, url, **options))
        return agents[-1]
    yield make
    for agent in agents:
        assert agent.stop() in (0, -signal.SIGKILL, None)
        assert "Sanitizer" not in agent.log()


@pytest.fixture
def agent(new_agent, server):
    return new_agent(server.url).start()


@pytest.fixture
def new_shell():
    shells = []

    def make(agent, **options):
        shells.append(Shell(agent.socket, **options))
        return shells[-1]
    yield make
    for shell in shells:
        shell.stop()


@pytest.fixture
def shell(new_shell, agent):
    return new_shell(agent).opened()


def held(agent):
    return {path.stem for path in (agent.state / "sessions").glob("*.json")}
