/* SPDX-License-Identifier: MIT */
/* The context of a command: the configuration, and a connection to its database.
 *
 * vsayctl uses the service's own configuration and statements, and works on the database even while
 * no worker runs. So an operator's command and a user's request follow the same rules. What an
 * operator changes goes to the audit like what a user does. */
#ifndef CTL_CONTEXT_H
#define CTL_CONTEXT_H

#include "ctl/ctl.h"
#include "store/audit.h"
#include "store/db.h"

struct context {
    struct settings settings;
    struct db *db;
};

/* Loads the configuration, connects and checks the schema. The caller calls context_close, also on
 * error. */
enum err context_open(struct context *ctx, const struct invocation *invocation, struct error *e);
void context_close(struct context *ctx);

/* Runs `body` in a context of its own: context_open, db_run, context_close. */
enum err context_run(const struct invocation *invocation, enum db_mode mode, db_body *body,
                     void *context, struct error *e);

/* The principal that runs vsayctl: its user id is "vsayctl", its name the login's. */
struct principal context_operator(void);

/* Adds an action of the operator to the audit log; fills in the actor. Call it in the transaction
 * of the action, so that neither is stored without the other. */
enum err context_audit(struct db *db, const struct audit_entry *done, struct error *e);

#endif
