/* SPDX-License-Identifier: MIT */
/* Usage of machines over time: rings of slots of five minutes and of an hour, each with count, sum,
 * least and greatest of what was reported in it, so that slots add up exactly. The heartbeats of
 * the five minutes under way are in the machine's own row, as text (`usage_now`). */
#ifndef STORE_USAGE_H
#define STORE_USAGE_H

#include "store/db.h"

enum { USAGE_SLOT = 300, USAGE_LONG_SLOT = 3600 }; /* s */

enum { USAGE_POINTS_MAX = 300, USAGE_HOURS_MAX = 720 };

/* Of some values, in hundredths of a percent. */
struct usage_figure {
    uint64_t sum, least, greatest;
};

enum { USAGE_CPU, USAGE_MEMORY, USAGE_DISK, USAGE_FIGURES };

/* What was reported in a slot or a step of several. */
struct usage_sums {
    int64_t began;    /* Unix s */
    uint64_t samples; /* heartbeats */
    struct usage_figure figures[USAGE_FIGURES];
};

enum { USAGE_TEXT = 60 };

/* The slot under way as text. What is no such text is an empty slot. */
void usage_parse(const char *text, struct usage_sums *out);
void usage_format(const struct usage_sums *usage, char out[USAGE_TEXT + 1]);

/* Adds a sample of the time `now` to the slot under way. True when that had ended, with samples:
 * then it is *ended, and *usage began anew. */
bool usage_add(struct usage_sums *usage, int64_t now, const uint64_t values[USAGE_FIGURES],
               struct usage_sums *ended);

/* Which slot of a ring begins at that time. `history` is agents.usage_history. */
uint64_t usage_slot(int64_t began, int64_t step, long history);

/* Adds what a machine's rings take of a slot that ended; `agent_id` is borrowed. usage_store writes
 * it, in the transaction of the heartbeat. */
void usage_rows(struct rows *rows, const char *agent_id, const struct usage_sums *ended,
                long history);
enum err usage_store(struct db *db, const struct rows *rows, struct error *e);

/* The last hours, in at most USAGE_POINTS_MAX steps. */
struct usage_span {
    int64_t from, now; /* Unix s; a step begins at `from` */
    int64_t step;      /* s */
    int64_t slot;      /* s: of the ring that is read */
};

struct usage_span usage_span_of(long hours, int64_t now);
void usage_span_params(const struct usage_span *span, struct params *params);

struct machine_usage {
    struct usage_span span;
    struct usage_sums steps[USAGE_POINTS_MAX]; /* in which it was heard of, in their order */
    size_t count;
};

/* Loads the usage of a machine; ERR_NOT_FOUND when it is not in the scope. */
enum err usage_of_machine(struct db *db, const struct scope *scope, const char *agent_id,
                          long hours, struct machine_usage *out, struct error *e);

/* Reads a figure from three cells: sum, least, greatest. */
struct usage_figure usage_figure_of(const struct cell *cells);

#endif
