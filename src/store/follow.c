/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "store/follow.h"

#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"

/* Ids come in ascending order, so the list is sorted as it is. */
static void see(struct seen *seen, uint64_t id)
{
    if (seen->count == seen->capacity) {
        seen->capacity = seen->capacity ? 2 * seen->capacity : FOLLOW_PAGE;
        seen->ids = xrealloc(seen->ids, seen->capacity * sizeof *seen->ids);
    }
    seen->ids[seen->count++] = id;
}

static int compare_ids(const void *a, const void *b)
{
    uint64_t one = *(const uint64_t *)a, other = *(const uint64_t *)b;

    return (one > other) - (one < other);
}

static bool was_seen(const struct seen *seen, uint64_t id)
{
    return seen->count && bsearch(&id, seen->ids, seen->count, sizeof id, compare_ids);
}

/* --- a page ----------------------------------------------------------------------------------- */

static struct params params_of(const struct follow *follow)
{
    const struct history_filter *filter = follow->filter;
    struct params params = {0};

    params_text(&params, PARAM_OF_USER, filter->user_id);
    params_text(&params, PARAM_AGENT, filter->agent_id);
    params_text(&params, PARAM_SESSION, filter->session_id);
    params_text(&params, PARAM_Q, filter->q);
    params_uint(&params, PARAM_AFTER_ID, follow->from);
    params_uint(&params, PARAM_LIMIT, FOLLOW_PAGE);
    return params;
}

/* Loads the ids of a page, and into `fresh` those that are new and match the filter. */
static enum err load_ids(struct db *db, const struct follow *follow, struct seen *page,
                         struct findings *fresh, struct error *e)
{
    struct params params = params_of(follow);
    enum err err = db_select(db, STATEMENT_FOLLOW_COMMANDS, &params, e);

    for (const struct cell *row; (row = db_row(db));) {
        uint64_t id = (uint64_t)cell_int(&row[0]);
        see(page, id);
        if (cell_int(&row[1]) && !was_seen(&follow->last, id))
            fresh->items[fresh->count++] = (struct found){.id = id};
    }
    return err;
}

/* Ends a pass. The next one starts at the highest id of FOLLOW_LATE passes ago. */
static void end_pass(struct follow *follow)
{
    struct seen last = follow->last;
    uint64_t *earlier = &follow->earlier[follow->passes++ % FOLLOW_LATE];

    follow->last = follow->now;
    follow->now = last;
    follow->now.count = 0;
    follow->from = *earlier;
    *earlier = follow->highest;
    /* Many commands may have come in ten passes: look back at a bounded number of them. */
    if (follow->last.count > FOLLOW_BACK) {
        uint64_t bound = follow->last.ids[follow->last.count - FOLLOW_BACK - 1];
        follow->from = bound > follow->from ? bound : follow->from;
    }
}

/* Notes the ids of a page. True: the pass continues. */
static bool take(struct follow *follow, const struct seen *page)
{
    for (size_t i = 0; i < page->count; i++)
        see(&follow->now, page->ids[i]);
    if (page->count)
        follow->from = page->ids[page->count - 1];
    if (follow->from > follow->highest)
        follow->highest = follow->from;
    if (page->count == FOLLOW_PAGE)
        return true;
    end_pass(follow);
    return false;
}

enum err follow_page(struct db *db, struct follow *follow, struct history *out, struct error *e)
{
    struct seen page = {0};
    struct findings fresh = {.items = xcalloc(FOLLOW_PAGE, sizeof *fresh.items)};
    enum err err = load_ids(db, follow, &page, &fresh, e);

    *out = (struct history){0};
    if (!err && fresh.count && follow->passes) /* the first pass only learns what exists */
        err = history_load_commands(db, &fresh, out, e);
    if (!err)
        out->more = take(follow, &page);
    free(page.ids);
    findings_free(&fresh);
    return err;
}

/* --- from the beginning to the end ------------------------------------------------------------ */

static enum err load_newest(struct db *db, uint64_t *id, struct error *e)
{
    struct params params = {0};
    enum err err = db_select(db, STATEMENT_NEWEST_COMMAND, &params, e);
    const struct cell *row = db_row(db);

    *id = row ? (uint64_t)cell_int(&row[0]) : 0;
    return err;
}

enum err follow_begin(struct db *db, struct follow *follow, struct error *e)
{
    struct history none = {.more = true};
    uint64_t newest;
    enum err err = load_newest(db, &newest, e);

    follow_free(follow);
    follow->from = newest > FOLLOW_START ? newest - FOLLOW_START : 0;
    for (size_t i = 0; i < FOLLOW_LATE; i++)
        follow->earlier[i] = follow->from;
    while (!err && none.more)
        err = follow_page(db, follow, &none, e);
    return err;
}

void follow_free(struct follow *follow)
{
    free(follow->last.ids);
    free(follow->now.ids);
    *follow = (struct follow){.filter = follow->filter};
}
