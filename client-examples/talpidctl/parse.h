/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What people type, as the service wants it. Pure: asks nobody.
 *
 * Functions return false, or NULL, with an error of CTL_USAGE that names the
 * word. Variants are floating.
 */

#include "ctl.h"

/* "192.0.2.1", "2001:db8::1". */
bool parse_address(const char *text, GError **error);

/**
 * parse_prefix() - read a destination
 * @text: "10.0.0.0/8"; an address alone is one host; "default" is all of IPv4
 *
 * Host bits are the service's to refuse.
 *
 * Return: "10.0.0.0/8"; caller frees.
 */
char *parse_prefix(const char *text, GError **error);

/* "0x1f" and "31" alike. */
bool parse_number(const char *what, const char *text, guint32 *ret, GError **error);

typedef enum ParseRoutes {
        PARSE_ANY,
        PARSE_LEADS_SOMEWHERE, /* each has a next hop, or a type */
} ParseRoutes;

/**
 * parse_routes() - read routes in words
 * @words: DESTINATION… WORD VALUE…, as often as you like; the words hold for
 *         all destinations right before them
 *
 * Return: aa{sv}.
 */
GVariant *parse_routes(char **words, ParseRoutes how, GError **error);

/* [mark N] [uid USER] [pid N] [dev NAME] of GetRoute. Return: a{sv}. */
GVariant *parse_lookup(char **words, GError **error);

typedef struct ParsedItems {
        GArray *pids;        // type: guint32
        GVariant *selectors; /* a(ss); NULL: none */
} ParsedItems;

/**
 * parse_items() - read what is to be excluded
 * @words: "812", "pid 812", "cron.service", "192.0.2.0/24", "user alice", "interface virbr0"…
 */
bool parse_items(char **words, ParsedItems *ret, GError **error);
void parsed_items_clear(ParsedItems *items);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ParsedItems, parsed_items_clear)
