/* SPDX-License-Identifier: MIT */
/* The SQL of machines: the dashboard and the fleet's metrics, the machines that callers see, usage
 * over time, and the operator's changes. */
#include "config.h"
#include "store/statements.h"

#include "store/statements_rules.h"

/* clang-format off */

#define OFFLINE "(m.last_heartbeat_at < " ONLINE_SINCE " OR m.last_heartbeat_at IS NULL)"

/* --- the dashboard ---------------------------------------------------------------------------- */

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

/* --- the machines that a caller sees ---------------------------------------------------------- */

/* A machine as its callers see it: no figures before its first heartbeat, and no active sessions
 * while it is offline. */
#define SEEN_MACHINE                                                                               \
    "SELECT m.agent_id, m.name, IF(" ONLINE ", 'online', 'offline'), " IF_HEARD("m.cpu") ", "      \
    IF_HEARD("m.memory") ", " IF_HEARD("m.disk") ", " RFC3339("m.last_heartbeat_at") ", "          \
    "IF(" ONLINE ", (SELECT COUNT(*) FROM sessions s "                                             \
    "WHERE s.state = 'active' AND " MACHINE_OF("s") "), 0), m.dropped_commands "
#define IF_HEARD(column) "IF(m.last_heartbeat_at IS NULL, NULL, " column ")"
/* Pages follow the order of an index. It is named, and so are its columns, because the optimizer
 * would sort a small table instead. */
#define MACHINES_ALL_BY_ID "FROM machines m FORCE INDEX (PRIMARY) WHERE TRUE "
#define MACHINES_TENANT_BY_ID                                                                      \
    "FROM machines m FORCE INDEX (by_tenant_agent) WHERE m.tenant_id = :tenant "
#define ACCESS_BY_ID "FROM machine_access a FORCE INDEX (PRIMARY) "
#define OF_USER "a.tenant_id = :tenant AND a.user_id = :user "
#define MACHINES_USER_BY_ID                                                                        \
    ACCESS_BY_ID "STRAIGHT_JOIN machines m ON m.agent_id = a.agent_id "                            \
    "AND m.tenant_id = a.tenant_id WHERE " OF_USER
#define FIND_MACHINES(machines, id)                                                                \
    SEEN_MACHINE machines "AND " id " > :agent "                                                   \
    "AND (:upto_agent IS NULL OR " id " <= :upto_agent) "                                          \
    "AND (:status IS NULL OR IF(" ONLINE ", 'online', 'offline') = :status) "                      \
    "AND (:q IS NULL OR " HOLDS_Q("m.name") " OR " HOLDS_Q("m.agent_id") ") "                      \
    "ORDER BY " id " LIMIT :limit"
#define FIND_MACHINES_END(machines, id)                                                            \
    "SELECT " id " " machines "AND " id " > :agent ORDER BY " id " LIMIT :skip, 1"

/* --- usage over time -------------------------------------------------------------------------- */

/* Writing a slot again adds to it, unless the stored values are from an earlier turn of the ring.
 * slot_at is set last: assignments see the values that earlier assignments have made. */
#define SAME_SLOT "slot_at = VALUES(slot_at)"
#define FIGURE_NAMES(name) name "_sum, " name "_min, " name "_max"
#define MERGED(name)                                                                               \
    name "_sum = IF(" SAME_SLOT ", " name "_sum, 0) + VALUES(" name "_sum), "                      \
    name "_min = IF(" SAME_SLOT ", LEAST(" name "_min, VALUES(" name "_min)), "                    \
    "VALUES(" name "_min)), "                                                                      \
    name "_max = IF(" SAME_SLOT ", GREATEST(" name "_max, VALUES(" name "_max)), "                 \
    "VALUES(" name "_max)), "
#define MERGED_SLOT                                                                                \
    "samples = IF(" SAME_SLOT ", samples, 0) + VALUES(samples), slot_at = VALUES(slot_at)"

/* Sums slots up to the steps of a chart, so that at most 289 rows leave the database. */
#define STEP "u.slot_at - u.slot_at % :width AS began, SUM(u.samples)"
#define STEP_OF(name) "SUM(u." name "_sum), MIN(u." name "_min), MAX(u." name "_max)"
#define MACHINE_AGE(machines)                                                                      \
    "SELECT " SECONDS("m.created_at") ", " SECONDS("UTC_TIMESTAMP()") " " machines                 \
    "AND m.agent_id = :agent"
#define IN_SPAN "u.step = :step AND u.slot_at >= :since AND u.slot_at <= :now GROUP BY began"

/* Adds one sample to the rings of some fleets: their machines, and the active sessions that their
 * owners see. It goes into the slots of both lengths. */
#define SAMPLE_FLEETS(tenant, user, machines, sessions)                                            \
    "INSERT INTO fleet_usage (tenant_id, user_id, step, slot, slot_at, samples, "                  \
    FIGURE_NAMES("online") ", " FIGURE_NAMES("offline") ", " FIGURE_NAMES("sessions") ", "         \
    FIGURE_NAMES("cpu") ", " FIGURE_NAMES("memory") ", " FIGURE_NAMES("disk") ") "                 \
    "SELECT " tenant ", " user ", r.length, r.place, r.began, 1, f.online, f.online, f.online, "   \
    "f.machines - f.online, f.machines - f.online, f.machines - f.online, "                        \
    "COALESCE(a.active, 0), COALESCE(a.active, 0), COALESCE(a.active, 0), "                        \
    SAMPLE_FIGURE("f.cpu") ", " SAMPLE_FIGURE("f.memory") ", " SAMPLE_FIGURE("f.disk") " "         \
    "FROM (" machines ") f LEFT JOIN (" sessions ") a ON a.owner = f.owner "                       \
    "JOIN (SELECT 300 AS length, :slot AS place, :slot_at AS began UNION ALL "                     \
    "SELECT 3600, :long_slot, :long_slot_at) r WHERE TRUE ON DUPLICATE KEY UPDATE "                \
    MERGED("online") MERGED("offline") MERGED("sessions") MERGED("cpu") MERGED("memory")           \
    MERGED("disk") MERGED_SLOT
/* The sum, then the mean as minimum and as maximum. No machine online: no mean. */
#define SAMPLE_FIGURE(sum)                                                                         \
    sum ", IF(f.online, ROUND(" sum " / f.online), 65535), "                                       \
    "IF(f.online, ROUND(" sum " / f.online), 0)"
/* The machines of each fleet. */
#define FLEET(owner, machines)                                                                     \
    "SELECT " owner " AS owner, COUNT(*) AS machines, COALESCE(SUM(" ONLINE "), 0) AS online, "    \
    "COALESCE(SUM(IF(" ONLINE ", m.cpu, 0)), 0) AS cpu, "                                          \
    "COALESCE(SUM(IF(" ONLINE ", m.memory, 0)), 0) AS memory, "                                    \
    "COALESCE(SUM(IF(" ONLINE ", m.disk, 0)), 0) AS disk " machines
#define SEEN_SESSIONS(columns, sessions)                                                           \
    "SELECT " columns " FROM " sessions " JOIN machines m ON " MACHINE_OF("s") " "                 \
    "WHERE s.state = 'active' AND " ONLINE " "

/* --- operating -------------------------------------------------------------------------------- */

/* Another instance was refused lately. The longest pause between its attempts is shorter. */
#define REFUSED "m.refused_at >= UTC_TIMESTAMP(3) - INTERVAL 10 MINUTE"

const char *const statements_machines[STATEMENT_COUNT] = {
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

    [STATEMENT_FIND_MACHINES + SCOPE_ALL] = FIND_MACHINES(MACHINES_ALL_BY_ID, "m.agent_id"),
    [STATEMENT_FIND_MACHINES + SCOPE_TENANT] = FIND_MACHINES(MACHINES_TENANT_BY_ID, "m.agent_id"),
    [STATEMENT_FIND_MACHINES + SCOPE_USER] = FIND_MACHINES(MACHINES_USER_BY_ID, "a.agent_id"),
    [STATEMENT_FIND_MACHINES_END + SCOPE_ALL] = FIND_MACHINES_END(MACHINES_ALL_BY_ID, "m.agent_id"),
    [STATEMENT_FIND_MACHINES_END + SCOPE_TENANT] =
        FIND_MACHINES_END(MACHINES_TENANT_BY_ID, "m.agent_id"),
    [STATEMENT_FIND_MACHINES_END + SCOPE_USER] =
        FIND_MACHINES_END(ACCESS_BY_ID "WHERE " OF_USER, "a.agent_id"),
    [STATEMENT_FIND_MACHINE + SCOPE_ALL] = SEEN_MACHINE MACHINES_ALL "AND m.agent_id = :agent",
    [STATEMENT_FIND_MACHINE + SCOPE_TENANT] =
        SEEN_MACHINE MACHINES_TENANT "AND m.agent_id = :agent",
    [STATEMENT_FIND_MACHINE + SCOPE_USER] = SEEN_MACHINE MACHINES_USER "AND m.agent_id = :agent",
    [STATEMENT_MACHINE_ACCESS] =
        "SELECT a.user_id, a.relation FROM machines m JOIN machine_access a "
        "ON a.agent_id = m.agent_id AND a.tenant_id = m.tenant_id WHERE m.agent_id = :agent "
        "ORDER BY a.user_id LIMIT :limit",

    [STATEMENT_STORE_USAGE] =
        "INSERT INTO machine_usage (agent_id, step, slot, slot_at, samples, "
        FIGURE_NAMES("cpu") ", " FIGURE_NAMES("memory") ", " FIGURE_NAMES("disk") ") VALUES "
        "{(:agent, :step, :slot, :slot_at, :samples, :cpu_sum, :cpu_min, :cpu_max, "
        ":memory_sum, :memory_min, :memory_max, :disk_sum, :disk_min, :disk_max)} "
        "ON DUPLICATE KEY UPDATE " MERGED("cpu") MERGED("memory") MERGED("disk") MERGED_SLOT,
    [STATEMENT_MACHINE_AGE + SCOPE_ALL] = MACHINE_AGE(MACHINES_ALL),
    [STATEMENT_MACHINE_AGE + SCOPE_TENANT] = MACHINE_AGE(MACHINES_TENANT),
    [STATEMENT_MACHINE_AGE + SCOPE_USER] = MACHINE_AGE(MACHINES_USER),
    /* With the slot in progress, read at the same moment. */
    [STATEMENT_MACHINE_USAGE] =
        "SELECT " STEP ", " STEP_OF("cpu") ", " STEP_OF("memory") ", " STEP_OF("disk") ", NULL "
        "FROM machine_usage u WHERE u.agent_id = :agent AND " IN_SPAN " UNION ALL "
        "SELECT 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, m.usage_now FROM machines m "
        "WHERE m.agent_id = :agent ORDER BY began",
    [STATEMENT_CLAIM_FLEET_SLOT] =
        "UPDATE fleet_looks SET slot_at = :slot_at WHERE id = 1 AND slot_at <> :slot_at",
    [STATEMENT_SAMPLE_ALL] =
        SAMPLE_FLEETS("''", "''", FLEET("1", "FROM machines m"),
                SEEN_SESSIONS("1 AS owner, COUNT(*) AS active", "sessions s")),
    [STATEMENT_SAMPLE_TENANTS] =
        SAMPLE_FLEETS("f.owner", "''", FLEET("m.tenant_id", "FROM machines m GROUP BY m.tenant_id"),
                SEEN_SESSIONS("s.tenant_id AS owner, COUNT(*) AS active", "sessions s")
                "GROUP BY s.tenant_id"),
    [STATEMENT_SAMPLE_USERS] =
        SAMPLE_FLEETS(":tenant", "f.owner",
                FLEET("a.user_id", "FROM machine_access a JOIN machines m ON " MACHINE_OF("a") " "
                      "WHERE a.tenant_id = :tenant GROUP BY a.user_id"),
                "SELECT v.owner, COUNT(*) AS active FROM ("
                SEEN_SESSIONS("s.user_id AS owner, s.id", "sessions s")
                "AND s.tenant_id = :tenant UNION "
                SEEN_SESSIONS("a.user_id, s.id", "sessions s JOIN machine_access a "
                              "ON a.agent_id = s.agent_id AND a.tenant_id = s.tenant_id")
                "AND s.tenant_id = :tenant) v GROUP BY v.owner"),
    [STATEMENT_TENANTS] = "SELECT DISTINCT m.tenant_id FROM machines m",
    [STATEMENT_FLEET_USAGE] =
        "SELECT " STEP ", " STEP_OF("online") ", " STEP_OF("offline") ", " STEP_OF("sessions") ", "
        STEP_OF("cpu") ", " STEP_OF("memory") ", " STEP_OF("disk") " FROM fleet_usage u "
        "WHERE u.tenant_id = :tenant AND u.user_id = :user AND " IN_SPAN " ORDER BY began",

    [STATEMENT_LIST_MACHINES] =
        "SELECT m.agent_id, m.tenant_id, m.name, " ONLINE ", " RFC3339("m.last_heartbeat_at") ", "
        "m.cpu, m.memory, m.disk, m.dropped_commands, "
        "(SELECT COUNT(*) FROM sessions s WHERE " MACHINE_OF("s") " AND " OPEN "), "
        "IF(" REFUSED ", " RFC3339("m.refused_at") ", NULL) FROM machines m "
        "WHERE m.agent_id > :agent AND (:tenant IS NULL OR m.tenant_id = :tenant) "
        "ORDER BY m.agent_id LIMIT :limit",
    [STATEMENT_ADD_MACHINE] = /* changes no row if the machine exists */
        "INSERT INTO machines (agent_id, tenant_id, name, token_generation, created_at) "
        "VALUES (:agent, :tenant, :name, :generation, UTC_TIMESTAMP(3)) "
        "ON DUPLICATE KEY UPDATE agent_id = VALUES(agent_id)",
    [STATEMENT_REMOVE_MACHINE] = "DELETE FROM machines WHERE agent_id = :agent",
    [STATEMENT_REMOVE_USAGE] = "DELETE FROM machine_usage WHERE agent_id = :agent",
    [STATEMENT_REMOVE_FLEETS] = /* of users without another machine */
        "DELETE f FROM machine_access a JOIN fleet_usage f ON f.tenant_id = a.tenant_id "
        "AND f.user_id = a.user_id LEFT JOIN machine_access o ON o.tenant_id = a.tenant_id "
        "AND o.user_id = a.user_id AND o.agent_id <> a.agent_id "
        "WHERE a.agent_id = :agent AND o.agent_id IS NULL",
    [STATEMENT_REMOVE_FLEET] =
        "DELETE FROM fleet_usage WHERE tenant_id = :tenant AND user_id = :of_user AND NOT EXISTS "
        "(SELECT 1 FROM machine_access a WHERE a.tenant_id = :tenant AND a.user_id = :of_user)",
    [STATEMENT_REMOVE_ACCESS] = "DELETE FROM machine_access WHERE agent_id = :agent",
    [STATEMENT_CLOSE_REMOVED] =
        "UPDATE sessions s SET s.state = 'closed', s.ended_at = UTC_TIMESTAMP(3), "
        "s.close_reason = 'machine removed' WHERE s.agent_id = :agent AND " OPEN,
    [STATEMENT_VANISH_REMOVED] =
        "UPDATE signals SET outcome = 'vanished', due_at = NULL "
        "WHERE agent_id = :agent AND outcome IS NULL",
    [STATEMENT_ROTATE_TOKEN] =
        "UPDATE machines SET token_generation = token_generation + 1, report_seq = 0, "
        "instance = '' "
        "WHERE agent_id = :agent",
    [STATEMENT_FORGET_OPENINGS] =
        "UPDATE sessions SET opened_seq = 0 "
        "WHERE state IN ('active', 'closing') AND agent_id = :agent",
    [STATEMENT_TOKEN_GENERATION] =
        "SELECT token_generation FROM machines WHERE agent_id = :agent",
    [STATEMENT_MACHINE_TENANT] =
        "SELECT tenant_id FROM machines WHERE agent_id = :agent FOR UPDATE",
    [STATEMENT_GRANT] =
        "INSERT INTO machine_access (tenant_id, user_id, agent_id, relation) "
        "VALUES (:tenant, :of_user, :agent, :relation) "
        "ON DUPLICATE KEY UPDATE relation = VALUES(relation)",
    [STATEMENT_REVOKE] =
        "DELETE FROM machine_access "
        "WHERE tenant_id = :tenant AND user_id = :of_user AND agent_id = :agent",
};
