/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "fuzz_api.h"

#include <json.h>
#include <string.h>
#include <time.h>

#include "api/connection.h"
#include "api/dispatch.h"
#include "api/response.h"
#include "base/xalloc.h"
#include "common/keyring.h"
#include "common/token.h"
#include "store/agents.h"

#define SECRET "0123456789abcdef0123456789abcdef"

enum { DAYS_30 = 30 * 86400 };

static struct settings settings;
static char *bearers[ROLE_COUNT];

static void mint(void)
{
    struct keyring *ring;
    struct error e = {0};

    MUST(keyring_load(&settings.auth.keys, &ring, &e) == ERR_OK);
    for (int role = 0; role < ROLE_COUNT; role++) {
        struct principal who = {.role = (enum role)role, .user_id = "u1", .generation = 1};
        if (role <= ROLE_SUPER_ADMIN) { /* tokens of machines and of Prometheus have neither */
            strcpy(who.tenant_id, "t1");
            strcpy(who.username, "anna");
        }
        char *token;
        MUST(token_mint(&settings, ring, &who, time(NULL), DAYS_30, &token, &e) == ERR_OK);
        bearers[role] = xasprintf("Bearer %s", token);
        free(token);
    }
    keyring_free(ring);
}

struct io_shared *fuzz_shared(void)
{
    static struct io_shared shared = {.settings = &settings};
    struct error e = {0};

    if (shared.auth)
        return &shared;
    char *secret = fuzz_path("key"), *conf = fuzz_path("vsay.conf");
    char *text =
        xasprintf("[api]\ncors_origins = https://a.example\n[auth]\nkeys = k1:HS256:%s\n", secret);
    fuzz_write(secret, SECRET, strlen(SECRET));
    fuzz_write(conf, text, strlen(text));
    MUST(settings_load(NULL, conf, 0, &settings, &e) == ERR_OK);
    MUST(auth_new(&settings, conf, &shared.auth, &e) == ERR_OK);
    mint();
    free(text);
    free(conf);
    free(secret);
    return &shared;
}

const char *fuzz_bearer(const char *role)
{
    enum role found;

    fuzz_shared();
    return role_from_name(role, &found) ? bearers[found] : NULL;
}

long fuzz_read_body(void *gateway, char *buffer, size_t size)
{
    struct text *text = gateway;
    size_t n = text->length < size ? text->length : size;

    if (n)
        memcpy(buffer, text->bytes, n);
    text->bytes += n;
    text->length -= n;
    return (long)n;
}

/* --- checks ----------------------------------------------------------------------------------- */

static void check_body(const struct response *response)
{
    struct json_tokener *tokener = json_tokener_new();

    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT);
    struct json_object *body =
        json_tokener_parse_ex(tokener, response->body, (int)response->body_length);
    MUST(json_object_is_type(body, json_type_object));
    json_object_put(body);
    json_tokener_free(tokener);
}

static void check_response(const struct response *response, const struct request *request)
{
    char head[RESPONSE_HEAD_MAX];
    size_t length = response_head(response, request, &settings, head);

    MUST(response->status == 200 || response->status == 204 ||
         (response->status >= 400 && response->status <= 499));
    MUST(length < sizeof head && memcmp(head + length - 4, "\r\n\r\n", 4) == 0);
    if (response->body)
        check_body(response);
    response_log(response, request);
}

static void check_call(const struct call *call)
{
    char key[CALL_KEY_MAX];

    MUST(call->outcome == OUTCOME_WAIT && call->route);
    call_key(call, key);
    if (call->route->roles != ANYONE)
        MUST(call->route->roles & 1u << call->who.role);
    if (strstr(call->route->pattern, ":id"))
        MUST(ident_valid(call->id, strlen(call->id)));
    if (call->route->batch && !call->route->shared)
        MUST(call->weight > 0);
}

/* As if the database had admitted the agent. */
static struct call *dispatch(struct request *request)
{
    struct call *call = call_new();

    dispatch_request(&settings, fuzz_shared()->auth, request, call);
    if (call->outcome == OUTCOME_CONTINUE)
        dispatch_continue(request, call);
    return call;
}

void fuzz_dispatch(struct request *request)
{
    struct call *call = dispatch(request);

    if (call->outcome == OUTCOME_DONE)
        check_response(call->response, request);
    else
        check_call(call);
    call_free(call);
}

/* --- reports of agents ------------------------------------------------------------------------ */

static struct call *post(const char *path, const char *body)
{
    struct text text = {body, strlen(body)};
    char *script = xasprintf("SCRIPT_NAME=%s", path);
    char *token = xasprintf("HTTP_AUTHORIZATION=%s", fuzz_bearer("agent"));
    char method[] = "REQUEST_METHOD=POST";
    char *envp[] = {method, script, token, NULL};
    struct request request;
    struct error e = {0};

    MUST(request_parse(&request, envp, "", fuzz_read_body, &text, &e) == ERR_OK);
    struct call *call = dispatch(&request);
    if (call->outcome == OUTCOME_DONE)
        fprintf(stderr, "refused: %s: %.*s\n", body, (int)call->response->body_length,
                call->response->body);
    MUST(call->outcome == OUTCOME_WAIT);
    free(token);
    free(script);
    return call;
}

static void takes_command(const char *line)
{
    char *body = xasprintf("{\"activities\":[%s]}", line);
    struct call *call = post("/api/agent/activity", body);
    const struct activity *activity = call->report;

    MUST(activity->count == 1);
    if (activity->entries[0].fault)
        fprintf(stderr, "refused: %s: %s\n", body, activity->entries[0].fault);
    MUST(!activity->entries[0].fault);
    call_free(call);
    free(body);
}

void fuzz_api_takes(const char *type, const char *session_id, const char *line)
{
    if (strcmp(type, "command") == 0) {
        takes_command(line);
        return;
    }
    char *path = strcmp(type, "open") == 0 ? xstrdup("/api/agent/sessions")
                                           : xasprintf("/api/agent/sessions/%s/end", session_id);
    call_free(post(path, line));
    free(path);
}
