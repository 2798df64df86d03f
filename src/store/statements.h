/* SPDX-License-Identifier: MIT */
/* The SQL statements, as text with named parameters. SQL elsewhere only sets up a session
 * (db_connect.c), checks the schema (schema.c), migrates, or sets the service up (vsayctl setup).
 *
 * Each statement is one constant in a statements_*.c, a file per subject. So all SQL can be
 * reviewed in one place. A statement is prepared once per connection, or db_bulk repeats a part of
 * it for many rows. The scope rule, who may see what, is part of the statements and is written
 * once, in statements_rules.h.
 *
 * The same text runs on MariaDB 10.x, on MySQL 5.6 and later, and on Galera. That rules out
 * RETURNING, window functions, CTEs, row aliases in ON DUPLICATE KEY UPDATE, and SKIP LOCKED.
 *
 * `:name` in a statement is the parameter of that name. Text in braces is repeated for each row,
 * with commas between, or UNION ALL between SELECTs; db_bulk runs such a statement. */
#ifndef STORE_STATEMENTS_H
#define STORE_STATEMENTS_H

#include <stddef.h>
#include <stdint.h>

/* clang-format off */

/* The parameters: PARAM_TENANT stands for `:tenant`. Code relies on the order of CPU, MEMORY and
 * DISK in sums, minima and maxima, and of AGENT_0 to AGENT_9. */
#define STATEMENT_PARAMS(X)                       \
    X(TENANT, "tenant")                           \
    X(USER, "user")                               \
    X(OFFLINE_AFTER, "offline_after") /* s */     \
    X(SESSION, "session")                         \
    X(AGENT, "agent")                             \
    X(OF_USER, "of_user")                         \
    X(SOURCE, "source")                           \
    X(BEFORE_AT, "before_at")                     \
    X(BEFORE_ID, "before_id")                     \
    X(LIMIT, "limit")                             \
    X(BY_USER, "by_user")                         \
    X(BY_USERNAME, "by_username")                 \
    X(REASON, "reason")                           \
    X(USERNAME, "username")                       \
    X(BROWSER, "browser")                         \
    X(OS, "os")                                   \
    X(SOURCE_ADDRESS, "source_address")           \
    X(AT, "at")                                   \
    X(SEQ, "seq")                                 \
    X(EXIT_CODE, "exit_code")                     \
    X(CPU, "cpu")                                 \
    X(MEMORY, "memory")                           \
    X(DISK, "disk")                               \
    X(DROPPED, "dropped")                         \
    X(COMMAND, "command")                         \
    X(SUCCESS, "success")                         \
    X(ID, "id")                                   \
    X(OUTCOME, "outcome")                         \
    X(NOT_RECORDED, "not_recorded")               \
    X(LEASE, "lease") /* s */                     \
    X(EXPIRES, "expires") /* s */                 \
    X(NAME, "name")                               \
    X(GENERATION, "generation")                   \
    X(RELATION, "relation")                       \
    X(OLDER_THAN, "older_than") /* s */           \
    X(AFTER_AT, "after_at")                       \
    X(AFTER_ID, "after_id")                       \
    X(UPTO_AT, "upto_at")                         \
    X(UPTO_ID, "upto_id")                         \
    X(INSTANCE, "instance")                       \
    X(AGE, "age") /* ms */                        \
    X(ROLE, "role")                               \
    X(ACTION, "action")                           \
    X(DETAIL, "detail")                           \
    X(REQUEST, "request")                         \
    X(STATE, "state")                             \
    X(Q, "q")                                     \
    X(FROM, "from")                               \
    X(TO, "to")                                   \
    X(USAGE_NOW, "usage_now")                     \
    X(STEP, "step")                               \
    X(SLOT, "slot")                               \
    X(SLOT_AT, "slot_at")                         \
    X(LONG_SLOT, "long_slot")                     \
    X(LONG_SLOT_AT, "long_slot_at")               \
    X(SAMPLES, "samples")                         \
    X(CPU_SUM, "cpu_sum")                         \
    X(MEMORY_SUM, "memory_sum")                   \
    X(DISK_SUM, "disk_sum")                       \
    X(CPU_MIN, "cpu_min")                         \
    X(MEMORY_MIN, "memory_min")                   \
    X(DISK_MIN, "disk_min")                       \
    X(CPU_MAX, "cpu_max")                         \
    X(MEMORY_MAX, "memory_max")                   \
    X(DISK_MAX, "disk_max")                       \
    X(WIDTH, "width")                             \
    X(SINCE, "since")                             \
    X(NOW, "now")                                 \
    X(STATUS, "status")                           \
    X(UPTO_AGENT, "upto_agent")                   \
    X(SKIP, "skip")                               \
    X(AGENT_0, "agent_0")                         \
    X(AGENT_1, "agent_1")                         \
    X(AGENT_2, "agent_2")                         \
    X(AGENT_3, "agent_3")                         \
    X(AGENT_4, "agent_4")                         \
    X(AGENT_5, "agent_5")                         \
    X(AGENT_6, "agent_6")                         \
    X(AGENT_7, "agent_7")                         \
    X(AGENT_8, "agent_8")                         \
    X(AGENT_9, "agent_9")

/* clang-format on */

enum param {
#define STATEMENT_PARAM(name, text) PARAM_##name,
    STATEMENT_PARAMS(STATEMENT_PARAM)
#undef STATEMENT_PARAM
        PARAM_COUNT
};

/* The rows that a caller may see. Each kind has its own form of the statement, since each is served
 * by another index. */
enum scope_kind {
    SCOPE_ALL,    /* super_admin: all tenants */
    SCOPE_TENANT, /* company_admin: its tenant */
    SCOPE_USER,   /* user: in its tenant, its own sessions and the machines it has access to */
    SCOPE_COUNT,
    SCOPE_TENANTS = SCOPE_COUNT, /* several callers of SCOPE_TENANT ... */
    SCOPE_USERS,                 /* ... or of SCOPE_USER, all of one tenant */
    SCOPE_FORMS
};

/* The kinds of index ranges that history searches. A statement about history has a form for
 * each. */
enum range_kind {
    RANGE_ALL,
    RANGE_TENANT,
    RANGE_USER,    /* in one tenant */
    RANGE_MACHINE, /* in one tenant */
    RANGE_ITEM,    /* of commands: a session's; of sessions: those that one user terminated */
    RANGE_COUNT
};

/* A statement with a scope has SCOPE_COUNT forms, in the order of enum scope_kind: add the kind to
 * its name. Some have SCOPE_FORMS: the further forms load rows for several callers at once, and
 * their first column says whose each row is (see callers_statement). */
enum statement {
    /* statements_sessions.c */
    STATEMENT_ACTIVE_SESSIONS,
    STATEMENT_CLOSING_RIGHT = STATEMENT_ACTIVE_SESSIONS + SCOPE_FORMS,
    STATEMENT_CLOSE_SESSION = STATEMENT_CLOSING_RIGHT + SCOPE_COUNT,
    STATEMENT_ADD_SIGNAL,
    STATEMENT_RECEIPT,
    STATEMENT_LOGS = STATEMENT_RECEIPT + SCOPE_COUNT,
    STATEMENT_LIST_SESSIONS,
    STATEMENT_LIST_ALL_SESSIONS,
    STATEMENT_FIND_SESSION,
    STATEMENT_BOUND_COMMANDS,
    STATEMENT_FIND_COMMANDS = STATEMENT_BOUND_COMMANDS + RANGE_COUNT,
    STATEMENT_NEXT_TENANT_OF_COMMANDS = STATEMENT_FIND_COMMANDS + RANGE_COUNT,
    STATEMENT_HISTORY_COMMANDS = STATEMENT_NEXT_TENANT_OF_COMMANDS + 2,
    STATEMENT_NEWEST_COMMAND,
    STATEMENT_FOLLOW_COMMANDS,
    STATEMENT_BOUND_SESSIONS,
    STATEMENT_FIND_SESSIONS = STATEMENT_BOUND_SESSIONS + RANGE_COUNT,
    STATEMENT_NEXT_TENANT_OF_SESSIONS = STATEMENT_FIND_SESSIONS + RANGE_COUNT,
    STATEMENT_HISTORY_SESSIONS = STATEMENT_NEXT_TENANT_OF_SESSIONS + 2,
    STATEMENT_ACCESSIBLE,
    STATEMENT_ADD_AUDIT,
    STATEMENT_AUDIT,
    STATEMENT_AUDIT_OF_USER,
    STATEMENT_AUDIT_END,
    STATEMENT_AUDIT_OF_SESSION,
    STATEMENT_PURGE_BEFORE,
    STATEMENT_LOST_SESSIONS,
    STATEMENT_CLOSE_LOST,
    STATEMENT_PURGE_COMMANDS_PAGE,
    STATEMENT_PURGE_COMMANDS,
    STATEMENT_PURGE_SESSIONS_PAGE,
    STATEMENT_PURGE_RECEIPTS,
    STATEMENT_PURGE_SESSIONS,
    STATEMENT_PURGE_AUDIT_PAGE,
    STATEMENT_PURGE_AUDIT,

    /* statements_agents.c */
    STATEMENT_AGENTS,
    STATEMENT_LOCK_AGENTS,
    STATEMENT_AGENT,
    STATEMENT_REFUSE_INSTANCE,
    STATEMENT_HEARTBEATS,
    STATEMENT_OPEN_SESSIONS,
    STATEMENT_CLOSED_SESSIONS,
    STATEMENT_SESSION_STATES,
    STATEMENT_REASONS,
    STATEMENT_SIGNALLED,
    STATEMENT_GIVE_UP_SESSIONS,
    STATEMENT_GIVE_UP_SIGNALS,
    STATEMENT_COUNT_DELIVERY,
    STATEMENT_OPEN_SESSION,
    STATEMENT_COUNT_OPEN,
    STATEMENT_NOT_RECORDED,
    STATEMENT_SESSION,
    STATEMENT_END_SESSION,
    STATEMENT_CONFIRM_SIGNAL,
    STATEMENT_SESSIONS,
    STATEMENT_ADD_COMMANDS,
    STATEMENT_LAST_COMMANDS,
    STATEMENT_SESSIONS_ACTIVE,
    STATEMENT_DUE_SIGNALS,
    STATEMENT_LEASE_SIGNALS,
    STATEMENT_DUE_AGENTS,
    STATEMENT_EXPIRED,

    /* statements_machines.c */
    STATEMENT_STATS,
    STATEMENT_RECENT_MACHINES = STATEMENT_STATS + SCOPE_FORMS,
    STATEMENT_BUSY_MACHINES = STATEMENT_RECENT_MACHINES + SCOPE_FORMS,
    STATEMENT_BUSY_MACHINES_OF_USERS,
    STATEMENT_RECENT_COMMANDS,
    STATEMENT_NEWEST_OF_TENANTS = STATEMENT_RECENT_COMMANDS + SCOPE_COUNT,
    STATEMENT_NEWEST_OF_USERS,
    STATEMENT_NEWEST_ON_MACHINES,
    STATEMENT_COMMANDS,
    STATEMENT_FLEET_MACHINES,
    STATEMENT_FLEET_SESSIONS,
    STATEMENT_FIND_MACHINES,
    STATEMENT_FIND_MACHINES_END = STATEMENT_FIND_MACHINES + SCOPE_COUNT,
    STATEMENT_FIND_MACHINE = STATEMENT_FIND_MACHINES_END + SCOPE_COUNT,
    STATEMENT_MACHINE_ACCESS = STATEMENT_FIND_MACHINE + SCOPE_COUNT,
    STATEMENT_STORE_USAGE,
    STATEMENT_MACHINE_AGE,
    STATEMENT_MACHINE_USAGE = STATEMENT_MACHINE_AGE + SCOPE_COUNT,
    STATEMENT_CLAIM_FLEET_SLOT,
    STATEMENT_SAMPLE_ALL,
    STATEMENT_SAMPLE_TENANTS,
    STATEMENT_SAMPLE_USERS,
    STATEMENT_TENANTS,
    STATEMENT_FLEET_USAGE,
    STATEMENT_LIST_MACHINES,
    STATEMENT_ADD_MACHINE,
    STATEMENT_REMOVE_MACHINE,
    STATEMENT_REMOVE_USAGE,
    STATEMENT_REMOVE_FLEETS,
    STATEMENT_REMOVE_FLEET,
    STATEMENT_REMOVE_ACCESS,
    STATEMENT_CLOSE_REMOVED,
    STATEMENT_VANISH_REMOVED,
    STATEMENT_ROTATE_TOKEN,
    STATEMENT_FORGET_OPENINGS,
    STATEMENT_TOKEN_GENERATION,
    STATEMENT_MACHINE_TENANT,
    STATEMENT_GRANT,
    STATEMENT_REVOKE,
    STATEMENT_COUNT
};

enum { STATEMENT_PARAMS_MAX = 48 }; /* placeholders in one statement */

/* The text of a statement, with named parameters. */
const char *statement_text(int statement);

/* Finds the next parameter between `from`, which is not within quotes, and `to`. Returns its colon,
 * or `to` if there is none; *after points behind its name. */
const char *statement_next_param(const char *from, const char *to, enum param *param,
                                 const char **after);

/* Translates named parameters to `?` for the wire. order[] receives the parameter of each
 * placeholder. Returns their number. The caller frees *sql. */
size_t statement_translate(const char *named, char **sql, enum param order[STATEMENT_PARAMS_MAX]);

#endif
