// SPDX-License-Identifier: GPL-3.0-or-later

/* The lines of split tunnelling in the saved intent. */

#include <errno.h>
#include <glib.h>
#include <string.h>

#include "backends/base/cleanup.h"
#include "service/model/intent-text.h"
#include "tests/unit/broken-text.h"

#define HEADER "talpid-intent 1\n"
#define OWNERS "owner uid=1000 name=\nowner uid=1000 name=:1.5\n"
#define END "end\n"
#define UNIT "selector owner=0 permanent=1 uid=1000 since=0 kind=unit value=a.service\n"
#define GROUP "group owner=0 path=a/b\n"

static void add(Intent *intent, uint32_t owner, const char *kind, const char *value) {
        Selector selector;

        g_assert_cmpint(selector_parse(kind, value, 1000, &selector, NULL), ==, 0);
        selector.owner = owner;
        selector.permanent = owner == 0;
        selector.since_usec = owner ? UINT64_MAX : 1;
        g_assert_nonnull(array_append(&intent->split.selectors, &selector));
        g_assert_cmpint(array_sort(&intent->split.selectors, selector_compare), ==, 0);
}

static void add_group(Intent *intent, uint32_t owner, const char *path) {
        SplitGroup group = { .owner = owner };

        (void)g_strlcpy(group.path, path, sizeof(group.path));
        g_assert_nonnull(array_append(&intent->split.groups, &group));
        g_assert_cmpint(array_sort(&intent->split.groups, split_group_compare), ==, 0);
}

/* One of each, and what could be taken for another word, key or line. */
static Intent example(void) {
        Intent intent = INTENT_INIT;

        g_assert_nonnull(array_append(&intent.owners, &(Owner){ .uid = 1000 }));
        g_assert_nonnull(array_append(&intent.owners, &(Owner){ .uid = 1000, .name = ":1.5" }));
        intent.split.disabled = true;
        intent.split.mode = SPLIT_INCLUDE;
        intent.split.dns = SPLIT_DNS_TUNNEL;
        add(&intent, 0, "unit", "a\\x2db@c.service");
        add(&intent, 0, "cgroup", "a b/100%/ owner=1 uid=0");
        add(&intent, 1, "cgroup", "a b/100%/ owner=1 uid=0");
        add(&intent, 0, "cgroup", "%20");
        add(&intent, 0, "cgroup", "end");
        add(&intent, 0, "cgroup", "\xc3\xa4");
        add(&intent, 1, "user", "4294967294");
        add(&intent, 0, "network", "2001:db8::/32");
        add(&intent, 0, "network", "10.0.0.0/8");
        add(&intent, 0, "interface", "a=b%");
        add_group(&intent, 0, "a b/talpid-excluded");
        add_group(&intent, 1, "a b/talpid-excluded");
        add_group(&intent, 1, " ");
        return intent;
}

static void test_round_trip(void) {
        CLEANUP(intent_clear) Intent intent = example(), read = INTENT_INIT;
        g_autofree char *text = broken_text_of(&intent), *again = NULL;

        g_assert_cmpint(intent_text_parse(text, &read), ==, 0);
        again = broken_text_of(&read);
        g_assert_cmpstr(text, ==, again);
        g_assert_true(read.split.disabled);
        g_assert_cmpint(read.split.mode, ==, SPLIT_INCLUDE);
        g_assert_cmpint(read.split.dns, ==, SPLIT_DNS_TUNNEL);
        g_assert_cmpmem(read.split.selectors.items, read.split.selectors.n * sizeof(Selector),
                intent.split.selectors.items, intent.split.selectors.n * sizeof(Selector));
        g_assert_cmpmem(read.split.groups.items, read.split.groups.n * sizeof(SplitGroup),
                intent.split.groups.items, intent.split.groups.n * sizeof(SplitGroup));
}

/* Each byte of the longest values takes three. */
static void test_longest(void) {
        CLEANUP(intent_clear) Intent intent = INTENT_INIT, read = INTENT_INIT;
        g_autofree char *value = g_strnfill(SELECTOR_VALUE_MAX - 1, ' ');
        g_autofree char *path = g_strnfill(GROUP_PATH_MAX - 1, '%'), *text = NULL;

        g_assert_nonnull(array_append(&intent.owners, &(Owner){ .uid = UINT32_MAX }));
        add(&intent, 0, "cgroup", value);
        add_group(&intent, 0, path);
        text = broken_text_of(&intent);
        g_assert_cmpint(intent_text_parse(text, &read), ==, 0);
        g_assert_cmpstr(((Selector *)array_at(&read.split.selectors, 0))->value, ==, value);
        g_assert_cmpstr(((SplitGroup *)array_at(&read.split.groups, 0))->path, ==, path);
}

static const struct {
        const char *name, *lines;
        int want;
} cases[] = {
        { "whole", UNIT GROUP "split disabled=1 mode=exclude dns=system\n", 0 },
        { "group-of-two-owners", GROUP "group owner=1 path=a/b\n", 0 },
        { "selector-of-two-owners",
                UNIT "selector owner=1 permanent=0 uid=1000 since=0 kind=unit value=a.service\n",
                0 },

        { "split-twice",
                "split disabled=1 mode=exclude dns=system\n"
                "split disabled=0 mode=include dns=system\n",
                -EBADMSG },
        { "unknown-mode", "split disabled=0 mode=both dns=system\n", -EBADMSG },
        { "unknown-dns", "split disabled=0 mode=include dns=\n", -EBADMSG },
        { "no-flag", "split mode=include dns=system\n", -EBADMSG },
        { "flag-that-is-none", "split disabled=2 mode=include dns=system\n", -EBADMSG },

        { "selector-twice", UNIT UNIT, -EBADMSG },
        { "selector-twice-once-permanent",
                UNIT "selector owner=0 permanent=0 uid=1000 since=0 kind=unit value=a.service\n",
                -EBADMSG },
        { "no-since", "selector owner=0 permanent=0 uid=0 kind=cgroup value=a\n", -EBADMSG },
        { "since-that-is-no-number",
                "selector owner=0 permanent=0 uid=0 since=-1 kind=cgroup value=a\n", -EBADMSG },
        { "since-that-is-too-large",
                "selector owner=0 permanent=0 uid=0 since=99999999999999999999 kind=cgroup "
                "value=a\n",
                -EBADMSG },
        { "unknown-kind", "selector owner=0 permanent=0 uid=0 since=0 kind=magic value=a\n",
                -EBADMSG },
        { "reserved-kind", "selector owner=0 permanent=0 uid=0 since=0 kind=app value=a\n",
                -EBADMSG },
        { "no-kind", "selector owner=0 permanent=0 uid=0 since=0 value=a\n", -EBADMSG },
        { "no-value", "selector owner=0 permanent=0 uid=0 since=0 kind=cgroup\n", -EBADMSG },
        { "empty-value", "selector owner=0 permanent=0 uid=0 since=0 kind=cgroup value=\n",
                -EBADMSG },
        { "owner-that-is-none", "selector owner=2 permanent=0 uid=0 since=0 kind=cgroup value=a\n",
                -EBADMSG },
        { "permanent-of-a-client",
                "selector owner=1 permanent=1 uid=1000 since=0 kind=unit value=a.service\n",
                -EBADMSG },
        { "user-that-is-not-canonical",
                "selector owner=0 permanent=0 uid=7 since=0 kind=user value=07\n", -EBADMSG },
        { "user-and-uid-differ", "selector owner=0 permanent=0 uid=7 since=0 kind=user value=8\n",
                -EBADMSG },
        { "network-with-host-bits",
                "selector owner=0 permanent=0 uid=0 since=0 kind=network value=10.0.0.1/8\n",
                -EBADMSG },
        { "network-that-is-not-canonical",
                "selector owner=0 permanent=0 uid=0 since=0 kind=network value=2001:DB8::/32\n",
                -EBADMSG },
        { "everything", "selector owner=0 permanent=0 uid=0 since=0 kind=network value=::/0\n",
                -EBADMSG },
        { "way-out", "selector owner=0 permanent=0 uid=0 since=0 kind=cgroup value=../x\n",
                -EBADMSG },

        { "escape-cut-short", "group owner=0 path=a%2\n", -EBADMSG },
        { "escape-of-nothing", "group owner=0 path=a%\n", -EBADMSG },
        { "escape-of-no-number", "group owner=0 path=a%zz\n", -EBADMSG },
        { "escape-of-the-end", "group owner=0 path=a%00b\n", -EBADMSG },
        { "escape-of-a-line-end", "group owner=0 path=a%0ab\n", -EBADMSG },
        { "escape-of-dots", "group owner=0 path=%2e%2e/x\n", -EBADMSG },
        { "group-twice", GROUP GROUP, -EBADMSG },
        { "group-of-nobody", "group path=a\n", -EBADMSG },
        { "group-at-the-root", "group owner=0 path=\n", -EBADMSG },
        { "group-beside-the-root", "group owner=0 path=/a\n", -EBADMSG },
        { "unknown-line", "selectors owner=0\n", -EBADMSG },
        { "empty-line", "\n", -EBADMSG },
};

static void test_case(const void *data) {
        size_t i = GPOINTER_TO_SIZE(data);
        CLEANUP(intent_clear) Intent read = INTENT_INIT;
        g_autofree char *text = g_strconcat(HEADER OWNERS, cases[i].lines, END, NULL);

        g_assert_cmpint(intent_text_parse(text, &read), ==, cases[i].want);
        if (cases[i].want < 0)
                g_assert_cmpuint(read.owners.n, ==, 0);
}

static void test_truncated(void) {
        CLEANUP(intent_clear) Intent intent = example();

        broken_text_cut_short(&intent);
}

static void test_mutated(void) {
        CLEANUP(intent_clear) Intent intent = example();

        broken_text_mutate(&intent);
}

/* Items of a kind have an end, and so has a line. */
static void test_over_limits(void) {
        static const struct {
                const char *line; /* of one number */
                const char *kind;
        } items[] = {
                { "group owner=0 path=%u\n", "groups" },
                { "selector owner=0 permanent=0 uid=%1$u since=0 kind=user value=%1$u\n",
                        "selectors" },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(items); i++) {
                for (unsigned n = 65536; n <= 65537; n++) {
                        CLEANUP(intent_clear) Intent read = INTENT_INIT;
                        g_autoptr(GString) text = g_string_new(HEADER OWNERS);

                        for (unsigned k = 0; k < n; k++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
                                g_string_append_printf(text, items[i].line, k);
#pragma GCC diagnostic pop
                        }
                        (void)g_string_append(text, END);
                        g_test_message("%u %s", n, items[i].kind);
                        g_assert_cmpint(
                                intent_text_parse(text->str, &read), ==, n > 65536 ? -EBADMSG : 0);
                }
        }
}

static void test_huge_line(void) {
        CLEANUP(intent_clear) Intent read = INTENT_INIT;
        g_autofree char *fill = g_strnfill(8 << 20, 'a');
        g_autofree char *text =
                g_strconcat(HEADER OWNERS "group owner=0 path=", fill, "\n" END, NULL);

        g_assert_cmpint(intent_text_parse(text, &read), ==, -EBADMSG);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/intent-text-split/comes-back-as-it-went", test_round_trip);
        g_test_add_func("/intent-text-split/longest-values-come-back", test_longest);
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autofree char *path =
                        g_strconcat("/intent-text-split/whole-or-not-at-all/", cases[i].name, NULL);

                g_test_add_data_func(path, GSIZE_TO_POINTER(i), test_case);
        }
        g_test_add_func("/intent-text-split/cut-short-is-refused", test_truncated);
        g_test_add_func("/intent-text-split/mutants-are-refused-or-sound", test_mutated);
        g_test_add_func("/intent-text-split/items-have-an-end", test_over_limits);
        g_test_add_func("/intent-text-split/lines-have-an-end", test_huge_line);
        return g_test_run();
}
