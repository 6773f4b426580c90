/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Answers of the service as people and programs read them.
 */

#include <sys/types.h>

#include "ctl.h"
#include "table.h"

Look output_look(const Ctl *ctl);

/* Return: whether JSON was asked for; then @value is printed so. @value is consumed when floating.
 */
bool output_json(const Ctl *ctl, GVariant *value);

/* As JSON; caller frees. */
char *output_json_text(GVariant *value, CtlJson how);

void output_table(const Ctl *ctl, const Table *table);

/* --- entries of a dictionary a{sv}: "" or 0 where it is not there --- */

/* Borrowed from @dictionary. */
const char *output_string(GVariant *dictionary, const char *key);
guint32 output_number(GVariant *dictionary, const char *key);
bool output_flag(GVariant *dictionary, const char *key);

/* Adds those of @rest, a{sv}, to one that is being built. */
void output_add_entries(GVariantBuilder *entry, GVariant *rest);

/* As text, whatever its type: "0x7d0" is "2000", lists have commas; caller frees. */
char *output_entry(GVariant *dictionary, const char *key);

/* Any value as one line; caller frees. */
char *output_value(GVariant *value);

/* A user's name, or number; caller frees. */
char *output_user_name(uid_t uid);
char *output_user(GVariant *dictionary, const char *key);

/* A route in words, as ip(8) has them: "10.0.0.0/8 via 192.0.2.1 dev wan0 metric 100". */
char *output_route(GVariant *route);
