/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "shell/osc633.h"

#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"

/* Output arrives in pieces that end anywhere, so a mark is recognised byte by byte: `held` is what
 * may still become one. Most output has no escape character and takes the fast path, memchr and one
 * copy (osc633_feed).
 *
 * B, D and U are ordinary escape sequences: short, without control characters. C is not. It
 * contains the history's entry as the shell prints it, without any escaping, because in the shell
 * that would cost time (zsh took ten seconds for 64 KiB) and could not carry all bytes. So a C is
 * recognised by the nonce right after its beginning, and ends only at a second nonce; in between
 * anything goes. */

enum { ESC = 0x1b, BEL = 0x07 };

/* The beginning of a mark, with '*' for its kind. */
static const char head[] = "\033]633;*;", kinds[] = "BCDU";
enum { HEAD = sizeof head - 1, KIND = HEAD - 2 };

struct osc633 {
    const char *nonce;
    size_t nonce_length;
    osc633_on_mark *on_mark;
    void *context;
    struct buffer held; /* what may become a mark */
    size_t passed;      /* how many of these osc633_release has passed already */
    int waited;         /* calls of osc633_release since the last new byte */
};

enum verdict { HOLD, COMPLETE, NO_MARK };

struct osc633 *osc633_new(const char *nonce, osc633_on_mark *on_mark, void *context)
{
    struct osc633 *osc633 = xcalloc(1, sizeof *osc633);

    osc633->nonce = nonce;
    osc633->nonce_length = strlen(nonce);
    osc633->on_mark = on_mark;
    osc633->context = context;
    return osc633;
}

void osc633_free(struct osc633 *osc633)
{
    if (osc633)
        buffer_free(&osc633->held);
    free(osc633);
}

bool osc633_holds(const struct osc633 *osc633)
{
    return osc633->held.length > osc633->passed;
}

/* Returns the length of a C up to its text: the head, the nonce and a semicolon. */
static size_t preamble(const struct osc633 *osc633)
{
    return HEAD + osc633->nonce_length + 1;
}

/* Returns whether this is, or may become, a C. */
static bool is_raw(const struct osc633 *osc633)
{
    return osc633->held.length >= HEAD && osc633->held.bytes[KIND] == 'C';
}

static void forget(struct osc633 *osc633)
{
    osc633->held.length = osc633->passed = 0;
}

/* Passes what was not passed before. The bytes stay held, in case they do become a mark. */
static void pass(struct osc633 *osc633, struct buffer *out)
{
    buffer_add(out, osc633->held.bytes + osc633->passed, osc633->held.length - osc633->passed);
    osc633->passed = osc633->held.length;
}

/* The text of a C is a command before its redaction, and the nonce must stay secret: so once the
 * nonce has come, the bytes may be lost, but not shown. */
void osc633_release(struct osc633 *osc633, struct buffer *out)
{
    if (!osc633_holds(osc633))
        return;
    if (!is_raw(osc633) || osc633->held.length < preamble(osc633))
        pass(osc633, out);
    else if (++osc633->waited >= OSC633_PATIENCE)
        forget(osc633);
}

static bool ends_with_nonce(const struct osc633 *osc633)
{
    size_t tail = osc633->nonce_length + 1;
    const char *end = osc633->held.bytes + osc633->held.length - tail;

    return osc633->held.length >= preamble(osc633) + tail && *end == ';' &&
           memcmp(end + 1, osc633->nonce, osc633->nonce_length) == 0;
}

/* Judges a byte of a C. After the first nonce it may contain any bytes, up to the second. */
static enum verdict judge_raw(const struct osc633 *osc633, char byte)
{
    size_t at = osc633->held.length - HEAD;

    if (at < osc633->nonce_length)
        return byte == osc633->nonce[at] ? HOLD : NO_MARK;
    if (at == osc633->nonce_length)
        return byte == ';' ? HOLD : NO_MARK;
    return byte == BEL && ends_with_nonce(osc633) ? COMPLETE : HOLD;
}

/* Decides what the held bytes are, followed by `byte`. */
static enum verdict judge(const struct osc633 *osc633, char byte)
{
    size_t length = osc633->held.length;

    if (length < HEAD) {
        bool fits = length == KIND ? byte && strchr(kinds, byte) : byte == head[length];
        return fits ? HOLD : NO_MARK;
    }
    if (is_raw(osc633))
        return judge_raw(osc633, byte);
    if (osc633->held.bytes[length - 1] == ESC)
        return byte == '\\' ? COMPLETE : NO_MARK;
    if (byte == BEL)
        return COMPLETE;
    bool control = (unsigned char)byte < ' ' && byte != ESC;
    return control || length >= OSC633_MAX ? NO_MARK : HOLD;
}

/* Withholds a complete mark from the terminal. If its beginning was passed already, passes its
 * terminator of `end` bytes too, or the terminal would swallow what follows. */
static void withhold(const struct osc633 *osc633, size_t end, struct buffer *out)
{
    if (osc633->passed && osc633_holds(osc633)) {
        size_t from = osc633->held.length - end;
        from = from > osc633->passed ? from : osc633->passed;
        buffer_add(out, osc633->held.bytes + from, osc633->held.length - from);
    }
}

/* Handles a complete sequence with a terminator of `end` bytes: takes it out if it carries our
 * nonce, and passes it otherwise. */
static void finish(struct osc633 *osc633, size_t end, struct buffer *out)
{
    size_t start = is_raw(osc633) ? preamble(osc633) : HEAD;
    const char *text = osc633->held.bytes + start;
    size_t length = osc633->held.length - start - end;
    size_t tail = osc633->nonce_length + 1;
    bool ours =
        length >= tail && text[length - tail] == ';' &&
        memcmp(text + length - osc633->nonce_length, osc633->nonce, osc633->nonce_length) == 0;

    if (ours) {
        osc633->on_mark(osc633->context, osc633->held.bytes[KIND], text, length - tail);
        withhold(osc633, end, out);
    } else {
        pass(osc633, out);
    }
    forget(osc633);
}

/* Passes held bytes that are not a mark. An ESC at their end may begin one. */
static void give_up(struct osc633 *osc633, struct buffer *out)
{
    bool again = osc633->held.length > 1 && osc633->held.bytes[osc633->held.length - 1] == ESC;
    bool was_passed = !osc633_holds(osc633);

    if (again && !was_passed)
        osc633->held.length--;
    pass(osc633, out);
    forget(osc633);
    if (again) {
        buffer_add(&osc633->held, "\033", 1);
        osc633->passed = was_passed;
    }
}

/* Drops one byte of an overlong C, before the tail that may be its nonce. The command is cut in the
 * record anyhow; what matters is that its end is still recognised. */
static void make_room(struct osc633 *osc633)
{
    size_t tail = osc633->nonce_length + 1;
    char *end = osc633->held.bytes + osc633->held.length - tail;

    memmove(end - 1, end, tail);
    osc633->held.length--;
}

/* Processes one byte. Returns false when it has to be processed again, in a new state. */
static bool take(struct osc633 *osc633, char byte, struct buffer *out)
{
    enum verdict verdict = judge(osc633, byte);

    osc633->waited = 0;
    if (verdict == NO_MARK) {
        give_up(osc633, out);
        return false;
    }
    if (osc633->held.length >= OSC633_MAX)
        make_room(osc633);
    buffer_add(&osc633->held, &byte, 1);
    if (verdict == COMPLETE)
        finish(osc633, byte == BEL ? 1 : 2, out);
    return true;
}

void osc633_feed(struct osc633 *osc633, const char *bytes, size_t length, struct buffer *out)
{
    size_t at = 0;

    while (at < length) {
        if (osc633->held.length == 0) {
            const char *escape = memchr(bytes + at, ESC, length - at);
            size_t plain = escape ? (size_t)(escape - (bytes + at)) : length - at;
            buffer_add(out, bytes + at, plain);
            at += plain;
            if (escape)
                buffer_add(&osc633->held, &bytes[at++], 1);
        } else if (take(osc633, bytes[at], out)) {
            at++;
        }
    }
}
