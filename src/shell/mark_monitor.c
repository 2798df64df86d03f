/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "shell/mark_monitor.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/xalloc.h"

enum {
    CHECK_MS = 100,    /* after output */
    CONFIRM_MS = 1000, /* between two checks; a prompt's mark may lag behind its settings */
    LINES_FORKED = 2,  /* lines without a mark that prove the loss if the shell ran programs */
    LINES = 8,         /* the same if it ran none */
    CHILDREN_MAX = 1000
};

/* --- the program of a process -------------------------------------------- */

/* `exec bash` runs the same file again, now without the integration, whose variables are gone from
 * the environment. So the file alone does not tell. But each exec puts the stack at another random
 * address. */

enum { CHILD_FAULTS = 11, STACK = 28 }; /* fields of /proc/PID/stat; proc(5) */

/* Identifies an executable file; its `stack` is not known. */
static bool image_of_file(const char *path, struct process_image *out)
{
    struct stat st;

    *out = (struct process_image){0};
    if (stat(path, &st) < 0)
        return false;
    out->device = st.st_dev;
    out->inode = st.st_ino;
    return true;
}

/* Returns a field of /proc/PID/stat, 0 if missing. Counts from the last ')', because the name in
 * parentheses may contain anything. */
static unsigned long find_field(const char *text, int number)
{
    const char *at = strrchr(text, ')'); /* ends field 2 */

    for (int field = 2; at && field < number; field++)
        at = strchr(at + 1, ' ');
    return at ? strtoul(at, NULL, 10) : 0;
}

static void find_fields(pid_t pid, struct process_image *out)
{
    char path[64], text[1024];
    size_t length = 0;

    snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
    FILE *file = fopen(path, "re");
    if (file) {
        length = fread(text, 1, sizeof text - 1, file);
        fclose(file);
    }
    text[length] = '\0';
    out->stack = find_field(text, STACK);
    out->child_faults = find_field(text, CHILD_FAULTS);
}

/* Identifies the program of a process. Returns false when it cannot be seen. */
static bool image_of_process(pid_t pid, struct process_image *out)
{
    char path[64];

    snprintf(path, sizeof path, "/proc/%ld/exe", (long)pid);
    if (!image_of_file(path, out))
        return false;
    find_fields(pid, out);
    return true;
}

/* Returns whether both are the same program, and the same exec of it if both stacks are known. */
static bool image_same(const struct process_image *a, const struct process_image *b)
{
    return a->device == b->device && a->inode == b->inode &&
           (!a->stack || !b->stack || a->stack == b->stack);
}

/* Returns the base name of the file that a process runs; the caller frees it. */
static char *image_name(pid_t pid)
{
    char path[64], target[PATH_MAX];

    snprintf(path, sizeof path, "/proc/%ld/exe", (long)pid);
    ssize_t length = readlink(path, target, sizeof target - 1);
    if (length <= 0)
        return xstrdup("another program");
    target[length] = '\0';
    const char *slash = strrchr(target, '/');
    return xstrdup(slash ? slash + 1 : target);
}

/* --- the line editor ----------------------------------------------------- */

/* Returns whether a child shares the shell's process group, as with `set +m` and in `$(...)`. Then
 * the terminal's foreground group does not tell who reads. */
static bool has_company(pid_t shell)
{
    struct process *children = xcalloc(CHILDREN_MAX, sizeof *children);
    size_t count = process_children(shell, children, CHILDREN_MAX);
    bool found = count == CHILDREN_MAX;

    for (size_t i = 0; i < count && !found; i++)
        found = getpgid(children[i].pid) == getpgid(shell);
    free(children);
    return found;
}

/* Returns whether the shell itself edits a line. readline turns off the translation of Return, and
 * zle swaps it with line feed; the builtin `read` keeps the usual translation even when it reads
 * single keys. */
static bool edits_line(const struct mark_monitor *monitor)
{
    struct termios settings;

    if (tcgetattr(monitor->pty, &settings) < 0 || settings.c_lflag & ICANON)
        return false;
    if (settings.c_iflag & ICRNL && !(settings.c_iflag & INLCR))
        return false;
    return tcgetpgrp(monitor->pty) == getpgid(monitor->shell.pid) &&
           !has_company(monitor->shell.pid);
}

/* Returns whether a command mentions what makes the marks, so that it may well remove them. */
static bool names_marks(const char *text, size_t length)
{
    static const char *const names[] = {"PROMPT_COMMAND", "PS0",     "PS1",
                                        "precmd",         "preexec", "zshaddhistory"};
    bool found = false;

    for (size_t i = 0; i < sizeof names / sizeof *names && !found; i++)
        found = memmem(text, length, names[i], strlen(names[i])) != NULL;
    return found;
}

/* Returns whether the shell reads commands without marking them. A shell that is asked for input by
 * `read -e` has usually run no programs meanwhile; one that executes commands has. The page faults
 * of its children tell, as they are added up when it waits for them. */
static bool is_silent(const struct mark_monitor *monitor)
{
    struct process_image now;

    if (monitor->at_prompt || !edits_line(monitor))
        return false;
    if (monitor->named || monitor->lines >= LINES)
        return true;
    return monitor->lines >= LINES_FORKED && image_of_process(monitor->shell.pid, &now) &&
           now.child_faults != monitor->faults;
}

/* --- another program ----------------------------------------------------- */

/* Returns whether another program, without the integration, runs in place of the shell. If it could
 * be read before and cannot be now, it does: it may be set-user-id. Before the shell's exec the
 * process still runs vsay-shell, which does not count. */
static bool is_replaced(const struct mark_monitor *monitor)
{
    struct process_image now, own;

    if (!image_of_process(monitor->shell.pid, &now))
        return monitor->image.stack && process_alive(&monitor->shell);
    return !image_same(&now, &monitor->image) && image_of_file("/proc/self/exe", &own) &&
           !image_same(&now, &own);
}

static char *replaced_by(const struct mark_monitor *monitor)
{
    char *name = image_name(monitor->shell.pid);
    char *why = xasprintf("the shell was replaced by %s", name);

    free(name);
    return why;
}

/* --- events -------------------------------------------------------------- */

void mark_monitor_start(struct mark_monitor *monitor, const char *path, const struct process *shell,
                        int pty)
{
    *monitor = (struct mark_monitor){.active = true, .shell = *shell, .pty = pty};
    monitor->active = image_of_file(path, &monitor->image);
}

void mark_monitor_stop(struct mark_monitor *monitor)
{
    monitor->active = false;
}

void mark_monitor_mark(struct mark_monitor *monitor, char mark, const char *text, size_t length)
{
    struct process_image now;

    if (!monitor->active)
        return;
    /* the first mark: from now on the shell's own exec counts, not only its file */
    if (!monitor->image.stack && image_of_process(monitor->shell.pid, &now) &&
        image_same(&now, &monitor->image))
        monitor->image = now;
    monitor->at_prompt = mark == 'D';
    monitor->named = mark == 'C' && names_marks(text, length);
    monitor->suspect = false;
    monitor->lines = 0;
    monitor->check_at = clock_ms() + CHECK_MS; /* a command begins, perhaps exec */
}

/* Counts the lines that are entered while a command should be running. */
void mark_monitor_input(struct mark_monitor *monitor, const char *bytes, size_t length)
{
    struct process_image now;

    monitor->suspect = false;
    if (!monitor->active || monitor->at_prompt || !edits_line(monitor) ||
        !(memchr(bytes, '\r', length) || memchr(bytes, '\n', length)))
        return;
    if (monitor->lines++ == 0 && image_of_process(monitor->shell.pid, &now))
        monitor->faults = now.child_faults;
}

void mark_monitor_output(struct mark_monitor *monitor, int64_t now)
{
    if (monitor->active && !monitor->check_at)
        monitor->check_at = now + CHECK_MS;
}

int mark_monitor_timeout(const struct mark_monitor *monitor)
{
    int64_t left = monitor->check_at - clock_ms();

    if (!monitor->active || !monitor->check_at)
        return -1;
    return left > 0 ? (int)left : 0;
}

/* A mark that comes between the two checks shows that it was only late. */
char *mark_monitor_check(struct mark_monitor *monitor, int64_t now)
{
    if (!monitor->active || !monitor->check_at || now < monitor->check_at)
        return NULL;
    monitor->check_at = 0;
    if (is_replaced(monitor))
        return replaced_by(monitor);
    bool silent = is_silent(monitor);
    if (silent && monitor->suspect)
        return xstrdup("the shell's prompt has lost its marks");
    monitor->suspect = silent;
    if (silent)
        monitor->check_at = now + CONFIRM_MS;
    return NULL;
}
