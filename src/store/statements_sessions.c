/* SPDX-License-Identifier: MIT */
/* The SQL of sessions and of the commands that were run in them: active sessions, termination and
 * receipts; history and search; the audit log; purging all of it. What agents report about sessions
 * is in statements_agents.c. */
#include "config.h"
#include "store/statements.h"

#include "store/statements_rules.h"

/* clang-format off */

/* --- sessions --------------------------------------------------------------------------------- */

/* Filters of sessions and of commands. */
#define WHOSE(row)                                                                                 \
    GIVEN("of_user", row ".user_id = :of_user") GIVEN("agent", row ".agent_id = :agent")           \
    GIVEN("source", row ".source = :source")

/* Sessions of a machine that is offline are not listed: nobody knows whether they still run. */
#define ACTIVE_SESSIONS(sessions) ACTIVE_SESSIONS_OF("", sessions)
#define ACTIVE_SESSIONS_OF(owner, sessions)                                                        \
    "SELECT " owner "s.id, s.session_id, s.agent_id, m.name, s.user_id, s.username, s.source, "    \
    "s.browser, s.os, DATE_FORMAT(s.started_at, '%Y-%m-%dT%H:%i:%s.%f') AS started "               \
    "FROM " sessions " JOIN machines m ON " MACHINE_OF("s") " "                                    \
    "WHERE s.state = 'active' AND " ONLINE " "                                                     \
    "AND s.started_at <= :before_at AND (s.started_at < :before_at OR s.id < :before_id) "         \
    WHOSE("s")
#define NEWEST_SESSIONS "ORDER BY s.started_at DESC, s.id DESC LIMIT :limit"

#define CLOSING "s.agent_id, s.state, s.tenant_id"

/* A session and its receipt: what became of the request to terminate it. sessions.h has the number
 * of columns, and the places of some. */
#define SESSION                                                                                    \
    "s.session_id, s.agent_id, COALESCE(m.name, s.agent_id), s.user_id, s.username, s.source, "    \
    "s.state, " RFC3339("s.started_at") ", s.browser, s.os, " RFC3339("s.ended_at") ", "           \
    "s.close_reason, g.requested_by, " RFC3339("g.requested_at") ", " RFC3339("g.delivered_at")    \
    ", g.attempts, " RFC3339("g.confirmed_at") ", g.outcome, g.requested_by_username, "            \
    "NULLIF(g.reason, ''), s.exit_code, s.not_recorded_reason IS NULL, s.not_recorded_reason, "    \
    "s.source_address, " RFC3339("s.last_activity_at")
#define SESSION_JOINS                                                                              \
    "LEFT JOIN machines m ON " MACHINE_OF("s") " "                                                 \
    "LEFT JOIN signals g ON g.session_id = s.session_id "

/* A command of a closed session cannot still be running. Its status may have been lost, or may come
 * late; until then it is not known to have succeeded. */
#define SUCCESS(state) "COALESCE(c.success, IF(" state " = 'closed', 0, NULL))"

#define OPERATED_SESSIONS                                                                          \
    "SELECT s.session_id, s.user_id, s.agent_id, s.source, "                                       \
    "IF(s.state = 'active' AND NOT COALESCE(" ONLINE ", FALSE), 'offline', s.state), "             \
    RFC3339("s.started_at") ", s.username "                                                        \
    "FROM sessions s LEFT JOIN machines m ON " MACHINE_OF("s") " "

/* The newest sessions that match the operator's options. Each state is its own index range. */
#define CHOSEN(STATES)                                                                             \
    "SELECT s.id FROM sessions s WHERE " STATES " "                                                \
    GIVEN("tenant", "s.tenant_id = :tenant") GIVEN("agent", "s.agent_id = :agent")                 \
    GIVEN("of_user", "s.user_id = :of_user")                                                       \
    "ORDER BY s.started_at DESC, s.id DESC LIMIT :limit"
#define OF_CHOSEN "c ON c.id = s.id ORDER BY s.started_at DESC, s.id DESC LIMIT :limit"

/* --- history ---------------------------------------------------------------------------------- */

/* A walk (walk.c) goes through ranges of an index from their new ends. Each kind of range has two
 * statements. BOUND finds where the `:skip` newest entries of each range end; it reads only the
 * index. FIND reads the rows between two places and applies the filters. The index is named in each,
 * since the optimizer might otherwise read another one to its end. */

/* Older than the page before, and no older than the search goes back. */
#define BETWEEN(time, id)                                                                          \
    time " <= :before_at AND (" time " < :before_at OR " id " < :before_id) "                      \
    "AND " time " >= :after_at AND (" time " > :after_at OR " id " >= :after_id) "
#define NEWEST_FIRST(time, id) "ORDER BY " time " DESC, " id " DESC "

/* --- history: commands ------------------------------------------------------------------------ */

#define SUCCESS_OF_COMMAND                                                                         \
    SUCCESS("(SELECT e.state FROM sessions e WHERE e.session_id = c.session_id)")

#define COMMANDS_IN(index, range) "FROM commands c FORCE INDEX (" index ") WHERE " range
#define BY_TIME BETWEEN("c.executed_at", "c.id")
#define COMMANDS_ALL COMMANDS_IN("by_time", BY_TIME)
#define COMMANDS_TENANT COMMANDS_IN("by_tenant", "c.tenant_id = :tenant AND " BY_TIME)
#define COMMANDS_USER                                                                              \
    COMMANDS_IN("by_user_time", "c.user_id = :of_user AND c.tenant_id = :tenant AND " BY_TIME)
#define COMMANDS_MACHINE                                                                           \
    COMMANDS_IN("by_machine", "c.agent_id = :agent AND c.tenant_id = :tenant AND " BY_TIME)
#define COMMANDS_SESSION                                                                           \
    COMMANDS_IN("by_session", "c.session_id = :session AND c.seq < :before_id "                    \
                "AND c.seq >= :after_id ")

#define COMMANDS_FILTER                                                                            \
    WHOSE("c") GIVEN("success", SUCCESS_OF_COMMAND " = :success")                                  \
    GIVEN("q", HOLDS_Q("c.command")) SEEN("c")

#define BOUND_COMMANDS(range)                                                                      \
    "{(SELECT " MICROSECONDS("c.executed_at") ", c.id " range                                      \
    NEWEST_FIRST("c.executed_at", "c.id") "LIMIT :skip, 1)}"
#define FIND_COMMANDS(range)                                                                       \
    "{(SELECT " MICROSECONDS("c.executed_at") ", c.id, c.id, LENGTH(c.command) " range             \
    COMMANDS_FILTER NEWEST_FIRST("c.executed_at", "c.id") "LIMIT :limit)}"

/* Of one session, in the order in which the commands ran. */
#define BOUND_COMMANDS_OF_SESSION                                                                  \
    "{(SELECT " MICROSECONDS("c.executed_at") ", c.seq " COMMANDS_SESSION                          \
    "ORDER BY c.seq DESC LIMIT :skip, 1)}"
#define FIND_COMMANDS_OF_SESSION                                                                   \
    "{(SELECT " MICROSECONDS("c.executed_at") ", c.seq, c.id, LENGTH(c.command) " COMMANDS_SESSION \
    "AND c.executed_at >= :from AND c.executed_at < :to " COMMANDS_FILTER                          \
    "ORDER BY c.seq DESC LIMIT :limit)}"

#define HISTORY_COMMANDS                                                                           \
    "SELECT c.id, CONCAT('log_', c.id), c.session_id, c.command, COALESCE(m.name, c.agent_id), "   \
    "c.agent_id, c.user_id, c.username, c.source, " RFC3339("c.executed_at") ", "                  \
    SUCCESS_OF_COMMAND ", c.exit_code FROM commands c "                                            \
    "LEFT JOIN machines m ON " MACHINE_OF("c") " WHERE c.id IN ({:id})"

/* In the order of ids. Also returns rows that the filters exclude, so that a follower moves on. */
#define FOLLOW_COMMANDS                                                                            \
    "SELECT c.id, (TRUE " GIVEN("session", "c.session_id = :session") COMMANDS_FILTER ") "         \
    "FROM commands c FORCE INDEX (PRIMARY) WHERE c.id > :after_id ORDER BY c.id LIMIT :limit"

/* The next tenant after `:tenant`: one lookup in the index for each tenant. */
#define NEXT_TENANT_OF_COMMANDS(index, condition)                                                  \
    "SELECT MIN(c.tenant_id) FROM commands c FORCE INDEX (" index ") WHERE " condition             \
    " AND c.tenant_id > :tenant"

/* --- history: sessions; the state leads each index -------------------------------------------- */

#define SESSIONS_IN(index, range)                                                                  \
    "FROM sessions s FORCE INDEX (" index ") WHERE s.state = :state AND " range                    \
    BETWEEN("s.started_at", "s.id")
#define SESSIONS_ALL SESSIONS_IN("by_start", "")
#define SESSIONS_TENANT SESSIONS_IN("by_tenant", "s.tenant_id = :tenant AND ")
#define SESSIONS_USER                                                                              \
    SESSIONS_IN("by_user", "s.user_id = :of_user AND s.tenant_id = :tenant AND ")
#define SESSIONS_MACHINE                                                                           \
    SESSIONS_IN("by_machine_time", "s.agent_id = :agent AND s.tenant_id = :tenant AND ")

#define SESSIONS_FILTER                                                                            \
    WHOSE("s")                                                                                     \
    GIVEN("q", HOLDS_Q("CONCAT_WS(CHAR(10 USING utf8mb4), s.session_id, s.agent_id, s.user_id, "   \
                       "s.username, (SELECT m.name FROM machines m WHERE " MACHINE_OF("s") "))"))  \
    SEEN("s")

/* A scalar subquery, one lookup for each session: as EXISTS it became a semi-join, and read all
 * signals that :by_user ever sent. */
#define ENDED_BY                                                                                   \
    GIVEN("by_user", ":by_user = (SELECT g.requested_by FROM signals g "                           \
                     "WHERE g.session_id = s.session_id)")

#define BOUND_SESSIONS(range)                                                                      \
    "{(SELECT " MICROSECONDS("s.started_at") ", s.id " range                                       \
    NEWEST_FIRST("s.started_at", "s.id") "LIMIT :skip, 1)}"
#define FIND_SESSIONS(range)                                                                       \
    "{(SELECT " MICROSECONDS("s.started_at") ", s.id, s.id, 0 " range                              \
    SESSIONS_FILTER ENDED_BY NEWEST_FIRST("s.started_at", "s.id") "LIMIT :limit)}"

/* For super admins: the sessions that :by_user terminated, newest request first. */
#define SIGNALS_BY "FROM signals g FORCE INDEX (by_requester) "
#define SIGNALS_RANGE                                                                              \
    "WHERE g.requested_by = :by_user AND " BETWEEN("g.requested_at", "g.id")
#define BOUND_ENDED_SESSIONS                                                                       \
    "{(SELECT " MICROSECONDS("g.requested_at") ", g.id " SIGNALS_BY SIGNALS_RANGE                  \
    NEWEST_FIRST("g.requested_at", "g.id") "LIMIT :skip, 1)}"
#define FIND_ENDED_SESSIONS                                                                        \
    "{(SELECT " MICROSECONDS("g.requested_at") ", g.id, s.id, 0 " SIGNALS_BY                       \
    "STRAIGHT_JOIN sessions s ON s.session_id = g.session_id " SIGNALS_RANGE                       \
    GIVEN("state", "s.state = :state")                                                             \
    "AND s.started_at >= :from AND s.started_at < :to " SESSIONS_FILTER                            \
    NEWEST_FIRST("g.requested_at", "g.id") "LIMIT :limit)}"

/* Commands are numbered from 1, so the highest number of a session is its count. */
#define HISTORY_SESSIONS                                                                           \
    "SELECT s.id, " SESSION ", "                                                                   \
    "COALESCE((SELECT MAX(c.seq) FROM commands c WHERE c.session_id = s.session_id), 0) "          \
    "FROM sessions s " SESSION_JOINS "WHERE s.id IN ({:id})"

#define NEXT_TENANT_OF_SESSIONS(index, condition)                                                  \
    "SELECT MIN(s.tenant_id) FROM sessions s FORCE INDEX (" index ") "                             \
    "WHERE s.state = :state AND " condition " AND s.tenant_id > :tenant"

/* --- the audit log ---------------------------------------------------------------------------- */

/* Older than the page before, and no older than the search goes back. */
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

/* --- purging ---------------------------------------------------------------------------------- */

/* No heartbeat since :before_at. The sessions of a machine that is gone cannot end any other
 * way. */
#define LOST "COALESCE(m.last_heartbeat_at, m.created_at, s.started_at) < :before_at "

/* Purging walks an index from its old end, one page after the other, and never goes back: index
 * entries of deleted rows stay there for a while, and each page would read them again. A page
 * is locked first, as another purge may be running. */
#define OLD_COMMANDS "commands c FORCE INDEX (by_time) "
#define OLD_AUDIT "audit u FORCE INDEX (by_time) "
#define OLD_SESSIONS "sessions s FORCE INDEX (by_start) "
#define AFTER(time, id) time " >= :after_at AND (" time " > :after_at OR " id " > :after_id) "
#define UPTO(time, id) time " <= :upto_at AND (" time " < :upto_at OR " id " <= :upto_id) "
#define PAGE(rows, time, id)                                                                       \
    "SELECT " MICROSECONDS(time) ", " id ", " SECONDS(time) " FROM " rows AFTER(time, id)          \
    "AND " time " < :before_at ORDER BY " time ", " id " LIMIT :limit FOR UPDATE"
#define ENDED_ON_PAGE                                                                              \
    "WHERE s.state = 'closed' AND " AFTER("s.started_at", "s.id")                                  \
    "AND " UPTO("s.started_at", "s.id") "AND s.ended_at < :before_at"

const char *const statements_sessions[STATEMENT_COUNT] = {
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
    /* Also returns how many machines were searched for each user. */
    [STATEMENT_ACTIVE_SESSIONS + SCOPE_USERS] =
        ACTIVE_SESSIONS_OF("s.user_id AS owner, ", "sessions s")
        "AND s.tenant_id = :tenant AND s.user_id IN ({:user}) UNION "
        ACTIVE_SESSIONS_OF("a.user_id, ", "machine_access a JOIN sessions s "
                           "ON s.agent_id = a.agent_id AND s.tenant_id = a.tenant_id")
        "AND " OF_USERS "UNION ALL SELECT a.user_id, COUNT(*), NULL, NULL, NULL, NULL, NULL, NULL, "
        "NULL, NULL, NULL FROM machine_access a WHERE " OF_USERS "GROUP BY a.user_id "
        "ORDER BY started DESC, id DESC",

    [STATEMENT_CLOSING_RIGHT + SCOPE_ALL] = ONE_SESSION_ALL(CLOSING, ""),
    [STATEMENT_CLOSING_RIGHT + SCOPE_TENANT] = ONE_SESSION_TENANT(CLOSING, ""),
    [STATEMENT_CLOSING_RIGHT + SCOPE_USER] = ONE_SESSION_USER(CLOSING, ""),
    [STATEMENT_CLOSE_SESSION] =
        "UPDATE sessions SET state = 'closing' WHERE session_id = :session AND state = 'active'",
    [STATEMENT_ADD_SIGNAL] =
        "INSERT INTO signals "
        "(session_id, agent_id, requested_by, requested_by_username, requested_at, reason, due_at) "
        "VALUES (:session, :agent, :by_user, :by_username, UTC_TIMESTAMP(3), :reason, "
        "UTC_TIMESTAMP(3))",
    [STATEMENT_RECEIPT + SCOPE_ALL] = ONE_SESSION_ALL(SESSION, SESSION_JOINS),
    [STATEMENT_RECEIPT + SCOPE_TENANT] = ONE_SESSION_TENANT(SESSION, SESSION_JOINS),
    [STATEMENT_RECEIPT + SCOPE_USER] = ONE_SESSION_USER(SESSION, SESSION_JOINS),
    [STATEMENT_LOGS] =
        "SELECT c.command, " RFC3339("c.executed_at") ", "
        SUCCESS("s.state") " FROM sessions s JOIN commands c ON c.session_id = s.session_id "
        "WHERE s.session_id = :session ORDER BY c.seq DESC LIMIT 100",

    [STATEMENT_LIST_SESSIONS] =
        OPERATED_SESSIONS "JOIN (" CHOSEN(OPEN) ") " OF_CHOSEN,
    [STATEMENT_LIST_ALL_SESSIONS] =
        OPERATED_SESSIONS "JOIN ((" CHOSEN(OPEN) ") UNION ALL (" CHOSEN("s.state = 'closed'")
        ")) " OF_CHOSEN,
    [STATEMENT_FIND_SESSION] = OPERATED_SESSIONS "WHERE s.session_id = :session",

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
