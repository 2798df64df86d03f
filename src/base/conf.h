/* SPDX-License-Identifier: MIT */
/* INI configuration driven by one table of options. */
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
    CONF_LINES,    /* struct strlist; whole lines, in which blanks and commas belong to the item */
    CONF_OBSOLETE, /* struct strlist, of several options: those that are given, as `section.key` */
    CONF_RENAMED   /* refused, with the new name in the message; has no member */
};

/* `use`: as given to conf_load. */
typedef enum err conf_check(const void *settings, unsigned use, struct error *e);

struct conf_option {
    const char *section, *key;
    enum conf_type type;
    size_t offset; /* of the member in the settings struct */
    long min, max;
    const char *const *choices; /* NULL-terminated */
    const char *fallback;       /* the default, as it would stand in the file */
    /* Says what is wrong with the value, beginning with the option's name. Called when all options
     * are set. NULL: nothing can be. */
    conf_check *check;
    const char *renamed; /* the new name, as `section.key`, of CONF_RENAMED */
    const char *help;    /* one sentence */
};

/* Fills `settings` (zeroed by the caller) from the defaults, then the file, then the environment
 * (`VSAY_<SECTION>_<KEY>`, upper case) if `environment`. An unknown section or key, a value out of
 * range, a key given twice and what a check refuses are ERR_CONFIG; the detail names file and line,
 * or the variable. A list may go on in indented lines and be given several times. `use` is for the
 * checks: bits of the caller's, telling what the program needs. On error too the caller calls
 * conf_free. */
enum err conf_load(const struct conf_option *options, size_t count, const char *path,
                   bool environment, unsigned use, void *settings, struct error *e);
void conf_free(const struct conf_option *options, size_t count, void *settings);

/* Reads `30`, `30s`, `5m`, `1h` or `1d`; false when `text` is nothing like it or does not fit. */
bool conf_parse_seconds(const char *text, long *out);

/* Whether a path does not depend on where the program is started. ERR_CONFIG; `option` is its name,
 * for the message. */
enum err conf_check_absolute(const char *option, const char *path, struct error *e);

/* Reads a whole regular file of 1 to `max` bytes; *open_to_all tells whether users apart from its
 * owner and group may use it. ERR_CONFIG with the reason otherwise. The caller frees *out; *length
 * excludes the added NUL. */
enum err conf_read_file(const char *path, size_t max, char **out, size_t *length, bool *open_to_all,
                        struct error *e);

/* The same for a secret: refuses a file that is open to all. */
enum err conf_read_secret(const char *path, size_t max, char **out, size_t *length,
                          struct error *e);

#endif
