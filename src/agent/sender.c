/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "agent/sender.h"

#include <inttypes.h>
#include <json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/agent.h"
#include "agent/heartbeat.h"
#include "agent/http.h"
#include "agent/session_open.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "machine/ipc.h"

enum {
    REFUSALS_MAX = 3, /* after which a record is dropped */
    BATCH_RECORDS = 500,
    BATCH_BYTES = 100 * 1024 /* fits into mod_fcgid's default of 128 KiB with the JSON around it */
};

struct sender {
    struct agent *agent;
    struct http *http;
    struct session_opener opener;
    struct heartbeat_sender heartbeat;
    int64_t heartbeat_due; /* clock_ms */
    bool heartbeat_ok;     /* accepted, and nothing was refused since: the spool may be sent */
    uint64_t reopened_for; /* the record for which sessions were opened again last */
    uint64_t refused;      /* the record that was refused last, */
    unsigned refusals;     /* and how often */
    bool skipping;         /* a record was dropped, and no command accepted since */
    size_t batch;          /* commands per request at most; halved when a batch is refused */
};

/* Sends a heartbeat. After it the spool may be sent, if vsay has accepted the heartbeat. */
static enum http_outcome send_heartbeat(struct sender *sender)
{
    int64_t now = clock_ms();
    enum http_outcome outcome = heartbeat_send(&sender->heartbeat);

    sender->heartbeat_ok = outcome == HTTP_DONE;
    if (sender->heartbeat_ok)
        sender->heartbeat_due = now + sender->heartbeat.interval;
    return outcome;
}

/* --- the spool ------------------------------------------------------------------------------- */

/* Joins the commands at the beginning of the records into one request body, and sets *count to
 * their number. The caller frees it. */
static char *join_commands(const struct record *records, size_t *count)
{
    static const char head[] = "{\"activities\":[", tail[] = "]}";
    size_t length = sizeof head + sizeof tail, used = 0;

    while (used < *count && records[used].kind == RECORD_COMMAND)
        length += records[used++].length + 1;
    /* the lines are JSON already, so they are joined as they are */
    char *body = xcalloc(1, length), *end = stpcpy(body, head);
    for (size_t i = 0; i < used; i++) {
        if (i)
            *end++ = ',';
        end = stpcpy(end, records[i].line);
    }
    strcpy(end, tail);
    *count = used;
    return body;
}

/* Logs the commands that vsay left out of a batch it accepted. It would never accept them. */
static void log_left_out(const struct json_object *errors)
{
    for (size_t i = 0; i < json_object_array_length(errors); i++) {
        const char *why = ipc_text(json_object_array_get_idx(errors, i), "error");
        log_event(LEVEL_WARNING, "record_refused", "kind=command detail=\"%s\"", why ? why : "");
    }
}

/* Handles the commands that vsay left out of a batch. If their sessions could be opened again, sets
 * *count to 0, so that the whole batch is sent once more: commands that vsay has already are not
 * stored twice. `reopened_for` makes sure that this happens once for a batch. Otherwise a server
 * that opens a session and still refuses its commands would be asked for ever. */
static enum http_outcome look_at_errors(struct sender *sender, struct json_object *errors,
                                        const struct record *records, size_t *count)
{
    enum http_outcome outcome = HTTP_MISSING;

    if (sender->reopened_for != records->number)
        outcome = session_open_repair(&sender->opener, errors, records, *count);
    if (outcome == HTTP_MISSING) {
        log_left_out(errors);
        return HTTP_DONE;
    }
    if (outcome == HTTP_DONE) {
        sender->reopened_for = records->number;
        *count = 0;
    }
    return outcome;
}

static enum http_outcome send_open(struct sender *sender, const struct record *record,
                                   struct error *e)
{
    return session_open_send(&sender->opener, json_tokener_parse(record->line), e);
}

static enum http_outcome send_commands(struct sender *sender, const struct record *records,
                                       size_t *count, struct error *e)
{
    struct json_object *response;
    char *body = join_commands(records, count);
    const struct http_request request = {.path = "/api/agent/activity",
                                         .body = body,
                                         .required_member = "accepted",
                                         .timeout = HTTP_TIMEOUT};
    enum http_outcome outcome = http_call(sender->http, &request, &response, e);

    struct json_object *errors = ipc_array(response, "errors");
    if (errors)
        outcome = look_at_errors(sender, errors, records, count);
    json_object_put(response);
    free(body);
    return outcome;
}

/* A 404 refuses an end: vsay has no such session, so nobody waits for its end. The heartbeat before
 * would have named it as unknown, and the agent would have opened it again, if it held it. */
static enum http_outcome send_end(struct sender *sender, const struct record *record,
                                  struct error *e)
{
    struct json_object *end = json_tokener_parse(record->line), *response;
    const char *id = ipc_text(end, "session_id");
    char *path = xasprintf("/api/agent/sessions/%s/end", id ? id : "");
    const struct http_request request = {
        .path = path, .body = record->line, .required_member = "message", .timeout = HTTP_TIMEOUT};
    enum http_outcome outcome = http_call(sender->http, &request, &response, e);

    json_object_put(response);
    json_object_put(end);
    free(path);
    return outcome == HTTP_MISSING ? HTTP_REFUSED : outcome;
}

/* Sends the first record, and if it is a command also the commands that follow it. Sets *count to
 * the number sent. */
static enum http_outcome send_records(struct sender *sender, const struct record *records,
                                      size_t *count, struct error *e)
{
    if (records->kind == RECORD_COMMAND)
        return send_commands(sender, records, count, e);
    *count = 1;
    return records->kind == RECORD_OPEN ? send_open(sender, records, e)
                                        : send_end(sender, records, e);
}

/* Returns whether a refusal counts against a record. A proxy's may cost a command, which would hold
 * up the end behind it for ever, but never an opening or an end. HTTP_MISSING counts against ends
 * only; send_end translates it. */
static bool refusal_counts(enum http_outcome outcome, enum record_kind kind)
{
    return outcome == HTTP_REFUSED || outcome == HTTP_TOO_LARGE ||
           (outcome == HTTP_PROXY_REFUSED && kind == RECORD_COMMAND);
}

/* The session tells an administrator whose record it is. The command itself is never logged. */
static void log_refusal(bool over, const struct record *record, const struct error *e)
{
    struct json_object *object = json_tokener_parse(record->line);
    const char *kind = ipc_text(object, "type"), *session = ipc_text(object, "session_id");

    log_event(over ? LEVEL_ERROR : LEVEL_WARNING, over ? "record_refused" : "record_retried",
              "kind=%s session=%s detail=\"%s\"", kind ? kind : "", session ? session : "",
              e->detail);
    json_object_put(object);
}

/* Makes the spool wait for another accepted heartbeat, which is sent at once or when it is due. */
static void wait_for_heartbeat(struct sender *sender, bool at_once)
{
    sender->heartbeat_ok = false;
    if (at_once)
        sender->heartbeat_due = 0;
}

/* Notes the refusal of a single record; returns true when the record is to be dropped, even if it
 * is an end: vsay itself refuses it, and everything behind it waits. Otherwise it is tried again,
 * in case something between here and vsay refused it: the first time after an extra heartbeat,
 * later once for each regular one. Records that are refused after a dropped one have extra
 * heartbeats only, since the cause will be the same and an end may wait behind them. */
static bool note_refusal(struct sender *sender, enum http_outcome outcome,
                         const struct record *record, const struct error *e)
{
    bool counted = refusal_counts(outcome, record->kind);

    if (sender->refused != record->number)
        sender->refusals = 0;
    sender->refused = record->number;
    sender->refusals += counted;
    bool over = counted && sender->refusals >= REFUSALS_MAX;
    if (!over)
        wait_for_heartbeat(sender, counted && (sender->refusals == 1 || sender->skipping));
    sender->skipping = sender->skipping || over;
    log_refusal(over, record, e);
    return over;
}

/* Returns whether records with this outcome are done with, accepted or dropped. A refused batch is
 * halved until the record at fault is alone. */
static bool settled(struct sender *sender, enum http_outcome outcome, const struct record *records,
                    size_t count, const struct error *e)
{
    if (outcome == HTTP_DONE) {
        sender->skipping = sender->skipping && records->kind != RECORD_COMMAND;
        sender->batch = 2 * sender->batch < BATCH_RECORDS ? 2 * sender->batch : BATCH_RECORDS;
        return true;
    }
    if (outcome == HTTP_UNAVAILABLE || outcome == HTTP_SECOND_INSTANCE ||
        outcome == HTTP_UNAUTHORIZED || outcome == HTTP_STOPPED)
        return false;
    if (count == 1)
        return note_refusal(sender, outcome, records, e);
    sender->batch = count / 2;
    if (outcome != HTTP_TOO_LARGE)
        wait_for_heartbeat(sender, true);
    return false;
}

/* Removes records that are done with. The session of an end leaves the heartbeats' list, also if
 * vsay refused the end and it was dropped. The next heartbeat then does not list the session, and
 * vsay closes it as `vanished`: it learns that the session is over, but gets no confirmation. */
static void forget_records(struct sender *sender, const struct record *records, size_t count)
{
    struct json_object *end =
        records->kind == RECORD_END ? json_tokener_parse(records->line) : NULL;
    const char *id = ipc_text(end, "session_id");

    spool_remove(sender->agent->spool, records[count - 1].number);
    if (id)
        session_confirm(sender->agent->sessions, id);
    json_object_put(end);
}

/* Sends records from the head of the spool. Returns HTTP_DONE when the thread may continue at once.
 * Sets *more to whether there were any records. */
static enum http_outcome send_spool(struct sender *sender, bool *more)
{
    struct record records[BATCH_RECORDS];
    struct error e = {0};
    enum http_outcome outcome = HTTP_DONE;
    size_t taken = spool_take(sender->agent->spool, records, sender->batch, BATCH_BYTES);
    size_t count = taken;

    *more = taken > 0;
    if (taken) {
        outcome = send_records(sender, records, &count, &e);
        if (count && settled(sender, outcome, records, count, &e))
            forget_records(sender, records, count);
        spool_put_back(sender->agent->spool);
    }
    for (size_t i = 0; i < taken; i++)
        free(records[i].line);
    return outcome == HTTP_TOO_LARGE ? HTTP_DONE : outcome;
}

/* --- the thread ------------------------------------------------------------------------------ */

/* Sends one request, a heartbeat or records, and then waits as its outcome demands. A heartbeat
 * that is due comes first: while a long spool is sent, the machine must not look offline. */
static void step(struct sender *sender)
{
    enum http_outcome outcome = HTTP_DONE;
    bool more = true;

    if (clock_ms() >= sender->heartbeat_due)
        outcome = send_heartbeat(sender);
    else if (sender->heartbeat_ok)
        outcome = send_spool(sender, &more);
    else if (event_flag_wait(sender->agent->sender, EVENT_HURRY, sender->heartbeat_due))
        sender->heartbeat_due = 0;
    if (session_open_take_end_request(&sender->opener))
        sender->heartbeat_due = 0;
    http_pause(sender->http, outcome);
    if (!more)
        event_flag_wait(sender->agent->sender, EVENT_WORK, sender->heartbeat_due);
}

void *sender_run(void *user)
{
    struct sender sender = {.agent = user, .batch = BATCH_RECORDS};

    sender.http = http_new("reports", sender.agent->options,
                           identity_instance(sender.agent->identity), sender.agent->sender);
    sender.opener = (struct session_opener){.agent = sender.agent, .http = sender.http};
    sender.heartbeat = heartbeat_sender(sender.agent, sender.http, &sender.opener);
    while (!event_flag_stopped(sender.agent->sender))
        step(&sender);
    http_free(sender.http);
    return NULL;
}
