/* SPDX-License-Identifier: MIT */
/* Fuzzes shell/agent_client: what vsay-shell receives from the agent's socket. Messages that are
 * not acknowledged end up in a file that the agent would accept. The input is packets, one per
 * line. */
#include "config.h"

#include <json.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "machine/ipc.h"
#include "common/protocol.h"
#include "shell/agent_client.h"
#include "base/file.h"
#include "base/xalloc.h"
#include "fuzz.h"

#define SESSION "sess_0123456789abcdef0123456789abcdef"

enum { COMMANDS = 3 };

static struct sockaddr_un address = {.sun_family = AF_UNIX};
static char *state, *left;

/* A second passes with each reading of the clock. */
int64_t __wrap_clock_ms(void);
int64_t __wrap_clock_ms(void)
{
    static int64_t now;

    return now += 1000;
}

static void prepare(void)
{
    char *path = fuzz_path("socket"), *handoff = fuzz_path("drop");

    MUST(strlen(path) < sizeof address.sun_path);
    strcpy(address.sun_path, path);
    MUST(mkdir(handoff, 0700) == 0);
    state = fuzz_path("");
    left = fuzz_path("drop/" SESSION ".jsonl");
    free(handoff);
    free(path);
}

static int listen_here(void)
{
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

    unlink(address.sun_path);
    MUST(fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0);
    MUST(listen(fd, 1) == 0);
    return fd;
}

static struct agent_client *new_client(void)
{
    struct json_object *open = json_object_new_object();

    protocol_put(open, "type", "open");
    protocol_put(open, "session_id", SESSION);
    return agent_client_new(address.sun_path, state, open);
}

/* Sends the packets, as long as the agent client stays connected. */
static void say(struct agent_client *client, int fd, struct text rest)
{
    while (rest.length) {
        struct text packet = fuzz_cut(&rest, "\n");
        if (packet.length && send(fd, packet.bytes, packet.length, MSG_NOSIGNAL) < 0)
            return;
        struct pollfd ready;
        agent_client_poll(client, &ready);
        if (ready.fd < 0)
            return;
        agent_client_step(client, true);
    }
}

/* Checks that each line of the file is a packet. */
static void check_left(void)
{
    struct error e = {0};
    char *text;
    size_t length;
    bool open_to_all;

    if (file_read(left, 1 << 22, &text, &length, &open_to_all, &e))
        return;
    struct text rest = {text, length};
    while (rest.length) {
        struct text line = fuzz_cut(&rest, "\n");
        struct json_object *packet = ipc_parse(line.bytes, line.length);
        MUST(packet);
        json_object_put(packet);
    }
    free(text);
    unlink(left);
}

/* Finishes as the session does: an end that the agent does not accept is reported again when all
 * processes are gone. */
static void finish(struct agent_client *client)
{
    struct error e = {0};
    enum err err = agent_client_finish(client, &e);

    if (err == ERR_BUSY) {
        agent_client_all_gone(client);
        agent_client_end(client, "gone", 0);
        err = agent_client_finish(client, &e);
    }
    MUST(err == ERR_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!state)
        prepare();
    int listener = listen_here();
    struct agent_client *client = new_client();
    for (long seq = 1; seq <= COMMANDS; seq++)
        agent_client_command(client, seq, "ls", "2026-02-06T12:00:00Z", SUCCESS_YES, 0);
    agent_client_end(client, "exited", 0);
    agent_client_step(client, false);
    int peer = accept(listener, NULL, NULL);
    MUST(peer >= 0);
    say(client, peer, (struct text){(const char *)data, size});
    close(peer);
    close(listener);
    finish(client);
    agent_client_free(client);
    check_left();
    return 0;
}
