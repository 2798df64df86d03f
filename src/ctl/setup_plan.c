/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "ctl/setup_plan.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "common/address.h"
#include "common/protocol.h"

enum { PASSWORD_MAX = 4096 };

/* --- questions ------------------------------------------------------------------------------- */

/* Returns the answer, or `fallback` if there is none. The caller frees it. */
static char *ask(const char *question, const char *fallback)
{
    char *line = NULL;
    size_t room = 0;

    fprintf(stderr, "%s [%s]: ", question, fallback); /* standard output has only the steps */
    ssize_t length = getline(&line, &room, stdin);
    if (length < 0)
        fputc('\n', stderr);
    if (length > 0)
        line[strcspn(line, "\r\n")] = '\0';
    char *answer = xstrdup(length > 0 && *line ? line : fallback);
    free(line);
    return answer;
}

bool setup_plan_confirm(const struct setup_plan *plan, const char *question)
{
    char *answer = plan->asks ? ask(question, "no") : xstrdup("no");
    bool yes = strcmp(answer, "yes") == 0 || strcmp(answer, "y") == 0;

    free(answer);
    return yes;
}

bool setup_plan_ask_password(struct setup_plan *plan)
{
    if (!plan->asks || plan->password)
        return false;
    char *prompt = xasprintf("Password of %s: ", plan->admin);
    char *typed = getpass(prompt);

    free(prompt);
    if (!typed || !*typed)
        return false;
    plan->password = xstrdup(typed);
    explicit_bzero(typed, strlen(typed));
    return true;
}

/* --- the present state ----------------------------------------------------------------------- */

/* Ignores VSAY_* variables: an operator's shell may have them for another user or installation. */
static void forget_environment(void)
{
    for (size_t i = 0; i < settings_options_count; i++) {
        const struct conf_option *o = &settings_options[i];
        char *variable = xasprintf("VSAY_%s_%s", o->section, o->key);
        for (char *c = variable; *c; c++)
            *c = (char)toupper((unsigned char)*c);
        if (getenv(variable)) {
            log_say("vsayctl: setup ignores %s", variable);
            unsetenv(variable);
        }
        free(variable);
    }
}

/* Makes the path absolute, and creates its directory if it is missing. Finds out now whether it can
 * be written to: later steps would fail half way. */
static enum err find_place(struct setup_plan *plan, const char *path, struct error *e)
{
    const char *slash = strrchr(path, '/');
    size_t length = slash == path ? 1 : slash ? (size_t)(slash - path) : 0;
    char *directory = length ? xstrndup(path, length) : xstrdup(".");

    if (mkdir(directory, 0755) == 0)
        log_say("vsayctl: made the directory %s", directory);
    char *real = realpath(directory, NULL);
    free(directory);
    if (!real || access(real, W_OK | X_OK)) {
        error_set(e, ERR_IO, "cannot write %s: %s; run setup as root, or give --config FILE", path,
                  strerror(errno));
        free(real);
        return ERR_IO;
    }
    plan->directory = real;
    plan->conf = xasprintf("%s/%s", real, slash ? slash + 1 : path);
    plan->conf_there = access(plan->conf, F_OK) == 0;
    return ERR_OK;
}

char *setup_plan_installed(const struct setup_plan *plan, const char *name)
{
    return xasprintf("%s/%s", plan->flags[SETUP_DIR], name);
}

/* Reads the configuration, or if there is none, the installed sample, which then becomes it. With a
 * `use` of 0 conf_load ignores the files that it names: setup may be about to make them. */
static enum err read_conf(struct setup_plan *plan, const char *path, struct error *e)
{
    if (!path)
        path = getenv("VSAY_CONF");
    enum err err = find_place(plan, path && *path ? path : SYSCONFDIR "/vsay/vsay.conf", e);
    if (err)
        return err;
    char *sample = setup_plan_installed(plan, "vsay.conf");
    struct stat st;

    path = plan->conf_there ? plan->conf : sample;
    if (plan->conf_there && stat(path, &st) == 0 && st.st_size == 0)
        plan->text = xstrdup("");
    else
        err = setup_read(path, &plan->text, e);
    if (!err)
        err =
            conf_load(settings_options, settings_options_count, path, false, 0, &plan->settings, e);
    free(sample);
    return err;
}

/* --- choices --------------------------------------------------------------------------------- */

/* Chooses the value of an option of [db]: the configured one, or the flag's, or the answer. */
static enum err choose(const struct setup_plan *plan, const char *key, const char *set,
                       const char *option, const char *flag, const char *question, char **out,
                       struct error *e)
{
    if (!setup_conf_has(plan->text, "db", key))
        *out = flag ? xstrdup(flag) : plan->asks ? ask(question, set) : xstrdup(set);
    else if (!flag || strcmp(flag, set) == 0)
        *out = xstrdup(set);
    else
        return error_set(e, ERR_CONFIG, "%s has %s = %s: change it there, or leave --%s out",
                         plan->conf, key, set, option);
    return ERR_OK;
}

/* A local server's socket comes first: over it root needs no password on many installations. */
static enum err choose_host(struct setup_plan *plan, struct error *e)
{
    static const char socket[] = "/run/mysqld/mysqld.sock";
    bool is_set = setup_conf_has(plan->text, "db", "host");
    const char *set = is_set || access(socket, F_OK) ? plan->settings.db.host.items[0] : socket;
    struct db_address address = {0};
    enum err err = choose(plan, "host", set, "host", plan->flags[SETUP_HOST],
                          "Database: HOST, HOST:PORT or the path of a socket", &plan->host, e);

    if (!err)
        err = address_parse_db(plan->host, &address, e);
    address_free_db(&address);
    return err;
}

static enum err choose_name(struct setup_plan *plan, struct error *e)
{
    enum err err = choose(plan, "name", plan->settings.db.name, "name", plan->flags[SETUP_NAME],
                          "Name of the database", &plan->name, e);

    if (!err && !ident_valid(plan->name, strlen(plan->name)))
        err = error_set(e, ERR_REQUEST,
                        "--name: '%.80s' has characters other than A-Z a-z 0-9 _ . "
                        ": -",
                        plan->name);
    return err;
}

static enum err read_password(const char *path, char **out, struct error *e)
{
    struct error why = {0};
    size_t length;

    if (file_read_secret(path, PASSWORD_MAX, out, &length, &why))
        return error_set(e, ERR_CONFIG, "--admin-password-file: %s", why.detail);
    (*out)[strcspn(*out, "\r\n")] = '\0';
    return ERR_OK;
}

/* With --one-user an earlier run has written the administrator's password to the workers' file, so
 * a later one need not ask for it again. */
static enum err choose_admin(struct setup_plan *plan, struct error *e)
{
    const char *flag = plan->flags[SETUP_ADMIN], *file = plan->flags[SETUP_ADMIN_PASSWORD_FILE];
    bool named = plan->one_user && setup_conf_has(plan->text, "db", "user");

    if (flag || named)
        plan->admin = xstrdup(flag ? flag : plan->settings.db.user);
    else
        plan->admin = plan->asks ? ask("Database administrator", "root") : xstrdup("root");
    if (!ident_valid_user(plan->admin, strlen(plan->admin)))
        return error_set(e, ERR_REQUEST, "--admin: '%.80s' is not a user's name", plan->admin);
    if (!file && plan->one_user && access(plan->worker_file, F_OK) == 0)
        file = plan->worker_file; /* an earlier setup wrote it */
    enum err err = file && *file ? read_password(file, &plan->password, e) : ERR_OK;
    return !err && plan->one_user ? setup_plan_one_user(plan, e) : err;
}

enum err setup_plan_one_user(struct setup_plan *plan, struct error *e)
{
    const char *user = plan->settings.db.user;

    if (setup_conf_has(plan->text, "db", "user") && strcmp(user, plan->admin) != 0)
        return error_set(e, ERR_CONFIG,
                         "%s has user = %s, not %s: change it there, or leave "
                         "--one-user out",
                         plan->conf, user, plan->admin);
    plan->one_user = true;
    free(plan->worker);
    plan->worker = xstrdup(plan->admin);
    return ERR_OK;
}

/* Checks the name of the user, which becomes part of SQL. */
static enum err choose_worker(struct setup_plan *plan, struct error *e)
{
    const char *file = plan->settings.db.password_file, *user = plan->settings.db.user;
    const char *from = plan->flags[SETUP_FROM];

    plan->worker = xstrdup(user);
    plan->worker_file = *file ? xstrdup(file) : xasprintf("%s/db.password", plan->directory);
    plan->operator_file = xasprintf("%s/vsayctl.password", plan->directory);
    plan->key_file = xasprintf("%s/jwt.key", plan->directory);
    if (!ident_valid_user(user, strlen(user)))
        return error_set(e, ERR_CONFIG, "%s: db.user: '%.80s' is not a user's name", plan->conf,
                         user);
    if (from && (!*from || from[strspn(from, "0123456789.:%/_-abcdefghijklmnopqrstuvwxyz"
                                             "ABCDEFGHIJKLMNOPQRSTUVWXYZ")]))
        return error_set(e, ERR_REQUEST, "--from: '%.80s' is not a host such as 10.0.0.%%", from);
    return ERR_OK;
}

/* The workers' group may read secrets, unless the workers run as the present user. */
static enum err choose_readers(struct setup_plan *plan, struct error *e)
{
    const char *name = plan->flags[SETUP_RUN_AS];
    bool root = geteuid() == 0;

    plan->readers = (struct readers){0600, (gid_t)-1};
    if (!root && !name)
        return ERR_OK;
    plan->run_as = getpwnam(name ? name : "vsay");
    if (!plan->run_as)
        return error_set(e, ERR_CONFIG,
                         "there is no user %s for the workers to run as: install "
                         "vsay-api, or run systemd-sysusers, or give --run-as USER",
                         name ? name : "vsay");
    if (!root && plan->run_as->pw_uid != geteuid())
        return error_set(e, ERR_CONFIG,
                         "--run-as: only root may set up the service for another user");
    if (plan->run_as->pw_uid != geteuid())
        plan->readers = (struct readers){0640, plan->run_as->pw_gid};
    return ERR_OK;
}

enum err setup_plan_make(struct setup_plan *plan, const struct invocation *invocation,
                         struct error *e)
{
    *plan = (struct setup_plan){.flags = invocation->values};
    plan->asks = !plan->flags[SETUP_YES] && isatty(STDIN_FILENO) && isatty(STDERR_FILENO);
    plan->one_user = plan->flags[SETUP_ONE_USER];
    forget_environment();
    enum err err = choose_readers(plan, e);
    if (!err)
        err = read_conf(plan, invocation->config, e);
    if (!err)
        err = choose_worker(plan, e);
    if (!err)
        err = choose_host(plan, e);
    if (!err)
        err = choose_name(plan, e);
    if (!err)
        err = choose_admin(plan, e);
    return err;
}

void setup_plan_free(struct setup_plan *plan)
{
    settings_free(&plan->settings);
    setup_wipe(plan->password);
    free(plan->conf);
    free(plan->directory);
    free(plan->text);
    free(plan->host);
    free(plan->name);
    free(plan->admin);
    free(plan->worker);
    free(plan->worker_file);
    free(plan->operator_file);
    free(plan->key_file);
}
