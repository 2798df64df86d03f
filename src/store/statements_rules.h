/* SPDX-License-Identifier: MIT */
/* The rules that several SQL statements share: liveness, scope, formats of time. Each is written
 * once, as text to be joined to a statement. Only the statements*.c include this. */
#ifndef STORE_STATEMENTS_RULES_H
#define STORE_STATEMENTS_RULES_H

#include "store/statements.h"

/* SQL is laid out by hand. */
/* clang-format off */

/* The liveness rule: a machine is online until :offline_after seconds after its last heartbeat. */
#define ONLINE_SINCE "UTC_TIMESTAMP(3) - INTERVAL :offline_after SECOND"
#define ONLINE "m.last_heartbeat_at >= " ONLINE_SINCE
#define OFFLINE "(m.last_heartbeat_at < " ONLINE_SINCE " OR m.last_heartbeat_at IS NULL)"

/* The scope rule for machines. AND or ORDER BY may follow each of these. */
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

/* The machine of a row. A removed machine's id may have been given to another tenant's. */
#define MACHINE_OF(row) "m.agent_id = " row ".agent_id AND m.tenant_id = " row ".tenant_id"

/* A session that holds a place on its machine. */
#define OPEN "s.state IN ('active', 'closing')"

#define RFC3339(column) "DATE_FORMAT(" column ", '%Y-%m-%dT%H:%i:%sZ')"
#define SECONDS(time) "TIMESTAMPDIFF(SECOND, '1970-01-01', " time ")"
#define MICROSECONDS(time) "DATE_FORMAT(" time ", '%Y-%m-%dT%H:%i:%s.%f')"

/* A condition that counts only when its parameter is given. */
#define GIVEN(parameter, condition) "AND (:" parameter " IS NULL OR " condition ") "

/* A substring in any case, compared letter by letter: the column's collation would take different
 * letters for equal. */
#define HOLDS_Q(text) "LOCATE(LOWER(CONVERT(:q USING utf8mb4)) COLLATE utf8mb4_bin, LOWER(" text ")) > 0"

/* clang-format on */

extern const char *const statements_dashboard[STATEMENT_COUNT];
extern const char *const statements_sessions[STATEMENT_COUNT];
extern const char *const statements_agents[STATEMENT_COUNT];
extern const char *const statements_machines[STATEMENT_COUNT];

#endif
