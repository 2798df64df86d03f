# SPDX-License-Identifier: MIT
"""Clients that go away while they wait give their places back."""
import contextlib
import os
import socket

import pytest

from fleet import Tenant
from machine import Machine
from stack import wait_for

pytestmark = pytest.mark.threads

POLLS = 400


def descriptors(stack):
    return sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in stack.worker_pids())


def test_aborted_polls(new_stack):
    stack = new_stack(workers=1)
    tenant = Tenant(stack)
    machines = [Machine(tenant) for _ in range(POLLS)]
    before = descriptors(stack)
    with contextlib.ExitStack() as connections:
        for machine in machines:
            connection = connections.enter_context(socket.create_connection(("127.0.0.1", stack.port)))
            connection.sendall(f"GET /api/agent/signals?wait=55 HTTP/1.1\r\nHost: x\r\n"
                               f"Authorization: Bearer {machine.token}\r\n\r\n".encode())
        # idle connections that nginx had kept are used first
        wait_for(lambda: descriptors(stack) >= before + POLLS - 5, what="the polls")
    wait_for(lambda: descriptors(stack) <= before + 5, what="the places")
    assert machines[0].heartbeat().status == 200
