# SPDX-License-Identifier: MIT
"""Workers that are restarted one after the other, behind web servers that keep their connections to
them: no request is lost, whatever its method."""
import itertools
import os
import signal

import pytest

from fleet import Tenant
from frontends import FRONTS as KNOWN, ApacheProxyVariant, serving
from load import Load
from machine import Machine
from stack import wait_for

CLIENTS, ROUNDS = 30, 6
FRONTS = {**KNOWN, "apache-tcp": ApacheProxyVariant}
STATS, SESSIONS = "/api/dashboard/stats", "/api/terminal/sessions"


@pytest.fixture(scope="module")
def base(module_stacks):
    return module_stacks()


@pytest.fixture(scope="module", params=["nginx-unix", "nginx-tcp", "nginx-closes", "nginx-prefix", "apache-proxy",
                                        "apache-tcp", "apache-sethandler", "apache-closes", "lighttpd-fastcgi",
                                        "haproxy"])
def stack(request, base, new_directory):
    with serving(FRONTS[request.param], base, new_directory) as stack:
        yield stack


def requests(stack):
    """A function that makes one request after the other, of all methods and sizes."""
    tenant = Tenant(stack)
    admin = tenant.user("company_admin")
    machines = [Machine(tenant) for _ in range(CLIENTS)]
    sessions = [tenant.session(tenant.machine(), admin) for _ in range(CLIENTS)]
    number = itertools.count()

    def one():
        turn, own = divmod(next(number), CLIENTS)
        return [lambda: stack.get(STATS, admin),
                machines[own].heartbeat,
                lambda: stack.delete(sessions[own], admin),
                lambda: machines[own].heartbeat(padding="x" * 60000),
                lambda: stack.get(SESSIONS, admin)][(turn + own) % 5]()
    return one


def restart(stack, pid):
    """One worker; returns when another has taken its place."""
    os.kill(pid, signal.SIGTERM)
    wait_for(lambda: pid not in (workers := stack.workers()) and len(workers) == 2, 20, "another worker")


def test_restarts_under_load(stack):
    with Load(requests(stack), threads=CLIENTS) as load:
        load.more(300, 60)
        for _ in range(ROUNDS):
            for pid in stack.workers():
                restart(stack, pid)
                load.more(100, 60)
    assert load.statuses() == {200}


def test_restarts_while_polls_wait(stack):
    """They come again at once, since they are answered."""
    tenant = Tenant(stack)
    machines = [Machine(tenant) for _ in range(CLIENTS)]
    number = itertools.count()
    with Load(lambda: machines[next(number) % CLIENTS].poll(5), threads=CLIENTS) as load:
        load.more(CLIENTS, 60)
        for _ in range(2):
            for pid in stack.workers():
                restart(stack, pid)
    assert load.statuses() == {200}
