/* SPDX-License-Identifier: MIT */
/* The SQL of the dashboard and of the fleet's metrics. */
#include "config.h"
#include "store/statements.h"

#include "store/statements_rules.h"

/* clang-format off */

/* Reads each machine once: the online and the offline ones are two ranges of an index. */
#define STATS(machines)                                                                            \
    "SELECT COUNT(*) + (SELECT COUNT(*) " machines "AND " OFFLINE "), COUNT(*), "                  \
    "CAST(COALESCE(SUM(m.cpu), 0) AS UNSIGNED), CAST(COALESCE(SUM(m.memory), 0) AS UNSIGNED), "    \
    "CAST(COALESCE(SUM(m.disk), 0) AS UNSIGNED) " machines "AND " ONLINE

/* For several callers, in one pass. */
#define STATS_OF(owner, machines)                                                                  \
    "SELECT " owner ", COUNT(*), SUM(" ONLINE "), SUM(IF(" ONLINE ", m.cpu, 0)), "                 \
    "SUM(IF(" ONLINE ", m.memory, 0)), SUM(IF(" ONLINE ", m.disk, 0)) " machines                   \
    "GROUP BY " owner

#define MACHINE                                                                                    \
    "m.agent_id, m.name, " ONLINE ", m.cpu, m.memory, " RFC3339("m.last_heartbeat_at") " "
/* The order of the indexes by_tenant and by_heartbeat, read from their ends. Machines with equal
 * times come in the same order for every caller. */
#define NEWEST_MACHINES                                                                            \
    "ORDER BY last_heartbeat_at DESC, cpu DESC, memory DESC, disk DESC, agent_id DESC "
#define RECENT_MACHINES(machines)                                                                  \
    "SELECT " MACHINE machines "AND m.last_heartbeat_at IS NOT NULL " NEWEST_MACHINES "LIMIT 5"

#define COMMANDS                                                                                   \
    "SELECT c.id, c.command, COALESCE(m.name, c.agent_id), c.agent_id, c.username, c.source, "     \
    RFC3339("c.executed_at") " FROM "
#define NEWEST_COMMANDS "ORDER BY c.executed_at DESC, c.id DESC LIMIT 10"
#define NEWEST_IDS(condition)                                                                      \
    "(SELECT c.executed_at, c.id FROM commands c WHERE " condition " " NEWEST_COMMANDS ")"
#define NEWEST_OF(owner, condition)                                                                \
    "{(SELECT c." owner ", TIMESTAMPDIFF(MICROSECOND, '1970-01-01', c.executed_at), c.id "         \
    "FROM commands c WHERE " condition " " NEWEST_COMMANDS ")}"
#define BUSIEST_MACHINES "ORDER BY m.last_command_at DESC, m.agent_id DESC "
#define OR_ON_MACHINE(agent)                                                                       \
    " UNION " NEWEST_IDS("c.agent_id = " agent " AND c.tenant_id = :tenant")

const char *const statements_dashboard[STATEMENT_COUNT] = {
    [STATEMENT_STATS + SCOPE_ALL] = STATS(MACHINES_ALL),
    [STATEMENT_STATS + SCOPE_TENANT] = STATS(MACHINES_TENANT),
    [STATEMENT_STATS + SCOPE_USER] = STATS(MACHINES_USER),
    [STATEMENT_STATS + SCOPE_TENANTS] = STATS_OF("m.tenant_id", MACHINES_TENANTS),
    [STATEMENT_STATS + SCOPE_USERS] = STATS_OF("a.user_id", MACHINES_USERS),

    [STATEMENT_RECENT_MACHINES + SCOPE_ALL] = RECENT_MACHINES(MACHINES_ALL),
    [STATEMENT_RECENT_MACHINES + SCOPE_TENANT] = RECENT_MACHINES(MACHINES_TENANT),
    [STATEMENT_RECENT_MACHINES + SCOPE_USER] = RECENT_MACHINES(MACHINES_USER),
    [STATEMENT_RECENT_MACHINES + SCOPE_TENANTS] =
        "{(SELECT m.tenant_id, " MACHINE ", m.last_heartbeat_at, m.disk " MACHINES_TENANT
        "AND m.last_heartbeat_at IS NOT NULL " NEWEST_MACHINES "LIMIT 5)} " NEWEST_MACHINES,
    [STATEMENT_RECENT_MACHINES + SCOPE_USERS] =
        "SELECT a.user_id, " MACHINE MACHINES_USERS NEWEST_MACHINES,

    /* The ten newest commands of many machines are on the ten machines that were busy last. So ten
     * short index ranges suffice, however many machines and commands there are. */
    [STATEMENT_BUSY_MACHINES] =
        "SELECT m.agent_id " MACHINES_USER "AND m.last_command_at IS NOT NULL "
        BUSIEST_MACHINES "LIMIT 10",
    [STATEMENT_BUSY_MACHINES_OF_USERS] =
        "SELECT a.user_id, IF(m.last_command_at IS NULL, NULL, m.agent_id) " MACHINES_USERS
        BUSIEST_MACHINES,
    [STATEMENT_RECENT_COMMANDS + SCOPE_ALL] =
        COMMANDS "commands c LEFT JOIN machines m ON " MACHINE_OF("c") " " NEWEST_COMMANDS,
    [STATEMENT_RECENT_COMMANDS + SCOPE_TENANT] =
        COMMANDS "commands c LEFT JOIN machines m ON " MACHINE_OF("c") " "
        "WHERE c.tenant_id = :tenant " NEWEST_COMMANDS,
    [STATEMENT_RECENT_COMMANDS + SCOPE_USER] =
        COMMANDS "(" NEWEST_IDS("c.tenant_id = :tenant AND c.user_id = :user")
        OR_ON_MACHINE(":agent_0") OR_ON_MACHINE(":agent_1") OR_ON_MACHINE(":agent_2")
        OR_ON_MACHINE(":agent_3") OR_ON_MACHINE(":agent_4") OR_ON_MACHINE(":agent_5")
        OR_ON_MACHINE(":agent_6") OR_ON_MACHINE(":agent_7") OR_ON_MACHINE(":agent_8")
        OR_ON_MACHINE(":agent_9") " ORDER BY executed_at DESC, id DESC LIMIT 10) newest "
        "JOIN commands c ON c.id = newest.id "
        "LEFT JOIN machines m ON " MACHINE_OF("c") " "
        "ORDER BY newest.executed_at DESC, newest.id DESC",

    [STATEMENT_NEWEST_OF_TENANTS] = NEWEST_OF("tenant_id", "c.tenant_id = :tenant"),
    [STATEMENT_NEWEST_OF_USERS] =
        NEWEST_OF("user_id", "c.tenant_id = :tenant AND c.user_id = :user"),
    [STATEMENT_NEWEST_ON_MACHINES] =
        NEWEST_OF("agent_id", "c.agent_id = :agent AND c.tenant_id = :tenant"),
    [STATEMENT_COMMANDS] =
        COMMANDS "commands c LEFT JOIN machines m ON " MACHINE_OF("c") " "
        "WHERE c.id IN ({:id}) ORDER BY c.executed_at DESC, c.id DESC",

    [STATEMENT_FLEET_MACHINES] =
        "SELECT COUNT(IF(" ONLINE ", 1, NULL)), COUNT(m.last_heartbeat_at), COUNT(*), "
        "CAST(COALESCE(SUM(m.dropped_commands), 0) AS UNSIGNED) " MACHINES_ALL,
    /* Rows of a name and a number. Reads active sessions, pending signals and 1,000 receipts. */
    [STATEMENT_FLEET_SESSIONS] =
        "SELECT s.source, COUNT(*) FROM sessions s JOIN machines m ON " MACHINE_OF("s") " "
        "WHERE s.state = 'active' AND " ONLINE " GROUP BY s.source "
        "UNION ALL SELECT 'pending', COUNT(*) FROM signals g FORCE INDEX (by_due) "
        "WHERE g.due_at IS NOT NULL "
        "UNION ALL SELECT 'oldest pending', GREATEST(0, COALESCE("
        "TIMESTAMPDIFF(SECOND, MIN(g.requested_at), UTC_TIMESTAMP(3)), 0)) "
        "FROM signals g FORCE INDEX (by_due) WHERE g.due_at IS NOT NULL "
        "UNION ALL SELECT CONCAT('recent ', COALESCE(r.outcome, 'pending')), COUNT(*) FROM "
        "(SELECT g.outcome FROM signals g ORDER BY g.id DESC LIMIT 1000) r GROUP BY r.outcome",
};
