/* SPDX-License-Identifier: MIT */
/* The file is read in two steps. First its lines are collected as text, and each option's text is
 * kept with the line that gave it. Then the text that counts is converted: the environment's, the
 * file's or the default. Checks come last, since many compare two options. So each error names a
 * place that the user can change, and a variable also overrides a value that is out of range. */
#include "config.h"
#include "base/conf.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
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
    int number;                        /* of the current line */
    const char *section;               /* of the current line; "" before the first */
    const struct conf_option *current; /* continued by an indented line; NULL: no key yet */
    struct error *e;
};

/* --- numbers, lists ------------------------------------------------------ */

/* strtol alone would also take blanks and a plus sign before the digits. */
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

/* A number out of range is refused, never clamped. Nobody would notice that another one is used. */
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

/* Converts the text of an option into its member of the settings. */
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

/* The environment overrides the file, which overrides the default. A variable that is set but empty
 * overrides too, since there is no other way to say "none". Only the text that counts is
 * converted. */
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

/* Runs the checks of the options that were given, or of those that have their default. */
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

static const char blanks[] = " \t\r\n";

/* Fails with the place of the current line. */
__attribute__((format(printf, 2, 3))) static enum err
refuse(const struct parser *p, const char *format, ...)
{
    char why[sizeof p->e->detail];
    va_list args;

    va_start(args, format);
    vsnprintf(why, sizeof why, format, args);
    va_end(args);
    return error_set(p->e, ERR_CONFIG, "%s:%d: %s", p->path, p->number, why);
}

/* The option of this name. Without a key, any option of the section. */
static const struct conf_option *find(const struct parser *p, const char *section, const char *key)
{
    for (size_t i = 0; i < p->count; i++) {
        const struct conf_option *o = &p->options[i];
        if (strcmp(o->section, section) == 0 && (!key || strcmp(o->key, key) == 0))
            return o;
    }
    return NULL;
}

/* Removes a comment, and the blanks before it. Only a `;` after a blank begins one, since a URL or
 * a regular expression may contain the character. */
static void trim(char *line)
{
    size_t length = 0;

    while (line[length] && !(line[length] == ';' && length && isblank(line[length - 1])))
        length++;
    while (length && strchr(blanks, line[length - 1]))
        length--;
    line[length] = '\0';
}

/* Returns what is wrong with a value that is written as other formats want it. Its quotes or its
 * comment would become part of it here: a path with a quote, or a host called `#`. */
static const char *misread(const char *value)
{
    size_t length = strlen(value);

    if (length > 1 && strchr("\"'", *value) && value[length - 1] == *value)
        return "the quotes would be part of the value; remove them";
    for (const char *c = value; (c = strpbrk(c, "#;")); c++) {
        if (c == value || isblank(c[-1]))
            return "a comment after a value begins with a blank and ;";
    }
    return NULL;
}

/* Adds a line of the current option to its value. Lists grow. For all other options one of two
 * lines would silently win, and which one would depend on the reader's habits. */
static enum err add_value(struct parser *p, const char *value, bool indented)
{
    const struct conf_option *o = p->current;
    struct given *given = &p->given[o - p->options];
    const char *why = o->type == CONF_TEXT || o->type == CONF_LIST ? misread(value) : NULL;

    if (why)
        return refuse(p, "%s.%s: %s", o->section, o->key, why);
    /* A key that was indented by mistake would become words of the list before it. */
    if (indented && o->type != CONF_LINES && strchr(value, '='))
        return refuse(p, "an indented line continues %s.%s; begin a key in the first column",
                      o->section, o->key);
    if (given->text && !is_list(o)) /* in two lines of the file, or continued */
        return refuse(p, "%s.%s is given twice", o->section, o->key);
    char *text = given->text ? xasprintf("%s\n%s", given->text, value) : xstrdup(value);
    given->line = given->text ? given->line : p->number;
    free(given->text);
    given->text = text;
    return ERR_OK;
}

/* Reads a line that is neither empty nor a comment. An indented line continues the key above it.
 * Above the first key of a section there is none to continue, so that line is a key. */
static enum err read_statement(struct parser *p, char *text, bool indented)
{
    size_t last = strlen(text) - 1;
    char *value = strpbrk(text, "=:");

    if (indented && p->current)
        return add_value(p, text, true);
    if (*text == '[' && text[last] == ']') {
        text[last] = '\0';
        const struct conf_option *o = find(p, text + 1, NULL);
        p->current = NULL;
        p->section = o ? o->section : "";
        return o ? ERR_OK : refuse(p, "unknown section [%s]", text + 1);
    }
    if (*text == '[' && strchr(text, ']'))
        return refuse(p, "text after [section]; a comment there begins with a blank and ;");
    if (*text == '[' || !value)
        return refuse(p, "neither [section] nor key = value");
    *value++ = '\0';
    trim(text);
    p->current = find(p, p->section, text);
    if (!p->current)
        return refuse(p, "unknown key '%s' in section [%s]", text, p->section);
    return add_value(p, value + strspn(value, blanks), false);
}

/* A comment may be in any encoding, since nothing uses it. */
static enum err read_line(struct parser *p, char *line, size_t length)
{
    if (strlen(line) != length)
        return refuse(p, "the line holds a NUL byte");
    if (p->number == 1 && strncmp(line, "\xef\xbb\xbf", 3) == 0) /* a byte order mark */
        line += 3;
    char *text = line + strspn(line, blanks);
    if (strchr("#;", *text)) /* or the NUL byte of an empty line */
        return ERR_OK;
    if (!utf8_valid(text, strlen(text)))
        return refuse(p, "the line is not UTF-8");
    trim(text);
    return read_statement(p, text, text > line);
}

/* Stops at the first error. Later ones are often consequences, such as the keys of a section whose
 * name is wrong. */
static enum err read_file(struct parser *p)
{
    FILE *file = fopen(p->path, "re");
    enum err err = ERR_OK;
    char *line = NULL;
    size_t room = 0;
    ssize_t length;

    if (!file)
        return error_set(p->e, ERR_CONFIG, "cannot open %s: %s", p->path, strerror(errno));
    while (!err && (length = getline(&line, &room, file)) >= 0) {
        p->number++;
        err = read_line(p, line, (size_t)length);
    }
    if (!err && ferror(file))
        err = error_set(p->e, ERR_CONFIG, "cannot read %s: %s", p->path, strerror(errno));
    fclose(file);
    free(line);
    return err;
}

enum err conf_load(const struct conf_option *options, size_t count, const char *path,
                   bool environment, unsigned use, void *settings, struct error *e)
{
    struct parser p = {.options = options, .count = count, .path = path, .environment = environment,
                       .section = "", .e = e};

    p.given = xcalloc(count, sizeof *p.given);
    enum err err = read_file(&p);
    for (size_t i = 0; !err && i < count; i++)
        err = settle(&p, &options[i], &p.given[i], settings);
    if (!err) /* an error between two options names the one that was given, not the default */
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
