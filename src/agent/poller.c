/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "agent/poller.h"

#include <json.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "agent/http.h"
#include "base/clock.h"
#include "base/xalloc.h"
#include "machine/ipc.h"

enum {
    EXTRA_TIMEOUT = 15, /* s that a response may take beyond the poll's own wait */
    POLL_PAUSE = 5000   /* ms to wait after an empty response that came early; with poll_wait = 0 it
                           is the interval between polls */
};

/* Ignores types of signals that it does not know, so that vsay may have new ones. */
static void obey(const struct agent *agent, const struct json_object *signal)
{
    const char *type = ipc_text(signal, "type"), *id = ipc_text(signal, "session_id");
    const char *reason = ipc_text(signal, "reason");

    if (type && id && strcmp(type, "terminate") == 0)
        session_request_end(agent->sessions, id, reason ? reason : SESSION_NO_REASON);
}

/* Requests the end of all sessions that a response names. Returns how many it names. */
static unsigned obey_all(const struct agent *agent, const struct json_object *response)
{
    struct json_object *signals = ipc_array(response, "signals");
    size_t count = signals ? json_object_array_length(signals) : 0;

    for (size_t i = 0; i < count; i++)
        obey(agent, json_object_array_get_idx(signals, i));
    return (unsigned)count;
}

void *poller_run(void *user)
{
    const struct agent *agent = user;
    const long wait = agent->options->agent.poll_wait;
    const int64_t full = 1000 * wait - POLL_PAUSE;
    const int64_t least = full > POLL_PAUSE ? full : POLL_PAUSE;
    /* `least`: an empty response that comes earlier means that the server does not let requests
     * wait (plain CGI), or is stopping. Without a pause, the poll would become a tight loop. */
    struct http *http =
        http_new("signals", agent->options, identity_instance(agent->identity), agent->poller);
    char *path = xasprintf("/api/agent/signals?wait=%ld", wait);
    const struct http_request request = {
        .path = path, .required_member = "signals", .timeout = wait + EXTRA_TIMEOUT};

    while (!event_flag_stopped(agent->poller)) {
        struct json_object *response;
        struct error e = {0};
        int64_t began = clock_ms();
        enum http_outcome outcome = http_call(http, &request, &response, &e);
        unsigned count = outcome == HTTP_DONE ? obey_all(agent, response) : 0;
        json_object_put(response);
        http_pause(http, outcome);
        if (outcome == HTTP_DONE && !count && clock_ms() - began < least)
            event_flag_wait(agent->poller, EVENT_HURRY, clock_ms() + POLL_PAUSE);
    }
    free(path);
    http_free(http);
    return NULL;
}
