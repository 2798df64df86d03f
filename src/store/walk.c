/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "store/walk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/xalloc.h"

/* A filter that matches often is done after the first piece. Each piece is larger than the one
 * before. */
enum { FIRST_PIECE = 1000, FIRST_OF_EACH = 10, NEXT_PIECE = 4 };

static size_t count_ranges(const struct walk *walk)
{
    size_t count = 0;

    for (size_t i = 0; i < walk->kinds; i++)
        count += walk->ranges[i].rows.count / walk->ranges[i].rows.width;
    return count;
}

static int compare_positions(const struct position *a, const struct position *b)
{
    int order = strcmp(a->at, b->at);

    return order ? order : (a->id > b->id) - (a->id < b->id);
}

static struct position position_of(const struct cell *row)
{
    struct position position = {.id = strtoull(row[1].text, NULL, 10)};

    strncpy(position.at, row[0].text, sizeof position.at - 1);
    return position;
}

static void set_bounds(struct walk *walk, const struct position *before,
                       const struct position *since)
{
    params_text(&walk->params, PARAM_BEFORE_AT, before->at);
    params_uint(&walk->params, PARAM_BEFORE_ID, before->id);
    params_text(&walk->params, PARAM_AFTER_AT, since->at);
    params_uint(&walk->params, PARAM_AFTER_ID, since->id);
}

/* The progress of a walk in pieces. */
struct progress {
    struct position before; /* everything newer has been searched */
    size_t left;            /* entries that it may still read */
    size_t full;            /* ranges that had a full piece */
    size_t rest;            /* entries left in the other ranges together, at most */
    uint64_t bytes;         /* of long text found so far */
};

/* Finds where the next `each` entries of every range end. The newest of these ends is the bound:
 * down to it, the piece covers all ranges. If no range has that many entries, the bound is the end
 * of the walk. */
static enum err find_bound(struct db *db, struct walk *walk, struct progress *progress, size_t each,
                           struct position *bound, struct error *e)
{
    enum err err = ERR_OK;

    progress->full = 0;
    *bound = walk->since;
    set_bounds(walk, &progress->before, &walk->since);
    params_uint(&walk->params, PARAM_SKIP, each - 1);
    for (size_t i = 0; !err && i < walk->kinds; i++) {
        const struct walk_ranges *ranges = &walk->ranges[i];
        err = db_bulk(db, ranges->bound, &walk->params, &ranges->rows, e);
        for (const struct cell *row; (row = db_row(db));) {
            struct position position = position_of(row);
            if (!progress->full++ || compare_positions(&position, bound) > 0)
                *bound = position;
        }
    }
    return err;
}

/* --- what is found ---------------------------------------------------------------------------- */

struct candidate {
    struct found found;
    uint64_t bytes;
};

struct candidates {
    struct candidate *items;
    size_t count, capacity;
};

static void add_candidate(struct candidates *all, const struct cell *row)
{
    if (all->count == all->capacity) {
        all->capacity = all->capacity ? 2 * all->capacity : 128;
        all->items = xrealloc(all->items, all->capacity * sizeof *all->items);
    }
    all->items[all->count++] = (struct candidate){{position_of(row), (uint64_t)cell_int(&row[2])},
                                                  (uint64_t)cell_int(&row[3])};
}

static int compare_candidates(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;

    return compare_positions(&y->found.position, &x->found.position);
}

/* Takes candidates until the page is full. A row may be in two ranges, such as a user's own command
 * on a machine that it sees; then the two are neighbours, as their positions are equal. */
static void take(struct findings *out, const struct candidates *all, size_t limit, uint64_t *bytes)
{
    for (size_t i = 0; i < all->count && !out->more; i++) {
        const struct found *found = &all->items[i].found;
        if (i && all->items[i - 1].found.id == found->id)
            continue;
        *bytes += all->items[i].bytes;
        out->more = out->count == limit || (out->count && *bytes > WALK_BYTES_MAX);
        if (!out->more)
            out->items[out->count++] = *found;
    }
    if (out->more)
        out->end = out->items[out->count - 1].position;
}

/* Finds the matching rows between two places in all ranges. */
static enum err find(struct db *db, struct walk *walk, const struct position *before,
                     const struct position *since, struct findings *out, uint64_t *bytes,
                     struct error *e)
{
    struct candidates all = {0};
    enum err err = ERR_OK;

    set_bounds(walk, before, since);
    params_uint(&walk->params, PARAM_LIMIT, walk->limit - out->count + 1);
    for (size_t i = 0; !err && i < walk->kinds; i++) {
        const struct walk_ranges *ranges = &walk->ranges[i];
        err = db_bulk(db, ranges->find, &walk->params, &ranges->rows, e);
        for (const struct cell *row; (row = db_row(db));)
            add_candidate(&all, row);
    }
    if (all.count && count_ranges(walk) > 1) /* a single range is in order already */
        qsort(all.items, all.count, sizeof *all.items, compare_candidates);
    take(out, &all, walk->limit, bytes);
    free(all.items);
    return err;
}

/* --- walking ---------------------------------------------------------------------------------- */

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Subtracts the cost of a piece of `each` entries per range. `full` ranges had a full piece
 * before. */
static void note_cost(struct progress *progress, size_t each, size_t full)
{
    size_t ended = full > progress->full ? full - progress->full : 0;
    size_t cost = (progress->full + ended) * each + progress->rest;

    progress->left -= least(progress->left, cost);
    progress->rest += ended * each;
}

static enum err walk_piece(struct db *db, struct walk *walk, struct progress *progress, size_t each,
                           struct findings *out, struct error *e)
{
    struct position bound;
    size_t full = progress->full;
    enum err err = find_bound(db, walk, progress, each, &bound, e);

    note_cost(progress, each, full);
    if (!err)
        err = find(db, walk, &progress->before, &bound, out, &progress->bytes, e);
    progress->before = bound;
    return err;
}

/* The first full hour, minute or second after a place; `unit` in seconds. */
static struct position full_after(const struct position *place, int64_t unit)
{
    struct position full = {.id = 0};
    struct tm tm = {0};

    sscanf(place->at, "%4d-%2d-%2dT%2d:%2d:%2d", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour,
           &tm.tm_min, &tm.tm_sec);
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    time_t seconds = (time_t)((timegm(&tm) / unit + 1) * unit);
    gmtime_r(&seconds, &tm);
    strftime(full.at, sizeof full.at, "%Y-%m-%dT%H:%M:%S.000000", &tm);
    return full;
}

/* Returns where the next page begins. If the walk ended at a row that the caller may not see, its
 * exact time must not leak. Then the next page begins at the last row of this one, or at a full
 * hour, minute or second, as long as the walk makes progress. The time leaks only as exactly as
 * 20,000 rows are close together. */
static struct position end_of(const struct walk *walk, const struct findings *found,
                              const struct position *end)
{
    static const int64_t units[] = {3600, 60, 1};
    const struct position *last = &walk->before;

    if (!walk->hidden)
        return *end;
    if (found->count)
        last = &found->items[found->count - 1].position;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        struct position full = full_after(end, units[i]);
        if (compare_positions(&full, last) < 0)
            return full;
    }
    return found->count ? *last : *end;
}

/* Walks in pieces until the page is full, the ranges end, or WALK_ENTRIES_MAX is reached. An entry
 * is read twice, to find where its piece ends and with its row, and is counted once. */
static enum err walk_pieces(struct db *db, struct walk *walk, struct findings *out, struct error *e)
{
    size_t ranges = count_ranges(walk);
    struct progress progress = {walk->before, WALK_ENTRIES_MAX, ranges, 0, 0};
    size_t piece = ranges * FIRST_OF_EACH > FIRST_PIECE ? ranges * FIRST_OF_EACH : FIRST_PIECE;
    enum err err = ERR_OK;

    while (!err && !out->more && progress.full) {
        size_t may = progress.left - least(progress.left, progress.rest);
        size_t each = least(piece, may) / progress.full;
        if (!each)
            break;
        err = walk_piece(db, walk, &progress, each, out, e);
        piece *= NEXT_PIECE;
    }
    if (err || out->more || !progress.full)
        return err;
    out->more = true;
    out->cut = out->count < walk->limit;
    out->end = end_of(walk, out, &progress.before);
    return err;
}

enum err walk(struct db *db, struct walk *walk, struct findings *out, struct error *e)
{
    size_t ranges = count_ranges(walk);
    uint64_t bytes = 0;

    *out = (struct findings){.items = xcalloc(walk->limit, sizeof *out->items)};
    if (!ranges)
        return ERR_OK;
    if (walk->exact && ranges * (walk->limit + 1) <= WALK_ENTRIES_MAX)
        return find(db, walk, &walk->before, &walk->since, out, &bytes, e);
    return walk_pieces(db, walk, out, e);
}

void findings_free(struct findings *findings)
{
    free(findings->items);
    *findings = (struct findings){0};
}

void walk_free(struct walk *walk)
{
    for (size_t i = 0; i < walk->kinds; i++)
        rows_free(&walk->ranges[i].rows);
    walk->kinds = 0;
}
