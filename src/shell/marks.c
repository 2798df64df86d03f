/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "shell/marks.h"

#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/xalloc.h"

enum {
    LOOK_MS = 100,     /* after output */
    CONFIRM_MS = 1000, /* between two checks; a prompt's mark may lag behind its settings */
    LINES_FORKED = 2,  /* lines without a mark that prove the loss if the shell ran programs */
    LINES = 8,         /* the same if it ran none */
    CHILDREN_MAX = 1000
};

void marks_expect(struct marks *marks, const char *path, const struct process *shell, int pty)
{
    *marks = (struct marks){.expected = true, .shell = *shell, .pty = pty};
    marks->expected = image_of_file(path, &marks->image);
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
static bool edits_line(const struct marks *marks)
{
    struct termios settings;

    if (tcgetattr(marks->pty, &settings) < 0 || settings.c_lflag & ICANON)
        return false;
    if (settings.c_iflag & ICRNL && !(settings.c_iflag & INLCR))
        return false;
    return tcgetpgrp(marks->pty) == getpgid(marks->shell.pid) && !has_company(marks->shell.pid);
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

static bool is_silent(const struct marks *marks)
{
    struct image now;

    if (marks->at_prompt || !edits_line(marks))
        return false;
    if (marks->named || marks->lines >= LINES)
        return true;
    return marks->lines >= LINES_FORKED && image_of_process(marks->shell.pid, &now) &&
           now.child_faults != marks->faults;
}

/* --- another program ----------------------------------------------------- */

/* Returns whether another program, without the integration, runs in place of the shell. If it could
 * be read before and cannot be now, it does: it may be set-user-id. Before the shell's exec the
 * process still runs vsay-shell, which does not count. */
static bool is_replaced(const struct marks *marks)
{
    struct image now, own;

    if (!image_of_process(marks->shell.pid, &now))
        return marks->image.stack && process_alive(&marks->shell);
    return !image_same(&now, &marks->image) && image_of_file("/proc/self/exe", &own) &&
           !image_same(&now, &own);
}

static char *replaced_by(const struct marks *marks)
{
    char *name = image_name(marks->shell.pid);
    char *why = xasprintf("the shell was replaced by %s", name);

    free(name);
    return why;
}

/* --- events -------------------------------------------------------------- */

void marks_mark(struct marks *marks, char mark, const char *text, size_t length)
{
    struct image now;

    if (!marks->expected)
        return;
    if (!marks->image.stack && image_of_process(marks->shell.pid, &now) &&
        image_same(&now, &marks->image))
        marks->image = now;
    marks->at_prompt = mark == 'D';
    marks->named = mark == 'C' && names_marks(text, length);
    marks->suspect = false;
    marks->lines = 0;
    marks->look_at = clock_ms() + LOOK_MS; /* a command begins, perhaps exec */
}

void marks_input(struct marks *marks, const char *bytes, size_t length)
{
    struct image now;

    marks->suspect = false;
    if (!marks->expected || marks->at_prompt || !edits_line(marks) ||
        !(memchr(bytes, '\r', length) || memchr(bytes, '\n', length)))
        return;
    if (marks->lines++ == 0 && image_of_process(marks->shell.pid, &now))
        marks->faults = now.child_faults;
}

void marks_output(struct marks *marks, int64_t now)
{
    if (marks->expected && !marks->look_at)
        marks->look_at = now + LOOK_MS;
}

int marks_timeout(const struct marks *marks)
{
    int64_t left = marks->look_at - clock_ms();

    if (!marks->expected || !marks->look_at)
        return -1;
    return left > 0 ? (int)left : 0;
}

char *marks_look(struct marks *marks, int64_t now)
{
    if (!marks->expected || !marks->look_at || now < marks->look_at)
        return NULL;
    marks->look_at = 0;
    if (is_replaced(marks))
        return replaced_by(marks);
    bool silent = is_silent(marks);
    if (silent && marks->suspect)
        return xstrdup("the shell's prompt has lost its marks");
    marks->suspect = silent;
    if (silent)
        marks->look_at = now + CONFIRM_MS;
    return NULL;
}
