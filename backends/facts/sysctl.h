/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * A setting of the kernel below /proc/sys/net, while we want it to have a value.
 *
 * Keys are a closed list: nothing else below /proc/sys is ever opened.
 */

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#define SYSCTL_PATH_MAX 64
#define SYSCTL_TEXT_MAX 96

typedef enum SysctlKey {
        SYSCTL_SRC_VALID_MARK,      /* strict reverse-path filters look at marks (ip-sysctl) */
        SYSCTL_TCP_FWMARK_ACCEPT,   /* an accepted connection has the mark of its first packet */
        SYSCTL_FWMARK_REFLECT_IPV4, /* what has no socket, RST and ICMP, answers with the mark */
        SYSCTL_FWMARK_REFLECT_IPV6,
        SYSCTL_ARP_IGNORE, /* ARP answers for addresses of the link that it came by, no others */
        SYSCTL_ROUTE_LOCALNET, /* `device`: 127.0.0.0/8 may come and go there */
        _SYSCTL_KEY_MAX,
} SysctlKey;

#define SYSCTL_KEY_BIT(key) (UINT32_C(1) << (key))

typedef struct Sysctl {
        SysctlKey key;
        char device[IFNAMSIZ]; /* "": the key needs none */
        int32_t value;
} Sysctl;

int sysctl_compare_key(const Sysctl *a, const Sysctl *b);
int sysctl_compare_value(const Sysctl *a, const Sysctl *b);

/* Whether @value does at least what @wanted does: ARP can be answered even more strictly. */
bool sysctl_is_met(const Sysctl *wanted, int32_t value);

/* Below /proc/sys, as sysctl(8) takes it: "net/ipv4/conf/wan0.7/route_localnet". */
const char *sysctl_path(const Sysctl *sysctl, char path[static SYSCTL_PATH_MAX]);

/* The key and device of a path. Return: 0; -EINVAL none of ours. */
int sysctl_parse_path(const char *path, Sysctl *ret);

const char *sysctl_format(const Sysctl *sysctl, char text[static SYSCTL_TEXT_MAX]);
