// SPDX-License-Identifier: GPL-3.0-or-later

#include "client-examples/tray/status.h"

#include <string.h>

#include "client-examples/tray/names.h"

static char *read_text(GVariant *dictionary, const char *key) {
        char *text = NULL;

        (void)g_variant_lookup(dictionary, key, "s", &text);
        return text && *text ? text : (g_free(text), NULL);
}

Link link_read(GVariant *route) {
        Link link = { .device = read_text(route, "device"),
                .connection = read_text(route, "connection") };
        gboolean is_metered = FALSE;

        (void)g_variant_lookup(route, "metered", "b", &is_metered);
        link.is_metered = is_metered;
        return link;
}

void link_clear(Link *link) {
        g_clear_pointer(&link->device, g_free);
        g_clear_pointer(&link->connection, g_free);
}

char *link_title(const Link *link) {
        if (!link->device)
                return NULL;
        if (!link->connection || strcmp(link->connection, link->device) == 0)
                return g_strdup(link->device);
        return g_strdup_printf("%s (%s)", link->connection, link->device);
}

typedef struct Reader {
        StatusLookup lookup;
        void *user;
} Reader;

static GVariant *get(const Reader *reader, const char *interface, const char *property,
        const GVariantType *type) {
        g_autoptr(GVariant) value = reader->lookup(interface, property, reader->user);

        return value && g_variant_is_of_type(value, type) ? g_steal_pointer(&value) : NULL;
}

static bool is_text(
        const Reader *reader, const char *interface, const char *property, const char *expected) {
        g_autoptr(GVariant) value = get(reader, interface, property, G_VARIANT_TYPE_STRING);

        return value && strcmp(g_variant_get_string(value, NULL), expected) == 0;
}

static bool is_true(const Reader *reader, const char *interface, const char *property) {
        g_autoptr(GVariant) value = get(reader, interface, property, G_VARIANT_TYPE_BOOLEAN);

        return value && g_variant_get_boolean(value);
}

static void read_tunnel(Status *status, const Reader *reader) {
        g_autoptr(GVariant) tunnel = get(reader, NAMES_ROUTING, "Tunnel", G_VARIANT_TYPE_VARDICT);
        g_autofree char *state = NULL;

        if (!tunnel)
                return;
        status->tunnel = read_text(tunnel, "device");
        state = read_text(tunnel, "state");
        status->tunnel_is_active = g_strcmp0(state, "active") == 0;
        status->tunnel_reason = read_text(tunnel, "reason");
}

static void read_links(Status *status, const Reader *reader) {
        static const char *const properties[] = { "DefaultRoute4", "DefaultRoute6" };

        for (size_t i = 0; i < G_N_ELEMENTS(properties); i++) {
                g_autoptr(GVariant) route =
                        get(reader, NAMES_ROUTING, properties[i], G_VARIANT_TYPE_VARDICT);

                if (route)
                        status->links[i] = link_read(route);
        }
}

static void read_conflicts(Status *status, const Reader *reader) {
        g_autoptr(GVariant) conflicts =
                get(reader, NAMES_ROUTING, "Conflicts", G_VARIANT_TYPE("aa{sv}"));
        g_autoptr(GVariant) conflict = NULL;
        GVariantIter iter;

        status->conflicts = g_ptr_array_new_with_free_func(g_free);
        if (!conflicts)
                return;
        g_variant_iter_init(&iter, conflicts);
        while ((conflict = g_variant_iter_next_value(&iter))) {
                char *message = read_text(conflict, "message");

                if (message)
                        g_ptr_array_add(status->conflicts, message);
                g_clear_pointer(&conflict, g_variant_unref);
        }
}

void status_read(Status *status, StatusLookup lookup, void *user) {
        const Reader reader = { .lookup = lookup, .user = user };

        *status = (Status){
                .is_there = true,
                .is_idle = is_text(&reader, NAMES_ROUTING, "State", "idle"),
                .can_split = is_true(&reader, NAMES_SPLIT, "Available"),
                .split_is_on = is_true(&reader, NAMES_SPLIT, "Enabled"),
                .only_listed = is_text(&reader, NAMES_SPLIT, "Mode", "include"),
        };
        read_tunnel(status, &reader);
        read_links(status, &reader);
        read_conflicts(status, &reader);
}

void status_clear(Status *status) {
        g_free(status->tunnel);
        g_free(status->tunnel_reason);
        for (size_t i = 0; i < G_N_ELEMENTS(status->links); i++)
                link_clear(&status->links[i]);
        g_clear_pointer(&status->conflicts, g_ptr_array_unref);
        *status = (Status){};
}

static Permission read_permission(GVariant *answer, const char *action) {
        const char *word;

        if (!g_variant_lookup(answer, action, "&s", &word))
                return PERMISSION_UNKNOWN;
        if (strcmp(word, "yes") == 0)
                return PERMISSION_YES;
        return strcmp(word, "auth") == 0 ? PERMISSION_PASSWORD : PERMISSION_NO;
}

Permissions permissions_read(GVariant *answer) {
        return (Permissions){
                .exclude_own = read_permission(answer, NAMES_SPLIT ".exclude-own"),
                .exclude_other = read_permission(answer, NAMES_SPLIT ".exclude-other"),
                .manage_selectors = read_permission(answer, NAMES_SPLIT ".manage-selectors"),
        };
}
