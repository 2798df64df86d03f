/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "shell/redact.h"

#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/xalloc.h"

/* Per pattern and command. Each search takes time in proportion to the text, so very many matches
 * would stop the terminal; the rest of such a text is redacted as a whole. */
enum { MATCHES_MAX = 1000 };

static const char stars[] = "***";

struct redact {
    regex_t *patterns;
    size_t count;
};

struct redact *redact_new(const struct strlist *patterns)
{
    struct redact *redact = xcalloc(1, sizeof *redact);

    redact->patterns = xcalloc(patterns->count, sizeof *redact->patterns);
    for (size_t i = 0; i < patterns->count; i++) {
        if (regcomp(&redact->patterns[redact->count], patterns->items[i], REG_EXTENDED) == 0)
            redact->count++;
    }
    return redact;
}

void redact_free(struct redact *redact)
{
    if (!redact)
        return;
    for (size_t i = 0; i < redact->count; i++)
        regfree(&redact->patterns[i]);
    free(redact->patterns);
    free(redact);
}

/* Appends the text up to the end of the first match, redacted. Returns the length of that part of
 * the text, 0 when nothing matches. */
static size_t redact_first(const regex_t *pattern, const char *text, int flags, struct buffer *out)
{
    regmatch_t found[2];

    if (!*text || regexec(pattern, text, 2, found, flags) != 0)
        return 0;
    const regmatch_t *secret = &found[pattern->re_nsub ? 1 : 0];
    size_t end = (size_t)found[0].rm_eo;
    if (secret->rm_so < secret->rm_eo) {
        buffer_add(out, text, (size_t)secret->rm_so);
        buffer_add(out, stars, sizeof stars - 1);
        buffer_add(out, text + secret->rm_eo, end - (size_t)secret->rm_eo);
    } else {
        buffer_add(out, text, end);
    }
    if (end == 0)
        buffer_add(out, text, 1);
    return end ? end : 1;
}

static char *redact_all(const regex_t *pattern, const char *text)
{
    struct buffer out = {0};
    size_t at = 0, step = 1;

    for (int i = 0; step && i < MATCHES_MAX; i++) {
        step = redact_first(pattern, text + at, at ? REG_NOTBOL : 0, &out);
        at += step;
    }
    if (step)
        buffer_add(&out, stars, sizeof stars);
    else
        buffer_add(&out, text + at, strlen(text + at) + 1);
    return out.bytes;
}

char *redact_apply(const struct redact *redact, char *text)
{
    for (size_t i = 0; i < redact->count; i++) {
        char *masked = redact_all(&redact->patterns[i], text);
        free(text);
        text = masked;
    }
    return text;
}
