/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "agent/instance.h"

#include <errno.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "base/file.h"
#include "machine/ipc.h"
#include "base/log.h"
#include "base/xalloc.h"

enum { PART_LENGTH = (INSTANCE_LENGTH - 1) / 2 };

/* Reads the first line of a file, "" when there is none. The caller frees it. */
static char *read_line(const char *path)
{
    char line[512] = "";
    FILE *file = fopen(path, "re");

    if (file && fgets(line, sizeof line, file))
        line[strcspn(line, "\n")] = '\0';
    if (file)
        fclose(file);
    return xstrdup(line);
}

/* Describes the machine, boot and directory for which a name is valid. Images of machines often
 * keep their machine-id, but no copy runs in the same boot with the same directory. The caller
 * frees it. */
static char *find_place(const char *directory)
{
    struct stat st = {0};
    char *machine = read_line("/etc/machine-id");
    char *boot = read_line("/proc/sys/kernel/random/boot_id");

    stat(directory, &st);
    char *place =
        xasprintf("%s/%s/%jx:%jx", machine, boot, (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
    free(boot);
    free(machine);
    return place;
}

/* Reads a name of `length` characters from a file, which holds it, a blank, and the place. Returns
 * false unless the place is this one. */
static bool load(const char *path, const char *directory, size_t length, char *out)
{
    char *line = read_line(path), *place = find_place(directory);
    bool good = strspn(line, "0123456789abcdef.") == length && line[length] == ' ' &&
                strcmp(line + length + 1, place) == 0;

    if (good)
        snprintf(out, length + 1, "%s", line);
    free(place);
    free(line);
    return good;
}

/* Stores a name. A failure is only logged; its cost is that vsay takes the agent for another one
 * after a restart, and refuses it until the first one's heartbeats are overdue. */
static void store(const char *path, const char *directory, const char *name)
{
    struct error e = {0};
    char *place = find_place(directory), *line = xasprintf("%s %s\n", name, place);

    if (file_replace(path, line, strlen(line), &e))
        log_event(LEVEL_WARNING, "instance", "detail=\"%s\"", e.detail);
    free(line);
    free(place);
}

static enum err make_part(char out[PART_LENGTH + 1], struct error *e)
{
    uint64_t number;

    if (getrandom(&number, sizeof number, 0) != sizeof number)
        return error_set(e, ERR_IO, "cannot get random numbers: %s", strerror(errno));
    snprintf(out, PART_LENGTH + 1, "%016" PRIx64, number);
    return ERR_OK;
}

/* Reads or makes the first part, which is kept beside the socket. */
static enum err find_part(const char *socket, char out[PART_LENGTH + 1], struct error *e)
{
    char *path = xasprintf("%s.instance", socket), *copy = xstrdup(socket);
    const char *directory = dirname(copy);
    enum err err = ERR_OK;

    ipc_make_directory(socket);
    if (!load(path, directory, PART_LENGTH, out)) {
        err = make_part(out, e);
        if (!err)
            store(path, directory, out);
    }
    free(copy);
    free(path);
    return err;
}

enum err instance_open(const char *sessions, const char *socket, char out[INSTANCE_LENGTH + 1],
                       struct error *e)
{
    char *path = xasprintf("%s/instance", sessions);
    char first[PART_LENGTH + 1], second[PART_LENGTH + 1];
    enum err err = ERR_OK;

    if (!load(path, sessions, INSTANCE_LENGTH, out)) {
        err = find_part(socket, first, e);
        if (!err)
            err = make_part(second, e);
        if (!err)
            snprintf(out, INSTANCE_LENGTH + 1, "%s.%s", first, second);
        if (!err)
            store(path, sessions, out);
    }
    free(path);
    return err;
}
