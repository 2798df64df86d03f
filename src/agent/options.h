/* SPDX-License-Identifier: MIT */
/* agent.conf: the table of options of vsay-agent and vsay-shell, and the struct that it fills. */
#ifndef AGENT_OPTIONS_H
#define AGENT_OPTIONS_H

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

/* Loads `path`, or when NULL the installed default. With `environment`, $VSAY_AGENT_CONF and the
 * variables of options count too: not for a program whose caller must not change its policy. *out
 * is zeroed first; the caller calls agent_options_free, on error too. Opens the log as configured
 * for `program`, if not NULL. */
enum err agent_options_load(const char *program, const char *path, bool environment,
                            struct agent_options *out, struct error *e);

/* Whether the token goes to another host by plain http. */
bool agent_options_exposes_token(const struct agent_options *options);

void agent_options_free(struct agent_options *options);

#endif
