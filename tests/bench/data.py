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
       UTC_TIMESTAMP(3) - INTERVAL seq * 17 % {tenant} SECOND, UTC_TIMESTAMP(3) - INTERVAL 60 DAY
FROM {batch}"""

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

# Usage over time, of one machine, and of all fleets that see it.
USAGE = """
INSERT INTO machine_usage
SELECT 'agent-7', ring.step, began DIV ring.step % ring.slots, began, 10, 10, 1, 1, 10, 1, 1, 10, 1, 1
FROM (SELECT step, slots, (UNIX_TIMESTAMP() DIV step - seq) * step AS began FROM
      (SELECT 300 AS step, 300 AS slots UNION ALL SELECT 3600, 744) kinds JOIN seq_0_to_743
      WHERE seq < slots) ring"""
FLEET_USAGE = """
INSERT IGNORE INTO fleet_usage
SELECT tenant_id, user_id, u.step, u.slot, u.slot_at, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1
FROM machine_usage u JOIN (SELECT '' AS tenant_id, '' AS user_id UNION ALL SELECT 'tenant-0', ''
                           UNION ALL SELECT DISTINCT tenant_id, user_id FROM machine_access
                           WHERE agent_id = 'agent-7') owners"""

# What the list of the audit shows.
AUDIT = """
INSERT INTO audit (happened_at, tenant_id, user_id, username, role, action, session_id, detail)
SELECT UTC_TIMESTAMP(3) - INTERVAL seq SECOND, 'tenant-0', 'admin', 'Admin', 'company_admin',
       'session_view', CONCAT('closed-', seq), '' FROM seq_0_to_9999"""


def fill(database, machines, commands):
    """`machines` in tenants of 1,000, with their users and sessions, and `commands` of the past."""
    words = {"tenant": TENANT, "machines": machines}
    words |= {"agent": AGENT.format(**words), "of_agent": OF_AGENT.format(**words)}
    for statement, total in ((MACHINES, machines), (ACCESS, machines), (ACTIVE, machines),
                             (CLOSED, commands // 10), (COMMANDS, commands)):
        for first in range(0, total, BATCH):
            batch = f"seq_{first}_to_{min(first + BATCH, total) - 1}"
            database.query(statement.format(batch=batch, total=total, **words))
    for statement in LAST_COMMANDS, USAGE, FLEET_USAGE, AUDIT:
        database.query(statement)
    database.query("ANALYZE TABLE machines, machine_access, sessions, commands, machine_usage, "
                   "fleet_usage, audit")
