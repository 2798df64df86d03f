/* SPDX-License-Identifier: MIT */
/* Fuzzes shell/osc633: however reads split the terminal's output, the same marks are found and the
 * same bytes pass. The first byte of the input chooses the split; the rest is the output. */
#include "config.h"

#include <string.h>

#include "shell/osc633.h"
#include "fuzz.h"

struct result {
    struct buffer out, marks;
};

static void on_mark(void *context, char mark, const char *text, size_t length)
{
    struct result *result = context;

    buffer_add(&result->marks, &mark, 1);
    buffer_add(&result->marks, text, length);
    buffer_add(&result->marks, "\n", 1);
}

/* Feeds `step` bytes at a time, or pieces of growing length if that is 0. With `late`, releases the
 * bytes held back after each piece. */
static struct result feed(struct text in, size_t step, bool late)
{
    struct result result = {0};
    struct osc633 *osc633 = osc633_new("nonce", on_mark, &result);

    for (size_t at = 0, length = step; at < in.length; at += length) {
        length = step ? step : length + 1;
        if (length > in.length - at)
            length = in.length - at;
        osc633_feed(osc633, in.bytes + at, length, &result.out);
        if (late)
            osc633_release(osc633, &result.out);
    }
    for (int i = 0; i < OSC633_PATIENCE; i++) /* until a C without an end is given up */
        osc633_release(osc633, &result.out);
    MUST(!osc633_holds(osc633));
    osc633_free(osc633);
    return result;
}

static bool same(const struct buffer *a, const struct buffer *b)
{
    return a->length == b->length && (!a->length || memcmp(a->bytes, b->bytes, a->length) == 0);
}

static void result_free(struct result *result)
{
    buffer_free(&result->out);
    buffer_free(&result->marks);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct text in = {(const char *)data + 1, size - 1};
    struct result whole = feed(in, in.length ? in.length : 1, false);
    struct result split = feed(in, data[0] % 64, false), bytes = feed(in, 1, false);
    struct result late = feed(in, data[0] % 64, true);

    MUST(whole.out.length <= in.length);
    MUST(same(&whole.out, &bytes.out) && same(&whole.marks, &bytes.marks));
    MUST(same(&whole.out, &split.out) && same(&whole.marks, &split.marks));
    MUST(same(&whole.marks, &late.marks));
    result_free(&whole);
    result_free(&split);
    result_free(&bytes);
    result_free(&late);
    return 0;
}
