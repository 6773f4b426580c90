// SPDX-License-Identifier: GPL-3.0-or-later

#include "service/model/split.h"

#include <errno.h>
#include <glib.h>
#include <string.h>

#include "backends/base/cleanup.h"
#include "tests/lib/make-fact.h"

#define ALICE 1000

static const struct {
        const char *kind, *value;
        const char *canonical; /* NULL: refused */
        uint32_t uid;          /* of the selector */
} cases[] = {
        { "unit", "firefox.service", "firefox.service", ALICE },
        { "unit", "app-a@b.scope", "app-a@b.scope", ALICE },
        { "unit", "firefox", NULL, 0 },
        { "unit", "", NULL, 0 },
        { "unit", "../x.service", NULL, 0 },
        { "unit", "-.slice", NULL, 0 },

        { "cgroup", "system.slice/x.service", "system.slice/x.service", 0 },
        { "cgroup", "a", "a", 0 },
        { "cgroup", "a b/c%d", "a b/c%d", 0 },
        { "cgroup", "...", "...", 0 },
        { "cgroup", "\xc3\xa4/x", "\xc3\xa4/x", 0 },
        { "cgroup", "", NULL, 0 },
        { "cgroup", "/", NULL, 0 },
        { "cgroup", "/system.slice", NULL, 0 },
        { "cgroup", "system.slice/", NULL, 0 },
        { "cgroup", "a//b", NULL, 0 },
        { "cgroup", ".", NULL, 0 },
        { "cgroup", "..", NULL, 0 },
        { "cgroup", "a/../b", NULL, 0 },
        { "cgroup", "a/./b", NULL, 0 },
        { "cgroup", "a/..", NULL, 0 },
        { "cgroup", "a\nb", NULL, 0 },
        { "cgroup", "a\x7f", NULL, 0 },
        { "cgroup", "a\x1b[31m", NULL, 0 },

        { "user", "0", "0", 0 },
        { "user", "1001", "1001", 1001 },
        { "user", "0010", "10", 10 },
        { "user", "4294967294", "4294967294", 4294967294 },
        { "user", "4294967295", NULL, 0 },
        { "user", "4294967296", NULL, 0 },
        { "user", "99999999999999999999999", NULL, 0 },
        { "user", "-1", NULL, 0 },
        { "user", "+1", NULL, 0 },
        { "user", " 1", NULL, 0 },
        { "user", "1 ", NULL, 0 },
        { "user", "0x10", NULL, 0 },
        { "user", "alice", NULL, 0 }, /* names are looked up before */
        { "user", "", NULL, 0 },

        { "network", "10.0.0.0/8", "10.0.0.0/8", 0 },
        { "network", "203.0.113.7/32", "203.0.113.7/32", 0 },
        { "network", "2001:DB8:0::/32", "2001:db8::/32", 0 },
        { "network", "0.0.0.0/0", NULL, 0 },
        { "network", "::/0", NULL, 0 },
        { "network", "10.0.0.1/8", NULL, 0 },
        { "network", "10.0.0.0/33", NULL, 0 },
        { "network", "10.0.0.0/08", NULL, 0 },
        { "network", "10.0.0/8", NULL, 0 },
        { "network", "fe80::%eth0/64", NULL, 0 },
        { "network", "example.org", NULL, 0 },
        { "network", "", NULL, 0 },

        { "interface", "virbr0", "virbr0", 0 },
        { "interface", "abcdefghijklmno", "abcdefghijklmno", 0 },
        { "interface", "abcdefghijklmnop", NULL, 0 },
        { "interface", "", NULL, 0 },
        { "interface", "a/b", NULL, 0 },
        { "interface", "..", NULL, 0 },
        { "interface", "eth0:1", NULL, 0 },
        { "interface", "a b", NULL, 0 },
};

static void test_parse(void) {
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                Selector selector = { .kind = _SELECTOR_KIND_MAX };
                Refusal why = { .code = REFUSAL_NONE };
                int r = selector_parse(cases[i].kind, cases[i].value, ALICE, &selector, &why);

                g_test_message("%s '%s'", cases[i].kind, cases[i].value);
                if (cases[i].canonical) {
                        g_assert_cmpint(r, ==, 0);
                        g_assert_cmpstr(selector_kind_name(selector.kind), ==, cases[i].kind);
                        g_assert_cmpstr(selector.value, ==, cases[i].canonical);
                        g_assert_cmpuint(selector.uid, ==, cases[i].uid);
                        continue;
                }
                g_assert_cmpint(r, ==, -EPERM);
                g_assert_cmpint(why.code, ==, REFUSAL_INVALID_ARGS);
                g_assert_true(g_str_has_prefix(why.text, cases[i].kind));
                g_assert_nonnull(strstr(why.text, cases[i].value));
                g_assert_cmpint(selector.kind, ==, _SELECTOR_KIND_MAX); /* not touched */
        }
}

static void test_prefix(void) {
        Selector selector;
        Prefix prefix = make_prefix("10.0.0.0/8");

        g_assert_cmpint(selector_parse("network", "10.0.0.0/8", ALICE, &selector, NULL), ==, 0);
        g_assert_cmpint(prefix_compare(&selector.prefix, &prefix), ==, 0);
}

/* What is written back is what was read: the same bytes, whatever stood there. */
static void test_canonical_bytes(void) {
        Selector a, b;

        g_assert_cmpint(selector_parse("user", "0000000010", ALICE, &a, NULL), ==, 0);
        g_assert_cmpint(selector_parse("user", "10", ALICE, &b, NULL), ==, 0);
        g_assert_cmpmem(&a, sizeof(a), &b, sizeof(b));
}

static void test_reserved(void) {
        static const char *const kinds[] = { "executable", "app", "domain" };
        g_autofree char *huge = g_strnfill(100000, 'a');
        const char *const values[] = { "", "/usr/bin/firefox", "example.org", huge };

        for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
                for (size_t j = 0; j < G_N_ELEMENTS(values); j++) {
                        Selector selector;
                        Refusal why;

                        g_assert_cmpint(selector_parse(kinds[i], values[j], ALICE, &selector, &why),
                                ==, -EPERM);
                        g_assert_cmpint(why.code, ==, REFUSAL_NOT_SUPPORTED);
                        g_assert_nonnull(strstr(why.text, kinds[i]));
                }
        }
}

static void test_unknown_kind(void) {
        g_autofree char *huge = g_strnfill(100000, 'a');
        const char *const kinds[] = { "", "Unit", "units", "unit ", huge };

        for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
                Selector selector;
                Refusal why;

                g_assert_cmpint(selector_parse(kinds[i], "x", ALICE, &selector, &why), ==, -EPERM);
                g_assert_cmpint(why.code, ==, REFUSAL_INVALID_ARGS);
                g_assert_nonnull(strstr(why.text, "unit, cgroup, user, network, interface"));
        }
}

static void test_length(void) {
        for (size_t length = SELECTOR_VALUE_MAX - 2; length < SELECTOR_VALUE_MAX + 2; length++) {
                g_autofree char *value = g_strnfill(length, 'a');
                Selector selector;
                Refusal why;
                int r = selector_parse("cgroup", value, ALICE, &selector, &why);

                g_assert_cmpint(r, ==, length < SELECTOR_VALUE_MAX ? 0 : -EPERM);
                if (r == 0)
                        g_assert_cmpstr(selector.value, ==, value);
                else
                        g_assert_nonnull(strstr(why.text, "longer than 255 bytes"));
        }
}

static void test_too_deep(void) {
        g_autoptr(GString) name = g_string_new("a");
        Selector selector;
        Refusal why;

        while (name->len < 200)
                (void)g_string_append(name, "-a");
        (void)g_string_append(name, ".slice");
        g_assert_cmpint(selector_parse("unit", name->str, 0, &selector, &why), ==, -EPERM);
        g_assert_cmpint(why.code, ==, REFUSAL_INVALID_ARGS);
}

/* Whose manager a unit is of is the caller's uid, and nothing else says it. */
static void test_paths(void) {
        static const struct {
                const char *kind, *value, *path;
                uid_t uid;
        } wanted[] = {
                { "unit", "a.service", "system.slice/a.service", 0 },
                { "unit", "a.service",
                        "user.slice/user-1000.slice/user@1000.service/app.slice/a.service", 1000 },
                { "cgroup", "x/y", "x/y", 0 },
                { "cgroup", "x/y", "x/y", 1000 },
                { "user", "7", NULL, 0 },
                { "network", "10.0.0.0/8", NULL, 0 },
                { "interface", "br0", NULL, 0 },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(wanted); i++) {
                char paths[UNIT_PATHS_MAX][GROUP_PATH_MAX];
                Selector selector;
                size_t n;

                g_assert_cmpint(selector_parse(wanted[i].kind, wanted[i].value, wanted[i].uid,
                                        &selector, NULL),
                        ==, 0);
                n = selector_paths(&selector, paths);
                if (wanted[i].path)
                        g_assert_cmpstr(paths[0], ==, wanted[i].path);
                else
                        g_assert_cmpuint(n, ==, 0);
                for (size_t j = 0; j < n; j++)
                        g_assert_true(group_path_is_valid(paths[j]));
        }
}

/* The walk over groups of several owners */

static void test_next_group(void) {
        static const char *const paths[] = { "a", "a", "a", "b", "c", "c" };
        CLEANUP(split_clear) Split split = SPLIT_INIT;
        g_autoptr(GString) walked = g_string_new("");
        const SplitGroup *group = NULL;

        g_assert_null(split_next_group(&split, NULL));
        for (uint32_t i = 0; i < G_N_ELEMENTS(paths); i++) {
                SplitGroup one = { .owner = i };

                (void)g_strlcpy(one.path, paths[i], sizeof(one.path));
                g_assert_nonnull(array_append(&split.groups, &one));
        }
        while ((group = split_next_group(&split, group)))
                (void)g_string_append(walked, group->path);
        g_assert_cmpstr(walked->str, ==, "abc");
}

static void test_active(void) {
        CLEANUP(split_clear) Split split = SPLIT_INIT;

        g_assert_true(split_is_empty(&split));
        g_assert_false(split_is_active(&split));
        split.mode = SPLIT_INCLUDE; /* nobody is listed: nobody may use the tunnel */
        g_assert_false(split_is_empty(&split));
        g_assert_true(split_is_active(&split));
        split.disabled = true;
        g_assert_false(split_is_active(&split));
        split = SPLIT_INIT;
        split.dns = SPLIT_DNS_TUNNEL;
        g_assert_false(split_is_empty(&split));
        g_assert_false(split_is_active(&split));
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/split/selectors-are-read-or-refused-by-name", test_parse);
        g_test_add_func("/split/network-is-a-prefix", test_prefix);
        g_test_add_func("/split/equal-selectors-have-equal-bytes", test_canonical_bytes);
        g_test_add_func("/split/reserved-kinds-are-not-supported-by-name", test_reserved);
        g_test_add_func("/split/unknown-kinds-are-told-the-known", test_unknown_kind);
        g_test_add_func("/split/values-have-a-length", test_length);
        g_test_add_func("/split/unit-without-a-possible-group-is-refused", test_too_deep);
        g_test_add_func("/split/unit-is-of-the-callers-manager", test_paths);
        g_test_add_func("/split/groups-are-walked-once-each", test_next_group);
        g_test_add_func("/split/is-active-when-there-is-something-to-do", test_active);
        return g_test_run();
}
