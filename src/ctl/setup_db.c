/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "ctl/setup_db.h"

#include <stdlib.h>
#include <string.h>

#include <mysqld_error.h>

#include "base/xalloc.h"

/* A string literal. A backslash escapes in the session's sql_mode. The caller frees it. */
static char *quote(const char *text)
{
    char *out = xcalloc(2, strlen(text) + 2), *end = out;

    *end++ = '\'';
    for (; *text; text++) {
        if (*text == '\'' || *text == '\\')
            *end++ = '\\';
        *end++ = *text;
    }
    *end = '\'';
    return out;
}

static char *quote_account(struct account account)
{
    char *user = quote(account.user), *host = quote(account.host);
    char *out = xasprintf("%s@%s", user, host);

    free(user);
    free(host);
    return out;
}

/* --- the database ---------------------------------------------------------------------------- */

enum err setup_database(struct db *admin, const char *name, bool *made, struct error *e)
{
    char *found = NULL;
    char *look = xasprintf("SELECT SCHEMA_NAME FROM information_schema.SCHEMATA "
                           "WHERE SCHEMA_NAME = '%s'",
                           name);
    char *create = xasprintf("CREATE DATABASE `%s` CHARACTER SET utf8mb4", name);
    enum err err = db_run_value(admin, look, &found, e);

    *made = !err && !found;
    if (*made)
        err = db_run_script(admin, create, e);
    if (err && e->db_number == ER_DB_CREATE_EXISTS) /* created by another process meanwhile */
        err = ERR_OK;
    free(found);
    free(look);
    free(create);
    return err;
}

/* --- users ----------------------------------------------------------------------------------- */

enum err setup_client_host(struct db *admin, char **out, struct error *e)
{
    *out = xstrdup("localhost");
    return db_run_value(admin, "SELECT SUBSTRING_INDEX(USER(), '@', -1)", out, e);
}

enum err setup_account(struct db *admin, struct account account, const char *password,
                       enum account_state *state, struct error *e)
{
    char *name = quote_account(account), *quoted = quote(password);
    char *sql = xasprintf("CREATE USER %s IDENTIFIED BY %s", name, quoted);
    struct error ignored = {0}; /* newer servers lack this variable */

    db_run_script(admin, "SET SESSION old_passwords = 0", &ignored);
    enum err err = db_run_script(admin, sql, e);

    *state = ACCOUNT_MADE;
    if (err && e->db_number == ER_CANNOT_USER) {
        *state = ACCOUNT_THERE;
        err = ERR_OK;
    } else if (err && (e->db_number == ER_SPECIFIC_ACCESS_DENIED_ERROR ||
                       e->db_number == ER_DBACCESS_DENIED_ERROR ||
                       e->db_number == ER_TABLEACCESS_DENIED_ERROR)) {
        *state = ACCOUNT_REFUSED;
        err = ERR_OK;
    }
    explicit_bzero(sql, strlen(sql));
    explicit_bzero(quoted, strlen(quoted));
    free(sql);
    free(quoted);
    free(name);
    return err;
}

enum err setup_log_in(const struct settings *ctx, const char *user, const char *password,
                      struct error *e)
{
    struct settings settings = *ctx;
    char *name = xstrdup(user), none[] = "";

    settings.db.user = name;
    settings.db.password = password;
    settings.db.name = none;
    struct db *db = db_new(&settings);
    enum err err = db_connect(db, e);
    db_free(db);
    free(name);
    return err;
}

/* --- grants ---------------------------------------------------------------------------------- */

/* Replaces `from` with `to` everywhere. The caller frees the result. */
static char *replace(const char *text, const char *from, const char *to)
{
    char *out = NULL;
    size_t length = 0;
    FILE *stream = xmemstream(&out, &length);

    for (const char *found; (found = strstr(text, from)); text = found + strlen(from))
        fprintf(stream, "%.*s%s", (int)(found - text), text, to);
    fputs(text, stream);
    xfclose(stream);
    return out;
}

enum err setup_grant(struct db *admin, const char *grants, const char *as_written,
                     struct account account, struct error *e)
{
    char *from = xasprintf("%s@localhost", as_written), *to = quote_account(account);
    char *sql = replace(grants, from, to);
    enum err err = db_run_script(admin, sql, e);

    free(sql);
    free(from);
    free(to);
    return err;
}
