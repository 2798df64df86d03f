/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "ctl/site.h"

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
