/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * What polkit rules and password dialogs are told about split tunnelling.
 *
 * Pure functions of the request: the second pass of a message must come to the
 * same details. Texts of clients and file names are cleaned here.
 */

#include "service/bus/split-args.h"
#include "service/model/intent.h"

#define SPLIT_DETAILS_MAX 20

typedef struct SplitDetails {
        const char *pairs[SPLIT_DETAILS_MAX]; /* key, value, …, NULL */
        char uid[16], owner[16], pid[16], start_time[24];
        char executable[512];
        char selectors[SELECTOR_VALUE_MAX + 64];
        char setting[64];
} SplitDetails;

/*
 * @mode is the one in force: the words are of what the call comes to in it. @ret points into itself
 * and @method: it must not be moved.
 */
void split_details_of_process(const char *method, uid_t uid, const SplitProcess *process,
        const char *executable, bool is_exclude, const SplitOptions *options, SplitMode mode,
        SplitDetails *ret);

/* ClearProcesses and ListProcesses: all of a user's, or everybody's. */
void split_details_of_all(
        const char *method, uid_t uid, bool is_list, SplitMode mode, SplitDetails *ret);

/* Selectors and settings. The message of exclude-own names the executable: @own. */
void split_details_of_change(const char *method, const IntentChange *change, bool permanent,
        bool own, SplitMode mode, SplitDetails *ret);
