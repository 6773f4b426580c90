// SPDX-License-Identifier: GPL-3.0-or-later

#include "backends/facts/link.h"

#include <stdio.h>
#include <string.h>

#include <linux/if_arp.h>

#include "backends/base/cleanup.h"

LinkTunnel link_is_tunnel(const Link *link) {
        static const char *const kinds[] = { "wireguard", "tun", "xfrm", "vti", "vti6", "gre",
                "gretap", "erspan", "ip6gre", "ip6gretap", "ip6erspan", "ipip", "ip6tnl", "sit",
                "amneziawg", "ovpn", "ovpn-dco", "geneve" };

        if (strcmp(link->kind, "ppp") == 0 || link->type == ARPHRD_PPP)
                return LINK_TUNNEL_MAYBE;
        for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++)
                if (strcmp(link->kind, kinds[i]) == 0)
                        return LINK_TUNNEL_YES;
        return LINK_TUNNEL_NO;
}

bool link_is_usable(const Link *link) {
        return (link->flags & IFF_UP) && (link->flags & IFF_RUNNING);
}

bool link_name_is_valid(const char *name) {
        size_t length = strlen(name);

        if (length == 0 || length >= IFNAMSIZ || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
                return false;
        for (; *name; name++)
                if (*name == '/' || *name == ':' || (unsigned char)*name <= ' ' || *name == 0x7f)
                        return false;
        return true;
}

int link_compare_value(const Link *a, const Link *b) {
        return memcmp(a, b, sizeof(*a));
}

int link_address_compare_key(const LinkAddress *a, const LinkAddress *b) {
        int c;

        if (a->ifindex != b->ifindex)
                return a->ifindex < b->ifindex ? -1 : 1;
        c = address_compare(&a->address, &b->address);
        if (c != 0)
                return c;
        if (a->length != b->length)
                return a->length < b->length ? -1 : 1;
        return address_compare(&a->peer, &b->peer);
}

int link_address_compare_value(const LinkAddress *a, const LinkAddress *b) {
        int c = link_address_compare_key(a, b);

        if (c != 0)
                return c;
        if (a->scope != b->scope)
                return a->scope < b->scope ? -1 : 1;
        return a->flags < b->flags ? -1 : a->flags > b->flags;
}

Prefix link_address_prefix(const LinkAddress *address) {
        return prefix_of_address(
                address_is_set(&address->peer) ? &address->peer : &address->address,
                address->length);
}

const char *mac_format(const Mac *mac, char text[static MAC_TEXT_MAX]) {
        text[0] = '\0';
        for (unsigned i = 0; i < mac->length && i < MAC_MAX; i++)
                (void)snprintf(text + 3 * i - (i > 0), 4, "%s%02x", i ? ":" : "", mac->bytes[i]);
        return text;
}
