/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "shell/command_text.h"

#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/utf8.h"
#include "base/xalloc.h"

char *command_text_clean(const char *text, size_t length)
{
    static const char replacement[] = "\xef\xbf\xbd";
    struct buffer out = {0};

    for (size_t at = 0; at < length;) {
        size_t character = text[at] ? utf8_character(text + at, length - at) : 0;
        if (character)
            buffer_add(&out, text + at, character);
        else
            buffer_add(&out, replacement, sizeof replacement - 1);
        at += character ? character : 1;
    }
    buffer_add(&out, "", 1);
    return out.bytes;
}

/* Returns the length in JSON of a character of `length` bytes. */
static size_t json_length(const char *character, size_t length)
{
    if ((unsigned char)*character < ' ')
        return strlen("\\u0000");
    return length + (*character == '"' || *character == '\\');
}

void command_text_cut(char *text)
{
    size_t left = strlen(text), at = 0, json = 0;

    while (left) {
        size_t length = utf8_character(text + at, left);
        json += json_length(text + at, length);
        if (length == 0 || at + length > COMMAND_TEXT_MAX || json > COMMAND_JSON_MAX)
            break;
        at += length;
        left -= length;
    }
    text[at] = '\0';
}
