/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * Writes JSON (RFC 8259), appending only.
 *
 * Commas come by themselves. The first fault, which is lack of memory, sticks
 * and shows in json_finish().
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backends/base/array.h"

typedef struct Json {
        Array text; /* of char */
        bool needs_comma;
        bool failed;
} Json;

#define JSON_INIT                                                                                  \
        (Json) {                                                                                   \
                .text = ARRAY_INIT(char)                                                           \
        }

void json_clear(Json *json);

/* @key: in an object; NULL in a list or at the top. */
void json_open(Json *json, const char *key, char bracket); /* '{' or '[' */
void json_close(Json *json, char bracket);                 /* '}' or ']' */
void json_string(Json *json, const char *key, const char *value);
void json_number(Json *json, const char *key, uint64_t value);
void json_boolean(Json *json, const char *key, bool value);

/* Return: the text, owned by @json; NULL without memory. */
const char *json_finish(Json *json);
