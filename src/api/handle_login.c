/* SPDX-License-Identifier: MIT */
/* GET, POST and DELETE /api/login: a browser exchanges its bearer token for a cookie, asks who it
 * is, and deletes the cookie. None of them needs the database, and vsay stores nothing: the cookie
 * is the token, and ends with it. */
#include "config.h"
#include "api/call.h"

#include <json.h>
#include <stdlib.h>
#include <time.h>

#include "api/auth.h"
#include "base/xalloc.h"

enum { BODY_MAX = 4096 /* bytes of a body that is ignored */ };

static struct json_object *time_of(int64_t seconds)
{
    char text[sizeof "9999-12-31T23:59:59Z"];
    time_t time = seconds;
    struct tm utc;

    gmtime_r(&time, &utc);
    strftime(text, sizeof text, "%FT%TZ", &utc);
    return json_object_new_string(text);
}

/* A page cannot read a token that is in a cookie, so it asks here. */
enum err handle_whoami(struct db *db, struct call *call, struct error *e)
{
    const struct principal *who = &call->who;
    struct json_object *body = json_object_new_object();

    (void)db, (void)e;
    json_object_object_add(body, "user_id", json_object_new_string(who->user_id));
    json_object_object_add(body, "username", json_object_new_string(who->username));
    json_object_object_add(body, "role", json_object_new_string(role_names[who->role]));
    json_object_object_add(body, "tenant_id", json_object_new_string(who->tenant_id));
    json_object_object_add(body, "expires_at", time_of(who->expires_at));
    call_respond(call, response_json(200, body));
    return ERR_OK;
}

/* Without this, any page could log its visitors in as somebody else, or out. Logging out needs no
 * token: a cookie whose token has expired must go too. */
static enum err check_origin(struct request *request, struct error *e)
{
    enum err err = request_discard_body(request, BODY_MAX, e);

    if (err || cookie_is_ours(request))
        return err;
    return error_public(e, ERR_FORBIDDEN,
                        "Only for pages of this origin: send Vsay-Request: 1 to say so");
}

/* Needs a bearer token: a cookie would only get itself again. */
enum err parse_login(struct request *request, struct call *call, struct error *e)
{
    const char *token = NULL;
    enum err err = check_origin(request, e);

    if (!err)
        err = auth_bearer(request, &token, e);
    if (err)
        return err;
    if (!cookie_takes(request, token))
        return error_public(e, ERR_REQUEST,
                            "The token is too large for a cookie, which may have 4096 bytes");
    call->report = xstrdup(token);
    call->report_free = free;
    return ERR_OK;
}

enum err handle_login(struct db *db, struct call *call, struct error *e)
{
    (void)db, (void)e;
    call_respond(call, response_cookie(call->report, call->who.expires_at));
    return ERR_OK;
}

enum err parse_logout(struct request *request, struct call *call, struct error *e)
{
    (void)call;
    return check_origin(request, e);
}

enum err handle_logout(struct db *db, struct call *call, struct error *e)
{
    (void)db, (void)e;
    call_respond(call, response_cookie("", 0));
    return ERR_OK;
}
