/* SPDX-License-Identifier: MIT */
/* Checks what the command line gave; ERR_REQUEST names the option or operand that is wrong. */
#ifndef CTL_ARGS_H
#define CTL_ARGS_H

#include <stddef.h>

#include "base/error.h"

/* An identifier. NULL is one that is missing. */
enum err args_ident(const char *what, const char *text, struct error *e);

/* The same of a user id. */
enum err args_user_id(const char *what, const char *text, struct error *e);

/* An identifier, but NULL is fine. */
enum err args_optional_ident(const char *what, const char *text, struct error *e);

/* UTF-8 of at most `max` bytes without control characters. */
enum err args_text(const char *what, const char *text, size_t max, struct error *e);

/* A whole number from 1 to `max`. */
enum err args_number(const char *what, const char *text, long max, long *out, struct error *e);

/* A time such as 90s or 30d, in seconds. NULL is one that is missing. */
enum err args_seconds(const char *what, const char *text, long *out, struct error *e);

#endif
