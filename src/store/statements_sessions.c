/* SPDX-License-Identifier: MIT */
/* The SQL of sessions: lists, receipts and termination for users, and the operator's lists. What
 * agents report about sessions is in statements_agents.c; searches in closed ones in
 * statements_history.c. */
#include "config.h"
#include "store/statements.h"

#include "store/statements_rules.h"

/* clang-format off */

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

/* The scope rule for one session. The last column says whether the caller may close it. */
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

#define OPERATED_SESSIONS                                                                          \
    "SELECT s.session_id, s.user_id, s.agent_id, s.source, "                                       \
    "IF(s.state = 'active' AND NOT COALESCE(" ONLINE ", FALSE), 'offline', s.state), "             \
    RFC3339("s.started_at") ", s.username "                                                        \
    "FROM sessions s LEFT JOIN machines m ON " MACHINE_OF("s") " "

/* The newest sessions that match the operator's options. Each state is its own index range. */
#define CHOSEN(STATES)                                                                             \
    "SELECT s.id FROM sessions s WHERE " STATES " AND (:tenant IS NULL OR s.tenant_id = :tenant) " \
    "AND (:agent IS NULL OR s.agent_id = :agent) "                                                 \
    "AND (:of_user IS NULL OR s.user_id = :of_user) "                                              \
    "ORDER BY s.started_at DESC, s.id DESC LIMIT :limit"
#define OF_CHOSEN "c ON c.id = s.id ORDER BY s.started_at DESC, s.id DESC LIMIT :limit"

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
    /* A command of a closed session cannot still be running. Its status may have been lost, or may
     * come late; until then it is not known to have succeeded. */
    [STATEMENT_LOGS] =
        "SELECT c.command, " RFC3339("c.executed_at") ", "
        "IF(s.state = 'closed', COALESCE(c.success, FALSE), c.success) "
        "FROM sessions s JOIN commands c ON c.session_id = s.session_id "
        "WHERE s.session_id = :session ORDER BY c.seq DESC LIMIT 100",

    [STATEMENT_LIST_SESSIONS] =
        OPERATED_SESSIONS "JOIN (" CHOSEN(OPEN) ") " OF_CHOSEN,
    [STATEMENT_LIST_ALL_SESSIONS] =
        OPERATED_SESSIONS "JOIN ((" CHOSEN(OPEN) ") UNION ALL (" CHOSEN("s.state = 'closed'")
        ")) " OF_CHOSEN,
    [STATEMENT_FIND_SESSION] = OPERATED_SESSIONS "WHERE s.session_id = :session",
};
