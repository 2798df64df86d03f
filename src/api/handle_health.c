/* SPDX-License-Identifier: MIT */
/* GET /health: the process is alive. GET /health/ready: the database answers, with the expected
 * schema. */
#include "config.h"
#include "api/handlers.h"

#include <json.h>

#include "store/schema.h"

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
