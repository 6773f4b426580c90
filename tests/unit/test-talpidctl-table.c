// SPDX-License-Identifier: GPL-3.0-or-later

#include "client-examples/talpidctl/output.h"
#include "client-examples/talpidctl/table.h"

static const char *const titles[] = { "NAME", "STATE", "LAST", NULL };
static const Look pipe_look = { .aligned = false }, plain_look = { .aligned = true };
static const Look colour_look = { .aligned = true, .colour = true };

static void check_table(
        Look look, const char *const (*rows)[3], size_t n_rows, const char *expected) {
        g_autoptr(Table) table = table_new(titles);
        g_autofree char *text = NULL;

        for (size_t i = 0; i < n_rows; i++)
                table_add(table, rows[i]);
        g_assert_cmpuint(table_n_rows(table), ==, n_rows);
        text = table_format(table, look);
        g_assert_cmpstr(text, ==, expected);
}

static void test_aligned(void) {
        static const char *const rows[][3] = { { "a", "active", "x" },
                { "much longer", "waiting: for rain", NULL } };

        check_table(plain_look, rows, 2,
                "NAME         STATE              LAST\n"
                "a            active             x\n"
                "much longer  waiting: for rain  -\n");
        check_table(plain_look, NULL, 0, "NAME  STATE  LAST\n");
}

static void test_pipe(void) {
        static const char *const rows[][3] = { { "a", "active", "x" }, { "b b", "", NULL } };

        check_table(pipe_look, rows, 2, "a\tactive\tx\nb b\t-\t-\n");
        check_table(pipe_look, NULL, 0, "");
}

/* Colours take no room, and what is not a state has none. */
static void test_coloured(void) {
        static const char *const rows[][3] = { { "active", "active", "waiting" } };

        check_table(colour_look, rows, 1,
                "\033[1mNAME\033[0m    \033[1mSTATE\033[0m   \033[1mLAST\033[0m\n"
                "active  \033[32mactive\033[0m  waiting\n");
}

/* Two columns a sign, and none. */
static void test_wide(void) {
        static const char *const rows[][3] = { { "\u4e2d\u6587", "x", "x" },
                { "e\u0301", "x", "x" } };

        check_table(plain_look, rows, 2,
                "NAME  STATE  LAST\n\u4e2d\u6587  x      x\ne\u0301     x      x\n");
}

static void test_clean(void) {
        static const char *const cases[][2] = {
                { "plain \u00e9", "plain \u00e9" },
                { "\033]0;title\007", "?]0;title?" },
                { "a\tb\nc\rd", "a?b?c?d" },
                { "\u202egnp.exe", "?gnp.exe" }, /* right to left override */
                { "\xc2\x9b"
                  "31m",
                        "?31m" },
        };
        static const char *const rows[][3] = { { "\033[31m", "x\ty", "z\n" } };
        g_autofree char *invalid = table_clean("\xff\xfe");

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autofree char *clean = table_clean(cases[i][0]);

                g_assert_cmpstr(clean, ==, cases[i][1]);
        }
        g_assert_true(g_utf8_validate(invalid, -1, NULL));
        check_table(pipe_look, rows, 1, "?[31m\tx?y\tz?\n");
}

static void test_fields(void) {
        g_autoptr(GString) plain = g_string_new(NULL), aligned = g_string_new(NULL);

        table_append_field(plain, pipe_look, "State", "active\nmore");
        g_assert_cmpstr(plain->str, ==, "State: active\n        more\n");
        table_append_field(aligned, plain_look, "State", "active\nmore\033");
        g_assert_cmpstr(aligned->str, ==, "         State: active\n                more?\n");
}

static void check_value(const char *text, const char *expected) {
        g_autoptr(GVariant) value = g_variant_parse(NULL, text, NULL, NULL, NULL);
        g_autofree char *shown = NULL;

        g_assert_nonnull(value);
        shown = output_value(value);
        g_assert_cmpstr(shown, ==, expected);
}

static void test_values(void) {
        check_value("'a\\nb'", "a?b");
        check_value("true", "yes");
        check_value("uint32 7", "7");
        check_value("['a', 'b']", "a, b");
        check_value("@a{sv} {}", "");
        check_value("{'device': <'wg0'>, 'mtu': <uint32 3>}", "device=wg0 mtu=3");
        check_value("{'destination': <'10.0.0.0/8'>, 'gateway': <'192.0.2.1'>, 'device': <'wan0'>, "
                    "'type': <'unicast'>, 'metric': <uint32 5>}",
                "10.0.0.0/8 via 192.0.2.1 dev wan0 metric 5");
        check_value(
                "{'destination': <'10.0.0.0/8'>, 'type': <'blackhole'>}", "blackhole 10.0.0.0/8");
        check_value("[('unit', 'cron.service')]", "unit cron.service");
}

/* Entries of other types than expected count as not there. */
static void test_entries(void) {
        g_autoptr(GVariant) odd = g_variant_ref_sink(
                g_variant_new_parsed("{'device': <7>, 'mtu': <'big'>, 'flag': <'yes'>}"));

        g_assert_cmpstr(output_string(odd, "device"), ==, "");
        g_assert_cmpuint(output_number(odd, "mtu"), ==, 0);
        g_assert_false(output_flag(odd, "flag"));
        g_assert_cmpstr(output_string(odd, "nothing"), ==, "");
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);

        g_test_add_func("/talpidctl-table/aligns-columns-below-their-titles", test_aligned);
        g_test_add_func("/talpidctl-table/has-tabs-and-no-titles-in-a-pipe", test_pipe);
        g_test_add_func("/talpidctl-table/colours-states-alone", test_coloured);
        g_test_add_func("/talpidctl-table/counts-columns-of-the-terminal", test_wide);
        g_test_add_func("/talpidctl-table/nothing-foreign-speaks-to-the-terminal", test_clean);
        g_test_add_func("/talpidctl-table/aligns-fields", test_fields);
        g_test_add_func("/talpidctl-table/shows-any-value-in-a-line", test_values);
        g_test_add_func("/talpidctl-table/bears-values-of-other-types", test_entries);
        return g_test_run();
}
