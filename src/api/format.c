/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "api/format.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

const char *const format_types[FORMAT_COUNT] = {
    [FORMAT_JSON] = "application/json",
    [FORMAT_CSV] = "text/csv; charset=utf-8; header=present",
    [FORMAT_NDJSON] = "application/x-ndjson",
};

/* How specific the matching media range is. */
enum fit { FIT_NONE, FIT_ALL, FIT_TYPE, FIT_EXACT };

static enum fit fit_of(const char *range, size_t length, enum format format)
{
    const char *type = format_types[format];
    size_t type_length = strcspn(type, ";"), main_length = strcspn(type, "/") + 1;

    if (length == type_length && strncasecmp(range, type, length) == 0)
        return FIT_EXACT;
    if (length == main_length + 1 && strncasecmp(range, type, main_length) == 0 &&
        range[main_length] == '*')
        return FIT_TYPE;
    return length == 3 && memcmp(range, "*/*", 3) == 0 ? FIT_ALL : FIT_NONE;
}

/* Finds the end of an element or a parameter: one of `ends` outside quotes. */
static const char *end_of(const char *p, const char *ends)
{
    for (bool quoted = false; *p && (quoted || !strchr(ends, *p)); p++) {
        if (quoted && *p == '\\' && p[1])
            p++;
        else if (*p == '"')
            quoted = !quoted;
    }
    return p;
}

/* The q-value among the parameters from `p` to `end`, in thousandths. */
static int weight_of(const char *p, const char *end)
{
    for (; p < end; p = end_of(p, ";,")) {
        p += *p == ';';
        p += strspn(p, " \t");
        if (strncasecmp(p, "q=", 2) == 0)
            return (int)(1000 * strtod(p + 2, NULL) + 0.5);
    }
    return 1000;
}

struct preference {
    enum fit fit; /* of the most specific range, which alone counts */
    int weight;
};

static void note_range(const char *range, const char *end, struct preference all[FORMAT_COUNT])
{
    const char *name_end = range + strcspn(range, " \t;,");
    int weight = weight_of(end_of(range, ";,"), end);

    for (int i = 0; i < FORMAT_COUNT; i++) {
        enum fit fit = fit_of(range, (size_t)(name_end - range), (enum format)i);
        if (fit > all[i].fit)
            all[i] = (struct preference){fit, weight};
    }
}

static bool is_better(const struct preference *a, const struct preference *b)
{
    return a->weight != b->weight ? a->weight > b->weight : a->fit > b->fit;
}

enum format format_choose(const char *accept)
{
    struct preference all[FORMAT_COUNT] = {0};
    int best = FORMAT_JSON;

    for (const char *p = accept ? accept : ""; *p;) {
        const char *end = end_of(p, ",");
        note_range(p + strspn(p, " \t"), end, all);
        p = end + (*end == ',');
    }
    for (int i = 1; i < FORMAT_COUNT; i++) {
        if (all[i].weight > 0 && is_better(&all[i], &all[best]))
            best = i;
    }
    return (enum format)best;
}
