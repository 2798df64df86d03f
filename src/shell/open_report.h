/* SPDX-License-Identifier: MIT */
/* The report that opens a session: its id, whom it is attributed to, where it comes from. It is a
 * claim. The agent knows from the kernel which user has connected, and lets only some users name
 * another one (agent.trusted_users).
 *
 * A vsay-shell within a session would report the same commands again, for example one that is the
 * login shell and gets started by `su` or a terminal multiplexer. So the first one sets a variable.
 * Users can set variables too, so its value names a process, and counts only if that process is a
 * vsay-shell and an ancestor. */
#ifndef SHELL_OPEN_REPORT_H
#define SHELL_OPEN_REPORT_H

#include <stdbool.h>
#include <stddef.h>

struct json_object;

/* The user and source that the command line names; NULL: not named. */
struct session_attribution {
    const char *source, *user_id, *username;
};

enum { SECRET_SIZE = 33 };

/* Generates 32 random hexadecimal digits, for the nonce of the marks too. */
void open_report_secret(char out[SECRET_SIZE]);

/* Returns whether an outer vsay-shell already records this one. If the outer one runs a command,
 * and this one has a terminal, this is a session of its own. */
bool open_report_nested(bool on_pty);

/* Makes the open report, which the caller releases (json_object_put). Marks the environment, so
 * that a vsay-shell inside this session recognises that it is nested. */
struct json_object *open_report_make(const struct session_attribution *attribution, bool on_pty);

#endif
