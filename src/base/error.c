/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/log.h"

/* The levels: info for a client's mistakes, which anybody can make at will; warning for what passes
 * by itself or concerns one machine; error for what an operator must look at. The messages are for
 * the user of a client: they say nothing about tables, files or libraries. */
static const struct error_info infos[ERR_COUNT] = {
    [ERR_OK] = {"ok", 200, LEVEL_DEBUG, "OK", NULL},
    [ERR_REQUEST] = {"request", 400, LEVEL_INFO, "Bad request", NULL},
    [ERR_CREDENTIALS] = {"credentials", 400, LEVEL_INFO, "More than one credential",
                         "invalid_request"},
    [ERR_NO_TOKEN] = {"no_token", 401, LEVEL_INFO, "Authentication required", ""},
    [ERR_TOKEN] = {"token", 401, LEVEL_INFO, "Invalid or expired token", "invalid_token"},
    [ERR_FORBIDDEN] = {"forbidden", 403, LEVEL_INFO, "Forbidden", "insufficient_scope"},
    [ERR_NOT_FOUND] = {"not_found", 404, LEVEL_INFO, "Not found", NULL},
    [ERR_METHOD] = {"method", 405, LEVEL_INFO, "Method not allowed", NULL},
    [ERR_TOO_LARGE] = {"too_large", 413, LEVEL_INFO, "Request body too large", NULL},
    [ERR_INSTANCE] = {"instance", 409, LEVEL_WARNING,
                      "Another instance of this machine's agent reports with its token", NULL},
    [ERR_FULL] = {"full", 429, LEVEL_WARNING, "Too many sessions of this machine are open", NULL},
    [ERR_INTERNAL] = {"internal", 500, LEVEL_ERROR, "Internal error", NULL},
    [ERR_DB] = {"db", 500, LEVEL_ERROR, "Internal error", NULL},
    [ERR_DB_DATA] = {"db_data", 400, LEVEL_WARNING, "This cannot be stored", NULL},
    [ERR_DB_BUSY] = {"db_busy", 503, LEVEL_WARNING, "Service unavailable", NULL},
    [ERR_DB_CONFLICT] = {"db_conflict", 503, LEVEL_WARNING, "Try again", NULL},
    [ERR_DB_AWAY] = {"db_away", 503, LEVEL_WARNING, "Service unavailable", NULL},
    [ERR_DB_SCHEMA] = {"db_schema", 503, LEVEL_WARNING, "Service unavailable", NULL},
    [ERR_BUSY] = {"busy", 503, LEVEL_WARNING, "Too many requests are waiting", NULL},
    [ERR_DEADLINE] = {"deadline", 503, LEVEL_WARNING, "Not answered in time", NULL},
    [ERR_STOPPING] = {"stopping", 503, LEVEL_WARNING, "Service is stopping", NULL},
    [ERR_CONFIG] = {"config", 500, LEVEL_ERROR, "Internal error", NULL},
    [ERR_IO] = {"io", 500, LEVEL_ERROR, "Internal error", NULL},
};

const struct error_info *error_info(enum err code)
{
    return &infos[(unsigned)code < ERR_COUNT ? code : ERR_INTERNAL];
}

static void set(struct error *e, enum err code, const char *format, va_list args)
    __attribute__((format(printf, 3, 0)));

static void set(struct error *e, enum err code, const char *format, va_list args)
{
    if (!e)
        return;
    e->code = code;
    e->public_message = NULL;
    e->detail_is_public = false;
    e->db_number = 0;
    vsnprintf(e->detail, sizeof e->detail, format, args);
}

enum err error_set(struct error *e, enum err code, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    set(e, code, format, args);
    va_end(args);
    return code;
}

enum err error_public(struct error *e, enum err code, const char *public_message)
{
    error_set(e, code, "%s", public_message);
    if (e)
        e->public_message = public_message;
    return code;
}

enum err error_public_format(struct error *e, enum err code, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    set(e, code, format, args);
    va_end(args);
    if (e)
        e->detail_is_public = true;
    return code;
}
