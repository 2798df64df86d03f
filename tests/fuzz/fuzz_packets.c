/* SPDX-License-Identifier: MIT */
/* Fuzzes machine/ipc and agent/report_handler: of what a user's process sends to the agent's socket
 * the agent stores only what vsay-api accepts. The input is packets, one per line. */
#include "config.h"

#include <json.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/client.h"
#include "agent/report_handler.h"
#include "machine/ipc.h"
#include "fuzz_agent.h"

/* Receives a packet as agent/server does. */
static enum err take(struct agent *agent, struct client *client)
{
    struct origin origin = {.uid = client->peer.uid, .client = client, .session = client->session};
    struct json_object *packet, *reply = NULL;
    struct error e = {0};
    enum err err = ipc_receive(client->fd, &packet);

    if (!err)
        err = report_handler_receive(agent, &origin, packet, &reply, &e);
    if (reply)
        MUST(ipc_text(reply, "type"));
    MUST(err != ERR_IO);
    json_object_put(reply);
    json_object_put(packet);
    return err;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct agent *agent = fuzz_agent("http://127.0.0.1");
    struct text rest = {(const char *)data, size};
    struct client client = {0};
    struct error e = {0};
    enum err err = ERR_OK;
    int ends[2];

    MUST(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
    MUST(client_identify(ends[0], &client.peer));
    ipc_widen(ends[1]);
    client.fd = ends[0];
    while (!err && rest.length) {
        struct text packet = fuzz_cut(&rest, "\n");
        if (packet.length && send(ends[1], packet.bytes, packet.length, 0) > 0)
            err = take(agent, &client);
    }
    MUST(report_handler_sync(agent, &e) == ERR_OK);
    client_detach(&client);
    close(ends[0]);
    close(ends[1]);
    fuzz_agent_empty(agent);
    return 0;
}
