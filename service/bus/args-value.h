/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * Single values as clients write them. Refusals begin with @where, which says
 * in which dictionary the value stands. Return: 0; -EPERM and @why.
 */

#include <net/if.h>

#include "backends/facts/ours.h"
#include "backends/facts/prefix.h"
#include "service/bus/options.h"

/* The client's own words in a refusal, shortened. */
#define SHOWN "\"%.64s\""

#define WHERE_MAX 32

/* A name that a device could have, filled up with zeroes. */
int args_read_device(
        const OptionValue *value, const char *where, char device[static IFNAMSIZ], Refusal *why);

int args_read_prefix(const char *text, const char *where, Prefix *ret, Refusal *why);

/* "main", "tunnel", "excluded", or a number that is not the kernel's own. */
int args_read_table(const OptionValue *value, const Ours *ours, const char *where,
        uint32_t *ret_table, Refusal *why);

/* "main", "tunnel", "excluded"; other tables as number in @buffer. */
const char *args_table_name(uint32_t table, const Ours *ours, char buffer[static 16]);
