/* SPDX-License-Identifier: MIT */
/* The route table, dispatch, the keys by which calls are shared, and the statements' parameters. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/dispatch.h"
#include "store/statements.h"

static long no_body(void *gateway, char *buffer, size_t size)
{
    (void)gateway;
    (void)buffer;
    (void)size;
    return 0;
}

static struct call *dispatch(enum method method, const char *path)
{
    struct settings settings = {0};
    struct request request = {
        .method = method, .query = "", .content_length = -1, .read_body = no_body};
    struct call *call = call_new();

    strcpy(request.path, path);
    dispatch_request(&settings, NULL, &request, call);
    return call;
}

static void status_before_any_token(void **state)
{
    static const struct {
        enum method method;
        const char *path;
        int status;
        unsigned allow;
    } rows[] = {
        {METHOD_GET, "/health", 200, 0},
        {METHOD_HEAD, "/health", 200, 0},
        {METHOD_POST, "/health", 405, METHOD_GET | METHOD_HEAD},
        {METHOD_OPTIONS, "/health", 405, METHOD_GET | METHOD_HEAD},
        {METHOD_OTHER, "/api/terminal/sessions", 405, METHOD_GET | METHOD_HEAD},
        {METHOD_GET, "/api/terminal/sessions/x", 405, METHOD_DELETE},
        {METHOD_GET, "/", 404, 0},
        {METHOD_GET, "/healthy", 404, 0},
        {METHOD_GET, "/health/", 404, 0},
        {METHOD_DELETE, "/api/terminal/sessions/", 404, 0},
        {METHOD_DELETE, "/api/terminal/sessions/a/b", 404, 0},
        {METHOD_GET, "/api/dashboard", 404, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct call *call = dispatch(rows[i].method, rows[i].path);
        assert_int_equal(call->outcome, OUTCOME_DONE);
        assert_int_equal(call->response->status, rows[i].status);
        assert_int_equal(call->response->allow, rows[i].allow);
        call_free(call);
    }
}

static struct call stats_of(const char *tenant, const char *user, enum role role)
{
    struct call call = {0};
    struct principal who = {.role = role};

    for (size_t i = 0; i < routes_count; i++) {
        if (strcmp(routes[i].pattern, "/api/dashboard/stats") == 0)
            call.route = &routes[i];
    }
    strcpy(who.tenant_id, tenant);
    strcpy(who.user_id, user);
    call.scope = scope_of(&who);
    return call;
}

static const struct query_parameter limit[] = {{.name = "limit"}, {.name = NULL}};
static char ten[] = "10";
static const struct query limited = {.parameters = limit, .values = {ten}};

static bool share(struct call a, struct call b)
{
    char key_a[CALL_KEY_MAX], key_b[CALL_KEY_MAX];

    assert_true(call_key(&a, key_a));
    assert_true(call_key(&b, key_b));
    return strcmp(key_a, key_b) == 0;
}

static void only_equal_scopes_share(void **state)
{
    (void)state;
    assert_true(share(stats_of("t", "u", ROLE_USER), stats_of("t", "u", ROLE_USER)));
    assert_true(
        share(stats_of("t", "u", ROLE_COMPANY_ADMIN), stats_of("t", "v", ROLE_COMPANY_ADMIN)));
    assert_true(share(stats_of("t", "u", ROLE_SUPER_ADMIN), stats_of("s", "v", ROLE_SUPER_ADMIN)));
    assert_false(share(stats_of("t", "u", ROLE_USER), stats_of("t", "v", ROLE_USER)));
    assert_false(share(stats_of("t", "u", ROLE_USER), stats_of("s", "u", ROLE_USER)));
    assert_false(
        share(stats_of("t", "u", ROLE_COMPANY_ADMIN), stats_of("s", "u", ROLE_COMPANY_ADMIN)));
    assert_false(share(stats_of("t", "u", ROLE_USER), stats_of("t", "u", ROLE_COMPANY_ADMIN)));
    assert_false(
        share(stats_of("t", "u", ROLE_COMPANY_ADMIN), stats_of("t", "u", ROLE_SUPER_ADMIN)));

    struct call all = stats_of("t", "u", ROLE_USER), page = all;
    page.query = limited;
    assert_false(share(all, page));
}

static struct call batched(struct call call)
{
    call.weight = 1;
    return call;
}

static bool in_one_batch(struct call a, struct call b)
{
    return share(batched(a), batched(b));
}

static void users_of_a_tenant_are_a_batch_and_admins(void **state)
{
    struct call user = stats_of("t", "u", ROLE_USER), page = user;
    struct call other = stats_of("t", "v", ROLE_USER);

    (void)state;
    assert_true(in_one_batch(user, other));
    assert_true(in_one_batch(stats_of("t", "u", ROLE_COMPANY_ADMIN),
                             stats_of("s", "v", ROLE_COMPANY_ADMIN)));
    assert_false(in_one_batch(user, stats_of("s", "u", ROLE_USER)));
    assert_false(in_one_batch(user, stats_of("t", "u", ROLE_COMPANY_ADMIN)));
    assert_false(share(user, batched(user)));
    assert_false(share(stats_of("t", "u", ROLE_COMPANY_ADMIN),
                       batched(stats_of("t", "u", ROLE_COMPANY_ADMIN))));
    page.query = limited;
    assert_false(in_one_batch(user, page));
    other.route++;
    assert_false(in_one_batch(user, other));
}

static void read_rows(struct call call, uint64_t rows)
{
    struct call *calls[] = {&call};

    call.measure = true;
    struct callers callers = calls_callers(calls, 1);
    callers.rows[0] = rows;
    calls_loaded(calls, &callers);
}

static void heavy_callers_are_remembered(void **state)
{
    struct call heavy = stats_of("t", "u", ROLE_USER), other = stats_of("u", "t", ROLE_USER);
    struct call elsewhere = heavy;

    (void)state;
    elsewhere.route++;
    heavy.measure = true;
    assert_false(call_is_heavy(&heavy));
    assert_false(heavy.measure);
    read_rows(heavy, 10000);
    assert_true(call_is_heavy(&heavy));
    assert_false(heavy.measure);
    assert_false(call_is_heavy(&elsewhere));
    assert_false(call_is_heavy(&other));
    read_rows(other, 3);
    assert_true(call_is_heavy(&heavy));
    read_rows(heavy, 3);
    assert_false(call_is_heavy(&heavy));
}

static void writes_share_no_answer(void **state)
{
    char key[CALL_KEY_MAX];

    (void)state;
    for (size_t i = 0; i < routes_count; i++) {
        struct call call = {.route = &routes[i]};
        if (routes[i].mode == DB_WRITE)
            assert_int_equal(call_key(&call, key), routes[i].batch != NULL);
        assert_false(routes[i].mode == DB_WRITE && routes[i].shared);
        assert_int_equal(routes[i].waits_for != WAIT_NOTHING, routes[i].timeout != NULL);
    }
}

static void statements_translate(void **state)
{
    enum param order[STATEMENT_PARAMS_MAX];
    char *sql = NULL;

    (void)state;
    size_t count =
        statement_translate("a = :tenant AND b = '%H:%i:user' LIMIT :limit", &sql, order);
    assert_string_equal(sql, "a = ? AND b = '%H:%i:user' LIMIT ?");
    assert_int_equal(count, 2);
    assert_int_equal(order[0], PARAM_TENANT);
    assert_int_equal(order[1], PARAM_LIMIT);
    free(sql);
    for (int i = 0; i < STATEMENT_COUNT; i++) {
        assert_non_null(statement_text(i));
        statement_translate(statement_text(i), &sql, order);
        free(sql);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(status_before_any_token),
        cmocka_unit_test(only_equal_scopes_share),
        cmocka_unit_test(users_of_a_tenant_are_a_batch_and_admins),
        cmocka_unit_test(heavy_callers_are_remembered),
        cmocka_unit_test(writes_share_no_answer),
        cmocka_unit_test(statements_translate),
    };

    return cmocka_run_group_tests_name("route", tests, NULL, NULL);
}
