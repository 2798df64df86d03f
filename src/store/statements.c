/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "store/statements.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "store/statements_rules.h"

/* A table per subject. Each has its own statements and NULL for those of the others, so a statement
 * stands next to the fragments that it is made of. */
static const char *const *const tables[] = {
    statements_sessions,
    statements_agents,
    statements_machines,
};

const char *statement_text(int statement)
{
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        if (tables[i][statement])
            return tables[i][statement];
    }
    abort(); /* no table has it */
}

static const char *const names[PARAM_COUNT] = {
#define STATEMENT_PARAM(name, text) [PARAM_##name] = text,
    STATEMENT_PARAMS(STATEMENT_PARAM)
#undef STATEMENT_PARAM
};

static enum param param_named(const char *name, size_t length)
{
    for (int i = 0; i < PARAM_COUNT; i++) {
        if (strlen(names[i]) == length && memcmp(names[i], name, length) == 0)
            return (enum param)i;
    }
    abort(); /* a statement names an unknown parameter */
}

/* A colon in a quoted text, such as that of a time format, begins no parameter. */
const char *statement_next_param(const char *from, const char *to, enum param *param,
                                 const char **after)
{
    bool quoted = false;
    const char *p = from;

    while (p < to && (quoted || *p != ':'))
        quoted ^= *p++ == '\'';
    if (p == to)
        return to;
    size_t length = strspn(p + 1, "abcdefghijklmnopqrstuvwxyz0123456789_");
    *param = param_named(p + 1, length);
    *after = p + 1 + length;
    return p;
}

size_t statement_translate(const char *named, char **sql, enum param order[STATEMENT_PARAMS_MAX])
{
    const char *end = named + strlen(named);
    size_t count = 0;
    char *out = *sql = xcalloc(1, strlen(named) + 1);

    for (;;) {
        const char *from = named;
        enum param param;
        const char *colon = statement_next_param(from, end, &param, &named);
        memcpy(out, from, (size_t)(colon - from));
        out += colon - from;
        if (colon == end)
            return count;
        assert(count < STATEMENT_PARAMS_MAX);
        order[count++] = param;
        *out++ = '?';
    }
}
