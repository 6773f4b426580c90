// SPDX-License-Identifier: GPL-3.0-or-later

#include <string.h>

#include "client-examples/talpidctl/command.h"
#include "client-examples/talpidctl/parse.h"

static int compare_texts(const void *a, const void *b) {
        return strcmp(*(char *const *)a, *(char *const *)b);
}

/* "device: 'wg0', metric: 5", by their names. */
static char *print_entries(GVariant *dictionary) {
        g_autoptr(GPtrArray) texts = g_ptr_array_new_with_free_func(g_free);
        GVariantIter iter;
        const char *key;
        GVariant *value;

        g_variant_iter_init(&iter, dictionary);
        while (g_variant_iter_next(&iter, "{&sv}", &key, &value)) {
                g_autofree char *text = g_variant_print(value, FALSE);

                g_ptr_array_add(texts, g_strdup_printf("%s: %s", key, text));
                g_variant_unref(value);
        }
        g_ptr_array_sort(texts, compare_texts);
        g_ptr_array_add(texts, NULL);
        return g_strjoinv(", ", (char **)texts->pdata);
}

/* A dictionary, or "; " between those of a list; an error is text too. Consumes both. */
static char *print(GVariant *value, GError *error) {
        GString *text = g_string_new(NULL);

        g_assert_true((value == NULL) != (error == NULL));
        if (error) {
                g_assert_error(error, CTL_ERROR, CTL_USAGE);
                g_string_printf(text, "error: %s", error->message);
                g_error_free(error);
                return g_string_free(text, FALSE);
        }
        g_variant_ref_sink(value);
        if (g_variant_is_of_type(value, G_VARIANT_TYPE_VARDICT)) {
                g_autofree char *entries = print_entries(value);

                g_string_append(text, entries);
        } else
                for (gsize i = 0; i < g_variant_n_children(value); i++) {
                        g_autoptr(GVariant) child = g_variant_get_child_value(value, i);
                        g_autofree char *entries = print_entries(child);

                        g_string_append_printf(text, "%s%s", i ? "; " : "", entries);
                }
        g_variant_unref(value);
        return g_string_free(text, FALSE);
}

static void test_prefixes(void) {
        static const char *const good[][2] = {
                { "10.0.0.0/8", "10.0.0.0/8" }, { "192.0.2.1", "192.0.2.1/32" },
                { "0.0.0.0/0", "0.0.0.0/0" }, { "fd00::/8", "fd00::/8" },
                { "2001:db8::1", "2001:db8::1/128" }, { "default", "0.0.0.0/0" },
                { "10.0.0.1/8", "10.0.0.1/8" }, /* the service's to refuse */
        };
        static const char *const bad[] = { "", "/", "10", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1",
                "10.0.0.0/8/8", "10.0.0.0/ 8", "fd00::/129", "fe80::1%wan0", "example.org",
                "1.2.3.4.5" };

        for (size_t i = 0; i < G_N_ELEMENTS(good); i++) {
                g_autofree char *prefix = parse_prefix(good[i][0], NULL);

                g_assert_cmpstr(prefix, ==, good[i][1]);
        }
        for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
                g_autoptr(GError) error = NULL;

                g_assert_null(parse_prefix(bad[i], &error));
                g_assert_error(error, CTL_ERROR, CTL_USAGE);
        }
}

static void test_addresses(void) {
        static const char *const bad[] = { "", "10.0.0.0/8", "localhost", "::1/128", "fe80::1%lo" };

        g_assert_true(parse_address("192.0.2.1", NULL));
        g_assert_true(parse_address("2001:db8::1", NULL));
        for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
                g_autoptr(GError) error = NULL;

                g_assert_false(parse_address(bad[i], &error));
                g_assert_error(error, CTL_ERROR, CTL_USAGE);
        }
}

static void test_numbers(void) {
        static const char *const bad[] = { "", "-1", "+1", " 1", "1 ", "0x", "1x", "4294967296" };
        guint32 number = 7;

        g_assert_true(parse_number("mark", "0x1f", &number, NULL));
        g_assert_cmpuint(number, ==, 31);
        g_assert_true(parse_number("mark", "4294967295", &number, NULL));
        g_assert_cmpuint(number, ==, G_MAXUINT32);
        for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
                g_autoptr(GError) error = NULL;

                g_assert_false(parse_number("mark", bad[i], &number, &error));
                g_assert_nonnull(error);
        }
        g_assert_cmpuint(number, ==, G_MAXUINT32);
}

static void check_routes_how(const char *line, ParseRoutes how, const char *expected) {
        g_auto(GStrv) words = g_strsplit(line, " ", -1);
        GError *error = NULL;
        GVariant *routes = parse_routes(words, how, &error);
        g_autofree char *text = print(routes, error);

        g_assert_cmpstr(text, ==, expected);
}

static void check_routes(const char *line, const char *expected) {
        check_routes_how(line, PARSE_ANY, expected);
}

static void test_lead_somewhere(void) {
        check_routes_how("10.0.0.0/8 192.0.2.0/24 metric 5", PARSE_LEADS_SOMEWHERE,
                "error: 10.0.0.0/8: where to? Say via ADDRESS, dev DEVICE or node default");
        check_routes_how("192.0.2.0/24 type blackhole", PARSE_LEADS_SOMEWHERE,
                "destination: '192.0.2.0/24', type: 'blackhole'");
}

static void test_routes(void) {
        check_routes("10.0.0.0/8 dev wg0", "destination: '10.0.0.0/8', device: 'wg0'");
        check_routes("10.0.0.0/8 table 7", "destination: '10.0.0.0/8', table: 7");
        check_routes("10.0.0.0/8 ta main", "destination: '10.0.0.0/8', table: 'main'");
        /* Words hold for the destinations right before them. */
        check_routes("10.0.0.0/8 fd00::/8 metric 5 192.0.2.1 node default",
                "destination: '10.0.0.0/8', metric: 5; destination: 'fd00::/8', metric: 5; "
                "destination: '192.0.2.1/32', node: 'default'");
        check_routes("default via fe80::1", "destination: '::/0', gateway: 'fe80::1'");
        check_routes("default via 192.0.2.1", "destination: '0.0.0.0/0', gateway: '192.0.2.1'");
}

static void test_wrong_routes(void) {
        check_routes("dev wg0 10.0.0.0/8",
                "error: \"dev\" is no destination, as 10.0.0.0/8 or fd00::/8");
        check_routes("10.0.0.0/8 dev", "error: dev: what? The value is missing");
        check_routes("10.0.0.0/8 dev a dev b", "error: dev is said twice");
        check_routes("10.0.0.0/8 m 1", "error: word \"m\" may be: metric, mtu");
        check_routes("10.0.0.0/8 via wan0",
                "error: \"wan0\" is no address, as 192.0.2.1 or 2001:db8::1");
        check_routes("10.0.0.0/8 mtu big", "error: mtu: \"big\" is no number");
        check_routes("10.0.0.0/8 color red",
                "error: there is no word \"color\"; there are: via, dev, node, metric, mtu, table, "
                "type");
}

static void check_lookup(const char *line, const char *expected) {
        g_auto(GStrv) words = *line ? g_strsplit(line, " ", -1) : g_new0(char *, 1);
        GError *error = NULL;
        GVariant *options = parse_lookup(words, &error);
        g_autofree char *text = print(options, error);

        g_assert_cmpstr(text, ==, expected);
}

static void test_lookups(void) {
        check_lookup("", "");
        check_lookup("mark 0x10", "mark: 16");
        check_lookup("u root", "uid: 0");
        check_lookup(
                "uid nobody-is-called-this", "error: uid: \"nobody-is-called-this\" is no number");
        check_lookup("pid", "error: pid: what? The value is missing");
}

static void check_items(const char *line, const char *pids, const char *selectors) {
        g_auto(GStrv) words = g_strsplit(line, " ", -1);
        g_auto(ParsedItems) items = { NULL };
        g_autoptr(GString) numbers = g_string_new(NULL);
        g_autofree char *text = NULL;

        g_assert_true(parse_items(words, &items, NULL));
        for (guint i = 0; i < items.pids->len; i++)
                g_string_append_printf(numbers, "%u ", g_array_index(items.pids, guint32, i));
        text = items.selectors ? g_variant_print(items.selectors, FALSE) : g_strdup("");
        g_assert_cmpstr(numbers->str, ==, pids);
        g_assert_cmpstr(text, ==, selectors);
}

static void check_wrong_items(const char *line, const char *message) {
        g_auto(GStrv) words = g_strsplit(line, " ", -1);
        g_auto(ParsedItems) items = { NULL };
        g_autoptr(GError) error = NULL;

        g_assert_false(parse_items(words, &items, &error));
        g_assert_error(error, CTL_ERROR, CTL_USAGE);
        g_assert_cmpstr(error->message, ==, message);
}

static void test_items(void) {
        check_items("812", "812 ", "");
        check_items("pid 812 7", "812 7 ", "");
        check_items("cron.service x.scope 192.0.2.1 fd00::/8", "",
                "[('unit', 'cron.service'), ('unit', 'x.scope'), ('network', '192.0.2.1/32'), "
                "('network', 'fd00::/8')]");
        check_items("user 812 us bob i virbr0 c a/b", "",
                "[('user', '812'), ('user', 'bob'), ('interface', 'virbr0'), ('cgroup', 'a/b')]");
        check_items("unit 812 813", "813 ", "[('unit', '812')]");
        /* A kind that is reserved is the service's to refuse. */
        check_items("app firefox", "", "[('app', 'firefox')]");
}

static void test_wrong_items(void) {
        check_wrong_items("u bob", "kind \"u\" may be: unit, user");
        check_wrong_items("user", "user: which? The value is missing");
        check_wrong_items("pid x", "pid: \"x\" is no number");
        check_wrong_items("network default.gateway",
                "\"default.gateway\" is no destination, as 10.0.0.0/8 or fd00::/8");
        check_wrong_items("firefox",
                "there is no kind \"firefox\"; there are: pid, unit, cgroup, user, network, "
                "interface. Of a program name the processes: $(pgrep firefox)");
}

static void test_words(void) {
        static const char *const words[] = { "on", "one", "two", NULL };
        g_autoptr(GError) error = NULL;

        g_assert_cmpint(command_find_word(words, "word", "tw", NULL), ==, 2);
        /* A whole word is itself, also where another begins with it. */
        g_assert_cmpint(command_find_word(words, "word", "on", NULL), ==, 0);
        g_assert_cmpint(command_find_word(words, "word", "o", &error), ==, -1);
        g_assert_cmpstr(error->message, ==, "word \"o\" may be: on, one");
        g_assert_cmpint(command_find_word(words, "word", "", NULL), ==, -1);
        g_assert_cmpint(command_find_word(words, "word", "twos", NULL), ==, -1);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);

        g_test_add_func("/talpidctl-parse/reads-destinations", test_prefixes);
        g_test_add_func("/talpidctl-parse/reads-addresses", test_addresses);
        g_test_add_func("/talpidctl-parse/reads-numbers-that-fit", test_numbers);
        g_test_add_func(
                "/talpidctl-parse/words-hold-for-the-destinations-before-them", test_routes);
        g_test_add_func("/talpidctl-parse/names-the-wrong-word-of-a-route", test_wrong_routes);
        g_test_add_func("/talpidctl-parse/routes-to-be-added-lead-somewhere", test_lead_somewhere);
        g_test_add_func("/talpidctl-parse/reads-lookups", test_lookups);
        g_test_add_func("/talpidctl-parse/guesses-kinds-that-speak-for-themselves", test_items);
        g_test_add_func("/talpidctl-parse/names-the-wrong-word-of-an-item", test_wrong_items);
        g_test_add_func("/talpidctl-parse/takes-unambiguous-beginnings", test_words);
        return g_test_run();
}
