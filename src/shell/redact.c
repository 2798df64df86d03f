/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "shell/redact.h"

#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/utf8.h"
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

    /* agent_options_load has refused what does not compile; only memory may be short here */
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

/* --- valid text --------------------------------------------------------- */

/* Returns the text as valid UTF-8 without NUL: U+FFFD replaces each invalid byte. */
static char *clean(const char *text, size_t length)
{
    static const char replacement[] = "\xef\xbf\xbd";
    struct buffer out = {0};

    for (size_t at = 0; at < length;) {
        size_t character = text[at] ? utf8_character(text + at, length - at) : 0;
        if (character)
            buffer_add(&out, text + at, character);
        else
            buffer_add(&out, replacement, sizeof replacement - 1);
        at += character ? character : 1;
    }
    buffer_add(&out, "", 1);
    return out.bytes;
}

/* --- redaction ----------------------------------------------------------- */

/* Appends the text up to the end of the first match, redacted. Returns the length of that part of
 * the text, 0 when nothing matches. A group lets a pattern name the words around a secret, such as
 * --password=, and keep them in the record. */
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
    if (end == 0) /* an empty match; go on, or it would be found for ever */
        buffer_add(out, text, 1);
    return end ? end : 1;
}

/* Redacts all matches of a pattern. `^` means the beginning of the whole text, not of what is left
 * after a match. */
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

/* Applies the patterns in turn. Takes ownership of `text`, and returns the result. */
static char *redact_each(const struct redact *redact, char *text)
{
    for (size_t i = 0; i < redact->count; i++) {
        char *redacted = redact_all(&redact->patterns[i], text);
        free(text);
        text = redacted;
    }
    return text;
}

/* --- length -------------------------------------------------------------- */

/* Returns the length in JSON of a character of `length` bytes; json-c writes control characters as
 * \u00XX, or shorter. */
static size_t json_length(const char *character, size_t length)
{
    if ((unsigned char)*character < ' ')
        return strlen("\\u0000");
    return length + (*character == '"' || *character == '\\');
}

/* Cuts the text between two characters, so that both limits hold. */
static void cut(char *text)
{
    size_t left = strlen(text), at = 0, json = 0;

    while (left) {
        size_t length = utf8_character(text + at, left);
        json += json_length(text + at, length);
        if (length == 0 || at + length > REDACT_COMMAND_MAX || json > REDACT_JSON_MAX)
            break;
        at += length;
        left -= length;
    }
    text[at] = '\0';
}

/* The order matters. The text is cleaned first, because regexec stops at a NUL, and in UTF-8 the
 * `.` of a pattern matches no invalid byte. It is cut last, because a pattern may not match the
 * first half of a secret. */
char *redact_command(const struct redact *redact, const char *text, size_t length)
{
    char *recorded = redact_each(redact, clean(text, length));

    cut(recorded);
    return recorded;
}
