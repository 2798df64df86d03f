/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "common/claims.h"

#include <json.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/utf8.h"
#include "base/xalloc.h"

/* --- looking up ------------------------------------------------------------------------------ */

/* Tries the whole name first: claim names may have dots, as URLs do. NULL: absent. */
static struct json_object *find(struct json_object *object, const char *path)
{
    struct json_object *value = NULL;

    if (json_object_object_get_ex(object, path, &value) && value)
        return value;
    for (const char *dot = strchr(path, '.'); dot; dot = strchr(dot + 1, '.')) {
        char *name = xstrndup(path, (size_t)(dot - path));
        bool found = json_object_object_get_ex(object, name, &value);
        free(name);
        if (found && json_object_is_type(value, json_type_object) && (value = find(value, dot + 1)))
            return value;
    }
    return NULL;
}

/* The first claim of several that is present, and its name. */
static struct json_object *find_first(struct json_object *claims, const struct strlist *names,
                                      const char **name)
{
    struct json_object *value = NULL;

    for (size_t i = 0; i < names->count && !value; i++) {
        *name = names->items[i];
        value = find(claims, *name);
    }
    return value;
}

/* Compares lengths too: json-c's strings may hold NUL bytes, after which strcmp sees nothing. */
static bool is_text(struct json_object *value, const char *expected)
{
    return json_object_is_type(value, json_type_string) &&
           (size_t)json_object_get_string_len(value) == strlen(expected) &&
           strcmp(json_object_get_string(value), expected) == 0;
}

/* *out never holds a NUL byte. */
static enum err text_of(struct json_object *value, const char *name, const char **out,
                        struct error *e)
{
    *out = NULL;
    if (!json_object_is_type(value, json_type_string))
        return error_set(e, ERR_TOKEN, "%s is not a string", name);
    const char *text = json_object_get_string(value);
    if (strlen(text) != (size_t)json_object_get_string_len(value))
        return error_set(e, ERR_TOKEN, "%s holds a NUL byte", name);
    *out = text;
    return ERR_OK;
}

/* *out is NULL when none of the claims is present. */
static enum err get_text(struct json_object *claims, const struct strlist *names, const char **name,
                         const char **out, struct error *e)
{
    struct json_object *value = find_first(claims, names, name);

    *out = NULL;
    return value ? text_of(value, *name, out, e) : ERR_OK;
}

/* --- when and for whom ----------------------------------------------------------------------- */

/* A NumericDate (RFC 7519 section 2); a fraction is rounded up. *out keeps its value when the claim
 * is absent. */
static enum err get_time(struct json_object *claims, const char *name, int64_t *out,
                         struct error *e)
{
    struct json_object *value = NULL;

    if (!json_object_object_get_ex(claims, name, &value) || !value)
        return ERR_OK;
    if (json_object_is_type(value, json_type_int)) {
        *out = json_object_get_int64(value);
        return ERR_OK;
    }
    double seconds = json_object_get_double(value), limit = (double)CLOCK_MAX;
    if (!json_object_is_type(value, json_type_double) || !(seconds >= -limit && seconds <= limit))
        return error_set(e, ERR_TOKEN, "%s is not a time", name);
    *out = (int64_t)seconds;
    *out += (double)*out < seconds;
    return ERR_OK;
}

/* A token without exp would be valid for ever, so it is refused. Of iat only the type is checked:
 * nbf says from when a token counts. */
static enum err check_times(struct json_object *claims, int64_t now, long leeway,
                            struct principal *out, struct error *e)
{
    int64_t expires = 0, not_before = now, issued = now;

    if (get_time(claims, "exp", &expires, e) || get_time(claims, "nbf", &not_before, e) ||
        get_time(claims, "iat", &issued, e))
        return ERR_TOKEN;
    if (expires <= 0 || expires > CLOCK_MAX)
        return error_set(e, ERR_TOKEN, "exp is missing or out of range");
    if (now >= expires + leeway)
        return error_set(e, ERR_TOKEN, "expired");
    if (not_before > now + leeway)
        return error_set(e, ERR_TOKEN, "not valid yet");
    out->expires_at = expires;
    out->valid_until = expires + leeway;
    return ERR_OK;
}

/* RFC 7519 section 4.1.3: one string, or an array of them. */
static bool has_audience(struct json_object *value, const char *audience)
{
    bool found = false;

    if (!json_object_is_type(value, json_type_array))
        return is_text(value, audience);
    for (size_t i = 0; !found && i < json_object_array_length(value); i++)
        found = is_text(json_object_array_get_idx(value, i), audience);
    return found;
}

/* A machine's token need not name issuer and audience: it may be older than these settings, and its
 * key and generation identify it. */
static enum err check_origin(const struct settings *settings, struct json_object *claims,
                             bool is_agent, struct error *e)
{
    const char *issuer = settings->auth.issuer, *audience = settings->auth.audience;
    struct json_object *iss = NULL, *aud = NULL;

    json_object_object_get_ex(claims, "iss", &iss);
    json_object_object_get_ex(claims, "aud", &aud);
    if (*issuer && !is_text(iss, issuer) && (iss || !is_agent))
        return error_set(e, ERR_TOKEN, "other issuer");
    if (*audience && !has_audience(aud, audience) && (aud || !is_agent))
        return error_set(e, ERR_TOKEN, "other audience");
    return ERR_OK;
}

/* --- machines -------------------------------------------------------------------------------- */

static enum err get_agent(struct json_object *claims, struct principal *out, struct error *e)
{
    struct json_object *value = find(claims, "agent_id");
    const char *text;

    if (!value)
        return error_set(e, ERR_TOKEN, "no agent_id");
    if (text_of(value, "agent_id", &text, e))
        return ERR_TOKEN;
    if (!ident_valid(text, strlen(text)))
        return error_set(e, ERR_TOKEN, "agent_id is not an identifier");
    strcpy(out->user_id, text);
    value = find(claims, "generation");
    if (value && !json_object_is_type(value, json_type_int))
        return error_set(e, ERR_TOKEN, "generation is not an integer");
    out->generation = json_object_get_int64(value);
    return ERR_OK;
}

/* --- Prometheus ------------------------------------------------------------------------------ */

static enum err get_scraper(struct json_object *claims, struct principal *out, struct error *e)
{
    struct json_object *value = find(claims, "user_id");
    const char *text;

    if (!value)
        return error_set(e, ERR_TOKEN, "no user_id");
    if (text_of(value, "user_id", &text, e))
        return ERR_TOKEN;
    if (!ident_valid_user(text, strlen(text)))
        return error_set(e, ERR_TOKEN, "user_id is not a user's identifier");
    strcpy(out->user_id, text);
    return ERR_OK;
}

/* --- people ---------------------------------------------------------------------------------- */

/* The strongest role that the values map to. Unknown values are ignored: providers send roles of
 * their own too. */
static enum err strongest_role(const struct strlist *table, struct json_object *values,
                               const char *name, enum role *out, struct error *e)
{
    enum role role, best = ROLE_USER;
    bool found = false;

    for (size_t i = 0; i < json_object_array_length(values); i++) {
        const char *value;
        if (text_of(json_object_array_get_idx(values, i), name, &value, e))
            return ERR_TOKEN;
        if (!role_from_claim(table, value, &role))
            continue;
        best = !found || role > best ? role : best;
        found = true;
    }
    if (found)
        *out = best;
    return ERR_OK;
}

/* A text that the mapping does not name leaves auth.default_role. Without a mapping it is refused.
 */
static enum err get_role(const struct settings *settings, struct json_object *claims,
                         enum role *out, struct error *e)
{
    const struct strlist *table = &settings->auth.roles;
    const char *name = "", *text;
    struct json_object *value = find_first(claims, &settings->auth.claim_role, &name);

    *out = (enum role)settings->auth.default_role;
    if (!value)
        return ERR_OK;
    if (json_object_is_type(value, json_type_array))
        return strongest_role(table, value, name, out, e);
    if (text_of(value, name, &text, e))
        return ERR_TOKEN;
    if (!role_from_claim(table, text, out) && table->count == 0)
        return error_set(e, ERR_TOKEN, "unknown role");
    return ERR_OK;
}

static enum err get_user(const struct settings *settings, struct json_object *claims,
                         struct principal *out, struct error *e)
{
    const char *name = "", *text;

    if (get_text(claims, &settings->auth.claim_user, &name, &text, e))
        return ERR_TOKEN;
    if (!text)
        return error_set(e, ERR_TOKEN, "no claim of auth.claim_user, such as %s", name);
    if (!ident_valid_user(text, strlen(text)))
        return error_set(e, ERR_TOKEN, "%s is not a user's identifier", name);
    strcpy(out->user_id, text);
    return ERR_OK;
}

/* A site with one company needs no claim: its people are in the tenant `default`, where `vsayctl
 * machine add` puts machines. */
static enum err get_tenant(const struct settings *settings, struct json_object *claims,
                           struct principal *out, struct error *e)
{
    const char *name = "", *text;

    if (get_text(claims, &settings->auth.claim_tenant, &name, &text, e))
        return ERR_TOKEN;
    if (!text && out->role == ROLE_COMPANY_ADMIN) /* its company is unknown */
        return error_set(e, ERR_TOKEN, "company_admin without %s", name);
    if (text && !ident_valid(text, strlen(text)))
        return error_set(e, ERR_TOKEN, "%s is not an identifier", name);
    strcpy(out->tenant_id, text ? text : "default");
    return ERR_OK;
}

static enum err get_username(const struct settings *settings, struct json_object *claims,
                             struct principal *out, struct error *e)
{
    const char *name = "", *text;

    if (get_text(claims, &settings->auth.claim_username, &name, &text, e))
        return ERR_TOKEN;
    if (!text)
        text = out->user_id;
    if (!*text || strlen(text) > USERNAME_MAX || !utf8_plain(text, strlen(text)))
        return error_set(e, ERR_TOKEN, "%s is not 1 to 255 bytes of plain text", name);
    strcpy(out->username, text);
    return ERR_OK;
}

static enum err get_person(const struct settings *settings, struct json_object *claims,
                           struct principal *out, struct error *e)
{
    enum err err = get_role(settings, claims, &out->role, e);

    if (!err)
        err = get_user(settings, claims, out, e);
    if (!err)
        err = get_tenant(settings, claims, out, e);
    return err ? err : get_username(settings, claims, out, e);
}

enum err claims_read(const struct settings *settings, struct json_object *claims, bool is_ours,
                     int64_t now, struct principal *out, struct error *e)
{
    struct json_object *role = NULL;

    memset(out, 0, sizeof *out);
    json_object_object_get_ex(claims, "role", &role);
    /* A provider's token with `role: agent` is no machine's: it is read as a person's. */
    bool is_agent = is_ours && is_text(role, role_names[ROLE_AGENT]);
    enum err err = check_times(claims, now, settings->auth.leeway, out, e);
    if (!err)
        err = check_origin(settings, claims, is_agent, e);
    if (err)
        return err;
    if (is_agent) {
        out->role = ROLE_AGENT;
        return get_agent(claims, out, e);
    }
    if (is_ours && is_text(role, role_names[ROLE_METRICS])) {
        out->role = ROLE_METRICS;
        return get_scraper(claims, out, e);
    }
    return get_person(settings, claims, out, e);
}
