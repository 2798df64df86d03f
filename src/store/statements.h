/* SPDX-License-Identifier: MIT */
/* Every SQL statement, with named parameters. */
#ifndef STORE_STATEMENTS_H
#define STORE_STATEMENTS_H

#include <stddef.h>
#include <stdint.h>

#include "store/scope.h"

/* `:name` in a statement is the parameter of that name. */
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
    PARAM_NAME,
    PARAM_GENERATION,
    PARAM_RELATION,
    PARAM_OLDER_THAN, /* s */
    PARAM_AFTER_AT,
    PARAM_AFTER_ID,
    PARAM_UPTO_AT,
    PARAM_UPTO_ID,
    PARAM_AGENT_0, /* ... PARAM_AGENT_0 + 9 */
    PARAM_COUNT = PARAM_AGENT_0 + 10
};

extern const char *const param_names[PARAM_COUNT];

/* A scoped statement is three, in the order of enum scope_kind: add the kind to its name. */
enum statement {
    STATEMENT_SCHEMA_VERSION,
    STATEMENT_CLOCK,
    STATEMENT_STATS,
    STATEMENT_RECENT_MACHINES = STATEMENT_STATS + SCOPE_COUNT,
    STATEMENT_ACTIVE_SESSIONS = STATEMENT_RECENT_MACHINES + SCOPE_COUNT,
    STATEMENT_RECENT_COMMANDS = STATEMENT_ACTIVE_SESSIONS + SCOPE_COUNT,
    STATEMENT_BUSY_MACHINES = STATEMENT_RECENT_COMMANDS + SCOPE_COUNT,
    STATEMENT_CLOSING_RIGHT,
    STATEMENT_CLOSE_SESSION = STATEMENT_CLOSING_RIGHT + SCOPE_COUNT,
    STATEMENT_ADD_SIGNAL,

    STATEMENT_LIST_MACHINES,
    STATEMENT_ADD_MACHINE,
    STATEMENT_REMOVE_MACHINE,
    STATEMENT_REMOVE_ACCESS,
    STATEMENT_CLOSE_REMOVED,
    STATEMENT_VANISH_REMOVED,
    STATEMENT_ROTATE_TOKEN,
    STATEMENT_TOKEN_GENERATION,
    STATEMENT_MACHINE_TENANT,
    STATEMENT_GRANT,
    STATEMENT_REVOKE,
    STATEMENT_OPEN_SESSIONS,
    STATEMENT_FIND_SESSION,
    STATEMENT_PURGE_BEFORE,
    STATEMENT_LOST_SESSIONS,
    STATEMENT_CLOSE_LOST,
    STATEMENT_PURGE_COMMANDS_PAGE,
    STATEMENT_PURGE_COMMANDS,
    STATEMENT_PURGE_SESSIONS_PAGE,
    STATEMENT_PURGE_RECEIPTS,
    STATEMENT_PURGE_SESSIONS,
    STATEMENT_COUNT
};

extern const char *const statements[STATEMENT_COUNT];

enum { STATEMENT_PARAMS_MAX = 32 }; /* placeholders in one statement */

/* Translates named parameters to `?` for the wire. order[] receives the parameter of each
 * placeholder; returns how many there are. The caller frees *sql. */
size_t statement_translate(const char *named, char **sql, enum param order[STATEMENT_PARAMS_MAX]);

#endif
