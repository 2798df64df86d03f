/* SPDX-License-Identifier: MIT */
/* Checks values from the command line before the database is asked for anything: its own messages
 * would be about columns and keys.
 *
 * ERR_REQUEST names the option or operand, `what`, and what is wrong with it. NULL is a missing
 * value, which is an error too unless said otherwise. */
#ifndef CTL_CHECK_H
#define CTL_CHECK_H

#include <stddef.h>

#include "base/error.h"

/* An identifier. */
enum err check_ident(const char *what, const char *text, struct error *e);

/* A user id. */
enum err check_user_id(const char *what, const char *text, struct error *e);

/* An identifier, or NULL. */
enum err check_optional_ident(const char *what, const char *text, struct error *e);

/* UTF-8 of at most `max` bytes without control characters. */
enum err check_text(const char *what, const char *text, size_t max, struct error *e);

/* A whole number from 1 to `max`. */
enum err check_number(const char *what, const char *text, long max, long *out, struct error *e);

/* A duration such as 90s or 30d, in seconds. */
enum err check_seconds(const char *what, const char *text, long *out, struct error *e);

#endif
