// SPDX-License-Identifier: LGPL-2.1-or-later

#include "output.h"

#include <json-glib/json-glib.h>
#include <pwd.h>
#include <stdio.h>

Look output_look(const Ctl *ctl) {
        return (Look){ .aligned = ctl->is_terminal, .colour = ctl->colour };
}

char *output_json_text(GVariant *value, CtlJson how) {
        g_autoptr(JsonNode) node = json_gvariant_serialize(value);

        return json_to_string(node, how == CTL_JSON_PRETTY);
}

bool output_json(const Ctl *ctl, GVariant *value) {
        g_autoptr(GVariant) kept = g_variant_ref_sink(value);
        g_autofree char *text = NULL;

        if (ctl->json == CTL_JSON_OFF)
                return false;
        text = output_json_text(kept, ctl->json);
        (void)puts(text);
        return true;
}

void output_table(const Ctl *ctl, const Table *table) {
        g_autofree char *text = table_format(table, output_look(ctl));

        (void)fputs(text, stdout);
}

const char *output_string(GVariant *dictionary, const char *key) {
        const char *text = "";

        (void)g_variant_lookup(dictionary, key, "&s", &text);
        return text;
}

guint32 output_number(GVariant *dictionary, const char *key) {
        guint32 number = 0;

        (void)g_variant_lookup(dictionary, key, "u", &number);
        return number;
}

bool output_flag(GVariant *dictionary, const char *key) {
        gboolean flag = FALSE;

        (void)g_variant_lookup(dictionary, key, "b", &flag);
        return flag;
}

static char *join(GVariant *list, const char *separator) {
        GString *text = g_string_new(NULL);

        for (gsize i = 0; i < g_variant_n_children(list); i++) {
                g_autoptr(GVariant) child = g_variant_get_child_value(list, i);
                g_autofree char *part = output_value(child);

                g_string_append_printf(text, "%s%s", i ? separator : "", part);
        }
        return g_string_free(text, FALSE);
}

static char *join_entry(GVariant *entry) {
        g_autoptr(GVariant) key = g_variant_get_child_value(entry, 0);
        g_autoptr(GVariant) value = g_variant_get_child_value(entry, 1);
        g_autofree char *name = output_value(key), *text = output_value(value);

        return g_strdup_printf("%s=%s", name, text);
}

char *output_value(GVariant *value) {
        if (g_variant_is_of_type(value, G_VARIANT_TYPE_STRING))
                return table_clean(g_variant_get_string(value, NULL));
        if (g_variant_is_of_type(value, G_VARIANT_TYPE_BOOLEAN))
                return g_strdup(g_variant_get_boolean(value) ? "yes" : "no");
        if (g_variant_is_of_type(value, G_VARIANT_TYPE_VARIANT)) {
                g_autoptr(GVariant) inner = g_variant_get_variant(value);

                return output_value(inner);
        }
        if (g_variant_is_of_type(value, G_VARIANT_TYPE_VARDICT) &&
                (*output_string(value, "destination") || *output_string(value, "gateway")))
                return output_route(value);
        if (g_variant_is_of_type(value, G_VARIANT_TYPE_DICT_ENTRY))
                return join_entry(value);
        if (g_variant_is_of_type(value, G_VARIANT_TYPE_DICTIONARY) ||
                g_variant_is_of_type(value, G_VARIANT_TYPE_TUPLE))
                return join(value, " ");
        if (g_variant_is_of_type(value, G_VARIANT_TYPE_ARRAY))
                return join(value, ", ");
        return g_variant_print(value, FALSE);
}

char *output_entry(GVariant *dictionary, const char *key) {
        g_autoptr(GVariant) value = g_variant_lookup_value(dictionary, key, NULL);

        return value ? output_value(value) : g_strdup("");
}

char *output_user_name(uid_t uid) {
        const struct passwd *user = getpwuid(uid);

        return user ? g_strdup(user->pw_name) : g_strdup_printf("%u", (unsigned)uid);
}

char *output_user(GVariant *dictionary, const char *key) {
        guint32 uid;

        return g_variant_lookup(dictionary, key, "u", &uid) ? output_user_name(uid) : g_strdup("");
}

void output_add_entries(GVariantBuilder *entry, GVariant *rest) {
        for (gsize i = 0; i < g_variant_n_children(rest); i++) {
                g_autoptr(GVariant) child = g_variant_get_child_value(rest, i);

                g_variant_builder_add_value(entry, child);
        }
}

/* Keys as the service has them, and the words of ip(8). */
static const struct {
        const char *key;
        const char *word;
} route_words[] = {
        { "destination", "" },
        { "gateway", "via " },
        { "node", "node " },
        { "device", "dev " },
        { "gateway-mac", "lladdr " },
        { "table", "table " },
        { "metric", "metric " },
        { "mtu", "mtu " },
        { "source", "src " },
        { "connection", "connection " },
        { "dns", "dns " },
        { "state", "state " },
};

char *output_route(GVariant *route) {
        const char *type = output_string(route, "type");
        GString *text = g_string_new(NULL);

        if (*type && !g_str_equal(type, "unicast"))
                g_string_append_printf(text, "%s ", type);
        for (size_t i = 0; i < G_N_ELEMENTS(route_words); i++) {
                g_autofree char *entry = output_entry(route, route_words[i].key);

                if (*entry)
                        g_string_append_printf(text, "%s%s ", route_words[i].word, entry);
        }
        if (output_flag(route, "metered"))
                g_string_append(text, "metered ");
        if (text->len > 0)
                g_string_truncate(text, text->len - 1);
        return g_string_free(text, FALSE);
}
