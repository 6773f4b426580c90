/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * Saved intents as no one would write them: none is half accepted.
 */

#include "service/model/intent.h"

/* Caller frees. */
char *broken_text_of(const Intent *intent);

/* Each beginning of the text of @intent is refused, and nothing of it read. */
void broken_text_cut_short(const Intent *intent);

/* The same of texts in which some characters are others, or they are sound. */
void broken_text_mutate(const Intent *intent);
