/* SPDX-License-Identifier: MIT */
/* vsayctl purge: deletes what is older than an operator wants to keep.
 *
 * No job of vsay's own does this, and history has no default age: how long it must or may be kept
 * is each site's decision. The work is in store/purge.c, in small transactions. This shows how far
 * it has got, and how much was deleted even if it fails half way. */
#include "config.h"
#include "ctl/ctl.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "ctl/check.h"
#include "ctl/output.h"
#include "ctl/context.h"
#include "store/purge.h"

enum { OLDER_THAN, AUDIT_OLDER_THAN };

/* At least a day: a missing suffix, 90 for 90d, must not delete the history. */
static const long day = 24 * 3600L, century = 100 * 365 * 24 * 3600L;

/* --- the bar --------------------------------------------------------------------------------- */

enum { BAR_WIDTH = 40 };

struct bar {
    const char *what; /* the table of the cursor's line; NULL: none */
};

static void end_bar(struct bar *bar)
{
    if (bar->what)
        fputc('\n', stderr);
    bar->what = NULL;
}

static void show_bar(void *context, const struct purge_progress *progress)
{
    static const char full[] = "########################################";
    struct bar *bar = context;
    int done = progress->percent * BAR_WIDTH / 100;

    if (bar->what && bar->what != progress->what)
        end_bar(bar);
    bar->what = progress->what;
    fprintf(stderr, "\r%-13s [%-*.*s] %3d %% %12" PRIu64, progress->what, BAR_WIDTH, done, full,
            progress->percent, progress->done);
}

static void show_nothing(void *context, const struct purge_progress *progress)
{
    (void)context;
    (void)progress;
}

/* --- the command ----------------------------------------------------------------------------- */

static enum err parse_age(const char *option, const char *value, long *out, struct error *e)
{
    enum err err = check_seconds(option, value, out, e);

    if (!err && (*out < day || *out > century))
        err = error_set(e, ERR_REQUEST, "%s: '%.80s' is not from 1d to 36500d", option, value);
    return err;
}

static enum err parse_ages(const struct invocation *invocation, struct purge_ages *out,
                           struct error *e)
{
    enum err err = parse_age("--older-than", invocation->values[OLDER_THAN], &out->history, e);

    return err ? err
               : parse_age("--audit-older-than", invocation->values[AUDIT_OLDER_THAN], &out->audit,
                           e);
}

/* Printed also when a purge failed half way: its rows are deleted. */
static void print_counts(const uint64_t counts[PURGED_COUNT], bool json)
{
    static const char *const members[PURGED_COUNT] = {[PURGED_COMMANDS] = "commands",
                                                      [PURGED_SESSIONS] = "sessions",
                                                      [PURGED_RECEIPTS] = "receipts",
                                                      [PURGED_LOST] = "lost_sessions_closed",
                                                      [PURGED_AUDIT] = "audit"};
    if (json) {
        struct json_object *object = json_object_new_object();
        for (int i = 0; i < PURGED_COUNT; i++)
            json_object_object_add(object, members[i], json_object_new_int64((int64_t)counts[i]));
        output_json(object, true);
        return;
    }
    printf("commands: %" PRIu64 ", sessions: %" PRIu64 ", receipts: %" PRIu64
           ", lost sessions closed: %" PRIu64 ", audit: %" PRIu64 "\n",
           counts[PURGED_COMMANDS], counts[PURGED_SESSIONS], counts[PURGED_RECEIPTS],
           counts[PURGED_LOST], counts[PURGED_AUDIT]);
}

static enum err run(const struct invocation *invocation, struct error *e)
{
    purge_fn *report = isatty(STDERR_FILENO) ? show_bar : show_nothing;
    uint64_t counts[PURGED_COUNT] = {0};
    struct context ctx = {0};
    struct bar bar = {0};
    struct purge_ages ages;
    enum err err = parse_ages(invocation, &ages, e);

    if (!err)
        err = context_open(&ctx, invocation, e);
    if (!err) {
        err = purge(ctx.db, &ages, report, &bar, counts, e);
        end_bar(&bar);
        print_counts(counts, invocation->json);
    }
    context_close(&ctx);
    return err;
}

const struct subcommand cmd_purge = {
    .name = "purge",
    .summary =
        "Delete old commands, closed sessions and audit, and close sessions of lost machines.",
    .options = {[OLDER_THAN] = {"older-than", "TIME",
                                .help = "what to delete, such as 90d; must be given"},
                [AUDIT_OLDER_THAN] = {"audit-older-than", "TIME",
                                      .help = "what to delete of the audit", .fallback = "365d"}},
    .run = run,
};
