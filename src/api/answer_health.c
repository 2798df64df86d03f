/* SPDX-License-Identifier: MIT */
/* GET /health, GET /health/ready */
#include "config.h"
#include "api/answer.h"

#include <json.h>

#include "store/schema.h"

static struct reply *ok(void)
{
    struct json_object *body = json_object_new_object();

    json_object_object_add(body, "status", json_object_new_string("ok"));
    return reply_json(200, body);
}

enum err answer_health(struct db *db, const struct question *question, struct reply **reply,
                       struct error *e)
{
    (void)db;
    (void)question;
    (void)e;
    *reply = ok();
    return ERR_OK;
}

enum err answer_ready(struct db *db, const struct question *question, struct reply **reply,
                      struct error *e)
{
    (void)question;
    enum err err = schema_check(db, e);

    if (!err)
        *reply = ok();
    return err;
}
