/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "base/clock.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
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

/* --- times as text --------------------------------------------------------------------------- */

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

/* --- RFC 3339 to SQL ------------------------------------------------------------------------- */

/* Two or four digits. -1: not digits, or out of range. */
static int digits(const char **p, int count, int min, int max)
{
    int n = 0;

    for (; count > 0; count--, (*p)++) {
        if (!isdigit((unsigned char)**p))
            return -1;
        n = n * 10 + (**p - '0');
    }
    return n < min || n > max ? -1 : n;
}

/* Skips the next character if it is any of these. */
static bool skip(const char **p, const char *any)
{
    if (!**p || !strchr(any, **p))
        return false;
    (*p)++;
    return true;
}

/* Takes a second of 60, since leap seconds are valid times; timegm makes it the next second. */
static bool date_and_time(const char **p, struct tm *tm)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int year = digits(p, 4, 1970, 9999);
    int month = skip(p, "-") ? digits(p, 2, 1, 12) : -1;
    int day = skip(p, "-") ? digits(p, 2, 1, 31) : -1;
    int hour = skip(p, "Tt ") ? digits(p, 2, 0, 23) : -1;
    int minute = skip(p, ":") ? digits(p, 2, 0, 59) : -1;
    int second = skip(p, ":") ? digits(p, 2, 0, 60) : -1;

    if (year < 0 || month < 0 || day < 0 || hour < 0 || minute < 0 || second < 0)
        return false;
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    *tm = (struct tm){.tm_year = year - 1900,
                      .tm_mon = month - 1,
                      .tm_mday = day,
                      .tm_hour = hour,
                      .tm_min = minute,
                      .tm_sec = second};
    return day <= days[month - 1] + (month == 2 && leap);
}

/* RFC 3339 allows any number of digits; what is smaller than a millisecond is dropped. */
static bool fraction(const char **p, int *ms)
{
    *ms = 0;
    if (!skip(p, "."))
        return true;
    if (!isdigit((unsigned char)**p))
        return false;
    for (int unit = 100; isdigit((unsigned char)**p); (*p)++, unit /= 10)
        *ms += unit * (**p - '0');
    return true;
}

/* The offset from UTC, positive for a clock that is ahead. */
static bool offset(const char **p, int *seconds)
{
    int sign = **p == '-' ? -1 : 1;

    *seconds = 0;
    if (skip(p, "Zz"))
        return true;
    if (!skip(p, "+-"))
        return false;
    int hours = digits(p, 2, 0, 23);
    int minutes = skip(p, ":") ? digits(p, 2, 0, 59) : -1;
    *seconds = sign * (hours * 3600 + minutes * 60);
    return hours >= 0 && minutes >= 0;
}

bool clock_parse(const char *text, char out[SQL_TIME_LENGTH + 1])
{
    struct tm tm;
    int ms, ahead;

    if (!date_and_time(&text, &tm) || !fraction(&text, &ms) || !offset(&text, &ahead) || *text)
        return false;
    /* The offset may move a time across the ends of the range: 1970-01-01T00:30:00+01:00. */
    time_t time = timegm(&tm) - ahead;
    if (time < 0 || time > CLOCK_MAX)
        return false;
    gmtime_r(&time, &tm);
    size_t length = strftime(out, SQL_TIME_LENGTH + 1, "%Y-%m-%d %H:%M:%S", &tm);
    snprintf(out + length, SQL_TIME_LENGTH + 1 - length, ".%03u", (unsigned)ms % 1000u);
    return true;
}
