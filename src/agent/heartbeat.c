/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "agent/heartbeat.h"

#include <inttypes.h>
#include <json.h>
#include <stdio.h>
#include <sys/statvfs.h>

#include "base/log.h"
#include "machine/ipc.h"

enum {
    INTERVAL = 30000,   /* ms between heartbeats, until vsay says otherwise */
    INTERVAL_MAX = 3600 /* s */
};

struct heartbeat_sender heartbeat_sender(struct agent *agent, struct http *http,
                                         struct session_opener *opener)
{
    return (struct heartbeat_sender){
        .agent = agent, .http = http, .opener = opener, .interval = INTERVAL};
}

/* --- the machine's load ---------------------------------------------------------------------- */

static double percent(uint64_t part, uint64_t whole)
{
    return whole && part <= whole ? 100.0 * (double)part / (double)whole : 0;
}

/* A wrong figure is better than no heartbeat: without one the machine would look offline. */
static double failed(const char *path)
{
    log_event(LEVEL_WARNING, "usage", "detail=\"cannot read %s\"", path);
    return 0;
}

/* Time that the CPU waits for a disk counts as idle, as in top(1): another process could run. Time
 * that the hypervisor took (steal) counts as busy: nothing on this machine could use it. */
static double read_cpu(struct heartbeat_sender *sender)
{
    static const char path[] = "/proc/stat";
    uint64_t user, nice, system, idle, iowait, irq, softirq, steal;
    FILE *file = fopen(path, "re");
    int fields = file ? fscanf(file,
                               "cpu %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64
                               " %" SCNu64 " %" SCNu64 " %" SCNu64,
                               &user, &nice, &system, &idle, &iowait, &irq, &softirq, &steal)
                      : 0;

    if (file)
        fclose(file);
    if (fields != 8)
        return failed(path);
    uint64_t busy = user + nice + system + irq + softirq + steal;
    uint64_t total = busy + idle + iowait;
    double figure = percent(busy - sender->cpu_busy, total - sender->cpu_total);
    sender->cpu_busy = busy;
    sender->cpu_total = total;
    return figure;
}

/* MemAvailable and not MemFree: the kernel uses free memory as cache, and gives that back. */
static double read_memory(void)
{
    static const char path[] = "/proc/meminfo";
    uint64_t total = 0, available = 0;
    char line[256];
    FILE *file = fopen(path, "re");

    while (file && fgets(line, sizeof line, file)) {
        sscanf(line, "MemTotal: %" SCNu64, &total);
        sscanf(line, "MemAvailable: %" SCNu64, &available);
    }
    if (file)
        fclose(file);
    return total && available ? percent(total - available, total) : failed(path);
}

/* As df: blocks that are reserved for root are neither used nor available. */
static double read_disk(const char *path)
{
    struct statvfs fs;

    if (statvfs(path, &fs))
        return failed(path);
    uint64_t used = fs.f_blocks - fs.f_bfree;
    return percent(used, used + fs.f_bavail);
}

/* --- sending --------------------------------------------------------------------------------- */

/* Two decimals, which is what vsay stores. json-c would write 12.300000000000001. */
static void add_percent(struct json_object *object, const char *name, double figure)
{
    char text[16];

    snprintf(text, sizeof text, "%.2f", figure);
    json_object_object_add(object, name, json_object_new_double_s(figure, text));
}

/* The list has all sessions, not changes, so that each heartbeat repairs what an earlier one or a
 * restored database got wrong. */
static struct json_object *make_heartbeat(struct heartbeat_sender *sender)
{
    struct agent *agent = sender->agent;
    struct json_object *heartbeat = json_object_new_object();

    add_percent(heartbeat, "cpu_percent", read_cpu(sender));
    add_percent(heartbeat, "memory_percent", read_memory());
    add_percent(heartbeat, "disk_percent", read_disk(agent->options->agent.disk));
    /* drawn before the list is made: a session opened in between has a larger number */
    json_object_object_add(heartbeat, "seq",
                           json_object_new_int64(identity_next_seq(agent->identity)));
    json_object_object_add(heartbeat, "dropped",
                           json_object_new_int64((int64_t)spool_dropped(agent->spool)));
    json_object_object_add(heartbeat, "sessions", session_ids(agent->sessions));
    struct json_object *activity = session_activity(agent->sessions);
    if (activity)
        json_object_object_add(heartbeat, "last_activity", activity);
    return heartbeat;
}

/* --- the response ----------------------------------------------------------------------------- */

/* Requests the end of the sessions that a heartbeat's response names. Reasons come first, because
 * the first reason of a session stays. A session without one was not ended by anyone, as far as
 * the response tells: vsay has it as closed, or is too old to send `terminations`. */
static void request_ends(struct session_table *sessions, struct json_object *terminate,
                         struct json_object *terminations)
{
    for (size_t i = 0; terminations && i < json_object_array_length(terminations); i++) {
        const struct json_object *item = json_object_array_get_idx(terminations, i);
        const char *id = ipc_text(item, "session_id"), *reason = ipc_text(item, "reason");
        if (id && reason)
            session_request_end(sessions, id, reason);
    }
    for (size_t i = 0; terminate && i < json_object_array_length(terminate); i++)
        session_request_end(sessions, ipc_text_at(terminate, i), SESSION_NO_REASON);
}

static void read_response(struct heartbeat_sender *sender, const struct json_object *response)
{
    struct json_object *unknown = ipc_array(response, "unknown");
    int64_t seconds = ipc_number(response, "interval");

    if (seconds >= 1 && seconds <= INTERVAL_MAX)
        sender->interval = seconds * 1000;
    request_ends(sender->agent->sessions, ipc_array(response, "terminate"),
                 ipc_array(response, "terminations"));
    if (unknown)
        session_open_repeat_all(sender->opener, unknown);
}

enum http_outcome heartbeat_send(struct heartbeat_sender *sender)
{
    struct json_object *heartbeat = make_heartbeat(sender), *response;
    struct error e = {0};
    const char *text = json_object_to_json_string_ext(heartbeat, JSON_C_TO_STRING_PLAIN);
    const struct http_request request = {.path = "/api/agent/heartbeat",
                                         .body = text,
                                         .required_member = "terminate",
                                         .timeout = HTTP_TIMEOUT};
    enum http_outcome outcome = http_call(sender->http, &request, &response, &e);

    if (outcome == HTTP_REFUSED || outcome == HTTP_MISSING || outcome == HTTP_TOO_LARGE)
        log_event(LEVEL_ERROR, "heartbeat_refused", "detail=\"%s\"", e.detail);
    if (outcome == HTTP_DONE) {
        session_activity_acknowledged(sender->agent->sessions);
        read_response(sender, response);
    }
    json_object_put(response);
    json_object_put(heartbeat);
    return outcome;
}
