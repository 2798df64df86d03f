/* SPDX-License-Identifier: MIT */
/* INI configuration, driven by one table of options.
 *
 * The table has each option's type, bounds, default, check and text. Parsing, overrides by the
 * environment, error messages, the sample file and the list in the manual all follow from it, so
 * they cannot disagree.
 *
 * The parser refuses anything doubtful, with file and line: an unknown key, a key given twice or
 * quotes around a value would otherwise be noticed only when a setting does not work. That is why
 * it is our own. Libraries for INI files let the last of two equal keys win, take a comment after a
 * value as part of it, or limit the length of lines. vsay.conf(5) has the grammar. */
#ifndef BASE_CONF_H
#define BASE_CONF_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

/* Items of a list option; owned by the settings. */
struct strlist {
    char **items;
    size_t count;
};

enum conf_type {
    CONF_TEXT,     /* char *; "" when empty */
    CONF_INT,      /* long, min..max */
    CONF_SECONDS,  /* long, min..max; suffix s, m, h or d */
    CONF_CHOICE,   /* int: index into `choices` */
    CONF_LIST,     /* struct strlist; words separated by blanks or commas */
    CONF_LINES,    /* struct strlist; whole lines, which may hold blanks and commas */
    CONF_OBSOLETE, /* no effect any more. struct strlist, shared by several options: those given, as
                      `section.key` */
    CONF_RENAMED   /* refused, with the new name in the message; no member */
};

/* A check of a loaded value, after all options are set, so it may compare several. `use` is
 * conf_load's: a check of a file that the program does not need must pass, since its user may not
 * be able to read it. */
typedef enum err conf_check(const void *settings, unsigned use, struct error *e);

struct conf_option {
    const char *section, *key;
    enum conf_type type;
    size_t offset; /* of the member in the settings struct */
    long min, max;
    const char *const *choices; /* NULL-terminated */
    const char *fallback;       /* the default, written as in the file */
    conf_check *check;          /* its message begins with the option's name. NULL: none */
    const char *renamed;        /* of CONF_RENAMED: the new name, as `section.key` */
    const char *help;           /* for users, in the form that conf/conf_doc.c describes */
    const char *sample;         /* its lines in the sample file. NULL: `#key = default` */
};

/* Fills `settings`, zeroed by the caller, from the defaults, then the file, then, if `environment`,
 * the environment (`VSAY_<SECTION>_<KEY>`, upper case). Unknown sections and keys, values out of
 * range, keys given twice and failed checks are ERR_CONFIG; the detail names file and line, or the
 * variable. A list may continue in indented lines and may be given several times. `use` is passed
 * to the checks: bits that say what the program needs. The caller calls conf_free, also on
 * error. */
enum err conf_load(const struct conf_option *options, size_t count, const char *path,
                   bool environment, unsigned use, void *settings, struct error *e);
void conf_free(const struct conf_option *options, size_t count, void *settings);

/* Parses `30`, `30s`, `5m`, `1h` or `1d`. False when `text` is none of these, or too large. */
bool conf_parse_seconds(const char *text, long *out);

/* ERR_CONFIG when `path` is relative, and would depend on where the program was started. `option`
 * is its name, for the message. */
enum err conf_check_absolute(const char *option, const char *path, struct error *e);

#endif
