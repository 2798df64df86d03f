/* SPDX-License-Identifier: MIT */
/* What vsay does not know yet, on disk: one append-only file of JSON lines, sent from its head.
 * Bounded: when it is full the oldest commands of the users that take the most room (`uid` in a
 * record) are given up and counted, events of sessions never.
 * Thread-safe; one thread appends, one takes and removes. */
#ifndef AGENT_SPOOL_H
#define AGENT_SPOOL_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct json_object;
struct spool;

enum record_kind { RECORD_OPEN, RECORD_COMMAND, RECORD_END, RECORD_KINDS };

/* One line, without its end. `type` of the object in it is the kind: open, command or end. */
struct record {
    enum record_kind kind;
    uint64_t number; /* grows */
    char *line;
    size_t length;
};

/* Opens or makes the file `path`. What a crash left of a last line is cut off. `max` bytes. */
enum err spool_open(const char *path, size_t max, struct spool **out, struct error *e);
void spool_close(struct spool *spool);

/* Appends a record. It counts, and can be taken, once spool_sync has returned ERR_OK; when either
 * fails, all that was appended since the last spool_sync is taken back. */
enum err spool_append(struct spool *spool, enum record_kind kind, struct json_object *object,
                      struct error *e);
enum err spool_sync(struct spool *spool, struct error *e);

/* Copies the oldest records into `out`, up to `room` and (but always one) `bytes`. The caller frees
 * each `line`. Returns how many; none of them is given up until spool_put_back. */
size_t spool_take(struct spool *spool, struct record *out, size_t room, size_t bytes);
void spool_put_back(struct spool *spool);

/* Forgets all records up to and with the one that has this number. */
void spool_remove(struct spool *spool, uint64_t number);

/* Calls `visit` with each end that waits, borrowed. */
void spool_each_end(struct spool *spool, void (*visit)(struct json_object *end, void *user),
                    void *user);

/* Counts commands that are lost before they could be appended; durable with the next spool_sync. */
void spool_count_lost(struct spool *spool, uint64_t commands);

/* How many commands were given up, ever. */
uint64_t spool_dropped(struct spool *spool);

#endif
