/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "shell/open_report.h"

#include <json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "common/protocol.h"
#include "base/clock.h"
#include "machine/proctree.h"
#include "shell/program.h"
#include "base/xalloc.h"
#include "common/address.h"

/* The variable by which a nested vsay-shell recognises the outer one: whether that has a terminal,
 * and its pid. It stands beside VSAY_SESSION_ID. */
static const char outer_variable[] = "VSAY_SESSION_SHELL";
static const char on_terminal[] = "terminal", on_command[] = "command";

void open_report_secret(char out[SECRET_SIZE])
{
    unsigned char bytes[SECRET_SIZE / 2];

    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes)
        abort();
    for (size_t i = 0; i < sizeof bytes; i++)
        snprintf(out + 2 * i, 3, "%02x", bytes[i]);
}

/* --- nested sessions ----------------------------------------------------- */

static bool is_vsay_shell(pid_t pid)
{
    char path[64];

    snprintf(path, sizeof path, "/proc/%ld/exe", (long)pid);
    return program_is_myself(path);
}

/* An editor's server is started as a command, by ssh, and opens the terminals of its windows below
 * it. The command is recorded as one line; so these terminals must be sessions of their own. */
bool open_report_nested(bool on_pty)
{
    const char *outer = getenv(outer_variable);
    char kind[16];
    int pid;

    if (!getenv("VSAY_SESSION_ID") || !outer || sscanf(outer, "%15[a-z]:%d", kind, &pid) != 2)
        return false;
    if (on_pty && strcmp(kind, on_terminal) != 0)
        return false;
    return process_descends(getpid(), pid) && is_vsay_shell(pid);
}

/* VSAY_SESSION_ID is for the user's own programs; the other variable is for us. */
static void mark_environment(const char *session_id, bool on_pty)
{
    char *outer = xasprintf("%s:%ld", on_pty ? on_terminal : on_command, (long)getpid());

    setenv("VSAY_SESSION_ID", session_id, 1);
    setenv(outer_variable, outer, 1);
    free(outer);
}

/* --- the open report ----------------------------------------------------- */

/* The terminal of VS Code sets TERM_PROGRAM; what its server runs has variables of its own. */
static bool in_vscode(void)
{
    const char *program = getenv("TERM_PROGRAM");

    for (char *const *variable = environ; *variable; variable++) {
        if (strncmp(*variable, "VSCODE_", strlen("VSCODE_")) == 0)
            return true;
    }
    return program && strcmp(program, "vscode") == 0;
}

/* The program that starts us knows best, by an option or the environment. Only then comes a guess.
 */
static const char *find_source(const struct session_attribution *attribution)
{
    const char *from_environment = getenv("VSAY_SOURCE");

    if (attribution->source)
        return attribution->source;
    if (protocol_source(from_environment))
        return from_environment;
    return in_vscode() ? "vscode" : "cli";
}

/* Adds a label from an environment variable; null when that is unset or not plain text. */
static void put_label(struct json_object *object, const char *member, const char *variable)
{
    const char *text = getenv(variable);

    protocol_put(object, member, protocol_is_plain(text, MEMBER_LABEL) ? text : NULL);
}

/* Adds the address that the user connects from, as a web terminal or sshd says. SSH_CONNECTION
 * continues with ports and our own address. It is only a claim: the program that starts us can set
 * both variables. */
static void put_source_address(struct json_object *object)
{
    static const char *const variables[] = {"VSAY_REMOTE_ADDR", "SSH_CONNECTION"};
    char address[ADDRESS_IP_MAX + 1];

    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++) {
        const char *text = getenv(variables[i]);
        if (text && address_ip(text, strcspn(text, " "), address)) {
            protocol_put(object, "source_address", address);
            return;
        }
    }
}

struct json_object *open_report_make(const struct session_attribution *attribution, bool on_pty)
{
    struct json_object *open = json_object_new_object();
    char secret[SECRET_SIZE], now[CLOCK_TEXT_SIZE];

    open_report_secret(secret);
    clock_text(now);
    char *session_id = xasprintf("sess_%s", secret);
    protocol_put(open, "type", "open");
    protocol_put(open, "session_id", session_id);
    open_report_secret(secret);
    protocol_put(open, "drop_key", secret); /* for the name of the handoff file */
    if (attribution->user_id)
        protocol_put(open, "user_id", attribution->user_id);
    if (attribution->username)
        protocol_put(open, "username", attribution->username);
    protocol_put(open, "source", find_source(attribution));
    put_label(open, "browser", "VSAY_BROWSER");
    put_label(open, "os", "VSAY_OS");
    put_source_address(open);
    protocol_put(open, "started_at", now);
    mark_environment(session_id, on_pty);
    free(session_id);
    return open;
}
