/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "api/cursor.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* `20260206T120000.123000-4711` */
void cursor_format(const struct position *position, char out[CURSOR_MAX + 1])
{
    const char *t = position->at;

    snprintf(out, CURSOR_MAX + 1, "%.4s%.2s%.5s%.2s%.9s-%" PRIu64, t, t + 5, t + 8, t + 14, t + 17,
             position->id);
}

bool cursor_parse(const char *text, struct position *out)
{
    struct tm given = {0};
    unsigned micro = 0;
    char again[CURSOR_MAX + 1];

    memset(out, 0, sizeof *out);
    if (sscanf(text, "%4d%2d%2dT%2d%2d%2d.%6u-%" SCNu64, &given.tm_year, &given.tm_mon,
               &given.tm_mday, &given.tm_hour, &given.tm_min, &given.tm_sec, &micro, &out->id) != 8)
        return false;
    given.tm_year -= 1900;
    given.tm_mon -= 1;
    struct tm normal = given; /* timegm turns 31 February into 3 March */
    timegm(&normal);
    size_t length = strftime(out->at, sizeof out->at, "%Y-%m-%dT%H:%M:%S", &normal);
    snprintf(out->at + length, sizeof out->at - length, ".%06u", micro);
    cursor_format(out, again);
    return strcmp(text, again) == 0;
}
