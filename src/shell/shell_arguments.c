/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "shell/shell_arguments.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"

/* bash, zsh and fish differ in what takes a value, which decides where the command begins: `-o`
 * takes one in all of them, but in `-oc` bash takes it from the next argument and zsh takes "c". A
 * wrong guess would record the wrong text as the command, or take a file's name for an option. So
 * each shell has a grammar, a table from its manual; what remains is common to all.
 *
 * Not all arguments reach bash: the integration starts it with --rcfile, and as an ordinary shell.
 * So -l, --rcfile, --norc and --noprofile are taken out, and obeyed by vsay.bash. */

enum effect { NOTHING, COMMAND, LOGIN, NO_PROFILE, NO_RCFILE, RCFILE, POSIX, RESTRICTED };

struct long_option {
    const char *name;
    bool value; /* takes a value, in the next argument or after a '=' */
    enum effect effect;
};

struct grammar {
    const char *shell;
    const char *later;    /* letters whose value is the next argument, whatever follows them */
    const char *attached; /* letters whose value is the rest of the argument, or the next one */
    const struct long_option *options;
    bool single_dash; /* long options before all others may begin with one dash */
    bool named;       /* unknown long options are names for -o */
};

static const struct long_option bash_options[] = {{"debug", false, NOTHING},
                                                  {"debugger", false, NOTHING},
                                                  {"dump-po-strings", false, NOTHING},
                                                  {"dump-strings", false, NOTHING},
                                                  {"help", false, NOTHING},
                                                  {"init-file", true, RCFILE},
                                                  {"login", false, LOGIN},
                                                  {"noediting", false, NOTHING},
                                                  {"noprofile", false, NO_PROFILE},
                                                  {"norc", false, NO_RCFILE},
                                                  {"posix", false, POSIX},
                                                  {"pretty-print", false, NOTHING},
                                                  {"rcfile", true, RCFILE},
                                                  {"restricted", false, RESTRICTED},
                                                  {"verbose", false, NOTHING},
                                                  {"version", false, NOTHING},
                                                  {NULL, false, NOTHING}};

static const struct long_option zsh_options[] = {
    {"emulate", true, NO_RCFILE}, {"login", false, LOGIN}, {NULL, false, NOTHING}};

static const struct long_option fish_options[] = {{"command", true, COMMAND},
                                                  {"debug", true, NOTHING},
                                                  {"debug-output", true, NOTHING},
                                                  {"debug-stack-frames", true, NOTHING},
                                                  {"features", true, NOTHING},
                                                  {"init-command", true, NOTHING},
                                                  {"login", false, LOGIN},
                                                  {"profile", true, NOTHING},
                                                  {"profile-startup", true, NOTHING},
                                                  {NULL, false, NOTHING}};

static const struct long_option no_options[] = {{NULL, false, NOTHING}};

/* The last one is for all other shells. */
static const struct grammar grammars[] = {
    {"bash", "oO", "", bash_options, true, false},
    {"zsh", "", "o", zsh_options, false, true},
    {"fish", "", "cCdDfop", fish_options, false, false},
    {"", "o", "", no_options, false, false},
};

static const struct grammar *find_grammar(const char *shell)
{
    const struct grammar *grammar = grammars;

    while (*grammar->shell && strcmp(grammar->shell, shell) != 0)
        grammar++;
    return grammar;
}

bool shell_arguments_login_option(const char *shell)
{
    return *find_grammar(shell)->shell;
}

struct reader {
    const struct grammar *grammar;
    struct shell_arguments *out;
    char **next;     /* the next argument to read */
    bool letters;    /* a one-letter option was seen */
    bool command;    /* -c was seen */
    bool from_input; /* -s was seen */
};

static void keep(struct shell_arguments *out, const char *argument)
{
    out->kept = xrealloc(out->kept, (out->count + 2) * sizeof *out->kept);
    out->kept[out->count++] = xstrdup(argument);
    out->kept[out->count] = NULL;
}

/* Applies an option. Returns whether the argument is passed on to the shell. */
static bool apply(struct reader *reader, enum effect effect, const char *value)
{
    struct shell_arguments *out = reader->out;

    switch (effect) {
    case COMMAND:
        reader->command = true;
        out->command = value;
        return true;
    case LOGIN:
        out->login = true;
        return false;
    case NO_PROFILE:
        out->no_profile = true;
        return false;
    case NO_RCFILE:
        out->rcfile = "";
        return reader->grammar->named;
    case RCFILE:
        if (!out->rcfile || *out->rcfile) /* --norc wins in any order */
            out->rcfile = value;
        return false;
    case POSIX:
        out->posix = true;
        return true;
    case RESTRICTED:
        out->unmarked = "a restricted shell cannot mark them";
        return true;
    default:
        return true;
    }
}

/* Applies -o NAME or +o NAME. zsh ignores case, dashes and underscores in names, and negates them
 * with a leading "no". */
static void apply_name(struct reader *reader, const char *name, bool on)
{
    char plain[32];
    size_t length = 0;

    for (; name && *name && length < sizeof plain - 1; name++) {
        if (!reader->grammar->named || (*name != '_' && *name != '-'))
            plain[length++] = (char)tolower((unsigned char)*name);
    }
    plain[length] = '\0';
    if (strcmp(plain, "posix") == 0)
        reader->out->posix = on;
    else if (strcmp(plain, on ? "norcs" : "rcs") == 0)
        apply(reader, NO_RCFILE, NULL);
    else if (on && strcmp(plain, "restricted") == 0)
        apply(reader, RESTRICTED, NULL);
}

/* -r restricts bash and zsh only, and -f means NO_RCS in zsh only. */
static enum effect effect_of_letter(const struct grammar *grammar, char letter)
{
    bool zsh = grammar->named;

    switch (letter) {
    case 'c':
        return COMMAND;
    case 'l':
        return LOGIN;
    case 'r':
        return zsh || grammar->single_dash ? RESTRICTED : NOTHING;
    case 'f':
        return zsh ? NO_RCFILE : NOTHING;
    default:
        return NOTHING;
    }
}

static char *take_next(struct reader *reader)
{
    return *reader->next ? *reader->next++ : NULL;
}

/* Reads one argument of one-letter options, such as -xec, and the values of these. Its letters that
 * are not passed on are left out of the copy; nothing is kept of `-l` alone. */
static void read_letters(struct reader *reader)
{
    char **given = reader->next, *text = xstrdup(*reader->next), *end = text + 1;
    bool on = *text == '-';

    reader->letters = true;
    reader->next++;
    for (const char *at = *given + 1; *at; at++) {
        const char *value = NULL;
        bool rest = strchr(reader->grammar->attached, *at);
        if (rest)
            value = at[1] ? at + 1 : take_next(reader);
        else if (strchr(reader->grammar->later, *at))
            value = take_next(reader);
        enum effect effect = on ? effect_of_letter(reader->grammar, *at) : NOTHING;
        if (*at == 'o')
            apply_name(reader, value, on);
        reader->from_input = reader->from_input || *at == 's';
        if (apply(reader, effect, value))
            *end++ = *at;
        if (rest) {
            end = stpcpy(end, at + 1);
            break;
        }
    }
    *end = '\0';
    if (end > text + 1 || !(*given)[1])
        keep(reader->out, text);
    free(text);
    for (given++; given < reader->next; given++)
        keep(reader->out, *given);
}

/* bash takes long options with one dash, too, but only before the first one-letter option.
 *
 * Returns the long option of this name, or NULL when the argument is not a long option. */
static const struct long_option *find_option(const struct reader *reader, const char *name)
{
    static const struct long_option unknown = {NULL, false, NOTHING};
    size_t dashes = strspn(name, "-");

    if (dashes != 2 && (dashes != 1 || !reader->grammar->single_dash || reader->letters))
        return NULL;
    name += dashes;
    for (const struct long_option *option = reader->grammar->options; option->name; option++) {
        if (strncmp(option->name, name, strcspn(name, "=")) == 0 &&
            strlen(option->name) == strcspn(name, "="))
            return option;
    }
    return dashes == 2 ? &unknown : NULL;
}

static void read_option(struct reader *reader, const struct long_option *option)
{
    char **given = reader->next++;
    const char *value = strchr(*given, '=');

    if (value)
        value++;
    else if (option->value)
        value = take_next(reader);
    if (!option->name && reader->grammar->named)
        apply_name(reader, *given, true);
    if (!apply(reader, option->effect, value))
        return;
    for (; given < reader->next; given++)
        keep(reader->out, *given);
}

/* `-` and `--` end the options, and are kept for the shell. */
static void read_options(struct reader *reader)
{
    const struct long_option *option;

    while (*reader->next && (**reader->next == '-' || **reader->next == '+')) {
        if (strcmp(*reader->next, "-") == 0 || strcmp(*reader->next, "--") == 0) {
            keep(reader->out, *reader->next++);
            return;
        }
        if ((option = find_option(reader, *reader->next)))
            read_option(reader, option);
        else
            read_letters(reader);
    }
}

void shell_arguments_parse(struct shell_arguments *out, const char *shell, char **given)
{
    struct reader reader = {.grammar = find_grammar(shell), .out = out, .next = given};

    *out = (struct shell_arguments){.given = given, .kept = xcalloc(1, sizeof *out->kept)};
    read_options(&reader);
    char *operand = *reader.next;
    for (; *reader.next; reader.next++)
        keep(out, *reader.next);
    if (reader.command && !out->command)
        out->command = operand ? operand : "";
    else if (!reader.from_input && operand && !out->command)
        out->command = operand;
    /* A shell that reads no file of the user's must not read ours. In POSIX mode bash reads $ENV,
     * and as a login shell the profile, whatever --norc says. */
    bool unread = out->rcfile && !*out->rcfile && !out->posix;
    if (unread && (reader.grammar->named || !out->login))
        out->unmarked = "the shell was told not to read its startup files";
}

void shell_arguments_free(struct shell_arguments *arguments)
{
    for (size_t i = 0; i < arguments->count; i++)
        free(arguments->kept[i]);
    free(arguments->kept);
}
