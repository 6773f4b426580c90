/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * Intent ↔ text, for restarts.
 *
 * One item a line, "word key=value …", between a line with the version of the
 * form and a line "end" that proves the text whole. Values hold no blanks;
 * those of split tunnelling write "%20" for one.
 */

#include <stddef.h>

#include "service/model/intent.h"

/* Return: 0 and a string to be freed; -ENOMEM. */
int intent_text_format(const Intent *intent, char **ret);

/*
 * @text is bounded by its own end. @ret (initialised) is set on success only.
 * Return: 0; -EBADMSG not such a text, or cut short; -ENOMEM.
 */
int intent_text_parse(const char *text, Intent *ret);
