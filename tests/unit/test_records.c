/* SPDX-License-Identifier: MIT */
/* FastCGI records in pieces, and the pump that moves them. */
#include "config.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "api/crew.h"
#include "api/pump.h"
#include "api/records.h"

/* BEGIN; PARAMS of 3 bytes (a=) and 5 of padding, and empty; STDIN of 2 bytes, and empty. */
static const unsigned char request[] = {1, 1, 0, 1, 0, 8, 0, 0, 0, 1, 0,  0, 0, 0, 0, 0, /**/
                                        1, 4, 0, 1, 0, 3, 5, 0, 1, 0, 97, 0, 0, 0, 0, 0, /**/
                                        1, 4, 0, 1, 0, 0, 0, 0,                          /**/
                                        1, 5, 0, 1, 0, 2, 0, 0, 1, 5,                    /**/
                                        1, 5, 0, 1, 0, 0, 0, 0};

static void pair(int ends[2])
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
}

static void test_incoming(void **state)
{
    struct incoming incoming;
    char kept[sizeof request];
    int ends[2];

    (void)state;
    pair(ends);
    assert_true(incoming_open(&incoming));
    assert_int_equal(incoming_receive(&incoming, ends[0]), PROGRESS_MORE);
    assert_int_equal(write(ends[1], request, 20), 20);
    assert_int_equal(incoming_receive(&incoming, ends[0]), PROGRESS_MORE);
    assert_int_equal(write(ends[1], request + 20, sizeof request - 20), sizeof request - 20);
    assert_int_equal(incoming_receive(&incoming, ends[0]), PROGRESS_COMPLETE);
    int file = incoming_take(&incoming);
    assert_int_equal(read(file, kept, sizeof kept), sizeof request);
    assert_memory_equal(kept, request, sizeof request);
    incoming_close(&incoming);
    close(file);
    close(ends[0]);
    close(ends[1]);
}

static void test_incoming_breaks_off(void **state)
{
    struct incoming incoming;
    int ends[2];

    (void)state;
    pair(ends);
    assert_true(incoming_open(&incoming));
    assert_int_equal(write(ends[1], request, 20), 20);
    close(ends[1]);
    assert_int_equal(incoming_receive(&incoming, ends[0]), PROGRESS_BROKEN);
    incoming_close(&incoming);
    close(ends[0]);
}

enum { BODY = 200 * 1000 };

/* Reads records up to END_REQUEST; the contents of STDOUT follow one another in out. */
static size_t read_records(const unsigned char *bytes, size_t count, char *out)
{
    size_t at = 0, used = 0;

    for (;;) {
        assert_true(at + RECORD_HEADER <= count);
        const unsigned char *header = bytes + at;
        size_t length = (size_t)header[4] << 8 | header[5];
        assert_int_equal(header[0], 1);
        assert_int_equal(header[2] << 8 | header[3], 258);
        at += RECORD_HEADER;
        if (header[1] == 3) {
            assert_int_equal(at + length, count);
            return used;
        }
        assert_int_equal(header[1], 6);
        memcpy(out + used, bytes + at, length);
        at += length;
        used += length;
    }
}

static void test_outgoing(void **state)
{
    static unsigned char received[2 * BODY];
    static char body[BODY], shown[2 * BODY];
    struct outgoing outgoing;
    enum progress progress;
    size_t count = 0;
    ssize_t n;
    int ends[2], small = 4096, rounds = 0;

    (void)state;
    for (size_t i = 0; i < sizeof body; i++)
        body[i] = (char)(i % 251);
    pair(ends);
    setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    fcntl(ends[1], F_SETFL, O_NONBLOCK);
    outgoing_start(&outgoing, 258, "head", 4, body, sizeof body);
    do {
        progress = outgoing_send(&outgoing, ends[0]);
        while ((n = read(ends[1], received + count, 777)) > 0)
            count += (size_t)n;
        rounds++;
    } while (progress == PROGRESS_MORE);
    assert_int_equal(progress, PROGRESS_COMPLETE);
    assert_true(rounds > 3);
    assert_int_equal(read_records(received, count, shown), 4 + sizeof body);
    assert_memory_equal(shown, "head", 4);
    assert_memory_equal(shown + 4, body, sizeof body);
    close(ends[1]);
    outgoing_start(&outgoing, 258, "head", 4, body, sizeof body);
    assert_int_equal(outgoing_send(&outgoing, ends[0]), PROGRESS_BROKEN);
    close(ends[0]);
}

/* --- the pump ------------------------------------------------------------------------------ */

struct job {
    int fd;
    atomic_int complete; /* -1: under way */
};

static enum progress take_three(void *context)
{
    struct job *job = context;
    char bytes[3];

    return recv(job->fd, bytes, 3, MSG_PEEK | MSG_DONTWAIT) == 3 ? PROGRESS_COMPLETE
                                                                 : PROGRESS_MORE;
}

static void note(void *context, bool complete)
{
    struct job *job = context;

    atomic_store(&job->complete, complete);
}

static void test_pump(void **state)
{
    static const struct pump_work work = {EPOLLIN, take_three, note};
    struct pump *pump = pump_new(&work, 2, 300);
    struct crew crew;
    struct job jobs[3];
    int peers[3];

    (void)state;
    for (int i = 0; i < 3; i++) {
        int ends[2];
        pair(ends);
        jobs[i].fd = ends[0];
        atomic_init(&jobs[i].complete, -1);
        peers[i] = ends[1];
    }
    assert_int_equal(write(peers[0], "ab", 2), 2);
    assert_true(pump_put(pump, jobs[0].fd, &jobs[0]));
    assert_true(pump_put(pump, jobs[1].fd, &jobs[1]));
    assert_false(pump_put(pump, jobs[2].fd, &jobs[2]));
    crew_start(&crew, 1, pump_run, pump);
    assert_int_equal(write(peers[0], "c", 1), 1);
    pump_close(pump);
    crew_join(&crew);
    assert_int_equal(atomic_load(&jobs[0].complete), 1);
    assert_int_equal(atomic_load(&jobs[1].complete), 0); /* silent */
    assert_int_equal(atomic_load(&jobs[2].complete), -1);
    for (int i = 0; i < 3; i++) {
        close(jobs[i].fd);
        close(peers[i]);
    }
    pump_free(pump);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_incoming),
        cmocka_unit_test(test_incoming_breaks_off),
        cmocka_unit_test(test_outgoing),
        cmocka_unit_test(test_pump),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
