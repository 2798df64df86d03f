/* SPDX-License-Identifier: MIT */
/* conf-doc vsay|agent sample|manual <TEMPLATE: writes a sample configuration or a manual page.
 *
 * Copies the template, and puts the options of a section in the place of each line `@SECTION@`.
 * make runs it, so the table that the programs parse and check with is also what users read: the
 * type, the limits, the default and the text of an option stand in one place, and the paths are
 * those of this build.
 *
 * In an option's text, an empty line ends a paragraph and `word` is literal. Options, manuals such
 * as vsayctl(1) and absolute paths are recognised. */
#include "config.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/conf.h"
#include "base/xalloc.h"
#ifdef BUILD_API
#include "common/settings.h"
#endif
#ifdef BUILD_AGENT
#include "machine/options.h"
#endif

struct table {
    const char *name;
    const struct conf_option *options;
    const size_t *count;
};

static const struct table tables[] = {
#ifdef BUILD_API
    {"vsay", settings_options, &settings_options_count},
#endif
#ifdef BUILD_AGENT
    {"agent", agent_options_table, &agent_options_count},
#endif
    {NULL, NULL, NULL},
};

/* --- types ------------------------------------------------------------------- */

/* Writes a number of seconds in the largest unit that divides it. */
static void print_seconds(const char *before, long n)
{
    static const struct {
        long seconds;
        const char *name;
    } units[] = {{86400, "day"}, {3600, "hour"}, {60, "minute"}, {1, "second"}};
    size_t i = 0;

    while (n % units[i].seconds)
        i++;
    n /= units[i].seconds;
    printf("%s%ld", before, n);
    if (n)
        printf(" %s%s", units[i].name, n == 1 ? "" : "s");
}

static void print_type(const struct conf_option *o)
{
    static const char *const types[] = {
        [CONF_TEXT] = "Text",
        [CONF_INT] = "Number",
        [CONF_SECONDS] = "Time",
        [CONF_CHOICE] = "Choice of ",
        [CONF_LIST] = "List",
        [CONF_LINES] = "Lines",
        [CONF_OBSOLETE] = "Accepted without effect; the log names it",
        [CONF_RENAMED] = "Refused: it is now called ",
    };

    printf("%s", types[o->type]);
    if (o->type == CONF_INT)
        printf(" from %ld to %ld", o->min, o->max);
    if (o->type == CONF_SECONDS) {
        print_seconds(" from ", o->min);
        print_seconds(" to ", o->max);
    }
    for (int i = 0; o->choices && o->choices[i]; i++)
        printf("%s%s", i == 0 ? "" : o->choices[i + 1] ? ", " : " or ", o->choices[i]);
    if (o->renamed)
        printf("%s", o->renamed);
}

/* --- sample ------------------------------------------------------------------ */

/* Writes a text as comments of at most 100 columns, without the marks of literals. */
static void print_comment(const char *text)
{
    size_t column = 0;

    for (; *text; text += strspn(text, " \n")) {
        size_t length = strcspn(text, " \n");
        if (column && column + 1 + length > 100) {
            putchar('\n');
            column = 0;
        }
        column += (size_t)printf("%s", column ? " " : "# ") + length;
        for (; length; length--, text++) {
            if (*text != '`')
                putchar(*text);
        }
        if (strncmp(text, "\n\n", 2) == 0) {
            printf("\n#\n");
            column = 0;
        }
    }
    putchar('\n');
}

/* The sample sets nothing unless the table says so. So a file that was made from it follows the
 * defaults of later versions. */
static void print_sample(const struct conf_option *o, bool is_first)
{
    if (o->type == CONF_OBSOLETE || o->type == CONF_RENAMED)
        return;
    if (!is_first)
        putchar('\n');
    print_comment(o->help);
    if (o->type == CONF_INT || o->type == CONF_SECONDS || o->type == CONF_CHOICE) {
        printf("# ");
        print_type(o);
        printf(".\n");
    }
    if (o->sample)
        printf("%s\n", o->sample);
    else
        printf("#%s =%s%s\n", o->key, *o->fallback ? " " : "", o->fallback);
}

/* --- manual ------------------------------------------------------------------ */

static bool names_manual(const char *word)
{
    size_t length = strlen(word);

    return length > 3 && word[length - 3] == '(' && isdigit((unsigned char)word[length - 2]) &&
           word[length - 1] == ')';
}

/* The mdoc macro of a word, or NULL. */
static const char *macro_of(const struct table *table, const char *word)
{
    if (*word == '`')
        return "Li";
    if (*word == '/')
        return "Pa";
    if (names_manual(word))
        return "Xr";
    for (size_t i = 0; i < *table->count; i++) {
        const struct conf_option *o = &table->options[i];
        size_t length = strlen(o->section);
        if (strncmp(word, o->section, length) == 0 && word[length] == '.' &&
            strcmp(word + length + 1, o->key) == 0)
            return "Va";
    }
    return NULL;
}

static void print_argument(const char *word)
{
    int length = (int)strlen(word);

    if (names_manual(word))
        printf("%.*s %c", length - 3, word, word[length - 2]);
    else if (*word == '`') /* \& keeps punctuation literal */
        printf("%s%.*s", isalnum((unsigned char)word[1]) ? "" : "\\&", length - 2, word + 1);
    else
        printf("%s", word);
}

/* Writes a word of a text. *fresh says whether it begins a line. A macro takes a line of its own,
 * with the punctuation around the word as arguments. A sentence begins a line. */
static void print_word(const struct table *table, const char *text, bool *fresh)
{
    bool opened = *text == '(';
    char *word = xstrdup(text + opened);
    size_t length = strlen(word);

    while (length && strchr(".,;:)", word[length - 1]) && !names_manual(word))
        word[--length] = '\0';
    const char *macro = macro_of(table, word);
    if (macro) {
        printf("%s.%s %s", *fresh ? "" : "\n", macro, opened ? "( " : "");
        print_argument(word);
        for (const char *after = text + opened + length; *after; after++)
            printf(" %c", *after);
    } else {
        printf("%s%s", *fresh ? "" : " ", text);
    }
    *fresh = macro || text[strlen(text) - 1] == '.';
    if (*fresh)
        putchar('\n');
    free(word);
}

static void print_manual(const struct table *table, const struct conf_option *o)
{
    bool fresh = true;

    printf(".It Va %s.%s\n", o->section, o->key);
    print_type(o);
    printf("%s%s.\n", *o->fallback ? "; default " : "", o->fallback);
    for (const char *text = o->help ? o->help : ""; *text; text += strspn(text, " \n")) {
        size_t length = strcspn(text, " \n");
        char *word = xstrndup(text, length);
        print_word(table, word, &fresh);
        free(word);
        text += length;
        if (strncmp(text, "\n\n", 2) == 0)
            printf(".Pp\n");
    }
}

/* --- template ---------------------------------------------------------------- */

/* Writes the options of a section, and returns how many. */
static size_t print_section(const struct table *table, const char *section, bool manual)
{
    size_t count = 0;

    if (manual)
        printf(".Bl -tag -width Ds\n");
    for (size_t i = 0; i < *table->count; i++) {
        const struct conf_option *o = &table->options[i];
        if (strcmp(o->section, section) != 0)
            continue;
        if (manual)
            print_manual(table, o);
        else
            print_sample(o, count == 0);
        count++;
    }
    if (manual)
        printf(".El\n");
    return count;
}

int main(int argc, char **argv)
{
    bool manual = argc == 3 && strcmp(argv[2], "manual") == 0;
    const struct table *table = tables;
    size_t count = 0, room = 0;
    char *line = NULL;

    while (argc == 3 && table->name && strcmp(table->name, argv[1]) != 0)
        table++;
    if (argc != 3 || !table->name) {
        fputs("usage: conf-doc vsay|agent sample|manual <TEMPLATE\n", stderr);
        return 2;
    }
    while (getline(&line, &room, stdin) > 0) {
        if (*line == '@')
            count += print_section(table, strtok(line, "@\n"), manual);
        else
            fputs(line, stdout);
    }
    free(line);
    /* a section that was forgotten in the template */
    if (count != *table->count)
        fprintf(stderr, "conf-doc: the template has %zu of %zu options\n", count, *table->count);
    return count == *table->count && fflush(stdout) == 0 ? 0 : 1;
}
