/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "store/statements.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "store/statements_history.h"
#include "store/statements_machines.h"

const char *const param_names[PARAM_COUNT] = {
    [PARAM_TENANT] = "tenant",
    [PARAM_USER] = "user",
    [PARAM_OFFLINE_AFTER] = "offline_after",
    [PARAM_SESSION] = "session",
    [PARAM_AGENT] = "agent",
    [PARAM_OF_USER] = "of_user",
    [PARAM_SOURCE] = "source",
    [PARAM_BEFORE_AT] = "before_at",
    [PARAM_BEFORE_ID] = "before_id",
    [PARAM_LIMIT] = "limit",
    [PARAM_BY_USER] = "by_user",
    [PARAM_BY_USERNAME] = "by_username",
    [PARAM_REASON] = "reason",
    [PARAM_USERNAME] = "username",
    [PARAM_BROWSER] = "browser",
    [PARAM_OS] = "os",
    [PARAM_SOURCE_ADDRESS] = "source_address",
    [PARAM_AT] = "at",
    [PARAM_SEQ] = "seq",
    [PARAM_EXIT_CODE] = "exit_code",
    [PARAM_CPU] = "cpu",
    [PARAM_MEMORY] = "memory",
    [PARAM_DISK] = "disk",
    [PARAM_DROPPED] = "dropped",
    [PARAM_COMMAND] = "command",
    [PARAM_SUCCESS] = "success",
    [PARAM_ID] = "id",
    [PARAM_OUTCOME] = "outcome",
    [PARAM_NOT_RECORDED] = "not_recorded",
    [PARAM_LEASE] = "lease",
    [PARAM_EXPIRES] = "expires",
    [PARAM_NAME] = "name",
    [PARAM_GENERATION] = "generation",
    [PARAM_RELATION] = "relation",
    [PARAM_OLDER_THAN] = "older_than",
    [PARAM_AFTER_AT] = "after_at",
    [PARAM_AFTER_ID] = "after_id",
    [PARAM_UPTO_AT] = "upto_at",
    [PARAM_UPTO_ID] = "upto_id",
    [PARAM_INSTANCE] = "instance",
    [PARAM_AGE] = "age",
    [PARAM_ROLE] = "role",
    [PARAM_ACTION] = "action",
    [PARAM_DETAIL] = "detail",
    [PARAM_REQUEST] = "request",
    [PARAM_STATE] = "state",
    [PARAM_Q] = "q",
    [PARAM_FROM] = "from",
    [PARAM_TO] = "to",
    [PARAM_USAGE_NOW] = "usage_now",
    [PARAM_STEP] = "step",
    [PARAM_SLOT] = "slot",
    [PARAM_SLOT_AT] = "slot_at",
    [PARAM_LONG_SLOT] = "long_slot",
    [PARAM_LONG_SLOT_AT] = "long_slot_at",
    [PARAM_SAMPLES] = "samples",
    [PARAM_SUM_0] = "cpu_sum",
    [PARAM_SUM_0 + 1] = "memory_sum",
    [PARAM_SUM_0 + 2] = "disk_sum",
    [PARAM_LEAST_0] = "cpu_min",
    [PARAM_LEAST_0 + 1] = "memory_min",
    [PARAM_LEAST_0 + 2] = "disk_min",
    [PARAM_GREATEST_0] = "cpu_max",
    [PARAM_GREATEST_0 + 1] = "memory_max",
    [PARAM_GREATEST_0 + 2] = "disk_max",
    [PARAM_WIDTH] = "width",
    [PARAM_SINCE] = "since",
    [PARAM_NOW] = "now",
    [PARAM_STATUS] = "status",
    [PARAM_UPTO_AGENT] = "upto_agent",
    [PARAM_SKIP] = "skip",
    [PARAM_AGENT_0] = "agent_0",
    [PARAM_AGENT_0 + 1] = "agent_1",
    [PARAM_AGENT_0 + 2] = "agent_2",
    [PARAM_AGENT_0 + 3] = "agent_3",
    [PARAM_AGENT_0 + 4] = "agent_4",
    [PARAM_AGENT_0 + 5] = "agent_5",
    [PARAM_AGENT_0 + 6] = "agent_6",
    [PARAM_AGENT_0 + 7] = "agent_7",
    [PARAM_AGENT_0 + 8] = "agent_8",
    [PARAM_AGENT_0 + 9] = "agent_9",
};

/* SQL is laid out by hand. */
/* clang-format off */

/* --- the rules, each written once ------------------------------------------------------------ */

/* The liveness rule. */
#define ONLINE_SINCE "UTC_TIMESTAMP(3) - INTERVAL :offline_after SECOND"
#define ONLINE "m.last_heartbeat_at >= " ONLINE_SINCE
#define OFFLINE "(m.last_heartbeat_at < " ONLINE_SINCE " OR m.last_heartbeat_at IS NULL)"

/* The scope rule for machines: each continues with AND or ORDER BY. */
#define MACHINES_ALL "FROM machines m WHERE TRUE "
#define MACHINES_TENANT "FROM machines m WHERE m.tenant_id = :tenant "
#define MACHINES_USER                                                                              \
    "FROM machine_access a "                                                                       \
    "JOIN machines m ON m.agent_id = a.agent_id AND m.tenant_id = a.tenant_id "                    \
    "WHERE a.tenant_id = :tenant AND a.user_id = :user "

/* The same for several callers. A row constructor, (tenant_id, user_id) IN (...), would be no range
 * of an index: so users are of one tenant. */
#define OF_USERS "a.tenant_id = :tenant AND a.user_id IN ({:user}) "
#define MACHINES_TENANTS "FROM machines m WHERE m.tenant_id IN ({:tenant}) "
#define MACHINES_USERS                                                                             \
    "FROM machine_access a "                                                                       \
    "JOIN machines m ON m.agent_id = a.agent_id AND m.tenant_id = a.tenant_id WHERE " OF_USERS

/* The machine that a row is of: not another tenant's that was given the id of one removed. */
#define MACHINE_OF(row) "m.agent_id = " row ".agent_id AND m.tenant_id = " row ".tenant_id"

#define RFC3339(column) "DATE_FORMAT(" column ", '%Y-%m-%dT%H:%i:%sZ')"

/* --- dashboard ------------------------------------------------------------------------------- */

/* Each machine is read once: those online and those offline are two ranges of an index. */
#define STATS(machines)                                                                            \
    "SELECT COUNT(*) + (SELECT COUNT(*) " machines "AND " OFFLINE "), COUNT(*), "                  \
    "CAST(COALESCE(SUM(m.cpu), 0) AS UNSIGNED), CAST(COALESCE(SUM(m.memory), 0) AS UNSIGNED), "    \
    "CAST(COALESCE(SUM(m.disk), 0) AS UNSIGNED) " machines "AND " ONLINE

/* Of several callers, in one pass. */
#define STATS_OF(owner, machines)                                                                  \
    "SELECT " owner ", COUNT(*), SUM(" ONLINE "), SUM(IF(" ONLINE ", m.cpu, 0)), "                 \
    "SUM(IF(" ONLINE ", m.memory, 0)), SUM(IF(" ONLINE ", m.disk, 0)) " machines                   \
    "GROUP BY " owner

#define MACHINE                                                                                    \
    "m.agent_id, m.name, " ONLINE ", m.cpu, m.memory, " RFC3339("m.last_heartbeat_at") " "
/* The order in which by_tenant and by_heartbeat are read from their ends, so that those who were
 * seen at the same time come in the same order for everybody. */
#define NEWEST_MACHINES                                                                            \
    "ORDER BY last_heartbeat_at DESC, cpu DESC, memory DESC, disk DESC, agent_id DESC "
#define RECENT_MACHINES(machines)                                                                  \
    "SELECT " MACHINE machines "AND m.last_heartbeat_at IS NOT NULL " NEWEST_MACHINES "LIMIT 5"

/* --- commands -------------------------------------------------------------------------------- */

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

/* --- sessions -------------------------------------------------------------------------------- */

#define ACTIVE_SESSIONS(sessions) ACTIVE_SESSIONS_OF("", sessions)
#define ACTIVE_SESSIONS_OF(owner, sessions)                                                        \
    "SELECT " owner "s.id, s.session_id, s.agent_id, m.name, s.user_id, s.username, s.source, "    \
    "s.browser, s.os, DATE_FORMAT(s.started_at, '%Y-%m-%dT%H:%i:%s.%f') AS started "               \
    "FROM " sessions " JOIN machines m ON " MACHINE_OF("s") " "                                    \
    "WHERE s.state = 'active' AND " ONLINE " "                                                     \
    "AND s.started_at <= :before_at AND (s.started_at < :before_at OR s.id < :before_id) "         \
    "AND (:agent IS NULL OR s.agent_id = :agent) AND (:source IS NULL OR s.source = :source) "     \
    "AND (:of_user IS NULL OR s.user_id = :of_user) "
#define NEWEST_SESSIONS "ORDER BY s.started_at DESC, s.id DESC LIMIT :limit"

/* The scope rule for one session, and who may close it: the columns, more joins, the right. */
#define SESSION_ALL(columns, joins)                                                                \
    "SELECT " columns ", TRUE FROM sessions s " joins "WHERE s.session_id = :session"
#define SESSION_TENANT(columns, joins)                                                             \
    SESSION_ALL(columns, joins) " AND s.tenant_id = :tenant"
#define SESSION_USER(columns, joins)                                                               \
    "SELECT " columns ", s.user_id = :user OR COALESCE(a.relation = 'owner', FALSE) "              \
    "FROM sessions s " joins "LEFT JOIN machine_access a "                                         \
    "ON a.tenant_id = :tenant AND a.user_id = :user AND a.agent_id = s.agent_id "                  \
    "WHERE s.session_id = :session AND s.tenant_id = :tenant "                                     \
    "AND (s.user_id = :user OR a.user_id IS NOT NULL)"

#define CLOSING "s.agent_id, s.state, s.tenant_id"
#define RECEIPT                                                                                    \
    "s.session_id, s.agent_id, COALESCE(m.name, s.agent_id), s.user_id, s.username, s.source, "    \
    "s.state, " RFC3339("s.started_at") ", s.browser, s.os, " RFC3339("s.ended_at") ", "           \
    "s.close_reason, s.exit_code, g.requested_by, " RFC3339("g.requested_at") ", "                 \
    RFC3339("g.delivered_at") ", g.attempts, " RFC3339("g.confirmed_at") ", g.outcome, "           \
    "s.not_recorded_reason, g.requested_by_username, NULLIF(g.reason, ''), s.source_address, "     \
    RFC3339("s.last_activity_at")
#define RECEIPT_JOINS                                                                              \
    "LEFT JOIN machines m ON " MACHINE_OF("s") " "                                                 \
    "LEFT JOIN signals g ON g.session_id = s.session_id "

/* --- what agents report ----------------------------------------------------------------------- */

/* What a machine says of the past, in its own time: never in the future, and not from before vsay,
 * when its clock had not been set. */
#define CLOCK_UNSET "TIMESTAMP'2020-01-01 00:00:00'"
#define REPORTED(time)                                                                             \
    "LEAST(COALESCE(NULLIF(GREATEST(" time ", " CLOCK_UNSET "), " CLOCK_UNSET "), "                \
    "UTC_TIMESTAMP(3)), UTC_TIMESTAMP(3))"
#define REPORTED_AT REPORTED("CAST(:at AS DATETIME(3))")

/* Which instance of a machine's agent may report: the one of the last heartbeat, while that keeps
 * the machine online; '': any. And the last one, and whether it is new: one that has lost its state
 * knows its sessions again when all vsay-shells have come back. */
#define AGENT                                                                                      \
    "SELECT m.agent_id, m.token_generation, m.tenant_id, IF(" ONLINE ", m.instance, ''), "         \
    "m.instance, COALESCE(m.instance_since > UTC_TIMESTAMP(3) - INTERVAL 1 MINUTE, FALSE), "       \
    "m.usage_now, " SECONDS("UTC_TIMESTAMP()") " FROM machines m WHERE m.agent_id "

/* A heartbeat may be overtaken by an opening, but not by so much. */
#define YOUNG "COALESCE(opened_at > UTC_TIMESTAMP(3) - INTERVAL 10 MINUTE, TRUE)"

/* A number in the far future would be the newest for ever: it counts as tomorrow's. */
#define REPORT_SEQ                                                                                 \
    "LEAST(:seq, 1000 * (86400 + " SECONDS("UTC_TIMESTAMP()") "))"

#define WHO_ENDS                                                                                   \
    "CONCAT('ended by ', requested_by_username, IF(reason = '', '', CONCAT(': ', reason)))"

/* Heartbeats that overtook others: 0 is no number, and the newest. */
#define NEWER(column)                                                                              \
    column " = IF(VALUES(report_seq) = 0 OR VALUES(report_seq) >= report_seq, "                    \
    "VALUES(" column "), " column ")"

/* --- operating ------------------------------------------------------------------------------- */

#define OPEN "s.state IN ('active', 'closing')"

/* Another instance was turned away lately: longer ago than the longest pause between its tries. */
#define REFUSED "m.refused_at >= UTC_TIMESTAMP(3) - INTERVAL 10 MINUTE"

#define OPERATED_SESSIONS                                                                          \
    "SELECT s.session_id, s.user_id, s.agent_id, s.source, "                                       \
    "IF(s.state = 'active' AND NOT COALESCE(" ONLINE ", FALSE), 'offline', s.state), "             \
    RFC3339("s.started_at") ", s.username "                                                        \
    "FROM sessions s LEFT JOIN machines m ON " MACHINE_OF("s") " "

/* The newest sessions that the operator chose; each state has its range of an index. */
#define CHOSEN(STATES)                                                                             \
    "SELECT s.id FROM sessions s WHERE " STATES " AND (:tenant IS NULL OR s.tenant_id = :tenant) " \
    "AND (:agent IS NULL OR s.agent_id = :agent) "                                                 \
    "AND (:of_user IS NULL OR s.user_id = :of_user) "                                              \
    "ORDER BY s.started_at DESC, s.id DESC LIMIT :limit"
#define OF_CHOSEN "c ON c.id = s.id ORDER BY s.started_at DESC, s.id DESC LIMIT :limit"

/* The machine was not heard from since then. One that is gone can say nothing of its sessions. */
#define LOST "COALESCE(m.last_heartbeat_at, m.created_at, s.started_at) < :before_at "

/* Purging walks an index from its old end, page by page, and never looks back: the entries of
 * rows that were deleted stay in it for a while. It locks a page first, for who purges too. */
#define OLD_COMMANDS "commands c FORCE INDEX (by_time) "
#define OLD_AUDIT "audit u FORCE INDEX (by_time) "
#define OLD_SESSIONS "sessions s FORCE INDEX (by_start) "
#define SECONDS(time) "TIMESTAMPDIFF(SECOND, '1970-01-01', " time ")"
#define MICROSECONDS(time) "DATE_FORMAT(" time ", '%Y-%m-%dT%H:%i:%s.%f')"
#define AFTER(time, id) time " >= :after_at AND (" time " > :after_at OR " id " > :after_id) "
#define UPTO(time, id) time " <= :upto_at AND (" time " < :upto_at OR " id " <= :upto_id) "
#define PAGE(rows, time, id)                                                                       \
    "SELECT " MICROSECONDS(time) ", " id ", " SECONDS(time) " FROM " rows AFTER(time, id)          \
    "AND " time " < :before_at ORDER BY " time ", " id " LIMIT :limit FOR UPDATE"
#define ENDED_ON_PAGE                                                                              \
    "WHERE s.state = 'closed' AND " AFTER("s.started_at", "s.id")                                  \
    "AND " UPTO("s.started_at", "s.id") "AND s.ended_at < :before_at"

/* --- the audit -------------------------------------------------------------------------------- */

/* Older than the page before, and not older than the search goes back. */
#define AUDIT_IN(index, condition)                                                                 \
    "FROM audit u FORCE INDEX (" index ") WHERE " condition "u.happened_at >= :after_at "          \
    "AND u.happened_at < :upto_at AND u.happened_at <= :before_at "                                \
    "AND (u.happened_at < :before_at OR u.id < :before_id) "                                       \
    "ORDER BY u.happened_at DESC, u.id DESC "
#define AUDIT(index, condition)                                                                    \
    "SELECT CONCAT('audit_', u.id), " RFC3339("u.happened_at") ", u.action, u.user_id, "           \
    "u.username, NULLIF(u.role, ''), NULLIF(u.tenant_id, ''), u.session_id, u.agent_id, "          \
    "u.of_user_id, NULLIF(u.detail, ''), u.request_id, " MICROSECONDS("u.happened_at") ", u.id "   \
    AUDIT_IN(index, condition) "LIMIT :limit"

const char *const statements[STATEMENT_COUNT] = {
    [STATEMENT_SCHEMA_VERSION] = "SELECT COALESCE(MAX(version), 0) FROM schema_migrations",
    [STATEMENT_CLOCK] = "SELECT TIMESTAMPDIFF(SECOND, '1970-01-01', UTC_TIMESTAMP())",
    [STATEMENT_BINLOG] =
        "SHOW GLOBAL VARIABLES WHERE (Variable_name = 'log_bin' AND Value = 'ON') "
        "OR (Variable_name = 'binlog_format' AND Value = 'STATEMENT')",

    [STATEMENT_FLEET_MACHINES] =
        "SELECT COUNT(IF(" ONLINE ", 1, NULL)), COUNT(m.last_heartbeat_at), COUNT(*), "
        "CAST(COALESCE(SUM(m.dropped_commands), 0) AS UNSIGNED) " MACHINES_ALL,
    /* A name and a number in each row. Reads what is active or pending, and a thousand receipts. */
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

    [STATEMENT_ACTIVE_SESSIONS + SCOPE_ALL] = ACTIVE_SESSIONS("sessions s") NEWEST_SESSIONS,
    [STATEMENT_ACTIVE_SESSIONS + SCOPE_TENANT] =
        ACTIVE_SESSIONS("sessions s") "AND s.tenant_id = :tenant " NEWEST_SESSIONS,
    [STATEMENT_ACTIVE_SESSIONS + SCOPE_USER] =
        ACTIVE_SESSIONS("sessions s") "AND s.tenant_id = :tenant AND s.user_id = :user UNION "
        ACTIVE_SESSIONS("machine_access a JOIN sessions s ON s.agent_id = a.agent_id "
                        "AND s.tenant_id = a.tenant_id")
        "AND a.tenant_id = :tenant AND a.user_id = :user "
        "ORDER BY started DESC, id DESC LIMIT :limit",
    [STATEMENT_ACTIVE_SESSIONS + SCOPE_TENANTS] =
        "{(" ACTIVE_SESSIONS_OF("s.tenant_id, ", "sessions s") "AND s.tenant_id = :tenant "
        NEWEST_SESSIONS ")} ORDER BY started DESC, id DESC",
    /* And how many machines were looked at for each user. */
    [STATEMENT_ACTIVE_SESSIONS + SCOPE_USERS] =
        ACTIVE_SESSIONS_OF("s.user_id AS owner, ", "sessions s")
        "AND s.tenant_id = :tenant AND s.user_id IN ({:user}) UNION "
        ACTIVE_SESSIONS_OF("a.user_id, ", "machine_access a JOIN sessions s "
                           "ON s.agent_id = a.agent_id AND s.tenant_id = a.tenant_id")
        "AND " OF_USERS "UNION ALL SELECT a.user_id, COUNT(*), NULL, NULL, NULL, NULL, NULL, NULL, "
        "NULL, NULL, NULL FROM machine_access a WHERE " OF_USERS "GROUP BY a.user_id "
        "ORDER BY started DESC, id DESC",

    [STATEMENT_RECENT_COMMANDS + SCOPE_ALL] =
        COMMANDS "commands c LEFT JOIN machines m ON " MACHINE_OF("c") " " NEWEST_COMMANDS,
    [STATEMENT_RECENT_COMMANDS + SCOPE_TENANT] =
        COMMANDS "commands c LEFT JOIN machines m ON " MACHINE_OF("c") " "
        "WHERE c.tenant_id = :tenant " NEWEST_COMMANDS,

    /* The newest ten commands of many machines are on the ten machines that were busy last: so
     * ten short index ranges give them, however many machines and commands there are. */
    [STATEMENT_BUSY_MACHINES] =
        "SELECT m.agent_id " MACHINES_USER "AND m.last_command_at IS NOT NULL "
        BUSIEST_MACHINES "LIMIT 10",
    [STATEMENT_BUSY_MACHINES_OF_USERS] =
        "SELECT a.user_id, IF(m.last_command_at IS NULL, NULL, m.agent_id) " MACHINES_USERS
        BUSIEST_MACHINES,
    [STATEMENT_NEWEST_OF_TENANTS] = NEWEST_OF("tenant_id", "c.tenant_id = :tenant"),
    [STATEMENT_NEWEST_OF_USERS] =
        NEWEST_OF("user_id", "c.tenant_id = :tenant AND c.user_id = :user"),
    [STATEMENT_NEWEST_ON_MACHINES] =
        NEWEST_OF("agent_id", "c.agent_id = :agent AND c.tenant_id = :tenant"),
    [STATEMENT_COMMANDS] =
        COMMANDS "commands c LEFT JOIN machines m ON " MACHINE_OF("c") " "
        "WHERE c.id IN ({:id}) ORDER BY c.executed_at DESC, c.id DESC",
    [STATEMENT_RECENT_COMMANDS + SCOPE_USER] =
        COMMANDS "(" NEWEST_IDS("c.tenant_id = :tenant AND c.user_id = :user")
        OR_ON_MACHINE(":agent_0") OR_ON_MACHINE(":agent_1") OR_ON_MACHINE(":agent_2")
        OR_ON_MACHINE(":agent_3") OR_ON_MACHINE(":agent_4") OR_ON_MACHINE(":agent_5")
        OR_ON_MACHINE(":agent_6") OR_ON_MACHINE(":agent_7") OR_ON_MACHINE(":agent_8")
        OR_ON_MACHINE(":agent_9") " ORDER BY executed_at DESC, id DESC LIMIT 10) newest "
        "JOIN commands c ON c.id = newest.id "
        "LEFT JOIN machines m ON " MACHINE_OF("c") " "
        "ORDER BY newest.executed_at DESC, newest.id DESC",

    [STATEMENT_CLOSING_RIGHT + SCOPE_ALL] = SESSION_ALL(CLOSING, ""),
    [STATEMENT_CLOSING_RIGHT + SCOPE_TENANT] = SESSION_TENANT(CLOSING, ""),
    [STATEMENT_CLOSING_RIGHT + SCOPE_USER] = SESSION_USER(CLOSING, ""),
    [STATEMENT_CLOSE_SESSION] =
        "UPDATE sessions SET state = 'closing' WHERE session_id = :session AND state = 'active'",
    [STATEMENT_ADD_SIGNAL] =
        "INSERT INTO signals "
        "(session_id, agent_id, requested_by, requested_by_username, requested_at, reason, due_at) "
        "VALUES (:session, :agent, :by_user, :by_username, UTC_TIMESTAMP(3), :reason, "
        "UTC_TIMESTAMP(3))",
    [STATEMENT_RECEIPT + SCOPE_ALL] = SESSION_ALL(RECEIPT, RECEIPT_JOINS),
    [STATEMENT_RECEIPT + SCOPE_TENANT] = SESSION_TENANT(RECEIPT, RECEIPT_JOINS),
    [STATEMENT_RECEIPT + SCOPE_USER] = SESSION_USER(RECEIPT, RECEIPT_JOINS),
    /* What a closed session ran does not run any more. Where its status never came, and it may come
     * late, it is not known to have succeeded. */
    [STATEMENT_LOGS] =
        "SELECT c.command, " RFC3339("c.executed_at") ", "
        "IF(s.state = 'closed', COALESCE(c.success, FALSE), c.success) "
        "FROM sessions s JOIN commands c ON c.session_id = s.session_id "
        "WHERE s.session_id = :session ORDER BY c.seq DESC LIMIT 100",

    [STATEMENT_BOUND_COMMANDS + RANGE_ALL] = BOUND_COMMANDS(COMMANDS_ALL),
    [STATEMENT_BOUND_COMMANDS + RANGE_TENANT] = BOUND_COMMANDS(COMMANDS_TENANT),
    [STATEMENT_BOUND_COMMANDS + RANGE_USER] = BOUND_COMMANDS(COMMANDS_USER),
    [STATEMENT_BOUND_COMMANDS + RANGE_MACHINE] = BOUND_COMMANDS(COMMANDS_MACHINE),
    [STATEMENT_BOUND_COMMANDS + RANGE_ITEM] = BOUND_COMMANDS_OF_SESSION,
    [STATEMENT_FIND_COMMANDS + RANGE_ALL] = FIND_COMMANDS(COMMANDS_ALL),
    [STATEMENT_FIND_COMMANDS + RANGE_TENANT] = FIND_COMMANDS(COMMANDS_TENANT),
    [STATEMENT_FIND_COMMANDS + RANGE_USER] = FIND_COMMANDS(COMMANDS_USER),
    [STATEMENT_FIND_COMMANDS + RANGE_MACHINE] = FIND_COMMANDS(COMMANDS_MACHINE),
    [STATEMENT_FIND_COMMANDS + RANGE_ITEM] = FIND_COMMANDS_OF_SESSION,
    [STATEMENT_NEXT_TENANT_OF_COMMANDS] =
        NEXT_TENANT_OF_COMMANDS("by_user_time", "c.user_id = :of_user"),
    [STATEMENT_NEXT_TENANT_OF_COMMANDS + 1] =
        NEXT_TENANT_OF_COMMANDS("by_machine", "c.agent_id = :agent"),
    [STATEMENT_HISTORY_COMMANDS] = HISTORY_COMMANDS,
    [STATEMENT_NEWEST_COMMAND] = "SELECT MAX(id) FROM commands",
    [STATEMENT_FOLLOW_COMMANDS] = FOLLOW_COMMANDS,

    [STATEMENT_BOUND_SESSIONS + RANGE_ALL] = BOUND_SESSIONS(SESSIONS_ALL),
    [STATEMENT_BOUND_SESSIONS + RANGE_TENANT] = BOUND_SESSIONS(SESSIONS_TENANT),
    [STATEMENT_BOUND_SESSIONS + RANGE_USER] = BOUND_SESSIONS(SESSIONS_USER),
    [STATEMENT_BOUND_SESSIONS + RANGE_MACHINE] = BOUND_SESSIONS(SESSIONS_MACHINE),
    [STATEMENT_BOUND_SESSIONS + RANGE_ITEM] = BOUND_ENDED_SESSIONS,
    [STATEMENT_FIND_SESSIONS + RANGE_ALL] = FIND_SESSIONS(SESSIONS_ALL),
    [STATEMENT_FIND_SESSIONS + RANGE_TENANT] = FIND_SESSIONS(SESSIONS_TENANT),
    [STATEMENT_FIND_SESSIONS + RANGE_USER] = FIND_SESSIONS(SESSIONS_USER),
    [STATEMENT_FIND_SESSIONS + RANGE_MACHINE] = FIND_SESSIONS(SESSIONS_MACHINE),
    [STATEMENT_FIND_SESSIONS + RANGE_ITEM] = FIND_ENDED_SESSIONS,
    [STATEMENT_NEXT_TENANT_OF_SESSIONS] =
        NEXT_TENANT_OF_SESSIONS("by_user", "s.user_id = :of_user"),
    [STATEMENT_NEXT_TENANT_OF_SESSIONS + 1] =
        NEXT_TENANT_OF_SESSIONS("by_machine_time", "s.agent_id = :agent"),
    [STATEMENT_HISTORY_SESSIONS] = HISTORY_SESSIONS,
    [STATEMENT_ACCESSIBLE] =
        "SELECT a.agent_id FROM machine_access a WHERE a.tenant_id = :tenant AND a.user_id = :user "
        GIVEN("agent", "a.agent_id = :agent") "LIMIT :limit",

    [STATEMENT_AGENTS] = AGENT "IN ({:agent})",
    [STATEMENT_LOCK_AGENTS] = AGENT "IN ({:agent}) ORDER BY m.agent_id FOR UPDATE",
    [STATEMENT_AGENT] = AGENT "= :agent LOCK IN SHARE MODE",
    [STATEMENT_REFUSE_INSTANCE] =
        "UPDATE machines SET refused_at = UTC_TIMESTAMP(3), refused_instance = :instance "
        "WHERE agent_id = :agent",

    /* Upserts of rows that are there and locked: the fastest way to update many at once. Each column
     * that one names must be one that a worker may change: see grants.sql. */
    [STATEMENT_HEARTBEATS] =
        "INSERT INTO machines (agent_id, last_heartbeat_at, "
        "dropped_commands, cpu, memory, disk, usage_now, instance, report_seq) VALUES "
        "{(:agent, UTC_TIMESTAMP(3), :dropped, :cpu, :memory, :disk, :usage_now, "
        ":instance, " REPORT_SEQ ")} "
        "ON DUPLICATE KEY UPDATE last_heartbeat_at = VALUES(last_heartbeat_at), "
        "instance_since = IF(instance = VALUES(instance), instance_since, UTC_TIMESTAMP(3)), "
        "instance = VALUES(instance), "
        "dropped_commands = GREATEST(dropped_commands, VALUES(dropped_commands)), "
        NEWER("cpu") ", " NEWER("memory") ", " NEWER("disk") ", "
        "usage_now = VALUES(usage_now), report_seq = GREATEST(report_seq, VALUES(report_seq))",
    [STATEMENT_OPEN_SESSIONS] =
        "SELECT session_id, agent_id, tenant_id, state, opened_seq, " YOUNG ", "
        "last_activity_at FROM sessions "
        "WHERE state IN ('active', 'closing') AND agent_id IN ({:agent})",
    [STATEMENT_CLOSED_SESSIONS] =
        "SELECT session_id, agent_id FROM sessions "
        "WHERE state = 'closed' AND session_id IN ({:session})",
    [STATEMENT_HELD_SESSIONS] =
        "SELECT session_id, agent_id, state FROM sessions WHERE session_id IN ({:session})",
    [STATEMENT_REASONS] =
        "SELECT session_id, " WHO_ENDS " FROM signals WHERE session_id IN ({:session})",
    [STATEMENT_SIGNALLED] =
        "SELECT session_id, agent_id FROM signals "
        "WHERE outcome IS NULL AND session_id IN ({:session})",
    [STATEMENT_GIVE_UP_SESSIONS] =
        "UPDATE sessions SET state = 'closed', ended_at = UTC_TIMESTAMP(3), "
        "close_reason = :outcome WHERE state <> 'closed' AND session_id IN ({:session})",
    [STATEMENT_GIVE_UP_SIGNALS] =
        "UPDATE signals SET outcome = :outcome, due_at = NULL "
        "WHERE outcome IS NULL AND session_id IN ({:session})",
    [STATEMENT_COUNT_DELIVERY] =
        "UPDATE signals SET delivered_at = COALESCE(delivered_at, UTC_TIMESTAMP(3)), "
        "attempts = attempts + 1 WHERE outcome IS NULL AND session_id IN ({:session})",

    [STATEMENT_OPEN_SESSION] =
        "INSERT INTO sessions (session_id, tenant_id, agent_id, user_id, username, source, "
        "browser, os, source_address, started_at, opened_seq, opened_at) VALUES (:session, "
        ":tenant, :agent, :user, :username, :source, :browser, :os, :source_address, "
        REPORTED_AT ", :seq, UTC_TIMESTAMP(3))",
    [STATEMENT_COUNT_OPEN] =
        "SELECT COUNT(*) FROM sessions s WHERE s.agent_id = :agent AND s.tenant_id = :tenant AND "
        OPEN,
    [STATEMENT_NOT_RECORDED] = /* the first reason stays */
        "UPDATE sessions SET not_recorded_reason = :not_recorded "
        "WHERE session_id = :session AND not_recorded_reason IS NULL",
    [STATEMENT_SESSION] =
        "SELECT agent_id, tenant_id, state FROM sessions WHERE session_id = :session",
    [STATEMENT_END_SESSION] =
        "UPDATE sessions SET state = 'closed', ended_at = GREATEST(started_at, " REPORTED_AT "), "
        "close_reason = :reason, exit_code = :exit_code "
        "WHERE session_id = :session AND state <> 'closed'",
    [STATEMENT_CONFIRM_SIGNAL] =
        "UPDATE signals SET outcome = :outcome, due_at = NULL, "
        "confirmed_at = IF(:outcome = 'confirmed', UTC_TIMESTAMP(3), NULL) "
        "WHERE session_id = :session AND outcome IS NULL",

    [STATEMENT_SESSIONS] =
        "SELECT session_id, agent_id, tenant_id, user_id, username, source FROM sessions "
        "WHERE session_id IN ({:session})",
    [STATEMENT_ADD_COMMANDS] =
        "INSERT INTO commands (session_id, seq, tenant_id, agent_id, user_id, username, source, "
        "command, success, exit_code, executed_at) VALUES {(:session, :seq, :tenant, :agent, :user, "
        ":username, :source, :command, :success, :exit_code, " REPORTED_AT ")} "
        "ON DUPLICATE KEY UPDATE success = COALESCE(success, VALUES(success)), "
        "exit_code = COALESCE(exit_code, VALUES(exit_code))",
    [STATEMENT_LAST_COMMANDS] =
        "INSERT INTO machines (agent_id, last_command_at) VALUES {(:agent, " REPORTED_AT ")} "
        "ON DUPLICATE KEY UPDATE last_command_at = "
        "GREATEST(COALESCE(last_command_at, VALUES(last_command_at)), VALUES(last_command_at))",

    /* An upsert would use up ids. Both servers would compare a text of their own in another
     * character set than the index's. */
    [STATEMENT_SESSIONS_ACTIVE] =
        "UPDATE ({(SELECT CONVERT(:session USING ascii) AS session_id, "
        "CAST(:at AS DATETIME(3)) AS active_at)}) d "
        "STRAIGHT_JOIN sessions s ON s.session_id = d.session_id COLLATE ascii_bin "
        "SET s.last_activity_at = GREATEST(COALESCE(s.last_activity_at, " REPORTED("d.active_at")
        "), " REPORTED("d.active_at") ")",

    [STATEMENT_ADD_AUDIT] =
        "INSERT INTO audit (happened_at, tenant_id, user_id, username, role, action, session_id, "
        "agent_id, of_user_id, detail, request_id) VALUES "
        "{(UTC_TIMESTAMP(3) - INTERVAL :age * 1000 MICROSECOND, :tenant, :by_user, :by_username, "
        ":role, :action, :session, :agent, :of_user, :detail, :request)}",
    [STATEMENT_AUDIT] = AUDIT("by_time", ""),
    [STATEMENT_AUDIT_OF_USER] = AUDIT("by_user", "u.user_id = :by_user AND "),
    [STATEMENT_AUDIT_END] =
        "SELECT " MICROSECONDS("u.happened_at") ", 0 "
        AUDIT_IN("by_session", "u.session_id = :session AND ") "LIMIT :skip, 1",
    [STATEMENT_AUDIT_OF_SESSION] =
        AUDIT("by_session", "u.session_id = :session "
              "AND (:by_user IS NULL OR u.user_id = :by_user) AND "),

    [STATEMENT_DUE_SIGNALS] =
        "SELECT id, agent_id, session_id, " WHO_ENDS ", (SELECT s.tenant_id FROM sessions s "
        "WHERE s.session_id = signals.session_id) FROM signals FORCE INDEX (by_machine_due) "
        "WHERE agent_id IN ({:agent}) AND due_at <= UTC_TIMESTAMP(3) ORDER BY id FOR UPDATE",
    [STATEMENT_LEASE_SIGNALS] =
        "UPDATE signals SET delivered_at = COALESCE(delivered_at, UTC_TIMESTAMP(3)), "
        "attempts = attempts + 1, due_at = UTC_TIMESTAMP(3) + INTERVAL :lease SECOND "
        "WHERE outcome IS NULL AND id IN ({:id})",

    /* Whoever waits now has asked within the last minute, and was given what was due then. */
    [STATEMENT_DUE_AGENTS] =
        "SELECT DISTINCT agent_id FROM signals WHERE due_at <= UTC_TIMESTAMP(3) "
        "AND due_at > UTC_TIMESTAMP(3) - INTERVAL 90 SECOND",
    [STATEMENT_EXPIRED] =
        "SELECT g.session_id FROM signals g JOIN sessions s ON s.session_id = g.session_id "
        "LEFT JOIN machines m ON " MACHINE_OF("s") " "
        "WHERE g.due_at <= UTC_TIMESTAMP(3) - INTERVAL :expires SECOND "
        "AND COALESCE(m.last_heartbeat_at, g.requested_at) "
        "<= UTC_TIMESTAMP(3) - INTERVAL :expires SECOND LIMIT 500",

    [STATEMENT_STORE_USAGE] =
        "INSERT INTO machine_usage (agent_id, step, slot, slot_at, samples, "
        FIGURE_NAMES("cpu") ", " FIGURE_NAMES("memory") ", " FIGURE_NAMES("disk") ") VALUES "
        "{(:agent, :step, :slot, :slot_at, :samples, :cpu_sum, :cpu_min, :cpu_max, "
        ":memory_sum, :memory_min, :memory_max, :disk_sum, :disk_min, :disk_max)} "
        "ON DUPLICATE KEY UPDATE " MERGED("cpu") MERGED("memory") MERGED("disk") MERGED_SLOT,
    [STATEMENT_MACHINE_AGE + SCOPE_ALL] = MACHINE_AGE(MACHINES_ALL),
    [STATEMENT_MACHINE_AGE + SCOPE_TENANT] = MACHINE_AGE(MACHINES_TENANT),
    [STATEMENT_MACHINE_AGE + SCOPE_USER] = MACHINE_AGE(MACHINES_USER),
    /* With the slot under way, as it is at the same moment. */
    [STATEMENT_MACHINE_USAGE] =
        "SELECT " STEP ", " STEP_OF("cpu") ", " STEP_OF("memory") ", " STEP_OF("disk") ", NULL "
        "FROM machine_usage u WHERE u.agent_id = :agent AND " IN_SPAN " UNION ALL "
        "SELECT 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, m.usage_now FROM machines m "
        "WHERE m.agent_id = :agent ORDER BY began",
    [STATEMENT_TAKE_LOOK] =
        "UPDATE fleet_looks SET slot_at = :slot_at WHERE id = 1 AND slot_at <> :slot_at",
    [STATEMENT_LOOK_AT_ALL] =
        LOOK_AT("''", "''", FLEET("1", "FROM machines m"),
                SEEN_SESSIONS("1 AS owner, COUNT(*) AS active", "sessions s")),
    [STATEMENT_LOOK_AT_TENANTS] =
        LOOK_AT("f.owner", "''", FLEET("m.tenant_id", "FROM machines m GROUP BY m.tenant_id"),
                SEEN_SESSIONS("s.tenant_id AS owner, COUNT(*) AS active", "sessions s")
                "GROUP BY s.tenant_id"),
    [STATEMENT_LOOK_AT_USERS] =
        LOOK_AT(":tenant", "f.owner",
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

    [STATEMENT_INVENTORY + SCOPE_ALL] = INVENTORY(MACHINES_ALL_BY_ID, "m.agent_id"),
    [STATEMENT_INVENTORY + SCOPE_TENANT] = INVENTORY(MACHINES_TENANT_BY_ID, "m.agent_id"),
    [STATEMENT_INVENTORY + SCOPE_USER] = INVENTORY(MACHINES_USER_BY_ID, "a.agent_id"),
    [STATEMENT_INVENTORY_END + SCOPE_ALL] = INVENTORY_END(MACHINES_ALL_BY_ID, "m.agent_id"),
    [STATEMENT_INVENTORY_END + SCOPE_TENANT] = INVENTORY_END(MACHINES_TENANT_BY_ID, "m.agent_id"),
    [STATEMENT_INVENTORY_END + SCOPE_USER] =
        INVENTORY_END(ACCESS_BY_ID "WHERE " OF_USER, "a.agent_id"),
    [STATEMENT_INVENTORY_MACHINE + SCOPE_ALL] = SEEN_MACHINE MACHINES_ALL "AND m.agent_id = :agent",
    [STATEMENT_INVENTORY_MACHINE + SCOPE_TENANT] =
        SEEN_MACHINE MACHINES_TENANT "AND m.agent_id = :agent",
    [STATEMENT_INVENTORY_MACHINE + SCOPE_USER] = SEEN_MACHINE MACHINES_USER "AND m.agent_id = :agent",
    [STATEMENT_INVENTORY_ACCESS] =
        "SELECT a.user_id, a.relation FROM machines m JOIN machine_access a "
        "ON a.agent_id = m.agent_id AND a.tenant_id = m.tenant_id WHERE m.agent_id = :agent "
        "ORDER BY a.user_id LIMIT :limit",

    [STATEMENT_LIST_MACHINES] =
        "SELECT m.agent_id, m.tenant_id, m.name, " ONLINE ", " RFC3339("m.last_heartbeat_at") ", "
        "m.cpu, m.memory, m.disk, m.dropped_commands, "
        "(SELECT COUNT(*) FROM sessions s WHERE " MACHINE_OF("s") " AND " OPEN "), "
        "IF(" REFUSED ", " RFC3339("m.refused_at") ", NULL) FROM machines m "
        "WHERE m.agent_id > :agent AND (:tenant IS NULL OR m.tenant_id = :tenant) "
        "ORDER BY m.agent_id LIMIT :limit",
    [STATEMENT_ADD_MACHINE] = /* changes no row when it exists */
        "INSERT INTO machines (agent_id, tenant_id, name, token_generation, created_at) "
        "VALUES (:agent, :tenant, :name, :generation, UTC_TIMESTAMP(3)) "
        "ON DUPLICATE KEY UPDATE agent_id = VALUES(agent_id)",
    [STATEMENT_REMOVE_MACHINE] = "DELETE FROM machines WHERE agent_id = :agent",
    [STATEMENT_REMOVE_USAGE] = "DELETE FROM machine_usage WHERE agent_id = :agent",
    [STATEMENT_REMOVE_FLEETS] = /* of users who have no other machine */
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

    [STATEMENT_LIST_SESSIONS] =
        OPERATED_SESSIONS "JOIN (" CHOSEN(OPEN) ") " OF_CHOSEN,
    [STATEMENT_LIST_ALL_SESSIONS] =
        OPERATED_SESSIONS "JOIN ((" CHOSEN(OPEN) ") UNION ALL (" CHOSEN("s.state = 'closed'")
        ")) " OF_CHOSEN,
    [STATEMENT_FIND_SESSION] = OPERATED_SESSIONS "WHERE s.session_id = :session",

    [STATEMENT_PURGE_BEFORE] =
        "SELECT " MICROSECONDS("d.before_at") ", " SECONDS("d.before_at") " FROM "
        "(SELECT UTC_TIMESTAMP(3) - INTERVAL :older_than SECOND AS before_at) d",
    [STATEMENT_LOST_SESSIONS] =
        "SELECT s.session_id FROM sessions s LEFT JOIN machines m ON " MACHINE_OF("s") " "
        "WHERE " OPEN " AND s.started_at < :before_at AND " LOST "LIMIT :limit",
    [STATEMENT_CLOSE_LOST] =
        "UPDATE sessions s LEFT JOIN machines m ON " MACHINE_OF("s") " "
        "LEFT JOIN signals g ON g.session_id = s.session_id "
        "SET s.state = 'closed', s.ended_at = UTC_TIMESTAMP(3), s.close_reason = 'lost', "
        "g.outcome = COALESCE(g.outcome, 'expired'), g.due_at = NULL "
        "WHERE s.session_id = :session AND " OPEN " AND " LOST,
    [STATEMENT_PURGE_COMMANDS_PAGE] =
        PAGE(OLD_COMMANDS "WHERE ", "c.executed_at", "c.id"),
    [STATEMENT_PURGE_COMMANDS] =
        "DELETE c FROM " OLD_COMMANDS "WHERE " AFTER("c.executed_at", "c.id")
        "AND " UPTO("c.executed_at", "c.id"),
    [STATEMENT_PURGE_SESSIONS_PAGE] =
        PAGE(OLD_SESSIONS "WHERE s.state = 'closed' AND ", "s.started_at", "s.id"),
    [STATEMENT_PURGE_RECEIPTS] =
        "DELETE g FROM " OLD_SESSIONS "STRAIGHT_JOIN signals g ON g.session_id = s.session_id "
        ENDED_ON_PAGE,
    [STATEMENT_PURGE_SESSIONS] = /* one that ended after its page was locked may have a receipt */
        "DELETE s FROM " OLD_SESSIONS "LEFT JOIN signals g ON g.session_id = s.session_id "
        ENDED_ON_PAGE " AND g.id IS NULL",
    [STATEMENT_PURGE_AUDIT_PAGE] = PAGE(OLD_AUDIT "WHERE ", "u.happened_at", "u.id"),
    [STATEMENT_PURGE_AUDIT] =
        "DELETE u FROM " OLD_AUDIT "WHERE " AFTER("u.happened_at", "u.id")
        "AND " UPTO("u.happened_at", "u.id"),
};

/* clang-format on */

static enum param param_named(const char *name, size_t length)
{
    for (int i = 0; i < PARAM_COUNT; i++) {
        if (strlen(param_names[i]) == length && memcmp(param_names[i], name, length) == 0)
            return (enum param)i;
    }
    abort(); /* a statement names an unknown parameter */
}

const char *statement_next_param(const char *from, const char *to, enum param *param,
                                 const char **after)
{
    bool quoted = false;
    const char *p = from;

    while (p < to && (quoted || *p != ':'))
        quoted ^= *p++ == '\'';
    if (p == to)
        return to;
    size_t length = strspn(p + 1, "abcdefghijklmnopqrstuvwxyz0123456789_");
    *param = param_named(p + 1, length);
    *after = p + 1 + length;
    return p;
}

size_t statement_translate(const char *named, char **sql, enum param order[STATEMENT_PARAMS_MAX])
{
    const char *end = named + strlen(named);
    size_t count = 0;
    char *out = *sql = xcalloc(1, strlen(named) + 1);

    for (;;) {
        const char *from = named;
        enum param param;
        const char *colon = statement_next_param(from, end, &param, &named);
        memcpy(out, from, (size_t)(colon - from));
        out += colon - from;
        if (colon == end)
            return count;
        assert(count < STATEMENT_PARAMS_MAX);
        order[count++] = param;
        *out++ = '?';
    }
}
