// SPDX-License-Identifier: GPL-3.0-or-later

#include "service/bus/args-value.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <linux/rtnetlink.h>

#include "backends/facts/link.h"

int args_read_device(
        const OptionValue *value, const char *where, char device[static IFNAMSIZ], Refusal *why) {
        if (!link_name_is_valid(value->string))
                return refusal_set(why, REFUSAL_INVALID_ARGS,
                        "%s: " SHOWN " cannot be the name of a device", where, value->string);

        memset(device, 0, IFNAMSIZ);
        memcpy(device, value->string, strlen(value->string));
        return 0;
}

int args_read_prefix(const char *text, const char *where, Prefix *ret, Refusal *why) {
        int r = prefix_parse(text, ret);

        if (r == -ERANGE)
                return refusal_set(why, REFUSAL_INVALID_ARGS,
                        "%s: destination " SHOWN " has bits set behind its prefix length: clear "
                        "them, or leave the length out for one address",
                        where, text);
        if (r < 0)
                return refusal_set(why, REFUSAL_INVALID_ARGS,
                        "%s: destination " SHOWN " is not a prefix such as 10.0.0.0/8 or fd00::/8",
                        where, text);
        return 0;
}

int args_read_table(const OptionValue *value, const Ours *ours, const char *where,
        uint32_t *ret_table, Refusal *why) {
        if (value->type == 'u') {
                if (value->number == RT_TABLE_UNSPEC || value->number == RT_TABLE_LOCAL)
                        return refusal_set(why, REFUSAL_INVALID_ARGS,
                                "%s: table %u is not for routes of clients", where, value->number);
                *ret_table = value->number;
                return 0;
        }
        if (strcmp(value->string, "main") == 0)
                *ret_table = RT_TABLE_MAIN;
        else if (strcmp(value->string, "tunnel") == 0)
                *ret_table = ours->tunnel_table;
        else if (strcmp(value->string, "excluded") == 0)
                *ret_table = ours->excluded_table;
        else
                return refusal_set(why, REFUSAL_INVALID_ARGS,
                        "%s: table " SHOWN " is not \"main\", \"tunnel\", \"excluded\" or a number",
                        where, value->string);
        return 0;
}

const char *args_table_name(uint32_t table, const Ours *ours, char buffer[static 16]) {
        if (table == RT_TABLE_MAIN)
                return "main";
        if (table == ours->tunnel_table)
                return "tunnel";
        if (table == ours->excluded_table)
                return "excluded";
        (void)snprintf(buffer, 16, "%u", table);
        return buffer;
}
