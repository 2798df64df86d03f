/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "agent/http.h"

#include <curl/curl.h>
#include <json.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/xalloc.h"

enum {
    RESPONSE_MAX = 1024 * 1024,
    CONNECT_TIMEOUT = 10, /* s */
    PAUSE_FIRST = 1000,   /* ms; doubles up to PAUSE_MAX; the pause is drawn from PAUSE_MIN up */
    PAUSE_MIN = 100,
    PAUSE_MAX = 60000,
    TOKEN_LOOK = 1000 /* ms between looks at the token file while its token is refused */
};

struct http {
    const char *name;
    const struct agent_options *options;
    const char *instance;
    struct event_flag *event_flag;
    CURL *curl;
    CURLSH *connections;       /* the kept-alive connection, across handles */
    char why[CURL_ERROR_SIZE]; /* libcurl's reason of the last failure */
    char *response;
    size_t length;
    struct timespec token_changed; /* the token file's mtime when it was read */
    ino_t token_inode;
    unsigned failures; /* in a row */
    char *trouble;     /* the failure that was logged last; NULL while vsay is up */
};

enum err http_library_init(struct error *e)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT))
        return error_set(e, ERR_INTERNAL, "cannot initialise libcurl");
    return ERR_OK;
}

void http_library_end(void)
{
    curl_global_cleanup();
}

/* --- the connection -------------------------------------------------------------------------- */

/* Collects the response. A larger one than RESPONSE_MAX is an error: it is not vsay's, and must not
 * fill the memory. */
static size_t on_bytes(char *bytes, size_t size, size_t count, void *user)
{
    struct http *http = user;
    size_t length = size * count;

    if (length > RESPONSE_MAX - http->length)
        return 0;
    http->response = xrealloc(http->response, http->length + length + 1);
    memcpy(http->response + http->length, bytes, length);
    http->length += length;
    http->response[http->length] = '\0';
    return length;
}

/* libcurl calls this at least once a second, which is how EVENT_STOP interrupts a long poll. */
static int on_progress(void *user, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    const struct http *http = user;

    (void)a, (void)b, (void)c, (void)d;
    return event_flag_stopped(http->event_flag);
}

/* Makes a new easy handle for each request. If a handle is reused and the next response begins
 * with a folded header line, libcurl 7.88 reads a freed header (found by fuzzing). The connection
 * is kept all the same: it is in the share. */
static void renew_handle(struct http *http)
{
    const char *ca_file = http->options->agent.ca_file;

    curl_easy_cleanup(http->curl); /* NULL is fine */
    http->curl = curl_easy_init();
    if (!http->curl)
        abort(); /* out of memory */
    curl_easy_setopt(http->curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(http->curl, CURLOPT_ERRORBUFFER, http->why);
    curl_easy_setopt(http->curl, CURLOPT_USERAGENT, "vsay-agent/" PACKAGE_VERSION);
    curl_easy_setopt(http->curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (*ca_file)
        curl_easy_setopt(http->curl, CURLOPT_CAINFO, ca_file);
    /* HTTP/1.1: the connection is silent between requests, which has_leftovers relies on */
    curl_easy_setopt(http->curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(http->curl, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_TIMEOUT);
    curl_easy_setopt(http->curl, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(http->curl, CURLOPT_WRITEFUNCTION, on_bytes);
    curl_easy_setopt(http->curl, CURLOPT_WRITEDATA, http);
    curl_easy_setopt(http->curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(http->curl, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(http->curl, CURLOPT_XFERINFODATA, http);
    curl_easy_setopt(http->curl, CURLOPT_SHARE, http->connections);
}

/* Gives up the kept connection, whatever may still arrive on it. */
static void connect_anew(struct http *http)
{
    curl_easy_cleanup(http->curl);
    http->curl = NULL;
    curl_share_cleanup(http->connections); /* NULL is fine */
    http->connections = curl_share_init();
    if (!http->connections)
        abort(); /* out of memory */
    curl_share_setopt(http->connections, CURLSHOPT_SHARE, CURL_LOCK_DATA_CONNECT);
    renew_handle(http);
}

struct http *http_new(const char *name, const struct agent_options *options, const char *instance,
                      struct event_flag *event_flag)
{
    struct http *http = xcalloc(1, sizeof *http);

    http->name = name;
    http->options = options;
    http->instance = instance;
    http->event_flag = event_flag;
    connect_anew(http);
    return http;
}

void http_free(struct http *http)
{
    if (!http)
        return;
    curl_easy_cleanup(http->curl);
    curl_share_cleanup(http->connections);
    free(http->response);
    free(http->trouble);
    free(http);
}

/* --- a request ------------------------------------------------------------------------------- */

/* Returns whether bytes, or the end of the connection, have arrived since the last response. One
 * that arrives twice would be taken for the next one; libcurl before 8.0 does not check. */
static bool has_leftovers(const struct http *http)
{
    curl_socket_t fd = CURL_SOCKET_BAD;

    if (curl_easy_getinfo(http->curl, CURLINFO_ACTIVESOCKET, &fd) || fd == CURL_SOCKET_BAD)
        return false;
    return poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, 0) > 0;
}

/* Returns whether the token file was replaced or written to since it was read. */
static bool token_changed(const struct http *http)
{
    struct stat st;

    return stat(http->options->agent.token_file, &st) == 0 &&
           (st.st_ino != http->token_inode || st.st_mtim.tv_sec != http->token_changed.tv_sec ||
            st.st_mtim.tv_nsec != http->token_changed.tv_nsec);
}

/* Returns the header `Authorization: Bearer ...`, or NULL without a usable token. */
static char *read_credential(const char *path, struct error *e)
{
    char *token = NULL, *header = NULL;

    if (agent_options_read_token(path, &token, e))
        return NULL;
    header = xasprintf("Authorization: Bearer %s", token);
    explicit_bzero(token, strlen(token));
    free(token);
    return header;
}

/* A core dump, or memory that is used again, must not contain the token. */
static void forget_credential(char *credential)
{
    explicit_bzero(credential, strlen(credential));
    free(credential);
}

/* Reads the token anew for each request: so an administrator replaces the file, and needs no
 * restart. Notes which file it was, for wait_for_token. */
static char *load_credential(struct http *http, struct error *e)
{
    const char *path = http->options->agent.token_file;
    struct stat st = {0};

    stat(path, &st);
    http->token_changed = st.st_mtim;
    http->token_inode = st.st_ino;
    return read_credential(path, e);
}

static struct curl_slist *make_headers(const struct http *http, const char *credential)
{
    struct curl_slist *headers = curl_slist_append(NULL, credential);
    char *instance = xasprintf("Vsay-Instance: %s", http->instance);

    headers = curl_slist_append(headers, instance);
    headers = curl_slist_append(headers, "Content-Type: application/json");
    headers = curl_slist_append(headers, "Expect:"); /* do not wait for 100 Continue */
    free(instance);
    return headers;
}

/* Sends the request over the kept connection, if nothing has arrived on it meanwhile. */
static CURLcode perform(struct http *http, const char *credential,
                        const struct http_request *request)
{
    char *url = xasprintf("%s%s", http->options->agent.server, request->path);
    const char *body = request->body;

    if (has_leftovers(http))
        connect_anew(http);
    else
        renew_handle(http);
    struct curl_slist *headers = make_headers(http, credential);
    curl_easy_setopt(http->curl, CURLOPT_URL, url);
    curl_easy_setopt(http->curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(http->curl, CURLOPT_TIMEOUT, request->timeout);
    curl_easy_setopt(http->curl, CURLOPT_HTTPGET, 1L);
    if (body) {
        curl_easy_setopt(http->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(body));
        curl_easy_setopt(http->curl, CURLOPT_POSTFIELDS, body);
    }
    http->length = 0;
    http->why[0] = '\0';
    CURLcode code = curl_easy_perform(http->curl);
    curl_slist_free_all(headers);
    free(url);
    return code;
}

/* Returns the response's JSON object, or NULL if it is not vsay's: vsay always sends one. */
static struct json_object *parse_response(const struct http *http)
{
    struct json_object *object = NULL;

    if (http->length)
        json_read(http->response, http->length, &object);
    return object;
}

/* The outcome of a response that is not vsay's. 404, 408 and 429 may pass by themselves: a web
 * server answers 404 where its application is missing for now. The other 4xx are about the request,
 * so they may come for ever. */
static enum http_outcome proxy_outcome(long status)
{
    bool later = status == 404 || status == 408 || status == 429;

    return status >= 400 && status <= 499 && !later ? HTTP_PROXY_REFUSED : HTTP_UNAVAILABLE;
}

/* 404 is apart from the other refusals: it is about a session that vsay has lost, and may be opened
 * again, or about a path that only a newer server has. */
static enum http_outcome outcome_of(long status, const struct json_object *response)
{
    if (status == 401) /* whoever refuses the token: the cure is another token */
        return HTTP_UNAUTHORIZED;
    if (!response)
        return proxy_outcome(status);
    if (status == 413)
        return HTTP_TOO_LARGE;
    if (status == 409)
        return HTTP_SECOND_INSTANCE;
    if (status >= 200 && status <= 299)
        return HTTP_DONE;
    if (status == 404)
        return HTTP_MISSING;
    return status == 400 || status == 403 ? HTTP_REFUSED : HTTP_UNAVAILABLE;
}

/* Returns whether vsay itself answered, and lets this agent report. */
static bool is_up(enum http_outcome outcome)
{
    return outcome != HTTP_UNAVAILABLE && outcome != HTTP_PROXY_REFUSED &&
           outcome != HTTP_UNAUTHORIZED && outcome != HTTP_SECOND_INSTANCE;
}

/* Logs when vsay becomes unreachable, when the reason changes, and when it is back. */
static void note(struct http *http, enum http_outcome outcome, const char *detail)
{
    bool up = is_up(outcome), second = outcome == HTTP_SECOND_INSTANCE;

    if (up && http->trouble)
        log_event(LEVEL_INFO, "server_up", "connection=%s", http->name);
    if (!up && (!http->trouble || strcmp(http->trouble, detail) != 0))
        log_event(second ? LEVEL_ERROR : LEVEL_WARNING, second ? "second_instance" : "server_down",
                  "connection=%s detail=\"%s\"", http->name, detail);
    free(http->trouble);
    http->trouble = up ? NULL : xstrdup(detail);
}

/* Describes the response in `e`. */
static void describe(long status, const struct json_object *response, struct error *e)
{
    struct json_object *why = NULL;

    json_object_object_get_ex(response, "error", &why);
    error_set(e, ERR_IO, "status %ld: %s", status,
              why        ? json_object_get_string(why)
              : response ? ""
                         : "not a JSON object, so not a response of vsay");
}

/* Classifies the response. Sets *out on HTTP_DONE, and `e` to a line for the log. */
static enum http_outcome judge(struct http *http, CURLcode code, const char *required_member,
                               struct json_object **out, struct error *e)
{
    long status = 0;

    if (code) {
        error_set(e, ERR_IO, "%s", *http->why ? http->why : curl_easy_strerror(code));
        return HTTP_UNAVAILABLE;
    }
    curl_easy_getinfo(http->curl, CURLINFO_RESPONSE_CODE, &status);
    struct json_object *response = parse_response(http);
    enum http_outcome outcome = outcome_of(status, response);
    describe(status, response, e);
    if (outcome == HTTP_DONE && !json_object_object_get_ex(response, required_member, NULL)) {
        error_set(e, ERR_IO, "status %ld without '%s': this answers another request", status,
                  required_member);
        connect_anew(http); /* the right response may still arrive on the old connection */
        outcome = HTTP_UNAVAILABLE;
    }
    if (outcome == HTTP_DONE)
        *out = response;
    else
        json_object_put(response);
    return outcome;
}

enum http_outcome http_call(struct http *http, const struct http_request *request,
                            struct json_object **out, struct error *e)
{
    enum http_outcome outcome = HTTP_UNAUTHORIZED;
    char *credential = load_credential(http, e);

    *out = NULL;
    if (credential) {
        CURLcode code = perform(http, credential, request);
        forget_credential(credential);
        if (event_flag_stopped(http->event_flag) && code)
            return HTTP_STOPPED;
        outcome = judge(http, code, request->required_member, out, e);
    }
    note(http, outcome, e->detail);
    return outcome;
}

/* --- pauses ---------------------------------------------------------------------------------- */

/* Draws a pause with full jitter: from (almost) 0 to a limit that doubles with each failure. When
 * vsay comes back after an outage, a thousand machines must not knock in the same second. */
static int64_t draw_pause(unsigned failures)
{
    int64_t most = failures < 7 ? (int64_t)PAUSE_FIRST << (failures - 1) : PAUSE_MAX;
    uint32_t number = 0;

    if (most > PAUSE_MAX)
        most = PAUSE_MAX;
    if (getrandom(&number, sizeof number, GRND_NONBLOCK) != sizeof number)
        number = (uint32_t)clock_ms();
    return PAUSE_MIN + number % (most - PAUSE_MIN);
}

/* Waits for up to a minute. Trying again sooner would be in vain unless the token was replaced, and
 * then the agent should notice at once. */
static void wait_for_token(struct http *http)
{
    int64_t end = clock_ms() + PAUSE_MAX;
    unsigned events = 0;

    while (!events && !token_changed(http) && clock_ms() < end)
        events = event_flag_wait(http->event_flag, EVENT_HURRY, clock_ms() + TOKEN_LOOK);
}

void http_pause(struct http *http, enum http_outcome outcome)
{
    if (outcome == HTTP_DONE) {
        http->failures = 0;
    } else if (outcome == HTTP_UNAUTHORIZED) {
        wait_for_token(http);
    } else {
        http->failures++;
        event_flag_wait(http->event_flag, EVENT_HURRY, clock_ms() + draw_pause(http->failures));
    }
}
