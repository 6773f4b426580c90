// SPDX-License-Identifier: GPL-3.0-or-later

#include "service/bus/json.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void write_bytes(Json *json, const char *bytes, size_t n) {
        if (json->failed || array_reserve(&json->text, n) < 0) {
                json->failed = true;
                return;
        }
        memcpy((char *)json->text.items + json->text.n, bytes, n);
        json->text.n += n;
}

static void write_text(Json *json, const char *text) {
        write_bytes(json, text, strlen(text));
}

/*
 * Control characters and whatever is not ASCII are escaped byte by byte: names
 * of devices may hold bytes that are no UTF-8, and the result goes over D-Bus.
 */
static void write_string(Json *json, const char *value) {
        char escaped[8];

        write_text(json, "\"");
        for (const unsigned char *c = (const unsigned char *)value; *c; c++) {
                if (*c == '"' || *c == '\\')
                        (void)snprintf(escaped, sizeof(escaped), "\\%c", *c);
                else if (*c < ' ' || *c >= 0x7f)
                        (void)snprintf(escaped, sizeof(escaped), "\\u%04x", *c);
                else
                        (void)snprintf(escaped, sizeof(escaped), "%c", *c);
                write_text(json, escaped);
        }
        write_text(json, "\"");
}

static void write_key(Json *json, const char *key) {
        if (json->needs_comma)
                write_text(json, ",");
        json->needs_comma = true;
        if (key) {
                write_string(json, key);
                write_text(json, ":");
        }
}

void json_open(Json *json, const char *key, char bracket) {
        write_key(json, key);
        write_bytes(json, &bracket, 1);
        json->needs_comma = false;
}

void json_close(Json *json, char bracket) {
        write_bytes(json, &bracket, 1);
        json->needs_comma = true;
}

void json_string(Json *json, const char *key, const char *value) {
        write_key(json, key);
        write_string(json, value);
}

void json_number(Json *json, const char *key, uint64_t value) {
        char text[24];

        write_key(json, key);
        (void)snprintf(text, sizeof(text), "%" PRIu64, value);
        write_text(json, text);
}

void json_boolean(Json *json, const char *key, bool value) {
        write_key(json, key);
        write_text(json, value ? "true" : "false");
}

const char *json_finish(Json *json) {
        write_bytes(json, "", 1);
        return json->failed ? NULL : json->text.items;
}

void json_clear(Json *json) {
        array_clear(&json->text);
        *json = JSON_INIT;
}
