# SPDX-License-Identifier: MIT
"""The benchmark's rows, generated inside MariaDB by its SEQUENCE engine."""

TENANT = 1000  # machines of each tenant; tenant-0 is measured
BATCH = 100_000

# Half of the history falls on tenant-0, however many tenants there are.
AGENT = "seq DIV 2 * 7919 % IF(seq % 2, {tenant}, {machines}) AS agent"
OF_AGENT = ("CONCAT('tenant-', agent DIV {tenant}), CONCAT('agent-', agent), "
            "CONCAT('user-', agent), CONCAT('User ', agent), 'cli'")

MACHINES = """
INSERT INTO machines (agent_id, tenant_id, name, cpu, memory, disk, last_heartbeat_at, created_at)
SELECT CONCAT('agent-', seq), CONCAT('tenant-', seq DIV {tenant}), CONCAT('Machine ', seq),
       seq * 7 % 10000, seq * 11 % 10000, seq * 13 % 10000,
       UTC_TIMESTAMP(3) - INTERVAL seq * 17 % {tenant} SECOND, UTC_TIMESTAMP(3) FROM {batch}"""

# Each user owns one machine and is granted two others.
ACCESS = """
INSERT INTO machine_access (tenant_id, user_id, agent_id, relation)
SELECT CONCAT('tenant-', m.seq DIV {tenant}), CONCAT('user-', m.seq),
       CONCAT('agent-', m.seq DIV {tenant} * {tenant} + (m.seq + other.seq * 37) % {tenant}),
       IF(other.seq, 'granted', 'owner') FROM {batch} m JOIN seq_0_to_2 other"""

# One machine of ten has an active session.
ACTIVE = """
INSERT INTO sessions (session_id, tenant_id, agent_id, user_id, username, source, browser, os,
                      started_at)
SELECT CONCAT('active-', agent), {of_agent}, 'Firefox', 'Linux',
       UTC_TIMESTAMP(3) - INTERVAL agent * 17 % {tenant} SECOND
FROM (SELECT seq AS agent FROM {batch} WHERE seq % 10 = 0) made"""

CLOSED = """
INSERT INTO sessions (session_id, tenant_id, agent_id, user_id, username, source, state,
                      started_at, ended_at)
SELECT CONCAT('closed-', seq), {of_agent}, 'closed', ended_at - INTERVAL 10 SECOND, ended_at
FROM (SELECT seq, {agent}, UTC_TIMESTAMP(3) - INTERVAL ({total} - seq) * 10 SECOND AS ended_at
      FROM {batch}) made"""

COMMANDS = """
INSERT INTO commands (session_id, seq, tenant_id, agent_id, user_id, username, source, command,
                      executed_at)
SELECT CONCAT('closed-', seq DIV 10), seq % 10, {of_agent}, CONCAT('ls -l /srv/', seq),
       UTC_TIMESTAMP(3) - INTERVAL {total} - seq SECOND
FROM (SELECT seq, {agent} FROM {batch}) made"""

LAST_COMMANDS = """
UPDATE machines m JOIN (SELECT agent_id, MAX(executed_at) AS newest FROM commands GROUP BY agent_id)
c ON c.agent_id = m.agent_id SET m.last_command_at = c.newest"""


def fill(database, machines, commands):
    """`machines` in tenants of 1,000, with their users and sessions, and `commands` of the past."""
    words = {"tenant": TENANT, "machines": machines}
    words |= {"agent": AGENT.format(**words), "of_agent": OF_AGENT.format(**words)}
    for statement, total in ((MACHINES, machines), (ACCESS, machines), (ACTIVE, machines),
                             (CLOSED, commands // 10), (COMMANDS, commands)):
        for first in range(0, total, BATCH):
            batch = f"seq_{first}_to_{min(first + BATCH, total) - 1}"
            database.query(statement.format(batch=batch, total=total, **words))
    database.query(LAST_COMMANDS)
    database.query("ANALYZE TABLE machines, machine_access, sessions, commands")
