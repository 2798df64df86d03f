/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "api/sampler.h"

#include "base/log.h"
#include "store/usage.h"

enum { RETRY_S = 10 /* after a database error */ };

/* One transaction per tenant, to keep each short. */
static enum err look_at_users(const struct scheduler *scheduler, struct db *db,
                              struct fleet_sample *look, struct error *e)
{
    enum err err = ERR_OK;

    for (look->tenant = 0; !err && look->tenant < look->tenants.count; look->tenant++) {
        if (coalescer_stopped(scheduler->coalescer, 0))
            break;
        err = db_run(db, DB_WRITE, usage_sample_users, look, e);
    }
    return err;
}

/* Samples once. Returns the seconds until the next sample; the connection is closed in between. */
static int sample(const struct scheduler *scheduler)
{
    struct db *db = db_new(scheduler->settings);
    struct fleet_sample look = {0};
    struct error e = {0};
    enum err err = db_run(db, DB_WRITE, usage_sample_fleets, &look, &e);

    if (!err)
        err = look_at_users(scheduler, db, &look, &e);
    if (err)
        log_event(LEVEL_WARNING, "usage", "error=%s detail=\"%s\"", error_info(err)->name,
                  e.detail);
    idents_free(&look.tenants);
    db_free(db);
    return err ? RETRY_S : (int)(USAGE_SLOT - look.now % USAGE_SLOT);
}

void sampler_run(struct scheduler *scheduler)
{
    int wait = 0;

    while (!coalescer_stopped(scheduler->coalescer, wait * 1000))
        wait = sample(scheduler);
}
