/* SPDX-License-Identifier: MIT */
/* base/conf with both tables of options: each accepted value is within its bounds. The input is a
 * configuration file. */
#include "config.h"

#include <string.h>

#include "machine/options.h"
#include "common/settings.h"
#include "fuzz.h"

static void check_option(const struct conf_option *option, const void *settings)
{
    const void *member = (const char *)settings + option->offset;
    const struct strlist *list = member;
    int choices = 0;

    switch (option->type) {
    case CONF_TEXT:
        MUST(*(char *const *)member);
        break;
    case CONF_INT:
    case CONF_SECONDS:
        MUST(*(const long *)member >= option->min && *(const long *)member <= option->max);
        break;
    case CONF_CHOICE:
        while (option->choices[choices])
            choices++;
        MUST(*(const int *)member >= 0 && *(const int *)member < choices);
        break;
    case CONF_LIST:
    case CONF_LINES:
    case CONF_OBSOLETE:
        for (size_t i = 0; i < list->count; i++)
            MUST(*list->items[i]);
        break;
    case CONF_RENAMED:
        break;
    }
}

static void check(const struct conf_option *options, size_t count, enum err err,
                  const void *settings, const struct error *e)
{
    if (err)
        MUST(*e->detail);
    for (size_t i = 0; !err && i < count; i++)
        check_option(&options[i], settings);
}

/* Some combinations of repetition operators in shell.mask cost glibc's regcomp a gigabyte. They are
 * skipped, since only an administrator can write them. */
static bool is_costly(const char *bytes, size_t length)
{
    size_t operators = 0;

    for (size_t i = 0; i < length; i++)
        operators += strchr("*+?{", bytes[i]) && bytes[i];
    return operators > 2 && memmem(bytes, length, "mask", 4);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char *path;
    struct settings settings;
    struct agent_options options;
    struct error e = {0}, other = {0};

    if (is_costly((const char *)data, size))
        return 0;
    if (!path)
        path = fuzz_path("conf");
    fuzz_write(path, data, size);
    enum err err = settings_load(NULL, path, 0, &settings, &e);
    check(settings_options, settings_options_count, err, &settings, &e);
    settings_free(&settings);
    err = agent_options_load(NULL, path, false, 0, &options, &other);
    check(agent_options_table, agent_options_count, err, &options, &other);
    agent_options_free(&options);
    return 0;
}
