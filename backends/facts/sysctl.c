// SPDX-License-Identifier: GPL-3.0-or-later

#include "backends/facts/sysctl.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "backends/facts/link.h"

/* What stands before and behind the device; without one the second part is NULL. */
static const struct {
        const char *before, *behind;
} paths[] = {
        [SYSCTL_SRC_VALID_MARK] = { "net/ipv4/conf/all/src_valid_mark", NULL },
        [SYSCTL_TCP_FWMARK_ACCEPT] = { "net/ipv4/tcp_fwmark_accept", NULL },
        [SYSCTL_FWMARK_REFLECT_IPV4] = { "net/ipv4/fwmark_reflect", NULL },
        [SYSCTL_FWMARK_REFLECT_IPV6] = { "net/ipv6/fwmark_reflect", NULL },
        [SYSCTL_ARP_IGNORE] = { "net/ipv4/conf/all/arp_ignore", NULL },
        [SYSCTL_ROUTE_LOCALNET] = { "net/ipv4/conf/", "/route_localnet" },
};

int sysctl_compare_key(const Sysctl *a, const Sysctl *b) {
        if (a->key != b->key)
                return a->key < b->key ? -1 : 1;
        return strncmp(a->device, b->device, sizeof(a->device));
}

int sysctl_compare_value(const Sysctl *a, const Sysctl *b) {
        int c = sysctl_compare_key(a, b);

        if (c != 0 || a->value == b->value)
                return c;
        return a->value < b->value ? -1 : 1;
}

/* ip-sysctl: 2 also wants the asker in the same subnet, 8 answers nobody. 3 is something else. */
bool sysctl_is_met(const Sysctl *wanted, int32_t value) {
        if (wanted->key == SYSCTL_ARP_IGNORE && wanted->value == 1 && (value == 2 || value == 8))
                return true;
        return value == wanted->value;
}

const char *sysctl_path(const Sysctl *sysctl, char path[static SYSCTL_PATH_MAX]) {
        const char *behind;

        assert(sysctl->key < _SYSCTL_KEY_MAX);
        behind = paths[sysctl->key].behind;
        (void)snprintf(path, SYSCTL_PATH_MAX, "%s%.*s%s", paths[sysctl->key].before,
                behind ? IFNAMSIZ - 1 : 0, sysctl->device, behind ? behind : "");
        return path;
}

int sysctl_parse_path(const char *path, Sysctl *ret) {
        for (SysctlKey key = 0; key < _SYSCTL_KEY_MAX; key++) {
                const char *device = path + strlen(paths[key].before), *end;
                Sysctl sysctl = { .key = key };

                if (strncmp(path, paths[key].before, strlen(paths[key].before)) != 0)
                        continue;
                if (!paths[key].behind && *device)
                        continue;
                if (paths[key].behind) {
                        end = strchr(device, '/');
                        if (!end || end - device >= IFNAMSIZ || strcmp(end, paths[key].behind) != 0)
                                continue;
                        memcpy(sysctl.device, device, (size_t)(end - device));
                        if (!link_name_is_valid(sysctl.device))
                                continue;
                }
                *ret = sysctl;
                return 0;
        }
        return -EINVAL;
}

const char *sysctl_format(const Sysctl *sysctl, char text[static SYSCTL_TEXT_MAX]) {
        char path[SYSCTL_PATH_MAX];

        (void)snprintf(
                text, SYSCTL_TEXT_MAX, "%s = %d", sysctl_path(sysctl, path), (int)sysctl->value);
        return text;
}
