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

enum err answer_health(struct db *db, struct question *question, struct error *e)
{
    (void)db;
    (void)e;
    question_answer(question, ok());
    return ERR_OK;
}

enum err answer_ready(struct db *db, struct question *question, struct error *e)
{
    enum err err = schema_check(db, e);

    if (!err)
        question_answer(question, ok());
    return err;
}
