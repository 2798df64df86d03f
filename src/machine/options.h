/* SPDX-License-Identifier: MIT */
/* agent.conf: the table of options of vsay-agent and vsay-shell, and the struct that it fills. The
 * sample file and the list in agent.conf(5) are made from the same table.
 *
 * The two programs read one file, but not with the same trust. vsay-shell runs as the user whose
 * session it records, so it ignores the environment, and does not check what only vsay-agent can
 * read. */
#ifndef MACHINE_OPTIONS_H
#define MACHINE_OPTIONS_H

#include "base/conf.h"

struct agent_options {
    struct {
        char *server, *token_file, *ca_file;
        char *state_dir, *socket;
        long spool_max; /* KiB */
        long poll_wait; /* s */
        char *disk;
        struct strlist trusted_users;
    } agent;
    struct {
        char *program;
        int require_agent; /* 0 no, 1 yes */
        long kill_after;   /* s */
        struct strlist mask;
    } shell;
    struct {
        int target; /* 0 stderr, 1 syslog */
        int level;  /* enum log_level */
    } log;
};

extern const struct conf_option agent_options_table[];
extern const size_t agent_options_count;

/* Checks that agent_options_load makes beyond the form of the values. */
enum {
    OPTIONS_AGENT = 1,   /* the options that only vsay-agent uses */
    OPTIONS_COMPLETE = 2 /* what may be set up later: the token, users, programs */
};

/* Loads `path`, or the installed file if that is NULL. `use` combines OPTIONS_*. With
 * `environment`, $VSAY_AGENT_CONF and the options' variables override the file; not for vsay-shell,
 * whose user must not change its policy. Opens the log for `program`, unless that is NULL. Zeroes
 * *out first; the caller calls agent_options_free, even after an error. */
enum err agent_options_load(const char *program, const char *path, bool environment, unsigned use,
                            struct agent_options *out, struct error *e);

/* Reads the token, the first line of agent.token_file. The caller wipes and frees *out. ERR_CONFIG
 * when it cannot be used. */
enum err agent_options_read_token(const char *path, char **out, struct error *e);

/* Returns whether the token is sent to another host by plain http. */
bool agent_options_exposes_token(const struct agent_options *options);

void agent_options_free(struct agent_options *options);

#endif
