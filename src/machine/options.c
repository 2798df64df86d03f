/* SPDX-License-Identifier: MIT */
/* Checks that need a part of the system come in two kinds, since a machine is set up step by step.
 * vsay-agent starts and waits when only its token is missing (without OPTIONS_COMPLETE), but
 * `--check-config` reports that too. */
#include "config.h"
#include "machine/options.h"

#include <errno.h>
#include <libgen.h>
#include <pwd.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/un.h>

#include "base/certificates.h"
#include "base/file.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "common/address.h"

enum { TOKEN_MAX = 16 * 1024 };

#define AT(member) offsetof(struct agent_options, member)

static const char *const no_yes[] = {"no", "yes", NULL};
static const char *const log_targets[] = {"stderr", "syslog", NULL};
static const char *const log_levels[] = {"error", "warning", "info", "debug", NULL};

/* --- checks of values ------------------------------------------------------------------------ */

/* Checks the rest of a URL after its scheme. Returns NULL, or what is wrong with it. */
static const char *check_authority(const char *text)
{
    size_t length = strcspn(text, "/");
    struct address address;

    if (memchr(text, '@', length))
        return "remove the user and password; the token belongs in agent.token_file";
    if (strpbrk(text, "?#"))
        return "remove the query or fragment";
    const char *why = address_parse(text, length, &address);
    return why ? why : address_check_path(text + length);
}

/* The address is put before /api/... as it is, so it must be a URL without a query. */
static enum err check_server(const void *options, unsigned use, struct error *e)
{
    const char *server = ((const struct agent_options *)options)->agent.server;
    size_t scheme = strncmp(server, "https://", 8) == 0  ? 8
                    : strncmp(server, "http://", 7) == 0 ? 7
                                                         : 0;

    if (!(use & OPTIONS_AGENT))
        return ERR_OK;
    if (!*server)
        return error_set(e, ERR_CONFIG, "agent.server: no server is named");
    const char *why =
        scheme ? check_authority(server + scheme) : "it must begin with https:// or http://";
    return why ? error_set(e, ERR_CONFIG, "agent.server: %s: %s", server, why) : ERR_OK;
}

/* A machine is often prepared before it gets its token. */
static enum err check_token_file(const void *options, unsigned use, struct error *e)
{
    const char *path = ((const struct agent_options *)options)->agent.token_file;
    char *token = NULL;
    enum err err = use & OPTIONS_AGENT ? conf_check_absolute("agent.token_file", path, e) : ERR_OK;

    if (err || !(use & OPTIONS_COMPLETE))
        return err;
    err = agent_options_read_token(path, &token, e);
    if (token)
        explicit_bzero(token, strlen(token));
    free(token);
    return err;
}

static enum err check_ca_file(const void *options, unsigned use, struct error *e)
{
    const struct agent_options *all = options;
    const char *path = all->agent.ca_file;
    struct error why = {0};

    if (!*path || !(use & OPTIONS_AGENT))
        return ERR_OK;
    if (strncmp(all->agent.server, "https:", 6) != 0)
        return error_set(e, ERR_CONFIG,
                         "agent.ca_file: it is used only if agent.server "
                         "begins with https://");
    enum err err = conf_check_absolute("agent.ca_file", path, e);
    if (!err && certificates_check(path, &why))
        err = error_set(e, ERR_CONFIG, "agent.ca_file: %s", why.detail);
    return err;
}

/* Checks that a directory exists, or that its parent does: vsay-agent makes the last one itself. */
static enum err check_directory(const char *option, const char *path, struct error *e)
{
    struct stat st;

    if (stat(path, &st) == 0)
        return S_ISDIR(st.st_mode)
                   ? ERR_OK
                   : error_set(e, ERR_CONFIG, "%s: %s is not a directory", option, path);
    int cause = errno;
    char *copy = xstrdup(path);
    bool can_be_made = cause == ENOENT && stat(dirname(copy), &st) == 0 && S_ISDIR(st.st_mode);
    free(copy);
    return can_be_made ? ERR_OK
                       : error_set(e, ERR_CONFIG, "%s: %s: %s", option, path, strerror(cause));
}

static enum err check_state_dir(const void *options, unsigned use, struct error *e)
{
    const char *path = ((const struct agent_options *)options)->agent.state_dir;
    enum err err = conf_check_absolute("agent.state_dir", path, e);

    return err || !(use & OPTIONS_AGENT) ? err : check_directory("agent.state_dir", path, e);
}

/* The path must fit into sockaddr_un. Cut, it would be another one. */
static enum err check_socket(const void *options, unsigned use, struct error *e)
{
    const char *path = ((const struct agent_options *)options)->agent.socket;
    struct sockaddr_un address;
    struct stat st;
    enum err err = conf_check_absolute("agent.socket", path, e);

    if (!err && strlen(path) >= sizeof address.sun_path)
        err = error_set(e, ERR_CONFIG, "agent.socket: the path is longer than %zu bytes",
                        sizeof address.sun_path - 1);
    if (err || !(use & OPTIONS_AGENT))
        return err;
    if (stat(path, &st) == 0 && !S_ISSOCK(st.st_mode))
        return error_set(e, ERR_CONFIG, "agent.socket: %s exists and is not a socket", path);
    char *copy = xstrdup(path);
    err = check_directory("agent.socket", dirname(copy), e);
    free(copy);
    return err;
}

static enum err check_disk(const void *options, unsigned use, struct error *e)
{
    const char *path = ((const struct agent_options *)options)->agent.disk;
    struct statvfs fs;
    enum err err = use & OPTIONS_AGENT ? conf_check_absolute("agent.disk", path, e) : ERR_OK;

    if (!err && use & OPTIONS_COMPLETE && statvfs(path, &fs) != 0)
        err = error_set(e, ERR_CONFIG, "agent.disk: %s: %s", path, strerror(errno));
    return err;
}

/* A misspelt name would only show when that user's terminal is refused. */
static enum err check_trusted_users(const void *options, unsigned use, struct error *e)
{
    const struct strlist *users = &((const struct agent_options *)options)->agent.trusted_users;

    for (size_t i = 0; use & OPTIONS_COMPLETE && i < users->count; i++) {
        if (!getpwnam(users->items[i]))
            return error_set(e, ERR_CONFIG, "agent.trusted_users: there is no user %s",
                             users->items[i]);
    }
    return ERR_OK;
}

/* Every user runs it, so the right of all others counts. */
static enum err check_program(const void *options, unsigned use, struct error *e)
{
    const char *path = ((const struct agent_options *)options)->shell.program;
    struct stat st;

    if (!*path)
        return ERR_OK;
    enum err err = conf_check_absolute("shell.program", path, e);
    if (err || !(use & OPTIONS_COMPLETE))
        return err;
    if (stat(path, &st) != 0 || !S_ISREG(st.st_mode) || !(st.st_mode & S_IXOTH))
        return error_set(e, ERR_CONFIG, "shell.program: %s is not a program that everybody may run",
                         path);
    return ERR_OK;
}

/* Compiles each expression, since one that cannot be compiled would mask nothing. */
static enum err check_masks(const void *options, unsigned use, struct error *e)
{
    const struct strlist *masks = &((const struct agent_options *)options)->shell.mask;

    (void)use;
    for (size_t i = 0; i < masks->count; i++) {
        regex_t regex;
        char why[128];
        int status = regcomp(&regex, masks->items[i], REG_EXTENDED);
        if (status) {
            regerror(status, &regex, why, sizeof why);
            return error_set(e, ERR_CONFIG, "shell.mask: '%s': %s", masks->items[i], why);
        }
        regfree(&regex);
    }
    return ERR_OK;
}

/* --- the table ------------------------------------------------------------------------------- */

/* In the order of the sample and the manual. The sample sets state_dir, because the systemd unit
 * makes that directory wherever LOCALSTATEDIR is. */

const struct conf_option agent_options_table[] = {
    {"agent", "server", CONF_TEXT, AT(agent.server), .fallback = "", .check = check_server,
     .help = "Required. The address of vsay, without /api and without a final slash: "
             "`https://vsay.example.com`, or if vsay.conf(5) sets `api.prefix`, "
             "`https://example.com/vsay`. With `http://` anyone on the network path can read the "
             "token; the agent warns of that unless vsay is on this host."},
    {"agent", "token_file", CONF_TEXT, AT(agent.token_file),
     .fallback = SYSCONFDIR "/vsay/agent.token", .check = check_token_file,
     .help = "The file with the machine's token on its first line, as vsayctl(1) machine add "
             "prints it. A file that others may read or write is refused. It is read for each "
             "request, so a new token is used at once."},
    {"agent", "ca_file", CONF_TEXT, AT(agent.ca_file), .fallback = "", .check = check_ca_file,
     .help = "File with the certificate authorities to trust, in PEM form; empty for the system's. "
             "The server's certificate is always verified."},
    {"agent", "state_dir", CONF_TEXT, AT(agent.state_dir),
     .fallback = LOCALSTATEDIR "/lib/vsay-agent", .check = check_state_dir,
     .help = "The directory of the spool and of the sessions' files, which vsay-agent(8) owns; see "
             "there. Users need access through it to its subdirectory `drop`.",
     .sample = "state_dir = /var/lib/vsay-agent"},
    {"agent", "socket", CONF_TEXT, AT(agent.socket), .fallback = "/run/vsay-agent/agent.sock",
     .check = check_socket,
     .help = "The UNIX socket on which vsay-shell(1) reports to vsay-agent(8)."},
    {"agent", "spool_max", CONF_INT, AT(agent.spool_max), 64, 16777216, .fallback = "65536",
     .help = "How many kibibytes of reports may wait on disk while vsay cannot be reached. Beyond "
             "that, the oldest commands of the users with the most data are dropped, and counted "
             "in each heartbeat. Openings and ends of sessions are never dropped."},
    {"agent", "poll_wait", CONF_SECONDS, AT(agent.poll_wait), 0, 55, .fallback = "30s",
     .help = "How long a poll for signals may wait at the server. Use a shorter time if a proxy "
             "times out sooner. With 0 the agent polls every five seconds instead, for servers "
             "where each waiting request costs a process (CGI and mod_fcgid)."},
    {"agent", "disk", CONF_TEXT, AT(agent.disk), .fallback = "/", .check = check_disk,
     .help = "A path on the file system whose usage is reported."},
    {"agent", "trusted_users", CONF_LIST, AT(agent.trusted_users), .fallback = "",
     .check = check_trusted_users,
     .help = "Login names that may report sessions of other users, such as that of a web terminal; "
             "empty for none. Root and the user of vsay-agent(8) always may."},

    {"shell", "program", CONF_TEXT, AT(shell.program), .fallback = "", .check = check_program,
     .help = "The shell to run; empty for the user's login shell."},
    {"shell", "require_agent", CONF_CHOICE, AT(shell.require_agent), .choices = no_yes,
     .fallback = "no",
     .help = "With `yes`, no shell starts while vsay-agent(8) cannot be reached."},
    {"shell", "kill_after", CONF_SECONDS, AT(shell.kill_after), 0, 300, .fallback = "5s",
     .help = "How long the processes of a session that must end have, after SIGHUP, before they "
             "get SIGKILL. Three seconds later vsay-agent(8) kills processes that vsay-shell(1) "
             "has not ended."},
    {"shell", "mask", CONF_LINES, AT(shell.mask), .fallback = "", .check = check_masks,
     .help = "Extended regular expressions, see regex(7). The part of a command that the first "
             "group of an expression matches is recorded as `***`; without a group, all that the "
             "expression matches. Since a `;` after a blank begins a comment, write `[;]`.",
     .sample = "#mask =\n#  --password[= ]([^ ]+)\n#  (Bearer [A-Za-z0-9._~+/=-]+)"},

    {"log", "target", CONF_CHOICE, AT(log.target), .choices = log_targets, .fallback = "stderr",
     .help = "Where events go. `syslog` uses the facility daemon."},
    {"log", "level", CONF_CHOICE, AT(log.level), .choices = log_levels, .fallback = "info",
     .help = "The least important events to log."},
};

const size_t agent_options_count = sizeof agent_options_table / sizeof *agent_options_table;

/* Returns whether a name is certainly this host's, without asking anybody. What a look-up says
 * today may lead elsewhere tomorrow. */
static bool is_this_host(const char *name, size_t length)
{
    return (length == 9 && strncasecmp(name, "localhost", length) == 0) ||
           (length == 5 && strncmp(name, "[::1]", length) == 0) ||
           (strncmp(name, "127.", 4) == 0 && strspn(name, "0123456789.") == length);
}

bool agent_options_exposes_token(const struct agent_options *options)
{
    static const char scheme[] = "http://";
    const char *server = options->agent.server, *name = server + strlen(scheme);

    if (strncmp(server, scheme, strlen(scheme)) != 0)
        return false;
    return !is_this_host(name, *name == '[' ? strcspn(name, "]") + 1 : strcspn(name, ":/"));
}

enum err agent_options_read_token(const char *path, char **out, struct error *e)
{
    static const char characters[] = /* of a bearer token, RFC 6750 section 2.1 */
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
        "-._~+/=";
    struct error why = {0};
    size_t length = 0;

    *out = NULL;
    if (file_read_secret(path, TOKEN_MAX, out, &length, &why))
        return error_set(e, ERR_CONFIG, "agent.token_file: %s", why.detail);
    size_t used = strcspn(*out, "\r\n");
    if (used && strspn(*out, characters) == used) {
        (*out)[used] = '\0';
        return ERR_OK;
    }
    explicit_bzero(*out, length);
    free(*out);
    *out = NULL;
    return error_set(e, ERR_CONFIG, "agent.token_file: the first line of %s is not a token", path);
}

enum err agent_options_load(const char *program, const char *path, bool environment, unsigned use,
                            struct agent_options *out, struct error *e)
{
    memset(out, 0, sizeof *out);
    if (!path && environment)
        path = getenv("VSAY_AGENT_CONF");
    if (!path || !*path)
        path = SYSCONFDIR "/vsay/agent.conf";
    enum err err =
        conf_load(agent_options_table, agent_options_count, path, environment, use, out, e);
    if (!err && program)
        log_open(program, out->log.target == 1, (enum log_level)out->log.level);
    return err;
}

void agent_options_free(struct agent_options *options)
{
    conf_free(agent_options_table, agent_options_count, options);
}
