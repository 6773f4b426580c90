// SPDX-License-Identifier: GPL-3.0-or-later

#include "backends/resolved/resolved-codec.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/unit/raw-bus.h"

#define CHANGED "(sa{sv}as)"
#define SERVERS                                                                                    \
        "<@a(iiay) [(2, 2, [1, 1, 1, 1]), (3, 2, [192, 168, 20, 1]), "                             \
        "(2, 10, [0x20, 1, 0xd, 0xb8, 0, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1])]>"

static RawBus *raw;

static sd_bus_message *say(const char *type, const char *text) {
        return raw_bus_say(raw, RESOLVED_PATH, type, text);
}

static char *describe(const Array *all) {
        GString *text = g_string_new(NULL);
        const LinkHints *hints;

        ARRAY_FOREACH(hints, all) {
                g_string_append_printf(text, "%s%u:", text->len ? " " : "", hints->ifindex);
                for (unsigned i = 0; i < hints->n_resolvers; i++) {
                        char address[ADDRESS_TEXT_MAX];

                        g_string_append_printf(text, "%s%s", i ? "," : "",
                                address_format(&hints->resolvers[i], address));
                }
        }
        return g_string_free(text, FALSE);
}

#define ASSERT_HINTS(hints, expected)                                                              \
        do {                                                                                       \
                g_autofree char *text_ = describe(hints);                                          \
                g_assert_cmpstr(text_, ==, expected);                                              \
        } while (0)

static void test_reads_the_reply(void) {
        g_autoptr(sd_bus_message) message = say("(v)", "(" SERVERS ",)");
        Array hints = ARRAY_INIT(LinkHints);

        g_assert_cmpint(resolved_read_reply(message, &hints), ==, 0);
        ASSERT_HINTS(&hints, "2:1.1.1.1,2001:db8:10::1 3:192.168.20.1");
        array_clear(&hints);
}

static void test_reads_a_change(void) {
        g_autoptr(sd_bus_message) message = say(CHANGED,
                "('" RESOLVED_MANAGER "', {'LLMNR': <'yes'>, 'DNS': " SERVERS ", 'X': <[1]>}, [])");
        Array hints = ARRAY_INIT(LinkHints);

        g_assert_cmpint(resolved_read_changed(message, &hints), ==, RESOLVED_CHANGED);
        ASSERT_HINTS(&hints, "2:1.1.1.1,2001:db8:10::1 3:192.168.20.1");
        array_clear(&hints);
}

static void test_leaves_what_is_no_news(void) {
        static const struct {
                const char *text;
                int result;
        } cases[] = {
                { "('" RESOLVED_MANAGER "', {'LLMNR': <'yes'>}, [])", RESOLVED_UNCHANGED },
                { "('" RESOLVED_MANAGER "', {'DNS': <'1.1.1.1'>}, [])", RESOLVED_UNCHANGED },
                { "('" RESOLVED_MANAGER "', {'DNS': <@a(iay) []>}, [])", RESOLVED_UNCHANGED },
                { "('org.example', {'DNS': " SERVERS "}, [])", RESOLVED_UNCHANGED },
                { "('" RESOLVED_MANAGER "', {}, ['Domains', 'DNS'])", RESOLVED_INVALIDATED },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autoptr(sd_bus_message) message = say(CHANGED, cases[i].text);
                Array hints = ARRAY_INIT(LinkHints);

                g_assert_nonnull(array_append(&hints, &(LinkHints){ .ifindex = 7 }));
                g_assert_cmpint(resolved_read_changed(message, &hints), ==, cases[i].result);
                ASSERT_HINTS(&hints, "7:");
                array_clear(&hints);
        }
}

static void test_leaves_out_odd_servers(void) {
        g_autoptr(sd_bus_message) message = say("(v)",
                "(<@a(iiay) [(0, 2, [9, 9, 9, 9]), (-1, 2, [9, 9, 9, 9]), (2, 2, []), "
                "(2, 2, [1, 2, 3]), (2, 10, [1, 2, 3, 4]), (2, 1, [1, 2, 3, 4]), "
                "(2, 16777218, [1, 2, 3, 4]), (4, 2, [8, 8, 8, 8]), (4, 2, [8, 8, 8, 8])]>,)");
        Array hints = ARRAY_INIT(LinkHints);

        g_assert_cmpint(resolved_read_reply(message, &hints), ==, 0);
        ASSERT_HINTS(&hints, "4:8.8.8.8");
        array_clear(&hints);
}

static void test_is_bounded(void) {
        g_autoptr(GString) text = g_string_new("(<@a(iiay) [");
        g_autoptr(sd_bus_message) message = NULL;
        Array hints = ARRAY_INIT(LinkHints);
        const LinkHints *link;

        for (unsigned i = 0; i < 600 * 20; i++)
                g_string_append_printf(
                        text, "%s(%u, 2, [10, 0, 0, %u])", i ? ", " : "", 1 + i % 600, i / 600);
        g_string_append(text, "]>,)");
        message = say("(v)", text->str);
        g_assert_cmpint(resolved_read_reply(message, &hints), ==, 0);
        g_assert_cmpuint(hints.n, ==, RESOLVED_LINKS_MAX);
        ARRAY_FOREACH(link, &hints) {
                g_assert_cmpuint(link->n_resolvers, ==, LINK_RESOLVERS_MAX);
        }
        array_clear(&hints);
}

static void test_refuses_other_replies(void) {
        static const char *const types[][2] = { { "(s)", "('x',)" }, { "()", "()" },
                { "(v)", "(<'x'>,)" }, { "(a(iiay))", "([],)" }, { "(v)", "(<<1>>,)" } };

        for (size_t i = 0; i < G_N_ELEMENTS(types); i++) {
                g_autoptr(sd_bus_message) message = say(types[i][0], types[i][1]);
                Array hints = ARRAY_INIT(LinkHints);

                g_assert_cmpint(resolved_read_reply(message, &hints), <, 0);
                sd_bus_message_rewind(message, /* complete= */ true);
                g_assert_cmpint(resolved_read_changed(message, &hints), <=, 0);
                g_assert_cmpuint(hints.n, ==, 0);
                array_clear(&hints);
        }
}

static void read_both(sd_bus_message *message, void *userdata) {
        Array hints = ARRAY_INIT(LinkHints);

        if (resolved_read_changed(message, &hints) < 0)
                g_assert_cmpuint(hints.n, <=, RESOLVED_LINKS_MAX);
        sd_bus_message_rewind(message, /* complete= */ true);
        (void)resolved_read_reply(message, &hints);
        array_clear(&hints);
}

static void test_survives_mutations(void) {
        g_autoptr(GBytes) reply = raw_bus_signal(RESOLVED_PATH, "(v)", "(" SERVERS ",)");
        g_autoptr(GBytes) change = raw_bus_signal(
                RESOLVED_PATH, CHANGED, "('" RESOLVED_MANAGER "', {'DNS': " SERVERS "}, ['DNS'])");

        g_assert_cmpuint(raw_bus_mutate(raw, reply, 20000, read_both, NULL), >, 1000);
        g_assert_cmpuint(raw_bus_mutate(raw, change, 20000, read_both, NULL), >, 1000);
}

int main(int argc, char **argv) {
        int r;

        g_test_init(&argc, &argv, NULL);
        raw = raw_bus_new();
        g_test_add_func("/resolved-codec/reads-the-reply", test_reads_the_reply);
        g_test_add_func("/resolved-codec/reads-a-change", test_reads_a_change);
        g_test_add_func("/resolved-codec/leaves-what-is-no-news", test_leaves_what_is_no_news);
        g_test_add_func("/resolved-codec/leaves-out-odd-servers", test_leaves_out_odd_servers);
        g_test_add_func("/resolved-codec/is-bounded", test_is_bounded);
        g_test_add_func("/resolved-codec/refuses-other-replies", test_refuses_other_replies);
        g_test_add_func("/resolved-codec/survives-mutations", test_survives_mutations);
        r = g_test_run();
        raw = raw_bus_free(raw);
        return r;
}
