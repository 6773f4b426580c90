// SPDX-License-Identifier: GPL-3.0-or-later

#include "client-examples/tray/news.h"

#include <string.h>

#include "client-examples/tray/status.h"

static const char *family_title(const char *family) {
        return strcmp(family, "ipv6") == 0 ? "IPv6" : "IPv4";
}

static News connected(GVariant *route) {
        g_auto(Link) link = link_read(route);
        g_autofree char *title = link_title(&link);

        return (News){ .id = "default-route",
                .icon = "network-transmit-receive-symbolic",
                .title = g_strdup_printf("Connected by %s", title ?: "another link"),
                .body = g_strdup(link.is_metered ? "This connection is metered." : "") };
}

/* Same link, other metric: nobody at the machine wants to know. */
static bool is_another_network(const char *reason) {
        return strcmp(reason, "link") == 0 || strcmp(reason, "gateway") == 0;
}

static bool read_changed(GVariant *arguments, News *ret) {
        g_autoptr(GVariant) new = NULL;
        const char *reason;

        if (!g_variant_is_of_type(arguments, G_VARIANT_TYPE("(sa{sv}a{sv}st)")))
                return false;
        g_variant_get(arguments, "(&s@a{sv}@a{sv}&st)", NULL, NULL, &new, &reason, NULL);
        if (!is_another_network(reason))
                return false;
        *ret = connected(new);
        return true;
}

static bool read_added(GVariant *arguments, News *ret) {
        g_autoptr(GVariant) route = NULL;

        if (!g_variant_is_of_type(arguments, G_VARIANT_TYPE("(sa{sv}t)")))
                return false;
        g_variant_get(arguments, "(&s@a{sv}t)", NULL, &route, NULL);
        *ret = connected(route);
        return true;
}

static bool read_removed(GVariant *arguments, News *ret) {
        g_autoptr(GVariant) route = NULL;
        g_auto(Link) link = {};
        g_autofree char *title = NULL;
        const char *family;

        if (!g_variant_is_of_type(arguments, G_VARIANT_TYPE("(sa{sv}t)")))
                return false;
        g_variant_get(arguments, "(&s@a{sv}t)", &family, &route, NULL);
        link = link_read(route);
        title = link_title(&link);
        *ret = (News){ .id = "default-route",
                .icon = "network-offline-symbolic",
                .title = g_strdup_printf("No %s connection to the internet", family_title(family)),
                .body = g_strdup_printf("%s is gone.", title ?: "The last link") };
        return true;
}

static bool read_conflict(GVariant *arguments, News *ret) {
        g_autoptr(GVariant) what = NULL;
        const char *kind, *message;

        if (!g_variant_is_of_type(arguments, G_VARIANT_TYPE("(a{sv}t)")))
                return false;
        g_variant_get(arguments, "(@a{sv}t)", &what, NULL);
        if (!g_variant_lookup(what, "kind", "&s", &kind) ||
                !g_variant_lookup(what, "message", "&s", &message))
                return false;
        *ret = (News){ .id = "conflict",
                .icon = "dialog-warning-symbolic",
                .title = g_strdup(strcmp(kind, "other-vpn") == 0
                                          ? "Another VPN is there"
                                          : "Something works against the tunnel"),
                .body = g_strdup(message) };
        return true;
}

bool news_read(const char *signal, GVariant *arguments, News *ret) {
        static const struct {
                const char *signal;
                bool (*read)(GVariant *arguments, News *ret);
        } readers[] = {
                { "DefaultRouteChanged", read_changed },
                { "DefaultRouteAdded", read_added },
                { "DefaultRouteRemoved", read_removed },
                { "ConflictDetected", read_conflict },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(readers); i++)
                if (strcmp(signal, readers[i].signal) == 0)
                        return readers[i].read(arguments, ret);
        return false;
}

void news_clear(News *news) {
        g_clear_pointer(&news->title, g_free);
        g_clear_pointer(&news->body, g_free);
}
