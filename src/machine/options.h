/* SPDX-License-Identifier: MIT */
/* agent.conf: the table of options of vsay-agent and vsay-shell, and the struct that it fills. */
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

/* What is checked beside the form of the values. */
enum {
    OPTIONS_AGENT = 1,   /* what vsay-agent needs and vsay-shell does not */
    OPTIONS_COMPLETE = 2 /* and what may come later: the token, users, programs */
};

/* Loads `path`, or when NULL the installed default; `use` is of OPTIONS_*. With `environment`,
 * $VSAY_AGENT_CONF and the variables of options count too: not for a program whose caller must not
 * change its policy. *out is zeroed first; the caller calls agent_options_free, on error too. Opens
 * the log as configured for `program`, if not NULL. */
enum err agent_options_load(const char *program, const char *path, bool environment, unsigned use,
                            struct agent_options *out, struct error *e);

/* Reads the first line of the file agent.token_file. ERR_CONFIG when it is unusable. The caller
 * wipes and frees *out. */
enum err agent_options_read_token(const char *path, char **out, struct error *e);

/* Whether the token goes to another host by plain http. */
bool agent_options_exposes_token(const struct agent_options *options);

void agent_options_free(struct agent_options *options);

#endif
