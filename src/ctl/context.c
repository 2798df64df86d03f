/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "ctl/context.h"

#include <stdio.h>
#include <unistd.h>

#include "store/schema.h"

enum err context_open(struct context *ctx, const struct invocation *invocation, struct error *e)
{
    ctx->db = NULL;
    enum err err = settings_load("vsayctl", invocation->config, SETTINGS_DB, &ctx->settings, e);
    if (err)
        return err;
    ctx->db = db_new(&ctx->settings);
    err = db_connect(ctx->db, e);
    if (!err) /* else the first statement would fail, with a message about a column */
        err = schema_check(ctx->db, e);
    return err;
}

void context_close(struct context *ctx)
{
    db_free(ctx->db);
    settings_free(&ctx->settings);
}

enum err context_run(const struct invocation *invocation, enum db_mode mode, db_body *body,
                     void *context, struct error *e)
{
    struct context ctx;
    enum err err = context_open(&ctx, invocation, e);

    if (!err)
        err = db_run(ctx.db, mode, body, context, e);
    context_close(&ctx);
    return err;
}

struct principal context_operator(void)
{
    /* The login is a hint for people, not proof: an operator with the database's password is
     * whoever they say they are. */
    struct principal who = {.role = ROLE_SUPER_ADMIN, .user_id = "vsayctl"};
    const char *login = getlogin();

    snprintf(who.username, sizeof who.username, "%s", login ? login : who.user_id);
    return who;
}

enum err context_audit(struct db *db, const struct audit_entry *done, struct error *e)
{
    struct principal who = context_operator();
    struct audit_entry entry = *done;

    entry.who = &who;
    entry.role = "";
    entry.detail = done->detail ? done->detail : "";
    return audit_add(db, &entry, 1, e);
}
