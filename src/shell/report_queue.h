/* SPDX-License-Identifier: MIT */
/* The reports of a session that vsay-agent has not acknowledged: a bounded queue in memory, and the
 * handoff file that it becomes when vsay-shell must exit while the agent is away.
 *
 * A report leaves the queue only when it is on the agent's disk. The order is that in which things
 * happened, so what has been sent on the present connection is always the front of the queue. */
#ifndef SHELL_REPORT_QUEUE_H
#define SHELL_REPORT_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>

#include "base/error.h"

struct json_object;

/* In place of a command's number: the report is the session's end. */
enum { REPORT_END = 0 };

struct report {
    TAILQ_ENTRY(report) entry;
    struct json_object *body;
    size_t size; /* of the JSON text */
    long seq;    /* of the command, or REPORT_END */
    long lost;   /* how many dropped commands this report counts */
    bool sent;   /* on the present connection */
};

TAILQ_HEAD(reports, report);

struct report_queue {
    struct reports reports; /* in order */
    size_t size;            /* of their JSON texts */
    long acked;             /* the last command that the agent has */
    long lost;              /* commands that no report has counted yet */
};

void report_queue_init(struct report_queue *queue);
void report_queue_clear(struct report_queue *queue);
bool report_queue_empty(const struct report_queue *queue);

/* Adds a report, taking ownership of `body`. It replaces an unsent one with the same number: the
 * result of a command makes the report of its start superfluous.
 *
 * When the queue exceeds 3 MiB the oldest commands are dropped, and `body` gets their number as its
 * member `lost`. The session's end is never dropped. */
void report_queue_add(struct report_queue *queue, long seq, struct json_object *body);

/* Removes a sent report that the agent has acknowledged. */
void report_queue_acknowledge(struct report_queue *queue, long seq);

/* Removes the session's end, sent or not. */
void report_queue_withdraw_end(struct report_queue *queue);

/* Call after reconnecting: everything that is not acknowledged is to be sent again. */
void report_queue_rewind(struct report_queue *queue);

/* Writes `opening`, the open report, and the queue, one per line, durably to
 * `state_dir`/drop/SESSION_ID.jsonl; see agent/handoff.h for the directory. If another user has
 * taken that name, the file is SESSION_ID.KEY.jsonl, where KEY is the member `drop_key` of
 * `opening`. */
enum err report_queue_hand_off(const struct report_queue *queue, const char *state_dir,
                               struct json_object *opening, struct error *e);

#endif
