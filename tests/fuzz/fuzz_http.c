/* SPDX-License-Identifier: MIT */
/* Fuzzes agent/http, agent/sender and agent/poller with a server's answers. The input is raw
 * answers with a line of three dots between them; each answers one request. After the last one the
 * server closes the connection without an answer. */
#include "config.h"

#include <arpa/inet.h>
#include <json.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "agent/http.h"
#include "agent/sender.h"
#include "base/xalloc.h"
#include "fuzz_agent.h"

/* The fake clock. It starts at 0 with each input and advances with each reading; a deadline by it
 * has always passed on the real clock, so nothing waits. */
static atomic_int_least64_t now;

int64_t __wrap_clock_ms(void);
int64_t __wrap_clock_ms(void)
{
    return atomic_fetch_add(&now, 100);
}

enum { IO_TIMEOUT = 60 }; /* s; an agent that does not connect must fail the test, not hang it */

static struct agent *agent;
static int listener;

/* --- the server ------------------------------------------------------------------------------ */

/* Sets a timeout for waiting for the other end. */
static void set_timeout(int fd)
{
    struct timeval time = {.tv_sec = IO_TIMEOUT};

    MUST(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time) == 0);
    MUST(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof time) == 0);
}

static char *open_listener(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;

    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    set_timeout(listener);
    MUST(bind(listener, (struct sockaddr *)&address, length) == 0 && listen(listener, 8) == 0);
    MUST(getsockname(listener, (struct sockaddr *)&address, &length) == 0);
    return xasprintf("http://127.0.0.1:%d", ntohs(address.sin_port));
}

/* Returns the length of the body that the headers announce. */
static size_t announced(const char *head)
{
    const char *at = strcasestr(head, "\r\nContent-Length: ");

    return at ? strtoul(at + strlen("\r\nContent-Length: "), NULL, 10) : 0;
}

/* Reads a request to its end, because closing earlier would reset the connection and lose the
 * answer. */
static void read_request(int fd)
{
    static char bytes[512 * 1024];
    size_t used = 0;
    ssize_t n = 1;

    while (n > 0 && used < sizeof bytes - 1) {
        bytes[used] = '\0';
        const char *body = strstr(bytes, "\r\n\r\n");
        if (body && used >= (size_t)(body + 4 - bytes) + announced(bytes))
            return;
        n = recv(fd, bytes + used, sizeof bytes - 1 - used, 0);
        used += n > 0 ? (size_t)n : 0;
    }
}

static void *serve(void *input)
{
    struct text *rest = input;
    bool more = true;

    while (more) {
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        MUST(fd >= 0);
        set_timeout(fd);
        read_request(fd);
        more = rest->length > 0;
        struct text answer = fuzz_cut(rest, "\n...\n");
        if (!more)
            event_flag_set(agent->sender, EVENT_STOP);
        else if (answer.length)
            send(fd, answer.bytes, answer.length, MSG_NOSIGNAL);
        event_flag_set(agent->sender, EVENT_WORK | EVENT_HURRY);
        close(fd);
    }
    return NULL;
}

/* --- the agent ------------------------------------------------------------------------------- */

static void prepare(void)
{
    struct error e = {0};
    char *server = open_listener();

    MUST(setenv("no_proxy", "*", 1) == 0); /* ignore proxies in the environment */
    MUST(http_library_init(&e) == ERR_OK);
    agent = fuzz_agent(server);
    free(server);
}

static void append(enum record_kind kind, const char *text)
{
    struct json_object *record = json_tokener_parse(text);
    struct error e = {0};
    enum err err = spool_append(agent->spool, kind, record, &e);

    MUST(!err && !spool_sync(agent->spool, &e));
    json_object_put(record);
}

#define OPENING "{\"type\":\"open\",\"session_id\":\"" SESSION "\",\"uid\":0}"

/* Adds a session to the table, and its open, commands and end to the spool. */
static void fill(void)
{
    struct session session = {.id = SESSION, .seq = 1}, *added;
    struct error e = {0};

    MUST(session_add(agent->sessions, &session, OPENING, &added, &e) == ERR_OK);
    append(RECORD_OPEN, OPENING);
    append(RECORD_COMMAND, "{\"type\":\"command\",\"session_id\":\"" SESSION "\",\"seq\":1}");
    append(RECORD_COMMAND, "{\"type\":\"command\",\"session_id\":\"" SESSION "\",\"seq\":2}");
    append(RECORD_END, "{\"type\":\"end\",\"session_id\":\"" SESSION "\",\"reason\":\"exited\"}");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct text input = {(const char *)data, size};
    pthread_t server;

    if (!agent)
        prepare();
    atomic_store(&now, 0);
    fill();
    MUST(pthread_create(&server, NULL, serve, &input) == 0);
    sender_run(agent);
    MUST(pthread_join(server, NULL) == 0);
    event_flag_free(agent->sender); /* EVENT_STOP is never cleared */
    agent->sender = event_flag_new();
    fuzz_agent_clear(agent);
    return 0;
}
