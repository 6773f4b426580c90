/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * What an administrator sets: environment variables, see data/default/talpid.
 */

#include <stdbool.h>

#include "backends/base/clock.h"
#include "backends/facts/ours.h"
#include "service/model/refusal.h"

#define SETTINGS_IDLE_TIMEOUT_USEC (30 * USEC_PER_SEC)
#define SETTINGS_DIRECTORY_MAX 256
#define SETTINGS_BPF_DIRECTORY "/sys/fs/bpf/talpid"

typedef struct Settings {
        Ours ours;
        unsigned fixed;           /* NumbersFixed: what of it was set, and may not be moved */
        int log_level;            /* LOG_ of syslog(3) */
        usec_t idle_timeout_usec; /* USEC_INFINITY: never leaves by itself */
        char directory[SETTINGS_DIRECTORY_MAX];         /* what has to outlive the process */
        char mechanism[16];                             /* "": whatever works */
        char cgroup2_mount[SETTINGS_DIRECTORY_MAX];     /* "": where it is mounted */
        char net_cls_directory[SETTINGS_DIRECTORY_MAX]; /* where it may be mounted; "": nowhere */
        char bpf_directory[SETTINGS_DIRECTORY_MAX];     /* in a BPF file system */
        char state_directory[SETTINGS_DIRECTORY_MAX];   /* and the machine; "": none */
        bool firewall_debug;                            /* counters on every rule */
} Settings;

/* Looks a variable up: getenv(), or the table of a test. NULL: not set. */
typedef const char *(*SettingsLookup)(const char *name);

/* Return: 0, *ret is set; -EPERM and @why, which names the variable and what it may be. */
int settings_read(SettingsLookup lookup, Settings *ret, Refusal *why);

/* "30", "30s", "500ms", "infinity". Return: 0; -EINVAL. */
int settings_parse_timeout(const char *text, usec_t *ret_usec);
