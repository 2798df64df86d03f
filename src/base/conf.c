/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "base/conf.h"

#include <ctype.h>
#include <errno.h>
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "base/xalloc.h"

/* One option as the file gives it. The lines of a list are joined by line ends. */
struct given {
    char *text; /* in the file */
    int line;
    char *origin; /* source of its value: FILE:LINE, a variable, or FILE for the default */
    bool by_default;
};

struct parser {
    const struct conf_option *options;
    size_t count;
    struct given *given; /* one per option */
    const char *path;
    bool environment;
    FILE *file;
    char *line; /* the current one, of getline */
    size_t room;
    int number;
    enum err err; /* the first error, on line `number`; parsing ends there */
    struct error *e;
};

/* --- numbers, lists ------------------------------------------------------ */

static bool parse_number(const char *text, long *out, const char **end)
{
    char *stop;

    if (!isdigit((unsigned char)text[text[0] == '-']))
        return false;
    errno = 0;
    *out = strtol(text, &stop, 10);
    *end = stop;
    return errno == 0;
}

static bool parse_int(const char *text, long *out)
{
    const char *end;

    return parse_number(text, out, &end) && !*end;
}

bool conf_parse_seconds(const char *text, long *out)
{
    static const struct {
        const char *suffix;
        long seconds;
    } units[] = {{"", 1}, {"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}};
    const char *end;
    long n;

    if (!parse_number(text, &n, &end) || n < 0)
        return false;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (strcmp(end, units[i].suffix) == 0)
            return !__builtin_mul_overflow(n, units[i].seconds, out);
    }
    return false;
}

static bool is_list(const struct conf_option *o)
{
    return o->type == CONF_LIST || o->type == CONF_LINES;
}

static void add_item(struct strlist *list, char *item)
{
    list->items = xrealloc(list->items, (list->count + 1) * sizeof *list->items);
    list->items[list->count++] = item;
}

static void split(const char *text, const char *separators, struct strlist *out)
{
    for (text += strspn(text, separators); *text; text += strspn(text, separators)) {
        size_t length = strcspn(text, separators);
        add_item(out, xstrndup(text, length));
        text += length;
    }
}

/* --- text to settings ---------------------------------------------------- */

static enum err set_number(const struct conf_option *o, const char *origin, long n, long *member,
                           struct error *e)
{
    if (n < o->min || n > o->max)
        return error_set(e, ERR_CONFIG, "%s: %s.%s must be from %ld to %ld%s, not %ld", origin,
                         o->section, o->key, o->min, o->max,
                         o->type == CONF_SECONDS ? " seconds" : "", n);
    *member = n;
    return ERR_OK;
}

static enum err set_choice(const struct conf_option *o, const char *origin, const char *text,
                           int *member, struct error *e)
{
    char list[128] = "";

    for (int i = 0; o->choices[i]; i++) {
        if (strcmp(text, o->choices[i]) == 0) {
            *member = i;
            return ERR_OK;
        }
        size_t length = strlen(list);
        snprintf(list + length, sizeof list - length, "%s%s", i ? ", " : "", o->choices[i]);
    }
    return error_set(e, ERR_CONFIG, "%s: %s.%s must be one of %s, not '%s'", origin, o->section,
                     o->key, list, text);
}

static enum err set_option(const struct conf_option *o, const char *origin, const char *text,
                           void *settings, struct error *e)
{
    void *member = (char *)settings + o->offset;
    long n;

    switch (o->type) {
    case CONF_TEXT:
        *(char **)member = xstrdup(text);
        return ERR_OK;
    case CONF_LIST:
        split(text, " \t\r\n,", member);
        return ERR_OK;
    case CONF_LINES:
        split(text, "\r\n", member);
        return ERR_OK;
    case CONF_OBSOLETE:
        if (*text)
            add_item(member, xasprintf("%s.%s", o->section, o->key));
        return ERR_OK;
    case CONF_RENAMED:
        return *text ? error_set(e, ERR_CONFIG, "%s: %s.%s is called %s now", origin, o->section,
                                 o->key, o->renamed)
                     : ERR_OK;
    case CONF_CHOICE:
        return set_choice(o, origin, text, member, e);
    case CONF_INT:
        if (!parse_int(text, &n))
            return error_set(e, ERR_CONFIG, "%s: %s.%s: '%s' is not a whole number", origin,
                             o->section, o->key, text);
        return set_number(o, origin, n, member, e);
    case CONF_SECONDS:
        if (!conf_parse_seconds(text, &n))
            return error_set(e, ERR_CONFIG,
                             "%s: %s.%s: '%s' is not a time span such as 30, 30s, 5m, 1h or 1d",
                             origin, o->section, o->key, text);
        return set_number(o, origin, n, member, e);
    }
    return error_set(e, ERR_INTERNAL, "option %s.%s has no type", o->section, o->key);
}

/* The environment overrides the file, which overrides the default. */
static enum err settle(const struct parser *p, const struct conf_option *o, struct given *given,
                       void *settings)
{
    char *variable = xasprintf("VSAY_%s_%s", o->section, o->key);

    for (char *c = variable; *c; c++)
        *c = (char)toupper((unsigned char)*c);
    const char *value = p->environment ? getenv(variable) : NULL;
    if (value) {
        given->origin = variable;
    } else {
        free(variable);
        given->by_default = !given->text;
        value = given->text ? given->text : o->fallback;
        given->origin = given->text ? xasprintf("%s:%d", p->path, given->line) : xstrdup(p->path);
    }
    return set_option(o, given->origin, value, settings, p->e);
}

/* Checks the given options first: an error between two options names the one that was given. */
static enum err check_values(const struct parser *p, bool by_default, unsigned use,
                             const void *settings)
{
    for (size_t i = 0; i < p->count; i++) {
        const struct conf_option *o = &p->options[i];
        struct error why = {0};
        if (o->check && p->given[i].by_default == by_default && o->check(settings, use, &why))
            return error_set(p->e, ERR_CONFIG, "%s: %s", p->given[i].origin, why.detail);
    }
    return ERR_OK;
}

/* --- the file ------------------------------------------------------------ */

static bool known_section(const struct parser *p, const char *name, size_t length)
{
    for (size_t i = 0; i < p->count; i++) {
        const char *section = p->options[i].section;
        if (strlen(section) == length && strncmp(section, name, length) == 0)
            return true;
    }
    return false;
}

/* libinih reports neither an unknown section without keys nor a line that it cuts. */
static enum err check_line(struct parser *p, size_t length, size_t room)
{
    if (length >= room)
        return error_set(p->e, ERR_CONFIG,
                         "%s:%d: the line is longer than %zu bytes; a list may continue in indented "
                         "lines",
                         p->path, p->number, room - 2);
    if (strlen(p->line) != length)
        return error_set(p->e, ERR_CONFIG, "%s:%d: the line holds a NUL byte", p->path, p->number);
    if (!utf8_valid(p->line, length) && !strchr("#;", p->line[strspn(p->line, " \t")]))
        return error_set(p->e, ERR_CONFIG, "%s:%d: the line is not UTF-8", p->path, p->number);
    size_t name = p->line[0] == '[' ? strcspn(p->line + 1, "]") : 0;
    if (name && p->line[1 + name] && !known_section(p, p->line + 1, name))
        return error_set(p->e, ERR_CONFIG, "%s:%d: unknown section [%.*s]", p->path, p->number,
                         (int)name, p->line + 1);
    return ERR_OK;
}

/* Reads a line for libinih, which stops at NULL. */
static char *next_line(char *out, int room, void *stream)
{
    struct parser *p = stream;

    if (p->err)
        return NULL;
    ssize_t length = getline(&p->line, &p->room, p->file);
    if (length < 0)
        return NULL;
    p->number++;
    p->err = check_line(p, (size_t)length, (size_t)room);
    return p->err ? NULL : memcpy(out, p->line, (size_t)length + 1);
}

/* Length of `value` without an inline comment, which libinih leaves in continuation lines. */
static int without_comment(const char *value)
{
    size_t length = 0;

    while (value[length] && !(value[length] == ';' && (length == 0 || isblank(value[length - 1]))))
        length++;
    while (length && isblank(value[length - 1]))
        length--;
    return (int)length;
}

/* Syntax of other formats, which here would become part of the value. */
static const char *misread(const char *value)
{
    size_t length = strlen(value);

    if (length > 1 && strchr("\"'", *value) && value[length - 1] == *value)
        return "the quotes would be part of the value; remove them";
    for (const char *c = value; (c = strchr(c, '#')); c++) {
        if (c == value || isblank(c[-1]))
            return "a comment after a value begins with ;";
    }
    return NULL;
}

static enum err add(struct parser *p, const struct conf_option *o, struct given *given,
                    const char *value)
{
    const char *why = o->type == CONF_TEXT || o->type == CONF_LIST ? misread(value) : NULL;

    if (why)
        return error_set(p->e, ERR_CONFIG, "%s:%d: %s.%s: %s", p->path, p->number, o->section,
                         o->key, why);
    if (given->text && o->type != CONF_LINES && isblank(p->line[0]) && strchr(value, '='))
        return error_set(p->e, ERR_CONFIG,
                         "%s:%d: an indented line continues %s.%s; begin a key in the first column",
                         p->path, p->number, o->section, o->key);
    if (given->text && !is_list(o))
        return error_set(p->e, ERR_CONFIG, "%s:%d: %s.%s is given twice", p->path, p->number,
                         o->section, o->key);
    char *text = xasprintf("%s%s%.*s", given->text ? given->text : "", given->text ? "\n" : "",
                           without_comment(value), value);
    if (!given->text)
        given->line = p->number;
    free(given->text);
    given->text = text;
    return ERR_OK;
}

static int on_value(void *user, const char *section, const char *key, const char *value)
{
    struct parser *p = user;

    for (size_t i = 0; i < p->count; i++) {
        const struct conf_option *o = &p->options[i];
        if (strcmp(o->section, section) == 0 && strcmp(o->key, key) == 0) {
            p->err = add(p, o, &p->given[i], value);
            return !p->err;
        }
    }
    p->err = error_set(p->e, ERR_CONFIG, "%s:%d: unknown key '%s' in section [%s]", p->path,
                       p->number, key, section);
    return 0;
}

static enum err read_file(struct parser *p)
{
    p->file = fopen(p->path, "re");
    if (!p->file)
        return error_set(p->e, ERR_CONFIG, "cannot open %s: %s", p->path, strerror(errno));
    int wrong = ini_parse_stream(next_line, p, on_value, p);
    if (wrong > 0 && (!p->err || wrong < p->number))
        p->err =
            error_set(p->e, ERR_CONFIG, "%s:%d: neither [section] nor key = value", p->path, wrong);
    else if (!p->err && (wrong < 0 || ferror(p->file)))
        p->err = error_set(p->e, ERR_CONFIG, "cannot read %s: %s", p->path, strerror(errno));
    fclose(p->file);
    free(p->line);
    return p->err;
}

enum err conf_load(const struct conf_option *options, size_t count, const char *path,
                   bool environment, unsigned use, void *settings, struct error *e)
{
    struct parser p = {
        .options = options, .count = count, .path = path, .environment = environment, .e = e};

    p.given = xcalloc(count, sizeof *p.given);
    enum err err = read_file(&p);
    for (size_t i = 0; !err && i < count; i++)
        err = settle(&p, &options[i], &p.given[i], settings);
    if (!err)
        err = check_values(&p, false, use, settings);
    if (!err)
        err = check_values(&p, true, use, settings);
    for (size_t i = 0; i < count; i++) {
        free(p.given[i].text);
        free(p.given[i].origin);
    }
    free(p.given);
    return err;
}

static void free_list(struct strlist *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->items[i]);
    free(list->items);
    *list = (struct strlist){0};
}

void conf_free(const struct conf_option *options, size_t count, void *settings)
{
    for (size_t i = 0; i < count; i++) {
        void *member = (char *)settings + options[i].offset;
        if (is_list(&options[i]) || options[i].type == CONF_OBSOLETE) {
            free_list(member);
        } else if (options[i].type == CONF_TEXT) {
            free(*(char **)member);
            *(char **)member = NULL;
        }
    }
}

enum err conf_check_absolute(const char *option, const char *path, struct error *e)
{
    if (*path == '/')
        return ERR_OK;
    return error_set(e, ERR_CONFIG, "%s: %s must be an absolute path", option, path);
}
