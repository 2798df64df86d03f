/* SPDX-License-Identifier: MIT */
/* agent/shell_journal: a session that the agent refused is offered again later, and what is kept
 * while the agent is away is bounded. */
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
    journal_command(journal, 1, "lost", "", SUCCESS_YES, 0);
    assert_int_equal(link_receive(first, &nothing), ERR_IO);

    passed = MINUTE_MS - 1000;
    journal_step(journal, false);
    assert_in_range(journal_timeout(journal), 1, 1000);
    passed = MINUTE_MS;
    journal_step(journal, false);
    int second = next_client(listener);
    answer(journal, second, "open", "opened");
    assert_true(said->opened && !said->refused);
    journal_command(journal, 2, "kept", "", SUCCESS_YES, 0);
    journal_step(journal, false);
    answer(journal, second, "command", "ack");

    journal_free(journal);
    close(first);
    close(second);
}

/* Without an agent, more commands than are kept: what is left is a file of what came last. */
static void bounded_while_away(void **state)
{
    enum { COMMANDS = 100, SIZE = 60000, KEPT_MAX = 4 << 20 };
    static char directory[] = "/tmp/vsay-test_journal.XXXXXX", text[SIZE + 1];
    struct json_object *open = json_object_new_object();
    struct error e = {0};
    char drop[64], path[128], *line = NULL;
    size_t room = 0, size = 0, lines = 0;
    int told = 0; /* commands that are there or counted as lost */
    bool ended = false;

    (void)state;
    memset(text, 'x', SIZE);
    assert_non_null(mkdtemp(directory));
    snprintf(drop, sizeof drop, "%s/drop", directory);
    assert_int_equal(mkdir(drop, 0700), 0);
    members_put(open, "session_id", "sess_1");
    struct journal *journal = journal_new("/nowhere", directory, open);
    for (int seq = 1; seq <= COMMANDS; seq++) {
        journal_command(journal, seq, text, "", SUCCESS_UNKNOWN, -1);
        journal_command(journal, seq, text, "", SUCCESS_YES, 0);
    }
    journal_lost(journal);
    journal_command(journal, COMMANDS + 2, text, "", SUCCESS_YES, 0);
    journal_end(journal, "exited", 0);
    assert_int_equal(journal_finish(journal, &e), ERR_OK);
    journal_free(journal);

    snprintf(path, sizeof path, "%s/sess_1.jsonl", drop);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    for (ssize_t n; (n = getline(&line, &room, file)) > 0; size += (size_t)n) {
        struct json_object *packet = json_tokener_parse(line), *seq = NULL, *lost = NULL;
        if (json_object_object_get_ex(packet, "seq", &seq)) {
            assert_in_range(json_object_get_int(seq), COMMANDS / 3, COMMANDS + 2);
            told++;
        }
        if (json_object_object_get_ex(packet, "lost", &lost))
            told += json_object_get_int(lost);
        json_object_put(packet);
        lines++;
        ended = strstr(line, "\"exited\"") != NULL;
    }
    assert_true(size < KEPT_MAX && lines > COMMANDS / 3 && ended);
    assert_int_equal(told, COMMANDS + 2);
    free(line);
    fclose(file);
    unlink(path);
    rmdir(drop);
    rmdir(directory);
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
        cmocka_unit_test(bounded_while_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
