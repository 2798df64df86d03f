/* SPDX-License-Identifier: MIT */
/* What a command works on: the configuration, and the database that it names. */
#ifndef CTL_CONTEXT_H
#define CTL_CONTEXT_H

#include "ctl/ctl.h"
#include "store/audit.h"
#include "store/db.h"

struct context {
    struct settings settings;
    struct db *db;
};

/* Loads the configuration, connects and checks the schema. The caller calls context_close, on error
 * too. */
enum err context_open(struct context *ctx, const struct invocation *invocation, struct error *e);
void context_close(struct context *ctx);

/* context_open, db_run and context_close. */
enum err context_run(const struct invocation *invocation, enum db_mode mode, db_body *body,
                     void *context, struct error *e);

/* Who runs vsayctl: the user id is "vsayctl", the name that of the login. */
struct principal context_operator(void);

/* Adds to the audit what the operator has done; `done` tells all but who and how long ago. To be
 * run in the transaction that does it. */
enum err context_audit(struct db *db, const struct audit_entry *done, struct error *e);

#endif
