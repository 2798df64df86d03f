/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "ctl/conf_text.h"

#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"

static const char *next_line(const char *line)
{
    line += strcspn(line, "\n");
    return *line ? line + 1 : NULL;
}

static bool begins(const char *line, const char *section)
{
    size_t length = strlen(section);

    return *line == '[' && strncmp(line + 1, section, length) == 0 && line[1 + length] == ']';
}

static bool names(const char *line, const char *key)
{
    size_t length = strlen(key);

    if (strncmp(line, key, length) != 0)
        return false;
    line += length;
    line += strspn(line, " \t");
    return *line == '=' || *line == ':';
}

/* The line of the option, or if `commented`, of `#key =`. NULL: not in its section. */
static const char *find(const char *text, const char *section, const char *key, bool commented)
{
    bool within = false;

    for (const char *line = text; line; line = next_line(line)) {
        if (*line == '[')
            within = begins(line, section);
        else if (within && commented && *line == '#' && names(line + 1, key))
            return line;
        else if (within && !commented && names(line + strspn(line, " \t"), key))
            return line;
    }
    return NULL;
}

/* The line after `[section]`. NULL: there is no such section. */
static const char *find_section(const char *text, const char *section)
{
    for (const char *line = text; line; line = next_line(line)) {
        if (begins(line, section))
            return next_line(line) ? next_line(line) : line + strlen(line);
    }
    return NULL;
}

bool conf_text_has(const char *text, const char *section, const char *key)
{
    return find(text, section, key, false) != NULL;
}

void conf_text_set(char **text, const char *section, const char *key, const char *value)
{
    const char *at = find(*text, section, key, true), *rest = at;
    char *head = NULL;

    if (at) {
        rest += strcspn(rest, "\n");
        rest += *rest == '\n';
    } else if (!(at = rest = find_section(*text, section))) {
        at = rest = *text + strlen(*text);
        head = xasprintf("%s\n[%s]\n", at == *text || at[-1] == '\n' ? "" : "\n", section);
    } else if (at[-1] != '\n') {
        head = xstrdup("\n");
    }
    char *changed = xasprintf("%.*s%s%s = %s\n%s", (int)(at - *text), *text, head ? head : "", key,
                              value, rest);
    free(head);
    free(*text);
    *text = changed;
}
