# SPDX-License-Identifier: MIT
"""What the API must answer, worked out in plain Python from every row of the database: the scope
rule and the liveness rule, written a second time."""
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

OFFLINE_AFTER = 120


def one_decimal(hundredths):
    value = Fraction(hundredths) / 100
    return float((Decimal(value.numerator) / value.denominator).quantize(Decimal("0.1"),
                                                                         ROUND_HALF_UP))


def rfc3339(time):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


class Model:
    def __init__(self, database, user):
        self.user = user
        rows = {table: database.query(f"SELECT * FROM {table}") for table in (
            "machines", "machine_access", "sessions", "commands")}
        now = database.query("SELECT UTC_TIMESTAMP(3) AS now")[0]["now"]
        self.machine = {row["agent_id"]: row for row in rows["machines"]}
        self.online = {agent for agent, row in self.machine.items() if row["last_heartbeat_at"] and
                       (now - row["last_heartbeat_at"]).total_seconds() <= OFFLINE_AFTER}
        self.access = {(row["tenant_id"], row["user_id"], row["agent_id"]): row["relation"]
                       for row in rows["machine_access"]}
        self.visible_machines = [row for row in rows["machines"] if self._sees_machine(row)]
        self.visible_sessions = [row for row in rows["sessions"] if self._sees(row)]
        self.visible_commands = [row for row in rows["commands"] if self._sees(row)]

    def _relation(self, row):
        return self.access.get((self.user.tenant, self.user.user_id, row["agent_id"]))

    def _sees_machine(self, row):
        if self.user.role == "super_admin":
            return True
        return row["tenant_id"] == self.user.tenant and (
            self.user.role == "company_admin" or self._relation(row) is not None)

    def _sees(self, row):
        """A session or a command."""
        return self._sees_machine(row) or (
            (row["tenant_id"], row["user_id"]) == (self.user.tenant, self.user.user_id))

    def close_status(self, session_id):
        """Of DELETE on that session."""
        for row in self.visible_sessions:
            if row["session_id"] == session_id:
                may = (self.user.role != "user" or row["user_id"] == self.user.user_id
                       or self._relation(row) == "owner")
                return 200 if may else 403
        return 404

    def sessions(self):
        rows = [row for row in self.visible_sessions
                if row["state"] == "active" and row["agent_id"] in self.online]
        rows.sort(key=lambda row: (row["started_at"], row["id"]), reverse=True)
        return {"sessions": [{
            "session_id": row["session_id"], "agent_id": row["agent_id"],
            "machine_name": self.machine[row["agent_id"]]["name"], "user_id": row["user_id"],
            "username": row["username"], "source": row["source"], "status": "active",
            "started_at": rfc3339(row["started_at"]), "browser": row["browser"], "os": row["os"],
        } for row in rows]}

    def stats(self):
        online = [row for row in self.visible_machines if row["agent_id"] in self.online]

        def average(column):
            return one_decimal(Fraction(sum(row[column] for row in online), max(len(online), 1)))

        return {"online_count": len(online),
                "offline_count": len(self.visible_machines) - len(online),
                "avg_cpu": average("cpu"), "avg_memory": average("memory"),
                "avg_disk": average("disk")}

    def activities(self):
        rows = sorted(self.visible_commands, key=lambda row: (row["executed_at"], row["id"]),
                      reverse=True)
        return {"activities": [{
            "id": f"log_{row['id']}", "command": row["command"],
            "machine_name": self.machine.get(row["agent_id"], {}).get("name", row["agent_id"]),
            "agent_id": row["agent_id"], "username": row["username"], "source": row["source"],
            "timestamp": rfc3339(row["executed_at"]),
        } for row in rows[:10]]}

    def machines(self):
        rows = [row for row in self.visible_machines if row["last_heartbeat_at"]]
        rows.sort(key=lambda row: row["last_heartbeat_at"], reverse=True)
        return {"machines": [{
            "agent_id": row["agent_id"], "name": row["name"],
            "status": "online" if row["agent_id"] in self.online else "offline",
            "cpu_percent": one_decimal(row["cpu"]), "memory_percent": one_decimal(row["memory"]),
            "last_active": rfc3339(row["last_heartbeat_at"]),
        } for row in rows[:5]]}

    def replies(self):
        """Of every read endpoint."""
        return {"/api/terminal/sessions": self.sessions(), "/api/dashboard/stats": self.stats(),
                "/api/dashboard/recent-activity": self.activities(),
                "/api/dashboard/recent-machines": self.machines()}
