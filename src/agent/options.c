/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "agent/options.h"

#include <regex.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/un.h>

#include "base/log.h"

#define AT(member) offsetof(struct agent_options, member)

static const char *const no_yes[] = {"no", "yes", NULL};
static const char *const log_targets[] = {"stderr", "syslog", NULL};
static const char *const log_levels[] = {"error", "warning", "info", "debug", NULL};

const struct conf_option agent_options_table[] = {
    {"agent", "server", CONF_TEXT, AT(agent.server), .fallback = "",
     .help = "Address of vsay before /api, such as https://vsay.example.com."},
    {"agent", "token_file", CONF_TEXT, AT(agent.token_file),
     .fallback = SYSCONFDIR "/vsay/agent.token",
     .help = "File with the machine's token, not readable by others."},
    {"agent", "ca_file", CONF_TEXT, AT(agent.ca_file), .fallback = "",
     .help = "File with the certificate authorities to trust; empty for the system's."},
    {"agent", "state_dir", CONF_TEXT, AT(agent.state_dir),
     .fallback = LOCALSTATEDIR "/lib/vsay-agent",
     .help = "Directory for what is not sent yet and the sessions that are held."},
    {"agent", "socket", CONF_TEXT, AT(agent.socket), .fallback = "/run/vsay-agent/agent.sock",
     .help = "UNIX socket on which vsay-shell reports to vsay-agent."},
    {"agent", "spool_max", CONF_INT, AT(agent.spool_max), 64, 16777216, .fallback = "65536",
     .help = "Kibibytes that may wait on disk; beyond, the oldest commands are given up."},
    {"agent", "poll_wait", CONF_SECONDS, AT(agent.poll_wait), 0, 55, .fallback = "30s",
     .help = "How long a poll for signals may wait at the server; 0 asks every five seconds."},
    {"agent", "disk", CONF_TEXT, AT(agent.disk), .fallback = "/",
     .help = "Path whose file system's usage is reported."},
    {"agent", "trusted_users", CONF_LIST, AT(agent.trusted_users), .fallback = "",
     .help = "Login names that may report sessions of other users, such as a web terminal's."},

    {"shell", "program", CONF_TEXT, AT(shell.program), .fallback = "",
     .help = "Shell to run; empty for the user's login shell."},
    {"shell", "require_agent", CONF_CHOICE, AT(shell.require_agent), .choices = no_yes,
     .fallback = "no",
     .help = "no, or yes: a shell does not start while vsay-agent cannot be reached."},
    {"shell", "kill_after", CONF_SECONDS, AT(shell.kill_after), 0, 300, .fallback = "5s",
     .help = "How long a session that was told to end may take before it is killed."},
    {"shell", "mask", CONF_LINES, AT(shell.mask), .fallback = "",
     .help = "Extended regular expressions, one a line; what the first group (or else the whole) "
             "matches in a command is recorded as ***."},

    {"log", "target", CONF_CHOICE, AT(log.target), .choices = log_targets, .fallback = "stderr",
     .help = "stderr or syslog."},
    {"log", "level", CONF_CHOICE, AT(log.level), .choices = log_levels, .fallback = "info",
     .help = "Least important events to log: error, warning, info or debug."},
};

const size_t agent_options_count = sizeof agent_options_table / sizeof *agent_options_table;

static bool is_base_url(const char *text)
{
    size_t length = strlen(text), scheme = strncmp(text, "https://", 8) == 0  ? 8
                                           : strncmp(text, "http://", 7) == 0 ? 7
                                                                              : 0;
    return scheme && length > scheme && text[length - 1] != '/' && !strpbrk(text, "?# \t");
}

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

static enum err check_masks(const struct strlist *masks, struct error *e)
{
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

/* What no single option can say. */
static enum err check(const struct agent_options *options, struct error *e)
{
    struct sockaddr_un address;

    if (*options->agent.server && !is_base_url(options->agent.server))
        return error_set(e, ERR_CONFIG,
                         "agent.server: begins with https:// or http://, and ends without a slash");
    if (*options->agent.state_dir != '/' || *options->agent.socket != '/')
        return error_set(e, ERR_CONFIG, "agent.state_dir and agent.socket: begin with a slash");
    if (strlen(options->agent.socket) >= sizeof address.sun_path)
        return error_set(e, ERR_CONFIG, "agent.socket: longer than %zu bytes",
                         sizeof address.sun_path - 1);
    return check_masks(&options->shell.mask, e);
}

enum err agent_options_load(const char *program, const char *path, bool environment,
                            struct agent_options *out, struct error *e)
{
    memset(out, 0, sizeof *out);
    if (!path && environment)
        path = getenv("VSAY_AGENT_CONF");
    if (!path || !*path)
        path = SYSCONFDIR "/vsay/agent.conf";
    enum err err = conf_load(agent_options_table, agent_options_count, path, environment, out, e);
    if (!err)
        err = check(out, e);
    if (!err && program)
        log_open(program, out->log.target == 1, (enum log_level)out->log.level);
    return err;
}

void agent_options_free(struct agent_options *options)
{
    conf_free(agent_options_table, agent_options_count, options);
}
