/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "base/certificates.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

enum { FILE_MAX = 16 * 1024 * 1024, HEAD = 4 /* bytes of DER before the length's end */ };

#define BEGIN "-----BEGIN CERTIFICATE-----"
#define END "-----END CERTIFICATE-----"

/* Decodes base64 text as far as is needed: its size and first bytes. False when it is malformed. */
static bool decode(const char *text, const char *end, size_t *size, uint8_t head[HEAD])
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t count = 0, pad = 0;
    uint64_t bits = 0;

    for (; text < end; text++) {
        const char *digit = *text ? strchr(digits, *text) : NULL;
        if (strchr(" \t\r\n", *text) && *text)
            continue;
        pad += *text == '=';
        if (*text != '=' && (!digit || pad))
            return false;
        if (digit && count++ < 8)
            bits = bits << 6 | (uint64_t)(digit - digits);
    }
    *size = count * 3 / 4;
    for (int i = 0; i < HEAD; i++)
        head[i] = (uint8_t)(bits >> (40 - 8 * i));
    return count >= 8 && pad <= 2 && (count + pad) % 4 == 0;
}

/* Returns whether the text is one DER sequence (X.690 section 8.1) that uses all the bytes. Its tag
 * is 0x30; 0x82 says that two bytes of length follow: every certificate has 256 bytes to 64 KiB. */
static bool is_certificate(const char *text, const char *end)
{
    uint8_t head[HEAD];
    size_t size;

    return decode(text, end, &size, head) && head[0] == 0x30 && head[1] == 0x82 &&
           size == HEAD + ((size_t)head[2] << 8 | head[3]);
}

enum err certificates_check(const char *path, struct error *e)
{
    char *text = NULL;
    size_t length, count = 0;
    bool open_to_all, whole = true;
    enum err err = file_read(path, FILE_MAX, &text, &length, &open_to_all, e);

    if (err)
        return err;
    for (const char *at = text; whole && (at = strstr(at, BEGIN)); count++) {
        const char *body = at + strlen(BEGIN), *end = strstr(body, END);
        whole = end && is_certificate(body, end);
        at = body;
    }
    free(text);
    if (!whole)
        return error_set(e, ERR_CONFIG, "%s: certificate %zu is damaged", path, count);
    if (count == 0)
        return error_set(e, ERR_CONFIG, "%s holds no certificate in PEM form", path);
    return ERR_OK;
}
