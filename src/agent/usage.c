/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "agent/usage.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>

#include "base/log.h"

static double percent(uint64_t part, uint64_t whole)
{
    return whole && part <= whole ? 100.0 * (double)part / (double)whole : 0;
}

static double failed(const char *path)
{
    log_event(LEVEL_WARNING, "usage", "detail=\"cannot read %s\"", path);
    return 0;
}

static double read_cpu(struct usage *usage)
{
    static const char path[] = "/proc/stat";
    uint64_t user, nice, system, idle, iowait, irq, softirq, steal;
    FILE *file = fopen(path, "re");
    int fields = file ? fscanf(file,
                               "cpu %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64
                               " %" SCNu64 " %" SCNu64 " %" SCNu64,
                               &user, &nice, &system, &idle, &iowait, &irq, &softirq, &steal)
                      : 0;

    if (file)
        fclose(file);
    if (fields != 8)
        return failed(path);
    uint64_t busy = user + nice + system + irq + softirq + steal;
    uint64_t total = busy + idle + iowait;
    double figure = percent(busy - usage->busy, total - usage->total);
    *usage = (struct usage){busy, total};
    return figure;
}

static double read_memory(void)
{
    static const char path[] = "/proc/meminfo";
    uint64_t total = 0, available = 0;
    char line[256];
    FILE *file = fopen(path, "re");

    while (file && fgets(line, sizeof line, file)) {
        sscanf(line, "MemTotal: %" SCNu64, &total);
        sscanf(line, "MemAvailable: %" SCNu64, &available);
    }
    if (file)
        fclose(file);
    return total && available ? percent(total - available, total) : failed(path);
}

static double read_disk(const char *path)
{
    struct statvfs fs;

    if (statvfs(path, &fs))
        return failed(path);
    uint64_t used = fs.f_blocks - fs.f_bfree;
    return percent(used, used + fs.f_bavail);
}

struct usage_figures usage_read(struct usage *usage, const char *disk)
{
    return (struct usage_figures){
        .cpu = read_cpu(usage), .memory = read_memory(), .disk = read_disk(disk)};
}
