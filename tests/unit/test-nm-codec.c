// SPDX-License-Identifier: GPL-3.0-or-later

#include "backends/network-manager/nm-codec.h"

#include <errno.h>
#include <string.h>

#include "backends/network-manager/nm-state.h"
#include "tests/unit/raw-bus.h"

#define OBJECTS "(a{oa{sa{sv}}})"
#define ADDED "(oa{sa{sv}})"
#define CHANGED "(sa{sv}as)"
#define REMOVED "(oas)"

#define DEVICE(number) NM_PATH "/Devices/" number
#define ACTIVE(number) NM_PATH "/ActiveConnection/" number
#define IP4(number) NM_PATH "/IP4Config/" number
#define IP6(number) NM_PATH "/IP6Config/" number

#define UUID "a156b48b-c42d-3ecd-8031-51ba72aa9f9a"

/* As NetworkManager 1.42 says it, shortened. */
#define DESKTOP                                                                                                                                                                \
        "({'" NM_PATH "/DnsManager': {'" NM_NAME ".DnsManager': {'Mode': <'default'>, "                                                                                        \
        "  'Configuration': <[{'nameservers': <['192.168.10.1']>, 'interface': <'wan0'>, "                                                                                     \
        "  'priority': <100>, 'vpn': <false>}, "                                                                                                                               \
        "  {'nameservers': <['10.8.0.1', 'fe80::1%tun0', 'https://dns']>, "                                                                                                    \
        "  'interface': <'tun0'>, 'vpn': <true>}, {'nameservers': <['1.1.1.1']>}]>}}, "                                                                                        \
        "'" DEVICE(                                                                                                                                                            \
                "2") "': {'" NM_NAME ".Device.Wired': {'Speed': <@u 10>}, "                                                                                                    \
                     "  '" NM_NAME ".Device': {'Interface': <'wan0'>, 'IpInterface': <'wan0'>, "                                                                               \
                     "  'ActiveConnection': <@o '" ACTIVE("2") "'>, 'Ip4Config': <@o '" IP4(                                                                                   \
                             "2") "'>, "                                                                                                                                       \
                                  "  'Ip6Config': <@o '" IP6(                                                                                                                  \
                                          "2") "'>, 'DeviceType': <@u 20>, 'Metered': <@u 4>, "                                                                                \
                                               "  'Managed': <true>, 'State': <@u 100>, "                                                                                      \
                                               "'LldpNeighbors': <@aa{sv} []>}}, "                                                                                             \
                                               "'" DEVICE(                                                                                                                     \
                                                       "3") "': {'" NM_NAME                                                                                                    \
                                                            ".Device': {'Interface': <'tun0'>, "                                                                               \
                                                            "  'IpInterface': <''>, "                                                                                          \
                                                            "'ActiveConnection': <@o '/'>, "                                                                                   \
                                                            "'Managed': <true>}}, "                                                                                            \
                                                            "'" DEVICE(                                                                                                        \
                                                                    "4") "': {'" NM_NAME                                                                                       \
                                                                         ".Device': "                                                                                          \
                                                                         "{'Interface': "                                                                                      \
                                                                         "<'veth0'>, "                                                                                         \
                                                                         "  'Metered': <@u 0>, "                                                                               \
                                                                         "'Managed': <false>}}, "                                                                              \
                                                                         "'" ACTIVE(                                                                                           \
                                                                                 "2") "': "                                                                                    \
                                                                                      "{'" NM_NAME                                                                             \
                                                                                      ".Connectio"                                                                             \
                                                                                      "n.Active':"                                                                             \
                                                                                      " {'Id': "                                                                               \
                                                                                      "<'Home "                                                                                \
                                                                                      "öffice'>, "                                                                            \
                                                                                      "  'Uuid': "                                                                             \
                                                                                      "<'" UUID                                                                                \
                                                                                      "'>, "                                                                                   \
                                                                                      "'Type': "                                                                               \
                                                                                      "<'802-3-"                                                                               \
                                                                                      "ethernet'>"                                                                             \
                                                                                      ", 'Vpn': "                                                                              \
                                                                                      "<false>}},"                                                                             \
                                                                                      " "                                                                                      \
                                                                                      "'" IP4("2") "': {'" NM_NAME                                                             \
                                                                                                   ".IP4Config': {'Nameservers': <@au [17475776]>, "                           \
                                                                                                   "  'NameserverData': <[{'address': <'192.168.10.1'>}, {'other': <1>}]>}}, " \
                                                                                                   "'" IP6("2") "': {'" NM_NAME                                                \
                                                                                                                ".IP6Config': {'Nameservers': <[@ay [1, 2], "                  \
                                                                                                                "  [0x20, 1, 0xd, 0xb8, 0, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]]>}}},)"

#define WAN0 "2 'Home öffice' " UUID " managed metered=no dns=192.168.10.1,2001:db8:10::1"
#define TUN0 "3 '' managed vpn dns=10.8.0.1,fe80::1"

static RawBus *raw;

static unsigned index_of_name(const char *name) {
        static const char *const names[] = { "lo", "wan0", "tun0", "veth0" };

        for (unsigned i = 0; i < G_N_ELEMENTS(names); i++)
                if (strcmp(name, names[i]) == 0)
                        return i + 1;
        return g_str_has_prefix(name, "many") ? 1000 + (unsigned)atoi(name + 4) : 0;
}

static char *describe(const NmState *state) {
        GString *text = g_string_new(NULL);
        Array all = ARRAY_INIT(LinkHints);
        const LinkHints *hints;

        g_assert_cmpint(nm_state_hints(state, index_of_name, &all), ==, 0);
        ARRAY_FOREACH(hints, &all) {
                g_string_append_printf(text, "%s%u '%s'%s%s%s%s%s", text->len ? "; " : "",
                        hints->ifindex, hints->connection, hints->connection_uuid[0] ? " " : "",
                        hints->connection_uuid, hints->managed ? " managed" : "",
                        hints->is_vpn ? " vpn" : "",
                        !hints->has_metered ? ""
                        : hints->metered    ? " metered=yes"
                                            : " metered=no");
                for (unsigned i = 0; i < hints->n_resolvers; i++) {
                        char address[ADDRESS_TEXT_MAX];

                        g_string_append_printf(text, "%s%s",
                                i ? "," : " dns=", address_format(&hints->resolvers[i], address));
                }
        }
        array_clear(&all);
        return g_string_free(text, FALSE);
}

#define ASSERT_HINTS(state, expected)                                                              \
        do {                                                                                       \
                g_autofree char *text_ = describe(state);                                          \
                g_assert_cmpstr(text_, ==, expected);                                              \
        } while (0)

static void tell_objects(NmState *state, const char *text) {
        g_autoptr(sd_bus_message) message = raw_bus_say(raw, NM_OBJECTS_PATH, OBJECTS, text);
        NmReader reader = nm_state_reader(state);

        g_assert_cmpint(nm_read_objects(message, &reader), ==, 0);
}

static void tell_added(NmState *state, const char *text) {
        g_autoptr(sd_bus_message) message = raw_bus_say(raw, NM_OBJECTS_PATH, ADDED, text);
        NmReader reader = nm_state_reader(state);

        g_assert_cmpint(nm_read_added(message, &reader), ==, 0);
}

static void tell_changed(
        NmState *state, const char *path, const char *interface, const char *properties) {
        g_autofree char *text =
                g_strdup_printf("('" NM_NAME ".%s', %s, [])", interface, properties);
        g_autoptr(sd_bus_message) message = raw_bus_say(raw, path, CHANGED, text);
        NmReader reader = nm_state_reader(state);

        g_assert_cmpint(nm_read_changed(message, path, &reader), ==, 0);
}

static void start(NmState *state) {
        nm_state_init(state);
        tell_objects(state, DESKTOP);
        ASSERT_HINTS(state, WAN0 "; " TUN0);
}

static void test_reads_all_objects(void) {
        NmState state;

        start(&state);
        nm_state_clear(&state);
        ASSERT_HINTS(&state, "");
}

static void test_follows_changes(void) {
        NmState state;

        start(&state);
        tell_changed(&state, ACTIVE("2"), "Connection.Active", "{'Id': <'away'>}");
        ASSERT_HINTS(&state,
                "2 'away' " UUID " managed metered=no dns=192.168.10.1,2001:db8:10::1; " TUN0);
        tell_changed(&state, DEVICE("2"), "Device", "{'Metered': <@u 1>, 'Ip6Config': <@o '/'>}");
        ASSERT_HINTS(&state, "2 'away' " UUID " managed metered=yes dns=192.168.10.1; " TUN0);
        tell_changed(&state, IP4("2"), "IP4Config",
                "{'NameserverData': <[{'address': <'9.9.9.9'>}, {'address': <'9.9.9.9'>}]>}");
        ASSERT_HINTS(&state, "2 'away' " UUID " managed metered=yes dns=9.9.9.9; " TUN0);
        tell_changed(&state, DEVICE("3"), "Device", "{'Interface': <'gone0'>}");
        ASSERT_HINTS(&state, "2 'away' " UUID " managed metered=yes dns=9.9.9.9");
        tell_changed(&state, ACTIVE("2"), "Connection.Active", "{'Type': <'wireguard'>}");
        ASSERT_HINTS(&state, "2 'away' " UUID " managed vpn metered=yes dns=9.9.9.9");
        nm_state_clear(&state);
}

static void test_falls_back_to_the_dns_manager(void) {
        NmState state;

        start(&state);
        tell_changed(
                &state, DEVICE("2"), "Device", "{'Ip4Config': <@o '/'>, 'Ip6Config': <@o '/'>}");
        ASSERT_HINTS(&state, "2 'Home öffice' " UUID " managed metered=no dns=192.168.10.1; " TUN0);
        tell_changed(
                &state, NM_PATH "/DnsManager", "DnsManager", "{'Configuration': <@aa{sv} []>}");
        ASSERT_HINTS(&state, "2 'Home öffice' " UUID " managed metered=no; 3 '' managed");
        nm_state_clear(&state);
}

static void test_forgets_removed_objects(void) {
        g_autoptr(sd_bus_message) ours = raw_bus_say(raw, NM_OBJECTS_PATH, REMOVED,
                "('" DEVICE("3") "', ['" NM_NAME ".Device.Tun', '" NM_NAME ".Device'])");
        g_autoptr(sd_bus_message) other = raw_bus_say(raw, NM_OBJECTS_PATH, REMOVED,
                "('" DEVICE("2") "', ['" NM_NAME ".Device.Statistics'])");
        const char *path = NULL;
        NmState state;

        start(&state);
        g_assert_cmpint(nm_read_removed(other, &path), ==, 0);
        g_assert_cmpint(nm_read_removed(ours, &path), ==, 1);
        g_assert_cmpstr(path, ==, DEVICE("3"));
        nm_state_remove(&state, path);
        ASSERT_HINTS(&state, WAN0);
        nm_state_remove(&state, ACTIVE("2"));
        nm_state_remove(&state, "/nobody");
        ASSERT_HINTS(&state, "2 '' managed metered=no dns=192.168.10.1,2001:db8:10::1");
        nm_state_clear(&state);
}

static void test_added_again_is_new(void) {
        NmState state;

        start(&state);
        tell_added(&state, "('" DEVICE("2") "', {'" NM_NAME ".Device': {'Interface': <'wan0'>, "
                                            "'Managed': <true>}})");
        ASSERT_HINTS(&state, "2 '' managed dns=192.168.10.1; " TUN0);
        nm_state_clear(&state);
}

/* Each of these says nothing, and leaves what was said before. */
static void test_skips_wrong_types(void) {
        static const char *const device[] = { "{'Interface': <7>}", "{'Interface': <@ay b'wan1'>}",
                "{'ActiveConnection': <'/'>}", "{'Managed': <@u 0>}", "{'Metered': <1>}",
                "{'Metered': <@t 1>}", "{'Managed': <<false>>}", "{'Unknown': <{'a': <1>}>}",
                "{}" };
        static const char *const ip4[] = { "{'NameserverData': <['8.8.8.8']>}",
                "{'NameserverData': <@a{sv} {}>}", "{'Nameservers': <[@ay [1]]>}" };
        static const char *const active[] = { "{'Id': <['a']>}", "{'Uuid': <@o '/'>}" };
        NmState state;

        start(&state);
        for (size_t i = 0; i < G_N_ELEMENTS(device); i++)
                tell_changed(&state, DEVICE("2"), "Device", device[i]);
        for (size_t i = 0; i < G_N_ELEMENTS(ip4); i++)
                tell_changed(&state, IP4("2"), "IP4Config", ip4[i]);
        for (size_t i = 0; i < G_N_ELEMENTS(active); i++)
                tell_changed(&state, ACTIVE("2"), "Connection.Active", active[i]);
        tell_changed(&state, DEVICE("2"), "Device.Wired", "{'Interface': <'x'>}");
        tell_changed(&state, DEVICE("2"), "IP4Config", "{'NameserverData': <@aa{sv} []>}");
        tell_changed(&state, DEVICE("99"), "Device", "{'Interface': <'wan0'>, 'Managed': <true>}");
        ASSERT_HINTS(&state, WAN0 "; " TUN0);
        nm_state_clear(&state);
}

static void test_copes_with_odd_values(void) {
        g_autofree char *long_text = g_strnfill(5000, 'x');
        g_autofree char *id = g_strdup_printf("{'Id': <'%.125sö%s'>}", long_text, long_text);
        g_autofree char *path = g_strdup_printf("{'Ip4Config': <@o '/%s'>}", long_text);
        g_autofree char *name = g_strdup_printf("{'Interface': <'%s'>}", long_text);
        g_autofree char *long_path = g_strdup_printf(DEVICE("%s"), long_text);
        g_autofree char *added = g_strdup_printf("('%s', {'" NM_NAME ".Device': {}})", long_path);
        Array all = ARRAY_INIT(LinkHints);
        const LinkHints *hints;
        NmState state;

        start(&state);
        tell_changed(&state, ACTIVE("2"), "Connection.Active", id);
        tell_changed(&state, ACTIVE("2"), "Connection.Active", "{'Uuid': <'no\\nuuid'>}");
        tell_changed(&state, DEVICE("2"), "Device", path);
        tell_changed(&state, DEVICE("2"), "Device", "{'Metered': <@u 4294967295>}");
        tell_changed(&state, DEVICE("3"), "Device", name);
        tell_changed(&state, DEVICE("4"), "Device", "{'Interface': <'../x'>, 'Managed': <true>}");
        tell_added(&state, added);
        nm_state_remove(&state, long_path);
        tell_changed(&state, long_path, "Device", "{'Managed': <true>}");

        g_assert_cmpint(nm_state_hints(&state, index_of_name, &all), ==, 0);
        g_assert_cmpuint(all.n, ==, 1);
        hints = array_at(&all, 0);
        g_assert_cmpuint(strlen(hints->connection), ==, 127);
        g_assert_true(g_utf8_validate(hints->connection, -1, NULL));
        g_assert_cmpstr(hints->connection_uuid, ==, "");
        g_assert_false(hints->has_metered);
        g_assert_cmpuint(hints->n_resolvers, ==, 1);
        array_clear(&all);
        nm_state_clear(&state);
}

static void tell_many(NmState *state, unsigned from, unsigned n, bool managed) {
        for (unsigned i = from; i < from + n; i++) {
                g_autofree char *text = g_strdup_printf(
                        "('" DEVICE("%u") "', {'" NM_NAME ".Device': {'Interface': <'many%u'>, "
                                          "'Managed': <%s>}})",
                        1000 + i, i, managed ? "true" : "false");

                tell_added(state, text);
        }
}

static void test_managed_devices_push_out_others(void) {
        Array all = ARRAY_INIT(LinkHints);
        NmState state;

        nm_state_init(&state);
        tell_many(&state, 0, 300, /* managed= */ false);
        tell_objects(&state, DESKTOP);
        tell_many(&state, 300, 300, /* managed= */ false);
        ASSERT_HINTS(&state, WAN0 "; " TUN0);
        g_assert_false(nm_state_take_stranger(&state));

        tell_changed(&state, DEVICE("1000"), "Device", "{'Managed': <true>}");
        g_assert_true(nm_state_take_stranger(&state));
        g_assert_false(nm_state_take_stranger(&state));

        tell_many(&state, 1000, 600, /* managed= */ true);
        g_assert_cmpint(nm_state_hints(&state, index_of_name, &all), ==, 0);
        g_assert_cmpuint(all.n, ==, NM_OBJECTS_MAX);
        array_clear(&all);
        nm_state_clear(&state);
}

static void test_is_bounded(void) {
        g_autoptr(GString) dns = g_string_new("{'Configuration': <[");
        NmState state;

        start(&state);
        for (unsigned i = 0; i < 2000; i++)
                g_string_append_printf(
                        dns, "%s{'interface': <'many%u'>, 'vpn': <true>}", i ? ", " : "", i);
        g_string_append(dns, "]>}");
        tell_changed(&state, NM_PATH "/DnsManager", "DnsManager", dns->str);
        g_assert_cmpuint(state.dns.n, ==, NM_DNS_ENTRIES_MAX);
        for (unsigned i = 0; i < 600; i++) {
                g_autofree char *text = g_strdup_printf(
                        "('" IP4("%u") "', {'" NM_NAME ".IP4Config': {}, '" NM_NAME ".IP6Config': "
                                       "{}, '" NM_NAME ".Connection.Active': {}})",
                        1000 + i);

                tell_added(&state, text);
        }
        for (unsigned i = 0; i < G_N_ELEMENTS(state.objects); i++)
                g_assert_cmpuint(state.objects[i].n, <=, NM_OBJECTS_MAX);
        nm_state_clear(&state);
}

static void test_refuses_other_messages(void) {
        static const char *const bodies[][2] = { { "()", "()" }, { "(s)", "('x',)" },
                { "(o)", "('/x',)" }, { "(a{oa{sas}})", "({'/x': {'y': []}},)" },
                { "(sas)", "('" NM_NAME ".Device', [])" }, { "(oa{sas})", "('/x', {'y': []})" } };

        for (size_t i = 0; i < G_N_ELEMENTS(bodies); i++) {
                g_autoptr(sd_bus_message) message =
                        raw_bus_say(raw, DEVICE("2"), bodies[i][0], bodies[i][1]);
                const char *path;
                NmReader reader;
                NmState state;

                start(&state);
                reader = nm_state_reader(&state);
                g_assert_cmpint(nm_read_objects(message, &reader), <, 0);
                sd_bus_message_rewind(message, /* complete= */ true);
                g_assert_cmpint(nm_read_added(message, &reader), <, 0);
                sd_bus_message_rewind(message, /* complete= */ true);
                g_assert_cmpint(nm_read_changed(message, DEVICE("2"), &reader), <, 0);
                sd_bus_message_rewind(message, /* complete= */ true);
                g_assert_cmpint(nm_read_removed(message, &path), <, 0);
                ASSERT_HINTS(&state, WAN0 "; " TUN0);
                nm_state_clear(&state);
        }
}

static void read_all_ways(sd_bus_message *message, void *userdata) {
        const char *path;
        NmReader reader;
        NmState state;

        nm_state_init(&state);
        reader = nm_state_reader(&state);
        (void)nm_read_objects(message, &reader);
        g_free(describe(&state));
        sd_bus_message_rewind(message, /* complete= */ true);
        (void)nm_read_added(message, &reader);
        sd_bus_message_rewind(message, /* complete= */ true);
        (void)nm_read_changed(message, DEVICE("2"), &reader);
        sd_bus_message_rewind(message, /* complete= */ true);
        if (nm_read_removed(message, &path) > 0)
                nm_state_remove(&state, path);
        g_free(describe(&state));
        nm_state_clear(&state);
}

static void test_survives_mutations(void) {
        g_autoptr(GBytes) objects = raw_bus_signal(NM_OBJECTS_PATH, OBJECTS, DESKTOP);
        g_autoptr(GBytes) change = raw_bus_signal(IP6("2"), CHANGED,
                "('" NM_NAME
                ".IP6Config', {'Nameservers': <[[byte 1, 2], [3]]>, 'X': <1>}, ['Y'])");
        g_autoptr(GBytes) removal = raw_bus_signal(
                NM_OBJECTS_PATH, REMOVED, "('" DEVICE("2") "', ['a', '" NM_NAME ".Device'])");

        g_assert_cmpuint(raw_bus_mutate(raw, objects, 20000, read_all_ways, NULL), >, 1000);
        g_assert_cmpuint(raw_bus_mutate(raw, change, 10000, read_all_ways, NULL), >, 1000);
        g_assert_cmpuint(raw_bus_mutate(raw, removal, 10000, read_all_ways, NULL), >, 1000);
}

static void add_resolver(LinkHints *hints, const char *text) {
        Address address;

        g_assert_cmpint(address_parse(text, &address), ==, 0);
        (void)link_hints_add_resolver(hints, &address);
}

static void test_resolved_wins(void) {
        LinkHints nm = { .ifindex = 2, .managed = true }, resolved = { .ifindex = 2 }, merged;

        link_hints_set_connection(&nm, "home");
        add_resolver(&nm, "1.1.1.1");
        add_resolver(&nm, "1.0.0.1");
        merged = link_hints_merge(&nm, &resolved);
        g_assert_cmpint(link_hints_compare_value(&merged, &nm), ==, 0);
        add_resolver(&resolved, "9.9.9.9");
        merged = link_hints_merge(&nm, &resolved);
        g_assert_cmpuint(merged.n_resolvers, ==, 1);
        g_assert_cmpint(address_compare(&merged.resolvers[0], &resolved.resolvers[0]), ==, 0);
        g_assert_cmpstr(merged.connection, ==, "home");
        merged = link_hints_merge(NULL, &resolved);
        g_assert_cmpint(link_hints_compare_value(&merged, &resolved), ==, 0);
        merged = link_hints_merge(NULL, NULL);
        g_assert_true(link_hints_are_empty(&merged));
}

static void test_book(void) {
        LinkHints nm = { .ifindex = 2, .managed = true }, resolved = { .ifindex = 2 }, found;
        LinkHintsBook book = LINK_HINTS_BOOK_INIT;
        LinkHintsSource a = LINK_HINTS_NETWORK_MANAGER, b = LINK_HINTS_RESOLVED;

        add_resolver(&nm, "1.1.1.1");
        add_resolver(&resolved, "1.1.1.1");
        g_assert_cmpint(link_hints_book_put(&book, a, &nm, /* gone= */ true), ==, 0);
        g_assert_cmpint(link_hints_book_put(&book, a, &nm, /* gone= */ false), ==, 1);
        g_assert_cmpint(link_hints_book_put(&book, a, &nm, /* gone= */ false), ==, 0);
        g_assert_cmpint(link_hints_book_put(&book, b, &resolved, /* gone= */ false), ==, 0);
        resolved.n_resolvers = 0;
        add_resolver(&resolved, "9.9.9.9");
        g_assert_cmpint(link_hints_book_put(&book, b, &resolved, /* gone= */ false), ==, 1);
        g_assert_true(link_hints_book_find(&book, 2, &found));
        g_assert_cmpint(address_compare(&found.resolvers[0], &resolved.resolvers[0]), ==, 0);
        g_assert_false(link_hints_book_find(&book, 3, &found));
        g_assert_cmpint(link_hints_book_put(&book, a, &nm, /* gone= */ true), ==, 1);
        g_assert_true(link_hints_book_find(&book, 2, &found));
        g_assert_false(found.managed);
        g_assert_cmpint(link_hints_book_put(&book, b, &resolved, /* gone= */ true), ==, 1);
        g_assert_false(link_hints_book_find(&book, 2, &found));
        link_hints_book_clear(&book);
}

static void test_texts_are_cut_at_characters(void) {
        LinkHints hints = { .ifindex = 1 };
        static const char *const bad[] = { "\xff", "a\xc3", "\xc0\x80", "\xed\xa0\x80",
                "\xf4\x90\x80\x80", "ok\xe2\x82" };
        char text[300];

        for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
                link_hints_set_connection(&hints, "before");
                link_hints_set_connection(&hints, bad[i]);
                g_assert_cmpstr(hints.connection, ==, "");
        }
        for (size_t n = 120; n < 132; n++) {
                memset(text, 'a', n);
                (void)g_strlcpy(text + n, "€€𝄞", sizeof(text) - n);
                link_hints_set_connection(&hints, text);
                g_assert_true(g_utf8_validate(hints.connection, -1, NULL));
                g_assert_cmpuint(strlen(hints.connection), >, 123 - 4);
        }
}

int main(int argc, char **argv) {
        int r;

        g_test_init(&argc, &argv, NULL);
        raw = raw_bus_new();
        g_test_add_func("/nm-codec/reads-all-objects", test_reads_all_objects);
        g_test_add_func("/nm-codec/follows-changes", test_follows_changes);
        g_test_add_func(
                "/nm-codec/falls-back-to-the-dns-manager", test_falls_back_to_the_dns_manager);
        g_test_add_func("/nm-codec/forgets-removed-objects", test_forgets_removed_objects);
        g_test_add_func("/nm-codec/added-again-is-new", test_added_again_is_new);
        g_test_add_func("/nm-codec/skips-wrong-types", test_skips_wrong_types);
        g_test_add_func("/nm-codec/copes-with-odd-values", test_copes_with_odd_values);
        g_test_add_func(
                "/nm-codec/managed-devices-push-out-others", test_managed_devices_push_out_others);
        g_test_add_func("/nm-codec/is-bounded", test_is_bounded);
        g_test_add_func("/nm-codec/refuses-other-messages", test_refuses_other_messages);
        g_test_add_func("/nm-codec/survives-mutations", test_survives_mutations);
        g_test_add_func("/link-hints/resolved-wins", test_resolved_wins);
        g_test_add_func("/link-hints/book-tells-what-changed", test_book);
        g_test_add_func(
                "/link-hints/texts-are-cut-at-characters", test_texts_are_cut_at_characters);
        r = g_test_run();
        raw = raw_bus_free(raw);
        return r;
}
