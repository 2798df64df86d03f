/* SPDX-License-Identifier: MIT */
/* agent/shell_journal: a session that the agent refused is offered again later. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <json.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent/link.h"
#include "agent/members.h"
#include "agent/moment.h"
#include "agent/shell_journal.h"

enum { MINUTE_MS = 60000 };

static struct sockaddr_un address = {.sun_family = AF_UNIX};
static int64_t passed; /* ms that the clock is ahead */

int64_t __real_moment_monotonic(void);
int64_t __wrap_moment_monotonic(void);

int64_t __wrap_moment_monotonic(void)
{
    return __real_moment_monotonic() + passed;
}

/* Takes the packet that the journal has sent, says `type` and has the journal hear it. */
static void answer(struct journal *journal, int fd, const char *expected, const char *type)
{
    struct json_object *packet, *reply = json_object_new_object();

    assert_int_equal(link_receive(fd, &packet), ERR_OK);
    assert_string_equal(link_text(packet, "type"), expected);
    members_put(reply, "type", type);
    assert_int_equal(link_send(fd, reply), ERR_OK);
    json_object_put(packet);
    json_object_put(reply);
    journal_step(journal, true);
}

static int next_client(int listener)
{
    return accept(listener, NULL, NULL);
}

static void refused_for_a_while(void **state)
{
    int listener = *(int *)*state;
    struct json_object *open = json_object_new_object(), *nothing;

    members_put(open, "type", "open");
    struct journal *journal = journal_new(address.sun_path, "/", open);
    const struct journal_state *said = journal_state(journal);
    journal_step(journal, false);
    int first = next_client(listener);
    answer(journal, first, "open", "refused");
    assert_non_null(said->refused);
    journal_command(journal, 1, "lost", "", SUCCESS_YES);
    assert_int_equal(link_receive(first, &nothing), ERR_IO);

    passed = MINUTE_MS - 1000;
    journal_step(journal, false);
    assert_in_range(journal_timeout(journal), 1, 1000);
    passed = MINUTE_MS;
    journal_step(journal, false);
    int second = next_client(listener);
    answer(journal, second, "open", "opened");
    assert_true(said->opened && !said->refused);
    journal_command(journal, 2, "kept", "", SUCCESS_YES);
    journal_step(journal, false);
    answer(journal, second, "command", "ack");

    journal_free(journal);
    close(first);
    close(second);
}

static int listen_there(void **state)
{
    static int listener;

    listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    snprintf(address.sun_path, sizeof address.sun_path, "/tmp/vsay-test_journal.%ld",
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
