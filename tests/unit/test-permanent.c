// SPDX-License-Identifier: GPL-3.0-or-later

#include "service/split/permanent.h"

#include <errno.h>
#include <glib.h>
#include <string.h>

#include "backends/base/cleanup.h"
#include "service/model/intent-text.h"

#define ALICE 1000
#define BOB 1001

static void add(Intent *intent, uid_t uid, const char *client, const char *value, bool permanent) {
        CLEANUP(intent_change_clear) IntentChange change = INTENT_CHANGE_INIT;
        Selector selector;
        Refusal why;

        g_assert_cmpint(selector_parse("cgroup", value, uid, &selector, &why), ==, 0);
        selector.permanent = permanent;
        change.kind = INTENT_ADD_SELECTORS;
        change.owner.uid = uid;
        (void)g_strlcpy(change.owner.name, client, sizeof(change.owner.name));
        g_assert_nonnull(array_append(&change.selectors, &selector));
        g_assert_cmpint(intent_apply(intent, &change, &why), ==, 1);
}

static void set(Intent *intent, SplitChange split) {
        IntentChange change = INTENT_CHANGE_INIT;
        Refusal why;

        change.kind = INTENT_SET_SPLIT;
        change.split = split;
        g_assert_cmpint(intent_apply(intent, &change, &why), >=, 0);
}

static char *text_of(const Intent *intent) {
        char *text;

        g_assert_cmpint(intent_text_format(intent, &text), ==, 0);
        return text;
}

/* What comes back of @permanent on a machine that has nothing. */
static void restore(const Intent *permanent, Intent *ret) {
        CLEANUP(array_clear) Array changes = ARRAY_INIT(IntentChange);
        IntentChange *change;
        Refusal why;

        g_assert_cmpint(permanent_make_changes(permanent, &changes), ==, 0);
        ARRAY_FOREACH(change, &changes) {
                g_assert_cmpint(intent_apply(ret, change, &why), >=, 0);
                intent_change_clear(change);
        }
}

static void test_what_is_kept(void) {
        CLEANUP(intent_clear)
        Intent intent = INTENT_INIT, permanent = INTENT_INIT, restored = INTENT_INIT;
        const Split settings = { .dns = SPLIT_DNS_TUNNEL };
        g_autofree char *text = NULL;

        add(&intent, BOB, "", "b", true);
        add(&intent, ALICE, "", "a", true);
        add(&intent, ALICE, "", "c", false);
        add(&intent, ALICE, ":1.5", "a", false);
        add(&intent, BOB, "", "a", true);
        set(&intent, (SplitChange){ .has_mode = true, .mode = SPLIT_INCLUDE });
        g_assert_cmpint(permanent_update(&permanent, &intent, &settings), ==, 1);
        text = text_of(&permanent);
        g_assert_cmpstr(text, ==,
                "talpid-intent 1\n"
                "owner uid=1000 name=\n"
                "owner uid=1001 name=\n"
                "split disabled=0 mode=exclude dns=tunnel\n"
                "selector owner=0 permanent=1 uid=0 since=0 kind=cgroup value=a\n"
                "selector owner=1 permanent=1 uid=0 since=0 kind=cgroup value=a\n"
                "selector owner=1 permanent=1 uid=0 since=0 kind=cgroup value=b\n"
                "end\n");

        restore(&permanent, &restored);
        g_assert_cmpuint(restored.split.selectors.n, ==, 3);
        g_assert_cmpint(restored.split.dns, ==, SPLIT_DNS_TUNNEL);
        g_assert_cmpint(restored.split.mode, ==, SPLIT_EXCLUDE);
        g_assert_cmpint(permanent_update(&permanent, &restored, &settings), ==, 0);
}

/* It is written when it changes alone: each step, and whether that is one. */
static void test_when_it_differs(void) {
        CLEANUP(intent_clear) Intent intent = INTENT_INIT, permanent = INTENT_INIT;
        Split settings = SPLIT_INIT;

        g_assert_cmpint(permanent_update(&permanent, &intent, &settings), ==, 0);
        add(&intent, ALICE, "", "a", false);
        g_assert_cmpint(permanent_update(&permanent, &intent, &settings), ==, 0);
        add(&intent, ALICE, "", "a", true);
        g_assert_cmpint(permanent_update(&permanent, &intent, &settings), ==, 1);
        g_assert_cmpint(permanent_update(&permanent, &intent, &settings), ==, 0);
        add(&intent, BOB, "", "a", true);
        g_assert_cmpint(permanent_update(&permanent, &intent, &settings), ==, 1);
        set(&intent, (SplitChange){ .has_enabled = true, .enabled = false });
        g_assert_cmpint(permanent_update(&permanent, &intent, &settings), ==, 0);
        settings.disabled = true;
        g_assert_cmpint(permanent_update(&permanent, &intent, &settings), ==, 1);
        settings.mode = SPLIT_INCLUDE;
        g_assert_cmpint(permanent_update(&permanent, &intent, &settings), ==, 1);
        settings.dns = SPLIT_DNS_TUNNEL;
        g_assert_cmpint(permanent_update(&permanent, &intent, &settings), ==, 1);
        add(&intent, ALICE, "", "a", false);
        g_assert_cmpint(permanent_update(&permanent, &intent, &settings), ==, 1);
        g_assert_cmpuint(permanent.split.selectors.n, ==, 1);
}

/* The same selectors of the same users, whatever order owners came in. */
static void test_order_of_owners(void) {
        CLEANUP(intent_clear) Intent one = INTENT_INIT, two = INTENT_INIT, permanent = INTENT_INIT;
        const Split settings = SPLIT_INIT;

        add(&one, ALICE, "", "a", true);
        add(&one, BOB, "", "a", true);
        add(&two, BOB, "", "a", true);
        add(&two, 7, ":1.5", "x", false);
        add(&two, ALICE, "", "a", true);
        g_assert_cmpint(permanent_update(&permanent, &one, &settings), ==, 1);
        g_assert_cmpint(permanent_update(&permanent, &two, &settings), ==, 0);
}

static void test_nothing(void) {
        CLEANUP(intent_clear) Intent permanent = INTENT_INIT, restored = INTENT_INIT;

        restore(&permanent, &restored);
        g_assert_true(intent_is_empty(&restored));
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/permanent/is-what-was-asked-to-be", test_what_is_kept);
        g_test_add_func("/permanent/differs-when-it-changed-alone", test_when_it_differs);
        g_test_add_func("/permanent/knows-users-not-their-order", test_order_of_owners);
        g_test_add_func("/permanent/nothing-restores-nothing", test_nothing);
        return g_test_run();
}
