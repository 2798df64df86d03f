# SPDX-License-Identifier: MIT
"""Rows, written straight into the database, each test's in a tenant of its own."""
import itertools
from dataclasses import dataclass

from tokens import claims

_number = itertools.count(1)


def unique(prefix):
    return f"{prefix}{next(_number)}"


@dataclass(frozen=True)
class User:
    tenant: str
    user_id: str
    role: str
    username: str
    token: str


class Tenant:
    def __init__(self, stack):
        self.stack, self.id = stack, unique("tenant")

    def user(self, role="user", user_id=None, kid="hs"):
        user_id = user_id or unique("user")
        username = f"Name of {user_id}"
        token = self.stack.keys.sign(claims(user_id, username=username, tenant_id=self.id,
                                            role=role), kid)
        return User(self.id, user_id, role, username, token)

    def _insert(self, table, columns, **times):
        """`times` are seconds ago, by the database's clock."""
        names = [*columns, *times]
        values = ["%s"] * len(columns) + ["UTC_TIMESTAMP(3) - INTERVAL %s MICROSECOND"] * len(times)
        micros = [None if ago is None else round(ago * 1e6) for ago in times.values()]
        self.stack.database.query(
            f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join(values)})",
            *columns.values(), *micros)

    def machine(self, seen=0, owner=None, granted=None, **columns):
        """A machine that was seen so many seconds ago (None: never). Returns its agent_id."""
        agent = columns.setdefault("agent_id", unique("agent"))
        self._insert("machines", {"tenant_id": self.id, "name": f"Machine {agent}", "cpu": 1000,
                                  "memory": 2000, "disk": 3000, **columns},
                     last_heartbeat_at=seen, created_at=3600)
        for relation, user in ("owner", owner), ("granted", granted):
            if user:
                self.grant(user, agent, relation)
        return agent

    def grant(self, user, agent, relation="granted"):
        self._insert("machine_access", {"tenant_id": user.tenant, "user_id": user.user_id,
                                        "agent_id": agent, "relation": relation})

    def session(self, agent, user, ago=0, **columns):
        """Returns the session's id."""
        session = columns.setdefault("session_id", unique("sess_"))
        self._insert("sessions", {"tenant_id": self.id, "agent_id": agent, "user_id": user.user_id,
                                  "username": user.username, "source": "ui", **columns},
                     started_at=ago)
        return session

    def command(self, agent, user, text="uptime", ago=0, **columns):
        self._insert("commands", {"session_id": unique("sess_"), "seq": 1, "tenant_id": self.id,
                                  "agent_id": agent, "user_id": user.user_id,
                                  "username": user.username, "source": "ui", "command": text,
                                  **columns}, executed_at=ago)
        self.stack.database.query(
            "UPDATE machines SET last_command_at = (SELECT MAX(executed_at) FROM commands "
            "WHERE commands.agent_id = machines.agent_id) WHERE agent_id = %s", agent)
