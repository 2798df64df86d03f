# SPDX-License-Identifier: MIT
"""A machine that does what a test tells it, in the words of docs/agent-protocol.md."""
import json
import time

from tokens import claims

FIGURES = {"cpu_percent": 12.5, "memory_percent": 60.2, "disk_percent": 48}


class Machine:
    """Reports as `agent_id`, by default a new machine of the tenant's (`columns` are its row's), and
    as `instance` of its agent.
    It holds the sessions that it opened and has not ended."""

    def __init__(self, tenant, agent_id=None, generation=1, instance=None, **columns):
        self.tenant, self.stack, self.instance = tenant, tenant.stack, instance
        self.tenant_id = tenant.id
        self.id = agent_id or tenant.machine(**columns)
        self.token = self.stack.keys.sign(claims(None, role="agent", agent_id=self.id,
                                                 generation=generation))
        self.held, self.seq = [], time.time_ns() // 1000000

    def next_seq(self):
        self.seq += 1
        return self.seq

    def post(self, path, body, **options):
        """`body` is bytes as they are, or anything that JSON can say."""
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.stack.request("POST", f"/api/agent/{path}", self, body=body,
                                  headers=self.headers(), **options)

    def headers(self):
        return {"Vsay-Instance": self.instance} if self.instance else {}

    def heartbeat(self, **members):
        return self.post("heartbeat", {**FIGURES, "sessions": list(self.held),
                                       "seq": self.next_seq(), **members})

    def terminate(self, **members):
        """What a heartbeat is told to end."""
        reply = self.heartbeat(**members)
        assert reply.status == 200, reply
        return reply.json()["terminate"]

    def poll(self, wait=0, **options):
        return self.stack.get(f"/api/agent/signals?wait={wait}", self, headers=self.headers(),
                              **options)

    def signals(self, wait=0):
        """The ids of the sessions that a poll is told to end."""
        reply = self.poll(wait)
        assert reply.status == 200, reply
        return [signal["session_id"] for signal in reply.json()["signals"]]

    def open(self, user, **members):
        return self.post("sessions", {"user_id": user.user_id, "username": user.username,
                                      "source": "cli", "seq": self.next_seq(), **members})

    def session(self, user, **members):
        """Opens a session and holds it."""
        reply = self.open(user, **members)
        assert reply.status == 201, reply
        self.held.append(reply.json()["session_id"])
        return self.held[-1]

    def end(self, session_id, reason="exited", **members):
        reply = self.post(f"sessions/{session_id}/end", {"reason": reason, **members})
        if reply.status == 200 and session_id in self.held:
            self.held.remove(session_id)
        return reply

    def activity(self, *entries):
        return self.post("activity", {"activities": entries})


def entry(session_id, seq=1, command="make", **members):
    return {"session_id": session_id, "seq": seq, "command": command,
            "timestamp": "2026-02-06T12:00:05Z", **members}


# The least that each route takes, as JSON text.
LEAST = {
    "heartbeat": {"cpu_percent": "1", "memory_percent": "2", "disk_percent": "3",
                  "sessions": "[]"},
    "sessions": {"user_id": '"u1"', "username": '"n"', "source": '"cli"'},
    "sessions/sess_1/end": {"reason": '"exited"'},
    "activity": {"activities": "[]"},
}


def said(values):
    """A body of members that are given as JSON text (None: left out); so it can say anything.
    \\udc80 to \\udcff are single bytes."""
    return ("{" + ", ".join(f'"{name}": {text}' for name, text in values.items()
                            if text is not None) + "}").encode("utf-8", "surrogateescape")
