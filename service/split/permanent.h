/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * What of split tunnelling outlives the machine: permanent selectors, and the
 * settings that were made permanent. Kept in the form of the saved intent.
 */

#include "service/model/intent.h"

/*
 * Makes @ret of the permanent selectors of @intent and the settings of
 * @settings. Return: 1 it differs from what @ret was; 0; -ENOMEM.
 */
int permanent_update(Intent *ret, const Intent *intent, const Split *settings);

/* The changes that bring @permanent back, appended to @changes as IntentChange. */
int permanent_make_changes(const Intent *permanent, Array *changes);
