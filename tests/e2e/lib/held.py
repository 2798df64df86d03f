# SPDX-License-Identifier: MIT
"""A worker with one answerer, which is kept waiting while requests gather."""
import contextlib
import json

import fcgi
from machine import FIGURES
from stack import wait_for


@contextlib.contextmanager
def held_up(stack, agent):
    """Keeps the only answerer waiting for one machine's row, so that all who come are batched."""
    with contextlib.closing(stack.database.connect(database="vsay")) as holder:
        holder.begin()
        with holder.cursor() as cursor:
            cursor.execute("SELECT 1 FROM machines WHERE agent_id = %s FOR UPDATE", (agent.id,))
        first = post(stack, agent, "heartbeat", {**FIGURES, "sessions": []})
        wait_for(lambda: any(row["User"] == "vsay" and "FOR UPDATE" in (row["Info"] or "")
                             for row in stack.database.query("SHOW FULL PROCESSLIST")),
                 what="the answerer to wait")
        yield
        assert stack.fcgi().status == 200  # its only io thread has read what came before
    reply = fcgi.read_reply(first)
    assert reply.status == 200, reply


def post(stack, agent, path, body):
    """A report that is not waited for."""
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    connection = fcgi.connect(stack.socket)
    connection.sendall(fcgi.encode(fcgi.environment(
        "POST", f"/api/agent/{path}", agent, CONTENT_LENGTH=len(body)), body))
    return connection
