/* SPDX-License-Identifier: MIT */
/* What a command works on: the configuration, and the database that it names. */
#ifndef CTL_SITE_H
#define CTL_SITE_H

#include "ctl/ctl.h"
#include "store/audit.h"
#include "store/db.h"

struct site {
    struct settings settings;
    struct db *db;
};

/* Loads the configuration, connects and checks the schema. The caller calls site_close, on error
 * too. */
enum err site_open(struct site *site, const struct call *call, struct error *e);
void site_close(struct site *site);

/* site_open, db_run and site_close. */
enum err site_run(const struct call *call, enum db_mode mode, db_body *body, void *context,
                  struct error *e);

/* Who runs vsayctl: the user id is "vsayctl", the name that of the login. */
struct principal site_operator(void);

/* Adds to the audit what the operator has done; `done` tells all but who and how long ago. To be
 * run in the transaction that does it. */
enum err site_audit(struct db *db, const struct audit_entry *done, struct error *e);

#endif
