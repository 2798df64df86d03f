/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "agent/proctree.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"

/* One line of the process table, proc(5). */
struct entry {
    pid_t pid, parent, session;
    unsigned long long start;
    bool ours;
};

struct table {
    struct entry *entries;
    size_t count;
};

/* The command, in parentheses, may hold anything. */
static bool parse_stat(char *text, struct entry *out)
{
    char state;
    int parent, session;
    const char *rest = strrchr(text, ')');

    if (!rest ||
        sscanf(rest + 1,
               " %c %d %*d %d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
               &state, &parent, &session, &out->start) != 4)
        return false;
    out->parent = parent;
    out->session = session;
    return !strchr("ZX", state);
}

static bool read_entry(pid_t pid, struct entry *out)
{
    char path[64], text[1024];

    snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    size_t length = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[length] = '\0';
    *out = (struct entry){.pid = pid};
    return parse_stat(text, out);
}

static int by_pid(const void *a, const void *b)
{
    const struct entry *left = a, *right = b;

    return (left->pid > right->pid) - (left->pid < right->pid);
}

static void read_table(struct table *table)
{
    DIR *directory = opendir("/proc");
    const struct dirent *found;
    struct entry entry;

    while (directory && (found = readdir(directory))) {
        long pid = strtol(found->d_name, NULL, 10);
        if (pid <= 0 || !read_entry((pid_t)pid, &entry))
            continue;
        table->entries = xrealloc(table->entries, (table->count + 1) * sizeof entry);
        table->entries[table->count++] = entry;
    }
    if (directory)
        closedir(directory);
    if (table->count)
        qsort(table->entries, table->count, sizeof entry, by_pid);
}

static const struct entry *find(const struct table *table, pid_t pid)
{
    const struct entry key = {.pid = pid};

    return table->count ? bsearch(&key, table->entries, table->count, sizeof key, by_pid) : NULL;
}

static bool is(const struct entry *entry, const struct process *process)
{
    return entry->pid == process->pid && entry->start == process->start;
}

bool process_find(pid_t pid, struct process *out)
{
    struct entry entry;

    if (pid <= 0 || !read_entry(pid, &entry))
        return false;
    *out = (struct process){entry.pid, entry.start};
    return true;
}

bool process_alive(const struct process *process)
{
    struct entry entry;

    return process->pid > 0 && read_entry(process->pid, &entry) && is(&entry, process);
}

bool process_signal(const struct process *process, int number)
{
    errno = ESRCH;
    return process_alive(process) && kill(process->pid, number) == 0;
}

bool process_descends(pid_t pid, pid_t ancestor)
{
    struct entry entry;

    while (pid > 1 && read_entry(pid, &entry)) {
        pid = entry.parent;
        if (pid == ancestor)
            return true;
    }
    return false;
}

/* Whether the parent of `entry` is the tree's root or known to be ours. */
static bool child(const struct table *table, const struct entry *entry, const struct process *root)
{
    const struct entry *parent = find(table, entry->parent);

    return parent && (parent->ours || is(parent, root));
}

/* The kernel gives no process the id of a session that has members. So when the leader's id is a
 * stranger's, there are none. */
static void mark_members(struct table *table, const struct process *leader)
{
    const struct entry *holder = find(table, leader->pid);

    if (leader->pid <= 0 || (holder && !is(holder, leader)))
        return;
    for (size_t i = 0; i < table->count; i++) {
        struct entry *entry = &table->entries[i];
        entry->ours =
            entry == holder || (entry->session == leader->pid && entry->start >= leader->start);
    }
}

static void mark_descendants(struct table *table, const struct process *root)
{
    bool found = true;

    while (found) {
        found = false;
        for (size_t i = 0; i < table->count; i++) {
            struct entry *entry = &table->entries[i];
            if (!entry->ours && !is(entry, root) && child(table, entry, root))
                entry->ours = found = true;
        }
    }
}

size_t proctree_signal(const struct proctree *tree, int number)
{
    struct table table = {0};
    size_t count = 0;

    read_table(&table);
    mark_members(&table, &tree->leader);
    mark_descendants(&table, &tree->shell);
    for (size_t i = 0; i < table.count; i++) {
        const struct entry *entry = &table.entries[i];
        const struct process process = {entry->pid, entry->start};
        if (!entry->ours)
            continue;
        count++;
        if (number)
            process_signal(&process, number);
    }
    free(table.entries);
    return count;
}
