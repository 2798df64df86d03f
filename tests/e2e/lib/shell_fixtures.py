# SPDX-License-Identifier: MIT
"""Fixtures: machines for vsay-shell, and what was recorded of its commands."""
import contextlib
import re

import pytest

from shells import Host
from stack import wait_for

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


@pytest.fixture
def new_host(new_directory):
    with contextlib.ExitStack() as stack:
        def make(**options):
            host = Host(new_directory(), **options)
            stack.callback(host.stack.close)
            return host
        yield make


@pytest.fixture
def started_host(new_host):
    """Makes those whose agent runs."""
    def make(**options):
        host = new_host(**options)
        host.agent.start()
        return host
    return make


@pytest.fixture
def host(started_host):
    """One with an agent."""
    return started_host()


@pytest.fixture(params=["bash", "zsh"])
def either(request, started_host):
    """The same with each of the shells that mark commands."""
    host = started_host(program=f"/bin/{request.param}")
    host.shell_name = request.param
    return host


def finished(host, count):
    """The commands, when so many have come to their end."""
    wait_for(lambda: sum(done is not None for _, done in host.agent.commands()) >= count,
             what=f"{count} commands in {host.agent.commands()}")
    return host.agent.commands()
