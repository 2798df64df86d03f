/* SPDX-License-Identifier: MIT */
/* The rules that several SQL statements share: liveness, scope, formats of time. Each is written
 * once, as text to be joined to a statement: a wrong copy of the scope rule would show one customer
 * what another one runs. Only the statements*.c include this. */
#ifndef STORE_STATEMENTS_RULES_H
#define STORE_STATEMENTS_RULES_H

#include "store/statements.h"

/* SQL is laid out by hand. */
/* clang-format off */

/* The liveness rule: a machine is online until :offline_after seconds after its last heartbeat, by
 * the database's clock. Each query computes it, so that no job has to mark machines as offline, and
 * no response is wrong because that job is late. */
#define ONLINE_SINCE "UTC_TIMESTAMP(3) - INTERVAL :offline_after SECOND"
#define ONLINE "m.last_heartbeat_at >= " ONLINE_SINCE

/* --- scope ------------------------------------------------------------------------------------ */

/* Rights to see rows. A tenant is a wall: each condition on a user or a machine comes with its
 * tenant, since user ids may be equal in two tenants, and a machine's id may be given to another
 * tenant. */

/* The machine of a row. */
#define MACHINE_OF(row) "m.agent_id = " row ".agent_id AND m.tenant_id = " row ".tenant_id"

/* Machines, by the caller's kind of scope. AND or ORDER BY may follow. Owners have a machine_access
 * row too, so that one join finds both owned and granted machines. */
#define MACHINES_ALL "FROM machines m WHERE TRUE "
#define MACHINES_TENANT "FROM machines m WHERE m.tenant_id = :tenant "
#define MACHINES_USER                                                                              \
    "FROM machine_access a "                                                                       \
    "JOIN machines m ON m.agent_id = a.agent_id AND m.tenant_id = a.tenant_id "                    \
    "WHERE a.tenant_id = :tenant AND a.user_id = :user "

/* The same for several callers. (tenant_id, user_id) IN (...) would not be read as a range of an
 * index, so users of one batch are of one tenant. */
#define OF_USERS "a.tenant_id = :tenant AND a.user_id IN ({:user}) "
#define MACHINES_TENANTS "FROM machines m WHERE m.tenant_id IN ({:tenant}) "
#define MACHINES_USERS                                                                             \
    "FROM machine_access a "                                                                       \
    "JOIN machines m ON m.agent_id = a.agent_id AND m.tenant_id = a.tenant_id WHERE " OF_USERS

/* One session, :session. The last column says whether the caller may close it. */
#define ONE_SESSION_ALL(columns, joins)                                                            \
    "SELECT " columns ", TRUE FROM sessions s " joins "WHERE s.session_id = :session"
#define ONE_SESSION_TENANT(columns, joins)                                                         \
    ONE_SESSION_ALL(columns, joins) " AND s.tenant_id = :tenant"
#define ONE_SESSION_USER(columns, joins)                                                           \
    "SELECT " columns ", s.user_id = :user OR COALESCE(a.relation = 'owner', FALSE) "              \
    "FROM sessions s " joins "LEFT JOIN machine_access a "                                         \
    "ON a.tenant_id = :tenant AND a.user_id = :user AND a.agent_id = s.agent_id "                  \
    "WHERE s.session_id = :session AND s.tenant_id = :tenant "                                     \
    "AND (s.user_id = :user OR a.user_id IS NOT NULL)"

/* Rows of sessions or commands, by whatever index they were found. NULL means no restriction. */
#define SEEN(row)                                                                                  \
    "AND (:tenant IS NULL OR " row ".tenant_id = :tenant) "                                        \
    "AND (:user IS NULL OR " row ".user_id = :user OR EXISTS (SELECT 1 FROM machine_access a "     \
    "WHERE a.tenant_id = :tenant AND a.user_id = :user AND a.agent_id = " row ".agent_id)) "

/* --- states, times, filters ------------------------------------------------------------------- */

/* A session whose end has not been reported. */
#define OPEN "s.state IN ('active', 'closing')"

#define RFC3339(column) "DATE_FORMAT(" column ", '%Y-%m-%dT%H:%i:%sZ')"
#define SECONDS(time) "TIMESTAMPDIFF(SECOND, '1970-01-01', " time ")"
#define MICROSECONDS(time) "DATE_FORMAT(" time ", '%Y-%m-%dT%H:%i:%s.%f')"

/* A condition that counts only when its parameter is given. So one prepared statement serves every
 * combination of filters. */
#define GIVEN(parameter, condition) "AND (:" parameter " IS NULL OR " condition ") "

/* A substring in any case, compared letter by letter: the column's collation would take different
 * letters for equal. */
#define HOLDS_Q(text) "LOCATE(LOWER(CONVERT(:q USING utf8mb4)) COLLATE utf8mb4_bin, LOWER(" text ")) > 0"

/* clang-format on */

extern const char *const statements_sessions[STATEMENT_COUNT];
extern const char *const statements_agents[STATEMENT_COUNT];
extern const char *const statements_machines[STATEMENT_COUNT];

#endif
