/* SPDX-License-Identifier: MIT */
/* What `vsayctl setup` is to do: what is configured already, what the command line says, and what
 * is answered on a terminal, in that order. Nothing has been changed when the plan is made. */
#ifndef CTL_SETUP_PLAN_H
#define CTL_SETUP_PLAN_H

#include <pwd.h>

#include "common/settings.h"
#include "ctl/ctl.h"
#include "ctl/setup_files.h"

enum setup_option {
    SETUP_HOST,
    SETUP_NAME,
    SETUP_ADMIN,
    SETUP_ADMIN_PASSWORD_FILE,
    SETUP_FROM,
    SETUP_ONE_USER,
    SETUP_RUN_AS,
    SETUP_DIR,
    SETUP_YES
};

/* All is owned, but `flags`. */
struct setup_plan {
    const char *const *flags; /* by enum setup_option */
    bool asks;                /* somebody at a terminal answers */
    char *conf, *directory;   /* the configuration, and where it and the secrets are; absolute */
    bool conf_there;
    char *text;               /* of the configuration, or of the sample */
    struct settings settings; /* as in the text, whatever the environment says */
    char *host, *name;        /* of the database */
    char *admin;              /* its administrator */
    char *password;           /* of the administrator; NULL: none, or to be asked for */
    bool one_user;            /* who is what workers and operators work as, too */
    char *worker;             /* the database user of workers */
    char *worker_file, *operator_file, *key_file; /* secrets */
    struct readers readers;                       /* of secrets that the workers read */
    struct passwd *run_as; /* the user that workers run as; NULL: whoever runs vsayctl. Static */
};

/* The caller calls setup_plan_free, on error too. */
enum err setup_plan_make(struct setup_plan *plan, const struct invocation *invocation,
                         struct error *e);
void setup_plan_free(struct setup_plan *plan);

/* A file that was installed beside the migrations. The caller frees it. */
char *setup_plan_installed(const struct setup_plan *plan, const char *name);

/* From now on workers and operators work as the administrator. ERR_CONFIG when the configuration
 * says otherwise. */
enum err setup_plan_one_user(struct setup_plan *plan, struct error *e);

/* Asks for the administrator's password, if somebody answers. */
bool setup_plan_ask_password(struct setup_plan *plan);

/* Asks a question, if somebody answers: whether it is yes. */
bool setup_plan_confirm(const struct setup_plan *plan, const char *question);

#endif
