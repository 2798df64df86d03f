/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "ctl/setup_files.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/xalloc.h"
#include "common/settings.h"

enum { TEXT_MAX = 1 << 20, RANDOM_BYTES = 32 };

static enum err cannot(struct error *e, const char *what, const char *path)
{
    return error_set(e, ERR_IO, "cannot %s %s: %s", what, path, strerror(errno));
}

/* Writes and syncs a temporary file next to `path`. The caller frees *out, and unlinks the file
 * unless it was renamed. */
static enum err write_beside(const char *path, const char *text, struct readers readers, char **out,
                             struct error *e)
{
    size_t length = strlen(text);
    enum err err = ERR_OK;

    *out = xasprintf("%s.XXXXXX", path);
    int fd = mkstemp(*out); /* mode 0600 */
    if (fd < 0) {
        err = cannot(e, "write", path);
        free(*out);
        *out = NULL;
        return err;
    }
    errno = ENOSPC; /* the reason for a short write */
    if (write(fd, text, length) != (ssize_t)length ||
        (readers.group != (gid_t)-1 && fchown(fd, (uid_t)-1, readers.group)) ||
        fchmod(fd, readers.mode) || fsync(fd))
        err = cannot(e, "write", path);
    close(fd);
    return err;
}

/* --- secrets --------------------------------------------------------------------------------- */

void setup_wipe(char *secret)
{
    if (secret)
        explicit_bzero(secret, strlen(secret));
    free(secret);
}

/* Makes a random secret: 64 hexadecimal digits, and what password policies require. */
static enum err make_random(char **out, struct error *e)
{
    unsigned char bytes[RANDOM_BYTES];
    char hex[2 * RANDOM_BYTES + 1];

    if (getrandom(bytes, sizeof bytes, 0) != sizeof bytes)
        return error_set(e, ERR_IO, "cannot get random bytes: %s", strerror(errno));
    for (size_t i = 0; i < sizeof bytes; i++)
        snprintf(hex + 2 * i, 3, "%02x", bytes[i]);
    *out = xasprintf("%s-Aa1", hex); /* MySQL's validate_password requires one of each kind */
    explicit_bzero(bytes, sizeof bytes);
    explicit_bzero(hex, sizeof hex);
    return ERR_OK;
}

/* Creates the file with its text at once. If another process was faster, its file stays. */
static enum err write_secret(const char *path, const char *secret, struct readers readers,
                             bool *made, struct error *e)
{
    char *temporary = NULL, *line = xasprintf("%s\n", secret);
    enum err err = write_beside(path, line, readers, &temporary, e);

    if (!err && link(temporary, path) == 0) /* link() replaces no file */
        *made = true;
    else if (!err && errno != EEXIST)
        err = cannot(e, "make", path);
    if (temporary)
        unlink(temporary);
    free(temporary);
    setup_wipe(line);
    return err;
}

enum err setup_secret(const char *path, const char *secret, struct readers readers, bool *made,
                      struct error *e)
{
    struct stat st;
    char *random = NULL;

    *made = false;
    if (lstat(path, &st) == 0)
        return ERR_OK;
    enum err err = secret ? ERR_OK : make_random(&random, e);
    if (!err)
        err = write_secret(path, secret ? secret : random, readers, made, e);
    setup_wipe(random);
    return err;
}

/* --- the text of the configuration ----------------------------------------------------------- */

/* conf.c reads a configuration, but keeps no comments. So its text is edited here, a line at a
 * time, and conf_load checks the result before it replaces the file. */

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

bool setup_conf_has(const char *text, const char *section, const char *key)
{
    return find(text, section, key, false) != NULL;
}

void setup_conf_set(char **text, const char *section, const char *key, const char *value)
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

/* --- the file of the configuration ----------------------------------------------------------- */

enum err setup_read(const char *path, char **out, struct error *e)
{
    size_t length;
    bool open_to_all;

    return file_read(path, TEXT_MAX, out, &length, &open_to_all, e);
}

static enum err check_conf(const char *path, struct error *e)
{
    struct settings settings = {0};
    enum err err = conf_load(settings_options, settings_options_count, path, false,
                             SETTINGS_DB | SETTINGS_KEYS, &settings, e);

    settings_free(&settings);
    return err;
}

enum err setup_conf_write(const char *path, const char *text, struct error *e)
{
    struct readers readers = {0644, (gid_t)-1};
    struct stat st;
    char *real = realpath(path, NULL), *temporary = NULL; /* a symbolic link stays one */

    if (!real)
        real = xstrdup(path);
    bool there = stat(real, &st) == 0;
    if (there)
        readers = (struct readers){st.st_mode & 07777, st.st_gid};
    enum err err = write_beside(real, text, readers, &temporary, e);
    if (!err && there && st.st_uid != geteuid() && chown(temporary, st.st_uid, st.st_gid))
        err = cannot(e, "give away", temporary);
    if (!err)
        err = check_conf(temporary, e);
    if (!err && rename(temporary, real))
        err = cannot(e, "write", real);
    if (err && temporary)
        unlink(temporary);
    free(temporary);
    free(real);
    return err;
}
