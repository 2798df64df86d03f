/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "agent/shell_osc.h"

#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"

enum { ESC = 0x1b, BEL = 0x07 };

/* How a mark begins, with '*' for its kind. */
static const char head[] = "\033]633;*;", kinds[] = "BCDU";
enum { HEAD = sizeof head - 1, KIND = HEAD - 2 };

struct osc {
    const char *nonce;
    size_t nonce_length;
    osc_on_mark *on_mark;
    void *context;
    struct buffer held; /* what may become a mark */
    size_t passed;      /* so many bytes of it have been passed by osc_release */
    int waited;         /* calls of osc_release since there was something new */
};

enum verdict { HOLD, WHOLE, STRANGE };

struct osc *osc_new(const char *nonce, osc_on_mark *on_mark, void *context)
{
    struct osc *osc = xcalloc(1, sizeof *osc);

    osc->nonce = nonce;
    osc->nonce_length = strlen(nonce);
    osc->on_mark = on_mark;
    osc->context = context;
    return osc;
}

void osc_free(struct osc *osc)
{
    if (osc)
        buffer_free(&osc->held);
    free(osc);
}

bool osc_holds(const struct osc *osc)
{
    return osc->held.length > osc->passed;
}

/* Of a C: the nonce and a semicolon before the text. */
static size_t preamble(const struct osc *osc)
{
    return HEAD + osc->nonce_length + 1;
}

static bool is_raw(const struct osc *osc)
{
    return osc->held.length >= HEAD && osc->held.bytes[KIND] == 'C';
}

static void forget(struct osc *osc)
{
    osc->held.length = osc->passed = 0;
}

static void pass(struct osc *osc, struct buffer *out)
{
    buffer_add(out, osc->held.bytes + osc->passed, osc->held.length - osc->passed);
    osc->passed = osc->held.length;
}

void osc_release(struct osc *osc, struct buffer *out)
{
    if (!osc_holds(osc))
        return;
    if (!is_raw(osc) || osc->held.length < preamble(osc))
        pass(osc, out);
    else if (++osc->waited >= OSC_PATIENCE)
        forget(osc);
}

static bool ends_with_nonce(const struct osc *osc)
{
    size_t tail = osc->nonce_length + 1;
    const char *end = osc->held.bytes + osc->held.length - tail;

    return osc->held.length >= preamble(osc) + tail && *end == ';' &&
           memcmp(end + 1, osc->nonce, osc->nonce_length) == 0;
}

/* Whatever is in a command belongs to its mark, once that has shown the nonce. */
static enum verdict judge_raw(const struct osc *osc, char byte)
{
    size_t at = osc->held.length - HEAD;

    if (at < osc->nonce_length)
        return byte == osc->nonce[at] ? HOLD : STRANGE;
    if (at == osc->nonce_length)
        return byte == ';' ? HOLD : STRANGE;
    return byte == BEL && ends_with_nonce(osc) ? WHOLE : HOLD;
}

/* What `byte` makes of the sequence that is held. */
static enum verdict judge(const struct osc *osc, char byte)
{
    size_t length = osc->held.length;

    if (length < HEAD) {
        bool fits = length == KIND ? byte && strchr(kinds, byte) : byte == head[length];
        return fits ? HOLD : STRANGE;
    }
    if (is_raw(osc))
        return judge_raw(osc, byte);
    if (osc->held.bytes[length - 1] == ESC)
        return byte == '\\' ? WHOLE : STRANGE;
    if (byte == BEL)
        return WHOLE;
    bool control = (unsigned char)byte < ' ' && byte != ESC;
    return control || length >= OSC_MAX ? STRANGE : HOLD;
}

/* A mark stays ours; if it has begun to pass, the terminal gets its end, of `end` bytes. */
static void withhold(const struct osc *osc, size_t end, struct buffer *out)
{
    if (osc->passed && osc_holds(osc)) {
        size_t from = osc->held.length - end;
        from = from > osc->passed ? from : osc->passed;
        buffer_add(out, osc->held.bytes + from, osc->held.length - from);
    }
}

/* The sequence that is held has come to its end, of `end` bytes: takes it out when it is ours. */
static void finish(struct osc *osc, size_t end, struct buffer *out)
{
    size_t start = is_raw(osc) ? preamble(osc) : HEAD;
    const char *text = osc->held.bytes + start;
    size_t length = osc->held.length - start - end;
    size_t tail = osc->nonce_length + 1;
    bool ours = length >= tail && text[length - tail] == ';' &&
                memcmp(text + length - osc->nonce_length, osc->nonce, osc->nonce_length) == 0;

    if (ours) {
        osc->on_mark(osc->context, osc->held.bytes[KIND], text, length - tail);
        withhold(osc, end, out);
    } else {
        pass(osc, out);
    }
    forget(osc);
}

/* The held sequence is a stranger's. An ESC at its end may begin one of ours. */
static void give_up(struct osc *osc, struct buffer *out)
{
    bool again = osc->held.length > 1 && osc->held.bytes[osc->held.length - 1] == ESC;
    bool was_passed = !osc_holds(osc);

    if (again && !was_passed)
        osc->held.length--;
    pass(osc, out);
    forget(osc);
    if (again) {
        buffer_add(&osc->held, "\033", 1);
        osc->passed = was_passed;
    }
}

/* Leaves out what is too long, before what may be the nonce at the end. */
static void make_room(struct osc *osc)
{
    size_t tail = osc->nonce_length + 1;
    char *end = osc->held.bytes + osc->held.length - tail;

    memmove(end - 1, end, tail);
    osc->held.length--;
}

/* Takes one byte; false when it is still to be taken. */
static bool take(struct osc *osc, char byte, struct buffer *out)
{
    enum verdict verdict = judge(osc, byte);

    osc->waited = 0;
    if (verdict == STRANGE) {
        give_up(osc, out);
        return false;
    }
    if (osc->held.length >= OSC_MAX)
        make_room(osc);
    buffer_add(&osc->held, &byte, 1);
    if (verdict == WHOLE)
        finish(osc, byte == BEL ? 1 : 2, out);
    return true;
}

void osc_feed(struct osc *osc, const char *bytes, size_t length, struct buffer *out)
{
    size_t at = 0;

    while (at < length) {
        if (osc->held.length == 0) {
            const char *escape = memchr(bytes + at, ESC, length - at);
            size_t plain = escape ? (size_t)(escape - (bytes + at)) : length - at;
            buffer_add(out, bytes + at, plain);
            at += plain;
            if (escape)
                buffer_add(&osc->held, &bytes[at++], 1);
        } else if (take(osc, bytes[at], out)) {
            at++;
        }
    }
}
