/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "ctl/site.h"

#include <stdio.h>
#include <unistd.h>

#include "store/schema.h"

enum err site_open(struct site *site, const struct call *call, struct error *e)
{
    site->db = NULL;
    enum err err = settings_load("vsayctl", call->config, SETTINGS_DB, &site->settings, e);
    if (err)
        return err;
    site->db = db_new(&site->settings);
    err = db_connect(site->db, e);
    if (!err)
        err = schema_check(site->db, e);
    return err;
}

void site_close(struct site *site)
{
    db_free(site->db);
    settings_free(&site->settings);
}

enum err site_run(const struct call *call, enum db_mode mode, db_body *body, void *context,
                  struct error *e)
{
    struct site site;
    enum err err = site_open(&site, call, e);

    if (!err)
        err = db_run(site.db, mode, body, context, e);
    site_close(&site);
    return err;
}

struct principal site_operator(void)
{
    struct principal who = {.role = ROLE_SUPER_ADMIN, .user_id = "vsayctl"};
    const char *login = getlogin();

    snprintf(who.username, sizeof who.username, "%s", login ? login : who.user_id);
    return who;
}

enum err site_audit(struct db *db, const struct audit_entry *done, struct error *e)
{
    struct principal who = site_operator();
    struct audit_entry entry = *done;

    entry.who = &who;
    entry.role = "";
    entry.detail = done->detail ? done->detail : "";
    return audit_add(db, &entry, 1, e);
}
