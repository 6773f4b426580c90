// SPDX-License-Identifier: GPL-3.0-or-later

/*
 * The pure pieces of the bus face and the settings: no bus, milliseconds.
 */

#include <errno.h>
#include <glib.h>
#include <string.h>
#include <syslog.h>

#include "service/bus/errors.h"
#include "service/bus/json.h"
#include "service/bus/rate-limit.h"
#include "service/bus/text.h"
#include "service/settings.h"

static void test_text_is_what_a_bus_takes(void) {
        static const struct {
                const char *text, *clean;
        } cases[] = {
                { "wg0", "wg0" }, { "", "" },
                { "t\u00e4lpid \u20ac \U0001f43e", "t\u00e4lpid \u20ac \U0001f43e" },
                { "a\nb\x7f", "a?b?" }, { "\xc3", "?" },    /* cut */
                { "x\xe2\x82", "x??" },                     /* cut */
                { "\xc0\xaf", "??" },                       /* too long a form of / */
                { "\xed\xa0\x80", "???" },                  /* a surrogate */
                { "\xf4\x90\x80\x80", "????" },             /* above U+10FFFF */
                { "\xff\xfe", "??" }, { "\xc2\x9b", "??" }, /* a terminal would take it for ESC [ */
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                char clean[64];

                g_assert_cmpstr(
                        text_clean(cases[i].text, clean, sizeof(clean)), ==, cases[i].clean);
                g_assert_true(g_utf8_validate(clean, -1, NULL));
        }
}

static void test_text_is_cut_between_characters(void) {
        char clean[4];

        g_assert_cmpstr(text_clean("ab\u00e4", clean, sizeof(clean)), ==, "ab?");
        g_assert_cmpstr(text_clean("a\u00e4b", clean, sizeof(clean)), ==, "a\u00e4");
}

static void test_json_nests_and_escapes(void) {
        Json json = JSON_INIT;

        json_open(&json, NULL, '{');
        json_string(&json, "name", "a\"b\\c\n\xff");
        json_number(&json, "n", UINT64_MAX);
        json_open(&json, "list", '[');
        json_string(&json, NULL, "x");
        json_boolean(&json, NULL, true);
        json_open(&json, NULL, '{');
        json_close(&json, '}');
        json_close(&json, ']');
        json_boolean(&json, "last", false);
        json_close(&json, '}');
        g_assert_cmpstr(json_finish(&json), ==,
                "{\"name\":\"a\\\"b\\\\c\\u000a\\u00ff\",\"n\":18446744073709551615,"
                "\"list\":[\"x\",true,{}],\"last\":false}");
        json_clear(&json);
}

static void test_rate_is_a_users_own(void) {
        RateLimit limit = { 0 };
        usec_t now = USEC_PER_SEC;

        for (int i = 0; i < RATE_LIMIT_BURST; i++)
                g_assert_true(rate_limit_take(&limit, 1000, now));
        g_assert_false(rate_limit_take(&limit, 1000, now));
        g_assert_true(rate_limit_take(&limit, 1001, now));
        g_assert_true(rate_limit_take(&limit, 1000, now + RATE_LIMIT_REFILL_USEC));
        g_assert_false(rate_limit_take(&limit, 1000, now + RATE_LIMIT_REFILL_USEC));
        for (int i = 0; i < 100; i++)
                g_assert_true(rate_limit_take(&limit, 0, now)); /* root */
}

static void test_rate_refills_no_further_than_full(void) {
        RateLimit limit = { 0 };
        usec_t later = 1000 * USEC_PER_SEC;

        g_assert_true(rate_limit_take(&limit, 1000, USEC_PER_SEC));
        for (int i = 0; i < RATE_LIMIT_BURST; i++)
                g_assert_true(rate_limit_take(&limit, 1000, later));
        g_assert_false(rate_limit_take(&limit, 1000, later));
}

static void test_errors_have_names_both_ways(void) {
        g_assert_cmpint(errors_register(), >=, 0);
        for (int code = 0; code < _REFUSAL_CODE_MAX; code++) {
                const char *name = errors_refusal_name((RefusalCode)code);
                sd_bus_error error = SD_BUS_ERROR_NULL;

                g_assert_nonnull(name);
                g_assert_cmpstr(name, !=, SD_BUS_ERROR_FAILED);
                (void)sd_bus_error_set(&error, name, "x");
                g_assert_cmpint(sd_bus_error_get_errno(&error), >, 0);
                sd_bus_error_free(&error);
        }
}

static void test_no_fault_is_called_failed(void) {
        for (int number = 1; number < 134; number++) {
                sd_bus_error error = SD_BUS_ERROR_NULL;

                g_assert_cmpint(errors_set(&error, -number, NULL), ==, -number);
                g_assert_true(sd_bus_error_is_set(&error));
                g_assert_cmpstr(error.name, !=, SD_BUS_ERROR_FAILED);
                sd_bus_error_free(&error);
        }
}

/* Settings */

static const char *set_name, *set_value;

static const char *look_up(const char *name) {
        return g_strcmp0(name, set_name) == 0 ? set_value : NULL;
}

static int read_with(const char *name, const char *value, Settings *ret, Refusal *why) {
        set_name = name;
        set_value = value;
        return settings_read(look_up, ret, why);
}

static void test_settings_have_defaults(void) {
        Settings settings;

        g_assert_cmpint(read_with(NULL, NULL, &settings, NULL), ==, 0);
        g_assert_cmpuint(settings.ours.tunnel_table, ==, OURS_DEFAULT_TUNNEL_TABLE);
        g_assert_cmpint(settings.log_level, ==, LOG_INFO);
        g_assert_cmpstr(settings.directory, ==, "/run/talpid");
        g_assert_cmpint(read_with("RUNTIME_DIRECTORY", "/run/a:/run/b", &settings, NULL), ==, 0);
        g_assert_cmpstr(settings.directory, ==, "/run/a");
        g_assert_cmpint(read_with("TALPID_IDLE_TIMEOUT", "infinity", &settings, NULL), ==, 0);
        g_assert_cmpuint(settings.idle_timeout_usec, ==, USEC_INFINITY);
        g_assert_cmpint(read_with("TALPID_TUNNEL_TABLE", "0x100", &settings, NULL), ==, 0);
        g_assert_cmpuint(settings.ours.tunnel_table, ==, 256);
        g_assert_false(settings.firewall_debug);
        g_assert_cmpint(read_with("TALPID_FIREWALL_DEBUG", "1", &settings, NULL), ==, 0);
        g_assert_true(settings.firewall_debug);
        g_assert_cmpstr(settings.bpf_directory, ==, "/sys/fs/bpf/talpid");
        g_assert_cmpint(read_with("TALPID_BPF_FS", "/bpf/mine//", &settings, NULL), ==, 0);
        g_assert_cmpstr(settings.bpf_directory, ==, "/bpf/mine");
}

static void test_settings_name_what_is_wrong(void) {
        static const char *const bad[][2] = { { "TALPID_MARK", "0" }, { "TALPID_MARK", "1" },
                { "TALPID_MARK", " 5" }, { "TALPID_MARK", "5x" }, { "TALPID_MARK_MASK", "-1" },
                { "TALPID_TUNNEL_TABLE", "0" }, { "TALPID_TUNNEL_TABLE", "253" },
                { "TALPID_EXCLUDED_TABLE", "254" }, { "TALPID_EXCLUDED_TABLE", "255" },
                { "TALPID_EXCLUDED_TABLE", "1985" }, { "TALPID_RULE_PRIORITY", "32766" },
                { "TALPID_LOG_LEVEL", "loud" }, { "TALPID_IDLE_TIMEOUT", "5m" },
                { "TALPID_FIREWALL_DEBUG", "yes" }, { "RUNTIME_DIRECTORY", "here" },
                { "TALPID_CGROUP2_FS", "here" }, { "TALPID_BPF_FS", "here" },
                { "TALPID_BPF_FS", "//" } };

        for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
                Refusal why = { .code = REFUSAL_NONE };
                Settings settings;

                g_assert_cmpint(read_with(bad[i][0], bad[i][1], &settings, &why), ==, -EPERM);
                g_assert_nonnull(strstr(why.text, bad[i][0]));
        }
}

int main(int argc, char *argv[]) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/text/is-what-a-bus-takes", test_text_is_what_a_bus_takes);
        g_test_add_func("/text/is-cut-between-characters", test_text_is_cut_between_characters);
        g_test_add_func("/json/nests-and-escapes", test_json_nests_and_escapes);
        g_test_add_func("/rate-limit/is-a-users-own", test_rate_is_a_users_own);
        g_test_add_func("/rate-limit/refills-no-further", test_rate_refills_no_further_than_full);
        g_test_add_func("/errors/have-names-both-ways", test_errors_have_names_both_ways);
        g_test_add_func("/errors/never-say-failed", test_no_fault_is_called_failed);
        g_test_add_func("/settings/have-defaults", test_settings_have_defaults);
        g_test_add_func("/settings/name-what-is-wrong", test_settings_name_what_is_wrong);
        return g_test_run();
}
