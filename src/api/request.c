/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "api/request.h"

#include <ctype.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/xalloc.h"

static const struct {
    const char *name;
    enum method method;
} methods[] = {
    {"GET", METHOD_GET},       {"HEAD", METHOD_HEAD},       {"POST", METHOD_POST},
    {"DELETE", METHOD_DELETE}, {"OPTIONS", METHOD_OPTIONS},
};

static enum method method_by_name(const char *name)
{
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        if (strcmp(methods[i].name, name) == 0)
            return methods[i].method;
    }
    return METHOD_OTHER;
}

/* The path that the client sent ends like the path that the web server has decoded. What stands
 * before that is the prefix. It is sent back in links and cookies, so it is used only if all its
 * characters are harmless there. */
int request_prefix(const struct request *request, const char *configured, const char **prefix)
{
    static const char safe[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/_.~-";
    const char *uri = request->uri ? request->uri : "";
    size_t length = strcspn(uri, "?"), tail = strlen(request->path);

    *prefix = configured;
    if (length < tail || length > PATH_MAX_LENGTH || strspn(uri, safe) < length - tail ||
        strncmp(uri + length - tail, request->path, tail) != 0)
        return (int)strlen(configured);
    *prefix = uri;
    return (int)(length - tail);
}

const char *request_method_name(enum method method)
{
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        if (methods[i].method == method)
            return methods[i].name;
    }
    return "other";
}

/* The last of several wins, as in a process environment. */
static const char *variable(char *const *envp, const char *name)
{
    size_t length = strlen(name);
    const char *value = NULL;

    for (; *envp; envp++) {
        if (strncmp(*envp, name, length) == 0 && (*envp)[length] == '=')
            value = *envp + length + 1;
    }
    return value;
}

static atomic_uint_least64_t next_id;

static void choose_first_id(void)
{
    uint_least64_t first = 0;

    if (getrandom(&first, sizeof first, 0) != sizeof first)
        first = (uint_least64_t)time(NULL) << 32 | (uint_least64_t)getpid();
    atomic_store(&next_id, first);
}

/* A counter makes ids unique within the process, its random start among processes. A random id each
 * time would cost a system call. */
static void new_id(char id[REQUEST_ID_LENGTH + 1])
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, choose_first_id);
    snprintf(id, REQUEST_ID_LENGTH + 1, "%016llx",
             (unsigned long long)atomic_fetch_add(&next_id, 1));
}

/* The web server has decoded and normalised both parts; see docs/design.md. */
static enum err parse_path(struct request *out, char *const *envp, const char *prefix,
                           struct error *e)
{
    const char *script = variable(envp, "SCRIPT_NAME");
    const char *info = variable(envp, "PATH_INFO");
    char full[PATH_MAX_LENGTH + 1];
    int length = snprintf(full, sizeof full, "%s%s", script ? script : "", info ? info : "");

    if (length < 0 || (size_t)length >= sizeof full)
        return error_public(e, ERR_NOT_FOUND, "No such resource");
    size_t skip = strlen(prefix);
    if (strncmp(full, prefix, skip) != 0 || full[skip] != '/')
        return error_public(e, ERR_NOT_FOUND, "No such resource");
    memcpy(out->path, full + skip, (size_t)length - skip + 1);
    return ERR_OK;
}

/* strtol alone would take blanks and signs. The value decides how much is read, so it must be
 * exact. */
static enum err parse_content_length(struct request *out, const char *text, struct error *e)
{
    out->content_length = -1;
    if (!text || !*text)
        return ERR_OK;

    char *end = NULL;
    errno = 0;
    long length = strtol(text, &end, 10);
    if (!isdigit((unsigned char)*text) || *end || errno)
        return error_public(e, ERR_REQUEST, "Content-Length is not a number");
    out->content_length = length;
    return ERR_OK;
}

/* The web server's own variables come first. X-Forwarded-Proto may be forged by the client, which
 * then only gets a cookie that its own browser drops or does not send. */
static bool is_https(char *const *envp)
{
    const char *on = variable(envp, "HTTPS"), *scheme = variable(envp, "REQUEST_SCHEME");
    const char *forwarded = variable(envp, "HTTP_X_FORWARDED_PROTO");

    if (on && (strcasecmp(on, "on") == 0 || strcmp(on, "1") == 0))
        return true;
    if (scheme && strcasecmp(scheme, "https") == 0)
        return true;
    return forwarded && strncasecmp(forwarded, "https", 5) == 0 && strchr(" ,", forwarded[5]);
}

enum err request_parse(struct request *out, char *const *envp, const char *prefix,
                       body_fn *read_body, void *gateway, struct error *e)
{
    const char *method = variable(envp, "REQUEST_METHOD");
    const char *query = variable(envp, "QUERY_STRING");

    *out = (struct request){
        .received = clock_us(), .read_body = read_body, .gateway = gateway, .content_length = -1};
    new_id(out->id);
    out->query = query ? query : "";
    out->server = variable(envp, "SERVER_SOFTWARE");
    out->origin = variable(envp, "HTTP_ORIGIN");
    out->accept = variable(envp, "HTTP_ACCEPT");
    out->uri = variable(envp, "REQUEST_URI");
    out->cookies = variable(envp, "HTTP_COOKIE");
    out->fetch_site = variable(envp, "HTTP_SEC_FETCH_SITE");
    out->own_header = variable(envp, "HTTP_VSAY_REQUEST");
    out->https = is_https(envp);
    out->prefer = variable(envp, "HTTP_PREFER");
    out->instance = variable(envp, "HTTP_VSAY_INSTANCE");
    out->preflight_method = variable(envp, "HTTP_ACCESS_CONTROL_REQUEST_METHOD");
    out->authorization = variable(envp, "HTTP_AUTHORIZATION");
    if (!out->authorization || !*out->authorization)
        out->authorization = variable(envp, "REDIRECT_HTTP_AUTHORIZATION"); /* mod_rewrite */
    out->method = method_by_name(method ? method : "");

    if (!method)
        return error_set(e, ERR_REQUEST, "no REQUEST_METHOD");
    if (strlen(out->query) > QUERY_MAX_LENGTH)
        return error_public(e, ERR_REQUEST, "The query string is too long");
    enum err err = parse_content_length(out, variable(envp, "CONTENT_LENGTH"), e);
    return err ? err : parse_path(out, envp, prefix, e);
}

/* Reads the body to its end, or past `limit`. Each piece is written to `keep`, unless that is NULL.
 * The length is compared with Content-Length: a body that broke off must not be taken for a whole
 * one. */
static enum err read_body(struct request *request, size_t limit, FILE *keep, struct error *e)
{
    char buffer[4096];
    size_t total = 0;
    long n;

    if (request->content_length > 0 && (size_t)request->content_length > limit)
        return error_set(e, ERR_TOO_LARGE, "body of %ld bytes", request->content_length);
    while ((n = request->read_body(request->gateway, buffer, sizeof buffer)) > 0) {
        total += (size_t)n;
        if (total > limit)
            return error_set(e, ERR_TOO_LARGE, "body of more than %zu bytes", limit);
        if (keep)
            fwrite(buffer, 1, (size_t)n, keep);
    }
    if (n < 0)
        return error_public(e, ERR_REQUEST, "The request body broke off");
    if (request->content_length >= 0 && total != (size_t)request->content_length)
        return error_public(e, ERR_REQUEST,
                            "The request body is not as long as Content-Length says");
    return ERR_OK;
}

enum err request_discard_body(struct request *request, size_t limit, struct error *e)
{
    return read_body(request, limit, NULL, e);
}

enum err request_read_body(struct request *request, size_t limit, char **out, size_t *length,
                           struct error *e)
{
    FILE *keep = xmemstream(out, length);
    enum err err = read_body(request, limit, keep, e);

    xfclose(keep);
    return err;
}

/* The value after NAME "=" with optional white space around the sign; NULL for any other
 * preference. */
static const char *value_of(const char *preference, const char *name)
{
    if (strncasecmp(preference, name, strlen(name)) != 0)
        return NULL;
    preference += strlen(name);
    preference += strspn(preference, " \t");
    return *preference == '=' ? preference + 1 + strspn(preference + 1, " \t") : NULL;
}

/* Other preferences, and a wait that is no number, are ignored (RFC 7240 section 2). */
long request_prefers_wait(const struct request *request)
{
    const char *p = request->prefer ? request->prefer : "";

    for (p += strspn(p, " \t,"); *p; p += strcspn(p, ","), p += strspn(p, " \t,")) {
        const char *value = value_of(p, "wait");
        char *end = NULL;
        if (!value || !isdigit((unsigned char)*value))
            continue;
        long seconds = strtol(value, &end, 10);
        if (!*end || strchr(" \t,;", *end))
            return seconds;
    }
    return 0;
}
