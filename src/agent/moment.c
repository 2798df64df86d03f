/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "agent/moment.h"

#include <stdio.h>
#include <time.h>

static int64_t read_clock(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t moment_monotonic(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

int64_t moment_realtime(void)
{
    return read_clock(CLOCK_REALTIME);
}

void moment_format(int64_t realtime, char out[MOMENT_SIZE])
{
    time_t seconds = realtime / 1000;
    struct tm tm;

    gmtime_r(&seconds, &tm);
    size_t length = strftime(out, MOMENT_SIZE, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(out + length, MOMENT_SIZE - length, ".%03dZ", (int)(realtime % 1000));
}

void moment_text(char out[MOMENT_SIZE])
{
    moment_format(moment_realtime(), out);
}
