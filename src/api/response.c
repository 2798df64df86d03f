/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "api/response.h"

#include <json.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/xalloc.h"

static struct response *response_new(int status)
{
    struct response *response = xcalloc(1, sizeof *response);

    atomic_init(&response->references, 1);
    response->status = status;
    return response;
}

/* Text is made at once: it is written by an io thread, which should not spend time on it, and is
 * shared by all calls with the same response. */
struct response *response_json(int status, struct json_object *body)
{
    struct response *response = response_new(status);
    const char *text = json_object_to_json_string_length(
        body, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &response->body_length);

    response->type = "application/json";
    response->body = xstrndup(text, response->body_length);
    json_object_put(body);
    return response;
}

struct response *response_text(int status, const char *type, char *body, size_t length)
{
    struct response *response = response_new(status);

    response->type = type;
    response->body = body;
    response->body_length = length;
    return response;
}

struct response *response_message(int status, const char *message)
{
    struct json_object *body = json_object_new_object();

    json_object_object_add(body, "message", json_object_new_string(message));
    return response_json(status, body);
}

/* A detail is for the log: it may hold SQL, paths or what a library said. Only a message that was
 * written for clients gets to them. */
static const char *public_message(const struct error_info *info, const struct error *e)
{
    if (e && e->detail_is_public)
        return e->detail;
    return e && e->public_message ? e->public_message : info->message;
}

struct response *response_error(enum err code, const struct error *e)
{
    const struct error_info *info = error_info(code);
    struct json_object *body = json_object_new_object();

    json_object_object_add(body, "error", json_object_new_string(public_message(info, e)));
    struct response *response = response_json(info->status, body);
    response->error = code;
    if (e)
        snprintf(response->detail, sizeof response->detail, "%s", e->detail);
    return response;
}

struct response *response_method(unsigned allow)
{
    struct response *response = response_error(ERR_METHOD, NULL);

    response->allow = allow;
    return response;
}

/* A preflight has no body and no token (see "CORS protocol" in the Fetch standard). */
struct response *response_preflight(unsigned allow)
{
    struct response *response = response_new(204);

    response->allow = allow;
    response->preflight = true;
    return response;
}

struct response *response_cookie(const char *token, int64_t until)
{
    struct response *response = response_new(204);

    response->cookie = xstrdup(token);
    response->cookie_until = until;
    return response;
}

struct response *response_hold(struct response *response)
{
    atomic_fetch_add(&response->references, 1);
    return response;
}

void response_release(struct response *response)
{
    if (!response || atomic_fetch_sub(&response->references, 1) > 1)
        return;
    free(response->next);
    free(response->body);
    free(response->cookie);
    free(response);
}

/* --- the header ------------------------------------------------------------------------------- */

/* A buffer of fixed size. What does not fit is left out, and not cut in half. */
struct head {
    char *text;
    size_t length;
};

static void add(struct head *head, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add(struct head *head, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    int n = vsnprintf(head->text + head->length, RESPONSE_HEAD_MAX - head->length, format, args);
    va_end(args);
    if (n > 0 && head->length + (size_t)n < RESPONSE_HEAD_MAX)
        head->length += (size_t)n;
}

/* RFC 3875 section 6.3.3 wants a reason phrase in Status. */
static const char *reason(int status)
{
    static const struct {
        int status;
        const char *reason;
    } reasons[] = {
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {409, "Conflict"},
        {413, "Content Too Large"},
        {429, "Too Many Requests"},
        {500, "Internal Server Error"},
        {503, "Service Unavailable"},
    };

    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++) {
        if (reasons[i].status == status)
            return reasons[i].reason;
    }
    return "";
}

/* The names of `allow`, separated by commas, as Allow and CORS want them. */
static void add_methods(struct head *head, const char *name, unsigned allow)
{
    static const struct {
        enum method method;
        const char *name;
    } names[] = {{METHOD_GET, "GET"},
                 {METHOD_HEAD, "HEAD"},
                 {METHOD_POST, "POST"},
                 {METHOD_DELETE, "DELETE"}};
    const char *separator = "";

    add(head, "%s: ", name);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (allow & names[i].method) {
            add(head, "%s%s", separator, names[i].name);
            separator = ", ";
        }
    }
    add(head, "\r\n");
}

bool response_allows_origin(const struct settings *settings, const char *origin)
{
    const struct strlist *origins = &settings->api.cors_origins;

    for (size_t i = 0; origin && i < origins->count; i++) {
        if (strcmp(origins->items[i], origin) == 0)
            return true;
    }
    return false;
}

/* CORS, https://fetch.spec.whatwg.org/#http-cors-protocol. Vary is sent to all clients as soon as
 * there is a list of origins, since a cache must not give one origin's response to another. */
static void add_cors(struct head *head, const struct response *response,
                     const struct request *request, const struct settings *settings)
{
    if (settings->api.cors_origins.count)
        add(head, "Vary: Origin\r\n");
    if (!response_allows_origin(settings, request->origin))
        return;
    add(head, "Access-Control-Allow-Origin: %s\r\n", request->origin);
    if (!response->preflight) {
        add(head, "Access-Control-Expose-Headers: X-Request-Id, Preference-Applied, Link\r\n");
        return;
    }
    add_methods(head, "Access-Control-Allow-Methods", response->allow);
    add(head, "Access-Control-Allow-Headers: Authorization, Content-Type, Prefer\r\n"
              "Access-Control-Max-Age: 600\r\n");
}

/* The link to the next page of a list (RFC 8288). */
static void add_next(struct head *head, const struct response *response,
                     const struct request *request, const struct settings *settings)
{
    const char *prefix = "";
    int length = request_prefix(request, settings->api.prefix, &prefix);

    add(head, "Link: <%.*s%s?%s>; rel=\"next\"\r\n", length, prefix, request->path, response->next);
}

/* The cookie depends on the request: its name says whether the browser uses TLS, and its path is
 * the one that the client sees. */
static void add_cookie(struct head *head, const struct response *response,
                       const struct request *request, const struct settings *settings)
{
    char line[COOKIE_LINE_MAX];

    cookie_format(request, settings, response->cookie, response->cookie_until, line);
    add(head, "Set-Cookie: %s\r\n", line);
}

/* RFC 6750 section 3: a request without a token gets no error code, so that a client can tell "log
 * in" from "log in again". */
static void add_challenge(struct head *head, const char *code)
{
    add(head, "WWW-Authenticate: Bearer realm=\"vsay\"");
    if (*code)
        add(head, ", error=\"%s\"", code);
    add(head, "\r\n");
}

/* no-store: responses are for one caller, and fresh. Retry-After tells clients when a refusal for
 * load is worth another try. */
size_t response_head(const struct response *response, const struct request *request,
                     const struct settings *settings, char out[RESPONSE_HEAD_MAX])
{
    struct head head = {.text = out};
    const struct error_info *info = error_info(response->error);

    add(&head, "Status: %d %s\r\n", response->status, reason(response->status));
    if (response->body)
        add(&head, "Content-Type: %s\r\nContent-Length: %zu\r\n", response->type,
            response->body_length);
    add(&head, "Cache-Control: no-store\r\nX-Request-Id: %s\r\n", request->id);
    if (response->error && info->challenge)
        add_challenge(&head, info->challenge);
    if (response->status == 503 || response->status == 429)
        add(&head, "Retry-After: 1\r\n");
    if (response->negotiated)
        add(&head, "Vary: Accept\r\n");
    if (response->next)
        add_next(&head, response, request, settings);
    if (response->waited)
        add(&head, "Preference-Applied: wait=%ld\r\n", response->waited);
    if (response->allow && !response->preflight)
        add_methods(&head, "Allow", response->allow);
    if (response->cookie)
        add_cookie(&head, response, request, settings);
    add_cors(&head, response, request, settings);
    add(&head, "\r\n");
    return head.length;
}

size_t response_body_length(const struct response *response, const struct request *request)
{
    return request->method == METHOD_HEAD ? 0 : response->body_length;
}

/* At debug, a request that succeeded has a line too. Whether a line is wanted is checked first,
 * since this runs for each request. */
void response_log(const struct response *response, const struct request *request)
{
    enum log_level level =
        response->error ? (enum log_level)error_info(response->error)->level : LEVEL_DEBUG;

    if (!log_wants(level))
        return;
    const char *error = error_info(response->error)->name;
    if (*response->detail)
        log_event(level, "request", "id=%s status=%d path=\"%s\" error=%s detail=\"%s\"",
                  request->id, response->status, request->path, error, response->detail);
    else if (response->error)
        log_event(level, "request", "id=%s status=%d path=\"%s\" error=%s", request->id,
                  response->status, request->path, error);
    else
        log_event(level, "request", "id=%s status=%d path=\"%s\"", request->id, response->status,
                  request->path);
}
