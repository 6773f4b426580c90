// SPDX-License-Identifier: LGPL-2.1-or-later

/*
 * talpidctl tunnel: which device carries the traffic.
 */

#include "bus.h"
#include "commands.h"
#include "parse.h"

/* Switches of a default that the service decides: not said, yes or no. */
static bool insert_switch(
        GVariantDict *options, const char *key, const char *text, GError **error) {
        static const char *const words[] = { "no", "yes", NULL };
        int i;

        if (!text)
                return true;
        i = command_find_word(words, "value", text, error);
        if (i >= 0)
                g_variant_dict_insert(options, key, "b", i == 1);
        return i >= 0;
}

/* "203.0.113.99,10.0.0.0/8", and several times. */
static bool insert_bypass(GVariantDict *options, char **texts, GError **error) {
        g_auto(GVariantBuilder) list = G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE_STRING_ARRAY);

        for (char **text = texts; text && *text; text++) {
                g_auto(GStrv) words = g_strsplit(*text, ",", -1);

                for (char **word = words; *word; word++) {
                        g_autofree char *prefix = parse_prefix(*word, error);

                        if (!prefix)
                                return false;
                        g_variant_builder_add(&list, "s", *word);
                }
        }
        if (texts)
                g_variant_dict_insert_value(options, "bypass", g_variant_builder_end(&list));
        return true;
}

typedef struct TunnelOptions {
        gboolean allow_lan, open, replace;
        char *ipv4, *ipv6, *mtu, *lifetime;
        char **bypass;
} TunnelOptions;

static void tunnel_options_clear(TunnelOptions *options) {
        g_free(options->ipv4);
        g_free(options->ipv6);
        g_free(options->mtu);
        g_free(options->lifetime);
        g_strfreev(options->bypass);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(TunnelOptions, tunnel_options_clear)

static bool insert_mtu(GVariantDict *options, const char *text, GError **error) {
        guint32 bytes;

        if (!text)
                return true;
        if (!parse_number("mtu", text, &bytes, error))
                return false;
        g_variant_dict_insert(options, "mtu", "u", bytes);
        return true;
}

static bool fill(GVariantDict *ret, const TunnelOptions *told, GError **error) {
        if (told->allow_lan)
                g_variant_dict_insert(ret, "allow-lan", "b", TRUE);
        if (told->open)
                g_variant_dict_insert(ret, "fail-closed", "b", FALSE);
        if (told->replace)
                g_variant_dict_insert(ret, "replace", "b", TRUE);
        if (told->lifetime)
                g_variant_dict_insert(ret, "lifetime", "s", told->lifetime);
        return insert_switch(ret, "ipv4", told->ipv4, error) &&
               insert_switch(ret, "ipv6", told->ipv6, error) && insert_mtu(ret, told->mtu, error) &&
               insert_bypass(ret, told->bypass, error);
}

static int set(Ctl *ctl, const Command *command, char **argv, GError **error) {
        g_auto(TunnelOptions) told = { .mtu = NULL };
        const GOptionEntry entries[] = {
                { "bypass", 0, 0, G_OPTION_ARG_STRING_ARRAY, &told.bypass,
                        "Addresses and prefixes that go around it: the relay", "ADDRESS,…" },
                { "allow-lan", 0, 0, G_OPTION_ARG_NONE, &told.allow_lan,
                        "Leave private networks that are attached reachable beside it", NULL },
                { "open", 0, 0, G_OPTION_ARG_NONE, &told.open,
                        "Not fail-closed: what it does not carry goes out beside it", NULL },
                { "replace", 0, 0, G_OPTION_ARG_NONE, &told.replace,
                        "Take the place of a tunnel that is set, without a gap", NULL },
                { "ipv4", 0, 0, G_OPTION_ARG_STRING, &told.ipv4,
                        "Carry IPv4 (default: where the device has an address of it)", "yes|no" },
                { "ipv6", 0, 0, G_OPTION_ARG_STRING, &told.ipv6, "Carry IPv6 (the same)",
                        "yes|no" },
                { "mtu", 0, 0, G_OPTION_ARG_STRING, &told.mtu, "MTU of its routes", "BYTES" },
                COMMAND_LIFETIME_ENTRY(&told.lifetime, "boot (default)"),
                G_OPTION_ENTRY_NULL,
        };
        g_auto(GVariantDict) options = G_VARIANT_DICT_INIT(NULL);

        if (!command_parse(ctl, command, entries, COMMAND_PARSE_ANYWHERE, argv, 1, 1, error) ||
                !command_read_lifetime(&told.lifetime, /* may_be_permanent= */ false, error) ||
                !fill(&options, &told, error))
                return -1;
        return bus_do(ctl, BUS_ROUTING, "SetTunnel",
                g_variant_new("(s@a{sv})", argv[0], g_variant_dict_end(&options)), error);
}

static int unset(Ctl *ctl, const Command *command, char **argv, GError **error) {
        gboolean all = FALSE;
        const GOptionEntry entries[] = {
                { "all", 0, 0, G_OPTION_ARG_NONE, &all, "Also one that another user set", NULL },
                G_OPTION_ENTRY_NULL,
        };

        if (!command_parse(ctl, command, entries, COMMAND_PARSE_ANYWHERE, argv, 0, 0, error))
                return -1;
        return bus_do(ctl, BUS_ROUTING, "UnsetTunnel",
                g_variant_new("(@a{sv})", bus_options(all, NULL)), error);
}

const Command tunnel_commands[] = {
        { .name = "set",
                .title = "tunnel set",
                .arguments = "DEVICE",
                .summary = "Send all traffic through a tunnel device",
                .help = "Examples:\n"
                        "  talpidctl tunnel set wg0 --bypass=203.0.113.99 --allow-lan",
                .run = set },
        { .name = "unset",
                .title = "tunnel unset",
                .summary = "Put everything back as it was before",
                .help = "Examples:\n"
                        "  talpidctl tunnel unset",
                .run = unset },
        { .name = NULL },
};
