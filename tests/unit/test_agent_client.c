/* SPDX-License-Identifier: MIT */
/* Tests of shell/agent_client: a session that the agent has refused is offered again later, and the
 * messages kept while the agent is away are bounded. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <json.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "machine/ipc.h"
#include "common/protocol.h"
#include "base/clock.h"
#include "shell/agent_client.h"

enum { MINUTE_MS = 60000 };

static struct sockaddr_un address = {.sun_family = AF_UNIX};
static int64_t passed; /* ms that the client's clock is ahead */

int64_t __real_clock_ms(void);
int64_t __wrap_clock_ms(void);

int64_t __wrap_clock_ms(void)
{
    return __real_clock_ms() + passed;
}

/* Receives the packet that the agent client has sent, answers with `type`, and has the client read
 * the answer. */
static void answer(struct agent_client *client, int fd, const char *expected, const char *type)
{
    struct json_object *packet, *reply = json_object_new_object();

    assert_int_equal(ipc_receive(fd, &packet), ERR_OK);
    assert_string_equal(ipc_text(packet, "type"), expected);
    protocol_put(reply, "type", type);
    assert_int_equal(ipc_send(fd, reply), ERR_OK);
    json_object_put(packet);
    json_object_put(reply);
    agent_client_step(client, true);
}

static int next_client(int listener)
{
    return accept(listener, NULL, NULL);
}

static void refused_for_a_while(void **state)
{
    int listener = *(int *)*state;
    struct json_object *open = json_object_new_object(), *nothing;

    protocol_put(open, "type", "open");
    struct agent_client *client = agent_client_new(address.sun_path, "/", open);
    const struct agent_client_state *said = agent_client_state(client);
    agent_client_step(client, false);
    int first = next_client(listener);
    answer(client, first, "open", "refused");
    assert_non_null(said->refused);
    agent_client_command(client, 1, "lost", "", SUCCESS_YES, 0);
    assert_int_equal(ipc_receive(first, &nothing), ERR_IO);

    passed = MINUTE_MS - 1000;
    agent_client_step(client, false);
    assert_in_range(agent_client_timeout(client), 1, 1000);
    passed = MINUTE_MS;
    agent_client_step(client, false);
    int second = next_client(listener);
    answer(client, second, "open", "opened");
    assert_true(said->opened && !said->refused);
    agent_client_command(client, 2, "kept", "", SUCCESS_YES, 0);
    agent_client_step(client, false);
    answer(client, second, "command", "ack");

    agent_client_free(client);
    close(first);
    close(second);
}

/* Without an agent and with more commands than are kept, the file has the newest ones. */
static void bounded_while_away(void **state)
{
    enum { COMMANDS = 100, SIZE = 60000, KEPT_MAX = 4 << 20 };
    static char directory[] = "/tmp/vsay-test_agent_client.XXXXXX", text[SIZE + 1];
    struct json_object *open = json_object_new_object();
    struct error e = {0};
    char handoff[64], path[128], *line = NULL;
    size_t room = 0, size = 0, lines = 0;
    int known = 0; /* commands that are in the file or counted as lost */
    bool ended = false;

    (void)state;
    memset(text, 'x', SIZE);
    assert_non_null(mkdtemp(directory));
    snprintf(handoff, sizeof handoff, "%s/drop", directory);
    assert_int_equal(mkdir(handoff, 0700), 0);
    protocol_put(open, "session_id", "sess_1");
    struct agent_client *client = agent_client_new("/nowhere", directory, open);
    for (int seq = 1; seq <= COMMANDS; seq++) {
        agent_client_command(client, seq, text, "", SUCCESS_UNKNOWN, -1);
        agent_client_command(client, seq, text, "", SUCCESS_YES, 0);
    }
    agent_client_count_lost(client);
    agent_client_command(client, COMMANDS + 2, text, "", SUCCESS_YES, 0);
    agent_client_end(client, "exited", 0);
    assert_int_equal(agent_client_finish(client, &e), ERR_OK);
    agent_client_free(client);

    snprintf(path, sizeof path, "%s/sess_1.jsonl", handoff);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    for (ssize_t n; (n = getline(&line, &room, file)) > 0; size += (size_t)n) {
        struct json_object *packet = json_tokener_parse(line), *seq = NULL, *lost = NULL;
        if (json_object_object_get_ex(packet, "seq", &seq)) {
            assert_in_range(json_object_get_int(seq), COMMANDS / 3, COMMANDS + 2);
            known++;
        }
        if (json_object_object_get_ex(packet, "lost", &lost))
            known += json_object_get_int(lost);
        json_object_put(packet);
        lines++;
        ended = strstr(line, "\"exited\"") != NULL;
    }
    assert_true(size < KEPT_MAX && lines > COMMANDS / 3 && ended);
    assert_int_equal(known, COMMANDS + 2);
    free(line);
    fclose(file);
    unlink(path);
    rmdir(handoff);
    rmdir(directory);
}

static int listen_there(void **state)
{
    static int listener;

    listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    snprintf(address.sun_path, sizeof address.sun_path, "/tmp/vsay-test_agent_client.%ld",
             (long)getpid());
    *state = &listener;
    return bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 2);
}

static int clean_up(void **state)
{
    close(*(int *)*state);
    return unlink(address.sun_path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(refused_for_a_while, listen_there, clean_up),
        cmocka_unit_test(bounded_while_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
