/* SPDX-License-Identifier: MIT */
/* Request parsing: CGI variables, bodies, query parameters. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "api/request.h"

struct body {
    const char *text;
    size_t left;
    bool breaks_off;
};

static long read_some(void *gateway, char *buffer, size_t size)
{
    struct body *body = gateway;
    size_t n = body->left < size ? body->left : size;

    if (n == 0)
        return body->breaks_off ? -1 : 0;
    memset(buffer, 'x', n);
    body->left -= n;
    return (long)n;
}

static enum err parse(struct request *out, char *const *envp, const char *prefix)
{
    return request_parse(out, envp, prefix, read_some, NULL, NULL);
}

static void path_is_script_name_and_path_info(void **state)
{
    static const struct {
        char *script, *info;
        const char *prefix, *path; /* NULL: ERR_NOT_FOUND */
    } rows[] = {
        {"SCRIPT_NAME=/api/dashboard/stats", "X=", "", "/api/dashboard/stats"},
        {"SCRIPT_NAME=/api", "PATH_INFO=/dashboard/stats", "", "/api/dashboard/stats"},
        {"SCRIPT_NAME=", "PATH_INFO=/health", "", "/health"},
        {"SCRIPT_NAME=/vsay/health", "X=", "/vsay", "/health"},
        {"SCRIPT_NAME=/cgi-bin/vsay-api", "PATH_INFO=/health", "/cgi-bin/vsay-api", "/health"},
        {"SCRIPT_NAME=/vsayhealth", "X=", "/vsay", NULL},
        {"SCRIPT_NAME=/other/health", "X=", "/vsay", NULL},
        {"X=", "Y=", "", NULL},
    };
    struct request request;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *envp[] = {"REQUEST_METHOD=GET", rows[i].script, rows[i].info, NULL};
        enum err err = parse(&request, envp, rows[i].prefix);
        assert_int_equal(err, rows[i].path ? ERR_OK : ERR_NOT_FOUND);
        if (rows[i].path)
            assert_string_equal(request.path, rows[i].path);
        assert_int_equal(strlen(request.id), REQUEST_ID_LENGTH);
    }
}

static void a_path_too_long_is_not_found(void **state)
{
    char script[PATH_MAX_LENGTH + 64] = "SCRIPT_NAME=/";
    char *envp[] = {"REQUEST_METHOD=GET", script, NULL};
    struct request request;

    (void)state;
    memset(script + strlen(script), 'a', sizeof script - strlen("SCRIPT_NAME=/") - 1);
    script[sizeof script - 1] = '\0';
    assert_int_equal(parse(&request, envp, ""), ERR_NOT_FOUND);
}

static void methods(void **state)
{
    static const struct {
        char *variable;
        enum method method;
    } rows[] = {
        {"REQUEST_METHOD=GET", METHOD_GET},    {"REQUEST_METHOD=HEAD", METHOD_HEAD},
        {"REQUEST_METHOD=get", METHOD_OTHER},  {"REQUEST_METHOD=DELETE", METHOD_DELETE},
        {"REQUEST_METHOD=BREW", METHOD_OTHER}, {"REQUEST_METHOD=", METHOD_OTHER},
    };
    struct request request;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *envp[] = {rows[i].variable, "SCRIPT_NAME=/health", NULL};
        assert_int_equal(parse(&request, envp, ""), ERR_OK);
        assert_int_equal(request.method, rows[i].method);
    }
    char *envp[] = {"SCRIPT_NAME=/health", NULL};
    assert_int_equal(parse(&request, envp, ""), ERR_REQUEST);
}

static void content_length(void **state)
{
    static const struct {
        char *variable;
        enum err err;
        long length;
    } rows[] = {
        {"CONTENT_LENGTH=", ERR_OK, -1},
        {"CONTENT_LENGTH=0", ERR_OK, 0},
        {"CONTENT_LENGTH=12", ERR_OK, 12},
        {"CONTENT_LENGTH=-1", ERR_REQUEST, 0},
        {"CONTENT_LENGTH=+1", ERR_REQUEST, 0},
        {"CONTENT_LENGTH= 1", ERR_REQUEST, 0},
        {"CONTENT_LENGTH=1x", ERR_REQUEST, 0},
        {"CONTENT_LENGTH=99999999999999999999", ERR_REQUEST, 0},
    };
    struct request request;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *envp[] = {"REQUEST_METHOD=GET", "SCRIPT_NAME=/health", rows[i].variable, NULL};
        assert_int_equal(parse(&request, envp, ""), rows[i].err);
        if (!rows[i].err)
            assert_int_equal(request.content_length, rows[i].length);
    }
}

static void bodies(void **state)
{
    static const struct {
        long announced;
        size_t sent;
        bool breaks_off;
        enum err err;
    } rows[] = {
        {-1, 0, false, ERR_OK},          {0, 0, false, ERR_OK},
        {100, 100, false, ERR_OK},       {-1, 100, false, ERR_OK},
        {100, 99, false, ERR_REQUEST},   {100, 101, false, ERR_REQUEST},
        {5000, 0, false, ERR_TOO_LARGE}, {-1, 5000, false, ERR_TOO_LARGE},
        {100, 50, true, ERR_REQUEST},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct body body = {.left = rows[i].sent, .breaks_off = rows[i].breaks_off};
        struct request request = {
            .content_length = rows[i].announced, .read_body = read_some, .gateway = &body};
        assert_int_equal(request_discard_body(&request, 4096, NULL), rows[i].err);
    }
}

static void authorization_also_after_a_rewrite(void **state)
{
    char *envp[] = {"REQUEST_METHOD=GET", "SCRIPT_NAME=/health",
                    "REDIRECT_HTTP_AUTHORIZATION=Bearer x", NULL};
    struct request request;

    (void)state;
    assert_int_equal(parse(&request, envp, ""), ERR_OK);
    assert_string_equal(request.authorization, "Bearer x");
}

/* RFC 7240 section 2 */
static void preferences(void **state)
{
    static const struct {
        const char *prefer;
        long seconds; /* 0: no preference */
    } rows[] = {
        {NULL, 0},
        {"", 0},
        {"wait=5", 5},
        {"Wait=5", 5},
        {"wait= 5", 5},
        {"wait =5", 5},
        {"wait\t=\t 50", 50},
        {"respond-async, wait=7", 7},
        {"respond-async,wait=7 ,x", 7},
        {", ,wait=7", 7},
        {"wait=7; foo=bar", 7},
        {"wait=7;foo", 7},
        {"wait=6, wait=9", 6},
        {"wait=x, wait=9", 9},
        {"wait=6x, wait=9", 9},
        {"wait=", 0},
        {"wait", 0},
        {"wait=-1", 0},
        {"wait=\"5\"", 0},
        {"waiting=5", 0},
        {"await=5", 0},
        {"wait 5", 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct request request = {.prefer = rows[i].prefer};
        assert_int_equal(request_prefers_wait(&request), rows[i].seconds);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(path_is_script_name_and_path_info),
        cmocka_unit_test(a_path_too_long_is_not_found),
        cmocka_unit_test(methods),
        cmocka_unit_test(content_length),
        cmocka_unit_test(bodies),
        cmocka_unit_test(preferences),
        cmocka_unit_test(authorization_also_after_a_rewrite),
    };

    return cmocka_run_group_tests_name("request", tests, NULL, NULL);
}
