/* SPDX-License-Identifier: MIT */
/* The SQL of history, search and the audit log.
 *
 * A walk goes through ranges of an index from their new ends. Each kind of range has two
 * statements. BOUND finds where the `:skip` newest entries of each range end; it reads only the
 * index. FIND reads the rows between two places and applies the filters. The index is named in
 * each, since the optimizer might otherwise read another one to its end. */
#include "config.h"
#include "store/statements.h"

#include "store/statements_rules.h"

/* clang-format off */

/* Older than the page before, and no older than the search goes back. */
#define BETWEEN(time, id)                                                                          \
    time " <= :before_at AND (" time " < :before_at OR " id " < :before_id) "                      \
    "AND " time " >= :after_at AND (" time " > :after_at OR " id " >= :after_id) "
#define NEWEST_FIRST(time, id) "ORDER BY " time " DESC, " id " DESC "

/* Which rows a caller may see, by whatever range they were found. NULL means no restriction. */
#define SEEN(row)                                                                                  \
    "AND (:tenant IS NULL OR " row ".tenant_id = :tenant) "                                        \
    "AND (:user IS NULL OR " row ".user_id = :user OR EXISTS (SELECT 1 FROM machine_access a "     \
    "WHERE a.tenant_id = :tenant AND a.user_id = :user AND a.agent_id = " row ".agent_id)) "
#define WHOSE(row)                                                                                 \
    GIVEN("of_user", row ".user_id = :of_user") GIVEN("agent", row ".agent_id = :agent")           \
    GIVEN("source", row ".source = :source")

/* --- commands --------------------------------------------------------------------------------- */

/* A command of a closed session cannot still be running: see STATEMENT_LOGS. */
#define SUCCESS                                                                                    \
    "COALESCE(c.success, IF((SELECT e.state FROM sessions e WHERE e.session_id = c.session_id) = " \
    "'closed', 0, NULL))"

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
    WHOSE("c") GIVEN("success", SUCCESS " = :success") GIVEN("q", HOLDS_Q("c.command")) SEEN("c")

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
    "c.agent_id, c.user_id, c.username, c.source, " RFC3339("c.executed_at") ", " SUCCESS ", "     \
    "c.exit_code FROM commands c LEFT JOIN machines m ON " MACHINE_OF("c") " WHERE c.id IN ({:id})"

/* In the order of ids. Also returns rows that the filters exclude, so that a follower moves on. */
#define FOLLOW_COMMANDS                                                                            \
    "SELECT c.id, (TRUE " GIVEN("session", "c.session_id = :session") COMMANDS_FILTER ") "         \
    "FROM commands c FORCE INDEX (PRIMARY) WHERE c.id > :after_id ORDER BY c.id LIMIT :limit"

#define NEXT_TENANT_OF_COMMANDS(index, condition)                                                  \
    "SELECT MIN(c.tenant_id) FROM commands c FORCE INDEX (" index ") WHERE " condition             \
    " AND c.tenant_id > :tenant"

/* --- sessions: the state leads each index ----------------------------------------------------- */

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
    GIVEN("by_user", ":by_user = (SELECT g.requested_by FROM signals g "                            \
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
    "SELECT s.id, s.session_id, s.agent_id, COALESCE(m.name, s.agent_id), s.user_id, s.username, " \
    "s.source, s.state, " RFC3339("s.started_at") ", s.browser, s.os, " RFC3339("s.ended_at") ", " \
    "s.close_reason, g.requested_by, " RFC3339("g.requested_at") ", "                              \
    RFC3339("g.delivered_at") ", g.attempts, " RFC3339("g.confirmed_at") ", g.outcome, "           \
    "g.requested_by_username, NULLIF(g.reason, ''), "                                              \
    "s.exit_code, s.not_recorded_reason IS NULL, s.not_recorded_reason, "                          \
    "s.source_address, " RFC3339("s.last_activity_at") ", "                                        \
    "COALESCE((SELECT MAX(c.seq) FROM commands c WHERE c.session_id = s.session_id), 0) "          \
    "FROM sessions s " RECEIPT_JOINS "WHERE s.id IN ({:id})"

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

const char *const statements_history[STATEMENT_COUNT] = {
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
};
