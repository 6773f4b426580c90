/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * The groups of the intent: ours, and those that selectors stand for.
 */

#include "service/split/controller.h"

GroupPlace groups_place_of(const char *path);

/* What the intent wants of @path; NULL. */
const SplitGroup *groups_find_wanted(const Split *split, const char *path);

/* Where @path is, as the engine knows it; NULL. */
const GroupPlace *groups_find_place(const SplitController *controller, const char *path);

/* Tells the engine where a group is, or that it is gone. */
void groups_set(SplitController *controller, const GroupPlace *place, bool gone);

/*
 * Adds a group of ours to the intent for @owner, or removes it; NULL removes it for all. Return: as
 * engine_submit().
 */
int groups_submit(SplitController *controller, IntentChangeKind kind, const char *path,
        const Owner *owner, EngineDone done, void *userdata);
void groups_forget(SplitController *controller, const char *path); /* for all */

/* Brings everybody back and removes the group. */
void groups_dissolve(SplitController *controller, const char *path, const char *reason);

/* Dissolves ours that the intent does not want. */
void groups_end(SplitController *controller);

/* How each selector stands is told anew: something that all of them hang on changed. */
void groups_tell_selectors(SplitController *controller);

/* Follows the groups that selectors of @intent stand for, and no others. */
void groups_follow(SplitController *controller, const Intent *intent);
void groups_unfollow_all(SplitController *controller);
