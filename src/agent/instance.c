/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "agent/instance.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "agent/durable.h"
#include "base/log.h"
#include "base/xalloc.h"

/* "" when there is no such file. The caller frees it. */
static char *read_line(const char *path)
{
    char line[128] = "";
    FILE *file = fopen(path, "re");

    if (file && fgets(line, sizeof line, file))
        line[strcspn(line, "\n")] = '\0';
    if (file)
        fclose(file);
    return xstrdup(line);
}

/* Where the name is good. Images of machines keep their machine-id often enough, but no copy runs
 * in the same boot and has the same directory. */
static enum err find_place(const char *directory, char **out, struct error *e)
{
    struct stat st;

    if (stat(directory, &st))
        return error_set(e, ERR_IO, "cannot stat %s: %s", directory, strerror(errno));
    char *machine = read_line("/etc/machine-id");
    char *boot = read_line("/proc/sys/kernel/random/boot_id");
    *out = xasprintf("%s/%s/%jx:%jx", machine, boot, (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
    free(boot);
    free(machine);
    return ERR_OK;
}

static enum err make_name(char out[INSTANCE_LENGTH + 1], struct error *e)
{
    uint64_t number[2];

    if (getrandom(number, sizeof number, 0) != sizeof number)
        return error_set(e, ERR_IO, "no random numbers: %s", strerror(errno));
    snprintf(out, INSTANCE_LENGTH + 1, "%016" PRIx64 "%016" PRIx64, number[0], number[1]);
    return ERR_OK;
}

/* The file has the name, a blank, and the place. */
static bool read_name(const char *path, const char *place, char out[INSTANCE_LENGTH + 1])
{
    char line[512] = "";
    FILE *file = fopen(path, "re");
    bool good = file && fgets(line, sizeof line, file);

    if (file)
        fclose(file);
    line[strcspn(line, "\n")] = '\0';
    good = good && strspn(line, "0123456789abcdef") == INSTANCE_LENGTH &&
           line[INSTANCE_LENGTH] == ' ' && strcmp(line + INSTANCE_LENGTH + 1, place) == 0;
    if (good)
        snprintf(out, INSTANCE_LENGTH + 1, "%.*s", INSTANCE_LENGTH, line);
    return good;
}

/* That it cannot be stored is logged: after a restart vsay takes this agent for another one, and
 * waits until it believes the first one gone. */
static void store_name(const char *path, const char *name, const char *place)
{
    struct error e = {0};
    char *line = xasprintf("%s %s\n", name, place);

    if (durable_write(path, line, strlen(line), &e))
        log_event(LEVEL_WARNING, "instance", "detail=\"%s\"", e.detail);
    free(line);
}

enum err instance_open(const char *directory, char out[INSTANCE_LENGTH + 1], struct error *e)
{
    char *path = xasprintf("%s/instance", directory), *place = NULL;
    enum err err = find_place(directory, &place, e);

    if (!err && !read_name(path, place, out)) {
        err = make_name(out, e);
        if (!err)
            store_name(path, out, place);
    }
    free(place);
    free(path);
    return err;
}
