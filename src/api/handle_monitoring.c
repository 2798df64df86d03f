/* SPDX-License-Identifier: MIT */
/* The routes for monitoring. GET /health: the process is alive. GET /health/ready: the database
 * answers, with the expected schema. GET /metrics, for Prometheus: what the workers count, and the
 * state of the fleet from the database. */
#include "config.h"
#include "api/call.h"

#include <json.h>

#include "api/metrics.h"
#include "base/xalloc.h"
#include "store/dashboard.h"
#include "store/schema.h"

/* --- health ----------------------------------------------------------------------------------- */

static struct response *ok(void)
{
    struct json_object *body = json_object_new_object();

    json_object_object_add(body, "status", json_object_new_string("ok"));
    return response_json(200, body);
}

enum err handle_health(struct db *db, struct call *call, struct error *e)
{
    (void)db;
    (void)e;
    call_respond(call, ok());
    return ERR_OK;
}

enum err handle_ready(struct db *db, struct call *call, struct error *e)
{
    enum err err = schema_check(db, e);

    if (!err)
        call_respond(call, ok());
    return err;
}

/* --- metrics ---------------------------------------------------------------------------------- */

static const char media_type[] = "text/plain; version=0.0.4; charset=utf-8";

/* The first of several series with one name has their type and help. */
#define SESSIONS_FROM(id, name)                                                                    \
    [FLEET_##id] = {"vsay_active_sessions", "source=\"" name "\"", "gauge",                        \
                    "Sessions that are active, on machines that are online."}
#define MORE_SESSIONS_FROM(id, name)                                                               \
    , [FLEET_##id] = {"vsay_active_sessions", "source=\"" name "\"", NULL, NULL}

static const struct series fleet_series[FLEET_NUMBERS] = {
    [FLEET_ONLINE] = {"vsay_machines", "state=\"online\"", "gauge",
                      "Machines that are online, are offline, or have never reported."},
    [FLEET_OFFLINE] = {"vsay_machines", "state=\"offline\"", NULL, NULL},
    [FLEET_NEVER] = {"vsay_machines", "state=\"never\"", NULL, NULL},
    [FLEET_DROPPED] = {"vsay_commands_dropped", NULL, "gauge",
                       "Commands that agents dropped because their spools were full: the sum over "
                       "the machines that exist, since they were added."},
    PROTOCOL_SOURCES(SESSIONS_FROM, MORE_SESSIONS_FROM),
    [FLEET_PENDING] = {"vsay_terminations_pending", NULL, "gauge",
                       "Sessions whose end was requested and that may still run."},
    [FLEET_OLDEST_PENDING] = {"vsay_terminations_oldest_pending_seconds", NULL, "gauge",
                              "Age of the oldest such request; 0: there is none."},
    [FLEET_RECENT_PENDING] =
        {"vsay_terminations_recent", "outcome=\"pending\"", "gauge",
         "Outcomes of the 1,000 terminations requested last, or of all if there are fewer."},
    [FLEET_RECENT_CONFIRMED] = {"vsay_terminations_recent", "outcome=\"confirmed\"", NULL, NULL},
    [FLEET_RECENT_VANISHED] = {"vsay_terminations_recent", "outcome=\"vanished\"", NULL, NULL},
    [FLEET_RECENT_EXPIRED] = {"vsay_terminations_recent", "outcome=\"expired\"", NULL, NULL},
};

/* `fleet` is NULL when the database is unavailable. Its numbers are left out then, and not 0: an
 * alert on machines that are offline must not end because nobody can count them. */
static struct response *page(const uint64_t *fleet)
{
    static const struct series up = {
        "vsay_database_up", NULL, "gauge",
        "1: the database answered. 0: it did not, and the numbers it would give are missing."};
    char *text = NULL;
    size_t length = 0;
    FILE *out = xmemstream(&text, &length);

    metrics_write_series(out, &up, 1, (const uint64_t[]){fleet != NULL});
    if (fleet)
        metrics_write_series(out, fleet_series, FLEET_NUMBERS, fleet);
    metrics_write(out);
    xfclose(out);
    return response_text(200, media_type, text, length);
}

enum err handle_metrics(struct db *db, struct call *call, struct error *e)
{
    uint64_t fleet[FLEET_NUMBERS];
    enum err err = dashboard_fleet(db, fleet, e);

    if (!err)
        call_respond(call, page(fleet));
    return err;
}

/* Without the database, the workers' own numbers matter most. */
struct response *unavailable_metrics(const struct call *call)
{
    (void)call;
    return page(NULL);
}
