// SPDX-License-Identifier: GPL-3.0-or-later

#include <errno.h>
#include <glib.h>
#include <string.h>

#include "backends/base/cleanup.h"
#include "service/model/intent-text.h"
#include "service/model/intent.h"

#define ALICE 1000
#define BOB 1001

static Owner owner(uid_t uid, const char *client) {
        Owner owner = { .uid = uid };

        (void)g_strlcpy(owner.name, client, sizeof(owner.name));
        return owner;
}

static Selector selector(const char *kind, const char *value, uid_t uid, bool permanent) {
        Selector selector;

        g_assert_cmpint(selector_parse(kind, value, uid, &selector, NULL), ==, 0);
        selector.permanent = permanent;
        return selector;
}

/* The change that selectors are put into, by the words of a table: "user 7, user 8". */
static IntentChange change_of(IntentChangeKind kind, Owner who, const char *words) {
        IntentChange change = INTENT_CHANGE_INIT;
        g_auto(GStrv) items = g_strsplit(words, ", ", -1);

        change.kind = kind;
        change.owner = who;
        for (char **item = items; *item && **item; item++) {
                g_auto(GStrv) parts = g_strsplit(*item, " ", 2);
                bool permanent = parts[1][0] == '!';
                Selector one = selector(parts[0], parts[1] + permanent, who.uid, permanent);

                g_assert_nonnull(array_append(&change.selectors, &one));
        }
        return change;
}

/* Return: as intent_apply(). */
static int apply(Intent *intent, IntentChange change, Refusal *why) {
        int r = intent_apply(intent, &change, why);

        intent_change_clear(&change);
        return r;
}

static char *text_of(const Intent *intent) {
        char *text;

        g_assert_cmpint(intent_text_format(intent, &text), ==, 0);
        return text;
}

/* "1000 user 7 boot, …", sorted as the intent has them. */
static char *list(const Intent *intent) {
        g_autoptr(GString) text = g_string_new("");
        const Selector *one;

        ARRAY_FOREACH(one, &intent->split.selectors) {
                const Owner *who = intent_owner(intent, one->owner);

                g_string_append_printf(text, "%s%u%s %s%s", text->len ? ", " : "", who->uid,
                        who->name, one->permanent ? "!" : "", one->value);
        }
        return g_string_free(g_steal_pointer(&text), FALSE);
}

static void assert_list(const Intent *intent, const char *expected) {
        g_autofree char *listed = list(intent);

        g_assert_cmpstr(listed, ==, expected);
}

/* root 1, alice 2 and 3, 3 by a client too, bob 3 */
static void fill(Intent *intent) {
        Refusal why;

        g_assert_cmpint(
                apply(intent, change_of(INTENT_ADD_SELECTORS, owner(0, ""), "user 1"), &why), ==,
                1);
        g_assert_cmpint(
                apply(intent, change_of(INTENT_ADD_SELECTORS, owner(ALICE, ""), "user 2, user 3"),
                        &why),
                ==, 1);
        g_assert_cmpint(
                apply(intent, change_of(INTENT_ADD_SELECTORS, owner(ALICE, ":1.5"), "user 3"),
                        &why),
                ==, 1);
        g_assert_cmpint(
                apply(intent, change_of(INTENT_ADD_SELECTORS, owner(BOB, ""), "user 3"), &why), ==,
                1);
}

#define FULL "0 1, 1000 2, 1000 3, 1000:1.5 3, 1001 3"

/* What uid may do what, and what comes of it. */
static const struct {
        const char *name;
        IntentChangeKind kind;
        uid_t uid;
        const char *client;
        bool everybody;
        const char *words;
        int result;
        const char *after; /* NULL: as before */
        const char *says;
} cases[] = {
        { "the-same-again", INTENT_ADD_SELECTORS, ALICE, "", false, "user 2", 0, NULL, NULL },
        { "what-another-has", INTENT_ADD_SELECTORS, BOB, "", false, "user 2", 1,
                "0 1, 1000 2, 1001 2, 1000 3, 1000:1.5 3, 1001 3", NULL },
        { "what-another-client-has", INTENT_ADD_SELECTORS, ALICE, ":1.6", false, "user 3", 1,
                "0 1, 1000 2, 1000 3, 1000:1.5 3, 1001 3, 1000:1.6 3", NULL },
        { "made-permanent", INTENT_ADD_SELECTORS, ALICE, "", false, "user !2", 1,
                "0 1, 1000 !2, 1000 3, 1000:1.5 3, 1001 3", NULL },
        { "nothing-added", INTENT_ADD_SELECTORS, ALICE, "", false, "", 0, NULL, NULL },

        { "removed", INTENT_REMOVE_SELECTORS, ALICE, "", false, "user 2", 1,
                "0 1, 1000 3, 1000:1.5 3, 1001 3", NULL },
        { "removed-whatever-lifetime", INTENT_REMOVE_SELECTORS, ALICE, "", false, "user 3", 1,
                "0 1, 1000 2, 1001 3", NULL },
        { "removed-by-another-client", INTENT_REMOVE_SELECTORS, ALICE, ":1.9", false, "user 3", 1,
                "0 1, 1000 2, 1001 3", NULL },
        { "removed-by-root-is-roots-own", INTENT_REMOVE_SELECTORS, 0, "", false, "user 3", -EPERM,
                NULL, "no selector user '3' of user 0" },
        { "removed-of-another", INTENT_REMOVE_SELECTORS, BOB, "", false, "user 2", -EPERM, NULL,
                "no selector user '2' of user 1001" },
        { "removed-of-all", INTENT_REMOVE_SELECTORS, BOB, "", true, "user 3", 1, "0 1, 1000 2",
                NULL },
        { "removed-half", INTENT_REMOVE_SELECTORS, ALICE, "", false, "user 2, user 9", -EPERM, NULL,
                "'9'" },
        { "removed-twice", INTENT_REMOVE_SELECTORS, ALICE, "", false, "user 2, user 2", -EPERM,
                NULL, "'2'" },
        { "removed-of-another-kind", INTENT_REMOVE_SELECTORS, ALICE, "", false, "cgroup 2", -EPERM,
                NULL, "cgroup '2'" },

        { "set", INTENT_SET_SELECTORS, ALICE, "", false, "user 4", 1, "0 1, 1001 3, 1000 4", NULL },
        { "set-to-nothing", INTENT_SET_SELECTORS, ALICE, "", false, "", 1, "0 1, 1001 3", NULL },
        { "set-to-the-same", INTENT_SET_SELECTORS, BOB, "", false, "user 3", 0, NULL, NULL },
        { "set-by-a-client", INTENT_SET_SELECTORS, ALICE, ":1.5", false, "user 2", 1,
                "0 1, 1000 2, 1000:1.5 2, 1001 3", NULL },
        { "set-by-root-is-roots-own", INTENT_SET_SELECTORS, 0, "", false, "user 9", 1,
                "1000 2, 1000 3, 1000:1.5 3, 1001 3, 0 9", NULL },

        { "client-gone", INTENT_DROP_CLIENT, ALICE, ":1.5", false, "", 1,
                "0 1, 1000 2, 1000 3, 1001 3", NULL },
        { "another-client-gone", INTENT_DROP_CLIENT, ALICE, ":1.55", false, "", 0, NULL, NULL },
};

static void test_case(const void *data) {
        size_t i = GPOINTER_TO_SIZE(data);
        CLEANUP(intent_clear) Intent intent = INTENT_INIT;
        Refusal why = { .text = "" };
        IntentChange change;

        fill(&intent);
        change = change_of(cases[i].kind, owner(cases[i].uid, cases[i].client), cases[i].words);
        change.everybody = cases[i].everybody;
        g_assert_cmpint(apply(&intent, change, &why), ==, cases[i].result);
        assert_list(&intent, cases[i].after ? cases[i].after : FULL);
        if (cases[i].says)
                g_assert_nonnull(strstr(why.text, cases[i].says));
}

/* A unit is of a manager: the same name of two users is two. */
static void test_units_of_users(void) {
        CLEANUP(intent_clear) Intent intent = INTENT_INIT;
        Refusal why;

        g_assert_cmpint(
                apply(&intent, change_of(INTENT_ADD_SELECTORS, owner(ALICE, ""), "unit a.service"),
                        &why),
                ==, 1);
        g_assert_cmpint(
                apply(&intent, change_of(INTENT_ADD_SELECTORS, owner(0, ""), "unit a.service"),
                        &why),
                ==, 1);
        g_assert_cmpuint(intent.split.selectors.n, ==, 2);
        g_assert_cmpint(
                apply(&intent,
                        change_of(INTENT_REMOVE_SELECTORS, owner(ALICE, ""), "unit a.service"),
                        &why),
                ==, 1);
        assert_list(&intent, "0 a.service");
}

static IntentChange many(uid_t uid, const char *client, unsigned from, unsigned n) {
        IntentChange change = INTENT_CHANGE_INIT;

        change.kind = INTENT_ADD_SELECTORS;
        change.owner = owner(uid, client);
        for (unsigned i = from; i < from + n; i++) {
                g_autofree char *value = g_strdup_printf("%u", i);
                Selector one = selector("user", value, uid, false);

                g_assert_nonnull(array_append(&change.selectors, &one));
        }
        return change;
}

static void test_limit(void) {
        CLEANUP(intent_clear) Intent intent = INTENT_INIT;
        Refusal why;

        g_assert_cmpint(
                apply(&intent, many(ALICE, "", 0, SPLIT_SELECTORS_PER_USER_MAX), &why), ==, 1);
        /* One more by any of her clients, and all at once or none. */
        g_assert_cmpint(apply(&intent, many(ALICE, "", 5000, 1), &why), ==, -EPERM);
        g_assert_cmpint(why.code, ==, REFUSAL_LIMITS_EXCEEDED);
        g_assert_nonnull(strstr(why.text, "user 1000 would have more than 1024 selectors"));
        g_assert_cmpint(apply(&intent, many(ALICE, ":1.5", 0, 1), &why), ==, -EPERM);
        g_assert_cmpint(apply(&intent, many(BOB, "", 0, 1025), &why), ==, -EPERM);
        g_assert_cmpuint(intent.split.selectors.n, ==, SPLIT_SELECTORS_PER_USER_MAX);
        g_assert_cmpint(apply(&intent, many(ALICE, "", 0, 2), &why), ==, 0); /* she has them */
        g_assert_cmpint(apply(&intent, many(BOB, "", 0, 1024), &why), ==, 1);
}

/* Groups */

static IntentChange group(IntentChangeKind kind, Owner who, const char *path, bool everybody) {
        IntentChange change = INTENT_CHANGE_INIT;

        change.kind = kind;
        change.owner = who;
        change.everybody = everybody;
        (void)g_strlcpy(change.group.path, path, sizeof(change.group.path));
        return change;
}

static int add_group(Intent *intent, Owner who, const char *path) {
        Refusal why;

        return apply(intent, group(INTENT_ADD_GROUP, who, path, false), &why);
}

static int remove_group(Intent *intent, Owner who, const char *path, bool everybody) {
        Refusal why;

        return apply(intent, group(INTENT_REMOVE_GROUP, who, path, everybody), &why);
}

static int drop(Intent *intent, Owner who) {
        IntentChange change = INTENT_CHANGE_INIT;
        Refusal why;

        change.kind = INTENT_DROP_CLIENT;
        change.owner = who;
        return apply(intent, change, &why);
}

static void assert_groups(const Intent *intent, const char *expected) {
        g_autoptr(GString) text = g_string_new("");
        const SplitGroup *one;

        ARRAY_FOREACH(one, &intent->split.groups) {
                const Owner *who = intent_owner(intent, one->owner);

                g_string_append_printf(
                        text, "%s%s %u%s", text->len ? ", " : "", one->path, who->uid, who->name);
        }
        g_assert_cmpstr(text->str, ==, expected);
}

static void test_group_owners(void) {
        CLEANUP(intent_clear) Intent intent = INTENT_INIT;
        const Owner boot = owner(ALICE, ""), client = owner(ALICE, ":1.5"),
                    bob = owner(BOB, ":1.6");

        g_assert_cmpint(add_group(&intent, client, "b"), ==, 1);
        g_assert_cmpint(add_group(&intent, client, "b"), ==, 0);
        g_assert_cmpint(add_group(&intent, bob, "b"), ==, 1);
        g_assert_cmpint(add_group(&intent, client, "a"), ==, 1);
        g_assert_cmpint(add_group(&intent, boot, "b"), ==, 1);
        assert_groups(&intent, "a 1000:1.5, b 1000:1.5, b 1001:1.6, b 1000");

        g_assert_cmpint(drop(&intent, client), ==, 1);
        assert_groups(&intent, "b 1001:1.6, b 1000");
        g_assert_cmpint(remove_group(&intent, client, "b", false), ==, 0); /* has no part in it */
        g_assert_cmpint(remove_group(&intent, bob, "b", false), ==, 1);
        assert_groups(&intent, "b 1000");
        g_assert_cmpint(add_group(&intent, client, "b"), ==, 1);
        g_assert_cmpint(remove_group(&intent, owner(0, ""), "b", true), ==, 1);
        assert_groups(&intent, "");
        g_assert_true(intent_is_empty(&intent));
}

static void test_group_limit(void) {
        CLEANUP(intent_clear) Intent intent = INTENT_INIT;
        Refusal why;

        for (unsigned i = 0; i < SPLIT_GROUPS_PER_USER_MAX; i++) {
                g_autofree char *path = g_strdup_printf("%05u", i);

                g_assert_cmpint(add_group(&intent, owner(ALICE, i % 2 ? "" : ":1.5"), path), ==, 1);
        }
        g_assert_cmpint(
                apply(&intent, group(INTENT_ADD_GROUP, owner(ALICE, ""), "one more", false), &why),
                ==, -EPERM);
        g_assert_cmpint(why.code, ==, REFUSAL_LIMITS_EXCEEDED);
        g_assert_nonnull(strstr(why.text, "user 1000"));
        g_assert_cmpint(add_group(&intent, owner(ALICE, ""), "00001"), ==, 0);
        g_assert_cmpint(add_group(&intent, owner(BOB, ""), "one more"), ==, 1);
        g_assert_cmpint(drop(&intent, owner(ALICE, ":1.5")), ==, 1);
        g_assert_cmpuint(intent.split.groups.n, ==, SPLIT_GROUPS_PER_USER_MAX / 2 + 1);
}

/* Settings */

static void test_settings(void) {
        static const struct {
                SplitChange change;
                int result;
                const char *after; /* disabled mode dns */
        } steps[] = {
                { { .has_enabled = true, .enabled = true }, 0, "0 exclude system" },
                { { .has_enabled = true, .enabled = false }, 1, "1 exclude system" },
                { { .has_mode = true, .mode = SPLIT_INCLUDE }, 1, "1 include system" },
                { { .has_mode = true, .mode = SPLIT_INCLUDE }, 0, "1 include system" },
                { { .has_dns = true, .dns = SPLIT_DNS_TUNNEL }, 1, "1 include tunnel" },
                { { .enabled = true, .mode = SPLIT_EXCLUDE }, 0, "1 include tunnel" },
                { { true, true, true, true, SPLIT_EXCLUDE, SPLIT_DNS_SYSTEM }, 1,
                        "0 exclude system" },
        };
        CLEANUP(intent_clear) Intent intent = INTENT_INIT;

        for (size_t i = 0; i < G_N_ELEMENTS(steps); i++) {
                const Split *split = &intent.split;
                IntentChange change = INTENT_CHANGE_INIT;
                g_autofree char *now = NULL;
                Refusal why;

                change.kind = INTENT_SET_SPLIT;
                change.split = steps[i].change;
                g_assert_cmpint(apply(&intent, change, &why), ==, steps[i].result);
                now = g_strdup_printf("%d %s %s", split->disabled, split_mode_name(split->mode),
                        split_dns_name(split->dns));
                g_assert_cmpstr(now, ==, steps[i].after);
        }
        g_assert_true(intent_is_empty(&intent));
}

/* Random histories */

static Owner random_owner(void) {
        uid_t uid = (uid_t)g_test_rand_int_range(0, 3);
        g_autofree char *client = g_strdup_printf(":1.%u%d", uid, g_test_rand_int_range(0, 3));

        return owner(uid, g_test_rand_bit() ? client : "");
}

static bool has_twin(const Array *selectors, const Selector *selector) {
        const Selector *other;

        ARRAY_FOREACH(other, selectors) {
                if (selector_compare(other, selector) == 0)
                        return true;
        }
        return false;
}

static IntentChange random_change(void) {
        static const char *const kinds[] = { "user", "cgroup", "unit", "interface" };
        static const IntentChangeKind changes[] = { INTENT_ADD_SELECTORS, INTENT_REMOVE_SELECTORS,
                INTENT_SET_SELECTORS, INTENT_ADD_GROUP, INTENT_REMOVE_GROUP, INTENT_SET_SPLIT,
                INTENT_DROP_CLIENT };
        IntentChange change = INTENT_CHANGE_INIT;
        Owner who = random_owner();

        change.kind = changes[g_test_rand_int_range(0, G_N_ELEMENTS(changes))];
        if (change.kind == INTENT_DROP_CLIENT && !who.name[0])
                (void)g_strlcpy(who.name, ":1.9", sizeof(who.name));
        change.owner = who;
        change.everybody = g_test_rand_int_range(0, 5) == 0;
        (void)g_snprintf(
                change.group.path, sizeof(change.group.path), "%d", g_test_rand_int_range(0, 3));
        change.split.has_enabled = change.split.has_mode = g_test_rand_bit();
        change.split.enabled = g_test_rand_bit();
        change.split.mode = g_test_rand_bit() ? SPLIT_INCLUDE : SPLIT_EXCLUDE;
        for (int i = g_test_rand_int_range(0, 4); i > 0; i--) {
                const char *kind = kinds[g_test_rand_int_range(0, G_N_ELEMENTS(kinds))];
                g_autofree char *value = g_strdup_printf("%d%s", g_test_rand_int_range(0, 3),
                        strcmp(kind, "unit") == 0 ? ".service" : "");
                Selector one = selector(kind, value, who.uid, !who.name[0] && g_test_rand_bit());

                if (has_twin(&change.selectors, &one))
                        continue; /* refused before it comes here */
                if (change.kind == INTENT_ADD_SELECTORS || change.kind == INTENT_SET_SELECTORS ||
                        change.kind == INTENT_REMOVE_SELECTORS)
                        g_assert_nonnull(array_append(&change.selectors, &one));
        }
        return change;
}

static void assert_sound(const Intent *intent) {
        const Array *selectors = &intent->split.selectors, *groups = &intent->split.groups;

        for (size_t i = 0; i < selectors->n; i++) {
                const Selector *one = array_at(selectors, i);

                g_assert_cmpuint(one->owner, <, intent->owners.n);
                if (i > 0)
                        g_assert_cmpint(selector_compare(array_at(selectors, i - 1), one), <, 0);
        }
        for (size_t i = 0; i < groups->n; i++) {
                g_assert_cmpuint(
                        ((const SplitGroup *)array_at(groups, i))->owner, <, intent->owners.n);
                if (i > 0)
                        g_assert_cmpint(
                                split_group_compare(array_at(groups, i - 1), array_at(groups, i)),
                                <, 0);
        }
}

/* What others have stays; but of a group, which is empty then, `everybody` means all. */
static void assert_others_kept(
        const Intent *before, const Intent *after, const IntentChange *change) {
        const Selector *one;
        const SplitGroup *two;

        if (change->everybody)
                return;
        ARRAY_FOREACH(one, &before->split.selectors) {
                const Owner *who = intent_owner(before, one->owner);

                if (who->uid != change->owner.uid)
                        g_assert_nonnull(
                                array_search(&after->split.selectors, one, selector_compare, NULL));
        }
        ARRAY_FOREACH(two, &before->split.groups) {
                const Owner *who = intent_owner(before, two->owner);

                if (owner_compare(who, &change->owner) != 0)
                        g_assert_nonnull(
                                array_search(&after->split.groups, two, split_group_compare, NULL));
        }
}

/* Whatever is asked for: sound, all or nothing, told right, and the same after a restart. */
static void test_random(void) {
        for (int round = 0; round < 200; round++) {
                CLEANUP(intent_clear) Intent intent = INTENT_INIT;

                for (int i = 0; i < 60; i++) {
                        CLEANUP(intent_clear) Intent before = INTENT_INIT, read = INTENT_INIT;
                        CLEANUP(intent_change_clear) IntentChange change = random_change();
                        g_autofree char *old = text_of(&intent), *now = NULL, *again = NULL;
                        Refusal why;
                        int r;

                        g_assert_cmpint(intent_copy(&before, &intent), ==, 0);
                        r = intent_apply(&intent, &change, &why);
                        now = text_of(&intent);
                        if (r < 0)
                                g_assert_cmpint(r, ==, -EPERM);
                        assert_sound(&intent);
                        assert_others_kept(&before, &intent, &change);
                        if (r <= 0) {
                                g_autofree char *a = list(&before), *b = list(&intent);

                                g_assert_cmpstr(a, ==, b);
                        } else
                                g_assert_cmpstr(old, !=, now);
                        g_assert_cmpint(intent_text_parse(now, &read), ==, 0);
                        again = text_of(&read);
                        g_assert_cmpstr(now, ==, again);
                }
        }
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autofree char *path =
                        g_strconcat("/intent-split/each-user-has-their-own/", cases[i].name, NULL);

                g_test_add_data_func(path, GSIZE_TO_POINTER(i), test_case);
        }
        g_test_add_func("/intent-split/units-are-of-their-users-manager", test_units_of_users);
        g_test_add_func("/intent-split/selectors-are-limited-by-user", test_limit);
        g_test_add_func("/intent-split/group-has-all-its-owners", test_group_owners);
        g_test_add_func("/intent-split/groups-are-limited-by-user", test_group_limit);
        g_test_add_func("/intent-split/settings-change-as-asked-alone", test_settings);
        g_test_add_func("/intent-split/random-requests-keep-it-sound", test_random);
        return g_test_run();
}
