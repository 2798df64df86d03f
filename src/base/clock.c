/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "base/clock.h"

#include <stdio.h>
#include <time.h>

static int64_t read_us(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t clock_us(void)
{
    return read_us(CLOCK_MONOTONIC);
}

int64_t clock_ms(void)
{
    return clock_us() / 1000;
}

int64_t clock_realtime_ms(void)
{
    return read_us(CLOCK_REALTIME) / 1000;
}

void clock_format(int64_t realtime_ms, char out[CLOCK_TEXT_SIZE])
{
    time_t seconds = realtime_ms / 1000;
    struct tm tm;

    gmtime_r(&seconds, &tm);
    size_t length = strftime(out, CLOCK_TEXT_SIZE, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(out + length, CLOCK_TEXT_SIZE - length, ".%03dZ", (int)(realtime_ms % 1000));
}

void clock_text(char out[CLOCK_TEXT_SIZE])
{
    clock_format(clock_realtime_ms(), out);
}
