/* SPDX-License-Identifier: MIT */
/* A bounded queue of records on disk that vsay has not accepted yet: one append-only file of JSON
 * lines, sent from its head.
 *
 * Crash safety: a record counts once spool_sync has returned. A torn last line is cut off on the
 * next start. The file is emptied when all is sent, and which part of it was sent is not stored: a
 * restarted agent sends that part again, which is harmless because the records have ids. When the
 * spool is full it is rewritten to a new file without the oldest commands of the users that take
 * the most room. The count of dropped commands stands in the first line, so one rename replaces
 * both the records and the count. Opens and ends are never dropped.
 *
 * One append and one fdatasync make any number of records durable, which is why all users share a
 * file. An index in memory holds where each record is, so only what is sent is read again.
 *
 * Thread-safe, for one thread that appends and one that takes and removes. */
#ifndef AGENT_SPOOL_H
#define AGENT_SPOOL_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct json_object;
struct spool;

enum record_kind { RECORD_OPEN, RECORD_COMMAND, RECORD_END, RECORD_KINDS };

/* A record is a JSON object whose `type` is open, command or end. `line` is without its newline. */
struct record {
    enum record_kind kind;
    uint64_t number; /* grows with each record of this process */
    char *line;
    size_t length;
};

/* Opens or creates the file `path`, of at most `max` bytes. Cuts off a last line that a crash left
 * incomplete. */
enum err spool_open(const char *path, size_t max, struct spool **out, struct error *e);
void spool_close(struct spool *spool);

/* Appends a record, which may rewrite the file to make room. The record is durable, and spool_take
 * returns it, once spool_sync has returned ERR_OK. When either function fails, everything that was
 * appended since the last spool_sync is rolled back. */
enum err spool_append(struct spool *spool, enum record_kind kind, struct json_object *object,
                      struct error *e);
enum err spool_sync(struct spool *spool, struct error *e);

/* Copies the oldest records into `out`: at most `room` of them, and at most `bytes` but always one.
 * Returns their number; the caller frees each `line`. None of them is dropped to make room until
 * spool_put_back. */
size_t spool_take(struct spool *spool, struct record *out, size_t room, size_t bytes);
void spool_put_back(struct spool *spool);

/* Removes all records up to and including `number`. */
void spool_remove(struct spool *spool, uint64_t number);

/* Calls `visit` with each end record in the spool, borrowed for the call. */
void spool_each_end(struct spool *spool, void (*visit)(struct json_object *end, void *user),
                    void *user);

/* Counts commands that were lost before they could be appended. Durable with the next sync. */
void spool_count_lost(struct spool *spool, uint64_t commands);

/* Returns how many commands were ever dropped or lost. */
uint64_t spool_dropped(struct spool *spool);

#endif
