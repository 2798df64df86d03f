/* SPDX-License-Identifier: MIT */
/* Parses request bodies: one JSON object (RFC 8259) and its members. Every error is ERR_REQUEST
 * with a message for the client that names the member. base/json.h does the parsing proper,
 * strictly and within bounds. */
#ifndef API_JSON_BODY_H
#define API_JSON_BODY_H

#include <json.h>
#include <stdint.h>

#include "api/request.h"
#include "base/clock.h"
#include "common/address.h"
#include "common/protocol.h"

/* Reads and parses the body; the caller releases *out (json_object_put). Also returns
 * ERR_TOO_LARGE, as request_read_body does. */
enum err json_body_read(struct request *request, size_t limit, struct json_object **out,
                        struct error *e);

enum json_body_need { OPTIONAL, REQUIRED };

/* The error for an invalid member. */
enum err json_body_wrong(const char *name, struct error *e);

/* Text of 1 to `max` bytes of UTF-8 without control characters; borrowed from `object`. *out is
 * NULL when an optional member is absent or null. */
enum err json_body_text(struct json_object *object, const char *name, enum json_body_need need,
                        size_t max, const char **out, struct error *e);

/* *out is "" when an optional member is absent. */
enum err json_body_ident(struct json_object *object, const char *name, enum json_body_need need,
                         char out[IDENT_MAX + 1], struct error *e);
enum err json_body_time(struct json_object *object, const char *name, enum json_body_need need,
                        char out[SQL_TIME_LENGTH + 1], struct error *e);

/* The required member user_id. */
enum err json_body_user_id(struct json_object *object, char out[USER_ID_MAX + 1], struct error *e);

/* An IPv4 or IPv6 address in the form of address_ip; "" when an optional member is absent. */
enum err json_body_ip(struct json_object *object, const char *name, enum json_body_need need,
                      char out[ADDRESS_IP_MAX + 1], struct error *e);

/* An integer from `min` to `max`. Leaves *out unchanged when an optional member is absent. */
enum err json_body_integer(struct json_object *object, const char *name, enum json_body_need need,
                           int64_t min, int64_t max, int64_t *out, struct error *e);

/* A number from 0 to 100, in hundredths. */
enum err json_body_percent(struct json_object *object, const char *name, uint64_t *out,
                           struct error *e);

/* An array of at most `max` items; borrowed. */
enum err json_body_array(struct json_object *object, const char *name, size_t max,
                         struct json_object **out, struct error *e);

#endif
