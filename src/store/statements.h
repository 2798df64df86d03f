/* SPDX-License-Identifier: MIT */
/* Every SQL statement, with named parameters. */
#ifndef STORE_STATEMENTS_H
#define STORE_STATEMENTS_H

#include <stddef.h>
#include <stdint.h>

#include "store/scope.h"

/* `:name` in a statement is the parameter of that name. Text in braces stands for as many pieces as
 * there are rows, with commas between them, or UNION ALL between SELECTs: such a statement is run
 * by db_bulk. */
enum param {
    PARAM_TENANT,
    PARAM_USER,
    PARAM_OFFLINE_AFTER, /* s */
    PARAM_SESSION,
    PARAM_AGENT,
    PARAM_OF_USER,
    PARAM_SOURCE,
    PARAM_BEFORE_AT,
    PARAM_BEFORE_ID,
    PARAM_LIMIT,
    PARAM_BY_USER,
    PARAM_BY_USERNAME,
    PARAM_REASON,
    PARAM_USERNAME,
    PARAM_BROWSER,
    PARAM_OS,
    PARAM_SOURCE_ADDRESS,
    PARAM_AT,
    PARAM_SEQ,
    PARAM_EXIT_CODE,
    PARAM_CPU,
    PARAM_MEMORY,
    PARAM_DISK,
    PARAM_DROPPED,
    PARAM_COMMAND,
    PARAM_SUCCESS,
    PARAM_ID,
    PARAM_OUTCOME,
    PARAM_NOT_RECORDED,
    PARAM_LEASE,   /* s */
    PARAM_EXPIRES, /* s */
    PARAM_NAME,
    PARAM_GENERATION,
    PARAM_RELATION,
    PARAM_OLDER_THAN, /* s */
    PARAM_AFTER_AT,
    PARAM_AFTER_ID,
    PARAM_UPTO_AT,
    PARAM_UPTO_ID,
    PARAM_INSTANCE,
    PARAM_AGE, /* ms */
    PARAM_ROLE,
    PARAM_ACTION,
    PARAM_DETAIL,
    PARAM_REQUEST,
    PARAM_STATE,
    PARAM_Q,
    PARAM_FROM,
    PARAM_TO,
    PARAM_SKIP,
    PARAM_AGENT_0, /* ... PARAM_AGENT_0 + 9 */
    PARAM_COUNT = PARAM_AGENT_0 + 10
};

extern const char *const param_names[PARAM_COUNT];

/* The kinds of ranges of an index in which history is searched; each that a statement is for has a
 * form of it. */
enum range_kind {
    RANGE_ALL,
    RANGE_TENANT,
    RANGE_USER,    /* in one tenant */
    RANGE_MACHINE, /* in one tenant */
    RANGE_ITEM,    /* of commands: a session's; of sessions: those that one user asked to end */
    RANGE_COUNT
};

/* A scoped statement is three, in the order of enum scope_kind: add the kind to its name. Some are
 * five: those for several callers (callers_statement) follow, whose first column tells whose each
 * row is. */
enum statement {
    STATEMENT_SCHEMA_VERSION,
    STATEMENT_CLOCK,
    STATEMENT_BINLOG,
    STATEMENT_FLEET_MACHINES,
    STATEMENT_FLEET_SESSIONS,
    STATEMENT_STATS,
    STATEMENT_RECENT_MACHINES = STATEMENT_STATS + SCOPE_FORMS,
    STATEMENT_ACTIVE_SESSIONS = STATEMENT_RECENT_MACHINES + SCOPE_FORMS,
    STATEMENT_RECENT_COMMANDS = STATEMENT_ACTIVE_SESSIONS + SCOPE_FORMS,
    STATEMENT_BUSY_MACHINES = STATEMENT_RECENT_COMMANDS + SCOPE_COUNT,
    STATEMENT_BUSY_MACHINES_OF_USERS,
    STATEMENT_NEWEST_OF_TENANTS,
    STATEMENT_NEWEST_OF_USERS,
    STATEMENT_NEWEST_ON_MACHINES,
    STATEMENT_COMMANDS,
    STATEMENT_CLOSING_RIGHT,
    STATEMENT_CLOSE_SESSION = STATEMENT_CLOSING_RIGHT + SCOPE_COUNT,
    STATEMENT_ADD_SIGNAL,
    STATEMENT_RECEIPT,
    STATEMENT_LOGS = STATEMENT_RECEIPT + SCOPE_COUNT,
    STATEMENT_BOUND_COMMANDS,
    STATEMENT_FIND_COMMANDS = STATEMENT_BOUND_COMMANDS + RANGE_COUNT,
    STATEMENT_NEXT_TENANT_OF_COMMANDS = STATEMENT_FIND_COMMANDS + RANGE_COUNT,
    STATEMENT_HISTORY_COMMANDS = STATEMENT_NEXT_TENANT_OF_COMMANDS + 2, /* of user, of machine */
    STATEMENT_BOUND_SESSIONS,
    STATEMENT_FIND_SESSIONS = STATEMENT_BOUND_SESSIONS + RANGE_COUNT,
    STATEMENT_NEXT_TENANT_OF_SESSIONS = STATEMENT_FIND_SESSIONS + RANGE_COUNT,
    STATEMENT_HISTORY_SESSIONS = STATEMENT_NEXT_TENANT_OF_SESSIONS + 2,
    STATEMENT_ACCESSIBLE,
    STATEMENT_AGENTS,
    STATEMENT_LOCK_AGENTS,
    STATEMENT_AGENT,
    STATEMENT_REFUSE_INSTANCE,
    STATEMENT_HEARTBEATS,
    STATEMENT_OPEN_SESSIONS,
    STATEMENT_CLOSED_SESSIONS,
    STATEMENT_HELD_SESSIONS,
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
    STATEMENT_ADD_AUDIT,
    STATEMENT_DUE_SIGNALS,
    STATEMENT_LEASE_SIGNALS,
    STATEMENT_DUE_AGENTS,
    STATEMENT_EXPIRED,

    STATEMENT_LIST_MACHINES,
    STATEMENT_ADD_MACHINE,
    STATEMENT_REMOVE_MACHINE,
    STATEMENT_REMOVE_ACCESS,
    STATEMENT_CLOSE_REMOVED,
    STATEMENT_VANISH_REMOVED,
    STATEMENT_ROTATE_TOKEN,
    STATEMENT_FORGET_OPENINGS,
    STATEMENT_TOKEN_GENERATION,
    STATEMENT_MACHINE_TENANT,
    STATEMENT_GRANT,
    STATEMENT_REVOKE,
    STATEMENT_LIST_SESSIONS,
    STATEMENT_FIND_SESSION,
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
    STATEMENT_COUNT
};

extern const char *const statements[STATEMENT_COUNT];

enum { STATEMENT_PARAMS_MAX = 48 }; /* placeholders in one statement */

/* Finds the next parameter in a statement's text from `from`, which is not within quotes, up to
 * `to`. Returns where its colon is, or `to` if there is none; *after is what follows its name. */
const char *statement_next_param(const char *from, const char *to, enum param *param,
                                 const char **after);

/* Translates named parameters to `?` for the wire. order[] receives the parameter of each
 * placeholder; returns how many there are. The caller frees *sql. */
size_t statement_translate(const char *named, char **sql, enum param order[STATEMENT_PARAMS_MAX]);

#endif
