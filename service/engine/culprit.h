/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * A name for who undid something of ours, as far as netlink tells.
 */

#include <stdbool.h>
#include <stdint.h>

#include "service/model/conflicts.h"

/* A plain value; it remembers whom it named last, so that a flood is looked up once. */
typedef struct Culprit {
        char name[CULPRIT_MAX]; /* printable ASCII; "" not known yet */
        uint32_t author;        /* the netlink port `name` was found by */
        bool is_found;
} Culprit;

/* "busctl (pid 812)", as it calls itself now. */
void culprit_name_process(uint32_t pid, char name[static CULPRIT_MAX]);

/* Names the sender behind a netlink port: the process id more often than not; 0 is the kernel. */
void culprit_find(Culprit *culprit, uint32_t author);

/* Nobody saw who it was. */
void culprit_set_unknown(Culprit *culprit);

/* The next report looks the name up again: ports are used again by others. */
void culprit_forget_author(Culprit *culprit);
