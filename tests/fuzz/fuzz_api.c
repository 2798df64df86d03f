/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "fuzz_api.h"

#include <json.h>
#include <string.h>
#include <time.h>

#include "api/worker.h"
#include "api/dispatch.h"
#include "api/reply.h"
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
        if (role <= ROLE_SUPER_ADMIN) { /* tokens of machines and of Prometheus tell neither */
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

struct worker *fuzz_worker(void)
{
    static struct worker worker = {.settings = &settings};
    struct error e = {0};

    if (worker.auth)
        return &worker;
    char *secret = fuzz_path("key"), *conf = fuzz_path("vsay.conf");
    char *text = xasprintf("[api]\ncors_origins = https://a.example\n[auth]\nkeys = k1:HS256:%s\n",
                           secret);
    fuzz_write(secret, SECRET, strlen(SECRET));
    fuzz_write(conf, text, strlen(text));
    MUST(settings_load(NULL, conf, 0, &settings, &e) == ERR_OK);
    MUST(auth_new(&settings, conf, &worker.auth, &e) == ERR_OK);
    mint();
    free(text);
    free(conf);
    free(secret);
    return &worker;
}

const char *fuzz_bearer(const char *role)
{
    enum role found;

    fuzz_worker();
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

/* --- what comes back ------------------------------------------------------------------------- */

static void check_body(const struct reply *reply)
{
    struct json_tokener *tokener = json_tokener_new();

    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT);
    struct json_object *body =
        json_tokener_parse_ex(tokener, reply->body, (int)reply->body_length);
    MUST(json_object_is_type(body, json_type_object));
    json_object_put(body);
    json_tokener_free(tokener);
}

static void check_reply(const struct reply *reply, const struct request *request)
{
    char head[REPLY_HEAD_MAX];
    size_t length = reply_head(reply, request, &settings, head);

    MUST(reply->status == 200 || reply->status == 204 ||
         (reply->status >= 400 && reply->status <= 499));
    MUST(length < sizeof head && memcmp(head + length - 4, "\r\n\r\n", 4) == 0);
    if (reply->body)
        check_body(reply);
    reply_log(reply, request);
}

static void check_question(const struct question *question)
{
    char key[QUESTION_KEY_MAX];

    MUST(question->outcome == OUTCOME_WAIT && question->route);
    question_key(question, key);
    if (question->route->roles != ANYONE)
        MUST(question->route->roles & 1u << question->who.role);
    if (strstr(question->route->pattern, ":id"))
        MUST(ident_valid(question->id, strlen(question->id)));
    if (question->route->batch && !question->route->shared)
        MUST(question->weight > 0);
}

/* As if the database had admitted each agent. */
static struct question *dispatch(struct request *request)
{
    struct question *question = question_new();

    dispatch_request(fuzz_worker(), request, question);
    if (question->outcome == OUTCOME_CONTINUE)
        dispatch_continue(request, question);
    return question;
}

void fuzz_dispatch(struct request *request)
{
    struct question *question = dispatch(request);

    if (question->outcome == OUTCOME_DONE)
        check_reply(question->reply, request);
    else
        check_question(question);
    question_free(question);
}

/* --- the agent's reports --------------------------------------------------------------------- */

static struct question *ask(const char *path, const char *body)
{
    struct text text = {body, strlen(body)};
    char *script = xasprintf("SCRIPT_NAME=%s", path);
    char *token = xasprintf("HTTP_AUTHORIZATION=%s", fuzz_bearer("agent"));
    char method[] = "REQUEST_METHOD=POST";
    char *envp[] = {method, script, token, NULL};
    struct request request;
    struct error e = {0};

    MUST(request_parse(&request, envp, "", fuzz_read_body, &text, &e) == ERR_OK);
    struct question *question = dispatch(&request);
    if (question->outcome == OUTCOME_DONE)
        fprintf(stderr, "refused: %s: %.*s\n", body, (int)question->reply->body_length,
                question->reply->body);
    MUST(question->outcome == OUTCOME_WAIT);
    free(token);
    free(script);
    return question;
}

static void takes_command(const char *line)
{
    char *body = xasprintf("{\"activities\":[%s]}", line);
    struct question *question = ask("/api/agent/activity", body);
    const struct activity *activity = question->report;

    MUST(activity->count == 1);
    if (activity->entries[0].fault)
        fprintf(stderr, "refused: %s: %s\n", body, activity->entries[0].fault);
    MUST(!activity->entries[0].fault);
    question_free(question);
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
    question_free(ask(path, line));
    free(path);
}
